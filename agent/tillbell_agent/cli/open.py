"""``tillbell open``: sealed messages become events, or the reason why not."""

import argparse
import json
from pathlib import Path
from typing import Any

from tillbell_agent.cli.common import add_json
from tillbell_agent.cli.errors import OK, REFUSED, USAGE, CliError
from tillbell_agent.cli.messages import message_octets, read_bundle, read_key
from tillbell_agent.shell.files import write_whole
from tillbell_protocol.errors import ProtocolError
from tillbell_protocol.pairing import SecretKey
from tillbell_protocol.payload_json import to_json
from tillbell_protocol.receiver import Opened, Receiver

HELP = """Open sealed messages (hex or armored) and print each event.

Replays are seen within one call; across calls only with --state FILE, which also keeps the names of terminals.
Exit code 4 if any message was refused."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--key", type=Path, required=True, metavar="FILE", help="the recipient's TBK1. file")
    parser.add_argument(
        "--bundle",
        action="append",
        default=[],
        metavar="FILE-or-TBP1.…",
        help="a device's pairing bundle; repeatable",
    )
    parser.add_argument("--state", type=Path, metavar="FILE", help="what was opened so far; made if missing")
    parser.add_argument("messages", nargs="+", metavar="MESSAGE", help="hex, or armored text")
    add_json(parser)
    parser.epilog = "example:\n  tillbell open --key hq.key --bundle bundle.txt --json 50a1b2000000…"


def run(args: argparse.Namespace) -> int:
    receiver = _receiver(read_key(args.key), args.state)
    for given in args.bundle:
        try:
            receiver.import_bundle(read_bundle(given), confirmed=True)
        except ProtocolError as error:
            raise CliError(f"the bundle is refused: {error}", REFUSED) from error
    if not receiver.pairings:
        raise CliError("no pairing: give --bundle, or a --state that holds one", USAGE)
    refused = 0
    for given in args.messages:
        told = _open(receiver, given)
        refused += "error" in told
        print(json.dumps(told, ensure_ascii=False) if args.json else _sentence(told))
    if args.state:
        _save(receiver, args.state)
    return REFUSED if refused else OK


def _open(receiver: Receiver, given: str) -> dict[str, Any]:
    try:
        opened = receiver.open(message_octets(given))
    except ProtocolError as error:
        return {"error": type(error).__name__.removesuffix("Error"), "why": str(error)}
    return _told(opened)


def _told(opened: Opened) -> dict[str, Any]:
    told: dict[str, Any] = {
        "counter": opened.counter,
        "device": opened.device,
        "event": to_json(opened.told, opened.defaults),
        "compared": opened.compared,
    }
    if not isinstance(opened.told.predecessor, (int, type(None))):
        return told
    return told | {"predecessor": opened.told.predecessor}


def _sentence(told: dict[str, Any]) -> str:
    if "error" in told:
        return f"refused: {told['why']}"
    fields = ", ".join(f"{name} {value}" for name, value in told["event"].items() if value is not None)
    mark = "" if told["compared"] else " (fingerprint not compared)"
    return f"{told['device']} #{told['counter']}{mark}: {fields}"


def _receiver(secret: SecretKey, state: Path | None) -> Receiver:
    try:
        if state is None or not state.exists():
            return Receiver(secret)
        return Receiver.from_state(secret, json.loads(state.read_text()))
    except (OSError, ValueError, ProtocolError) as error:
        raise CliError(f"cannot use the state or key: {error}", USAGE) from error


def _save(receiver: Receiver, path: Path) -> None:
    try:
        write_whole(path, json.dumps(receiver.to_state()).encode())
    except OSError as error:
        raise CliError(
            f"cannot write {path}: {error.strerror}. What was opened now is not remembered", USAGE
        ) from error
