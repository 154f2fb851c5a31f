"""Which modem carries which message: by the recipient's prefix where that is configured, past modems that cannot.

Pure. A phone belongs to the modems with the longest prefix that it begins with; where none fits, to those without
prefixes; where none of these can send, to any. A modem that is not ready is given a grace before its phones go to others,
so that a short loss of the network does not send them by a dearer SIM; one that holds its SIM back loses them at once.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from tillbell_agent.outbox import ANYBODY, Route

# Longer than a modem takes to find its network again, shorter than a person waits for a sale's text.
GRACE_S = 60.0


@dataclass(slots=True)
class Routes:
    """``prefixes``: modem → the beginnings of the numbers that it is for, in the order of the configuration."""

    prefixes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    _last_ready: dict[str, float] = field(default_factory=dict)  # inf: it is ready
    _barred: set[str] = field(default_factory=set)

    def told(self, modem: str, now: float, *, ready: bool, held: bool) -> None:
        """Note whether a modem can send now; ``held``: its SIM is left alone for a while."""
        if ready:
            self._last_ready[modem] = math.inf
        else:  # also at its start each has the grace to come up
            self._last_ready[modem] = min(now, self._last_ready.get(modem, now))
        (self._barred.add if held else self._barred.discard)(modem)

    def able(self, now: float) -> frozenset[str]:
        """The modems that messages are kept for."""
        return frozenset(
            modem
            for modem, last_ready in self._last_ready.items()
            if modem not in self._barred and now < last_ready + GRACE_S
        )

    def others(self, modem: str, now: float) -> bool:
        """Whether another modem could carry what this one cannot."""
        return bool(self.able(now) - {modem})

    def next_change(self, now: float) -> float | None:
        """When a modem's grace ends, so that others look at the queue; None: nothing changes by time alone."""
        if not any(self.prefixes.values()):
            return None
        end = min((self._last_ready[modem] + GRACE_S for modem in self.able(now)), default=math.inf)
        return None if end == math.inf else end

    def of(self, modem: str, now: float) -> Route:
        """The phones that ``modem`` sends to now."""
        if not any(self.prefixes.values()):
            return ANYBODY
        able = self.able(now) | {modem}
        owners: dict[str, set[str]] = {}
        for name in able:
            for prefix in self.prefixes.get(name, ()):
                owners.setdefault(prefix, set()).add(name)
        general = {name for name in able if not self.prefixes.get(name)} or able
        longest_first = sorted(owners, key=len, reverse=True)
        return Route(
            tuple((prefix, modem in owners[prefix]) for prefix in longest_first), otherwise=modem in general
        )
