"""Flash that refuses, memory that is short, updates that are bad: what was heard stays, and a bridge comes back."""

import builtins
import errno
import importlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "firmware_bridge"))
sys.path.insert(0, str(Path(__file__).parent))
from board_model import SimBoard, SimUart, WatchdogReset
from mirror import Mirror

from tillbell_agent.bridge.events import Chunk
from tillbell_agent.bridge.session import BridgeSession
from tillbell_bridge import app, journal
from tillbell_bridge.config import Config
from tillbell_bridge.journal import Journal
from tillbell_bridge.ring import Ring
from tillbell_bridge.store import Epochs, Store
from tillbell_protocol.link import messages as m
from tillbell_start import slots, small_file

SECOND = 1_000_000
RING = 24 * 1024


def config(*, flash_stalls: bool = False) -> Config:
    tap = {"baudrate": 9600, "bits": 8, "parity": "N", "stop": 1, "uart": 0, "rx": 1, "tx": 0, "rxbuf": 4096}
    hardware = {"flash_stalls": flash_stalls, "link": "usb", "link_baudrate": 115_200}
    return Config(
        {"schema": 1, "name": "shop", "board": "pico", "link_key": "00" * 32, "taps": [tap], "hardware": hardware}
    )  # fmt: skip


class Board(SimBoard):
    """One line; an agent on the link, once ``agent`` is set, that makes all it was told durable every three seconds."""

    def __init__(self, said: list[tuple[int, bytes]], *, flash_stalls: bool = False) -> None:
        octet_us = config().taps[0].octet_us
        super().__init__([SimUart(said, octet_us)], flash_stalls=flash_stalls)
        self.agent: BridgeSession | None = None
        self.typed = b""
        self._told: tuple[str, int] | None = None
        self._durable_at = 0

    def link_read(self) -> bytes:
        if self.agent is None:
            return self.typed
        now = self.now / 1e6
        self.agent.tick(now)
        if self._told is not None and self.now >= self._durable_at:
            self._durable_at = self.now + 3 * SECOND
            self.agent.durable(*self._told, now)
        return self.agent.bytes_to_send()

    def link_write(self, octets: bytes) -> int:
        if self.agent is None:
            return 0
        for event in self.agent.receive_data(bytes(octets), self.now / 1e6):
            if isinstance(event, Chunk):
                self._told = event.log, event.seq
        return len(octets)


def bridge_on(board: Board, folder: Path, *, boot: int = 1) -> app.Bridge:
    stalls = config(flash_stalls=board._flash_stalls)
    return app.Bridge(board, stalls, "ok", Mirror, str(folder), "a", "0.1.0", boot, bytearray(RING))


def run(bridge: app.Bridge, board: Board, until: Callable[[], bool]) -> None:
    while not until():
        bridge.turn(board.now)
        board.spend(2000)


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """While this list has words, files whose path holds one of them cannot be written."""
    words: list[str] = []
    real = builtins.open

    def refuse(path: str, mode: str = "r") -> Any:
        if mode[0] in "wa" and any(word in path for word in words):
            raise OSError(errno.ENOSPC, "no space")
        return real(path, mode)

    for module in (journal, small_file):
        monkeypatch.setattr(module, "open", refuse, raising=False)
    return words


def new_journal(folder: Path) -> Journal:
    return Journal(str(folder / "journal"), lambda iv: Mirror(b"k", iv), bytes, 512 * 1024)


def store_of(folder: Path, log: int = 1, ring: int = RING) -> Store:
    store = Store(Ring(bytearray(ring)), log, log, Epochs(None))
    store.keep_in(new_journal(folder), log)
    return store


def fill_journal(folder: Path) -> None:
    """Sixty chunks of log 1, in some files."""
    store = store_of(folder)
    for number in range(60):
        store.add(0, 0, 0, b"%d" % number * 90)
        store.spill()


# --- chance that is none


def test_no_start_takes_the_log_of_another_where_chance_gives_the_same_octets(tmp_path: Path) -> None:
    logs = set()
    for start in range(1, 50):
        board = Board([])
        board.random = lambda count: b"\x2a" * count  # type: ignore[method-assign]
        logs.add(bridge_on(board, tmp_path, boot=start).store.log)
    assert len(logs) == 49


# --- flash that takes its time, or refuses


