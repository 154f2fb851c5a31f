"""Both ends of the link, on a line that loses, flips, delays and cuts: every chunk once, in order, nothing lost."""

import json
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tillbell_agent.bridge.events import (
    BridgeEvent,
    Chunk,
    ChunksLost,
    Connected,
    Counters,
    Disconnected,
    EpochsTold,
    LogEnded,
    Quiet,
)
from tillbell_agent.bridge.session import BridgeSession
from tillbell_agent.pos.dialect import Line
from tillbell_protocol.link import messages as m
from tillbell_protocol.link.frame import SESSION, Frame
from tillbell_protocol.link.mac import Mac

sys.path.insert(0, str(Path(__file__).parents[2] / "firmware_bridge"))
sys.path.insert(0, str(Path(__file__).parent))
from device_runner import Player

from tillbell_bridge.session import WINDOW, DeviceSession
from tillbell_bridge.store import Store

KEY = bytes(range(32))
STEP_S = 0.01


class Rig:
    """A bridge and an agent. ``ledger``: what the agent has made durable; it and ``durable`` survive the agent's end.

    What the bridge holds is in flash before it starts anew, as where it had a second for that; ``wipe`` takes that away.
    """

    def __init__(
        self, seed: int = 0, *, room: int = 1 << 16, trouble: float = 0.0, way_s: float = 0.0
    ) -> None:
        self.chance = random.Random(seed)
        self.room, self.trouble, self.way_s = room, trouble, way_s
        self.now = 100.0
        self.boot, self.booted_at = 0, 0.0
        self.script: list[list[Any]] = []  # what the bridge went through, for ``device_runner``
        self.said: list[bytes] = []
        self.ledger: list[bytes] = []
        self.durable: dict[str, int] = {}
        self.events: list[BridgeEvent] = []
        self.travelling: list[tuple[float, bool, bytes]] = []
        self.players: dict[str, Player] = {}
        self.start_device()
        self.start_agent()

    def wipe(self) -> None:
        self.device_does("wipe")

    def start_device(self, unique_id: str = "e661") -> None:
        if self.players and self.player.store is not None:
            self.device_does("spill")
        if unique_id not in self.players:
            self.players[unique_id] = Player(tempfile.mkdtemp(), self.device_nonce)
        self.player = self.players[unique_id]
        self.boot, self.booted_at = self.boot + 1, self.now
        self.device_does("start", KEY.hex(), self.boot, self.boot, unique_id, self.room)

    @property
    def device(self) -> DeviceSession:
        return self.player.session

    @property
    def store(self) -> Store:
        return self.player.store

    def device_nonce(self) -> bytes:
        nonce = self.chance.randbytes(16)
        self.script.append(["nonce", nonce.hex()])
        return nonce

    def start_agent(self) -> None:
        self.pending: list[Chunk] = []
        self.agent = BridgeSession(
            KEY, self.now, durable=self.durable, nonce=lambda: self.chance.randbytes(16)
        )

    @property
    def ticks(self) -> int:
        return round((self.now - self.booted_at) * 1e6)

    def hear(self, octets: bytes, channel: int = 0) -> None:
        """A terminal speaks."""
        self.script.append(["add", channel, 0, self.ticks, octets.hex()])
        if self.player.add(channel, 0, self.ticks, octets.hex()):
            self.said.append(octets)

    def commit(self) -> None:
        """What was told becomes durable."""
        for chunk in self.pending:
            self.ledger.append(chunk.octets)
            self.durable[chunk.log] = chunk.seq
            self.agent.durable(chunk.log, chunk.seq, self.now)
        self.pending.clear()

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / STEP_S)):
            self.now += STEP_S
            self.device_does("tick", self.ticks)
            self.device_does("keep")
            self.told(self.agent.tick(self.now))
            said = self.device.bytes_to_send()
            self.script.append(["said", said.hex()])
            self.told(self.agent.receive_data(self.carried(said, to_agent=True), self.now))
            self.device_does("receive", self.carried(self.agent.bytes_to_send(), to_agent=False), self.ticks)

    def device_does(self, what: str, *how: Any) -> None:
        """The nonces that it draws stand before what it does."""
        place = len(self.script)
        getattr(self.device if what in ("tick", "receive") else self.player, what)(*how)
        self.script.append([what, *(each.hex() if isinstance(each, bytes) else each for each in how)])
        self.script[place:] = sorted(self.script[place:], key=lambda row: row[0] != "nonce")

    def told(self, events: list[BridgeEvent]) -> None:
        self.events += events
        self.pending += [event for event in events if isinstance(event, Chunk)]

    def carried(self, octets: bytes, *, to_agent: bool) -> bytes:
        """What arrives now: late by ``way_s``, and now and then spoilt."""
        if octets:
            self.travelling.append((self.now + self.way_s, to_agent, self.spoilt(octets)))
        here = [each for each in self.travelling if each[1] is to_agent and each[0] <= self.now]
        self.travelling = [each for each in self.travelling if each not in here]
        return b"".join(each[2] for each in here)

    def spoilt(self, octets: bytes) -> bytes:
        if self.chance.random() >= self.trouble:
            return octets
        spoilt = bytearray(octets)
        match self.chance.randrange(5):
            case 0:
                return b""
            case 1:
                spoilt[self.chance.randrange(len(spoilt))] ^= 1 << self.chance.randrange(8)
            case 2:
                del spoilt[self.chance.randrange(len(spoilt)) :]
            case 3:
                spoilt[0:0] = self.chance.randbytes(self.chance.randrange(1, 40))
            case 4:
                spoilt = spoilt + spoilt
        return bytes(spoilt)

    def pending_log(self) -> str:
        """The log that was told of first."""
        return str(self.of(Connected)[0].log)

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


