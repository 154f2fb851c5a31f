"""What was heard under one setting, and what was recognised in it. Bounded: a rest of what nothing explains is dropped.

Octets of seven bits and parity are heard whole by a receiver of eight bits without parity: the parity is their highest
bit. So there are two views of what was heard: as it came, and with that bit taken off where it has the meaning.
"""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tillbell_agent.pos.dialect import Line
from tillbell_agent.probe.evidence import OTHERS, ROWS, UNKNOWN_FRAMES, Row
from tillbell_agent.probe.opinion import Opinion
from tillbell_agent.probe.setting import Errors, Setting
from tillbell_agent.probe.sight import Sight

UNKNOWN = "unknown frames"
MOST_PENDING = 16_384  # octets of one burst: a receipt with a picture
_MOST_KEPT = 2048  # of a frame that may go on in the next burst
_MOST_TURNS = 256
_LONG_BURST = 4  # octets
_ENOUGH_FOR_PARITY = 24  # octets
_PARITY_HOLDS = 0.94
_USED = 0.04  # a highest bit that is hardly ever set, or always, is no parity
_TEXT_EXPLAINED = 0.8  # of a burst's octets


@dataclass(slots=True)
class Tally:
    """Sightings of one dialect. ``turns``: when, and who spoke, the latest ones."""

    kinds: Counter[str] = field(default_factory=Counter)
    speakers: Counter[Line] = field(default_factory=Counter)
    turns: deque[tuple[float, Line | None]] = field(default_factory=lambda: deque(maxlen=_MOST_TURNS))

    def add(self, sights: Iterable[Sight], now: float) -> None:
        for sight in sights:
            self.kinds[sight.kind] += 1
            self.turns.append((now, sight.speaker))
            if sight.speaker is not None:
                self.speakers[sight.speaker] += 1

    def meets(self, need: Mapping[str, int]) -> bool:
        return all(self.kinds[kind] >= number for kind, number in need.items())

    @property
    def score(self) -> int:
        return sum(self.kinds.values())


def _most_of(sights: list[Sight], octets: int) -> list[Sight]:
    """Text that is most of a burst; words among much that is none are chance."""
    return sights if sum(each.end - each.start for each in sights) >= _TEXT_EXPLAINED * octets else []


def _outermost(found: dict[str, list[Sight]]) -> dict[str, list[Sight]]:
    """Without what lies inside a longer sight of another dialect: a message's fields may look like a record."""
    return {
        name: [sight for sight in sights if not any(_holds(other, sight) for other in _others(found, name))]
        for name, sights in found.items()
    }


def _others(found: dict[str, list[Sight]], name: str) -> list[Sight]:
    return [sight for other, sights in found.items() if other != name for sight in sights]


def _holds(outer: Sight, inner: Sight) -> bool:
    longer = outer.end - outer.start > inner.end - inner.start
    return longer and outer.start <= inner.start and inner.end <= outer.end


@dataclass(slots=True)
class Share:
    """What came in some bursts. ``even``: octets with an even number of ones, ``high``: with the highest bit; ``errors``: None where none are counted."""

    octets: int = 0
    even: int = 0
    high: int = 0
    errors: Errors | None = None

    def add(self, octets: bytes, errors: Errors | None) -> None:
        self.octets += len(octets)
        self.even += sum(not octet.bit_count() & 1 for octet in octets)
        self.high += sum(octet > 0x7F for octet in octets)
        if errors is not None:
            self.errors = (self.errors or Errors()) + errors

    def take(self, other: "Share") -> None:
        self.octets += other.octets
        self.even += other.even
        self.high += other.high
        if other.errors is not None:
            self.errors = (self.errors or Errors()) + other.errors


