"""A port that comes and goes: opened, lost, and looked for again after a pause. Shared by sources and modems."""

from collections.abc import Callable
from typing import Generic, TypeVar

from tillbell_agent.shell.ports import PortError
from tillbell_agent.world import DuplexPort, Port

PortT = TypeVar("PortT", bound=Port)

# A port that does not exist is looked for at this interval, for ever: one look costs less than a millisecond.
_LOOK_S = 0.5
# Pauses between two tries on one that exists: a port that opens but is dead does not spin.
_REOPEN_S = (1.0, 1.0, 1.0, 2.0, 5.0)


class Line(Generic[PortT]):
    """``port`` is None while there is none; ``trouble`` says why, ``since`` when that began (monotonic seconds)."""

    def __init__(self, open_port: Callable[[], PortT]) -> None:
        self.port: PortT | None = None
        self.trouble: str | None = "not opened yet"
        self.since = 0.0
        self.reopen_at: float | None = None
        self._open_port = open_port
        self._tries = 0

    def open(self, now: float) -> bool:
        """Try to open the port; on failure another try is due at ``reopen_at``."""
        try:
            self.port = self._open_port()
        except PortError as error:
            self._pause(str(error), now, missing=error.missing)
            return False
        self.trouble, self.since, self.reopen_at = None, now, None
        return True

    def heard(self) -> None:
        """Octets came: the port is alive, so that its next loss is looked into at once."""
        self._tries = 0

    def lose(self, why: str, now: float) -> None:
        """The port is gone: close it and look again later."""
        self.close()
        self._pause(why, now)

    def due(self, now: float) -> bool:
        """Is it time for another try?"""
        return self.reopen_at is not None and now >= self.reopen_at

    def close(self) -> None:
        if self.port is not None:
            self.port.close()
            self.port = None

    def _pause(self, why: str, now: float, *, missing: bool = False) -> None:
        if why != self.trouble:
            self.trouble, self.since = why, now
        if missing:
            self.reopen_at = now + _LOOK_S
            return
        self.reopen_at = now + _REOPEN_S[min(self._tries, len(_REOPEN_S) - 1)]
        self._tries += 1


class TalkLine(Line[DuplexPort]):
    """One that is also written to: what the port does not take at once waits, and goes with the port.

    ``write_trouble``: why the port cannot be written to; its owner is to ``lose`` it. Reading need not show it: a port may
    take no octets and give none, for ever.
    """

    def __init__(self, open_port: Callable[[], DuplexPort]) -> None:
        super().__init__(open_port)
        self.write_trouble: str | None = None
        self._unwritten = b""

    @property
    def wants_to_write(self) -> bool:
        """Octets wait until the port takes more."""
        return bool(self._unwritten)

    @property
    def takes_octets(self) -> bool:
        return self.port is not None and self.write_trouble is None

    def write(self, octets: bytes) -> None:
        """As far as the port takes them, behind what waits. Only where it ``takes_octets``."""
        self._unwritten += octets
        if self.port is None or not self._unwritten:
            return
        try:
            written = self.port.write(self._unwritten)
        except PortError as error:
            self.write_trouble, self._unwritten = f"cannot be written to: {error}", b""
            return
        self._unwritten = self._unwritten[written:]

    def lose(self, why: str, now: float) -> None:
        super().lose(why, now)
        self.write_trouble, self._unwritten = None, b""
