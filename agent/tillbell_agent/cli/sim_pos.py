"""``tillbell sim pos``: a made-up shop's terminal speaks on a port, or both ends of it on two, until told to stop."""

import argparse
import json
import math
import random
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from datetime import datetime
from enum import IntEnum
from itertools import islice
from pathlib import Path
from typing import Any

from tillbell_agent.cli.common import positive
from tillbell_agent.cli.errors import OK, UNREACHABLE, CliError
from tillbell_agent.pos.dialect import Line
from tillbell_agent.sim.pos import Cable, CableError, PtyCable, SerialCable, send
from tillbell_agent.sim.receipts import Receipt, receipts
from tillbell_agent.sim.tills import TILLS, TROUBLES, Exchange, Spoken, exchanges_of
from tillbell_protocol.event import Transaction
from tillbell_protocol.iso4217 import decimal_places

HELP = "simulate a terminal, and the till at its other end: on serial ports or pseudo-terminals"
_PRINTER = "escpos"


def configure(parser: argparse.ArgumentParser) -> None:
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--port", help="write what the terminal says to this serial port or pseudo-terminal")
    where.add_argument(
        "--link", type=Path, help="make a pseudo-terminal and keep a link to it here; waits until it is open"
    )
    till = parser.add_mutually_exclusive_group()
    till.add_argument("--port-till", help="the same for what the till says; without it nobody hears the till")
    till.add_argument("--link-till", type=Path, help="a pseudo-terminal for the till's line, as --link")
    parser.add_argument(
        "--dialect", choices=[_PRINTER, *sorted(set(TILLS) - {_PRINTER})], default=_PRINTER,
        help="what the terminal speaks (default: escpos, a printer's line)",
    )  # fmt: skip
    parser.add_argument(
        "--trouble", action="append", choices=TROUBLES, default=[], metavar="KIND",
        help=f"what a bad day has as well, of {', '.join(TROUBLES)}; may be given more than once",
    )  # fmt: skip
    parser.add_argument("--count", type=positive, help="stop after this many conversations (default: never)")
    parser.add_argument("--seed", type=int, help="the same seed and start give the same octets")
    parser.add_argument(
        "--rate", type=float, default=20.0, metavar="PER_MINUTE", help="conversations a minute (default: 20)"
    )
    parser.add_argument(
        "--pauses", type=float, default=1.0, metavar="SHARE",
        help="of the real pauses inside a conversation, how much is waited (default: 1, all of them)",
    )  # fmt: skip
    parser.add_argument(
        "--baudrate", type=positive, help="imitate a line of this speed (default: as fast as it is read)"
    )
    parser.add_argument(
        "--start", type=_moment, metavar="TIME",
        help="the terminal's clock at the beginning, as 2026-05-04T12:30 (default: now)",
    )  # fmt: skip
    parser.add_argument("--currency", default="CNY", help="ISO 4217 (default: CNY)")
    parser.add_argument(
        "--encoding",
        default="gb18030",
        help="of a receipt's text, the same as the source's in the agent's configuration (default: gb18030)",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="a line of JSON for each conversation: what it is and must lead to",
    )
    parser.epilog = """example:
  tillbell sim pos --link /tmp/till --count 10 --seed 1
  tillbell sim pos --dialect zvt --link /tmp/terminal --link-till /tmp/till --currency EUR --trouble retransmission
  tillbell sim pos --port /dev/ttyUSB0 --dialect escpos --rate 6 --baudrate 9600

Not every conversation is a sale: reprints, settlements and status queries must tell nobody.
Ctrl-C stops it; the links are removed."""


def run(args: argparse.Namespace) -> int:
    _check(args)
    seed = random.randrange(2**32) if args.seed is None else args.seed
    day = islice(_conversations(args, seed), args.count)
    previous = signal.signal(signal.SIGTERM, _stop)
    try:
        with ExitStack() as stack:
            cables = {Line.TERMINAL: _cable(args.link, args.port, args.baudrate)}
            stack.callback(cables[Line.TERMINAL].close)
            if args.link_till or args.port_till:
                cables[Line.TILL] = _cable(args.link_till, args.port_till, args.baudrate)
                stack.callback(cables[Line.TILL].close)
            _speak(cables, day, args)
    except CableError as error:
        raise CliError(f"sim pos: {error}", UNREACHABLE) from error
    except _StopError:
        return OK
    finally:
        signal.signal(signal.SIGTERM, previous)
    return OK


