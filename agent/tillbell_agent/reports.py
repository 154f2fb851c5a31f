"""What ``status``, ``queue`` and ``txn`` say of the store: plain JSON values, read from any open connection."""

import sqlite3
from typing import Any

from tillbell_agent.ledger import Entry, Ledger
from tillbell_agent.moment import Moment
from tillbell_agent.outbox import Message, Outbox, State
from tillbell_protocol.event import Transaction


def queue(connection: sqlite3.Connection, limit: int, state: str | None) -> list[dict[str, Any]]:
    """The newest messages, newest first, without their words: who, what about, in which state, and why."""
    outbox = Outbox(connection)
    return [_message(message) for message in outbox.recent(limit, State(state) if state else None)]


def transactions(connection: sqlite3.Connection, limit: int) -> list[dict[str, Any]]:
    """The newest transactions, newest first, each with its messages and check codes."""
    ledger, outbox = Ledger(connection), Outbox(connection)
    return [_entry(entry, outbox) for entry in ledger.recent(limit)]


def store(connection: sqlite3.Connection, now: Moment) -> dict[str, Any]:
    """Numbers of the store as a whole: today's totals, and how many messages each recipient has in each state."""
    ledger, outbox = Ledger(connection), Outbox(connection)
    recipients: dict[str, dict[str, int]] = {}
    for (recipient, state), count in sorted(outbox.counts().items()):
        recipients.setdefault(recipient, {})[state] = count
    today = [
        {"currency": currency, "count": count, "net_minor": net, "unknown_count": unknown}
        for currency, count, net, unknown in ledger.day_totals(now.day.isoformat())
    ]
    return {"day": now.day.isoformat(), "today": today, "last_seq": ledger.last_seq(), "messages": recipients}


def transaction_fields(transaction: Transaction) -> dict[str, Any]:
    """A transaction in the keys that ``open`` uses as well."""
    time = transaction.terminal_time
    return {
        "kind": transaction.kind.word,
        "amount_minor": transaction.amount_minor,
        "currency": transaction.currency,
        "card_last4": transaction.card.last4 if transaction.card else None,
        "reference": transaction.reference,
        "receipt_no": transaction.receipt_no,
        "rrn": transaction.rrn,
        "stan": transaction.stan,
        "auth_code": transaction.auth_code,
        "batch": transaction.batch,
        "terminal_id": transaction.terminal_id,
        "merchant_id": transaction.merchant_id,
        "scheme": transaction.scheme,
        "method": transaction.method,
        "result_code": transaction.result_code,
        "terminal_time": time.isoformat() if time else None,
        "final": transaction.final,
    }


def _entry(entry: Entry, outbox: Outbox) -> dict[str, Any]:
    told = {"seq": entry.seq, "source": entry.source, "heard_at": entry.heard_at, "day": entry.day}
    fields = transaction_fields(entry.transaction) | {"currency": entry.currency}
    codes = outbox.codes(entry.seq) if entry.seq is not None else {}
    messages = [_message(message) for message in outbox.of_entry(entry.id)]
    return (
        told | fields | {"day_total_minor": entry.day_total_minor, "check_codes": codes, "messages": messages}
    )


def _message(message: Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "recipient": message.recipient,
        "phone": message.phone,
        "format": message.format,
        "class": message.message_class,
        "state": message.state.value,
        "counter": message.counter,
        "left_out": message.left_out.split(",") if message.left_out else [],
        "attempts": message.attempts,
        "repeated": message.repeated,
        "modem": message.modem,
        "last_answer": message.last_answer,
        "created_at": message.created_at,
        "not_before": message.not_before,
        "expires_at": message.expires_at,
        "updated_at": message.updated_at,
    }
