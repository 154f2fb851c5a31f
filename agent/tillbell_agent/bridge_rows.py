"""How far each source has used the chunks of a bridge's log: what needs no saying again, and what was told since.

A sale's own commit writes its place here, so that a stop at any point tells it once, also where nothing in it tells it from
the next one.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from tillbell_agent.database import transaction

# Of a board; each of its starts is one. A board that is switched off every evening comes back to none of the older ones.
LOGS_KEPT = 64


@dataclass(frozen=True, slots=True)
class Mark:
    """``seq``: chunks of ``log`` up to this one are needed no more. What came out before, or as the ``told``-th behind chunk
    ``told_seq``, is stored. ``board``: whose log it is. ``begins``: what follows ``seq`` begins something (a receipt)."""

    board: str
    log: str
    source: str
    seq: int
    told_seq: int = 0
    told: int = 0
    begins: bool = False


def read(connection: sqlite3.Connection) -> dict[tuple[str, str], Mark]:
    """(log, source) → its mark."""
    rows = connection.execute("SELECT board, log, source, seq, told_seq, told, begins FROM bridge_log")
    return {
        (log, source): Mark(board, log, source, seq, told_seq, told, bool(begins))
        for board, log, source, seq, told_seq, told, begins in rows
    }


def save(connection: sqlite3.Connection, marks: Iterable[Mark]) -> None:
    """Make them durable. Raises StoreError."""
    with transaction(connection):
        for mark in marks:
            put(connection, mark)


def put(connection: sqlite3.Connection, mark: Mark | None) -> None:
    """The same inside the caller's transaction; nothing for what no bridge heard."""
    if mark is None:
        return
    row = connection.execute("SELECT begun FROM bridge_log WHERE log = ?", (mark.log,)).fetchone()
    begun = row[0] if row is not None else _next_of(connection, mark.board)
    connection.execute(
        "INSERT INTO bridge_log (board, log, source, seq, told_seq, told, begins, begun) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (log, source) DO UPDATE SET seq = excluded.seq, told_seq = excluded.told_seq,"
        " told = excluded.told, begins = excluded.begins WHERE seq <= excluded.seq",
        (mark.board, mark.log, mark.source, mark.seq, mark.told_seq, mark.told, mark.begins, begun),
    )


def _next_of(connection: sqlite3.Connection, board: str) -> int:
    """The number of a log that was not heard before; the oldest of its board are forgotten."""
    query = "SELECT coalesce(max(begun), 0) + 1 FROM bridge_log WHERE board = ?"
    begun = int(connection.execute(query, (board,)).fetchone()[0])
    oldest = begun - LOGS_KEPT
    connection.execute("DELETE FROM bridge_log WHERE board = ? AND begun <= ?", (board, oldest))
    return begun
