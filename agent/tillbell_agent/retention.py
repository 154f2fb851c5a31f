"""What becomes of old messages: too late ones expire, final texts are wiped, final rows forgotten; and what a set clock changes.

Each is a walk from the oldest row over a bounded number, in the caller's transaction: called often enough, it keeps up.
"""

import sqlite3
from collections.abc import Iterable

from tillbell_agent.database import keep, recall
from tillbell_agent.moment import EARLIEST_TRUSTED
from tillbell_agent.outbox import State

_DAY_S = 86_400
# Rows looked at in one step, so that it never stalls a line: more than an hour of the busiest shop makes.
_MOST_AT_ONCE = 2000
_IS_FINAL = "state IN ('sent', 'delivered', 'refused', 'expired', 'unknown') AND not_before = 0"
_WIPED_UP_TO = "wiped_up_to"


def expire(connection: sqlite3.Connection, now: int) -> int:
    """End what is no longer worth sending; returns how many. One that may be out stays unknown: nobody can say more.

    A message written while the clock was not set yet is spared: its age cannot be known.
    """
    return connection.execute(
        "UPDATE message SET state = iif(unknowns, 'unknown', 'expired'), not_before = 0, last_answer = 'not sent in time', updated_at = ?1"
        " WHERE state = 'queued' AND expires_at < ?1 AND created_at >= ?2",
        (now, EARLIEST_TRUSTED),
    ).rowcount


def wipe(connection: sqlite3.Connection, before: int, now: int) -> int:
    """Erase texts that have been final since ``before``; returns how many. A walk from where the last one ended.

    Sealed bodies are only ciphertext and stay until ``forget`` takes the whole row.
    """
    (newest,) = connection.execute("SELECT coalesce(max(id), 0) FROM message").fetchone()
    rows = connection.execute(
        f"SELECT id, CASE WHEN {_IS_FINAL} THEN updated_at ELSE {now} END FROM message"
        " WHERE id > ? AND format = 'text' ORDER BY id LIMIT ?",
        (recall(connection, _WIPED_UP_TO) or 0, _MOST_AT_ONCE),
    ).fetchall()
    old = _gone_by(rows, before, now)
    connection.executemany("UPDATE message SET body = NULL WHERE id = ?", old)
    if old or not rows:
        keep(connection, _WIPED_UP_TO, old[-1][0] if old else newest)
    return len(old)


def forget(connection: sqlite3.Connection, before: int, now: int) -> int:
    """Drop the oldest messages, final since ``before``, with their segments; check codes stay. Returns how many.

    A walk from the oldest row, at most ``_MOST_AT_ONCE`` rows: an index on ``updated_at`` would write 13 KiB more
    flash with every sale.
    """
    rows = connection.execute(
        f"SELECT id, updated_at FROM message WHERE {_IS_FINAL} ORDER BY id LIMIT ?", (_MOST_AT_ONCE,)
    )
    old = _gone_by(rows, before, now)
    connection.executemany("DELETE FROM segment WHERE message_id = ?", old)
    connection.executemany("DELETE FROM message WHERE id = ?", old)
    return len(old)


def clock_set(connection: sqlite3.Connection, by: int, *, was_trusted: bool = True) -> None:
    """The clock was set by ``by`` seconds: what waits, waits as long as before, and is as old as before.

    A clock that was not to be trusted until now has not dated what bears a trusted time: that stays.
    """
    dated = "1" if was_trusted else f"created_at < {EARLIEST_TRUSTED}"
    for state in (State.HELD, State.QUEUED, State.CLAIMED):
        _shift(connection, by, f"state = '{state.value}' AND {dated}")
    _shift(connection, by, f"state = 'unknown' AND not_before > 0 AND {dated}")


def _shift(connection: sqlite3.Connection, by: int, where: str) -> None:
    connection.execute(
        "UPDATE message SET not_before = CASE not_before WHEN 0 THEN 0 ELSE max(1, not_before + ?1) END,"
        f" created_at = max(0, created_at + ?1), expires_at = expires_at + ?1 WHERE {where}",
        (by,),
    )


def _gone_by(rows: Iterable[tuple[int, int]], before: int, now: int) -> list[tuple[int]]:
    """The first ids (with their times, oldest first) that are older than ``before``.

    One written by a clock that was not set, or ran ahead, goes by its place: when one behind it goes.
    """
    old: list[tuple[int]] = []
    undated: list[tuple[int]] = []
    for message_id, at in rows:
        if not EARLIEST_TRUSTED <= at <= now + _DAY_S:
            undated.append((message_id,))
        elif at < before:
            old += [*undated, (message_id,)]
            undated = []
        else:
            break
    return old
