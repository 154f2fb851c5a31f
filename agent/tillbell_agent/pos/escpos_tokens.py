"""An ESC/POS octet stream becomes tokens: runs of text, control octets, whole commands.

Data whose length a command declares (images, symbols, downloads) is counted past and never looked at, so it cannot
spell text or a cut, and none of it is kept. The same octets give the same tokens however they are chunked, but that a
run of text or controls may come in parts. Never decodes text and never knows what a receipt is.

Recovery from noise: an unknown command loses its two octets (only the first where the second may itself begin a
command); a declared length beyond ``MAX_DECLARED_OCTETS`` is noise; whatever is still being skipped when the line
falls silent is given up by ``abandon``. So no octets make the tokenizer deaf for longer than one burst.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from tillbell_agent.pos.escpos_commands import PRINTERS, Printer
from tillbell_agent.pos.escpos_rules import NOT_THIS_COMMAND, Counted, Repeated, Rule, Terminated

# The largest thing that printers take in one command is a downloaded set of logos, 384 KiB; twice that and more is
# noise that reads as a length.
MAX_DECLARED_OCTETS = 1 << 20
# The longest head of any rule is 15 octets (GS D), so an incomplete command never holds more than 14.

_TEXT = re.compile(rb"[^\x00-\x1f]+")
_NOT_TEXT = re.compile(rb"[\x00-\x1f]")
_MAY_BEGIN = frozenset(b"\x1b\x1d")
_INCOMPLETE = -1


class TokenKind(StrEnum):
    """What a token is. The four single controls print or move; CONTROL is every other one, which does nothing."""

    TEXT = "text"
    CONTROL = "control"
    HT = "ht"
    LF = "lf"
    FF = "ff"
    CR = "cr"
    COMMAND = "command"
    UNKNOWN = "unknown"


class Token(NamedTuple):
    """``head``: the text or controls themselves, or a command's octets up to its data; ``octets``: all of them."""

    kind: TokenKind
    head: bytes
    octets: int


_SINGLES = {
    9: Token(TokenKind.HT, b"\t", 1),
    10: Token(TokenKind.LF, b"\n", 1),
    12: Token(TokenKind.FF, b"\f", 1),
    13: Token(TokenKind.CR, b"\r", 1),
}


@dataclass(slots=True)
class _Body:
    """A command whose data is being counted past."""

    head: bytes
    octets: int
    skip: int = 0
    ends_left: int = 0
    budget: int = 0
    items_left: int = 0
    rule: Rule | None = None

    @property
    def done(self) -> bool:
        return not (self.skip or self.ends_left or self.items_left)


