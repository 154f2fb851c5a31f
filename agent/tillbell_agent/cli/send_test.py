"""``tillbell send-test``: the first text an installer wants to see on a phone."""

import argparse

from tillbell_agent.cli.common import add_config, read_config, recipient_named
from tillbell_agent.cli.errors import OK, USAGE, CliError
from tillbell_agent.cli.send import put
from tillbell_agent.notify.plain import render_test
from tillbell_agent.shell.clock import Clock

HELP = "Send a text that says it is a test: to one recipient, or to every recipient that gets readable texts."


def configure(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("--to", metavar="NAME", help="only this recipient")
    parser.epilog = "example:\n  tillbell send-test --config config.toml --to owner"


def run(args: argparse.Namespace) -> int:
    config = read_config(args.config)
    recipients = [each for each in config.recipients if each.format == "text"]
    if args.to:
        recipients = [recipient_named(config, args.to)]
    if not recipients:
        raise CliError("no recipient gets readable texts; name one with --to", USAGE)
    when = Clock(config.device.timezone).moment().local
    for recipient in recipients:
        language = recipient.language or config.device.language
        put(config, recipient, render_test(config.device.merchant, config.device.name, language, when))
    return OK
