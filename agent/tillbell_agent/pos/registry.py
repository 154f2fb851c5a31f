"""The dialects by the names that a configuration uses. A new dialect is one row."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from tillbell_agent.pos.dialect import Dialect, Line
from tillbell_agent.pos.settings import DialectSettings, SettingsError, unknown_name

__all__ = ["DIALECTS", "DialectSettings", "Row", "SettingsError", "make_dialect"]


@dataclass(frozen=True, slots=True)
class Row:
    """``module`` is imported only where the dialect is used: a board has little memory. ``two_lines``: both ends can be
    tapped, and more is known then. ``asks``: whose octets come first where both lines have some at once.
    """

    module: str
    name: str
    two_lines: bool = True
    asks: Line = Line.TILL


DIALECTS: Mapping[str, Row] = {
    "escpos": Row("tillbell_agent.pos.escpos", "EscPos", two_lines=False),
    "ecr17": Row("tillbell_agent.pos.ecr17", "Ecr17"),
    "mis-bankall": Row("tillbell_agent.pos.mis_bankall", "MisBankall"),
    "hypercom": Row("tillbell_agent.pos.hypercom", "Hypercom"),
    "r200": Row("tillbell_agent.pos.r200", "R200"),
    "iso8583": Row("tillbell_agent.pos.iso8583", "Iso8583", asks=Line.TERMINAL),
    "iso8583-cn": Row("tillbell_agent.pos.iso8583_cn", "Iso8583Cn", asks=Line.TERMINAL),
    "telium": Row("tillbell_agent.pos.telium", "Telium"),
    "transbank": Row("tillbell_agent.pos.transbank", "Transbank"),
    "zvt": Row("tillbell_agent.pos.zvt", "Zvt"),
}


def make_dialect(name: str, settings: DialectSettings) -> Dialect:
    """A fresh dialect for one source. SettingsError names the nearest dialect, or the wrong setting."""
    if name not in DIALECTS:
        raise unknown_name("dialect", name, DIALECTS)
    row = DIALECTS[name]
    made: Any = getattr(import_module(row.module), row.name)(settings)
    dialect: Dialect = made
    return dialect
