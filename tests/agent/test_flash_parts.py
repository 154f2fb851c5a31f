"""The parts of ``tillbell flash`` that decide: files for boot loaders, boards' tables, which board, settings, the label."""

import hashlib
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillbell_agent.flash.base import BaseRefusedError, check_base
from tillbell_agent.flash.console import AnswerReader, command
from tillbell_agent.flash.hardware import Board, parse_board
from tillbell_agent.flash.identify import (
    NotIdentifiedError,
    UsbPort,
    Volume,
    board_named,
    find,
    settle,
)
from tillbell_agent.flash.label import Label
from tillbell_agent.flash.link import BoardError, Identity, identify
from tillbell_agent.flash.provision import (
    ProvisionError,
    Tap,
    check_name,
    config_octets,
    fingerprint,
    parse_key,
    parse_tap,
    read_config,
)
from tillbell_agent.flash.uf2 import Image, Uf2Error, check_uf2
from tillbell_agent.shell.boards import load_boards
from tillbell_protocol.errors import DecodeError

sys.path.insert(0, str(Path(__file__).parent))
from uf2_files import FLASH, RP2040, RP2350, block, e10, uf2

TABLE = """
schema = 1
name = "pico"
title = "Raspberry Pi Pico"
mcu = "rp2040"
hal = "rp2"
flash_stalls = true
unconfirmed = []
[base]
name = "RPI_PICO"
version = "1.24.1 or later"
format = "uf2"
sha256 = {}
[usb]
app = ["2e8a:0005"]
bootloader = ["2e8a:0003"]
[link]
kind = "usb"
baudrate = 115200
[[tap]]
channel = 1
uart = 0
rx = 1
tx = 0
rxbuf = 4096
pin = 2
[led]
pin = 25
[strap]
pin = 22
"""
BOARDS = load_boards()
PICO = parse_board(TABLE)
NOBODY = Identity("rp2", "", "1.24.1", 6, "e661", 1_000_000, 4096)


def named(name: str) -> Board:
    return next(board for board in BOARDS if board.name == name)


# --- UF2


def test_a_whole_file_for_this_microcontroller_is_taken() -> None:
    assert check_uf2(uf2(), "rp2040") == Image(4, 1024, FLASH, FLASH + 1024)


def test_the_block_for_an_erratum_before_an_image_for_the_rp2350_is_no_part_of_it() -> None:
    assert check_uf2(e10() + uf2(4, RP2350), "rp2350").blocks == 4


@pytest.mark.parametrize(
    ("octets", "mcu", "why"),
    [
        (b"", "rp2040", "no whole number"),
        (uf2()[:-1], "rp2040", "no whole number"),
        (uf2()[:-512], "rp2040", "it is cut"),
        (uf2()[512:], "rp2040", "says that it is 1 of 4"),
        (uf2(family=RP2350), "rp2040", "it is for rp2350"),
        (uf2(family=0x1C5F21B0), "rp2350", "family 0x1c5f21b0"),
        (e10() + uf2(), "rp2040", "family 0xe48bff57"),
        (e10(), "rp2350", "no image"),
        (uf2(start=0x20000000), "rp2040", "no flash"),
        (uf2(start=0x10FFFF00), "rp2040", "no flash"),
        (uf2(start=FLASH + 1), "rp2040", "no page"),
        (block(0, 1, FLASH, RP2040, b"x" * 476), "rp2040", "no page"),
        (block(0, 1, FLASH, RP2040, flags=0), "rp2040", "does not say for which"),
        (block(0, 1, FLASH, RP2040, flags=0x2001), "rp2040", "not for the flash"),
        (block(0, 2, FLASH, RP2040) + block(1, 2, FLASH, RP2040), "rp2040", "two blocks"),
    ],
)
def test_a_file_that_is_cut_or_for_another_chip_is_refused(octets: bytes, mcu: str, why: str) -> None:
    with pytest.raises(Uf2Error, match=why):
        check_uf2(octets, mcu)


@pytest.mark.parametrize("at", [0, 5, 511])
def test_a_spoilt_mark_is_seen_in_any_block(at: int) -> None:
    octets = bytearray(uf2())
    octets[1024 + at] ^= 1
    with pytest.raises(Uf2Error, match="block 2 has not the marks"):
        check_uf2(bytes(octets), "rp2040")


@given(st.binary(max_size=1100))
def test_any_octets_are_refused_in_words(octets: bytes) -> None:
    with pytest.raises(Uf2Error):
        check_uf2(octets, "rp2040")


# --- MicroPython itself


def test_a_file_that_nobody_vouches_for_is_refused_with_the_sum_to_compare() -> None:
    with pytest.raises(BaseRefusedError, match=f"--base-sha256 {hashlib.sha256(uf2()).hexdigest()}"):
        check_base(uf2(), PICO, None)


