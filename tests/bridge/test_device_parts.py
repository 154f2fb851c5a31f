"""The bridge's parts by themselves: memory, journal, taps, configuration, slots, console, light."""

import json
import sys
from collections import deque
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[2] / "firmware_bridge"))
sys.path.insert(0, str(Path(__file__).parent))
from mirror import Mirror

from tillbell_bridge import app, config, console, led
from tillbell_bridge.health import FEED_EVERY_US, Health
from tillbell_bridge.journal import Journal
from tillbell_bridge.ring import Ring
from tillbell_bridge.store import Epochs, Store
from tillbell_bridge.tap import LONGEST_US, PAUSE_US, Tap
from tillbell_protocol.link import messages as m
from tillbell_start import repl, slots, small_file

# --- the REPL


def test_the_repl_is_had_once_for_each_time_somebody_asks(tmp_path: Path) -> None:
    assert not repl.is_wanted(str(tmp_path))
    repl.ask(str(tmp_path))
    assert [repl.is_wanted(str(tmp_path)) for _ in range(2)] == [True, False]


class Talking:
    """A board on whose link somebody says something every turn."""

    def __init__(self, said: bytes) -> None:
        self.now, self.fed, self._said = 0, 0, said

    def ticks_us(self) -> int:
        return self.now

    def link_read(self) -> bytes:
        return self._said

    def feed(self) -> None:
        self.fed += 1

    def pause(self) -> None:
        self.now += 20_000


def test_after_a_crash_an_agents_frames_are_no_wish_for_the_repl_though_they_hold_ctrl_c() -> None:
    board = Talking(b"\x00\x03\x01\x03\x03repl\x00")
    assert app._wait_for_somebody(board) == "reboot"
    assert board.now >= 5_000_000
    assert board.fed > 200


def test_after_a_crash_the_consoles_word_leads_to_the_repl_at_once() -> None:
    board = Talking(b"\x00\rrepl\r")
    assert app._wait_for_somebody(board) == "repl"
    assert board.now == 0


# --- the ring


@given(
    st.integers(64, 700),
    st.lists(st.one_of(st.binary(min_size=0, max_size=222), st.integers(1, 9)), max_size=60),
)
def test_a_ring_gives_back_what_it_took_for_as_long_as_it_is_not_forgotten(
    room: int, steps: list[bytes | int]
) -> None:
    ring, model, first = Ring(bytearray(room)), deque[bytes](), 1
    for step in steps:
        if isinstance(step, int):
            ring.forget(first + step - 1)
            for _ in range(min(step, len(model))):
                model.popleft()
                first += 1
        elif ring.add(step):
            model.append(step)
        else:
            octets = sum(len(each) + 1 for each in model) + len(step) + 1
            assert octets > ring.room or len(model) >= room // 28
            assert ring.room >= room * 6 // 7
        assert (ring.first, ring.newest, ring.held) == (first, first + len(model) - 1, len(model))
        assert [ring.read(first + at) for at in range(len(model))] == list(model)
        assert ring.used == sum(len(each) + 1 for each in model)


# --- the store: memory and journal through starts


class Board:
    """One flash, many starts. ``model``: log → what was heard of it and not forgotten, by number."""

    def __init__(self, folder: Path, journal_room: int = 64 * 1024) -> None:
        self.folder, self.journal_room, self.starts = folder, journal_room, 0
        self.start()

    def start(self) -> None:
        self.starts += 1
        journal = Journal(
            str(self.folder / "journal"), lambda iv: Mirror(b"k", iv), lambda n: bytes([self.starts] * n),
            self.journal_room,
        )  # fmt: skip
        self.ring, self.journal = Ring(bytearray(4096)), journal
        self.store = Store(self.ring, self.starts, self.starts, Epochs(None))
        self.store.keep_in(journal, self.starts)

    def hear(self, octets: bytes) -> bool:
        return self.store.add(0, 0, 0, octets)

    def kept(self) -> dict[int, list[bytes]]:
        """What earlier starts left in flash."""
        return {
            part.log: [
                m.Data.decode(self.journal.read(part, seq)).octets
                for seq in range(part.first, part.newest + 1)
            ]
            for part in self.journal.old
        }

    def served(self) -> list[bytes]:
        store = self.store
        return [m.Data.decode(store.read(seq)).octets for seq in range(store.first, store.newest + 1)]