def test_what_is_said_while_a_journal_is_looked_through_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_journal(tmp_path)
    files = len(os.listdir(tmp_path / "journal"))
    board = Board([(0, b"".join([b"%04d" % number for number in range(2000)]))])

    def slow_open(path: str, mode: str) -> Any:
        if mode == "rb":  # in all more than a receiver keeps, and than a watchdog waits
            board.spend(12 * SECOND // files)
        return open(path, mode)

    monkeypatch.setattr(journal, "open", slow_open, raising=False)
    board.start_watchdog()
    bridge = bridge_on(board, tmp_path)
    came = board.now
    assert came >= 12 * SECOND
    run(bridge, board, lambda: board.now > came + 4 * SECOND)
    counted = bridge.counters()
    assert (counted["octets"], counted["overruns"], counted["lost"]) == (8000, 0, 0)


def test_a_start_that_hangs_in_flash_is_ended_by_the_watchdog(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_journal(tmp_path)
    board = Board([])
    monkeypatch.setattr(journal, "open", lambda *_: board.spend(3600 * SECOND), raising=False)
    monkeypatch.setitem(sys.modules, "cryptolib", SimpleNamespace(aes=lambda key, _mode, iv: Mirror(key, iv)))
    with pytest.raises(WatchdogReset):
        app.run(board, config(), "ok", str(tmp_path), "a", 1, bytearray(RING))


def test_a_full_journal_gives_its_room_back_as_soon_as_an_agent_takes_what_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "JOURNAL_ROOM", 64 * 1024)
    board = Board([(2 * SECOND * number, b"%04d" % number * 430) for number in range(1, 400)])
    bridge = bridge_on(board, tmp_path)
    run(bridge, board, lambda: bridge.store.chunks_lost > 0)
    board.agent = BridgeSession(bytes(32), board.now / 1e6, durable={}, nonce=lambda: os.urandom(16))
    came = board.now
    run(bridge, board, lambda: board.now > came + 8 * SECOND)
    lost = bridge.store.chunks_lost
    run(bridge, board, lambda: board.now > came + 60 * SECOND)
    assert bridge.store.chunks_lost == lost
    assert bridge._journal.used < 32 * 1024


def test_a_flash_that_refuses_takes_no_memory_and_is_asked_once_a_second(
    tmp_path: Path, refusing: list[str]
) -> None:
    board = Board([(SECOND * number, b"x" * 300) for number in range(1, 100)])
    bridge = bridge_on(board, tmp_path)
    refusing.append("/journal/")
    run(bridge, board, lambda: board.now > 60 * SECOND)
    assert len(bridge._journal._sizes) == 0
    assert 20 < bridge._journal.refused < 70
    refusing.clear()
    run(bridge, board, lambda: board.now > 64 * SECOND)
    assert bridge._journal.held > 60


def test_epochs_that_cannot_be_written_keep_nothing_else_from_flash(
    tmp_path: Path, refusing: list[str]
) -> None:
    board = Board([(SECOND * number, b"x" * 300) for number in range(1, 100)])
    bridge = bridge_on(board, tmp_path)
    refusing.append("/epochs")
    bridge.store.epochs.put(b"12345678", 0, 1)
    run(bridge, board, lambda: board.now > 60 * SECOND)
    assert (bridge._journal.held > 60, bridge.store.epochs.rows()) == (True, [])
    refusing.clear()
    run(bridge, board, lambda: board.now > 63 * SECOND)
    assert bridge.store.epochs.rows() == [(b"12345678", 0, 1)]


def test_a_file_that_the_flash_does_not_give_costs_that_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_journal(tmp_path)
    worn = sorted(path.name for path in (tmp_path / "journal").iterdir())[1]
    real = builtins.open

    def give(path: str, mode: str) -> Any:
        if path.endswith(worn):
            raise OSError(errno.EIO, "corrupt")
        return real(path, mode)

    monkeypatch.setattr(journal, "open", give, raising=False)
    found = new_journal(tmp_path)
    assert found.torn == 1
    assert 30 < found.held < 60


def test_two_starts_whose_count_was_refused_are_told_apart(tmp_path: Path) -> None:
    board = Board([(SECOND, b"a sale")])
    bridge = bridge_on(board, tmp_path, boot=7)
    run(bridge, board, lambda: board.now > 5 * SECOND)
    assert bridge._journal.held
    again = bridge_on(Board([]), tmp_path, boot=7)
    assert [part.boot for part in again._journal.old] == [7]
    assert again._boot == 8


def test_a_line_that_never_rests_keeps_no_good_version_on_trial_for_ever(tmp_path: Path) -> None:
    slots.write(str(tmp_path), slots.Pointer("b", "trial", 2, "a"))
    board = Board([(number * 250_000, b"\x05") for number in range(1, 4000)], flash_stalls=True)
    board.agent = BridgeSession(bytes(32), 0.0, durable={}, nonce=lambda: os.urandom(16))
    bridge = bridge_on(board, tmp_path)
    state = lambda: slots.read(str(tmp_path)).state  # type: ignore[union-attr]  # noqa: E731
    run(bridge, board, lambda: board.now > 590 * SECOND)
    assert state() == "trial"
    run(bridge, board, lambda: board.now > 602 * SECOND)
    assert state() == "good"


def test_a_bridge_that_ends_with_full_memory_makes_room_for_what_its_taps_hold(tmp_path: Path) -> None:
    board = Board([(0, b"x" * 100_000)], flash_stalls=True)
    bridge = bridge_on(board, tmp_path)
    run(bridge, board, lambda: bridge._ring.room - bridge._ring.used < 100)
    bridge.keep_all()
    assert (bridge.store.chunks_lost, bridge._ring.held) == (0, 0)


# --- memory that is short


@pytest.mark.parametrize("piece", [0, 1])
def test_a_chunk_that_memory_does_not_allow_leaves_the_ring_as_it_was(
    monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    ring = Ring(bytearray(2000))
    for number in range(5):
        ring.add(b"%d" % number * 50)
    put, calls = Ring._put, iter(range(10))

    def short(self: Ring, octets: bytes) -> None:
        if next(calls) == piece:
            raise MemoryError
        put(self, octets)

    with monkeypatch.context() as now:
        now.setattr(Ring, "_put", short)
        assert not ring.add(b"lost")
    assert ring.add(b"next")
    assert [ring.read(seq) for seq in range(1, 7)] == [*(b"%d" % number * 50 for number in range(5)), b"next"]
    ring.forget(6)
    assert (ring.used, ring.held) == (0, 0)


def test_octets_that_memory_did_not_allow_are_missed_in_the_next_chunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_of(tmp_path)
    assert store.add(0, 0, 0, b"first")

    def none(*_: object) -> bytes:
        raise MemoryError

    with monkeypatch.context() as now:
        now.setattr(m.Data, "encode", none)
        with pytest.raises(MemoryError):
            store.add(0, 0, 0, b"second")
    store.add(0, 0, 0, b"third")
    flags = [m.Data.decode(store.read(seq)).flags for seq in (1, 2)]
    assert flags == [m.GAP | m.FIRST, m.GAP]


def test_what_was_not_found_for_want_of_memory_is_found_once_the_rest_was_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_journal(tmp_path)
    found = Journal._found

    def short(self: Journal, file: int, body: bytes) -> None:
        if file > 1:
            raise MemoryError
        found(self, file, body)

    with monkeypatch.context() as now:
        now.setattr(Journal, "_found", short)
        store = store_of(tmp_path, log=2)
    served = [store.newest]
    assert store.held > store.newest - store.first + 1, "a bridge that holds more says so"
    store.forget(store.newest)
    assert store.next_log()
    served.append(store.newest)
    assert served[0] < served[1] == 60
    store.forget(60)
    assert store.next_log()
    assert (store.log, store.held) == (2, 0)


def test_a_host_that_asks_and_never_reads_takes_no_memory(tmp_path: Path) -> None:
    board = Board([])
    board.typed = b"\r" + b"status\r" * 70
    bridge = bridge_on(board, tmp_path)
    for _ in range(20):
        bridge.turn(board.now)
        board.spend(2000)
    assert len(bridge._out) < app.MOST_OUT + 1024


# --- updates that are bad


LOADER = """
import builtins, sys
sys.path.insert(0, {firmware!r})
from tillbell_start import small_file, start
def refuse(path, mode):
    if "w" in mode:
        raise OSError(28, "no space")
    return builtins.open(path, mode)
if {refuses}:
    small_file.open = refuse
start.run({root!r})
"""


def started(root: Path, *, refuses: bool = False) -> str:
    """What a board says whose slot a works, and whose slot b, on trial, fails as soon as it runs."""
    for name, body in (("a", "print('ran', slot)"), ("b", "raise ValueError")):
        folder = root / name / "tillbell_bridge"
        folder.mkdir(parents=True)
        (folder / "app.py").write_text(f"def main(root, slot, memory):\n    {body}\n")
        (folder / "__init__.py").write_text("")
        files = ("tillbell_bridge/app.py", "tillbell_bridge/__init__.py")
        hashes = {file: slots.digest(f"{root}/{name}/{file}") for file in files}
        (root / name / "manifest.json").write_text(json.dumps({"version": name, "files": hashes}))
    slots.write(str(root), slots.Pointer("b", "trial", 3, "a"))
    firmware = str(Path(__file__).parents[2] / "firmware_bridge")
    script = LOADER.format(firmware=firmware, refuses=refuses, root=str(root))
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout


def test_an_application_that_fails_at_once_gives_way_to_the_one_before(tmp_path: Path) -> None:
    assert started(tmp_path).split("\n") == ["tillbell: ValueError", "ran a", ""]
    pointer = slots.read(str(tmp_path))
    assert pointer is not None
    assert (pointer.slot, pointer.state) == ("a", "good")


def test_a_trial_that_a_flash_cannot_count_gives_way_to_the_one_before(tmp_path: Path) -> None:
    assert started(tmp_path, refuses=True) == "ran a\n"


# --- a host that stops reading


def test_what_is_said_over_usb_fills_whole_packets_so_that_no_write_has_to_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent / "stand_in")
    monkeypatch.delitem(sys.modules, "machine", raising=False)
    sys.modules.pop("tillbell_bridge.hal_machine", None)
    hal = importlib.import_module("tillbell_bridge.hal_machine")
    monkeypatch.delitem(sys.modules, "machine")
    out = SimpleNamespace(buffer=io.BytesIO())
    monkeypatch.setattr(hal, "sys", SimpleNamespace(stdout=out))
    monkeypatch.setattr(hal.UsbLink, "_can", lambda *_: True)
    link = hal.UsbLink.__new__(hal.UsbLink)
    link._whole_packets = True
    frames = b"\x00" + bytes(range(1, 100)) + b"\x00"
    left = frames
    while left:
        left = left[link.write(left) :]
    written = out.buffer.getvalue()
    assert len(written) % 64 == 0
    assert written.rstrip(b"\x00") == frames.rstrip(b"\x00")
