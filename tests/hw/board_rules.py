"""What a schema cannot say of a board: which pins its microcontroller can route, and which are spoken for."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "hw" / "boards"
MCUS: dict[str, Any] = json.loads((FOLDER / "mcus.json").read_text("utf-8"))

# Raspberry Pi Pico Datasheet, "Pinout", pins 1 to 40; the Pico 2's is the same.
_PICO_HEADER = (
    "GP0 GP1 GND GP2 GP3 GP4 GP5 GND GP6 GP7 GP8 GP9 GND GP10 GP11 GP12 GP13 GND GP14 GP15 "
    "GP16 GP17 GND GP18 GP19 GP20 GP21 GND GP22 RUN GP26 GP27 AGND GP28 ADC_VREF 3V3 3V3_EN GND VSYS VBUS"
).split()
PICO_PINS = {name: number for number, name in enumerate(_PICO_HEADER, 1)}


def problems(board: dict[str, Any]) -> list[str]:
    """Of a board that keeps the schema: one line for each fact that cannot be."""
    mcu = MCUS[board["mcu"]]
    return [
        *_chip(board, mcu),
        *_taps(board, mcu),
        *_pins(board, mcu),
        *_printed(board),
        *_unconfirmed(board),
    ]


def _chip(board: dict[str, Any], mcu: dict[str, Any]) -> Iterator[str]:
    if board["hal"] != mcu["hal"]:
        yield f"hal: {board['mcu']} has {mcu['hal']}"
    if board["base"].get("offset") != mcu["offset"]:
        yield f"base.offset: {board['mcu']} has {mcu['offset']}"
    if board["base"]["format"] != ("uf2" if mcu["hal"] == "rp2" else "bin"):
        yield "base.format: not what this chip's boot loader takes"
    if board["flash_stalls"] != (mcu["hal"] == "rp2"):
        yield "flash_stalls: not what this port of MicroPython does"
    if (board["link"]["kind"] == "uart") != (mcu["link_uart"] is not None):
        yield "link.kind: not where this chip's REPL is"


def _taps(board: dict[str, Any], mcu: dict[str, Any]) -> Iterator[str]:
    taps = board["tap"]
    if [tap["channel"] for tap in taps] != list(range(1, len(taps) + 1)):
        yield "tap.channel: not 1, or 1 and 2 in order"
    if len({tap["uart"] for tap in taps}) != len(taps):
        yield "tap.uart: one UART for two taps"
    for tap in taps:
        if tap["uart"] == mcu["link_uart"]:
            yield "tap.uart: it is the link's"
        for key, table in (("rx", mcu["receivers"]), ("tx", mcu["transmitters"])):
            routes = table.get(str(tap["uart"]), [])
            if routes != "any" and tap[key] not in routes:
                yield f"tap.{key}: UART {tap['uart']} cannot be on GPIO {tap[key]}"
        if tap["tx"] in mcu["input_only"]:
            yield f"tap.tx: GPIO {tap['tx']} has no output"


def _pins(board: dict[str, Any], mcu: dict[str, Any]) -> Iterator[str]:
    used = [(f"tap.{key}", tap[key]) for tap in board["tap"] for key in ("rx", "tx")]
    used += [("strap.pin", board["strap"]["pin"]), ("led.pin", board["led"]["pin"])]
    for key, pin in used:
        taken = mcu["taken"].get(str(pin))
        if not any(first <= pin <= last for first, last in mcu["gpios"]):
            yield f"{key}: there is no GPIO {pin}"
        elif taken and not (key == "led.pin" and board["led"]["onboard"] and taken == "lamp"):
            yield f"{key}: GPIO {pin} is taken: {taken}"
        elif pin in mcu["strapping"] and key != "led.pin":
            yield f"{key}: GPIO {pin} decides how the chip starts"
        elif pin in mcu["input_only"] and key in ("led.pin", "strap.pin"):
            yield f"{key}: GPIO {pin} has neither output nor pull-up"
        if [each for _, each in used].count(pin) > 1:
            yield f"{key}: GPIO {pin} is used twice"


def _printed(board: dict[str, Any]) -> Iterator[str]:
    """What a person reads is what the program takes."""
    prefix = board["header"]["prefix"]
    pico = board["hal"] == "rp2"
    parts = [("tap", tap["rx"], tap["label"], tap["pin"]) for tap in board["tap"]]
    parts += [(key, board[key]["pin"], board[key]["label"], None) for key in ("strap", "led")]
    for key, gpio, label, number in parts:
        name = f"{prefix}{gpio}"
        if label.split()[0] != name:
            yield f"{key}.label: {label!r} is not {name}"
        if pico and name in PICO_PINS and f"(pin {PICO_PINS[name]})" not in label:
            yield f"{key}.label: {name} is pin {PICO_PINS[name]}"
        if number is not None and number != (PICO_PINS.get(name) if pico else gpio):
            yield f"{key}.pin: {number} is not printed at {name}"


def _unconfirmed(board: dict[str, Any]) -> Iterator[str]:
    for name in board["unconfirmed"]:
        head, _, rest = name.partition(".")
        found = board.get(head)
        rows = found if isinstance(found, list) else [found]
        if found is None or (rest and not all(isinstance(row, dict) and rest in row for row in rows)):
            yield f"unconfirmed: {name!r} is not given here"
    # No board has been on a bench: that its receiver hears is a claim until hardware confirms it.
    if "tap.rx" not in board["unconfirmed"]:
        yield "unconfirmed: tap.rx is missing, and hw/hardware-results.md proves nothing yet"
