"""``tillbell sim modem``: a GSM modem and its network on a pseudo-terminal, for trying things out without hardware."""

import argparse
import json
import os
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tillbell_agent.cli.errors import OK, USAGE, CliError
from tillbell_agent.sim.modem import ModemMachine
from tillbell_agent.sim.modem_card import PIN, Sim
from tillbell_agent.sim.modem_commands import Commands
from tillbell_agent.sim.modem_control import REQUESTS, respond
from tillbell_agent.sim.modem_faults import KINDS, Fault, parse_fault
from tillbell_agent.sim.modem_pty import serve
from tillbell_agent.sim.modem_wire import Wire
from tillbell_agent.sim.network import Network
from tillbell_agent.sim.pty import SPEEDS

HELP = "a simulated GSM modem and network on a pseudo-terminal"

_EPILOG = f"""\
example:
  tillbell sim modem --link /tmp/modem --log /tmp/modem.jsonl --control /tmp/modem.sock
  tillbell sim modem --link /tmp/modem --log /tmp/modem.jsonl --latency-ms 200 --warm-ms 120 --fault lost_ok:count=5

The log has one JSON object a line: t (monotonic seconds), ev (cmd, pdu, sms, msg, urc, ...). A request to the control
socket is one JSON object a line, as in {{"do": "phone", "number": "+8613800138000"}}; --do takes the same.

requests: {", ".join(REQUESTS)}
faults: {", ".join(KINDS)}

Each of them is explained in docs/simulated-modem.md.
"""


def _fault(words: str) -> Fault:
    try:
        return parse_fault(words)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _not_negative(words: str) -> float:
    value = float(words)
    if not 0 <= value < 1e9:
        raise argparse.ArgumentTypeError(f"{words} is no number from 0")
    return value


def configure(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--link", type=Path, required=True, help="keep a symbolic link to the port here")
    add("--log", type=Path, required=True, help="append what happens to this file, as JSON lines")
    add("--control", type=Path, help="listen for requests on this socket")
    add("--number", default=Sim().number, help="the SIM's own number (default: %(default)s)")
    add("--pin", help="the SIM asks for this PIN, after every start")
    add("--slots", type=int, default=1, help="how many card slots there are (default: 1)")
    _add_times(parser)
    add(
        "--baud",
        type=int,
        default=0,
        choices=(0, *SPEEDS),
        metavar="BAUD",
        help="the modem's speed; at another one there is noise (default: any)",
    )
    add("--autobaud", action="store_true", help="find the speed from AT; the first two are lost")
    add("--throttle", action="store_true", help="octets take the time that the speed gives them")
    add("--reenumerates", action="store_true", help="with a reset the port goes away, as with a USB modem")
    add("--fault", type=_fault, action="append", default=[], metavar="KIND[:NAME=VALUE,...]",
        help="let something go wrong; may be repeated")  # fmt: skip
    add("--do", action="append", default=[], metavar="JSON", help="a request to begin with; may be repeated")
    add("--seed", type=int, default=0, help="what is left to chance is the same with the same seed")
    parser.epilog = _EPILOG


def _add_times(parser: argparse.ArgumentParser) -> None:
    for name, words in (
        ("--latency-ms", "what the network takes for each segment"),
        ("--warm-ms", "the same with the link kept up by AT+CMMS (default: as --latency-ms)"),
        ("--command-ms", "what the modem takes for each command line; it does one after the other"),
        ("--report-ms", "how long after a message its status report comes (default: 50)"),
        ("--boot-ms", "deaf for so long after a start"),
        ("--sim-busy-ms", "after a start the SIM is busy for so long"),
        ("--search-ms", "after a start the network is searched for so long"),
    ):
        default = {"--warm-ms": None, "--report-ms": 50.0}.get(name, 0.0)
        parser.add_argument(name, type=_not_negative, default=default, metavar="MS", help=words)


def _machine(args: argparse.Namespace) -> ModemMachine:
    sim = Sim(number=args.number)
    if args.pin is not None:
        sim.pin, sim.state, sim.asks = args.pin, PIN, True
    began = datetime.now(UTC) - timedelta(seconds=time.monotonic())
    machine = ModemMachine(Network(began), commands=Commands(sim), seed=args.seed)
    machine.commands.speed = 0 if args.autobaud else args.baud
    machine.latency_s, machine.report_after_s = args.latency_ms / 1000, args.report_ms / 1000
    machine.command_s = args.command_ms / 1000
    machine.sending.warm_latency_s = None if args.warm_ms is None else args.warm_ms / 1000
    life = machine.life
    life.boot_s, life.sim_busy_s, life.search_s = (
        args.boot_ms / 1000,
        args.sim_busy_ms / 1000,
        args.search_ms / 1000,
    )
    life.reenumerates = args.reenumerates
    for fault in args.fault:
        machine.faults.add(fault)
    for request in (json.dumps({"do": "slots", "count": args.slots}), *args.do):
        answer = respond(machine, request.encode(), time.monotonic())
        if not answer["ok"]:
            raise CliError(f"--do {request}: {answer['error']}. See docs/simulated-modem.md", USAGE)
    if life.boot_s or life.sim_busy_s or life.search_s:
        machine.life.start(time.monotonic())
    return machine


def run(args: argparse.Namespace) -> int:
    machine = _machine(args)
    wire = Wire(args.baud, autobaud=args.autobaud, throttle=args.throttle, seed=args.seed)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # the wake-up descriptor ends the loop
    try:
        with args.log.open("a", encoding="utf-8", errors="backslashreplace") as log:
            serve(machine, wire, args.link, log, args.control, reader, _say_ready)
    except OSError as error:
        raise CliError(
            f"the simulated modem ended: {_where(error, args)}. Check the paths of --link, --log and --control",
            USAGE,
        ) from error
    return OK


def _where(error: OSError, args: argparse.Namespace) -> str:
    """What the system said, and of which path: a socket's error names none."""
    if error.strerror is None:
        return str(error)
    return f"{error.filename or args.control or args.link}: {error.strerror}"


def _say_ready() -> None:
    print("ready", file=sys.stderr, flush=True)
