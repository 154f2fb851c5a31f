"""Whether what waits in a shop's outbox leaves while it can: asked every ten minutes of simulated time."""

import sqlite3
from collections import deque
from dataclasses import dataclass, field

from tillbell_agent.outbox import Message, State
from tillbell_agent.sim.installation.shop import Shop
from tillbell_agent.sim.installation.world import BEGAN
from tillbell_agent.sim.modem_core import Power

LOOK_S = 600.0
# A backlog of two days leaves within two hours, a SIM without credit gets some within two, and pauses between tries pass.
_PATIENCE_S = 6 * 3600.0
_ALL = 1_000_000


@dataclass(slots=True)
class Patience:
    """``able_at``: when it was looked and the shop could send, in simulated seconds."""

    able_at: list[float] = field(default_factory=list)
    # The newest message of each look since when the shop could send without a break.
    _newest: "deque[int]" = field(default_factory=lambda: deque(maxlen=int(_PATIENCE_S / LOOK_S) + 1))

    def look(self, shop: Shop, now: float) -> str | None:
        """What waits though the shop could send all the time, in words; told once."""
        if not _can_send(shop):
            self._newest.clear()
            return None
        self.able_at.append(now)
        try:
            overdue = self._overdue(shop)
        except sqlite3.DatabaseError:  # a lost page, which the agent comes upon by itself
            self._newest.clear()
            return None
        if overdue is None:
            return None
        self._newest.clear()
        return f"message {overdue} waits, though the shop could send for {_PATIENCE_S / 3600:.0f} hours"

    def forget(self) -> None:
        """Begin anew: the store is another one, or what was held may leave from now on."""
        self._newest.clear()

    def able_s(self, message: Message) -> float:
        """For how long a message could have been sent; its dates follow where the shop's clock is set."""
        began = message.created_at - BEGAN.timestamp()
        ended = began + message.expires_at - message.created_at
        return LOOK_S * sum(began <= at <= ended for at in self.able_at)

    def _overdue(self, shop: Shop) -> int | None:
        assert shop.agent is not None
        outbox, unix = shop.agent.register.outbox, shop.clock.moment().unix
        with shop.disk.at_peace():
            self._newest.append(max((message.id for message in outbox.recent(1)), default=0))
            if len(self._newest) != self._newest.maxlen:
                return None
            waiting = outbox.recent(_ALL, State.QUEUED) + outbox.recent(_ALL, State.CLAIMED)
        due = [message.id for message in waiting if message.not_before <= unix]
        return min((number for number in due if number <= self._newest[0]), default=None)


def _can_send(shop: Shop) -> bool:
    """An agent runs, its disk takes, and a modem has a network."""
    machines = [modem.machine for modem in shop.modems]
    registered = any(each.commands.stat == 1 and each.power is Power.ON for each in machines)
    return shop.agent is not None and shop.disk.refuses is None and registered
