"""Frames with doubled octets and a 16-bit check (ZVT, PA00P016): found, taken apart, put together again."""

import re
from dataclasses import dataclass
from typing import Final

from tillbell_agent.pos.checks import crc_kermit

_STUFFED: Final = re.compile(rb"\x10\x02((?:[^\x10]|\x10\x10){2,2000}?)\x10\x03(.{2})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class StuffedFrame:
    """``10 02 … 10 03 crc crc`` at ``start`` to ``end``; ``payload`` is without the doubled octets."""

    start: int
    end: int
    payload: bytes


def stuffed_frames(octets: bytes) -> list[StuffedFrame]:
    """Frames as ZVT has them (PA00P016) whose CRC holds, in order."""
    found, at = [], 0
    while (frame := _STUFFED.search(octets, at)) is not None:
        payload = unstuffed(frame[1])
        if crc_kermit(payload + b"\x03").to_bytes(2, "little") == frame[2]:
            found.append(StuffedFrame(frame.start(), frame.end(), payload))
            at = frame.end()
        else:
            at = frame.start() + 2
    return found


def unstuffed(octets: bytes) -> bytes:
    return octets.replace(b"\x10\x10", b"\x10")


def stuffed_frame(payload: bytes) -> bytes:
    """The octets on the wire, with a CRC that is right."""
    crc = crc_kermit(payload + b"\x03").to_bytes(2, "little")
    return b"\x10\x02" + payload.replace(b"\x10", b"\x10\x10") + b"\x10\x03" + crc
