"""The dialects by the names that a configuration uses. A new dialect is one row."""

from collections.abc import Callable, Mapping

from tillbell_agent.pos.dialect import Dialect
from tillbell_agent.pos.escpos import EscPos
from tillbell_agent.pos.settings import DialectSettings, SettingsError, unknown_name

__all__ = ["DIALECTS", "DialectSettings", "SettingsError", "make_dialect"]

DIALECTS: Mapping[str, Callable[[DialectSettings], Dialect]] = {
    "escpos": EscPos,
}


def make_dialect(name: str, settings: DialectSettings) -> Dialect:
    """A fresh dialect for one source. SettingsError names the nearest dialect, or the wrong setting."""
    if name not in DIALECTS:
        raise unknown_name("dialect", name, DIALECTS)
    return DIALECTS[name](settings)
