"""A line that is heard too fast says how fast it is: each of its bits fills several of the receiver's.

What a receiver of speed R samples on a line of speed r < R comes in runs as long as R / r, the first of which begins at
a falling edge, or anywhere in a low bit where a receiver takes a missing stop bit for the next start. An octet that no
such line can give speaks against r; a line that is heard too slowly fits nothing but its own speed, like one that is
heard rightly. How often which of the possible octets comes is the text's affair: spaces and zeros spell few of them, and
much the same few at a speed and at half of it. So it is learnt from the octets themselves.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from math import lgamma, log

from tillbell_agent.probe.setting import SPEEDS

_SAMPLES = 9  # the start bit and eight data bits; the stop bit is known only where a port counts errors
_NEAR_AN_EDGE = 0.12  # of the line's bit: a sample there may fall on either side
# How characters begin, by a receiver that waits for an edge and by one that does not: at one, later, or as noise.
_BEGIN = ((0.94, 0.02, 0.04), (0.64, 0.32, 0.04))
# As if so many of each octet had been heard before, of few possible ones and of many.
_SEEN, _SEEN_OF_ALL = 0.3, 0.1
_GLITCHES = frozenset((0xFF, 0xFE, 0xFC))  # a short low level on a line at rest, whatever its speed
_OF_GLITCHES, _OF_OTHERS = log(0.5 / len(_GLITCHES)), log(0.5 / (256 - len(_GLITCHES)))  # what noise spells
_FEW = 16
_MOST = 200  # octets: what more say is no surer, since the model is none of noise and text
# Of a line that is heard too fast every second stop bit or so is missing.
_CLEAN, _ENOUGH_FOR_CLEAN = 0.05, 12
_TOO_CLEAN = 1.0  # in nats, for each octet


@cache
def _later_octets(ratio: float) -> frozenset[int]:
    """Of characters that a receiver begins within a low bit, at a missing stop bit; one that is all low it waits out."""
    begun: set[int] = set()
    over = 0  # samples of the low bit
    while over not in begun:
        begun.add(over)
        stop = _SAMPLES + over + 0.5
        over = int(stop % ratio) if stop >= 2 * ratio else 0
    return frozenset().union(*(_octets_begun(ratio, over) for over in begun)) - _octets_begun(ratio, 0)


@cache
def _octets_begun(ratio: float, over: int) -> frozenset[int]:
    groups = _groups(ratio, over)
    grouped = {sample for samples in groups for sample in samples}
    edges = [sample for sample in range(1, _SAMPLES - 1) if sample not in grouped]
    return frozenset(octet for octet in range(256) if _fits(octet << 1, groups, edges))


def _groups(ratio: float, over: int) -> list[list[int]]:
    """The samples that fall into one bit of the line; those near an edge into none."""
    groups: dict[int, list[int]] = {}
    for sample in range(_SAMPLES):
        place, within = divmod((sample + over + 0.5) / ratio, 1)
        if _NEAR_AN_EDGE <= within <= 1 - _NEAR_AN_EDGE or ratio >= 2:
            groups.setdefault(int(place), []).append(sample)
    return list(groups.values())


def _fits(levels: int, groups: list[list[int]], edges: list[int]) -> bool:
    """A sample near an edge is like the one before it or the one after it."""
    if any(levels >> edge - 1 & 7 in (0b010, 0b101) for edge in edges):
        return False
    return all(len({levels >> sample & 1 for sample in samples}) == 1 for samples in groups)


def likelihood(octets: Mapping[int, int], ratio: float) -> float:
    """The logarithm of the chance to hear these on a line that is ``ratio`` times slower; up to 1: rightly, or too slowly."""
    if ratio <= 1:
        return _chance(octets.values(), 256, _SEEN_OF_ALL)
    at_an_edge, after = _octets_begun(ratio, 0), _later_octets(ratio)
    edge = [number for octet, number in octets.items() if octet in at_an_edge]
    later = [number for octet, number in octets.items() if octet in after]
    noise = {octet: number for octet, number in octets.items() if octet not in at_an_edge | after}
    return (
        _chance_of_beginnings(sum(edge), sum(later), sum(noise.values()))
        + _chance(edge, len(at_an_edge), _SEEN if len(at_an_edge) <= _FEW else _SEEN_OF_ALL)
        + _chance(later, len(after), _SEEN_OF_ALL)
        + sum(
            number * (_OF_GLITCHES if octet in _GLITCHES else _OF_OTHERS) for octet, number in noise.items()
        )
    )


def _chance(numbers: Iterable[int], kinds: int, seen: float) -> float:
    """Of just this sequence, of ``kinds`` that are drawn by unknown chances, each ``seen`` so often before."""
    numbers = [number for number in numbers if number]
    if not numbers:
        return 0.0
    total = sum(lgamma(seen + number) - lgamma(seen) for number in numbers)
    return total + lgamma(kinds * seen) - lgamma(kinds * seen + sum(numbers))


def _chance_of_beginnings(*numbers: int) -> float:
    each = [sum(n * log(p) for n, p in zip(numbers, kind, strict=True)) for kind in _BEGIN]
    return max(each)


class Ear:
    """What was heard at each speed, with eight bits, whatever came of it: what it says of the line's speed."""

    def __init__(self) -> None:
        self._octets: dict[int, Counter[int]] = {}
        self._wrong: Counter[int] = Counter()
        self._counted: set[int] = set()

    def hear(self, speed: int, octets: bytes, framing: int | None) -> None:
        """``framing``: characters without a stop bit; None: not counted."""
        self._octets.setdefault(speed, Counter()).update(octets)
        if framing is not None:
            self._wrong[speed] += framing
            self._counted.add(speed)

    @property
    def has_heard(self) -> bool:
        return bool(self._octets)

    def scores(self) -> dict[int, float]:
        """How likely each speed is, in nats below the likeliest."""
        scores = {speed: sum(self._score(heard_at, speed) for heard_at in self._octets) for speed in SPEEDS}
        best = max(scores.values())
        return {speed: score - best for speed, score in scores.items()}

    def _score(self, heard_at: int, speed: int) -> float:
        octets = self._octets[heard_at]
        number = octets.total()
        clean = heard_at in self._counted and self._wrong[heard_at] < _CLEAN * number
        too_clean = speed < heard_at and clean and number >= _ENOUGH_FOR_CLEAN
        score = likelihood(octets, heard_at / speed) - _TOO_CLEAN * number * too_clean
        return score * min(1.0, _MOST / max(1, number))