@given(
    st.lists(st.sampled_from(["hear", "hear", "hear", "spill", "forget", "tidy", "start"]), max_size=40),
    st.data(),
)
def test_what_is_in_flash_outlives_starts_and_each_start_is_served_in_its_order(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str], data: st.DataObject
) -> None:
    board = Board(tmp_path_factory.mktemp("board"))
    flash: dict[int, list[bytes]] = {}  # log → durable and not forgotten
    memory: list[bytes] = []
    count = 0
    for step in steps:
        store = board.store
        if step == "hear":
            count += 1
            octets = b"%d" % count * data.draw(st.integers(1, 60))
            if board.hear(octets):
                memory.append(octets)
        elif step == "spill":
            batch: list[bytes] = []
            if store.spill():
                batch, memory[:] = (
                    memory[: len(memory) - board.ring.held],
                    memory[len(memory) - board.ring.held :],
                )
            flash.setdefault(board.starts, []).extend(batch)
        elif step == "tidy":
            store.tidy()
        elif step == "forget":
            number = data.draw(st.integers(0, 6))
            store.forget(store.first - 1 + number)
            kept = flash.get(store.log, [])
            rest = number - len(kept)
            del kept[:number]
            if store.log == board.starts and rest > 0:
                del memory[:rest]
            store.next_log()
        else:
            memory.clear()
            board.start()
            found = board.kept()
            for (
                log,
                kept,
            ) in flash.items():  # a file goes as a whole, and late: what was forgotten may come again
                assert found.get(log, [])[-len(kept) :] == kept if kept else True
            flash = found
            assert board.store.log == min(flash, default=board.starts)
        want = list(flash.get(board.store.log, []))
        if board.store.log == board.starts:
            want += memory
        assert board.served() == want


def test_a_full_journal_refuses_and_memory_goes_on(tmp_path: Path) -> None:
    board = Board(tmp_path, journal_room=8192)
    heard = 0
    while board.hear(bytes([heard & 0xFF]) * 200) and heard < 200:
        heard += 1
        board.store.spill()
    assert board.served() == [bytes([number & 0xFF]) * 200 for number in range(heard)]
    assert 4096 // 224 < heard < 200
    assert board.store.chunks_lost == 1
    assert board.hear(b"x") is True, "a small one still fits"
    assert m.Data.decode(board.store.read(board.store.newest)).flags & m.GAP


def test_the_first_chunk_of_each_channel_says_that_octets_may_be_missing(tmp_path: Path) -> None:
    store = Board(tmp_path).store
    for channel in (0, 0, 1, 1):
        store.add(channel, 0, 0, b"x")
    first = m.GAP | m.FIRST
    assert [m.Data.decode(store.read(seq)).flags for seq in range(1, 5)] == [first, 0, first, 0]


def test_a_torn_batch_ends_what_its_file_holds_and_is_counted(tmp_path: Path) -> None:
    board = Board(tmp_path)
    for number in range(4):
        board.hear(b"%d" % number)
        assert board.store.spill()
    (file,) = (tmp_path / "journal").iterdir()
    whole = file.read_bytes()
    for cut in range(len(whole)):
        file.write_bytes(whole[:cut])
        journal = Journal(str(tmp_path / "journal"), lambda iv: Mirror(b"k", iv), bytes, 8192)
        assert journal.held == cut * 4 // len(whole)
        assert journal.torn == (cut % (len(whole) // 4) > 0)


def test_a_flash_that_gives_a_chunk_no_more_costs_that_chunk_alone(tmp_path: Path) -> None:
    board = Board(tmp_path)
    board.hear(b"x")
    board.store.spill()
    (file,) = (tmp_path / "journal").iterdir()
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(OSError, match="torn"):
        board.store.read(1)


def test_what_another_key_wrote_is_not_given(tmp_path: Path) -> None:
    board = Board(tmp_path)
    for number in range(20):
        board.hear(b"%d" % number * 30)
        board.store.spill()
    for key in range(1, 40):
        journal = Journal(
            str(tmp_path / "journal"), lambda iv, key=key: Mirror(bytes([key]), iv), bytes, 65536
        )
        for seq in range(1, 21):
            if key != ord("k"):
                with pytest.raises(OSError, match="another key"):
                    journal.read(journal.old[0], seq)


def test_epochs_are_told_once_they_are_written_and_never_go_back(tmp_path: Path) -> None:
    path = str(tmp_path / "epochs")
    epochs = Epochs(path)
    for epoch in (5, 7, 6):
        epochs.put(b"binding1", 0, epoch)
    assert (epochs.rows(), epochs.is_unwritten) == ([], True)
    epochs.write()
    assert Epochs(path).rows() == epochs.rows() == [(b"binding1", 0, 7)]
    epochs.put(b"binding1", 0, 7)
    assert not epochs.is_unwritten
    for number in range(40):
        epochs.put(b"other%03d" % number, 1, 1)
    epochs.write()
    assert len(Epochs(path).rows()) == m.MAX_EPOCHS


# --- the taps


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=700), st.integers(0, 300_000)), max_size=12))
def test_a_tap_gives_every_octet_once_in_chunks_that_fit_with_times_that_never_go_back(
    said: list[tuple[bytes, int]],
) -> None:
    found: list[m.Data] = []
    tap = Tap(1, 100, lambda *chunk: found.append(m.Data(*chunk)))
    now = 0
    for octets, pause in said:
        now += len(octets) * 100 + pause
        tap.heard(octets, now)
    tap.flush()
    assert b"".join(chunk.octets for chunk in found) == b"".join(octets for octets, _ in said)
    assert [chunk.ticks_us for chunk in found] == sorted(chunk.ticks_us for chunk in found)
    assert all(chunk.channel == 1 and 0 < len(chunk.octets) <= m.MAX_DATA for chunk in found)


