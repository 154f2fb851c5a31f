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
# What an agent has read, it may still act upon before SIGKILL stops it.
_DYING_S = 0.05
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


@dataclass(slots=True)
class Entered:
    """From one AT+CMGS to what the network said; None: not yet. ``sms``: the network's record of it."""

    life: int
    pdu_at: float | None = None
    lost_ok: bool = False
    sms: dict[str, Any] | None = None

    def is_unanswered(self, at: float) -> bool:
        return self.lost_ok or self.sms is None or self.sms["t"] > at


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment that the network took. ``open``: the agent could not know that it did."""

    at: float
    to: str
    part: int
    total: int
    text: str | None
    octets: bytes
    life: int
    open: bool

    def is_of(self, phone: str, body: bytes) -> bool:
        """Whether it carries a part of this message."""
        if phone != self.to:
            return False
        return self.octets in body if self.text is None else self.text in body.decode()


@dataclass(frozen=True, slots=True)
class Account:
    """``phases``: of each kill, in its order; ``nameless``: lives killed at an AT+CMGS that no PDU followed.

    ``faults``: PDUs that had left though the store did not have them as handed over.
    """

    segments: tuple[Segment, ...]
    phases: tuple[str, ...]
    nameless: tuple[int, ...]
    faults: tuple[str, ...]


def account(records: Sequence[dict[str, Any]], lives: Sequence[Life]) -> Account:
    """Everything the network took, in its order, and what each kill met."""
    entered = _entered(records, lives)
    of_life = [[each for each in entered if each.life == number] for number in range(len(lives))]
    killed = [number for number, life in enumerate(lives) if life.ended is not None]
    segments = [
        _segment(each, lives[each.life], of_life[each.life]) for each in entered if each.sms is not None
    ]
    return Account(
        segments=tuple(segments),
        phases=tuple(_phase(of_life[number], lives[number].ended or 0.0) for number in killed),
        nameless=tuple(n for n in killed if of_life[n] and of_life[n][-1].pdu_at is None),
        faults=tuple(_unforeseen(segments, of_life, lives)),
    )


def _entered(records: Sequence[dict[str, Any]], lives: Sequence[Life]) -> list[Entered]:
    ends = [life.began + _LATE_S for life in lives[1:]] + [float("inf")]
    entered: list[Entered] = []
    life = 0
    for record in records:
        while record["t"] >= ends[life]:
            life += 1
        match record["ev"]:
            case "cmd" if record["line"].upper().startswith("AT+CMGS="):
                entered.append(Entered(life))
            case "pdu":
                entered[-1].pdu_at = record["t"]
            case "fault" if record["kind"] == "lost_ok":
                entered[-1].lost_ok = True
            case "sms":  # perhaps while the next agent is there already
                with_network = next(each for each in reversed(entered) if each.pdu_at is not None)
                assert with_network.sms is None, "the network took two segments for one PDU"
                with_network.sms = record
    return entered


def _segment(entered: Entered, life: Life, of_life: Sequence[Entered]) -> Segment:
    sms, at = entered.sms, entered.pdu_at
    assert sms is not None
    assert at is not None
    is_last = entered is [each for each in of_life if each.pdu_at is not None][-1]
    unsettled = is_last and life.ended is not None and entered.is_unanswered(life.ended - COMMITTED_WITHIN_S)
    return Segment(
        at=at, to=sms["to"], part=sms["parts"][0], total=sms["parts"][1], text=sms["text"], octets=bytes.fromhex(sms["ud"]),
        life=entered.life, open=entered.lost_ok or unsettled,
    )  # fmt: skip


def _unforeseen(
    segments: Sequence[Segment], of_life: Sequence[Sequence[Entered]], lives: Sequence[Life]
) -> list[str]:
    """What the network had, unanswered, when its agent was killed: the store must have known that it was on its way."""
    last = {segment.life: segment for segment in segments}
    faults = []
    for number, segment in last.items():
        life, entered = lives[number], of_life[number][-1]
        if life.ended is None or not entered.is_unanswered(life.ended + _DYING_S) or entered.pdu_at is None:
            continue
        if not any(segment.is_of(*handed) for handed in life.handed):
            faults.append(f"kill {number + 1}: a PDU had left that the store did not have as handed over")
    return faults


def _phase(entered: Sequence[Entered], killed: float) -> str:
    before, at_prompt, with_network, lost, behind = PHASES
    if not entered:
        return before
    last = entered[-1]
    if last.pdu_at is None or last.pdu_at > killed:
        return at_prompt
    if last.lost_ok:
        return lost
    return with_network if last.is_unanswered(killed) else behind
