"""A line as it comes, held back until no card number can go on in what is still to come.

``WINDOW`` octets are held at most; of a longer stretch all but the last ``REACH`` are let go. After ``IDLE_S`` of silence
everything is, but for octets at the end that may begin a number: those wait for more, or for the end of the recording.
What may be a piece of a number at the recording's first or last octet, cut off there, is hidden too.
"""

import re
from dataclasses import dataclass
from typing import Final

from tillbell_agent.capture.fields import known_fields
from tillbell_agent.capture.frames import stuffed_frames
from tillbell_agent.capture.hidden import HIGH, IIN, KEPT_DIGITS, LONGEST_PAN, LOW, Hidden
from tillbell_agent.capture.packed_numbers import LONGEST_PACKED
from tillbell_agent.capture.scrubbing import Span, scrub_octets
from tillbell_agent.capture.text_numbers import first_digits, last_digits

WINDOW: Final = 8192
REACH: Final = 1024  # more than a number takes with everything between its digits; a frame may take more
IDLE_S: Final = 2.0
_BEGINNING_S = 0.25  # silence before the first octet shows that it begins something
_LEAST_PIECE = 5  # digits that are hidden as a piece of a number
_LONGEST_FRAME = 2100
_BEFORE = 64  # octets let go already that are still looked at: they may say how long a number is
_TRACK_BEGUN: Final = re.compile(rb"(?:;|%?[A-Z])\d{10,19}[=^D][^?\x00-\x1f]{0,90}\Z")
_PACKED_TRACK_BEGUN: Final = re.compile(r"[2-6]\d{12,18}d\d{0,20}\Z")
_HALF_DIGIT: Final = re.compile(rb"(?:\xa3|\xef\xbc?)\Z")
_PACKED_END: Final = re.compile(r"[0-9]*\Z")


@dataclass(frozen=True, slots=True)
class Piece:
    """Octets that were read at ``time``, without card numbers."""

    time: float
    octets: bytes