def test_a_file_is_taken_by_the_installers_sum_or_by_the_pinned_one() -> None:
    digest = hashlib.sha256(uf2()).hexdigest()
    assert check_base(uf2(), PICO, digest.upper()).version is None
    pinned = replace(PICO, base=replace(PICO.base, sha256={"1.24.1": digest}))
    assert check_base(uf2(), pinned, None).version == "1.24.1"


def test_another_file_than_the_named_one_is_refused() -> None:
    with pytest.raises(BaseRefusedError, match="not the one of --base-sha256"):
        check_base(uf2(), PICO, "0" * 64)


def test_a_file_for_another_kind_of_board_is_refused_though_its_sum_is_right() -> None:
    with pytest.raises(BaseRefusedError, match="RPI_PICO"):
        check_base(b"\xe9bin", PICO, hashlib.sha256(b"\xe9bin").hexdigest())
    with pytest.raises(BaseRefusedError, match="ESP32_GENERIC"):
        check_base(uf2(), named("esp32-devkit"), hashlib.sha256(uf2()).hexdigest())


# --- boards' tables


def test_every_board_that_comes_with_the_program_can_be_read() -> None:
    assert {"pico", "pico2", "esp32-devkit", "esp32-s3-devkit"} <= {board.name for board in BOARDS}


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("schema = 1", "schema = 2", "schema"),
        ("[link]", "[lost]", "link"),
        ('mcu = "rp2040"', 'mcu = "z80"', "mcu"),
        ('hal = "rp2"', 'hal = "esp32"', "hal"),
        ('format = "uf2"', 'format = "bin"', "base.format"),
        ("sha256 = {}", 'sha256 = { "1.24.1" = "ff" }', "base.sha256"),
        ('["2e8a:0005"]', '["2E8A:5"]', "usb.app"),
        ("rx = 1", "rx = true", "tap.rx"),
        ("rxbuf = 4096", "rxbuf = 1", "tap.rxbuf"),
        ("channel = 1", "channel = 2", "tap"),
        ('title = "Raspberry Pi Pico"', 'title = ""', "title"),
        ("flash_stalls = true", "flash_stalls = 1", "flash_stalls"),
        ("schema = 1", "schema = ", "board"),
    ],
)
def test_a_key_that_does_not_fit_is_named(old: str, new: str, key: str) -> None:
    with pytest.raises(DecodeError) as refused:
        parse_board(TABLE.replace(old, new))
    assert refused.value.field == key


# --- which board


def test_the_one_board_that_is_plugged_in_is_found() -> None:
    ports = [UsbPort("/dev/ttyS0"), UsbPort("/dev/ttyACM0", "2e8a:0005", "e661")]
    found = find(BOARDS, ports, [], None)
    assert (found.port, {board.name for board in found.boards}) == (ports[1], {"pico", "pico2"})


def test_of_several_boards_one_must_be_named() -> None:
    ports = [UsbPort("/dev/ttyACM0", "2e8a:0005"), UsbPort("/dev/ttyACM1", "303a:4001")]
    with pytest.raises(NotIdentifiedError, match=r"--port /dev/ttyACM0 .* --port /dev/ttyACM1"):
        find(BOARDS, ports, [Volume("/media/x", "Model: Raspberry Pi RP2")], None)
    assert find(BOARDS, ports, [], "/dev/ttyACM1").boards == (named("esp32-s3-devkit"),)


def test_a_converter_may_stand_before_a_terminal_so_it_is_never_taken_unnamed() -> None:
    ports = [UsbPort("/dev/ttyUSB0", "1a86:7523")]
    with pytest.raises(NotIdentifiedError, match="terminal's line") as refused:
        find(BOARDS, ports, [], None)
    assert not refused.value.none
    assert find(BOARDS, ports, [], "/dev/ttyUSB0").boards == (named("esp32-devkit"),)


def test_no_board_says_what_to_do() -> None:
    with pytest.raises(NotIdentifiedError, match="BOOTSEL") as refused:
        find(BOARDS, [UsbPort("/dev/ttyS0")], [], None)
    assert refused.value.none


@pytest.mark.parametrize(("model", "board"), [("Raspberry Pi RP2", "pico"), ("Raspberry Pi RP2350", "pico2")])
def test_a_boot_loaders_disk_says_which_microcontroller_it_is(model: str, board: str) -> None:
    volume = Volume("/media/x", f"UF2 Bootloader v3.0\r\nModel: {model}\r\nBoard-ID: RPI-RP2\r\n")
    assert find(BOARDS, [], [volume], None).boards == (named(board),)


def test_micropython_says_which_of_two_boards_it_is() -> None:
    both = (named("pico"), named("pico2"))
    said = replace(NOBODY, machine="Raspberry Pi Pico2 with RP2350")
    assert settle(both, said).name == "pico2"
    with pytest.raises(NotIdentifiedError, match="is no Raspberry Pi Pico"):
        settle((named("pico"),), said)
    with pytest.raises(NotIdentifiedError, match="is no"):
        settle(BOARDS, replace(said, platform="samd"))


