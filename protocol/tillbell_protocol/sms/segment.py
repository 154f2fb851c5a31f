"""Text or data -> the parts in which it goes out (3GPP TS 23.040, 9.2.3.24.1 and 9.2.3.24.3, .4).

Text takes the GSM 7-bit default alphabet if every character is in it, otherwise UCS-2 (as UTF-16, which phones
read); national shift tables are never written. No part ends inside an escape pair or a surrogate pair, so each
part is readable text by itself. Concatenation has an 8-bit reference.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from tillbell_protocol.errors import EncodeError
from tillbell_protocol.sms import gsm7
from tillbell_protocol.sms.dcs import Dcs
from tillbell_protocol.sms.gsm7 import is_gsm7, septet_length
from tillbell_protocol.sms.udh import InformationElement, concatenation_element, encode_udh, ports_element
from tillbell_protocol.sms.user_data import MAX_OCTETS, MAX_SEPTETS, data_of, header_septets, text_of

__all__ = [
    "MAX_SEGMENTS",
    "Segment",
    "count_segments",
    "is_gsm7",
    "septet_length",
    "split_data",
    "split_text",
]

MAX_SEGMENTS = 255  # the number of parts is one octet

_CONCATENATED_OCTETS = MAX_OCTETS - len(encode_udh((concatenation_element(0, 1, 1),)))  # 134
_CONCATENATED_SEPTETS = MAX_SEPTETS - header_septets(MAX_OCTETS - _CONCATENATED_OCTETS)[0]  # 153
_CONCATENATED_UCS2 = _CONCATENATED_OCTETS // 2 * 2  # 134 octets: 67 UTF-16 units


@dataclass(frozen=True, slots=True)
class Segment:
    """One part, ready to be put into a TPDU: data coding, information elements, user data as SmsSubmit holds it."""

    dcs: Dcs
    udh: tuple[InformationElement, ...]
    ud: bytes

    def text(self) -> str:
        return text_of(self.dcs, self.udh, self.ud)

    def data(self) -> bytes:
        return data_of(self.dcs, self.ud)


def split_text(text: str, reference: int) -> list[Segment]:
    """One segment without a header if it fits (160 septets, 70 UTF-16 units), else parts of 153 septets or 67 units.

    ``reference`` is 0 to 255 and used only for several parts. EncodeError for half a surrogate pair, or for text
    that needs more than 255 parts.
    """
    dcs, units = _encoded(text)
    whole = MAX_SEPTETS if dcs == Dcs.GSM7 else MAX_OCTETS
    if sum(map(len, units)) <= whole:
        return [Segment(dcs, (), b"".join(units))]
    bodies = _joined(units, _CONCATENATED_SEPTETS if dcs == Dcs.GSM7 else _CONCATENATED_UCS2)
    return _concatenated(dcs, bodies, reference, ())


def split_data(data: bytes, reference: int, port: int | None = None) -> list[Segment]:
    """8-bit data, with ``port`` as 16-bit destination and source port unless it is None.

    One segment has room for 140 octets, 133 with ports; each of several for 134, 128 with ports.
    """
    ports = () if port is None else (ports_element(port, port),)
    if len(encode_udh(ports)) + len(data) <= MAX_OCTETS:
        return [Segment(Dcs.DATA8, ports, data)]
    room = MAX_OCTETS - len(encode_udh((concatenation_element(0, 1, 1), *ports)))
    bodies = [data[start : start + room] for start in range(0, len(data), room)]
    return _concatenated(Dcs.DATA8, bodies, reference, ports)


def count_segments(text: str) -> int:
    """How many messages ``split_text`` makes of the text."""
    return len(split_text(text, 0))


def _encoded(text: str) -> tuple[Dcs, list[bytes]]:
    """The data coding, and for each character what must stay in one part: one or two septets, two or four octets."""
    if is_gsm7(text):
        return Dcs.GSM7, [gsm7.septets_of(character) for character in text]
    for character in text:
        if "\ud800" <= character <= "\udfff":
            raise EncodeError("ud", f"half a surrogate pair, U+{ord(character):04X}")
    return Dcs.UCS2, [character.encode("utf-16-be") for character in text]


def _joined(units: Iterable[bytes], room: int) -> list[bytes]:
    """Units joined into as few bodies of at most ``room`` octets as keep every unit whole."""
    bodies: list[bytearray] = [bytearray()]
    for unit in units:
        if len(bodies[-1]) + len(unit) > room:
            bodies.append(bytearray())
        bodies[-1] += unit
    return [bytes(body) for body in bodies]


def _concatenated(
    dcs: Dcs, bodies: list[bytes], reference: int, ports: tuple[InformationElement, ...]
) -> list[Segment]:
    total = len(bodies)
    if total > MAX_SEGMENTS:
        raise EncodeError("ud", f"{total} parts; at most {MAX_SEGMENTS}")
    return [
        Segment(dcs, (concatenation_element(reference, total, sequence), *ports), body)
        for sequence, body in enumerate(bodies, 1)
    ]
