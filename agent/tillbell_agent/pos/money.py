"""Printed amounts become integers in minor units: ``RMB -18.80``, ``1.234,56 €``, ``36,500원``. No float, no guess.

Which separator is the decimal one ("auto"): the last one, where exactly the currency's ISO 4217 exponent of digits
follows, or fewer (``12.5``); where three digits follow, it groups. With exponent 0 every separator groups. With
exponent 3 three digits are decimals, unless ``decimal`` says which character it is. A number that touches a letter or
an undecodable octet is no amount, and digits one space before it make it unreadable (``2 150,00``) unless ``decimal``
is "," and they are a group of thousands: never a guess.
"""

import re
from dataclasses import dataclass


def _codes(text: str) -> frozenset[str]:
    return frozenset(text.split())


_EXPONENT_0 = _codes("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF")
_EXPONENT_3 = _codes("BHD IQD JOD KWD LYD OMR TND")
_EXPONENT_2 = _codes(
    "AED ARS AUD BDT BGN BOB BRL CAD CHF CNY COP CRC CZK DKK DOP EGP ETB EUR GBP GEL GHS GTQ HKD HUF IDR ILS INR KES "
    "KHR KZT LAK LKR MAD MDL MMK MOP MXN MYR MZN NGN NOK NPR NZD PEN PHP PKR PLN QAR RON RSD RUB SAR SEK SGD THB TRY "
    "TWD TZS UAH USD UYU UZS ZAR ZMW"
)
_DOLLARS = _codes("USD AUD CAD HKD NZD SGD TWD MXN ARS CLP COP UYU BRL DOP")
_MAX_DIGITS = 12  # ISO 8583 field 4 is n12; a longer number is a reference

# What stands beside amounts, and the currency that it means.
_MARKS = {
    "RMB": "CNY", "CN¥": "CNY", "元": "CNY", "圆": "CNY", "円": "JPY", "원": "KRW", "₩": "KRW", "€": "EUR", "£": "GBP",
    "US$": "USD", "HK$": "HKD", "NT$": "TWD", "S$": "SGD", "A$": "AUD", "C$": "CAD", "R$": "BRL", "₹": "INR",
    "Rs.": "INR", "Rs": "INR", "Rp": "IDR", "RM": "MYR", "฿": "THB", "₫": "VND", "₱": "PHP", "₽": "RUB", "₺": "TRY",
    "₪": "ILS", "₦": "NGN", "₴": "UAH", "zł": "PLN", "Kč": "CZK", "Ksh": "KES", "Fr.": "CHF", "Euro": "EUR",
    "ZŁ": "PLN", "KČ": "CZK", **{code: code for code in _EXPONENT_0 | _EXPONENT_2 | _EXPONENT_3},
}  # fmt: skip
_MARK_OF = {mark.casefold(): code for mark, code in _MARKS.items()}
# Case is ASCII's alone: in Turkish, İSK is a discount and not the króna.
_MARK = f"(?a:{'|'.join(re.escape(mark) for mark in sorted([*_MARKS, '$', '¥'], key=len, reverse=True))})"
# What may stand directly before an amount. Anything else there (a letter, a digit, U+FFFD for an octet that could not
# be decoded), or a sign between digits, may be a damaged digit, and then the number is not read.
_BOUND = r"(?:^|(?<!\d[^\s])(?:(?<=[\s:=*()\[\]\-−_>\u3000-\u9fff\uac00-\ud7a3])|(?<=\.\.)))"
_AMOUNT = re.compile(  # each part takes all it can, once and for all: a row of stars may be as long as a line
    rf"(?:{_BOUND}(?P<open>\()?(?P<minus>[-−])?\s*+(?:(?P<before>{_MARK}):?)?\s*+(?P<minus2>[-−])?[*\s]*+)"
    r"(?P<number>\d++(?:[.,'’]\d++)*+)"
    rf"(?:\s*+(?P<after>{_MARK})(?![A-Za-z]))?\s*+(?P<minus3>[-−])?(?:,-++)?\)?[\s*.。;#=]*+$",
    re.IGNORECASE,
)
_ONE_SPACE_BEFORE = re.compile(r"(?:^|[^\d.,])(\d{1,3}(?: \d{3})*) $|\d $")


@dataclass(frozen=True, slots=True)
class PrintedAmount:
    """An amount as read: positive minor units, the printed or configured currency, and how surely it is one.

    ``marked``: a currency, decimals or a grouping separator stood with it. ``clean``: nothing else stood before it.
    """

    minor: int
    currency: str
    negative: bool
    marked: bool
    clean: bool


def exponent(currency: str) -> int:
    """ISO 4217's number of decimals: 0, 2 or 3; 2 for a code that is not in the tables."""
    return 0 if currency in _EXPONENT_0 else 3 if currency in _EXPONENT_3 else 2


def read_amount(text: str, currency: str, decimal: str = "auto") -> PrintedAmount | None:
    """The amount at the end of ``text`` (NFKC form); None where there is none or it cannot be read for certain."""
    match = _AMOUNT.search(text)
    if match is None:
        return None
    mark = match["before"] or match["after"]
    printed = _currency(mark, currency) if mark else currency
    number, before = match["number"], text[: match.start()]
    digits_before = _ONE_SPACE_BEFORE.search(text[: match.start("number")])
    if digits_before is not None:
        if decimal != "," or digits_before[1] is None or not re.match(r"\d{3}(?!\d)", number):
            return None  # "2 150,00": two thousand, or two of 150? "1 0.80": what was the octet between?
        at = digits_before.start(1)
        return read_amount(
            text[:at] + digits_before[1].replace(" ", "") + text[match.start("number") :], currency, decimal
        )
    read = _minor(number, exponent(printed), decimal)
    if read is None:
        return None
    minor, separated = read
    negative = bool(match["minus"] or match["minus2"] or match["minus3"] or (match["open"] and ")" in text))
    return PrintedAmount(minor, printed, negative, bool(mark) or separated, not before.strip(" :=*.-_"))


def _currency(mark: str, configured: str) -> str:
    if mark == "$":
        return configured if configured in _DOLLARS else "USD"
    if mark == "¥":
        return configured if configured in ("CNY", "JPY") else "CNY"
    if mark == "元" and configured in ("TWD", "HKD", "MOP"):
        return configured
    return _MARK_OF[mark.casefold()]


def _minor(number: str, digits: int, decimal: str) -> tuple[int, bool] | None:
    """Minor units, and whether a separator was printed; None where the separators follow no rule."""
    last = max(number.rfind("."), number.rfind(","))
    whole, fraction = number, ""
    if last >= 0 and _is_decimal(number, last, digits, decimal):
        whole, fraction = number[:last], number[last + 1 :]
        if number[last] in whole:
            return None
    groups = re.split(r"[.,'’]", whole)
    if len(groups) > 1 and not (len(groups[0]) <= 3 and all(len(group) == 3 for group in groups[1:])):
        return None
    if len(set(re.findall(r"[.,'’]", whole))) > 1 or len("".join(groups)) + digits > _MAX_DIGITS:
        return None
    return int("".join(groups) + fraction.ljust(digits, "0")), bool(fraction) or len(groups) > 1


def _is_decimal(number: str, last: int, digits: int, decimal: str) -> bool:
    if digits == 0:
        return False
    behind = len(number) - last - 1
    if decimal != "auto":
        return number[last] == decimal and behind <= digits
    return behind == digits or behind < min(digits, 3)
