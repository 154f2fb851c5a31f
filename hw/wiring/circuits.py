"""The tap circuits, and the board that hears: from a board's table to checked nets. No circuit can speak on a line."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from netlist import ABSENT, FREE, GROUND, IN, LINE, OUT, PASSIVE, POWER, Circuit, Part, Pin, Place

Board = dict[str, Any]
Nets = dict[str, list[Place]]
BRIDGE = "A1"
_DE9_REST = Pin("1 4 6-9", ABSENT, "right", "1, 4, 6 to 9: absent")


@dataclass(frozen=True)
class Kind:
    """``idle_v``: which idle voltages of the line, from and to, it is for; None: told by other signs."""

    title: str
    build: Callable[[Board, int], Circuit]
    lines: int
    idle_v: tuple[float, float] | None
    idle_words: str
    invert: str
    fastest: int


def resistor(ref: str, value: str, column: int, sides: str = "left right") -> Part:
    first, second = sides.split()
    pins = (Pin("1", PASSIVE, first), Pin("2", PASSIVE, second))
    return Part(ref, value, column, pins, f"resistor {value}", conducts=(("1", "2"),))


def capacitor(ref: str, column: int) -> Part:
    pins = (Pin("1", PASSIVE, "right"), Pin("2", PASSIVE, "right"))
    return Part(ref, "100 nF", column, pins, "capacitor 100 nF", conducts=(("1", "2"),))


def clamp(column: int, ref: str) -> Part:
    """Two Schottky diodes: what leaves 0 to 3.3 V goes into the supply. They block, so they are no way to the line."""
    pins = (
        Pin("3", PASSIVE, "right", "3 middle"),
        Pin("2", POWER, "right", "2 cathode"),
        Pin("1", GROUND, "right", "1 anode"),
    )
    return Part(ref, "BAT54S", column, pins, "clamp BAT54S")


def connector(title: str, pins: tuple[Pin, ...], material: str) -> Part:
    return Part("J1", title, 0, pins, material)


def board_part(board: Board, lines: int, column: int) -> Part:
    """The pins that are wired, and on the other side those that must not be."""
    prefix, header = board["header"]["prefix"], board["header"]
    taps = [
        Pin(f"tap {tap['channel']}", IN, "left", f"tap {tap['channel']}: {tap['label']}")
        for tap in board["tap"][:lines]
    ]
    supply = [Pin("3V3", POWER, "left", header["v33"]), Pin("GND", GROUND, "left", header["gnd"])]
    rest = [Pin("strap", IN, "left", f"safe mode: {board['strap']['label']}")]
    if not board["led"]["onboard"]:
        rest.append(Pin("lamp", OUT, "left", f"lamp: {board['led']['label']}"))
    free = [
        Pin(f"tx {tap['channel']}", FREE, "right", f"{prefix}{tap['tx']}: leave free") for tap in board["tap"]
    ]
    free += [
        Pin(f"tap {tap['channel']}", FREE, "right", f"{tap['label']}: not used")
        for tap in board["tap"][lines:]
    ]
    return Part(BRIDGE, board["title"], column, (*taps, *supply, *rest, *free), f"board {board['name']}")


def around(board: Board, column: int, nets: Nets) -> list[Part]:
    """The safe-mode jumper, and a lamp where the board has none that shows levels."""
    jumper = Part(
        "JP1", "safe mode", column, (Pin("1", PASSIVE, "right"), Pin("2", GROUND, "right")), "jumper"
    )
    nets["STRAP"] = [("JP1", "1"), (BRIDGE, "strap")]
    nets["GND"] += [("JP1", "2"), (BRIDGE, "GND")]
    nets["3V3"] += [(BRIDGE, "3V3")]
    if board["led"]["onboard"]:
        return [jumper]
    pins = (Pin("+", PASSIVE, "right", "+ with 1 kohm"), Pin("-", GROUND, "right"))
    nets["LAMP"] = [("LED1", "+"), (BRIDGE, "lamp")]
    nets["GND"] += [("LED1", "-")]
    return [jumper, Part("LED1", "lamp", column, pins, "lamp with 1 kohm")]


def de9(lines: int) -> Part:
    second = (
        Pin("3", LINE, "right", "3 till speaks") if lines == 2 else Pin("3", ABSENT, "right", "3: pulled out")
    )
    ground = Pin("5", GROUND, "right", "5 ground")
    return connector(
        "DE-9 in the line",
        (Pin("2", LINE, "right", "2 terminal speaks"), second, ground, _DE9_REST),
        "DE-9 tap",
    )


def receiver(column: int, lines: int) -> Part:
    """A MAX3232 of which only receivers are used; its transmitters' inputs are held, their outputs end nowhere."""
    used = lines == 2
    left = [
        Pin("R1IN", IN, "left", "R1IN 13"),
        Pin("R2IN", IN if used else FREE, "left", "R2IN 8"),
        *(Pin(name, PASSIVE, "left", f"{name} {number}") for name, number in _PUMP),
        Pin("T1OUT", FREE, "left", "T1OUT 14: leave free"),
        Pin("T2OUT", FREE, "left", "T2OUT 7: leave free"),
    ]
    right = [
        Pin("R1OUT", OUT, "right", "R1OUT 12"),
        Pin("R2OUT", OUT if used else FREE, "right", "R2OUT 9"),
        Pin("VCC", POWER, "right", "VCC 16"),
        Pin("GND", GROUND, "right", "GND 15"),
        Pin("T1IN", IN, "right", "T1IN 11"),
        Pin("T2IN", IN, "right", "T2IN 10"),
    ]
    passes = (("R1IN", "R1OUT"), ("R2IN", "R2OUT")) if used else (("R1IN", "R1OUT"),)
    return Part("U1", "MAX3232", column, (*left, *right), "receiver MAX3232", passes=passes)


