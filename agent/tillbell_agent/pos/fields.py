"""Printed lines become labelled values and titles, by the words of ``ReceiptLabels``; what they mean is ``receipt``'s.

A label stands at the start of a line, after a column gap, or with a colon behind it; a Chinese or Korean label stands
where no such character touches it. Its value goes to the next label of the line; the line below is offered where the
label stands alone. A title is a line that holds nothing but title words and their fillers: prose is none.

A till prints the same few hundred shapes of lines all day, which differ in their digits only. What no digit decides is
found once for a shape and kept; a shape is a line with every digit made a 1, so no number is ever kept.
"""

import re
from dataclasses import fields
from functools import lru_cache
from typing import NamedTuple

from tillbell_agent.pos.labels import VALUE_FIELDS, ReceiptLabels
from tillbell_agent.pos.words import WordTree, is_cjk, lower, plain

# Behind a label: its name in another language in brackets (no digits: "(14.25)" is an amount), then punctuation.
_AFTER_LABEL = re.compile(
    r"\s*(?:[(\[【](?=[^()\[\]\d]*[^\W\d_])[^()\[\]【】\d]{1,40}[)\]】])?(?:[\s:#=№>]|\.{2,}|\.(?!\d))*"
)
# Behind the label of a number a dot belongs to "No.", even where digits touch it; behind others it may begin ".50".
_DOT_OF_NUMBER = re.compile(r"\.(?=\d)")
_NUMBERED = frozenset(
    "original_ref merchant_id terminal_id batch auth_code stan rrn wallet_no receipt_no".split()
)
_WIDE_GAP = re.compile(r"\s{3,}")
_STRONG = re.compile(r"\s*(?:[(\[][^()\[\]\d]{1,40}[)\]])?\s*\.?[:#=]")
_PRICE = re.compile(r"\d[.,]\d{1,3}(?!\d)")
_LETTER = re.compile(r"[^\W\d_]")
# "NO REFUND" and "请勿退货" deny, and so do "REPRINT: NO" and "UNPAID 0"; "DUPLICATE NO. 2" does not.
_DENIED_BEFORE = re.compile(r"(?<![^\W\d_])(?:no|not)[\s\-]+$|[勿不无]\s*$")
_DENIED_BEHIND = re.compile(r"\s*[:=]\s*(?:no|0+次?)(?![\w%])")
_NONE_BEHIND = re.compile(r"[\s#.\-]*(?:no(?!\w)(?!\W{0,3}\d)|0+次?(?![\w%]))")
_COUNTED = frozenset({"reprint", "not_paid"})  # words that tills also print as the label of a count
_NUMBER_BEHIND = re.compile(r"\s*[:=#]\s*\d")
_DECLINE_LINE = 60  # a reason may stand behind it; a longer line is prose
_SALES_PRICE = re.compile(r"(?<![\d.,vV])\d+(?:[.,']\d{3})*[.,]\d\d(?![\d.,])")  # no 06.10.2021, no version
MASKED_CARD = re.compile(
    r"(?<![\w*#•·])(?:\d{4,8}[ -]?|\d{4}[ -]\d{2})?[*#•·xX]{2,}(?:[ -][*#•·xX]{2,})*[ -]?(?P<tail>\d{4})(?![\d*#•·\ufffd]|[ -]?[*#•·]{2})"
)
# NFKC would make digits of these. A raised one may be a damaged digit, so what it stands in is no number; a numbered
# item's number is not a part of what follows it.
_RAISED = (
    *range(0xB2, 0xB4),
    0xB9,
    *range(0xBC, 0xBF),
    *range(0x2070, 0x208A),
    *range(0x2150, 0x2160),
    0x2189,
)
_ENUMERATED = (
    *range(0x2460, 0x249C),
    0x24EA,
    *range(0x3251, 0x3260),
    *range(0x32B1, 0x32CC),
    *range(0x1F100, 0x1F10B),
)
_NO_DIGITS = dict.fromkeys(_RAISED, "\ufffd") | dict.fromkeys(_ENUMERATED, " ")
_ANY_DIGIT = re.compile(r"\d")
_MAX_SHAPES = 512  # of some hundred octets each
_TO_SHAPE = bytes.maketrans(b"023456789", b"1" * 9)
_NO_TITLE: frozenset[str] = frozenset()
# What a title means whatever is said beside it, as in VISA REFUND. AUTH beside such a word (ONLINE AUTH) is none.
_MEANT_BESIDE = frozenset(
    "void refund reversal declined preauth completion settlement not_paid reprint test".split()
)
_BARE_AUTH = re.compile(r"(?<!pre)(?<!pre[ -])auth")
# "VOID: 0", "RETURN 2": how many there were, in this shift or on this paper. "VOID 000122" names one.
_COUNT_BEHIND = re.compile(r"\s*[:=]?\s*\d{1,2}\s*$")
_COUNTABLE = frozenset({"void", "refund", "reversal", "weak"})
_SALES_SUMMARY = frozenset({"settlement", "weak", "sale"})


