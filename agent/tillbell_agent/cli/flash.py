"""``tillbell flash``: MicroPython and the bridge's program onto a board, checked there, set up, and seen to speak."""

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path

from tillbell_agent import __version__
from tillbell_agent.cli.common import add_json, print_json
from tillbell_agent.cli.errors import INTERRUPTED, OK, CliError
from tillbell_agent.cli.flash_install import Installation
from tillbell_agent.cli.flash_label import check_label, write_label
from tillbell_agent.cli.flash_look import go_back, verify
from tillbell_agent.cli.flash_screen import Screen
from tillbell_agent.flash.label import Label
from tillbell_agent.flash.record import Record
from tillbell_agent.shell.files import write_whole

HELP = """Set a firmware bridge up: MicroPython where a file of it is given, the bridge's program into the slot that does not
run, name, key and lines; then a restart, its HELLO under the key, and its self-test. A cable that is pulled at any
moment leaves a board that starts what it had."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port",
        metavar="DEV",
        help="the board's port (default: that of --config, or the one board that is there)",
    )
    parser.add_argument("--board", metavar="NAME", help="which board it is, as in hw/boards")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="the agent's: name, key and lines of --bridge"
    )
    parser.add_argument(
        "--bridge", metavar="NAME", help="which [[bridge]] of --config (default: its only one)"
    )
    parser.add_argument("--name", help="the bridge's name, where there is no --config")
    for channel, whose in ((1, "the terminal's"), (2, "the till's")):
        parser.add_argument(
            f"--tap{channel}", metavar="LINE", help=f"{whose} line: 9600/8N1, 19200/7E1/inverted, off"
        )
    parser.add_argument("--base", type=Path, metavar="FILE", help="MicroPython for this board: .uf2 or .bin")
    parser.add_argument("--base-sha256", metavar="HEX", help="what the file's SHA-256 must be")
    parser.add_argument("--volume", type=Path, metavar="DIR", help="where the boot loader's disk is mounted")
    parser.add_argument(
        "--key-file",
        type=Path,
        metavar="FILE",
        help="the link key, made where it is missing (default: NAME.key)",
    )
    parser.add_argument("--record", type=Path, metavar="FILE", help="the install record (JSON, 0600)")
    parser.add_argument(
        "--label", type=Path, metavar="FILE", help="a label: .svg (text and QR code) or .png (QR code)"
    )
    parser.add_argument(
        "--forget-held", action="store_true", help="give up what the bridge holds, where its key changes"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--dry-run", action="store_true", help="say what would be done; touch nothing")
    what.add_argument(
        "--verify",
        action="store_true",
        help="only look: both slots, the loader, the configuration; starts the bridge anew",
    )
    what.add_argument("--rollback", action="store_true", help="start the other slot, if it is whole")
    parser.add_argument("--update", action="store_true", help="the program only: configuration and key stay")
    add_json(parser)
    parser.epilog = """example:
  tillbell flash --name till-1 --tap1 9600/8N1 --label till-1.svg --record till-1.json
  tillbell flash --config /etc/tillbell/config.toml --bridge tap --base RPI_PICO.uf2 --base-sha256 …
  tillbell flash --config /etc/tillbell/config.toml --update
  tillbell flash --verify
  tillbell flash --rollback

Stop the agent before: it holds the bridge's port. docs/flash.md tells each step, and what a pulled cable leaves.
Exit code 0: done, and seen to work. 1: not well. 2: usage. 3: no board, or it does not answer. 4: refused, nothing was changed."""


def run(args: argparse.Namespace) -> int:
    screen = Screen()
    if not args.verify and not args.rollback:
        return _install(args, screen)
    try:
        return verify(args, screen) if args.verify else go_back(args, screen)
    except KeyboardInterrupt:
        screen.say("\ntillbell: flash: stopped. See what the board starts with: tillbell flash --verify")
        return INTERRUPTED


def _install(args: argparse.Namespace, screen: Screen) -> int:
    check_label(args.label)
    record = Record(
        datetime.now(UTC).isoformat(timespec="seconds"), f"tillbell {__version__}", steps=screen.steps
    )
    work = Installation(args, screen, record)
    if args.dry_run:
        return _show_plan(work.plan(), args)
    try:
        work.run()
        record.outcome = "well"
    except KeyboardInterrupt:
        record.outcome = f"interrupted: {screen.now}"
        screen.say(f"\ntillbell: flash: stopped ({screen.now}). The board starts with: {work.boots}")
        return INTERRUPTED
    except CliError as error:
        record.outcome = str(error)
        raise
    finally:
        if args.record is not None:
            write_whole(args.record, (_json(record) + "\n").encode())
    _show(record, args)
    return OK


def _show_plan(rows: list[str], args: argparse.Namespace) -> int:
    if args.json:
        print_json({"plan": rows})
    else:
        print("Nothing is done. It would be:")
        print("\n".join(f"  {place}. {row}" for place, row in enumerate(rows, 1)))
    return OK


def _show(record: Record, args: argparse.Namespace) -> None:
    label = _label(record)
    if args.label is not None:
        write_label(label, args.label)
    if args.json:
        print(_json(record))
        return
    print(label.text())
    proof = record.proof
    for name, word in (proof.selftest if proof and proof.selftest else {}).items():
        print(f"{name:9}{word}")
    if record.target is not None and record.target.keep is not None:
        print(
            "The new slot is on trial: it stays after a minute without a fault. Leave the board its power for that long."
        )


def _label(record: Record) -> Label:
    assert record.proof is not None
    hello = record.proof.hello
    return Label(
        record.name or "", hello.board, hello.unique_id, hello.firmware, record.made[:10], record.key or ""
    )


def _json(record: Record) -> str:
    return json.dumps(record.as_json(), ensure_ascii=False, indent=2)
