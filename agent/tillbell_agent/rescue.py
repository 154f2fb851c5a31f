"""A damaged store is set aside, a fresh one takes its place, and what can still be read goes over into it.

The fresh file is whole and durable before anything is moved, so a power cut leaves the damaged store, to be rescued again,
or the fresh one. Ratchets are not carried over: whether a damaged page holds the newest of them nobody can tell, and a
counter used twice is worse than a new pairing. The damaged file stays beside the new one for whoever can read more of it.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tillbell_agent.database import FILE_NAME, open_database, transaction, truncate_wal
from tillbell_agent.outbox import State
from tillbell_agent.shell.files import sync_directory

# Tables with many rows, by the number that their rows are found by; a message needs its segments, a text its sale.
_NUMBERED = {
    "ledger": "id",
    "message": "id",
    "segment": "message_id",
    "incoming": "id",
    "received": "id",
}
_KEYED = ("counter", "text_key", "day_total", "check_code", "heard", "bridge_log")
_CHUNK = 256
# Queries that may fail in one table before the rest of it is given up: a minute's work on a slow board.
_MOST_FAILURES = 20_000
# Ids that a message in flight may bear though its row is lost; no new one gets them.
_IDS_LEFT_OUT = 1000
# Set-aside files kept: the newest. A store that breaks again and again sits on a dying card.
_MOST_KEPT = 3
_FRESH, _WHOLE = f"{FILE_NAME}.salvaging", f"{FILE_NAME}.salvaged"
# A damaged name or word is also no UTF-8, which Python says of SQLite's own complaint.
_UNREADABLE = (sqlite3.Error, UnicodeDecodeError)
_STATES = frozenset(state.value for state in State)


@dataclass(frozen=True, slots=True)
class Rescued:
    """``saved`` and ``lost``: table → rows. What was lost where even counting failed counts as one."""

    set_aside: str
    saved: dict[str, int]
    lost: dict[str, int]
    numbers_known: bool  # the counter of sequence numbers could be read

    def words(self) -> str:
        """One line for people."""
        lost = ", ".join(f"{count} of {table}" for table, count in self.lost.items()) or "nothing that shows"
        return (
            f"the store was damaged and is set aside as {self.set_aside}; {sum(self.saved.values())} rows were saved, "
            f"lost: {lost}. Pair sealed recipients again, and check the card or disk"
        )


def rescue(state_dir: Path) -> Rescued:
    """Set the store of ``state_dir`` aside; nobody may have it open. Raises StoreError or OSError: nothing was moved then."""
    path = state_dir / FILE_NAME
    (state_dir / _WHOLE).unlink(missing_ok=True)
    folder = state_dir / _FRESH
    folder.mkdir(mode=0o700, exist_ok=True)
    for leftover in folder.iterdir():
        leftover.unlink()
    try:
        with closing(open_database(folder)) as fresh:
            saved, lost, numbers_known = _carry_over(path, fresh)
            truncate_wal(fresh)
        (folder / FILE_NAME).rename(state_dir / _WHOLE)
    finally:
        for leftover in folder.iterdir():
            leftover.unlink()
        folder.rmdir()
    sync_directory(state_dir)
    aside = _set_aside(path)
    finish(state_dir)
    return Rescued(aside, saved, lost, numbers_known)


def finish(state_dir: Path) -> None:
    """Put a fresh store in its place that a power cut kept from it; nothing where there is none."""
    path, whole = state_dir / FILE_NAME, state_dir / _WHOLE
    if not whole.exists() or path.exists():
        return
    # The log belongs to the file that was moved: read into the fresh one it would destroy it.
    path.with_name(path.name + "-shm").unlink(missing_ok=True)
    log, moved = path.with_name(path.name + "-wal"), _kept(path)
    if log.exists() and moved:
        log.rename(moved[-1].with_name(moved[-1].name + "-wal"))
        sync_directory(state_dir)
    whole.rename(path)
    sync_directory(state_dir)


def _set_aside(path: Path) -> str:
    """Rename the damaged file, its log being left to ``finish``: without it the file is an older one. The new name."""
    taken = [int(found.suffix.removeprefix(".corrupt-")) for found in _kept(path)]
    aside = path.with_name(f"{path.name}.corrupt-{max(taken, default=0) + 1}")
    path.rename(aside)
    sync_directory(path.parent)
    for old in _kept(path)[:-_MOST_KEPT]:
        old.unlink()
        old.with_name(old.name + "-wal").unlink(missing_ok=True)
    return aside.name


def _kept(path: Path) -> list[Path]:
    """The files set aside so far, the oldest first."""
    found = [each for each in path.parent.glob(f"{path.name}.corrupt-*") if each.suffix[9:].isdigit()]
    return sorted(found, key=lambda each: int(each.suffix.removeprefix(".corrupt-")))


def _carry_over(path: Path, fresh: sqlite3.Connection) -> tuple[dict[str, int], dict[str, int], bool]:
    saved: dict[str, int] = {}
    lost: dict[str, int] = {}
    reading = sqlite3.connect(f"file:{quote(str(path))}", uri=True, isolation_level=None)
    with closing(reading) as damaged, transaction(fresh):
        for table in (*_KEYED, *_NUMBERED):
            _carry_table(damaged, fresh, table, saved, lost)
        numbers_known = _settle_numbers(fresh)
        _total_days_again(fresh)
    return saved, {table: count for table, count in lost.items() if count}, numbers_known


def _carry_table(
    damaged: sqlite3.Connection,
    fresh: sqlite3.Connection,
    table: str,
    saved: dict[str, int],
    lost: dict[str, int],
) -> None:
    saved[table] = lost[table] = 0
    try:
        there = {row[1] for row in damaged.execute(f"PRAGMA table_info({table})")}
    except _UNREADABLE:
        there = set()
    columns = [row[1] for row in fresh.execute(f"PRAGMA table_info({table})") if row[1] in there]
    if not columns:
        lost[table] = 1
        return
    rows = (
        _numbered(damaged, table, columns, lost)
        if table in _NUMBERED
        else _keyed(damaged, table, columns, lost)
    )
    place = f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    state = columns.index("state") if table == "message" else None
    for row in rows:
        if state is not None and row[state] not in _STATES:
            lost[table] += 1
            continue
        try:
            saved[table] += fresh.execute(place, row).rowcount
        except sqlite3.IntegrityError:  # a damaged row that no sound store could hold
            lost[table] += 1


def _keyed(
    damaged: sqlite3.Connection, table: str, columns: list[str], lost: dict[str, int]
) -> Iterator[tuple[object, ...]]:
    """From the first row to the damage, and from the last one back to it; rows may come twice."""
    query = f"SELECT {', '.join(columns)} FROM {table}"
    key = ", ".join(f"{row[1]} DESC" for row in damaged.execute(f"PRAGMA table_info({table})") if row[5])
    for order in ("", f" ORDER BY {key}"):
        try:
            yield from damaged.execute(query + order)
        except _UNREADABLE:
            lost[table] = 1
        else:
            return


def _numbered(
    damaged: sqlite3.Connection, table: str, columns: list[str], lost: dict[str, int]
) -> Iterator[tuple[object, ...]]:
    """Range by range; one that cannot be read is halved until the rows are found that are lost."""
    number = _NUMBERED[table]
    query = f"SELECT {', '.join(columns)} FROM {table} WHERE {number} BETWEEN ? AND ?"
    low, high = _bounds(damaged, table, number)
    failures = 0
    ranges = [(start, min(start + _CHUNK - 1, high)) for start in range(low, high + 1, _CHUNK)]
    ranges.reverse()
    while ranges and failures < _MOST_FAILURES:
        first, last = ranges.pop()
        try:
            rows = damaged.execute(query, (first, last)).fetchall()
        except _UNREADABLE:
            failures += 1
            if first == last:
                lost[table] += 1
            else:
                middle = (first + last) // 2
                ranges += [(middle + 1, last), (first, middle)]
        else:
            yield from rows
    lost[table] += sum(last - first + 1 for first, last in ranges)


def _bounds(damaged: sqlite3.Connection, table: str, number: str) -> tuple[int, int]:
    """The lowest and highest number, where they can be read; else as SQLite or another table remembers them."""
    bounds = []
    for query in (f"SELECT min({number}) FROM {table}", f"SELECT max({number}) FROM {table}"):
        bounds.append(_value(damaged, query))
    low, high = bounds
    if high is None:
        of_rows = {"segment": "message"}.get(table, table)
        high = _value(damaged, f"SELECT seq FROM sqlite_sequence WHERE name = '{of_rows}'")
    if high is None and table == "ledger":
        high = _value(damaged, "SELECT max(ledger_id) FROM message")
    return low or 1, high or 0


def _value(connection: sqlite3.Connection, query: str) -> int | None:
    try:
        row = connection.execute(query).fetchone()
    except _UNREADABLE:
        return None
    return None if row is None or not isinstance(row[0], int) else row[0]


def _settle_numbers(fresh: sqlite3.Connection) -> bool:
    """No sequence number and no message id is given twice; whether the counter itself could be read."""
    known = _value(fresh, "SELECT value FROM counter WHERE name = 'seq'")
    highest = max(
        _value(fresh, query) or 0
        for query in (
            "SELECT value FROM counter WHERE name = 'seq'",
            "SELECT max(seq) FROM ledger",
            "SELECT max(seq) FROM check_code",
        )
    )
    fresh.execute("INSERT OR REPLACE INTO counter VALUES ('seq', ?)", (highest,))
    fresh.execute("DELETE FROM counter WHERE name = 'wiped_up_to'")
    newest = max(
        _value(fresh, f"SELECT max({name}) FROM {table}") or 0
        for table, name in (("message", "id"), ("segment", "message_id"))
    )
    fresh.execute("DELETE FROM sqlite_sequence WHERE name = 'message'")
    fresh.execute("INSERT INTO sqlite_sequence VALUES ('message', ?)", (newest + _IDS_LEFT_OUT,))
    received = _value(fresh, "SELECT max(received_id) FROM incoming") or 0
    fresh.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'received'", (received,))
    for table in ("message", "heard"):  # the next sale gets such an id, and these are not about it
        fresh.execute(
            f"UPDATE {table} SET ledger_id = -ledger_id WHERE ledger_id > (SELECT coalesce(max(id), 0) FROM ledger)"
        )
    return known is not None


def _total_days_again(fresh: sqlite3.Connection) -> None:
    """Days whose total was lost are counted from the sales that were saved."""
    fresh.execute(
        "INSERT OR IGNORE INTO day_total SELECT l.day, l.currency, count(l.seq),"
        " (SELECT day_total_minor FROM ledger AS n WHERE n.day = l.day AND n.currency = l.currency AND n.seq IS NOT NULL"
        " ORDER BY n.id DESC LIMIT 1), sum(l.seq IS NOT NULL AND l.amount_minor IS NULL)"
        " FROM ledger AS l WHERE l.seq IS NOT NULL GROUP BY l.day, l.currency"
    )
