"""Expansion: what is sent compactly is standard COSE, as a library that knows nothing of this project agrees."""

import hashlib

import cbor2
import pytest

from tillbell_protocol.expand import expand
from tillbell_protocol.pairing import Defaults, SecretKey, pair_as_device, pair_as_recipient
from tillbell_protocol.ratchet import message_key
from tillbell_protocol.seal import Direction, LengthError, TagError, UnknownTypeError, seal

DEVICE = SecretKey.from_random(hashlib.sha256(b"device").digest())
HQ = SecretKey.from_random(bytes(range(64)))
PAIRED = pair_as_device(DEVICE, HQ.card("hq"), bytes(range(32)), Defaults("till", "CNY", 480, ("shop",)))
THEIRS = pair_as_recipient(HQ, PAIRED.bundle)
PAYLOAD = cbor2.dumps([0, 5, 1880, 0, 16691])


def sealed(counter=70000, direction=Direction.DEVICE_TO_RECIPIENT):
    outward = direction is Direction.DEVICE_TO_RECIPIENT
    return seal(
        direction=direction,
        binding=THEIRS.binding,
        counter=counter,
        message_key=message_key(THEIRS.root0 if outward else THEIRS.root1, counter),
        signing_seed=(DEVICE if outward else HQ).ed25519_seed,
        payload=PAYLOAD,
    )


def okp(cwt, curve, public):
    return cwt.COSEKey.new({1: 1, 3: -8, -1: curve, -2: public})


@pytest.mark.peer("cwt")
@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("counter", [0, 255, 70000, 2**24 - 1])
def test_an_independent_cose_library_decrypts_and_verifies_the_expanded_objects(counter, direction):
    cwt = pytest.importorskip("cwt", reason="absent peer: cwt")
    expanded = expand(sealed(counter, direction), THEIRS)
    outward = direction is Direction.DEVICE_TO_RECIPIENT
    key = message_key(THEIRS.root0 if outward else THEIRS.root1, counter)
    symmetric = cwt.COSEKey.new({1: 4, 2: THEIRS.kid, 3: 24, -1: key})
    plaintext = cwt.COSE.new().decode(expanded.encrypt0, symmetric, external_aad=expanded.external_aad)
    assert plaintext[64:] == PAYLOAD
    public = (DEVICE if outward else HQ).ed25519_public
    payload = cwt.COSE.new().decode(expanded.sign1, okp(cwt, 6, public), external_aad=expanded.external_aad)
    assert payload == PAYLOAD
    assert cbor2.loads(expanded.sign1).value[3] == plaintext[:64]


@pytest.mark.peer("cwt")
def test_an_independent_cose_library_refuses_them_with_another_pairings_aad():
    cwt = pytest.importorskip("cwt", reason="absent peer: cwt")
    expanded = expand(sealed(), THEIRS)
    wrong = expanded.external_aad[:-1] + bytes([expanded.external_aad[-1] ^ 1])
    key = cwt.COSEKey.new({1: 4, 2: THEIRS.kid, 3: 24, -1: message_key(THEIRS.root0, 70000)})
    with pytest.raises(cwt.DecodeError):
        cwt.COSE.new().decode(expanded.encrypt0, key, external_aad=wrong)
    with pytest.raises(cwt.VerifyError):
        cwt.COSE.new().decode(expanded.sign1, okp(cwt, 6, DEVICE.ed25519_public), external_aad=wrong)


@pytest.mark.peer("cwt")
def test_an_independent_cose_library_verifies_a_pairing_bundle():
    cwt = pytest.importorskip("cwt", reason="absent peer: cwt")
    payload = cwt.COSE.new().decode(PAIRED.bundle, okp(cwt, 6, DEVICE.ed25519_public))
    assert cbor2.loads(payload)[1] == DEVICE.ed25519_public


def test_without_a_pairing_the_encrypt0_comes_out_and_nothing_else():
    message = sealed()
    expanded = expand(message)
    tag = cbor2.loads(expanded.encrypt0)
    assert (tag.tag, expanded.external_aad, expanded.sign1) == (16, None, None)
    assert tag.value[0] == bytes.fromhex("a1011818")
    assert dict(tag.value[1]) == {4: THEIRS.kid, 5: bytes(9) + message[3:6]}
    assert tag.value[2] == message[6:]


def test_expansion_refuses_what_is_no_sealed_message_or_not_this_pairings():
    message = sealed()
    for bad, error in ((b"", LengthError), (b"\x00" * 100, UnknownTypeError)):
        with pytest.raises(error):
            expand(bad)
    with pytest.raises(TagError):
        expand(message[:-1] + bytes([message[-1] ^ 1]), THEIRS)
