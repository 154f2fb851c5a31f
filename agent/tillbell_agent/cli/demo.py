"""``tillbell demo``: a whole shop on this machine, from the printed receipt to the phone and to headquarters."""

import argparse
import random
import signal
import tempfile
from pathlib import Path

from tillbell_agent.cli.errors import NOT_WELL, OK, USAGE, CliError
from tillbell_agent.sim.demo import Demo
from tillbell_agent.sim.demo_screen import choose_screen

HELP = "show the main job: a simulated till's receipts become texts and sealed messages, in half a minute"

_EXAMPLE = """example:
  tillbell demo
  tillbell demo --json --seed 7 > demo.jsonl

Starts a simulated POS terminal, `tillbell run`, a simulated modem with its network, three phones and headquarters, each
a process of its own over pseudo-terminals; kills the agent once in the middle of sending; then compares what was
printed with what was told. Exit code 0: nothing lost, nothing doubled without a mark, nothing wrong; 1: something was.
No hardware is touched and nothing is sent."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``demo``."""
    parser.add_argument(
        "--json", action="store_true", help="one JSON object per event, with its kind in `ev`"
    )
    parser.add_argument(
        "--seed", type=int, metavar="N", help="the same receipts again (amounts, cards, numbers)"
    )
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep configuration, state, keys and logs in DIR"
    )
    parser.add_argument(
        "--port-dir",
        type=Path,
        metavar="DIR",
        help="where the simulated ports appear (default: with the rest)",
    )
    parser.epilog = _EXAMPLE


def run(args: argparse.Namespace) -> int:
    """Show it once. SIGTERM ends it as Ctrl-C does: every child ended and reaped."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if args.keep is None:
        with tempfile.TemporaryDirectory(prefix="tillbell-demo-") as folder:
            return _play(Path(folder), args)
    return _play(_new_folder(args.keep), args)


def _play(folder: Path, args: argparse.Namespace) -> int:
    ports = _new_folder(args.port_dir) if args.port_dir else folder
    seed = random.randrange(10**6) if args.seed is None else args.seed
    faults = Demo(folder, ports, seed, choose_screen(as_json=args.json)).play()
    return NOT_WELL if faults else OK


def _new_folder(path: Path) -> Path:
    """The absolute path of a folder that is there and, if it was before, empty: nothing of an earlier showing is mixed in."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise CliError(f"demo: {path} is not empty. Name a new folder", USAGE)
    except OSError as error:
        raise CliError(f"demo: cannot use {path}: {error.strerror}. Name another folder", USAGE) from error
    return path.resolve()
