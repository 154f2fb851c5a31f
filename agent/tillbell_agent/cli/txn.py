"""``tillbell txn``: what was heard, and what became of its messages."""

import argparse
from typing import Any

from tillbell_agent import reports
from tillbell_agent.cli.common import (
    add_config,
    add_json,
    from_agent_or_store,
    print_json,
    print_table,
    read_config,
)
from tillbell_agent.cli.errors import OK
from tillbell_protocol.iso4217 import decimal_places

HELP = "Show the newest transactions, with the day's total after each and their messages' states."


def configure(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument(
        "--limit", type=int, default=50, metavar="N", help="how many, newest first (default 50)"
    )
    add_json(parser)
    parser.epilog = "example:\n  tillbell txn --config config.toml --limit 5"


def run(args: argparse.Namespace) -> int:
    config = read_config(args.config)
    rows = from_agent_or_store(
        config,
        {"do": "txn", "limit": args.limit},
        lambda connection: {"txn": reports.transactions(connection, args.limit)},
    )["txn"]
    if args.json:
        print_json(rows)
        return OK
    print_table(
        ("no", "day", "source", "kind", "amount", "card", "reference", "day total", "messages"),
        [
            (
                row["seq"], row["day"], row["source"], row["kind"], _money(row["amount_minor"], row["currency"]),
                row["card_last4"], row["reference"], _money(row["day_total_minor"], row["currency"]), _messages(row),
            )
            for row in rows
        ],
    )  # fmt: skip
    return OK


def _money(minor: int | None, currency: str) -> str:
    if minor is None:
        return "unknown"
    places = decimal_places(currency) or 0
    whole, part = divmod(abs(minor), 10**places)
    sign = "-" if minor < 0 else ""
    return f"{sign}{whole}.{part:0{places}} {currency}" if places else f"{sign}{whole} {currency}"


def _messages(row: dict[str, Any]) -> str:
    return ", ".join(f"{message['recipient']}: {message['state']}" for message in row["messages"])
