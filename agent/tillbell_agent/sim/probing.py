"""Shops whose lines are probed: each dialect's simulated till on a wire with noise, a UART with settings of its own on it.

``python -m tillbell_agent.sim.probing --trials 200`` draws speed, format, noise, kind of UART and tap for each trial by
its seed, lets a minute of traffic be heard, and prints what was named rightly, left open, and named wrongly, by family.
Of what was left open it says how many whole frames the line itself held; "too little" are those that held fewer than a
verdict needs. ``--family`` and ``--seed`` repeat one. The exit code is 1 where a verdict was wrong.
"""

import argparse
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from tillbell_agent.pos.dialect import Line
from tillbell_agent.pos.registry import DIALECTS
from tillbell_agent.probe.evidence import ROWS
from tillbell_agent.probe.hearing import Hearing
from tillbell_agent.probe.hunt import Hunt
from tillbell_agent.probe.setting import SPEEDS, Errors, Setting
from tillbell_agent.probe.verdict import Finding, Verdict
from tillbell_agent.sim.receipts import receipts
from tillbell_agent.sim.tills import TILLS, TROUBLES, Spoken, currency_of, exchanges_of
from tillbell_agent.sim.uart import Format, Heard, Noise, Receiver, Wire

TRAFFIC_S = 60.0
_BLOCK_S = 0.016  # an adapter hands over what it has this often
_AHEAD_S = 2.0
_REST_S = 0.1  # ends a burst
_START = datetime(2026, 3, 14, 9, 26)
_BUSY_S = 1.0  # traffic: nobody looks for a card for longer
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.3, 3.0  # between two customers
_EIGHT_BITS = (Format(), Format(), Format(), Format(8, "N", 2), Format(8, "E"), Format(8, "O"))
_SEVEN_BITS = (Format(7, "E"), Format(7, "O"), Format(7, "N"), Format(7, "E", 2))


@dataclass(frozen=True, slots=True)
class Trial:
    """``counted``: the port counts errors. ``tap``: the lines that have a port."""

    family: str
    seed: int
    speed: int
    format: Format
    noise: Noise
    at_once: bool
    counted: bool
    tolerance: float
    tap: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """``word``: named (all that was claimed is right), open (no sure verdict) or wrong.

    ``frames``: of what was left open, how many whole ones the minute held.
    """

    trial: Trial
    line: Line
    verdict: Verdict
    word: str
    frames: int | None = None

    @property
    def said_too_little(self) -> bool:
        """Nobody could have been sure, even with the right settings from the beginning."""
        return self.frames is not None and self.frames < sum(ROWS[self.trial.family].need.values())


def families() -> list[str]:
    """The dialects that are known and simulated."""
    return [name for name in DIALECTS if name == "escpos" or name in TILLS]


def conversation(family: str, seed: int) -> Iterator[Spoken]:
    """What a shop says without end, customer after customer."""
    chance = random.Random(f"pauses/{seed}")
    currency = currency_of(family)
    if family == "escpos":
        western = seed % 2
        for receipt in receipts(seed, start=_START, currency="USD" if western else "CNY"):
            yield Spoken(Line.TERMINAL, receipt.octets, chance.uniform(_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S))
        return
    troubles = frozenset(each for each in TROUBLES if chance.random() < 0.3)
    for exchange in exchanges_of(family)(seed, _START, currency, troubles):
        for number, said in enumerate(exchange.spoken):
            pause = 0.0 if number else chance.uniform(_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S)
            yield Spoken(said.line, said.octets, min(said.after_s, _BUSY_S) + pause)


def draw(family: str, seed: int) -> Trial:
    """One of the installations that there may be."""
    chance = random.Random(f"{family}/{seed}")
    ascii_only = all(max(said.octets, default=0) < 0x80 for said in islice(conversation(family, seed), 40))
    return Trial(
        family,
        seed,
        chance.choice(SPEEDS[:-1]),
        chance.choice(_EIGHT_BITS + (_SEVEN_BITS if ascii_only else ())),
        Noise(chance.choice((0.0, 2e-5, 1e-4)), chance.choice((0.0, 0.5, 3.0))),
        chance.random() < 0.5,
        chance.random() < 0.7,
        chance.uniform(0.985, 1.015),
        (Line.TERMINAL,) if family == "escpos" or chance.random() < 0.4 else tuple(Line),
    )


class Traffic:
    """A minute of it, spoken onto the wires as far ahead as somebody listens."""

    def __init__(self, trial: Trial) -> None:
        self.wires = {line: Wire(trial.noise, trial.seed * 2 + number) for number, line in enumerate(Line)}
        self._trial = trial
        self._now = self._until = 0.2
        self._conversation = conversation(trial.family, trial.seed)

    def until(self, time: float) -> None:
        """Speak all that begins before ``time``, and a little more."""
        if time < self._until:
            return
        self._until = time + _AHEAD_S
        while self._now < min(self._until, TRAFFIC_S):
            said = next(self._conversation)
            self._now += said.after_s
            self._now = self.wires[said.line].speak(
                said.octets, self._now, self._trial.speed, self._trial.format
            )
        self._until = min(self._until, self._now)
        for wire in self.wires.values():
            wire.glitch_until(self._until)


