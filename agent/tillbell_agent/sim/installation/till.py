"""What a shop's till and terminal say, when, and what must be in the ledger: what one life of the agent heard to its end."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from tillbell_agent.pos.dialect import Line
from tillbell_agent.sim.installation.shop import Shop
from tillbell_agent.sim.receipts import receipts
from tillbell_agent.sim.tills import TROUBLES, Exchange, Spoken, exchanges_of
from tillbell_protocol.event import Transaction

# A dialect ends a job after a silence; then the store has its turn. The agent must have lived on so long.
# A terminal that refused may be waited for, whether it tries again.
HEARD_AFTER_S = 20.0
_FRAMES_HEARD_AFTER_S = 45.0
_SAME_AGAIN = 0.15
# A slip takes a thermal printer's line at 9600 baud about a second, a frame less; both come in pieces.
_PIECE_S = {"escpos": 0.4}
_FRAMES_PIECE_S = 0.02
# Noise may look like the beginning of anything, and swallows what follows until a silence ends it.
_NOISE_LASTS_S = 30.0
_APART_S = 1.5
_START = datetime(2026, 3, 2, 9, 0)

Piece = tuple[float, Line, bytes]


@dataclass(slots=True)
class Job:
    """One conversation. ``whole``: nothing took away or added an octet; ``life``: which start of the agent got it.

    ``opened``: how often each port had been: one that was pulled and plugged between two frames breaks a conversation, too.
    """

    at: float
    expected: tuple[Transaction, ...]
    life: int
    opened: tuple[int, int]
    whole: bool = True


class Till:
    """Speaks ``per_day`` times a day at random moments. ``heard(job)`` is called for each that must be in the ledger."""

    def __init__(
        self,
        shop: Shop,
        chance: random.Random,
        per_day: float,
        at: Callable[[float, Callable[[], None]], None],
        heard: Callable[[Shop, Job], None],
    ) -> None:
        self._shop, self._chance, self._at, self._heard = shop, chance, at, heard
        self._pause_s = 86_400 / per_day
        self._piece_s = _PIECE_S.get(shop.plan.dialect, _FRAMES_PIECE_S)
        self._heard_after_s = HEARD_AFTER_S if shop.plan.dialect == "escpos" else _FRAMES_HEARD_AFTER_S
        self._noise, self._noise_at = 0, -_NOISE_LASTS_S
        self._day = _conversations(shop.plan.dialect, chance.randrange(2**32))
        self.printed = 0
        self.running = True
        at(self._chance.uniform(0, self._pause_s), self._begin)

    def noise(self, octets: bytes) -> None:
        """Something that no till said comes over the line."""
        self._noise, self._noise_at = self._noise + 1, self._shop.clock.now
        self._shop.source.put(octets)

    def _opened(self) -> tuple[int, int]:
        return self._shop.source.opened, self._shop.till_source.opened

    def _begin(self) -> None:
        if not self.running:
            return
        now, exchange = self._shop.clock.now, next(self._day)
        quiet = now - self._noise_at > _NOISE_LASTS_S
        job = Job(now, exchange.expected, self._shop.starts, self._opened(), whole=quiet)
        self.printed += len(exchange.expected)
        pieces = [piece for spoken in exchange.spoken for piece in self._pieces(spoken)]
        self._say(job, pieces, self._noise)
        lasts = sum(after for after, _, _ in pieces[1:])
        self._at(max(2.0, lasts + _APART_S, self._chance.expovariate(1 / self._pause_s)), self._begin)

    def _pieces(self, spoken: Spoken) -> list[Piece]:
        octets, after = spoken.octets, spoken.after_s
        if len(octets) < 2:
            return [(after, spoken.line, octets)]
        cut = self._chance.randrange(1, len(octets))
        return [(after, spoken.line, octets[:cut]), (self._piece_s, spoken.line, octets[cut:])]

    def _say(self, job: Job, pieces: list[Piece], noise: int) -> None:
        """The first piece now, the others when they are due."""
        if not pieces:
            if job.whole and job.expected:
                self._at(self._heard_after_s, lambda: self._judge(job, noise))
            return
        (_, line, octets), *rest = pieces
        self._put(job, line, octets, noise)
        if rest:
            self._at(rest[0][0], lambda: self._say(job, rest, noise))
        else:
            self._say(job, rest, noise)

    def _put(self, job: Job, line: Line, octets: bytes, noise: int) -> None:
        shop = self._shop
        same_life = shop.agent is not None and (shop.starts, self._opened()) == (job.life, job.opened)
        port = shop.source if line is Line.TERMINAL else shop.till_source
        job.whole &= port.put(octets) and same_life and self._noise == noise

    def _judge(self, job: Job, noise: int) -> None:
        """Heard to its end, if the agent still lives; one whose disk refuses has it in memory."""
        shop = self._shop
        if shop.agent is None or shop.starts != job.life or self._noise != noise or not job.whole:
            return
        if shop.disk.refuses is not None or shop.clock.now - shop.disk.refused_until < HEARD_AFTER_S:
            self._at(HEARD_AFTER_S, lambda: self._judge(job, noise))
            return
        self._heard(shop, job)


def _conversations(dialect: str, seed: int) -> Iterator[Exchange]:
    if dialect != "escpos":
        yield from exchanges_of(dialect)(seed, _START, "CNY", frozenset(TROUBLES))
    for receipt in receipts(seed, start=_START, same_again=_SAME_AGAIN):
        told = () if receipt.expected is None else (receipt.expected,)
        yield Exchange(receipt.note, (Spoken(Line.TERMINAL, receipt.octets),), told, told)
