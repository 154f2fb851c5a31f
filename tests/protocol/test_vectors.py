"""Every published vector: right inputs give all the stated values, each fault is refused by the layer it names."""

import json
import pathlib
import subprocess
import sys

import pytest

from tillbell_protocol import cbor
from tillbell_protocol.armor import find_blocks
from tillbell_protocol.check import verify_text
from tillbell_protocol.expand import expand
from tillbell_protocol.keys import CardError, KeyFileError
from tillbell_protocol.pairing import (
    BundleError,
    BundleForAnotherError,
    BundleSignatureError,
    Card,
    Defaults,
    LowOrderKeyError,
    SecretKey,
    bundle_text,
    pair_as_device,
    pair_as_recipient,
)
from tillbell_protocol.payload import decode_payload
from tillbell_protocol.payload_json import to_json
from tillbell_protocol.ratchet import CountersExhaustedError, Ratchet, message_key
from tillbell_protocol.receiver import Receiver
from tillbell_protocol.refusal import CborError, Refusal
from tillbell_protocol.seal import (
    Header,
    encryption_structure,
    external_aad,
    nonce,
    open_sealed,
    seal,
    signature_structure,
    unseal,
)

FOLDER = pathlib.Path(__file__).parents[2] / "protocol" / "vectors"
GENERATOR = pathlib.Path(__file__).with_name("make_vectors.py")
LAYERS = {
    CborError: "cbor",
    CountersExhaustedError: "exhausted",
    CardError: "card",
    KeyFileError: "key",
    BundleError: "bundle",
    BundleSignatureError: "bundle-signature",
    BundleForAnotherError: "bundle-recipient",
    LowOrderKeyError: "low-order",
}


def outcome(action):
    """The word for what happened, and the value if all was well. Any other exception fails the test."""
    try:
        return "ok", action()
    except Refusal as refusal:
        return refusal.layer, None
    except tuple(LAYERS) as error:
        return LAYERS[type(error)], None


def run_cbor(octets):
    cbor.check_deterministic(bytes.fromhex(octets))
    return {}


def run_ratchet(root, counter):
    key = message_key(bytes.fromhex(root), counter)
    state = Ratchet.start(bytes.fromhex(root)).jump(counter)
    assert state.message_key() == key
    return {"chain": state.chain.hex(), "key": key.hex()}


def run_text(form, text):
    if form == "card":
        card = Card.from_text(text)
        assert Card.from_text(card.text()) == card
        values = {"name": card.name, "phone": card.phone, "x25519": card.x25519, "ed25519": card.ed25519}
    else:
        card = SecretKey.from_text(text)
        assert card.text() in text
        values = {"x25519": card.x25519, "ed25519": card.ed25519_seed}
    return hexed(values | {"fingerprint": card.fingerprint()})


def run_pairing(ed25519_seed, x25519_secret, bundle, **device):
    secret = SecretKey(bytes.fromhex(ed25519_seed), bytes.fromhex(x25519_secret))
    paired = pair_as_recipient(secret, bytes.fromhex(bundle))
    names = ("binding", "kid", "root0", "root1", "check_key", "fingerprint")
    values = {name: getattr(paired, name) for name in names}
    given = paired.defaults
    lists = {"shops": list(given.shops), "terminals": [list(entry) for entry in given.terminals]}
    scalars = {name: getattr(given, name) for name in ("device_name", "currency", "utc_offset_min")}
    return hexed(values) | {"defaults": scalars | lists}


def run_payload(payload, defaults):
    lists = {"shops": tuple(defaults["shops"]), "terminals": tuple(map(tuple, defaults["terminals"]))}
    known = Defaults(**(defaults | lists))
    return {"json": to_json(decode_payload(bytes.fromhex(payload), known), known)}


def run_seal(binding, root, message, verify_key):
    binding, message = bytes.fromhex(binding), bytes.fromhex(message)
    header = Header.decode(message)
    key = message_key(bytes.fromhex(root), header.counter)
    payload = open_sealed(message, binding=binding, message_key=key, verify_key=bytes.fromhex(verify_key))
    aad = external_aad(message[:6], binding)
    return hexed(
        {
            "payload": payload,
            "external_aad": aad,
            "message_key": key,
            "sig_structure": signature_structure(aad, payload),
            "signature": unseal(message, binding=binding, message_key=key)[0],
            "enc_structure": encryption_structure(aad),
            "nonce": nonce(header.counter),
            "ciphertext": message[6:],
            "encrypt0": expand(message).encrypt0,
        }
    )


def run_armor(text):
    return {"blocks": [block.hex() for block in find_blocks(text)]}


def run_check(key, text):
    return "ok" if verify_text(bytes.fromhex(key), text) else "mismatch"


