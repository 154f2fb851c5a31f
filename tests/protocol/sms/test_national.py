"""The national shift tables. Each was compared, cell by cell, with two independent transcriptions of the standard."""

import hashlib
import unicodedata

import pytest

from tillbell_protocol.sms import gsm7
from tillbell_protocol.sms.national import LANGUAGES, LOCKING, SINGLE

# Of the tables as compared: a changed cell changes its digest.
LOCKING_DIGESTS = {
    0: "06e3b0e082a12f9f",
    1: "59b6785da8da3fde",
    3: "429ecce35b213973",
    4: "e09602dbe548f617",
    5: "6d13002765069804",
    6: "4093bbbc0947eec9",
    7: "4f169b6921e6394c",
    8: "fa7aecfea13cb69b",
    9: "3f7a3a5df0cb87b8",
    10: "74ad0527560395c1",
    11: "8c47c9394d9ed3b5",
    12: "aaca745a7f302daf",
    13: "369a9662ca1d9bb8",
}
SINGLE_DIGESTS = {
    0: "4b5ada48804b8d78",
    1: "65cdf5a46950f81f",
    2: "95fb321d98903982",
    3: "47b9fc95f4c72121",
    4: "c1c0cf8a15da335b",
    5: "9a5b35e06a0eff3c",
    6: "cfd944ee03c901d4",
    7: "9737f6c0fda461f4",
    8: "27fec11902dd3c8f",
    9: "b3b0dee905e90a43",
    10: "6e5d9f5dbe31363a",
    11: "a8cee21f6d313d6b",
    12: "4f822ce034a4e097",
    13: "733d66dc34ada5e9",
}

SCRIPTS = {
    4: "BENGALI",
    5: "GUJARATI",
    6: "DEVANAGARI",
    7: "KANNADA",
    8: "MALAYALAM",
    9: "ORIYA",
    10: "GURMUKHI",
    11: "TAMIL",
    12: "TELUGU",
}


def digest(cells):
    return hashlib.sha256("".join(cells).encode()).hexdigest()[:16]


@pytest.mark.parametrize("language", LOCKING)
def test_locking_table_is_the_one_that_was_compared(language):
    assert len(LOCKING[language]) == 128
    assert digest(LOCKING[language]) == LOCKING_DIGESTS[language]


@pytest.mark.parametrize("language", SINGLE)
def test_single_shift_table_is_the_one_that_was_compared(language):
    table = SINGLE[language]
    assert digest(f"{cell:02x}{table[cell]}" for cell in sorted(table)) == SINGLE_DIGESTS[language]


@pytest.mark.parametrize(("language", "script"), SCRIPTS.items())
def test_letters_of_an_indian_table_are_of_its_script(language, script):
    letters = [c for c in LOCKING[language] if ord(c) > 0x7F and c != "\ufffd"]
    assert len(letters) > 50
    for letter in letters:
        # Letters younger than the interpreter's Unicode tables have no name yet.
        assert unicodedata.name(letter, script).startswith(script)


@pytest.mark.parametrize("language", LOCKING)
def test_every_locking_table_keeps_line_feed_carriage_return_escape_space_and_digits(language):
    table = LOCKING[language]
    assert (table[0x0A], table[0x0D], table[0x1B], table[0x20]) == ("\n", "\r", "\x1b", " ")
    assert table[0x30:0x3A] == "0123456789"
    assert table[0x61:0x7B] == "abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize("language", SINGLE)
def test_every_single_shift_table_keeps_euro_brackets_and_page_break(language):
    table = SINGLE[language]
    assert (
        "".join(table[n] for n in (0x0A, 0x14, 0x28, 0x29, 0x2F, 0x3C, 0x3D, 0x3E, 0x40, 0x65))
        == "\f^{}\\[~]|€"
    )


@pytest.mark.parametrize(
    ("septets", "locking", "single", "text"),
    [
        ("1c1b631b69", 0, 1, "Æçı"),
        ("1c0b1d0c0740", 1, 0, "ŞĞşğıİ"),
        ("1b411b611b4f", 0, 2, "ÁáÓ"),
        ("411b41", 0, 3, "AÀ"),
        ("121513", 3, 0, "ª∞Ç"),
        ("2f424c5f275941", 6, 0, "\u0928\u092e\u0938\u094d\u0924\u0947\u092d"),  # …नमस्ते… as separate letters
        ("1b1c1b20", 0, 6, "\u0966\u096a"),
        ("1b191b26", 0, 13, "\u0600\u060c"),
        ("0200081b65", 13, 12, "\u0628\u0627\u06c2€"),
        ("001b41", 11, 11, "\ufffdA"),
    ],
)
def test_septets_are_read_with_the_named_tables(septets, locking, single, text):
    assert gsm7.from_septets(bytes.fromhex(septets), locking, single) == text


@pytest.mark.parametrize("language", [2, 14, 200])
def test_a_language_without_a_locking_table_is_read_as_the_default_alphabet(language):
    assert gsm7.from_septets(b"\x00A", locking=language) == "@A"


def test_every_language_has_a_name():
    assert set(LANGUAGES) == set(SINGLE) == set(LOCKING) | {2}
