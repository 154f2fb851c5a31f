"""A receipt profile (TOML): the words of one shop's receipts, grouped as an installer looks for them.

``[totals]`` and ``[references]`` name what stands before amounts and numbers, ``[labels]`` before everything else;
``[kinds]`` are the titles that say what a receipt is, ``[copies]`` those that say that it is not the first of its kind.
Words are added to the built-in ones, and a label given here is taken from wherever it was.
"""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from tillbell_agent.config_fields import ConfigError, Places, Table
from tillbell_agent.config_merge import merge
from tillbell_agent.pos.labels import trouble_with
from tillbell_agent.pos.settings import SpecError

# Table → its keys. A key of the last two is a field of ReceiptLabels with "_words" behind it.
TABLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "totals": (
            "paid", "due", "total", "amount", "received", "change", "refund_total", "void_total", "refund", "void",
            "count",
        ),
        "references": (
            "receipt_no", "wallet_no", "rrn", "stan", "auth_code", "batch", "original_ref", "terminal_id", "merchant_id",
        ),
        "labels": ("card", "scheme", "payment", "method", "time", "expiry", "kind", "result", "other"),
        "kinds": (
            "sale", "refund", "void", "reversal", "preauth", "completion", "preauth_cancel", "declined", "settlement",
            "not_paid", "order", "no_sale", "test", "filler", "beside", "weak",
        ),
        "copies": ("copy", "reprint"),
    }
)  # fmt: skip
_TITLES = ("kinds", "copies")


def field_of(table: str, key: str) -> str:
    """The field of ReceiptLabels."""
    return f"{key}_words" if table in _TITLES else key


@lru_cache(maxsize=4)  # sources of one kind share theirs
def read_profile(text: str) -> Mapping[str, tuple[str, ...]]:
    """Field of ReceiptLabels → words. Raises SpecError with every problem and its line."""
    places, data = Places({}, "spec"), dict[str, Any]()
    try:
        merge(data, places, "spec", text)
    except ConfigError as error:
        raise SpecError.of(error.problems) from None
    top = Table(places, (), data)
    top.optional_text("name")
    if "framing" in data:
        top.complain("framing", why="this is a specification of ISO 8583, and no receipt profile")
        raise SpecError.of(places.problems)
    found: dict[str, tuple[str, ...]] = {}
    for name, keys in TABLES.items():
        table = Table(places, (name,), top.mapping(name))
        found |= {field_of(name, key): table.list_of_text(key, check=_trouble) for key in keys}
        table.finish()
    top.finish()
    _complain_of_rivals(top, found)
    if places.problems:
        raise SpecError.of(places.problems)
    return MappingProxyType({field: words for field, words in found.items() if words})


def _trouble(word: str) -> str | None:
    if word.rstrip(" :#=") != word:
        return f"{word!r}: leave out the sign and the space behind it"
    return trouble_with(word)


def _complain_of_rivals(top: Table, found: Mapping[str, tuple[str, ...]]) -> None:
    """A word before values that stands under two keys would count under neither."""
    seen: dict[str, str] = {}
    for name, keys in TABLES.items():
        for key in keys if name not in _TITLES else ():
            for word in found[key]:
                other = seen.setdefault(word.casefold(), key)
                if other != key:
                    top.complain(name, key, why=f'"{word}" stands under {other} already. Leave one')
