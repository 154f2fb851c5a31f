"""Check codes: six digits that survive what carriers do to white space, and nothing else."""

import hmac
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillbell_protocol.check import check_code, verify_text

KEY = bytes(range(32))
SPACES = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"


def test_the_code_is_the_hmac_of_the_text_without_white_space_and_code():
    digest = hmac.new(KEY, "【老王面馆】收款18.80元,校验".encode(), "sha256").digest()
    expected = f"{int.from_bytes(digest[:4], 'big') % 1_000_000:06d}"
    assert check_code(KEY, "【老王面馆】 收款18.80元,校验\n") == expected


@given(
    st.text(max_size=80), st.text(max_size=20).filter(lambda text: not any(c in "0123456789" for c in text))
)
def test_a_text_with_its_code_is_verified(before, after):
    before = before.rstrip("0123456789")
    assert verify_text(KEY, before + check_code(KEY, before, after) + after)


@given(st.lists(st.sampled_from(SPACES), max_size=8), st.integers(0, 20))
def test_white_space_added_on_the_way_changes_nothing(spaces, at):
    text = "Cafe: received EUR 12.50. Check "
    mangled = text[:at] + "".join(spaces) + text[at:]
    assert verify_text(KEY, mangled + check_code(KEY, text))


@pytest.mark.parametrize("character", ["\u200b", "\u2060", "\x00", "\x1c", "\u180e", "\u00ad", "."])
def test_any_other_added_character_is_noticed(character):
    text = "Cafe: received EUR 12.50. Check "
    assert not verify_text(KEY, character + text + check_code(KEY, text))


def test_a_text_in_decomposed_form_is_the_same_text():
    text = "Café Ångström: reçu 12,50. Code "
    assert verify_text(KEY, unicodedata.normalize("NFD", text) + check_code(KEY, text))


@pytest.mark.parametrize("change", [("18.80", "98.80"), ("#7", "#8"), ("Cafe", "Cave")])
def test_a_changed_text_is_refused(change):
    text = "Cafe: received EUR 18.80. #7. Check "
    assert not verify_text(KEY, text.replace(*change) + check_code(KEY, text))


@pytest.mark.parametrize(
    "text", ["", "no digits", "Check 12345", "Check 1234567", "Check 123456 at 12", "Check １２３４５６"]
)
def test_the_last_run_of_ascii_digits_must_be_exactly_six_long(text):
    assert not verify_text(KEY, text)


def test_digits_of_other_scripts_do_not_end_the_search_for_the_code():
    text = "Check "
    code = check_code(KEY, text, " ٣٤")
    assert verify_text(KEY, f"{text}{code} ٣٤")


def test_another_key_gives_no_valid_code():
    text = "Cafe: received EUR 18.80. Check "
    assert not verify_text(bytes(32), text + check_code(KEY, text))


def test_codes_keep_their_leading_zeros():
    codes = {check_code(KEY, f"sale {number} ") for number in range(300)}
    assert all(len(code) == 6 and code.isdigit() for code in codes)
    assert any(code.startswith("0") for code in codes)


@given(st.text(max_size=100))
def test_any_text_is_answered(text):
    assert verify_text(KEY, text) in (True, False)
