"""Printed amounts become integers in minor units: ``RMB -18.80``, ``1.234,56 €``, ``36,500원``. No float, no guess.

Which separator is the decimal one ("auto"): the last one, where exactly the currency's ISO 4217 exponent of digits
follows, or fewer (``12.5``); where three digits follow, it groups. With exponent 0 every separator groups. With
exponent 3 three digits are decimals, unless ``decimal`` says which character it is. A number that touches a letter or
an undecodable octet is no amount, and digits one space before it make it unreadable (``2 150,00``) unless ``decimal``
is "," and they are a group of thousands: never a guess.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from tillbell_protocol.iso4217 import CODES, decimal_places

_MAX_DIGITS = 12  # ISO 8583 field 4 is n12; a longer number is a reference

_DOLLARS = (
    "USD ARS AUD BBD BMD BND BRL BSD BZD CAD CLP COP CUP CVE DOP FJD GYD HKD JMD KYD LRD MOP MXN NAD NIO NZD SBD SGD "
    "SRD TOP TTD TWD UYU WST XCD"
)
# What stands beside amounts, and the currencies that print it. Where several do, the configured one is meant, else the
# first; behind "-" stand those that must be configured, since the sign means too much elsewhere.
_SIGNS = {
    "$": _DOLLARS, "US$": "USD", "HK$": "HKD", "NT$": "TWD", "S$": "SGD", "A$": "AUD", "AU$": "AUD", "NZ$": "NZD",
    "C$": "CAD NIO", "CA$": "CAD", "R$": "BRL", "MX$": "MXN", "RD$": "DOP", "J$": "JMD", "TT$": "TTD", "EC$": "XCD",
    "MOP$": "MOP", "T$": "TOP", "WS$": "WST", "FJ$": "FJD", "N$": "NAD", "Bds$": "BBD", "BZ$": "BZD", "L$": "LRD",
    "$U": "UYU", "¥": "CNY JPY", "CN¥": "CNY", "RMB": "CNY", "元": "CNY TWD HKD MOP", "元整": "CNY", "圆": "CNY", "円": "JPY",
    "\\": "- JPY KRW", "人民币": "CNY", "€": "EUR", "Euro": "EUR", "£": "GBP EGP SYP LBP SSP SDG FKP GIP SHP", "E£": "EGP", "LE": "- EGP", "원": "KRW",
    "₩": "KRW KPW", "₹": "INR", "Rs": "INR PKR LKR NPR MUR SCR", "Rs.": "INR PKR LKR NPR MUR SCR", "Rp": "IDR",
    "Rp.": "IDR", "RM": "MYR", "฿": "THB", "₫": "VND", "đ": "VND", "₱": "PHP CUP", "₽": "RUB", "руб": "RUB",
    "руб.": "RUB", "₺": "TRY", "TL": "- TRY", "₪": "ILS", "₦": "NGN", "₴": "UAH", "грн": "UAH", "грн.": "UAH",
    "₸": "KZT", "₮": "MNT", "₭": "LAK", "៛": "KHR", "৳": "BDT", "Tk": "- BDT", "Tk.": "- BDT", "₼": "AZN", "₾": "GEL",
    "֏": "AMD", "₡": "CRC SVC", "₲": "PYG", "₵": "GHS", "GH₵": "GHS", "zł": "PLN", "Kč": "CZK",
    "Ft": "- HUF", "kr": "- SEK NOK DKK ISK", "kr.": "- SEK NOK DKK ISK", "лв": "BGN", "лв.": "BGN",
    "lei": "- RON MDL", "KM": "- BAM", "дин": "RSD", "Fr.": "CHF", "SFr.": "CHF", "Ksh": "KES", "KShs": "KES",
    "Ush": "UGX", "Tsh": "TZS", "Shs": "- KES UGX TZS", "Sh": "- KES UGX TZS SOS", "FCFA": "XOF XAF", "CFA": "XOF XAF",
    "FRw": "RWF", "Br": "- ETB BYN", "R": "- ZAR", "K": "- ZMW PGK MMK", "P": "- BWP", "Q": "- GTQ", "L": "- HNL",
    "S/": "PEN", "S/.": "PEN", "B/.": "PAB", "Bs": "- BOB VES", "Bs.": "- BOB VES", "Dhs": "- AED MAD", "DH": "- AED MAD",
    "SR": "- SAR", "Kz": "- AOA", "MT": "- MZN", "MTn": "MZN", "Ar": "- MGA", "Le": "- SLE SLL", "Afl.": "AWG",
}  # fmt: skip
# Codes that are words on receipts, and those of funds: they mean a currency where it is the configured one.
_WORDS = frozenset("ALL CUP SVC TOP BOV CHE CHW CLF COU MXV USN UYI UYW".split())
_LAKH = frozenset("INR PKR LKR NPR BDT BTN".split())  # 1,23,456.00
# What may stand directly before an amount. Anything else there (a letter, a digit, U+FFFD for an octet that could not
# be decoded), or a sign between digits, may be a damaged digit, and then the number is not read.
_BOUND = r"(?:^|(?<!\d[^\s])(?:(?<=[\s:=*()\[\]\-−_>\u3000-\u9fff\uac00-\ud7a3])|(?<=\.\.)))"
# Behind an amount without minor units, in India, East Africa and Europe: 500/-, 500/=, 12,-- and 12.-
_EVEN = r"/[-=]|[.,][-−–—]++"
# What may stand behind one and says nothing of it: a tax class, a count or words in brackets, "incl. VAT".
_REMARK = (
    r"\s++(?-i:[A-Z])(?!\w)"
    r"|\s*+\((?:\d{1,3}|(?=[^()]*[^\W\d_])(?![^()]*\d[.,]\d)[^()\ufffd]{1,40})\)"
    r"|\s++(?:(?:vat|tax|gst|tva|iva|mwst)\.?\s)?(?:incl|inkl|ttc)\b(?!.*\d[.,]\d)[^\ufffd]{0,30}"
)
_ONE_SPACE_BEFORE = re.compile(r"(?:^|[^\d.,])(\d{1,3}(?: \d{3})*) $|\d $")


@lru_cache(maxsize=8)
def _marks(configured: str) -> dict[str, str]:
    """What stands beside amounts, in case-folded letters, and the currency that it means where one is configured."""
    marks = {code.casefold(): code for code in CODES - _WORDS | {configured}}
    for sign, text in _SIGNS.items():
        owners = text.split()
        if configured in owners or owners[0] != "-":
            marks[sign.casefold()] = configured if configured in owners else owners[0]
    return marks


@lru_cache(maxsize=8)
def _amount(configured: str) -> re.Pattern[str]:
    """An amount at the end of a line. Each part takes all it can, for good: a row of stars may be as long as a line.

    The case of marks is ASCII's alone, or all capitals: in Turkish, İSK is a discount and not the króna.
    """
    words = sorted({*_SIGNS, *map(str.upper, _SIGNS), *CODES, configured}, key=len, reverse=True)
    known = _marks(configured)
    mark = f"(?a:{'|'.join(re.escape(word) for word in words if word.casefold() in known)})"
    return re.compile(
        rf"{_BOUND}(?P<open>\()?(?P<minus>[-−])?\s*+(?:(?P<before>{mark}):?(?:\s?[¥$€£])?+)?\s*+(?P<minus2>[-−])?[*\s]*+"
        rf"(?P<number>\d++(?:[.,'’]\d++)*+)(?P<even>{_EVEN})?(?:\s*+(?P<after>{mark})(?![A-Za-z]))?"
        rf"(?:\s*+(?P<minus3>[-−]))?\)?\*?(?P<remark>{_REMARK})?+[\s*.。;#=]*+$",
        re.IGNORECASE,
    )


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
    """ISO 4217's number of decimals; 2 for a code that is not in the tables."""
    places = decimal_places(currency)
    return 2 if places is None else places


