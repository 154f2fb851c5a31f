"""``make bench``: what a sale costs, in octets, SMS, milliseconds, memory and flash. Prints tables; judges nothing.

    .venv/bin/python tests/bench/run.py [--quick] [--json] [--only sizes,start,peers,...]

The mix of sales is described in ``mix.py``. The agent that is measured is the real ``tillbell run`` on
pseudo-terminals; its modem is the simulated one, which answers at once, so what a real modem and network add is not in
any figure. Beside it stand two other programs that send texts, where they are installed (``peers.py``). Runs in about
eight minutes, five of them beside the peers; ``--quick`` in two.
"""

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import bridge
import dialects
import million
import path
import peers
import proc
import sizes
from figures import Row, Table, lines, progress, to_json
from shop import BenchError, Shop

from tillbell_agent.sim.demo_processes import DemoError

_PARTS = ("sizes", "dialects", "start", "idle", "latency", "throughput", "million", "bridge", "peers")
_REPOSITORY = Path(__file__).resolve().parents[2]


def main() -> int:
    args = _arguments()
    # An installed program has its byte code: a shell that forbids writing it would measure the compiler.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    began = time.monotonic()
    folder = proc.folder_on_disk(_REPOSITORY / "build")
    machine = proc.machine(folder)
    tables: list[Table] = []
    try:
        for name, part in _parts(folder, quick=args.quick).items():
            if name in args.only:
                progress(name)
                made = part()
                tables += made
                if not args.json:
                    print(*("\n".join([*lines(table), ""]) for table in made), sep="\n", flush=True)
    except (BenchError, DemoError, proc.NoSuchFigureError) as error:
        print(f"tillbell: the benchmark stopped: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if args.json:
        print(
            json.dumps(
                {"machine": machine, "tables": [to_json(table) for table in tables]},
                ensure_ascii=False,
                indent=2,
            )
        )
    else:
        print(machine)
    progress(f"done in {time.monotonic() - began:.0f} s")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="measures Tillbell", epilog="example:\n  make bench ARGS=--quick"
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--quick", action="store_true", help="a short run: fewer sales")
    parser.add_argument("--only", default=",".join(_PARTS), metavar="PARTS", help="some of: %(default)s")
    args = parser.parse_args()
    args.only = args.only.split(",")
    unknown = set(args.only) - set(_PARTS)
    if unknown:
        parser.error(f"no part {', '.join(sorted(unknown))}; there are: {', '.join(_PARTS)}")
    return args


def _parts(folder: Path, *, quick: bool) -> dict[str, Callable[[], list[Table]]]:
    """Name → what measures it. Each has a shop of its own, so that none finds what another left."""
    starts, seconds, singles, sales, drain = (2, 2, 15, 200, 200) if quick else (10, 10, 200, 10_000, 2_000)

    def at(name: str, measure: Callable[[Shop], list[Table]]) -> Callable[[], list[Table]]:
        def part() -> list[Table]:
            (folder / name).mkdir()
            with Shop(folder / name) as shop:
                return measure(shop)

        return part

    def outbox() -> list[Table]:
        (folder / "million").mkdir()
        finished, due = (100_000, 1_000) if quick else (1_000_000, 10_000)
        return [_flat(million.flatness(folder / "million", finished, due))]

    def of_the_bridge() -> list[Table]:
        (folder / "bridge").mkdir()
        return bridge.measure(folder / "bridge", 6 if quick else 200)

    def beside() -> list[Table]:
        (folder / "peers").mkdir()
        return peers.measure(folder / "peers", peers.QUICK if quick else peers.FULL)

    return {
        "sizes": sizes.measure,
        "dialects": lambda: dialects.measure(200_000 if quick else 2_000_000),
        "start": at("start", lambda shop: [path.start(shop, starts)]),
        "idle": at("idle", lambda shop: [path.rest(shop, seconds)]),
        "latency": at("latency", lambda shop: [path.one_at_a_time(shop, singles)]),
        "throughput": at("throughput", lambda shop: path.as_fast_as_it_goes(shop, sales, drain)),
        "million": outbox,
        "bridge": of_the_bridge,
        "peers": beside,
    }


def _flat(found: million.Flatness) -> Table:
    """What each step costs, with its commit, in an empty outbox and in a full one."""
    empty, full = "empty", f"behind {found.finished:,}"
    rows = tuple(
        Row(
            step.replace(" ", "_"),
            step,
            {empty: found.empty_us[step], full: found.full_us[step], "ratio": ratio},
            "µs",
            "ratio 2",
        )
        for step, ratio in found.ratios().items()
    )
    title = f"The outbox with {found.finished:,} finished and {found.due:,} due messages"
    return Table(
        "million", title, (empty, full, "ratio"), rows, ("medians; the sync of a commit is in them",)
    )


if __name__ == "__main__":
    raise SystemExit(main())
