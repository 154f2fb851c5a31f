"""The simulated modem's log and the moments of the kills → what was handed to the network, and where that could be known.

The log is the other side's account: a segment whose message was complete at the modem is with the network, whatever the
agent remembers. The agent can know of it only once it has the answer and has committed that, which it does with the next
hand-over or soon after. A kill before that, or a lost answer, leaves the outcome open; nothing else does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# The agent commits an answer within a tenth of a second, if no next hand-over comes first; a loaded disk adds to that.
COMMITTED_WITHIN_S = 0.6
# What a dying agent has just written is taken in by the modem a little later; the next agent speaks later still.
_LATE_S = 0.2
PHASES = (
    "before the first AT+CMGS",
    "between AT+CMGS and PDU",
    "between PDU and answer",
    "while an answer was lost",
    "behind an answer",
)


@dataclass(frozen=True, slots=True)
class Life:
    """One run of the agent: ``ended`` by SIGKILL, None: in order. ``handed``: (phone, body) that the store then had open."""

    began: float
    ended: float | None
    handed: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment that the network took. ``open``: nobody could know that it did."""

    at: float
    to: str
    part: int
    total: int
    text: str | None
    octets: bytes
    life: int
    lost_ok: bool
    open: bool

    def is_of(self, phone: str, body: bytes) -> bool:
        """Whether it carries a part of this message."""
        if phone != self.to:
            return False
        return self.octets in body if self.text is None else self.text in body.decode()


@dataclass(slots=True)
class _Entered:
    """From AT+CMGS to what the network said; None: not yet."""

    pdu_at: float | None = None
    answered_at: float | None = None
    lost_ok: bool = False
    record: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """``phases``: for each life that was killed, its phase; ``nameless``: lives killed at an AT+CMGS without a PDU."""

    segments: tuple[Segment, ...]
    phases: tuple[str, ...]
    nameless: tuple[int, ...]


def account(records: Sequence[dict[str, Any]], lives: Sequence[Life]) -> Account:
    """Everything the network took, life by life."""
    segments: list[Segment] = []
    phases: list[str] = []
    nameless: list[int] = []
    for number, (life, entered) in enumerate(zip(lives, _by_life(records, lives), strict=True)):
        sent = [each for each in entered if each.record is not None]
        segments += [_segment(each, number, life, is_last=each is sent[-1]) for each in sent]
        if life.ended is None:
            continue
        phases.append(_phase(entered, life.ended))
        if entered and entered[-1].pdu_at is None:
            nameless.append(number)
    return Account(tuple(segments), tuple(phases), tuple(nameless))


def _by_life(records: Sequence[dict[str, Any]], lives: Sequence[Life]) -> list[list[_Entered]]:
    ends = [life.began + _LATE_S for life in lives[1:]] + [float("inf")]
    found: list[list[_Entered]] = [[] for _ in lives]
    number = 0
    for record in records:
        while record["t"] >= ends[number]:
            number += 1
        mine = found[number]
        match record["ev"]:
            case "cmd" if record["line"].upper().startswith("AT+CMGS="):
                mine.append(_Entered())
            case "pdu":
                mine[-1].pdu_at = record["t"]
            case "fault" if record["kind"] == "lost_ok":
                mine[-1].lost_ok = True
            case "sms":
                # The network may take it while the next agent is already there: it belongs to whom its PDU came from.
                each = next(e for e in reversed([e for one in found for e in one]) if e.pdu_at is not None)
                assert each.record is None, "the network took two segments for one PDU"
                each.record, each.answered_at = record, record["t"]
    return found


def _segment(entered: _Entered, number: int, life: Life, *, is_last: bool) -> Segment:
    record = entered.record
    assert record is not None
    assert entered.pdu_at is not None
    unsettled = (
        is_last
        and life.ended is not None
        and (entered.answered_at is None or life.ended < entered.answered_at + COMMITTED_WITHIN_S)
    )
    return Segment(
        at=entered.pdu_at, to=record["to"], part=record["parts"][0], total=record["parts"][1],
        text=record["text"], octets=bytes.fromhex(record["ud"]), life=number,
        lost_ok=entered.lost_ok, open=entered.lost_ok or unsettled,
    )  # fmt: skip


def _phase(entered: Sequence[_Entered], killed: float) -> str:
    before, at_prompt, with_network, lost, behind = PHASES
    if not entered:
        return before
    last = entered[-1]
    if last.pdu_at is None or last.pdu_at > killed:
        return at_prompt
    if last.lost_ok:
        return lost
    return behind if last.answered_at is not None and last.answered_at <= killed else with_network


def unforeseen(found: Account, lives: Sequence[Life]) -> list[str]:
    """Where the network had a segment without an answer at a kill, the store must have had it as handed over."""
    faults = []
    for number, life in enumerate(lives):
        mine = [segment for segment in found.segments if segment.life == number]
        if life.ended is None or not mine or number in found.nameless:
            continue
        last = mine[-1]
        is_answered = not last.lost_ok and last.open is False
        if not is_answered and last.lost_ok and not any(last.is_of(*handed) for handed in life.handed):
            faults.append(f"kill {number + 1}: a PDU had left that the store did not have as handed over")
    return faults
