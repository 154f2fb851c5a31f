"""tillbell pdu: explains a short message PDU, field by field. Reads nothing but its arguments."""

import argparse
import json
import string
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tillbell_agent.cli.errors import OK, REFUSED
from tillbell_protocol.errors import DecodeError
from tillbell_protocol.sms import udh as udh_module
from tillbell_protocol.sms.address import Address, TypeOfNumber
from tillbell_protocol.sms.at import octets_of
from tillbell_protocol.sms.dcs import Dcs
from tillbell_protocol.sms.reader import Reader, Span
from tillbell_protocol.sms.status import Status
from tillbell_protocol.sms.timestamp import Timestamp
from tillbell_protocol.sms.tpdu import Direction, SmsStatusReport, SmsSubmit, Tpdu, read_tpdu
from tillbell_protocol.sms.validity import AbsoluteValidity, EnhancedValidity, RelativeValidity

HELP = "explain the PDU of a short message, field by field"

_KINDS = {"SmsSubmit": "SMS-SUBMIT", "SmsDeliver": "SMS-DELIVER", "SmsStatusReport": "SMS-STATUS-REPORT"}
_NAMES = {
    "ud.udh.udhl": "TP-UDHL",
    "ud.udh.ie": "TP-UDH element",
    "vp": "TP-VP",
    "rest": "not read",
    "smsc.length": "SMSC length",
    "smsc.toa": "SMSC type of address",
    "smsc.value": "SMSC address",
}


@dataclass(frozen=True, slots=True)
class Explained:
    """One PDU: the fields as far as they could be read, and either the whole or why it ends there."""

    spans: list[Span]
    smsc: Address | None
    start: int
    total: int
    tpdu: Tpdu | None
    error: DecodeError | None


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("hex", nargs="+", metavar="HEX", help="a PDU as AT+CMGS takes it or +CMT gives it")
    parser.add_argument("--tpdu", action="store_true", help="HEX is a bare TPDU, without the SMSC before it")
    parser.add_argument(
        "--direction",
        choices=["to_sc", "from_sc"],
        help="towards the service centre or from it (default: what TP-MTI suggests)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line for each HEX")
    parser.epilog = (
        "example:\n"
        "  tillbell pdu 0001000B913108108300F000000AE8329BFD4697D9EC37\n"
        "  tillbell pdu --json 07917283010010F5040BC87238880900F10000993092516195800AE8329BFD4697D9EC37\n\n"
        "Exit code 4: a PDU could not be read to its end."
    )


def run(args: argparse.Namespace) -> int:
    code = OK
    for number, pdu in enumerate(args.hex):
        explained = explain(pdu, args.direction, bare=args.tpdu)
        if args.json:
            print(json.dumps(as_json(explained), ensure_ascii=False))
        else:
            lines = as_lines(explained)
            print(*[""] * (number > 0 and bool(lines)), *lines, sep="\n", end="\n" if lines else "")
        if explained.error is not None:
            print(f"tillbell: {_refusal(pdu, explained, args)}", file=sys.stderr)
            code = REFUSED
    return code


def explain(pdu: str, direction: Direction | None, bare: bool) -> Explained:
    """Read a PDU as far as it goes."""
    reader = Reader(b"")
    smsc = tpdu = error = None
    start = 0
    try:
        reader = Reader(octets_of(pdu))
        smsc = None if bare else Address.read_smsc(reader)
        start = reader.offset
        tpdu = read_tpdu(reader, direction or _suggested(reader))
    except DecodeError as caught:
        error = caught
    return Explained(reader.spans, smsc, start, len(reader.octets), tpdu, error)


def as_json(explained: Explained) -> dict[str, Any]:
    """The keys are part of the interface: kind, smsc, length, fields, then text or data, or error."""
    tpdu = explained.tpdu
    out: dict[str, Any] = {
        "kind": _KINDS[type(tpdu).__name__] if tpdu is not None else None,
        "smsc": explained.smsc.text() if explained.smsc is not None else None,
        "length": explained.total - explained.start,
        "fields": [
            {
                "name": name(span),
                "offset": span.offset,
                "hex": _hex(span),
                "meaning": meaning(span, explained),
            }
            for span in explained.spans
        ],
    }
    if tpdu is not None:
        out.update(_content(tpdu))
    if explained.error is not None:
        error = explained.error
        out["error"] = {"field": error.field, "offset": error.offset, "why": error.why}
    return out


def as_lines(explained: Explained) -> list[str]:
    tpdu = explained.tpdu
    length = explained.total - explained.start
    lines = [f"{_KINDS[type(tpdu).__name__]}, {length} octets without the SMSC"] if tpdu is not None else []
    for span in explained.spans:
        lines.append(f"{span.offset:4d}  {name(span):22}  {_hex(span)}  {meaning(span, explained)}".rstrip())
    if tpdu is not None:
        lines += [f"{key}: {_shown(value)}" for key, value in _content(tpdu).items() if value is not None]
    return lines


def name(span: Span) -> str:
    """The field by its TP- name: ``da.value`` is TP-DA value."""
    if span.field in _NAMES:
        return _NAMES[span.field]
    first, _, part = span.field.partition(".")
    return f"TP-{first.upper()} {part}".rstrip() if first != "first" else "first octet"


