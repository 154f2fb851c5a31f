"""What stands behind a label of a receipt becomes a number, a code or the name of a card's scheme, or is known as damaged."""

import re

from tillbell_agent.pos.fields import Labelled
from tillbell_protocol.pan import scrub

_NUMBER = re.compile(r"\w(?:[\w\-/]*\w)?")
_CODE = re.compile(r"[0-9A-Za-z]{2,8}(?![\w-])")
_WHOLE_CODE = re.compile(r"(?=.*[0-9])[0-9A-Za-z]{4,8}|[A-Z]{6}")
_AUTH = frozenset(("auth", "authorization", "authorisation"))
_AUTH_TITLE = re.compile(r"(?:only|complet|hold|release|cancel|void|revers)", re.I)
_CARD_GROUP = 8  # digits of the longest group in which cards are printed
_PRICE = re.compile(r"\d[.,]\d\d(?!\d)")
_SCHEMES = {
    "visa": "visa", "mastercard": "mastercard", "master card": "mastercard", "maestro": "maestro", "amex": "amex",
    "american express": "amex", "unionpay": "unionpay", "银联": "unionpay", "jcb": "jcb", "diners": "diners",
    "discover": "discover", "girocard": "girocard", "interac": "interac", "rupay": "rupay", "mir": "mir", "elo": "elo",
}  # fmt: skip
_SCHEME = re.compile(
    "|".join(rf"(?<![a-z]){name}(?![a-z])" for name in sorted(_SCHEMES, key=len, reverse=True)), re.I
)
# The letters that re.I holds equal to i and lower() does not: VİSA.
_DOTTED_I = {ord("İ"): "i", ord("ı"): "i"}


def number_in(item: Labelled) -> str | None:
    """A reference, as printed; see ``_read``."""
    return _read(item, _NUMBER)


def code_in(item: Labelled) -> str | None:
    """What may be an authorisation or answer code, two to eight letters and digits; see ``_read``."""
    return _read(item, _CODE)


def may_be_title(item: Labelled) -> bool:
    """Whether the label of an authorisation code may be a title here: AUTH ONLY, or AUTH alone with no code below.

    AUTH 0A1B2C, AUTH: ONLINE and AUTH APPROVED are of a sale.
    """
    if item.value:
        return _AUTH_TITLE.match(item.value) is not None
    return item.label.casefold() in _AUTH and _WHOLE_CODE.fullmatch(item.below) is None


def is_damaged(item: Labelled) -> bool:
    """Whether an amount stood there that cannot be read: an octet that is no text, or a price in no known form."""
    text = item.value or item.below
    return bool(re.search(r"\d", text) and ("\ufffd" in text or _PRICE.search(text)))


def scheme_in(text: str) -> str | None:
    """The first card scheme that ``text`` names."""
    found = _SCHEME.search(text)
    return _SCHEMES[found.group().translate(_DOTTED_I).lower()] if found else None


def _read(item: Labelled, pattern: re.Pattern[str]) -> str | None:
    """Behind the label, or alone on the line below it.

    None where its end cannot be read, and where it is the first group of a card number: ``41111111 11111111``.
    """
    found = pattern.match(item.value) if item.value else pattern.fullmatch(item.below)
    if found is None or item.value.startswith("\ufffd", found.end()):
        return None
    more = found.end() < len(item.value) and found.end() <= _CARD_GROUP
    return None if more and scrub(item.value).startswith("****") else found.group()
