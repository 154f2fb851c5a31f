"""One frame: version, type, flags, boot, sequence, length, payload, tag, check sum; stuffed, ended by a zero octet."""

import binascii
import struct

from tillbell_protocol.link.cobs import decode, encode
from tillbell_protocol.link.mac import TAG_OCTETS, Mac

VERSION = 1
MAX_PAYLOAD = 224  # a frame then has at most 249 octets: less than a buffer of a USB serial port
SESSION = 0x01  # flag: tagged with the session's key; without it with the link key

_HEAD = "<BBBHIH"
_HEAD_OCTETS = 11
_CRC_OCTETS = 4
_LEAST = _HEAD_OCTETS + TAG_OCTETS + _CRC_OCTETS
MAX_FRAME = _LEAST + MAX_PAYLOAD + 1  # stuffed, without its zero
_U16, _U32 = 0xFFFF, 0xFFFFFFFF


class FrameError(Exception):
    """Octets between two zeros that are no frame; ``why`` is one of a few fixed words."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Frame:
    """``boot``: the device's start, 16 bits; ``seq``: of what is to be acknowledged, 32 bits, else 0."""

    def __init__(self, kind: int, payload: bytes = b"", boot: int = 0, seq: int = 0, flags: int = 0) -> None:
        if not (0 <= kind <= 0xFF and 0 <= flags <= 0xFF and 0 <= boot <= _U16 and 0 <= seq <= _U32):
            raise ValueError("a field of a frame does not fit")
        if len(payload) > MAX_PAYLOAD:
            raise ValueError("a payload has at most 224 octets")
        self.kind, self.payload, self.boot, self.seq, self.flags = kind, payload, boot, seq, flags

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Frame) and self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash(self._fields())

    def __repr__(self) -> str:
        return f"Frame({self.kind}, {len(self.payload)} octets, boot={self.boot}, seq={self.seq}, flags={self.flags})"

    def _fields(self) -> tuple[int, bytes, int, int, int]:
        return self.kind, self.payload, self.boot, self.seq, self.flags

    def encode(self, mac: Mac) -> bytes:
        """As it goes over the line, its zero included."""
        head = struct.pack(_HEAD, VERSION, self.kind, self.flags, self.boot, self.seq, len(self.payload))
        body = head + self.payload
        body += mac.tag(body)
        return encode(body + struct.pack("<I", binascii.crc32(body) & _U32)) + b"\x00"


def split(stuffed: bytes) -> tuple[Frame, bytes, bytes]:
    """What stands between two zeros → the frame, the octets that its tag covers, and its tag. Raises FrameError.

    The check sum is right then; the tag is the caller's to verify, by the key that ``flags`` name.
    """
    body = decode(stuffed)
    if body is None:
        raise FrameError("stuffing")
    if len(body) < _LEAST:
        raise FrameError("short")
    (crc,) = struct.unpack("<I", body[len(body) - _CRC_OCTETS :])
    body = body[: len(body) - _CRC_OCTETS]
    if binascii.crc32(body) & _U32 != crc:
        raise FrameError("check sum")
    version, kind, flags, boot, seq, length = struct.unpack(_HEAD, body[:_HEAD_OCTETS])
    if version != VERSION:
        raise FrameError("version")
    covered = body[: len(body) - TAG_OCTETS]
    if length != len(covered) - _HEAD_OCTETS or length > MAX_PAYLOAD:
        raise FrameError("length")
    return Frame(kind, covered[_HEAD_OCTETS:], boot, seq, flags), covered, body[len(covered) :]


class FrameReader:
    """Octets in any pieces → what stands between zeros; never holds more than one frame."""

    def __init__(self) -> None:
        self.too_long = 0  # stretches without a zero that no frame can be
        self._held = bytearray()
        self._skipping = False

    def feed(self, octets: bytes) -> list[bytes]:
        """Each is for ``split``."""
        found: list[bytes] = []
        start = 0
        while True:
            zero = octets.find(b"\x00", start)
            piece = octets[start:] if zero < 0 else octets[start:zero]
            self._take(piece)
            if zero < 0:
                return found
            if self._held and not self._skipping:
                found.append(bytes(self._held))
            self._held[:] = b""
            self._skipping = False
            start = zero + 1

    def _take(self, piece: bytes) -> None:
        if self._skipping:
            return
        if len(self._held) + len(piece) > MAX_FRAME:
            self.too_long += 1
            self._held[:] = b""
            self._skipping = True
            return
        self._held += piece
