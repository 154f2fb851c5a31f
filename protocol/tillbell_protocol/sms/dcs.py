"""TP-DCS, the data coding scheme: one octet that answers questions (3GPP TS 23.038, clause 4).

Every octet is a valid value: reserved codings are read as the 7-bit default alphabet, as clause 4 asks of a
receiver, and say so when asked.
"""

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from tillbell_protocol.errors import EncodeError


class Alphabet(Enum):
    GSM7 = "GSM 7-bit"
    DATA8 = "8-bit data"
    UCS2 = "UCS-2"


class WaitingKind(Enum):
    """What a message waiting indication speaks of."""

    VOICEMAIL = 0
    FAX = 1
    EMAIL = 2
    OTHER = 3


@dataclass(frozen=True, slots=True)
class Dcs:
    """The octet. ``Dcs.GSM7``, ``Dcs.DATA8`` and ``Dcs.UCS2`` are the three that this project sends."""

    octet: int

    GSM7: ClassVar["Dcs"]
    DATA8: ClassVar["Dcs"]
    UCS2: ClassVar["Dcs"]

    def __post_init__(self) -> None:
        if not 0 <= self.octet <= 0xFF:
            raise EncodeError("dcs", f"{self.octet} is not an octet")

    def alphabet(self) -> Alphabet:
        """The alphabet to read the user data in; reserved values give GSM7."""
        if self._general():
            return _GENERAL_ALPHABETS[self.octet >> 2 & 0x3]
        if self.octet & 0xF0 == 0xE0:  # 1110
            return Alphabet.UCS2
        if self.octet & 0xF4 == 0xF4:  # 1111 x1xx
            return Alphabet.DATA8
        return Alphabet.GSM7

    def message_class(self) -> int | None:
        """0 shown at once and not stored, 1 for the equipment, 2 for the SIM, 3 for the terminal; None: no class."""
        if self.octet & 0xF0 == 0xF0:  # 1111
            return self.octet & 0x3
        return self.octet & 0x3 if self._general() and self.octet & 0x10 else None  # 0xx1

    def compressed(self) -> bool:
        """Whether the user data is compressed (TS 23.042); its length then counts octets, whatever the alphabet."""
        return self._general() and self.octet & 0x20 == 0x20  # 0x1x

    def automatic_deletion(self) -> bool:
        """Whether the message may be deleted once read."""
        return self.octet & 0xC0 == 0x40  # 01xx

    def message_waiting(self) -> tuple[WaitingKind, bool] | None:
        """Kind and whether the indication is set active, in the three message waiting groups; else None."""
        if 0xC0 <= self.octet < 0xF0:  # 1100, 1101, 1110
            return WaitingKind(self.octet & 0x3), self.octet & 0x08 == 0x08
        return None

    def discard(self) -> bool:
        """Whether only the message waiting indication counts and the text may be thrown away."""
        return self.octet & 0xF0 == 0xC0  # 1100

    def reserved(self) -> bool:
        """Whether the value is reserved: a group, an alphabet or a bit to which no meaning is given."""
        if self._general():
            return self.octet & 0x0C == 0x0C  # xxxx 11xx
        if self.octet & 0xC0 == 0x80:  # 10xx
            return True
        # 1111 1xxx; in the message waiting groups bit 2 is set to 0
        return self.octet & 0x08 == 0x08 if self.octet & 0xF0 == 0xF0 else self.octet & 0x04 == 0x04

    def septets(self) -> bool:
        """Whether the user data is packed septets and TP-UDL counts them."""
        return self.alphabet() is Alphabet.GSM7 and not self.compressed()

    def describe(self) -> str:
        """All of it in a line, for people."""
        parts = [self.alphabet().value]
        if self.reserved():
            parts.append(
                "reserved value, read as the default alphabet" if self._unassigned() else "reserved bit set"
            )
        if self.message_class() is not None:
            parts.append(f"class {self.message_class()}")
        if self.compressed():
            parts.append("compressed")
        if self.automatic_deletion():
            parts.append("marked for automatic deletion")
        waiting = self.message_waiting()
        if waiting is not None:
            kind, active = waiting
            parts.append(f"{kind.name.lower()} waiting indication {'active' if active else 'inactive'}")
            parts.append("discard the text" if self.discard() else "store the text")
        return ", ".join(parts)

    def _general(self) -> bool:
        return self.octet & 0x80 == 0  # 0xxx: general data coding, and the same with automatic deletion

    def _unassigned(self) -> bool:
        return self._general() or self.octet & 0xC0 == 0x80


_GENERAL_ALPHABETS = (Alphabet.GSM7, Alphabet.DATA8, Alphabet.UCS2, Alphabet.GSM7)

Dcs.GSM7 = Dcs(0x00)
Dcs.DATA8 = Dcs(0x04)
Dcs.UCS2 = Dcs(0x08)
