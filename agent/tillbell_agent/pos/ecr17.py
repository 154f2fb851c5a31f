"""The ``ecr17`` dialect: Italian tills and terminals ("Protocollo 17" of Nexi, PAX, Ingenico), one line or both.

Source: ECR17 Protocol Specification, clauses 2 (repetitions), 4 (packets) and 5 (messages). An answer rarely holds the
amount; it stands in the till's request, which is kept for ``REQUEST_KEPT_S`` or until the next one, and an answer is
taken for its answer only where the letters, the terminal and the way of the check octet agree. Receipt lines, totals,
status, tokens and card verifications tell nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from tillbell_agent.pos.dialect import (
    Desynced,
    DialectEvent,
    Ignored,
    Line,
    SettlementHeard,
    TransactionCompleted,
)
from tillbell_agent.pos.ecr17_fields import (
    APPROVED,
    Answer,
    Request,
    letter_of,
    read_answer,
    read_closure,
    read_request,
)
from tillbell_agent.pos.ecr17_frames import Frame, Framer, Modes, Trust
from tillbell_agent.pos.settings import DialectSettings, unknown_name
from tillbell_protocol.event import Kind, Settlement, Transaction

FRAMING: Final = (
    "STX (02), message, ETX (03), one check octet: all octets of the message XORed, beginning with 7F. Whether STX and "
    "ETX count too differs by firmware, so there are four ways. While the customer is busy the terminal says SOH (01), 20 "
    "characters, EOT (04). Each message is confirmed with ACK (06) or refused with NAK (15), bare or with ETX and a check "
    "octet, and sent up to three times."
)
FIELDS: Final[Mapping[str, str]] = {
    "terminal (1-8)": "terminal_id",
    "message code (10)": "kind, with the till's request; G (last result), H (card verification) and D tell nothing",
    "result (11-12)": "result_code; all but 00 is declined",
    "PAN (13-31)": "its last four digits, card; the rest is dropped",
    "result text (13-36, where the result is not 00)": "dropped",
    "entry mode (32-34)": "dropped",
    "authorisation (35-40; i: 46-51)": "auth_code",
    "DDDHHMM (41-47; A: 52-58; e: 61-67; i: 64-70)": "the terminal's time: day of the year, hours, minutes",
    "card type (48; e: 71)": "scheme, where it is 1: PagoBANCOMAT",
    "acquirer (49-59)": "dropped",
    "STAN (60-65; e: 83-88; i: 52-57)": "stan",
    "online number (66-71)": "used to know a repeated answer, and dropped",
    "amount of a request (24-31; Q: 47-54)": "amount_minor",
    "amount of an answer (V: 75-82; e: 41-48; E that answers X, of 82 or of 92 characters: 75-82)": "amount_minor, before that of the request",
    "exchange (V: 83-107)": "dropped: the shop's own amount counts",
    "pre-authorisation code (e: 49-57)": "receipt_no",
    "STAN or code of the original (S: 19-24; Q: 25-30; i, c: 160-168)": "original_ref",
    "totals (C: 13-28)": "a settlement's amount",
    "receipt lines (S), tokens (U), XML (K), receipt text of a request": "dropped",
}
UNKNOWN_ON_ONE_LINE: Final = (
    "The amount of payments, refunds and closures: only answers to X, answers with an exchange of currencies (V) and "
    "pre-authorisations hold one. The transaction that is reversed. Whether an E is a payment or the verification of a "
    "card: it is told as a sale of unknown amount."
)
LAYOUTS: Final[Mapping[str, str]] = {
    "auto": "learns from the frames which octets the check octet covers",
    "lrc": "the check octet covers the message alone",
    "lrc-stx": "the check octet covers STX and the message",
    "lrc-etx": "the check octet covers the message and ETX",
    "lrc-stx-etx": "the check octet covers STX, the message and ETX",
}
LINE_DEFAULTS: Final = "9600 8N1"

REQUEST_KEPT_S = 180.0  # card, PIN and host together take less
DOUBT_S = 5.0  # a refused or unconfirmed message is repeated sooner
REPEAT_S = 15.0  # within this an answer that nothing else identifies is a repetition

_MODES: Final = {"auto": None, "lrc": 0, "lrc-stx": 2, "lrc-etx": 3, "lrc-stx-etx": 1}
_KINDS_ASKED: Final = {
    "P": Kind.SALE,
    "X": Kind.SALE,
    "A": Kind.REFUND,
    "p": Kind.PREAUTH,
    "i": Kind.PREAUTH,
    "c": Kind.PREAUTH_COMPLETION,
    "S": Kind.REVERSAL,
    "Q": Kind.REVERSAL,
}
_KINDS_ANSWERED: Final = {
    "E": Kind.SALE,
    "V": Kind.SALE,
    "A": Kind.REFUND,
    "e": Kind.PREAUTH,
    "i": Kind.PREAUTH,
    "c": Kind.PREAUTH_COMPLETION,
    "v": Kind.PREAUTH_COMPLETION,
}
_ANSWERED_BY: Final = {
    "P": "EV",
    "X": "EV",
    "A": "AE",  # some terminals answer a refund as they answer a payment
    "p": "e",
    "i": "i",
    "c": "cv",
    "S": "E",
    "Q": "E",
    "H": "E",
    "D": "",
}
_ANY: Final = "EVAeicv"  # the last result may be of any kind
_TELLS_NOTHING: Final = {"G": "last result", "H": "card verification"}
_REST: Final = {
    "C": "session",
    "T": "totals",
    "s": "status",
    "S": "receipt lines",
    "U": "tokens",
    "K": "added services",
}


@dataclass(slots=True)
class _Asked:
    """A till's request that waits for its answer. ``answered``: by which answer, so that a repeated one is the same."""

    request: Request
    mode: int
    at: float
    answered: Answer | None = None

    def fits(self, answer: Answer, mode: int, now: float) -> bool:
        """Whether ``answer`` is what this request waits for; damage in either shows as another mode."""
        return (
            now - self.at <= REQUEST_KEPT_S
            and mode == self.mode
            and answer.letter in _ANSWERED_BY.get(self.request.letter, _ANY)
            and self.answered in (None, answer)
            and (self.request.terminal_id in (None, answer.terminal_id) or answer.terminal_id is None)
        )


