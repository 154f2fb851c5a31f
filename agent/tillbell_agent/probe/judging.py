"""From what was heard to a verdict: who spoke, with which settings, and whether that is sure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from tillbell_agent.pos.dialect import Line
from tillbell_agent.probe.evidence import BRIDGE, MODEM
from tillbell_agent.probe.hearing import UNKNOWN, Hearing, Tally
from tillbell_agent.probe.setting import Setting
from tillbell_agent.probe.verdict import Finding, Verdict

# A second dialect with more than this share of the first one's sights makes a verdict unsure.
_RIVAL = 0.2
_OTHERS = {MODEM: Finding.MODEM, BRIDGE: Finding.BRIDGE}
_PARITY_SHARE = 0.1  # of the characters without a stop bit, or with a wrong parity: more than noise makes
_ENOUGH_ERRORS = 4
# How far the number of errors may be from the number of octets that explain it, and must be from the other.
_LIKE, _UNLIKE = 0.05, 0.2


def judge(hearings: Iterable[Hearing], base: Setting | None) -> Verdict:
    """``base``: where a dialect was understood, if one was. What was heard at other speeds does not count then."""
    heard = [each for each in hearings if base is None or each.setting.baudrate == base.baudrate]
    names = _names(heard)
    framed = {name for name in names if heard[0].framed(name)}
    ranked = sorted(framed or names, key=lambda name: -_score(heard, name))  # chance words weigh no frame
    if not ranked:
        return _unknown(heard)
    rivals = [name for name in ranked[1:] if _score(heard, name) > _RIVAL * _score(heard, ranked[0])]
    best = max(
        heard,
        key=lambda each: (_is_borne_out(each, ranked[0]), each.setting == base, _score([each], ranked[0])),
    )
    sure = _is_borne_out(best, ranked[0]) and not rivals
    found = _OTHERS.get(ranked[0], Finding.TERMINAL) if sure else Finding.UNSURE
    return _verdict(found, (ranked[0], *rivals), base or best.setting, best, heard)


def _names(heard: Iterable[Hearing]) -> set[str]:
    """Text alone is no dialect: scales and scanners say lines too."""
    return {name for each in heard for name in each.tallies if name != UNKNOWN and each.may_be(name)}


def _is_borne_out(heard: Hearing, name: str) -> bool:
    """Enough was seen under one setting, and the dialect does not object."""
    return heard.meets_need(name) and not heard.objects(name)


def _score(heard: Iterable[Hearing], name: str) -> int:
    return sum(each.tallies[name].score for each in heard if name in each.tallies)


def _unknown(heard: list[Hearing]) -> Verdict:
    """Nothing is recognised; frames of a common form, or octets without errors, say at least how fast the line is."""
    most = max(heard, key=lambda each: (_score([each], UNKNOWN), each.octets), default=None)
    if most is None or not most.octets:
        return Verdict(Finding.SILENT)
    tally = most.tallies.get(UNKNOWN)
    if tally is None:
        return Verdict(Finding.UNKNOWN)
    return Verdict(Finding.UNKNOWN, (), _with_parity(most.setting, most), kinds=tally.kinds)


def _verdict(
    found: Finding, names: tuple[str, ...], setting: Setting, best: Hearing, heard: list[Hearing]
) -> Verdict:
    tallies = [each.tallies[names[0]] for each in heard if names[0] in each.tallies]
    kinds: Counter[str] = sum((tally.kinds for tally in tallies), Counter())
    told = sum(each.opinions[names[0]].told for each in heard if names[0] in each.opinions)
    return replace(
        Verdict(found, names, _with_parity(setting, best), told=told),
        kinds=kinds,
        speakers=sum((tally.speakers for tally in tallies), Counter()),
        turns=_turns(tallies),
    )


def _turns(tallies: Iterable[Tally]) -> tuple[tuple[float, Line | None], ...]:
    return tuple(sorted((turn for tally in tallies for turn in tally.turns), key=lambda turn: turn[0]))


def _with_parity(setting: Setting, hearing: Hearing) -> Setting:
    """Eight bits of which the highest is a parity are seven; one that is always set is a second stop bit."""
    parity = hearing.parity
    if parity is None:
        return setting
    if parity == "M":
        share = hearing.wrong_share
        two = (
            share is not None and share < _PARITY_SHARE
        )  # of a single one the next start bit takes its place
        return replace(setting, bytesize=7, parity="N", stopbits=1 + two)
    return replace(setting, bytesize=7, parity=parity)


def parity_by_errors(hearing: Hearing) -> str | None:
    """The parity of characters that have one bit more than was looked for; None: there is none, or nothing shows it.

    Where no parity was looked for, its 0 is a missing stop bit; where a 1 was (mark), a wrong parity. Both come with
    every octet of an even number of ones, or of an odd one. "?": a parity that either may be.
    """
    share = hearing.understood
    if share.errors is None or hearing.setting.bytesize != 8 or hearing.setting.parity not in "NM":
        return None
    zeros = share.errors.framing if hearing.setting.parity == "N" else share.errors.parity
    if zeros < _PARITY_SHARE * share.octets or zeros < _ENOUGH_ERRORS:
        return None
    far = {"E": abs(zeros - share.even), "O": abs(zeros - (share.octets - share.even))}
    best, other = sorted(far, key=lambda parity: far[parity])
    return best if far[best] <= _LIKE * share.octets and far[other] >= _UNLIKE * share.octets else "?"
