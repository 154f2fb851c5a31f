"""What kinds of frames are on a line, whatever dialect it is: for a terminal that nobody knows."""

import re
from typing import Final

from tillbell_agent.capture.frames import stuffed_frames
from tillbell_agent.pos.checks import lrc

_FRAME: Final = re.compile(rb"(?<!\x10)\x02([^\x02\x03]{1,2000})\x03(.)", re.DOTALL)
_CUT: Final = re.compile(rb"\x1d[Vv]|\x1b[im]")
_PRINTER: Final = re.compile(rb"\x1b@|\x1b[aE!].")
# What the LRC of STX … ETX covers: (start value, STX too, ETX too).
_RULES: Final = {
    "text and ETX": 0x03, "text": 0x00, "STX, text and ETX": 0x01, "STX and text": 0x02, "text and ETX from 7F": 0x7C,
    "text from 7F": 0x7F, "STX, text and ETX from 7F": 0x7E, "STX and text from 7F": 0x7D,
}  # fmt: skip


def evidence(octets: bytes) -> list[str]:
    """In words; what there is none of is left out."""
    frames = [(lrc(frame[1]) ^ frame[2][0]) for frame in _FRAME.finditer(octets)]
    held = {rule: frames.count(rest) for rule, rest in _RULES.items()}
    best = max(held, key=lambda rule: held[rule])
    said = [
        (len(stuffed_frames(octets)), "frames 10 02 … 10 03 with a right CRC"),
        (held[best], f"of {len(frames)} frames STX … ETX with a right LRC over {best}"),
        (len(_CUT.findall(octets)), "paper cuts"),
        (len(_PRINTER.findall(octets)), "printer commands"),
    ]
    return [f"{count} {what}" for count, what in said if count]
