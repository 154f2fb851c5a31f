"""How far the log that a bridge serves is used: its chunks go to the sources, and what none of them needs again is durable."""

from collections.abc import Collection, Mapping, Sequence

from tillbell_agent import bridge_rows
from tillbell_agent.bridge.events import Chunk
from tillbell_agent.bridge_rows import Mark
from tillbell_agent.bridge_source import BridgeSource
from tillbell_agent.database import DamagedStoreError, StoreError
from tillbell_agent.moment import Moment
from tillbell_agent.pos.dialect import Line
from tillbell_agent.register import Register
from tillbell_agent.shell.log import Log

# It costs an fsync here, and flash on the bridge if it takes long: soon where nothing is half heard, else now and then.
_SOON_S, _LATER_S, _MANY_CHUNKS = 3.0, 30.0, 64
_AGAIN_S = 1.0  # a disk that refuses is asked again
_NOBODY = ""  # in the mark of a bridge that no source listens to

Marks = Mapping[tuple[str, str], Mark]  # (log, source) → how far it is used


def durable_logs(marks: Marks, sources: Collection[str]) -> dict[str, int]:
    """log → up to which chunk none of ``sources`` needs it again. One that is new has heard nothing of it."""
    logs: dict[str, list[Mark]] = {}
    for mark in marks.values():
        logs.setdefault(mark.log, []).append(mark)
    found = {}
    for log, all_of_it in logs.items():
        own = [mark.seq for mark in all_of_it if mark.source in sources]
        found[log] = min(own) if own else max(mark.seq for mark in all_of_it)
    return found


class BridgeBook:
    """Times are monotonic seconds. ``newest``: the last chunk of ``log`` that was told of; ``durable``: see above.

    ``marks``: as they were at the start of the agent. ``save_at``: when ``save`` is due.
    """

    def __init__(
        self, name: str, sources: Sequence[BridgeSource], register: Register, marks: Marks, log: Log
    ) -> None:
        self.sources = sources
        self.log, self.newest, self.durable = "", 0, 0
        self.save_at: float | None = None
        self.trouble: str | None = None
        self._name, self._register, self._log = name, register, log
        self._marks = dict(marks)
        self._newest = durable_logs(marks, [source.name for source in sources])
        self._board = ""
        self._saved_at = 0.0

    def open(self, board: str, log: str, now: float, moment: Moment) -> None:
        """What comes is of this log. Of another one before nobody will hear more, unless its bridge has kept it."""
        if log == self.log:
            return
        if self.log:
            self.end(now, moment)
        start = self._newest.setdefault(log, 0)
        self._board, self.log, self.newest = board, log, start
        for source in self.sources:
            known = self._marks.setdefault((log, source.name), Mark(board, log, source.name, start))
            source.enter(known, now, moment)
        self.durable = min((source.saved.seq for source in self.sources), default=start)

    def hear(self, chunk: Chunk, now: float, moment: Moment) -> bool:
        """False: no source listens to this channel."""
        source = self.source_on(chunk.line)
        if source is not None:
            source.hear(chunk, now, moment)
        self._reached(chunk.seq, now)
        return source is not None

    def source_on(self, channel: Line) -> BridgeSource | None:
        return next((source for source in self.sources if source.hears(channel)), None)

    def miss(self, up_to: int, now: float, moment: Moment) -> None:
        """Chunks up to this one are lost."""
        for source in self.sources:
            source.break_off(now, moment)
        self._reached(up_to, now)

    def silent_until(self, ticks_us: int, now: float, moment: Moment) -> None:
        """See ``BridgeSource``."""
        for source in self.sources:
            source.silent_until(ticks_us, now, moment)
        self._save_by(now + _SOON_S)

    def end(self, now: float, moment: Moment) -> None:
        """Nothing more will come of this log."""
        for source in self.sources:
            source.end(now, moment)
        self.save(now, at_once=True)

    def tick(self, now: float) -> None:
        """Ask a disk again that refused, and save what is due."""
        for source in self.sources:
            if source.telling.store_at is not None and now >= source.telling.store_at:
                source.store(now)
                self._save_by(now)
        if self.save_at is not None and now >= self.save_at:
            self.save(now)

    def save(self, now: float, *, at_once: bool = False) -> None:
        """Make durable how far the log is used; where it is not worth a write yet, later."""
        self.save_at = None
        if not self.log:
            return
        marks = [source.mark(self._board, self.log, self.newest) for source in self.sources]
        marks = marks or [Mark(self._board, self.log, _NOBODY, self.newest)]
        reached = min(mark.seq for mark in marks)
        is_worth_it = reached == self.newest or reached - self.durable >= _MANY_CHUNKS
        if not (at_once or is_worth_it or now - self._saved_at >= _LATER_S):
            self.save_at = now + _SOON_S
        elif reached == self.durable or self._write(marks, now):
            self.durable = reached

    def _write(self, marks: list[Mark], now: float) -> bool:
        try:
            bridge_rows.save(self._register.connection, self._news_of(marks))
        except StoreError as error:
            self._refused(error, now)
            return False
        if self.trouble is not None:
            self._log.info("bridge_store_takes_again", bridge=self._name)
        self.trouble, self._saved_at = None, now
        for source, mark in zip(self.sources, marks, strict=False):
            source.saved = mark
        self._marks |= {(mark.log, mark.source): mark for mark in marks}
        return True

    def _news_of(self, marks: list[Mark]) -> list[Mark]:
        """Without those that say what was saved before: a sale's own commit may have written more by now."""
        if not self.sources:
            return marks
        return [mark for source, mark in zip(self.sources, marks, strict=True) if mark is not source.saved]

    def _refused(self, error: StoreError, now: float) -> None:
        """Nothing is lost by it: the bridge keeps what is not durable here."""
        self._register.damaged |= isinstance(error, DamagedStoreError)
        if self.trouble is None:  # told once, not at every try
            self._log.error("bridge_store_refused", bridge=self._name, why=error)
        self.trouble, self.save_at = str(error), now + _AGAIN_S

    def _reached(self, seq: int, now: float) -> None:
        self.newest = self._newest[self.log] = seq
        self._save_by(now + _SOON_S)

    def _save_by(self, at: float) -> None:
        self.save_at = at if self.save_at is None else min(at, self.save_at)