class HeldLine:
    """One direction. Times are monotonic seconds; offsets of spans count from the first octet."""

    def __init__(self, opened: float) -> None:
        self._opened = opened
        self._held = bytearray()
        self._reads: list[tuple[float, int]] = []  # time, octets; of what is held
        self._before = b""
        self._at = 0  # of the first octet that is held
        self._last: float | None = None
        self._silent = False  # told after the last octet
        self._begins_whole = True

    @property
    def octets(self) -> int:
        return self._at + len(self._held)

    def receive_data(self, data: bytes, now: float) -> tuple[list[Piece], list[Span]]:
        if self._last is None:
            self._begins_whole = now - self._opened >= _BEGINNING_S
        self._last, self._silent = now, False
        self._held += data
        self._reads.append((now, len(data)))
        return self._let_go(self._cut()) if len(self._held) > WINDOW else ([], [])

    def next_deadline(self) -> float | None:
        return self._last + IDLE_S if self._last is not None and not self._silent else None

    def tick(self, now: float) -> tuple[list[Piece], list[Span]]:
        deadline = self.next_deadline()
        if deadline is None or now < deadline:
            return [], []
        self._silent = True
        return self._let_go(self._may_begin())

    def close(self, now: float) -> tuple[list[Piece], list[Span]]:
        """The recording ends; everything comes out."""
        idle = self._last is None or now - self._last >= IDLE_S
        return self._let_go(len(self._held), [] if idle else self._pieces_at_the_end())

    def _cut(self) -> int:
        """How much of a full window may go: no frame that has not ended, and no number that is seen only in part."""
        cut = len(self._held) - REACH
        held = bytes(self._held)
        ended = {frame.start for frame in stuffed_frames(held) if frame.end <= cut}
        begun = held.rfind(b"\x10\x02", max(0, len(held) - _LONGEST_FRAME), cut)
        return cut if begun <= 0 or begun in ended else begun

    def _let_go(self, cut: int, pieces: list[Hidden] | None = None) -> tuple[list[Piece], list[Span]]:
        shift = len(self._before)
        octets = self._before + bytes(self._held)
        known = [*self._piece_at_the_start(), *(pieces or [])]
        scrubbed, spans = scrub_octets(octets, [_shifted(each, shift) for each in known])
        crossing = [span for span in spans if span.at < shift + cut < span.at + span.length]
        if crossing and shift + cut < len(octets):
            cut = max(0, crossing[0].at - shift)
        gone = [
            span for span in spans if span.at + span.length <= shift + cut and span.at + span.length > shift
        ]
        moved = [Span(self._at - shift + span.at, span.length, span.what, span.delta) for span in gone]
        out = self._take(scrubbed[shift : shift + cut])
        self._before = b"" if cut and cut == self._frames_end() else octets[: shift + cut][-_BEFORE:]
        del self._held[:cut]
        self._at += cut
        return out, moved

    def _take(self, octets: bytes) -> list[Piece]:
        """The octets by the reads that brought them."""
        pieces, at = [], 0
        while at < len(octets):
            time, length = self._reads[0]
            taken = min(length, len(octets) - at)
            pieces.append(Piece(time, octets[at : at + taken]))
            at += taken
            self._reads[:1] = [(time, length - taken)] if taken < length else []
        return pieces

    def _may_begin(self) -> int:
        """The first octet that is held of what may be the beginning of a number."""
        end = bytes(self._held[-REACH:])
        shift = len(self._held) - len(end)
        starts = [len(end) - _packed_at_the_end(end)]
        starts += [
            max(0, digits[0] - 2) for digits in last_digits(end) if digits
        ]  # a fullwidth digit has three octets
        starts += [half.start() for half in (_HALF_DIGIT.search(end),) if half]
        starts += [track.start() for track in (_TRACK_BEGUN.search(end),) if track]
        starts += [track.start() // 2 for track in (_PACKED_TRACK_BEGUN.search(end.hex()),) if track]
        return max(shift + min(starts), self._frames_end())

    def _frames_end(self) -> int:
        """No number goes on behind a frame that is whole."""
        held = bytes(self._held)
        ends = [frame.end for frame in stuffed_frames(held)] + [field.end for field in known_fields(held)]
        return max(ends, default=0)

    def _pieces_at_the_end(self) -> list[Hidden]:
        end = bytes(self._held[-REACH:])
        shift = len(self._held) - len(end)
        found = [
            Hidden("digits", digits[0], digits[-1] + 1, dict.fromkeys(digits, LOW))
            for digits in (each[1 - LONGEST_PAN :] for each in last_digits(end))
            if len(digits) >= _LEAST_PIECE and shift + digits[0] >= self._frames_end()
        ]
        nibbles = end.hex()[-2 * _packed_at_the_end(end) :]
        start = next((at for at in range(len(nibbles)) if IIN.match(nibbles, at)), len(nibbles))
        if len(nibbles) - start >= _LEAST_PIECE and nibbles[start:].isdecimal():
            first = len(end) - (len(nibbles) - start + 1) // 2
            places = dict.fromkeys(range(first, len(end)), LOW | HIGH)
            if shift + first >= self._frames_end():
                found.append(Hidden("packed digits", first, len(end), places))
        return [_shifted(each, shift) for each in found]

    def _piece_at_the_start(self) -> list[Hidden]:
        if self._at or self._begins_whole or any(each.start == 0 for each in known_fields(bytes(self._held))):
            return []
        digits = first_digits(bytes(self._held))[: LONGEST_PAN - 1]
        if len(digits) < _LEAST_PIECE:
            return []
        places = dict.fromkeys(digits[:-KEPT_DIGITS], LOW)
        return [Hidden("digits", digits[0], digits[-1] + 1, places)]


def _packed_at_the_end(octets: bytes) -> int:
    """Octets at the end that may be packed digits, with one before that may hold the first in its second nibble."""
    end = _PACKED_END.search(octets[-LONGEST_PACKED:].hex())
    return min(len(octets), (len(end.group()) + 1) // 2) if end else 0


def _shifted(hidden: Hidden, by: int) -> Hidden:
    places = {at + by: bits for at, bits in hidden.places.items()}
    return Hidden(hidden.what, hidden.start + by, hidden.end + by, places)
