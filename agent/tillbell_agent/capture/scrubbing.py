"""A stretch of a line becomes the same stretch without card numbers.

A frame with a 16-bit check is another matter than one with an XOR: twelve hidden digits have few solutions that fit
sixteen known bits, and one or two if the first six are guessed. So such a frame (``10 02 … 10 03``, CRC-16/KERMIT) gets
a check of what stands there now if its own held, and says so; the CRC of a damaged frame tells nothing of its digits.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tillbell_agent.capture.fields import Field, borders, known_fields, secrets, zvt_fields
from tillbell_agent.capture.frames import StuffedFrame, stuffed_frame, stuffed_frames
from tillbell_agent.capture.hidden import HIGH, LOW, Hidden, joined
from tillbell_agent.capture.packed_numbers import packed_numbers
from tillbell_agent.capture.standins import put_stand_ins, put_zeros
from tillbell_agent.capture.text_numbers import text_numbers


@dataclass(frozen=True, slots=True)
class Span:
    """Octets of a line in which a number was replaced. ``at``: counted from the line's first octet.

    ``delta``: XOR of what stood there and what stands there now, 0 unless it could not be kept; None: the frame got a
    new check instead.
    """

    at: int
    length: int
    what: str
    delta: int | None


def scrub_octets(octets: bytes, pieces: Sequence[Hidden] = ()) -> tuple[bytes, list[Span]]:
    """The same number of octets, without card numbers, nor ``pieces`` of numbers that the caller knows of."""
    scrubbed = bytearray(octets)
    rest = bytearray(octets)  # frames that are done are covered: 0xFF goes on with no number
    spans = []
    for frame in stuffed_frames(octets):
        spans += _scrub_frame(scrubbed, frame)
        rest[frame.start : frame.end] = b"\xff" * (frame.end - frame.start)
    for hidden in joined([*_numbers(bytes(rest)), *pieces]):
        delta = put_stand_ins(scrubbed, hidden.places)
        spans.append(Span(hidden.start, hidden.end - hidden.start, hidden.what, delta))
    return bytes(scrubbed), sorted(spans, key=lambda span: span.at)


def _numbers(octets: bytes) -> list[Hidden]:
    fields = known_fields(octets)
    found = _of_fields(octets, fields)
    if b"\x10\x10" in octets:
        found += _across_doubled(octets, borders(fields))
    return found


def _of_fields(octets: bytes, fields: list[Field]) -> list[Hidden]:
    edges = borders(fields)
    text = [(field.start, field.end) for field in fields if field.text]
    found = text_numbers(octets, edges, borders(fields, certain=True))
    return found + packed_numbers(octets, edges, text) + secrets(octets, fields)


def _across_doubled(octets: bytes, edges: list[int]) -> Iterator[Hidden]:
    """Packed numbers of a damaged frame, in which an octet 10 is doubled."""
    kept = list(_undoubled(octets))
    inside = [bisect_left(kept, edge) for edge in edges]
    for hidden in packed_numbers(bytes(octets[at] for at in kept), inside):
        places = {kept[at]: bits for at, bits in hidden.places.items()}
        places |= {at + 1: LOW | HIGH for at in places if octets[at : at + 2] == b"\x10\x10"}
        end = kept[hidden.end - 1] + 1
        yield Hidden(hidden.what, kept[hidden.start], max(end, max(places, default=0) + 1), places)


def _undoubled(octets: bytes) -> Iterator[int]:
    at = 0
    while at < len(octets):
        yield at
        at += 2 if octets[at : at + 2] == b"\x10\x10" else 1


def _scrub_frame(scrubbed: bytearray, frame: StuffedFrame) -> list[Span]:
    payload = bytearray(frame.payload)
    found = joined(_of_fields(frame.payload, zvt_fields(frame.payload)))
    for hidden in found:
        put_zeros(payload, hidden.places)
    if found:
        scrubbed[frame.start : frame.end] = stuffed_frame(bytes(payload))
    wire = [2 + at for at in _undoubled(bytes(scrubbed[frame.start + 2 : frame.end - 4]))]
    return [
        Span(
            frame.start + wire[hidden.start], wire[hidden.end - 1] + 1 - wire[hidden.start], hidden.what, None
        )
        for hidden in found
    ]