class Hearing:
    """Times are monotonic seconds. ``parity`` of the seven-bit view: E, O or M; None: the octets have eight bits."""

    def __init__(self, setting: Setting, rows: Mapping[str, Row] = ROWS) -> None:
        self.setting = setting
        self.all = Share()
        self.understood = Share()  # the bursts in which something was recognised
        self.long = Share()  # whole bursts longer than an ACK, or a glitch; and what was recognised
        self.tallies: dict[str, Tally] = {}
        self.opinions: dict[str, Opinion] = {}
        self._rows = {**rows, **OTHERS}
        self._burst = Share()
        self._pending = bytearray()
        self._fresh = 0  # how much of the end of ``_pending`` no look has taken yet

    def receive(self, octets: bytes, errors: Errors | None) -> None:
        self.all.add(octets, errors)
        self._burst.add(octets, errors)
        self._pending += octets
        self._fresh += len(octets)
        del self._pending[: max(0, len(self._pending) - MOST_PENDING)]
        self._fresh = min(self._fresh, len(self._pending))

    @property
    def octets(self) -> int:
        return self.all.octets

    @property
    def errors(self) -> Errors | None:
        return self.all.errors

    @property
    def wrong_share(self) -> float | None:
        """Characters without a stop bit, of all."""
        return None if self.errors is None else self.errors.framing / max(1, self.octets)

    @property
    def parity(self) -> str | None:
        share = Share()
        for each in (self.long, self._burst):
            share.take(each)
        if (
            self.setting.bytesize == 7
            or share.octets < _ENOUGH_FOR_PARITY
            or share.high < _USED * share.octets
        ):
            return None
        even = share.even / share.octets
        shares = {"M": share.high / share.octets, "E": even, "O": 1 - even}
        return next((parity for parity, part in shares.items() if part >= _PARITY_HOLDS), None)

    @property
    def unread(self) -> int:
        """Octets since the last look."""
        return self._fresh

    @property
    def fresh(self) -> bytes:
        """What came since the last look."""
        return bytes(self._pending[len(self._pending) - self._fresh :])

    def glance(self) -> bool:
        """Whether something is recognised in what was not looked at yet; nothing is counted."""
        return any(self._sights().values())

    def end_burst(self, now: float, *, whole: bool = True) -> None:
        """The line fell silent: look at what was said, and count it. ``whole``: it was heard from its beginning."""
        if not self._fresh:
            return
        found = self._sights()
        for name, sights in found.items():
            if sights:
                self.tallies.setdefault(name, Tally()).add(sights, now)
        self._ask_dialects(found, now)
        if any(found.values()):
            self.understood.take(self._burst)
        if (whole and self._burst.octets >= _LONG_BURST) or any(found.values()):
            self.long.take(self._burst)
        self._burst = Share()
        end = max((sight.end for sights in found.values() for sight in sights), default=0)
        del self._pending[: max(end, len(self._pending) - _MOST_KEPT)]
        self._fresh = 0

    @property
    def recognises(self) -> bool:
        """Whether a frame or print with commands was seen, be it once, to which the dialect does not object."""
        return any(
            self.meets_need(name) if name == UNKNOWN else self.may_be(name) and not self.objects(name)
            for name in self.tallies
        )

    def objects(self, name: str) -> bool:
        """Whether enough was seen, and the dialect makes nothing of it all the same."""
        return self.meets_need(name) and name in self.opinions and self.opinions[name].protests

    def framed(self, name: str) -> bool:
        return self._rows[name].frames

    def may_be(self, name: str) -> bool:
        """Whether some of every kind was seen where kinds are text."""
        row = self._rows[name]
        return row.frames or all(self.tallies[name].kinds[kind] for kind in row.need)

    def meets_need(self, name: str) -> bool:
        row = self._rows.get(name, UNKNOWN_FRAMES)
        return name in self.tallies and self.tallies[name].meets(row.need)

    def _sights(self) -> dict[str, list[Sight]]:
        """By dialect. Text counts only where no frame is, and frames of no dialect where no other is."""
        mask = bytes(octet & 0x7F for octet in self._pending) if self.parity else bytes(self._pending)
        framed = _outermost({name: self._find(row, mask) for name, row in self._rows.items() if row.frames})
        if any(framed.values()):
            return framed
        fresh = mask[len(mask) - self._fresh :]
        text = {
            name: _most_of(list(row.find(fresh)), len(fresh))
            for name, row in self._rows.items()
            if not row.frames
        }
        return text if any(text.values()) else {UNKNOWN: list(UNKNOWN_FRAMES.find(mask))}

    def _find(self, row: Row, octets: bytes) -> list[Sight]:
        if not row.alone:
            return list(row.find(octets))
        before = len(octets) - self._fresh
        found = row.find(octets[before:])
        return [Sight(each.start + before, each.end + before, each.kind, each.speaker) for each in found]

    def _ask_dialects(self, found: Mapping[str, list[Sight]], now: float) -> None:
        octets = bytes(octet & 0x7F for octet in self.fresh) if self.parity else self.fresh
        before = len(self._pending) - self._fresh
        for name in self.tallies:
            if name not in ROWS:
                continue
            if name not in self.opinions:
                self.opinions[name] = Opinion(name)
            explained = sum(max(0, each.end - max(each.start, before)) for each in found.get(name, []))
            self.opinions[name].hear(octets, now, min(explained, len(octets)))
