"""The ``mis-bankall`` dialect: records that a Chinese cashier program hands over from its bank's library.

Source: the ``bankall(request, response)`` call of UnionPay's MIS libraries (posinf.dll, umsapi.dll), as published
programs fill and read its two strings. What that library and the terminal say to each other on their own line is each
vendor's secret and is not read here. An answer of 148 octets does not say what kind of transaction it is: the request
does, which is known by the three digits that the answer repeats, or else the answer's text.

Limits. No record has a check sum: a digit that became another digit cannot be seen. A request that a library answers
without its three digits is not found. A record that breaks off in its last fields, with the next one behind it and no
silence between, takes the missing octets from there.
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
from tillbell_agent.pos.mis_records import Cutter, Record
from tillbell_agent.pos.partial_time import PartialTime
from tillbell_agent.pos.settings import DialectSettings, unknown_name
from tillbell_protocol.event import Kind, Settlement, Transaction
from tillbell_protocol.pan import TruncatedPan, scrub, scrub_merchant_id

FRAMING: Final = (
    "None: records of fixed width, told apart by the shape of their fields and by silence. An answer has 148 octets, or "
    "150 where the type of transaction follows the result; a request has 59, with two digits before it or the original's "
    "authorisation and card (26) behind it in some programs."
)
FIELDS: Final[Mapping[str, str]] = {
    "result (2)": "result_code; 00 is approved",
    "type (2, of a request and of an answer of 150 octets)": "kind: 00 sale, 01 void, 02 refund; all others tell nothing",
    "bank (4)": "dropped",
    "card (20)": "its last four digits, card; the rest is dropped",
    "voucher (6)": "receipt_no",
    "amount (12)": "amount_minor",
    "text (40, GB2312)": "used to know the kind where no request was heard, and dropped",
    "merchant (15)": "merchant_id",
    "terminal (8)": "terminal_id",
    "batch (6)": "batch",
    "date MMDD (4), time HHMMSS (6)": "the terminal's time, without a year",
    "reference (12)": "rrn",
    "authorisation (6)": "auth_code",
    "date of settlement (4)": "dropped",
    "check (3)": "used to find the request that is answered, and dropped",
    "original voucher or reference (6, 12, of a request)": "original_ref",
    "till, cashier, original date, authorisation and card (of a request)": "dropped",
}
UNKNOWN_ON_ONE_LINE: Final = (
    "Where requests are not heard, the kind of an answer of 148 octets: it is a sale unless its text names a void, a "
    "refund, a pre-authorisation or an enquiry. The transaction that is voided or refunded."
)
LAYOUTS: Final[Mapping[str, str]] = {
    "auto": "answers of 148 or 150 octets, each as its surroundings show",
    "148": "answers of 148 octets, without a type",
    "150": "answers of 150 octets, with the type behind the result",
}
LINE_DEFAULTS: Final = "9600 8N1"

REQUEST_KEPT_S = 180.0  # card, PIN and host together take less

_PREAUTH, _COMPLETION, _CANCELLED = "preauth", "completion", "cancelled"  # types that only texts name
_KINDS: Final = {
    "00": Kind.SALE,
    "01": Kind.VOID,
    "02": Kind.REFUND,
    _PREAUTH: Kind.PREAUTH,
    _COMPLETION: Kind.PREAUTH_COMPLETION,
}
_TELLS_NOTHING: Final = {
    "03": "balance",
    "04": "reprint",
    "05": "sign-on",
    "06": "settlement",
    _CANCELLED: "pre-authorisation cancelled",
}
_SETTLEMENT: Final = "06"
# What an approved answer's text says of its type, where nothing else does.
_WORDS: Final = {
    "重打印": "04",
    "预授权撤销": _CANCELLED,
    "撤销": "01",
    "退货": "02",
    "余额查询": "03",
    "查询余额": "03",
    "查询成功": "03",
    "签到": "05",
    "结算": "06",
    "预授权完成": _COMPLETION,
    "预授权": _PREAUTH,
}
_WORDS_WITHOUT_AMOUNT: Final = {"余额": "03", "查询": "03"}  # the text of a sale may name the card's balance


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request that waits for its answer."""

    type: str
    check: str
    amount_minor: int | None
    original_ref: str | None
    at: float
    answered_by: int | None = None  # the answer's hash: one that is equal is the same one, handed over again