def meaning(span: Span, explained: Explained) -> str:
    """What the octets of a field say, in words; empty where only the whole message would tell."""
    if span.field == "first":
        return _first_octet(span.octets[0], explained)
    if span.field == "vp":
        return _validity(explained)
    if span.field.endswith(".value"):
        return _address(span.field, explained)
    if span.field.endswith(".toa"):
        toa = span.octets[0]
        return f"{TypeOfNumber(toa >> 4 & 7).name.lower()}, numbering plan {toa & 0xF}"
    say = _SAY.get(span.field)
    return say(span.octets) if say is not None else ""


def _first_octet(octet: int, explained: Explained) -> str:
    flags = {0x40: "TP-UDHI"}
    if isinstance(explained.tpdu, SmsSubmit):
        flags |= {0x04: "TP-RD", 0x20: "TP-SRR", 0x80: "TP-RP"}
    elif isinstance(explained.tpdu, SmsStatusReport):
        flags |= {0x04: "TP-MMS (no more waiting)", 0x08: "TP-LP", 0x20: "TP-SRQ"}
    elif explained.tpdu is not None:
        flags |= {0x04: "TP-MMS (no more waiting)", 0x08: "TP-LP", 0x20: "TP-SRI", 0x80: "TP-RP"}
    parts = [f"TP-MTI {octet & 3}"]
    if isinstance(explained.tpdu, SmsSubmit):
        parts.append(f"TP-VPF {octet >> 3 & 3}")
    return ", ".join(parts + [text for bit, text in sorted(flags.items()) if octet & bit])


def _validity(explained: Explained) -> str:
    vp = explained.tpdu.vp if isinstance(explained.tpdu, SmsSubmit) else None
    if isinstance(vp, RelativeValidity):
        return f"relative, {vp.seconds()} s"
    if isinstance(vp, AbsoluteValidity):
        return f"absolute, until {vp.until.text()}"
    if isinstance(vp, EnhancedValidity):
        seconds = vp.seconds()
        period = "no period" if seconds is None else f"{seconds} s"
        return f"enhanced, {period}{', a single try' if vp.single_shot() else ''}"
    return ""


def _address(field: str, explained: Explained) -> str:
    first = field.partition(".")[0]
    address = explained.smsc if first == "smsc" else getattr(explained.tpdu, first, None)
    return _shown(address.text()) if isinstance(address, Address) else ""


def _element(octets: bytes) -> str:
    element = (udh_module.InformationElement(octets[0], octets[2:]),)
    label = udh_module.NAMES.get(octets[0], f"element 0x{octets[0]:02X}")
    where, ports = udh_module.concatenation(element), udh_module.ports(element)
    if where is not None:
        return f"{label} {where.reference}, part {where.sequence} of {where.total}"
    if ports is not None:
        return f"{label}, destination {ports.destination}, source {ports.source}"
    return label


def _protocol(octets: bytes) -> str:
    pid = octets[0]
    if pid == 0:
        return "ordinary short message"
    if pid == 0x40:
        return "short message type 0: acknowledged, not stored"
    return f"replace type {pid & 7}" if 0x41 <= pid <= 0x47 else f"protocol 0x{pid:02X}"


_SAY: dict[str, Callable[[bytes], str]] = {
    "mr": lambda octets: str(octets[0]),
    "pid": _protocol,
    "dcs": lambda octets: Dcs(octets[0]).describe(),
    "scts": lambda octets: Timestamp(octets).text(),
    "dt": lambda octets: Timestamp(octets).text(),
    "st": lambda octets: f"{Status(octets[0]).outcome().value}: {Status(octets[0]).meaning()}",
    "udl": lambda octets: str(octets[0]),
    "ud.udh.udhl": lambda octets: f"{octets[0]} octets",
    "ud.udh.ie": _element,
    "smsc.length": lambda octets: f"{octets[0]} octets" if octets[0] else "as set in the modem",
    "rest": lambda octets: f"{len(octets)} octets after the last field",
}


def _content(tpdu: Tpdu) -> dict[str, str | None]:
    """The user data: text where there is text, otherwise the octets in hex; both null if there is none."""
    if tpdu.ud is None:
        return {"text": None, "data": None}
    try:
        return {"text": tpdu.text(), "data": None}
    except DecodeError:  # 8-bit or compressed: not text, so shown as octets
        return {"text": None, "data": tpdu.ud.hex().upper()}


def _suggested(reader: Reader) -> Direction:
    """TP-MTI 1 is SMS-SUBMIT far more often than SMS-SUBMIT-REPORT; the others come from the service centre."""
    octets = reader.octets[reader.offset : reader.offset + 1]
    return "to_sc" if octets and octets[0] & 3 == SmsSubmit.mti else "from_sc"


def _refusal(pdu: str, explained: Explained, args: argparse.Namespace) -> str:
    """What, where, why and the next step: the other form of PDU, if it reads as that."""
    if not pdu.strip():
        return "an empty HEX has no PDU: give what AT+CMGS takes or +CMT gives"
    shown = pdu if len(pdu) <= 24 else f"{pdu[:24]}…"
    other = explain(pdu, args.direction, bare=not args.tpdu)
    step = "Check that the PDU is complete"
    if set("".join(pdu.split())) - set(string.hexdigits):
        step = "Give the PDU alone, in hex"
    if other.tpdu is not None and not other.tpdu.rest:
        step = (
            "Leave out --tpdu: it has the SMSC before it"
            if args.tpdu
            else "Try --tpdu: it reads as a bare TPDU"
        )
    return f"{shown}: {explained.error}. {step}"


def _hex(span: Span) -> str:
    return span.octets.hex().upper()


def _shown(text: str) -> str:
    """Foreign text on a terminal: what is not printable is written as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
