"""What ``status``, ``queue`` and ``txn`` say of the store: plain JSON values, read from any open connection."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tillbell_agent.finding import span
from tillbell_agent.ledger import Entry, Ledger
from tillbell_agent.moment import Moment
from tillbell_agent.outbox import LONGEST_PAUSE_S, Message, Outbox, State
from tillbell_protocol.event import Transaction


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a message may wait for besides its own time. ``modems_wait_for``: why no modem can send; None: one can.

    ``held_because``: recipient → why nothing can be sealed for it; a recipient that is not named is not paired.
    """

    running: bool
    modems_wait_for: str | None = None
    held_because: Mapping[str, str | None] = field(default_factory=dict)


def queue(
    connection: sqlite3.Connection, limit: int, state: str | None, now: int, circumstances: Circumstances
) -> list[dict[str, Any]]:
    """The newest messages, newest first, without their words: who, what about, in which state, and what it waits for.

    ``now``: Unix seconds. ``waits_for`` is None where nothing more happens, ``until`` (Unix seconds) where no time is set.
    """
    outbox = Outbox(connection)
    recent = outbox.recent(limit, State(state) if state else None)
    return [_message(message) | _waiting(message, now, circumstances) for message in recent]


def _waiting(message: Message, now: int, circumstances: Circumstances) -> dict[str, Any]:
    waits_for, until = waiting(message, now, circumstances)
    return {"waits_for": waits_for, "until": until}


def waiting(message: Message, now: int, circumstances: Circumstances) -> tuple[str | None, int | None]:
    """What a message waits for, in words, and until when (Unix seconds)."""
    match message.state:
        case State.HELD:
            return circumstances.held_because.get(message.recipient) or _PAIRED_SOON, None
        case State.QUEUED:
            return _queued(message, now, circumstances)
        case State.CLAIMED:
            return (_WITH_MODEM if circumstances.running else _CUT_OFF), None
        case State.UNKNOWN if message.not_before:
            return _REPORT_OR_REPEAT, message.not_before
        case State.UNKNOWN:
            return _NEVER_KNOWN, None
        case State.SENT:
            return _REPORT, None
        case _:
            return None, None


_PAIRED_SOON = "its recipient to be paired: tillbell pair, or for the agent to seal it: tillbell run"
_WITH_MODEM = "the modem's answer"
_CUT_OFF = "the next tillbell run: the last one ended while the modem had it"
_REPORT_OR_REPEAT = (
    "a status report, since nobody can say whether it arrived; without one it is repeated, marked"
)
_NEVER_KNOWN = "a late status report; nobody can say whether it arrived, and it is not repeated"
_REPORT = "a status report: the network has taken it"


def _queued(message: Message, now: int, circumstances: Circumstances) -> tuple[str, int | None]:
    pause_s = message.not_before - now
    paused = 0 < pause_s <= LONGEST_PAUSE_S
    until = message.not_before if paused else None
    if not circumstances.running:
        return "tillbell run: no agent is running", until
    if circumstances.modems_wait_for is not None:
        return circumstances.modems_wait_for, until
    if paused:
        return f"its next try: {message.last_answer or 'it is not due yet'}", until
    return "its turn: a modem is ready", None


def modem_words(facts: Mapping[str, Any]) -> str:
    """What a modem is doing and since when, and unless it is well what it waits for. ``facts``: as ``status`` has them."""
    since, condition = span(facts["since_s"]), str(facts["condition"]).replace("_", " ")
    if condition == "ready" and facts.get("held"):
        return f"answers, but nothing is sent by it: {facts['held']}"
    if condition == "ready":
        return f"{facts['doing']} for {since}"
    return f"{condition} for {since} ({facts['doing']}), waits for {facts['waits_for']}"


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
