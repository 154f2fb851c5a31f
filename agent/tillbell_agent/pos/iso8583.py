"""The ``iso8583`` dialect: any terminal and its host that speak ISO 8583 in the clear, by a field specification (TOML).

Frame and fields stand in the specification: the source's ``spec``, or one that comes with the program, by ``layout``.
Source: ISO 8583:1987 (message types 0xxx; those of 1993 and 2003, 1xxx and 2xxx, are read too where a specification
says so). ``iso8583_engine`` reads it.

What the terminal sends is ``Line.TERMINAL``, what the host answers is ``Line.TILL``.
"""

from collections.abc import Mapping
from dataclasses import replace

from tillbell_agent.pos.iso8583_engine import Iso8583Engine
from tillbell_agent.pos.iso8583_spec import Specification, read_specification, shipped
from tillbell_agent.pos.settings import DialectSettings, unknown_name

FRAMING = (
    "A length (binary, BCD or ASCII figures; it may count itself), perhaps a TPDU of five octets, perhaps a header, then "
    "message type, bitmap or two, and fields, each encoded as the specification says. No start octet and no check sum "
    "that could be verified: the whole message must divide exactly. A length of nothing keeps the line alive."
)
LINE_DEFAULTS = "9600 8N1"
UNKNOWN_ON_ONE_LINE = (
    "The terminal only asks: of its line alone nothing can be told. Of the host's line alone everything is told but what "
    "an answer does not repeat, often the card and sometimes the amount; a reversal of what the host never answered is "
    "told there too."
)
FIELDS: Mapping[str, str] = {
    "2 primary account number": "its last four digits",
    "3 processing code": "which kind of transaction",
    "4 amount": "the amount; of the request where the answer lacks it",
    "11 system trace audit number": "the trace number, and part of the key",
    "12, 13 local time and date": "the terminal's time; its year is that of the day on which it is heard",
    "25 condition code": "a completion or a sale",
    "35 track 2": "the last four digits of the number in it, where field 2 is absent; the rest is dropped",
    "37 retrieval reference number": "the reference, and part of the key",
    "38 authorisation code": "the authorisation code",
    "39 result code": "approved or declined, by the specification's list",
    "41 terminal": "the terminal, and part of the key",
    "42 merchant": "the merchant",
    "49 currency": "the currency; absent, the configured one",
    "60, 61, 62, 63, 90 private": "what the specification's parts name: batch, type, brand, receipt, first transaction",
    "14 expiry, 36, 45 tracks, 52 PIN block, 55 chip data": "dropped with the frame, and so is every other field",
}
LAYOUTS: Mapping[str, str] = {
    "auto": "the specification of spec; without one, whichever of three a message divides by: iso8583-1987-ascii, the same "
    "behind a length of four figures in ASCII, and iso8583-1987-bcd",
    "iso8583-1987-ascii": "two octets of length in binary, all in ASCII, bitmap in hexadecimal figures or binary",
    "iso8583-1987-bcd": "two octets of length, TPDU, BCD and a binary bitmap, as concentrators (NAC) pass it on",
    "qcup": "China's, as iso8583-cn has it",
}


class Iso8583(Iso8583Engine):
    """One link, by ``settings.spec``, else by the specification that ``settings.layout`` names, else by what fits."""

    def __init__(self, settings: DialectSettings) -> None:
        if settings.layout not in LAYOUTS:
            raise unknown_name("layout", settings.layout, LAYOUTS)
        super().__init__(settings, *_specifications(settings))


def _specifications(settings: DialectSettings) -> tuple[Specification, ...]:
    if settings.spec:
        return (read_specification(settings.spec),)
    if settings.layout != "auto":
        return (read_specification(shipped(settings.layout)),)
    in_ascii = read_specification(shipped("iso8583-1987-ascii"))
    figures = replace(in_ascii.framing, lengths=("ascii",), length_octets=4)
    return in_ascii, replace(in_ascii, framing=figures), read_specification(shipped("iso8583-1987-bcd"))