def connected(**more) -> Rig:
    rig = Rig(**more)
    rig.run(0.2)
    assert rig.agent.connected
    assert rig.device.connected
    return rig


def test_both_ends_agree_and_a_chunk_arrives() -> None:
    rig = connected()
    rig.hear(b"SALE 12.50")
    rig.run(0.1)
    (chunk,) = rig.of(Chunk)
    assert (chunk.seq, chunk.line, chunk.octets) == (1, Line.TERMINAL, b"SALE 12.50")
    (greeting,) = rig.of(Connected)
    assert (greeting.board, greeting.unique_id, greeting.reset_cause, greeting.boot) == (
        "pico",
        "e661",
        "power",
        1,
    )


def test_a_chunk_is_kept_until_it_is_durable() -> None:
    rig = connected()
    rig.hear(b"half a receipt")
    rig.run(5)
    assert rig.store.held == 1
    rig.commit()
    rig.run(0.1)
    assert rig.store.held == 0


def test_a_receipt_longer_than_the_window_is_taken_before_any_of_it_is_durable() -> None:
    rig = connected()
    for part in range(5 * WINDOW):
        rig.hear(bytes([part]) * 200)
    rig.run(2)
    assert len(rig.of(Chunk)) == 5 * WINDOW
    assert rig.store.held == 5 * WINDOW


def test_an_agent_that_starts_anew_gets_what_was_not_durable_again() -> None:
    rig = connected()
    rig.hear(b"first")
    rig.run(0.1)
    rig.commit()
    rig.hear(b"second")
    rig.run(0.1)
    rig.start_agent()
    rig.run(10)
    assert [chunk.octets for chunk in rig.of(Chunk)] == [b"first", b"second", b"second"]


def test_a_link_that_breaks_tells_nothing_twice_while_the_agent_lives() -> None:
    rig = connected()
    rig.hear(b"first")
    rig.run(0.1)
    rig.events += rig.agent.lost(rig.now, "unplugged")
    rig.hear(b"second")
    rig.run(10)
    assert [chunk.octets for chunk in rig.of(Chunk)] == [b"first", b"second"]
    assert [event.why for event in rig.of(Disconnected)] == ["unplugged"]