def errors_of(heard: Sequence[Heard]) -> Errors:
    """As Linux's drivers count: a break, a wrong parity or a missing stop bit, one of them."""
    return Errors(
        sum(each.break_ or (each.framing and not each.parity) for each in heard),
        sum(each.parity for each in heard),
    )


def listen(trial: Trial, traffic: Traffic, line: Line) -> Verdict:
    """One port's probe, until it is done or the minute is over."""
    hunt, wire = Hunt(0.0), traffic.wires[line]
    setting, receiver, now = hunt.setting, _receiver(trial, wire, hunt.setting, 0.0), 0.0
    while now < TRAFFIC_S and not hunt.done:
        now += _BLOCK_S
        traffic.until(now)
        heard = receiver.hear(now)
        hunt.receive(bytes(each.octet for each in heard), now, errors_of(heard) if trial.counted else None)
        if hunt.setting != setting:
            setting, receiver = hunt.setting, _receiver(trial, wire, hunt.setting, now)
    return hunt.verdict(now)


def _receiver(trial: Trial, wire: Wire, setting: Setting, now: float) -> Receiver:
    form = Format(setting.bytesize, setting.parity, setting.stopbits)
    return Receiver(wire, setting.baudrate, form, now, at_once=trial.at_once, tolerance=trial.tolerance)


def run(trial: Trial) -> list[Outcome]:
    """What was found on each tapped line."""
    traffic = Traffic(trial)
    return [_judged(trial, line, listen(trial, traffic, line)) for line in trial.tap]


def whole_frames(trial: Trial, line: Line) -> int:
    """How many the minute held, undamaged: heard by the trial's UART with the line's own settings from the beginning."""
    form, traffic = trial.format, Traffic(trial)
    setting = Setting(trial.speed, form.bits, form.parity, int(form.stopbits))
    hearing, receiver = Hearing(setting), _receiver(trial, traffic.wires[line], setting, 0.0)
    now = heard_at = 0.0
    while now < TRAFFIC_S:
        now += _BLOCK_S
        traffic.until(now)
        heard = receiver.hear(now)
        hearing.receive(bytes(each.octet for each in heard), None)
        heard_at = now if heard else heard_at
        if now > heard_at + _REST_S:
            hearing.end_burst(now)
    hearing.end_burst(now)
    return hearing.tallies[trial.family].score if trial.family in hearing.tallies else 0


def _judged(trial: Trial, line: Line, verdict: Verdict) -> Outcome:
    if verdict.finding in (Finding.MODEM, Finding.BRIDGE):
        return Outcome(trial, line, verdict, "wrong")
    if verdict.finding is not Finding.TERMINAL:
        return Outcome(trial, line, verdict, "open", whole_frames(trial, line))
    return Outcome(trial, line, verdict, "named" if is_right(trial, verdict) else "wrong")


def is_right(trial: Trial, verdict: Verdict) -> bool:
    """Whether everything that the verdict claims is so."""
    found, truth = verdict.setting, trial.format
    assert found is not None
    return (
        verdict.dialect == trial.family
        and found.baudrate == trial.speed
        and (not verdict.parity_known or (found.bytesize, found.parity) == (truth.bits, truth.parity))
        and (not verdict.stopbits_known or found.stopbits == truth.stopbits)
    )


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--family", choices=families())
    parser.add_argument("--seed", type=int, help="one trial, with its verdicts")
    args = parser.parse_args(argv)
    wrong = 0
    print(f"{'family':12} named   open  too little  wrong  parity open  sure after (median, most)")
    for family in [args.family] if args.family else families():
        seeds = range(args.trials) if args.seed is None else [args.seed]
        outcomes = [outcome for seed in seeds for outcome in run(draw(family, seed))]
        wrong += _print_row(family, outcomes)
        _print_details(outcomes, everything=args.seed is not None)
    return int(wrong > 0)


def _print_row(family: str, outcomes: list[Outcome]) -> int:
    words = Counter(outcome.word for outcome in outcomes)
    named = [outcome.verdict for outcome in outcomes if outcome.word == "named"]
    seconds = sorted(verdict.sure_after or 0.0 for verdict in named) or [0.0]
    starved = sum(outcome.said_too_little for outcome in outcomes)
    unseen = sum(not verdict.parity_known for verdict in named)
    print(
        f"{family:12} {words['named']:5}  {words['open']:5}  {starved:10}  {words['wrong']:5}  {unseen:11}"
        f"  {seconds[len(seconds) // 2]:.0f}, {seconds[-1]:.0f}",
        flush=True,
    )
    return words["wrong"]


def _print_details(outcomes: list[Outcome], *, everything: bool) -> None:
    for outcome in outcomes:
        if everything or outcome.word != "named":
            trial, verdict = outcome.trial, outcome.verdict
            print(f"  {outcome.word}: seed {trial.seed}, {outcome.line.value}, {trial}")
            print(f"    {replace(verdict, turns=())}")
        if outcome.frames is not None:
            print(f"    the minute held {outcome.frames} whole frames")


if __name__ == "__main__":
    raise SystemExit(main())