class MisBankall:
    """The records of one cashier program. A ``Dialect``."""

    def __init__(self, settings: DialectSettings) -> None:
        if settings.layout not in LAYOUTS:
            raise unknown_name("layout", settings.layout, LAYOUTS)
        octets = None if settings.layout == "auto" else int(settings.layout)
        self._currency = settings.currency
        self._encoding = settings.encoding
        self._idle_s = settings.idle_s
        self._cutters = {line: Cutter(octets) for line in Line}
        self._asked: _Asked | None = None

    def receive_data(self, data: bytes, now: float, line: Line = Line.TERMINAL) -> list[DialectEvent]:
        """Hear ``data`` at ``now``. Requests and answers may come on one line or on two."""
        events = self.tick(now)
        for record in self._cutters[line].feed(data, now):
            if record.is_request:
                self._ask(record, now)
                continue
            for each, cutter in self._cutters.items():
                if each is not line:
                    self._end(cutter, now)
            events += self._on_answer(record, now)
        return self._skipped() + events if events else events

    def next_deadline(self) -> float | None:
        waiting = (each.last_heard for each in self._cutters.values() if each.waits)
        first = min(waiting, default=None)
        return first + self._idle_s if first is not None else None

    def tick(self, now: float) -> list[DialectEvent]:
        silent = [
            each for each in self._cutters.values() if each.waits and now >= each.last_heard + self._idle_s
        ]
        for cutter in silent:
            self._end(cutter, cutter.last_heard)
        return self._skipped() if silent else []

    def unpair(self) -> None:
        """See ``Dialect``: an amount that only the till said is unknown then."""
        self._asked = None

    def close(self, now: float) -> list[DialectEvent]:
        """The line ends: an answer that is not complete is none, a request waits no more."""
        for cutter in self._cutters.values():
            self._end(cutter, now)
        self._asked = None
        return self._skipped()

    def _end(self, cutter: Cutter, now: float) -> None:
        for record in cutter.take_request():
            self._ask(record, now)

    def _skipped(self) -> list[DialectEvent]:
        octets = sum(each.skipped for each in self._cutters.values())
        for cutter in self._cutters.values():
            cutter.skipped = 0
        return [Desynced(octets, "octets that are in no record")] if octets else []

    def _ask(self, record: Record, now: float) -> None:
        field = _Fields(record)
        self._asked = _Asked(
            field.text("type"),
            field.text("check"),
            field.amount(),
            field.number("voucher") or field.number("rrn"),
            now,
        )

    def _on_answer(self, record: Record, now: float) -> list[DialectEvent]:
        field = _Fields(record)
        asked = self._asked_for(field, now)
        result = field.text("result")
        type_ = field.text("type") or (asked.type if asked else "") or self._type_in_text(field, result)
        if type_ and type_ not in _KINDS:
            return self._on_other(field, type_, result)
        amount = field.amount()
        if amount is None and asked is not None:
            amount = asked.amount_minor
        if amount is None and not type_:
            return [Ignored("no amount")]  # a sign-on, or an enquiry
        kind = _KINDS[type_ or "00"] if result == "00" else Kind.DECLINED
        transaction = self._transaction(kind, amount, field, asked)
        return [TransactionCompleted(transaction, _key(transaction, field), clock=_clock(field))]

    def _asked_for(self, field: "_Fields", now: float) -> _Asked | None:
        """The request that this answers: the last one, if its three digits are repeated, and no other one answered it."""
        asked = self._asked
        if asked is None or now - asked.at > REQUEST_KEPT_S or field.text("check") != asked.check:
            return None
        answer = hash(tuple(field.record.fields.values()))
        if asked.answered_by not in (None, answer):
            return None
        self._asked = replace(asked, answered_by=answer)
        return asked

    def _type_in_text(self, field: "_Fields", result: str) -> str:
        if result != "00":
            return ""
        text = field.raw("text").decode(self._encoding, "replace")
        words = _WORDS if field.amount() else {**_WORDS, **_WORDS_WITHOUT_AMOUNT}
        return next((type_ for word, type_ in words.items() if word in text), "")

    def _on_other(self, field: "_Fields", type_: str, result: str) -> list[DialectEvent]:
        if type_ != _SETTLEMENT or result != "00":
            return [Ignored(_TELLS_NOTHING.get(type_, "another type of transaction"))]
        settlement = Settlement(
            terminal_id=field.number("terminal"),
            merchant_id=field.merchant(),
            batch=field.number("batch"),
            amount_minor=field.amount(),
            currency=self._currency,
        )
        parts = [field.number(name) or "" for name in ("terminal", "batch", "date", "time")]
        return [SettlementHeard(settlement, "|".join(["settlement", *parts]))]

    def _transaction(
        self, kind: Kind, amount: int | None, field: "_Fields", asked: _Asked | None
    ) -> Transaction:
        return Transaction(
            kind,
            amount_minor=amount,
            currency=self._currency,
            card=TruncatedPan.from_printed(field.text("card")),
            receipt_no=field.number("voucher"),
            rrn=field.number("rrn"),
            auth_code=field.number("auth"),
            batch=field.number("batch"),
            terminal_id=field.number("terminal"),
            merchant_id=field.merchant(),
            result_code=field.text("result"),
            original_ref=asked.original_ref if asked is not None else None,
        )


@dataclass(frozen=True, slots=True)
class _Fields:
    """The fields of a record as text, without their filling."""

    record: Record

    def raw(self, name: str) -> bytes:
        return self.record.fields.get(name) or b""

    def text(self, name: str) -> str:
        return self.raw(name).decode("latin-1").replace("\0", " ").strip()

    def number(self, name: str) -> str | None:
        """A reference as sent; None where only its filling was sent."""
        text = self.text(name)
        return scrub(text) if text.strip("0") else None

    def merchant(self) -> str | None:
        text = self.text("merchant")
        return scrub_merchant_id(text) if text.strip("0") else None

    def amount(self) -> int | None:
        """Minor units. Zeros are what an unused field holds, never an amount."""
        text = self.text("amount")
        return int(text) or None if text else None


def _clock(field: _Fields) -> PartialTime | None:
    date, time = field.text("date"), field.text("time")
    if len(date) != 4 or len(time) != 6 or date == "0000":
        return None
    return PartialTime(int(date[:2]), int(date[2:]), int(time[:2]), int(time[2:4]), int(time[4:]))


def _key(transaction: Transaction, field: _Fields) -> str | None:
    """What tells this transaction for ever: terminal, batch, voucher, reference and time; None without a number."""
    time = f"{field.text('date')}{field.text('time')}"
    if not ((transaction.receipt_no or transaction.rrn) and (time or transaction.batch)):
        return None
    numbers = (transaction.terminal_id, transaction.batch, transaction.receipt_no, transaction.rrn)
    return "|".join([*(each or "" for each in numbers), time, transaction.result_code or ""])