def test_a_bridge_that_starts_anew_serves_what_it_kept_first_and_then_what_it_hears() -> None:
    rig = connected()
    rig.hear(b"first")
    rig.start_device()
    rig.hear(b"second")
    rig.run(2)
    assert [chunk.octets for chunk in rig.of(Chunk)] == [b"first"]
    assert rig.of(LogEnded) == [LogEnded(rig.pending_log())]
    rig.commit()
    rig.run(2)
    assert [(chunk.seq, chunk.octets, chunk.gap) for chunk in rig.of(Chunk)] == [
        (1, b"first", True), (1, b"second", True),
    ]  # fmt: skip
    assert [event.boot for event in rig.of(Connected)] == [1, 2, 2]
    assert len({event.log for event in rig.of(Connected)}) == 2


@pytest.mark.parametrize("heard_before", [1, 2, 5])
def test_a_bridge_without_its_memory_begins_another_log_and_loses_nothing_new(heard_before: int) -> None:
    rig = connected()
    for octets in (b"one", b"two"):
        rig.hear(octets)
    rig.run(0.2)
    rig.commit()
    rig.run(0.2)
    rig.wipe()
    rig.start_device()
    new = [b"new %d" % number for number in range(heard_before)]
    for octets in new:
        rig.hear(octets)
    rig.run(2)
    assert [chunk.octets for chunk in rig.of(Chunk)] == [b"one", b"two", *new]
    assert len({chunk.log for chunk in rig.of(Chunk)}) == 2


@pytest.mark.parametrize("heard_since", [0, 1])
def test_chunks_that_the_bridge_no_longer_has_are_told_as_lost_at_once(heard_since: int) -> None:
    rig = connected()
    for number in range(5):
        rig.hear(b"%d" % number)
    rig.run(0.1)
    rig.commit()
    rig.run(0.1)
    rig.durable = {rig.pending_log(): 2}  # the agent's state was put back
    assert rig.store.held == 0
    for _ in range(heard_since):
        rig.hear(b"two")
    rig.start_agent()
    rig.run(10)
    log = rig.pending_log()
    assert rig.of(ChunksLost) == [ChunksLost(log, 3, 5)]
    rig.hear(b"next")
    rig.run(0.1)
    assert rig.of(Chunk)[-1].octets == b"next"


def test_two_boards_on_one_port_keep_their_own_numbers() -> None:
    rig = connected()
    rig.hear(b"a1")
    rig.run(0.1)
    rig.commit()
    first = rig.store
    rig.start_device("f772")
    for octets in (b"b1", b"b2"):
        rig.hear(octets)
    rig.run(2)
    assert first.held == 1, "its last acknowledgement was lost"
    rig.commit()
    rig.start_device()
    rig.hear(b"a2")
    rig.run(4)
    rig.commit()
    rig.run(0.1)
    assert [chunk.octets for chunk in rig.of(Chunk)] == [b"a1", b"b1", b"b2", b"a2"]
    assert rig.store.held == 0


def test_a_full_ring_counts_what_it_cannot_hold_and_marks_the_gap_on_its_line() -> None:
    rig = Rig(room=500)
    for number in range(5):
        rig.hear(bytes([number]) * 200)
    assert (rig.store.held, rig.store.lost) == (2, 3)
    rig.run(0.5)
    rig.commit()
    rig.run(0.1)
    for octets, channel in ((b"till", 1), (b"after", 0), (b"more", 1), (b"more", 0)):
        rig.hear(octets, channel)
    rig.run(0.1)
    gaps = [(chunk.line, chunk.octets[:5], chunk.gap) for chunk in rig.of(Chunk)]
    assert gaps == [
        (Line.TERMINAL, bytes(5), True), (Line.TERMINAL, b"\x01" * 5, False), (Line.TILL, b"till", True),
        (Line.TERMINAL, b"after", True), (Line.TILL, b"more", False), (Line.TERMINAL, b"more", False),
    ]  # fmt: skip


