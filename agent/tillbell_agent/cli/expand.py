"""``tillbell expand``: sealed messages as the standard COSE objects that they stand for."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from tillbell_agent.cli.common import add_json
from tillbell_agent.cli.errors import OK, REFUSED, USAGE, CliError
from tillbell_agent.cli.messages import message_octets, read_bundle, read_key
from tillbell_protocol.errors import ProtocolError
from tillbell_protocol.expand import expand
from tillbell_protocol.pairing import RecipientPairing, pair_as_recipient

HELP = """Expand sealed messages to COSE_Encrypt0, for any COSE library.

With --key and --bundle also the external_aad of both objects and the COSE_Sign1 that was inside."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--key", type=Path, metavar="FILE", help="the recipient's TBK1. file")
    parser.add_argument("--bundle", metavar="FILE-or-TBP1.…", help="the device's pairing bundle")
    parser.add_argument("messages", nargs="+", metavar="MESSAGE", help="hex, or armored text")
    add_json(parser)
    parser.epilog = "example:\n  tillbell expand --json 50a1b2000000… --key hq.key --bundle bundle.txt"


def run(args: argparse.Namespace) -> int:
    pairing = _pairing(args)
    refused = 0
    for given in args.messages:
        expanded = _expand(given, pairing)
        refused += "error" in expanded
        if args.json:
            print(json.dumps(expanded))
        elif "error" in expanded:
            print(f"tillbell: {given.strip()[:16]} is refused: {expanded['why']}", file=sys.stderr)
        else:
            print("\n".join(f"{name}: {value}" for name, value in expanded.items() if value is not None))
    return REFUSED if refused else OK


def _pairing(args: argparse.Namespace) -> RecipientPairing | None:
    if (args.key is None) != (args.bundle is None):
        raise CliError("--key and --bundle go together: without both, only COSE_Encrypt0 can be shown", USAGE)
    if args.key is None:
        return None
    try:
        return pair_as_recipient(read_key(args.key), read_bundle(args.bundle))
    except ProtocolError as error:
        raise CliError(f"the bundle is refused: {error}", REFUSED) from error


def _expand(given: str, pairing: RecipientPairing | None) -> dict[str, Any]:
    try:
        expanded = expand(message_octets(given), pairing)
    except ProtocolError as error:
        return {"error": type(error).__name__.removesuffix("Error"), "why": str(error)}
    return {
        "encrypt0": expanded.encrypt0.hex(),
        "external_aad": expanded.external_aad.hex() if expanded.external_aad is not None else None,
        "sign1": expanded.sign1.hex() if expanded.sign1 is not None else None,
    }
