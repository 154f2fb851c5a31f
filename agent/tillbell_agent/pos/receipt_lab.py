"""How the receipts of a shop are read, line by line: what was recognised where, what no word explains, what to try.

Lines are given without card numbers. Nothing here decides how a receipt is read; that is ``receipt``'s.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tillbell_agent.pos.dialect import DialectEvent, TransactionCompleted
from tillbell_agent.pos.labels import trouble_with
from tillbell_agent.pos.receipt import ReadRow, Receipt, ReceiptReader
from tillbell_agent.pos.settings import DialectSettings
from tillbell_protocol.pan import scrub

MAX_JOBS = 1000  # receipts kept of one recording; the first ones
_MOST_GUESSES = 3
_DIGIT = re.compile(r"\d")
_NOT_OF_A_LABEL = " \t:#=.*-–_№$€£¥￥₩₽₺₫₱"
_BEFORE_PRICE = re.compile(r"^(?P<label>[^\d]+)\d")
_BEFORE_REFERENCE = re.compile(
    r"^(?P<label>[^\d:#=№]+)(?:[:#=№][\s:#=№]*|\s)(?P<number>[A-Za-z]{0,4}[\-/]?\d[\w\-/]*)$"
)


# Where a number may be broken off and go on: at a mark that a till sets between groups, at an octet that cannot be read, or at
# the line's end. What is shown to a person is masked more readily than what a dialect lets out.
_BROKEN = re.compile(r"(?<=\d)(?:[^\w\n]{1,4}(?=\d)|[^\w\n]?\n(?=\d[\d \-]{0,18}(?:\n|\Z)))")
_LONG = re.compile(r"\d(?:[ \-\u200b]{0,6}\d){11,}")


@dataclass(frozen=True, slots=True)
class Word:
    """A label that was found and what stands behind it (or on the line below), or a title: then ``value`` is None."""

    field: str
    label: str
    value: str | None


@dataclass(frozen=True, slots=True)
class Line:
    """One printed line. ``counts``: the transaction's amount is this one's; ``time``: it tells one; ``card``: a masked card.

    ``unknown``: it holds a number that nothing explains; many do, articles and addresses among them.
    """

    text: str
    words: tuple[Word, ...]
    counts: bool
    time: bool
    card: bool
    price: bool

    @property
    def unknown(self) -> bool:
        return not (self.words or self.time or self.card) and _DIGIT.search(self.text) is not None

    @property
    def may_be_reference(self) -> bool:
        """Nothing explains it, or a label of a number that is not one."""
        return self.unknown or any(word.field == "receipt_no" for word in self.words)


@dataclass(frozen=True, slots=True)
class Guess:
    """A word for a receipt profile that may explain a line: ``[table] key = ["word"]``."""

    table: str
    key: str
    word: str


@dataclass(frozen=True, slots=True)
class Job:
    """One receipt. ``event``: what it was read as."""

    printed: tuple[str, ...]
    lines: tuple[Line, ...]
    event: DialectEvent

    def guesses(self) -> tuple[Guess, ...]:
        """What to try where no amount was found, or no number; the lowest lines first, where totals stand."""
        told = self.event.transaction if isinstance(self.event, TransactionCompleted) else None
        words: list[Guess] = []
        if told is None or told.amount_minor is None:
            prices = [line.text for line in self.lines if line.price and line.unknown]
            words += _guesses("totals", "total", _BEFORE_PRICE, prices)
        if told is not None and told.reference is None:
            others = [line.text for line in self.lines if not line.price and line.may_be_reference]
            words += _guesses("references", "receipt_no", _BEFORE_REFERENCE, others)
        return tuple(dict.fromkeys(words))


def _guesses(table: str, key: str, pattern: re.Pattern[str], texts: Sequence[str]) -> list[Guess]:
    found = (pattern.match(text) for text in reversed(texts))
    words = (match["label"].strip(_NOT_OF_A_LABEL) for match in found if match)
    return [Guess(table, key, word) for word in words if trouble_with(word) is None][:_MOST_GUESSES]


class ReceiptLab(ReceiptReader):
    """A reader that keeps how it read each receipt, the first ``MAX_JOBS`` of ``seen``."""

    def __init__(self, settings: DialectSettings) -> None:
        super().__init__(settings)
        self.jobs: list[Job] = []
        self.seen = 0
        self._printed: tuple[str, ...] = ()

    def read(self, printed: list[str]) -> DialectEvent | None:
        self._printed = tuple(line for line in printed if line)  # an empty one marks a gap
        return super().read(printed)

    def _told(self, receipt: Receipt) -> DialectEvent:
        event = super()._told(receipt)
        if self.seen == len(self.jobs):
            self._forget_parts()
        self.seen += 1
        if len(self.jobs) < MAX_JOBS:
            rows = receipt.rows()
            shown = masked([row.line for row in rows])
            lines = tuple(_line(row, shown, place) for place, row in enumerate(rows))
            self.jobs.append(Job(self._printed, lines, event))
        return event

    def _forget_parts(self) -> None:
        """Parts of one paper were read first, each as a receipt of its own, and were none."""
        parts: tuple[str, ...] = ()
        for back, job in enumerate(reversed(self.jobs), start=1):
            parts = job.printed + parts
            if len(parts) >= len(self._printed):
                if parts == self._printed and back > 1:
                    del self.jobs[-back:]
                    self.seen -= back
                return


def masked(lines: Sequence[str]) -> list[str]:
    """The same lines, of the same lengths, with ``*`` for the digits of card numbers but the last four."""
    text = "\n".join(lines)
    plain = _BROKEN.sub(lambda found: "-" + "\u200b" * (len(found.group()) - 1), text)
    shown = list(text)
    for run in _LONG.finditer(plain):
        is_card = scrub(run.group()) != run.group()
        if is_card or "\ufffd" in text[run.start() : run.end()]:
            digits = [at for at in range(*run.span()) if plain[at].isdigit()]
            for at in digits[:-4]:
                shown[at] = "*"
    return "".join(shown).split("\n")


def _line(row: ReadRow, shown: Sequence[str], place: int) -> Line:
    titles = (Word(title, shown[place], None) for title in sorted(row.titles))
    return Line(
        shown[place],
        (*_words(row, shown, place), *titles),
        row.is_amount,
        row.time,
        row.shape.masked,
        row.shape.priced,
    )


def _words(row: ReadRow, shown: Sequence[str], place: int) -> Iterator[Word]:
    for item in row.labelled:
        at = row.line.rfind(item.value) if item.value else -1
        value = shown[place][at : at + len(item.value)] if at >= 0 else ""
        yield Word(item.field, item.label, value or (shown[place + 1] if item.below else ""))