def test_the_s3_is_told_from_the_classic_esp32() -> None:
    both = (named("esp32-devkit"), named("esp32-s3-devkit"))
    s3 = replace(NOBODY, platform="esp32", machine="Generic ESP32S3 module with ESP32S3")
    classic = replace(s3, machine="Generic ESP32 module with ESP32")
    assert [settle(both, each).name for each in (classic, s3)] == ["esp32-devkit", "esp32-s3-devkit"]


def test_a_board_of_an_unknown_name_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(NotIdentifiedError, match="pico2"):
        board_named(BOARDS, "pikko")


class Saying:
    """A board of which only this is known."""

    def __init__(self, said: str) -> None:
        self.exec = lambda _code: said


@pytest.mark.parametrize("said", ["", "OK", "(1, 2)", "[" * 50])
def test_what_is_no_micropython_is_told(said: str) -> None:
    with pytest.raises(BoardError, match="does MicroPython run on it"):
        identify(Saying(said))


def test_a_micropython_that_cannot_run_our_byte_code_is_refused() -> None:
    with pytest.raises(BoardError, match=r"1\.18\.0 .*version 5"):
        identify(Saying("('rp2', 'Raspberry Pi Pico with RP2040', '1.18.0', 5, 'e661', 1, 4096)"))


# --- what it is told


@pytest.mark.parametrize(
    ("text", "tap"),
    [
        ("9600/8N1", Tap(9600)),
        ("115200/7E2", Tap(115_200, 7, "E", 2)),
        ("19200/8O1/inverted", Tap(19_200, 8, "O", 1, inverted=True)),
        ("off", None),
    ],
)
def test_a_line_is_written_as_people_write_it(text: str, tap: Tap | None) -> None:
    assert parse_tap(text) == tap
    assert str(tap or "off") == text


@pytest.mark.parametrize(
    "text", ["", "9600", "9600/8N", "9600/9N1", "0/8N1", "9600/8N1.5", "9600/8M1", "9999999/8N1"]
)
def test_what_is_no_line_is_refused(text: str) -> None:
    with pytest.raises(ProvisionError, match="9600/8N1"):
        parse_tap(text)


@pytest.mark.parametrize("name", ["", "till 1", "-x", "a" * 33, "ä", 'x";'])
def test_a_name_that_could_not_stand_in_a_files_name_is_refused(name: str) -> None:
    with pytest.raises(ProvisionError):
        check_name(name)


def test_a_bridge_with_both_taps_off_makes_no_sense() -> None:
    with pytest.raises(ProvisionError, match="--tap1"):
        config_octets(PICO, "till-1", bytes(32), (None, None))


def test_a_tap_that_the_board_does_not_have_is_refused() -> None:
    with pytest.raises(ProvisionError, match="has no tap 2"):
        config_octets(PICO, "till-1", bytes(32), (None, Tap(9600)))


def test_a_key_that_is_spoilt_is_never_shown() -> None:
    with pytest.raises(ProvisionError) as refused:
        parse_key("c0ffee" * 3)
    assert "c0ffee" not in str(refused.value)


@given(st.binary(max_size=60) | st.sampled_from([b"[]", b'{"taps": 1}', b'{"taps": [{}]}', b'{"taps": [1]}']))
def test_octets_that_are_no_configuration_are_none(octets: bytes) -> None:
    assert read_config(octets) is None


# --- the console


def test_an_answer_is_found_between_frames_and_in_any_pieces() -> None:
    said = b"\x05frame\x00junk\r\n\x00\r\nname=till-1\r\nheld=3\r\ncrash=\r\n.\r\n\x00\x09more\x00"
    for size in (1, 3, len(said)):
        reader, found = AnswerReader(), []
        for at in range(0, len(said), size):
            found += [rows] if (rows := reader.feed(said[at : at + size])) is not None else []
        assert found == [{"name": "till-1", "held": "3", "crash": ""}]


def test_a_command_is_a_line_of_its_own_behind_half_a_frame() -> None:
    assert command("repl") == b"\x00\rrepl\r"


@given(st.binary(max_size=300))
def test_any_octets_are_read_without_an_answer(octets: bytes) -> None:
    assert AnswerReader().feed(octets.replace(b"=", b"")) is None


# --- the label

LABEL = Label("till-1", "pico", "e6614103e7174a22", "0.1.0", "2026-11-22", fingerprint(bytes(32)))


def test_the_label_never_holds_the_key() -> None:
    everything = LABEL.text() + LABEL.scanned() + LABEL.svg("")
    assert bytes(32).hex() not in everything
    assert everything.count(fingerprint(bytes(32))) == 3
    assert len(LABEL.key) == 8


def test_the_drawn_label_is_svg_whatever_the_name_is() -> None:
    drawn = ET.fromstring(replace(LABEL, name="a<b>&c").svg("<svg/>"))
    assert any(
        (text.text or "").endswith("a<b>&c") for text in drawn.iter("{http://www.w3.org/2000/svg}text")
    )
