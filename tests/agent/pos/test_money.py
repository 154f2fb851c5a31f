"""Printed amounts are read exactly, or not at all."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tillbell_agent.pos.money import _SIGNS, exponent, read_amount
from tillbell_protocol.iso4217 import CODES


@pytest.mark.parametrize(
    ("text", "configured", "minor", "currency"),
    [
        ("RMB 18.80", "USD", 1880, "CNY"),
        ("¥18.80", "CNY", 1880, "CNY"),
        ("¥1,880", "JPY", 1880, "JPY"),
        ("18.80元", "CNY", 1880, "CNY"),
        ("EUR 1.234,56", "CNY", 123456, "EUR"),
        ("12,50 €", "CNY", 1250, "EUR"),
        ("36,500원", "CNY", 36500, "KRW"),
        ("$14.25", "AUD", 1425, "AUD"),
        ("$14.25", "EUR", 1425, "USD"),
        ("HK$14.25", "USD", 1425, "HKD"),
        ("Rp 125.000", "CNY", 12500000, "IDR"),
        ("1'234.50", "CHF", 123450, "CHF"),
        ("1.234", "KWD", 1234, "KWD"),
        ("12.5", "CNY", 1250, "CNY"),
        ("1,234,567.89", "USD", 123456789, "USD"),
        ("1.234.567", "CLP", 1234567, "CLP"),
        ("*14.25*", "USD", 1425, "USD"),
        ("12,--", "EUR", 1200, "EUR"),
        ("RM 12.00", "USD", 1200, "MYR"),
        ("\\1,100", "JPY", 1100, "JPY"),
        ("\\11,000", "KRW", 11000, "KRW"),
        ("RMB¥12.00", "CNY", 1200, "CNY"),
        ("人民币12.00元", "CNY", 1200, "CNY"),
    ],
)
def test_amount_is_read_in_its_printed_currency(
    text: str, configured: str, minor: int, currency: str
) -> None:
    amount = read_amount(text, configured)
    assert amount is not None
    assert (amount.minor, amount.currency, amount.negative, amount.clean) == (minor, currency, False, True)


@pytest.mark.parametrize("currency", sorted(CODES))
def test_every_currency_is_known_by_its_own_code(currency: str) -> None:
    digits = exponent(currency)
    number = "500" + (f".{'0' * digits}" if digits else "")
    for text in (f"{number} {currency}", f"{currency} {number}", f"{number} {currency.lower()}"):
        amount = read_amount(text, currency)
        assert amount is not None, text
        assert (amount.minor, amount.currency, amount.marked) == (500 * 10**digits, currency, True)


@pytest.mark.parametrize(
    "currency", sorted(CODES - {"BOV", "CHE", "CHW", "CLF", "COU", "MXV", "USN", "UYI", "UYW"})
)
def test_code_of_another_currency_is_read_unless_it_is_a_word(currency: str) -> None:
    amount = read_amount(f"5{'.' if exponent(currency) else ''}{'0' * exponent(currency)} {currency}", "XTS")
    words = ("ALL", "CUP", "SVC", "TOP")
    assert (amount.currency if amount else None) == (None if currency in words else currency)


@pytest.mark.parametrize(
    ("text", "configured", "expected"),
    [
        ("Rs. 500.00", "PKR", "PKR"),
        ("Rs 500.00", "LKR", "LKR"),
        ("₨ 500.00", "NPR", "NPR"),
        ("Rs 500.00", "MUR", "MUR"),
        ("Rs 500.00", "EUR", "INR"),
        ("$500", "JMD", "JMD"),
        ("$500", "TTD", "TTD"),
        ("$500", "NAD", "NAD"),
        ("$500", "XCD", "XCD"),
        ("$500", "CNY", "USD"),
        ("US$500", "JMD", "USD"),
        ("C$500", "NIO", "NIO"),
        ("C$500", "USD", "CAD"),
        ("£500", "EGP", "EGP"),
        ("£500", "EUR", "GBP"),
        ("₱500", "CUP", "CUP"),
        ("₱500", "PHP", "PHP"),
        ("500 kr", "SEK", "SEK"),
        ("500 kr", "ISK", "ISK"),
        ("R500", "ZAR", "ZAR"),
        ("500 руб.", "RUB", "RUB"),
        ("5,000 FCFA", "XAF", "XAF"),
        ("$12.50 CAD", "EUR", "CAD"),
        ("12,50 zł", "EUR", "PLN"),
        ("12,50 ZŁ", "EUR", "PLN"),
    ],
)
def test_sign_of_several_currencies_means_the_configured_one(
    text: str, configured: str, expected: str
) -> None:
    amount = read_amount(unicodedata.normalize("NFKC", text), configured)
    assert amount is not None
    assert (amount.currency, amount.marked) == (expected, True)


@pytest.mark.parametrize(("sign", "owners"), [(sign, owners.split()) for sign, owners in _SIGNS.items()])
def test_every_sign_means_each_currency_that_prints_it(sign: str, owners: list[str]) -> None:
    for owner in owners:
        if owner != "-":
            number = {0: "5,000", 2: "500.00", 3: "500.000"}[exponent(owner)]
            for text in (f"{sign}{number}", f"{number} {sign}", f"{sign.upper()} {number}"):
                amount = read_amount(unicodedata.normalize("NFKC", text), owner)
                assert amount is not None, text
                assert (amount.currency, amount.marked, amount.clean) == (owner, True, True)


@pytest.mark.parametrize(
    ("text", "configured"), [("500 kr", "USD"), ("R500", "EUR"), ("500 L", "USD"), ("3 K", "ZAR")]
)
def test_sign_that_means_too_much_elsewhere_is_no_currency(text: str, configured: str) -> None:
    assert read_amount(text, configured) is None


@pytest.mark.parametrize(
    ("text", "configured", "minor"),
    [
        ("Rs. 500/-", "INR", 50000),
        ("500.00/-", "INR", 50000),
        ("500/=", "KES", 50000),
        ("Rs. 1,23,456.00", "INR", 12345600),
        ("12,34,56,789.00", "INR", 12345678900),
        ("12.50元 (3件)", "CNY", 1250),
        ("12.50 (3)", "CNY", 1250),
        ("12.50 A", "USD", 1250),
        ("12.50 INCL. VAT", "USD", 1250),
        ("12,50 € TTC", "EUR", 1250),
        ("12.50 VAT incl.", "EUR", 1250),
        ("12.50 incl. 20% VAT", "GBP", 1250),
        ("12.-", "CHF", 1200),
        ("12,-- €", "EUR", 1200),
        ("20.00 (incl. tax)", "USD", 2000),
    ],
)
def test_amount_with_a_remark_behind_it_is_read(text: str, configured: str, minor: int) -> None:
    amount = read_amount(text, configured)
    assert amount is not None
    assert (amount.minor, amount.negative, amount.marked, amount.clean) == (minor, False, True, True)


@pytest.mark.parametrize(
    "text",
    [
        "3 A",
        "4 (big)",
        "12.50 AB",
        "12.50 a",
        "1,23,456.00",
        "12.50 incl. 2.00 VAT",
        "12.50 (1\ufffd)",
        "3 (4)",
    ],
)
def test_remark_that_leaves_a_doubt_gives_no_amount(text: str) -> None:
    amount = read_amount(text, "USD")
    assert amount is None or not amount.marked


@pytest.mark.parametrize(
    "text", ["-14.25", "$-14.25", "-$14.25", "(14.25)", "14.25-", "USD -14.25", "−14.25"]
)
def test_every_way_of_writing_minus_is_negative(text: str) -> None:
    amount = read_amount(text, "USD")
    assert amount is not None
    assert (amount.minor, amount.negative) == (1425, True)


@pytest.mark.parametrize(
    "text",
    [
        "", "TOTAL", "3 ITEMS", "10%", "12.3456", "1.2.3", "1,23,456.00x", "x18.80", "\ufffd18.80", "1\ufffd8.80",
        "18.8\ufffd", "1%8.80", "1 0.80", "2 150,00", "4200001234202406031234567890", "14:22", "3/4", ".50", "¥.18.85",
    ],
)  # fmt: skip
def test_number_that_is_no_certain_amount_is_none(text: str) -> None:
    assert read_amount(text, "USD") is None


def test_configured_decimal_separator_settles_what_is_ambiguous() -> None:
    grouped, decimals = read_amount("1.234", "KWD", ","), read_amount("1.234", "KWD", ".")
    assert grouped is not None
    assert decimals is not None
    assert (grouped.minor, decimals.minor) == (1234000, 1234)
    spaced = read_amount("EUR 1 234,56", "CNY", ",")
    assert spaced is not None
    assert (spaced.minor, spaced.currency) == (123456, "EUR")


@pytest.mark.parametrize(
    ("currency", "digits"), [("JPY", 0), ("CLP", 0), ("CNY", 2), ("EUR", 2), ("KWD", 3), ("XXX", 2)]
)
def test_exponent_is_iso_4217s(currency: str, digits: int) -> None:
    assert exponent(currency) == digits


@settings(max_examples=200)
@given(
    st.integers(0, 99_999_999),
    st.sampled_from(["CNY", "EUR", "KRW", "KWD", "IDR"]),
    st.sampled_from([",.", ".,", "'.", " "]),
)
def test_printed_amount_reads_back(minor: int, currency: str, marks: str) -> None:
    digits = exponent(currency)
    whole, fraction = divmod(minor, 10**digits)
    group, point = (marks[0], marks[1]) if len(marks) == 2 else ("", ".")
    text = f"{whole:,}".replace(",", group) + (f"{point}{fraction:0{digits}}" if digits else "")
    amount = read_amount(f"{currency} {text}", "USD")
    assert amount is not None
    assert (amount.minor, amount.currency) == (minor, currency)


@settings(max_examples=200)
@given(
    st.text(alphabet="0123456789.,-¥$€ RMBxX()*\ufffd元'", max_size=30),
    st.sampled_from(["CNY", "JPY", "KWD"]),
)
def test_any_text_gives_an_amount_or_none(text: str, currency: str) -> None:
    amount = read_amount(text, currency)
    assert amount is None or 0 <= amount.minor < 10**12


@settings(max_examples=200)
@given(st.integers(1, 99_999_999), st.integers(0, 11), st.sampled_from("\ufffd%&!aZ^~"))
def test_damaged_digit_never_gives_another_amount(minor: int, place: int, damage: str) -> None:
    text = f"¥{minor / 1:.0f}"
    text = f"¥{text[1:].rjust(3, '0')[:-2]}.{text[1:].rjust(3, '0')[-2:]}"
    place = 1 + place % (len(text) - 1)
    damaged = text[:place] + damage + text[place + 1 :]
    assert read_amount(damaged, "CNY") is None
