"""A board in virtual time: UARTs with a FIFO of 32 octets, a flash that takes its time, and a loop that does too.

On an RP2040 nothing empties the FIFO while flash is erased or written, since interrupts are off; on an ESP32 the interrupt
runs on, and only the loop waits.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

FIFO_OCTETS = 32
ERASE_US, PROGRAM_US, PAGE = 45_000, 400, 256
WATCHDOG_US = 8_388_000  # an RP2040's most
TURN_US, RUBBISH_EVERY, RUBBISH_US = 1_500, 200, 12_000


class SimUart:
    """``said``: (when it begins in microseconds, octets), in order; back to back within one."""

    def __init__(self, said: Sequence[tuple[int, bytes]], octet_us: int, room: int = 4096) -> None:
        self.overran = False
        self._said, self._octet_us, self._room = list(said), octet_us, room
        self._fifo, self._buffer = bytearray(), bytearray()
        self._errors = 0

    def pass_time(self, now: int, interrupts: bool) -> None:
        """Up to ``now``."""
        for octets in self._arrived(now):
            self._fifo += octets
            if interrupts:
                self._empty_fifo()
            elif len(self._fifo) > FIFO_OCTETS:
                del self._fifo[FIFO_OCTETS:]
                self.overran = True
        if interrupts:
            self._empty_fifo()

    def read(self) -> bytes:
        found = bytes(self._buffer)
        self._buffer.clear()
        return found

    def take_errors(self) -> tuple[int, int]:
        errors, self._errors = self._errors + self.overran, 0
        self.overran = False
        return errors, 0

    def _empty_fifo(self) -> None:
        self._buffer += self._fifo
        self._fifo.clear()
        if len(self._buffer) > self._room:
            del self._buffer[self._room :]
            self._errors += 1

    def _arrived(self, now: int) -> Iterator[bytes]:
        while self._said:
            began, octets = self._said[0]
            count = min(len(octets), max(0, (now - began) // self._octet_us))
            if count:
                yield octets[:count]
            if count < len(octets):
                self._said[0] = (began + count * self._octet_us, octets[count:])
                return
            self._said.pop(0)


class WatchdogReset(BaseException):
    """No program can catch it."""


class SimBoard:
    """What ``hal`` gives, in virtual time. No host is there."""

    unique_id, reset_cause = "e6614103", 1

    def __init__(self, uarts: Sequence[SimUart | None], *, flash_stalls: bool) -> None:
        self.now = 0
        self.taps = list(uarts)
        self.fed = self.flash_us = 0
        self._fed_at: int | None = None
        self._flash_stalls = flash_stalls
        self._numbers = iter(range(1, 1 << 30))

    def spend(self, microseconds: int, *, interrupts: bool = True) -> None:
        """Lines go on meanwhile."""
        self.now += microseconds
        for uart in self.taps:
            if uart is not None:
                uart.pass_time(self.now, interrupts)
        if self._fed_at is not None and self.now - self._fed_at > WATCHDOG_US:
            raise WatchdogReset

    def spend_on_flash(self, octets: int) -> None:
        pages = -(-octets // PAGE) + 2  # the data and littlefs' own
        self.flash_us += ERASE_US + pages * PROGRAM_US
        self.spend(ERASE_US + pages * PROGRAM_US, interrupts=not self._flash_stalls)

    def ticks_us(self) -> int:
        return self.now

    def link_read(self) -> bytes:
        return b""

    def link_write(self, octets: bytes) -> int:
        return 0

    def random(self, count: int) -> bytes:
        return next(self._numbers).to_bytes(count, "little")

    def set_led(self, on: bool) -> None:
        """Nobody looks."""

    def start_watchdog(self) -> None:
        self._fed_at = self.now

    def feed(self) -> None:
        self.fed += 1
        if self._fed_at is not None:
            self._fed_at = self.now


@contextmanager
def timed_flash(board: SimBoard, modules: Sequence[Any]) -> Iterator[None]:
    """Whatever these modules write, rename or remove takes the board's time."""

    def open_timed(path: str, mode: str) -> Any:
        if "r" in mode:
            return open(path, mode)
        return _TimedFile(path, mode, board)

    def timed(act: Any) -> Any:
        def done(*arguments: Any) -> Any:
            board.spend_on_flash(0)
            return act(*arguments)

        return done

    shim = SimpleNamespace(
        remove=timed(os.remove), rename=timed(os.rename), mkdir=os.mkdir, listdir=os.listdir, stat=os.stat
    )
    patched = {"open": open_timed, "os": shim, "create": True}
    with mock.patch.multiple(modules[0], **patched), mock.patch.multiple(modules[1], **patched):
        yield


class _TimedFile:
    def __init__(self, path: str, mode: str, board: SimBoard) -> None:
        self._file, self._board, self._written = Path(path).open(mode), board, 0

    def __enter__(self) -> "_TimedFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._board.spend_on_flash(self._written)

    def write(self, octets: bytes) -> None:
        self._written += len(octets)
        self._file.write(octets)