class EscPosTokenizer:
    """Feed it octets in any chunks; it holds at most one command's head and four counters between calls."""

    def __init__(self, printer: Printer = PRINTERS["epson"]) -> None:
        self._rules = printer.rules
        self._printer = printer
        self._longer = frozenset(key[:size] for key in printer.rules for size in range(2, len(key)))
        self._begins = printer.prefixes
        idle = (octet for octet in range(32) if octet not in _SINGLES and octet not in printer.prefixes)
        self._control = re.compile(b"[" + re.escape(bytes(idle)) + b"]+")
        self._held = b""
        self._body: _Body | None = None

    @property
    def in_command(self) -> bool:
        """Whether the octets so far end inside a command."""
        return bool(self._held) or self._body is not None

    def abandon(self) -> int:
        """Give up the command that is not complete; the number of its octets that were heard."""
        heard = len(self._held) + (self._body.octets if self._body else 0)
        self._held, self._body, self._begins = b"", None, self._printer.prefixes
        return heard

    def feed(self, data: bytes) -> list[Token]:
        tokens: list[Token] = []
        data = self._held + data if self._held else data
        self._held = b""
        at, end = 0, len(data)
        while at < end:
            if self._body is not None:
                after = self._skip(self._body, data, at, tokens)
            elif (single := _SINGLES.get(data[at])) is not None:
                tokens.append(single)
                after = at + 1
            elif data[at] in self._begins:
                after = self._command(data, at, tokens)
            else:
                after = self._run(data, at, tokens)
            if after == _INCOMPLETE:
                self._held = data[at:]
                break
            at = after
        return tokens

    def _run(self, data: bytes, at: int, tokens: list[Token]) -> int:
        run, kind = _TEXT.match(data, at), TokenKind.TEXT
        if run is not None:
            self._begins = self._printer.prefixes  # text: the end of the bare mode was lost
        else:
            run, kind = self._control.match(data, at), TokenKind.CONTROL
        assert run is not None, "every octet is text, a single, a prefix or a control"
        head = run.group()
        tokens.append(Token(kind, head, len(head)))
        return run.end()

    def _command(self, data: bytes, at: int, tokens: list[Token]) -> int:
        """Read the command at ``at``; where to go on, or ``_INCOMPLETE`` where its head needs more octets."""
        size = 2 if data[at] in self._printer.prefixes else 1
        name, rule = data[at : at + size], None
        while True:
            if len(name) < size:
                return _INCOMPLETE
            rule = self._rules.get(name, rule)
            if name not in self._longer:
                break
            size += 1
            name = data[at : at + size]
        if rule is None:
            return self._unknown(data, at, tokens)
        head = data[at : at + rule.head]
        if len(head) < rule.head:
            return _INCOMPLETE
        body = _body_of(rule, head)
        if body is None:
            return self._unknown(data, at, tokens)
        if body.done:
            tokens.append(Token(TokenKind.COMMAND, head, rule.head))
            if head in self._printer.bare_mode:
                entered = head == self._printer.bare_mode[0]
                self._begins = self._printer.prefixes | (self._printer.bare if entered else frozenset())
        else:
            self._body = body
        return at + rule.head

    def _unknown(self, data: bytes, at: int, tokens: list[Token]) -> int:
        """Drop the prefix, and the octet behind it unless that may begin a command of its own."""
        octets = 1 if data[at + 1] in _MAY_BEGIN & self._printer.prefixes else 2
        tokens.append(Token(TokenKind.UNKNOWN, data[at : at + octets], octets))
        return at + octets

    def _skip(self, body: _Body, data: bytes, at: int, tokens: list[Token]) -> int:
        """Count past what ``body`` still needs of ``data``; emits the command when it is complete."""
        start, broken = at, False
        if body.skip:
            at += min(body.skip, len(data) - at)
            body.skip -= at - start
        elif body.ends_left:
            at, broken = _to_end(body, data, at)
        else:
            at, broken = _next_item(body, data, at)
            if at == start:
                return _INCOMPLETE
        body.octets += at - start
        if broken:
            tokens.append(Token(TokenKind.UNKNOWN, body.head[:2], body.octets))
            self._body = None
        elif body.done:
            tokens.append(Token(TokenKind.COMMAND, body.head, body.octets))
            self._body = None
        return at


def _body_of(rule: Rule, head: bytes) -> _Body | None:
    """What follows ``head``, or None where the head cannot be this command's."""
    body = _Body(head, rule.head, rule=rule)
    if isinstance(rule, Counted):
        body.skip = rule.more(head)
        return None if body.skip == NOT_THIS_COMMAND or body.skip > MAX_DECLARED_OCTETS else body
    if isinstance(rule, Terminated):
        body.ends_left, body.budget = rule.count, rule.limit
        return body
    body.items_left = rule.times(head)
    return body


def _to_end(body: _Body, data: bytes, at: int) -> tuple[int, bool]:
    """Go to the next terminator; True where it was lost: a control octet came first, or too much data."""
    rule = body.rule
    assert isinstance(rule, Terminated)
    limit = min(len(data), at + body.budget)
    stop = data.find(rule.end, at, limit)
    if rule.text_only:
        control = _NOT_TEXT.search(data, at, limit)
        if control is not None and data[control.start()] != rule.end and (stop < 0 or control.start() < stop):
            return control.start(), True
    if stop >= 0:
        body.ends_left -= 1
        body.budget -= stop + 1 - at
        return stop + 1, bool(body.ends_left) and body.budget <= 0
    body.budget -= limit - at
    return limit, body.budget <= 0


def _next_item(body: _Body, data: bytes, at: int) -> tuple[int, bool]:
    """Read the head of the next item; ``at`` unchanged where it is not whole yet, True where it is absurd."""
    rule = body.rule
    assert isinstance(rule, Repeated)
    item = data[at : at + rule.item_head]
    if len(item) < rule.item_head:
        return at, False
    body.items_left -= 1
    body.skip = rule.more(body.head, item)
    return at + rule.item_head, body.octets + body.skip > MAX_DECLARED_OCTETS
