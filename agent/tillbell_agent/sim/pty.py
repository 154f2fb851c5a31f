"""A pseudo-terminal that stands for a serial port, with a symbolic link at a path of one's choice.

The simulator has the master; programs open the slave by the link. The slave is kept open here too, so that a program
that closes the port, or dies, does not end it.
"""

import contextlib
import os
import pty
import termios
import tty
from pathlib import Path

SPEEDS = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600)
_SPEEDS = {getattr(termios, f"B{speed}"): speed for speed in SPEEDS if hasattr(termios, f"B{speed}")}
# What is written while nobody reads: more than this is lost, as on a real line.
MAX_UNREAD_OCTETS = 65_536


class PseudoTerminal:
    """Raw, so that octets pass unchanged and nothing is echoed by the line itself. Use as a context manager. Never ``other_than``."""

    def __init__(self, link: Path, other_than: str = "") -> None:
        self._link = link
        self._unwritten = bytearray()
        self.master, self._slave = _open(other_than)
        self.path = os.ttyname(self._slave)
        tty.setraw(self._slave)
        os.set_blocking(self.master, False)
        try:
            self._make_link()
        except OSError:
            os.close(self.master)
            os.close(self._slave)
            raise

    def __enter__(self) -> "PseudoTerminal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fileno(self) -> int:
        return self.master

    def read(self) -> bytes:
        """What was written into the port since; empty where there is nothing."""
        try:
            return os.read(self.master, 65_536)
        except BlockingIOError:
            return b""

    def speed(self) -> int:
        """What a program has set the port to, in bit/s; 0: a speed that this system has no name for."""
        return _SPEEDS.get(termios.tcgetattr(self._slave)[5], 0)

    def write(self, data: bytes) -> None:
        """Into the port; what does not fit is kept for ``flush``, up to a limit."""
        self._unwritten += data[: MAX_UNREAD_OCTETS - len(self._unwritten)]
        self.flush()

    def flush(self) -> None:
        """Write on. ``unwritten`` says whether something is left."""
        with contextlib.suppress(BlockingIOError):
            while self._unwritten:
                del self._unwritten[: os.write(self.master, self._unwritten)]

    @property
    def unwritten(self) -> bool:
        return bool(self._unwritten)

    def close(self) -> None:
        """End the port; the link goes with it, unless somebody has pointed it elsewhere."""
        with contextlib.suppress(OSError):
            if self._link.readlink() == Path(self.path):
                self._link.unlink()
        os.close(self.master)
        os.close(self._slave)

    def _make_link(self) -> None:
        """Put the link in place in one step. FileExistsError where something else than a link is there."""
        if self._link.exists() and not self._link.is_symlink():
            raise FileExistsError(f"{self._link} exists and is no symbolic link")
        beside = self._link.with_name(f".{self._link.name}.{os.getpid()}")
        beside.symlink_to(self.path)
        beside.replace(self._link)


def _open(other_than: str) -> tuple[int, int]:
    """A pseudo-terminal of another name: names that are free again are given out first."""
    first = pty.openpty()
    if os.ttyname(first[1]) != other_than:
        return first
    try:
        return pty.openpty()
    finally:
        for descriptor in first:
            os.close(descriptor)
