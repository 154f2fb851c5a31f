"""``tillbell pair``: this device and a sealed recipient agree on keys; the bundle goes to the recipient."""

import argparse
import os
import sys
from collections.abc import Callable
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

HELP = """Pair this device with a sealed recipient: prints the bundle that the recipient imports, alone on standard output.

--close ends the pairing at this end; the recipient's end is closed by: tillbell pairings --close FINGERPRINT"""


def configure(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("--recipient", required=True, metavar="NAME", help="a sealed or armored recipient")
    parser.add_argument(
        "--card",
        metavar="FILE-or-TBC1.…",
        help="the recipient's public card; without it the bundle of the present pairing is printed again",
    )
    parser.add_argument(
        "--close",
        action="store_true",
        help="erase this end's keys: what is for the recipient is held from now on",
    )
    parser.add_argument(
        "--yes", action="store_true", help="replace or close an earlier pairing without asking"
    )
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
    if args.close:
        if args.card is not None:
            raise CliError("--close takes no --card: it pairs nobody", USAGE)
        own_state(config)
        _close(config, recipient, yes=args.yes)
        return OK
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

    def keep(pairings: Pairings) -> None:
        pairings.add(recipient.name, made, card, defaults, identify(), moment.unix)

    _change(config, recipient.name, guard, keep, yes=yes)
    if guard.alarm:
        print(f"ALARM {guard.alarm}", file=sys.stderr)
    _wake(config, "it seals what it held")
    return made


def _close(config: Config, recipient: RecipientConfig, *, yes: bool) -> None:
    def close(pairings: Pairings) -> None:
        if not pairings.close(recipient.name):
            raise CliError(f"{recipient.name} is not paired: nothing was changed", USAGE)

    _change(config, recipient.name, GuardFile(config.guard_path), close, yes=yes)
    _wake(config, "it holds what is for this recipient")
    print(f"{recipient.name} is not paired any more: pair again with --card", file=sys.stderr)


def _change(
    config: Config, name: str, guard: GuardFile, change: Callable[[Pairings], None], *, yes: bool
) -> None:
    """Change a recipient's pairing in the store, with leave where there is one, and erase what it replaces."""
    try:
        with closing(open_database(config.state_dir)) as connection:
            pairings = Pairings(connection, guard, run=os.urandom(8).hex())
            with transaction(connection):
                is_paired = pairings.of(name) is not None
            if is_paired and not yes:
                _confirm(name)
            with transaction(connection):
                change(pairings)
            if not truncate_wal(connection):
                print(
                    "tillbell: a reader kept the log of the store open; the agent erases it", file=sys.stderr
                )
    except StoreError as error:
        raise CliError(str(error), USAGE) from error


def _wake(config: Config, what: str) -> None:
    """Tell a running agent; without one, ``what`` happens when it starts."""
    try:
        ask(config.state_dir, {"do": "wake"})
    except NoAgentError:
        print(f"the agent does not run; {what} when it starts", file=sys.stderr)
    except ControlError as error:
        print(f"{error}; {what} with the next sale, or when it starts again", file=sys.stderr)


def _confirm(name: str) -> None:
    if not sys.stdin.isatty():
        raise CliError(f"{name} is paired already: say --yes to erase its keys", USAGE)
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
