"""What a search finds: which octets hold a card number, and which bits of them have to go."""

import re
from dataclasses import dataclass
from typing import Final

LONGEST_PAN: Final = 19
SHORTEST_PAN: Final = 13
KEPT_DIGITS: Final = 4

# What of an octet is replaced. LOW and HIGH are nibbles: a printed digit is a LOW (of ASCII, and of the last octet of
# a fullwidth one), a packed octet both. EVEN and ODD: a digit with a parity bit. TEXT: a letter or digit of a track.
LOW, HIGH, EVEN, ODD, TEXT = 1, 2, 4, 8, 16

# First digits of cards, as tillbell_protocol.pan has them.
IIN: Final = re.compile(r"[3-6]|220[0-4]|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720")


@dataclass(frozen=True, slots=True)
class Hidden:
    """A number between the octets ``start`` and ``end`` (exclusive). ``places``: octet → LOW, HIGH … of it.

    ``what``: "digits", "packed digits" or "track", for who reads the file.
    """

    what: str
    start: int
    end: int
    places: dict[int, int]


def joined(found: list[Hidden]) -> list[Hidden]:
    """Numbers that overlap are one stretch of octets: of two readings one is right, so both are hidden."""
    merged: list[Hidden] = []
    for each in sorted(found, key=lambda one: (one.start, -one.end)):
        last = merged[-1] if merged else None
        if last is None or each.start >= last.end:
            merged.append(Hidden(each.what, each.start, each.end, dict(each.places)))
            continue
        for octet, bits in each.places.items():
            last.places[octet] = last.places.get(octet, 0) | bits
        merged[-1] = Hidden(last.what, last.start, max(last.end, each.end), last.places)
    return merged


class Luhn:
    """Luhn's sum over any piece of one string of digits, each in a step or two (ISO/IEC 7812-1 annex B)."""

    def __init__(self, digits: str) -> None:
        self._sums: tuple[list[int], list[int]] = ([0], [0])
        for index, character in enumerate(digits):
            value = int(character)
            doubled = value * 2 - 9 if value > 4 else value * 2
            for parity, sums in enumerate(self._sums):
                sums.append(sums[-1] + (value if index % 2 == parity else doubled))

    def holds(self, start: int, end: int) -> bool:
        sums = self._sums[(end - 1) % 2]
        return (sums[end] - sums[start]) % 10 == 0


def cards_in(digits: str) -> list[tuple[int, int]]:
    """Every piece of ``digits`` that could be a card number, as (start, end)."""
    luhn = Luhn(digits)
    return [
        (start, end)
        for start in range(len(digits) - SHORTEST_PAN + 1)
        if IIN.match(digits, start)
        for end in range(start + SHORTEST_PAN, min(start + LONGEST_PAN, len(digits)) + 1)
        if luhn.holds(start, end)
    ]
