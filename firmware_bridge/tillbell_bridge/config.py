"""What an installer set: names, the link's key, the taps, and which pins of this board they are on (JSON, schema 1)."""

import binascii
import json

from tillbell_protocol.link.mac import KEY_OCTETS
from tillbell_start import small_file

_PATH, _OLD = "/config", "/config.old"
CHANNELS = 2


class ConfigError(Exception):
    """This is no configuration; the message names the key."""


class TapConfig:
    """A receiver: how its line speaks, and where it is. ``tx``: the transmitter's pin, which is never wired."""

    def __init__(self, found: dict) -> None:  # type: ignore[type-arg]
        self.baudrate = _number(found, "baudrate", 50, 4_000_000)
        self.bits = _number(found, "bits", 7, 8)
        self.stop = _number(found, "stop", 1, 2)
        self.parity = _word(found, "parity", ("N", "E", "O"))
        self.invert = bool(found.get("invert", False))
        self.uart = _number(found, "uart", 0, 4)
        self.rx = _number(found, "rx", 0, 48)
        self.tx = _number(found, "tx", 0, 48)
        self.rxbuf = _number(found, "rxbuf", 256, 32768)

    @property
    def octet_us(self) -> int:
        """How long one octet takes on the line."""
        bits = 1 + self.bits + (self.parity != "N") + self.stop
        return bits * 1_000_000 // self.baudrate


class Config:
    """``taps``: of channel 1 and 2; None: not used."""

    def __init__(self, found: dict) -> None:  # type: ignore[type-arg]
        if found.get("schema") != 1:
            raise ConfigError("schema")
        self.name, self.board = _text(found, "name"), _text(found, "board")
        self.link_key = _key(found)
        taps = found.get("taps")
        if not isinstance(taps, list) or len(taps) > CHANNELS:
            raise ConfigError("taps")
        self.taps = [TapConfig(tap) if tap is not None else None for tap in taps]
        hardware = found.get("hardware", {})
        self.led = _pin(hardware, "led")
        self.strap = _pin(hardware, "strap")
        self.flash_stalls = bool(hardware.get("flash_stalls", True))
        self.link = _word(hardware, "link", ("usb", "uart"))
        self.link_baudrate = _number(hardware, "link_baudrate", 9600, 4_000_000)


def parse(octets: bytes) -> Config:
    """Raises ConfigError."""
    try:
        return Config(json.loads(octets))
    except (ValueError, AttributeError, TypeError) as error:
        raise ConfigError("it is no table: " + str(error)) from None


def load(root: str) -> "tuple[Config | None, str]":
    """The configuration, and what of it is to be said: ``ok``, ``previous`` or ``missing``."""
    for path, word in ((_PATH, "ok"), (_OLD, "previous")):
        octets = small_file.read(root + path)
        try:
            if octets is not None:
                return parse(octets), word
        except ConfigError:
            pass
    return None, "missing"


def save(root: str, octets: bytes) -> None:
    """Keeps the present one, where that can be read. Raises ConfigError, and then nothing was written."""
    parse(octets)
    present = small_file.read(root + _PATH)
    if present is not None and present != octets:
        small_file.write(root + _OLD, present)
    small_file.write(root + _PATH, octets)


def _number(found: dict, name: str, least: int, most: int) -> int:  # type: ignore[type-arg]
    value = found.get(name)
    if not isinstance(value, int) or not least <= value <= most:
        raise ConfigError(name)
    return value


def _text(found: dict, name: str) -> str:  # type: ignore[type-arg]
    value = found.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= 32:
        raise ConfigError(name)
    return value


def _word(found: dict, name: str, known: "tuple[str, ...]") -> str:  # type: ignore[type-arg]
    value = found.get(name)
    if not isinstance(value, str) or value not in known:
        raise ConfigError(name)
    return value


def _pin(found: dict, name: str) -> "int | None":  # type: ignore[type-arg]
    return None if found.get(name) is None else _number(found, name, 0, 48)


def _key(found: dict) -> bytes:  # type: ignore[type-arg]
    try:
        key = binascii.unhexlify(found["link_key"])
    except (ValueError, KeyError, TypeError):
        raise ConfigError("link_key") from None
    if len(key) != KEY_OCTETS:
        raise ConfigError("link_key")
    return key
