"""Events become the payload of a sealed message, and back: one CBOR array, led by the event's kind, per schema.cddl.

A device writes positions in the order of ``layout``, null where a field is absent or the pairing's default holds,
and cuts trailing nulls. A last map carries the counter sealed before (key 0) and the names of new terminals (1) and
shops (2). What a reader does not know (kinds, further positions, further keys) it keeps and hands on; nothing is
guessed. How the numbers look in JSON is ``payload_json``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from typing import Any, Final, Literal, cast

from tillbell_protocol import cbor, layout
from tillbell_protocol.defaults import NO_NAMES, NOT_NAMED, Defaults, Naming, naming_items, naming_value
from tillbell_protocol.errors import EncodeError
from tillbell_protocol.event import (
    TRANSACTION_KINDS,
    Alert,
    Batch,
    BatchRow,
    Kind,
    Settlement,
    Status,
    Summary,
    Transaction,
)
from tillbell_protocol.layout import Context, Layout, Place, write_fields
from tillbell_protocol.ratchet import COUNTERS
from tillbell_protocol.refusal import CborError, PayloadError
from tillbell_protocol.scalars import BadItemError, integer, pack_time

__all__ = [
    "NO_GAP",
    "Defaults",
    "Event",
    "Naming",
    "NoGap",
    "Predecessor",
    "Told",
    "UnknownEvent",
    "decode_payload",
    "encode_payload",
    "fit_payload",
]


class NoGap(Enum):
    """Not a value but its absence: the counter sealed before is simply one less."""

    NO_GAP = "no gap"


NO_GAP: Final = NoGap.NO_GAP
# The counter sealed before; None: none was. Written only where it is not one less than the message's own.
Predecessor = int | None | Literal[NoGap.NO_GAP]


@dataclass(frozen=True, slots=True)
class UnknownEvent:
    """A kind that this version does not read, commands among them; ``items`` are its positions behind the kind."""

    kind: int
    items: tuple[Any, ...]


Event = Transaction | Settlement | Summary | Alert | Status | Naming | Batch | UnknownEvent


@dataclass(frozen=True, slots=True)
class Told:
    """What one payload says.

    ``time``: Unix seconds at which the device heard it, None if it had no trusted clock. ``named``: places that this
    payload names. ``unnamed_terminal`` and ``unnamed_shop``: the index of a place whose name has not been heard, whose
    field in the event is None. ``extra_fields`` and ``extra_keys``: what a newer sender added.
    """

    kind: int
    event: Event
    time: int | None = None
    predecessor: Predecessor = NO_GAP
    named: Naming = NO_NAMES
    unnamed_terminal: int | None = None
    unnamed_shop: int | None = None
    extra_fields: tuple[Any, ...] = ()
    extra_keys: Mapping[int, Any] = field(default_factory=dict)


_SIMPLE: Final[dict[int, tuple[type[Any], Layout]]] = {
    Kind.SETTLEMENT: (Settlement, layout.SETTLEMENT),
    Kind.SUMMARY: (Summary, layout.SUMMARY),
    Kind.ALERT: (Alert, layout.ALERT),
    Kind.STATUS: (Status, layout.STATUS),
    **dict.fromkeys(TRANSACTION_KINDS, (Transaction, layout.TRANSACTION)),
}
_KIND_OF: Final = {
    event_class: Kind(kind) for kind, (event_class, _) in _SIMPLE.items() if kind >= Kind.SETTLEMENT
}
# What a message can do without, first what is missed least. Amount, time, card, terminal and reference stay.
_ORDER_OF_SACRIFICE: Final = (
    "scheme",
    "method",
    "batch",
    "stan",
    "result_code",
    "auth_code",
    "terminal_time",
    "rrn",
)


def encode_payload(
    event: Event,
    *,
    time: int | None,
    defaults: Defaults,
    predecessor: Predecessor = NO_GAP,
    naming: Naming = NO_NAMES,
) -> bytes:
    """The payload of one event, deterministic CBOR.

    ``time``: Unix seconds, None if no clock was trusted. ``defaults``: the lists with every place that the event
    uses; ``naming``: what ``Defaults.naming`` says of those that this message is the first to use. A batch ignores
    no row; a currency of None says "not heard", so the caller fills in the configured one. Raises ``EncodeError``.
    """
    context = Context(defaults)
    if isinstance(event, UnknownEvent):
        items: list[Any] = [event.kind, *event.items]
    elif isinstance(event, Batch):
        items = [int(Kind.BATCH), pack_time(time), _write_rows(event, time, context)]
    elif isinstance(event, Naming):
        items = [int(Kind.DEFAULTS), *write_fields(layout.NAMING, {"time": time}, context)]
        naming = Naming(event.terminals + naming.terminals, event.shops + naming.shops)
    else:
        kind = event.kind if isinstance(event, Transaction) else _KIND_OF[type(event)]
        items = [int(kind), *write_fields(_SIMPLE[kind][1], _values(event, time), context)]
    extras: dict[int, Any] = {} if predecessor is NO_GAP else {0: predecessor}
    extras |= naming_items(naming)
    return cbor.encode([*items, extras] if extras else items)


def fit_payload(
    event: Event,
    *,
    limit: int,
    time: int | None,
    defaults: Defaults,
    predecessor: Predecessor = NO_GAP,
    naming: Naming = NO_NAMES,
) -> tuple[bytes, tuple[str, ...]]:
    """The payload in at most ``limit`` octets, without as few optional fields as that takes, and which those are.

    The retrieval reference goes only if the receipt has a number of its own. If nothing helps: the whole payload, ().
    """

    def encoded(candidate: Event) -> bytes:
        return encode_payload(candidate, time=time, defaults=defaults, predecessor=predecessor, naming=naming)

    complete = encoded(event)
    if len(complete) <= limit or not isinstance(event, Transaction):
        return complete, ()
    shorter, left_out = event, list[str]()
    for name in _ORDER_OF_SACRIFICE:
        if getattr(event, name) is None or (name == "rrn" and event.receipt_no is None):
            continue
        shorter = replace(shorter, **{name: None})  # type: ignore[arg-type]
        left_out.append(name)
        payload = encoded(shorter)
        if len(payload) <= limit:
            return payload, tuple(left_out)
    return complete, ()


def decode_payload(octets: bytes, defaults: Defaults) -> Told:
    """What a payload says. Raises ``PayloadError`` with field and octet for anything outside the format."""
    try:
        items = cbor.decode(octets)
    except CborError as error:
        raise PayloadError(error.field, error.offset, error.why) from error
    if not isinstance(items, tuple) or not items:
        raise PayloadError("payload", 0, "an array led by the event's kind expected")
    offsets = cbor.element_offsets(octets)
    kind = items[0]
    if not isinstance(kind, int) or isinstance(kind, bool) or not 0 <= kind <= 255:
        raise PayloadError("kind", offsets[0], "0 to 255 expected")
    extras = items[-1] if isinstance(items[-1], dict) else {}
    positions = items[1:-1] if isinstance(items[-1], dict) else items[1:]
    for offset, item in zip(offsets[1:], positions, strict=False):
        if isinstance(item, dict):
            raise PayloadError("map", offset, "a map may stand only last")
    predecessor, named = _read_extras(extras, offsets[-1])
    effective, contradicted = defaults.with_names(named)
    if contradicted != NO_NAMES:  # what this message calls its places holds for this message
        effective = _overridden(effective, contradicted)
    told = _read_event(kind, positions, offsets[1:], effective)
    others = {key: item for key, item in extras.items() if key > 2}
    event = named if kind == Kind.DEFAULTS else told.event
    return replace(told, event=event, predecessor=predecessor, named=named, extra_keys=others)


def _values(event: Any, time: int | None) -> dict[str, Any]:
    values = {entry.name: getattr(event, entry.name) for entry in fields(event)}
    values["terminal"] = (values.pop("terminal_id", None), values.pop("merchant_id", None))
    return values | {"time": time}


def _write_rows(batch: Batch, time: int | None, context: Context) -> list[Any]:
    if time is not None:
        context.previous["time"] = pack_time(time)
    rows = []
    for row in batch.rows:
        if row.transaction.kind not in TRANSACTION_KINDS:
            raise EncodeError("batch", f"kind {row.transaction.kind} is no transaction")
        rows.append(write_fields(layout.BATCH_ROW, _values(row.transaction, row.time), context))
    return rows


def _read_event(kind: int, positions: tuple[Any, ...], offsets: tuple[int, ...], defaults: Defaults) -> Told:
    context = Context(defaults)
    if kind == Kind.BATCH:
        return _read_batch(positions, offsets, context)
    if kind == Kind.DEFAULTS:
        values = _read_fields(layout.NAMING, positions, offsets, context)
        return Told(kind, NO_NAMES, values["time"], extra_fields=positions[1:])
    if kind not in _SIMPLE:
        return Told(kind, UnknownEvent(kind, positions))
    event_class, table = _SIMPLE[kind]
    values = _read_fields(table, positions, offsets, context)
    time = values.pop("time")
    terminal, shop = _resolve_places(values)
    if event_class is Transaction:
        values["kind"] = Kind(kind)
    return Told(
        kind,
        event_class(**values),
        time,
        unnamed_terminal=terminal,
        unnamed_shop=shop,
        extra_fields=positions[len(table) :],
    )


def _read_batch(positions: tuple[Any, ...], offsets: tuple[int, ...], context: Context) -> Told:
    time = _read_fields(layout.NAMING, positions[:1], offsets, context)["time"]
    if len(positions) < 2 or not isinstance(positions[1], tuple):
        raise PayloadError("rows", offsets[-1] if offsets else 0, "array of rows expected")
    if time is not None:
        context.previous["time"] = pack_time(time)
    rows = tuple(_read_row(items, index, offsets[1], context) for index, items in enumerate(positions[1]))
    return Told(int(Kind.BATCH), Batch(rows), time, extra_fields=positions[2:])


def _read_row(items: Any, index: int, offset: int, context: Context) -> BatchRow:
    if not isinstance(items, tuple) or not items:
        raise PayloadError(f"rows.{index}", offset, "an array expected")
    try:
        values = _read_fields(layout.BATCH_ROW, items, (0,) * len(items), context)
    except PayloadError as error:
        raise PayloadError(f"rows.{index}.{error.field}", offset, error.why) from error
    time = values.pop("time")
    terminal, shop = _resolve_places(values)
    return BatchRow(Transaction(**values), time, terminal, shop, items[len(layout.BATCH_ROW) :])


def _read_fields(
    table: Layout, positions: tuple[Any, ...], offsets: tuple[int, ...], context: Context
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for place, (name, codec) in enumerate(table):
        item = positions[place] if place < len(positions) else None
        try:
            values[name] = codec.read(item, context)
        except BadItemError as error:
            raise PayloadError(name, offsets[place] if place < len(offsets) else 0, str(error)) from error
    return values


def _resolve_places(values: dict[str, Any]) -> tuple[int | None, int | None]:
    """Put names in the place of ``Place`` values; the indexes of those that have none."""
    unnamed_terminal = unnamed_shop = None
    if "terminal" in values:
        terminal = cast(Place, values.pop("terminal"))
        values["terminal_id"], values["merchant_id"] = terminal.name
        unnamed_terminal = terminal.index if terminal.name == NOT_NAMED else None
    if "shop" in values:
        shop = cast(Place, values.pop("shop"))
        values["shop"] = shop.name
        unnamed_shop = shop.index if shop.name is None else None
    return unnamed_terminal, unnamed_shop


def _read_extras(extras: dict[int, Any], offset: int) -> tuple[Predecessor, Naming]:
    try:
        predecessor = _read_predecessor(extras[0]) if 0 in extras else NO_GAP
        return predecessor, naming_value(extras.get(1, ()), extras.get(2, ()))
    except BadItemError as error:
        raise PayloadError("map", offset, str(error)) from error


def _read_predecessor(item: Any) -> int | None:
    if item is not None and not 0 <= integer(item) < COUNTERS:
        raise BadItemError("a counter has 24 bits")
    return cast("int | None", item)


def _overridden(defaults: Defaults, naming: Naming) -> Defaults:
    terminals, shops = list(defaults.terminals), list(defaults.shops)
    for index, terminal_id, merchant_id in naming.terminals:
        terminals[index] = (terminal_id, merchant_id)
    for index, shop in naming.shops:
        shops[index] = shop
    return replace(defaults, terminals=tuple(terminals), shops=tuple(shops))
