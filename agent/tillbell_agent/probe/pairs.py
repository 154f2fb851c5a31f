"""Two ports that are the two directions of one terminal's line: both speak the same dialect, and answer each other."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import permutations

from tillbell_agent.pos.dialect import Line
from tillbell_agent.pos.registry import DIALECTS
from tillbell_agent.probe.verdict import Finding, Verdict

_ANSWERS_WITHIN_S = 120.0  # a customer looks for the card
_RIVAL = 0.7


@dataclass(frozen=True, slots=True)
class Pair:
    """Paths of ports. ``heard``: requests were answered while both were understood; else it is only likely."""

    terminal: str
    till: str
    heard: bool


def find_pairs(verdicts: Mapping[str, Verdict]) -> list[Pair]:
    """Each port in one pair at most. Where several ports could be a port's other direction and none was heard to
    answer it more than the others, there is no pair."""
    sure = {path: verdict for path, verdict in verdicts.items() if verdict.finding is Finding.TERMINAL}
    possible = {
        (terminal, till): _answered(sure[terminal], sure[till])
        for terminal, till in permutations(sure, 2)
        if _may_belong(sure[terminal], sure[till])
    }
    pairs: list[Pair] = []
    for (terminal, till), answered in sorted(possible.items(), key=lambda each: -each[1]):
        taken = {path for pair in pairs for path in (pair.terminal, pair.till)}
        if not {terminal, till} & taken and not _rival(possible, terminal, till, answered):
            pairs.append(Pair(terminal, till, answered > 0))
    return pairs


def _may_belong(terminal: Verdict, till: Verdict) -> bool:
    return (
        terminal.dialects == till.dialects
        and _speed(terminal) == _speed(till)
        and DIALECTS[terminal.dialects[0]].two_lines
        and (terminal.speaker, till.speaker) == (Line.TERMINAL, Line.TILL)
    )


def _speed(verdict: Verdict) -> int:
    return verdict.setting.baudrate if verdict.setting else 0


def _answered(terminal: Verdict, till: Verdict) -> float:
    """How well the one end answers the other that asks: the mean of 1 / (1 + seconds) over all questions, 0 to 1."""
    turns = sorted(
        [(at, Line.TERMINAL) for at in _times(terminal)] + [(at, Line.TILL) for at in _times(till)]
    )
    asks = DIALECTS[terminal.dialects[0]].asks
    asked = [place for place, (_, line) in enumerate(turns[:-1]) if line is asks]
    waits = [turns[place + 1][0] - turns[place][0] for place in asked if turns[place + 1][1] is not asks]
    return sum(1 / (1 + wait) for wait in waits if wait <= _ANSWERS_WITHIN_S) / max(1, len(asked))


def _times(verdict: Verdict) -> Iterable[float]:
    """Each burst once."""
    return {at for at, _ in verdict.turns}


def _rival(possible: Mapping[tuple[str, str], float], terminal: str, till: str, answered: float) -> bool:
    """Whether another pair with one of these ports is nearly as likely."""
    return any(
        other != (terminal, till) and {terminal, till} & set(other) and rate >= _RIVAL * answered
        for other, rate in possible.items()
    )
