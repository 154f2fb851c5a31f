"""The inbox: TPDUs that modems received → whole messages, through any number of restarts (TS 23.040, 9.2.3.24.1).

A TPDU is kept, in the caller's transaction, before its modem may forget it; then it is read here, in a transaction of
its own that a crash only delays. What came before is a copy: counted, not told again, however often a modem's storage
gives it. Parts wait for each other in any order; what stays incomplete is kept and shown as that. The octets of a TPDU
are erased as soon as its message can be read without them. Nothing that a message asks for is done here.
"""

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from tillbell_agent.database import transaction
from tillbell_agent.incoming import (
    Key,
    Kind,
    Received,
    State,
    blank,
    content_of,
    contents,
    data_so_far,
    key_of,
    kind_of,
    text_so_far,
)
from tillbell_agent.moment import EARLIEST_TRUSTED
from tillbell_protocol.errors import ProtocolError
from tillbell_protocol.sms.reassembly import (
    Assembled,
    CombinationsDropped,
    Duplicate,
    Event,
    Expired,
    Reassembler,
    Variant,
)
from tillbell_protocol.sms.tpdu import SmsDeliver

_DAY_S = 86_400
# Service centres try for a day or two; a part that did not come in three is lost.
PARTS_WAIT_S = 3 * _DAY_S
# Incomplete messages at once: more senders than this never write at the same time, and each may hold 255 parts.
MAX_OPEN = 32
# Messages kept at most, whatever their age: anybody can send, and the disk is the sales'. About 4 MB.
MAX_KEPT = 10_000
# TPDUs read in one transaction, so that a long row of leftovers does not stall the lines.
_STEP = 100
_DROPPED = "received dropped"

_ROW = (
    "id, kind, state, modem, sender, sender_is_name, text, data, why, sent_at, received_at, parts, total, variants,"
    " (SELECT coalesce(sum(copies), 0) FROM incoming WHERE received_id = received.id)"
)


