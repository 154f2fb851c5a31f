"""Whether a dialect itself understands what was heard: its events, against the octets that it skipped."""

from collections.abc import Iterable

from tillbell_agent.pos.dialect import Desynced, DialectEvent, Ignored
from tillbell_agent.pos.registry import DIALECTS, make_dialect
from tillbell_agent.pos.settings import DialectSettings

_MOST_SKIPPED = 0.5


class Opinion:
    """One dialect's. ``told``: transactions and settlements that it heard."""

    def __init__(self, name: str) -> None:
        self._dialect = make_dialect(name, DialectSettings()) if name in DIALECTS else None
        self.told = self.heard = self.skipped = 0

    def hear(self, octets: bytes, now: float, *, judged: bool) -> None:
        """``judged``: something was recognised among these octets, so the dialect should find it too."""
        if self._dialect is None:
            return
        skipped = self._count([*self._dialect.tick(now), *self._dialect.receive_data(octets, now)])
        if judged:
            self.heard += len(octets)
            self.skipped += skipped

    @property
    def protests(self) -> bool:
        """It skipped most of what it was given, and made nothing of the rest."""
        return self.skipped > _MOST_SKIPPED * self.heard and not self.told

    def _count(self, events: Iterable[DialectEvent]) -> int:
        """How many octets were skipped."""
        skipped = 0
        for event in events:
            if isinstance(event, Desynced):
                skipped += event.octets
            elif not isinstance(event, Ignored):
                self.told += 1
        return skipped
