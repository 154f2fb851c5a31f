"""A modem's octets → one result after another, in the words of V.250: echo, URC, final result, prompt, info line.

``digest`` is a pure function of the buffer and of what is expected; "incomplete" (wait for more) and "no match"
(``Unmatched``) are different answers, and every octet ends in one result or as a blank between lines. It never decides
what a result means, and never throws a line away.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

# The longest line that a modem has reason to send is a PDU in hex: an SMSC address of 12 octets and a TPDU of at most
# 175 make 374 digits; a bulk of listed network operators reaches about 1,000. What is longer is noise.
MAX_LINE_OCTETS = 1024

_BLANK = b"\r\n \x00"
_END_OF_LINE = re.compile(rb"[\r\n]")
_FINAL = re.compile(r"(OK|ERROR|\+CM([SE]) ERROR: ?(.*)|COMMAND NOT SUPPORT(?:ED)?|NOT SUPPORTED)")
# A URC that a modem glued behind another answer without an end of line: ``OK+CMTI: "SM",3``.
_GLUED_URC = re.compile(r'(?<=.)\+(?:CMTI|CMT|CDSI|CDS|CREG|CGREG|CEREG|CRING|CLIP|CUSD): ?(?=[\d",])')
# A final result glued behind a URC: ``+CMTI: "SM",3OK``.
_GLUED_FINAL = re.compile(r'(?<=["\d])(?:OK|ERROR|\+CM[SE] ERROR: ?\d+)$')
_URC = re.compile(
    r"""\+(?:CMTI|CDSI|CMT|CDS|CBM|CRING|CLIP|CCWA|CUSD|CGEV|CIEV|CTZV|CTZE|CTZDST|QIND|QUSIM|NITZ|E_UTRAN|PBREADY)\b
    | \+C[GE]?REG:\ ?\d(?:$|,(?:"|[0-9A-Fa-f]{4}))   # the answer to AT+CREG? has an unquoted digit there instead
    | RING$|NO\ CARRIER$|RDY$|APP\ RDY$|Call\ Ready$|SMS\ Ready$|SMS\ DONE$|PB\ DONE$|DST:|\*PSUTTZ
    | NORMAL\ POWER\ DOWN|POWERED\ DOWN|(?:UNDER|OVER)-VOLTAGE|\^
    """,
    re.VERBOSE,
)
# These have the same form as a URC and as an answer: a URC unless the open command asked for it.
_URC_UNLESS_CLAIMED = re.compile(r"\+(?:CPIN|CFUN|CSQ|CPMS|SIM|SPIC)\b")
_TPDU_FOLLOWS = re.compile(r"\+(?:CMT|CDS|CBM): ?(?:.*,)?(\d+)$")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+$")
# An IMSI, an IMEI, an ICCID; but not the digits inside a longer run of hex.
_LONG_NUMBER = re.compile(r"(?<![0-9A-Fa-f])[0-9]{14,20}(?![0-9A-Fa-f])")


@dataclass(frozen=True, slots=True)
class Echo:
    """What we wrote, come back."""

    text: str


@dataclass(frozen=True, slots=True)
class Urc:
    """An unsolicited result code. ``tpdu_octets``: a TPDU of this length follows on a line of its own."""

    text: str
    tpdu_octets: int | None = None


@dataclass(frozen=True, slots=True)
class UrcPdu:
    """The line that an earlier ``Urc`` announced: SMSC address and TPDU in hex."""

    text: str
    tpdu_octets: int


@dataclass(frozen=True, slots=True)
class FinalResult:
    """The end of an answer. ``kind``: OK, ERROR, CMS or CME; ``code`` is None where there is none, or only words."""

    kind: str
    code: int | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Prompt:
    """``>``: the modem takes the PDU now, and everything else that is written as part of it."""


@dataclass(frozen=True, slots=True)
class InfoLine:
    """A line that the open command claims."""

    text: str


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A line that belongs to nobody."""

    text: str


Digest = Echo | Urc | UrcPdu | FinalResult | Prompt | InfoLine | Unmatched


def _nothing(_text: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Expect:
    """What may come: echoes of what was written, the open command's own lines, TPDUs that a URC announced."""

    echoes: tuple[str, ...] = ()
    claims: Callable[[str], bool] = _nothing
    tpdu_octets: tuple[int, ...] = ()


def digest(buffer: bytes, expect: Expect) -> tuple[Digest | None, int]:
    """The first result in ``buffer`` and how many octets it took.

    ``(None, 0)``: incomplete. ``(None, n)``: ``n`` octets between lines that mean nothing.
    """
    blank = len(buffer) - len(buffer.lstrip(_BLANK))
    if blank:
        return None, blank
    if buffer.startswith(b">"):
        return Prompt(), 1
    end = _END_OF_LINE.search(buffer, 0, MAX_LINE_OCTETS)
    if end is None:
        if len(buffer) < MAX_LINE_OCTETS:
            return None, 0
        return Unmatched(_text(buffer[:MAX_LINE_OCTETS])), MAX_LINE_OCTETS
    text = _text(buffer[: end.start()])
    first = _first_of_glued(text)
    return match_line(first.rstrip(" "), expect), len(first)


def match_line(text: str, expect: Expect) -> Digest:
    """A whole line → what it is. The order of the attempts is the rule: each takes what the next must not see."""
    # 1. Echo. Control octets (Ctrl-Z after a PDU) come back or not, as the modem likes.
    if text.rstrip("\x1a\x1b ") in expect.echoes:
        return Echo(text)
    # 2. URC, and the TPDU that one announced, told from the open command's by its length.
    for octets in expect.tpdu_octets:
        if holds_tpdu(text, octets):
            return UrcPdu(text, octets)
    if _URC.match(text) or (_URC_UNLESS_CLAIMED.match(text) and not expect.claims(text)):
        follows = _TPDU_FOLLOWS.match(text)
        return Urc(text, int(follows[1]) if follows else None)
    # 3. Final result.
    final = _FINAL.fullmatch(text)
    if final:
        return _final_result(final)
    # 4. The prompt has no end of line: ``digest`` took it before. 5. Information line of the open command.
    if expect.claims(text):
        return InfoLine(text)
    return Unmatched(text)


def holds_tpdu(text: str, tpdu_octets: int) -> bool:
    """Is the line hex, with an SMSC address in front and exactly ``tpdu_octets`` octets after it?"""
    if not _HEX.match(text):
        return False
    return len(text) // 2 == 1 + int(text[:2], 16) + tpdu_octets


def tpdu_of(text: str) -> bytes:
    """The TPDU behind the SMSC address, whatever that says, of a line for which ``holds_tpdu`` is true."""
    octets = bytes.fromhex(text)
    return octets[1 + octets[0] :]


def _final_result(match: re.Match[str]) -> FinalResult:
    text = match[0]
    if match[2] is None:
        return FinalResult("OK" if text == "OK" else "ERROR", None, text)
    words = match[3].strip()
    number = int(words) if words.isascii() and words.isdigit() and len(words) <= 5 else None
    return FinalResult("CM" + match[2], number, text)


def _first_of_glued(text: str) -> str:
    """The first of two results that share a line; the whole line where it holds one."""
    for glued in _GLUED_URC.finditer(text):
        if text.count('"', 0, glued.start()) % 2 == 0:
            return text[: glued.start()]
    if _URC.match(text):
        final = _GLUED_FINAL.search(text)
        if final:
            return text[: final.start()]
    return text


def _text(line: bytes) -> str:
    """Octet for octet, so that lengths agree; what is not ASCII is only ever shown escaped."""
    return line.decode("latin-1")


def printable(text: str) -> str:
    """A peer's line, fit for an event or a log: escaped, at most 200 characters, no message content, no SIM's number."""
    text = _LONG_NUMBER.sub(lambda match: f"<{len(match[0])} digits>", text)
    if len(text) > 32 and _HEX.match(text.rstrip("\x1a\x1b ")):
        return f"<{len(text)} hex digits>"
    shown = "".join(c if " " <= c <= "~" else f"\\x{ord(c):02x}" for c in text)
    return shown if len(shown) <= 200 else f"{shown[:200]}… ({len(text)} octets)"