_PUMP = (("C1+", 1), ("C1-", 3), ("C2+", 4), ("C2-", 5), ("V+", 2), ("V-", 6))


def receiver_nets(lines: int, power: str, ground: str) -> Nets:
    """The receiver with its pump's capacitors; the right ends of R1OUT and R2OUT are the caller's."""
    nets: Nets = {
        "LINE1": [("J1", "2"), ("U1", "R1IN")],
        "C1+": [("C1", "1"), ("U1", "C1+")],
        "C1-": [("C1", "2"), ("U1", "C1-")],
        "C2+": [("C2", "1"), ("U1", "C2+")],
        "C2-": [("C2", "2"), ("U1", "C2-")],
        "V+": [("C3", "1"), ("U1", "V+")],
        "V-": [("C4", "1"), ("U1", "V-")],
        "TAP1": [("U1", "R1OUT")],
        power: [("U1", "VCC"), ("C5", "1")],
        ground: [
            ("J1", "5"),
            *((each, "2") for each in ("C3", "C4", "C5")),
            *(("U1", pin) for pin in ("GND", "T1IN", "T2IN")),
        ],
    }
    if lines == 2:
        nets["LINE2"] = [("J1", "3"), ("U1", "R2IN")]
        nets["TAP2"] = [("U1", "R2OUT")]
    return nets


def _finished(
    title: str, board: Board, parts: list[Part], nets: Nets, lines: dict[Place, Place], **more: Any
) -> Circuit:
    joined = {name: tuple(places) for name, places in nets.items()}
    return Circuit(f"{board['title']}: {title}", tuple(parts), joined, lines, **more)


def rs232(board: Board, lines: int) -> Circuit:
    nets = receiver_nets(lines, "3V3", "GND")
    for line in range(1, lines + 1):
        nets[f"TAP{line}"].append((BRIDGE, f"tap {line}"))
    parts = [
        de9(lines),
        *(capacitor(f"C{n}", 0) for n in (1, 2, 3, 4)),
        receiver(1, lines),
        capacitor("C5", 1),
        *around(board, 1, nets),
        board_part(board, lines, 2),
    ]
    heard: dict[Place, Place] = {
        ("J1", ("2", "3")[line]): (BRIDGE, f"tap {line + 1}") for line in range(lines)
    }
    notes = (
        "C1 to C5 stand close to U1. The tap's plug has the pins named here and no others.",
        "Which of 2 and 3 is the terminal's depends on the terminal. Swapped is harmless: both are only heard.",
    )
    return _finished(f"RS-232, {_count(lines)}", board, parts, nets, heard, notes=notes)


