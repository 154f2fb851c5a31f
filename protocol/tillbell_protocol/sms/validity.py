"""TP-VP, how long a service centre keeps trying: relative, absolute and enhanced (3GPP TS 23.040, 9.2.3.12).

Each form knows its TP-VPF bits and its octets. What the octets mean in seconds is a question with None as an answer
where the standard leaves it open.
"""

from dataclasses import dataclass
from typing import ClassVar

from tillbell_protocol.errors import DecodeError, EncodeError
from tillbell_protocol.sms.reader import Reader
from tillbell_protocol.sms.timestamp import OCTETS, Timestamp

_MINUTE, _HOUR, _DAY, _WEEK = 60, 3600, 86400, 604800


@dataclass(frozen=True, slots=True)
class RelativeValidity:
    """One octet (TP-VPF 10): five minutes to 63 weeks from when the service centre receives the message."""

    octet: int
    vpf: ClassVar[int] = 0b10

    def __post_init__(self) -> None:
        if not 0 <= self.octet <= 0xFF:
            raise EncodeError("vp", f"{self.octet} is not an octet")

    @classmethod
    def from_seconds(cls, seconds: float) -> "RelativeValidity":
        """The shortest period that is not shorter than ``seconds``; the longest, 63 weeks, beyond that."""
        for octet in range(0x100):
            if relative_seconds(octet) >= seconds:
                return cls(octet)
        return cls(0xFF)

    def seconds(self) -> int:
        return relative_seconds(self.octet)

    def encode(self) -> bytes:
        return bytes((self.octet,))


@dataclass(frozen=True, slots=True)
class AbsoluteValidity:
    """Seven octets (TP-VPF 11): the moment at which the validity ends."""

    until: Timestamp
    vpf: ClassVar[int] = 0b11

    def encode(self) -> bytes:
        return self.until.octets


@dataclass(frozen=True, slots=True)
class EnhancedValidity:
    """Seven octets (TP-VPF 01): a functionality indicator and what it calls for, kept as they are."""

    octets: bytes
    vpf: ClassVar[int] = 0b01

    def __post_init__(self) -> None:
        if len(self.octets) != OCTETS:
            raise EncodeError("vp", f"{len(self.octets)} octets; there are {OCTETS}")

    @classmethod
    def from_seconds(cls, seconds: int, single_shot: bool = False) -> "EnhancedValidity":
        """1 to 255 seconds as a number, up to 99:59:59 as hours, minutes and seconds; EncodeError beyond that."""
        flag = 0x40 if single_shot else 0
        if 1 <= seconds <= 0xFF:
            return cls(bytes((flag | 0b010, seconds)).ljust(OCTETS, b"\0"))
        if not 1 <= seconds < 100 * _HOUR:
            raise EncodeError("vp", f"{seconds} s is not between 1 s and 99:59:59")
        parts = (seconds // _HOUR, seconds // _MINUTE % 60, seconds % 60)
        digits = (value // 10 | value % 10 << 4 for value in parts)
        return cls(bytes((flag | 0b011, *digits)).ljust(OCTETS, b"\0"))

    def single_shot(self) -> bool:
        """Whether the service centre tries only once."""
        return self.octets[0] & 0x40 == 0x40

    def seconds(self) -> int | None:
        """The period, or None: none given, a reserved format, an extended indicator, or not digits."""
        first, value = self.octets[0], self.octets[1:]
        if first & 0x80:  # another functionality indicator follows; none is defined
            return None
        kind = first & 0b111
        if kind == 0b001:
            return relative_seconds(value[0])
        if kind == 0b010:
            return value[0] or None  # 0 is reserved
        return _clock_seconds(value[:3]) if kind == 0b011 else None

    def encode(self) -> bytes:
        return self.octets


Validity = RelativeValidity | AbsoluteValidity | EnhancedValidity


def relative_seconds(octet: int) -> int:
    """The table of 9.2.3.12.1."""
    if octet <= 143:
        return (octet + 1) * 5 * _MINUTE
    if octet <= 167:
        return 12 * _HOUR + (octet - 143) * 30 * _MINUTE
    if octet <= 196:
        return (octet - 166) * _DAY
    return (octet - 192) * _WEEK


def _clock_seconds(octets: bytes) -> int | None:
    """hh mm ss in semi-octets, or None if they are not digits or not a duration."""
    if any(octet >> 4 > 9 or octet & 0xF > 9 for octet in octets):
        return None
    hours, minutes, seconds = (10 * (octet & 0xF) + (octet >> 4) for octet in octets)
    return hours * _HOUR + minutes * _MINUTE + seconds if minutes < 60 and seconds < 60 else None


def read_validity(reader: Reader, vpf: int) -> Validity | None:
    """The TP-VP that the two TP-VPF bits announce; None for 00."""
    if vpf == 0b00:
        return None
    if vpf == RelativeValidity.vpf:
        return RelativeValidity(reader.octet("vp"))
    octets = reader.take("vp", OCTETS)
    if vpf == AbsoluteValidity.vpf:
        return AbsoluteValidity(Timestamp(octets))
    if vpf == EnhancedValidity.vpf:
        return EnhancedValidity(octets)
    raise DecodeError("vpf", 0, f"{vpf} is not a two-bit value")
