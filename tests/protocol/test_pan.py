"""Card numbers: truncated where they are read, scrubbed where text leaves, and other numbers left alone."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tillbell_protocol.pan import TruncatedPan, luhn_holds, scrub


def _card(prefix: str, length: int, rng: random.Random) -> str:
    body = prefix + "".join(rng.choice("0123456789") for _ in range(length - len(prefix) - 1))
    return next(body + check for check in "0123456789" if luhn_holds(body + check))


@pytest.mark.parametrize(
    ("printed", "last4"),
    [
        ("622576******6691 /C", "6691"),
        ("************1111", "1111"),
        ("XXXX XXXX XXXX 1234", "1234"),
        ("4111 **** **** 1111", "1111"),
        ("4111 1111 1111 1111", "1111"),
        ("3782 822463 10005", "0005"),
        ("378282246310005 1228", "0005"),
        ("****1111 1228", "1111"),
        ("xxxx1234 Exp 12/28", "1234"),
        ("############4771", "4771"),
        ("676EEEEEEEEEEE1234", "1234"),
        ("••••••••1111", "1111"),
    ],
)
def test_printed_number_keeps_its_last_four_digits(printed: str, last4: str) -> None:
    assert TruncatedPan.from_printed(printed) == TruncatedPan(last4)


@pytest.mark.parametrize("printed", ["", "1234", "411111******", "4111********111X", "VISA", "****"])
def test_number_without_a_readable_tail_has_none(printed: str) -> None:
    assert TruncatedPan.from_printed(printed) is None


@pytest.mark.parametrize("last4", ["12345", "123", "12a4", "１２３４"])
def test_truncated_pan_holds_four_ascii_digits(last4: str) -> None:
    with pytest.raises(ValueError, match="four digits"):
        TruncatedPan(last4)


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111111",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
        "4111\x001111\x1f11111111",
        "4111111111111111 02",
        "ref 519610000123 4111111111111111 12",
        "3782 822463 10005",
        "2221000000000009",
        "4111/1111/1111/1111",
        "4111   1111   1111   1111",
        "卡号４１１１１１１１１１１１１１１１",
    ],
)
def test_card_number_is_scrubbed_to_its_tail(text: str) -> None:
    scrubbed = scrub(text)
    assert "****" in scrubbed
    assert "411111" not in scrubbed.replace(" ", "").replace("\x00", "").replace("-", "")
    assert "822463" not in scrubbed
    assert "222100" not in scrubbed


@pytest.mark.parametrize(
    "text",
    [
        "519610000123",  # an RRN
        "4006381333931",  # an EAN-13 whose Luhn digit does not hold
        "2024060300017",
        "2024060314223380",  # starts like a year, Luhn holds
        "4200001234202406031234567890",
        "4.00 4.80 10.00 0.20 18.80 12.95",
        "898310148160001",
        "2024-06-03 14:22:33",
    ],
)
def test_other_numbers_survive(text: str) -> None:
    assert scrub(text) == text


@settings(max_examples=150)
@given(
    st.sampled_from(["3782", "4", "51", "6225", "2221", "6011", "5018", "3528"]),
    st.integers(13, 19),
    st.integers(0, 2**32),
    st.sampled_from(["", " ", "-", " - ", "\x00"]),
    st.text(alphabet="abz: \n", max_size=5),
)
def test_no_card_number_of_any_length_survives(
    prefix: str, length: int, seed: int, separator: str, around: str
) -> None:
    number = _card(prefix, length, random.Random(seed))
    groups = [number[at : at + 4] for at in range(0, length, 4)]
    printed = separator.join(groups) if separator != " - " else number
    assert number[:-4] not in "".join(filter(str.isdigit, scrub(around + printed + around)))


@settings(max_examples=100)
@given(st.text(max_size=80))
def test_scrubbing_never_fails_and_is_stable(text: str) -> None:
    assert scrub(scrub(text)) == scrub(text)
