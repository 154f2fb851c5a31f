"""Every shop on one clock: what is planned happens, whoever is due has its turn, and time moves to the next such moment."""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

from tillbell_agent.moment import earliest
from tillbell_agent.sim.installation.radio import Radio
from tillbell_agent.sim.installation.shop import Shop
from tillbell_agent.sim.network import Record

BEGAN = datetime(2026, 3, 26, 6, 0, tzinfo=UTC)  # three days before summer time begins in Europe


@dataclass(slots=True)
class World:
    """``trace`` gets every record of what happened, with the shop's name, in order."""

    seed: str
    trace: Callable[[str, Record], None]
    now: float = 0.0
    shops: list[Shop] = field(default_factory=list)
    radio: Radio = field(init=False)
    _plans: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _order: "count[int]" = field(default_factory=count)

    def __post_init__(self) -> None:
        self.radio = Radio(BEGAN, self.stream("radio"), self.at)

    def stream(self, purpose: str) -> random.Random:
        """Chance of its own for a purpose: what one draws changes nothing for the others."""
        return random.Random(f"{self.seed}/{purpose}")

    def at(self, after_s: float, action: Callable[[], None]) -> None:
        """Let something happen ``after_s`` from now."""
        heapq.heappush(self._plans, (self.now + after_s, next(self._order), action))

    def live_until(self, end: float) -> None:
        """Let time pass."""
        while True:
            for shop in self.shops:
                while shop.due:
                    shop.live()
            moment = self._next()
            if moment is None or moment > end:
                self._move(end)
                return
            self._move(max(moment, self.now))
            while self._plans and self._plans[0][0] <= self.now:
                heapq.heappop(self._plans)[2]()
            for shop in self.shops:
                for modem in shop.modems:
                    modem.let_pass()

    def _next(self) -> float | None:
        times = [self._plans[0][0] if self._plans else None]
        for shop in self.shops:
            times += [shop.wake_at, *(modem.machine.next_deadline() for modem in shop.modems)]
        return earliest(*times)

    def _move(self, moment: float) -> None:
        self.now = self.radio.now = moment
        for shop in self.shops:
            shop.clock.now = moment
