"""``tillbell inbox``: what the modems received, whole or in part. A foreign text is shown, never interpreted."""

import argparse
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from tillbell_agent.cli.common import (
    add_config,
    add_json,
    from_store,
    positive,
    print_json,
    print_table,
    read_config,
)
from tillbell_agent.cli.errors import OK
from tillbell_agent.inbox import Inbox
from tillbell_agent.incoming import State

HELP = "Show the newest texts that the modems received: who sent them, what they are, and which still lack parts."
STATES = [state.value for state in State]
_OCTETS_SHOWN = 12


def configure(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument(
        "--limit", type=positive, default=50, metavar="N", help="how many, newest first (default 50)"
    )
    parser.add_argument(
        "--state", choices=STATES, help="only whole, partial (parts may still come) or given up"
    )
    add_json(parser)
    parser.epilog = "example:\n  tillbell inbox --config config.toml --state partial"


def run(args: argparse.Namespace) -> int:
    config = read_config(args.config)
    answer = from_store(config, lambda connection: Inbox(connection).listing(args.limit, args.state))
    rows = answer["inbox"]
    if args.json:
        print_json(rows)
        return OK
    zone = ZoneInfo(config.device.timezone)
    print_table(
        ("id", "received", "modem", "from", "kind", "state", "parts", "copies", "text"),
        [
            (
                row["id"], _when(row["received_at"], zone), row["modem"], _sender(row), row["kind"], _state(row),
                f"{row['parts']}/{row['total']}", row["copies"], _words(row),
            )
            for row in rows
        ],
    )  # fmt: skip
    if answer["dropped"]:
        print(f"{answer['dropped']} older ones were dropped before their time, to keep room for the sales")
    return OK


def _when(received_at: int | None, zone: tzinfo) -> str:
    if received_at is None:
        return "clock not set"
    return datetime.fromtimestamp(received_at, UTC).astimezone(zone).strftime("%m-%d %H:%M:%S")


def _sender(row: dict[str, Any]) -> str:
    """A name in quotes: anybody can send under any name, so it must not look like a number."""
    sender = _shown(row["sender"])
    return f'"{sender}"' if row["sender_is_name"] else sender or "nobody"


def _state(row: dict[str, Any]) -> str:
    return f"{row['state']} (ambiguous)" if row["ambiguous"] else str(row["state"])


def _words(row: dict[str, Any]) -> str:
    words = _shown(row["text"] or "")
    if row["data"] is not None:
        octets = bytes.fromhex(row["data"])
        words = f"{len(octets)} octets: {octets[:_OCTETS_SHOWN].hex()}{'…' * (len(octets) > _OCTETS_SHOWN)}"
    return f"{words} [{row['why']}]" if row["why"] else words


def _shown(text: str) -> str:
    """Foreign text on a terminal: what is not printable is written as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
