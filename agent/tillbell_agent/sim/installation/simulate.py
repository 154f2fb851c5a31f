"""``make simulate``: many seeds, each an installation's bad days; what did not hold, and the command that shows it again.

    python -m tillbell_agent.sim.installation.simulate --seeds 20 --days 7 [--seed S] [--shops N] [--jobs N] [--json]
    python -m tillbell_agent.sim.installation.simulate --seed 7 --days 7 --trace       the trace on standard output
    python -m tillbell_agent.sim.installation.simulate --seed 7 --days 7 --shrink      a shorter run with the same fault

Exit code 1 if anything did not hold, or if a kind of incident never struck in twenty seeds or more.
"""

import argparse
import json
import os
import re
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from tillbell_agent.sim.installation.incidents import RATES
from tillbell_agent.sim.installation.run import Outcome, run_seed
from tillbell_agent.sim.installation.shrink import shrink

# So many seeds meet every kind; fewer may miss a rare one by chance.
_ENOUGH_SEEDS = 20
_FAULTS_SHOWN = 10


def main(argv: Sequence[str] | None = None) -> int:
    args = _arguments(argv)
    try:
        if args.trace or args.shrink or args.only is not None:
            return _one(args)
        return _many(args)
    except KeyboardInterrupt:
        return 130


def _many(args: argparse.Namespace) -> int:
    seeds = [args.seed] if args.seed is not None else list(range(args.first, args.first + args.seeds))
    began = time.monotonic()
    outcomes: list[Outcome] = []
    stopped = False
    try:
        for outcome in _outcomes(seeds, args):
            outcomes.append(outcome)
            if not args.json:
                _tell(outcome, len(outcomes), len(seeds), args)
    except KeyboardInterrupt:
        stopped = True
    struck = sum((outcome.struck for outcome in outcomes), Counter[str]())
    never = [name for name in RATES if not struck[name]] if len(outcomes) >= _ENOUGH_SEEDS else []
    _summary(outcomes, struck, never, time.monotonic() - began, as_json=args.json)
    if stopped:
        print(f"stopped after {len(outcomes)} of {len(seeds)} seeds", file=sys.stderr)
        return 130
    return 1 if never or any(outcome.faults for outcome in outcomes) else 0


def _tell(outcome: Outcome, number: int, of: int, args: argparse.Namespace) -> None:
    print(_line(outcome, number, of), flush=True)
    for fault in outcome.faults[:_FAULTS_SHOWN]:
        print(f"    {fault}")
    if len(outcome.faults) > _FAULTS_SHOWN:
        print(f"    and {len(outcome.faults) - _FAULTS_SHOWN} more")
    if outcome.faults:
        print(f"    again: {_command(outcome, args)}", flush=True)


def _outcomes(seeds: list[int], args: argparse.Namespace) -> Iterator[Outcome]:
    run = partial(_run, days=args.days, shops=args.shops)
    if args.jobs == 1 or len(seeds) == 1:
        yield from map(run, seeds)
        return
    with ProcessPoolExecutor(args.jobs) as workers:
        try:
            yield from workers.map(run, seeds)
        except KeyboardInterrupt:
            workers.shutdown(
                wait=False, cancel_futures=True
            )  # those that run are finished, no other is begun
            raise


def _run(seed: int, days: float, shops: int) -> Outcome:
    """A seed that ends the simulation itself is a fault like others, and the next seed has its turn."""
    try:
        return run_seed(seed, days, shops=shops)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told with its seed
        where = traceback.extract_tb(error.__traceback__)[-1]
        words = f"the run itself ended in {where.name}, {Path(where.filename).name}: {type(error).__name__}: {error}"
        return Outcome(seed, days, [words], 0, 0, 0, Counter(), 0.0)


def _one(args: argparse.Namespace) -> int:
    if args.seed is None:
        print("tillbell: --trace, --shrink and --only take one --seed", file=sys.stderr)
        return 2
    if args.shrink:
        return _shrunk(args)
    outcome = run_seed(
        args.seed,
        args.days,
        shops=args.shops,
        only=args.only,
        days_drawn=args.days_drawn,
        trace=print if args.trace else None,
    )
    print(_line(outcome, 1, 1), *outcome.faults, sep="\n    ", file=sys.stderr if args.trace else sys.stdout)
    return 1 if outcome.faults else 0


