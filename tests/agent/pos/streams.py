"""Streams of any dialect, fed in every way that a line can bring them, and what was told of them."""

import json
import os
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tillbell_agent.pos.dialect import Dialect, DialectEvent, Line, TransactionCompleted
from tillbell_agent.pos.registry import make_dialect
from tillbell_agent.pos.settings import DialectSettings

# (seconds, who speaks, octets)
Step = tuple[float, Line, bytes]
FEEDS = ("whole", "byte by byte", "random chunks", "noise before")
# No terminal says this; it holds the control octets that frames are made of.
NOISE = bytes.fromhex("00ff7e0205 4142 1003 15 06 1c 0310 02 c5 7f 04")
QUIET_S = 400.0  # longer than any dialect waits for anything, a customer who looks for a card included
_MOST_TICKS = 50


@dataclass(slots=True)
class Family:
    """How the vectors of one family are fed. ``dialect`` and ``settings`` may look at the vector's index entry.

    ``steps``: entry → what is heard; the default takes ``.bin`` as one piece of its direction and ``.json`` as a session.
    ``skip``: ids of vectors that are no stream, each with why.
    """

    name: str
    dialect: Callable[[dict[str, Any]], str]
    settings: Callable[[dict[str, Any]], DialectSettings]
    steps: Callable[[dict[str, Any]], list[Step]] | None = None
    skip: dict[str, str] = field(default_factory=dict)

    def make(self, entry: dict[str, Any]) -> Dialect:
        return make_dialect(self.dialect(entry), self.settings(entry))

    def heard_of(self, entry: dict[str, Any]) -> list[Step]:
        return self.steps(entry) if self.steps else vector_steps(entry)


def vectors(family: str) -> list[dict[str, Any]]:
    """The index entries of a family, each with its ``path``; none where ``TILLBELL_VECTORS`` is not set."""
    folder = os.environ.get("TILLBELL_VECTORS")
    if folder is None:
        return []
    index = Path(folder) / "pos" / "index.json"
    if not index.is_file():
        index = Path(folder) / "index.json"
    entries = json.loads(index.read_text("utf-8"))["vectors"]
    return [{**entry, "path": index.parent / entry["file"]} for entry in entries if entry["family"] == family]


def speaker(direction: str | None) -> Line:
    """Of the index: what the terminal says, and what the other end, a till or a host, does."""
    return Line.TILL if direction in ("ecr2pt", "host2pt") else Line.TERMINAL


def vector_steps(entry: dict[str, Any]) -> list[Step]:
    path: Path = entry["path"]
    if path.suffix != ".json":
        return [(0.0, speaker(entry["direction"]), path.read_bytes())]
    steps = json.loads(path.read_text("utf-8"))["steps"]
    return [(step["t_ms"] / 1000, speaker(step["dir"]), bytes.fromhex(step["hex"])) for step in steps]


def chunks(octets: bytes, feed: str, seed: int = 0) -> Iterator[bytes]:
    if feed == "byte by byte":
        yield from (octets[at : at + 1] for at in range(len(octets)))
    elif feed == "random chunks":
        chance, at = random.Random(f"{seed}/{len(octets)}"), 0
        while at < len(octets):
            size = chance.randint(1, 40)
            yield octets[at : at + size]
            at += size
    else:
        yield octets


def hear(
    dialect: Dialect, steps: Iterable[Step], feed: str = "whole", *, start: float = 0.0
) -> list[DialectEvent]:
    """Feed ``steps`` and let time pass between them and behind them, until nothing is waited for."""
    events: list[DialectEvent] = []
    now = start
    if feed == "noise before":
        for line in Line:
            events += dialect.receive_data(NOISE, now, line)
        now += QUIET_S
        events += settle(dialect, now)
    offset = now
    for t, line, octets in steps:
        now = offset + t
        events += settle(dialect, now)
        for piece in chunks(octets, feed):
            events += dialect.receive_data(piece, now, line)
    return events + settle(dialect, now + QUIET_S)


def settle(dialect: Dialect, until: float) -> list[DialectEvent]:
    """Tick at every deadline up to ``until``."""
    events: list[DialectEvent] = []
    for _ in range(_MOST_TICKS):
        deadline = dialect.next_deadline()
        if deadline is None or deadline > until:
            return events
        events += dialect.tick(deadline)
    raise AssertionError(f"a dialect that is never done: its next deadline is {dialect.next_deadline()}")


def told(events: Iterable[DialectEvent]) -> list[TransactionCompleted]:
    """Transactions, each key once, as the ledger keeps them."""
    keys: set[str] = set()
    kept = []
    for event in events:
        if not isinstance(event, TransactionCompleted) or (event.key is not None and event.key in keys):
            continue
        kept.append(event)
        if event.key is not None:
            keys.add(event.key)
    return kept


def as_wanted(event: TransactionCompleted, want: dict[str, Any]) -> dict[str, Any]:
    """Of an event, what an index entry asks for, in the index's words."""
    return {key: _value(event, key, want[key]) for key in want}


def _value(event: TransactionCompleted, key: str, wanted: Any) -> Any:
    transaction = event.transaction
    match key:
        case "kind":
            return transaction.kind.word
        case "card_last4":
            return transaction.card.last4 if transaction.card else None
        case "original_stan":
            return transaction.original_ref
        case "method_as_printed":
            return transaction.method
        case "terminal_time":
            return transaction.terminal_time.isoformat() if transaction.terminal_time else None
        case "terminal_time_suffix":
            near = event.clock.near(datetime(2026, 6, 1)) if event.clock else transaction.terminal_time
            return near.isoformat()[-len(wanted) :] if near else None
        case "entry_mode_as_sent":
            return wanted  # how a card was read is not told to anybody
        case _:
            return getattr(transaction, key)


def say_everything(events: Iterable[DialectEvent]) -> str:
    """Everything that events hold, for looking whether something is in it that must not be."""
    return "\n".join(map(repr, events))


def cut_at(steps: list[Step], octet: int) -> list[Step]:
    """The session up to an octet, counted over all of it."""
    kept: list[Step] = []
    for t, line, octets in steps:
        if octet <= 0:
            break
        kept.append((t, line, octets[:octet]))
        octet -= len(octets)
    return kept