class Labelled(NamedTuple):
    """A label and what stands behind it on its line; ``below``: the next line, where ``value`` is empty."""

    field: str
    label: str
    value: str
    below: str
    row: int


class LineShape(NamedTuple):
    """What a line says whatever its digits are.

    ``spans``: where each label and its value start, and its field. ``heads``: it begins with a label. ``titles``: the
    classes of a title, or None where digits decide. ``priced``: it shows a price. ``masked``: and a masked card number.
    """

    spans: tuple[tuple[int, int, int, str], ...]
    heads: bool
    titles: frozenset[str] | None
    priced: bool
    masked: bool


def normal_line(text: str) -> str:
    """In plain characters (see ``plain``), without space around, and no gap wider than a column's.

    Wider gaps mean no more than two spaces do, and patterns that try each of their places would take minutes.
    """
    text = text if text.isascii() else plain(text.translate(_NO_DIGITS))
    return _WIDE_GAP.sub("  ", text.strip())


class FieldFinder:
    """Finds the labels and titles of one set of words."""

    def __init__(self, labels: ReceiptLabels) -> None:
        pairs = ((word, name) for name in VALUE_FIELDS for word in getattr(labels, name))
        self._labels = WordTree(pairs, whole_cjk=True)
        classes_of: dict[str, set[str]] = {}
        for name in (field.name for field in fields(labels) if field.name.endswith("_words")):
            for word in getattr(labels, name):
                classes_of.setdefault(word, set()).add(name.removesuffix("_words"))
        titles = {word: frozenset(classes - {"filler", "beside"}) for word, classes in classes_of.items()}
        self._titles = WordTree(
            ((word, classes) for word, classes in titles.items() if classes), whole_cjk=False
        )
        self._fillers = WordTree(
            ((word, classes == {"beside"}) for word, classes in classes_of.items()), whole_cjk=False
        )
        words = (word for field in fields(labels) for word in getattr(labels, field.name))
        numbered = any(
            _ANY_DIGIT.search(word) for word in words
        )  # a shop's own: then digits decide everything
        self._to_shape = None if numbered else _TO_SHAPE
        self._shape_of = lru_cache(maxsize=0 if numbered else _MAX_SHAPES)(self._look)

    def shape(self, line: str) -> LineShape:
        """What ``line`` (normal form) says whatever its digits are."""
        return self._shape_of(line.encode("utf-8", "surrogatepass").translate(self._to_shape))

    def labelled(self, lines: list[str], shapes: list[LineShape]) -> list[Labelled]:
        """Every label of ``lines`` (normal form, each with its shape) with its value, in order."""
        result: list[Labelled] = []
        for row, shape in enumerate(shapes):
            if shape.spans:
                free = row + 1 < len(lines) and not shapes[row + 1].heads
                result += _labelled(lines[row], row, shape.spans, lines[row + 1] if free else "")
        return result

    def _look(self, octets: bytes) -> LineShape:
        line = octets.decode("utf-8", "surrogatepass")
        low = lower(line)
        spans = self._spans(line, low)
        return LineShape(
            spans,
            bool(spans) and line.startswith(line[spans[0][0] : spans[0][1]]),
            self._shapes_title(low),
            _SALES_PRICE.search(line) is not None,
            MASKED_CARD.search(line) is not None,
        )

    def _spans(self, line: str, low: str) -> tuple[tuple[int, int, int, str], ...]:
        spans: list[tuple[int, int, int, str]] = []
        at = 0
        while found := self._labels.find(low, at):
            start, at, field = found
            if not _stands_free(low, start, at):
                continue
            after = _AFTER_LABEL.match(line, at)
            value = after.end() if after else at
            value += field in _NUMBERED and _DOT_OF_NUMBER.match(line, value) is not None
            spans.append((start, at, value, field))
            # The value of a transaction type is a word that is a label elsewhere: VOID, REFUND.
            at = _column_end(low, value) if field == "kind" else value
        return tuple(spans)

    def classes(self, text: str) -> set[str]:
        """The classes of all title words in ``text``: ``{"void", "sale"}``."""
        return {name for _, _, classes in self._titles.find_all(lower(text)) for name in classes}

    def title(self, line: str, shape: LineShape) -> frozenset[str]:
        """The classes of a line that is a title; empty for any other line."""
        if shape.titles is not None:
            return shape.titles
        low = lower(line)
        first = self._title_word(low)
        return self._title(low, first) if first else _NO_TITLE

    def unknown(self, text: str) -> str:
        """``text``, lowered, without the words of titles and their fillers."""
        return self._fillers.without(lower(text), but=True)

    def _shapes_title(self, low: str) -> frozenset[str] | None:
        """The title of a shape, or None where a 0 may deny it."""
        first = self._title_word(low)
        if first is None:
            return _NO_TITLE
        return None if _ANY_DIGIT.search(low) else self._title(low, first)

    def _title_word(self, low: str) -> tuple[int, int, frozenset[str]] | None:
        if _PRICE.search(low) or low.count(")") > low.count("("):
            return None  # the end of what was said in brackets: prose
        found = self._titles.find(low)
        return None if found is None or self._is_numbered(low) else found

    def _title(self, low: str, first: tuple[int, int, frozenset[str]]) -> frozenset[str]:
        if not _LETTER.search(self._fillers.without(low, but=True)):
            return self._meant(low)
        if not _LETTER.search(self._fillers.without(low)):
            return self._meant_beside(low)
        start, _, classes = first
        declined = "declined" in classes and len(low) <= _DECLINE_LINE and not _is_denied(low, *first)
        alone = (
            declined
            and "weak" not in classes
            and not _LETTER.search(self._fillers.without(low[:start], but=True))
        )
        return frozenset({"declined"}) if alone else _NO_TITLE

    def _meant(self, low: str) -> frozenset[str]:
        """The classes of the title words that the line does not deny."""
        found = list(self._titles.find_all(low))
        if _DENIED_BEFORE.search(low[: found[0][0]]):
            return _NO_TITLE  # "NO REFUND/CANCELLATION"
        said = (each for each in found if not _is_denied(low, *each))
        meant = frozenset(name for _, _, classes in said for name in classes)
        # "消费汇总": of one payment, or of what a member bought.
        return _NO_TITLE if meant >= _SALES_SUMMARY else meant

    def _meant_beside(self, low: str) -> frozenset[str]:
        """As ``_meant``, of a line with other words; what refuses a payment may stand below its amount."""
        meant = self._meant(low)
        if "declined" in meant and not _ANY_DIGIT.search(low):
            return frozenset({"declined"})
        told = meant & _MEANT_BESIDE
        told -= {"preauth"} if _BARE_AUTH.search(low) else set()
        return told | {"weak"} if told else _NO_TITLE

    def _is_numbered(self, low: str) -> bool:
        """Whether a word that is a title elsewhere stands as a label here: ``交班: 1`` is the number of a shift."""
        found = self._labels.find(low)
        return found is not None and found[2] == "other" and _NUMBER_BEHIND.match(low, found[1]) is not None