def run_receiver(ed25519_seed, x25519_secret, bundles, closed, messages):
    receiver = Receiver(SecretKey(bytes.fromhex(ed25519_seed), bytes.fromhex(x25519_secret)))
    for bundle in bundles:
        receiver.import_bundle(bytes.fromhex(bundle), confirmed=True)
    for binding in closed:
        receiver.close_pairing(bytes.fromhex(binding))
    words = set()
    for entry in messages:
        assert set(entry) == {"message", "expect"}
        word, _ = outcome(lambda entry=entry: receiver.open(bytes.fromhex(entry["message"])))
        assert word == entry["expect"]
        words.add(word)
    [pairing] = receiver.pairings
    return words, {"gaps": [list(gap) for gap in receiver.gaps(pairing.keys.binding)]}


def hexed(values):
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in values.items()}


# What a file's cases give beyond what the runner computes from the inputs alone; checked by the tests below.
FURTHER = {
    "ratchet": {"era", "epoch"},
    "pairing": {"device_seed", "ephemeral", "card", "bundle_text", "ikm"},
    "seal": {"signing_seed", "sign1"},
}
RUNNERS = {
    "cbor": run_cbor,
    "ratchet": run_ratchet,
    "text": run_text,
    "pairing": run_pairing,
    "payload": run_payload,
    "seal": run_seal,
    "armor": run_armor,
}


def load(name):
    document = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    assert set(document) == {"about", "cases"}
    for case in document["cases"]:
        assert set(case) == {"name", "about", "expect", "in", "out"}, case["name"]
    names = [case["name"] for case in document["cases"]]
    assert len(names) == len(set(names))
    return document["cases"]


def cases(*files):
    return [pytest.param(name, case, id=f"{name}-{case['name']}") for name in files for case in load(name)]


@pytest.mark.parametrize(("name", "case"), cases(*RUNNERS))
def test_vector(name, case):
    word, values = outcome(lambda: RUNNERS[name](**case["in"]))
    assert word == case["expect"]
    if word != "ok":
        assert case["out"] == {}
        return
    stated = {key: value for key, value in case["out"].items() if key not in FURTHER.get(name, set())}
    assert values == stated


@pytest.mark.parametrize(("name", "case"), cases("check"))
def test_check_vector(name, case):
    assert run_check(**case["in"]) == case["expect"]


@pytest.mark.parametrize(("name", "case"), cases("receiver"))
def test_receiver_vector(name, case):
    words, values = run_receiver(**case["in"])
    assert (words - {"ok"} or {"ok"}, values) == ({case["expect"]}, case["out"])


@pytest.mark.parametrize(("name", "case"), [c for c in cases("seal") if c.values[1]["expect"] == "ok"])
def test_a_sender_makes_the_same_message_and_expansion(name, case):
    message = bytes.fromhex(case["in"]["message"])
    out = {key: bytes.fromhex(value) for key, value in case["out"].items()}
    header = Header.decode(message)
    assert message == seal(
        direction=header.direction,
        binding=bytes.fromhex(case["in"]["binding"]),
        counter=header.counter,
        message_key=out["message_key"],
        signing_seed=out["signing_seed"],
        payload=out["payload"],
    )
    assert (
        cbor.encode_tagged(18, [bytes.fromhex("a10127"), {}, out["payload"], out["signature"]])
        == out["sign1"]
    )


def test_a_device_makes_the_same_bundle():
    [case] = [case for case in load("pairing") if case["name"] == "right"]
    given, out = case["in"], case["out"]
    defaults = out["defaults"]
    lists = {"shops": tuple(defaults["shops"]), "terminals": tuple(map(tuple, defaults["terminals"]))}
    paired = pair_as_device(
        SecretKey(bytes.fromhex(out["device_seed"])),
        Card.decode(bytes.fromhex(out["card"])),
        bytes.fromhex(out["ephemeral"]),
        Defaults(**(defaults | lists)),
    )
    assert paired.bundle.hex() == given["bundle"]
    assert bundle_text(paired.bundle) == out["bundle_text"]
    assert paired.ratchet == Ratchet.start(bytes.fromhex(out["root0"]))


def test_there_are_enough_vectors_and_each_refusing_layer_has_one():
    everything = [case for path in sorted(FOLDER.glob("*.json")) for case in load(path.stem)]
    assert len(everything) >= 60
    assert {path.stem for path in FOLDER.glob("*.json")} == {*RUNNERS, "check", "receiver", "link"}
    refused = {case["expect"] for case in everything}
    assert refused >= {
        *LAYERS.values(),
        "length",
        "type",
        "direction",
        "kid",
        "duplicate",
        "tag",
        "signature",
        "payload",
    }
    assert refused >= {"closed", "reused", "mismatch", "ok"}


@pytest.mark.peer("cryptography")
def test_the_generator_which_knows_nothing_of_the_package_makes_the_same_files(tmp_path):
    pytest.importorskip("cryptography", reason="absent peer: cryptography")
    subprocess.run([sys.executable, str(GENERATOR), str(tmp_path)], check=True, timeout=120)
    made = {path.name: path.read_bytes() for path in tmp_path.glob("*.json")}
    assert made == {path.name: path.read_bytes() for path in FOLDER.glob("*.json")}
