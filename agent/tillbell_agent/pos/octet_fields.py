"""Fields of terminals' frames: octets become text that may leave, or None. What cannot be its field is dropped.

A card number is truncated here, before any value holds it. No text that leaves has a control character, and none is
longer than its field, so that a number which does not belong there is not cut into one that looks as if it did.
"""

import re
from datetime import datetime
from typing import Final

from tillbell_protocol.pan import TruncatedPan, scrub, scrub_merchant_id

_CONTROL: Final = bytes([*range(32), 127])
_MASKED = re.compile(rb"[^\d ]+")
_MASKING_SPACES = re.compile(rb" {3,}")
_MOST_DIGITS = 4  # of a name


def reference(octets: bytes | None, most: int) -> str | None:
    """A number as sent, leading zeros included; None where it is empty, all zeros, no ASCII or above ``most`` octets."""
    text = _text(octets, most)
    return scrub(text) if text and text.strip("0 ") else None


def merchant_id(octets: bytes | None, most: int = 15) -> str | None:
    text = _text(octets, most)
    return scrub_merchant_id(text) if text and text.strip("0 ") else None


def name(octets: bytes | None, most: int) -> str | None:
    """A word such as a card scheme's, as sent; None where it is rather a number."""
    text = _text(octets, most)
    if not text or text.isdigit() or sum(map(str.isdigit, text)) > _MOST_DIGITS:
        return None
    return scrub(text)


def amount(octets: bytes | None) -> int | None:
    """Twelve digits, in minor units. Zero is what terminals fill an amount with that they do not know."""
    if octets is None or len(octets) != 12 or not octets.isdigit():
        return None
    return int(octets) or None


def card(octets: bytes | None) -> TruncatedPan | None:
    """The last four digits of a number, whole or masked by any character; None where four are not shown."""
    if octets is None:
        return None
    shown = _MASKED.sub(b"****", octets.strip(b" \0"))
    return TruncatedPan.from_printed(_MASKING_SPACES.sub(b"****", shown).decode("ascii"))


def moment(date: bytes | None, time: bytes | None) -> datetime | None:
    """YYMMDD and HHMMSS of this century; None where there are no such day and time."""
    digits = (date or b"") + (time or b"")
    if len(digits) != 12 or not digits.isdigit():
        return None
    year, month, day, hour, minute, second = (int(digits[at : at + 2]) for at in range(0, 12, 2))
    try:
        return datetime(2000 + year, month, day, hour, minute, second)
    except ValueError:
        return None


def _text(octets: bytes | None, most: int) -> str | None:
    if octets is None or len(octets) > most or not octets.isascii():
        return None
    return octets.translate(None, _CONTROL).strip(b" ").decode("ascii")