@pytest.mark.parametrize("way_s", [0.3, 0.6, 1.5])
def test_a_slow_line_has_one_session(way_s: float) -> None:
    rig = Rig(way_s=way_s)
    for number in range(40):
        rig.hear(b"%d" % number)
    rig.run(60)
    assert len(rig.of(Chunk)) == 40
    assert len(rig.of(Connected)) == 1
    assert rig.of(Disconnected) == []


def test_a_hello_that_somebody_recorded_ends_no_session() -> None:
    rig = Rig()
    rig.now += STEP_S
    rig.device.tick(rig.ticks)
    recorded = rig.device.bytes_to_send()
    rig.told(rig.agent.receive_data(recorded, rig.now))
    rig.device.receive(rig.agent.bytes_to_send(), rig.ticks)
    rig.run(1)
    rig.start_device()
    rig.run(10)
    connected_before = len(rig.of(Connected))
    for _ in range(20):
        rig.told(rig.agent.receive_data(recorded, rig.now))
        rig.hear(b"x")
        rig.run(0.2)
    assert len(rig.of(Connected)) == connected_before
    assert len(rig.of(Chunk)) == 20


def test_a_request_for_hello_that_somebody_says_for_ever_stops_no_sale() -> None:
    rig = connected()
    get = Frame(m.HELLO_GET).encode(Mac(KEY))
    for number in range(100):
        if number % 10 == 0:
            rig.hear(b"%d" % number)
        rig.device.receive(get, rig.ticks)
        rig.run(0.1)
    rig.run(1)
    assert len(rig.of(Chunk)) == 10
    assert len(rig.of(Connected)) <= 4


def test_an_epoch_is_said_until_the_bridge_shows_it() -> None:
    rig = connected()
    rig.agent.put_epoch(bytes(32), 0, 7, rig.now)
    rig.agent.tick(rig.now)
    rig.agent.bytes_to_send()  # lost
    rig.run(3)
    assert rig.of(EpochsTold) == [
        EpochsTold({}),
        EpochsTold({(bytes(8), 0): 7}),
    ]  # the first before it was durable


def test_a_data_that_makes_no_sense_is_told_as_lost_and_not_asked_for_again() -> None:
    rig = connected()
    rig.store._ring.add(b"\x07" + bytes(9))
    rig.hear(b"behind it")
    rig.run(1)
    assert rig.of(ChunksLost) == [ChunksLost(rig.pending_log(), 1, 1)]
    assert [chunk.octets for chunk in rig.of(Chunk)] == [b"behind it"]


def test_the_time_of_a_chunk_is_the_agents_own() -> None:
    rig = connected()
    rig.run(1)
    rig.hear(b"x")
    said_at = rig.now
    rig.run(0.5)
    (chunk,) = rig.of(Chunk)
    assert chunk.at == pytest.approx(said_at, abs=2 * STEP_S)


def test_what_was_heard_before_the_bridge_started_anew_has_no_time() -> None:
    rig = connected()
    rig.events += rig.agent.lost(rig.now, "unplugged")
    rig.device.tick(rig.ticks)
    rig.hear(b"x")
    rig.start_device()
    rig.run(1)
    assert [chunk.at for chunk in rig.of(Chunk)] == [None]


def test_a_bridge_that_falls_silent_is_told() -> None:
    rig = connected()
    for _ in range(int(300 / STEP_S)):
        rig.now += STEP_S
        rig.told(rig.agent.tick(rig.now))
        rig.agent.bytes_to_send()
    assert [event.why for event in rig.of(Disconnected)] == ["the bridge does not answer"]


def test_epochs_are_kept_and_only_grow() -> None:
    rig = connected()
    binding = bytes(range(32))
    for epoch in (7, 9):
        rig.agent.put_epoch(binding, 0, epoch, rig.now)
        rig.run(1.1)
    rig.store.epochs.put(binding[:8], 0, 5)
    rig.agent.ask_epochs()
    rig.run(0.1)
    assert rig.of(EpochsTold)[-1] == EpochsTold({(binding[:8], 0): 9})


def test_the_bridges_counters_are_told() -> None:
    rig = connected()
    rig.run(2)
    assert rig.of(Counters)[0].values["held"] == 0


