"""One firmware bridge: octets between its port and its session, the session's events to the terminals that it hears."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tillbell_agent.bridge.events import (
    BridgeEvent,
    Chunk,
    ChunksLost,
    Connected,
    Counters,
    Disconnected,
    EpochsTold,
    LogEnded,
    Quiet,
)
from tillbell_agent.bridge_book import BridgeBook
from tillbell_agent.bridge_epochs import BridgeEpochs
from tillbell_agent.bridge_source import BridgeSource
from tillbell_agent.line import Line, TalkLine
from tillbell_agent.moment import Moment, earliest
from tillbell_agent.shell.log import Log
from tillbell_agent.shell.ports import PortError
from tillbell_agent.world import DuplexPort

if TYPE_CHECKING:  # it brings hashlib, and few agents have a bridge
    from tillbell_agent.bridge.session import BridgeSession

_SILENT_S = 10.0  # a board that starts is there sooner


class BridgeLine:
    """The port may come and go, and so may the bridge's sessions; what is half heard lives on. Times are monotonic seconds."""

    def __init__(
        self,
        name: str,
        path: str,
        open_port: Callable[[], DuplexPort],
        session: "BridgeSession",
        book: BridgeBook,
        epochs: BridgeEpochs,
        log: Log,
    ) -> None:
        self.name = name
        self.path = path
        self.line = TalkLine(open_port)
        self._session = session
        self._book = book
        self._epochs = epochs
        self._log = log
        self._peer: Connected | None = None  # the last one
        self._connected = False
        self._since = 0.0
        self._why_not = "not heard yet"
        self._silence_told = False
        self._counters: Mapping[str, int] = {}
        self._confirmed = ("", 0)
        self._counts = dict.fromkeys(("chunks", "lost", "overruns", "framing_errors", "unheard"), 0)

    @property
    def lines(self) -> tuple[Line[DuplexPort]]:
        """Its one line."""
        return (self.line,)

    @property
    def wants_to_write(self) -> bool:
        return self.line.wants_to_write

    @property
    def trouble(self) -> str | None:
        """Why nothing is heard; None: it is."""
        if self.line.port is None:
            return self.line.trouble
        return None if self._connected else self._why_not

    @property
    def sources(self) -> Sequence[BridgeSource]:
        """What it hears."""
        return self._book.sources

    def facts(self, now: float) -> dict[str, Any]:
        """What ``status`` shows, in the types of JSON."""
        about, book = self._peer, self._book
        since = self.line.since if self.line.port is None else self._since
        return {
            "name": self.name,
            "port": self.path,
            "open": self.line.port is not None,
            "connected": self._connected,
            "trouble": self.trouble,
            "since_s": round(now - since, 1),
            "board": about.board if about else None,
            "unique_id": about.unique_id if about else None,
            "firmware": about.firmware if about else None,
            "reset_cause": about.reset_cause if about else None,
            "boot": about.boot if about else None,
            "log": book.log or None,
            "taken": book.newest,
            "durable": book.durable,
            **self._counts,
            "bad_frames": self._session.bad_frames,
            "store_trouble": book.trouble,
            "counters": dict(self._counters),
        }

    def open(self, now: float) -> None:
        """Try to open the port."""
        before = self.line.trouble
        if self.line.open(now):
            self._log.info("bridge_open", bridge=self.name, port=self.path)
            self._since, self._why_not, self._silence_told = now, "no bridge answers with this key", False
            self.flush()
        elif self.line.trouble != before:
            self._log.warning("bridge_closed", bridge=self.name, why=self.line.trouble)

    def readable(self, _line: Line[DuplexPort], now: float, moment: Moment) -> None:
        """The port has octets, or is gone."""
        if self.line.port is None:
            return
        try:
            data = self.line.port.read()
        except PortError as error:
            self._lose(str(error), now, moment)
            return
        self.line.heard()
        self._take(self._session.receive_data(data, now), now, moment)
        self.flush()

    def next_deadline(self) -> float | None:
        """Long ago where a port that refuses to be written to is to be closed."""
        if self.line.write_trouble is not None:
            return 0.0
        session = self._session.next_deadline() if self.line.port is not None else None
        stores = [source.telling.store_at for source in self.sources]
        return earliest(self.line.reopen_at, session, self._book.save_at, *stores)

    def tick(self, now: float, moment: Moment) -> None:
        if self.line.write_trouble is not None:
            self._lose(self.line.write_trouble, now, moment)
        if self.line.due(now):
            self.open(now)
        if self.line.port is not None:
            self._take(self._session.tick(now), now, moment)
            self._tell_silence(now)
        self._book.tick(now)
        self._confirm(now)
        self._epochs.tell(now)

    def flush(self) -> None:
        """Write what the session wants to say, as far as the port takes it. One that refuses is lost: see ``tick``."""
        if self.line.takes_octets:
            self.line.write(b"" if self.line.wants_to_write else self._session.bytes_to_send())

    def close(self, now: float) -> None:
        """The agent ends. What is half heard stays with the bridge, and is said again."""
        self._book.save(now, at_once=True)
        self.line.close()

    def _lose(self, why: str, now: float, moment: Moment) -> None:
        self._log.warning("bridge_closed", bridge=self.name, why=why)
        self.line.lose(why, now)
        self._take(self._session.lost(now, why), now, moment)

    def _take(self, events: list[BridgeEvent], now: float, moment: Moment) -> None:
        for event in events:
            self._tell(event, now, moment)
        waits = [ticks for source in self.sources if (ticks := source.awaits_us) is not None]
        self._session.await_silence(min(waits, default=None))
        self._confirm(now)

    def _tell_silence(self, now: float) -> None:
        """Once for each time that the port is opened: a wrong key shows nowhere else in the log."""
        if not self._connected and not self._silence_told and now - self._since > _SILENT_S:
            self._silence_told = True
            self._log.warning("bridge_silent", bridge=self.name, port=self.path, why=self._why_not)

    def _confirm(self, now: float) -> None:
        """The bridge may forget what is durable here."""
        place = (self._book.log, self._book.durable)
        if place != self._confirmed and self._book.durable:
            self._confirmed = place
            self._session.durable(*place, now)

    def _tell(self, event: BridgeEvent, now: float, moment: Moment) -> None:
        match event:
            case Connected():
                self._begin(event, now, moment)
            case Disconnected(why, goes_on):
                self._connected, self._since, self._why_not = False, now, why
                if not goes_on:
                    self._log.warning("bridge_gone", bridge=self.name, why=why)
            case Chunk():
                self._hear(event, now, moment)
            case ChunksLost(_, count, up_to):
                self._counts["lost"] += count
                self._log.error("bridge_chunks_lost", bridge=self.name, chunks=count)
                self._book.miss(up_to, now, moment)
            case Quiet(_, at_us):
                self._book.silent_until(at_us, now, moment)
            case LogEnded():
                self._log.info("bridge_log_ended", bridge=self.name, chunks=self._book.newest)
                self._book.end(now, moment)
            case Counters(values):
                self._counters = values
            case EpochsTold(epochs):
                self._epochs.told(epochs)

    def _begin(self, event: Connected, now: float, moment: Moment) -> None:
        self._peer, self._connected, self._since = event, True, now
        self._log.info(
            "bridge_connected", bridge=self.name, board=event.board, unique_id=event.unique_id,
            firmware=event.firmware, reset_cause=event.reset_cause, boot=event.boot,
        )  # fmt: skip
        if event.lost:
            self._log.error("bridge_was_full", bridge=self.name, chunks=event.lost)
        self._epochs.connected()
        self._book.open(event.unique_id, event.log, now, moment)

    def _hear(self, chunk: Chunk, now: float, moment: Moment) -> None:
        self._counts["chunks"] += 1
        self._counts["overruns"] += chunk.overrun
        self._counts["framing_errors"] += chunk.framing
        if chunk.overrun:
            source = self._book.source_on(chunk.line)
            self._log.warning("bridge_overrun", bridge=self.name, source=source.name if source else None)
        if not self._book.hear(chunk, now, moment):
            self._counts["unheard"] += 1
            if self._counts["unheard"] == 1:
                self._log.warning("bridge_unheard", bridge=self.name, channel=chunk.line.value)
