"""Was every message told, once, and again only where nobody could know? The network's account against what was fed. Pure.

A sealed segment may go again, octet for octet, if the one before it was open. A text goes again once, with its mark, if the
last part of the copy without it was open, or if a kill fell between its AT+CMGS and its PDU, when the store already had it
as handed over. As it was, only a part goes again that was open when its copy's last part had not gone yet.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sending_log import Account, Life, Segment

# A part's words, or a whole text's → whose they are, and whether they bear the mark of a repetition; None: nobody's.
NameOf = Callable[[str], tuple[str, bool] | None]


@dataclass(slots=True)
class Verdict:
    """``repeated``: texts that went out marked, ``shown_twice`` of them seen unmarked as well; ``again``: segments
    that went out again as they were; ``untold``: texts whose two copies were both cut off by kills, and which the phone never got.
    """

    repeated: int = 0
    shown_twice: int = 0
    untold: int = 0
    again: int = 0
    faults: list[str] = field(default_factory=list)


def judge_texts(found: Account, lives: Sequence[Life], owner: str, name_of: NameOf, verdict: Verdict) -> None:
    """What went out to ``owner``, segment by segment."""
    plain: dict[str, list[Segment]] = {}
    marked: dict[str, list[Segment]] = {}
    for segment in found.segments:
        if segment.to != owner:
            continue
        named = name_of(segment.text or "")
        if named is None:
            verdict.faults.append(f"the network has a text that was never put: {segment.text}")
            continue
        name, is_marked = named
        (marked if is_marked else plain).setdefault(name, []).append(segment)
    for copies, words in ((plain, "without a mark"), (marked, "with its mark")):
        for name, segments in copies.items():
            verdict.again += len(segments) - len({segment.part for segment in segments})
            if not _goes_on(segments):
                verdict.faults.append(f"{name} went out twice {words}")
    for name, segments in marked.items():
        verdict.repeated += 1
        fault = _unexcused(name, segments, plain.get(name, []), found, lives, name_of)
        if fault:
            verdict.faults.append(f"{name} was repeated, {fault}")


def _goes_on(copy: Sequence[Segment]) -> bool:
    """A part goes again only if it was open, and while the copy's last part has not gone: nobody can have read it then."""
    for place, segment in enumerate(copy):
        before = [each for each in copy[:place] if each.part == segment.part]
        if before and (not before[-1].open or any(each.part == each.total for each in copy[:place])):
            return False
    return True


def judge_shown(
    texts: Sequence[str], names: Sequence[str], name_of: NameOf, cut_off: Counter[str], verdict: Verdict
) -> None:
    """What the phone shows of ``names``. ``cut_off``: how many copies of each a kill took between AT+CMGS and PDU."""
    shown = Counter(name_of(text) for text in texts)
    for name in names:
        plain, marked = shown.pop((name, False), 0), shown.pop((name, True), 0)
        verdict.shown_twice += plain > 0 and marked > 0
        if plain > 1 or marked > 1:
            verdict.faults.append(f"the phone shows {name} {plain} times, and {marked} times with the mark")
        if plain + marked == 0 and cut_off[name] > 1:
            verdict.untold += 1
        elif plain + marked == 0:
            verdict.faults.append(f"the phone was never told of {name}")
    verdict.faults += [f"the phone shows what nobody put: {stranger}" for stranger in shown]


def _unexcused(
    name: str,
    marked: Sequence[Segment],
    plain: Sequence[Segment],
    found: Account,
    lives: Sequence[Life],
    name_of: NameOf,
) -> str | None:
    began = min(segment.at for segment in marked)
    if any(segment.at > began for segment in plain):
        return "and then went out without a mark"
    if any(segment.open and segment.part == segment.total for segment in plain):
        return None
    cut_off = [lives[number] for number in found.nameless]
    if any(
        (life.ended or 0.0) < began and (name, False) in named(life, marked[0].to, name_of)
        for life in cut_off
    ):
        return None
    return "though its outcome was known"


def named(life: Life, phone: str, name_of: NameOf) -> list[tuple[str, bool] | None]:
    """Whose texts the store had as handed over when this life ended, and whether marked."""
    return [name_of(body.decode()) for to, body in life.handed if to == phone]


def judge_sealed(found: Account, phone: str, verdict: Verdict) -> None:
    """The same octets again only behind an open copy."""
    last: dict[bytes, Segment] = {}
    for segment in found.segments:
        if segment.to != phone:
            continue
        before = last.get(segment.octets)
        if before is not None:
            verdict.again += 1
            if not before.open:
                verdict.faults.append(
                    f"a sealed segment went again at {segment.at:.3f} though it was known to be out"
                )
        last[segment.octets] = segment
