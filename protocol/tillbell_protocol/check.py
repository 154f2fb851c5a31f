"""Check codes: a readable text and a key become six digits that a forger of texts does not know.

The code is the first 4 octets of HMAC-SHA256 over the text without the code, modulo 1,000,000. It shows neither that
a text is new (an old one repeated carries its old, right code) nor protects anybody who does not check it.
How often somebody may guess is the caller's rule.
"""

import re
import unicodedata
from typing import Final

from tillbell_protocol.hashing import hmac_sha256, is_same

# Characters that phones and gateways add, drop or exchange on the way, so they do not count. The list is the format's
# own: a library's idea of white space changes with its Unicode version.
WHITE_SPACE: Final = "\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000\\ufeff"
_IGNORED: Final = re.compile(f"[{WHITE_SPACE}]+")
_DIGITS: Final = re.compile(r"[0-9]+")
CODE_DIGITS: Final = 6


def check_code(key: bytes, text_before: str, text_after: str = "") -> str:
    """The six digits to stand between the two parts of a text as it is transmitted (alphabet already substituted).

    ``text_after`` must hold no ASCII digit, or the code would not be the last one; a template that allows it is
    refused where it is configured.
    """
    message = _IGNORED.sub("", unicodedata.normalize("NFC", text_before + text_after))
    digest = hmac_sha256(key, message.encode("utf-8", "surrogatepass"))
    return f"{int.from_bytes(digest[:4], 'big') % 1_000_000:06d}"


def verify_text(key: bytes, text: str) -> bool:
    """Whether the last run of ASCII digits in ``text`` is exactly six long and is its code. Constant time."""
    runs = list(_DIGITS.finditer(text))
    if not runs or len(runs[-1].group()) != 6:
        return False
    last = runs[-1]
    expected = check_code(key, text[: last.start()], text[last.end() :])
    return is_same(expected.encode(), last.group().encode())
