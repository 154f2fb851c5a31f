"""One source's events on their way into the register: what waits for a disk that refuses, what is counted, what is suspicious."""

from collections import deque
from dataclasses import dataclass, replace
from typing import Any

from tillbell_agent.bridge_rows import Mark
from tillbell_agent.database import StoreError
from tillbell_agent.moment import Moment
from tillbell_agent.pos.dialect import Desynced, DialectEvent, Ignored, SettlementHeard, TransactionCompleted
from tillbell_agent.register import Register
from tillbell_agent.shell.log import Log

# A disk that refuses is asked again this often.
_STORE_AGAIN_S = 1.0
# Sales that wait for a disk: two days of a busy shop. More are counted as lost, in the log and in status.
_MOST_PENDING = 1000
# So many receipts in a row without an amount, and none with one: a kitchen's printer, or a wrong setting.
_SUSPICIOUS_RUN = 5
# So many receipts in a row that are no sale, whatever the reason: more than a kitchen orders before somebody pays.
_LONG_RUN = 30


@dataclass(frozen=True, slots=True)
class _Pending:
    """``moment``: when it was heard. ``mark``: where in a bridge's log."""

    event: TransactionCompleted | SettlementHeard
    moment: Moment
    mark: Mark | None


class Telling:
    """Of one source. Times are monotonic seconds. ``counts`` are since start, for ``status``."""

    def __init__(self, name: str, currency: str, register: Register, log: Log) -> None:
        self.name = name
        self.counts = dict.fromkeys(
            ("octets", "told", "known", "settlements", "ignored", "skipped_octets", "lost"), 0
        )
        self._currency = currency
        self._register = register
        self._log = log
        self._pending: deque[_Pending] = deque()
        self.store_at: float | None = None  # when the disk is asked again
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
    def pending(self) -> int:
        """Sales and settlements heard that the disk has not taken yet."""
        return len(self._pending)

    def facts(self) -> dict[str, Any]:
        """For ``status``."""
        return {"suspicion": self.suspicion, "waiting_for_disk": self.pending, **self.counts}

    def add(self, event: DialectEvent, moment: Moment, mark: Mark | None = None) -> None:
        """It came out of the dialect, heard at ``moment``; ``store`` follows."""
        match event:
            case TransactionCompleted() | SettlementHeard():
                self._keep(event, moment, mark)
            case Ignored(why):
                self._ignore(why)
            case Desynced(octets, why):
                self.counts["skipped_octets"] += octets
                self._log.warning("skipped", source=self.name, octets=octets, why=why)

    def store(self, now: float) -> None:
        """Make durable what was added, unless the disk has just refused."""
        if self.store_at is not None and now < self.store_at:
            return
        self.store_at = None
        try:
            while self._pending:
                self._store(self._pending[0])
                self._pending.popleft()
        except StoreError as error:
            self.store_at = now + _STORE_AGAIN_S
            if self._store_trouble is None:  # told once, not at every try
                self._log.error("store_refused", source=self.name, why=error)
            self._store_trouble = str(error)
            return
        if self._store_trouble is not None:
            self._log.info("store_takes_again", source=self.name)
            self._store_trouble = None

    def close(self, now: float) -> None:
        """The agent ends: the disk is asked once more, and what it refuses is lost."""
        self.store_at = None
        self.store(now)
        if self._pending:
            self.counts["lost"] += len(self._pending)
            self._log.error(
                "event_lost",
                source=self.name,
                number=len(self._pending),
                why="the agent ends and the disk refuses",
            )

    def _keep(self, event: TransactionCompleted | SettlementHeard, moment: Moment, mark: Mark | None) -> None:
        """Only what is stored waits for the disk; what is only counted may not push out a sale."""
        if isinstance(event, TransactionCompleted):
            self._without_amount = self._without_sale = 0
        if len(self._pending) < _MOST_PENDING:
            self._pending.append(_Pending(_dated(event, moment), moment, mark))
            return
        self.counts["lost"] += 1
        self._log.error("event_lost", source=self.name, why="the disk refuses and memory's bound is reached")

    def _ignore(self, why: str) -> None:
        self.counts["ignored"] += 1
        self._suspect(why)
        self._log.info("ignored", source=self.name, why=why)

    def _store(self, pending: _Pending) -> None:
        event, moment, mark = pending.event, pending.moment, pending.mark
        match event:
            case TransactionCompleted(transaction, _):
                entry = self._register.hear(self.name, event, self._currency, moment, mark)
                self.counts["told" if entry else "known"] += 1
                self._log.info(
                    "transaction" if entry else "transaction_known",
                    source=self.name, kind=transaction.kind.word, seq=entry.seq if entry else None,
                )  # fmt: skip
            case SettlementHeard():
                self._register.hear_settlement(self.name, event, self._currency, moment, mark)
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
    if not isinstance(event, TransactionCompleted) or event.clock is None or not moment.clock_is_set:
        return event
    told = replace(event.transaction, terminal_time=event.clock.near(moment.local))
    return replace(event, transaction=told, clock=None)
