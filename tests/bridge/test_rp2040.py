"""The link and the RP2040's own modules on an emulated RP2040 with a real MicroPython, where somebody has one.

No package brings MicroPython for the Pico, so these are skipped unless TILLBELL_RP2040_UF2 is the path of its UF2 and
``rp2040py`` is installed.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import firmware_gate as gate

VECTORS = gate.PROTOCOL / "vectors/link.json"
RUNNER = gate.REPO / "tests/protocol/link_runner.py"
_UF2_BLOCK = 512
_PIECE = 512  # octets that one command writes

TAP = """
from tillbell_bridge.config import TapConfig
from tillbell_bridge.hal_rp2 import Rp2Receiver
tap = Rp2Receiver(TapConfig({"baudrate": 9600, "bits": 8, "parity": "N", "stop": 1, "uart": 0, "rx": 1, "tx": 0,
    "rxbuf": 4096}))
"""


def emulated(uf2: Path) -> Any:
    """A Pico that is not started yet. Raises ValueError where the file is no UF2."""
    pytest.importorskip("rp2040py", reason="optional: pip install rp2040py")
    boards, device = import_module("rp2040py.boards"), import_module("rp2040py.device")
    micropython = import_module("rp2040py.utils.firmware_retrieve").MICROPYTHON
    size = uf2.stat().st_size
    if not size or size % _UF2_BLOCK:
        raise ValueError(f"{uf2} is no UF2: it does not consist of blocks of {_UF2_BLOCK} octets")
    quieten_the_transmitter()
    return device.MicroPythonDevice(board=boards.resolve_board_spec("pico", micropython, str(uf2)))


def quieten_the_transmitter() -> None:
    """The emulator says "transmitter empty" at each look at its interrupts, so ``machine.UART`` never comes out of one.

    A real one says so when it has sent.
    """
    uart = import_module("rp2040py.peripherals.uart")

    def check_interrupts(self: Any) -> None:
        self.rp2040.set_interrupt(self.irq, bool(self._interrupt_status & self._interrupt_mask))

    write = uart.RPUART.write_uint32

    def write_uint32(self: Any, offset: int, value: int) -> None:
        write(self, offset, value)
        if offset == uart.UARTDR:
            self._interrupt_status |= uart.UARTTXINTR
            self.check_interrupts()

    if uart.RPUART.check_interrupts.__module__ != __name__:
        uart.RPUART.check_interrupts = check_interrupts
        uart.RPUART.write_uint32 = write_uint32


async def said(pico: Any, code: str) -> str:
    printed, raised = await pico.aexec(code, timeout=120)
    assert raised == b"", raised.decode()
    return str(printed, "utf-8").strip()


async def put(pico: Any, name: str, octets: bytes) -> None:
    """A file, and the folders that it is in."""
    parts = name.split("/")[:-1]
    for end in range(len(parts)):
        folder = "/".join(parts[: end + 1])
        await said(
            pico,
            f"import os\nif {parts[end]!r} not in os.listdir({folder.rpartition('/')[0]!r}): os.mkdir({folder!r})",
        )
    for at in range(0, len(octets), _PIECE):
        mode, piece = ("ab" if at else "wb"), octets[at : at + _PIECE].hex()
        await said(pico, f"with open({name!r}, {mode!r}) as file: file.write(bytes.fromhex('{piece}'))")


def on_a_pico(tmp_path: Path, then: Callable[[Any], Awaitable[None]]) -> None:
    """With all modules on it, as they are deployed."""
    named = os.environ.get("TILLBELL_RP2040_UF2")
    if not named:
        pytest.skip("optional: TILLBELL_RP2040_UF2 names no UF2 of MicroPython for the Pico")
    pico = emulated(Path(named))
    gate.compile_all(tmp_path)

    async def run() -> None:
        async with pico:
            for path in sorted(tmp_path.rglob("*.mpy")):
                await put(pico, str(path.relative_to(tmp_path)), path.read_bytes())
            await then(pico)

    asyncio.run(run())


def test_the_vectors_hold_on_an_rp2040(tmp_path: Path) -> None:
    async def then(pico: Any) -> None:
        await put(pico, "link_runner.py", RUNNER.read_bytes())
        await put(pico, "link.json", VECTORS.read_bytes())
        printed = await said(pico, "import link_runner\nlink_runner.main('link.json')")
        assert printed.endswith("wrong: []")

    on_a_pico(tmp_path, then)


def test_every_module_imports_on_an_rp2040(tmp_path: Path) -> None:
    async def then(pico: Any) -> None:
        wanted = [name for name in gate.modules() if name not in gate.NOT_DEPLOYED]
        await said(pico, "\n".join(f"import {name}" for name in wanted if not name.endswith("hal_esp32")))

    on_a_pico(tmp_path, then)


def test_a_tap_hears_what_is_on_the_pin(tmp_path: Path) -> None:
    async def then(pico: Any) -> None:
        await said(pico, TAP)
        for octet in b"SALE 12.50\r\n":
            pico.mcu.uart[0].feed_byte(octet)
        heard = await said(pico, "import time\ntime.sleep_ms(50)\nprint(tap.read())")
        assert heard == "b'SALE 12.50\\r\\n'"

    on_a_pico(tmp_path, then)


@pytest.mark.parametrize("octets", [b"", b"not a UF2", bytes(512)])
def test_a_file_that_is_no_uf2_is_refused(tmp_path: Path, octets: bytes) -> None:
    path = tmp_path / "firmware.uf2"
    path.write_bytes(octets)
    with pytest.raises(ValueError, match="UF2"):
        emulated(path)
