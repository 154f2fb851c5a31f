"""What a payload said, as JSON for people and programs: names instead of positions, null where nothing is known.

Times carry the pairing's UTC offset (RFC 3339); a terminal's own clock has none. Amounts stay integers in minor units.
A place that is not named yet appears as ``terminal_index`` or ``shop_index``. What this version cannot read appears
under ``fields``, ``extra_fields`` and ``extra_keys``.
"""

from dataclasses import fields
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

from tillbell_protocol.cbor import UNDEFINED
from tillbell_protocol.defaults import Defaults, Naming
from tillbell_protocol.event import Alert, Batch, Kind, Settlement, Status, Summary, Transaction
from tillbell_protocol.payload import Told, UnknownEvent

_TRANSACTION_TAIL = (
    "receipt_no", "rrn", "stan", "auth_code", "batch", "merchant_id", "scheme", "method", "result_code", "original_ref",
)  # fmt: skip


def to_json(told: Told, defaults: Defaults) -> dict[str, Any]:
    """A dictionary that ``json.dumps`` takes as it is; ``kind`` leads."""
    event = told.event
    body: dict[str, Any] = {"kind": kind_word(told.kind)}
    if isinstance(event, Transaction):
        body |= _transaction(event, told.time, defaults)
    elif isinstance(event, Batch):
        body |= {"time": rfc3339(told.time, defaults.utc_offset_min), "events": _rows(event, defaults)}
    elif isinstance(event, UnknownEvent):
        body["fields"] = [_plain(item) for item in event.items]
    else:
        body["time"] = rfc3339(told.time, defaults.utc_offset_min)
        if isinstance(event, Settlement | Summary | Alert | Status):
            body |= {entry.name: _plain(getattr(event, entry.name)) for entry in fields(event)}
        if isinstance(event, Settlement | Summary):
            body["shop"] = event.shop or defaults.shop(0)
    if told.named != Naming():
        body["named"] = naming_json(told.named)
    body |= _unnamed(told.unnamed_terminal, told.unnamed_shop)
    if told.extra_fields:
        body["extra_fields"] = [_plain(item) for item in told.extra_fields]
    if told.extra_keys:
        body["extra_keys"] = {str(key): _plain(item) for key, item in told.extra_keys.items()}
    return body


def kind_word(kind: int) -> str:
    """``sale``; ``unknown-99`` and ``command-130`` for kinds without a name here."""
    if kind <= max(Kind):
        return Kind(kind).word
    return f"unknown-{kind}" if kind < 128 else f"command-{kind}"


def rfc3339(unix: int | None, utc_offset_min: int) -> str | None:
    """``2026-05-04T12:30:00+08:00``; None stays None."""
    if unix is None:
        return None
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=unix)
    return moment.astimezone(timezone(timedelta(minutes=utc_offset_min))).isoformat()


def naming_json(naming: Naming) -> dict[str, Any]:
    return {
        "terminals": [
            {"index": index, "terminal_id": terminal_id, "merchant_id": merchant_id}
            for index, terminal_id, merchant_id in naming.terminals
        ],
        "shops": [{"index": index, "shop": shop} for index, shop in naming.shops],
    }


def _transaction(event: Transaction, time: int | None, defaults: Defaults) -> dict[str, Any]:
    return {
        "amount_minor": event.amount_minor,
        "currency": event.currency,
        "time": rfc3339(time, defaults.utc_offset_min),
        "reference": event.reference,
        "card_last4": event.card.last4 or None if event.card else None,
        "terminal_id": event.terminal_id,
        "shop": event.shop or defaults.shop(0),
        **{name: getattr(event, name) for name in _TRANSACTION_TAIL},
        "terminal_time": _plain(event.terminal_time),
        "final": event.final,
    }


def _rows(batch: Batch, defaults: Defaults) -> list[dict[str, Any]]:
    return [
        {"kind": kind_word(row.transaction.kind)}
        | _transaction(row.transaction, row.time, defaults)
        | _unnamed(row.unnamed_terminal, row.unnamed_shop)
        for row in batch.rows
    ]


def _unnamed(terminal: int | None, shop: int | None) -> dict[str, Any]:
    """The index of a place without a name; a shop that is not named is not the device's own either."""
    found: dict[str, Any] = {}
    if terminal is not None:
        found["terminal_index"] = terminal
    if shop is not None:
        found |= {"shop": None, "shop_index": shop}
    return found


def _plain(item: Any) -> Any:
    """Octets as hex, undefined as null, dates as text; arrays and maps item by item."""
    if item is UNDEFINED:
        return None
    if isinstance(item, bytes):
        return item.hex()
    if isinstance(item, date):  # and datetime, which is one
        return item.isoformat()
    if isinstance(item, tuple):
        return [_plain(element) for element in item]
    if isinstance(item, dict):
        return {str(key): _plain(value) for key, value in item.items()}
    return item
