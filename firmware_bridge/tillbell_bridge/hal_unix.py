"""A board that is a process: its taps and its link are pseudo-terminals. For tests, and for trying the installer."""

import os
import select
import sys
import termios

from tillbell_bridge.config import Config
from tillbell_bridge.hal_time import Ticks
from tillbell_protocol.link import messages as m

_VTIME, _VMIN = 5, 6
_READ = 512  # a piece of memory that can always be had


class Port:
    """A terminal's device, read and written without waiting."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "r+b", 0)
        set_waiting(self._file.fileno(), 0)
        self._writable = select.poll()
        self._writable.register(self._file, select.POLLOUT)

    def read(self) -> bytes:
        """Nothing where nobody has the other end, as on a wire."""
        try:
            return self._file.read(_READ) or b""
        except OSError:
            return b""

    def write(self, octets: bytes) -> int:
        """How many were taken."""
        for _, event in self._writable.poll(0):
            if event & select.POLLOUT:
                return self._file.write(octets) or 0
        return 0


class Receiver(Port):
    def take_errors(self) -> "tuple[int, int]":
        """Overruns and framing errors since the last call: a pseudo-terminal has none."""
        return 0, 0


class Board:
    """``TILLBELL_TAP1``, ``TILLBELL_TAP2``: the taps' devices; ``TILLBELL_LINK``: the link's; ``TILLBELL_BOARD_ID``."""

    def __init__(self, config: Config) -> None:
        self.unique_id = os.getenv("TILLBELL_BOARD_ID") or "unix"
        self.reset_cause = m.RESET_CAUSES.index("power")
        self._ticks = Ticks()
        self._link = Port(os.getenv("TILLBELL_LINK") or "/dev/tty")
        self.taps = [self._tap(config, channel) for channel in (1, 2)]

    def _tap(self, config: Config, channel: int) -> "Receiver | None":
        path = os.getenv(f"TILLBELL_TAP{channel}")
        is_wanted = channel <= len(config.taps) and config.taps[channel - 1] is not None
        return Receiver(path) if path and is_wanted else None

    def ticks_us(self) -> int:
        return self._ticks.now()

    def link_read(self) -> bytes:
        return self._link.read()

    def link_write(self, octets: bytes) -> int:
        """How many octets were taken; never waits."""
        return self._link.write(octets)

    def random(self, count: int) -> bytes:
        return os.urandom(count)

    def set_led(self, on: bool) -> None:
        """There is none."""

    def is_strapped(self) -> bool:
        """Whether somebody asked for the REPL by a pin."""
        return False

    def start_watchdog(self) -> None:
        """A process has none."""

    def feed(self) -> None:
        """As above."""

    def pause(self) -> None:
        """Between two turns."""
        select.poll().poll(2)

    def reset(self) -> None:
        sys.exit(0)


def set_waiting(descriptor: int, least: int) -> None:
    """Raw; a read waits for so many octets: with 0 it gives what is there, as a UART does."""
    termios.setraw(descriptor)
    modes = termios.tcgetattr(descriptor)
    modes[6][_VTIME], modes[6][_VMIN] = 0, least
    termios.tcsetattr(descriptor, termios.TCSANOW, modes)
