"""The wiring: what is drawn is what the tables say, the netlist cannot speak, and the picture shows the netlist."""

import itertools
import re
import sys
import xml.etree.ElementTree as ET
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "hw" / "wiring"))
import circuits
import drawing
import make
import netlist
from netlist import Circuit, Part, Place

CIRCUITS = make.circuits()
BOARDS = make.boards()
BRIDGE = circuits.BRIDGE
SVG = "{http://www.w3.org/2000/svg}"
Point = tuple[float, float]


# ------------------------------------------------------------------------------------------------ the files


def test_the_files_are_what_the_tables_say_octet_for_octet() -> None:
    made = make.files()
    there = {path.name: path.read_bytes() for path in make.FOLDER.iterdir() if path.suffix in (".svg", ".md")}
    assert set(there) == set(made), "run: python hw/wiring/make.py"
    stale = [name for name, text in made.items() if there[name] != text.encode()]
    assert stale == [], "run: python hw/wiring/make.py"


def test_every_board_has_every_circuit() -> None:
    assert set(CIRCUITS) == {f"{board}-{kind}" for board in BOARDS for kind in circuits.KINDS}


def test_a_changed_pin_changes_the_drawing() -> None:
    board = {**BOARDS["pico"], "tap": [{**BOARDS["pico"]["tap"][0], "label": "GP13 (pin 17)"}]}
    other = drawing.draw(circuits.build("rs232", board))
    assert "GP13 (pin 17)" in other
    assert other != (make.FOLDER / "pico-rs232.svg").read_text("utf-8")


# ------------------------------------------------------------------------------------------------ the netlist


@pytest.mark.parametrize("name", CIRCUITS)
def test_no_wire_runs_from_an_output_of_the_bridge_to_a_line(name: str) -> None:
    """By a walk of its own, not by the one in ``netlist``: through every part that conducts, up to the supplies."""
    circuit = CIRCUITS[name]
    lines = [place for place in circuit.places() if circuit.pin(place).role == netlist.LINE]
    assert lines
    for line in lines:
        for place in touched(circuit, line):
            assert circuit.pin(place).role not in (netlist.OUT, *netlist.UNWIRED), f"{line} meets {place}"
            assert not place[1].startswith("tx")
            assert place[1] not in ("T1OUT", "T2OUT", "lamp")


def touched(circuit: Circuit, start: Place) -> set[Place]:
    edges: dict[Place, set[Place]] = defaultdict(set)
    for places in circuit.nets.values():
        roles = {circuit.pin(place).role for place in places}
        if not roles & {netlist.POWER, netlist.GROUND}:
            for a, b in itertools.permutations(places, 2):
                edges[a].add(b)
    for part in circuit.parts:
        for a, b in part.conducts:
            edges[part.ref, a].add((part.ref, b))
            edges[part.ref, b].add((part.ref, a))
    found, waiting = set(), [start]
    while waiting:
        place = waiting.pop()
        if place not in found:
            found.add(place)
            waiting += edges[place]
    return found


@pytest.mark.parametrize("name", CIRCUITS)
def test_pins_that_could_speak_are_on_no_net(name: str) -> None:
    circuit = CIRCUITS[name]
    wired = {place for places in circuit.nets.values() for place in places}
    board = BOARDS[name.removesuffix("-" + next(kind for kind in KINDS_LONGEST if name.endswith("-" + kind)))]
    senders = {(BRIDGE, f"tx {tap['channel']}") for tap in board["tap"]}
    senders |= {("U1", "T1OUT"), ("U1", "T2OUT")} & set(circuit.places())
    assert senders <= set(circuit.places())
    assert not senders & wired


KINDS_LONGEST = sorted(circuits.KINDS, key=len, reverse=True)


@pytest.mark.parametrize("name", [name for name in CIRCUITS if "rs232" in name or "isolator" in name])
def test_the_taps_plug_has_no_pin_to_speak_on(name: str) -> None:
    """One line: the other data pin is pulled out. Both: each is only heard. Handshake pins are never there."""
    plug = next(part for part in CIRCUITS[name].parts if part.ref == "J1")
    there = {pin.name for pin in plug.pins if pin.role != netlist.ABSENT}
    absent = {pin.name for pin in plug.pins if pin.role == netlist.ABSENT}
    assert there == ({"2", "5"} if name.endswith("-rs232") else {"2", "3", "5"})
    assert ("3" in absent) == name.endswith("-rs232")
    assert "1 4 6-9" in absent


@pytest.mark.parametrize("name", [name for name in CIRCUITS if name.endswith(("-opto", "-isolator"))])
def test_an_isolated_tap_has_no_current_in_common_with_the_shop(name: str) -> None:
    circuit = CIRCUITS[name]
    assert circuit.isolated
    met = netlist.galvanic(circuit, next(iter(circuit.lines)))
    assert ("J1", "return" if name.endswith("-opto") else "5") in met
    assert BRIDGE not in {ref for ref, _ in met}


