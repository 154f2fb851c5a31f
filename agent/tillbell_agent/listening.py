"""One terminal: octets from its line, or from both of them, through its dialect into the register. It never writes."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from tillbell_agent.config import SourceConfig
from tillbell_agent.line import Line
from tillbell_agent.moment import Moment, earliest
from tillbell_agent.pos.dialect import Dialect, DialectEvent
from tillbell_agent.pos.dialect import Line as Speaker
from tillbell_agent.register import Register
from tillbell_agent.shell.log import Log
from tillbell_agent.shell.ports import PortError
from tillbell_agent.telling import Telling
from tillbell_agent.world import Port


@dataclass(frozen=True, slots=True)
class Tap:
    """One tapped line: who speaks on it, and the path of its port."""

    speaks: Speaker
    path: str
    line: Line[Port]


class Listener:
    """One source with ports of its own. Times are monotonic seconds."""

    def __init__(
        self, config: SourceConfig, currency: str, dialect: Dialect, register: Register,
        open_port: Callable[[str], Port], log: Log,
    ) -> None:  # fmt: skip
        self.name = config.name
        self.where = config.where
        self.taps = [Tap(speaks, path, Line(partial(open_port, path))) for speaks, path in config.taps]
        # Both lines have octets that came while this program did something else, longer than a till takes between two
        # sales at its fastest: an answer must not be taken for that of the next request.
        self.order_unknown = False
        self.telling = Telling(config.name, config.currency or currency, register, log)
        self._dialect = dialect
        self._log = log

    @property
    def lines(self) -> list[Line[Port]]:
        """The terminal's, and the till's where that is tapped too."""
        return [tap.line for tap in self.taps]

    @property
    def wants_to_write(self) -> bool:
        """Never: a terminal's line is only listened to."""
        return False

    @property
    def busy(self) -> bool:
        """A receipt is half heard: the dialect waits for its end, or for silence."""
        is_open = any(line.port is not None for line in self.lines)
        return is_open and self._dialect.next_deadline() is not None

    def facts(self) -> dict[str, Any]:
        """What ``status`` shows, in the types of JSON."""
        return {
            "name": self.name,
            "port": self.where,
            "open": all(line.port is not None for line in self.lines),
            "trouble": next((line.trouble for line in self.lines if line.trouble is not None), None),
            **self.telling.facts(),
        }

    def open(self, now: float) -> None:
        """Try to open the ports that are not."""
        for tap in self.taps:
            if tap.line.port is None:
                self._open(tap, now)

    def readable(self, line: Line[Port], now: float, moment: Moment) -> None:
        """One of ``lines`` has octets, or is gone."""
        tap = next(tap for tap in self.taps if tap.line is line)
        if line.port is None:
            return
        try:
            data = line.port.read()
        except PortError as error:
            self._log.warning("source_closed", source=self.name, port=tap.path, why=error)
            line.lose(str(error), now)
            self._take(self._dialect.close(now), now, moment)
            return
        line.heard()
        self.telling.counts["octets"] += len(data)
        self._take(self._dialect.receive_data(data, now, tap.speaks), now, moment)
        if self.order_unknown:
            self._dialect.unpair()

    def next_deadline(self) -> float | None:
        return earliest(
            *(line.reopen_at for line in self.lines), self.telling.store_at, self._dialect.next_deadline()
        )

    def tick(self, now: float, moment: Moment) -> None:
        for tap in self.taps:
            if tap.line.due(now):
                self._open(tap, now)
        self._take(self._dialect.tick(now), now, moment)

    def _open(self, tap: Tap, now: float) -> None:
        before = tap.line.trouble
        if tap.line.open(now):
            self._log.info("source_open", source=self.name, port=tap.path)
        elif tap.line.trouble != before:
            self._log.warning("source_closed", source=self.name, port=tap.path, why=tap.line.trouble)

    def close(self, now: float, moment: Moment) -> None:
        """The agent ends: what was heard to its end is stored, the port is let go."""
        for event in self._dialect.close(now):
            self.telling.add(event, moment)
        self.telling.close(now)
        for line in self.lines:
            line.close()

    def _take(self, events: list[DialectEvent], now: float, moment: Moment) -> None:
        for event in events:
            self.telling.add(event, moment)
        self.telling.store(now)