def ttl(board: Board, lines: int, *, volts: int) -> Circuit:
    nets: Nets = {"GND": [("J1", "GND")], "3V3": []}
    names = (("line 1", "terminal speaks"), ("line 2", "till speaks"))[:lines]
    pins = (
        *(Pin(name, LINE, "right", f"{name}: {words}") for name, words in names),
        Pin("GND", GROUND, "right", "ground"),
    )
    parts = [
        connector(
            f"TTL {'3.3' if volts == 3 else '5'} V",
            (*pins, Pin("rest", ABSENT, "right", "no other wire")),
            "TTL tap",
        )
    ]
    for line in range(1, lines + 1):
        parts += _ttl_line(line, volts, nets)
    parts += [*around(board, 1, nets), board_part(board, lines, 2)]
    heard: dict[Place, Place] = {("J1", f"line {n}"): (BRIDGE, f"tap {n}") for n in range(1, lines + 1)}
    notes = (
        "The resistor from the line is at the terminal's end of the cable; the clamp is at the board.",
        "Through it no more than 4 mA can flow into the line, or out of it, whatever fails behind it.",
    )
    return _finished(
        f"TTL {'3.3' if volts == 3 else '5'} V, {_count(lines)}", board, parts, nets, heard, notes=notes
    )


def _ttl_line(line: int, volts: int, nets: Nets) -> list[Part]:
    """One line's series resistor, its second resistor (to 3.3 V, so that an open wire rests; or to ground), its clamp."""
    series, second, diodes = f"R{line}1", f"R{line}2", f"D{line}"
    values = ("1 kohm", "100 kohm") if volts == 3 else ("4.7 kohm", "8.2 kohm")
    nets[f"LINE{line}"] = [("J1", f"line {line}"), (series, "1")]
    nets[f"TAP{line}"] = [(series, "2"), (second, "1"), (diodes, "3"), (BRIDGE, f"tap {line}")]
    nets["3V3" if volts == 3 else "GND"].append((second, "2"))
    nets["3V3"].append((diodes, "2"))
    nets["GND"].append((diodes, "1"))
    return [resistor(series, values[0], 1), resistor(second, values[1], 1, "right right"), clamp(1, diodes)]


def ttl33(board: Board, lines: int) -> Circuit:
    return ttl(board, lines, volts=3)


def ttl5(board: Board, lines: int) -> Circuit:
    return ttl(board, lines, volts=5)


def opto(board: Board, lines: int) -> Circuit:
    nets: Nets = {
        "LINE1": [("J1", "line 1"), ("R1", "1")],
        "LED": [("R1", "2"), ("D1", "K"), ("U2", "A")],
        "RETURN": [("J1", "return"), ("D1", "A"), ("U2", "K")],
        "TAP1": [("U2", "VO"), ("R2", "1"), (BRIDGE, "tap 1")],
        "3V3": [("U2", "VCC"), ("R2", "2"), ("C1", "1")],
        "GND": [("U2", "GND"), ("C1", "2")],
    }
    source = (
        Pin("line 1", LINE, "right", "line 1"),
        Pin("return", GROUND, "right", "its ground"),
        Pin("rest", ABSENT, "right", "no other wire"),
    )
    coupler = Part(
        "U2", "optocoupler", 2, _COUPLER, "optocoupler", (("A", "K"),), (("A", "VO"),), frozenset("AK")
    )
    diode = Part(
        "D1",
        "1N4148",
        1,
        (Pin("K", PASSIVE, "right"), Pin("A", PASSIVE, "right")),
        "diode 1N4148",
        (("K", "A"),),
    )
    parts = [
        connector("line of any kind", source, "TTL tap"),
        resistor("R1", "by the line", 1),
        diode,
        coupler,
        resistor("R2", "2.2 kohm", 2, "right right"),
        capacitor("C1", 2),
        *around(board, 2, nets),
        board_part(board, lines, 3),
    ]
    notes = (
        "R1 by the line: TTL 5 V 2.2 kohm; RS-232 4.7 kohm; 12 V 10 kohm; 24 V 22 kohm: about 1 mA through the coupler.",
        "The two grounds stay apart. At most 9600 baud. On a TTL line set invert = true for this tap, on RS-232 not.",
    )
    heard: dict[Place, Place] = {("J1", "line 1"): (BRIDGE, "tap 1")}
    return _finished("optocoupler, one line", board, parts, nets, heard, isolated=True, notes=notes)


