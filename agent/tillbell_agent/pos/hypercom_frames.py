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
FRAME_QUIET_S = 2.0  # octets of a frame follow each other within milliseconds; a busy board hears them later
HEAD = 17  # header 12, transaction code 2, response code 2, "more" 1

_STX, _ETX, _FS = 0x02, 0x03, 0x1C
_AROUND = 5  # STX, two of length, ETX, LRC
_HANDSHAKES = b"\x04\x05\x06\x15"  # EOT, ENQ, ACK, NAK
_HEADER = re.compile(rb"60\d{8}1([01])")
_NETS_VERSIONS = ("00", "01")  # stand in a request where an answer has its response code
_PAIR: Final = tuple(int(f"{octet:x}") if f"{octet:x}".isdecimal() else -10_000 for octet in range(256))
_WAIT, _NO_FRAME = -1, -2
# The only fields whose data are read; the rest (31 expiry, D0 shop's address, D5 holder's name …) are passed over.
_WANTED: Final = frozenset(b"01 02 03 04 16 30 40 50 65 97 D1 D2 D3 GA L7 T2".split())


class Framer:
    """The octets of one line. Keeps at most one frame that is not complete: ``MAX_DATA`` and five octets."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._needs = 1  # octets, before it is worth looking again
        self._heard_at = 0.0
        self.skipped = 0

    @property
    def deadline(self) -> float | None:
        """When to give up half a frame, or to count octets that were skipped; None where nothing waits."""
        return self._heard_at + FRAME_QUIET_S if self._buffer or self.skipped else None

    def feed(self, data: bytes, now: float) -> list[bytes]:
        """The data of each frame that is complete and whose LRC holds."""
        self._buffer += data
        self._heard_at = now
        return self._take() if len(self._buffer) >= self._needs else []

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
        at, self._needs = 0, 1
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
        there = len(self._buffer) - start
        if there < 3:
            return _WAIT
        length = bcd(self._buffer[start + 1], self._buffer[start + 2])
        head = self._buffer[start + 3 : start + 3 + HEAD].replace(b" ", b"0")
        if not HEAD <= length <= MAX_DATA or (head and not head.isalnum()):
            return _NO_FRAME
        end = start + length + _AROUND
        if end > len(self._buffer):
            self._needs = length + _AROUND if there >= 3 + HEAD else 1
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
    code, result = data[12:14].decode("ascii"), data[14:16].decode("ascii")
    nets_answer = b"02" in fields or result not in _NETS_VERSIONS
    answer = nets_answer if header is None else header[1] == b"1"
    return Message(header is None, answer, code, result, fields)


def _read_fields(data: bytes) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    at, last = HEAD + 1, len(data)
    while at + 4 <= last:
        length = bcd(data[at + 2], data[at + 3])
        end = at + 4 + length
        if length < 0 or end > last or (end < last and data[end] != _FS):
            break
        kind = data[at : at + 2]
        if kind in _WANTED:
            fields.setdefault(kind, data[at + 4 : end])
        at = end + 1
    return fields


def bcd(high: int, low: int) -> int:
    """The number that two octets of packed decimal digits say; below zero where one is no pair of digits."""
    return _PAIR[high] * 100 + _PAIR[low]
