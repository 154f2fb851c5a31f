"""Words from a terminal or a configuration become words that may stand in a text of one SMS.

What is removed cannot be seen or would change what is seen: control characters, line breaks, marks that turn the
direction of reading. What is replaced keeps its meaning: fullwidth digits and letters, and for texts in the GSM
7-bit default alphabet (3GPP TS 23.038) typographic quotes, dashes and accents that this alphabet lacks. Nothing is
transliterated between scripts: a Chinese name in an English text stays Chinese, and the text becomes UCS-2.
"""

import unicodedata

from tillbell_protocol.pan import scrub
from tillbell_protocol.sms.segment import is_gsm7

_WIDE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_WIDE_ALPHANUMERIC = {code: narrow for code, narrow in _WIDE.items() if chr(narrow).isalnum()}
_TYPOGRAPHIC = {
    **_WIDE,
    **dict.fromkeys(map(ord, "‘’‚‛′´`"), "'"),
    **dict.fromkeys(map(ord, "“”„‟″«»《》「」『』"), '"'),
    **dict.fromkeys(map(ord, "‐‑‒–—―−"), "-"),
    **dict.fromkeys(map(ord, "·•・"), "."),
    **dict.fromkeys(map(ord, "、，"), ","),
    ord("…"): "...",
    ord("。"): ".",
    ord("【"): "(",
    ord("】"): ")",
    ord("￥"): "¥",
    ord("№"): "No",
}
# Controls, marks without a shape (which may turn the direction of reading), halves of surrogate pairs, breaks.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def clean(value: str, maximum: int) -> str:
    """``value`` on one line, in NFC, fullwidth digits and letters narrow, at most ``maximum`` UTF-16 units long.

    A card number is cut down before the length is, or its first digits would be what is left.
    """
    narrow = unicodedata.normalize("NFC", value).translate(_WIDE_ALPHANUMERIC)
    spaced = "".join(" " if character.isspace() else character for character in narrow)
    seen = "".join(character for character in spaced if unicodedata.category(character) not in _UNSEEN)
    return clip(scrub(" ".join(seen.split())), maximum)


def clip(value: str, maximum: int) -> str:
    """The beginning of ``value`` in at most ``maximum`` UTF-16 units, never ending inside a combined character."""
    if utf16_units(value) <= maximum:
        return value
    kept, used = 0, 0
    for position, character in enumerate(value):
        used += utf16_units(character)
        if used > maximum:
            break
        kept = position + 1
    while kept and unicodedata.combining(value[kept : kept + 1] or " "):
        kept -= 1
    return value[:kept].rstrip()


def to_gsm7(value: str) -> str:
    """``value`` in the GSM 7-bit default alphabet if harmless substitutions suffice, else ``value`` itself."""
    if is_gsm7(value):
        return value
    plain = "".join(_plain(character) for character in value.translate(_TYPOGRAPHIC))
    return plain if is_gsm7(plain) else value


def utf16_units(value: str) -> int:
    """Length as UCS-2 counts it: a character outside the basic plane takes two."""
    return len(value) + sum(ord(character) > 0xFFFF for character in value)


def _plain(character: str) -> str:
    """The letter under an accent that the alphabet lacks (ê → e; é, which it has, stays)."""
    if is_gsm7(character):
        return character
    base = unicodedata.normalize("NFD", character)[0]
    return base if base.isascii() else character
