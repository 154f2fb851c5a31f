"""ISO 8583 between a terminal and its host: each answered transaction is told once. What varies is a specification's.

An answer decides: it is told when it comes, with what its request said and it does not repeat. What may leave a request
is kept for ``REQUEST_S``, so that an answer said again is told alike. A reversal is an event of its own that names the first transaction; it is not
told where the request of the first was heard and nobody ever approved it, since then nothing was told.
"""

from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime
from enum import Enum

from tillbell_agent.pos.dialect import (
    Desynced,
    DialectEvent,
    Ignored,
    Line,
    SettlementHeard,
    TransactionCompleted,
)
from tillbell_agent.pos.iso8583_fields import Message, MessageReader
from tillbell_agent.pos.iso8583_framer import Framer, Shape
from tillbell_agent.pos.iso8583_spec import Rule, Specification
from tillbell_agent.pos.money import exponent
from tillbell_agent.pos.partial_time import PartialTime
from tillbell_agent.pos.settings import DialectSettings
from tillbell_protocol.event import Kind, Settlement, Transaction
from tillbell_protocol.iso4217 import alpha_code, numeric_code

REQUEST_S = 90.0  # terminals give up after 60 s at most
MOST_REQUESTS = 16  # a concentrator's terminals speak at once
MOST_REMEMBERED = 256  # transactions that a reversal may follow; it comes before the terminal's next one

_KINDS = {each.word: each for each in Kind}
_NO_DIGITS = frozenset("0")
_MAY_BE_MONEY = "124"  # authorisation, financial, reversal
_KEY = ("terminal_id", "batch", "stan", "rrn", "local_date", "local_time")


class _Fate(Enum):
    """What is known of a transaction whose request was heard, or whose answer."""

    ASKED = "asked"
    APPROVED = "approved"
    REFUSED = "refused"
    REVERSED = "reversed"  # before it was approved: an approval that comes late changes nothing


