"""Which field of an event stands where in its array, and how each becomes an item: the schema as tables.

``Layout`` reads and writes the positional part; ``payload`` adds kind and map. Fields are only ever appended.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final

from tillbell_protocol import scalars
from tillbell_protocol.cbor import UNDEFINED
from tillbell_protocol.defaults import NOT_NAMED, Defaults
from tillbell_protocol.errors import EncodeError
from tillbell_protocol.event import Kind
from tillbell_protocol.scalars import BadItemError

_DAY_ZERO: Final = scalars.EPOCH.date()


@dataclass(slots=True)
class Context:
    """What a field may depend on: the pairing, the event's own time, and in a batch the row before."""

    defaults: Defaults
    time: int | None = None
    previous: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Codec:
    """``write(value, context) -> item`` may raise ``EncodeError``; ``read`` is its inverse, ``BadItemError``."""

    write: Callable[[Any, Context], Any]
    read: Callable[[Any, Context], Any]


Layout = tuple[tuple[str, Codec], ...]


def write_fields(layout: Layout, values: Mapping[str, Any], context: Context) -> list[Any]:
    """The items of ``layout`` in order, trailing nulls cut."""
    items = [codec.write(values.get(name), context) for name, codec in layout]
    while items and items[-1] is None:
        items.pop()
    return items


@dataclass(frozen=True, slots=True)
class Place:
    """A terminal or shop as an event names it: its index, and its name if that is known."""

    index: int | None
    name: Any


def _plain(write: Callable[[Any], Any], read: Callable[[Any], Any]) -> Codec:
    return Codec(lambda value, _: write(value), lambda item, _: read(item))


def _write_integer(value: int | None) -> int | None:
    return value


def _write_count(value: int | None) -> int | None:
    if value is not None and value < 0:
        raise EncodeError("count", f"{value} is negative")
    return value


def _write_time(value: int | None, context: Context) -> Any:
    context.time = value
    return scalars.pack_time(value)


def _read_time(item: Any, context: Context) -> int | None:
    context.time = scalars.unpack_time(item)
    return context.time


def _write_row_time(value: int | None, context: Context) -> Any:
    context.time = value
    item = scalars.pack_time(value)
    return item if value is None else _difference("time", item, context)


def _read_row_time(item: Any, context: Context) -> int | None:
    context.time = (
        None if item is None or item is UNDEFINED else scalars.unpack_time(_sum("time", item, context))
    )
    return context.time


def _write_amount(value: int | None) -> Any:
    if value is None:
        return UNDEFINED
    if value < 0:
        raise EncodeError("amount_minor", f"{value} is negative; the kind carries the direction")
    return value


def _write_clock(value: Any, context: Context) -> int | None:
    return scalars.pack_clock(value, context.time, context.defaults.utc_offset_min)


def _read_clock(item: Any, context: Context) -> Any:
    return scalars.unpack_clock(item, context.time, context.defaults.utc_offset_min)


def _write_currency(value: str | None, context: Context) -> Any:
    return scalars.pack_currency(value, context.defaults.currency)


def _read_currency(item: Any, context: Context) -> str | None:
    return scalars.unpack_currency(item, context.defaults.currency)


def _write_terminal(value: tuple[str | None, str | None], context: Context) -> int | None:
    if value == NOT_NAMED:
        return None
    if value not in context.defaults.terminals:
        raise EncodeError(
            "terminal_id", f"{value} is not in the pairing's list; add it with Defaults.with_terminal"
        )
    return context.defaults.terminals.index(value)


def _read_terminal(item: Any, context: Context) -> Place:
    index = scalars.optional_unsigned(item)
    return Place(index, NOT_NAMED if index is None else context.defaults.terminal(index))


def _write_shop(value: str | None, context: Context) -> int | None:
    if not value or context.defaults.shop(0) == value:
        return None
    if value not in context.defaults.shops:
        raise EncodeError("shop", f"{value!r} is not in the pairing's list; add it with Defaults.with_shop")
    return context.defaults.shops.index(value)


def _read_shop(item: Any, context: Context) -> Place:
    index = scalars.optional_unsigned(item)
    return Place(index, None if index is None else context.defaults.shop(index))


def _write_row_kind(value: Kind) -> int | None:
    return None if value is Kind.SALE else int(value)


def _read_row_kind(item: Any) -> Kind:
    kind = scalars.optional_unsigned(item) or 0
    if kind > Kind.PREAUTH_COMPLETION:
        raise BadItemError("a row of a batch is a transaction, kind 0 to 6")
    return Kind(kind)


def _read_final(item: Any) -> bool:
    if item is None or item is False:
        return item is None
    raise BadItemError("false or null expected")


def _read_critical(item: Any) -> bool:
    if item is None or item is True:
        return item is True
    raise BadItemError("true or null expected")


def _write_day(value: date) -> int:
    return (value - _DAY_ZERO).days


def _read_day(item: Any) -> date:
    try:
        return _DAY_ZERO + timedelta(days=scalars.integer(item))
    except OverflowError as error:
        raise BadItemError("a day outside the years 1 to 9999") from error


def _read_required_text(item: Any) -> str:
    text = scalars.unpack_text(item)
    if text is None:
        raise BadItemError("text expected")
    return text


