"""``tillbell keys new``: a recipient's secret file, and its public card."""

import argparse
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from tillbell_agent.cli.errors import OK, USAGE, CliError
from tillbell_agent.shell.files import write_new
from tillbell_protocol.errors import ProtocolError
from tillbell_protocol.pairing import SecretKey

HELP = "Make a recipient's keys: the secret goes to a file (0600), the public card alone to standard output."


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="the secret's file; must not exist"
    )
    parser.add_argument("--name", default="headquarters", help="the name on the card")
    parser.add_argument("--phone", help="the recipient's number on the card, E.164")
    parser.epilog = "example:\n  tillbell keys new --out hq.key > hq.card"


def run(args: argparse.Namespace) -> int:
    key = SecretKey.from_random(os.urandom(64))
    try:
        card = key.card(args.name, args.phone)
    except ProtocolError as error:
        raise CliError(f"no card can be made of that: {error}", USAGE) from error
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    lines = f"# tillbell: secret key of {args.name}, made {made}\n# card: {card.text()}\n{key.text()}\n"
    try:
        write_new(args.out, lines.encode())
    except FileExistsError as error:
        raise CliError(f"{args.out} exists: a key is never overwritten. Name another file", USAGE) from error
    except OSError as error:
        raise CliError(f"cannot write {args.out}: {error.strerror}", USAGE) from error
    print(card.text())
    print(f"fingerprint {card.fingerprint()}; keep {args.out} secret and backed up", file=sys.stderr)
    return OK
