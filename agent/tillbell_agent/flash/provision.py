"""What a bridge is told: its name, the link's key, how each line speaks, and which pins of its board they are on."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tillbell_agent.flash.hardware import Board

KEY_OCTETS = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")
_TAP = re.compile(r"(\d{2,7})/([78])([NEO])([12])(/inverted)?$")
_BAUDRATES = range(50, 4_000_001)


class ProvisionError(Exception):
    """What was asked for cannot be set; the message says what and why."""


@dataclass(frozen=True, slots=True)
class Tap:
    """How a line speaks. ``inverted``: at rest low, as behind a level shifter that does not invert."""

    baudrate: int
    bits: int = 8
    parity: str = "N"
    stop: int = 1
    inverted: bool = False

    def __str__(self) -> str:
        return f"{self.baudrate}/{self.bits}{self.parity}{self.stop}{'/inverted' if self.inverted else ''}"


def parse_tap(text: str) -> Tap | None:
    """``9600/8N1``, ``19200/7E1/inverted``; None: ``off``. Raises ProvisionError."""
    if text == "off":
        return None
    found = _TAP.match(text)
    if found is None or int(found[1]) not in _BAUDRATES:
        raise ProvisionError(f"{text!r} is no setting of a line: write it like 9600/8N1, or off")
    return Tap(int(found[1]), int(found[2]), found[3], int(found[4]), bool(found[5]))


def check_name(name: str) -> str:
    if not _NAME.match(name):
        raise ProvisionError(f"{name!r} is no name for a bridge: 1 to 32 letters, digits, '.', '_' and '-'")
    return name


def parse_key(text: str) -> bytes:
    """64 hexadecimal digits. Raises ProvisionError, which never shows them."""
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != KEY_OCTETS:
        raise ProvisionError("it does not hold 64 hexadecimal digits")
    return key


def fingerprint(key: bytes) -> str:
    """What may be shown of a key: enough to tell two apart, nothing to find it by."""
    return hashlib.sha256(key).hexdigest()[:8]


def config_octets(board: Board, name: str, key: bytes, taps: Sequence[Tap | None]) -> bytes:
    """The bridge's ``/config`` without its check sum. Raises ProvisionError where the board has no such tap."""
    fields = {
        "schema": 1,
        "name": check_name(name),
        "board": board.name,
        "link_key": key.hex(),
        "taps": [_tap(board, channel, tap) for channel, tap in enumerate(taps, 1)],
        "hardware": {
            "led": board.led,
            "strap": board.strap,
            "flash_stalls": board.flash_stalls,
            "link": board.link_kind,
            "link_baudrate": board.baudrate,
        },
    }
    if not any(taps):
        raise ProvisionError("both taps are off: name at least one line, such as --tap1 9600/8N1")
    return json.dumps(fields).encode()


@dataclass(frozen=True, slots=True)
class Told:
    """What a bridge's configuration says, as far as an installer needs it."""

    name: str
    board: str
    key: bytes
    taps: tuple[Tap | None, ...]


def read_config(octets: bytes | None) -> Told | None:
    """None: there is none, or the bridge could not use it."""
    try:
        found = json.loads(octets or b"")
        taps = tuple(_told_tap(each) for each in found["taps"])
        return Told(str(found["name"]), str(found["board"]), parse_key(found["link_key"]), taps)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, ProvisionError):
        return None


def _tap(board: Board, channel: int, tap: Tap | None) -> dict[str, Any] | None:
    if tap is None:
        return None
    pins = board.tap(channel)
    if pins is None:
        raise ProvisionError(f"{board.title} has no tap {channel}")
    return {
        "baudrate": tap.baudrate,
        "bits": tap.bits,
        "parity": tap.parity,
        "stop": tap.stop,
        "invert": tap.inverted,
        "uart": pins.uart,
        "rx": pins.rx,
        "tx": pins.tx,
        "rxbuf": pins.rxbuf,
    }


def _told_tap(found: dict[str, Any] | None) -> Tap | None:
    if found is None:
        return None
    return Tap(found["baudrate"], found["bits"], found["parity"], found["stop"], bool(found.get("invert")))