def test_a_frame_of_an_earlier_session_is_not_taken_again() -> None:
    rig = connected()
    rig.hear(b"sale")
    rig.now += STEP_S
    rig.device.tick(rig.ticks)
    recorded = rig.device.bytes_to_send()
    rig.told(rig.agent.receive_data(recorded, rig.now))
    rig.commit()
    rig.run(0.1)
    rig.start_device()
    rig.run(2)
    bad = rig.agent.bad_frames
    rig.told(rig.agent.receive_data(recorded, rig.now))
    assert rig.agent.bad_frames > bad
    assert len(rig.of(Chunk)) == 1


@pytest.mark.parametrize(
    "frame",
    [
        Frame(m.ACK, m.encode_ack(99, 99), flags=SESSION),
        Frame(m.NAK, bytes(8), flags=SESSION),
        Frame(200, flags=SESSION),
    ],
)
def test_a_genuine_frame_that_makes_no_sense_harms_no_bridge(frame: Frame) -> None:
    rig = connected()
    rig.hear(b"kept")
    rig.device.receive(frame.encode(rig.device._mac), rig.ticks)
    rig.run(3)
    assert [chunk.octets for chunk in rig.of(Chunk)] == [b"kept"]


def test_what_is_not_told_is_not_durable() -> None:
    with pytest.raises(ValueError, match="not told"):
        connected().agent.durable("e661/00000001", 1, 0.0)


@settings(max_examples=30)
@given(st.lists(st.binary(max_size=300), max_size=20))
def test_any_octets_are_borne_at_both_ends(pieces: list[bytes]) -> None:
    rig = connected()
    for piece in pieces:
        rig.told(rig.agent.receive_data(piece, rig.now))
        rig.device.receive(piece, rig.ticks)
    rig.agent.receive_data(b"\x00", rig.now)
    rig.device.receive(b"\x00", rig.ticks)
    rig.hear(b"behind the noise")
    rig.run(3)
    assert rig.of(Chunk)[-1].octets == b"behind the noise"


def test_another_key_gets_no_session() -> None:
    rig = Rig()
    rig.agent._link_mac = Mac(bytes(32))
    rig.run(3)
    assert not rig.agent.connected
    assert rig.agent.bad_frames > 0


@pytest.mark.parametrize("seed", range(10))
def test_whatever_fails_each_chunk_is_durable_once_and_in_order(seed: int) -> None:
    rig = Rig(seed, trouble=0.15)
    chance = rig.chance
    for _ in range(80):
        rig.run(chance.choice((0.02, 0.1, 0.5)))
        for _ in range(chance.randrange(3)):
            rig.hear(chance.randbytes(chance.randrange(m.MAX_DATA)), chance.randrange(2))
        match chance.randrange(24):
            case 4:
                if rig.store.held == 0 and not rig.pending:
                    rig.wipe()
                    rig.start_device()
            case 0:
                rig.start_agent()
            case 5:
                rig.device_does("spill")
            case 1:
                rig.start_device()
            case 2:
                rig.told(rig.agent.lost(rig.now, "unplugged"))
            case 3:
                rig.run(40)
            case _:
                if chance.random() < 0.5:
                    rig.commit()
    rig.trouble = 0.0
    for _ in range(40):  # a log for each start
        rig.run(10)
        rig.commit()
    rig.run(1)
    assert rig.ledger == rig.said
    assert rig.store.held == 0
    assert not rig.of(ChunksLost)


# Silence, times, and the ends of logs


def test_who_waits_for_silence_hears_of_it_when_it_was_and_not_before() -> None:
    rig = connected()
    rig.run(2)
    until = rig.ticks + 3_000_000
    rig.agent.await_silence(until)
    rig.events.clear()
    rig.run(2.9)
    assert not [event for event in rig.of(Quiet) if event.at_us >= until]
    rig.run(0.3)
    assert rig.of(Quiet)[-1].at_us >= until