def _sequential(name: str) -> Codec:
    """Digit strings as the difference from the one of the row before, which counts as 0 in the first row."""

    def write(value: str | None, context: Context) -> Any:
        item = scalars.pack_digits(value)
        return _difference(name, item, context) if isinstance(item, int) else item

    def read(item: Any, context: Context) -> str | None:
        whole = _sum(name, item, context) if isinstance(item, int) else item
        return scalars.unpack_digits(whole)

    return Codec(write, read)


def _difference(name: str, item: int, context: Context) -> int:
    before, context.previous[name] = context.previous.get(name, 0), item
    return item - before


def _sum(name: str, item: Any, context: Context) -> int:
    context.previous[name] = scalars.integer(item) + context.previous.get(name, 0)
    return context.previous[name]


def _word(table: tuple[str, ...]) -> Codec:
    return _plain(
        lambda value: scalars.pack_word(value, table), lambda item: scalars.unpack_word(item, table)
    )


_TIME: Final = Codec(_write_time, _read_time)
_OPTIONAL_TIME: Final = Codec(lambda value, c: None if value is None else _write_time(value, c), _read_time)
_ROW_TIME: Final = Codec(_write_row_time, _read_row_time)
_AMOUNT: Final = _plain(_write_amount, scalars.optional_unsigned)
_SIGNED_AMOUNT: Final = _plain(lambda value: UNDEFINED if value is None else value, scalars.optional_integer)
_TERMINAL: Final = Codec(_write_terminal, _read_terminal)
_SHOP: Final = Codec(_write_shop, _read_shop)
_CARD: Final = _plain(scalars.pack_card, scalars.unpack_card)
_DIGITS: Final = _plain(scalars.pack_digits, scalars.unpack_digits)
_CLOCK: Final = Codec(_write_clock, _read_clock)
_CURRENCY: Final = Codec(_write_currency, _read_currency)
_METHOD: Final = _word(scalars.METHODS)
_SCHEME: Final = _word(scalars.SCHEMES)
_FINAL: Final = _plain(lambda value: None if value else False, _read_final)
_CRITICAL: Final = _plain(lambda value: True if value else None, _read_critical)
_COUNT: Final = _plain(_write_count, scalars.unsigned)
_OPTIONAL_COUNT: Final = _plain(_write_count, scalars.optional_unsigned)
_ZERO_COUNT: Final = _plain(
    lambda value: _write_count(value) or None, lambda item: scalars.optional_unsigned(item) or 0
)
_OPTIONAL_INTEGER: Final = _plain(_write_integer, scalars.optional_integer)
_INTEGER: Final = _plain(_write_integer, scalars.integer)
_TEXT: Final = _plain(scalars.pack_text, _read_required_text)
_DAY: Final = _plain(_write_day, _read_day)
_ROW_KIND: Final = _plain(_write_row_kind, _read_row_kind)

_REFERENCES: Final[Layout] = (
    ("auth_code", _DIGITS),
    ("batch", _DIGITS),
    ("method", _METHOD),
    ("scheme", _SCHEME),
    ("original_ref", _DIGITS),
)
_LAST: Final[Layout] = (
    ("currency", _CURRENCY),
    ("shop", _SHOP),
    ("final", _FINAL),
    ("result_code", _DIGITS),
)
# Everything behind the kind.
TRANSACTION: Final[Layout] = (
    ("time", _TIME),
    ("amount_minor", _AMOUNT),
    ("terminal", _TERMINAL),
    ("card", _CARD),
    ("receipt_no", _DIGITS),
    ("terminal_time", _CLOCK),
    ("rrn", _DIGITS),
    *_REFERENCES,
    ("stan", _DIGITS),
    *_LAST,
)
BATCH_ROW: Final[Layout] = (
    ("time", _ROW_TIME),
    ("amount_minor", _AMOUNT),
    ("card", _CARD),
    ("receipt_no", _sequential("receipt_no")),
    ("terminal", _TERMINAL),
    ("kind", _ROW_KIND),
    ("terminal_time", _CLOCK),
    ("rrn", _sequential("rrn")),
    *_REFERENCES,
    ("stan", _sequential("stan")),
    *_LAST,
)
SETTLEMENT: Final[Layout] = (
    ("time", _TIME),
    ("amount_minor", _SIGNED_AMOUNT),
    ("terminal", _TERMINAL),
    ("count", _OPTIONAL_COUNT),
    ("batch", _DIGITS),
    ("currency", _CURRENCY),
    ("terminal_time", _CLOCK),
    ("shop", _SHOP),
)
SUMMARY: Final[Layout] = (
    ("day", _DAY),
    ("sales_count", _COUNT),
    ("sales_minor", _INTEGER),
    ("refunds_count", _COUNT),
    ("refunds_minor", _INTEGER),
    ("first_seq", _OPTIONAL_COUNT),
    ("last_seq", _OPTIONAL_COUNT),
    ("unknown_count", _ZERO_COUNT),
    ("currency", _CURRENCY),
    ("shop", _SHOP),
    ("time", _OPTIONAL_TIME),
)
ALERT: Final[Layout] = (("time", _TIME), ("code", _TEXT), ("text", _TEXT), ("critical", _CRITICAL))
STATUS: Final[Layout] = (
    ("time", _TIME),
    ("version", _TEXT),
    ("uptime_s", _OPTIONAL_COUNT),
    ("queued", _OPTIONAL_COUNT),
    ("signal_dbm", _OPTIONAL_INTEGER),
    ("last_seq", _OPTIONAL_COUNT),
)
NAMING: Final[Layout] = (("time", _TIME),)
