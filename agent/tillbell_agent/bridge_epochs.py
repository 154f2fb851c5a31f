"""A bridge as another second place: it is told each epoch that begins, and what it remembers makes a restored copy jump.

Its flash is not on the disk that a backup or a clone brings along, guard file and all. It is told late, and never waited for:
the guard file is what is written before a counter is used.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tillbell_agent.register import Register

if TYPE_CHECKING:  # it brings hashlib, and few agents have a bridge
    from tillbell_agent.bridge.session import BridgeSession

_TO_RECIPIENT = 0


class BridgeEpochs:
    """``register``: whose pairings these are."""

    def __init__(self, register: Register, session: "BridgeSession") -> None:
        self._register, self._session = register, session
        self._put: dict[bytes, int] = {}

    def connected(self) -> None:
        """Perhaps with another bridge: it is asked, and told everything."""
        self._put.clear()
        self._session.ask_epochs()

    def told(self, epochs: Mapping[tuple[bytes, int], int]) -> None:
        """What it remembers: by the first octets of a binding and the direction."""
        afar = {start: epoch for (start, direction), epoch in epochs.items() if direction == _TO_RECIPIENT}
        self._register.pairings.learn(afar)

    def tell(self, now: float) -> None:
        """What has begun since; cheap where nothing has. ``now``: monotonic seconds."""
        for binding, epoch in self._register.pairings.begun().items():
            if epoch > self._put.get(binding, -1):
                self._put[binding] = epoch
                self._session.put_epoch(binding, _TO_RECIPIENT, epoch, now)