def _check(args: argparse.Namespace) -> None:
    if not 0 < args.rate < math.inf:
        raise CliError(
            f"--rate {args.rate:g}: conversations a minute must be a number above 0. Try --rate 20"
        )
    if not 0 <= args.pauses < math.inf:
        raise CliError(f"--pauses {args.pauses:g}: a share of the pauses is 0 or more. Try --pauses 0.1")
    if decimal_places(args.currency) is None:
        raise CliError(f"--currency {args.currency}: no ISO 4217 code with a minor unit. Try --currency CNY")
    if args.dialect != _PRINTER:
        return
    if args.link_till or args.port_till:
        raise CliError("--dialect escpos: a printer has one line. Leave --link-till and --port-till out")
    try:
        "应收￥".encode(args.encoding)
    except (LookupError, ValueError) as error:
        raise CliError(
            f"--encoding {args.encoding}: cannot write Chinese receipts. Try --encoding gb18030"
        ) from error


def _conversations(args: argparse.Namespace, seed: int) -> Iterator[Exchange]:
    start = (args.start or datetime.now()).replace(tzinfo=None, microsecond=0)
    if args.dialect != _PRINTER:
        return exchanges_of(args.dialect)(seed, start, args.currency, frozenset(args.trouble))
    return map(_printed, receipts(seed, start=start, currency=args.currency, encoding=args.encoding))


def _printed(receipt: Receipt) -> Exchange:
    told = () if receipt.expected is None else (receipt.expected,)
    return Exchange(receipt.note, (Spoken(Line.TERMINAL, receipt.octets),), told, told)


def _cable(link: Path | None, port: str | None, baudrate: int | None) -> Cable:
    return PtyCable(link) if link is not None else SerialCable(str(port), baudrate or 9600)


class _StopError(Exception):
    """SIGTERM came."""


def _stop(_number: int, _frame: object) -> None:
    raise _StopError


def _speak(cables: Mapping[Line, Cable], day: Iterator[Exchange], args: argparse.Namespace) -> None:
    due = time.monotonic()
    for number, exchange in enumerate(day, 1):
        time.sleep(max(0.0, due - time.monotonic()))
        for place, spoken in enumerate(exchange.spoken):
            time.sleep(spoken.after_s * args.pauses if place else 0.0)
            if spoken.line in cables:
                send(cables[spoken.line], spoken.octets, args.baudrate)
        due = max(due, time.monotonic() - 60 / args.rate) + 60 / args.rate
        expected = exchange.expected if Line.TILL in cables else exchange.expected_one_line
        said = _told(number, exchange, expected) if args.json else _line(number, exchange, expected)
        print(said, flush=True)


def _told(number: int, exchange: Exchange, expected: tuple[Transaction, ...]) -> str:
    told = {
        "n": number,
        "t": time.monotonic(),
        "note": exchange.words,
        "octets": _octets(exchange),
        "expected": [_fields(each) for each in expected],
    }
    return json.dumps(told, ensure_ascii=False)


def _octets(exchange: Exchange) -> int:
    return sum(len(spoken.octets) for spoken in exchange.spoken)


def _fields(transaction: Transaction) -> dict[str, Any]:
    """The fields that were said, named as ``tillbell open`` names them."""
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


def _line(number: int, exchange: Exchange, expected: tuple[Transaction, ...]) -> str:
    told = ", ".join(f"{each.kind.word} {each.currency} {each.amount_minor}" for each in expected)
    return f"{number:4}  {_octets(exchange):5} octets  {exchange.words}: {told or 'nobody may be told'}"


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no date and time. Write it as 2026-05-04T12:30"
        ) from error
