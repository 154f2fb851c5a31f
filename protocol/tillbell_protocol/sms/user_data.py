"""TP-UDL and TP-UD <-> information elements and the user data after them (3GPP TS 23.040, 9.2.3.16 and 9.2.3.24).

The user data is held so that it round-trips exactly: one octet per septet where it is packed 7-bit text, raw octets
otherwise. Fill bits between a header and 7-bit text are made and skipped here and nowhere else.
"""

from tillbell_protocol.errors import DecodeError, EncodeError
from tillbell_protocol.sms import gsm7
from tillbell_protocol.sms.dcs import Alphabet, Dcs
from tillbell_protocol.sms.reader import Reader
from tillbell_protocol.sms.udh import InformationElement, encode_udh, languages, read_udh

MAX_OCTETS = 140
MAX_SEPTETS = 160


def encode_user_data(dcs: Dcs, udh: tuple[InformationElement, ...], ud: bytes) -> bytes:
    """TP-UDL and TP-UD. EncodeError if they do not fit 140 octets (160 septets)."""
    header = encode_udh(udh)
    if not dcs.septets():
        length, body = len(header) + len(ud), ud
        if length > MAX_OCTETS:
            raise EncodeError("ud", f"{length} octets; at most {MAX_OCTETS}")
    else:
        in_septets, fill_bits = header_septets(len(header))
        length, body = in_septets + len(ud), gsm7.pack(ud, fill_bits)
        if length > MAX_SEPTETS:
            raise EncodeError("ud", f"{length} septets; at most {MAX_SEPTETS}")
    return bytes((length,)) + header + body


def read_user_data(reader: Reader, dcs: Dcs, udhi: bool) -> tuple[tuple[InformationElement, ...], bytes]:
    """The information elements and the user data after them, from TP-UDL on."""
    start = reader.offset
    udl = reader.octet("udl")
    units, most = ("septets", MAX_SEPTETS) if dcs.septets() else ("octets", MAX_OCTETS)
    if udl > most:
        raise DecodeError("udl", start, f"{udl} {units}; at most {most}")
    begin = reader.offset
    end = begin + ((7 * udl + 7) // 8 if dcs.septets() else udl)
    if end > len(reader.octets):
        left = len(reader.octets) - begin
        raise DecodeError("ud", begin, f"{end - begin} octets announced, {left} left")
    udh = read_udh(reader, end, "ud.udh") if udhi else ()
    if not dcs.septets():
        return udh, _take(reader, end)
    in_septets, fill_bits = header_septets(reader.offset - begin)
    if in_septets > udl:
        raise DecodeError("udl", start, f"{udl} septets; the header alone takes {in_septets}")
    return udh, gsm7.unpack(_take(reader, end), udl - in_septets, fill_bits)


def header_septets(octets: int) -> tuple[int, int]:
    """How many septets a header of so many octets (its length octet included) takes, and the fill bits in them."""
    septets = (8 * octets + 6) // 7
    return septets, 7 * septets - 8 * octets


def text_of(dcs: Dcs, udh: tuple[InformationElement, ...], ud: bytes) -> str:
    """The text. DecodeError if it is 8-bit data or compressed (TS 23.042 is not read).

    Half a surrogate pair and an odd last octet of UCS-2 are shown as U+FFFD; the user data still has them.
    """
    if dcs.compressed():
        raise DecodeError("ud", 0, "compressed text is not read")
    if dcs.alphabet() is Alphabet.DATA8:
        raise DecodeError("ud", 0, "8-bit data has no text")
    if dcs.alphabet() is Alphabet.UCS2:
        return ud.decode("utf-16-be", errors="replace")
    locking, single = languages(udh)
    return gsm7.from_septets(ud, locking, single)


def data_of(dcs: Dcs, ud: bytes) -> bytes:
    """The octets after the header. DecodeError for 7-bit text, which has no octets of its own."""
    if dcs.septets():
        raise DecodeError("ud", 0, "7-bit text is not 8-bit data")
    return ud


def _take(reader: Reader, end: int) -> bytes:
    """The user data up to ``end``; a field only if there is any."""
    return reader.take("ud", end - reader.offset) if end > reader.offset else b""
