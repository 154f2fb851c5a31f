"""What boards with MicroPython's ``machine`` have in common. Not proven without a board: see ``hw/hardware-results.md``."""

import binascii
import os
import select
import sys

import machine

from tillbell_bridge.config import Config, TapConfig
from tillbell_bridge.hal_time import Ticks
from tillbell_protocol.link import messages as m
from tillbell_start.repl import WATCHDOG_MS

_READ = 512  # a piece of memory that can always be had
_USB_PIECE = 64
_PARITIES = {"N": None, "E": 0, "O": 1}


class Receiver:
    """A UART that only listens: its transmitter's pin is an input again before anything can be driven."""

    def __init__(self, tap: TapConfig) -> None:
        self._uart = machine.UART(
            tap.uart, tap.baudrate, bits=tap.bits, parity=_PARITIES[tap.parity], stop=tap.stop,
            rx=machine.Pin(tap.rx), tx=machine.Pin(tap.tx), rxbuf=tap.rxbuf,
            invert=machine.UART.INV_RX if tap.invert else 0,
        )  # fmt: skip
        machine.Pin(tap.tx, machine.Pin.IN)
        self._room = tap.rxbuf
        self._lost = 0

    def read(self) -> bytes:
        waiting = self._uart.any()
        if waiting >= self._room - 1:
            self._lost += 1  # the driver drops what does not fit, without a word
        return self._uart.read(min(waiting, _READ)) or b"" if waiting else b""

    def take_errors(self) -> "tuple[int, int]":
        """Overruns and framing errors since the last call."""
        lost, self._lost = self._lost, 0
        return lost, 0


class UsbLink:
    """The REPL's own port. A host that does not read is not waited for.

    ``whole_packets``: over USB a write that finds less room than it needs waits half a second for it. Room is always a
    multiple of a packet where all that is written is; zeros behind a frame are nothing (SPEC 9.1).
    """

    def __init__(self, whole_packets: bool) -> None:
        self._whole_packets = whole_packets
        self._ready = select.poll()
        self._ready.register(sys.stdin, select.POLLIN | select.POLLOUT)

    def _can(self, event: int) -> bool:
        return any(found & event for _, found in self._ready.poll(0))

    def read(self) -> bytes:
        found = bytearray()
        while len(found) < _READ and self._can(select.POLLIN):
            found += sys.stdin.buffer.read(1)
        return bytes(found)

    def write(self, octets: bytes) -> int:
        piece = octets[:_USB_PIECE]
        if not piece or not self._can(select.POLLOUT):
            return 0
        is_end = self._whole_packets and piece[-1] == 0
        taken = sys.stdout.buffer.write(piece + bytes(-len(piece) % _USB_PIECE if is_end else 0)) or 0
        return min(taken, len(piece))


class MachineBoard:
    """``receiver``: the class of its taps."""

    def __init__(self, config: Config, receiver) -> None:  # type: ignore[no-untyped-def]
        self.unique_id = binascii.hexlify(machine.unique_id()).decode()
        self.reset_cause = _cause()
        self._ticks = Ticks()
        self._led = machine.Pin(config.led, machine.Pin.OUT) if config.led is not None else None
        strap = (
            machine.Pin(config.strap, machine.Pin.IN, machine.Pin.PULL_UP)
            if config.strap is not None
            else None
        )
        self._strapped = strap is not None and strap.value() == 0
        self._watchdog = None  # type: machine.WDT | None
        self._link = UsbLink(config.link == "usb")
        self.taps = [receiver(tap) if tap is not None else None for tap in config.taps]

    def ticks_us(self) -> int:
        return self._ticks.now()

    def link_read(self) -> bytes:
        return self._link.read()

    def link_write(self, octets: bytes) -> int:
        return self._link.write(octets)

    def random(self, count: int) -> bytes:
        return os.urandom(count)

    def set_led(self, on: bool) -> None:
        if self._led is not None:
            self._led.value(on)

    def is_strapped(self) -> bool:
        return self._strapped

    def start_watchdog(self) -> None:
        self._watchdog = machine.WDT(timeout=WATCHDOG_MS)

    def feed(self) -> None:
        if self._watchdog is not None:
            self._watchdog.feed()

    def pause(self) -> None:
        machine.idle()

    def reset(self) -> None:
        machine.reset()


def _cause() -> int:
    """MicroPython's names differ by port; those that this one does not have cannot be the cause."""
    known = {"PWRON_RESET": "power", "WDT_RESET": "watchdog", "HARD_RESET": "button", "SOFT_RESET": "command"}
    found = machine.reset_cause()
    for name, word in known.items():
        if getattr(machine, name, None) == found:
            return m.RESET_CAUSES.index(word)
    return 0
