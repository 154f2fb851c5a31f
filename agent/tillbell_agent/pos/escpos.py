"""The ``escpos`` dialect: the octets that a till sends to its receipt printer become transactions, one per job.

A job ends with a cut, with ``ESC @`` after printed text, with a form feed in page mode, or when the line has been
silent for ``idle_s``. Four and more blank lines only hint: a job is split there where each part has an amount and an
identity of its own. Copies of one receipt give the same key. Never keeps an image's octets, and never talks.

Page mode, customer's displays and status requests do to the text what the printer does with them.

Limits. A pause of ``idle_s`` inside a receipt splits it. The first line after the start, or after a command that was
given up, may be a fragment and is dropped unless ``ESC @`` came before it; a job that began before the agent did is
told when its whole copy did not follow at once, and may have said VOID above what was heard. A till receipt and the terminal's slip for the same sale, printed as two jobs, are
two transactions. A printer's line has no check sum: a digit that noise turns into another digit, a space or a line
feed cannot be seen, and noise that reads as a long command can cost the receipt it stands in; that is told as
``Desynced``.
"""

import re
from collections.abc import Callable, Mapping
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
from tillbell_agent.pos.escpos_paper import Paper, split_at_gaps
from tillbell_agent.pos.escpos_rules import Action
from tillbell_agent.pos.escpos_text import TextDecoder
from tillbell_agent.pos.escpos_tokens import EscPosTokenizer, Token, TokenKind
from tillbell_agent.pos.receipt import ReceiptReader
from tillbell_agent.pos.settings import DialectSettings, unknown_name

FRAMING = (
    "A stream of text and commands without frames or check sums. Every command's length is known (ESC, GS, FS and DLE "
    "sequences; in Star Line Mode, ESC sequences), so images, symbols and downloads are counted past and never read. A "
    "receipt ends with a cut (GS V, ESC i, ESC m; ESC d in Star Line Mode), with a form feed in page mode, with ESC @ "
    "after printed text, or with silence of idle_s; four and more blank lines between two whole receipts part them. The "
    "printer's answers (status octets, XON, XOFF) say nothing."
)
FIELDS: Mapping[str, str] = {
    "labels of amounts, by rank: paid, refund_total and void_total, due, total, refund and void, amount": "amount_minor",
    "currency beside the amount, else the configured one": "currency",
    "kind (transaction type), else a title, else the amount's label, else its sign": "kind",
    "receipt_no, wallet_no": "receipt_no",
    "rrn, stan, auth_code, batch, terminal_id, merchant_id, result, original_ref": "the field of that name",
    "card, or a masked number beside a scheme's name": "card: its last four digits, never more",
    "scheme, or its name beside a masked number": "scheme",
    "method with an amount, or behind payment": "method, as printed",
    "time, else the first time on a line of its own": "terminal_time, if the order of its date is certain",
    "expiry, cardholder, signature, address, articles": "dropped",
    "images, bar codes, QR codes": "dropped unread",
    "settlement titles": "a settlement, which rings nobody",
    "reprint, copy, not paid, order, test titles": "no transaction, or the copy of one",
}
UNKNOWN_ON_ONE_LINE = (
    "A printer has one line. What is not printed is not known: a slip without a label for its amount is told without "
    "one, and a payment for which nothing is printed is not heard."
)
LAYOUTS: Mapping[str, str] = {
    "auto": "labels and titles decide; a shop's own words are added with labels or a profile (spec)"
}
LINE_DEFAULTS = "9600 8N1; 19200, 38400 and 115200 are as common"

MAX_LINE_OCTETS = 512  # the widest printers have 80 columns, of at most four octets in any encoding

_UNREADABLE = "\ufffd"
_BLANK = f" {_UNREADABLE}"
_REALTIME = 0x10  # DLE EOT, DLE ENQ, DLE DC4
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
_OnToken = Callable[[Token], list[DialectEvent] | None]