def joined(circuit: Circuit, net: str, *places: Place) -> Circuit:
    return replace(circuit, nets={**circuit.nets, net: (*circuit.nets.get(net, ()), *places)})


def without(circuit: Circuit, net: str, place: Place) -> Circuit:
    left = tuple(each for each in circuit.nets[net] if each != place)
    return replace(circuit, nets={**circuit.nets, net: left})


def moved(circuit: Circuit, place: Place, net: str) -> Circuit:
    return joined(without(circuit, circuit.net_of(place) or "", place), net, place)


RS232, TWO, TTL, OPTO = (CIRCUITS[f"pico-{kind}"] for kind in ("rs232", "rs232-two", "ttl33", "opto"))
ISOLATED = CIRCUITS["esp32-devkit-isolator"]


@pytest.mark.parametrize(
    ("circuit", "complaint"),
    [
        (joined(RS232, "LINE1", (BRIDGE, "tx 1")), "A1 tx 1 must stay free and is wired"),
        (joined(RS232, "LINE1", ("U1", "T1OUT")), "U1 T1OUT must stay free and is wired"),
        (joined(RS232, "LINE1", ("J1", "3")), "J1 3 must stay free and is wired"),
        (moved(TWO, ("U1", "R2OUT"), "LINE1"), "U1 R2OUT can drive J1 2"),
        (moved(CIRCUITS["esp32-devkit-ttl33"], (BRIDGE, "lamp"), "TAP1"), "A1 lamp can drive J1 line 1"),
        (moved(TTL, (BRIDGE, "tap 1"), "LINE1"), "A1 tap 1 is on line 1 directly"),
        (without(RS232, "TAP1", (BRIDGE, "tap 1")), "2 is not heard at tap 1"),
        (without(RS232, "GND", ("J1", "5")), "J1 5 is not the ground of A1"),
        (joined(RS232, "GND", ("U1", "VCC")), "U1 VCC is on 2 nets"),
        (joined(RS232, "GND", ("U9", "1")), "net GND names U9 1, which is not there"),
        (replace(TWO, nets={**TWO.nets, "TAP1": TWO.nets["TAP1"] + TWO.nets["TAP2"]}), "2 is heard at tap 2 too"),
        (moved(OPTO, ("U2", "GND"), "RETURN"), "J1 line 1 is not isolated from A1"),
        (moved(OPTO, (BRIDGE, "GND"), "RETURN"), "J1 return is not isolated from A1"),
        (moved(ISOLATED, ("PS1", "-in"), "GND ISO"), "J1 2 is not isolated from A1"),
        (moved(ISOLATED, (BRIDGE, "GND"), "GND ISO"), "J1 5 is not isolated from A1"),
    ],
)  # fmt: skip
def test_a_circuit_that_could_speak_or_not_hear_is_refused(circuit: Circuit, complaint: str) -> None:
    assert complaint in netlist.problems(circuit, BRIDGE)


def test_a_circuit_that_could_speak_is_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = joined(RS232, "LINE1", (BRIDGE, "tx 1"))
    monkeypatch.setattr(make, "build", lambda kind, board: bad)
    with pytest.raises(make.WiringError, match="A1 tx 1 must stay free"):
        make.files()


# ------------------------------------------------------------------------------------------------ the values


def value(circuit: Circuit, ref: str) -> float:
    part = next(part for part in circuit.parts if part.ref == ref)
    number, unit = part.title.split()
    return float(number) * {"kohm": 1e3, "ohm": 1.0}[unit]


@pytest.mark.parametrize("name", [name for name in CIRCUITS if "-ttl5" in name])
def test_a_5_v_line_arrives_below_what_the_pin_bears_and_above_what_it_takes_for_high(name: str) -> None:
    top, bottom = value(CIRCUITS[name], "R11"), value(CIRCUITS[name], "R12")
    low, high = circuits.KINDS["ttl5"].idle_v or (0, 0)
    most = 1.01 * bottom / (1.01 * bottom + 0.99 * top)  # resistors of 1 %
    least = 0.99 * bottom / (0.99 * bottom + 1.01 * top)
    assert high * most <= 3.6  # ESP32 Datasheet: VDD + 0.3 V
    assert low * least >= 0.75 * 3.3  # ESP32 Datasheet: VIH
    assert 120e-6 * top * bottom / (top + bottom) <= 0.8  # RP2350-E9 at low: VIL


@pytest.mark.parametrize("name", [name for name in CIRCUITS if "-ttl" in name])
def test_a_ttl_line_is_asked_for_no_more_than_the_drawing_says(name: str) -> None:
    volts = 3.6 if "-ttl33" in name else 5.5
    assert volts / value(CIRCUITS[name], "R11") <= 4e-3
    assert "4 mA" in " ".join(CIRCUITS[name].notes)


def test_no_idle_voltage_leads_to_two_circuits() -> None:
    ranges = sorted({row.idle_v for row in circuits.KINDS.values() if row.idle_v})
    assert all(a[1] < b[0] for a, b in itertools.pairwise(ranges))
    for row in circuits.KINDS.values():
        if row.idle_v:
            numbers = sorted(float(each) for each in re.findall(r"-?[\d.]+", row.idle_words))
            assert tuple(numbers) == row.idle_v


