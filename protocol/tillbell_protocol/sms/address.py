"""Addresses: a phone number or a name <-> the octets of TP-DA, TP-OA and TP-RA (3GPP TS 23.040, 9.1.2.5).

Also the service centre's address as TS 27.005 puts it before a TPDU, whose length counts octets instead of
semi-octets. Digits are never changed: no country code is added, no prefix removed.
"""

import re
from dataclasses import dataclass
from enum import IntEnum

from tillbell_protocol.errors import DecodeError, EncodeError
from tillbell_protocol.sms import gsm7
from tillbell_protocol.sms.reader import Reader


class TypeOfNumber(IntEnum):
    """Bits 6 to 4 of the type-of-address octet."""

    UNKNOWN = 0
    INTERNATIONAL = 1
    NATIONAL = 2
    NETWORK_SPECIFIC = 3
    SUBSCRIBER = 4
    ALPHANUMERIC = 5
    ABBREVIATED = 6
    RESERVED = 7


UNKNOWN_PLAN, ISDN_PLAN = 0, 1  # numbering-plan-identification; 1 is E.164

# 9.1.2.5: the address field has at most 12 octets, ten of them for the value.
MAX_SEMI_OCTETS = 20
_SEMI_OCTETS = "0123456789*#abc"  # 1111 is the filler
_FILLER = 0xF


@dataclass(frozen=True, slots=True)
class Address:
    """``value`` is digits (also ``*#abc``), or the text of an alphanumeric address; never with a ``+``."""

    value: str
    type_of_number: TypeOfNumber = TypeOfNumber.UNKNOWN
    numbering_plan: int = ISDN_PLAN

    @classmethod
    def from_text(cls, text: str) -> "Address":
        """``+8613800138000`` international, ``10086`` unknown type, ``TILLBELL`` alphanumeric (11 septets at most).

        EncodeError for a number with anything but digits in it, so that a mistyped number never becomes a name.
        """
        if re.fullmatch(r"\+[0-9]{1,20}", text):
            return cls(text[1:], TypeOfNumber.INTERNATIONAL)
        if re.fullmatch(r"[0-9*#]{1,20}", text):
            return cls(text)
        if text.startswith("+") or not any(character.isalpha() for character in text):
            raise EncodeError("address", "a number has 1 to 20 digits and no other characters")
        address = cls(text, TypeOfNumber.ALPHANUMERIC, UNKNOWN_PLAN)
        address.encode()
        return address

    def text(self) -> str:
        """As people write it: with ``+`` if international."""
        return f"+{self.value}" if self.type_of_number == TypeOfNumber.INTERNATIONAL else self.value

    def encode(self) -> bytes:
        """Length in semi-octets, type-of-address, value."""
        if not 0 <= self.numbering_plan <= 0xF:
            raise EncodeError("address.npi", f"{self.numbering_plan} is not a four-bit value")
        if self.type_of_number == TypeOfNumber.ALPHANUMERIC:
            septets = gsm7.to_septets(self.value)
            length, packed = (7 * len(septets) + 3) // 4, gsm7.pack(septets)
        else:
            length, packed = len(self.value), _pack_digits(self.value)
        if length > MAX_SEMI_OCTETS:
            raise EncodeError("address", f"{length} semi-octets; there is room for {MAX_SEMI_OCTETS}")
        return bytes((length, self._type_octet())) + packed

    @classmethod
    def decode(cls, octets: bytes, offset: int = 0) -> tuple["Address", int]:
        """The address that starts at ``offset`` and how many octets it has. Offsets in errors count from octet 0."""
        reader = Reader(octets, offset)
        address = cls.read(reader, "address")
        return address, reader.offset - offset

    @classmethod
    def read(cls, reader: Reader, field: str) -> "Address":
        start = reader.offset
        length = reader.octet(f"{field}.length")
        if length > MAX_SEMI_OCTETS:
            raise DecodeError(f"{field}.length", start, f"{length} semi-octets; at most {MAX_SEMI_OCTETS}")
        toa = reader.octet(f"{field}.toa")
        start = reader.offset
        value = reader.take(f"{field}.value", (length + 1) // 2)
        return cls._from_octets(toa, value, length, field, start)

    def encode_smsc(self) -> bytes:
        """As before a TPDU in TS 27.005: length in octets including the type-of-address, which comes next."""
        return bytes((len(self.encode()) - 1,)) + self.encode()[1:]

    @classmethod
    def read_smsc(cls, reader: Reader) -> "Address | None":
        """The service centre's address at the reader; None for a length of 0, which means: as set in the modem."""
        start = reader.offset
        length = reader.octet("smsc.length")
        if length == 0:
            return None
        if length > MAX_SEMI_OCTETS // 2 + 1:
            raise DecodeError("smsc.length", start, f"{length} octets; at most {MAX_SEMI_OCTETS // 2 + 1}")
        toa = reader.octet("smsc.toa")
        start = reader.offset
        value = reader.take("smsc.value", length - 1)
        semi_octets = 2 * len(value) - (1 if value and value[-1] >> 4 == _FILLER else 0)
        return cls._from_octets(toa, value, semi_octets, "smsc", start)

    @classmethod
    def _from_octets(cls, toa: int, value: bytes, semi_octets: int, field: str, offset: int) -> "Address":
        ton, npi = TypeOfNumber((toa >> 4) & 0x7), toa & 0xF  # bit 7 is always 1 and carries nothing
        if ton == TypeOfNumber.ALPHANUMERIC:
            text = gsm7.from_septets(gsm7.unpack(value, semi_octets * 4 // 7))
            return cls(text, ton, npi)
        return cls(_unpack_digits(value, semi_octets, field, offset), ton, npi)

    def _type_octet(self) -> int:
        return 0x80 | self.type_of_number << 4 | self.numbering_plan


def _pack_digits(digits: str) -> bytes:
    """Digits as semi-octets, the first in the low half, 1111 filling an odd end."""
    semi = [_SEMI_OCTETS.find(digit) for digit in digits]
    if -1 in semi:
        raise EncodeError("address", f"{digits[semi.index(-1)]!r} is not a digit of an address")
    semi += [_FILLER] * (len(semi) % 2)
    return bytes(low | high << 4 for low, high in zip(semi[::2], semi[1::2], strict=True))


def _unpack_digits(octets: bytes, count: int, field: str, offset: int) -> str:
    digits = []
    for position in range(count):
        semi = octets[position // 2] >> (4 * (position % 2)) & 0xF
        if semi == _FILLER:
            raise DecodeError(f"{field}.value", offset + position // 2, "filler where a digit is due")
        digits.append(_SEMI_OCTETS[semi])
    return "".join(digits)