@dataclass(frozen=True, slots=True)
class _Held:
    """An answer whose check octet is in doubt: a repetition may follow, and then that counts.

    ``refused``: the other end said NAK since.
    """

    answer: Answer
    mode: int
    at: float
    refused: bool = False

    def is_corrected_by(self, answer: Answer, mode: int) -> bool:
        """Whether ``answer`` is what this one should have been.

        Damage that leaves a check octet which holds in another way shows as that other way. Two that hold in the same way
        bear each other out.
        """
        if mode == self.mode:
            return answer == self.answer
        return self.refused or answer.looks_like(self.answer)


class Ecr17:
    """One till and its terminal. A ``Dialect``."""

    def __init__(self, settings: DialectSettings) -> None:
        if settings.layout not in LAYOUTS:
            raise unknown_name("layout", settings.layout, LAYOUTS)
        self._currency = settings.currency
        self._idle_s = settings.idle_s
        self._framers = {line: Framer() for line in Line}
        self._modes = Modes(_MODES[settings.layout])
        self._asked: _Asked | None = None
        self._held: _Held | None = None
        self._last_key: str | None = None
        self._without_key: tuple[object, float] | None = None  # what came last, and when

    def receive_data(self, data: bytes, now: float, line: Line = Line.TERMINAL) -> list[DialectEvent]:
        """Hear ``data`` at ``now``. Who speaks follows from what is said; each line has its own frames."""
        events = self.tick(now)
        framer = self._framers[line]
        for frame in framer.feed(data, now):
            events += self._on_frame(frame, now)
        if events:
            events = self._skipped(framer) + events
        return events

    def next_deadline(self) -> float | None:
        deadlines = [each.last_heard + self._idle_s for each in self._framers.values() if each.waits]
        if self._held is not None:
            deadlines.append(self._held.at + DOUBT_S)
        return min(deadlines, default=None)

    def tick(self, now: float) -> list[DialectEvent]:
        events: list[DialectEvent] = []
        for framer in self._framers.values():
            if framer.waits and now >= framer.last_heard + self._idle_s:
                framer.abandon()
                events += self._skipped(framer)
        if self._held is not None and now >= self._held.at + DOUBT_S:
            events += self._tell_held(now)
        return events

    def unpair(self) -> None:
        """See ``Dialect``: an amount that only the till said is unknown then."""
        self._asked = None

    def close(self, now: float) -> list[DialectEvent]:
        """The line breaks: an answer in doubt is told, a request waits no more."""
        events: list[DialectEvent] = []
        for framer in self._framers.values():
            framer.abandon()
            events += self._skipped(framer)
        events += self._tell_held(now)
        self._asked = None
        return events

    def _skipped(self, framer: Framer) -> list[DialectEvent]:
        octets, framer.skipped = framer.skipped, 0
        return [Desynced(octets, "octets that are in no frame")] if octets else []

    def _on_frame(self, frame: Frame, now: float) -> list[DialectEvent]:
        if not frame.message:
            return self._on_refusal()
        trust = self._modes.judge(frame.mode)
        if trust is Trust.DAMAGED:
            return [Desynced(len(frame.message) + 3, "a check octet that does not hold")]
        request = read_request(frame.message)
        if request is not None:
            return self._on_request(request, frame.mode, now)
        answer = read_answer(frame.message)
        if answer is None:
            return self._on_rest(frame.message, now)
        events = self._replace_held(answer, frame.mode, now)
        if trust is Trust.DOUBTFUL:
            self._held = _Held(answer, frame.mode, now)
            return events
        return events + self._on_answer(answer, frame.mode, now)

    def _on_refusal(self) -> list[DialectEvent]:
        self._modes.refused()
        if self._held is not None:
            self._held = replace(self._held, refused=True)
        return []

    def _replace_held(self, answer: Answer, mode: int, now: float) -> list[DialectEvent]:
        """Another answer follows: what was held is told, unless that is its correction."""
        if self._held is not None and self._held.is_corrected_by(answer, mode):
            self._held = None
        return self._tell_held(now)

    def _on_request(self, request: Request, mode: int, now: float) -> list[DialectEvent]:
        """The next conversation begins; a repeated request changes nothing of this one."""
        events = self._tell_held(now)
        before = self._asked
        if before is None or before.answered is not None or before.request != request:
            self._without_key = None  # an equal answer is another one's from now on
        self._asked = _Asked(request, mode, now)
        return events

    def _tell_held(self, now: float) -> list[DialectEvent]:
        held, self._held = self._held, None
        return self._on_answer(held.answer, held.mode, now) if held is not None else []

    def _on_rest(self, message: bytes, now: float) -> list[DialectEvent]:
        """Receipts, totals, status: nothing of it is money, but a session's end is kept."""
        closure = read_closure(message, self._currency)
        if closure is not None:
            return self._on_closure(closure, now)
        why = _REST.get(letter_of(message) or "")
        return [Ignored(why)] if why else []

    def _on_closure(self, closure: Settlement, now: float) -> list[DialectEvent]:
        return (
            [Ignored("repetition")] if self._is_repeated(closure, now) else [SettlementHeard(closure, None)]
        )

    def _on_answer(self, answer: Answer, mode: int, now: float) -> list[DialectEvent]:
        key = _key(answer)
        if key is None and self._is_repeated(answer, now):
            return [Ignored("repetition")]
        asked = self._asked if self._asked is not None and self._asked.fits(answer, mode, now) else None
        if asked is not None:
            if asked.answered is None and key is not None and key == self._last_key:
                return [
                    Ignored("repetition")
                ]  # of what came before this request, whose own answer is yet to come
            asked.answered = answer
            if asked.request.letter in _TELLS_NOTHING:
                return [Ignored(_TELLS_NOTHING[asked.request.letter])]
        self._last_key = key
        request = asked.request if asked is not None else None
        return [TransactionCompleted(self._transaction(answer, request), key, clock=answer.clock)]

    def _is_repeated(self, what: object, now: float) -> bool:
        """Of what has no identity: the same again, with nothing else between, before a person could do it twice."""
        before, self._without_key = self._without_key, (what, now)
        return before is not None and before[0] == what and now - before[1] <= REPEAT_S

    def _transaction(self, answer: Answer, request: Request | None) -> Transaction:
        amount = answer.amount_minor
        if amount is None and request is not None:
            amount = request.amount_minor
        return Transaction(
            _kind(answer, request),
            amount_minor=amount,
            currency=self._currency,
            card=answer.card,
            receipt_no=answer.receipt_no,
            stan=answer.stan,
            auth_code=answer.auth_code,
            terminal_id=answer.terminal_id,
            scheme="pagobancomat" if answer.is_bancomat else None,
            result_code=answer.result_code,
            original_ref=request.original_ref if request is not None else None,
        )


def _kind(answer: Answer, request: Request | None) -> Kind:
    if answer.result_code != APPROVED:
        return Kind.DECLINED
    if request is not None:
        return _KINDS_ASKED[request.letter]
    return Kind.REVERSAL if answer.reversal else _KINDS_ANSWERED[answer.letter]


def _key(answer: Answer) -> str | None:
    """What tells this transaction for ever: the terminal's and the host's numbers with the time; None without numbers."""
    if not (answer.stan or answer.online or answer.auth_code):
        return None
    clock = answer.clock
    time = f"{clock.day:03}{clock.hour:02}{clock.minute:02}" if clock is not None else None
    parts = (
        answer.terminal_id,
        answer.letter,
        answer.result_code,
        answer.stan,
        answer.online,
        answer.auth_code,
        time,
    )
    return "|".join(part or "" for part in parts)