# ------------------------------------------------------------------------------------------------ the picture


def pictured(name: str) -> ET.Element:
    return ET.fromstring((make.FOLDER / f"{name}.svg").read_text("utf-8"))


def segments(net: ET.Element) -> list[tuple[Point, Point]]:
    path = net.find(f"{SVG}path")
    assert path is not None
    numbers = re.findall(r"M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)", path.attrib["d"])
    return [((float(a), float(b)), (float(c), float(d))) for a, b, c, d in numbers]


@pytest.mark.parametrize("name", CIRCUITS)
def test_a_picture_has_a_name_and_says_in_words_what_it_shows(name: str) -> None:
    root = pictured(name)
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-labelledby"] == "title desc"
    assert root.findtext(f"{SVG}title") == CIRCUITS[name].title
    assert root.findtext(f"{SVG}desc") == drawing.description(CIRCUITS[name])


@pytest.mark.parametrize("name", CIRCUITS)
def test_a_picture_shows_exactly_the_nets_of_the_netlist(name: str) -> None:
    """Each net's wires hang together and end at its own pins and no other's."""
    circuit = CIRCUITS[name]
    sheet = drawing.Sheet()
    drawing._place_boxes(circuit, sheet)
    where = {(box.part.ref, pin): point for box in sheet.boxes for pin, point in box.at.items()}
    found = {
        net.attrib["data-net"]: segments(net)
        for net in pictured(name).iter(f"{SVG}g")
        if "data-net" in net.attrib
    }
    assert set(found) == set(circuit.nets)
    for net, drawn in found.items():
        met = {place for place, point in where.items() if any(on(point, segment) for segment in drawn)}
        assert met == set(circuit.nets[net])
        assert len(pieces(drawn)) == 1


def on(point: Point, segment: tuple[Point, Point]) -> bool:
    (x1, y1), (x2, y2) = segment
    return min(x1, x2) <= point[0] <= max(x1, x2) and min(y1, y2) <= point[1] <= max(y1, y2)


def pieces(drawn: list[tuple[Point, Point]]) -> list[set[int]]:
    """Groups of segments that touch each other with an end."""
    groups = [{n} for n in range(len(drawn))]
    for a, b in itertools.combinations(range(len(drawn)), 2):
        if any(on(end, drawn[b]) for end in drawn[a]) or any(on(end, drawn[a]) for end in drawn[b]):
            one, other = (next(group for group in groups if n in group) for n in (a, b))
            if one is not other:
                groups.remove(other)
                one |= other
    return groups


@pytest.mark.parametrize("name", CIRCUITS)
def test_wires_of_two_nets_cross_but_never_run_along_or_end_on_each_other(name: str) -> None:
    nets = [segments(net) for net in pictured(name).iter(f"{SVG}g") if "data-net" in net.attrib]
    for one, other in itertools.combinations(nets, 2):
        for a, b in itertools.product(one, other):
            assert not any(on(end, b) for end in a), (a, b)
            assert not any(on(end, a) for end in b), (a, b)


@pytest.mark.parametrize("name", CIRCUITS)
def test_no_text_runs_out_of_the_picture_or_into_another(name: str) -> None:
    root = pictured(name)
    width, height = (float(number) for number in root.attrib["viewBox"].split()[2:])
    boxes = [text_box(text) for text in root.iter(f"{SVG}text")]
    for left, top, right, low in boxes:
        assert left >= 0
        assert top >= 0
        assert right <= width
        assert low <= height
    for a, b in itertools.combinations(boxes, 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1], (a, b)


def text_box(text: ET.Element) -> tuple[float, float, float, float]:
    """Left, top, right, bottom, for letters of 0.56 em on average."""
    size = float(text.get("font-size", "12"))
    width = 0.56 * size * len(text.text or "")
    x, y = float(text.attrib["x"]), float(text.attrib["y"])
    shift = {"middle": 0.5, "end": 1.0}.get(text.get("text-anchor", "start"), 0.0)
    return x - shift * width, y - 0.8 * size, x + (1 - shift) * width, y + 0.2 * size


@pytest.mark.parametrize("name", CIRCUITS)
def test_every_pin_that_stays_free_is_marked(name: str) -> None:
    free = [pin for part in CIRCUITS[name].parts for pin in part.pins if pin.role in netlist.UNWIRED]
    marks = [
        path
        for group in pictured(name).iter(f"{SVG}g")
        if "data-part" in group.attrib
        for path in group.findall(f"{SVG}path")
    ]
    assert len(marks) == len(free)


def test_parts_are_numbered_once() -> None:
    for circuit in CIRCUITS.values():
        refs = [part.ref for part in circuit.parts]
        assert len(refs) == len(set(refs))
        assert all(isinstance(part, Part) and part.material for part in circuit.parts)
