"""``tillbell pair``: this device and a sealed recipient agree on keys; the bundle goes to the recipient."""

import argparse
import os
import sys
from contextlib import closing
from datetime import datetime
from zoneinfo import ZoneInfo

from tillbell_agent.cli.common import add_config, device_key, own_state, read_config, recipient_named
from tillbell_agent.cli.errors import OK, REFUSED, UNREACHABLE, USAGE, CliError
from tillbell_agent.cli.messages import read_card
from tillbell_agent.config import Config, RecipientConfig
from tillbell_agent.database import StoreError, open_database, open_for_reading, transaction, truncate_wal
from tillbell_agent.pairings import Pairings
from tillbell_agent.shell.clock import Clock
from tillbell_agent.shell.control import ControlError, NoAgentError, ask
from tillbell_agent.shell.guard import GuardFile
from tillbell_agent.shell.host import identify
from tillbell_protocol.errors import ProtocolError
from tillbell_protocol.pairing import Card, Defaults, DevicePairing, bundle_text, pair_as_device

HELP = "Pair this device with a sealed recipient: prints the bundle that the recipient imports, alone on standard output."


def configure(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("--recipient", required=True, metavar="NAME", help="a sealed or armored recipient")
    parser.add_argument(
        "--card",
        metavar="FILE-or-TBC1.…",
        help="the recipient's public card; without it the bundle of the present pairing is printed again",
    )
    parser.add_argument("--yes", action="store_true", help="replace an earlier pairing without asking")
    parser.epilog = (
        "example:\n  tillbell pair --config config.toml --recipient hq --card TBC1.ogFYIP… > bundle.txt"
    )


def run(args: argparse.Namespace) -> int:
    config = read_config(args.config)
    recipient = recipient_named(config, args.recipient)
    if recipient.format == "text":
        raise CliError(
            f'{recipient.name} gets readable texts: set format = "sealed" or "armored" first', USAGE
        )
    if args.card is None:
        _show_again(config, recipient)
        return OK
    card = read_card(args.card)
    own_state(config)
    made = _pair(config, recipient, card, yes=args.yes)
    _show(made.bundle, made.fingerprint, recipient)
    return OK


def _show(bundle: bytes, fingerprint: str, recipient: RecipientConfig) -> None:
    print(bundle_text(bundle))
    print(f"fingerprint {fingerprint}: compare it with what {recipient.name} sees", file=sys.stderr)


def _show_again(config: Config, recipient: RecipientConfig) -> None:
    """The bundle of the pairing that exists: without it the recipient opens nothing."""
    try:
        with closing(open_for_reading(config.state_dir)) as connection:
            pairing = Pairings(connection, GuardFile(config.guard_path), run="").of(recipient.name)
    except StoreError as error:
        raise CliError(str(error), UNREACHABLE) from error
    if pairing is None:
        raise CliError(f"{recipient.name} is not paired: give its card with --card", USAGE)
    _show(pairing.bundle, pairing.fingerprint, recipient)


def _pair(config: Config, recipient: RecipientConfig, card: Card, *, yes: bool) -> DevicePairing:
    """Make and keep the pairing; a running agent then seals what it held."""
    defaults = _defaults(config)
    try:
        made = pair_as_device(device_key(config), card, os.urandom(32), defaults)
    except ProtocolError as error:
        raise CliError(f"this card cannot be paired with: {error}", REFUSED) from error
    guard = GuardFile(config.guard_path)
    moment = Clock(config.device.timezone).moment()
    try:
        connection = open_database(config.state_dir)
        pairings = Pairings(connection, guard, run=os.urandom(8).hex())
        with transaction(connection):
            is_paired = pairings.of(recipient.name) is not None
        if is_paired and not yes:
            _confirm(recipient.name)
        with transaction(connection):
            pairings.add(recipient.name, made, card, defaults, identify(), moment.unix)
        if not truncate_wal(connection):
            print("tillbell: a reader kept the log of the store open; the agent erases it", file=sys.stderr)
        connection.close()
        if guard.alarm:
            print(f"ALARM {guard.alarm}", file=sys.stderr)
    except StoreError as error:
        raise CliError(str(error), USAGE) from error
    try:
        ask(config.state_dir, {"do": "wake"})
    except NoAgentError:
        print("the agent does not run; it seals what it held when it starts", file=sys.stderr)
    except ControlError as error:
        print(f"{error}; it seals what it held with the next sale, or when it starts again", file=sys.stderr)
    return made


def _confirm(name: str) -> None:
    if not sys.stdin.isatty():
        raise CliError(f"{name} is paired already: say --yes to replace its keys", USAGE)
    print(
        f"{name} is paired already. Its old keys are erased. Go on? [y/N] ",
        end="",
        file=sys.stderr,
        flush=True,
    )
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise CliError("nothing was changed", REFUSED)


def _defaults(config: Config) -> Defaults:
    """What this pairing's messages leave out: the shop, its currency, its offset from UTC today."""
    device = config.device
    offset = datetime.now(ZoneInfo(device.timezone)).utcoffset()
    return Defaults(
        device_name=device.name,
        currency=device.currency,
        utc_offset_min=0 if offset is None else int(offset.total_seconds() // 60),
        shops=(device.merchant,),
    )
