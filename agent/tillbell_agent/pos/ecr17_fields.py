"""An ECR17 message becomes a request or an answer (Protocol 17, clause 5); positions count from 1, as the clauses do.

Letters are used in both directions, so length tells a request from an answer. Nothing is read but what the tables below
name: receipt texts, result texts, tokens and XML never leave, and a card number leaves as its last four digits.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final

from tillbell_agent.pos.partial_time import PartialTime
from tillbell_protocol.event import Settlement
from tillbell_protocol.pan import TruncatedPan

_Span = tuple[int, int]  # first position, characters

# What a till asks for: letter → shortest and longest message, and where its fields stand.
_REQUESTS: Final[Mapping[str, tuple[_Span, Mapping[str, _Span]]]] = {
    "P": ((160, 175), {"amount": (24, 8)}),
    "X": ((160, 175), {"amount": (24, 8)}),
    "A": ((32, 45), {"amount": (24, 8)}),
    "p": ((160, 175), {"amount": (24, 8)}),
    "i": ((168, 190), {"amount": (24, 8), "original": (160, 9)}),
    "c": ((168, 190), {"amount": (24, 8), "original": (160, 9)}),
    "S": ((26, 26), {"original": (19, 6)}),
    "Q": ((70, 90), {"amount": (47, 8), "original": (25, 6)}),
    "H": ((30, 45), {}),
    "D": ((110, 130), {}),
    "G": ((19, 24), {}),
}
_CARD_TO_CLOCK: Final = {"card": (13, 19), "auth_code": (35, 6), "clock": (41, 7)}
_TRAILER: Final = {"card_type": (48, 1), "stan": (60, 6), "online": (66, 6)}
_PAYMENT: Final = {**_CARD_TO_CLOCK, **_TRAILER}
# What a terminal answers. Old firmwares end behind the field that the shortest length names, and what they lack is
# unknown. An ``E`` may also be the answer to a key download, which is shorter or longer.
_ANSWERS: Final[Mapping[str, tuple[_Span, Mapping[str, _Span]]]] = {
    "E": ((65, 130), _PAYMENT),
    "V": ((82, 130), {**_PAYMENT, "amount": (75, 8)}),
    "A": ((58, 70), {**_CARD_TO_CLOCK, "clock": (52, 7)}),
    "e": (
        (67, 120),
        {**_CARD_TO_CLOCK, "amount": (41, 8), "receipt_no": (49, 9), "clock": (61, 7)}
        | {"card_type": (71, 1), "stan": (83, 6), "online": (89, 6)},
    ),
    "i": (
        (63, 90),
        {"card": (13, 19), "auth_code": (46, 6), "stan": (52, 6), "online": (58, 6), "clock": (64, 7)},
    ),
    "c": ((74, 100), _PAYMENT),
    "v": ((74, 130), _PAYMENT),
}
_HOST_AMOUNT: Final = (75, 8)
# Characters of an ``E`` that answers ``X``: with the reserved ones behind the host's amount, or without.
_EXTENDED: Final = frozenset((82, *range(92, 131)))
_REVERSAL = 84  # an ``E`` that answers ``S`` or ``Q``; only that has 84 characters
_CLOSURE: Final = 44  # characters of a closed session; the request for it has 26
_POS_TOTAL: Final = (13, 16)
# Where the result is not "00", a text stands in the place of the card's fields; these stand behind it.
_ALWAYS: Final = frozenset({"stan", "online", "amount"})
_OF_ANY_RESULT: Final = ("letter", "terminal_id", "result_code", "stan", "online")
APPROVED = "00"
_HEAD = re.compile(rb"[0-9A-Za-z ]{8}[0-9A-Za-z ]([A-Za-z])")


@dataclass(frozen=True, slots=True)
class Request:
    """``letter``: of the clause. ``original_ref``: the STAN or the pre-authorisation code of what is to be changed."""

    letter: str
    terminal_id: str | None
    amount_minor: int | None
    original_ref: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a transaction. ``online``: the host's number of it. ``reversal``: it has the length of a reversal's."""

    letter: str
    terminal_id: str | None
    result_code: str
    card: TruncatedPan | None
    amount_minor: int | None
    auth_code: str | None
    stan: str | None
    online: str | None
    receipt_no: str | None
    clock: PartialTime | None
    is_bancomat: bool
    reversal: bool

    @property
    def numbers(self) -> tuple[str | None, ...]:
        """What terminal and host count transactions by."""
        return (self.stan, self.online, self.auth_code)

    def looks_like(self, other: "Answer") -> bool:
        """Whether one of the two may be the other with damaged octets: a number is common, or all but one field."""
        common = any(
            mine is not None and mine == yours
            for mine, yours in zip(self.numbers, other.numbers, strict=True)
        )
        told = (
            _OF_ANY_RESULT if self.result_code != other.result_code else [each.name for each in fields(self)]
        )
        return common or sum(getattr(self, name) != getattr(other, name) for name in told) <= 1


