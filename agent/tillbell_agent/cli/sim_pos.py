"""``tillbell sim pos``: a made-up shop's receipts go onto a port, one after the other, until told to stop."""

import argparse
import json
import math
import random
import signal
import time
from dataclasses import asdict
from datetime import datetime
from enum import IntEnum
from itertools import islice
from pathlib import Path
from typing import Any

from tillbell_agent.cli.common import positive
from tillbell_agent.cli.errors import OK, UNREACHABLE, CliError
from tillbell_agent.sim.pos import Cable, CableError, PtyCable, SerialCable, send
from tillbell_agent.sim.receipts import Receipt, receipts
from tillbell_protocol.event import Transaction
from tillbell_protocol.iso4217 import decimal_places

HELP = "simulate a terminal: print receipts of a made-up shop to a serial port or pseudo-terminal"


def configure(parser: argparse.ArgumentParser) -> None:
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--port", help="write to this serial port or pseudo-terminal")
    where.add_argument(
        "--link", type=Path, help="make a pseudo-terminal and keep a link to it here; waits until it is open"
    )
    parser.add_argument("--dialect", choices=["escpos"], default="escpos", help="what the terminal speaks")
    parser.add_argument("--count", type=positive, help="stop after this many receipts (default: never)")
    parser.add_argument("--seed", type=int, help="the same seed and start give the same receipts")
    parser.add_argument(
        "--rate", type=float, default=20.0, metavar="PER_MINUTE", help="receipts a minute (default: 20)"
    )
    parser.add_argument(
        "--baudrate", type=positive, help="imitate a line of this speed (default: as fast as it is read)"
    )
    parser.add_argument(
        "--start",
        type=_moment,
        metavar="TIME",
        help="the till's clock at the first receipt, as 2026-05-04T12:30 (default: now)",
    )
    parser.add_argument("--currency", default="CNY", help="ISO 4217 (default: CNY)")
    parser.add_argument(
        "--encoding",
        default="gb18030",
        help="of the printed text, the same as the source's in the agent's configuration (default: gb18030)",
    )
    parser.add_argument(
        "--json", action="store_true", help="a line of JSON for each receipt: what it is and must lead to"
    )
    parser.epilog = """example:
  tillbell sim pos --link /tmp/till --count 10 --seed 1
  tillbell sim pos --port /dev/ttyUSB0 --dialect escpos --rate 6 --baudrate 9600

Not every receipt is a sale: reprints, settlements and kitchen tickets must tell nobody.
Ctrl-C stops it; the link is removed."""


def run(args: argparse.Namespace) -> int:
    if not 0 < args.rate < math.inf:
        raise CliError(f"--rate {args.rate:g}: receipts a minute must be a number above 0. Try --rate 20")
    if decimal_places(args.currency) is None:
        raise CliError(f"--currency {args.currency}: no ISO 4217 code with a minor unit. Try --currency CNY")
    try:
        "应收￥".encode(args.encoding)
    except (LookupError, ValueError) as error:
        raise CliError(
            f"--encoding {args.encoding}: cannot write Chinese receipts. Try --encoding gb18030"
        ) from error
    seed = random.randrange(2**32) if args.seed is None else args.seed
    start = (args.start or datetime.now()).replace(tzinfo=None)
    day = receipts(seed, start=start, currency=args.currency, encoding=args.encoding)
    previous = signal.signal(signal.SIGTERM, _stop)
    try:
        cable: Cable = PtyCable(args.link) if args.link else SerialCable(args.port, args.baudrate or 9600)
        try:
            _print_receipts(cable, islice(day, args.count), args)
        finally:
            cable.close()
    except CableError as error:
        raise CliError(f"sim pos: {error}", UNREACHABLE) from error
    except _StopError:
        return OK
    finally:
        signal.signal(signal.SIGTERM, previous)
    return OK


class _StopError(Exception):
    """SIGTERM came."""


def _stop(_number: int, _frame: object) -> None:
    raise _StopError


def _print_receipts(cable: Cable, day: "islice[Receipt]", args: argparse.Namespace) -> None:
    due = time.monotonic()
    for number, receipt in enumerate(day, 1):
        time.sleep(max(0.0, due - time.monotonic()))
        send(cable, receipt.octets, args.baudrate)
        due = max(due, time.monotonic() - 60 / args.rate) + 60 / args.rate
        print(
            json.dumps(_told(number, receipt), ensure_ascii=False) if args.json else _line(number, receipt),
            flush=True,
        )


def _told(number: int, receipt: Receipt) -> dict[str, Any]:
    expected = receipt.expected
    return {
        "n": number,
        "t": time.monotonic(),
        "note": receipt.note,
        "octets": len(receipt.octets),
        "expected": None if expected is None else _fields(expected),
    }


def _fields(transaction: Transaction) -> dict[str, Any]:
    """The fields that the receipt shows, named as ``tillbell open`` names them."""
    found: dict[str, Any] = {}
    for name, value in asdict(transaction).items():
        if isinstance(value, datetime):
            found[name] = value.isoformat()
        elif isinstance(value, IntEnum):
            found[name] = transaction.kind.word
        elif name != "card" and value is not None:
            found[name] = value
    found["card_last4"] = transaction.card.last4 if transaction.card else None
    found["reference"] = transaction.reference
    return found


def _line(number: int, receipt: Receipt) -> str:
    expected = receipt.expected
    told = (
        "nobody may be told"
        if expected is None
        else f"{expected.kind.word} {expected.currency} {expected.amount_minor}"
    )
    return f"{number:4}  {len(receipt.octets):5} octets  {receipt.note}: {told}"


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no date and time. Write it as 2026-05-04T12:30"
        ) from error
