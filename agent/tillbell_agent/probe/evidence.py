"""What shows that a line speaks a dialect: whole frames with a correct check, or printed lines between commands.

One row a dialect, one for the modem, one for the firmware bridge. A row knows framing, check and the structure that tells its frames from those of
others that are framed alike; what a frame means it leaves to the dialect. Requests, answers, status and display frames
all count. Scanned are a few KiB at a time, so nothing here keeps state.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tillbell_agent.pos.checks import crc_kermit, lrc
from tillbell_agent.pos.dialect import Line
from tillbell_agent.probe.printed import printed
from tillbell_agent.probe.sight import Sight
from tillbell_protocol.link.frame import FrameError, split

_SOH, _STX, _ETX, _DLE = 0x01, 0x02, 0x03, 0x10
_LONGEST = 2048  # octets of a frame that ends by ETX
_TERMINAL, _TILL = Line.TERMINAL, Line.TILL


@dataclass(frozen=True, slots=True)
class Row:
    """``need``: so much of each kind makes a verdict sure. ``frames``: False where the kinds are text, not frames.

    ``alone``: nothing shows where a frame begins but the silence before it.
    """

    find: Callable[[bytes], Iterator[Sight]]
    need: Mapping[str, int]
    frames: bool = True
    alone: bool = False


def _ended_by_etx(octets: bytes, before: int = 0) -> Iterator[tuple[int, bytes, int]]:
    """(place of STX, payload, check octet) of all that stands between STX and the next ETX, less ``before``."""
    at = octets.find(_STX)
    while at >= 0:
        end = octets.find(_ETX, at + 1 + before, at + _LONGEST)
        if 0 <= end < len(octets) - 1:
            yield at, octets[at + 1 : end], octets[end + 1]
        at = octets.find(_STX, at + 1)


def _with_lrc(octets: bytes) -> Iterator[tuple[int, bytes]]:
    for at, payload, check in _ended_by_etx(octets):
        if payload and lrc(payload, _ETX) == check:
            yield at, payload


_LRC = "frames with a correct LRC"
Speaker = Callable[[re.Match[bytes]], Line | None]


def _lrc_frames(structure: bytes, speaker: Speaker) -> Callable[[bytes], Iterator[Sight]]:
    """Frames of STX, payload, ETX, LRC over payload and ETX, whose payload has this structure."""
    form = re.compile(structure, re.S)

    def find(octets: bytes) -> Iterator[Sight]:
        for at, payload in _with_lrc(octets):
            if (match := form.fullmatch(payload)) is not None:
                yield Sight(at, at + len(payload) + 3, _LRC, speaker(match))

    return find


def _telium_speaker(match: re.Match[bytes]) -> Line:
    return _TILL if match["ask"] else _TERMINAL


_TELIUM = rb"(?P<ask>\d{10}[0-9A-Z ]{3}\d{3}.{10}A01[01]B01[01])|\d{11}[0-9A-Z ](.{55})?\d{3}.{10}"


def _r200_speaker(match: re.Match[bytes]) -> Line | None:
    return {b"C": _TILL, b"Q": _TILL, b"R": _TERMINAL, b"G": _TERMINAL}.get(match[1])


def _transbank_speaker(match: re.Match[bytes]) -> Line:
    code, fields = match[1], match[2]
    answers = code == b"0900" or code[2:] in (b"10", b"61", b"71") or fields.count(b"|") > 8
    return _TERMINAL if answers else _TILL


def _ecr17(octets: bytes) -> Iterator[Sight]:
    """Base 7F, with or without STX and ETX by firmware; progress lines have no check."""
    for at, payload, check in _ended_by_etx(octets):
        match = _ECR17.match(payload)
        if match is not None and lrc(payload, 0x7F) ^ check in (0, _STX, _ETX, _STX ^ _ETX):
            yield Sight(at, at + len(payload) + 3, _LRC, _ECR17_SPEAKERS.get(match[1]))
    for match in _PROGRESS.finditer(octets):
        yield Sight(match.start(), match.end(), "progress lines", _TERMINAL)


_ECR17 = re.compile(rb"\d{8}0([A-Za-z])")
_ECR17_SPEAKERS = {b"P": _TILL, b"G": _TILL, b"E": _TERMINAL, b"V": _TERMINAL, b"S": _TERMINAL}
_PROGRESS = re.compile(rb"\x01[ -~\x80-\xff]{20}\x04")


def _bcd(octets: bytes) -> int | None:
    return int(octets.hex()) if octets and octets.hex().isdecimal() else None


def _hypercom(octets: bytes) -> Iterator[Sight]:
    """The length in BCD says where ETX stands; the LRC covers the length too."""
    at = octets.find(_STX)
    while at >= 0:
        length = _bcd(octets[at + 1 : at + 3])
        end = at + 3 + (length or 0)
        if length and octets[end : end + 2] == bytes([_ETX, lrc(octets[at + 1 : end + 1])]):
            payload = octets[at + 3 : end]
            if payload[:8].isdigit():
                yield Sight(at, end + 2, _LRC, _hypercom_speaker(payload))
        at = octets.find(_STX, at + 1)


def _hypercom_speaker(payload: bytes) -> Line | None:
    return {b"60/0": _TILL, b"60/1": _TERMINAL}.get(payload[:2] + b"/" + payload[11:12])


_ZVT_FRAME = re.compile(rb"\x10\x02((?:[^\x10]|\x10\x10)*)\x10\x03(..)", re.S)
_FROM_ZVT_TERMINAL = frozenset({b"\x06\x0f", b"\x06\x1e", b"\x06\xd1", b"\x06\xd3", b"\x04\x0f", b"\x04\xff"})


def _zvt(octets: bytes) -> Iterator[Sight]:
    """DLE doubled inside; CRC over the APDU and ETX, low octet first; the APDU tells its own length."""
    for match in _ZVT_FRAME.finditer(octets):
        apdu = match[1].replace(b"\x10\x10", b"\x10")
        crc = int.from_bytes(match[2], "little")
        if _is_apdu(apdu) and crc_kermit(apdu + b"\x03") == crc:
            yield Sight(match.start(), match.end(), "frames with a correct CRC", _zvt_speaker(apdu))


def _is_apdu(apdu: bytes) -> bool:
    if len(apdu) < 3:
        return False
    if apdu[2] == 0xFF:
        return len(apdu) == 5 + int.from_bytes(apdu[3:5], "little")
    return len(apdu) == 3 + apdu[2]


def _zvt_speaker(apdu: bytes) -> Line | None:
    if apdu[:2] in _FROM_ZVT_TERMINAL:
        return _TERMINAL
    return _TILL if apdu[0] == 0x06 else None


_MTI = rb"(?P<mti>[\x01-\x05\x08][\x00-\x30])"
_CN = re.compile(rb"(?=(?P<length>..)(?P<body>\x60.{4}(?:\x60.{5})?" + _MTI + rb"(?P<bitmap>.{8})))", re.S)
_MESSAGES = "whole ISO 8583 messages"


def _iso8583_cn(octets: bytes) -> Iterator[Sight]:
    """No check octets: a length that holds, a TPDU, a message type, and the fields that every message has."""
    for match in _CN.finditer(octets):
        if not _has_trace_and_terminal(match["bitmap"]) or match["mti"][1] & 0x0F:
            continue
        length = _length(match["length"], len(match["body"]), len(octets) - match.start() - 2)
        if length is not None:
            answer = match["mti"][1] & 0x10
            yield Sight(match.start(), match.start() + 2 + length, _MESSAGES, _TILL if answer else _TERMINAL)


def _has_trace_and_terminal(bitmap: bytes) -> bool:
    """Fields 11 and 41."""
    return bool(bitmap[1] & 0x20 and bitmap[5] & 0x80)


def _length(prefix: bytes, least: int, room: int) -> int | None:
    """Two octets, binary or BCD, that say as much as there is."""
    for length in (int.from_bytes(prefix, "big"), _bcd(prefix)):
        if length is not None and least < length <= room:
            return length
    return None


_ISO_ASCII = re.compile(
    rb"(?=(?P<length>..)(?P<body>(?:\x60.{4})?0[1-58][0-3]0(?P<bitmap>[0-9A-Fa-f]{16}|.{8})))", re.S
)


def _iso8583(octets: bytes) -> Iterator[Sight]:
    """The message type as four digits, the bitmap as octets or in hex."""
    for match in _ISO_ASCII.finditer(octets):
        given = match["bitmap"]
        bitmap = bytes.fromhex(given.decode("ascii")) if len(given) == 16 else given
        length = _length(match["length"], len(match["body"]), len(octets) - match.start() - 2)
        if length is not None and _has_trace_and_terminal(bitmap):
            yield Sight(match.start(), match.start() + 2 + length, _MESSAGES, None)


# Answer: code 2, perhaps type 2, bank 4, card 20, voucher 6, amount 12, words 40, merchant 15, terminal 8, batch 6, date 4,
# time 6, RRN 12, authorisation 6, settled 4, check 3.
_MIS = re.compile(
    rb"[0-9A-Z]{2}(?:\d\d)?[0-9A-Za-z ]{4}[0-9*xX#E ]{20}(?:\d{6}| {6})\d{12}[\x00\x20-\xff]{40}[0-9A-Za-z ]{15}"
    rb"[0-9A-Za-z]{8}(?:\d{6}| {6})(?:[01]\d[0-3]\d| {4})(?:[0-2]\d[0-5]\d[0-5]\d| {6})[0-9A-Za-z ]{12}[0-9A-Za-z ]{6}"
    rb"(?:\d{4}| {4})(?:\d{3}| {3})"
)
# Request: perhaps type 2, till 8, cashier 8, transaction 2, amount 12, date 8, RRN 12, voucher 6, check 3, perhaps
# authorisation 6 and card 20. It is the last that is said.
_MIS_ASK = re.compile(
    rb"(?<![!-~])(?:\d\d)?[!-~][ -~]{7}[ -~]{8}\d\d00\d{10}(?:20\d{6}| {8})[0-9A-Za-z ]{12}(?:\d{6}| {6})\d{3}"
    rb"(?:[0-9A-Za-z ]{6}[0-9*xX#E ]{20})?[ \0\r\n]*\Z"
)


def _mis(octets: bytes) -> Iterator[Sight]:
    """No framing and no check: digits where digits must stand, all through the record."""
    for match in _MIS.finditer(octets):
        yield Sight(match.start(), match.end(), "whole records", _TERMINAL)
    if (ask := _MIS_ASK.search(octets)) is not None:
        yield Sight(ask.start(), ask.end(), "whole records", _TILL)


_MODEM = re.compile(
    rb"(?:^|[\r\n]+)(?:AT[ -~]{0,80}|OK|ERROR|RING|NO CARRIER|RDY|Call Ready|SMS Ready|SMS DONE|PB DONE"
    rb"|\+C[A-Z]{2,5}: ?[ -~]{1,200}|\+CM[SE] ERROR: ?[ -~]+|\^[A-Z]{3,10}:[ -~]{0,80})(?=[\r\n])"
)


def _modem(octets: bytes) -> Iterator[Sight]:
    """Lines of V.250 and 3GPP 27.007: commands that came back as echoes, answers, and what a modem says unasked."""
    for match in _MODEM.finditer(octets):
        yield Sight(match.start(), match.end(), "lines of a modem")


def _bridge(octets: bytes) -> Iterator[Sight]:
    """Frames of the link (SPEC, section 9) with a correct check sum; who said them only the link's key shows."""
    at = 0
    for stuffed in octets.split(b"\0"):
        if _is_link_frame(stuffed):
            yield Sight(at, at + len(stuffed), "frames of a bridge")
        at += len(stuffed) + 1


