"""The fields ("bitmaps", BMPs) of a ZVT APDU: what is wanted leaves as values, what is card data stays inside.

A BMP is its number and a value: of a fixed length, or behind a length of two or three octets Fx that hold a decimal
digit each, or, in the TLV container 06, behind a BER length (PA00P015, summary of utilised BMPs). A number that is in no
table has an unknown length, so what stands behind it is not read.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from dataclasses import fields as dataclass_fields
from typing import Any, Final

from tillbell_agent.pos.partial_time import PartialTime
from tillbell_protocol.pan import TruncatedPan, scrub, scrub_merchant_id

_FIXED: Final[Mapping[int, int]] = {
    0x01: 1, 0x02: 1, 0x03: 1, 0x04: 6, 0x05: 1, 0x0B: 3, 0x0C: 3, 0x0D: 2, 0x0E: 2, 0x17: 2, 0x19: 1, 0x27: 1,
    0x29: 4, 0x2A: 15, 0x37: 3, 0x3A: 2, 0x3B: 8, 0x3D: 3, 0x49: 2, 0x87: 2, 0x88: 3, 0x8A: 1, 0x8C: 1, 0xA0: 1,
    0xAA: 3, 0xBA: 5, 0xD0: 1, 0xD2: 1, 0xD3: 1, 0xE0: 1, 0xE9: 1, 0xEA: 1, 0xEB: 8, 0xF0: 1, 0xF9: 1, 0xFA: 1,
    0xFB: 1, 0xFC: 1,
}  # fmt: skip
# How many digits a length has. 2E has three in one edition and two in another.
_COUNTED: Final[Mapping[int, tuple[int, ...]]] = {
    **dict.fromkeys((0x22, 0x23, 0x2D, 0x8B, 0xA7, 0xD1, *range(0xE1, 0xE9), *range(0xF1, 0xF9)), (2,)),
    **dict.fromkeys((0x24, 0x3C, 0x60, 0x92, 0x9A, 0xAF), (3,)),
    0x2E: (3, 2),
}  # fmt: skip
_TLV: Final = 0x06
_MAX_NAME: Final = 24
_TOTALS_OCTETS: Final = (
    4 + 7 * 7
)  # two receipt numbers, then a count and a sum for each of seven kinds of card
_MASK_RUN: Final = re.compile(r"[*#xXE•·]{3}")
_NAME: Final = re.compile(r"[^\x00-\x1f\x7f]*")


@dataclass(frozen=True, slots=True)
class Fields:
    """What an APDU says, None where it does not. Numbers are digits as sent, zeros included.

    ``amount``: minor units. ``currency``: ISO 4217's number. ``result``: two hexadecimal digits, ``00`` is success.
    ``date``: YYMMDD or MMDD; ``time``: HHMMSS. ``original``: the trace number that a reversal reverses.
    ``totals``: how many transactions a day's total holds, -1 where the total does not say. ``complete``: nothing of the
    APDU was left unread. ``issued``: what the till says that it gave out instead of ``amount``; of no APDU.
    """

    amount: int | None = None
    currency: int | None = None
    trace: str | None = None
    receipt: str | None = None
    turnover: str | None = None
    original: str | None = None
    terminal_id: str | None = None
    merchant_id: str | None = None
    auth_code: str | None = None
    scheme: str | None = None
    card: TruncatedPan | None = None
    result: str | None = None
    time: str | None = None
    date: str | None = None
    totals: int | None = None
    complete: bool = True
    issued: int | None = None

    @property
    def numbers(self) -> Mapping[str, str]:
        """What tells this transaction from others of its terminal; empty where nothing does."""
        told = {"trace": self.trace, "receipt": self.receipt, "turnover": self.turnover}
        return {name: number for name, number in told.items() if number is not None}

    def repeats(self, before: "Fields") -> bool:
        """Whether both are of one transaction by all numbers that both tell; a terminal may leave some out."""
        mine, theirs = self.numbers, before.numbers
        common = mine.keys() & theirs.keys()
        return bool(common) and all(mine[name] == theirs[name] for name in common)

    def completed_by(self, before: "Fields") -> "Fields":
        """These, and what only ``before`` told."""
        lacking = (each.name for each in dataclass_fields(self) if getattr(self, each.name) is None)
        return replace(self, **{name: getattr(before, name) for name in lacking})

    @property
    def clock(self) -> PartialTime | None:
        """The terminal's date and time, whatever it says of the year."""
        if self.date is None or self.time is None:
            return None
        month, day = int(self.date[-4:-2]), int(self.date[-2:])
        hour, minute, second = (int(self.time[at : at + 2]) for at in (0, 2, 4))
        real = 1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 60
        return PartialTime(month, day, hour, minute, second) if real else None

    @property
    def year(self) -> int | None:
        return 2000 + int(self.date[:2]) if self.date is not None and len(self.date) == 6 else None


