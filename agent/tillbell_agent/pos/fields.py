"""Printed lines become labelled values and titles, by the words of ``ReceiptLabels``; what they mean is ``receipt``'s.

A label stands at the start of a line, after a column gap, or with a colon behind it; a Chinese or Korean label stands
where no such character touches it. Its value goes to the next label of the line; the line below is offered where the
label stands alone. A title is a line that holds nothing but title words and their fillers: prose is none.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, fields

from tillbell_agent.pos.labels import VALUE_FIELDS, ReceiptLabels

_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3"
_IS_CJK = re.compile(f"[{_CJK}]")
_SEPARATOR = r"[ \-_./&]{0,3}"  # a wider gap is a column
# Behind a label: its name in another language in brackets (no digits: "(14.25)" is an amount), then punctuation.
_AFTER_LABEL = re.compile(
    r"\s*(?:[(\[【](?=[^()\[\]\d]*[^\W\d_])[^()\[\]【】\d]{1,40}[)\]】])?(?:[\s:#=№>]|\.{2,}|\.(?!\d))*"
)
_STRONG = re.compile(r"\s*(?:[(\[][^()\[\]\d]{1,40}[)\]])?\s*\.?[:#=]")
_PRICE = re.compile(r"\d[.,]\d{1,3}(?!\d)")
_LETTER = re.compile(r"[^\W\d_]")
_DECLINE_LINE = 60  # a reason may stand behind it; a longer line is prose


@dataclass(frozen=True, slots=True)
class Labelled:
    """A label and what stands behind it on its line; ``below``: the next line, where ``value`` is empty."""

    field: str
    label: str
    value: str
    below: str
    row: int


def normal_line(text: str) -> str:
    """NFKC (fullwidth forms and signs become plain ones), without DEL and without space around."""
    return text.strip() if text.isascii() else unicodedata.normalize("NFKC", text).strip()


class FieldFinder:
    """Finds the labels and titles of one set of words. Build it once: it compiles them."""

    def __init__(self, labels: ReceiptLabels) -> None:
        self._field_of = {_squeezed(word): name for name in VALUE_FIELDS for word in getattr(labels, name)}
        self._labels = _pattern((word for name in VALUE_FIELDS for word in getattr(labels, name)), cjk_bound=True)
        classes = [field.name for field in fields(labels) if field.name.endswith("_words")]
        titles = [name for name in classes if name != "filler_words"]
        self._classes_of: dict[str, set[str]] = {}
        for name in titles:
            for word in getattr(labels, name):
                self._classes_of.setdefault(_squeezed(word), set()).add(name.removesuffix("_words"))
        self._titles = _pattern((word for name in titles for word in getattr(labels, name)), cjk_bound=False)
        self._fillers = _pattern((word for name in classes for word in getattr(labels, name)), cjk_bound=False)

    def labelled(self, lines: list[str]) -> list[Labelled]:
        """Every label of ``lines`` (normal form) with its value, in order."""
        rows = [self._in_line(line, row) for row, line in enumerate(lines)]
        starts = [bool(found) and line.startswith(found[0].label) for line, found in zip(lines, rows, strict=True)]
        result: list[Labelled] = []
        for row, found in enumerate(rows):
            for item in found:
                free = not item.value and item is found[-1] and row + 1 < len(lines) and not starts[row + 1]
                below = lines[row + 1] if free else ""
                result.append(Labelled(item.field, item.label, item.value, below, row) if below else item)
        return result

    def _in_line(self, line: str, row: int) -> list[Labelled]:
        low = _lower(line)
        spans: list[tuple[int, int, int]] = []
        at = 0
        while match := self._labels.search(low, at):
            at = match.end()
            if not _stands_free(low, match):
                continue
            after = _AFTER_LABEL.match(line, at)
            at = after.end() if after else at
            spans.append((match.start(), match.end(), at))
            if self._field_of[_squeezed(match.group())] == "kind":
                at = _column_end(low, at)  # its value is a word that is a label elsewhere: VOID, REFUND
        if not spans:
            return []
        ends = [start for start, _, _ in spans[1:]] + [len(line)]
        return [
            Labelled(self._field_of[_squeezed(low[a:b])], line[a:b], line[value:end].strip(), "", row)
            for (a, b, value), end in zip(spans, ends, strict=True)
        ]

    def classes(self, text: str) -> set[str]:
        """The classes of all title words in ``text``: ``{"void", "sale"}``."""
        found: set[str] = set()
        for match in self._titles.finditer(_lower(text)):
            found |= self._classes_of[_squeezed(match.group())]
        return found

    def title(self, line: str) -> set[str]:
        """The classes of a line that is a title; empty for any other line."""
        low = _lower(line)
        match = self._titles.search(low)
        if match is None or _PRICE.search(low):
            return set()
        found = self.classes(line)
        if not _LETTER.search(self._fillers.sub("", low)):
            return found
        before = self._fillers.sub("", low[: match.start()])
        declined = "declined" in self._classes_of[_squeezed(match.group())]
        return {"declined"} if declined and not _LETTER.search(before) and len(low) <= _DECLINE_LINE else set()


def _column_end(low: str, at: int) -> int:
    gap = low.find("  ", at)
    return gap if gap >= 0 else len(low)


def _stands_free(low: str, match: re.Match[str]) -> bool:
    """Whether a label may stand at this place of its line."""
    start = match.start()
    if start == 0:
        return True
    before = low[start - 1]
    if _IS_CJK.match(low[start]):
        return not _IS_CJK.match(before)
    if before.isalpha():
        return False
    lone = low[max(start - 2, 0) : start]
    return not _LETTER.search(low[:start]) or lone.isspace() and len(lone) == 2 or bool(_STRONG.match(low, match.end()))


def _lower(text: str) -> str:
    """Lower case of the same length (a few letters grow when lowered; those are left)."""
    low = text.lower()
    return low if len(low) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def _squeezed(word: str) -> str:
    return re.sub(r"[\s\-_./&]", "", _lower(unicodedata.normalize("NFKC", word)))


def _pattern(words: Iterable[str], *, cjk_bound: bool) -> re.Pattern[str]:
    """One expression for all words, longest first, grouped by first character so that a search is quick."""
    groups: dict[str, set[str]] = {}
    for word in words:
        plain = _lower(unicodedata.normalize("NFKC", word)).strip()
        groups.setdefault(plain[0], set()).add(plain)
    branches = []
    for first, members in sorted(groups.items()):
        rests = [_source(word, cjk_bound)[len(re.escape(first)) :] for word in sorted(members, key=lambda w: (-len(w), w))]
        branches.append(f"{re.escape(first)}(?:{'|'.join(rests)})")
    return re.compile("|".join(branches))


def _source(word: str, cjk_bound: bool) -> str:
    parts: list[str] = []
    for at, character in enumerate(word):
        if character in " -_./&":
            if not parts or parts[-1] != _SEPARATOR:
                parts.append(_SEPARATOR)
            continue
        if at and _IS_CJK.match(character) and _IS_CJK.match(word[at - 1]):
            parts.append(" {0,4}")
        parts.append(re.escape(character))
    if word[-1].isalpha() and not _IS_CJK.match(word[-1]):
        parts.append(r"(?![^\W\d_])" if cjk_bound else f"(?![^\\W\\d_{_CJK}])")
    elif cjk_bound:
        parts.append(f"(?![{_CJK}])")
    return "".join(parts)
