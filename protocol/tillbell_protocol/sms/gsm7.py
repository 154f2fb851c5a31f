"""Text <-> septets <-> octets: the GSM 7-bit alphabets of 3GPP TS 23.038.

Text becomes septets of the default alphabet and its extension table (6.2.1, 6.2.1.1), one octet per septet; septets
are packed into octets as 6.1.2.1.1 draws it, after fill bits where a header comes first. Reading knows the national
tables as well. Nothing here substitutes a character: what the alphabet lacks is an error, and the caller takes UCS-2.
"""

from types import MappingProxyType

from tillbell_protocol.errors import EncodeError
from tillbell_protocol.sms.national import ESCAPE, LOCKING, SINGLE

_BASE = MappingProxyType({c: n for n, c in enumerate(LOCKING[0]) if n != ESCAPE})
_EXTENDED = MappingProxyType({c: n for n, c in SINGLE[0].items()})


def is_gsm7(text: str) -> bool:
    """Whether every character of ``text`` is in the default alphabet or its extension table."""
    return all(c in _BASE or c in _EXTENDED for c in text)


def septet_length(text: str) -> int:
    """How many septets ``text`` takes: one for each character, two for those of the extension table.

    EncodeError if a character is in neither table.
    """
    return sum(len(septets_of(c)) for c in text)


def septets_of(character: str) -> bytes:
    """The one septet of a character, or ESC and its septet in the extension table."""
    if character in _BASE:
        return bytes((_BASE[character],))
    if character in _EXTENDED:
        return bytes((ESCAPE, _EXTENDED[character]))
    raise EncodeError("ud", f"U+{ord(character):04X} is not in the GSM 7-bit default alphabet")


def to_septets(text: str) -> bytes:
    """Encode text, one septet per octet. EncodeError if a character is not in the alphabet."""
    return b"".join(septets_of(c) for c in text)


def from_septets(septets: bytes, locking: int = 0, single: int = 0) -> str:
    """Decode septets with the tables of two language identifiers (0: default; unknown ones count as 0).

    After an escape, a cell that the single shift table leaves empty shows the main table's character, as 6.2.1.1
    asks; an escape before an escape, or at the end, shows a space. Values are septets: 0 to 0x7F.
    """
    base = LOCKING.get(locking, LOCKING[0])
    shifted = SINGLE.get(single, SINGLE[0])
    out: list[str] = []
    escaped = False
    for septet in septets:
        if septet == ESCAPE:
            if escaped:
                out.append(" ")
            escaped = not escaped
        else:
            out.append(shifted.get(septet, base[septet]) if escaped else base[septet])
            escaped = False
    return "".join(out) + (" " if escaped else "")


def pack(septets: bytes, fill_bits: int = 0) -> bytes:
    """Septets into octets, least significant bit first, after ``fill_bits`` (0 to 6) zero bits.

    Unused bits at the end are zero. The carriage return that cell broadcast and USSD put there has no place in an
    SMS: TP-UDL counts septets, so seven zero bits at the end are never read as ``@``.
    """
    value = 0
    for position, septet in enumerate(septets):
        if septet > 0x7F:
            raise EncodeError("ud", f"0x{septet:02X} at {position} is not a septet")
        value |= septet << (7 * position)
    return (value << fill_bits).to_bytes((7 * len(septets) + fill_bits + 7) // 8, "little")


def unpack(octets: bytes, count: int, fill_bits: int = 0) -> bytes:
    """``count`` septets out of octets, after ``fill_bits``. The caller has checked that there are enough octets."""
    value = int.from_bytes(octets, "little") >> fill_bits
    return bytes((value >> (7 * position)) & 0x7F for position in range(count))
