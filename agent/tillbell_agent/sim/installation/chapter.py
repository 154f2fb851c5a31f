"""What one store must hold of a shop: from its beginning, or from when it was put back or rescued, to its end.

A store that is put back knows nothing of what came between, and says so by leaving numbers out. So each store is asked
on its own: the one that goes, just before it goes, and the one that comes, from then on.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from tillbell_agent.ledger import Entry
from tillbell_agent.outbox import Message, State
from tillbell_agent.sim.demo_check import Read, read_text
from tillbell_agent.sim.network import Shown
from tillbell_protocol.event import MONEY_SIGN, Kind, Transaction

_Day = tuple[str, str]
# What tells a transaction from another one; a time may have got its year here, and a text may be cut to fit.
_TELLING = ("kind", "amount_minor", "receipt_no", "rrn", "stan", "auth_code")
# A backlog of two days leaves within half an hour; SIMs that are barred or empty for hours may stand before that.
_ENOUGH_S = 12 * 3600.0


@dataclass(slots=True)
class Chapter:
    """``began_at``: simulated seconds. ``rescued``: the store lost a page, perhaps with keys and a day's total.

    ``after_id``, ``after_seq``: what it had of the ledger when it began; None: no agent has opened it yet.
    """

    began_at: float = 0.0
    rescued: bool = False
    after_id: int | None = None
    after_seq: int = 0
    totals: "Counter[_Day]" = field(default_factory=Counter)
    summed_after: str = ""

    def open(self, entries: Sequence[Entry], zone: tzinfo, today: str) -> None:
        """The first agent has it: ``entries`` are what was there before; ``today``: the latest date that it may be.

        What a rescue lost of the ledger is still in the day's total, where that was saved: that day is not summed up.
        """
        self.after_id = max((entry.id for entry in entries), default=0)
        self.after_seq = max((entry.seq or 0 for entry in entries), default=0)
        for entry in sorted(entries, key=lambda entry: entry.id):
            if entry.day_total_minor is not None and entry.seq is not None and entry.heard_at is not None:
                self.totals[_day(entry, zone)] = entry.day_total_minor
        if self.rescued:
            self.summed_after = max([today, *(day for day, _ in self.totals)])

    def own(self, entries: Sequence[Entry]) -> list[Entry]:
        """Of a ledger: what was written in this chapter, oldest first."""
        after = self.after_id or 0
        return sorted((entry for entry in entries if entry.id > after), key=lambda entry: entry.id)


def ledger_faults(chapter: Chapter, entries: Sequence[Entry], zone: tzinfo) -> Iterator[str]:
    """``entries``: the whole ledger."""
    own = chapter.own(entries)
    told = Counter(_identity(entry.transaction) for entry in own if is_known_again(entry.transaction))
    yield from (
        f"{identity} stands {times} times in the ledger" for identity, times in told.items() if times > 1
    )
    numbers = [entry.seq for entry in entries if entry.seq is not None]
    if len(set(numbers)) != len(numbers):
        yield "a number was given twice"
    yield from _total_faults(chapter, own, zone)


def _total_faults(chapter: Chapter, own: Sequence[Entry], zone: tzinfo) -> Iterator[str]:
    totals = chapter.totals.copy()
    for entry in own:
        sign = MONEY_SIGN.get(entry.transaction.kind)
        if entry.heard_at is None or sign is None:
            continue
        day = _day(entry, zone)
        totals[day] += sign * (entry.transaction.amount_minor or 0)
        if entry.day_total_minor != totals[day] and day[0] > chapter.summed_after:
            yield f"number {entry.seq}: the day's total is not the ledger's"
            return


def message_faults(
    chapter: Chapter,
    entries: Sequence[Entry],
    messages: Sequence[Message],
    able: Callable[[Message], float],
) -> Iterator[str]:
    """Who is owed a notice has one message for it; none was ended by nobody.

    ``able``: for how many seconds of a message's life it could have been sent.
    """
    by_entry: dict[int | None, list[Message]] = {}
    for message in messages:
        by_entry.setdefault(message.ledger_id, []).append(message)
    for entry in chapter.own(entries):
        owed = {"hq"} | ({"owner"} if entry.transaction.kind in MONEY_SIGN else set())
        has = Counter(message.recipient for message in by_entry.get(entry.id, []))
        if has != Counter(owed) and not (chapter.rescued and has == Counter(owed - {"hq"})):
            yield f"entry {entry.id} is owed to {sorted(owed)}, messages: {dict(has)}"
    for message in messages:
        said = message.last_answer or ""
        if message.state is State.REFUSED and not said.startswith("status report"):
            yield f"message {message.id} was refused, which nobody did: {said}"
        if message.state is State.EXPIRED and able(message) >= _ENOUGH_S:
            yield f"message {message.id} expired, though the network was there for {able(message) / 3600:.0f} hours"


def text_faults(
    chapter: Chapter, entries: Sequence[Entry], messages: Sequence[Message], shown: Sequence[Shown]
) -> Iterator[str]:
    """``shown``: the merchant's texts as this shop's SIM handed them in, weather or not."""
    by_seq = {entry.seq: entry for entry in entries}
    own = {entry.seq: entry for entry in chapter.own(entries) if entry.seq is not None}
    unmarked: Counter[int] = Counter()
    told: set[int] = set()
    for each in shown:
        if each.t < chapter.began_at:
            continue
        read = read_text(each.text or "")
        if read.seq is None:
            yield f"a text without a number: {each.text}"
        elif read.seq in own:
            told.add(read.seq)
            unmarked[read.seq] += not read.repeated
            yield from _text_faults(read, own[read.seq])
        elif read.seq not in by_seq and read.seq > chapter.after_seq:
            yield f"a text tells number {read.seq}, which the ledger does not have"
    yield from (
        f"number {seq} was sent {times} times without a mark" for seq, times in unmarked.items() if times > 1
    )
    yield from _delivered_faults(own, told, messages)


def _text_faults(read: Read, entry: Entry) -> Iterator[str]:
    total = None if read.day_total_minor is None else entry.day_total_minor  # it may be left out for room
    told, meant = (read.amount_minor, read.day_total_minor), (entry.transaction.amount_minor, total)
    if told != meant:
        yield f"number {read.seq} tells {told}, the ledger has {meant}"


def _delivered_faults(own: dict[int, Entry], told: set[int], messages: Sequence[Message]) -> Iterator[str]:
    """What the outbox calls sent was handed to the network."""
    numbers = {entry.id: seq for seq, entry in own.items()}
    for message in messages:
        seq = numbers.get(message.ledger_id or 0)
        is_out = message.state in {State.SENT, State.DELIVERED}
        if seq is not None and message.recipient == "owner" and is_out and seq not in told:
            yield f"number {seq} is {message.state.value}, and no text was handed in"


def _day(entry: Entry, zone: tzinfo) -> _Day:
    assert entry.heard_at is not None
    return datetime.fromtimestamp(entry.heard_at, zone).date().isoformat(), entry.currency


def is_known_again(told: Transaction) -> bool:
    """Whether it can be told from the next one of the same amount.

    A refusal with nothing but the till's number may be another try: a dialect that lost the line between cannot know.
    """
    of_terminal = told.rrn or told.stan or told.auth_code or told.terminal_time
    return told.reference is not None and (told.kind is not Kind.DECLINED or of_terminal is not None)


def is_of(told: Transaction, said: Transaction) -> bool:
    """Whether what the ledger has is what a till said."""
    return all(getattr(told, name) == getattr(said, name) for name in _TELLING)


def _identity(told: Transaction) -> tuple[Kind, str | None, int | None, datetime | None]:
    return told.kind, told.reference, told.amount_minor, told.terminal_time
