"""The ``escpos`` dialect: the octets that a till sends to its receipt printer become transactions, one per job.

A job ends with a cut, with ``ESC @`` after printed text, with a form feed in page mode, or when the line has been
silent for ``idle_s``. Four and more blank lines only hint: a job is split there where each part has an amount and an
identity of its own. Copies of one receipt give the same key. Never keeps an image's octets, and never talks.

Limits. A pause of ``idle_s`` inside a receipt splits it. The first line after the start, or after a command that was
given up, may be a fragment and is dropped unless ``ESC @`` came before it; a job that began before the agent did is
told when its whole copy did not follow at once, and may have said VOID above what was heard. A till receipt and the terminal's slip for the same sale, printed as two jobs, are
two transactions. A printer's line has no check sum: a digit that noise turns into another digit, a space or a line
feed cannot be seen, and noise that reads as a long command can cost the receipt it stands in; that is told as
``Desynced``.
"""

import re
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from tillbell_agent.pos.dialect import (
    Desynced,
    DialectEvent,
    Ignored,
    Line,
    TransactionCompleted,
    says_no_other,
)
from tillbell_agent.pos.escpos_commands import PRINTERS
from tillbell_agent.pos.escpos_text import TextDecoder
from tillbell_agent.pos.escpos_tokens import EscPosTokenizer, Token, TokenKind
from tillbell_agent.pos.receipt import ReceiptReader
from tillbell_agent.pos.settings import DialectSettings

MAX_LINE_OCTETS = 512  # the widest printers have 80 columns, of at most four octets in any encoding
MAX_HEAD_LINES = 64  # who sells, numbers and time stand in the heading …
MAX_TAIL_LINES = (
    192  # … total, payment and card at the end; of a longer receipt the articles between are dropped
)
BLANK_LINES_HINT = 4

_UNREADABLE = "\ufffd"
_BLANK = f" {_UNREADABLE}"
_DIGITS = frozenset(b"0123456789")
_DIGITISH = frozenset(b"0123456789.,")
_DAMAGED_DIGITS = frozenset(b"\x11\x12\x13\x14\x15\x16\x17\x18\x19")  # a digit with one bit lost
_WIDTH_CONTROLS = frozenset(
    b"\x0e\x0f"
)  # SO and SI, which older printers take for widths, are no damaged digits
_ITALICS = frozenset({b"\x1b4", b"\x1b5"})
_WHOLE_NUMBER = re.compile(r"\d[.,]\d{2,3}$")
_LAST_NUMBER = re.compile(r"\d[\d.,:/* -]*$")


_Value = TypeVar("_Value")


class Paper:
    """The lines of the job that is being printed, bounded; "" marks a gap of blank lines."""

    def __init__(self) -> None:
        self._head: list[str] = []
        self._tail: deque[str] = deque(maxlen=MAX_TAIL_LINES)
        self._blank = 0

    def __bool__(self) -> bool:
        return bool(self._head)

    def blank(self, lines: int) -> None:
        self._blank += lines

    def add(self, text: str) -> None:
        if self._blank >= BLANK_LINES_HINT and self._head:
            self._append("")
        self._blank = 0
        self._append(text)

    def take(self) -> list[str]:
        """All lines; the paper is empty afterwards."""
        lines = [*self._head, *self._tail]
        self._head, self._blank = [], 0
        self._tail.clear()
        return lines

    def _append(self, text: str) -> None:
        if len(self._head) < MAX_HEAD_LINES:
            self._head.append(text)
        else:
            self._tail.append(text)


