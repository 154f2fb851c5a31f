"""What a shop's till prints, when, and what of it must be in the ledger: a sale heard to its end by one life of the agent."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from tillbell_agent.sim.installation.shop import Shop
from tillbell_agent.sim.receipts import Receipt, receipts
from tillbell_protocol.event import Transaction

# A dialect ends a job after a silence; then the store has its turn. The agent must have lived on so long.
HEARD_AFTER_S = 20.0
_SAME_AGAIN = 0.15
# A slip takes a thermal printer's line at 9600 baud about a second; it comes in pieces.
_PIECE_S = 0.4
# Noise may look like the beginning of anything, and swallows what follows until a silence ends it.
_NOISE_LASTS_S = 30.0


@dataclass(slots=True)
class Job:
    """One printed job. ``whole``: nothing took away or added an octet; ``life``: which start of the agent got it."""

    at: float
    receipt: Receipt
    life: int
    whole: bool = True

    @property
    def expected(self) -> Transaction | None:
        return self.receipt.expected


class Till:
    """Prints ``per_day`` jobs a day at random moments. ``heard(job)`` is called for each that must be in the ledger."""

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
        self._noise, self._noise_at = 0, -_NOISE_LASTS_S
        start = datetime(2026, 3, 2, 9, 0)
        self._jobs: Iterator[Receipt] = receipts(chance.randrange(2**32), start=start, same_again=_SAME_AGAIN)
        self.printed = 0
        self.running = True
        at(self._chance.uniform(0, self._pause_s), self._print)

    def noise(self, octets: bytes) -> None:
        """Something that no till printed comes over the line."""
        self._noise, self._noise_at = self._noise + 1, self._shop.clock.now
        self._shop.source.put(octets)

    def _print(self) -> None:
        if not self.running:
            return
        now = self._shop.clock.now
        job = Job(now, next(self._jobs), self._shop.starts, whole=now - self._noise_at > _NOISE_LASTS_S)
        self.printed += job.expected is not None
        octets = job.receipt.octets
        cut = self._chance.randrange(1, len(octets))
        noise = self._noise
        self._put(job, octets[:cut], noise)
        self._at(_PIECE_S, lambda: self._end(job, octets[cut:], noise))
        self._at(max(2.0, self._chance.expovariate(1 / self._pause_s)), self._print)

    def _end(self, job: Job, rest: bytes, noise: int) -> None:
        self._put(job, rest, noise)
        if job.whole and job.expected is not None:
            self._at(HEARD_AFTER_S, lambda: self._judge(job, noise))

    def _put(self, job: Job, octets: bytes, noise: int) -> None:
        shop = self._shop
        same_life = shop.agent is not None and shop.starts == job.life
        job.whole &= shop.source.put(octets) and same_life and self._noise == noise

    def _judge(self, job: Job, noise: int) -> None:
        """Heard to its end, if the agent still lives; one whose disk refuses has it in memory."""
        shop = self._shop
        if shop.agent is None or shop.starts != job.life or self._noise != noise or not job.whole:
            return
        if shop.disk.refuses is not None or shop.clock.now - shop.disk.refused_until < HEARD_AFTER_S:
            self._at(HEARD_AFTER_S, lambda: self._judge(job, noise))
            return
        self._heard(shop, job)
