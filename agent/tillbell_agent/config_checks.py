"""Single values of a configuration become a complaint, or none: what is wrong, and what to write instead."""

import re
import zoneinfo
from collections.abc import Callable, Iterable
from typing import Any

from tillbell_agent.pos.settings import is_printers_encoding
from tillbell_agent.spelling import nearest
from tillbell_protocol.iso4217 import alpha_code, decimal_places

Check = Callable[[Any], str | None]  # None: well; else what is wrong and what to do

_NAMES_SHOWN = 16  # more help nobody: there are 600 time zones
NAME_CHARACTERS = 32  # names of ports and people: they stand in logs, tables and file names
_NAME = re.compile(r"[^\s/\\\"']+")


def hint(name: str, known: Iterable[str]) -> str:
    """A sentence that points from a wrong name to the right one, or to all of them."""
    names = sorted(set(known))
    meant = nearest(name, names)
    if meant:
        return f'Did you mean "{meant}"?'
    return f"Known are: {', '.join(names[:_NAMES_SHOWN])}{' …' if len(names) > _NAMES_SHOWN else ''}"


def one_of(*allowed: Any) -> Check:
    """A check that accepts the values named."""

    def check(value: Any) -> str | None:
        if value in allowed:
            return None
        if isinstance(value, str):
            return f'"{value}" is not known. {hint(value, map(str, allowed))}'
        return f"{shown(value)} is not known. Known are: {', '.join(map(str, allowed))}"

    return check


def between(low: float, high: float) -> Check:
    """A check that accepts numbers from ``low`` to ``high``, both included."""
    return lambda value: None if low <= value <= high else f"{value} is not between {low:g} and {high:g}"


def phone(value: str) -> str | None:
    """E.164 (``+`` and 7 to 15 digits, the first not 0), or a national number or short code of 3 to 15 digits."""
    if re.fullmatch(r"\+[1-9][0-9]{6,14}|[0-9]{3,15}", value):
        return None
    return (
        f'"{value}" is no phone number. Write + and 7 to 15 digits without spaces (+8613800138000), '
        "or a national number or short code of 3 to 15 digits"
    )


def prefix(value: str) -> str | None:
    """The beginning of phone numbers, as ``phone`` has them."""
    if re.fullmatch(r"\+?[0-9]{1,14}", value):
        return None
    return f'"{value}" begins no phone number. Write digits, with + before a country code: "+86"'


def credit_code(value: str) -> str | None:
    if re.fullmatch(r"[*#][0-9*#]{1,20}#", value):
        return None
    return f"{shown(value)} is no code that can be dialled for the credit, such as *100#. Ask the operator for it"


def credit_pattern(value: str) -> str | None:
    try:
        groups = re.compile(value).groups
    except re.error as error:
        return f"{shown(value)} is no regular expression: {error}"
    if groups == 1:
        return None
    return "put the amount, and nothing else, into parentheses, such as Balance: ([0-9.]+)"


def one_line(maximum: int) -> Check:
    """A check that accepts texts of at most ``maximum`` printable characters."""

    def check(value: str) -> str | None:
        if not value.isprintable():
            return "it holds a control character or a line break. Remove it"
        return (
            None
            if len(value) <= maximum
            else f"it has {len(value)} characters; at most {maximum} are possible"
        )

    return check


def name(value: str) -> str | None:
    if len(value) > NAME_CHARACTERS or not value.isprintable() or not _NAME.fullmatch(value):
        return f"a name has 1 to {NAME_CHARACTERS} characters without spaces, quotes and slashes"
    return None


def timezone(value: str) -> str | None:
    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return one_of(*zoneinfo.available_timezones())(value) if zoneinfo.available_timezones() else _NO_ZONES
    return None


_NO_ZONES = "the system has no time zone data. Install it: apt-get install tzdata"


def encoding(value: str) -> str | None:
    if is_printers_encoding(value):
        return None
    common = "gb18030, utf-8, cp437, cp858, cp1252, shift_jis, euc-kr"
    return f'"{value}" is no encoding that printers use. Common are: {common}'


# Codes without a minor unit (gold, test codes) cannot carry an amount.
_CURRENCIES = [code for code in map(alpha_code, range(1000)) if code and decimal_places(code) is not None]
currency: Check = one_of(*_CURRENCIES)


def shown(value: Any) -> str:
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)
    return text if len(text) <= 40 else text[:39] + "…"
