"""One terminal that a bridge hears: its chunks through its dialect, on the bridge's own clock.

What comes out follows from the chunks alone, however long the link kept them: a deadline of the dialect passes when the
next chunk, or the bridge's word that all is silent, shows that it has. After a start of the agent the chunks come again
from where nothing of them is needed any more, and what had been told by then comes out a second time and is left out.

Limit: a fresh dialect stands there, with no memory of anything before. A dialogue is kept so long that none is cut in two;
of a printer's line only the receipt that is being heard, so that a code page that was selected once for all receipts, or
the receipt that a second one is a copy of, may be forgotten.
"""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tillbell_agent.bridge.events import Chunk
from tillbell_agent.bridge_rows import Mark
from tillbell_agent.moment import Moment
from tillbell_agent.pos.dialect import (
    Dialect,
    DialectEvent,
    Line,
    Resumable,
    SettlementHeard,
    TransactionCompleted,
)
from tillbell_agent.telling import Telling

# How long a dialogue's dialect may remember a request, and an answer for its repetition (``pos``: REQUEST_S, REPEATS_S).
DIALOGUE_S = 300.0
# Chunks that are kept for that, as octets of the bridge's memory; and what a receipt may take that has no end yet: more
# would be lost there, and is lost here only if the agent ends before it does.
_ENOUGH, _TOO_MUCH = 8 * 1024, 64 * 1024
_ROW = 11  # octets that a chunk takes there beside its own
_LATER_S = 1.0  # by which a log begins behind the one before
# Between two sales that are told later than they were heard a clock in seconds need not differ.
_AT_ONCE_S = 2.0


@dataclass(slots=True)
class _Heard:
    """A chunk that is not durable. ``rests``: the dialect waits for nothing behind it, and the disk has all of it.

    ``begins``: what follows begins something.
    """

    seq: int
    at: float
    room: int
    rests: bool = False
    begins: bool = False


