"""UF2 files, which a board's boot loader takes as a removable disk: whether one is whole, and for this microcontroller.

The format is Microsoft's (microsoft.github.io/uf2): blocks of 512 octets, each with its own address and number. The
families' numbers are Raspberry Pi's (``boot/uf2.h`` of the Pico SDK).
"""

import itertools
import struct
from dataclasses import dataclass

BLOCK = 512
FAMILIES = {"rp2040": 0xE48BFF56, "rp2350": 0xE48BFF59}  # of the RP2350: Arm, secure
# Before an image for the RP2350 its tools put one block of no image: a work-around for erratum E10, at the end of flash.
ABSOLUTE_FAMILY = 0xE48BFF57
_E10_ADDRESS = 0x10FFFF00
_START0, _START1, _END = 0x0A324655, 0x9E5D5157, 0x0AB16F30
_NOT_MAIN_FLASH, _CONTAINER, _FAMILY_PRESENT = 0x0001, 0x1000, 0x2000
_HEAD = struct.Struct("<8I")
_MOST_PAYLOAD = 476
_PAGE = 256
# Flash as the processor sees it: 16 MiB from here.
_FLASH_START, _FLASH_END = 0x10000000, 0x11000000


class Uf2Error(Exception):
    """This file is not to be copied onto the board; the message says which block, and why."""


@dataclass(frozen=True, slots=True)
class Image:
    """``octets``: of all blocks; ``start`` and ``end``: the addresses they fill, ``end`` not included."""

    blocks: int
    octets: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Block:
    address: int
    octets: int
    number: int
    count: int
    family: int


def check_uf2(found: bytes, mcu: str) -> Image:
    """Every block of a file for ``mcu`` (a key of FAMILIES). Raises Uf2Error."""
    if not found or len(found) % BLOCK:
        raise Uf2Error(
            f"{len(found)} octets are no whole number of blocks of {BLOCK}: the file is cut, or no UF2"
        )
    blocks = [_block(found[at : at + BLOCK], at // BLOCK) for at in range(0, len(found), BLOCK)]
    image = [each for each in blocks if mcu != "rp2350" or not _is_e10(each)]
    if len(blocks) - len(image) > 1 or not image:
        raise Uf2Error("it holds no image")
    for place, each in enumerate(image):
        _check(each, place, image[0], FAMILIES[mcu], mcu)
    if len(image) != image[0].count:
        raise Uf2Error(f"block 0 says {image[0].count} blocks, the file has {len(image)}: it is cut")
    _check_overlaps(image)
    return Image(
        len(image), sum(each.octets for each in image), min(each.address for each in image),
        max(each.address + each.octets for each in image),
    )  # fmt: skip


def _block(octets: bytes, place: int) -> _Block:
    start0, start1, flags, address, payload, number, count, family = _HEAD.unpack_from(octets)
    (end,) = struct.unpack_from("<I", octets, BLOCK - 4)
    if (start0, start1, end) != (_START0, _START1, _END):
        raise Uf2Error(f"block {place} has not the marks of UF2: the file is spoilt, or no UF2")
    if flags & (_NOT_MAIN_FLASH | _CONTAINER):
        raise Uf2Error(f"block {place} is not for the flash")
    if not flags & _FAMILY_PRESENT:
        raise Uf2Error(f"block {place} does not say for which microcontroller it is")
    return _Block(address, payload, number, count, family)


def _is_e10(block: _Block) -> bool:
    return block.family == ABSOLUTE_FAMILY and block.address == _E10_ADDRESS and block.number == 0


def _check(block: _Block, place: int, first: _Block, family: int, mcu: str) -> None:
    if block.family != family:
        name = next((name for name, number in FAMILIES.items() if number == block.family), None)
        raise Uf2Error(f"it is for {name or f'family {block.family:#010x}'}, the board has an {mcu}")
    if block.number != place or block.count != first.count:
        raise Uf2Error(
            f"block {place} says that it is {block.number} of {block.count}: one is missing, or twice there"
        )
    if not 0 < block.octets <= _MOST_PAYLOAD or block.octets % _PAGE or block.address % _PAGE:
        raise Uf2Error(f"block {place} is no page of {_PAGE} octets of flash")
    if not _FLASH_START <= block.address <= _FLASH_END - block.octets:
        raise Uf2Error(f"block {place} is for {block.address:#010x}, which is no flash")


def _check_overlaps(image: list[_Block]) -> None:
    ordered = sorted(image, key=lambda each: each.address)
    for before, each in itertools.pairwise(ordered):
        if each.address < before.address + before.octets:
            raise Uf2Error(f"two blocks are for {each.address:#010x}")
