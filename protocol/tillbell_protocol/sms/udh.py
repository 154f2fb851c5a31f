"""The user data header: information elements <-> octets (3GPP TS 23.040, 9.2.3.24).

Elements are kept as they are, known or not, in their order. Questions (concatenation, ports, languages) look at
them the way a receiver must: the last of several counts, and one that contradicts itself counts as absent.
"""

from dataclasses import dataclass

from tillbell_protocol.errors import DecodeError, EncodeError
from tillbell_protocol.sms.reader import Reader

CONCAT_8, PORTS_8, PORTS_16, CONCAT_16 = 0x00, 0x04, 0x05, 0x08
SINGLE_SHIFT, LOCKING_SHIFT = 0x24, 0x25

NAMES = {
    CONCAT_8: "concatenation, 8-bit reference",
    0x01: "special SMS message indication",
    PORTS_8: "application ports, 8-bit",
    PORTS_16: "application ports, 16-bit",
    0x06: "SMSC control parameters",
    0x07: "UDH source indicator",
    CONCAT_16: "concatenation, 16-bit reference",
    0x09: "wireless control message protocol",
    SINGLE_SHIFT: "national language single shift",
    LOCKING_SHIFT: "national language locking shift",
}

# TP-UD has at most 140 octets, and the header's length takes one.
MAX_HEADER_OCTETS = 139


@dataclass(frozen=True, slots=True)
class InformationElement:
    """One element: identifier and its data."""

    iei: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Concatenation:
    """Part ``sequence`` (from 1) of ``total``; ``reference`` has ``bits`` bits."""

    reference: int
    total: int
    sequence: int
    bits: int = 8


@dataclass(frozen=True, slots=True)
class Ports:
    destination: int
    source: int


def concatenation_element(reference: int, total: int, sequence: int, bits: int = 8) -> InformationElement:
    """Element 0x00 (8-bit reference) or 0x08 (16-bit)."""
    if bits not in (8, 16) or not 0 <= reference < 1 << bits:
        raise EncodeError("udh.reference", f"{reference} does not fit a {bits}-bit reference")
    if not 1 <= sequence <= total <= 0xFF:
        raise EncodeError("udh.sequence", f"part {sequence} of {total}")
    iei = CONCAT_8 if bits == 8 else CONCAT_16
    return InformationElement(iei, reference.to_bytes(bits // 8, "big") + bytes((total, sequence)))


def ports_element(destination: int, source: int, bits: int = 16) -> InformationElement:
    """Element 0x05 (16-bit ports) or 0x04 (8-bit)."""
    if bits not in (8, 16) or not (0 <= destination < 1 << bits and 0 <= source < 1 << bits):
        raise EncodeError("udh.port", f"{destination} and {source} are not {bits}-bit ports")
    iei, size = (PORTS_8, 1) if bits == 8 else (PORTS_16, 2)
    return InformationElement(iei, destination.to_bytes(size, "big") + source.to_bytes(size, "big"))


def concatenation(udh: tuple[InformationElement, ...]) -> Concatenation | None:
    """Which part of which message this is; None if it is whole, or if the element makes no sense (9.2.3.24.1)."""
    for element in reversed(udh):
        if element.iei in (CONCAT_8, CONCAT_16):
            return _concatenation(element)
    return None


def _concatenation(element: InformationElement) -> Concatenation | None:
    bits = 8 if element.iei == CONCAT_8 else 16
    if len(element.data) != bits // 8 + 2:
        return None
    total, sequence = element.data[-2:]
    if not 1 <= sequence <= total:
        return None
    return Concatenation(int.from_bytes(element.data[:-2], "big"), total, sequence, bits)


def ports(udh: tuple[InformationElement, ...]) -> Ports | None:
    """The application ports, or None."""
    for element in reversed(udh):
        size = {PORTS_8: 1, PORTS_16: 2}.get(element.iei)
        if size is not None:
            if len(element.data) != 2 * size:
                return None
            return Ports(
                int.from_bytes(element.data[:size], "big"), int.from_bytes(element.data[size:], "big")
            )
    return None


def languages(udh: tuple[InformationElement, ...]) -> tuple[int, int]:
    """The national language identifiers (locking shift, single shift) of the user data; 0 is the default table."""
    return _language(udh, LOCKING_SHIFT), _language(udh, SINGLE_SHIFT)


def _language(udh: tuple[InformationElement, ...], iei: int) -> int:
    for element in reversed(udh):
        if element.iei == iei:
            return element.data[0] if len(element.data) == 1 else 0
    return 0


def encode_udh(udh: tuple[InformationElement, ...]) -> bytes:
    """The header with its length octet (UDHL); nothing at all for no elements."""
    if not udh:
        return b""
    for element in udh:
        if not 0 <= element.iei <= 0xFF or len(element.data) > 0xFF:
            raise EncodeError("udh.ie", f"element {element.iei} with {len(element.data)} octets")
    body = b"".join(bytes((element.iei, len(element.data))) + element.data for element in udh)
    if len(body) > MAX_HEADER_OCTETS:
        raise EncodeError("udh", f"{len(body)} octets; at most {MAX_HEADER_OCTETS}")
    return bytes((len(body),)) + body


def read_udh(reader: Reader, limit: int, field: str = "udh") -> tuple[InformationElement, ...]:
    """The elements of the header that starts at the reader and must end at octet ``limit`` at the latest."""
    start = reader.offset
    length = reader.octet(f"{field}.udhl")
    end = reader.offset + length
    if end > limit:
        left = limit - reader.offset
        raise DecodeError(f"{field}.udhl", start, f"{length} octets announced, {left} left")
    elements = []
    while reader.offset < end:
        elements.append(_read_element(reader, f"{field}.ie", end))
    return tuple(elements)


def _read_element(reader: Reader, field: str, end: int) -> InformationElement:
    start = reader.offset
    if end - start < 2:
        raise DecodeError(field, start, "one octet left in the header, an element has two or more")
    length = reader.octets[start + 1]
    if start + 2 + length > end:
        raise DecodeError(
            field, start, f"{length} octets of data run past the header, which ends at octet {end}"
        )
    octets = reader.take(field, 2 + length)
    return InformationElement(octets[0], octets[2:])
