"""``tillbell txn``: what was heard, and what became of its messages."""

import argparse
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from tillbell_agent import reports
from tillbell_agent.cli.common import (
    add_config,
    add_json,
    from_store,
    money,
    positive,
    print_json,
    print_table,
    read_config,
)
from tillbell_agent.cli.errors import OK

HELP = "Show the newest transactions, with the day's total after each and their messages' states."


def configure(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument(
        "--limit", type=positive, default=50, metavar="N", help="how many, newest first (default 50)"
    )
    add_json(parser)
    parser.epilog = "example:\n  tillbell txn --config config.toml --limit 5"


def run(args: argparse.Namespace) -> int:
    config = read_config(args.config)
    rows = from_store(config, lambda connection: reports.transactions(connection, args.limit))
    if args.json:
        print_json(rows)
        return OK
    zone = ZoneInfo(config.device.timezone)
    print_table(
        ("no", "day", "heard", "source", "kind", "amount", "card", "reference", "day total", "messages"),
        [
            (
                row["seq"], *_heard(row, zone), row["source"], row["kind"], money(row["amount_minor"], row["currency"]),
                row["card_last4"], row["reference"], _total(row), _messages(row),
            )
            for row in rows
        ],
    )  # fmt: skip
    return OK


def _heard(row: dict[str, Any], zone: ZoneInfo) -> tuple[str, str]:
    """The shop's day and time of day; the receipt's own clock is in --json."""
    if row["heard_at"] is None:
        return "", "clock not set"
    return row["day"], f"{datetime.fromtimestamp(row['heard_at'], zone):%H:%M:%S}"


def _total(row: dict[str, Any]) -> str:
    """Nothing where the clock was not set: nobody knows of which day it would be."""
    return "" if row["day_total_minor"] is None else money(row["day_total_minor"], row["currency"])


def _messages(row: dict[str, Any]) -> str:
    return ", ".join(f"{message['recipient']}: {message['state']}" for message in row["messages"])
