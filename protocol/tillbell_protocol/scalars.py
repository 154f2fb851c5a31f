"""Single fields: a value in words becomes the smallest CBOR item that keeps it whole, and back.

null stands for absent. Every reader raises ``BadItemError`` for an item that its field cannot hold; whoever knows the
field's name and place turns that into its own error.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from tillbell_protocol.cbor import UNDEFINED
from tillbell_protocol.errors import EncodeError, ProtocolError
from tillbell_protocol.iso4217 import alpha_code, numeric_code
from tillbell_protocol.pan import TruncatedPan, scrub, scrub_merchant_id

# Times are counted from 2025-01-01T00:00:00Z, so that they take five octets until 2161.
EPOCH_UNIX: Final = 1_735_689_600
EPOCH: Final = datetime(2025, 1, 1)
# Unix times from 1970 to 2242: every library turns these into a date.
MAX_UNIX: Final = 2**33 - 1
MAX_PACKED_DIGITS: Final = 15
# Only the end may grow: an index, once given, is in messages that are already sealed.
METHODS: Final = (
    "card",
    "cash",
    "wechat",
    "alipay",
    "unionpay-qr",
    "qr",
    "wallet",
    "voucher",
    "transfer",
    "other",
)
SCHEMES: Final = (
    "unionpay", "visa", "mastercard", "amex", "jcb", "diners", "discover", "maestro", "girocard", "interac", "mir",
    "rupay", "elo", "verve", "troy", "bancontact", "dankort", "eftpos", "paypak", "napas", "gpn",
)  # fmt: skip
_LETTERS3: Final = re.compile("[A-Z]{3}")


class BadItemError(ProtocolError):
    """A CBOR item that its field cannot hold."""


def pack_digits(text: str | None) -> int | str | None:
    """``0042`` → 10042: a digit string of 1 to 15 digits is the number written as 1 followed by it; else text.

    Card numbers are truncated on the way: this is the last exit before encryption.
    """
    return None if text is None else _packed(scrub(text))


def _packed(text: str) -> int | str:
    packable = text.isascii() and text.isdigit() and len(text) <= MAX_PACKED_DIGITS
    return int(f"1{text}") if packable else text


def unpack_digits(item: Any) -> str | None:
    if item is None or item is UNDEFINED or isinstance(item, str):
        return item if isinstance(item, str) else None
    digits = str(unsigned(item))
    if digits[0] != "1" or not 2 <= len(digits) <= MAX_PACKED_DIGITS + 1:
        raise BadItemError(f"{digits} is no digit string: 1 and up to 15 digits expected")
    return digits[1:]


def pack_merchant_id(text: str | None) -> int | str | None:
    """As ``pack_digits``, with ``scrub_merchant_id`` on the way."""
    return None if text is None else _packed(scrub_merchant_id(text))


def pack_card(card: TruncatedPan | None) -> int | str | None:
    return None if card is None else pack_digits(card.last4)


def unpack_card(item: Any) -> TruncatedPan | None:
    last4 = unpack_digits(item)
    if last4 is None:
        return None
    if last4 and not (len(last4) == 4 and last4.isascii() and last4.isdigit()):
        raise BadItemError("a card's tail is four digits or an empty text")
    return TruncatedPan(last4)


def pack_word(text: str | None, table: Sequence[str]) -> int | str | None:
    """A word of the table as its index, another as text."""
    if text is None:
        return None
    return table.index(text) if text in table else scrub(text)


def unpack_word(item: Any, table: Sequence[str]) -> str | None:
    """An index beyond the table, from a newer sender, is shown as ``#23``."""
    if item is None or item is UNDEFINED or isinstance(item, str):
        return item if isinstance(item, str) else None
    index = unsigned(item)
    return table[index] if index < len(table) else f"#{index}"


def pack_text(text: str | None) -> str | None:
    return None if text is None else scrub(text)


def unpack_text(item: Any) -> str | None:
    if item is None or item is UNDEFINED:
        return None
    if not isinstance(item, str):
        raise BadItemError("text expected")
    return item


def pack_currency(currency: str | None, default: str) -> Any:
    """The pairing's own currency is null; none heard is undefined, so that no default is invented for it."""
    if currency is None:
        return UNDEFINED
    if currency == default:
        return None
    if re.fullmatch("[0-9]{3}", currency):
        return int(currency)
    numeric = numeric_code(currency)
    if numeric is None and not _LETTERS3.fullmatch(currency):
        raise EncodeError("currency", f"{currency!r} is no ISO 4217 code")
    return currency if numeric is None else numeric


def unpack_currency(item: Any, default: str) -> str | None:
    """A number that the table does not know comes out as its three digits."""
    if item is None or item is UNDEFINED:
        return default if item is None else None
    if isinstance(item, str):
        if not _LETTERS3.fullmatch(item):
            raise BadItemError("a currency is three capital letters or a number")
        return item
    numeric = unsigned(item)
    if numeric > 999:
        raise BadItemError("a currency's number has three digits")
    return alpha_code(numeric) or f"{numeric:03d}"


def pack_time(unix: int | None) -> Any:
    """Unix seconds as seconds since 2025; None is undefined: an unknown time never has a default."""
    if unix is None:
        return UNDEFINED
    if not 0 <= unix <= MAX_UNIX:
        raise EncodeError("time", f"{unix} is outside Unix seconds 0 to 2^33 - 1")
    return unix - EPOCH_UNIX


def unpack_time(item: Any) -> int | None:
    if item is None or item is UNDEFINED:
        return None
    unix = integer(item) + EPOCH_UNIX
    if not 0 <= unix <= MAX_UNIX:
        raise BadItemError("a time outside 1970 to 2242")
    return unix


def pack_clock(clock: datetime | None, unix: int | None, utc_offset_min: int) -> int | None:
    """A terminal's naive local clock, as its difference in seconds from the event's time, else since 2025.

    The clock is read with the pairing's offset; fractions of a second are cut, terminals print none.
    """
    if clock is None:
        return None
    if clock.tzinfo is not None:
        raise EncodeError("terminal_time", "a terminal's clock is local, without a zone")
    seconds = (clock.replace(microsecond=0) - EPOCH) // timedelta(seconds=1)
    return seconds if unix is None else seconds - utc_offset_min * 60 - (unix - EPOCH_UNIX)


def unpack_clock(item: Any, unix: int | None, utc_offset_min: int) -> datetime | None:
    if item is None or item is UNDEFINED:
        return None
    seconds = integer(item)
    if unix is not None:
        seconds += utc_offset_min * 60 + (unix - EPOCH_UNIX)
    try:
        return EPOCH + timedelta(seconds=seconds)
    except OverflowError as error:
        raise BadItemError("a clock outside the years 1 to 9999") from error


def integer(item: Any) -> int:
    if not isinstance(item, int) or isinstance(item, bool):
        raise BadItemError("integer expected")
    return item


def unsigned(item: Any) -> int:
    if integer(item) < 0:
        raise BadItemError("unsigned integer expected")
    return int(item)


def optional_unsigned(item: Any) -> int | None:
    return None if item is None or item is UNDEFINED else unsigned(item)


def optional_integer(item: Any) -> int | None:
    return None if item is None or item is UNDEFINED else integer(item)
