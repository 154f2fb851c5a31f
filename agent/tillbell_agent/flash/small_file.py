"""A small file of the bridge: its octets, then their CRC-32, little-endian. Empty, cut or spoilt is the same as not there."""

import binascii

_CHECK_OCTETS = 4


def seal(octets: bytes) -> bytes:
    """What the file holds."""
    return octets + binascii.crc32(octets).to_bytes(_CHECK_OCTETS, "little")


def unseal(found: bytes | None) -> bytes | None:
    """The octets that were sealed; None where there is no such file, or no whole one."""
    if found is None:
        return None
    octets = found[:-_CHECK_OCTETS]
    return octets if octets and seal(octets) == found else None
