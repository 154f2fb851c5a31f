"""The state a doctor asks of a store that he only reads: is the file whole, how far behind are its messages.

Nothing is written and nothing is migrated. ``PRAGMA quick_check`` reads the whole file; while it does, a running agent
cannot cut its WAL and tries again a second later.
"""

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

from tillbell_agent.database import FILE_NAME, MIGRATIONS, StoreError, open_for_reading
from tillbell_agent.outbox import LONGEST_PAUSE_S, State

# How many of the newest messages are looked through for what went wrong: weeks of a busy shop.
_NEWEST = 5000
# What the partial index of open messages says of itself: a query has to repeat it to be served by it.
_OPEN = "state IN ('claimed', 'unknown', 'held')"
# So many complaints of a damaged file are shown; the first says enough.
_MOST_PROBLEMS = 3


@dataclass(frozen=True, slots=True)
class OutboxHealth:
    """``waiting``: not final, by state. ``ended``: those without a good end that changed lately, by state."""

    waiting: dict[str, int] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)
    oldest_due_at: int | None = None  # Unix seconds at which the oldest message that is due was made
    held: dict[str, int] = field(default_factory=dict)  # recipient → messages that wait for its pairing
    last_answer: str | None = None  # of the first in the queue that was tried


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """``trouble``: why the rest is not known, and ``step``: what to do about that; ``absent``: there is no store yet.

    ``bindings``: recipient → its pairing.
    """

    trouble: str | None = None
    step: str = "Start tillbell run"
    absent: bool = False
    schema: int = 0
    newest_schema: int = len(MIGRATIONS)
    problems: tuple[str, ...] = ()
    octets: int = 0
    wal_octets: int = 0
    set_aside: tuple[str, ...] = ()
    outbox: OutboxHealth = field(default_factory=OutboxHealth)
    bindings: dict[str, bytes] = field(default_factory=dict)
    last_heard_at: dict[str, int] = field(default_factory=dict)  # source → its newest transaction


def examine(state_dir: Path, now: int, since: int) -> StoreHealth:
    """Read the store in ``state_dir``. ``now`` and ``since`` (for what ended without good): Unix seconds. Never raises."""
    sizes = {name: _size(state_dir / name) for name in (FILE_NAME, f"{FILE_NAME}-wal")}
    aside = _set_aside(state_dir)
    try:
        connection = open_for_reading(state_dir)
    except StoreError as error:
        return _not_opened(error, sizes[FILE_NAME], aside)
    except OSError as error:
        why = f"{state_dir} cannot be read: {error.strerror}"
        return StoreHealth(trouble=why, step="Run this as the agent's user, or as root", set_aside=aside)
    try:
        return StoreHealth(
            schema=connection.execute("PRAGMA user_version").fetchone()[0],
            problems=quick_check(connection),
            octets=sizes[FILE_NAME],
            wal_octets=sizes[f"{FILE_NAME}-wal"],
            set_aside=aside,
            outbox=_outbox(connection, now, since),
            bindings=dict(connection.execute("SELECT recipient, binding FROM pairing")),
            last_heard_at=_last_heard(connection),
        )
    except sqlite3.Error as error:
        return StoreHealth(problems=(str(error),), octets=sizes[FILE_NAME], set_aside=aside)
    finally:
        connection.close()


def _not_opened(error: StoreError, octets: int, aside: tuple[str, ...]) -> StoreHealth:
    if isinstance(error.__cause__, sqlite3.Error):  # not a database, or damaged in its first page
        return StoreHealth(problems=(str(error),), octets=octets, set_aside=aside)
    step = "Start tillbell run" if not octets else "Install the tillbell that wrote it"
    return StoreHealth(trouble=str(error), step=step, absent=not octets, octets=octets, set_aside=aside)


def quick_check(connection: sqlite3.Connection) -> tuple[str, ...]:
    rows = [str(row[0]) for row in connection.execute(f"PRAGMA quick_check({_MOST_PROBLEMS})")]
    return () if rows == ["ok"] else tuple(rows)


def _outbox(connection: sqlite3.Connection, now: int, since: int) -> OutboxHealth:
    waiting = {State.QUEUED.value: _number(connection, "state = 'queued'")}
    waiting |= {
        state: _number(connection, f"{_OPEN} AND {which}")
        for state, which in (
            (State.CLAIMED.value, "state = 'claimed'"),
            (State.HELD.value, "state = 'held'"),
            (State.UNKNOWN.value, "state = 'unknown' AND not_before > 0"),
        )
    }
    due = "state = 'queued' AND (not_before <= ?1 OR not_before > ?1 + ?2)"
    (oldest,) = connection.execute(
        f"SELECT min(created_at) FROM message WHERE {due}", (now, LONGEST_PAUSE_S)
    ).fetchone()
    held = connection.execute(
        f"SELECT recipient, count(*) FROM message WHERE {_OPEN} AND state = 'held' GROUP BY recipient"
    )
    tried = connection.execute(
        "SELECT last_answer FROM message WHERE state = 'queued' AND last_answer IS NOT NULL ORDER BY priority, id LIMIT 1"
    ).fetchone()
    return OutboxHealth(
        waiting={state: count for state, count in waiting.items() if count},
        ended=_ended(connection, since),
        oldest_due_at=oldest,
        held=dict(held),
        last_answer=None if tried is None else str(tried[0]),
    )


def _ended(connection: sqlite3.Connection, since: int) -> dict[str, int]:
    rows = connection.execute(
        "SELECT state, count(*) FROM message WHERE id > (SELECT coalesce(max(id), 0) - ? FROM message)"
        " AND (state IN ('refused', 'expired') OR (state = 'unknown' AND not_before = 0))"
        " AND updated_at >= ? GROUP BY state",
        (_NEWEST, since),
    )
    return dict(rows)


def _number(connection: sqlite3.Connection, where: str) -> int:
    (count,) = connection.execute(f"SELECT count(*) FROM message WHERE {where}").fetchone()
    return int(count)


def _last_heard(connection: sqlite3.Connection) -> dict[str, int]:
    rows = connection.execute(
        "SELECT source, max(heard_at) FROM ledger WHERE id > (SELECT coalesce(max(id), 0) - ? FROM ledger)"
        " AND heard_at IS NOT NULL GROUP BY source",
        (_NEWEST,),
    )
    return dict(rows)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _set_aside(state_dir: Path) -> tuple[str, ...]:
    """Damaged stores that were put out of the way."""
    try:
        found = (path.name for path in state_dir.glob(f"{FILE_NAME}.corrupt-*"))
        return tuple(sorted(name for name in found if name.rpartition("-")[2].isdigit()))  # not its WAL
    except OSError:
        return ()
