"""A terminal's printed date and time become a local ``datetime`` without zone; what is ambiguous stays text.

The order of a date in figures ("auto"): year first where a four-digit year stands first, and where all countries of the
currency write it so; day.month.year with dots; with slashes or dashes, what a part above 12 decides, but where that may be
a year, too (``26/06/03``); else the currency decides where all its countries write the day first. Otherwise
(``04/06/2015`` with dollars) the value is None, and never a guess. The text, in digits, is kept for telling two receipts
apart.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

_DAY_FIRST_CURRENCIES = (
    "EUR GBP CHF PLN CZK DKK NOK SEK RON BGN INR AUD NZD BRL ARS CLP COP SGD MYR THB IDR VND TRY SAR AED KWD BHD QAR OMR "
    "JOD ILS EGP MAD TND DZD PKR BDT LKR HKD MOP MXN PEN UYU PYG BOB VES CRC GTQ HNL NIO DOP KES UGX TZS NGN GHS MUR RUB UAH "
    "BYN KZT GEL AMD AZN ISK RSD MKD BAM"
)
_DAY_FIRST = frozenset(_DAY_FIRST_CURRENCIES.split())
_YEAR_FIRST = frozenset("CNY JPY KRW TWD MNT HUF".split())
_YEAR_FIRST_TOO = frozenset("SEK CAD ZAR".split())  # beside other orders
_YEARS = range(20, 40)  # of two figures: this project began in one of them
# The beginnings of the months' names in English, German, French, Spanish, Italian and Portuguese, where they differ.
_MONTHS = {
    stem: month
    for month, stems in enumerate(
        "jan ene gen|feb fév fev|mar mär mrz|apr avr abr|may mai mag|jun juin giu|jul juil lug|aug ago aoû aou|sep set|"
        "oct okt ott out|nov marr|dec dez déc dic".split("|"),
        start=1,
    )
    for stem in stems.split()
}
# Case is ASCII's alone, so that every name that matches is in the table: re.IGNORECASE holds İ and ſ equal to i and s.
_STEMS = sorted({*_MONTHS, *map(str.upper, _MONTHS)}, key=len, reverse=True)
_MONTH = f"(?a:{'|'.join(_STEMS)})[^\\W\\d_]{{0,7}}"
_NAMED = (
    rf"(?P<d4>\d{{1,2}})\.?(?:\s|\s?[-/]\s?|\sde\s)?(?P<mon4>{_MONTH})\.?"
    r"(?:(?:[-/]|,?\s|\sde\s)?(?P<y4>20\d\d)|[-/'](?P<y5>\d\d)|\s?'?(?P<y6>\d\d)(?=\s+\d\d?:\d\d))"
    rf"|(?P<mon7>(?<![^\W\d_]){_MONTH})\.?[\s-](?P<d7>\d{{1,2}})(?:st|nd|rd|th)?(?:,\s?|\s|-)"
    r"(?:(?P<y7>20\d\d)|(?P<y8>\d\d)(?=\s+\d\d?:\d\d))"
)
_DATE = re.compile(
    r"(?<![\d.,/*-])(?:"
    r"(?P<y>20\d\d)\s?(?P<s1>[-/.年년])\s?(?P<m>\d{1,2})\s?[-/.月월]\s?(?P<d>\d{1,2})[日일]?"
    r"|(?P<a>\d{1,2})(?P<s2>[-/.])(?P<b>\d{1,2})(?P=s2)(?P<y2>20\d\d|\d\d)"
    r"|(?P<y3>20\d\d)(?P<m3>[01]\d)(?P<d3>[0-3]\d)(?=\s+\d\d:?\d\d)"
    rf"|{_NAMED}"
    r")(?![\d/*.-])",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"(?<![\d.,])(?<!\d:)(?:(?P<half>[上下]午|午[前後]|오[전후])\s?)?(?P<h>[0-2]?\d)\s?[:时時hH]\s?(?P<m>[0-5]\d)(?:[:分](?P<s>[0-5]\d)秒?)?(?:\.\d{1,3})?\s?(?P<ap>[AaPp]\.?[Mm]\b)?(?![\d:])"
)

_AFTERNOON = ("下午", "午後", "오후")

# Beside a date: words that make it another one than the sale's, words of its own, and others but those of a number.
_OF_ANOTHER_DAY = re.compile(
    r"活动|优惠|有效|截止|截至|至|促销|结束|期限|放映|场次|演出|预约|预订|入住|离店|上次|유효|까지|"
    r"\b(?:until|valid|ends?|offer|promo\w*|expir\w*|before|show\w*|arriv\w*|depart\w*|last|next|bis|g[üu]ltig|jusqu\w*|"
    r"valable|hasta|v[áa]lid\w*)\b",
    re.IGNORECASE,
)
_OF_A_TIME = re.compile(
    r"\w*(?:时间|日期|日時|日付|일시|시간|시각|date|time|datum|zeit|heure|fecha|hora)|data|ora|le|à|at|am|pm|um|uhr|on|a|h|la|las|"
    r"(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?|mo|di|mi|do|fr|sa|so|"
    r"(?:mon|diens|donners|frei|sams|sonn)tag|mittwoch|(?:lun|mar|mercre|jeu|vendre|same)di|dimanche|"
    r"lun|mar|mer|jeu|ven|sam|dim|printed|utc|[a-z]{2,3}t|打印|下单|点单|开单|出单|出票|结账|结帐|收银|支付|付款|交易|销售|"
    r"(?:星期|周|週)[一二三四五六日天]|[月火水木金土日](?:曜日?)?|[월화수목금토일]|klo|上午|下午|[월화수목금토일]요일|오전|오후",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]++(?![^\W\d_])(?![ .:#№-]{0,3}\d)")


@dataclass(frozen=True, slots=True)
class PrintedTime:
    """``value`` None: the order of the date is not known. ``digits``: what was printed. ``seconds``: were printed."""

    value: datetime | None
    digits: str
    seconds: bool


def tells_time(line: str, labels: list[str], unknown: Callable[[str], str]) -> bool:
    """Whether a date or time on ``line`` can be that of the sale: beside it stand only labels with their values, words
    that ``unknown`` takes out, words that belong to a time, and words that number something (``Till 3``). "Offer ends"
    and "Screening" are others."""
    rest = _without_time(line)
    if rest is None or _OF_ANOTHER_DAY.search(rest):
        return False
    for label in labels:
        rest = rest.replace(label, " ", 1)
    words = (word for word in _WORD.findall(rest) if not _OF_A_TIME.fullmatch(word))
    return sum(_WORD.search(unknown(word)) is not None for word in words) <= bool(labels)  # "Cashier: Ann"


def _without_time(line: str) -> str | None:
    """``line`` with bars where its date and its time stood; None where it has neither."""
    rest, dates = _DATE.subn("|", line, count=1)
    rest, times = _TIME.subn("|", rest, count=1)
    return rest if dates or times else None


def find_time(lines: Iterable[str], currency: str, order: str = "auto") -> PrintedTime | None:
    """The first date of ``lines`` with the time beside it, or else the first time after it; None without either."""
    date: re.Match[str] | None = None
    for line in lines:
        date = date or _DATE.search(line)
        if date is None:
            continue
        time = _TIME.search(line, date.end() if date.string is line else 0) or _TIME.search(line)
        if time is not None:
            return _joined(date, time, currency, order)
    return None


def _joined(date: re.Match[str], time: re.Match[str], currency: str, order: str) -> PrintedTime | None:
    digits = (
        _date_digits(date) + re.sub(r"\D", "", time.group()) + (time["ap"] or "").upper().replace(".", "")
    )
    hour, minute, second = int(time["h"]), int(time["m"]), int(time["s"] or 0)
    if time["ap"] and not 1 <= hour <= 12:
        return None
    if time["ap"] or (time["half"] and hour <= 12):
        hour = hour % 12 + (12 if (time["ap"] or "a")[0] in "pP" or time["half"] in _AFTERNOON else 0)
    day = _day(date, currency, order)
    if day is None:
        return PrintedTime(None, digits, time["s"] is not None)
    try:
        return PrintedTime(datetime(*day, hour, minute, second), digits, time["s"] is not None)
    except ValueError:
        return None  # the 31st of a short month, hour 25: not a time


def _date_digits(date: re.Match[str]) -> str:
    name = date["mon4"] or date["mon7"]
    return re.sub(r"\D", "", date.group()) + (f"{_month(name):02d}" if name else "")


def _month(name: str) -> int:
    low = name.lower()
    return next(_MONTHS[low[:size]] for size in (4, 3) if low[:size] in _MONTHS)


def _day(date: re.Match[str], currency: str, order: str) -> tuple[int, int, int] | None:
    """Year, month, day."""
    if date["y"]:
        return int(date["y"]), int(date["m"]), int(date["d"])
    if date["y3"]:
        return int(date["y3"]), int(date["m3"]), int(date["d3"])
    if date["mon4"]:
        year = int(date["y4"] or f"20{date['y5'] or date['y6']}")
        return year, _month(date["mon4"]), int(date["d4"])
    if date["mon7"]:
        return int(date["y7"] or f"20{date['y8']}"), _month(date["mon7"]), int(date["d7"])
    first, middle, last = int(date["a"]), int(date["b"]), int(date["y2"])
    if len(date["y2"]) == 2 and (order == "ymd" or (order == "auto" and currency in _YEAR_FIRST)):
        sure = first in _YEARS and (first == last or last not in _YEARS)
        return (2000 + first, middle, last) if order == "ymd" or sure else None
    if len(date["y2"]) == 2 and last > _YEARS[-1]:
        return None  # of another era: 69 in Thailand
    if order == "auto" and _may_begin_with_its_year(date, currency):
        return None
    year = last if last >= 100 else 2000 + last
    if order == "dmy" or first > 12 or date["s2"] == ".":
        return year, middle, first
    if order == "mdy" or middle > 12:
        return year, first, middle
    if first == middle or currency in _DAY_FIRST:
        return year, middle, first
    return None


def _may_begin_with_its_year(date: re.Match[str], currency: str) -> bool:
    """26/06/03 may be of 2026 or of 2003, unless nobody who pays with this currency writes so, and 03 is a year."""
    first, middle, last = int(date["a"]), int(date["b"]), date["y2"]
    with_dots = date["s2"] == "." and currency not in _YEAR_FIRST_TOO
    possible = len(last) == 2 and not with_dots and first in _YEARS and middle <= 12 and int(last) <= 31
    return possible and (currency in _YEAR_FIRST_TOO or int(last) not in _YEARS)
