"""``tillbell send``: a text to a recipient, through the outbox."""

import argparse
import os
import sys
from contextlib import closing

from tillbell_agent.cli.common import add_config, own_state, read_config, recipient_named
from tillbell_agent.cli.errors import NOT_WELL, OK, UNREACHABLE, USAGE, CliError
from tillbell_agent.config import Config, RecipientConfig
from tillbell_agent.database import StoreError, open_database
from tillbell_agent.notify.plain import render_plain
from tillbell_agent.pairings import Pairings
from tillbell_agent.register import Register
from tillbell_agent.shell.clock import Clock
from tillbell_agent.shell.control import ControlError, NoAgentError, ask
from tillbell_agent.shell.guard import GuardFile
from tillbell_protocol.errors import ProtocolError
from tillbell_protocol.sms.segment import count_segments

HELP = "Put a text for a recipient into the outbox. It leaves when a modem can; see tillbell queue."


def configure(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("--to", required=True, metavar="NAME", help="a recipient of the configuration")
    parser.add_argument("text", metavar="TEXT", help="what to say")
    parser.epilog = 'example:\n  tillbell send --config config.toml --to owner "Closed tomorrow"'


def run(args: argparse.Namespace) -> int:
    config = read_config(args.config)
    recipient = recipient_named(config, args.to)
    text = render_plain(args.text, recipient.language or config.device.language)
    if not text.strip():
        raise CliError("the text is empty", USAGE)
    try:
        count_segments(text)
    except ProtocolError as error:
        raise CliError(f"the text cannot be sent: {error}. Say it in fewer words", USAGE) from error
    if recipient.format != "text":
        print(f"{recipient.name} gets sealed messages; this text goes readable", file=sys.stderr)
    put(config, recipient, text)
    return OK


def put(config: Config, recipient: RecipientConfig, text: str) -> None:
    """Queue a text through the running agent, or in its store; says which, and how many segments it takes."""
    own_state(config)
    segments = f"{count_segments(text)} segment(s)"
    try:
        answer = ask(config.state_dir, {"do": "send", "to": recipient.name, "text": text})
    except ControlError as error:
        if not isinstance(error, NoAgentError):
            raise CliError(
                f"{error}. See tillbell queue before sending it again: it may be there", UNREACHABLE
            ) from error
        message_id = _put_in_store(config, recipient, text)
        print(f"message {message_id}, {segments}: queued; it leaves when tillbell run is started")
        return
    if "error" in answer:
        raise CliError(str(answer["error"]), NOT_WELL)
    print(f"message {answer['id']}, {segments}: queued with the running agent")


def _put_in_store(config: Config, recipient: RecipientConfig, text: str) -> int:
    try:
        with closing(open_database(config.state_dir)) as connection:
            pairings = Pairings(connection, GuardFile(config.guard_path), run="")
            register = Register(connection, config, pairings, b"", {}, os.urandom)
            return register.write_to(recipient, text, "service", Clock(config.device.timezone).moment())
    except StoreError as error:
        raise CliError(str(error), USAGE) from error
