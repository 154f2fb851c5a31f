"""``tillbell keys show``: the public side of a key file."""

import argparse
from pathlib import Path

from tillbell_agent.cli.common import add_json, print_json
from tillbell_agent.cli.errors import OK, REFUSED, USAGE, CliError
from tillbell_agent.cli.messages import read_key
from tillbell_protocol.errors import ProtocolError

HELP = "Show a key file's public card and fingerprint; never its secret."


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a TBK1. file")
    parser.add_argument("--name", default="headquarters", help="the name to put on the card")
    parser.add_argument("--phone", help="the number to put on the card, E.164")
    add_json(parser)
    parser.epilog = "example:\n  tillbell keys show hq.key"


def run(args: argparse.Namespace) -> int:
    key = read_key(args.file)
    if key.x25519 is None:
        raise CliError(
            f"{args.file} is a device's key: it has a fingerprint, {key.fingerprint()}, and no card", REFUSED
        )
    try:
        card = key.card(args.name, args.phone)
    except ProtocolError as error:
        raise CliError(f"no card can be made of that: {error}", USAGE) from error
    if args.json:
        print_json(
            {"card": card.text(), "fingerprint": card.fingerprint(), "name": card.name, "phone": card.phone}
        )
    else:
        print(f"{card.text()}\nfingerprint {card.fingerprint()}")
    return OK