def _shrunk(args: argparse.Namespace) -> int:
    found = shrink(args.seed, args.days, args.shops, lambda words: print(words, file=sys.stderr, flush=True))
    if found is None:
        print(f"seed {args.seed} over {args.days:g} days: everything holds, nothing to shrink")
        return 0
    print(f"{len(found.incidents)} incidents, {found.days:g} days:")
    for incident in found.incidents:
        print(f"    {incident.at:.0f} s: {incident.kind} (number {incident.number})")
    for fault in found.faults:
        print(f"    {fault}")
    numbers = ",".join(str(incident.number) for incident in found.incidents)
    more = f"--days-drawn {args.days:g} --only {numbers or '-'}"
    print(f'again: make simulate SEED={args.seed} DAYS={found.days!r} ARGS="--shops {args.shops} {more}"')
    return 1


def _line(outcome: Outcome, number: int, of: int) -> str:
    verdict = "all well" if not outcome.faults else f"{len(outcome.faults)} FAULTS"
    return (
        f"seed {outcome.seed} ({number} of {of}): {outcome.days:g} days, {outcome.sales} sales, {outcome.texts} texts, "
        f"{outcome.opened} sealed messages opened, {sum(outcome.struck.values())} incidents, "
        f"{outcome.took_s:.1f} s: {verdict}"
    )


def _command(outcome: Outcome, args: argparse.Namespace) -> str:
    shops = f" --shops {args.shops}" if args.shops != 1 else ""
    return f"make simulate SEED={outcome.seed} DAYS={outcome.days:g}" + (
        f' ARGS="{shops.strip()}"' if shops else ""
    )


def _summary(
    outcomes: list[Outcome], struck: "Counter[str]", never: list[str], took_s: float, *, as_json: bool
) -> None:
    days, sales = sum(outcome.days for outcome in outcomes), sum(outcome.sales for outcome in outcomes)
    faults = sum(len(outcome.faults) for outcome in outcomes)
    if as_json:
        told = {
            "seeds": len(outcomes),
            "days": days,
            "sales": sales,
            "took_s": round(took_s, 1),
            "faults": {outcome.seed: outcome.faults for outcome in outcomes if outcome.faults},
            "incidents": dict(sorted(struck.items())),
            "never": never,
        }
        print(json.dumps(told, ensure_ascii=False, indent=2))
        return
    print(
        f"{len(outcomes)} seeds, {days:g} days, {sales} sales in {took_s:.0f} s ({sales / max(took_s, 0.001):.0f} a second)"
    )
    for name in sorted(RATES):
        print(f"    {struck[name]:6d} {name}")
    if never:
        print(f"these never struck: {', '.join(never)}")
    print(f"{faults} faults")


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="simulate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=20, metavar="N", help="how many seeds (%(default)s)")
    parser.add_argument("--first", type=int, default=1, metavar="S", help="the first of them (%(default)s)")
    parser.add_argument("--seed", type=int, metavar="S", help="this seed alone")
    parser.add_argument("--days", type=float, default=7.0, metavar="D", help="simulated days (%(default)g)")
    parser.add_argument("--shops", type=int, default=1, metavar="N", help="shops in one world (%(default)s)")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes (%(default)s)"
    )
    parser.add_argument("--trace", action="store_true", help="print every record of one seed as JSON lines")
    parser.add_argument(
        "--shrink", action="store_true", help="find a shorter run of one seed with the same fault"
    )
    parser.add_argument(
        "--only", type=_numbers, metavar="N,N…", help="let only these incidents of one seed happen"
    )
    parser.add_argument(
        "--days-drawn", type=float, metavar="D", help="draw the incidents as a run of so many days does"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    args = parser.parse_args(argv)
    if args.seeds < 1 or args.shops < 1 or args.jobs < 1 or args.days <= 0:
        parser.error("--seeds, --shops, --jobs and --days are above 0")
    return args


def _numbers(text: str) -> list[int]:
    if text == "-":
        return []
    if not re.fullmatch(r"[0-9]+(,[0-9]+)*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers such as 3,17")
    return [int(number) for number in text.split(",")]


if __name__ == "__main__":
    raise SystemExit(main())
