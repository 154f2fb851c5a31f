"""Parts of concatenated messages -> whole messages, out of order, within a time and a size (TS 23.040, 9.2.3.24.1).

A set is (sender, reference, its bits, total). A part that comes twice is dropped as a duplicate; a part with the
same number and **different content** is kept beside the first as a variant, since a sender's address is easily
forged and an injected part must not poison a genuine message: every combination that the new part completes is
given, and the caller's own check (a signature, a check code) tells which one is genuine.

Bounds, each because anybody can send parts: VARIANTS_PER_PART contents of one part (an attacker needs as many
messages before the genuine part comes), MAX_COMBINATIONS messages out of one set, ``max_messages`` sets at once
(each at most 255 parts of 140 octets in 4 variants, 143 kB; in practice two or three parts). What is refused or
given up is an event. A set that is complete stays for LINGER_S, so that a genuine part arriving after a forged one
finds its partners; a reference may serve again after that.

A reference of 8 bits comes again after 256 messages, in a backlog within minutes, and a network may hold one part back
for hours. Whoever can tell which message is genuine says so by ``accept``: its parts are used up, and what else came
under its reference waits on for the part that is late.

Sans-IO: time is an argument, in monotonic seconds.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice, product

from tillbell_protocol.sms.address import Address
from tillbell_protocol.sms.dcs import Alphabet
from tillbell_protocol.sms.tpdu import SmsDeliver
from tillbell_protocol.sms.udh import Concatenation, Ports, concatenation, languages, ports
from tillbell_protocol.sms.user_data import text_of

VARIANTS_PER_PART = 4
MAX_COMBINATIONS = 64
LINGER_S = 600.0


@dataclass(frozen=True, slots=True)
class Assembled:
    """A whole message: its parts in order. ``combination`` counts from 0 within a set; above 0 others came before."""

    sender: Address
    parts: tuple[SmsDeliver, ...]
    combination: int = 0

    def text(self) -> str:
        """The text of all parts together, so that a pair of units cut by a careless sender is whole again."""
        first = self.parts[0]
        if any(part.dcs != first.dcs or languages(part.udh) != languages(first.udh) for part in self.parts):
            return "".join(part.text() for part in self.parts)
        return text_of(first.dcs, first.udh, b"".join(part.ud for part in self.parts))

    def data(self) -> bytes:
        """The octets of all parts. DecodeError if one is 7-bit text."""
        return b"".join(part.data() for part in self.parts)

    def is_data(self) -> bool:
        """Whether every part is 8-bit data."""
        return all(part.dcs.alphabet() is Alphabet.DATA8 for part in self.parts)

    def ports(self) -> Ports | None:
        """The application ports of the first part."""
        return ports(self.parts[0].udh)


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A part that is here already, word for word; dropped."""

    sender: Address
    concatenation: Concatenation


@dataclass(frozen=True, slots=True)
class Variant:
    """Another content for a part that is here already. ``kept`` False: one too many, this part was dropped."""

    sender: Address
    concatenation: Concatenation
    kept: bool
    part: SmsDeliver


@dataclass(frozen=True, slots=True)
class CombinationsDropped:
    """The set has given as many messages as it may; what else this part would complete is not given."""

    sender: Address
    concatenation: Concatenation


@dataclass(frozen=True, slots=True)
class Expired:
    """An incomplete message that is given up: the parts there are, in order, variants beside each other.

    ``crowded_out``: not for its age, but to make room for another.
    """

    sender: Address
    reference: int
    total: int
    parts: tuple[SmsDeliver, ...]
    crowded_out: bool = False


Event = Assembled | Duplicate | Variant | CombinationsDropped | Expired

_Key = tuple[Address, int, int, int]


@dataclass(slots=True)
class _Set:
    """The parts so far: for each sequence number its contents, in the order of arrival."""

    deadline: float = 0.0
    parts: dict[int, list[SmsDeliver]] = field(default_factory=dict)
    given: int = 0
    used: tuple[SmsDeliver, ...] = ()  # of the message accepted last

    @property
    def is_incomplete(self) -> bool:
        return bool(self.parts) and self.given == 0

    def holds(self, sequence: int, part: SmsDeliver) -> bool:
        """Whether it is here, or was until its message was accepted."""
        known = (*self.parts.get(sequence, ()), *self.used[sequence - 1 : sequence])
        return any(_content(part) == _content(other) for other in known)


