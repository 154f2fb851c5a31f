"""A serial line as it is on the wire: octets become levels over time, and a receiver with its own settings samples them.

A receiver finds a falling edge, looks again half a bit later, takes every bit in its middle, and compares parity and
the first stop bit, as a UART does. One that is set to another speed or format therefore hears wrong octets, framing
errors, parity errors and breaks. A line rests high. Times are seconds, exact edges are floats.
"""

import random
from bisect import bisect_right
from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True, slots=True)
class Format:
    """How a character is framed. ``parity``: N, E, O, M (always 1) or S (always 0)."""

    bits: int = 8
    parity: str = "N"
    stopbits: float = 1

    @property
    def length(self) -> float:
        """In bits, with the start bit."""
        return 1 + self.bits + (self.parity != "N") + self.stopbits

    def __str__(self) -> str:
        return f"{self.bits}{self.parity}{self.stopbits:g}"

    def parity_of(self, value: int) -> int:
        """The parity bit of a character's bits."""
        ones = value.bit_count() & 1
        return {"E": ones, "O": 1 - ones, "M": 1}.get(self.parity, 0)


@dataclass(frozen=True, slots=True)
class Heard:
    """A character as a receiver reports it, at the time of its first stop bit's middle."""

    octet: int
    at: float
    framing: bool = False
    parity: bool = False
    break_: bool = False


@dataclass(frozen=True, slots=True)
class Noise:
    """``flips``: the chance of each bit on the wire to be sent wrong. ``glitches``: short wrong levels in each second."""

    flips: float = 0.0
    glitches: float = 0.0
    longest_glitch_s: float = 0.000_03


class Wire:
    """One direction of a line: what is spoken onto it, and its level at any time. Noise repeats with the seed."""

    def __init__(self, noise: Noise = Noise(), seed: int = 0) -> None:
        self._toggles: list[float] = []
        self._noise = noise
        self._chance = random.Random(seed)
        self._free_at = 0.0
        self._next_glitch = 0.0
        if noise.glitches:
            self._next_glitch = self._chance.expovariate(noise.glitches)

    def speak(
        self, octets: bytes, at: float, speed: float, character: Format, gap_bits: float = 0.0
    ) -> float:
        """Send ``octets`` from ``at`` on, or when the line is free; when the last stop bit ends.

        ``gap_bits``: rest between two characters beside the stop bits. Calls come in the order of their times.
        """
        now = max(at, self._free_at)
        for octet in octets:
            self._character(octet, now, 1 / speed, character)
            now += (character.length + gap_bits) / speed
        self._free_at = now
        return now

    def glitch_until(self, until: float) -> None:
        """Add the glitches before a time; whatever is spoken before it has been spoken."""
        while self._noise.glitches and self._next_glitch + self._noise.longest_glitch_s < until:
            at = self._next_glitch
            length = self._chance.uniform(0.1, 1.0) * self._noise.longest_glitch_s
            place = bisect_right(self._toggles, at)
            self._toggles[place:place] = self._fitting(place, at, length)
            self._next_glitch = at + length + self._chance.expovariate(self._noise.glitches)

    def level(self, at: float) -> int:
        return 1 - (bisect_right(self._toggles, at) & 1)

    def next_edge(self, after: float, level: int) -> float | None:
        """When the line next goes to ``level`` from the other one, later than ``after``; None: not yet known."""
        place = bisect_right(self._toggles, after)
        place += (1 - (place & 1)) == level  # the next toggle leaves this level
        return self._toggles[place] if place < len(self._toggles) else None

    def _fitting(self, place: int, at: float, length: float) -> list[float]:
        """A glitch that another edge cuts short ends before it."""
        after = self._toggles[place] if place < len(self._toggles) else at + 2 * length
        return [at, min(at + length, (at + after) / 2)]

    def _character(self, octet: int, start: float, bit: float, character: Format) -> None:
        levels = _levels(octet, character)
        flips = self._noise.flips
        if flips:
            levels = [level ^ (self._chance.random() < flips) for level in levels]
        before = 1
        for place, level in enumerate(levels):
            if level != before:
                self._toggles.append(start + place * bit)
            before = level
        if not before:
            self._toggles.append(start + len(levels) * bit)


def _levels(octet: int, character: Format) -> list[int]:
    """Start bit, data from the lowest bit on, parity, and the stop bits' full ones (their rest is silence)."""
    value = octet & (1 << character.bits) - 1
    levels = [0, *((value >> place) & 1 for place in range(character.bits))]
    if character.parity != "N":
        levels.append(character.parity_of(value))
    return levels + [1] * int(character.stopbits)


class Receiver:
    """A UART's receiving half on ``wire``, from the time ``since`` on.

    ``at_once``: after a framing error take the low level for the next start bit, as the 16550 does; otherwise wait for
    the line to rest. ``tolerance`` is a factor of its clock. Only the first stop bit is looked at, as everywhere.
    """

    def __init__(
        self, wire: Wire, speed: float, character: Format, since: float = 0.0, *, at_once: bool = False,
        tolerance: float = 1.0,
    ) -> None:  # fmt: skip
        self._wire = wire
        self._bit = tolerance / speed
        self._character = character
        self._at_once = at_once
        self._free_at = since
        self._start: float | None = None  # of a character whose end is not known yet
        self._low_at = since if not wire.level(since) else None

    def hear(self, until: float) -> list[Heard]:
        """The characters whose first stop bit's middle is not later than ``until``."""
        heard: list[Heard] = []
        while self._find_start(until):
            assert self._start is not None
            end = self._start + self._stop_place * self._bit
            if end > until:
                break
            character = self._sample(self._start, end)
            if character is not None:
                heard.append(character)
        return heard

    @property
    def _stop_place(self) -> float:
        return 1.5 + self._character.bits + (self._character.parity != "N")

    def _find_start(self, until: float) -> bool:
        """Where the next character begins, if that is known by ``until``."""
        if self._start is not None:
            return True
        if self._low_at is not None:
            rest = self._wire.next_edge(self._low_at, 1)
            if rest is None or rest > until:
                return False
            self._free_at, self._low_at = rest, None
        start = self._wire.next_edge(self._free_at, 0)
        if start is None or start > until:
            return False
        self._start = start
        return True

    def _sample(self, start: float, end: float) -> Heard | None:
        """The character that begins at ``start``; None: its start bit was none."""
        level, bit = self._wire.level, self._bit
        self._start = None
        if level(start + bit / 2):
            self._free_at = start + bit / 2
            return None
        value = 0
        for place in range(self._character.bits):
            value |= level(start + (1.5 + place) * bit) << place
        parity = self._character.parity
        wrong_parity = parity != "N" and level(end - bit) != self._character.parity_of(value)
        framing = not level(end)
        silent = framing and not value and (parity == "N" or not level(end - bit))
        self._go_on(end, framing, silent)
        return Heard(value, end, framing and not silent, wrong_parity and not silent, silent)

    def _go_on(self, end: float, framing: bool, silent: bool) -> None:
        self._free_at = end
        if framing and self._at_once and not silent:
            self._start = end - self._bit / 2
        elif framing:
            self._low_at = end


def garbled(octets: bytes, spoken: tuple[float, Format], heard: tuple[float, Format]) -> list[Heard]:
    """What a receiver with the settings ``heard`` makes of octets sent with ``spoken``, without noise."""
    wire = Wire()
    end = wire.speak(octets, 1 / spoken[0], *spoken)  # a line that has rested
    rest = ceil(heard[1].length + 1) / heard[0]
    return Receiver(wire, *heard).hear(end + rest)
