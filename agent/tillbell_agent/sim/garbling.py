"""A pseudo-terminal that hears wrongly where it is set to another speed than the line has, as a real port does.

A pseudo-terminal has a speed, which changes nothing, and drops parity and seven bits: so only the speed is simulated.
The speed is read from the other end's settings; what a UART of that speed makes of the octets is written to it.
"""

from pathlib import Path

from tillbell_agent.sim.pty import PseudoTerminal
from tillbell_agent.sim.uart import Format, garbled


class GarblingPort:
    """A line of ``speed`` behind ``link``. Use as a context manager."""

    def __init__(self, link: Path, speed: int) -> None:
        self._speed = speed
        self._port = PseudoTerminal(link)

    def __enter__(self) -> "GarblingPort":
        return self

    def __exit__(self, *_: object) -> None:
        self._port.close()

    def say(self, octets: bytes) -> None:
        """One burst, as the port hears it at the speed that it has now."""
        at = self._port.speed()
        heard = octets if at in (self._speed, 0) else _heard(octets, self._speed, at)
        self._port.write(heard)

    def written(self) -> bytes:
        """What was written into the port since: to a terminal's line, nothing."""
        return self._port.read()


def _heard(octets: bytes, speed: int, at: int) -> bytes:
    return bytes(each.octet for each in garbled(octets, (speed, Format()), (at, Format())))
