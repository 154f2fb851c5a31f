"""The outbox: every message owed to somebody, from the transaction that made it to its final state.

``held`` (a sealed recipient that is not paired) → ``queued`` → ``claimed`` → ``sent`` → ``delivered``, or ``refused``,
``unknown``, ``expired``. Each segment is marked ``handed`` before the modem gets its last octet, so that after a crash
the outbox knows which outcomes are open. Until then a message is only reserved, in memory: one process sends at a time,
and what it had not handed over when it died is simply due again. Times are Unix seconds; the caller commits.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from tillbell_agent.segment_rows import SegmentRows

# The order in which classes leave when several wait.
PRIORITY = {"alert": 0, "service": 1, "txn": 2, "report": 3, "receipt": 4, "promo": 5}
# Longest pause that is ever ordered between tries. A not_before further away than this means that the clock has
# jumped back since it was written, and the message is due.
LONGEST_PAUSE_S = 3600
# Messages looked at in one step, so that it never stalls a line.
_MOST_AT_ONCE = 2000

_COLUMNS = (
    "id, recipient, phone, format, class, state, ledger_id, counter, body, left_out,"
    " created_at, expires_at, not_before, attempts, unknowns, refusals, repeated, modem, last_answer, updated_at"
)


@dataclass(frozen=True, slots=True)
class Route:
    """Which phones may be taken: the first of ``prefixes`` that a phone begins with decides, else ``otherwise``."""

    prefixes: tuple[tuple[str, bool], ...] = ()
    otherwise: bool = True


ANYBODY = Route()


class State(Enum):
    """The states of a message, as they stand in the file and in ``queue --json``."""

    HELD = "held"
    QUEUED = "queued"
    CLAIMED = "claimed"
    SENT = "sent"
    DELIVERED = "delivered"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Message:
    """One row. ``body``: UTF-8 text, or sealed octets; None while held and after wiping."""

    id: int
    recipient: str
    phone: str
    format: str
    message_class: str
    state: State
    ledger_id: int | None
    counter: int | None
    body: bytes | None
    left_out: str | None
    created_at: int
    expires_at: int
    not_before: int  # 0: at once (queued), or never again (unknown)
    attempts: int
    unknowns: int
    refusals: int  # that speak against the message itself
    repeated: bool
    modem: str | None
    last_answer: str | None
    updated_at: int


@dataclass(frozen=True, slots=True)
class Reported:
    """What a status report is about: a message as it is now, and whether its present try."""

    message: Message
    of_this_try: bool


@dataclass(frozen=True, slots=True)
class Draft:
    """A message that is about to be put: who, how, what, and how long it is worth sending."""

    recipient: str
    phone: str
    format: str
    message_class: str
    lifetime_s: int
    ledger_id: int | None = None
    body: bytes | None = None
    counter: int | None = None
    left_out: tuple[str, ...] = ()
    trouble: str | None = None  # why there will never be a body: the message is refused from the start


class Outbox:
    """Reads and writes messages and their segments on a connection that the caller commits."""

    def __init__(self, connection: sqlite3.Connection, before: "Outbox | None" = None) -> None:
        """``before``: what this process used until its store was set aside; its reservations hold."""
        self._connection = connection
        self.segments = SegmentRows(connection)
        self._reserved: set[int] = set() if before is None else before._reserved
        # Counts what may have made a message due, so that nobody has to poll.
        self.revision: int = 0 if before is None else before.revision + 1

    def put(self, draft: Draft, now: int) -> int:
        """Queue a message, or hold it where it has no body yet. Returns its id."""
        self.revision += 1
        state = State.HELD if draft.body is None else State.QUEUED
        if draft.trouble is not None:
            state = State.REFUSED
        cursor = self._connection.execute(
            "INSERT INTO message (recipient, phone, format, class, priority, state, ledger_id, counter, body, left_out,"
            " last_answer, created_at, expires_at, not_before, updated_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                draft.recipient, draft.phone, draft.format, draft.message_class, PRIORITY[draft.message_class],
                state.value, draft.ledger_id, draft.counter, draft.body, ",".join(draft.left_out) or None,
                draft.trouble, now, now + draft.lifetime_s, 0, now,
            ),
        )  # fmt: skip
        return int(cursor.lastrowid or 0)

    def fill(self, message_id: int, draft: Draft, now: int) -> None:
        """Give a held message the body that it waited for; it is queued from ``now`` on."""
        self.revision += 1
        self._connection.execute(
            "UPDATE message SET state = ?, phone = ?, format = ?, body = ?, counter = ?, left_out = ?, not_before = ?, expires_at = ?,"
            " updated_at = ? WHERE id = ? AND state = ?",
            (
                State.QUEUED.value, draft.phone, draft.format, draft.body, draft.counter, ",".join(draft.left_out) or None, 0,
                now + draft.lifetime_s, now, message_id, State.HELD.value,
            ),
        )  # fmt: skip

    def held(self, recipient: str, limit: int) -> list[Message]:
        """The oldest messages that wait for ``recipient`` to be paired."""
        return self._select("state = 'held' AND recipient = ? ORDER BY id LIMIT ?", (recipient, limit))

    def reserve(self, now: int, route: Route = ANYBODY) -> Message | None:
        """The next due message that ``route`` allows, for the caller alone until ``release``; None: nothing is due.

        By class, then in the order of events. Nothing is written.
        """
        where, values = _condition(route)
        query = (
            "SELECT id FROM message WHERE state = 'queued' AND (not_before <= ? OR not_before > ?)"
            f" AND {where} ORDER BY priority, id"
        )
        for (message_id,) in self._connection.execute(query, (now, now + LONGEST_PAUSE_S, *values)):
            if message_id not in self._reserved:
                message = self.message(message_id)
                self._reserved.add(message_id)
                return message
        return None

    def release(self, message_id: int) -> None:
        """Whoever reserved it has done with it; what is queued may be reserved again."""
        self._reserved.discard(message_id)
        self.revision += 1

    def claim(self, message_id: int, modem: str, now: int) -> None:
        """One more try of a reserved message begins, by ``modem``: to be committed with its first ``hand_over``."""
        self._connection.execute(
            "UPDATE message SET state = 'claimed', modem = ?, attempts = attempts + 1, updated_at = ? WHERE id = ?",
            (modem, now, message_id),
        )

    def next_due_at(self, now: int) -> int | None:
        """The earliest ``not_before`` after ``now`` of what is queued; None: nothing waits for its time."""
        row = self._connection.execute(
            "SELECT min(not_before) FROM message WHERE state = 'queued' AND not_before > 0 AND not_before > ?",
            (now,),
        ).fetchone()
        return None if row[0] is None else int(row[0])

    def mark(self, message_id: int, state: State, answer: str, now: int) -> None:
        """Put a message into a state that it leaves by nobody's timer, with the modem's or the network's last word."""
        self.revision += 1
        self._connection.execute(
            "UPDATE message SET state = ?, last_answer = ?, not_before = 0, updated_at = ? WHERE id = ?",
            (state.value, answer, now, message_id),
        )

    def mark_unknown(self, message_id: int, answer: str, repeat_at: int, now: int) -> None:
        """Nobody can say whether it went out; unless a report comes first, it is repeated at ``repeat_at``."""
        self._connection.execute(
            "UPDATE message SET state = 'unknown', last_answer = ?, not_before = ?, updated_at = ? WHERE id = ?",
            (answer, repeat_at, now, message_id),
        )

    def count_try(self, message_id: int, modem: str) -> None:
        """One more try of this message ended before anything was handed over."""
        self._connection.execute(
            "UPDATE message SET attempts = attempts + 1, modem = ? WHERE id = ?", (modem, message_id)
        )

    def count_refusal(self, message_id: int) -> None:
        """One more answer spoke against this message itself."""
        self._connection.execute("UPDATE message SET refusals = refusals + 1 WHERE id = ?", (message_id,))

    def count_unknown(self, message_id: int) -> None:
        """One more try of this message ended without an answer."""
        self._connection.execute("UPDATE message SET unknowns = unknowns + 1 WHERE id = ?", (message_id,))

    def requeue(self, message_id: int, not_before: int, answer: str, now: int) -> None:
        """Back into the queue; parts that the network took stay taken."""
        self.revision += 1
        self._connection.execute(
            "UPDATE message SET state = 'queued', not_before = ?, last_answer = ?, updated_at = ? WHERE id = ?",
            (not_before, answer, now, message_id),
        )

    def repeat(self, message_id: int, body: bytes, not_before: int, now: int) -> None:
        """Back into the queue from its first part, with a body that says it is a repetition."""
        self.revision += 1
        self.segments.supersede(message_id)
        self._connection.execute(
            "UPDATE message SET state = 'queued', body = ?, repeated = 1, not_before = ?, updated_at = ? WHERE id = ?",
            (body, not_before, now, message_id),
        )

    def report(
        self,
        modem: str,
        mr: int,
        phone: str,
        outcome: str,
        *,
        taken_at: int | None,
        now: int,
        discharged_at: int | None = None,
        answer_open: bool = False,
    ) -> Reported | None:
        """A status report finds its segment (see ``SegmentRows.reported``), and that its message; None: nobody's."""
        found = self.segments.reported(
            modem, mr, phone, outcome,
            taken_at=taken_at, now=now, discharged_at=discharged_at, answer_open=answer_open,
        )  # fmt: skip
        return None if found is None else Reported(self.message(found[0]), of_this_try=found[1] >= 0)

    def claimed(self) -> list[Message]:
        """What was claimed when the agent last ended: to be settled before anything is sent."""
        return self._select("state = 'claimed' ORDER BY id", ())

    def to_repeat(self) -> list[Message]:
        """Messages of unknown outcome that will be repeated, the first of them, those that are due first coming first."""
        where = "state = 'unknown' AND not_before > 0 ORDER BY not_before, id LIMIT ?"
        return self._select(where, (_MOST_AT_ONCE,))

    def message(self, message_id: int) -> Message:
        """One message; KeyError where there is none."""
        found = self.find(message_id)
        if found is None:
            raise KeyError(message_id)
        return found

    def find(self, message_id: int) -> Message | None:
        """One message; None: it was forgotten."""
        found = self._select("id = ?", (message_id,))
        return found[0] if found else None

    def of_entry(self, ledger_id: int) -> list[Message]:
        """Every message that a ledger row made."""
        return self._select("ledger_id = ? ORDER BY id", (ledger_id,))

    def recent(self, limit: int, state: State | None = None) -> list[Message]:
        """The newest messages, newest first."""
        if state is None:
            return self._select("1 ORDER BY id DESC LIMIT ?", (limit,))
        return self._select("state = ? ORDER BY id DESC LIMIT ?", (state.value, limit))

    def counts(self) -> dict[tuple[str, str], int]:
        """How many messages each (recipient, state) has."""
        rows = self._connection.execute("SELECT recipient, state, count FROM message_count WHERE count > 0")
        return {(recipient, state): count for recipient, state, count in rows}

    def keep_code(self, recipient: str, seq: int, code: str) -> None:
        """Keep a text's six digits: they outlive the text."""
        self._connection.execute("INSERT OR IGNORE INTO check_code VALUES (?, ?, ?)", (recipient, seq, code))

    def codes(self, seq: int) -> dict[str, list[str]]:
        """The six digits told to each recipient under a sequence number (a marked repetition has its own)."""
        codes: dict[str, list[str]] = {}
        query = (  # by recipient, as its key begins; message_count knows everybody who ever had a message
            "SELECT recipient, code FROM check_code WHERE recipient IN (SELECT recipient FROM message_count)"
            " AND seq = ? ORDER BY recipient, code"
        )
        for recipient, code in self._connection.execute(query, (seq,)):
            codes.setdefault(recipient, []).append(code)
        return codes

    def _select(self, where: str, values: tuple[Any, ...]) -> list[Message]:
        return list(self._rows(f"SELECT {_COLUMNS} FROM message WHERE {where}", values))

    def _rows(self, query: str, values: tuple[Any, ...]) -> Iterator[Message]:
        for row in self._connection.execute(query, values):
            fields = list(row)
            fields[5] = State(fields[5])
            fields[16] = bool(fields[16])
            yield Message(*fields)


def _condition(route: Route) -> tuple[str, list[str | int]]:
    """A route as a condition on ``phone``, and its values."""
    if not route.prefixes:
        return str(int(route.otherwise)), []
    cases = " ".join(f"WHEN substr(phone, 1, ?) = ? THEN {int(allowed)}" for _, allowed in route.prefixes)
    values = [value for prefix, _ in route.prefixes for value in (len(prefix), prefix)]
    return f"CASE {cases} ELSE {int(route.otherwise)} END", values
