"""Octets of a line become the bodies of ISO 8583 messages: length, TPDU and header are found, noise is passed over.

There is no start octet and no check sum. A frame is believed where a length, what the specification puts before the
message and a message type stand, and where the message then ends exactly where the length says. Keep-alives (a length of
nothing) and idle zeros are passed over without a word.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from tillbell_agent.pos.dialect import Desynced
from tillbell_agent.pos.iso8583_spec import Framing

TPDU_OCTETS = 5
_SMALLEST_MESSAGE = 10  # a message type and a bitmap
_TPDU = rb"[\x60-\x6f].{4}"
_ANY_LENGTH = {"binary": b".", "bcd": b".", "ascii": b"[0-9]"}
# Version 1987, 1993 or 2003; class; function; origin.
_MTI = {
    "bcd": rb"[\x01-\x08\x11-\x18\x21-\x28][\x00-\x05\x10-\x15\x20-\x25\x30-\x35\x40-\x45]",
    "ascii": rb"[012][1-8][0-4][0-5]",
    "ebcdic": rb"[\xf0-\xf2][\xf1-\xf8][\xf0-\xf4][\xf0-\xf5]",
}
_MTI_OCTETS = 4  # at most
_NO_FRAME = "octets that begin no message"
_CUT = "a message that broke off"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Unfit:
    """What is no message after all, and why, without a word of what it holds."""

    why: str


class Shape(Generic[T]):
    """Frames of one specification. ``decode``: a message's octets, from its type on, become a value, or ``Unfit``."""

    def __init__(self, framing: Framing, mti: str, decode: Callable[[bytes], T | Unfit]) -> None:
        self._framing, self._decode = framing, decode
        head = _ANY_LENGTH[framing.lengths[0]] + b"{%d}" % framing.length_octets
        head += _TPDU if framing.tpdu else b""
        headers = b"|".join(b".{%d}" % octets + _MTI[mti] for octets in framing.headers)
        self.head = re.compile(b"(?s)(?=%s(?:%s))" % (head, headers))
        before = framing.length_octets + TPDU_OCTETS * framing.tpdu
        self._mti = re.compile(b"(?s)" + _MTI[mti])
        self._bodies = tuple(before + octets for octets in framing.headers)
        self._smallest = min(self._bodies) + _SMALLEST_MESSAGE
        self.head_octets = before + max(framing.headers) + _MTI_OCTETS
        self._usual = framing.lengths[0]

    def frame(self, buffer: bytearray, at: int) -> tuple[int, T | None, str]:
        """Where the frame whose head is at ``at`` ends and its message; no message: where it may end, 0 where none can."""
        waiting, why = 0, _NO_FRAME
        for octets, kind in self._lengths(buffer, at):
            end = at + octets
            if end > len(buffer):
                waiting, why = min(waiting or end, end), _CUT
                continue
            for body in self._bodies:
                if body + _SMALLEST_MESSAGE <= octets and self._mti.match(buffer, at + body):
                    decoded = self._decode(bytes(buffer[at + body : end]))
                    if not isinstance(decoded, Unfit):
                        self._usual = kind
                        return end, decoded, ""
                    why = decoded.why
        return waiting, None, why

    def _lengths(self, buffer: bytearray, at: int) -> list[tuple[int, str]]:
        """How long the whole frame may be and how that is written: as in the last frame, then shortest first."""
        framing, found = self._framing, []
        octets = bytes(buffer[at : at + framing.length_octets])
        own = 0 if framing.counts_itself else framing.length_octets
        for kind in framing.lengths:
            length = _read_length(octets, kind)
            if length is not None and self._smallest <= length + own <= framing.max_octets:
                found.append((length + own, kind))
        found.sort(key=lambda each: (each[1] != self._usual, each[0]))
        return found


class Framer(Generic[T]):
    """One line. Its buffer holds at most the longest ``max_octets`` of its shapes between calls.

    Of several shapes, the first in which a whole message divides is the line's own, until it falls silent within a frame.
    """

    def __init__(self, *shapes: Shape[T]) -> None:
        self._shapes = self._tried = shapes
        # Until so many octets stand behind its first one, nobody knows that a frame does not begin there.
        self._undecided = max(shape.head_octets for shape in shapes) - 1
        self._buffer = bytearray()
        self._needs = 0
        self._skipped, self._why = 0, ""

    @property
    def waits(self) -> bool:
        """Octets are held of which the rest may come."""
        return bool(self._buffer)

    def receive(self, data: bytes) -> Iterator[T | Desynced]:
        self._buffer += data
        if len(self._buffer) >= self._needs:
            yield from self._read(more_may_come=True)

    def give_up(self) -> Iterator[T | Desynced]:
        """Silence: what was begun does not end, but something whole may stand behind its beginning."""
        self._tried = self._shapes
        yield from self._read(more_may_come=False)
        yield from self._passed_over()

    def _read(self, *, more_may_come: bool) -> Iterator[T | Desynced]:
        at, self._needs = 0, 0
        decided = len(self._buffer) - (self._undecided if more_may_come else 0)
        while at < decided and (start := self._beginning(at)) < decided:
            self._skip(at, start, _NO_FRAME)
            at = start
            end, message, why = self._frame(at)
            if message is not None:
                yield from self._passed_over()
                yield message
                at = end
            elif end and more_may_come:
                self._needs = end - at
                break
            else:
                self._skip(at, at + 1, why)
                at += 1
        else:
            self._skip(at, max(at, decided), _NO_FRAME)
            at = max(at, decided)
        del self._buffer[:at]

    def _beginning(self, at: int) -> int:
        """Where a frame may begin, from ``at`` on; behind the last octet where none can."""
        first = len(self._buffer)
        for shape in self._tried:
            found = shape.head.search(self._buffer, at)
            first = first if found is None else min(first, found.start())
        return first

    def _frame(self, at: int) -> tuple[int, T | None, str]:
        """As ``Shape.frame``, in whichever shape a message divides."""
        waiting, why = 0, _NO_FRAME
        if len(self._tried) == 1:
            return self._tried[0].frame(self._buffer, at)
        for shape in self._tried:
            if shape.head.match(self._buffer, at) is None:
                continue
            end, message, shape_why = shape.frame(self._buffer, at)
            if message is not None:
                self._tried = (shape,)
                return end, message, ""
            waiting = min(waiting or end, end or waiting)
            why = why if shape_why == _NO_FRAME else shape_why
        return waiting, None, why

    def _skip(self, start: int, end: int, why: str) -> None:
        if why != _NO_FRAME or self._buffer.count(0, start, end) < end - start:
            self._skipped += end - start
            self._why = self._why if self._why not in ("", _NO_FRAME) else why

    def _passed_over(self) -> Iterator[Desynced]:
        if self._skipped:
            yield Desynced(self._skipped, self._why)
        self._skipped, self._why = 0, ""


def _read_length(octets: bytes, kind: str) -> int | None:
    if kind == "binary":
        return int.from_bytes(octets, "big")
    digits = octets.hex() if kind == "bcd" else octets.decode("latin-1")
    return int(digits) if digits.isascii() and digits.isdigit() else None
