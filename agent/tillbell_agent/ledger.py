"""The ledger: every completed transaction heard, once, with its number and the day's running total.

Rows are written only inside the caller's transaction, so that a row exists exactly when its notices do.
What moves money has a sequence number, from 1, never restarted: a merchant sees a missing text by its gap.
"""

import json
import sqlite3
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from tillbell_agent.database import keep, recall
from tillbell_agent.moment import Moment
from tillbell_protocol.event import MONEY_SIGN, Kind, Settlement, Transaction
from tillbell_protocol.pan import TruncatedPan

# Rows dropped in one step of housekeeping, so that it never stalls a line.
_MOST_AT_ONCE = 2000
_SEQ = "seq"
_KINDS = frozenset(Kind)
# The event as octets: damaged text may be no UTF-8, which SQLite's module refuses to read as text.
_COLUMNS = (
    "id, seq, source, kind, heard_at, day, amount_minor, currency, day_total_minor, CAST(event AS BLOB)"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One row: ``heard_at`` Unix seconds, ``day_total_minor`` the day's net after it; None: the clock was not set.

    Such a clock begins at the same day with every start, so its days are no days and have no totals.
    """

    id: int
    seq: int | None
    source: str
    heard_at: int | None
    day: str
    currency: str
    day_total_minor: int | None
    transaction: Transaction


class Ledger:
    """Reads and writes ledger, de-duplication keys and day totals on a connection that the caller commits."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def record(
        self, source: str, key: str | None, transaction: Transaction, currency: str, heard: Moment
    ) -> Entry | None:
        """Add a transaction; None where this source has told ``key`` before. ``currency`` applies where none was heard."""
        if key is not None and self._was_heard(source, key):
            return None
        currency = transaction.currency or currency
        seq = self._next_seq() if transaction.kind in MONEY_SIGN else None
        total = self._add_to_day(transaction, currency, heard.day.isoformat()) if heard.trusted else None
        heard_at = heard.unix if heard.trusted else None
        row = (seq, source, transaction.kind, heard_at, heard.day.isoformat(), transaction.amount_minor)
        cursor = self._connection.execute(
            "INSERT INTO ledger (seq, source, kind, heard_at, day, amount_minor, currency, day_total_minor, event)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*row, currency, total or 0, _to_json(transaction)),
        )
        entry_id = int(cursor.lastrowid or 0)
        self._keep_key(source, key, entry_id)
        return Entry(entry_id, seq, source, heard_at, row[4], currency, total, transaction)

    def record_settlement(
        self, source: str, key: str | None, settlement: Settlement, currency: str, heard: Moment
    ) -> bool:
        """Keep a terminal's own total beside ours; it never rings. False where it was heard before."""
        if key is not None and self._was_heard(source, key):
            return False
        event = json.dumps(_plain(asdict(settlement)), ensure_ascii=False)
        heard_at = heard.unix if heard.trusted else None
        cursor = self._connection.execute(
            "INSERT INTO ledger (source, kind, heard_at, day, amount_minor, currency, day_total_minor, event)"
            " VALUES (?, ?, ?, ?, ?, ?, 0, ?)",
            (
                source, Kind.SETTLEMENT, heard_at, heard.day.isoformat(), settlement.amount_minor,
                settlement.currency or currency, event,
            ),
        )  # fmt: skip
        self._keep_key(source, key, int(cursor.lastrowid or 0))
        return True

    def entry(self, entry_id: int) -> Entry:
        """The transaction of one row; KeyError where there is none, or none that can be read."""
        row = self._connection.execute(f"SELECT {_COLUMNS} FROM ledger WHERE id = ?", (entry_id,)).fetchone()
        entry = None if row is None else _entry(row)
        if entry is None:
            raise KeyError(entry_id)
        return entry

    def recent(self, limit: int) -> list[Entry]:
        """The newest transactions (settlements left out), newest first."""
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM ledger WHERE kind != ? ORDER BY id DESC LIMIT ?",
            (Kind.SETTLEMENT, limit),
        ).fetchall()  # at once: an open question keeps the agent from erasing
        return [entry for entry in map(_entry, rows) if entry is not None]

    def day_totals(self, day: str) -> list[tuple[str, int, int, int]]:
        """(currency, transactions that move money, net in minor units, of these with unknown amount) of a local day."""
        rows = self._connection.execute(
            "SELECT currency, count, net_minor, unknown_count FROM day_total WHERE day = ? ORDER BY currency",
            (day,),
        )
        return list(rows)

    def newest_of(self, source: str) -> Entry | None:
        """The newest transaction of one source; None: there is none, or it cannot be read."""
        row = self._connection.execute(
            f"SELECT {_COLUMNS} FROM ledger WHERE source = ? AND kind != ? ORDER BY id DESC LIMIT 1",
            (source, Kind.SETTLEMENT),
        ).fetchone()
        return None if row is None else _entry(row)

    def last_seq(self) -> int:
        """The highest number given so far; 0 before the first."""
        return recall(self._connection, _SEQ) or 0

    def skip_to(self, seq: int) -> None:
        """The next number given is above ``seq``, whatever this store remembers."""
        keep(self._connection, _SEQ, max(seq, self.last_seq()))

    def forget_before(self, day: str) -> int:
        """Drop the oldest rows, up to the last one of a day before ``day``, that owe nobody anything; totals and keys stay.

        Rows of a clock that was not set go by their place among the others. Returns how many went, at most
        ``_MOST_AT_ONCE``.
        """
        return self._connection.execute(
            "DELETE FROM ledger WHERE id IN (SELECT id FROM ledger AS l"
            " WHERE id <= (SELECT max(id) FROM ledger WHERE day < ? AND heard_at IS NOT NULL)"
            " AND NOT EXISTS (SELECT 1 FROM message AS m WHERE m.ledger_id = l.id"
            " AND m.state IN ('held', 'queued', 'claimed', 'unknown')) ORDER BY id LIMIT ?)",
            (day, _MOST_AT_ONCE),
        ).rowcount

    def _was_heard(self, source: str, key: str) -> bool:
        query = "SELECT 1 FROM heard WHERE source = ? AND key = ?"
        return self._connection.execute(query, (source, key)).fetchone() is not None

    def _keep_key(self, source: str, key: str | None, entry_id: int) -> None:
        if key is not None:
            self._connection.execute("INSERT INTO heard VALUES (?, ?, ?)", (source, key, entry_id))

    def _next_seq(self) -> int:
        # Kept apart from the rows, which are dropped after some weeks: a number is never given twice.
        row = self._connection.execute(
            "INSERT INTO counter VALUES ('seq', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value"
        ).fetchone()
        return int(row[0])

    def _add_to_day(self, transaction: Transaction, currency: str, day: str) -> int:
        sign = MONEY_SIGN.get(transaction.kind, 0)
        unknown = transaction.amount_minor is None
        row = self._connection.execute(
            "INSERT INTO day_total VALUES (?, ?, ?, ?, ?) ON CONFLICT (day, currency) DO UPDATE SET"
            " count = count + excluded.count, net_minor = net_minor + excluded.net_minor,"
            " unknown_count = unknown_count + excluded.unknown_count RETURNING net_minor",
            (day, currency, abs(sign), sign * (transaction.amount_minor or 0), abs(sign) * unknown),
        ).fetchone()
        return int(row[0])


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """The fields that hold something, as JSON values."""
    plain: dict[str, Any] = {}
    for name, value in values.items():
        if value is None:
            continue
        plain[name] = value.isoformat() if isinstance(value, datetime) else value
    return plain


def _to_json(transaction: Transaction) -> str:
    values = asdict(transaction)
    values["kind"] = int(transaction.kind)
    values["card"] = transaction.card.last4 if transaction.card else None
    return json.dumps(_plain(values), ensure_ascii=False)


def _from_json(text: bytes) -> Transaction:
    values = json.loads(text)
    values["kind"] = Kind(values["kind"])
    if "card" in values:
        values["card"] = TruncatedPan(values["card"])
    if "terminal_time" in values:
        values["terminal_time"] = datetime.fromisoformat(values["terminal_time"])
    return Transaction(**values)


def _entry(row: tuple[Any, ...]) -> Entry | None:
    """Of an event that a failing card has damaged, what the row's own columns still say; None: not even its kind."""
    entry_id, seq, source, kind, heard_at, day, amount, currency, total, event = row
    try:
        transaction = _from_json(event)
    except (ValueError, KeyError, TypeError, RecursionError):
        if kind not in _KINDS:
            return None
        transaction = Transaction(Kind(kind), amount, currency)
    total = None if heard_at is None else total
    return Entry(entry_id, seq, source, heard_at, day, currency, total, transaction)
