"""The settings that a port is listened with, and what a port says of the errors it heard under them."""

from dataclasses import dataclass

# From the fastest on: a line that is heard too fast betrays its speed, one that is heard too slowly does not.
SPEEDS = (115_200, 57_600, 38_400, 19_200, 9600, 4800, 2400, 1200)


@dataclass(frozen=True, slots=True)
class Setting:
    """Speed in bit/s and how a character is framed. ``parity``: N, E, O, or M (always 1), which no terminal sends."""

    baudrate: int
    bytesize: int = 8
    parity: str = "N"
    stopbits: int = 1

    def __str__(self) -> str:
        return f"{self.baudrate} {self.bytesize}{self.parity}{self.stopbits}"

    @property
    def seconds_per_octet(self) -> float:
        return (1 + self.bytesize + (self.parity != "N") + self.stopbits) / self.baudrate


@dataclass(frozen=True, slots=True)
class Errors:
    """How many characters a port has received wrongly since some moment; breaks stand among ``framing``."""

    framing: int = 0
    parity: int = 0

    def __add__(self, other: "Errors") -> "Errors":
        return Errors(self.framing + other.framing, self.parity + other.parity)

    def __sub__(self, other: "Errors") -> "Errors":
        return Errors(self.framing - other.framing, self.parity - other.parity)
