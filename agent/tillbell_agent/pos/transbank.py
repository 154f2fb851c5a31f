"""The ``transbank`` dialect: answers of Transbank's terminals in Chile become transactions.

After the vendor's public reference ("Protocolo de Comunicación Caja - POS", POS Integrado and POS Autoservicio) and its
SDKs. One answer holds all of a transaction, so one line is enough. Function codes decide, not who speaks: 0210 and 0271
are sales, 1210 an annulment, 0510 a close; last sales (0250, 0260), history (0261), totals and progress tell nothing.

Limits. An answer to an annulment holds no amount, and neither does its request: it is told without one, with the
operation that it annuls. A refusal has no number of the terminal's: said again after the line was lost, it is another one.
Vouchers, accounts, shares, tips and change are not read.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Final

from tillbell_agent.pos.dialect import (
    Desynced,
    DialectEvent,
    Ignored,
    Line,
    SettlementHeard,
    TransactionCompleted,
)
from tillbell_agent.pos.settings import DialectSettings, unknown_name
from tillbell_agent.pos.stx_etx import FramedDialect
from tillbell_protocol.event import Kind, Settlement, Transaction
from tillbell_protocol.pan import TruncatedPan, scrub

FRAMING = (
    "STX payload ETX LRC, the LRC over payload and ETX; ACK (06) or NAK (15) follow each frame. The payload is text: a "
    "function code of four digits, then columns between vertical bars. After a NAK, or ten seconds without an ACK, the "
    "terminal says its answer again, twice at most."
)
FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "function code": "what kind of event it is",
        "response code": "result_code; 0 or 00 is approved, another one declined",
        "commerce code, provider's code": "merchant_id; of a sale with several codes the provider's",
        "terminal ID": "terminal_id",
        "ticket": "receipt_no, card numbers in it masked",
        "authorization code": "auth_code",
        "amount": "amount_minor, as sent: whole pesos",
        "last 4 digits": "card; of a longer number its last four digits",
        "operation number": "stan; of an annulment original_ref",
        "card type": "method: credit or debit",
        "card brand": "scheme",
        "date, time": "terminal_time; ddmmyyyy or yyyymmdd",
        "account number": "dropped: it may be a card's",
        "accounting date, shares, employee, tip, change": "dropped",
        "voucher": "dropped: it holds the card's and holder's lines",
    }
)
UNKNOWN_ON_ONE_LINE = "Nothing more than on two: the amount of an annulment stands on neither line."
LAYOUTS: Mapping[str, str] = MappingProxyType(
    {
        "auto": "whichever columns hold a date and a time",
        "integrado": "POS Integrado: shares before the card's digits, date and time in columns 16 and 17",
        "autoservicio": "POS Autoservicio: the card's digits behind the amount, date and time in columns 14 and 15",
    }
)
LINE_DEFAULTS = "115200 8N1 (integrado), 19200 8N1 (autoservicio)"

MAX_PAYLOAD_OCTETS = 8192  # a voucher has two copies of some forty lines of forty characters
REPEATS_S = 25.0  # two repetitions, ten seconds apart
_COLUMNS = 22


@dataclass(frozen=True, slots=True)
class _Layout:
    """In which columns of an answer to a sale stands what the layouts place differently; the function code is 0."""

    last4: int
    operation: int
    card_type: int
    brand: int
    date: int
    time: int
    provider: int | None


_LAYOUTS = {
    "integrado": _Layout(9, 10, 11, 14, 15, 16, 21),
    "autoservicio": _Layout(7, 8, 9, 12, 13, 14, None),
}
_REQUESTS = frozenset("0070 0080 0100 0200 0270 0280 0300 0500 0700 0800 1200".split())
_TELL_NOTHING = {
    "0250": "last sale",
    "0260": "last sale or history",
    "0261": "history",
    "0710": "totals",
    "0810": "keys",
    "0900": "progress",
    "1080": "initialisation",
}
_METHODS = {"CR": "credit", "DB": "debit"}
_SCHEMES = {
    "VI": "visa", "MC": "mastercard", "AX": "amex", "DC": "diners", "DB": "Redcompra", "CA": "Cabal", "TP": "Presto",
    "MG": "Magna", "TM": "Mas", "RP": "Ripley", "EX": "Extra", "TC": "CMR",
}  # fmt: skip
_FUNCTION = re.compile(r"[0-9]{4}(?:\||$)")
# None of these has room for a card number.
_TERMINAL: Final = re.compile(r"[0-9A-Za-z]{1,8}")
_COMMERCE: Final = re.compile(r"[0-9]{1,12}")
_AUTHORIZATION: Final = re.compile(r"[0-9A-Za-z]{1,8}")
_OPERATION: Final = re.compile(r"[0-9]{1,6}")
_RESPONSE: Final = re.compile(r"[0-9]{1,3}")
_AMOUNT: Final = re.compile(r"[0-9]{1,12}")
_LAST4: Final = re.compile(r"[0-9]{4}")
_TICKET: Final = re.compile(r"[ -~\xa1-\xff]{1,20}")  # Latin-1: tills write words there too
_DATE: Final = re.compile(r"[0-9]{8}")
_TIME: Final = re.compile(r"[0-9]{6}")


class Transbank(FramedDialect):
    """One terminal, heard on one line or two. A ``Dialect``."""

    def __init__(self, settings: DialectSettings) -> None:
        if settings.layout not in LAYOUTS:
            raise unknown_name("layout", settings.layout, LAYOUTS)
        self._layout = _LAYOUTS.get(settings.layout)
        self._currency = settings.currency
        super().__init__(MAX_PAYLOAD_OCTETS, settings.idle_s, REPEATS_S)
        self._answers: dict[str, Callable[[list[str]], DialectEvent]] = {
            "0210": self._sale,
            "0271": self._sale,
            "1210": self._annulment,
            "0510": _close,
        }

    def unpair(self) -> None:
        """See ``Dialect``: nothing is paired, an answer has everything."""

    def _payload(self, payload: str, now: float, line: Line) -> list[DialectEvent]:
        if _FUNCTION.match(payload) is None:
            return [Desynced(len(payload), "a frame without a function code")]
        columns = payload.split("|")
        columns += [""] * (_COLUMNS - len(columns))
        function = columns[0]
        if function in self._answers:
            event = self._answers[function](columns)
            return [Ignored("repetition") if self._repeats.is_repeated(event, now) else event]
        if function in _REQUESTS:
            self._repeats.asked(line)
            return []
        return [Ignored(_TELL_NOTHING.get(function, "another function"))]

    def _sale(self, columns: list[str]) -> DialectEvent:
        result = _said(_RESPONSE, columns[1])
        if result is None:
            return Ignored("no response code")
        layout = self._layout or _layout_of(columns)
        amount = _said(_AMOUNT, columns[6])
        transaction = Transaction(
            Kind.DECLINED if int(result) else Kind.SALE,
            amount_minor=None if amount is None else int(amount),
            currency=self._currency,
            receipt_no=_ticket(columns[4]),
            auth_code=_said(_AUTHORIZATION, columns[5]),
            terminal_id=_said(_TERMINAL, columns[3]),
            merchant_id=_said(_COMMERCE, columns[2]),
            result_code=result,
        )
        return _completed(transaction if layout is None else _with_columns(transaction, columns, layout))

    def _annulment(self, columns: list[str]) -> DialectEvent:
        result = _said(_RESPONSE, columns[1])
        if result is None:
            return Ignored("no response code")
        return _completed(
            Transaction(
                Kind.DECLINED if int(result) else Kind.VOID,
                currency=self._currency,
                auth_code=_said(_AUTHORIZATION, columns[4]),
                terminal_id=_said(_TERMINAL, columns[3]),
                merchant_id=_said(_COMMERCE, columns[2]),
                result_code=result,
                original_ref=_said(_OPERATION, columns[5]),
            )
        )


def _close(columns: list[str]) -> DialectEvent:
    result = _said(_RESPONSE, columns[1])
    if result is None or int(result):
        return Ignored("a close that failed")
    terminal, merchant = _said(_TERMINAL, columns[3]), _said(_COMMERCE, columns[2])
    return SettlementHeard(Settlement(terminal_id=terminal, merchant_id=merchant), None)


def _with_columns(transaction: Transaction, columns: list[str], layout: _Layout) -> Transaction:
    provider = _said(_COMMERCE, columns[layout.provider]) if layout.provider is not None else None
    return replace(
        transaction,
        card=_card(columns[layout.last4].strip()),
        terminal_time=_moment(columns[layout.date], columns[layout.time]),
        stan=_said(_OPERATION, columns[layout.operation]),
        method=_METHODS.get(columns[layout.card_type].strip()),
        scheme=_SCHEMES.get(columns[layout.brand].strip()),
        merchant_id=provider or transaction.merchant_id,
    )


def _layout_of(columns: list[str]) -> _Layout | None:
    """The layout whose columns hold a date and a time, or else a kind of card. None: neither's do."""
    layouts = _LAYOUTS.values()
    for layout in layouts:
        if _moment(columns[layout.date], columns[layout.time]) is not None:
            return layout
    return next((layout for layout in layouts if columns[layout.card_type].strip() in _METHODS), None)