def test_a_pause_a_full_chunk_and_time_close_a_chunk() -> None:
    found: list[Any] = []
    tap = Tap(0, 87, lambda *chunk: found.append(chunk))
    tap.heard(b"abc", 1000)
    tap.tick(1000 + PAUSE_US - 1)
    assert not found
    tap.tick(1000 + PAUSE_US)
    assert found.pop() == (0, 0, 1000 - 3 * 87, b"abc")
    for step in range(1, 12):
        tap.heard(b"d", 100_000 + step * 10_000)
    assert found[0][3] == b"d" * (LONGEST_US // 10_000 + 1)


def test_what_a_receiver_lost_is_said_with_the_chunk_beside_it() -> None:
    found: list[Any] = []
    tap = Tap(0, 87, lambda *chunk: found.append(chunk))
    tap.heard(b"", 0, overruns=1)
    tap.heard(b"a", 10_000, framing_errors=2)
    tap.flush()
    tap.heard(b"b", 90_000)
    tap.flush()
    assert [flags for _, flags, _, _ in found] == [m.OVERRUN | m.FRAMING, 0]
    assert (tap.overruns, tap.framing_errors) == (1, 2)


# --- the configuration


def settings(**changes: Any) -> bytes:
    tap = {"baudrate": 9600, "bits": 8, "parity": "N", "stop": 1, "uart": 0, "rx": 1, "tx": 0, "rxbuf": 4096}
    whole = {
        "schema": 1, "name": "till", "board": "pico", "link_key": "ab" * 32, "taps": [tap, None],
        "hardware": {"led": 25, "strap": 22, "flash_stalls": True, "link": "usb", "link_baudrate": 115_200},
    }  # fmt: skip
    return json.dumps({**whole, **changes}).encode()


def test_a_configuration_that_is_spoilt_gives_way_to_the_previous_one(tmp_path: Path) -> None:
    root = str(tmp_path)
    assert config.load(root) == (None, "missing")
    config.save(root, settings(name="one"))
    config.save(root, settings(name="two"))
    found, word = config.load(root)
    assert (found.name if found else None, word) == ("two", "ok")
    (tmp_path / "config").write_bytes(b"\xff" * 30)
    found, word = config.load(root)
    assert (found.name if found else None, word) == ("one", "previous")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"schema": 2}, "schema"),
        ({"name": ""}, "name"),
        ({"link_key": "ab"}, "link_key"),
        ({"link_key": None}, "link_key"),
        ({"taps": [{}]}, "baudrate"),
        ({"taps": [None] * 3}, "taps"),
        ({"taps": 7}, "taps"),
        ({"hardware": {"link": "radio"}}, "link"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused_before_anything_is_written(
    tmp_path: Path, changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(config.ConfigError, match=named):
        config.save(str(tmp_path), settings(**changes))
    assert not list(tmp_path.iterdir())


@given(st.binary(max_size=60))
def test_any_octets_give_a_configuration_or_its_error(octets: bytes) -> None:
    with pytest.raises(config.ConfigError):
        config.parse(octets)


@pytest.mark.parametrize(("speed", "us"), [(9600, 1041), (115_200, 86), (300, 33_333)])
def test_an_octet_takes_its_bits(speed: int, us: int) -> None:
    tap = json.loads(settings())["taps"][0]
    assert config.TapConfig({**tap, "baudrate": speed}).octet_us == us
    assert config.TapConfig({**tap, "bits": 7, "parity": "E"}).octet_us == 1041


# --- small files and slots


@given(st.binary(min_size=1, max_size=40), st.data())
def test_a_small_file_is_there_whole_or_not_at_all(octets: bytes, data: st.DataObject) -> None:
    whole = small_file.sealed(octets)
    assert small_file.opened(whole) == octets
    assert small_file.opened(whole[: data.draw(st.integers(0, len(whole) - 1))]) is None
    at = data.draw(st.integers(0, len(whole) - 1))
    spoilt = bytearray(whole)
    spoilt[at] ^= 1 << data.draw(st.integers(0, 7))
    assert small_file.opened(bytes(spoilt)) is None


def with_slot(root: Path, slot: str, *, whole: bool = True) -> None:
    (root / slot).mkdir()
    (root / slot / "app.mpy").write_bytes(slot.encode() * 3000)
    digest = slots.digest(str(root / slot / "app.mpy"))
    manifest = {"version": f"1-{slot}", "files": {"app.mpy": digest if whole else "00"}}
    (root / slot / "manifest.json").write_text(json.dumps(manifest), "utf-8")


def test_a_trial_that_nobody_confirms_ends_after_three_starts(tmp_path: Path) -> None:
    root = str(tmp_path)
    with_slot(tmp_path, "a")
    with_slot(tmp_path, "b")
    slots.write(root, slots.Pointer("b", "trial", slots.TRIES, "a"))
    assert [slots.choose(root) for _ in range(5)] == ["b", "b", "b", "a", "a"]
    assert slots.version(root, "b") == "1-b"


def test_a_trial_that_is_confirmed_stays(tmp_path: Path) -> None:
    root = str(tmp_path)
    with_slot(tmp_path, "a")
    with_slot(tmp_path, "b")
    slots.write(root, slots.Pointer("b", "trial", slots.TRIES, "a"))
    slots.choose(root)
    slots.confirm(root)
    assert [slots.choose(root) for _ in range(5)] == ["b"] * 5


def test_a_trial_behind_which_there_is_nothing_is_tried_for_ever(tmp_path: Path) -> None:
    root = str(tmp_path)
    with_slot(tmp_path, "a")
    slots.write(root, slots.Pointer("a", "trial", slots.TRIES, None))
    assert [slots.choose(root) for _ in range(8)] == ["a"] * 8


@pytest.mark.parametrize(
    ("a", "b", "pointer", "chosen"),
    [
        (True, None, None, "a"),
        (None, True, None, "b"),
        (None, None, None, None),
        (False, True, slots.Pointer("a"), "b"),
        (True, False, slots.Pointer("b", "trial", 3, "a"), "a"),
        (False, False, slots.Pointer("a"), None),
        (True, True, slots.Pointer("b"), "b"),
    ],
)
def test_only_a_slot_whose_files_have_their_hashes_runs(
    tmp_path: Path, a: bool | None, b: bool | None, pointer: slots.Pointer | None, chosen: str | None
) -> None:
    for slot, whole in (("a", a), ("b", b)):
        if whole is not None:
            with_slot(tmp_path, slot, whole=whole)
    if pointer is not None:
        slots.write(str(tmp_path), pointer)
    assert slots.choose(str(tmp_path)) == chosen


@given(st.one_of(st.binary(max_size=50), st.from_type(dict).map(lambda each: json.dumps(str(each)).encode())))
def test_no_octets_make_a_pointer_that_is_none(octets: bytes) -> None:
    assert slots.decode(octets) is None


# --- console, light, health


@pytest.mark.parametrize(
    ("octets", "commands"),
    [
        (b"\rstatus\r", ["status"]),
        (b"\x00\x07frame\x00repl\r\n", ["repl"]),
        (b"x status\r", []),
        (b"status\n", []),
        (b"statusstatus\r", []),
        (b"help\rreboot\r", ["help", "reboot"]),
    ],
)
def test_a_word_counts_only_on_a_line_of_its_own(octets: bytes, commands: list[str]) -> None:
    assert console.Console().receive(octets) == commands
    bit_by_bit = console.Console()
    assert [word for octet in octets for word in bit_by_bit.receive(bytes([octet]))] == commands


def test_an_answer_ends_with_a_dot() -> None:
    assert console.lines(["a=1", "b=2"]) == b"\r\na=1\r\nb=2\r\n.\r\n"


@pytest.mark.parametrize(
    ("state", "blinks"),
    [
        (("previous", 1, 90, False), 4),
        (("ok", 1, 90, False), 3),
        (("ok", 0, 90, False), 2),
        (("ok", 0, 10, False), 1),
        (("ok", 0, 10, True), 0),
    ],
)
def test_the_light_says_what_matters_most(state: tuple[str, int, int, bool], blinks: int) -> None:
    assert led.code(*state) == blinks
    seen = [led.is_on(blinks, ms * 1000) for ms in range(0, 2400, 10)]
    flashes = sum(now and not before for before, now in zip([False, *seen], seen, strict=False))
    assert flashes == max(blinks, 1)


def test_the_watchdog_is_fed_once_a_second_while_every_part_goes_on() -> None:
    fed: list[int] = []
    health = Health(("one", "two"), lambda: fed.append(1))
    for now in range(0, 5 * FEED_EVERY_US, 1000):
        health.run("one", lambda _: None, now)
        health.tick(now)
    assert not fed
    for now in range(5 * FEED_EVERY_US, 8 * FEED_EVERY_US, 1000):
        for name in ("one", "two"):
            health.run(name, lambda _: None, now)
        health.tick(now)
    assert len(fed) == 3
