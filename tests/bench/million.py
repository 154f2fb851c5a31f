"""What an outbox costs with a million finished messages and ten thousand due ones behind it, beside an empty one.

``flatness`` can be called by anybody; run as a program it prints the table. Medians, in microseconds, each with the fsync
of its commit where it has one.
"""

import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tillbell_agent.database import open_database, transaction
from tillbell_agent.outbox import Draft, Outbox, State

NOW = 1_795_233_600
OWNER = "+8613800138000"
_SALE = Draft("owner", OWNER, "text", "txn", 3 * 86_400, body="已收款 126.50 元".encode())
_ROUNDS = 200
# One message a second, the newest finished just now: none is old enough to be forgotten or wiped in this minute.
_FILL = """
WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < :count)
INSERT INTO message (recipient, phone, format, class, priority, state, ledger_id, body, created_at, expires_at,
    not_before, attempts, modem, last_answer, updated_at)
SELECT 'owner', :phone, 'text', 'txn', 2, :state, i, :body, :now, :now + 259200, 0, :attempts,
    'sim1', 'delivered', :now FROM n
"""
_FILL_SEGMENTS = """
INSERT INTO segment SELECT id, 0, CASE WHEN id % 10 THEN 'delivered' ELSE 'sent' END, id % 256, 'sim1', created_at
FROM message WHERE state = 'delivered'
"""


@dataclass(frozen=True, slots=True)
class Flatness:
    """``empty_us`` and ``full_us``: step → median microseconds."""

    finished: int
    due: int
    empty_us: dict[str, float]
    full_us: dict[str, float]

    def ratios(self) -> dict[str, float]:
        return {step: self.full_us[step] / self.empty_us[step] for step in self.empty_us}


def fill(connection: sqlite3.Connection, finished: int, due: int) -> None:
    """Put so many delivered messages with a segment each into a store, and so many due ones behind them."""
    values = {"phone": OWNER, "body": _SALE.body, "now": NOW}
    with transaction(connection):
        for state, count, attempts in ((State.DELIVERED, finished, 1), (State.QUEUED, due, 0)):
            if count:
                connection.execute(
                    _FILL, values | {"state": state.value, "count": count, "attempts": attempts}
                )
        connection.execute(_FILL_SEGMENTS)


def measure(state_dir: Path, rounds: int = _ROUNDS) -> dict[str, float]:
    """Medians of what happens with a sale, on the store in ``state_dir``."""
    took: dict[str, list[float]] = {}

    @contextmanager
    def timed(step: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        took.setdefault(step, []).append((time.perf_counter() - began) * 1e6)

    for _ in range(max(3, rounds // 20)):
        with timed("start-up"):
            connection = open_database(state_dir)
            outbox = Outbox(connection)
            outbox.claimed()
            outbox.to_repeat()
            outbox.next_due_at(NOW)
        connection.close()
    connection = open_database(state_dir)
    outbox = Outbox(connection)
    for place in range(rounds):
        with timed("enqueue"), transaction(connection):
            outbox.put(_SALE, NOW)
        with timed("reserve"):
            message = outbox.reserve(NOW)
        assert message is not None
        with timed("claim and hand over"), transaction(connection):
            outbox.claim(message.id, "sim1", NOW)
            outbox.segments.hand_over(message.id, 0, "sim1", NOW)
        with timed("sent"), transaction(connection):
            outbox.segments.sent(message.id, 0, "sim1", place % 256, NOW)
            outbox.mark(message.id, State.SENT, "accepted", NOW)
        with timed("status report"), transaction(connection):
            found = outbox.report("sim1", place % 256, OWNER, "delivered", taken_at=NOW, now=NOW)
            assert found is not None
            outbox.mark(found.message.id, State.DELIVERED, "delivered", NOW)
        with timed("next due"):
            outbox.next_due_at(NOW)
        with timed("counts"):
            outbox.counts()
    connection.close()
    return {step: statistics.median(times) for step, times in took.items()}


def flatness(
    folder: Path, finished: int = 1_000_000, due: int = 10_000, say: Callable[[str], None] = lambda _: None
) -> Flatness:
    """Measure an empty store and a full one in ``folder``, by turns."""
    folders = [folder / "empty", folder / "full"]
    for state_dir in folders:
        state_dir.mkdir()
    open_database(folders[0]).close()
    say(f"filling {finished} finished and {due} due messages")
    connection = open_database(folders[1])
    fill(connection, finished, due)
    connection.close()
    say("measuring")
    measure(folders[0], 20)
    empty, full = (measure(state_dir) for state_dir in folders)
    return Flatness(finished, due, empty, full)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = flatness(Path(folder), say=lambda text: print(text, file=sys.stderr))
    print(f"{'step':<22}{'empty µs':>10}{f'{found.finished} + {found.due} µs':>22}{'ratio':>8}")
    for step, ratio in found.ratios().items():
        print(f"{step:<22}{found.empty_us[step]:>10.0f}{found.full_us[step]:>22.0f}{ratio:>8.2f}")


if __name__ == "__main__":
    main()