class Inbox:
    """``on_message`` is called for each whole message, inside the transaction that records it.

    So what it puts into the same store (``Outbox.put``) commits with the message, exactly once. It must do nothing else,
    since a transaction that fails runs again, and begin no transaction of its own. ``pending``: ``take_in`` has something to do.
    """

    def __init__(
        self, connection: sqlite3.Connection, on_message: Callable[[Received], None] = lambda _: None
    ) -> None:
        self.on_message = on_message
        self.pending = True  # the last run may have ended between keeping and reading
        self._connection = connection
        self._reassembler: Reassembler | None = None  # None: to be built from the store
        self._sets: dict[Key, int] = {}  # → the id of the message that its parts make

    def keep(self, modem: str, tpdu: bytes, now: int) -> None:
        """Keep a TPDU, or count a copy of one; the caller commits, and only then the modem may forget it."""
        self.pending = True
        content = content_of(tpdu)
        known = self._connection.execute(
            "UPDATE incoming SET copies = copies + 1, seen_at = ? WHERE content = ?", (now, content)
        ).rowcount
        if not known:
            self._connection.execute(
                "INSERT INTO incoming (modem, tpdu, received_at, content, seen_at) VALUES (?, ?, ?, ?, ?)",
                (modem, tpdu, now, content, now),
            )

    def take_in(self, now: float) -> list[Received]:
        """Read what was kept; ``now`` in monotonic seconds. Returns what became whole, was given up, or is unreadable.

        Raises StoreError: another call then does what did not happen.
        """
        taken: list[Received] = []
        while self.pending:
            taken += self._step(now)
        return taken

    def keep_house(self, now: int, keep_s: int) -> None:
        """Give up what waited too long for its parts, wipe what is older than ``keep_s``; the caller commits.

        ``now`` is Unix seconds of a clock that is set. What a clock dated that was not set, or ran ahead, counts from now.
        """
        for table, column in (("received", "kept_from"), ("incoming", "seen_at")):
            self._connection.execute(
                f"UPDATE {table} SET {column} = ?1 WHERE {column} < ?2 OR {column} > ?1 + ?3",
                (now, EARLIEST_TRUSTED, _DAY_S),
            )
        query = "SELECT id FROM received WHERE state = 'partial' AND kept_from < ?"
        for (received_id,) in self._connection.execute(query, (now - PARTS_WAIT_S,)).fetchall():
            self._give_up(received_id, f"the missing parts did not come within {PARTS_WAIT_S // _DAY_S} days")
            self._reassembler = None
        self._wipe(now - keep_s)

    def clock_set(self, by: int, *, was_trusted: bool = True) -> None:
        """The clock was set by ``by`` seconds: what waits for parts has waited as long as before; the caller commits.

        What bears a trusted time was not dated by a clock that was not to be trusted: that stays.
        """
        dated = "1" if was_trusted else f"kept_from < {EARLIEST_TRUSTED}"
        self._connection.execute(
            f"UPDATE received SET kept_from = max(0, kept_from + ?) WHERE state = 'partial' AND {dated}",
            (by,),
        )

    def recent(self, limit: int, state: State | None = None) -> list[Received]:
        """The newest messages, newest first; of partial ones what can be read so far."""
        where, values = ("1", ()) if state is None else ("state = ?", (state.value,))
        rows = self._connection.execute(
            f"SELECT {_ROW} FROM received WHERE {where} ORDER BY id DESC LIMIT ?", (*values, limit)
        )
        return [self._as_it_is_now(_received(row)) for row in rows.fetchall()]

    def listing(self, limit: int, state: str | None) -> dict[str, Any]:
        """What the verb ``inbox`` shows, as JSON values. Raises ValueError for a state that there is not."""
        messages = self.recent(limit, State(state) if state else None)
        return {"inbox": [message.told() for message in messages], "dropped": self.dropped()}

    def dropped(self) -> int:
        """Messages that were wiped before their time, to keep no more than ``MAX_KEPT``."""
        row = self._connection.execute("SELECT value FROM counter WHERE name = ?", (_DROPPED,)).fetchone()
        return 0 if row is None else int(row[0])

    def _step(self, now: float) -> list[Received]:
        taken: list[Received] = []
        with transaction(self._connection):
            reassembler, self._reassembler = self._reassembler or self._rebuilt(now), None
            rows = self._new()
            for row_id, modem, tpdu, received_at in rows:
                taken += self._read(reassembler, row_id, modem, tpdu, received_at, now)
        self._reassembler = reassembler  # only now: after a failure memory would be ahead of the store
        self.pending = len(rows) == _STEP
        return taken

    def _new(self) -> list[tuple[int, str, bytes, int]]:
        """TPDUs that nobody has read yet, each with its digest; version 1 of the schema kept none."""
        query = (
            "SELECT id, tpdu FROM incoming WHERE received_id IS NULL AND content IS NULL ORDER BY id LIMIT ?"
        )
        for row_id, tpdu in self._connection.execute(query, (_STEP,)).fetchall():
            content = content_of(tpdu)
            known = self._connection.execute(
                "UPDATE incoming SET copies = copies + 1 WHERE content = ?", (content,)
            ).rowcount
            if known:
                self._connection.execute("DELETE FROM incoming WHERE id = ?", (row_id,))
            else:
                self._connection.execute(
                    "UPDATE incoming SET content = ?, seen_at = received_at WHERE id = ?", (content, row_id)
                )
        return self._connection.execute(
            "SELECT id, modem, tpdu, received_at FROM incoming WHERE received_id IS NULL AND content IS NOT NULL"
            " ORDER BY id LIMIT ?",
            (_STEP,),
        ).fetchall()

    def _rebuilt(self, now: float) -> Reassembler:
        """The reassembly as the store has it: every part of every message that is not whole.

        A part whose message is not there, as after a damage to the file, is read anew.
        """
        lost = "length(tpdu) > 0 AND received_id NOT IN (SELECT id FROM received)"
        self._connection.execute(f"UPDATE incoming SET received_id = NULL WHERE {lost}")
        reassembler = Reassembler(MAX_OPEN, PARTS_WAIT_S)
        self._sets = {}
        query = (
            "SELECT i.tpdu, r.id FROM incoming i JOIN received r ON r.id = i.received_id"
            " WHERE r.state = 'partial' AND length(i.tpdu) > 0 ORDER BY i.id"
        )
        for tpdu, received_id in self._connection.execute(query).fetchall():
            deliver = SmsDeliver.decode(tpdu)
            key = key_of(deliver)
            if key is not None:
                self._sets[key] = received_id
            reassembler.receive(deliver.oa, deliver, now)
        return reassembler

    def _read(
        self, reassembler: Reassembler, row_id: int, modem: str, tpdu: bytes, received_at: int, now: float
    ) -> list[Received]:
        """One TPDU: what it makes whole, and what is given up because of it or by now."""
        try:
            deliver = SmsDeliver.decode(tpdu)
        except ProtocolError as error:
            return [self._unreadable(row_id, modem, tpdu, received_at, str(error))]
        events = reassembler.receive(deliver.oa, deliver, now)
        given_up = [told for event in events if isinstance(event, Expired) for told in self._expire(event)]
        received_id = self._message_of(deliver, events, modem, received_at)
        self._connection.execute("UPDATE incoming SET received_id = ? WHERE id = ?", (received_id, row_id))
        self._note(received_id, row_id, events)
        whole = [
            self._complete(event, received_id, modem, received_at)
            for event in events
            if isinstance(event, Assembled)
        ]
        if not self._is_open(received_id):
            self._erase_octets(received_id)
        return given_up + whole

    def _message_of(self, deliver: SmsDeliver, events: Iterable[Event], modem: str, received_at: int) -> int:
        """The message that a part belongs to; a new one where it is the first, or a reference serves again."""
        key = key_of(deliver)
        joins = any(isinstance(event, Duplicate | Variant) for event in events)
        known = None if key is None else self._sets.get(key)
        if known is not None and (joins or self._is_open(known)):
            return known
        made = self._insert(blank(deliver, modem, received_at), parts=0, variants=0)
        if key is not None:
            self._sets.pop(key, None)
            self._sets[key] = made
            while len(self._sets) > 2 * MAX_OPEN:  # whole ones, which only wait for variants
                self._sets.pop(next(iter(self._sets)))
        return made

    def _is_open(self, received_id: int) -> bool:
        query = "SELECT 1 FROM received WHERE id = ? AND state = 'partial'"
        return self._connection.execute(query, (received_id,)).fetchone() is not None

    def _note(self, received_id: int, row_id: int, events: Iterable[Event]) -> None:
        """Count the part as a new one, as a copy with another time stamp, or as another content for a place."""
        if any(isinstance(event, Duplicate) for event in events):
            self._connection.execute(
                "UPDATE incoming SET copies = copies + 1, tpdu = x'' WHERE id = ?", (row_id,)
            )
            return
        column = (
            "variants" if any(isinstance(each, Variant | CombinationsDropped) for each in events) else "parts"
        )
        self._connection.execute(f"UPDATE received SET {column} = {column} + 1 WHERE id = ?", (received_id,))

    def _complete(self, message: Assembled, received_id: int, modem: str, received_at: int) -> Received:
        """Record a whole message, hand it on, and erase the octets that it came in."""
        text, data = contents(message)
        kind = kind_of(message)
        if message.combination:
            found = blank(message.parts[0], modem, received_at)
            made = replace(found, kind=kind, state=State.WHOLE, text=text, data=data)
            received_id = self._insert(made, parts=len(message.parts), variants=1)
        else:
            self._connection.execute(
                "UPDATE received SET state = 'whole', kind = ?, text = ?, data = ? WHERE id = ?",
                (kind.value, text, data, received_id),
            )
        told = self._one(received_id)
        self.on_message(told)
        return told

    def _unreadable(self, row_id: int, modem: str, tpdu: bytes, received_at: int, why: str) -> Received:
        nobody = Received(
            0, Kind.UNREADABLE, State.WHOLE, modem, "", False, None, tpdu, why, "", received_at, 1, 1
        )
        received_id = self._insert(nobody, parts=1, variants=0)
        self._connection.execute("UPDATE incoming SET received_id = ? WHERE id = ?", (received_id, row_id))
        self._erase_octets(received_id)
        return self._one(received_id)

    def _expire(self, event: Expired) -> list[Received]:
        key = key_of(event.parts[0])
        received_id = None if key is None else self._sets.pop(key, None)
        if received_id is None:
            return []
        crowded = f"more than {MAX_OPEN} messages wait for parts"
        self._give_up(received_id, crowded if event.crowded_out else "the missing parts did not come in time")
        return [self._one(received_id)]

    def _give_up(self, received_id: int, why: str) -> None:
        """Keep what can be read of an incomplete message, and the record that it is incomplete."""
        parts = self._parts_of(received_id)
        text = text_so_far(parts, self._one(received_id).total)
        data = data_so_far(parts) if text is None else None
        self._connection.execute(
            "UPDATE received SET state = 'given-up', text = ?, data = ?, why = ? WHERE id = ?",
            (text, data, why, received_id),
        )
        self._erase_octets(received_id)

    def _erase_octets(self, received_id: int) -> None:
        self._connection.execute("UPDATE incoming SET tpdu = x'' WHERE received_id = ?", (received_id,))

    def _wipe(self, before: int) -> None:
        """What is too old, and what is too much; digests stay while a modem still gives their message."""
        self._connection.execute("DELETE FROM received WHERE state != 'partial' AND kept_from < ?", (before,))
        surplus = "state != 'partial' AND id <= (SELECT max(id) FROM received) - ?"
        dropped = self._connection.execute(f"DELETE FROM received WHERE {surplus}", (MAX_KEPT,)).rowcount
        if dropped:
            self._connection.execute(
                "INSERT INTO counter VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = value + ?2",
                (_DROPPED, dropped),
            )
        settled = "received_id IS NOT NULL AND received_id NOT IN (SELECT id FROM received)"
        self._connection.execute(
            f"DELETE FROM incoming WHERE {settled} AND (seen_at < ? OR id <= (SELECT max(id) FROM incoming) - ?)",
            (before, 4 * MAX_KEPT),
        )

    def _insert(self, message: Received, *, parts: int, variants: int) -> int:
        cursor = self._connection.execute(
            "INSERT INTO received (kind, state, modem, sender, sender_is_name, text, data, why, sent_at, received_at,"
            " kept_from, parts, total, variants) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                message.kind.value, message.state.value, message.modem, message.sender, message.sender_is_name,
                message.text, message.data, message.why, message.sent_at, message.received_at, message.received_at,
                parts, message.total, variants,
            ),
        )  # fmt: skip
        return int(cursor.lastrowid or 0)

    def _one(self, received_id: int) -> Received:
        row = self._connection.execute(f"SELECT {_ROW} FROM received WHERE id = ?", (received_id,)).fetchone()
        return _received(row)

    def _parts_of(self, received_id: int) -> list[SmsDeliver]:
        query = "SELECT tpdu FROM incoming WHERE received_id = ? AND length(tpdu) > 0 ORDER BY id"
        return [SmsDeliver.decode(tpdu) for (tpdu,) in self._connection.execute(query, (received_id,))]

    def _as_it_is_now(self, message: Received) -> Received:
        if message.state is not State.PARTIAL:
            return message
        parts = self._parts_of(message.id)
        text = text_so_far(parts, message.total)
        return replace(message, text=text, data=data_so_far(parts) if text is None else None)


def _received(row: tuple[Any, ...]) -> Received:
    fields = list(row)
    fields[1], fields[2], fields[5], fields[13] = Kind(row[1]), State(row[2]), bool(row[5]), bool(row[13])
    return Received(*fields)
