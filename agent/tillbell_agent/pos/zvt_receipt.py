"""The one thing that is read of a receipt which a ZVT terminal has its till print: the title of what was done.

It matters where the till's line is not heard, since the status alone does not tell a refund from a sale. The text itself
never leaves: it holds card numbers.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from tillbell_agent.pos.zvt_commands import PRINT_BLOCK
from tillbell_agent.pos.zvt_fields import ber_span
from tillbell_protocol.event import Kind

_TITLES: Final[Mapping[str, Kind]] = {
    **dict.fromkeys(("gutschrift", "refund", "rückerstattung", "rueckerstattung", "remboursement"), Kind.REFUND),
    **dict.fromkeys(
        ("storno", "stornierung", "stornobeleg", "kartenstorno", "reversal", "cancellation", "annulation"), Kind.REVERSAL
    ),
    **dict.fromkeys(
        ("reservierung", "reservation", "pre-authorisation", "pre-authorization", "préautorisation"), Kind.PREAUTH
    ),
}  # fmt: skip
# What may stand before the word that counts. Of others nothing is known: "No refund", "Kein Storno".
_BEFORE_A_TITLE: Final = frozenset(
    "kartenzahlung zahlung karten karte ec girocard beleg kundenbeleg händlerbeleg card payment sale purchase paiement carte".split()
)
_OF_A_SENTENCE: Final = frozenset("nicht nur möglich not only policy possible".split())
_WORD: Final = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_MOST_WORDS: Final = 3  # a longer line is a sentence: "Gutschrift nur gegen Vorlage des Bons"
_SIGNS: Final = " *=-#."
_LINE_TAG: Final = 0x07
_BLOCK_TAGS: Final = frozenset((0x06, 0x25))  # the container, and in it the lines of text
_ATTRIBUTE_OCTETS: Final = 1
# The first, unless the till asked for another when it registered.
_CODE_PAGES: Final = ("cp437", "latin-1", "utf-8")


def printed_kind(code: int, data: bytes) -> Kind | None:
    """What the lines that are printed are titled; None where they are not, as most lines are."""
    lines = _block_lines(data) if code == PRINT_BLOCK else iter((data[_ATTRIBUTE_OCTETS:],))
    return next((kind for line in lines if (kind := _title(line)) is not None), None)


def _title(line: bytes) -> Kind | None:
    pages = _CODE_PAGES[:1] if line.isascii() else _CODE_PAGES
    kinds = (_title_of(line.decode(page, "replace").strip(_SIGNS).lower()) for page in pages)
    return next((kind for kind in kinds if kind is not None), None)


def _title_of(text: str) -> Kind | None:
    words = _WORD.findall(text)
    if not 1 <= len(words) <= _MOST_WORDS or any(map(str.isdigit, text)) or not text.startswith(words[0]):
        return None
    parts = [part for word in words for part in ((word,) if word in _TITLES else word.split("-"))]
    at = next((at for at, part in enumerate(parts) if part in _TITLES), None)
    if at is None or not _BEFORE_A_TITLE.issuperset(parts[:at]) or not _OF_A_SENTENCE.isdisjoint(parts):
        return None
    return _TITLES[parts[at]]


def _block_lines(data: bytes) -> Iterator[bytes]:
    """The lines of a text block: objects 07 in 25 in 06, each behind a BER length; 1Fxx and others are passed over."""
    at = 0
    while at < len(data):
        tag = data[at]
        at += 2 if tag & 0x1F == 0x1F else 1
        span = ber_span(data, at)
        if span is None:
            return
        if tag == _LINE_TAG:
            yield data[span[0] : span[1]]
        at = span[0] if tag in _BLOCK_TAGS else span[1]
