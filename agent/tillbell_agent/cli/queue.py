"""``tillbell queue``: messages and their states, without their words."""

import argparse
import time
from typing import Any

from tillbell_agent import reports
from tillbell_agent.cli.common import (
    add_config,
    add_json,
    from_store,
    positive,
    print_json,
    print_table,
    read_config,
)
from tillbell_agent.cli.errors import NOT_WELL, OK, UNREACHABLE, CliError
from tillbell_agent.config import Config
from tillbell_agent.finding import span
from tillbell_agent.outbox import State
from tillbell_agent.shell.control import ControlError, NoAgentError, ask

HELP = "Show the newest messages: for whom, in which state, what each waits for and until when, and the last answer."
STATES = [state.value for state in State]


def configure(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument(
        "--limit", type=positive, default=50, metavar="N", help="how many, newest first (default 50)"
    )
    parser.add_argument("--state", choices=STATES, help="only messages in this state")
    add_json(parser)
    parser.epilog = "example:\n  tillbell queue --config config.toml --state queued"


def run(args: argparse.Namespace) -> int:
    config = read_config(args.config)
    circumstances, now = _circumstances(config), int(time.time())
    rows = from_store(
        config, lambda connection: reports.queue(connection, args.limit, args.state, now, circumstances)
    )
    if args.json:
        print_json(rows)
        return OK
    print_table(
        ("id", "recipient", "format", "class", "state", "tries", "counter", "changed", "waits for", "last answer"),
        [
            (
                row["id"], row["recipient"], row["format"], row["class"], row["state"] + " (repeat)" * row["repeated"],
                row["attempts"], row["counter"], f"{span(max(0, now - row['updated_at']))} ago", _waits(row, now),
                row["last_answer"],
            )
            for row in rows
        ],
    )  # fmt: skip
    return OK


def _circumstances(config: Config) -> reports.Circumstances:
    """What only a running agent knows of the reasons why messages wait. Raises CliError where one does not answer."""
    try:
        answer = ask(config.state_dir, {"do": "circumstances"})
    except NoAgentError:
        return reports.Circumstances(running=False)
    except ControlError as error:
        raise CliError(str(error), UNREACHABLE) from error
    if "error" in answer:
        raise CliError(str(answer["error"]), NOT_WELL)
    return reports.Circumstances(True, answer["modems_wait_for"], answer["held_because"])


def _waits(row: dict[str, Any], now: int) -> str:
    """``its next try: CMS 38, in 4 min``."""
    if row["waits_for"] is None:
        return ""
    if row["until"] is None:
        return str(row["waits_for"])
    left = row["until"] - now
    return f"{row['waits_for']}, in {span(left)}" if left > 0 else f"{row['waits_for']}, now"
