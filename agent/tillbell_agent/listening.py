"""One terminal: octets from its line, or from both of them, through its dialect into the register. It never writes."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from tillbell_agent.config import SourceConfig
from tillbell_agent.database import StoreError
from tillbell_agent.line import Line
from tillbell_agent.moment import Moment, earliest
from tillbell_agent.pos.dialect import (
    Desynced,
    Dialect,
    DialectEvent,
    Ignored,
    SettlementHeard,
    TransactionCompleted,
)
from tillbell_agent.pos.dialect import Line as Speaker
from tillbell_agent.register import Register
from tillbell_agent.shell.log import Log
from tillbell_agent.shell.ports import PortError
from tillbell_agent.world import Port

# A disk that refuses is asked again this often.
_STORE_AGAIN_S = 1.0
# Sales that wait for a disk: two days of a busy shop. More are counted as lost, in the log and in status.
_MOST_PENDING = 1000
# So many receipts in a row without an amount, and none with one: a kitchen's printer, or a wrong setting.
_SUSPICIOUS_RUN = 5
# So many receipts in a row that are no sale, whatever the reason: more than a kitchen orders before somebody pays.
_LONG_RUN = 30


@dataclass(frozen=True, slots=True)
class Tap:
    """One tapped line: who speaks on it, and the path of its port."""

    speaks: Speaker
    path: str
    line: Line[Port]


class Listener:
    """One source. Times are monotonic seconds. ``counts`` are since start, for ``status``."""

    def __init__(
        self, config: SourceConfig, currency: str, dialect: Dialect, register: Register,
        open_port: Callable[[str], Port], log: Log,
    ) -> None:  # fmt: skip
        self.name = config.name
        self.where = config.where
        self.taps = [Tap(speaks, path, Line(partial(open_port, path))) for speaks, path in config.taps]
        self.counts = dict.fromkeys(
            ("octets", "told", "known", "settlements", "ignored", "skipped_octets", "lost"), 0
        )
        # Both lines have octets that came while this program did something else, longer than a till takes between two
        # sales at its fastest: an answer must not be taken for that of the next request.
        self.order_unknown = False
        self._currency = config.currency or currency
        self._dialect = dialect
        self._register = register
        self._log = log
        # Each with when it was heard.
        self._pending: deque[tuple[TransactionCompleted | SettlementHeard, Moment]] = deque()
        self._store_at: float | None = None
        self._store_trouble: str | None = None
        self._without_amount = self._without_sale = 0  # receipts since the last one with a sale
        self._last_why = ""

    @property
    def suspicion(self) -> str | None:
        """What may be wrong with the settings, in words; None: receipts are understood, or too few came."""
        if self._without_amount >= _SUSPICIOUS_RUN:
            return (
                f"{self._without_amount} receipts in a row without an amount: are encoding, baudrate and labels those "
                "of this printer, or does it print only orders?"
            )
        if self._without_sale >= _LONG_RUN:
            return (
                f"{self._without_sale} receipts in a row that are no sale, the last one because: {self._last_why}. "
                "Does a line of every receipt say so, the shop's name perhaps?"
            )
        return None

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

    @property
    def pending(self) -> int:
        """Sales and settlements heard that the disk has not taken yet."""
        return len(self._pending)

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
        self.counts["octets"] += len(data)
        self._take(self._dialect.receive_data(data, now, tap.speaks), now, moment)
        if self.order_unknown:
            self._dialect.unpair()

    def next_deadline(self) -> float | None:
        return earliest(
            *(line.reopen_at for line in self.lines), self._store_at, self._dialect.next_deadline()
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
        self._store_at = None
        self._take(self._dialect.close(now), now, moment)
        if self._pending:
            self.counts["lost"] += len(self._pending)
            self._log.error(
                "event_lost",
                source=self.name,
                number=len(self._pending),
                why="the agent ends and the disk refuses",
            )
        for line in self.lines:
            line.close()

    def _take(self, events: list[DialectEvent], now: float, moment: Moment) -> None:
        for event in events:
            match event:
                case TransactionCompleted() | SettlementHeard():
                    self._keep(event, moment)
                case Ignored(why):
                    self._ignore(why)
                case Desynced(octets, why):
                    self.counts["skipped_octets"] += octets
                    self._log.warning("skipped", source=self.name, octets=octets, why=why)
        if self._store_at is not None and now < self._store_at:
            return
        self._store_at = None
        try:
            while self._pending:
                self._store(*self._pending[0])
                self._pending.popleft()
        except StoreError as error:
            self._store_at = now + _STORE_AGAIN_S
            if self._store_trouble is None:  # told once, not at every try
                self._log.error("store_refused", source=self.name, why=error)
            self._store_trouble = str(error)
            return
        if self._store_trouble is not None:
            self._log.info("store_takes_again", source=self.name)
            self._store_trouble = None

    def _keep(self, event: TransactionCompleted | SettlementHeard, moment: Moment) -> None:
        """Only what is stored waits for the disk; what is only counted may not push out a sale."""
        if isinstance(event, TransactionCompleted):
            self._without_amount = self._without_sale = 0
        if len(self._pending) < _MOST_PENDING:
            self._pending.append((_dated(event, moment), moment))
            return
        self.counts["lost"] += 1
        self._log.error("event_lost", source=self.name, why="the disk refuses and memory's bound is reached")

    def _ignore(self, why: str) -> None:
        self.counts["ignored"] += 1
        self._suspect(why)
        self._log.info("ignored", source=self.name, why=why)

    def _store(self, event: TransactionCompleted | SettlementHeard, moment: Moment) -> None:
        match event:
            case TransactionCompleted(transaction, _):
                entry = self._register.hear(self.name, event, self._currency, moment)
                self.counts["told" if entry else "known"] += 1
                self._log.info(
                    "transaction" if entry else "transaction_known",
                    source=self.name, kind=transaction.kind.word, seq=entry.seq if entry else None,
                )  # fmt: skip
            case SettlementHeard():
                self._register.hear_settlement(self.name, event, self._currency, moment)
                self.counts["settlements"] += 1

    def _suspect(self, why: str) -> None:
        before = self.suspicion
        self._without_amount += why == "no amount"
        self._without_sale += 1
        self._last_why = why
        if before is None and self.suspicion is not None:  # told once
            self._log.warning("source_suspicious", source=self.name, why=self.suspicion)


def _dated(
    event: TransactionCompleted | SettlementHeard, moment: Moment
) -> TransactionCompleted | SettlementHeard:
    """A terminal that tells no year means the one that it is in now; without a clock here nobody knows it."""
    if not isinstance(event, TransactionCompleted) or event.clock is None or not moment.trusted:
        return event
    told = replace(event.transaction, terminal_time=event.clock.near(moment.local))
    return replace(event, transaction=told, clock=None)
