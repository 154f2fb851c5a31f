"""Frames of every dialect, spoilt at random, by the million: nothing crashes, no amount is made up, memory stays small.

    .venv/bin/python tests/agent/pos/fuzz.py [--frames 1000000] [--dialect NAME ...] [--seed N]

A dialect hears what its simulated till says, most of it spoilt: bits flipped, octets lost, put in, swapped, doubled,
frames cut and glued, lines mixed up, pauses anywhere. Prints a line per dialect.
"""

import argparse
import gc
import random
import re
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tillbell_agent.pos.dialect import Dialect, DialectEvent, Line, TransactionCompleted
from tillbell_agent.pos.registry import DIALECTS, make_dialect
from tillbell_agent.pos.settings import DialectSettings
from tillbell_agent.sim.tills import TILLS, TROUBLES, currency_of, exchanges_of

# An amount may stand in any octets that a dialect still holds: its buffers, and a request that waits for its answer.
_REMEMBERED_OCTETS = 65_536
MOST_OCTETS_HELD = 1_250_000  # the words of receipts in all their languages are most of it
_NOT_DIGITS = re.compile(rb"[^0-9]+")
_WIDE_DIGIT = re.compile(rb"\xa3([\xb0-\xb9])")


@dataclass(slots=True)
class Fuzzed:
    """What a run came to. ``invented``: events whose amount stands in no octets."""

    dialect: str
    frames: int = 0
    octets: int = 0
    events: "Counter[str]" = field(default_factory=Counter)
    invented: list[str] = field(default_factory=list)
    held: int = 0
    seconds: float = 0.0


def fuzz(name: str, frames: int, seed: int) -> Fuzzed:
    """Raises whatever the dialect raises: it may raise nothing."""
    chance, done = random.Random(f"{seed}/{name}"), Fuzzed(name)
    currency = currency_of(name)
    dialect = make_dialect(name, DialectSettings(currency=currency))
    heard: deque[bytes] = deque()
    now, held, began = 0.0, 0, time.perf_counter()
    for line, frame in _frames(name, currency, chance):
        spoilt = _spoil(frame, chance)
        done.frames, done.octets = done.frames + 1, done.octets + len(spoilt)
        heard.append(spoilt)
        held += len(spoilt)
        while held - len(heard[0]) > _REMEMBERED_OCTETS:
            held -= len(heard.popleft())
        events = _feed(
            dialect, spoilt, line if chance.random() < 0.9 else chance.choice(list(Line)), now, chance
        )
        now += chance.choice((0.0, 0.01, 0.3, 3.0, 40.0))
        deadline = dialect.next_deadline()
        if deadline is not None and deadline <= now:
            events += dialect.tick(now)
        done.events.update(type(event).__name__ for event in events)
        done.invented += [repr(event) for event in events if not _stands_in(event, heard)]
        if done.frames >= frames:
            break
    dialect.close(now)
    done.seconds, done.held = time.perf_counter() - began, _size(dialect)
    return done


def _frames(name: str, currency: str, chance: random.Random) -> Iterator[tuple[Line, bytes]]:
    """What tills of many seeds say, without end; some of it again and out of its place."""
    before: deque[tuple[Line, bytes]] = deque(maxlen=50)
    while True:
        day = exchanges_of(name)(
            chance.randrange(2**32), datetime(2026, 12, 31, 22), currency, frozenset(TROUBLES)
        )
        for exchange, _ in zip(day, range(30), strict=False):
            for spoken in exchange.spoken:
                before.append((spoken.line, spoken.octets))
                yield spoken.line, spoken.octets
                if chance.random() < 0.1:
                    yield chance.choice(before)


def _spoil(octets: bytes, chance: random.Random) -> bytes:
    spoilt = bytearray(octets)
    if chance.random() < 0.3:  # some stay whole, so that the machine gets far enough to be led astray
        return octets
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        chance.choice(_SPOILERS)(spoilt, chance)
    return bytes(spoilt)


def _flip(octets: bytearray, chance: random.Random) -> None:
    if octets:
        octets[chance.randrange(len(octets))] ^= 1 << chance.randrange(8)


def _lose(octets: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(octets) + 1)
    del octets[at : at + chance.choice((1, 1, 2, 8, 1000))]


def _put_in(octets: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(octets) + 1)
    octets[at:at] = chance.choice(
        (chance.randbytes(chance.randrange(1, 9)), b"\x02", b"\x03", b"\x10\x02", b"\x06", b"\xff" * 9)
    )


def _double(octets: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(octets) + 1)
    octets[at:at] = octets[at : at + chance.randrange(64)]


def _set(octets: bytearray, chance: random.Random) -> None:
    if octets:
        octets[chance.randrange(len(octets))] = chance.choice((0, 2, 3, 0x10, 0x1C, 0x39, 0x7C, 0xFF))


_SPOILERS: tuple[Callable[[bytearray, random.Random], None], ...] = (_flip, _lose, _put_in, _double, _set)


def _feed(
    dialect: Dialect, octets: bytes, line: Line, now: float, chance: random.Random
) -> list[DialectEvent]:
    cut = chance.randrange(len(octets) + 1)
    return dialect.receive_data(octets[:cut], now, line) + dialect.receive_data(octets[cut:], now, line)


def _stands_in(event: DialectEvent, heard: "deque[bytes]") -> bool:
    """Whether an event's amount stands in what was heard: printed, in ASCII digits or GBK's wide ones, or in BCD (10 may stand doubled)."""
    if not isinstance(event, TransactionCompleted) or event.transaction.amount_minor is None:
        return True
    digits = str(event.transaction.amount_minor).encode()
    octets = _WIDE_DIGIT.sub(lambda wide: bytes([wide[1][0] - 0x80]), b"".join(heard))
    packed = (octets.hex().encode(), octets.replace(b"\x10\x10", b"\x10").hex().encode())
    if digits in octets or any(digits in each for each in packed):
        return True
    # Printed with separators, or across a stuffed octet; major units alone where the minor ones are noughts.
    printed = _NOT_DIGITS.sub(b"", octets)
    return digits in printed or (digits.endswith(b"0") and digits.rstrip(b"0") in printed)


def _size(thing: object) -> int:
    """Octets of everything that can be reached and belongs to it; classes, functions and modules do not."""
    seen: set[int] = set()
    todo, total = [thing], 0
    while todo:
        each = todo.pop()
        if id(each) in seen or isinstance(each, type | type(sys) | type(_size)):
            continue
        seen.add(id(each))
        total += sys.getsizeof(each)
        todo += gc.get_referents(each)
    return total


def told(done: Fuzzed) -> str:
    events = ", ".join(f"{number} {name}" for name, number in sorted(done.events.items()))
    return (
        f"{done.dialect:12} {done.frames:9,} frames, {done.octets:12,} octets in {done.seconds:6.1f} s; {events}; "
        f"{len(done.invented)} amounts made up; {done.held:,} octets held at the end"
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--frames", type=int, default=1_000_000, help="for each dialect (default: %(default)s)"
    )
    parser.add_argument("--dialect", action="append", choices=sorted(TILLS), help="default: all")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    bad = False
    for name in args.dialect or sorted(set(TILLS) & set(DIALECTS)):
        done: Any = fuzz(name, args.frames, args.seed)
        print(told(done), flush=True)
        for words in done.invented[:5]:
            print(f"    {words}")
        bad |= bool(done.invented) or done.held > MOST_OCTETS_HELD
    return int(bad)


if __name__ == "__main__":
    raise SystemExit(main())
