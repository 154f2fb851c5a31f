"""Card numbers: the only type that may hold card digits, and the scrubber that guards every exit.

PCI DSS 3.5.1 allows a stored PAN only truncated. The smallest useful truncation is kept: at most the last four
digits. First digits are never kept, so a text, a log line and the ledger cannot be joined into a number.
"""

import re
from dataclasses import dataclass

_MASKS = "*#xXE•·"
_GROUP = re.compile(rf"[\d{re.escape(_MASKS)}]+")
_BETWEEN_GROUPS = re.compile(r"[ \-._]{1,2}")
_MASKED_TAIL = re.compile(rf"(?:^|[{re.escape(_MASKS)}])(\d{{4}})$")
_MAX_PAN = 19  # ISO/IEC 7812-1: a PAN has at most 19 digits
# The first digits that cards have: 3 to 6, and of the 2s only 2200-2204 (Mir) and 2221-2720 (Mastercard), so that a
# number that starts with a year is no card.
_IIN = re.compile(r"[3-6]|220[0-4]|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720")
_MERCHANT_ID = re.compile(r"(?!3[47])[0-9]{15}")
_CONTROL = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b-\u200f\u2060\ufeff"
_HIDDEN = re.compile(rf"[{_CONTROL}]")
_DIGITS = re.compile(rf"(\d(?:[{_CONTROL}]*\d)*)")  # of any script: a text may show fullwidth ones
_RUN = re.compile(rf"\d(?:[\s\-./_{_CONTROL}\u2010-\u2015]{{0,3}}\d){{12,}}")


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

        Never infers digits: a number that ends in mask characters has no tail. The number may stand in groups
        (``4111 **** **** 1111``); it ends with the group that shows four digits after a mask, so that an expiry
        printed behind it (``****1111 1228``) is never taken for its tail.
        """
        number = _joined_groups(text.strip())
        if len(number) < 8 or not number[-4:].isascii() or not number[-4:].isdigit():
            return None
        return cls(number[-4:])


def _joined_groups(text: str) -> str:
    """The number's characters without separators, from the start of ``text``, at most 19."""
    number, at = "", 0
    while (group := _GROUP.match(text, at)) and len(number) + len(group.group()) <= _MAX_PAN:
        number += group.group()
        if not number.isdigit() and len(number) >= 8 and _MASKED_TAIL.search(group.group()):
            break
        if number.isdigit() and _is_card(number):
            break
        between = _BETWEEN_GROUPS.match(text, group.end())
        if between is None:
            break
        at = between.end()
    return number


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

    A card number is 13 to 19 digits, first digits as cards have them, whose Luhn digit holds: in one piece, or in
    groups of equal length or of three digits and more (``3782 822463 10005``), with up to three spaces, dashes, dots, slashes or low lines
    between; control and zero-width characters inside do not hide it. RRNs (12 digits), EANs, columns of amounts and
    order numbers that fail these tests survive unchanged.
    """
    return _RUN.sub(_scrub_run, text)


def scrub_merchant_id(text: str) -> str:
    """As ``scrub``, but 15 digits pass unless they could be an American Express number.

    Merchant numbers (ISO 8583 field 42) have 15 digits, of which one in ten passes for a card number.
    """
    return text if _MERCHANT_ID.fullmatch(text) else scrub(text)


def _is_card(digits: str) -> bool:
    return 13 <= len(digits) <= _MAX_PAN and _IIN.match(digits) is not None and luhn_holds(digits)


def _scrub_run(run: re.Match[str]) -> str:
    """The run of digit groups with each window of whole groups that is a card number replaced, longest first."""
    pieces = _DIGITS.split(run.group())  # separator, group, separator, group …, separator
    groups = ["".join(str(int(c)) for c in _HIDDEN.sub("", piece)) for piece in pieces[1::2]]
    first = 0
    while first < len(groups):
        for last in range(min(len(groups), first + _MAX_PAN), first, -1):
            window = groups[first:last]
            if _grouped_like_a_card(window) and _is_card("".join(window)):
                pieces[2 * first + 1] = f"****{''.join(window)[-4:]}"
                pieces[2 * first + 2 : 2 * last] = [""] * (2 * (last - first) - 2)
                first = last - 1
                break
        first += 1
    return "".join(pieces)


def _grouped_like_a_card(groups: list[str]) -> bool:
    sizes = [len(group) for group in groups]
    return min(sizes) >= 3 or (len(set(sizes[:-1])) == 1 and sizes[-1] <= sizes[0]) or len(sizes) == 1
