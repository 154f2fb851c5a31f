"""Armor: octets as letters, and letters found again in pasted text."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillbell_protocol.armor import ArmorError, armor, dearmor, find_blocks, tag_text, untag_text

MESSAGE = b"\x50" + bytes(range(119))


@given(st.binary(max_size=200))
def test_armor_comes_back_as_the_same_octets(octets):
    letters = armor(octets)
    assert "=" not in letters
    assert dearmor(letters) == octets


@given(st.text(max_size=200))
def test_any_text_gives_octets_or_an_armor_error(text):
    try:
        octets = dearmor(text)
    except ArmorError:
        return
    assert dearmor(armor(octets)) == octets


@given(st.text(alphabet="UVabc/+ \n\r\t.-\u3000x", max_size=200) | st.text(max_size=200))
def test_any_text_gives_blocks_whose_first_octet_is_0x50_to_0x53(text):
    for block in find_blocks(text):
        assert block == b"" or 0x50 <= block[0] <= 0x53


def test_120_octets_are_160_letters_all_of_them_the_same_in_gsm_03_38():
    letters = armor(MESSAGE)
    assert len(letters) == 160
    assert all(character.isascii() and (character.isalnum() or character in "+/") for character in letters)


@pytest.mark.parametrize("width", [1, 7, 40, 160])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_block_that_a_phone_wrapped_is_found_whole_between_other_lines(width, end):
    letters = armor(MESSAGE)
    wrapped = end.join(letters[at : at + width] for at in range(0, len(letters), width))
    pasted = f"From: +86 138 0013 8000{end}{wrapped}{end}sent 12:30.{end}"
    assert find_blocks(pasted) == [MESSAGE]


def test_an_empty_line_or_another_line_ends_a_block():
    letters = armor(MESSAGE)
    assert find_blocks(f"{letters}\n\n{letters}\n12:30.\n  {letters}  ") == [MESSAGE] * 3


def test_white_space_inside_is_removed_wherever_a_phone_put_it():
    letters = armor(MESSAGE)
    assert find_blocks(f"\u00a0{letters[:50]} \t{letters[50:]}\u3000") == [MESSAGE]


def test_a_letter_too_many_at_the_end_is_not_silently_lost_as_a_message():
    assert find_blocks(armor(MESSAGE) + "A") == [MESSAGE]


def test_unused_bits_at_the_end_do_not_make_another_message():
    assert dearmor("UB") == dearmor("UA") == b"\x50"


@pytest.mark.parametrize(("text", "offset"), [("UAA=", 3), ("U-AA", 1), ("UAAAA", 4), ("UÅAA", 1)])
def test_foreign_letters_and_impossible_lengths_are_refused_with_their_place(text, offset):
    with pytest.raises(ArmorError) as caught:
        dearmor(text)
    assert caught.value.offset == offset


def test_a_tagged_line_is_found_among_comments():
    text = f"# created 2026-05-04\r\n\r\n{tag_text('TBC1.', MESSAGE)}\r\n# end\r\n"
    assert untag_text("TBC1.", text, 200) == MESSAGE


@pytest.mark.parametrize(
    "text", ["", "# only a comment", "TBP1.UAAA", "TBC1.UAAA\nTBC1.UAAA", "TBC1.UA*A", "TBC1." + "A" * 400]
)
def test_anything_but_one_line_with_the_tag_is_refused(text):
    with pytest.raises(ArmorError):
        untag_text("TBC1.", text, 200)


def test_armor_is_plain_base64():
    assert armor(MESSAGE) == base64.b64encode(MESSAGE).decode().rstrip("=")
