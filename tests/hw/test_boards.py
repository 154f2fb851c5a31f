"""The boards: every file keeps the schema and its microcontroller's rules, and each rule refuses what breaks it."""

import copy
import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

sys.path.insert(0, str(Path(__file__).parent))
from board_rules import FOLDER, MCUS, problems

SCHEMA = json.loads((FOLDER / "schema.json").read_text("utf-8"))
FILES = sorted(FOLDER.glob("*.toml"))
BOARDS = {file.stem: tomllib.loads(file.read_text("utf-8")) for file in FILES}


def refusals(board: dict[str, Any]) -> list[str]:
    """By the schema, with the key's whole name; where that has none, by the rules."""
    errors = Draft202012Validator(SCHEMA).iter_errors(board)
    found = [f"{_path(error.absolute_path)}: {error.message}" for error in errors]
    return found or problems(board)


def _path(keys: Any) -> str:
    return ".".join(str(key) for key in keys if not isinstance(key, int)) or "board"


def changed(name: str, path: str, value: Any) -> dict[str, Any]:
    """A board with one value changed (``tap.0.rx``); None takes the key out."""
    board = copy.deepcopy(BOARDS[name])
    *way, last = path.split(".")
    place: Any = board
    for step in way:
        place = place[int(step)] if isinstance(place, list) else place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return board


def test_the_schema_itself_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_there_is_a_file_for_each_board_that_the_papers_name() -> None:
    assert set(BOARDS) == {"pico", "pico2", "esp32-devkit", "esp32-s3-devkit"}
    assert {board["mcu"] for board in BOARDS.values()} == set(MCUS)


@pytest.mark.parametrize("name", BOARDS)
def test_a_board_keeps_the_schema_and_its_chips_rules(name: str) -> None:
    assert refusals(BOARDS[name]) == []
    assert BOARDS[name]["name"] == name


@pytest.mark.parametrize("name", BOARDS)
def test_a_board_without_a_digest_says_why(name: str) -> None:
    text = (FOLDER / f"{name}.toml").read_text("utf-8")
    assert BOARDS[name]["base"]["sha256"] or "no official file was at hand" in text


