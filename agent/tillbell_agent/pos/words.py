"""A set of words and what each means, found in a line at once: longest first, whole words only.

A tree of characters, not a regular expression: a thousand words are ready in milliseconds, which an agent that must be
listening within half a second needs, and a line costs microseconds. Where only one word is left, the tree holds its
rest as text, which takes a third of the memory.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar

_MAX_GAP = 2  # separators that may stand inside a word; a wider gap is a column
_SEPARATORS = frozenset(" -_./&")
_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3"
_IS_CJK = re.compile(f"[{_CJK}]")
_Meaning = TypeVar("_Meaning")


# Characters that many printers' texts have for others: 帐 for 账 in bills, 撤消 for 撤销.
_VARIANTS = (("帐", "账"), ("撤消", "撤销"))


def plain(text: str) -> str:
    """NFKC (fullwidth forms and signs become plain ones), and one spelling of words that have two."""
    text = unicodedata.normalize("NFKC", text)
    for variant, usual in _VARIANTS:
        text = text.replace(variant, usual)
    return text


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

    def __init__(self, words: Iterable[tuple[str, _Meaning]], *, whole_cjk: bool) -> None:
        """Of a word that comes twice the last meaning counts."""
        tree: dict[str, Any] = {}
        for word, meaning in words:
            node = tree
            for character in lower(plain(word)):
                if character not in _SEPARATORS:
                    node = node.setdefault(character, {})
            node[""] = meaning
        # A character leads to a node, or to the rest of the only word that goes on with it, and that one's meaning.
        self._root: dict[str, Any] = {character: _packed(node) for character, node in tree.items()}
        self._whole_cjk = whole_cjk
        self._starts = self._start_pattern()

    def find(self, low: str, at: int = 0) -> tuple[int, int, _Meaning] | None:
        """The first word of ``low`` (from ``lower``) from ``at`` on: where it starts and ends, and what it means."""
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

    def without(self, low: str, *, but: _Meaning | None = None) -> str:
        """``low`` with every word taken out but those that mean ``but``."""
        rest, at = [], 0
        for start, end, meaning in self.find_all(low):
            if but is not None and meaning == but:
                continue
            rest.append(low[at:start])
            at = end
        return " ".join([*rest, low[at:]])

    def _start_pattern(self) -> re.Pattern[str]:
        """Every place where a word of this tree may start: no letter of its own kind touches it."""
        signs = "".join(re.escape(character) for character in self._root if not character.isalpha())
        cjk = f"(?<![{_CJK}])[{_CJK}]" if self._whole_cjk else f"[{_CJK}]"
        return re.compile(rf"(?<![^\W\d_{_CJK}])[^\W\d_{_CJK}]|{cjk}" + (f"|[{signs}]" if signs else ""))

    def _longest(self, low: str, at: int, node: Any) -> tuple[int, _Meaning] | None:
        """The end and meaning of the longest word whose first character led to ``node``; ``at`` is behind it."""
        best, gap, end = None, 0, len(low)
        while node.__class__ is dict:
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
        rest, meaning = node
        stop = _behind(low, at, rest)
        if stop is None or (stop < end and self._touch(low[stop - 1], low[stop])):
            return best
        return stop, meaning

    def _touch(self, left: str, right: str) -> bool:
        """Whether two neighbours are one word."""
        if not (left.isalpha() and right.isalpha()):
            return False
        cjk = is_cjk(left), is_cjk(right)
        return self._whole_cjk if all(cjk) else not any(cjk)


def _packed(node: dict[str, Any]) -> dict[str, Any] | tuple[str, Any]:
    """The node with every part of the tree that is one word only as text."""
    below = {character: _packed(child) for character, child in node.items() if character}
    if not below:
        return "", node[""]
    (character, only), *more = below.items()
    if not more and "" not in node and isinstance(only, tuple):
        return character + only[0], only[1]
    return {**below, "": node[""]} if "" in node else below


def _behind(low: str, at: int, rest: str) -> int | None:
    """Where ``rest`` ends if it stands at ``at``, separators inside it left out; None where it does not."""
    if low.startswith(rest, at):
        return at + len(rest)
    end = len(low)
    for character in rest:
        gap = 0
        while at < end and low[at] in _SEPARATORS and gap < _MAX_GAP:
            at, gap = at + 1, gap + 1
        if at == end or low[at] != character:
            return None
        at += 1
    return at