def read_amount(text: str, currency: str, decimal: str = "auto") -> PrintedAmount | None:
    """The amount at the end of ``text`` (normal form); None where there is none or it cannot be read for certain."""
    match = _amount(currency).search(text)
    if match is None:
        return None
    mark = _mark(match)
    printed = _marks(currency)[mark.casefold()] if mark else currency
    number, before = match["number"], text[: match.start()]
    digits_before = _ONE_SPACE_BEFORE.search(text[: match.start("number")])
    if digits_before is not None:
        if decimal != "," or digits_before[1] is None or not re.match(r"\d{3}(?!\d)", number):
            return None  # "2 150,00": two thousand, or two of 150? "1 0.80": what was the octet between?
        at = digits_before.start(1)
        return read_amount(
            text[:at] + digits_before[1].replace(" ", "") + text[match.start("number") :], currency, decimal
        )
    read = _minor(number, printed, decimal)
    if read is None:
        return None
    minor, separated = read
    marked = bool(mark or match["even"]) or separated
    if match["remark"] and not marked:
        return None  # "TOTAL 3 X", "TOTAL 4 (big)": a count
    negative = bool(match["minus"] or match["minus2"] or match["minus3"] or (match["open"] and ")" in text))
    return PrintedAmount(minor, printed, negative, marked, not before.strip(" :=*.-_"))


def _mark(match: re.Match[str]) -> str | None:
    """The mark that counts; of two, an ISO code says more than a sign: ``$12.50 CAD``."""
    before, after = match["before"], match["after"]
    return after if after and after.upper() in CODES else before or after


def _minor(number: str, currency: str, decimal: str) -> tuple[int, bool] | None:
    """Minor units, and whether a separator was printed; None where the separators follow no rule."""
    digits = exponent(currency)
    last = max(number.rfind("."), number.rfind(","))
    whole, fraction = number, ""
    if last >= 0 and _is_decimal(number, last, digits, decimal):
        whole, fraction = number[:last], number[last + 1 :]
        if number[last] in whole:
            return None
    groups = re.split(r"[.,'’]", whole)
    if not _are_groups(groups, currency):
        return None
    if len(set(re.findall(r"[.,'’]", whole))) > 1 or len("".join(groups)) + digits > _MAX_DIGITS:
        return None
    return int("".join(groups) + fraction.ljust(digits, "0")), bool(fraction) or len(groups) > 1


def _are_groups(groups: list[str], currency: str) -> bool:
    """Thousands, or lakhs and crores where they are counted: all groups but the last have two digits."""
    first, *rest = groups
    if not rest:
        return True
    if len(first) <= 3 and all(len(group) == 3 for group in rest):
        return True
    lakh = currency in _LAKH and len(first) <= 2 and all(len(group) == 2 for group in rest[:-1])
    return lakh and len(rest[-1]) == 3


def _is_decimal(number: str, last: int, digits: int, decimal: str) -> bool:
    if digits == 0:
        return False
    behind = len(number) - last - 1
    if decimal != "auto":
        return number[last] == decimal and behind <= digits
    return behind == digits or behind < min(digits, 3)
