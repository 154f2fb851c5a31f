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
_NO_FRAME = "octets that begin no message"
_CUT = "a message that broke off"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Unfit:
    """What is no message after all, and why, without a word of what it holds."""

    why: str


class Framer(Generic[T]):
    """One line. Its buffer holds at most ``max_octets`` between calls.

    ``decode``: a message's octets, from its type on, become a value, or ``Unfit``.
    """

    def __init__(self, framing: Framing, mti: str, decode: Callable[[bytes], T | Unfit]) -> None:
        self._framing, self._decode = framing, decode
        head = _ANY_LENGTH[framing.lengths[0]] + b"{%d}" % framing.length_octets
        head += _TPDU if framing.tpdu else b""
        headers = b"|".join(b".{%d}" % octets + _MTI[mti] for octets in framing.headers)
        self._head = re.compile(b"(?s)(?=%s(?:%s))" % (head, headers))
        before = framing.length_octets + TPDU_OCTETS * framing.tpdu
        self._mti = re.compile(b"(?s)" + _MTI[mti])
        self._bodies = tuple(before + octets for octets in framing.headers)
        self._smallest = min(self._bodies) + _SMALLEST_MESSAGE
        self._keep = before + max(framing.headers) + 3
        self._buffer = bytearray()
        self._needs = 0
        self._usual = framing.lengths[0]
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
        yield from self._read(more_may_come=False)
        yield from self._passed_over()

    def _read(self, *, more_may_come: bool) -> Iterator[T | Desynced]:
        at, self._needs = 0, 0
        while (found := self._head.search(self._buffer, at)) is not None:
            self._skip(at, found.start(), _NO_FRAME)
            at = found.start()
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
            rest = min(self._keep, len(self._buffer) - at) if more_may_come else 0
            self._skip(at, len(self._buffer) - rest, _NO_FRAME)
            at = len(self._buffer) - rest
        del self._buffer[:at]

    def _frame(self, at: int) -> tuple[int, T | None, str]:
        """Where the frame at ``at`` ends and its message; no message: where it may end, 0 where none can."""
        waiting, why = 0, _NO_FRAME
        for octets, kind in self._lengths(at):
            end = at + octets
            if end > len(self._buffer):
                waiting, why = min(waiting or end, end), _CUT
                continue
            for body in self._bodies:
                if body + _SMALLEST_MESSAGE <= octets and self._mti.match(self._buffer, at + body):
                    decoded = self._decode(bytes(self._buffer[at + body : end]))
                    if not isinstance(decoded, Unfit):
                        self._usual = kind
                        return end, decoded, ""
                    why = decoded.why
        return waiting, None, why

    def _lengths(self, at: int) -> list[tuple[int, str]]:
        """How long the whole frame may be and how that is written: as in the last frame, then shortest first."""
        framing, found = self._framing, []
        octets = bytes(self._buffer[at : at + framing.length_octets])
        own = 0 if framing.counts_itself else framing.length_octets
        for kind in framing.lengths:
            length = _read_length(octets, kind)
            if length is not None and self._smallest <= length + own <= framing.max_octets:
                found.append((length + own, kind))
        found.sort(key=lambda each: (each[1] != self._usual, each[0]))
        return found

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
