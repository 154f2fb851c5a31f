"""The ``iso8583-cn`` dialect: a Chinese terminal and its acquirer's host, as UnionPay's POS specification (QCUP) has it.

Frame: two octets of length (binary, on some links BCD) of all that follows, TPDU of five octets, header of six (absent
towards international acquirers), then an ISO 8583:1987 message in BCD with a binary bitmap, and Chinese texts in GBK.
Source: QCUP's terminal specification as published field by field, and ISO 8583:1987. All of it stands in
``specs/qcup.toml``; ``iso8583_engine`` reads it.

What the terminal sends is ``Line.TERMINAL``, what the host answers is ``Line.TILL``. Modern terminals speak to their host
inside TLS: only a dial-up, serial or concentrator link can be heard.
"""

from collections.abc import Mapping

from tillbell_agent.pos.iso8583 import FIELDS, UNKNOWN_ON_ONE_LINE
from tillbell_agent.pos.iso8583_engine import Iso8583Engine
from tillbell_agent.pos.iso8583_spec import read_specification, shipped
from tillbell_agent.pos.settings import DialectSettings, SettingsError, unknown_name

__all__ = ["FIELDS", "FRAMING", "LAYOUTS", "LINE_DEFAULTS", "UNKNOWN_ON_ONE_LINE", "Iso8583Cn"]

FRAMING = (
    "Two octets of length, binary or BCD, that count all behind them; TPDU, five octets that begin with 60; header, six "
    "octets or none; message type in two octets of BCD; bitmap of eight octets; fields. No start octet and no check sum "
    "that could be verified: the whole message must divide exactly. A length of nothing keeps the line alive."
)
LINE_DEFAULTS = "9600 8N1"
LAYOUTS: Mapping[str, str] = {
    "auto": "length in binary or BCD and header or none, told by what divides exactly"
}


class Iso8583Cn(Iso8583Engine):
    """One link. For a variant of QCUP, give the dialect ``iso8583`` a changed copy of ``qcup.toml``."""

    def __init__(self, settings: DialectSettings) -> None:
        if settings.layout not in LAYOUTS:
            raise unknown_name("layout", settings.layout, LAYOUTS)
        if settings.spec:
            raise SettingsError("spec", 'iso8583-cn has its own. Set dialect to "iso8583" for another one')
        super().__init__(settings, read_specification(shipped("qcup")))
