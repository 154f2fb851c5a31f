"""The boards that a bridge can be made of, as data: TOML text (``hw/boards``) → ``Board``."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tillbell_protocol.errors import DecodeError

MCUS = {"rp2040": "rp2", "rp2350": "rp2", "esp32": "esp32", "esp32s3": "esp32"}  # → hal
FORMATS = {"rp2": "uf2", "esp32": "bin"}
_USB_ID = re.compile(r"[0-9a-f]{4}:[0-9a-f]{4}$")
_SHA256 = re.compile(r"[0-9a-f]{64}$")
_MOST_PIN = 48
_LAST_ADDRESS = 0xFFFFFF


@dataclass(frozen=True, slots=True)
class TapPins:
    """Where a tap's receiver is. ``tx``: the UART's transmitter, which is set somewhere and never wired. ``pin``: as printed."""

    channel: int
    uart: int
    rx: int
    tx: int
    rxbuf: int
    pin: int


@dataclass(frozen=True, slots=True)
class Base:
    """MicroPython for the board. ``sha256``: version → digest of files that were seen; ``offset``: of ``bin``, in flash."""

    name: str
    version: str
    format: str
    offset: int
    sha256: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Board:
    """One kind of board. ``app_ids``, ``bootloader_ids``: USB's vid:pid when MicroPython runs, and before."""

    name: str
    title: str
    mcu: str
    hal: str
    flash_stalls: bool
    base: Base
    app_ids: tuple[str, ...]
    bootloader_ids: tuple[str, ...]
    link_kind: str
    baudrate: int
    taps: tuple[TapPins, ...]
    led: int | None
    strap: int | None

    def tap(self, channel: int) -> TapPins | None:
        return next((tap for tap in self.taps if tap.channel == channel), None)


def parse_board(text: str) -> Board:
    """TOML → a checked board. DecodeError names the key that does not fit."""
    try:
        top = _Keys(tomllib.loads(text), "")
    except tomllib.TOMLDecodeError as error:
        raise DecodeError("board", 0, f"no TOML: {error}") from error
    if top.number("schema", 1, 1) != 1:
        raise DecodeError("schema", 0, "is not 1")
    mcu = top.word("mcu", MCUS)
    hal = top.word("hal", (MCUS[mcu],))
    usb, link = top.table("usb"), top.table("link")
    board = Board(
        name=top.text("name"),
        title=top.text("title"),
        mcu=mcu,
        hal=hal,
        flash_stalls=top.truth("flash_stalls"),
        base=_base(top.table("base"), FORMATS[hal]),
        app_ids=usb.texts("app", _USB_ID),
        bootloader_ids=usb.texts("bootloader", _USB_ID),
        link_kind=link.word("kind", ("usb", "uart")),
        baudrate=link.number("baudrate", 9600, 4_000_000),
        taps=tuple(_tap(each) for each in top.tables("tap")),
        led=top.pin("led"),
        strap=top.pin("strap"),
    )
    channels = [tap.channel for tap in board.taps]
    if sorted(channels) not in ([1], [1, 2]):
        raise DecodeError("tap", 0, f"the channels are {channels}, not 1 or 1 and 2")
    return board


def narrowed(boards: Iterable[Board], mcu: str) -> tuple[Board, ...]:
    return tuple(board for board in boards if board.mcu == mcu)


def _base(keys: "_Keys", file_format: str) -> Base:
    digests = keys.table("sha256").values if "sha256" in keys.values else {}
    for version, text in digests.items():
        if not isinstance(text, str) or not _SHA256.match(text):
            raise DecodeError("base.sha256", 0, f"{version}: {text!r} are no 64 hexadecimal digits")
    return Base(
        name=keys.text("name"),
        version=keys.text("version"),
        format=keys.word("format", (file_format,)),
        offset=keys.number("offset", 0, _LAST_ADDRESS) if file_format == "bin" else 0,
        sha256=digests,
    )


def _tap(keys: "_Keys") -> TapPins:
    return TapPins(
        channel=keys.number("channel", 1, 2),
        uart=keys.number("uart", 0, 4),
        rx=keys.number("rx", 0, _MOST_PIN),
        tx=keys.number("tx", 0, _MOST_PIN),
        rxbuf=keys.number("rxbuf", 256, 32768),
        pin=keys.number("pin", 0, 99),
    )


class _Keys:
    """One table; each way of reading raises DecodeError with the key's whole name."""

    def __init__(self, values: Mapping[str, Any], path: str) -> None:
        self.values, self._path = values, path

    def text(self, key: str) -> str:
        value = self._of(key, str)
        if not value:
            raise self._error(key, "is empty")
        return str(value)

    def word(self, key: str, known: Iterable[str]) -> str:
        value = self.text(key)
        if value not in known:
            raise self._error(key, f"{value!r} is none of {', '.join(known)}")
        return value

    def truth(self, key: str) -> bool:
        return bool(self._of(key, bool))

    def number(self, key: str, least: int, most: int) -> int:
        value = int(self._of(key, int))
        if not least <= value <= most:
            raise self._error(key, f"{value} is not within {least} and {most}")
        return value

    def texts(self, key: str, form: re.Pattern[str]) -> tuple[str, ...]:
        values = self._of(key, list)
        for value in values:
            if not isinstance(value, str) or not form.match(value):
                raise self._error(key, f"{value!r} is not of the form vid:pid")
        return tuple(values)

    def table(self, key: str) -> "_Keys":
        return _Keys(self._of(key, dict), f"{self._path}{key}.")

    def tables(self, key: str) -> "list[_Keys]":
        return [_Keys(each, f"{self._path}{key}.") for each in self._of(key, list)]

    def pin(self, key: str) -> int | None:
        """Of a table with ``pin``; None where there is no such table."""
        return self.table(key).number("pin", 0, _MOST_PIN) if key in self.values else None

    def _of(self, key: str, kind: type) -> Any:
        if key not in self.values:
            raise self._error(key, "is missing")
        value = self.values[key]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self._error(key, f"{value!r} is no {kind.__name__}")
        return value

    def _error(self, key: str, why: str) -> DecodeError:
        return DecodeError(self._path + key, 0, why)