def letter_of(message: bytes) -> str | None:
    """The message code at position 10; None where this is no message of the protocol."""
    head = _HEAD.match(message)
    return head[1].decode("ascii") if head else None


def read_request(message: bytes) -> Request | None:
    """What a till asked for, if it concerns money or a card; None for all else."""
    letter = letter_of(message)
    spans = _fields(_REQUESTS, letter, message)
    if letter is None or spans is None or (letter == "S" and not message[10:].isdigit()):
        return None  # an ``S`` of the terminal is a piece of a receipt
    cut = {name: _cut(message, span) for name, span in spans.items()}
    return Request(
        letter, _number(_cut(message, (1, 8))), _amount(cut.get("amount")), _number(cut.get("original"))
    )


def read_answer(message: bytes) -> Answer | None:
    """The result of a transaction; None for all else, and where no result can be read."""
    letter = letter_of(message)
    spans = _fields(_ANSWERS, letter, message)
    result = _cut(message, (11, 2))
    if letter is None or spans is None or not (result.isascii() and result.isdigit()):
        return None
    if letter == "E" and len(message) in _EXTENDED:
        spans = {**spans, "amount": _HOST_AMOUNT}
    names = spans if result == APPROVED else _ALWAYS & spans.keys()
    cut = {name: _cut(message, spans[name]) for name in names}
    if letter == "e" and result != APPROVED:
        cut.pop("amount", None)
    return _answer(letter, message, result, cut)


def read_closure(message: bytes, currency: str) -> Settlement | None:
    """A session that was closed, with the terminal's own total; None for all else."""
    total = _cut(message, _POS_TOTAL)
    if letter_of(message) != "C" or len(message) < _CLOSURE or _cut(message, (11, 2)) != APPROVED:
        return None
    amount = int(total) if total.isascii() and total.isdigit() else None
    return Settlement(_number(_cut(message, (1, 8))), amount_minor=amount, currency=currency)


def _answer(letter: str, message: bytes, result: str, cut: Mapping[str, str]) -> Answer:
    return Answer(
        letter,
        _number(_cut(message, (1, 8))),
        result,
        _card(cut.get("card", "")),
        _amount(cut.get("amount")),
        _number(cut.get("auth_code")),
        _number(cut.get("stan")),
        _number(cut.get("online")),
        _number(cut.get("receipt_no")),
        _clock(cut.get("clock", "")),
        cut.get("card_type") == "1",
        letter == "E" and len(message) == _REVERSAL,
    )


def _fields(
    table: Mapping[str, tuple[_Span, Mapping[str, _Span]]], letter: str | None, message: bytes
) -> Mapping[str, _Span] | None:
    if letter is None or letter not in table:
        return None
    (shortest, longest), spans = table[letter]
    return spans if shortest <= len(message) <= longest else None


def _cut(message: bytes, span: _Span) -> str:
    """A field's characters; none where the message ends before or within it, since half a number is another one."""
    first, characters = span
    end = first - 1 + characters
    return message[first - 1 : end].decode("latin-1") if end <= len(message) else ""


def _number(text: str | None) -> str | None:
    """A reference as sent; None where only its filling was sent, or something that is no reference."""
    text = (text or "").strip(" ")
    return text if text.isascii() and text.isalnum() and text.strip("0") else None


def _amount(text: str | None) -> int | None:
    """Minor units. Zeros are what an unused field holds, never an amount."""
    return (int(text) or None) if text and text.isascii() and text.isdigit() else None


def _card(text: str) -> TruncatedPan | None:
    """The last four digits: terminals send zeros before them, and some the whole number."""
    return TruncatedPan.from_printed(text) if text.strip("0 ") else None


def _clock(text: str) -> PartialTime | None:
    """DDDHHMM: day of the year, hours, minutes."""
    if not (len(text) == 7 and text.isascii() and text.isdigit()):
        return None
    day, hour, minute = int(text[:3]), int(text[3:5]), int(text[5:])
    return PartialTime(None, day, hour, minute) if 1 <= day <= 366 and hour < 24 and minute < 60 else None
