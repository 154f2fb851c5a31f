"""Sealing and opening: one message, one key, one layer that refuses each fault."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.signing import SigningKey

from tillbell_protocol.errors import EncodeError
from tillbell_protocol.ratchet import CountersExhaustedError
from tillbell_protocol.seal import (
    MAX_MESSAGE,
    MAX_ONE_ARMORED_PAYLOAD,
    MAX_ONE_SEGMENT_PAYLOAD,
    MAX_PAYLOAD,
    MAX_TWO_SEGMENTS_PAYLOAD,
    Direction,
    Header,
    LengthError,
    Refusal,
    SignatureError,
    TagError,
    UnknownKidError,
    UnknownTypeError,
    open_sealed,
    seal,
)

SEED = hashlib.sha256(b"device").digest()
PUBLIC = bytes(SigningKey(SEED).verify_key)
BINDING = hashlib.sha256(b"binding").digest()
KEY = hashlib.sha256(b"key").digest()


def sealed(payload=b"\x81\x00", counter=5, direction=Direction.DEVICE_TO_RECIPIENT, seed=SEED):
    return seal(
        direction=direction,
        binding=BINDING,
        counter=counter,
        message_key=KEY,
        signing_seed=seed,
        payload=payload,
    )


def opened(message, binding=BINDING, key=KEY, public=PUBLIC):
    return open_sealed(message, binding=binding, message_key=key, verify_key=public)


@given(st.binary(min_size=1, max_size=MAX_PAYLOAD), st.integers(0, 2**24 - 1), st.sampled_from(Direction))
def test_what_is_sealed_opens_to_the_same_payload(payload, counter, direction):
    message = sealed(payload, counter, direction)
    assert len(message) == len(payload) + 86
    assert Header.decode(message) == Header(direction, BINDING[:2], counter)
    assert opened(message) == payload


@settings(max_examples=200)
@given(st.integers(0, 87), st.integers(1, 255))
def test_no_octet_can_be_changed(place, change):
    message = bytearray(sealed())
    message[place] ^= change
    expected = UnknownTypeError if place == 0 else UnknownKidError if place < 3 else TagError
    if place == 0 and message[0] == 0x51:
        expected = TagError
    with pytest.raises(expected):
        opened(bytes(message))


@given(st.binary(max_size=MAX_MESSAGE + 10))
def test_any_octets_are_refused_with_a_refusal(octets):
    with pytest.raises(Refusal):
        opened(octets)


@pytest.mark.parametrize("length", [0, 1, 86, 1025, 5000])
def test_too_short_and_too_long_messages_are_refused_by_length(length):
    with pytest.raises(LengthError):
        opened(b"\x50" * length)


def test_a_message_for_another_pairing_is_refused_even_with_the_same_kid_and_key():
    other = BINDING[:2] + hashlib.sha256(b"other").digest()[:30]
    with pytest.raises(TagError):
        opened(sealed(), binding=other)


def test_a_message_of_one_direction_is_none_of_the_other():
    message = sealed()
    with pytest.raises(TagError):
        opened(b"\x51" + message[1:])


def test_who_has_the_message_key_and_not_the_signing_key_is_refused_by_signature():
    with pytest.raises(SignatureError):
        opened(sealed(seed=hashlib.sha256(b"thief").digest()))


def test_the_same_inputs_give_the_same_octets():
    assert sealed() == sealed()


def test_the_sizes_of_the_format():
    assert (MAX_ONE_SEGMENT_PAYLOAD, MAX_ONE_ARMORED_PAYLOAD, MAX_TWO_SEGMENTS_PAYLOAD) == (47, 34, 170)
    assert len(sealed(bytes(47))) == 133
    assert len(sealed(bytes(34))) == 120


@pytest.mark.parametrize("payload", [b"", bytes(MAX_PAYLOAD + 1)])
def test_a_payload_that_no_message_carries_is_an_encode_error(payload):
    with pytest.raises(EncodeError):
        sealed(payload)


@pytest.mark.parametrize("counter", [-1, 2**24])
def test_a_counter_beyond_24_bits_is_exhausted(counter):
    with pytest.raises(CountersExhaustedError):
        sealed(counter=counter)
