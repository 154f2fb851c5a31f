"""A recording goes through a dialect as the line did, with its times, and what comes out is told as flat JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Final

from tillbell_agent.capture.recording import Step
from tillbell_agent.pos.dialect import (
    Desynced,
    Dialect,
    DialectEvent,
    Ignored,
    SettlementHeard,
    TransactionCompleted,
)
from tillbell_protocol.event import Settlement

# Longer than any dialect waits for anything; a dialect that still waits then is told that the line ends.
_QUIET_S: Final = 120.0
_MOST_TICKS: Final = 1000


@dataclass(frozen=True, slots=True)
class Heard:
    """``time``: seconds since the recording began."""

    time: float
    event: DialectEvent


def replay(dialect: Dialect, steps: Sequence[Step]) -> Iterator[Heard]:
    """Every event, in order; time passes between the steps and behind the last one, and then the line ends."""
    now = 0.0
    for step in steps:
        yield from _until(dialect, step.time)
        now = step.time
        yield from (Heard(now, event) for event in dialect.receive_data(step.octets, now, step.line))
    yield from _until(dialect, now + _QUIET_S)
    yield from (Heard(now + _QUIET_S, event) for event in dialect.close(now + _QUIET_S))


def _until(dialect: Dialect, end: float) -> Iterator[Heard]:
    for _ in range(_MOST_TICKS):
        deadline = dialect.next_deadline()
        if deadline is None or deadline > end:
            return
        yield from (Heard(deadline, event) for event in dialect.tick(deadline))


class Account:
    """What was told, each transaction once, as the ledger would have it."""

    def __init__(self, currency: str) -> None:
        self.told: list[Heard] = []
        self.ignored: dict[str, int] = {}
        self.skipped_octets = self.bad_frames = self.repeated = 0
        self._currency = currency
        self._keys: set[str] = set()

    def take(self, heard: Heard) -> bool:
        """Whether it is an event to be told."""
        match heard.event:
            case Ignored(why):
                self.ignored[why] = self.ignored.get(why, 0) + 1
            case Desynced(octets, _):
                self.bad_frames += 1
                self.skipped_octets += octets
            case TransactionCompleted(key=key) | SettlementHeard(key=key) if (
                key is not None and key in self._keys
            ):
                self.repeated += 1
            case TransactionCompleted(key=key) | SettlementHeard(key=key):
                if key is not None:
                    self._keys.add(key)
                self.told.append(heard)
                return True
        return False

    @property
    def transactions(self) -> int:
        return sum(isinstance(heard.event, TransactionCompleted) for heard in self.told)

    def summary(self) -> dict[str, Any]:
        """``frames``: complete jobs and frames that the dialect took, whatever they were."""
        return {
            "events": len(self.told),
            "frames": len(self.told) + self.repeated + sum(self.ignored.values()),
            "bad_frames": self.bad_frames,
            "octets_skipped": self.skipped_octets,
            "repeated": self.repeated,
            "ignored": self.ignored,
        }


def event_json(heard: Heard, currency: str, began: datetime) -> dict[str, Any]:
    """One flat object. ``began``: local time of the recording's first octet, which gives dates their year."""
    event = heard.event
    time = {"t_ms": round(heard.time * 1000, 1)}
    if isinstance(event, SettlementHeard):
        return {"kind": "settlement"} | _plain(event.settlement) | time
    assert isinstance(event, TransactionCompleted)
    transaction = event.transaction
    near = event.clock.near(began + timedelta(seconds=heard.time)) if event.clock else None
    told = transaction.terminal_time or near
    return {
        "kind": transaction.kind.word,
        "amount_minor": transaction.amount_minor,
        "currency": transaction.currency or currency,
        "card_last4": (transaction.card.last4 or None) if transaction.card else None,
        "reference": transaction.reference,
        **{name: getattr(transaction, name) for name in _SAME_NAME},
        "original_stan": transaction.original_ref,
        "method_as_printed": transaction.method,
        "terminal_time": told.isoformat() if told else None,
        "final": transaction.final,
    } | time


_SAME_NAME = (
    "receipt_no", "rrn", "stan", "auth_code", "batch", "terminal_id", "merchant_id", "scheme", "method", "result_code",
    "original_ref",
)  # fmt: skip


def _plain(settlement: Settlement) -> dict[str, Any]:
    values = {each.name: getattr(settlement, each.name) for each in fields(settlement)}
    return {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()
    }
