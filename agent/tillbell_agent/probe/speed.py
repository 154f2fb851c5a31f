"""A line that is heard too fast says how fast it is: each of its bits fills several of the receiver's.

What a receiver of speed R samples on a line of speed r < R comes in runs as long as R / r, the first of which begins at
a falling edge, or anywhere in a low bit where a receiver takes a missing stop bit for the next start. An octet that no
such line can give speaks against r; a line that is heard too slowly fits nothing but its own speed, like one that is
heard rightly.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from math import log

from tillbell_agent.probe.setting import SPEEDS

_SAMPLES = 9  # the start bit and eight data bits; the stop bit is known only where a port counts errors
_NEAR_AN_EDGE = 0.12  # of the line's bit: a sample there may fall on either side
_LONGEST_RUN = _SAMPLES + 1  # a line so slow fills a whole character with one level
_FITS = 0.8  # of the octets, at least; noise spoils some
_AT_AN_EDGE, _LATER, _NOISE = 0.9, 0.05, 0.05  # how a character begins, or that it is none
_MARGIN = 4.0  # in nats, of the best speed over the next: less is left open …
ENOUGH = 64  # … until so many octets were heard
# In nats for each octet: spaces and zeros at one speed sound much like those at half of it.
_DOUBT = 2.0
# Of a line that is heard too fast every second stop bit or so is missing.
_CLEAN = 0.05


@cache
def possible_octets(ratio: float) -> frozenset[int]:
    """What a receiver hears on a line that is ``ratio`` times slower than itself."""
    begun = range(int(ratio)) if ratio < _LONGEST_RUN else range(1)  # samples of the low bit that are over
    return frozenset().union(*(_octets_begun(ratio, over) for over in begun))


@cache
def _octets_begun(ratio: float, over: int) -> frozenset[int]:
    groups = _groups(ratio, over)
    return frozenset(octet for octet in range(256) if _fits(octet << 1, groups))


def _groups(ratio: float, over: int) -> list[list[int]]:
    """The samples that fall into one bit of the line."""
    groups: dict[int, list[int]] = {}
    for sample in range(_SAMPLES):
        place, within = divmod((sample + over + 0.5) / ratio, 1)
        if _NEAR_AN_EDGE <= within <= 1 - _NEAR_AN_EDGE or ratio >= 2:
            groups.setdefault(int(place), []).append(sample)
    return list(groups.values())


def _fits(levels: int, groups: list[list[int]]) -> bool:
    return all(len({levels >> sample & 1 for sample in samples}) == 1 for samples in groups)


def slower_speed(
    octets: Sequence[int], heard_at: int, wrong_share: float | None, doubted: Mapping[int, int]
) -> int | None:
    """The speed of the line where it is below ``heard_at``; None: it is not, or too little says so.

    Lines of a tenth of the speed and less all sound alike: of them the fastest. ``wrong_share``: characters without a
    stop bit, of all; None: not counted. ``doubted``: how often nothing was understood at a speed.
    """
    if wrong_share is not None and wrong_share < _CLEAN:
        return None
    slower = [each for each in SPEEDS if each < heard_at]
    alike = [each for each in slower if heard_at / each >= _LONGEST_RUN]
    slower = [each for each in slower if each not in alike[1:]]
    doubts = {each: _DOUBT * len(octets) * doubted.get(each, 0) for each in slower}
    ranked = sorted(
        ((_likelihood(octets, heard_at / each) - doubts[each], each) for each in slower), reverse=True
    )
    ranked = [each for each in ranked if _share_possible(octets, heard_at / each[1]) >= _FITS]
    rivals = [likelihood for likelihood, _ in ranked[1:] if len(octets) < ENOUGH] + [-len(octets) * log(256)]
    return ranked[0][1] if ranked and ranked[0][0] - max(rivals) >= _MARGIN else None


def _share_possible(octets: Sequence[int], ratio: float) -> float:
    possible = possible_octets(ratio)
    return sum(octet in possible for octet in octets) / len(octets)


def _likelihood(octets: Sequence[int], ratio: float) -> float:
    """The logarithm of the chance to hear just these octets."""
    table = _chances(ratio)
    return sum(table[octet] for octet in octets)


@cache
def _chances(ratio: float) -> tuple[float, ...]:
    at_an_edge, later = _octets_begun(ratio, 0), possible_octets(ratio)
    return tuple(
        log(
            _AT_AN_EDGE * (octet in at_an_edge) / len(at_an_edge)
            + _LATER * (octet in later) / len(later)
            + _NOISE / 256
        )
        for octet in range(256)
    )
