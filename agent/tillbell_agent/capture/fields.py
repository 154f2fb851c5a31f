"""What is known of a frame whose check holds and whose fields add up: where no number goes on, and what is secret.

A packed card number is hard to tell from the packed amounts, numbers and times beside it: of every row of twenty digits
some piece passes Luhn. No number crosses the border of two fields, so where the fields are certain, few are hidden in
vain; and what only its place tells (expiry, holder, PIN block, chip data) can be hidden too. A frame that does not add up
in every octet tells nothing: then everything that could be a number is hidden.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from tillbell_agent.capture.hidden import HIGH, KEPT_DIGITS, LOW, TEXT, Hidden
from tillbell_agent.pos.checks import lrc

PACKED: Final = LOW | HIGH
_MOST_OCTETS = 2100
_HANDSHAKE: Final = re.compile(rb"[\x04-\x06\x15]*")


@dataclass(frozen=True, slots=True)
class Field:
    """``secret``: how its octets are replaced, 0 if they stay; ``text``: no packed digits are in it.

    ``likely``: its frame is certain, its place only by the frame's shape, which another protocol may have too.
    """

    start: int
    end: int
    secret: int = 0
    text: bool = False
    likely: bool = False


def borders(fields: Iterable[Field], *, certain: bool = False) -> list[int]:
    """Octets at which no number goes on; with ``certain``, whatever the protocol."""
    kept = (field for field in fields if not (certain and field.likely))
    return sorted({edge for field in kept for edge in (field.start, field.end)})


def secrets(octets: bytes, fields: Iterable[Field]) -> list[Hidden]:
    """What is hidden for its place alone, whatever it looks like. Masks and blanks stay."""
    found = []
    for field in fields:
        kept = b"*xX# \x00" if field.secret & TEXT else b""
        places = {at: field.secret for at in range(field.start, field.end) if octets[at] not in kept}
        if field.secret and places:
            found.append(Hidden("secret field", field.start, field.end, places))
    return found


def known_fields(octets: bytes) -> list[Field]:
    """Of every frame in ``octets`` that is certain."""
    found = [*_counted_frames(octets), *_printable_frames(octets)]
    found += _records(octets)
    for message in (*_iso_messages(octets), *_ascii_messages(octets)):
        found += message
    return found


# STX, text, ETX, LRC. The LRC covers the text and perhaps STX and ETX, from 00 or 7F, by protocol.
_PRINTABLE: Final = re.compile(rb"\x02([\x1c-\x7e\xa1-\xfe]{3,2000})\x03", re.DOTALL)
# Text of a frame → widths of its fields and whether they are secret: Malaysia's R200 (its card, expiry and holder),
# ECR17's results, Telium's answers.
_WIDTHS: Final = (
    (rb"R201.{46}", (4, 12, 2, 6, 12, 6, 6, 2)),
    (rb"R29[02].{45}", (4, 2, 6, 6, 6, 2, 8, 15)),
    (rb"R\d{3}.{134}", (4, -19, -4, 2, 6, 12, 6, 6, 2, 8, 15, 14, 16, -26)),
    (rb"[QG]\d{3}.{71}", (4, 2, 32, 6, 6, 2, 8, 15)),
    (rb"C\d{3}..00\d{10}", (4, 2, 12, 6)),
    (rb"[\dA-Za-z ]{8}.A00.{46}", (8, 1, 1, 2, 19, 3, 6, 11, 7)),
    (rb"[\dA-Za-z ]{8}.e00.{82}", (8, 1, 1, 2, 19, 3, 6, 8, 9, 3, 7, 3, 1, 11, 6, 6)),
    (rb"[\dA-Za-z ]{8}.[EVcv]00.{59}", (8, 1, 1, 2, 19, 3, 6, 7, 1, 11, 6, 6, 3, 8)),
    (rb"[\dA-Za-z ]{8}.[EVcv]\d\d.{59}", (8, 1, 1, 2, 24, 11, 1, 11, 6, 6, 3, 8)),
    (rb"[\dA-Za-z ]{8}.[PXApic].{21}", (10, 13, 8)),
    (rb"\d{3}\d{8}\d.{55}.{13}$", (2, 1, 8, 1, 55, 3, 10)),
    (rb"\d{11}.\d{4}.{10}[A-Z0-9]{8}$", (2, 8, 1, 1, 1, 3, 10, 4, 4)),
    (rb"\d{3}\d{8}\d.{13}$", (2, 1, 8, 1, 3, 10)),
)


def _printable_frames(octets: bytes) -> Iterator[Field]:
    for frame in _PRINTABLE.finditer(octets):
        start, etx = frame.span(1)[0], frame.end(1)
        if octets[etx + 1 : etx + 2] and octets[etx + 1] in _longitudinal(frame[1]):
            yield from (Field(frame.start(), start), Field(start, etx, text=True), Field(etx, etx + 1))
            yield from (Field(etx + 1, etx + 2), _handshake(octets, etx + 2))
            yield from _fixed(frame[1], start)


def _longitudinal(text: bytes) -> set[int]:
    bare = lrc(text)
    return {bare ^ base ^ ends for base in (0, 0x7F) for ends in (0, 1, 2, 3)}


def _fixed(text: bytes, at: int) -> Iterator[Field]:
    end = at + len(text)
    for pattern, widths in _WIDTHS:
        if re.match(pattern, text, re.DOTALL):
            for width in widths:
                if at + abs(width) > end:
                    return
                yield Field(at, at + abs(width), TEXT if width in (-4, -26) else 0, likely=True)
                at += abs(width)
            return


# A Chinese cashier library's record: digits in so many places, and none in forty others, are their own check.
_RECORD: Final = re.compile(
    rb"\d{2}(?:\d\d)??.{4}[\dxX* ]{20}[\d ]{6}\d{12}[^\d]{40}[\d ]{15}.{8}[\d ]{6}\d{10}[\d ]{12}[\dA-Z ]{6}[\d ]{4}.{3}",
    re.DOTALL,
)
_RECORD_WIDTHS: Final = (2, 4, 20, 6, 12, 40, 15, 8, 6, 4, 6, 12, 6, 4, 3)
# Text of a progress message between SOH and EOT (ECR17).
_PROGRESS: Final = re.compile(rb"\x01[\x20-\x7e]{20}\x04")


def _records(octets: bytes) -> Iterator[Field]:
    for record in _RECORD.finditer(octets):
        at = record.start() + len(record.group()) - sum(_RECORD_WIDTHS)
        yield Field(record.start(), at)
        for width in _RECORD_WIDTHS:
            yield Field(at, at + width)
            at += width
    yield from (Field(*progress.span(), text=True) for progress in _PROGRESS.finditer(octets))


# Hypercom: a card's number keeps its last digits, expiry and holder nothing.
_COUNTED_SECRETS: Final = {b"30": KEPT_DIGITS, b"31": 0, b"D5": 0}
_HEADER = (3, 13, 14, 15, 17, 19, 20)  # 60 0000 0000, format, direction, code, answer, more


def _counted_frames(octets: bytes) -> Iterator[Field]:
    """``STX LLLL data ETX LRC``, LLLL packed, the LRC over LLLL to ETX; data with ``type LL data FS`` fields."""
    at = octets.find(b"\x02")
    while at >= 0:
        said = octets[at + 1 : at + 3].hex()
        end = at + 3 + int(said) if len(said) == 4 and said.isdecimal() else len(octets)
        check = octets[end + 1 : end + 2]
        if octets[end : end + 1] == b"\x03" and check == bytes((lrc(octets[at + 1 : end + 1]),)):
            yield from (
                Field(at, at + 1),
                Field(at + 1, at + 3),
                Field(end, end + 1),
                Field(end + 1, end + 2),
            )
            yield from (Field(at + left, at + right) for left, right in pairwise(_HEADER))
            yield from _counted_fields(octets, at + 3, end)
            yield _handshake(octets, end + 2)
            at = end + 1
        at = octets.find(b"\x02", at + 1)


def _handshake(octets: bytes, at: int) -> Field:
    """Single octets behind a frame: ENQ, ACK, NAK, EOT."""
    after = _HANDSHAKE.match(octets, at)
    return Field(at, after.end() if after else at, text=True)


def _counted_fields(octets: bytes, at: int, end: int) -> Iterator[Field]:
    """``FS type(2) length(2, packed) data``, as far as they go."""
    at = octets.find(0x1C, at, end) + 1
    while at and at + 4 <= end:
        said = octets[at + 2 : at + 4].hex()
        after = at + 4 + int(said) if said.isdecimal() else end + 1
        if after > end or octets[after : after + 1] not in (b"\x1c", b"\x03"):
            return
        kept = _COUNTED_SECRETS.get(octets[at : at + 2])
        yield from (Field(at, at + 2), Field(at + 2, at + 4))
        data = octets[at + 4 : after].replace(b"\x00", b" ")
        yield Field(at + 4, after, text=data.isascii() and data.decode().isprintable())
        if kept is not None:
            yield Field(at + 4, at + 4 + len(data.rstrip()) - kept, TEXT)
        at = after + 1


# ISO 8583 with packed digits as Chinese acquirers have it: field → octets, or octets of a packed length and whether it
# counts digits.
_ISO_OCTETS: Final = {
    3: 3, 4: 6, 5: 6, 6: 6, 7: 5, 11: 3, 12: 3, 13: 2, 14: 2, 15: 2, 16: 2, 18: 2, 19: 2, 22: 2, 23: 2, 24: 2, 25: 1,
    26: 1, 37: 12, 38: 6, 39: 2, 40: 3, 41: 8, 42: 15, 43: 40, 49: 3, 50: 3, 51: 3, 52: 8, 53: 8, 64: 8,
}  # fmt: skip
_ISO_LENGTHS: Final = {
    2: (1, True), 32: (1, True), 33: (1, True), 34: (1, True), 35: (1, True), 36: (2, True), 44: (1, False),
    45: (1, False), 46: (2, False), 47: (2, False), 48: (2, False), 54: (2, False), 55: (2, False), 56: (2, False),
    57: (2, False), 58: (2, False), 59: (2, False), 60: (2, True), 61: (2, True), 62: (2, False), 63: (2, False),
}  # fmt: skip
_ISO_SECRETS: Final = {14: PACKED, 36: PACKED, 45: TEXT, 52: PACKED, 55: PACKED}
# Length (binary or packed), TPDU, perhaps a header of six octets, MTI.
_ISO_HEAD: Final = re.compile(
    rb"(?=(..)\x60.{4}((?:[\x60-\x61].{5})?)[\x01-\x08][\x00\x02\x10\x12\x20\x30])", re.DOTALL
)


def _iso_messages(octets: bytes) -> Iterator[list[Field]]:
    for head in _ISO_HEAD.finditer(octets):
        said = head[1]
        lengths = {int.from_bytes(said, "big")} | ({int(said.hex())} if said.hex().isdecimal() else set())
        for length in lengths:
            end = head.start() + 2 + length
            if 20 <= length <= _MOST_OCTETS and end <= len(octets):
                yield _iso_fields(octets, head.start(), head.start() + 7 + len(head[2]), end)


def _iso_fields(octets: bytes, start: int, mti: int, end: int) -> list[Field]:
    """[] where they do not add up."""
    bitmap = int.from_bytes(octets[mti + 2 : mti + 10], "big")
    at = mti + 10
    fields = [
        Field(start, start + 2),
        Field(start + 2, start + 7),
        Field(start + 7, mti),
        Field(mti, mti + 2),
    ]
    fields.append(Field(mti + 2, at))
    for number in range(1, 65):
        if bitmap >> (64 - number) & 1:
            length = _iso_length(octets, number, at)
            if length is None:
                return []
            prefix, data = length
            fields.append(Field(at, at + prefix))
            start, after = at + prefix, at + prefix + data
            fields.append(Field(start, after, _ISO_SECRETS.get(number, 0)))
            if number == 61:  # batch, number and date of the original
                fields.append(Field(min(start + 3, after), min(start + 6, after)))
            at += prefix + data
    return fields if at == end else []


def _iso_length(octets: bytes, field: int, at: int) -> tuple[int, int] | None:
    """(octets of the length, octets of the data); None: no such field, or no length."""
    if field in _ISO_OCTETS:
        return 0, _ISO_OCTETS[field]
    if field not in _ISO_LENGTHS:
        return None
    prefix, nibbles = _ISO_LENGTHS[field]
    said = octets[at : at + prefix].hex()
    if not said.isdecimal() or not said:
        return None
    return prefix, (int(said) + 1) // 2 if nibbles else int(said)


# The same in ASCII, behind a length of two octets: characters of each field.
_ASCII_CHARACTERS: Final = {
    3: 6, 4: 12, 5: 12, 6: 12, 7: 10, 11: 6, 12: 6, 13: 4, 14: 4, 15: 4, 16: 4, 17: 4, 18: 4, 19: 3, 20: 3, 22: 3, 23: 3,
    24: 3, 25: 2, 26: 2, 37: 12, 38: 6, 39: 2, 40: 3, 41: 8, 42: 15, 43: 40, 49: 3, 50: 3, 51: 3, 52: 16, 53: 16, 64: 16,
    70: 3, 90: 42, 95: 42,
}  # fmt: skip
_ASCII_LENGTHS: Final = {2: 2, 32: 2, 33: 2, 34: 2, 35: 2, 44: 2, 45: 2, 102: 2, 103: 2}
_ASCII_SECRETS: Final = {14: TEXT, 35: TEXT, 36: TEXT, 45: TEXT, 52: TEXT, 55: TEXT}
_ASCII_HEAD: Final = re.compile(rb"(?=(..)0[1-8][0-5]0([0-9A-Fa-f]{16})?(.{8}))", re.DOTALL)


def _ascii_messages(octets: bytes) -> Iterator[list[Field]]:
    for head in _ASCII_HEAD.finditer(octets):
        end = head.start() + 2 + int.from_bytes(head[1], "big")
        if end <= len(octets):
            yield _ascii_fields(octets, head.start(), end, 8)
            if head[2]:
                yield _ascii_fields(octets, head.start(), end, 16)


def _ascii_bitmap(octets: bytes, width: int) -> int:
    """Of eight octets, or sixteen hexadecimal digits; 0 where it is none."""
    said = octets[:width].hex().encode() if width == 8 else octets[:width]
    return int(said, 16) if re.fullmatch(rb"[0-9A-Fa-f]{16}", said) else 0


def _ascii_fields(octets: bytes, start: int, end: int, width: int) -> list[Field]:
    """[] where they do not add up. ``width``: octets of a bitmap."""
    at = start + 6 + width
    fields = [Field(start, start + 2), Field(start + 2, start + 6), Field(start + 6, at)]
    bitmap, count = _ascii_bitmap(octets[start + 6 :], width), 64
    if bitmap >> 63:
        bitmap, count, at = bitmap << 64 | _ascii_bitmap(octets[at:], width), 128, at + width
        fields.append(Field(at - width, at))
    for number in range(2, count + 1):
        if bitmap >> (count - number) & 1:
            digits = 0 if number in _ASCII_CHARACTERS else _ASCII_LENGTHS.get(number, 3)
            said = octets[at : at + digits]
            if said and not said.isdigit():
                return []
            after = at + digits + (int(said) if said else _ASCII_CHARACTERS.get(number, 0))
            text = octets[at:after].isascii() and octets[at:after].decode().isprintable()
            fields.append(Field(at, at + digits, text=text))
            fields.append(Field(at + digits, after, _ASCII_SECRETS.get(number, 0), text=text))
            at = after
    return fields if at == end else []


# ZVT: BMP → octets that follow it (PA00P015 chapter 3); LLVAR and LLLVAR say their length in F digits.
_BMP_OCTETS: Final = {
    0x01: 1, 0x02: 1, 0x03: 1, 0x04: 6, 0x05: 1, 0x0B: 3, 0x0C: 3, 0x0D: 2, 0x0E: 2, 0x17: 2, 0x19: 1, 0x27: 1,
    0x29: 4, 0x2A: 15, 0x37: 3, 0x3A: 2, 0x3B: 8, 0x3D: 3, 0x49: 2, 0x87: 2, 0x88: 3, 0x8A: 1, 0x8C: 1, 0xA0: 1,
    0xAA: 3, 0xBA: 5,
}  # fmt: skip
_BMP_LL: Final = frozenset({0x22, 0x23, 0x2D, 0x2E, 0x8B, 0xA7, 0xD1, *range(0xE1, 0xE9), *range(0xF1, 0xF9)})
_BMP_LLL: Final = frozenset({0x24, 0x3C, 0x60, 0x9A, 0xAF})
# Expiry, tracks, CVV, password, chip data.
_BMP_SECRETS: Final = dict.fromkeys((0x0E, 0x23, 0x24, 0x2D, 0x2E, 0x3A, 0x3D, 0xA7, 0xAF, 0xD1), PACKED)
_BMP_TEXTS: Final = frozenset({0x2A, 0x3B, 0x3C, 0x8B})
# Commands with BMPs → octets before them.
_WITH_BMPS: Final = {
    b"\x04\x0f": 0,
    b"\x06\x01": 0,
    b"\x06\x0f": 0,
    b"\x06\x1e": 1,
    b"\x06\x22": 0,
    b"\x06\x31": 0,
}


def zvt_fields(apdu: bytes) -> list[Field]:
    """Of a status information, a completion or a payment (PA00P015); of any other its head."""
    if len(apdu) < 3:
        return []
    head = 5 if apdu[2] == 0xFF else 3
    said = int.from_bytes(apdu[3:5], "little") if head == 5 else apdu[2]
    before = _WITH_BMPS.get(apdu[:2])
    if said != len(apdu) - head or before is None:
        return [Field(0, head)]
    at = head + before
    fields = [Field(0, min(3, head)), Field(min(3, head), at)]
    while at < len(apdu):
        length = _bmp_length(apdu, at)
        if length is None:
            return []
        prefix, data = length
        fields.append(Field(at, at + 1 + prefix))
        start, end = at + 1 + prefix, at + 1 + prefix + data
        fields.append(Field(start, end, _BMP_SECRETS.get(apdu[at], 0), text=apdu[at] in _BMP_TEXTS))
        at += 1 + prefix + data
    return fields if at == len(apdu) else fields[:1]


def _bmp_length(apdu: bytes, at: int) -> tuple[int, int] | None:
    """(octets of the length, octets of the data); a TLV container (06) is taken whole."""
    bmp = apdu[at]
    if bmp in _BMP_OCTETS:
        return 0, _BMP_OCTETS[bmp]
    if bmp == 0x06:
        return _tlv_length(apdu[at + 1 : at + 4])
    digits = 2 if bmp in _BMP_LL else 3 if bmp in _BMP_LLL else 0
    said = apdu[at + 1 : at + 1 + digits]
    if not digits or len(said) < digits or any(octet < 0xF0 or octet > 0xF9 for octet in said):
        return None
    return digits, int("".join(str(octet & 0xF) for octet in said))


def _tlv_length(head: bytes) -> tuple[int, int] | None:
    if not head:
        return None
    if head[0] < 0x80:
        return 1, head[0]
    count = head[0] & 0x7F
    if count not in (1, 2) or len(head) < 1 + count:
        return None
    return 1 + count, int.from_bytes(head[1 : 1 + count], "big")
