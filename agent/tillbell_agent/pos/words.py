"""A set of words and what each means, found in a line at once: longest first, whole words only.

A tree of characters, not a regular expression: a thousand words are ready in milliseconds, which an agent that must be
listening within half a second needs, and a line costs microseconds.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

_MAX_GAP = 2  # separators that may stand inside a word; a wider gap is a column
_SEPARATORS = frozenset(" -_./&")
_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3"
_IS_CJK = re.compile(f"[{_CJK}]")
_Meaning = TypeVar("_Meaning")


def lower(text: str) -> str:
    """Lower case of the same length (a few letters grow when lowered; those are left)."""
    low = text.lower()
    return low if len(low) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def is_cjk(character: str) -> bool:
    """Whether words are written without spaces in this character's script: Chinese, Japanese, Korean."""
    return character >= "\u3040" and _IS_CJK.match(character) is not None


class WordTree(Generic[_Meaning]):
    """Words with meanings. Spaces, dashes and dots inside them do not matter, in the words nor in the text.

    A Latin word stands free where no letter touches it; with ``whole_cjk`` the same holds for ideographs, without it
    they are found inside others.
    """

    def __init__(self, *, whole_cjk: bool) -> None:
        self._root: dict[str, Any] = {}
        self._starts: re.Pattern[str] | None = None
        self._whole_cjk = whole_cjk

    def add(self, word: str, meaning: _Meaning) -> None:
        """A word that is already known takes the new meaning."""
        node, self._starts = self._root, None
        for character in lower(unicodedata.normalize("NFKC", word)):
            if character not in _SEPARATORS:
                node = node.setdefault(character, {})
        node[""] = meaning

    def find(self, low: str, at: int = 0) -> tuple[int, int, _Meaning] | None:
        """The first word of ``low`` (from ``lower``) from ``at`` on: where it starts and ends, and what it means."""
        if self._starts is None:
            self._starts = self._start_pattern()
        root = self._root
        for match in self._starts.finditer(low, at):
            start = match.start()
            below = root.get(low[start])
            if below is not None and (found := self._longest(low, start + 1, below)) is not None:
                return start, *found
        return None

    def find_all(self, low: str) -> Iterator[tuple[int, int, _Meaning]]:
        """Every word of ``low``, none inside another."""
        at = 0
        while found := self.find(low, at):
            at = found[1]
            yield found

    def without(self, low: str) -> str:
        """``low`` with every word taken out."""
        rest, at = [], 0
        for start, end, _ in self.find_all(low):
            rest.append(low[at:start])
            at = end
        return " ".join([*rest, low[at:]])

    def _start_pattern(self) -> re.Pattern[str]:
        """Every place where a word of this tree may start: no letter of its own kind touches it."""
        signs = "".join(re.escape(character) for character in self._root if not character.isalpha())
        cjk = f"(?<![{_CJK}])[{_CJK}]" if self._whole_cjk else f"[{_CJK}]"
        return re.compile(rf"(?<![^\W\d_{_CJK}])[^\W\d_{_CJK}]|{cjk}" + (f"|[{signs}]" if signs else ""))

    def _longest(self, low: str, at: int, node: dict[str, Any]) -> tuple[int, _Meaning] | None:
        """The end and meaning of the longest word whose first character led to ``node``; ``at`` is behind it."""
        best, gap, end = None, 0, len(low)
        while True:
            if gap == 0 and "" in node and not (at < end and self._touch(low[at - 1], low[at])):
                best = at, node[""]
            if at == end:
                return best
            below = node.get(low[at])
            if below is not None:
                node, gap = below, 0
            elif low[at] in _SEPARATORS and gap < _MAX_GAP:
                gap += 1
            else:
                return best
            at += 1

    def _touch(self, left: str, right: str) -> bool:
        """Whether two neighbours are one word."""
        if not (left.isalpha() and right.isalpha()):
            return False
        cjk = is_cjk(left), is_cjk(right)
        return self._whole_cjk if all(cjk) else not any(cjk)
