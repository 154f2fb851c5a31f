"""From a checked circuit to an SVG: boxes in columns, and between two columns one upright lane for each net."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from math import ceil

from netlist import GROUND, LINE, POWER, UNWIRED, Circuit, Part, Pin, Place

PITCH, LANE, MARGIN, HEAD = 26, 16, 24, 64
LETTER = 6.7  # width of a letter at 12 px, rather too wide
STUB = 14
COLOURS = {
    "line": "#0b57d0",
    "power": "#b3261e",
    "ground": "#1f1f1f",
    "other": "#3d6b35",
    "apart": "#7b1fa2",
}
_WORDS = {
    "line": "line of the shop",
    "power": "3.3 V",
    "ground": "ground",
    "other": "other",
    "apart": "supply of the shop's side",
}
Point = tuple[float, float]


@dataclass
class Box:
    part: Part
    x: float
    y: float
    width: float
    height: float
    at: dict[str, Point] = field(default_factory=dict)


@dataclass
class Sheet:
    """``gaps``: right and left edge of the room between column n and the next; ``nets``: segments of each net."""

    boxes: list[Box] = field(default_factory=list)
    gaps: list[tuple[float, float]] = field(default_factory=list)
    nets: dict[str, list[tuple[Point, Point]]] = field(default_factory=dict)
    bottom: float = 0.0
    width: float = 0.0


def draw(circuit: Circuit) -> str:
    """The whole file, the same for the same circuit."""
    sheet = Sheet()
    _place_boxes(circuit, sheet)
    _route(circuit, sheet)
    return "\n".join(_svg(circuit, sheet)) + "\n"


def words(pin: Pin) -> str:
    return pin.words or pin.name


def _place_boxes(circuit: Circuit, sheet: Sheet) -> None:
    x: float = MARGIN
    last = max(part.column for part in circuit.parts)
    for column in range(last + 1):
        parts = [part for part in circuit.parts if part.column == column]
        width = ceil(max(_width(part) for part in parts))
        _stack(parts, sheet, x, width, HEAD + (column % 2) * PITCH / 2)
        x += width
        if column < last:
            room = (len(_nets_in_gap(circuit, column)) + 1) * LANE + 2 * STUB
            sheet.gaps.append((x, x + room))
            x += room
    sheet.width = x + STUB + MARGIN


def _width(part: Part) -> float:
    """The widest of heading and rows; a row is the nth pin on the left and the nth on the right."""
    left = [len(words(pin)) for pin in part.pins if pin.side == "left"]
    right = [len(words(pin)) for pin in part.pins if pin.side == "right"]
    rows = max(len(left), len(right))
    sums = [sum(side[n] if n < len(side) else 0 for side in (left, right)) for n in range(rows)]
    return max(LETTER * max([*sums, 0]) + 40, LETTER * 1.1 * len(f"{part.ref} {part.title}") + 20)


def _stack(parts: list[Part], sheet: Sheet, x: float, width: float, y: float) -> None:
    for part in parts:
        rows = max(sum(pin.side == side for pin in part.pins) for side in ("left", "right"))
        box = Box(part, x, y, width, PITCH * (rows + 1))
        for side, edge in (("left", x), ("right", x + width)):
            for row, pin in enumerate([pin for pin in part.pins if pin.side == side]):
                box.at[pin.name] = (edge, y + PITCH * (row + 1) + PITCH / 2)
        sheet.boxes.append(box)
        y += box.height + PITCH
        sheet.bottom = max(sheet.bottom, y)


def _gap(circuit: Circuit, place: Place) -> int:
    """Between which columns a pin looks."""
    part = next(each for each in circuit.parts if each.ref == place[0])
    return part.column - (circuit.pin(place).side == "left")


def _nets_in_gap(circuit: Circuit, gap: int) -> list[str]:
    return [name for name, places in circuit.nets.items() if _gap_span(circuit, places, gap)]


def _gap_span(circuit: Circuit, places: tuple[Place, ...], gap: int) -> bool:
    return any(_gap(circuit, place) == gap for place in places)


def _route(circuit: Circuit, sheet: Sheet) -> None:
    where = {(box.part.ref, name): point for box in sheet.boxes for name, point in box.at.items()}
    lanes = {gap: _lanes(circuit, sheet, gap, where) for gap in range(len(sheet.gaps))}
    for name, places in circuit.nets.items():
        gaps = sorted({_gap(circuit, place) for place in places})
        bus = _bus(sheet) if len(gaps) > 1 else None
        for gap in gaps:
            points = [where[place] for place in places if _gap(circuit, place) == gap]
            _trunk(sheet, name, points, lanes[gap][name], bus)
        if bus is not None:
            sheet.nets[name].append(((lanes[gaps[0]][name], bus), (lanes[gaps[-1]][name], bus)))


def _bus(sheet: Sheet) -> float:
    """A level of its own below all boxes, for a net that has pins on both sides of a column."""
    sheet.bottom += LANE
    return sheet.bottom - LANE


def _lanes(circuit: Circuit, sheet: Sheet, gap: int, where: dict[Place, Point]) -> dict[str, float]:
    """Net → x. Those that end higher lie further right; supply and ground, which have most pins, at the far end."""

    def order(name: str) -> tuple[int, float]:
        roles = {circuit.pin(place).role for place in circuit.nets[name]}
        points = [where[place][1] for place in circuit.nets[name] if _gap(circuit, place) == gap]
        return (2 if GROUND in roles else 1 if POWER in roles else 0), -sum(points) / len(points)

    names = sorted(_nets_in_gap(circuit, gap), key=order)
    start = sheet.gaps[gap][0] + STUB
    return {name: start + LANE * (n + 1) for n, name in enumerate(names)}


def _trunk(sheet: Sheet, name: str, points: list[Point], x: float, bus: float | None) -> None:
    segments = sheet.nets.setdefault(name, [])
    segments += [(point, (x, point[1])) for point in points]
    levels = [point[1] for point in points] + ([] if bus is None else [bus])
    if min(levels) < max(levels):
        segments.append(((x, min(levels)), (x, max(levels))))


def kind_of(circuit: Circuit, name: str) -> str:
    """Its colour; supply and ground that never reach the board, the last part, have one of their own."""
    places = circuit.nets[name]
    roles = {circuit.pin(place).role for place in places}
    if LINE in roles or not roles & {GROUND, POWER}:
        return "line" if LINE in roles else "other"
    if all(ref != circuit.parts[-1].ref for ref, _ in places):
        return "apart"
    return "ground" if GROUND in roles else "power"


def _svg(circuit: Circuit, sheet: Sheet) -> Iterator[str]:
    lines = (*circuit.notes, *_STANDING)
    height = sheet.bottom + PITCH * (len(lines) + 2)
    width = max(sheet.width, 2 * MARGIN + LETTER * max(len(line) for line in lines))
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-labelledby="title desc">'
    yield f'<title id="title">{escape(circuit.title)}</title>'
    yield f'<desc id="desc">{escape(description(circuit))}</desc>'
    yield '<g font-family="DejaVu Sans, Verdana, sans-serif" font-size="12" fill="#1f1f1f">'
    yield f'<rect width="{width:.0f}" height="{height:.0f}" fill="#ffffff"/>'
    yield _text(MARGIN, 36, circuit.title, 'font-size="18" font-weight="bold"')
    for name, segments in sheet.nets.items():
        yield _net(name, segments, COLOURS[kind_of(circuit, name)])
    for box in sheet.boxes:
        yield from _box(box)
    y = sheet.bottom + PITCH
    for number, line in enumerate(lines):
        yield _text(MARGIN, y + number * PITCH * 0.8, line, "")
    used = {kind_of(circuit, name) for name in circuit.nets}
    yield from _legend(y + len(lines) * PITCH * 0.8, used)
    yield "</g>"
    yield "</svg>"


_STANDING = (
    "× stays unconnected. Nothing here drives the line: hw/wiring/netlist.py checks it before this is drawn.",
    "The board's USB socket goes to the agent's box and feeds all of this.",
)


def description(circuit: Circuit) -> str:
    """The same in words: each net with its pins, then what stays free."""
    named = {(part.ref, pin.name): f"{part.ref} {words(pin)}" for part in circuit.parts for pin in part.pins}
    joined = [", ".join(named[place] for place in places) for places in circuit.nets.values()]
    free = [named[place] for place in circuit.places() if circuit.pin(place).role in UNWIRED]
    return f"Joined: {'; '.join(joined)}. Unconnected: {'; '.join(free)}."


def _net(name: str, segments: list[tuple[Point, Point]], colour: str) -> str:
    path = " ".join(f"M{a[0]:g} {a[1]:g}L{b[0]:g} {b[1]:g}" for a, b in segments)
    dots = "".join(
        f'<circle cx="{x:g}" cy="{y:g}" r="3" fill="{colour}" stroke="none"/>'
        for x, y in _junctions(segments)
    )
    return f'<g data-net="{escape(name)}" stroke="{colour}" stroke-width="1.6" fill="none"><path d="{path}"/>{dots}</g>'


def _junctions(segments: list[tuple[Point, Point]]) -> list[Point]:
    """Where three or more ways meet on an upright: it counts two where it goes on, one where it ends."""
    flat = [segment for segment in segments if segment[0][1] == segment[1][1]]
    found = set()
    for (x, top), (_, low) in (segment for segment in segments if segment not in flat):
        ends = [end for segment in flat for end in segment if end[0] == x and top <= end[1] <= low]
        found |= {end for end in ends if ends.count(end) + (2 if top < end[1] < low else 1) > 2}
    return sorted(found)


def _box(box: Box) -> Iterator[str]:
    yield f'<g data-part="{box.part.ref}">'
    yield f'<rect x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}" rx="4" fill="#f4f4ef" stroke="#1f1f1f"/>'
    heading = f"{box.part.ref} {box.part.title}"
    yield _text(box.x + box.width / 2, box.y + 18, heading, 'text-anchor="middle" font-weight="bold"')
    for pin in box.part.pins:
        x, y = box.at[pin.name]
        inward = 8 if pin.side == "left" else -8
        anchor = 'text-anchor="start"' if pin.side == "left" else 'text-anchor="end"'
        yield _text(x + inward, y + 4, words(pin), anchor)
        if pin.role in UNWIRED:
            yield _cross(x - inward, y)
        else:
            yield f'<circle cx="{x:g}" cy="{y:g}" r="2.5"/>'
    yield "</g>"


def _cross(x: float, y: float) -> str:
    return f'<path d="M{x - 4:g} {y - 4:g}L{x + 4:g} {y + 4:g}M{x - 4:g} {y + 4:g}L{x + 4:g} {y - 4:g}" stroke="#1f1f1f" stroke-width="1.6"/>'


def _text(x: float, y: float, line: str, style: str) -> str:
    return f'<text x="{x:g}" y="{y:g}"{" " if style else ""}{style}>{escape(line)}</text>'


def _legend(y: float, used: set[str]) -> Iterator[str]:
    x: float = MARGIN
    for kind, colour in COLOURS.items():
        if kind not in used:
            continue
        yield f'<path d="M{x:g} {y - 4:g}L{x + 24:g} {y - 4:g}" stroke="{colour}" stroke-width="3"/>'
        yield _text(x + 30, y, _WORDS[kind], "")
        x += 50 + LETTER * len(_WORDS[kind])
