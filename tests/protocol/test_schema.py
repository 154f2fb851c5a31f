"""schema.cddl and the octets of cards, keys, bundles and all payload vectors agree, says an independent validator."""

import json
import pathlib

import pytest

from tillbell_protocol.armor import untag_text
from tillbell_protocol.pairing import Card, Defaults, SecretKey, pair_as_device

FOLDER = pathlib.Path(__file__).parents[2] / "protocol"
HQ = SecretKey.from_random(bytes(range(64)))
DEVICE = SecretKey.from_random(bytes(32))
DEFAULTS = Defaults("till-1", "CNY", 480, ("老王面馆",), (("0001", "M"), ("0002", None), (None, "M2")))
BUNDLE = pair_as_device(DEVICE, HQ.card("hq"), bytes(range(32)), DEFAULTS).bundle
PAYLOADS = json.loads((FOLDER / "vectors" / "payload.json").read_text("utf-8"))["cases"]

pytestmark = pytest.mark.peer("cddl-verifier")


@pytest.fixture(scope="module")
def schema():
    cddl_verifier = pytest.importorskip("cddl_verifier", reason="absent peer: cddl-verifier")
    return cddl_verifier.Validator((FOLDER / "schema.cddl").read_text("utf-8"))


@pytest.mark.parametrize("case", PAYLOADS, ids=lambda case: case["name"])
def test_a_payload_vector_is_valid_exactly_if_it_is_to_be_read(schema, case):
    expected = case["expect"] == "ok"
    result = schema.validate(bytes.fromhex(case["in"]["payload"]), "payload", require_deterministic=True)
    assert bool(result) == expected, result.errors


@pytest.mark.parametrize(
    ("rule", "octets"),
    [
        ("card", HQ.card("总部", "+8613900139000").encode()),
        ("card", Card(HQ.x25519_public, None, "hq").encode()),
        ("secret-key", untag_text("TBK1.", HQ.text(), 256)),
        ("secret-key", untag_text("TBK1.", DEVICE.text(), 256)),
        ("bundle", BUNDLE),
    ],
)
def test_what_the_package_writes_follows_the_schema_and_one_octet_less_does_not(schema, rule, octets):
    result = schema.validate(octets, rule, require_deterministic=True)
    assert result, result.errors
    assert not schema.validate(octets.replace(b"\x58\x20", b"\x58\x1f", 1), rule)
