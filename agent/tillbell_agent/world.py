"""What the runner needs of the world, as interfaces: the shell gives the real ones, a simulation its own."""

from typing import Protocol

from tillbell_agent.moment import Moment


class Port(Protocol):
    """A line that is open. ``read`` and ``write`` raise ``PortError`` where it is gone."""

    def fileno(self) -> int: ...

    def read(self) -> bytes: ...

    def close(self) -> None: ...


class DuplexPort(Port, Protocol):
    """A line that may be written to: a modem's, never a terminal's."""

    def write(self, data: bytes) -> int: ...

    def set_speed(self, baudrate: int) -> None: ...


class Clock(Protocol):
    """Monotonic seconds for timers; the wall clock for what people read."""

    def monotonic(self) -> float: ...

    def moment(self) -> Moment: ...