def test_a_question_about_silence_that_was_lost_is_asked_again() -> None:
    rig = connected()
    rig.run(2)
    rig.agent.await_silence(rig.ticks + 100_000)
    for _ in range(50):  # nobody hears it
        rig.now += STEP_S
        rig.told(rig.agent.tick(rig.now))
        rig.agent.bytes_to_send()
    rig.events.clear()
    rig.run(2)
    assert rig.of(Quiet)


def test_an_agent_that_has_taken_what_is_not_durable_is_heard_every_second() -> None:
    rig = connected()
    rig.hear(b"half a receipt")
    rig.run(30)
    asked: list[int] = []
    rig.device._answer_time = lambda _, now: asked.append(now)  # type: ignore[method-assign]
    rig.run(5)
    assert len(asked) == 5
    rig.commit()
    rig.run(0.5)
    asked.clear()
    rig.run(2)
    assert len(asked) <= 1


def test_silence_is_not_told_of_while_a_chunk_is_on_its_way() -> None:
    rig = connected()
    rig.run(2)
    rig.hear(b"sale")
    rig.device_does("tick", rig.ticks)
    rig.device.bytes_to_send()  # lost
    rig.agent.await_silence(rig.ticks)
    rig.events.clear()
    rig.run(3)
    told = [type(event) for event in rig.events if isinstance(event, Chunk | Quiet)]
    assert told[0] is Chunk
    assert Quiet in told


def test_a_backlog_has_its_times_though_it_comes_before_the_clocks_were_compared() -> None:
    rig = Rig(way_s=0.2)
    rig.run(0.1)
    rig.hear(b"first")
    said_at = rig.now
    rig.run(3)
    assert [chunk.at for chunk in rig.of(Chunk)] == [pytest.approx(said_at, abs=0.25)]


def test_a_bridge_whose_clock_cannot_be_asked_is_heard_all_the_same() -> None:
    rig = Rig()
    rig.device._answer_time = lambda *_: None  # type: ignore[method-assign]
    rig.hear(b"sale")
    rig.run(5)
    assert [(chunk.octets, chunk.at) for chunk in rig.of(Chunk)] == [(b"sale", None)]


def test_a_log_that_is_over_ends_though_the_last_acknowledgement_was_lost() -> None:
    rig = connected()
    rig.hear(b"first")
    rig.start_device()
    rig.run(2)
    rig.commit()
    rig.now += 0.05
    rig.told(rig.agent.tick(rig.now))
    rig.agent.bytes_to_send()  # lost
    rig.run(3)
    assert [event.log for event in rig.of(LogEnded)] == [rig.pending_log()]
    assert len({event.log for event in rig.of(Connected)}) == 2
    assert rig.store.held == 0


# The same bridge under MicroPython

REPO = Path(__file__).parents[2]


def tool(name: str) -> str:
    """A program of the development environment, beside its Python."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"absent peer: {name}")
    return found


@pytest.mark.peer("micropython")
@pytest.mark.parametrize("seed", range(2))
def test_a_bridge_says_the_same_under_micropython(seed: int, tmp_path: Path) -> None:
    rig = Rig(seed, trouble=0.1)
    for _ in range(20):
        rig.run(0.3)
        rig.hear(rig.chance.randbytes(rig.chance.randrange(m.MAX_DATA)), rig.chance.randrange(2))
        if rig.chance.random() < 0.3:
            rig.commit()
        if rig.chance.random() < 0.1:
            rig.start_device()
    path = tmp_path / "script.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rig.script), "utf-8")
    runner = Path(__file__).with_name("device_runner.py")
    for command in ([tool("micropython"), "-X", "heapsize=192k"], [sys.executable]):
        path_of_modules = f"{REPO / 'protocol'}:{REPO / 'firmware_bridge'}:{runner.parent}"
        done = subprocess.run(
            [*command, str(runner), str(path), tempfile.mkdtemp(dir=tmp_path)], capture_output=True, text=True, timeout=120, check=False,
            env={"MICROPYPATH": path_of_modules, "PYTHONPATH": path_of_modules},
        )  # fmt: skip
        assert (done.stdout, done.stderr) == (f"{len(rig.script)} rows, all the same\n", "")
