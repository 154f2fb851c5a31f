"""What every dialect is: octets and ticks in, events out; it never talks, and no dialect knows another.

A serial source may have one line (a printer's) or two (the till's and the terminal's, tapped apart): ``line`` says
who spoke. Times are monotonic seconds. Card digits leave a dialect only as ``TruncatedPan``.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol, runtime_checkable

from tillbell_agent.pos.partial_time import PartialTime
from tillbell_protocol.event import Settlement, Transaction


class Line(Enum):
    """Who speaks on the wire that was heard. A till's place may be taken by a host: what is not the terminal."""

    TERMINAL = "terminal"
    TILL = "till"


@dataclass(frozen=True, slots=True)
class TransactionCompleted:
    """A transaction that is to be told, once.

    ``key`` identifies it for ever within its source (terminal, numbers, amount, time): the same key heard again is the
    same transaction (a second copy, a repeated frame). None: the bytes hold nothing that tells this transaction from
    the next of the same amount, so each is a transaction of its own. ``fragment``: its beginning or its end was not
    heard, so its key may lack what another copy of the same receipt has. ``clock``: the terminal's time where it tells no
    year; whoever knows the date puts it into ``transaction.terminal_time``, which is None then.
    """

    transaction: Transaction
    key: str | None
    fragment: bool = False
    clock: PartialTime | None = None


@dataclass(frozen=True, slots=True)
class SettlementHeard:
    """A settlement or total report: recorded, never rung. ``key`` as above."""

    settlement: Settlement
    key: str | None


@dataclass(frozen=True, slots=True)
class Ignored:
    """A complete job or frame that is no new transaction, and why: ``reprint``, ``copy``, ``no amount`` …"""

    why: str


@dataclass(frozen=True, slots=True)
class Desynced:
    """Octets that follow no rule of the dialect were skipped."""

    octets: int
    why: str


_OWN_NUMBERS = ("amount_minor", "receipt_no", "rrn", "stan", "auth_code", "card", "terminal_time", "batch")


def says_no_other(fragment: Transaction, whole: Transaction) -> bool:
    """Whether all that a fragment says of itself stands in ``whole`` too; what it lacks it cannot contradict."""
    pairs = ((getattr(fragment, name), getattr(whole, name)) for name in _OWN_NUMBERS)
    return all(part is None or part == other for part, other in pairs)


DialectEvent = TransactionCompleted | SettlementHeard | Ignored | Desynced


class Dialect(Protocol):
    """The interface of every dialect. Any octets give events, never an exception; every buffer is bounded."""

    def receive_data(self, data: bytes, now: float, line: Line = Line.TERMINAL) -> list[DialectEvent]: ...

    def next_deadline(self) -> float | None:
        """When ``tick`` must be called next, in the caller's monotonic seconds; None: no need."""

    def tick(self, now: float) -> list[DialectEvent]:
        """Let time pass: an idle line ends a job, a missing answer makes a transaction "not confirmed"."""

    def unpair(self) -> None:
        """Of what both lines said last, the order is not known: no request heard so far may be paired with an answer."""

    def close(self, now: float) -> list[DialectEvent]:
        """The line ends or breaks here (end of a file, a pulled cable): what was complete enough comes out.

        What comes afterwards, if the cable is plugged in again, may begin anywhere.
        """


@runtime_checkable
class Resumable(Protocol):
    """A dialect that drops what comes first, since it may be the rest of something. At rest, one can take another's place."""

    @property
    def at_beginning(self) -> bool:
        """What comes next begins something."""

    def begin(self) -> None:
        """What comes next begins something: the dialect of this line before this one stood there."""