_NO_FIELDS: Final = Fields()


def read_fields(data: bytes) -> Fields:
    """All of ``data`` that can be read; of a field that comes twice, the first. Never raises."""
    if not data:
        return _NO_FIELDS
    found: dict[str, Any] = {}
    at, size = 0, len(data)
    while at < size:
        span = _span(data, at)
        if span is None or span[1] > size:
            return Fields(**found, complete=False)
        kept = _KEPT.get(data[at])
        if kept is not None and (kept[0] not in found or data[at] == 0xAA):
            found[kept[0]] = kept[1](data[span[0] : span[1]])
        at = span[1]
    return Fields(**found)


def _span(data: bytes, at: int) -> tuple[int, int] | None:
    """Where the value of the field at ``at`` begins and ends, be there so much or not; None: its length is not known."""
    tag, at = data[at], at + 1
    fixed = _FIXED.get(tag)
    if fixed is not None:
        return at, at + fixed
    if tag == _TLV:
        return ber_span(data, at)
    spans = [_counted(data, at, digits) for digits in _COUNTED.get(tag, ())]
    known = [span for span in spans if span is not None]
    return next((span for span in known if span[1] <= len(data)), None)


def _counted(data: bytes, at: int, digits: int) -> tuple[int, int] | None:
    """Behind a decimal length of ``digits`` octets F0 to F9."""
    told = data[at : at + digits].hex()
    start, number = at + digits, told[1::2]
    if len(number) < digits or set(told[::2]) != {"f"} or not number.isdecimal():
        return None
    return start, start + int(number)


def ber_span(data: bytes, at: int) -> tuple[int, int] | None:
    """Behind a BER length: one octet below 80, or 81 and one, or 82 and two."""
    more = {0x81: 1, 0x82: 2}.get(data[at], 0) if at < len(data) else 0
    told = data[at + bool(more) : at + bool(more) + max(more, 1)]
    if len(told) < max(more, 1) or (not more and told[0] >= 0x80):
        return None
    start = at + bool(more) + len(told)
    return start, start + int.from_bytes(told, "big")


def _digits(value: bytes) -> str | None:
    """BCD as text; None where a nibble is no digit."""
    text = value.hex()
    return text if text.isdecimal() else None


def _number(value: bytes) -> int | None:
    digits = _digits(value)
    return int(digits) if digits is not None else None


def _printable(value: bytes) -> str:
    """Text up to the first NUL or control character (code page 437 unless the till asked for another)."""
    found = _NAME.match(value.decode("cp437"))
    return found.group().strip() if found else ""


def _auth_code(value: bytes) -> str | None:
    text = _printable(value)
    return text if text.isascii() and text.isalnum() else None


def _merchant_id(value: bytes) -> str | None:
    """A merchant's number; never a number that is masked as cards' are."""
    text = scrub_merchant_id(_printable(value))
    return text if text.isascii() and text.replace(" ", "").isalnum() and not _MASK_RUN.search(text) else None


def _card_name(value: bytes) -> str | None:
    """A scheme's name has few digits if any; a text with more of them may be a card's number."""
    text = scrub(_printable(value))[:_MAX_NAME]
    return text if text and sum(map(str.isdigit, text)) <= 2 and not _MASK_RUN.search(text) else None


def _card(value: bytes) -> TruncatedPan | None:
    """The PAN's tail: a nibble E is a masked digit, F fills up, and behind D the card's expiry would stand."""
    number = re.split("[df]", value.hex(), maxsplit=1)[0].replace("e", "*")
    return TruncatedPan.from_printed(number) if re.fullmatch(r"[0-9*]{8,19}", number) else None


def _count(value: bytes) -> int:
    return sum(value[4::7]) if len(value) == _TOTALS_OCTETS else -1


# Only what stands here leaves; every other field is skipped unread.
_KEPT: Final[Mapping[int, tuple[str, Callable[[bytes], Any]]]] = {
    0x04: ("amount", _number),
    0x0B: ("trace", _digits),
    0x0C: ("time", _digits),
    0x0D: ("date", _digits),
    0x22: ("card", _card),
    0x27: ("result", bytes.hex),
    0x29: ("terminal_id", _digits),
    0x2A: ("merchant_id", _merchant_id),
    0x37: ("original", _digits),
    0x3B: ("auth_code", _auth_code),
    0x49: ("currency", _number),
    0x60: ("totals", _count),
    0x87: ("receipt", _digits),
    0x88: ("turnover", _digits),
    0x8B: ("scheme", _card_name),
    0xAA: ("date", _digits),
}