_COUPLER = (
    Pin("A", PASSIVE, "left", "anode 2"),
    Pin("K", PASSIVE, "left", "cathode 3"),
    Pin("VO", OUT, "right", "VO 6"),
    Pin("VCC", POWER, "right", "VCC 8"),
    Pin("GND", GROUND, "right", "GND 5"),
    Pin("VB", FREE, "left", "VB 7: leave free"),
)


def isolator(board: Board, lines: int) -> Circuit:
    nets = receiver_nets(lines, "3V3 ISO", "GND ISO")
    nets["TAP1"].append(("U3", "INA"))
    nets["TAP2"].append(("U3", "INB"))
    nets["OUT1"] = [("U3", "OUTA"), (BRIDGE, "tap 1")]
    nets["OUT2"] = [("U3", "OUTB"), (BRIDGE, "tap 2")]
    nets["3V3 ISO"] += [("U3", "VDD1"), ("PS1", "+out"), ("C6", "1")]
    nets["GND ISO"] += [("U3", "GND1"), ("PS1", "-out"), ("C6", "2")]
    nets["3V3"] = [("U3", "VDD2"), ("PS1", "+in"), ("C7", "1")]
    nets["GND"] = [("U3", "GND2"), ("PS1", "-in"), ("C7", "2")]
    parts = [
        de9(lines),
        *(capacitor(f"C{n}", 0) for n in (1, 2, 3, 4)),
        receiver(1, lines),
        capacitor("C5", 1),
        capacitor("C6", 1),
        _ISOLATOR,
        _CONVERTER,
        capacitor("C7", 2),
        *around(board, 2, nets),
        board_part(board, lines, 3),
    ]
    heard: dict[Place, Place] = {("J1", "2"): (BRIDGE, "tap 1"), ("J1", "3"): (BRIDGE, "tap 2")}
    notes = (
        "U3 has both channels in one direction, towards the board. GND ISO and GND meet nowhere.",
        "One line only: leave pin 3 of J1 out; nothing else changes.",
    )
    return _finished("RS-232, isolated", board, parts, nets, heard, isolated=True, notes=notes)


_ISOLATOR = Part(
    "U3",
    "digital isolator",
    2,
    (
        Pin("INA", IN, "left"),
        Pin("INB", IN, "left"),
        Pin("VDD1", POWER, "left"),
        Pin("GND1", GROUND, "left"),
        Pin("OUTA", OUT, "right"),
        Pin("OUTB", OUT, "right"),
        Pin("VDD2", POWER, "right"),
        Pin("GND2", GROUND, "right"),
    ),
    "digital isolator",
    passes=(("INA", "OUTA"), ("INB", "OUTB")),
    barrier=frozenset({"INA", "INB", "VDD1", "GND1"}),
)
_CONVERTER = Part(
    "PS1",
    "isolated 3.3 V",
    2,
    (
        Pin("+out", POWER, "left"),
        Pin("-out", GROUND, "left"),
        Pin("+in", POWER, "right"),
        Pin("-in", GROUND, "right"),
    ),
    "isolated converter",
    barrier=frozenset({"+out", "-out"}),
)


def _count(lines: int) -> str:
    return "one line" if lines == 1 else "both lines"


KINDS = {
    "rs232": Kind("RS-232, one line", rs232, 1, (-15, -3), "-3 to -15 V", "no", 115200),
    "rs232-two": Kind("RS-232, both lines", rs232, 2, (-15, -3), "-3 to -15 V", "no", 115200),
    "ttl33": Kind("TTL 3.3 V, one line", ttl33, 1, (2.6, 3.6), "2.6 to 3.6 V", "no", 115200),
    "ttl33-two": Kind("TTL 3.3 V, both lines", ttl33, 2, (2.6, 3.6), "2.6 to 3.6 V", "no", 115200),
    "ttl5": Kind("TTL 5 V, one line", ttl5, 1, (4.2, 5.5), "4.2 to 5.5 V", "no", 115200),
    "ttl5-two": Kind("TTL 5 V, both lines", ttl5, 2, (4.2, 5.5), "4.2 to 5.5 V", "no", 115200),
    "opto": Kind("optocoupler, one line", opto, 1, None, "5 to 24 V, or grounds that differ", "on TTL", 9600),
    "isolator": Kind(
        "RS-232, isolated", isolator, 2, None, "-3 to -15 V, and grounds that differ", "no", 115200
    ),
}


def build(kind: str, board: Board) -> Circuit:
    return KINDS[kind].build(board, KINDS[kind].lines)
