"""``tillbell keys show``: the public side of a key file."""

import argparse
import contextlib
from pathlib import Path

from tillbell_agent.cli.common import add_json, print_json
from tillbell_agent.cli.errors import OK, REFUSED, USAGE, CliError
from tillbell_agent.cli.messages import read_key
from tillbell_protocol.errors import ProtocolError
from tillbell_protocol.pairing import Card, SecretKey

_NOTED = "# card: "

HELP = "Show a key file's public card and fingerprint; never its secret."


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a TBK1. file")
    parser.add_argument("--name", help="another name on the card")
    parser.add_argument("--phone", help="another number on the card, E.164")
    add_json(parser)
    parser.epilog = "example:\n  tillbell keys show hq.key"


def run(args: argparse.Namespace) -> int:
    key = read_key(args.file)
    made = _card_beside(args.file, key)
    if key.x25519 is None:
        raise CliError(
            f"{args.file} is a device's key: it has a fingerprint, {key.fingerprint()}, and no card", REFUSED
        )
    try:
        name = args.name if args.name is not None else (made.name if made else "headquarters")
        card = key.card(name, args.phone if args.phone is not None else (made.phone if made else None))
    except ProtocolError as error:
        raise CliError(f"no card can be made of that: {error}", USAGE) from error
    if args.json:
        print_json(
            {"card": card.text(), "fingerprint": card.fingerprint(), "name": card.name, "phone": card.phone}
        )
    else:
        print(f"{card.text()}\nfingerprint {card.fingerprint()}")
    return OK


def _card_beside(path: Path, key: SecretKey) -> Card | None:
    """The card that ``keys new`` noted in the key's file, where it is this key's."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith(_NOTED) and key.x25519 is not None:
            with contextlib.suppress(ProtocolError):  # a comment that was edited: the key alone counts
                card = Card.from_text(line.removeprefix(_NOTED))
                return card if card.x25519 == key.x25519_public else None
    return None
