"""The check octets of terminals' frames."""

from functools import reduce
from operator import xor
from typing import Final


def lrc(octets: bytes, start: int = 0) -> int:
    """Longitudinal redundancy check: all octets XORed, and ``start``. What it covers differs by protocol."""
    return reduce(xor, octets, start)


def _kermit_row(index: int) -> int:
    for _ in range(8):
        index = index >> 1 ^ (0x8408 if index & 1 else 0)
    return index


_KERMIT: Final = tuple(map(_kermit_row, range(256)))


def crc_kermit(octets: bytes, start: int = 0) -> int:
    """CRC-16/KERMIT: polynomial 0x1021 reflected, initial value 0, nothing at the end. ZVT calls it by other names."""
    crc = start
    for octet in octets:
        crc = crc >> 8 ^ _KERMIT[(crc ^ octet) & 0xFF]
    return crc