class Iso8583Engine:
    """One link, of one terminal or of a concentrator of several. Bounded by the framers' buffers and the numbers above."""

    def __init__(self, settings: DialectSettings, *specifications: Specification) -> None:
        """Of several specifications, each line is read by that in which its messages divide."""
        self._currency, self._idle_s = settings.currency, settings.idle_s
        self._framers = {line: Framer(*map(_shape, specifications)) for line in Line}
        self._silent_at: dict[Line, float] = {}
        # Oldest first: (exchange, terminal, trace number) → the request, and when it is forgotten.
        self._requests: OrderedDict[tuple[str, str, str], tuple[Message, float]] = OrderedDict()
        # Oldest first, by terminal and trace number.
        self._fates: OrderedDict[tuple[str, str], _Fate] = OrderedDict()

    def receive_data(self, data: bytes, now: float, line: Line = Line.TERMINAL) -> list[DialectEvent]:
        events = self.tick(now)
        events += self._heard(self._framers[line].receive(data), now)
        self._silent_at[line] = now + self._idle_s
        return events

    def next_deadline(self) -> float | None:
        deadlines = [at for line, at in self._silent_at.items() if self._framers[line].waits]
        if self._requests:
            deadlines.append(next(iter(self._requests.values()))[1])
        return min(deadlines, default=None)

    def tick(self, now: float) -> list[DialectEvent]:
        events: list[DialectEvent] = []
        for line, at in self._silent_at.items():
            if at <= now and self._framers[line].waits:
                events += self._heard(self._framers[line].give_up(), now)
        while self._requests and next(iter(self._requests.values()))[1] <= now:
            self._requests.popitem(last=False)
        return events

    def unpair(self) -> None:
        """See ``Dialect``: an answer names its request by its trace number."""

    def close(self, now: float) -> list[DialectEvent]:
        events: list[DialectEvent] = []
        for framer in self._framers.values():
            events += self._heard(framer.give_up(), now)
        self._requests.clear()
        return events

    def _heard(self, found: Iterable[Message | Desynced], now: float) -> list[DialectEvent]:
        events: list[DialectEvent] = []
        for each in found:
            if isinstance(each, Desynced):
                events.append(each)
            elif each.is_answer:
                events += self._answered(each, each.answering(self._request_of(each)))
            else:
                self._asked(each, now)
        return events

    def _asked(self, message: Message, now: float) -> None:
        terminal, stan = _place(message)
        key = (message.exchange, terminal, stan)
        self._requests.pop(key, None)
        self._requests[key] = (message, now + REQUEST_S)
        while len(self._requests) > MOST_REQUESTS:
            self._requests.popitem(last=False)
        if not _is_reversal(message) and self._fates.get((terminal, stan)) is not _Fate.APPROVED:
            self._remember((terminal, stan), _Fate.ASKED)

    def _remember(self, place: tuple[str, str], fate: _Fate) -> None:
        self._fates[place] = fate
        self._fates.move_to_end(place)
        while len(self._fates) > MOST_REMEMBERED:
            self._fates.popitem(last=False)

    def _request_of(self, answer: Message) -> Message | None:
        """By exchange and trace number, and by the terminal where both name it."""
        terminal, stan = _place(answer)
        exchange = answer.exchange
        exact = self._requests.get((exchange, terminal, stan))
        if exact is not None:
            return exact[0]
        for (asked, by, number), (request, _) in self._requests.items():
            if (asked, number) == (exchange, stan) and not (by and terminal):
                return request
        return None

    def _answered(self, answer: Message, message: Message) -> list[DialectEvent]:
        """``message``: the answer and what its request adds to it. Sign-ons, echoes and uploads are nobody's concern."""
        rule = message.spec.rule(message.mti, message.values)
        if rule is None:
            unknown = message.mti[1] in _MAY_BE_MONEY
            return [Ignored(f"{message.mti} is no transaction")] if unknown else []
        code = message.values.get("result_code")
        why = rule.why if rule.kind == "ignored" else "no result"
        if rule.kind == "ignored" or code is None:
            return [Ignored(why)]
        return [self._decided(answer, message, rule, approved=code in message.spec.approved)]

    def _decided(self, answer: Message, message: Message, rule: Rule, *, approved: bool) -> DialectEvent:
        if rule.kind == "settlement":
            return self._settled(answer, message) if approved else Ignored("settlement refused")
        kind = _KINDS[rule.kind]
        why = (self._no_reversal if kind is Kind.REVERSAL else self._no_news)(message, approved)
        if why is not None:
            return Ignored(why)
        kind = kind if approved else Kind.DECLINED
        key, clock = _key(answer, message, kind.word), _time(message)[0]
        return TransactionCompleted(self._transaction(message, kind, rule), key, clock=clock)

    def _no_news(self, message: Message, approved: bool) -> str | None:
        """Why an answer is none; what one that is decides is remembered."""
        if not approved:
            # One that was approved and is said again is refused as known already.
            if self._fates.get(_place(message)) is not _Fate.APPROVED:
                self._remember(_place(message), _Fate.REFUSED)
            return None
        if message.amount_is_nothing:
            return "an amount of nothing"
        if self._fates.get(_place(message)) is _Fate.REVERSED:
            return "approved after its reversal"
        self._remember(_place(message), _Fate.APPROVED)
        return None

    def _no_reversal(self, message: Message, approved: bool) -> str | None:
        terminal, stan = _place(message)
        first = terminal, _number(message, "original_stan") or stan
        if not approved:
            return "reversal refused"
        if self._fates.get(first, _Fate.APPROVED) is _Fate.APPROVED:
            return None
        self._remember(first, _Fate.REVERSED)
        return "reversal of what was never approved"

    def _settled(self, answer: Message, message: Message) -> SettlementHeard:
        """The terminal counts anew in its next batch: a number says nothing of the batch before.

        What was asked may be of the next one already, where the lines' order was lost.
        """
        terminal, _ = _place(message)
        for place, fate in list(self._fates.items()):
            if place[0] == terminal and fate is not _Fate.ASKED:
                del self._fates[place]
        return _settlement(answer, message)

    def _transaction(self, message: Message, kind: Kind, rule: Rule) -> Transaction:
        said = message.values
        currency = self._currency_of(message)
        return Transaction(
            kind=kind,
            amount_minor=None if rule.without_amount else self._amount(message, currency),
            currency=currency,
            card=message.card,
            terminal_time=_time(message)[1],
            receipt_no=said.get("receipt_no"),
            rrn=said.get("rrn"),
            stan=said.get("stan"),
            auth_code=said.get("auth_code"),
            batch=said.get("batch"),
            terminal_id=said.get("terminal_id"),
            merchant_id=said.get("merchant_id"),
            scheme=message.spec.schemes.get(said.get("scheme", "")),
            result_code=said.get("result_code"),
            original_ref=_original(message, kind),
        )

    def _currency_of(self, message: Message) -> str | None:
        """As the message has it, in figures or letters; a code that nobody knows is no currency."""
        code = message.values.get("currency")
        if code is None:
            return self._currency
        if code.isascii() and code.isdigit():
            return alpha_code(int(code))
        return code if numeric_code(code) is not None else None

    def _amount(self, message: Message, currency: str | None) -> int | None:
        """Minor units, from the decimals that the host counts with; what does not fit into the currency is unknown."""
        digits = message.values.get("amount")
        if digits is None or currency is None or message.amount_is_nothing:
            return None
        places = exponent(currency)
        sent = places if message.spec.amount_decimals is None else message.spec.amount_decimals
        whole, fraction = digits[: len(digits) - sent], digits[len(digits) - sent :].ljust(places, "0")
        return None if fraction[places:].strip("0") else int("0" + whole + fraction[:places])


