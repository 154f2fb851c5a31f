"""A circuit as data: parts with pins, and nets that join them. What may be joined is checked here, before it is drawn."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

# What a pin does. LINE: a wire of the shop's, on which others speak. ABSENT: the connector has no such pin.
LINE, IN, OUT, PASSIVE, POWER, GROUND, FREE, ABSENT = (
    "line",
    "in",
    "out",
    "passive",
    "power",
    "ground",
    "free",
    "absent",
)
UNWIRED = (FREE, ABSENT)
Place = tuple[str, str]  # a part's reference and its pin's name


@dataclass(frozen=True)
class Pin:
    name: str
    role: str
    side: str = "left"
    words: str = ""  # what stands at it in the drawing, where that is not its name


@dataclass(frozen=True)
class Part:
    """``conducts``: pairs of pins between which current flows both ways. ``passes``: from an input to its output.

    ``barrier``: the pins on one side of its isolation; empty: it has none.
    """

    ref: str
    title: str
    column: int
    pins: tuple[Pin, ...]
    material: str = ""  # its name in hw/bom.csv
    conducts: tuple[tuple[str, str], ...] = ()
    passes: tuple[tuple[str, str], ...] = ()
    barrier: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Circuit:
    """``lines``: which line's pin must arrive at which pin of the bridge. ``isolated``: no current in common."""

    title: str
    parts: tuple[Part, ...]
    nets: dict[str, tuple[Place, ...]]
    lines: dict[Place, Place]
    isolated: bool = False
    notes: tuple[str, ...] = field(default=())

    def part(self, place: Place) -> Part:
        return next(each for each in self.parts if each.ref == place[0])

    def pin(self, place: Place) -> Pin:
        return next(each for each in self.part(place).pins if each.name == place[1])

    def places(self) -> Iterator[Place]:
        return ((part.ref, pin.name) for part in self.parts for pin in part.pins)

    def net_of(self, place: Place) -> str | None:
        return next((name for name, places in self.nets.items() if place in places), None)


def reach(circuit: Circuit, start: Place, *, with_signal: bool) -> set[Place]:
    """All pins that current, or with ``with_signal`` also information, gets to from ``start``; supplies end the way."""

    def beyond(place: Place) -> list[Place]:
        part = circuit.part(place)
        pairs = [*part.conducts, *((b, a) for a, b in part.conducts), *(part.passes if with_signal else ())]
        across = [(part.ref, target) for source, target in pairs if source == place[1]]
        places = circuit.nets.get(circuit.net_of(place) or "", ())
        supply = any(circuit.pin(each).role in (POWER, GROUND) for each in places)
        return across if supply else [*across, *places]

    return _walk(start, beyond)


def galvanic(circuit: Circuit, start: Place) -> set[Place]:
    """All pins that have any metal or silicon in common with ``start``: only a part's barrier ends the way."""

    def beyond(place: Place) -> list[Place]:
        part = circuit.part(place)
        side = place[1] in part.barrier
        same = [(part.ref, pin.name) for pin in part.pins if (pin.name in part.barrier) == side]
        return [*same, *circuit.nets.get(circuit.net_of(place) or "", ())]

    return _walk(start, beyond)


def _walk(start: Place, beyond: Callable[[Place], list[Place]]) -> set[Place]:
    found: set[Place] = set()
    waiting = [start]
    while waiting:
        place = waiting.pop()
        if place not in found:
            found.add(place)
            waiting += beyond(place)
    return found


def problems(circuit: Circuit, bridge: str) -> list[str]:
    """What is wrong with it, one sentence each; ``bridge`` is the board's reference. Empty: it may be built."""
    known = set(circuit.places())
    strange = [
        f"net {name} names {' '.join(place)}, which is not there"
        for name, places in circuit.nets.items()
        for place in places
        if place not in known
    ]
    return strange or [
        *_joined_wrongly(circuit),
        *_speaks(circuit, bridge),
        *_does_not_hear(circuit),
        *_grounds(circuit, bridge),
    ]


def _joined_wrongly(circuit: Circuit) -> Iterator[str]:
    yield from (f"net {name} joins nothing" for name, places in circuit.nets.items() if len(places) < 2)
    for place in circuit.places():
        count = sum(places.count(place) for places in circuit.nets.values())
        unwired = circuit.pin(place).role in UNWIRED
        if unwired and count:
            yield f"{place[0]} {place[1]} must stay free and is wired"
        elif not unwired and count != 1:
            yield f"{place[0]} {place[1]} is on {count} nets"


def _speaks(circuit: Circuit, bridge: str) -> Iterator[str]:
    """Nothing that drives is within reach of a wire of the shop's, and no pin of the bridge is on it without a part."""
    for place in circuit.places():
        if circuit.pin(place).role != LINE:
            continue
        for other in sorted(reach(circuit, place, with_signal=False)):
            if circuit.pin(other).role == OUT:
                yield f"{other[0]} {other[1]} can drive {place[0]} {place[1]}"
        direct = circuit.nets.get(circuit.net_of(place) or "", ())
        yield from (f"{bridge} {name} is on {place[1]} directly" for ref, name in direct if ref == bridge)


def _does_not_hear(circuit: Circuit) -> Iterator[str]:
    for line, tap in circuit.lines.items():
        heard = reach(circuit, line, with_signal=True)
        if tap not in heard:
            yield f"{line[1]} is not heard at {tap[1]}"
        others = set(circuit.lines.values()) - {tap}
        yield from (f"{line[1]} is heard at {other[1]} too" for other in sorted(others & heard))


def _grounds(circuit: Circuit, bridge: str) -> Iterator[str]:
    """The bridge's ground is the terminal's, or, where they are isolated, no current flows between the two at all."""
    outside = {line[0] for line in circuit.lines}
    for place in circuit.places():
        if place[0] not in outside or circuit.pin(place).role not in (GROUND, LINE):
            continue
        if circuit.isolated and bridge in {ref for ref, _ in galvanic(circuit, place)}:
            yield f"{place[0]} {place[1]} is not isolated from {bridge}"
        same = {ref for ref, _ in circuit.nets.get(circuit.net_of(place) or "", ())}
        if not circuit.isolated and circuit.pin(place).role == GROUND and bridge not in same:
            yield f"{place[0]} {place[1]} is not the ground of {bridge}"
