"""The bridge on a board in virtual time: what a busy line costs while no host is there, by the rules of each kind of board."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "firmware_bridge"))
sys.path.insert(0, str(Path(__file__).parent))
from board_model import RUBBISH_EVERY, RUBBISH_US, TURN_US, SimBoard, SimUart, timed_flash
from mirror import Mirror

from tillbell_bridge import app, journal
from tillbell_bridge.config import Config
from tillbell_protocol.link import messages as m
from tillbell_start import small_file

SECOND = 1_000_000
FAST, SLOW = 115_200, 9_600


class Shop:
    """A bridge on a board of one kind; ``said``: for each channel, when what is on its line."""

    def __init__(
        self, folder: Path, said: Sequence[Sequence[tuple[int, bytes]]], *, baudrate: int, flash_stalls: bool,
        ring_octets: int = 64 * 1024,
    ) -> None:  # fmt: skip
        tap = {
            "baudrate": baudrate,
            "bits": 8,
            "parity": "N",
            "stop": 1,
            "uart": 0,
            "rx": 1,
            "tx": 0,
            "rxbuf": 4096,
        }
        hardware = {"flash_stalls": flash_stalls, "link": "usb", "link_baudrate": 115_200}
        self.config = Config(
            {"schema": 1, "name": "shop", "board": "pico", "link_key": "00" * 32, "taps": [tap] * len(said),
             "hardware": hardware}
        )  # fmt: skip
        self.folder, self.ring_octets = folder, ring_octets
        octet_us = self.config.taps[0].octet_us
        self.board = SimBoard([SimUart(line, octet_us) for line in said], flash_stalls=flash_stalls)
        self.heard = [b"".join(octets for _, octets in line) for line in said]

    def run(self, until: int) -> app.Bridge:
        """Until so many microseconds have passed; then the bridge as it stands."""
        with timed_flash(self.board, (journal, small_file)):
            folder = str(self.folder)
            starts = app.next_start(folder)
            memory = bytearray(self.ring_octets)
            bridge = app.Bridge(self.board, self.config, "ok", Mirror, folder, "a", "0.1.0", starts, memory)
            turns = 0
            while self.board.now < until:
                bridge.turn(self.board.now)
                turns += 1
                self.board.spend(TURN_US + (RUBBISH_US if turns % RUBBISH_EVERY == 0 else 0))
            bridge._flush()
        assert not bridge.health.faults, bridge.health.last_fault
        assert self.board.fed >= until // (2 * SECOND), "the watchdog is content"
        return bridge


def chunks(bridge: app.Bridge) -> list[m.Data]:
    return [
        m.Data.decode(bridge.store.read(seq)) for seq in range(bridge.store.first, bridge.store.newest + 1)
    ]


def octets_of(found: Sequence[m.Data], channel: int) -> bytes:
    return b"".join(chunk.octets for chunk in found if chunk.channel == channel)


def pattern(count: int, seed: int = 0) -> bytes:
    return bytes((index * 31 + index // 251 + seed) & 0xFF for index in range(count))


def lasting_s(ring_octets: int, octets_a_second: int) -> float:
    """As the documents have it: a chunk of 212 octets takes 223 of the room, which is six sevenths of the memory."""
    return ring_octets * 6 / 7 * 212 / 223 / octets_a_second


@pytest.mark.parametrize("flash_stalls", [True, False], ids=["RP2040", "ESP32"])
@pytest.mark.parametrize("lines", [1, 2])
def test_no_octet_of_a_line_that_never_rests_is_lost_for_as_long_as_memory_lasts(
    flash_stalls: bool, lines: int, tmp_path: Path, figure: Callable[[str], None]
) -> None:
    lasts = lasting_s(64 * 1024, FAST // 10 * lines)
    said = [[(SECOND // 2, pattern(int(lasts * FAST / 10 * 0.97), line))] for line in range(lines)]
    shop = Shop(tmp_path, said, baudrate=FAST, flash_stalls=flash_stalls)
    bridge = shop.run(int((lasts + 0.6) * SECOND))
    found = chunks(bridge)
    assert [octets_of(found, line) for line in range(lines)] == shop.heard
    assert (bridge.counters()["overruns"], bridge.store.chunks_lost) == (0, 0)
    assert not any(chunk.flags & m.OVERRUN for chunk in found)
    figure(f"bridge: {lines} line(s) at {FAST} without a pause, no host: 64 KiB of memory last {lasts:.1f} s")


def test_what_memory_cannot_hold_on_an_rp2040_is_counted_and_said_with_the_next_chunk(tmp_path: Path) -> None:
    lasts = lasting_s(16 * 1024, FAST // 10)
    said = pattern(int(3 * lasts * FAST / 10))
    shop = Shop(tmp_path, [[(SECOND // 2, said)]], baudrate=FAST, flash_stalls=True, ring_octets=16 * 1024)
    bridge = shop.run(int((0.6 + 3 * lasts) * SECOND))
    found = chunks(bridge)
    assert bridge.counters()["lost"] == bridge.store.chunks_lost > 0
    bridge.store.forget(bridge.store.first)  # a host comes, and there is room again
    assert bridge.store.add(0, 0, 0, b"after")
    found = [found[0], *chunks(bridge)]
    gap = next(at for at, chunk in enumerate(found) if at and chunk.flags & m.GAP)
    assert said.startswith(octets_of(found[:gap], 0))
    assert gap >= len(found) - 2


def test_an_esp32_writes_while_a_line_is_busy_and_loses_nothing_before_its_flash_is_full(
    tmp_path: Path, figure: Callable[[str], None]
) -> None:
    said = pattern(20 * FAST // 10)
    shop = Shop(tmp_path, [[(0, said)]], baudrate=FAST, flash_stalls=False, ring_octets=16 * 1024)
    bridge = shop.run(21 * SECOND)
    assert octets_of(chunks(bridge), 0) == said
    assert bridge.counters()["overruns"] == bridge.store.chunks_lost == 0
    assert bridge._journal.held > 900
    figure(
        f"bridge: an ESP32 wrote for {shop.board.flash_us / SECOND:.1f} of 21 s at {FAST} without losing an octet"
    )


def receipts(count: int, pause_us: int, *, lines_of_receipt: int = 30) -> list[tuple[int, bytes]]:
    """Receipts in bursts of a printed line, with the pauses of a slow till between them."""
    said, at = [], SECOND
    for number in range(count):
        for line in range(lines_of_receipt):
            octets = pattern(40, number + line)
            said.append((at, octets))
            at += 45_000 + pause_us * (line % 7 == 0)
        at += 4 * SECOND
    return said


@pytest.mark.parametrize("flash_stalls", [True, False], ids=["RP2040", "ESP32"])
def test_receipts_heard_without_a_host_are_in_flash_before_the_power_goes(
    flash_stalls: bool, tmp_path: Path
) -> None:
    said = receipts(12, pause_us=200_000)
    shop = Shop(tmp_path, [said], baudrate=SLOW, flash_stalls=flash_stalls, ring_octets=16 * 1024)
    bridge = shop.run(said[-1][0] + 5 * SECOND)
    assert bridge.counters()["overruns"] == 0
    again = Shop(tmp_path, [[]], baudrate=SLOW, flash_stalls=flash_stalls).run(SECOND)
    assert again.store.is_over
    assert octets_of(chunks(again), 0) == shop.heard[0]
    assert chunks(again)[0].flags & m.GAP


def test_a_bridge_that_is_asked_to_end_keeps_what_is_in_memory(tmp_path: Path) -> None:
    shop = Shop(tmp_path, [[(SECOND // 2, pattern(3000))]], baudrate=FAST, flash_stalls=True)
    bridge = shop.run(SECOND)
    assert bridge._journal.held == 0
    bridge.keep_all()
    again = Shop(tmp_path, [[]], baudrate=FAST, flash_stalls=True).run(SECOND)
    assert octets_of(chunks(again), 0) == pattern(3000)


def test_an_rp2040_never_writes_flash_while_a_receipt_is_being_heard(tmp_path: Path) -> None:
    said = receipts(6, pause_us=200_000)
    shop = Shop(tmp_path, [said], baudrate=SLOW, flash_stalls=True, ring_octets=16 * 1024)
    began: list[int] = []
    spend = shop.board.spend_on_flash
    shop.board.spend_on_flash = lambda octets: (began.append(shop.board.now), spend(octets))[1]  # type: ignore[method-assign]
    shop.run(said[-1][0] + 5 * SECOND)
    assert len(began) > 6
    busy = [(at, at + 40 * 1_000_000 * 10 // SLOW) for at, _ in said]
    assert not [at for at in began if any(start <= at <= end + app.QUIET_US // 2 for start, end in busy)]


def test_a_line_that_begins_to_speak_while_flash_is_erased_is_told_as_overrun(tmp_path: Path) -> None:
    """What no rule can prevent on an RP2040: nobody knows when a line will speak."""
    shop = Shop(
        tmp_path, [[(SECOND, pattern(200)), (5 * SECOND, pattern(600))]], baudrate=FAST, flash_stalls=True
    )
    original = shop.board.spend_on_flash

    def speaks_now(octets: int) -> None:
        if 2 * SECOND < shop.board.now < 4 * SECOND:
            shop.board.taps[0]._said[:1] = [(shop.board.now + 1000, pattern(600))]  # type: ignore[union-attr]
        original(octets)

    shop.board.spend_on_flash = speaks_now  # type: ignore[method-assign]
    bridge = shop.run(6 * SECOND)
    found = chunks(bridge)
    assert bridge.counters()["overruns"] >= 1
    assert any(chunk.flags & m.OVERRUN for chunk in found)
    assert len(octets_of(found, 0)) < 800


@pytest.mark.parametrize("part", ["_hear", "_talk", "_keep", "_shine"])
def test_a_part_that_fails_stops_no_other_and_starves_the_watchdog(part: str, tmp_path: Path) -> None:
    shop = Shop(tmp_path, [[(0, pattern(100))]], baudrate=SLOW, flash_stalls=True)
    bridge: Any = app.Bridge(
        shop.board, shop.config, "ok", Mirror, str(tmp_path), "a", "0.1.0", 1, bytearray(4096)
    )

    def fail(now: int) -> None:
        raise MemoryError

    setattr(bridge, part, fail)
    for _ in range(3000):
        bridge.turn(shop.board.now)
        shop.board.spend(TURN_US)
    assert shop.board.fed == 0
    assert bridge.health.faults == 3000
    assert bridge.health.last_fault.endswith(":MemoryError")
    if part != "_hear":
        assert octets_of(chunks(bridge), 0) == pattern(100)