def _completed(transaction: Transaction) -> TransactionCompleted:
    return TransactionCompleted(transaction, _key(transaction))


def _key(transaction: Transaction) -> str | None:
    """The terminal's own counter with an authorization, or its time to the second, tells a transaction for ever."""
    operation = transaction.stan or transaction.original_ref
    moment = transaction.terminal_time
    if moment is None and (operation is None or transaction.auth_code is None):
        return None
    parts = (
        transaction.terminal_id,
        transaction.kind.word,
        operation,
        transaction.auth_code,
        moment.isoformat() if moment else None,
    )
    return "|".join(part or "" for part in parts)


def _said(pattern: re.Pattern[str], column: str) -> str | None:
    """What a column holds, without the spaces around it; None where it is empty or holds something else."""
    text = column.strip()
    return text if pattern.fullmatch(text) else None


def _ticket(column: str) -> str | None:
    text = _said(_TICKET, column)
    return None if text is None else scrub(text)


def _card(column: str) -> TruncatedPan | None:
    return TruncatedPan(column) if _LAST4.fullmatch(column) else TruncatedPan.from_printed(column)


def _moment(date: str, time: str) -> datetime | None:
    """ddmmyyyy or yyyymmdd: of a year from 2000 to 2099 only one of them is a date, since no month is the 20th."""
    if not (_DATE.fullmatch(date) and _TIME.fullmatch(time)):
        return None
    hour, minute, second = int(time[:2]), int(time[2:4]), int(time[4:])
    for day, month, year in ((date[:2], date[2:4], date[4:]), (date[6:], date[4:6], date[:4])):
        if year.startswith("20"):
            try:
                return datetime(int(year), int(month), int(day), hour, minute, second)
            except ValueError:
                continue
    return None