class EscPos:
    """One printer's line. A ``Dialect``."""

    def __init__(self, settings: DialectSettings, reader: ReceiptReader | None = None) -> None:
        """``reader``: what the jobs are read with; made of ``settings`` where None is given."""
        if settings.layout not in LAYOUTS:
            raise unknown_name("layout", settings.layout, LAYOUTS)
        printer = PRINTERS[settings.printer]
        self._idle_s = settings.idle_s
        self._styles = printer.styles
        self._tokenizer = EscPosTokenizer(printer)
        self._decoder = TextDecoder(settings.encoding, printer.pages)
        self._reader = reader or ReceiptReader(settings)
        self._paper = Paper()
        self._line = bytearray()  # octets of this line in the present encoding
        self._line_text = ""  # the stretches before it
        self._doubt = False
        self._after_italics = False
        self._after_digit = False
        self._after_cr = False
        self._page_mode = False
        self._row = b""  # in page mode, as the till said it
        self._beginning_heard = False
        self._whole = False  # whether the present job was heard from its beginning
        self._fragment: TransactionCompleted | None = None
        self._desynced = 0
        self._last_heard: float | None = None
        self._previous: int | None = None
        self._printing = self._by_kind()
        # While a customer's display is selected, only commands are heard.
        self._displaying: dict[TokenKind, _OnToken] = dict.fromkeys(TokenKind, lambda _: None)
        self._displaying[TokenKind.COMMAND] = self._on_command
        self._on_kind = self._printing
        on_action = self._by_action()
        self._on_head = {octets: on_action[action] for octets, action in printer.actions.items()}

    def _by_kind(self) -> dict[TokenKind, _OnToken]:
        return {
            TokenKind.TEXT: self._on_text,
            TokenKind.CONTROL: self._on_control,
            TokenKind.UNKNOWN: self._on_unknown,
            TokenKind.HT: lambda _: self._stretch(" " * 4),
            TokenKind.LF: self._on_line_feed,
            TokenKind.CR: self._on_carriage_return,
            TokenKind.FF: self._on_form_feed,
            TokenKind.COMMAND: self._on_command,
        }

    def _by_action(self) -> dict[Action, _OnToken]:
        return {
            Action.INITIALIZE: self._on_initialize,
            Action.CUT: lambda _: self._end_job(),
            Action.CODE_PAGE: self._selects(self._decoder.select_page),
            Action.NATIONAL_SET: self._selects(self._decoder.select_national_set),
            Action.IDEOGRAPHS_ON: lambda _: self._set(self._decoder.select_ideographs, True),
            Action.IDEOGRAPHS_OFF: lambda _: self._set(self._decoder.select_ideographs, False),
            Action.IDEOGRAPHS_CODE: self._selects(self._decoder.select_ideographs_code),
            Action.ENCODING: self._on_encoding,
            Action.DEVICE: self._selects(self._select_device),
            Action.PAGE_MODE: lambda _: self._set_page_mode(True),
            Action.STANDARD_MODE: lambda _: self._set_page_mode(False),
            Action.END_LINE: lambda _: self._end_line(),
            Action.FEED_LINES: self._on_feed_lines,
            Action.COLUMN: lambda _: self._stretch("  "),
            Action.ROW: self._on_row,
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

    def unpair(self) -> None:
        """See ``Dialect``: there is one line."""

    @property
    def at_beginning(self) -> bool:
        return self._beginning_heard and self._whole

    def begin(self) -> None:
        """See ``Resumable``."""
        self._beginning_heard = self._whole = True

    def close(self, now: float) -> list[DialectEvent]:  # noqa: ARG002
        """The line breaks: nobody hears the end of this job, and what comes next may begin anywhere."""
        events = self._fall_silent()
        self._beginning_heard = self._whole = False
        self._on_kind = self._printing
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
        if self._styles.issuperset(octets):
            self._after_digit = self._line[-1:].isdigit()
        elif self._line[-1:].isdigit():
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
        self._paper.blank(token.head[-1])

    # Commands.

    def _on_command(self, token: Token) -> list[DialectEvent] | None:
        if token.head[0] == _REALTIME:
            return None  # a till asks for the printer's status at any moment, inside a number too
        self._after_italics = token.head in _ITALICS
        self._after_digit = self._line[-1:].isdigit()  # a command between two digits may have been a third
        handle = self._on_head.get(token.head[:2]) or self._on_head.get(token.head[:3])
        return handle(token) if handle is not None else None

    def _set(self, select: Callable[[_Value], None], value: _Value) -> None:
        self._stretch("")
        select(value)

    def _selects(self, select: Callable[[int], None]) -> Callable[[Token], None]:
        return lambda token: self._set(select, token.head[-1])

    def _select_device(self, devices: int) -> None:
        """ESC = n: what comes while the printer is not selected stands on a customer's display, and is not read."""
        self._on_kind = self._printing if devices & 1 else self._displaying

    def _set_page_mode(self, on: bool) -> None:
        self._page_mode, self._row = on, b""

    def _on_row(self, token: Token) -> None:
        """GS $, GS \\ and ESC W place the next text on a page; in standard mode they do nothing."""
        absolute = token.head[:2] == b"\x1d$"
        if self._page_mode and not (absolute and token.head[-2:] == self._row):
            self._end_line()
            self._row = token.head[-2:] if absolute else b""

    def _on_encoding(self, token: Token) -> None:
        """FS ( C and Star's ESC GS ) U, of which function 48 chooses the encoding, and 2 or Star's 1 is UTF-8."""
        utf8 = {b"C": (2, 0x32), b"U": (1, 0x31)}.get(token.head[-5:-4])
        if utf8 is not None and token.head[-2] in (0x00, 0x30):
            self._set(lambda value: self._decoder.select_utf8(value in utf8), token.head[-1])

    def _on_initialize(self, _: Token) -> list[DialectEvent]:
        events = self._end_job()
        self._decoder.reset()
        self._page_mode, self._on_kind = False, self._printing
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
        parts = split_at_gaps(lines)
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
