"""UF2 files as the makers of boards publish them, made here: blocks of 256 octets."""

import struct

RP2040, RP2350, ABSOLUTE = 0xE48BFF56, 0xE48BFF59, 0xE48BFF57
FLASH = 0x10000000


def block(
    number: int, count: int, address: int, family: int, octets: bytes = b"", flags: int = 0x2000
) -> bytes:
    head = struct.pack(
        "<8I", 0x0A324655, 0x9E5D5157, flags, address, len(octets) or 256, number, count, family
    )
    return head + octets.ljust(476, b"\x00") + struct.pack("<I", 0x0AB16F30)


def uf2(count: int = 4, family: int = RP2040, start: int = FLASH) -> bytes:
    return b"".join(
        block(number, count, start + 256 * number, family, bytes([number % 256]) * 256)
        for number in range(count)
    )


def e10() -> bytes:
    """What stands before an image for the RP2350: one block "of two", at the end of flash, with an extension flag."""
    return block(0, 2, 0x10FFFF00, ABSOLUTE, b"\xef" * 256, 0xA000)