class BridgeSource:
    """``channels``: who speaks on which channel of the bridge. ``octet_s``: how long an octet takes on the terminal's line.

    ``remember_s``: for how long what was heard may be needed again after a start of the agent.
    """

    def __init__(
        self, where: str, channels: Mapping[Line, Line], octet_s: float, remember_s: float, dialect: Dialect,
        telling: Telling,
    ) -> None:  # fmt: skip
        self.name = telling.name
        self.where = where
        self.telling = telling
        self.saved = Mark("", "", self.name, 0)  # as it is durable
        self._channels, self._octet_s, self._remember_s = channels, octet_s, remember_s
        self._dialect = dialect
        self._base: float | None = None  # the dialect's time at the log's tick 0
        self._now: float | None = None  # the dialect's time; it never goes back
        self._heard: deque[_Heard] = deque()
        self._seq, self._ordinal = (
            0,
            0,
        )  # the newest chunk that the dialect got, and how many sales came out behind it
        self._told = (0, 0)  # up to here they are told
        self._begins = False  # behind all that is durable
        self._is_over = False
        self._arrived: Moment | None = None  # when the newest chunk was heard

    def hears(self, channel: Line) -> bool:
        return channel in self._channels

    def enter(self, saved: Mark, now: float, moment: Moment) -> None:
        """Another log than the one before begins here, which breaks the line. ``saved``: how far it was used."""
        self.end(now, moment)
        self.saved = saved
        self._base, self._is_over = None, False
        self._heard.clear()
        self._seq, self._ordinal = saved.seq, 0
        self._told = (saved.told_seq, saved.told)
        self._begins = saved.begins
        if saved.begins and isinstance(self._dialect, Resumable):
            self._dialect.begin()

    def hear(self, chunk: Chunk, now: float, moment: Moment) -> None:
        """A chunk of the log, in order. ``now``, ``moment``: the agent's."""
        if chunk.seq <= self.saved.seq:
            return
        first = self._time(chunk.ticks_us)
        events = self._let_pass(first)
        if self._breaks(chunk):
            events += self._dialect.close(first)
        self._take(events, self._arrived or moment)
        self._seq, self._ordinal, self._arrived = chunk.seq, 0, _heard_at(chunk, now, moment)
        self._take(self._receive(chunk, first), self._arrived)
        self.telling.store(now)
        self.telling.counts["octets"] += len(chunk.octets)
        self._heard.append(_Heard(chunk.seq, self._now or first, len(chunk.octets) + _ROW))
        self._note_rest()

    def silent_until(self, ticks_us: int, now: float, moment: Moment) -> None:
        """The bridge has told all that it heard up to these ticks."""
        self._take(self._let_pass(self._time(ticks_us)), self._arrived or moment)
        self.telling.store(now)
        self._note_rest()

    def break_off(self, now: float, moment: Moment) -> None:
        """Something between what was heard and what comes is missing."""
        self._take(self._dialect.close(self._now or 0.0), self._arrived or moment)
        self.telling.store(now)
        self._note_rest()

    def end(self, now: float, moment: Moment) -> None:
        """Nothing more will come of this log."""
        self.break_off(now, moment)
        self._is_over = True

    def store(self, now: float) -> None:
        """Ask a disk again that refused."""
        self.telling.store(now)
        self._note_rest()

    @property
    def awaits_us(self) -> int | None:
        """Ticks of the log up to which silence must be known, for the dialect to go on; None: it waits for nothing."""
        deadline = self._dialect.next_deadline()
        return None if deadline is None or self._base is None else math.ceil((deadline - self._base) * 1e6)

    def mark(self, board: str, log: str, newest: int) -> Mark:
        """How far the log is used, to be made durable. ``newest``: all up to this chunk was told of."""
        if self.telling.pending:
            return self.saved
        for _ in range(self._usable()):
            heard = self._heard.popleft()
            self._begins = heard.rests and heard.begins and not self._is_over
        seq = self._heard[0].seq - 1 if self._heard else newest
        return Mark(board, log, self.name, max(seq, self.saved.seq), *self._told, self._begins)

    def facts(self, trouble: str | None) -> dict[str, Any]:
        """What ``status`` shows; ``trouble``: why the bridge is not heard."""
        about = {"name": self.name, "port": self.where, "open": trouble is None, "trouble": trouble}
        return about | self.telling.facts()

    def _usable(self) -> int:
        """How many of the oldest chunks need not come again after a start of the agent."""
        behind = 0
        for place in range(len(self._heard), 0, -1):
            heard = self._heard[place - 1]
            is_old = (self._now or heard.at) - heard.at >= self._remember_s
            if self._is_over or behind > _TOO_MUCH or (heard.rests and (is_old or behind > _ENOUGH)):
                return place
            behind += heard.room
        return 0

    def _time(self, ticks_us: int) -> float:
        """Ticks of the log as the dialect's time."""
        ticks_s = ticks_us / 1e6
        if self._base is None:
            self._base = 0.0 if self._now is None else math.ceil(self._now + _LATER_S - ticks_s)
        return max(self._base + ticks_s, self._now or 0.0)

    def _let_pass(self, until: float) -> list[DialectEvent]:
        """What the dialect says at each of its deadlines, and not later."""
        events: list[DialectEvent] = []
        before: float | None = None
        while (deadline := self._dialect.next_deadline()) is not None and before != deadline <= until:
            events += self._dialect.tick(deadline)
            before = deadline
        self._now = until
        return events

    def _receive(self, chunk: Chunk, first: float) -> list[DialectEvent]:
        """Its first octet when it came, which ended a silence; the others when the last one did."""
        last = first + max(len(chunk.octets) - 1, 0) * self._octet_s
        events: list[DialectEvent] = []
        for octets, at in ((chunk.octets[:1], first), (chunk.octets[1:], last)):
            if octets:
                events += self._dialect.receive_data(octets, at, self._channels[chunk.line])
        self._now = last
        return events + (self._dialect.close(last) if chunk.overrun else [])

    def _take(self, events: list[DialectEvent], heard_at: Moment) -> None:
        """What was told before a start of the agent comes out again, at the same place."""
        for event in events:
            if not isinstance(event, TransactionCompleted | SettlementHeard):
                self.telling.add(event, heard_at)
                continue
            self._ordinal += 1
            place = (self._seq, self._ordinal)
            if place > self._told:
                self._told = place
                saved = self.saved
                mark = Mark(saved.board, saved.log, self.name, saved.seq, *place, saved.begins)
                self.telling.add(event, heard_at, mark)

    def _breaks(self, chunk: Chunk) -> bool:
        """A log begins with a gap on each channel. The second one may stand between a request and its answer: the line was
        broken before both."""
        return chunk.overrun or (chunk.gap and not chunk.first)

    def _note_rest(self) -> None:
        if self._heard and self._dialect.next_deadline() is None and not self.telling.pending:
            self._heard[-1].rests = True
            self._heard[-1].begins = isinstance(self._dialect, Resumable) and self._dialect.at_beginning


def _heard_at(chunk: Chunk, now: float, moment: Moment) -> Moment:
    """When its first octet came, by the wall clock as it is now."""
    if chunk.at is None:
        return moment.unknown()
    late_s = now - chunk.at
    return moment.before(late_s) if late_s > _AT_ONCE_S else moment
