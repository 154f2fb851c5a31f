"""A Pico in software: ``rp2040py`` runs MicroPython's own UF2, its USB, its UARTs and its flash; one clock, its own.

Nothing here brings MicroPython for the Pico: TILLBELL_RP2040_UF2 names a file of it, and ``make rp2040`` fetches one. It runs at a
fiftieth or so of a real board's speed: seconds are the emulated board's, never the machine's.
"""

import asyncio
import dataclasses
import os
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any

from tillbell_agent.bridge.events import BridgeEvent, Chunk
from tillbell_agent.bridge.session import BridgeSession

FLASH = 2 * 1024 * 1024
_UF2_BLOCK = 512
_OCTET_US = 87  # 115,200 baud
_PATIENCE_S = 1800.0  # of this machine's: whatever was waited for, it does not come
_CODE_S = 1200.0


class Pico:
    """``image``: what its file system is; without, it makes one. Stopping it is a power cut: ``image()`` is what is left."""

    def __init__(self, uf2: Path, image: bytes | None = None) -> None:
        """Raises ValueError where the file is no UF2."""
        size = uf2.stat().st_size
        if not size or size % _UF2_BLOCK:
            raise ValueError(f"{uf2} is no UF2: it does not consist of blocks of {_UF2_BLOCK} octets")
        _mend_the_uart()
        device = import_module("rp2040py.device").MicroPythonDevice
        self._device = device(board=_spec(uf2))
        # The emulator's console begins with a newline; nobody types on a bridge.
        self._device._post_boot_handshake = lambda: None
        self._files = slice(FLASH - octets_of_files(uf2), FLASH)
        if image is not None:
            self._device.mcu.flash[self._files] = image
        self._heard = bytearray()
        self._to_board = bytearray()

    async def __aenter__(self) -> "Pico":
        await self._device.astart(_PATIENCE_S)
        self._device.cdc.on_serial_data = self._heard.extend
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._device.stop()

    @property
    def now(self) -> float:
        """Seconds since the power came."""
        return float(self._device.simulator.clock.nanos) / 1e9

    @property
    def listens(self) -> bool:
        return bool(self._device.mcu.uart[0].enabled)

    def image(self) -> bytes:
        return bytes(self._device.mcu.flash[self._files])

    async def said(self, code: str) -> str:
        """What this code prints. AssertionError: what it raises."""
        printed, raised = await self._device.aexec(code, timeout=_CODE_S)
        assert raised == b"", raised.decode()
        return str(printed, "utf-8").strip()

    def hear_at_once(self, octets: bytes) -> None:
        """On the first UART's pin, as many as its FIFO takes."""
        for octet in octets:
            self._device.mcu.uart[0].feed_byte(octet)

    async def hear(self, octets: bytes) -> None:
        """The same at 115,200 baud, as long as it takes."""
        for octet in octets:
            until = self.now + _OCTET_US / 1e6
            self.hear_at_once(bytes([octet]))
            await self.until(lambda until=until: self.now >= until, 1.0)

    async def until(
        self, is_so: Callable[[], bool], seconds: float, turn: Callable[[], None] | None = None
    ) -> None:
        """Run until it is so; ``turn`` is called in between. TimeoutError after so many of the board's seconds."""
        end, stuck = self.now + seconds, time.monotonic() + _PATIENCE_S
        while not is_so():
            if self.now > end or time.monotonic() > stuck:
                raise TimeoutError(f"not within {seconds} s of the board's")
            await asyncio.sleep(0)
            if turn is not None:
                turn()

    async def go_on(self, seconds: float) -> None:
        end = self.now + seconds
        await self.until(lambda: self.now >= end, seconds + 1)

    def read(self) -> bytes:
        """What came over USB since the last call."""
        found = bytes(self._heard)
        self._heard.clear()
        return found

    def write(self, octets: bytes) -> None:
        """Over USB, as fast as the board takes it."""
        self._to_board += octets
        fifo = self._device.cdc.tx_fifo
        room = max(fifo.size - fifo.item_count, 0)
        for octet in self._to_board[:room]:
            self._device.cdc.send_serial_byte(octet)
        del self._to_board[:room]


class Agent:
    """The agent's end of the link, on the board's clock; each chunk is durable as soon as it is told."""

    def __init__(self, pico: Pico, link_key: bytes) -> None:
        self._pico = pico
        self._session = BridgeSession(link_key, pico.now, durable={}, nonce=lambda: os.urandom(16))
        self.events: list[BridgeEvent] = []

    @property
    def bad_frames(self) -> int:
        return self._session.bad_frames

    def turn(self) -> None:
        now = self._pico.now
        found = self._session.receive_data(self._pico.read(), now) + self._session.tick(now)
        for event in found:
            if isinstance(event, Chunk):
                self._session.durable(event.log, event.seq, now)
        self.events += found
        self._pico.write(self._session.bytes_to_send())

    def chunks(self) -> list[Chunk]:
        return [event for event in self.events if isinstance(event, Chunk)]


def octets_of_files(uf2: Path) -> int:
    """How large the file system of this build is."""
    layout = _spec(uf2).layout
    return int(layout.fs_blockcount * layout.fs_blocksize)


def _spec(uf2: Path) -> Any:
    """A Pico's parts, whichever build it runs: one for the Pico W takes more of the flash, and nothing here is wireless."""
    boards = import_module("rp2040py.boards")
    micropython = import_module("rp2040py.utils.firmware_retrieve").MICROPYTHON
    build = "pico_w" if _holds(uf2, b"Pico W with RP2040") else "pico"
    layout = boards.resolve_board_spec(build, micropython, str(uf2)).layout
    return dataclasses.replace(boards.resolve_board_spec("pico", micropython, str(uf2)), layout=layout)


def _holds(uf2: Path, wanted: bytes) -> bool:
    octets = uf2.read_bytes()
    return wanted in b"".join(octets[at + 32 : at + 288] for at in range(0, len(octets), _UF2_BLOCK))


def _mend_the_uart() -> None:
    """The emulator says "transmitter empty" at each look at its interrupts, so ``machine.UART`` never comes out of one, where
    a real one says so when it has sent; and it has no register of receive errors, which reads as if there were all of them."""
    uart = import_module("rp2040py.peripherals.uart")
    if uart.RPUART.check_interrupts.__module__ == __name__:
        return
    read, write = uart.RPUART.read_uint32, uart.RPUART.write_uint32
    receive_status = 0x04

    def check_interrupts(self: Any) -> None:
        self.rp2040.set_interrupt(self.irq, bool(self._interrupt_status & self._interrupt_mask))

    def read_uint32(self: Any, offset: int) -> int:
        return 0 if offset == receive_status else int(read(self, offset))

    def write_uint32(self: Any, offset: int, value: int) -> None:
        if offset == receive_status:
            return
        write(self, offset, value)
        if offset == uart.UARTDR:
            self._interrupt_status |= uart.UARTTXINTR
            self.check_interrupts()

    uart.RPUART.check_interrupts = check_interrupts
    uart.RPUART.read_uint32 = read_uint32
    uart.RPUART.write_uint32 = write_uint32
