"""What stands where a card number stood: digits of the same kind, chosen so that the XOR of all octets stays.

So a longitudinal check, wherever a frame has it and whatever it starts from, holds as before, for every dialect and for
whoever looks for the rule of a frame that nobody knows. This tells four bits of the hidden digits of text and eight of
packed ones, which the check octet itself tells already.
"""

from collections.abc import Mapping
from functools import reduce
from itertools import product
from operator import xor
from typing import Final

from tillbell_agent.capture.hidden import EVEN, HIGH, LOW, ODD, TEXT

_DLE: Final = 0x10  # doubled in some protocols: none may come or go
_DIGITS: Final = b"0123456789"
_ODD_DIGITS: Final = bytes(octet | 0x80 if octet.bit_count() % 2 == 0 else octet for octet in _DIGITS)
_EVEN_DIGITS: Final = bytes(octet | 0x80 if octet.bit_count() % 2 else octet for octet in _DIGITS)
_LETTERS: Final = bytes(range(0x41, 0x5B)) + bytes(range(0x61, 0x7B))
_FIXED = 3  # octets that make the XOR right; the others get the first of their alphabet


def put_stand_ins(octets: bytearray, places: Mapping[int, int]) -> int:
    """Replace what ``places`` names (octet → LOW, HIGH …). Returns the XOR of what was and what is there: 0 if it can be."""
    before = reduce(xor, (octets[at] for at in places), 0)
    alphabets = _alphabets(octets, places)
    for at, alphabet in alphabets.items():
        octets[at] = alphabet[0]
    fixed = sorted(alphabets, key=lambda at: (len(alphabets[at]), at))[-_FIXED:]
    missing = reduce(xor, (octets[at] for at in places if at not in fixed), before)
    for choice in product(*(alphabets[at] for at in fixed)):
        if reduce(xor, choice, 0) == missing:
            for at, octet in zip(fixed, choice, strict=True):
                octets[at] = octet
            return 0
    return reduce(xor, (octets[at] for at in places), before)


def put_zeros(octets: bytearray, places: Mapping[int, int]) -> None:
    """Replace without keeping the XOR, for a frame whose check is written anew. As many doubled octets stay as were.

    The doubled octets come first, so that the frame keeps its length and only their number is told.
    """
    whole = sorted(at for at, bits in places.items() if bits == LOW | HIGH)
    doubled = sum(octets[at] == _DLE for at in whole)
    for at, alphabet in _alphabets(octets, places).items():
        if octets[at] != _DLE or places[at] == LOW | HIGH:
            octets[at] = alphabet[0]
    for at in whole[:doubled]:
        octets[at] = _DLE


def _alphabets(octets: bytes | bytearray, places: Mapping[int, int]) -> dict[int, bytes]:
    """What may stand at each place. At the edge of what stays it differs, so that no fifth digit stays by chance."""
    was = frozenset(octets[at] for at in places)
    found = {}
    for at, bits in sorted(places.items()):
        alphabet = _alphabet(octets[at], bits)
        edge = at + 1 not in places
        if bits == LOW | HIGH:
            same = octets[at] & 0xF if edge else -1
            alphabet = bytes(octet for octet in alphabet if octet not in was - {0} and octet & 0xF != same)
        elif edge:
            alphabet = alphabet.replace(octets[at : at + 1], b"")
        found[at] = alphabet
    return found


def _alphabet(octet: int, bits: int) -> bytes:
    """What may stand in place of ``octet``, the least telling first."""
    if bits & TEXT:
        return _DIGITS + _LETTERS
    if bits & (EVEN | ODD):
        return _EVEN_DIGITS if bits & EVEN else _ODD_DIGITS
    highs = range(10) if bits & HIGH else (octet >> 4,)
    lows = range(10) if bits & LOW else (octet & 0xF,)
    every = [high << 4 | low for high in highs for low in lows]
    return bytes(each for each in every if each != _DLE or (octet == _DLE and bits != LOW | HIGH)) or bytes(
        every
    )