class EscPos:
    """One printer's line. A ``Dialect``."""

    def __init__(self, settings: DialectSettings) -> None:
        printer = PRINTERS[settings.printer]
        self._idle_s = settings.idle_s
        self._cuts = printer.cuts
        self._tokenizer = EscPosTokenizer(printer)
        self._decoder = TextDecoder(settings.encoding)
        self._reader = ReceiptReader(settings)
        self._paper = Paper()
        self._line = bytearray()  # octets of this line in the present encoding
        self._line_text = ""  # the stretches before it
        self._doubt = False
        self._after_italics = False
        self._after_digit = False
        self._after_cr = False
        self._page_mode = False
        self._beginning_heard = False
        self._whole = False  # whether the present job was heard from its beginning
        self._fragment: TransactionCompleted | None = None
        self._desynced = 0
        self._last_heard: float | None = None
        self._previous: int | None = None
        self._on_kind: dict[TokenKind, Callable[[Token], list[DialectEvent] | None]] = {
            TokenKind.TEXT: self._on_text,
            TokenKind.CONTROL: self._on_control,
            TokenKind.UNKNOWN: self._on_unknown,
            TokenKind.HT: lambda _: self._stretch(" " * 4),
            TokenKind.LF: self._on_line_feed,
            TokenKind.CR: self._on_carriage_return,
            TokenKind.FF: self._on_form_feed,
            TokenKind.COMMAND: self._on_command,
        }
        self._on_head: dict[bytes, Callable[[Token], list[DialectEvent] | None]] = {
            b"\x1b@": self._on_initialize,
            b"\x1bt": lambda token: self._set(self._decoder.select_page, token.head[2]),
            b"\x1bR": lambda token: self._set(self._decoder.select_national_set, token.head[2]),
            b"\x1c&": lambda _: self._set(self._decoder.select_ideographs, True),
            b"\x1c.": lambda _: self._set(self._decoder.select_ideographs, False),
            b"\x1c(": self._on_encoding,
            b"\x1bL": lambda _: self._set_page_mode(True),
            b"\x1bS": lambda _: self._set_page_mode(False),
            b"\x1b\x0c": lambda _: self._end_line(),
            b"\x1bd": self._on_feed_lines,
            b"\x1bJ": lambda _: self._end_line(),
            b"\x1b$": lambda _: self._stretch("  "),
            b"\x1b\\": lambda _: self._stretch("  "),
        }

    def receive_data(self, data: bytes, now: float, line: Line = Line.TERMINAL) -> list[DialectEvent]:  # noqa: ARG002
        """Hear ``data`` at ``now``. A printer has one line, so ``line`` does not matter."""
        events = self.tick(now)
        if data:
            self._last_heard = now
        for token in self._tokenizer.feed(data):
            told = self._on_kind[token.kind](token)
            if told:
                events += told
        return events

    def next_deadline(self) -> float | None:
        printing = self._paper or self._line or self._line_text or self._tokenizer.in_command
        busy = printing or self._desynced or self._fragment
        return self._last_heard + self._idle_s if busy and self._last_heard is not None else None

    def tick(self, now: float) -> list[DialectEvent]:
        if self._last_heard is None or now < self._last_heard + self._idle_s:
            return []  # as for most of the pieces that a line brings
        return self._fall_silent() if self.next_deadline() is not None else []

    def close(self, now: float) -> list[DialectEvent]:  # noqa: ARG002
        """The line breaks: nobody hears the end of this job, and what comes next may begin anywhere."""
        events = self._fall_silent()
        self._beginning_heard = self._whole = False
        return [
            replace(event, fragment=True) if isinstance(event, TransactionCompleted) else event
            for event in events
        ]

    def _fall_silent(self) -> list[DialectEvent]:
        """The job ends, and a command that is not complete is given up."""
        given_up = self._tokenizer.abandon()
        self._desynced += given_up
        if self._line or self._line_text:
            self._stretch("")  # the line was not printed to its end: its last number or time may lack digits
            self._line_text = _LAST_NUMBER.sub(_without_value, self._line_text) + _UNREADABLE
        events = self._end_job() + self._take_fragment()
        if given_up:
            self._beginning_heard = self._whole = False  # what follows may be the rest of that command
        return events

    # Text and the ends of lines.

    def _on_text(self, token: Token) -> None:
        first = token.head[0]
        if (self._doubt and first in _DIGITISH) or (self._after_digit and first in _DIGITS):
            self._stretch(_UNREADABLE)
        self._doubt = self._after_digit = self._after_cr = self._after_italics = False
        room = MAX_LINE_OCTETS - len(self._line) - len(self._line_text)
        self._line += token.head[: max(room, 0)]
        self._desynced += max(token.octets - max(room, 0), 0)

    def _on_control(self, token: Token) -> None:
        """A control octet beside a digit may have been one: then the number cannot be read.

        Not the parameter that some tills send after an italics command, and not padding before a line.
        """
        octets = set(token.head[1:] if self._after_italics and token.head[0] <= 1 else token.head)
        self._after_italics = False
        if self._line[-1:].isdigit():
            self._doubt = self._doubt or bool(octets)
        elif self._line or self._line_text:
            self._doubt = self._doubt or bool(octets - _WIDTH_CONTROLS)
        else:
            self._doubt = self._doubt or bool(octets & _DAMAGED_DIGITS)

    def _on_unknown(self, token: Token) -> None:
        """Parameters of an unknown command may follow as text, so what touches it cannot be read as a number."""
        self._desynced += token.octets
        self._stretch(_UNREADABLE)

    def _stretch(self, text: str) -> None:
        """Decode what came so far under the present settings, then ``text``."""
        if self._line:
            self._line_text += self._decoder.decode(bytes(self._line))
            self._line.clear()
        if text and len(self._line_text) < MAX_LINE_OCTETS:
            self._line_text += text

    def _end_line(self) -> None:
        if not (self._line or self._line_text):
            self._doubt = False
            return
        self._stretch("")
        text, doubt, self._line_text, self._doubt = self._line_text, self._doubt, "", False
        if doubt and text[-1:].isdigit() and not _WHOLE_NUMBER.search(text):
            text += _UNREADABLE  # its last digit may be missing
        if not text.strip(_BLANK):
            return
        if self._beginning_heard:
            self._paper.add(text)
        self._beginning_heard = True

    def _on_line_feed(self, _: Token) -> None:
        empty = not (self._line or self._line_text)
        self._end_line()
        if empty and not self._after_cr:
            self._paper.blank(1)
        self._after_cr = False

    def _on_carriage_return(self, _: Token) -> None:
        self._after_cr = bool(self._line or self._line_text)
        self._end_line()

    def _on_feed_lines(self, token: Token) -> None:
        self._end_line()
        self._paper.blank(token.head[2])

    # Commands.

    def _on_command(self, token: Token) -> list[DialectEvent] | None:
        self._after_italics = token.head in _ITALICS
        self._after_digit = self._line[-1:].isdigit()  # a command between two digits may have been a third
        handle = self._on_head.get(token.head[:2])
        if handle is not None:
            return handle(token)
        return self._end_job() if token.head[:2] in self._cuts else None

    def _set(self, select: Callable[[_Value], None], value: _Value) -> None:
        self._stretch("")
        select(value)

    def _set_page_mode(self, on: bool) -> None:
        self._page_mode = on

    def _on_encoding(self, token: Token) -> None:
        if token.head[2:3] == b"C" and token.head[5] in (0x00, 0x30):
            self._set(lambda value: self._decoder.select_utf8(value in (2, 0x32)), token.head[6])

    def _on_initialize(self, _: Token) -> list[DialectEvent]:
        events = self._end_job()
        self._decoder.reset()
        self._page_mode = False
        return events

    def _on_form_feed(self, _: Token) -> list[DialectEvent]:
        if self._page_mode:
            self._page_mode = False
            return self._end_job()
        self._end_line()
        return []

    # The ends of jobs.

    def _end_job(self) -> list[DialectEvent]:
        """Everything that is on the paper, told; the next line that comes begins a job."""
        self._end_line()
        whole, self._beginning_heard, self._whole = self._whole, True, True
        events: list[DialectEvent] = []
        if self._desynced:
            events.append(Desynced(self._desynced, "octets that no printer command or line of text explains"))
            self._desynced = 0
        lines = self._paper.take()
        if lines:
            told = self._told(lines)
            events += self._without_fragment(told) if whole else self._keep_fragment(told)
        return events

    def _keep_fragment(self, told: list[DialectEvent]) -> list[DialectEvent]:
        """Keep back, until the line is silent, a transaction whose beginning nobody heard: a whole copy may follow."""
        before = self._take_fragment()
        if told and isinstance(last := told[-1], TransactionCompleted):
            self._fragment = replace(last, fragment=True)
            told = told[:-1]
        return before + told

    def _without_fragment(self, told: list[DialectEvent]) -> list[DialectEvent]:
        """The job behind a fragment is the same transaction, told whole, or another one."""
        fragment, first = self._fragment, told[0] if told else None
        if fragment is None or not isinstance(first, TransactionCompleted):
            return self._take_fragment() + told
        same = says_no_other(fragment.transaction, first.transaction)
        before = self._take_fragment()
        return [Ignored("fragment of the next copy"), *told] if same else before + told

    def _take_fragment(self) -> list[DialectEvent]:
        fragment, self._fragment = self._fragment, None
        return [fragment] if fragment is not None else []

    def _told(self, lines: list[str]) -> list[DialectEvent]:
        parts = _split_at_gaps(lines)
        if len(parts) > 1:
            read = [self._reader.read(part) for part in parts]
            whole = [event for event in read if isinstance(event, TransactionCompleted)]
            keys = {event.key for event in whole if event.transaction.amount_minor is not None}
            if len(keys) == len(parts) and None not in keys:
                self._previous = None
                return list(whole)
        event = self._reader.read(lines)
        return [self._without_copy(event, lines)] if event is not None else []

    def _without_copy(self, event: DialectEvent, lines: list[str]) -> DialectEvent:
        """A second copy, named so, right after a receipt that nothing else tells apart, is no new transaction."""
        previous, self._previous = self._previous, None
        if not isinstance(event, TransactionCompleted) or event.key is not None:
            return event
        named, self._previous = self._reader.copy_content(lines)
        return Ignored("copy") if named and previous == self._previous else event


def _without_value(number: re.Match[str]) -> str:
    """A number that shows where it stood, but has no value: a damaged amount is told, as unknown."""
    return re.sub(r"(?=\d)", _UNREADABLE, number.group())


def _split_at_gaps(lines: list[str]) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for line in lines:
        if line:
            parts[-1].append(line)
        elif parts[-1]:
            parts.append([])
    return [part for part in parts if part]
