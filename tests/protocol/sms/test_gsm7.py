"""GSM 7-bit: characters, escape pairs, packing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillbell_protocol.errors import EncodeError
from tillbell_protocol.sms import gsm7
from tillbell_protocol.sms.national import LOCKING, SINGLE

ALPHABET = [c for c in LOCKING[0] if c != "\x1b"] + list(SINGLE[0].values())
gsm7_text = st.text(alphabet=ALPHABET, max_size=200)


def test_default_alphabet_has_127_characters_and_ten_more_behind_the_escape():
    assert len(set(ALPHABET)) == len(ALPHABET) == 137


@pytest.mark.parametrize(
    ("text", "septets"),
    [
        ("@", "00"),
        ("£$¥", "010203"),
        ("ò\nÇ\r", "080a090d"),
        ("Δ_ΦΓΛΩΠΨΣΘΞ", "101112131415161718191a"),
        ("ÆæßÉ ", "1c1d1e1f20"),
        ("¤¡§¿à", "24405f607f"),
        ("ÄÖÑÜäöñü", "5b5c5d5e7b7c7d7e"),
        ("€", "1b65"),
        ("[]{}^~|\\\f", "1b3c1b3e1b281b291b141b3d1b401b2f1b0a"),
    ],
)
def test_characters_have_the_septets_of_the_table(text, septets):
    assert gsm7.to_septets(text) == bytes.fromhex(septets)
    assert gsm7.from_septets(bytes.fromhex(septets)) == text


@pytest.mark.parametrize("character", ["ç", "`", "你", "\t", "\x1b", "\xa0", "😀", "á", "\x00"])
def test_characters_outside_the_alphabet_are_not_replaced(character):
    assert not gsm7.is_gsm7(character)
    with pytest.raises(EncodeError, match="not in the GSM 7-bit default alphabet"):
        gsm7.to_septets("ok" + character)
    with pytest.raises(EncodeError):
        gsm7.septet_length(character)


@pytest.mark.parametrize(
    ("text", "packed"),
    [
        ("", ""),
        ("A", "41"),
        ("hellohello", "e8329bfd4697d9ec37"),
        ("1234567", "31d98c56b3dd00"),
        ("How are you?", "c8f71d14969741f977fd07"),
        ("2 € par mois", "32d0a60c8287e5a0f63b3d07"),
    ],
)
def test_septets_are_packed_as_published_examples_show(text, packed):
    septets = gsm7.to_septets(text)
    assert gsm7.pack(septets) == bytes.fromhex(packed)
    assert gsm7.unpack(bytes.fromhex(packed), len(septets)) == septets


def test_seven_septets_do_not_gain_an_at_sign():
    packed = gsm7.pack(gsm7.to_septets("1234567"))
    assert len(packed) == 7
    assert gsm7.from_septets(gsm7.unpack(packed, 7)) == "1234567"
    assert gsm7.pack(gsm7.to_septets("1234567@")) == packed, "only the count of septets tells them apart"


def test_empty_cell_behind_an_escape_shows_the_main_table():
    assert gsm7.from_septets(b"\x1bA\x1b\x0d") == "A\r"


def test_lone_and_double_escape_show_a_space():
    assert gsm7.from_septets(b"A\x1b") == "A "
    assert gsm7.from_septets(b"A\x1b\x1bB") == "A B"


def test_an_octet_above_7f_is_no_septet():
    with pytest.raises(EncodeError, match="0x80 at 1"):
        gsm7.pack(b"\x00\x80")


@given(gsm7_text)
def test_text_survives_septets(text):
    septets = gsm7.to_septets(text)
    assert gsm7.from_septets(septets) == text
    assert gsm7.septet_length(text) == len(septets)


@given(st.lists(st.integers(0, 127), max_size=160).map(bytes), st.integers(0, 6))
def test_septets_survive_packing_behind_any_fill_bits(septets, fill_bits):
    packed = gsm7.pack(septets, fill_bits)
    assert len(packed) == -(-(7 * len(septets) + fill_bits) // 8)
    assert gsm7.unpack(packed, len(septets), fill_bits) == septets


@given(st.lists(st.integers(0, 127)).map(bytes), st.integers(0, 255), st.integers(0, 255))
def test_any_septets_decode_with_any_language(septets, locking, single):
    assert len(gsm7.from_septets(septets, locking, single)) <= len(septets)
