"""A ZVT status, together with the command that it answers, becomes an event."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from tillbell_agent.pos.dialect import DialectEvent, Ignored, SettlementHeard, TransactionCompleted
from tillbell_agent.pos.zvt_commands import BOOKING, Other, Request
from tillbell_agent.pos.zvt_fields import Fields
from tillbell_protocol.event import Kind, Settlement, Transaction
from tillbell_protocol.iso4217 import alpha_code

_SUCCESS: Final = "00"
# An abort without a status tells nothing of these: a till asks with 06 23 which reservations there are.
_NOT_BY_ABORT_ALONE: Final = frozenset({Kind.SETTLEMENT, Kind.PREAUTH_COMPLETION})
# The amount of a booking's command is what is released, so it says nothing of what is booked.
_NOT_BY_REQUEST: Final = frozenset({Kind.PREAUTH_COMPLETION, Kind.SETTLEMENT})

Meaning = Kind | Other | str


def meaning_of(status: Fields, request: Request | None, printed: Kind | None) -> Meaning:
    """A kind, or why the status is no transaction. ``printed``: the receipt's title, for want of a command."""
    asked = request.meaning if request is not None else None
    if isinstance(asked, Other):
        return asked
    if status.result is None:
        return "no result"
    if status.totals is not None or asked is Kind.SETTLEMENT:
        return _meaning_of_totals(status, asked)
    if status.result != _SUCCESS:
        return Kind.DECLINED if asked is not None or _says_what_failed(status) else "no payment"
    if asked is None:
        return _meaning_by_content(status, printed)
    return Kind.REVERSAL if asked is Kind.SALE and status.original else asked


def _meaning_of_totals(status: Fields, asked: Kind | None) -> Meaning:
    if asked not in (None, Kind.SETTLEMENT):
        return Other.TOTALS
    return Kind.SETTLEMENT if status.result == _SUCCESS else "settlement failed"


def _says_what_failed(status: Fields) -> bool:
    return bool(status.numbers or status.terminal_id) or status.amount is not None


def _meaning_by_content(status: Fields, printed: Kind | None) -> Meaning:
    """Nobody heard what was asked: a card that is read has no number, a day's total no receipt and no card."""
    of_one_card = status.receipt or status.card or status.scheme or status.auth_code
    if not (status.numbers and of_one_card):
        return "no payment"
    if status.amount == 0:  # a reservation that is released, with numbers and card as a payment has them
        return "an amount of zero"
    return Kind.REVERSAL if status.original else printed or Kind.SALE


def key_of(status: Fields) -> str | None:
    """What tells this transaction for ever; None where it has no number or no date. By the terminal's own words alone."""
    if not status.numbers or status.date is None:
        return None
    parts = (
        status.terminal_id, status.trace, status.receipt, status.turnover, status.date[-4:], status.time,
        status.amount, status.original, status.result,
    )  # fmt: skip
    return "|".join("" if part is None else str(part) for part in parts)


def event_of(
    status: Fields, meaning: Meaning, request: Request | None, currency: str, *, final: bool
) -> DialectEvent:
    """``currency``: ISO 4217 letters, for amounts without one of their own."""
    if not isinstance(meaning, Kind):
        return Ignored(meaning.value if isinstance(meaning, Other) else meaning)
    amount = _amount(status, meaning, request)
    letters = _currency(status, request, currency) if amount is not None else None
    if meaning is Kind.SETTLEMENT:
        return _settlement(status, amount, letters)
    told = _transaction(status, meaning, request)
    told = replace(told, amount_minor=amount, currency=letters, final=final)
    return TransactionCompleted(told, key_of(status), clock=status.clock if status.year is None else None)


def of_request(request: Request | None, result: str | None, currency: str) -> list[DialectEvent]:
    """An abort before any status: a payment that was asked for did not come about."""
    if request is None or not isinstance(request.meaning, Kind) or request.meaning in _NOT_BY_ABORT_ALONE:
        return []
    nothing = Fields(result=result)
    amount = _amount(nothing, Kind.DECLINED, request)
    letters = _currency(nothing, request, currency) if amount is not None else None
    declined = Transaction(Kind.DECLINED, amount_minor=amount, currency=letters, result_code=result)
    return [TransactionCompleted(declined, None)]


def _amount(status: Fields, kind: Kind, request: Request | None) -> int | None:
    """Zero is what terminals fill an amount with that they do not know; only a day may have none."""
    if kind is Kind.SETTLEMENT:
        return status.amount
    told = status.issued or status.amount or None
    if request is None:
        return told
    if request.code == BOOKING:
        return told if told != request.amount else None
    return told if told is not None or request.meaning in _NOT_BY_REQUEST else request.amount or None


def _currency(status: Fields, request: Request | None, configured: str) -> str | None:
    """None where a currency is told that nobody knows."""
    told = status.currency
    if told is None and request is not None:
        told = request.currency
    return configured if told is None else alpha_code(told)


def _transaction(status: Fields, kind: Kind, request: Request | None) -> Transaction:
    return Transaction(
        kind,
        card=status.card,
        terminal_time=_time(status),
        receipt_no=status.receipt,
        stan=status.trace,
        auth_code=status.auth_code,
        terminal_id=status.terminal_id,
        merchant_id=status.merchant_id,
        scheme=status.scheme,
        result_code=status.result,
        original_ref=_original(status, kind, request),
    )


def _original(status: Fields, kind: Kind, request: Request | None) -> str | None:
    if kind not in (Kind.REVERSAL, Kind.PREAUTH_COMPLETION):
        return None
    return status.original or (request.receipt if request is not None else None)


def _time(status: Fields) -> datetime | None:
    """Where the terminal tells a year."""
    clock, year = status.clock, status.year
    return clock.in_year(year) if clock is not None and year is not None else None


def _settlement(status: Fields, amount: int | None, currency: str | None) -> SettlementHeard:
    count = status.totals if status.totals is not None and status.totals >= 0 else None
    told = Settlement(
        terminal_id=status.terminal_id,
        merchant_id=status.merchant_id,
        count=count,
        amount_minor=amount,
        currency=currency,
        terminal_time=_time(status),
    )
    key = key_of(status)
    return SettlementHeard(told, f"total|{key}" if key else None)