def _shape(specification: Specification) -> Shape[Message]:
    return Shape(specification.framing, specification.mti, MessageReader(specification).read)


def _place(message: Message) -> tuple[str, str]:
    return message.values.get("terminal_id", ""), message.values.get("stan", "")


def _is_reversal(message: Message) -> bool:
    return message.mti[1] == "4"


def _number(message: Message, name: str) -> str | None:
    """A trace number; one of zeros says "none"."""
    value = message.values.get(name)
    return value if value and set(value) != _NO_DIGITS else None


def _original(message: Message, kind: Kind) -> str | None:
    original = _number(message, "original_stan")
    if kind is Kind.REVERSAL:
        return original or message.values.get("stan")
    return original or _number(message, "voided_stan")


def _time(message: Message) -> tuple[PartialTime | None, datetime | None]:
    """The terminal's local time: without a year, as the version of 1987 has it, or with one."""
    time, date = message.values.get("local_time", ""), message.values.get("local_date", "")
    if len(time) == 12:
        return None, _moment(time)
    if len(time) != 6 or len(date) != 4:
        return None, None
    clock = PartialTime(int(date[:2]), int(date[2:]), int(time[:2]), int(time[2:4]), int(time[4:]))
    return clock, None


def _moment(digits: str) -> datetime | None:
    try:
        return datetime.strptime(f"20{digits}", "%Y%m%d%H%M%S")
    except ValueError:
        return None


def _settlement(answer: Message, message: Message) -> SettlementHeard:
    terminal, merchant, batch = map(message.values.get, ("terminal_id", "merchant_id", "batch"))
    settlement = Settlement(terminal_id=terminal, merchant_id=merchant, batch=batch)
    return SettlementHeard(settlement, _key(answer, message, "settlement"))


def _key(answer: Message, message: Message, kind: str) -> str | None:
    """Terminal, batch, trace number, reference and time: equal for an answer said again, and for no other one.

    The answer's own values if they tell it for ever, since its request may not be heard the next time.
    """
    for said in (answer.values, message.values):
        if "rrn" in said or ("stan" in said and said.keys() & {"local_date", "batch"}):
            return "|".join([kind, *(said.get(name, "") for name in _KEY)])
    return None
