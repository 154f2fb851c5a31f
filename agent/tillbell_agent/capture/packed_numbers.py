"""Card numbers as packed digits (BCD), from either nibble on, and track 2 with its ``D``.

What stands in front often says how long the number is (``16``, ``F0 F8``, ``5A 08``); then it is one wherever it stands.
Without that, printable octets are text and not packed digits where they are part of a row of sixteen and more, and so
are five ASCII digits in one window: of random packed numbers 0.04 % look like that, of frames with text nearly all.
Anything else that could be a number is taken for one: too much is hidden rather than too little.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Final

from tillbell_agent.capture.hidden import (
    HIGH,
    IIN,
    KEPT_DIGITS,
    LONGEST_PAN,
    LOW,
    SHORTEST_PAN,
    Hidden,
    cards_in,
)
from tillbell_agent.capture.text_numbers import between, without_commands
from tillbell_protocol.pan import luhn_holds

LONGEST_PACKED: Final = 10  # octets of a packed number
_RUN: Final = re.compile(r"[0-9]{13,}")
_TEXT: Final = re.compile(rb"[\x20-\x7e\r\n\xa1-\xfe]{16,}")
_MOST_ASCII_DIGITS = 4
_LENGTH_SAID: Final = re.compile(rb"(?=(\xf0[\xf7-\xf9]|\xf1\xf0|[\x07-\x0a\x0e-\x19]))")
_TRACK: Final = re.compile(r"(?=([2-6]\d{12,18})(d\d{4,20}))")
_DATED: Final = re.compile(
    r"d\d\d(0[1-9]|1[0-2])[1-79]\d{2}"
)  # expiry, service code: a track even if Luhn fails


def packed_numbers(
    octets: bytes, borders: Iterable[int] = (), known_text: Iterable[tuple[int, int]] = ()
) -> list[Hidden]:
    """Where packed card numbers stand. Overlapping ones are told too.

    No number crosses one of ``borders`` (octets) or is in ``known_text`` (start, end).
    """
    nibbles = octets.hex()
    cuts = sorted(2 * border for border in borders)
    text = [each.span() for each in _TEXT.finditer(without_commands(octets, b" "))]
    found = [
        hidden
        for run in _RUN.finditer(nibbles)
        for start, end in between(cuts, run.start(), run.end())
        for hidden in _in_run(nibbles, start, end)
    ]
    for start, end in between(cuts, 0, len(nibbles)):
        found += _tracks(nibbles, start, end)
    found = [each for each in found if not _is_text(octets, each, text)]
    found += [each for each in _where_length_is_said(octets) if not _crosses(cuts, each)]
    certain = sorted(known_text)
    return [each for each in found if not _within(each, certain)]


def _crosses(cuts: list[int], hidden: Hidden) -> bool:
    at = bisect_right(cuts, 2 * hidden.start)
    return at < len(cuts) and cuts[at] < 2 * hidden.end


def _in_run(nibbles: str, start: int, end: int) -> Iterator[Hidden]:
    for first, last in cards_in(nibbles[start:end]):
        yield _hidden(start + first, start + last)


def _is_text(octets: bytes, hidden: Hidden, text: list[tuple[int, int]]) -> bool:
    return _ascii_digits(octets[hidden.start : hidden.end]) > _MOST_ASCII_DIGITS or _within(hidden, text)


def _within(hidden: Hidden, spans: list[tuple[int, int]]) -> bool:
    row = bisect_right(spans, hidden.start, key=lambda span: span[0]) - 1
    return row >= 0 and hidden.end <= spans[row][1]


def _ascii_digits(octets: bytes) -> int:
    return sum(0x30 <= octet <= 0x39 for octet in octets)


def _where_length_is_said(octets: bytes) -> Iterator[Hidden]:
    nibbles, blanked = octets.hex(), without_commands(octets)
    for said in _LENGTH_SAID.finditer(octets):
        at = said.end(1)
        window = octets[at : at + LONGEST_PACKED]
        if blanked[at - 1] != octets[at - 1] and window.isascii() and window.decode().isprintable():
            continue  # a printer's command before a heading
        for start, digits in _lengths(said[1], at):
            number = nibbles[start : start + digits]
            if _is_number(number, digits, octets[at : at + (digits + 1) // 2]):
                yield _hidden(start, start + digits)


def _lengths(said: bytes, at: int) -> Iterator[tuple[int, int]]:
    """(first nibble, digits) that a length before the octet ``at`` may mean: padded behind, or before."""
    octets = 10 * (said[0] & 0xF) + (said[1] & 0xF) if len(said) == 2 else said[0]
    if octets <= LONGEST_PACKED:
        counts = [2 * octets - 1] if octets == LONGEST_PACKED else [2 * octets - 1, 2 * octets]
    else:
        counts = [said[0], 10 * (said[0] >> 4) + (said[0] & 0xF)]
    for count in {count for count in counts if SHORTEST_PAN <= count <= LONGEST_PAN}:
        yield 2 * at, count
        if count % 2:
            yield 2 * at + 1, count


def _is_number(number: str, digits: int, octets: bytes) -> bool:
    whole = len(number) == digits and number.isdecimal() and IIN.match(number) is not None
    return whole and luhn_holds(number) and _ascii_digits(octets) < len(octets)


def _tracks(nibbles: str, first: int, last: int) -> Iterator[Hidden]:
    found = [track for track in _TRACK.finditer(nibbles, first, last) if IIN.match(track[1])]
    certain = {track.end(1) for track in found if luhn_holds(track[1])}
    for track in found:
        start, separator, end = track.start(1), track.end(1), track.end(2)
        dated = _DATED.match(nibbles, separator, last) is not None
        if luhn_holds(track[1]) or (dated and separator not in certain):
            places = _places(start, separator - KEPT_DIGITS)
            for octet, bits in _places(separator + 1, end).items():
                places[octet] = places.get(octet, 0) | bits
            yield Hidden("track", start // 2, (end + 1) // 2, places)


def _hidden(start: int, end: int) -> Hidden:
    return Hidden("packed digits", start // 2, (end + 1) // 2, _places(start, end - KEPT_DIGITS))


def _places(start: int, end: int) -> dict[int, int]:
    """Octet → its nibbles, of the nibbles from ``start`` to ``end``."""
    places: dict[int, int] = {}
    for nibble in range(start, end):
        places[nibble // 2] = places.get(nibble // 2, 0) | (LOW if nibble % 2 else HIGH)
    return places
