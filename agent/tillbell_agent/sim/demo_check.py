"""Was everybody told the truth, once? What the till printed against what a phone showed and headquarters opened. Pure.

Read as a person reads: the texts' words and figures are found in the text itself, with nothing of the code that wrote
them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tillbell_agent.sim.demo_receipts import Expected
from tillbell_protocol.event import MONEY_SIGN, Kind

REPEAT_MARK = "(重发)"
_KINDS = ((Kind.VOID, "撤销"), (Kind.REFUND, "退款"), (Kind.SALE, "收"))
_AMOUNT = re.compile(r"(\d+)\.(\d\d)元")
_AMOUNT_UNKNOWN = "金额未知"
_SEQ = re.compile(r"第(\d+)笔")
_TAIL = re.compile(r"(?:尾号|\*)(\d{4})(?!\d)")
_TOTAL = re.compile(r"累计(-?)(\d+)\.(\d\d)")


@dataclass(frozen=True, slots=True)
class Read:
    """What a merchant reads out of one text; None: it is not in it."""

    repeated: bool
    kind: Kind | None
    amount_minor: int | None
    seq: int | None
    card_last4: str | None
    day_total_minor: int | None


def read_text(text: str) -> Read:
    """The figures of a Chinese text of a sale, a void or a refund."""
    body = text.split("】", 1)[-1]
    seq, tail, total = (pattern.search(body) for pattern in (_SEQ, _TAIL, _TOTAL))
    amount = None if _AMOUNT_UNKNOWN in body else _AMOUNT.search(body)
    return Read(
        repeated=text.startswith(REPEAT_MARK),
        kind=next((kind for kind, word in _KINDS if body.startswith(word)), None),
        amount_minor=int(amount[1] + amount[2]) if amount else None,
        seq=int(seq[1]) if seq else None,
        card_last4=tail[1] if tail else None,
        day_total_minor=int(total[1] + total[2] + total[3]) if total else None,
    )


def text_faults(
    expected: Sequence[Expected], shown: Sequence[str], codes: Mapping[int, Sequence[str]]
) -> list[str]:
    """``shown``: the phone's texts. Every receipt once; more only with the mark of a repetition in front.

    ``codes``: number → the check codes that the device has on record for this phone, as a reply to ``CHECK`` has them.
    """
    read = [read_text(text) for text in shown]
    faults = [
        f"a check code is not the device's: {text}"
        for text, figures in zip(shown, read, strict=True)
        if text[-6:] not in codes.get(figures.seq or 0, ())
    ]
    numbers = {text.seq for text in read}
    faults += [
        f"the phone shows a number that no receipt has: {seq}" for seq in numbers - set(_seqs(expected))
    ]
    total = 0
    for seq, receipt in zip(_seqs(expected), expected, strict=True):
        total += MONEY_SIGN[receipt.kind] * receipt.amount_minor
        texts = [text for text in read if text.seq == seq]
        if not texts:
            faults.append(f"the phone was never told of receipt {receipt.reference} (number {seq})")
        if sum(not text.repeated for text in texts) > 1:
            faults.append(f"number {seq} was told twice without a mark")
        faults += [fault for text in texts for fault in _differences(seq, receipt, total, text)]
    return faults


def ledger_faults(expected: Sequence[Expected], rows: Sequence[dict[str, Any]]) -> list[str]:
    """``rows``: ``txn --json`` by number. What the agent has on record is what was printed, in the same order."""
    numbers = [row["seq"] for row in rows]
    faults = [] if numbers == list(_seqs(expected)) else [f"the ledger's numbers are {numbers}"]
    recorded = [_identity(row) for row in rows]
    meant = [_meant(receipt) for receipt in expected]
    return faults + [f"the ledger lacks {_words(one)}" for one in meant if one not in recorded]


def sealed_faults(who: str, expected: Sequence[Expected], events: Sequence[dict[str, Any]]) -> list[str]:
    """``events``: one receiver's lines. Every receipt opened once, nothing refused, no gap between the counters."""
    opened = [event for event in events if event["ev"] == "opened"]
    faults = [f"{who} refused a message: {event['why']}" for event in events if event["ev"] == "refused"]
    faults += [f"{who} misses counters {event['gaps']}" for event in events if event.get("gaps")]
    counters = [event["counter"] for event in opened]
    if len(set(counters)) != len(counters):
        faults.append(f"{who} opened a counter twice: {counters}")
    told = {_identity(event["event"]) for event in opened}
    meant = {_meant(receipt) for receipt in expected}
    faults += [f"{who} was never told of {_words(one)}" for one in sorted(meant - told, key=str)]
    faults += [f"{who} was told what no receipt says: {_words(one)}" for one in sorted(told - meant, key=str)]
    if len(opened) > len(told):
        faults.append(f"{who} was told {len(opened) - len(told)} events twice, under new counters")
    return faults


def _seqs(expected: Sequence[Expected]) -> range:
    return range(1, len(expected) + 1)


def _differences(seq: int, receipt: Expected, total: int, text: Read) -> list[str]:
    pairs = (
        ("kind", receipt.kind, text.kind),
        ("amount", receipt.amount_minor, text.amount_minor),
        ("card", receipt.card_last4, text.card_last4),
        ("day's total", total, text.day_total_minor),
    )
    return [
        f"number {seq}: {name} is {told}, the receipt says {meant}"
        for name, meant, told in pairs
        if told != meant
    ]


def _identity(event: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(event.get(name) for name in ("kind", "amount_minor", "currency", "reference", "card_last4"))


def _meant(receipt: Expected) -> tuple[Any, ...]:
    return (receipt.kind.word, receipt.amount_minor, receipt.currency, receipt.reference, receipt.card_last4)


def _words(identity: tuple[Any, ...]) -> str:
    return " ".join(str(part) for part in identity if part is not None)
