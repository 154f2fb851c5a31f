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
        self._excused = 0  # octets that nobody explained: a dialect may skip them, and says so when it likes

    def hear(self, octets: bytes, now: float, explained: int) -> None:
        """``explained``: so many of these octets were recognised, so the dialect should find something in them too."""
        if self._dialect is None:
            return
        self.heard += explained
        self._excused += len(octets) - explained
        skipped = self._count([*self._dialect.tick(now), *self._dialect.receive_data(octets, now)])
        excused = min(skipped, self._excused)
        self._excused -= excused
        self.skipped += skipped - excused

    @property
    def protests(self) -> bool:
        """It skipped most of what was recognised, and made nothing of the rest."""
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
