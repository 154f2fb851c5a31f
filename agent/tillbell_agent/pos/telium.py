"""The ``telium`` dialect: answers of French terminals that speak the Concert protocol to their till become transactions.

Protocols E and E+ of Ingenico's Telium Manager, as public libraries of tills implement them. The terminal's answer holds
status, amount and, in its long form, a report that begins with the card's number. Whether money was taken, reserved
or given back stands in the till's ask only, so with the terminal's line alone a refund is told as a sale.

Limits. The protocol has no number, no time and no authorization: nothing tells a payment from the next of the same
amount, so no key is given. An answer that comes again without a new ask within fifteen seconds is the same one. A till
that does not wait for the payment (A011) gets an answer that says nothing of it, and nothing is told. A refund whose
ask came before the agent's start is told as a sale.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from tillbell_agent.pos.dialect import Desynced, DialectEvent, Ignored, Line, TransactionCompleted
from tillbell_agent.pos.settings import DialectSettings, unknown_name
from tillbell_agent.pos.stx_etx import FramedDialect
from tillbell_protocol.event import Kind, Transaction
from tillbell_protocol.iso4217 import alpha_code
from tillbell_protocol.pan import TruncatedPan, luhn_holds

FRAMING = (
    "Turns of ENQ (05), ACK (06), one frame, ACK, EOT (04), begun by whoever has something to say. A frame is STX payload "
    "ETX LRC, the LRC over payload and ETX. The payload has fixed columns: an ask of the till 26, and up to two options of 4 "
    "behind them; an answer of the terminal 25, or 80 with a report, and a receipt's text behind that. A frame that is "
    "refused (NAK, 15) or not acknowledged is said again."
)
FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "ask: till's number": "pairs the answer with its ask",
        "ask: amount": "amount_minor where the answer's is blank or zero",
        "ask: type": "kind: 0 is a sale, 1 and 2 a refund, 4 a pre-authorization",
        "ask: delay": "A011: the answer comes before the payment and tells nothing",
        "ask: form of answer, mode, currency, private, authorization, receipt": "dropped",
        "answer: till's number": "pairs the answer with its ask",
        "answer: status": "result_code; 0 is accepted, 7 declined, all else tells nothing",
        "answer: amount": "amount_minor; blank or zero, it is the ask's",
        "answer: mode": "scheme; C is a cheque",
        "answer: report": "card: the last four digits of the number at its beginning; dropped for a cheque",
        "answer: currency": "currency, by its number",
        "answer: private, receipt": "dropped",
    }
)
UNKNOWN_ON_ONE_LINE = (
    "Whether money was taken, reserved or given back: a refund and a pre-authorization are told as a sale. Whether the "
    "terminal answered before the payment, as tills may ask it to (A011): then a sale is told that may not have come about. "
    "Tap both lines."
)
LAYOUTS: Mapping[str, str] = MappingProxyType(
    {"auto": "the one there is: asks of 26, 30 or 34 octets, answers of 25, 80 or, with a receipt, more"}
)
LINE_DEFAULTS = "9600 8N1; old terminals 9600 7E1"

MAX_PAYLOAD_OCTETS = 80 + 4096  # a receipt has some hundred lines at most
REPEATS_S = 15.0  # a terminal tries three times, a few seconds apart; a payment takes a card and its holder
ASKED_S = 180.0  # tills wait two minutes for an answer

# Without options nothing but a currency, which is never 000, tells an ask from other digits.
_ASK = re.compile(
    r"([0-9 ]{2})([0-9]{8})..(.)(?:.{13}(A01[01])B01[012]|(?!000)[0-9]{3}.{10}(?:T01[012])?)", re.S
)
_ANSWER_HEAD = r"([0-9 ]{2})([0-9])([0-9 ]{8})(.)"
_ANSWER = re.compile(_ANSWER_HEAD + r"(.{55})?([0-9]{3}| {3}).{10}", re.S)
_ANSWER_WITH_RECEIPT = re.compile(_ANSWER_HEAD + r"(.{55})(?!000)([0-9]{3}).{11,}", re.S)
_KINDS = {"0": Kind.SALE, "1": Kind.REFUND, "2": Kind.REFUND, "4": Kind.PREAUTH}
# ISO/IEC 7812-1: a card's number has 13 to 19 digits. How many is its issuer's affair, by the first two; else 16.
_PAN_DIGITS = range(13, 20)
_DIGITS = re.compile(r"[1-9][0-9]*")
_USUAL_DIGITS = {"30": 14, "36": 14, "38": 14, "39": 14, "34": 15, "37": 15}
_AT_ONCE = "A011"
_ACCEPTED, _REFUSED = "0", "7"
_CHEQUE = "C"
_SCHEMES = {
    "2": "amex",
    "6": "diners",
    "9": "jcb",
    "U": "unionpay",
    "3": "Cetelem",
    "5": "Cofinoga",
    "O": "Moneo",
}


class _Ask(NamedTuple):
    till: str
    amount_minor: int | None
    type: str
    delay: str | None
    at: float


class _Answer(NamedTuple):
    till: str
    status: str
    amount_minor: int | None
    currency: str | None
    mode: str
    card: TruncatedPan | None


class Telium(FramedDialect):
    """One terminal, heard on both lines or on its own. A ``Dialect``."""

    def __init__(self, settings: DialectSettings) -> None:
        if settings.layout not in LAYOUTS:
            raise unknown_name("layout", settings.layout, LAYOUTS)
        self._currency = settings.currency
        super().__init__(MAX_PAYLOAD_OCTETS, settings.idle_s, REPEATS_S)
        self._asked: _Ask | None = None

    def unpair(self) -> None:
        """See ``Dialect``: whether it was a refund is unknown then."""
        self._asked = None

    def _payload(self, payload: str, now: float, line: Line) -> list[DialectEvent]:
        if ask := _ASK.fullmatch(payload):
            till, amount, type_, delay = ask.groups()
            self._asked = _Ask(till, _amount(amount), type_, delay, now)
            self._repeats.asked(line)
            return []
        if match := _ANSWER.fullmatch(payload) or _ANSWER_WITH_RECEIPT.fullmatch(payload):
            return [self._answer(self._read(match), now)]
        return [Desynced(len(payload), "a frame that is neither ask nor answer")]

    def _read(self, match: re.Match[str]) -> _Answer:
        till, status, amount, mode, report, currency = match.groups()
        return _Answer(
            till,
            status,
            _amount(amount),
            alpha_code(int(currency)) if currency.isdigit() else self._currency,
            mode,
            None if report is None or mode == _CHEQUE else _card(report),
        )

    def _answer(self, answer: _Answer, now: float) -> DialectEvent:
        if self._repeats.is_repeated(answer, now):
            return Ignored("repetition")
        ask, self._asked = self._asked, None
        if ask is not None and (ask.till != answer.till or now - ask.at > ASKED_S):
            ask = None
        if ask is not None and ask.delay == _AT_ONCE:
            return Ignored("an answer before the payment")
        kind = _kind(answer.status, ask)
        if kind is None:
            return Ignored("no known outcome")
        return TransactionCompleted(_transaction(kind, answer, ask), None)


def _amount(digits: str) -> int | None:
    """Minor units. Zeros are what an unused field holds, never an amount."""
    return (int(digits) or None) if digits.isdigit() else None


def _card(report: str) -> TruncatedPan | None:
    return TruncatedPan.from_printed(_without_fill(report.split(" ", 1)[0]))


def _without_fill(number: str) -> str:
    """Of more digits than a card has, those before a fill of zeros, where they make a card's number.

    Zeros at the number's own end look like the fill, and a number stays one with two zeros more or less, so the usual
    length goes before the shortest.
    """
    if len(number) < _PAN_DIGITS.stop or not _DIGITS.fullmatch(number):
        return number
    shortest = len(number.rstrip("0"))
    lengths = (_USUAL_DIGITS.get(number[:2], 16), shortest)
    known = (each for each in lengths if shortest <= each and each in _PAN_DIGITS)
    return next((number[:each] for each in known if luhn_holds(number[:each])), number)


def _kind(status: str, ask: _Ask | None) -> Kind | None:
    """What it is; without an ask, a sale. None: the payment's outcome or the till's wish is not known."""
    wished = Kind.SALE if ask is None else _KINDS.get(ask.type)
    if status == _REFUSED:
        return Kind.DECLINED
    return wished if status == _ACCEPTED else None


def _transaction(kind: Kind, answer: _Answer, ask: _Ask | None) -> Transaction:
    amount = answer.amount_minor
    if amount is None and ask is not None:
        amount = ask.amount_minor
    return Transaction(
        kind,
        amount_minor=amount,
        currency=answer.currency,
        card=answer.card,
        scheme=_SCHEMES.get(answer.mode),
        method="cheque" if answer.mode == _CHEQUE else None,
        result_code=answer.status,
    )
