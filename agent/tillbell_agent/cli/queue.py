"""``tillbell queue``: messages and their states, without their words."""

import argparse
import time

from tillbell_agent import reports
from tillbell_agent.cli.common import (
    add_config,
    add_json,
    from_agent_or_store,
    positive,
    print_json,
    print_table,
    read_config,
)
from tillbell_agent.cli.errors import OK
from tillbell_agent.outbox import State

HELP = "Show the newest messages: for whom, in which state, and the last answer."
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
    request = {"do": "queue", "limit": args.limit, "state": args.state}
    rows = from_agent_or_store(
        config, request, lambda connection: {"queue": reports.queue(connection, args.limit, args.state)}
    )["queue"]
    if args.json:
        print_json(rows)
        return OK
    print_table(
        ("id", "recipient", "format", "class", "state", "tries", "counter", "changed", "last answer"),
        [
            (
                row["id"], row["recipient"], row["format"], row["class"], row["state"] + " (repeat)" * row["repeated"],
                row["attempts"], row["counter"], _ago(row["updated_at"]), row["last_answer"],
            )
            for row in rows
        ],
    )  # fmt: skip
    return OK


def _ago(moment: int) -> str:
    seconds = max(0, int(time.time()) - moment)
    for size, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {name} ago"
    return f"{seconds} s ago"