class Reassembler:
    """Holds at most ``max_messages`` sets; one that stays incomplete for ``timeout_s`` is given up."""

    def __init__(self, max_messages: int, timeout_s: float) -> None:
        if max_messages < 1 or timeout_s <= 0:
            raise ValueError("max_messages and timeout_s are positive")
        self._max_messages = max_messages
        self._timeout_s = timeout_s
        self._sets: dict[_Key, _Set] = {}

    def receive(self, sender: Address, deliver: SmsDeliver, now: float) -> list[Event]:
        """What this part, or whole message, leads to."""
        events: list[Event] = self.tick(now)
        where = concatenation(deliver.udh)
        if where is None:
            return [*events, Assembled(sender, (deliver,))]
        key = (sender, where.reference, where.bits, where.total)
        if key not in self._sets:
            events += self._make_room()
            self._sets[key] = _Set()
        return events + self._add(key, where, deliver, now)

    def accept(self, message: Assembled, now: float) -> None:
        """The caller's check has found ``message`` genuine. Parts of others under its reference wait for theirs anew."""
        where = concatenation(message.parts[0].udh)
        if where is None:
            return
        parts = self._sets.get((message.sender, where.reference, where.bits, where.total))
        if parts is None:
            return
        used = {sequence: _content(part) for sequence, part in enumerate(message.parts, 1)}
        left = {
            sequence: [part for part in contents if _content(part) != used[sequence]]
            for sequence, contents in parts.parts.items()
        }
        parts.parts = {sequence: contents for sequence, contents in left.items() if contents}
        parts.used, parts.given = message.parts, 0
        parts.deadline = now + (self._timeout_s if parts.parts else LINGER_S)

    def tick(self, now: float) -> list[Event]:
        """Give up what is due."""
        due = [key for key, parts in self._sets.items() if parts.deadline <= now]
        return [event for key in due for event in self._give_up(key, crowded_out=False)]

    def next_deadline(self) -> float | None:
        """When ``tick`` has something to do; None: never, unless a part comes."""
        return min((parts.deadline for parts in self._sets.values()), default=None)

    def _add(self, key: _Key, where: Concatenation, deliver: SmsDeliver, now: float) -> list[Event]:
        parts = self._sets[key]
        if parts.holds(where.sequence, deliver):
            return [Duplicate(key[0], where)]
        if not parts.parts:
            parts.deadline = now + self._timeout_s
        contents = parts.parts.setdefault(where.sequence, [])
        events: list[Event] = []
        if contents:
            kept = len(contents) < VARIANTS_PER_PART
            events.append(Variant(key[0], where, kept, deliver))
            if not kept:
                return events
        contents.append(deliver)
        if len(parts.parts) < where.total:
            return events
        if parts.given == 0:
            parts.deadline = now + LINGER_S
        return events + self._combinations(key, where, deliver)

    def _combinations(self, key: _Key, where: Concatenation, new: SmsDeliver) -> list[Event]:
        """Every message of which ``new`` is a part, as far as the bound allows."""
        parts = self._sets[key]
        room = MAX_COMBINATIONS - parts.given
        found = list(islice(_choices(parts, where, new), room + 1))
        events: list[Event] = [
            Assembled(key[0], choice, parts.given + position) for position, choice in enumerate(found[:room])
        ]
        parts.given += len(events)
        return [*events, CombinationsDropped(key[0], where)] if len(found) > room else events

    def _make_room(self) -> list[Event]:
        """If full, drop the set that is complete and oldest, else the oldest of all."""
        if len(self._sets) < self._max_messages:
            return []
        oldest = min(self._sets, key=lambda key: (self._sets[key].is_incomplete, self._sets[key].deadline))
        return self._give_up(oldest, crowded_out=True)

    def _give_up(self, key: _Key, crowded_out: bool) -> list[Event]:
        parts = self._sets.pop(key)
        if not parts.is_incomplete:
            return []
        sender, reference, _, total = key
        kept = tuple(part for _, contents in sorted(parts.parts.items()) for part in contents)
        return [Expired(sender, reference, total, kept, crowded_out)]


def _choices(parts: _Set, where: Concatenation, new: SmsDeliver) -> Iterator[tuple[SmsDeliver, ...]]:
    contents = (
        [new] if sequence == where.sequence else parts.parts[sequence]
        for sequence in range(1, where.total + 1)
    )
    return product(*contents)


def _content(part: SmsDeliver) -> tuple[object, ...]:
    """What makes two parts the same message: not the time stamp, which a service centre sets anew when it repeats."""
    return part.pid, part.dcs, part.udh, part.ud
