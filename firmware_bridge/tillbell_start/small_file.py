"""A small file that is there whole or not at all: its octets, then their CRC-32. Written beside, then renamed over the old."""

import binascii
import os

_CHECK_OCTETS = 4
NEW = ".new"


def sealed(octets: bytes) -> bytes:
    """What the file holds."""
    return octets + binascii.crc32(octets).to_bytes(_CHECK_OCTETS, "little")


def opened(found: bytes) -> "bytes | None":
    """The octets, or None: empty, cut or spoilt. An entry is made before its data, so "it exists" says nothing."""
    octets = found[:-_CHECK_OCTETS]
    return octets if octets and sealed(octets) == found else None


def read(path: str) -> "bytes | None":
    try:
        with open(path, "rb") as file:
            return opened(file.read())
    except OSError:
        return None


def write(path: str, octets: bytes) -> None:
    """Raises OSError where the flash takes no more; the old file then stands."""
    with open(path + NEW, "wb") as file:
        file.write(sealed(octets))
    os.rename(path + NEW, path)