def _is_link_frame(stuffed: bytes) -> bool:
    try:
        split(stuffed)
    except FrameError:
        return False
    return True


def _any_lrc(octets: bytes) -> Iterator[Sight]:
    for at, payload in _with_lrc(octets):
        if len(payload) >= 4:
            yield Sight(at, at + len(payload) + 3, _LRC)


# Dialect → its row.
ROWS: Mapping[str, Row] = {
    "zvt": Row(_zvt, {"frames with a correct CRC": 2}),
    "hypercom": Row(_hypercom, {_LRC: 2}),
    "r200": Row(_lrc_frames(rb"([A-Z])\d{3}[ -~\x80-\xff]*", _r200_speaker), {_LRC: 2}),
    "transbank": Row(_lrc_frames(rb"(\d{4})((?:\|[^\x00-\x1f]*)?)", _transbank_speaker), {_LRC: 2}),
    "telium": Row(_lrc_frames(_TELIUM, _telium_speaker), {_LRC: 2}),
    "ecr17": Row(_ecr17, {_LRC: 2}),
    "iso8583-cn": Row(_iso8583_cn, {_MESSAGES: 2}),
    "iso8583": Row(_iso8583, {_MESSAGES: 2}),
    "mis-bankall": Row(_mis, {"whole records": 2}, alone=True),
    "escpos": Row(printed, {"printer commands": 3, "lines of text": 4}, frames=False),
}
MODEM, BRIDGE = "modem", "bridge"
# What is no terminal, and must not be taken for one; one row for each kind of device.
OTHERS: Mapping[str, Row] = {
    MODEM: Row(_modem, {"lines of a modem": 2}, frames=False),
    BRIDGE: Row(_bridge, {"frames of a bridge": 1}),
}
# Framed as many terminals' lines are, whatever the dialect.
UNKNOWN_FRAMES = Row(_any_lrc, {_LRC: 2})
