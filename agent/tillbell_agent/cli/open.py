"""``tillbell open``: sealed messages become events, or the reason why not."""

import argparse
import io
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tillbell_agent.cli.common import add_json, money
from tillbell_agent.cli.errors import OK, REFUSED, USAGE, CliError
from tillbell_agent.cli.messages import message_octets, read_bundle, read_key
from tillbell_agent.cli.receiver_state import alone, read_receiver, save, with_fingerprint
from tillbell_protocol.defaults import NO_NAMES
from tillbell_protocol.errors import ProtocolError
from tillbell_protocol.pairing import fingerprint
from tillbell_protocol.payload_json import naming_json, to_json
from tillbell_protocol.receiver import ConfirmationNeededError, CounterReusedError, Opened, Receiver

HELP = """Open sealed messages (hex or armored) and print each event.

Replays are seen within one call; across calls only with --state FILE, which also keeps the names of terminals, names
what has not come (on standard error), and remembers that a fingerprint was compared.
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
    parser.add_argument(
        "--compared",
        metavar="FINGERPRINT",
        help="what the device shows (tillbell pair, tillbell status): its messages count as compared",
    )
    parser.add_argument("--state", type=Path, metavar="FILE", help="what was opened so far; made if missing")
    parser.add_argument(
        "messages",
        nargs="+",
        metavar="MESSAGE",
        help="hex, or armored text; -: one a line from standard input",
    )
    add_json(parser)
    parser.epilog = "example:\n  tillbell open --key hq.key --bundle bundle.txt --json 50a1b2000000…"


def run(args: argparse.Namespace) -> int:
    with ExitStack() as stack:
        if args.state:
            stack.enter_context(alone(args.state))
        return _open_all(args)


def _open_all(args: argparse.Namespace) -> int:
    receiver = read_receiver(read_key(args.key), args.state)
    for given in args.bundle:
        try:
            _import(receiver, read_bundle(given))
        except ProtocolError as error:
            raise CliError(f"the bundle is refused: {error}", REFUSED) from error
    if not receiver.pairings:
        raise CliError("no pairing: give --bundle, or a --state that holds one", USAGE)
    if args.compared:
        _mark_compared(receiver, args.compared)
    refused = 0
    try:
        for number, given in enumerate(_given(args.messages), 1):
            told = _open(receiver, given)
            refused += "error" in told
            print(json.dumps(told, ensure_ascii=False) if args.json else _sentence(told, number, given))
    finally:  # also when it is interrupted: what was shown was opened
        if args.state:
            save(receiver, args.state)
            _name_gaps(receiver)
    return REFUSED if refused else OK


def _given(messages: list[str]) -> Iterator[str]:
    """The arguments; for ``-`` the lines of standard input, as they come."""
    for message in messages:
        if message == "-":
            if isinstance(sys.stdin, io.TextIOWrapper):
                sys.stdin.reconfigure(errors="backslashreplace")  # no text is a bad message, not the end
            yield from (line for line in sys.stdin if line.strip())
        else:
            yield message


def _import(receiver: Receiver, bundle: bytes) -> None:
    """Naming a bundle is the confirmation that it is meant; that its device was paired before is said all the same."""
    try:
        receiver.import_bundle(bundle)
    except ConfirmationNeededError as error:
        receiver.import_bundle(bundle, confirmed=True)
        print(f"{error}. It is taken, since you named it: compare the fingerprints", file=sys.stderr)


def _mark_compared(receiver: Receiver, given: str) -> None:
    for pairing in with_fingerprint(receiver, given):
        receiver.mark_compared(pairing.keys.binding)


def _open(receiver: Receiver, given: str) -> dict[str, Any]:
    try:
        opened = receiver.open(message_octets(given))
    except CounterReusedError as error:  # genuine, and perhaps a sale: it is told, under its refusal
        return (_told(error.opened) if error.opened else {}) | _refusal(error)
    except ProtocolError as error:
        return _refusal(error)
    return _told(opened)


def _refusal(error: ProtocolError) -> dict[str, Any]:
    return {"error": type(error).__name__.removesuffix("Error"), "why": str(error)}


def _told(opened: Opened) -> dict[str, Any]:
    told: dict[str, Any] = {
        "counter": opened.counter,
        "device": opened.device,
        "event": to_json(opened.told, opened.defaults),
        "compared": opened.compared,
        "fingerprint": fingerprint(opened.binding),
    }
    if opened.contradicted != NO_NAMES:  # the names known first stay; this message's hold for itself
        told["contradicted"] = naming_json(opened.contradicted)
    if not isinstance(opened.told.predecessor, (int, type(None))):
        return told
    return told | {"predecessor": opened.told.predecessor}


def _sentence(told: dict[str, Any], number: int, given: str) -> str:
    if "error" in told:
        step = ". Is it whole?" if told["error"] == "Length" else ""
        start = given.strip()[:16]
        says = f". It says: {_event(told['event'])}" if "event" in told else ""
        return f"refused: message {number} ({start}{'…' if len(given.strip()) > len(start) else ''}): {told['why']}{step}{says}"
    mark = "" if told["compared"] else f" (fingerprint {told['fingerprint']} not compared)"
    return f"{told['device']} #{told['counter']}{mark}: {_event(told['event'])}"


def _event(event: dict[str, Any]) -> str:
    """The kind, the amount as money, then every other field that says something by its name."""
    rest = {
        name: value for name, value in event.items() if value is not None and name not in {"kind", "named"}
    }
    said = [event["kind"]]
    if "amount_minor" in event:
        said[0] += f" {money(event['amount_minor'], event['currency'])}"
        rest = {name: value for name, value in rest.items() if name not in {"amount_minor", "currency"}}
    return ", ".join(said + [f"{name} {_shown(value)}" for name, value in rest.items()])


def _shown(value: object) -> str:
    """Text as it is, unless it would move the cursor; everything else as JSON."""
    if isinstance(value, str) and value.isprintable():
        return value
    return json.dumps(value, ensure_ascii=True)


def _name_gaps(receiver: Receiver) -> None:
    """Counters that should have come: a message is late, lost, or was refused."""
    for pairing in receiver.pairings:
        for first, last in receiver.gaps(pairing.keys.binding):
            which = f"counter {first}" if first == last else f"counters {first} to {last}"
            print(f"{pairing.device}: {which} not opened yet: late, lost or refused", file=sys.stderr)
