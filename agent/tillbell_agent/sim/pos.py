"""Receipts' octets go onto a line as a terminal sends them: a serial port, or a pseudo-terminal that stands for a cable.

A terminal does not listen; what the other side writes is dropped. A cable waits with each job until somebody has its
far end open, because this simulator is meant to be heard; a port does not wait, like the real thing.
"""

import fcntl
import os
import select
import sys
import termios
import time
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import serial

# Octets at a time when a speed is imitated: short enough to look like a stream, long enough to sleep seldom.
_CHUNK_OCTETS = 32
_BITS_PER_OCTET = 10  # 8N1: start, eight, stop
# Whoever opens a port throws away what stood in it before (pyserial does), a moment after the opening is seen.
_SETTLE_S = 0.3
_POLL_S = 0.05
_DRAIN_S = 2.0  # a reader that takes nothing for so long does not read
# A port that stood empty for so long is empty: between a reader's two pieces it is, too, while the kernel moves the next.
_EMPTY_S = 0.3


class CableError(Exception):
    """The line cannot be made, opened or written; the message says why and what to do."""


class Cable(Protocol):
    """Where a terminal's octets go."""

    def wait_for_listener(self) -> None:
        """Return when a job may be sent."""

    def write(self, octets: bytes) -> None:
        """Write all of it, however long the other side takes. CableError."""

    def close(self) -> None: ...


class SerialCable:
    """A real or virtual port that exists: opened at ``baudrate``, 8N1, no flow control."""

    def __init__(self, port: str, baudrate: int) -> None:
        try:
            self._serial = serial.Serial(port, baudrate)
        except (serial.SerialException, ValueError, OSError) as error:
            raise CableError(
                f"port {port} cannot be opened: {error}. Is it the right path, is it plugged in?"
            ) from error
        self._port = port

    def wait_for_listener(self) -> None:
        """A wire does not know who listens."""

    def write(self, octets: bytes) -> None:
        _write_all(self._serial.fileno(), octets, self._port)

    def close(self) -> None:
        self._serial.flush()
        self._serial.close()


class PtyCable:
    """A pseudo-terminal whose far end is reached by the link ``link``; the link goes when the cable is closed."""

    def __init__(self, link: Path) -> None:
        if link.exists() and not link.is_symlink():
            raise CableError(f"{link} exists and is no link. Choose another path")
        self._near, far = os.openpty()
        tty.setraw(far)
        self._target = os.ttyname(far)
        os.close(far)
        self._link = link
        # The new link replaces one that an earlier run left behind, in one step.
        fresh = link.with_name(f".{link.name}.{os.getpid()}")
        try:
            fresh.symlink_to(self._target)
            fresh.replace(link)
        except OSError as error:
            os.close(self._near)
            raise CableError(
                f"link {link} cannot be made: {error.strerror}. Does its folder exist?"
            ) from error

    def wait_for_listener(self) -> None:
        """Return when somebody has the far end open, a moment after it was opened."""
        waited = False
        while not self._open_at_far_end():
            waited = True
            time.sleep(_POLL_S)
        if waited:
            time.sleep(_SETTLE_S)

    def write(self, octets: bytes) -> None:
        _write_all(self._near, octets, str(self._link))

    def close(self) -> None:
        """Closing takes away what the far end has not read yet, so wait for it while it reads."""
        if self._link.is_symlink() and os.readlink(self._link) == self._target:
            self._link.unlink()
        if self._open_at_far_end():
            self._drain()
        os.close(self._near)

    def _drain(self) -> None:
        far = os.open(self._target, os.O_RDWR | os.O_NOCTTY)
        unread, since = _unread(far), time.monotonic()
        while time.monotonic() - since < (_DRAIN_S if unread else _EMPTY_S):
            time.sleep(_POLL_S)
            left = _unread(far)
            unread, since = left, (since if left == unread else time.monotonic())
        os.close(far)

    def _open_at_far_end(self) -> bool:
        poll = select.poll()
        poll.register(self._near, 0)
        return not poll.poll(0)  # POLLHUP: nobody


def paced(octets: bytes, baudrate: int | None) -> Iterator[tuple[bytes, float]]:
    """Pieces and the seconds that each takes on a line of ``baudrate``; one piece without a speed."""
    if baudrate is None:
        yield octets, 0.0
        return
    for start in range(0, len(octets), _CHUNK_OCTETS):
        chunk = octets[start : start + _CHUNK_OCTETS]
        yield chunk, len(chunk) * _BITS_PER_OCTET / baudrate


def send(cable: Cable, octets: bytes, baudrate: int | None) -> None:
    """One job, at the line's speed if one is given."""
    cable.wait_for_listener()
    for chunk, seconds in paced(octets, baudrate):
        cable.write(chunk)
        time.sleep(seconds)


def _unread(descriptor: int) -> int:
    """Octets that stand in a port and nobody has read. The number leaves out what is on its way through the kernel;
    asking whether the port is readable waits for that."""
    select.select([descriptor], [], [], 0)
    return int.from_bytes(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)), sys.byteorder)


def _write_all(descriptor: int, octets: bytes, name: str) -> None:
    """A pseudo-terminal takes 4 KiB and then as much as its reader reads; so wait between the pieces."""
    rest = memoryview(octets)
    os.set_blocking(descriptor, False)
    while rest:
        select.select([], [descriptor], [])
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            time.sleep(_POLL_S)
        except OSError as error:
            raise CableError(f"{name} cannot be written: {error.strerror}. Was it unplugged?") from error
