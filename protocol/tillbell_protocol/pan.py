"""Card numbers: the only type that may hold card digits, and the scrubber that guards every exit.

PCI DSS 3.5.1 allows a stored PAN only truncated. The smallest useful truncation is kept: at most the last four
digits. First digits are never kept, so a text, a log line and the ledger cannot be joined into a number.
"""

import re
from dataclasses import dataclass

_MASKS = "*xX#E•·.-_ "
_TAIL = re.compile(r"\d{4}$")
# 13 to 19 digits, with at most two separators between neighbours: spaces, dashes, dots or control characters.
_CANDIDATE = re.compile(r"(?<!\d)(?:[2-6](?:[\s\-.\x00-\x1f\x7f\u00a0\u2000-\u200f]{0,2}\d){12,18})(?!\d)")


@dataclass(frozen=True, slots=True)
class TruncatedPan:
    """The last four digits of a card number, as text, or "" where the terminal showed fewer than four."""

    last4: str

    def __post_init__(self) -> None:
        if self.last4 and not (len(self.last4) == 4 and self.last4.isascii() and self.last4.isdigit()):
            raise ValueError("a truncated PAN holds exactly four digits or none")

    @classmethod
    def from_printed(cls, text: str) -> "TruncatedPan | None":
        """Truncate a printed number, masked or whole: ``622576******6691 /C`` → 6691. None: no tail can be read.

        Never infers digits: a number that ends in mask characters has no tail.
        """
        number = re.match(rf"[\d{re.escape(_MASKS)}]+", text.strip())
        if number is None:
            return None
        body = number.group().rstrip(" -._")
        tail = _TAIL.search(body)
        return cls(tail.group()) if tail and len(body) >= 8 else None


def luhn_holds(digits: str) -> bool:
    """ISO/IEC 7812-1 annex B check digit over ASCII digits."""
    total = 0
    for position, character in enumerate(reversed(digits)):
        value = int(character)
        if position % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0


def scrub(text: str) -> str:
    """Replace every card number in ``text`` by ``****`` and its last four digits.

    A card number is 13 to 19 digits (separators allowed between), first digit 2 to 6, whose Luhn digit holds.
    RRNs (12 digits), EANs and order numbers that fail these tests survive unchanged.
    """
    return _CANDIDATE.sub(_replace, text)


def _replace(match: re.Match[str]) -> str:
    digits = "".join(character for character in match.group() if character.isdigit())
    return f"****{digits[-4:]}" if luhn_holds(digits) else match.group()