@pytest.mark.parametrize(
    ("name", "path", "value", "key"),
    [
        # The schema's.
        ("pico", "schema", 2, "schema"),
        ("pico", "name", "Pico 1", "name"),
        ("pico", "name", None, "board"),
        ("pico", "colour", "green", "board"),
        ("pico", "title", "", "title"),
        ("pico", "mcu", "stm32", "mcu"),
        ("pico", "hal", "unix", "hal"),
        ("pico", "flash_stalls", "yes", "flash_stalls"),
        ("pico", "flash_stalls", None, "board"),
        ("pico", "base.name", "rpi pico", "base.name"),
        ("pico", "base.format", "hex", "base.format"),
        ("pico", "base.offset", 0, "base"),
        ("esp32-devkit", "base.offset", None, "base"),
        ("esp32-devkit", "base.offset", "0x1000", "base.offset"),
        ("pico", "base.sha256", {"1.24.1": "abc"}, "base.sha256.1.24.1"),
        ("pico", "base.sha256", {"latest": "0" * 64}, "base.sha256"),
        ("pico", "usb.app", [], "usb.app"),
        ("pico", "usb.app", ["2E8A:0005"], "usb.app"),
        ("pico", "usb.app", ["2e8a:0005", "2e8a:0005"], "usb.app"),
        ("pico", "usb.bootloader", None, "usb"),
        ("pico", "link.kind", "wifi", "link.kind"),
        ("pico", "link.baudrate", 115201, "link.baudrate"),
        ("pico", "header.prefix", "P", "header.prefix"),
        ("pico", "header.v33", None, "header"),
        ("pico", "tap", [], "tap"),
        ("pico", "tap.0.channel", 0, "tap.channel"),
        ("pico", "tap.0.uart", 3, "tap.uart"),
        ("pico", "tap.0.rx", -1, "tap.rx"),
        ("pico", "tap.0.tx", None, "tap"),
        ("pico", "tap.0.rxbuf", 255, "tap.rxbuf"),
        ("pico", "tap.0.speed", 9600, "tap"),
        ("pico", "led.onboard", None, "led"),
        ("pico", "strap.pin", "22", "strap.pin"),
        ("pico", "unconfirmed", "tap.rx", "unconfirmed"),
        # The microcontrollers'.
        ("pico", "hal", "esp32", "hal"),
        ("pico", "base.format", "bin", "base"),
        ("esp32-devkit", "base.offset", 0, "base.offset"),
        ("esp32-s3-devkit", "base.offset", 4096, "base.offset"),
        ("pico", "flash_stalls", False, "flash_stalls"),
        ("esp32-devkit", "flash_stalls", True, "flash_stalls"),
        ("esp32-devkit", "link.kind", "usb", "link.kind"),
        ("pico", "link.kind", "uart", "link.kind"),
        ("pico", "tap.1.channel", 1, "tap.channel"),
        ("pico", "tap.1.uart", 0, "tap.uart"),
        ("pico", "tap.0.uart", 2, "tap.rx"),
        ("esp32-devkit", "tap.0.uart", 0, "tap.uart"),
        ("pico", "tap.0.rx", 2, "tap.rx"),
        ("pico", "tap.0.rx", 9, "tap.rx"),
        ("pico2", "tap.1.rx", 13, "tap.rx"),
        ("pico", "tap.0.tx", 1, "tap.tx"),
        ("pico", "tap.0.rx", 29, "tap.rx"),
        ("pico", "strap.pin", 23, "strap.pin"),
        ("pico", "strap.pin", 30, "strap.pin"),
        ("pico", "strap.pin", 1, "tap.rx"),
        ("esp32-devkit", "tap.0.rx", 20, "tap.rx"),
        ("esp32-devkit", "tap.0.rx", 9, "tap.rx"),
        ("esp32-devkit", "tap.0.tx", 10, "tap.tx"),
        ("esp32-devkit", "tap.0.rx", 16, "tap.rx"),
        ("esp32-devkit", "tap.0.rx", 3, "tap.rx"),
        ("esp32-devkit", "tap.0.rx", 12, "tap.rx"),
        ("esp32-devkit", "tap.1.tx", 36, "tap.tx"),
        ("esp32-devkit", "strap.pin", 0, "strap.pin"),
        ("esp32-devkit", "strap.pin", 39, "strap.pin"),
        ("esp32-devkit", "led.pin", 38, "led.pin"),
        ("esp32-s3-devkit", "tap.0.rx", 46, "tap.rx"),
        ("esp32-s3-devkit", "tap.0.rx", 19, "tap.rx"),
        ("esp32-s3-devkit", "tap.0.rx", 27, "tap.rx"),
        ("esp32-s3-devkit", "tap.0.rx", 36, "tap.rx"),
        ("esp32-s3-devkit", "tap.0.rx", 44, "tap.rx"),
        ("esp32-s3-devkit", "strap.pin", 45, "strap.pin"),
        ("esp32-s3-devkit", "strap.pin", 3, "strap.pin"),
        ("esp32-s3-devkit", "led.pin", 48, "led.pin"),
        # What a person reads.
        ("pico", "tap.0.label", "GP2 (pin 2)", "tap.label"),
        ("pico", "tap.0.label", "GP1 (pin 3)", "tap.label"),
        ("pico", "tap.0.pin", 4, "tap.pin"),
        ("esp32-devkit", "tap.0.pin", 5, "tap.pin"),
        ("pico", "strap.label", "GP22 (pin 28)", "strap.label"),
        ("esp32-s3-devkit", "led.label", "IO2", "led.label"),
        ("pico", "unconfirmed", ["tap.rx", "strap.colour"], "unconfirmed"),
        ("pico", "unconfirmed", ["tap.rx", "battery"], "unconfirmed"),
        ("pico", "unconfirmed", [], "unconfirmed"),
    ],
)  # fmt: skip
def test_a_board_that_cannot_be_is_refused_with_the_key(name: str, path: str, value: Any, key: str) -> None:
    found = refusals(changed(name, path, value))
    assert any(line.startswith(f"{key}: ") for line in found), found


@pytest.mark.parametrize("pin", [0, 2, 5, 12, 15])
@pytest.mark.parametrize("place", ["tap.0.rx", "tap.0.tx", "strap.pin"])
def test_no_strapping_pin_of_an_esp32_is_wired(pin: int, place: str) -> None:
    found = problems(changed("esp32-devkit", place, pin))
    assert any("decides how the chip starts" in line for line in found)


@pytest.mark.parametrize("pin", [0, 3, 45, 46])
@pytest.mark.parametrize("place", ["tap.0.rx", "tap.0.tx", "strap.pin"])
def test_no_strapping_pin_of_an_esp32_s3_is_wired(pin: int, place: str) -> None:
    found = problems(changed("esp32-s3-devkit", place, pin))
    assert any("decides how the chip starts" in line for line in found)


def test_the_pin_tables_of_the_rp2_chips_follow_the_rule_of_their_multiplexer() -> None:
    """MicroPython's own check: a receiver has the number 1 modulo 4, and bit 3 of (pin + 4) is the UART."""
    for mcu in ("rp2040", "rp2350"):
        for uart in (0, 1):
            fit = [pin for pin in range(30) if (pin + 4 >> 3) & 1 == uart]
            assert MCUS[mcu]["receivers"][str(uart)] == [pin for pin in fit if pin & 3 == 1]
            assert MCUS[mcu]["transmitters"][str(uart)] == [pin for pin in fit if pin & 3 == 0]