def _labelled(
    line: str, row: int, spans: tuple[tuple[int, int, int, str], ...], next_line: str
) -> list[Labelled]:
    """The labels of one line; ``next_line`` is offered to the last one where nothing stands behind it."""
    ends = [span[0] for span in spans[1:]] + [len(line)]
    found = [
        Labelled(field, line[start:end], line[value:stop].strip(), "", row)
        for (start, end, value, field), stop in zip(spans, ends, strict=True)
    ]
    if not found[-1].value:
        found[-1] = found[-1]._replace(below=next_line)
    return found


def _is_denied(low: str, start: int, end: int, classes: frozenset[str]) -> bool:
    """Whether the line says that what a title word names is not so. A settlement's NO is always its number."""
    if _DENIED_BEFORE.search(low[max(start - 8, 0) : start]):
        return True
    if classes & _COUNTED and _NONE_BEHIND.match(low, end):
        return True
    if classes & _COUNTABLE and "settlement" not in classes and _COUNT_BEHIND.match(low, end):
        return True
    if "weak" in classes and _DENIED_BEHIND.match(low, end):
        return True
    return not classes & {"settlement", "declined"} and _DENIED_BEHIND.match(low, end) is not None


def _column_end(low: str, at: int) -> int:
    gap = low.find("  ", at)
    return gap if gap >= 0 else len(low)


def _stands_free(low: str, start: int, end: int) -> bool:
    """Whether a word may be a label at this place: first on its line, after a column gap, or with a colon behind."""
    if is_cjk(low[start]) or not _LETTER.search(low[:start]):
        return True
    return low[max(start - 2, 0) : start] == "  " or _STRONG.match(low, end) is not None
