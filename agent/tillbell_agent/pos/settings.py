"""What a source's configuration says to a dialect, checked where it is made; and the errors of a wrong one."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tillbell_agent.pos.escpos_commands import PRINTERS
from tillbell_agent.spelling import nearest


class SettingsError(ValueError):
    """A setting of a source cannot be used. ``field`` is its name in the configuration."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field
        self.why = why


class SpecError(SettingsError):
    """A field specification cannot be used. ``problems``: the line of its text and what is wrong there, one at least."""

    def __init__(self, problems: Sequence[tuple[int, str]]) -> None:
        super().__init__("spec", "; ".join(f"line {line}: {why}" for line, why in problems))
        self.problems = tuple(problems)

    @classmethod
    def of(cls, problems: Iterable[Any]) -> "SpecError":
        """From a reader's problems, each with ``line`` and ``message``; one at least."""
        return cls([(each.line, each.message) for each in sorted(problems, key=lambda each: each.line)])


def unknown_name(field: str, name: str, known: Iterable[str]) -> SettingsError:
    """The error for a name that does not exist, with the nearest one that does."""
    names = sorted(known)
    near = nearest(name, names)
    hint = f"did you mean {near!r}?" if near else f"known are {', '.join(names)}"
    return SettingsError(field, f"unknown name {name!r}; {hint}")


DECIMALS = ("auto", ".", ",")
DATE_ORDERS = ("auto", "ymd", "dmy", "mdy")


def is_printers_encoding(name: str) -> bool:
    """Whether Python knows the encoding and it holds ASCII as it is: transforms (base64) and UTF-16 do not."""
    try:
        return b"A1".decode(name) == "A1"
    except (LookupError, ValueError):
        return False


@dataclass(frozen=True, slots=True)
class DialectSettings:
    """The settings that dialects read; each reads those that concern it.

    ``encoding``: Python's name of the text encoding that the till prints in. ``currency``: ISO 4217, for amounts
    without a currency of their own. ``idle_s``: silence that ends a job. ``labels``: words of this shop's receipts
    beside the built-in ones, ``{"total": ["应付"]}``. ``decimal``: the decimal separator, or "auto" (see ``money``).
    ``date_order``: of dates in figures, or "auto" (see ``printed_time``). ``printer``: a family of ``PRINTERS``.
    ``layout``: a variant of the dialect, by the dialect's own names, or "auto". ``spec``: a field specification, or a receipt profile (TOML).
    """

    encoding: str = "gb18030"
    currency: str = "CNY"
    idle_s: float = 3.0
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    decimal: str = "auto"
    date_order: str = "auto"
    printer: str = "epson"
    layout: str = "auto"
    spec: str = ""

    def __post_init__(self) -> None:
        if not is_printers_encoding(self.encoding):
            raise SettingsError(
                "encoding", f"{self.encoding!r} is no encoding that printers use (ASCII and more)"
            )
        if not (len(self.currency) == 3 and self.currency.isascii() and self.currency.isupper()):
            raise SettingsError("currency", f"{self.currency!r} is not three capital letters of ISO 4217")
        if not (math.isfinite(self.idle_s) and 0 < self.idle_s <= 60):
            raise SettingsError("idle_s", f"{self.idle_s!r} is not above 0 and at most 60 seconds")
        for name, known in (("decimal", DECIMALS), ("date_order", DATE_ORDERS), ("printer", tuple(PRINTERS))):
            if getattr(self, name) not in known:
                raise unknown_name(name, str(getattr(self, name)), known)
