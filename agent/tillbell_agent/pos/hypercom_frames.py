"""Frames of the ``hypercom`` dialect: octets of one line become the data of frames, and data becomes a message.

``STX LL LL DATA ETX LRC``: LL LL is the number of DATA's octets in BCD, LRC is XORed over LL LL to ETX. The end is
found by the length, never by looking for ETX: a field's data may hold ETX and FS, and the LRC may be any octet.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tillbell_agent.pos.checks import lrc

MAX_DATA = 4096  # a settlement with a report in it has about 1,000 octets; four BCD digits could say 9,999
HEAD = 17  # header 12, transaction code 2, response code 2, "more" 1

_STX, _ETX, _FS = 0x02, 0x03, 0x1C
_AROUND = 5  # STX, two of length, ETX, LRC
_HANDSHAKES = b"\x04\x05\x06\x15"  # EOT, ENQ, ACK, NAK
_HEADER = re.compile(rb"60\d{8}1([01])")
_WAIT, _NO_FRAME = -1, -2
# The only fields whose data are read; the rest (31 expiry, D0 shop's address, D5 holder's name …) are passed over.
_WANTED: Final = frozenset(b"01 02 03 04 16 30 40 50 65 97 D1 D2 D3 L7 T2".split())


class Framer:
    """The octets of one line. Keeps at most one frame that is not complete: ``MAX_DATA`` and five octets."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.skipped = 0

    def __bool__(self) -> bool:
        """Whether something waits: half a frame, or skipped octets that nobody has counted yet."""
        return bool(self._buffer or self.skipped)

    def feed(self, data: bytes) -> list[bytes]:
        """The data of each frame that is complete and whose LRC holds."""
        self._buffer += data
        return self._take()

    def give_up(self) -> list[bytes]:
        """The line is silent: what waits for its end is no frame. Frames may lie inside it."""
        frames: list[bytes] = []
        while self._buffer:
            self._skip(0, 1)
            del self._buffer[0]
            frames += self._take()
        return frames

    def count_skipped(self) -> int:
        skipped, self.skipped = self.skipped, 0
        return skipped

    def _take(self) -> list[bytes]:
        frames: list[bytes] = []
        at = 0
        while (start := self._buffer.find(_STX, at)) >= 0:
            self._skip(at, start)
            at = start
            end = self._end(start)
            if end == _WAIT:
                break
            if end == _NO_FRAME:
                self._skip(start, start + 1)
                at = start + 1
            else:
                frames.append(bytes(self._buffer[start + 3 : end - 2]))
                at = end
        else:
            self._skip(at, len(self._buffer))
            at = len(self._buffer)
        del self._buffer[:at]
        return frames

    def _end(self, start: int) -> int:
        """Behind the frame that begins at ``start``; else whether it must be waited for or is none."""
        length = bcd(self._buffer[start + 1 : start + 3])
        if length < HEAD and len(self._buffer) - start >= 3:
            return _NO_FRAME
        head = self._buffer[start + 3 : start + 3 + HEAD].replace(b" ", b"0")
        if length > MAX_DATA or (head and not head.isalnum()):
            return _NO_FRAME
        end = start + length + _AROUND
        if len(self._buffer) - start < 3 or end > len(self._buffer):
            return _WAIT
        if self._buffer[end - 2] != _ETX or lrc(bytes(self._buffer[start + 1 : end])):
            return _NO_FRAME
        return end

    def _skip(self, start: int, end: int) -> None:
        if end > start:
            self.skipped += len(self._buffer[start:end].translate(None, _HANDSHAKES))


@dataclass(frozen=True, slots=True)
class Message:
    """``nets``: the header is a till's reference. ``fields``: those that are read, by their two characters."""

    nets: bool
    answer: bool
    code: str
    result: str
    fields: Mapping[bytes, bytes]


def read_message(data: bytes, layout: str) -> Message | None:
    """None: a header that the layout does not have. Fields are read up to the first that does not fit."""
    header = None if layout == "nets" else _HEADER.match(data)
    if header is None and layout == "ecr":
        return None
    fields = _read_fields(data)
    answer = b"02" in fields if header is None else header[1] == b"1"
    code, result = data[12:14].decode("ascii"), data[14:16].decode("ascii")
    return Message(header is None, answer, code, result, fields)


def _read_fields(data: bytes) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    at, last = HEAD + 1, len(data)
    while at + 4 <= last:
        length = bcd(data[at + 2 : at + 4])
        end = at + 4 + length
        if length < 0 or end > last or (end < last and data[end] != _FS):
            break
        kind = data[at : at + 2]
        if kind in _WANTED:
            fields.setdefault(kind, data[at + 4 : end])
        at = end + 1
    return fields


def bcd(octets: bytes | bytearray) -> int:
    """The number that packed decimal digits say; -1 where an octet is no pair of digits."""
    digits = octets.hex()
    return int(digits) if digits.isdecimal() else -1
