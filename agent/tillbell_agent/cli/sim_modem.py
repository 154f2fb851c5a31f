"""``tillbell sim modem``: a GSM modem and its network on a pseudo-terminal, for trying things out without hardware."""

import argparse
import os
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tillbell_agent.cli.errors import OK, USAGE, CliError
from tillbell_agent.sim.modem import ModemMachine
from tillbell_agent.sim.modem_commands import Commands, Sim
from tillbell_agent.sim.modem_pty import serve
from tillbell_agent.sim.network import Network
from tillbell_agent.sim.pty import PseudoTerminal

HELP = "a simulated GSM modem and network on a pseudo-terminal"

_EPILOG = """\
example:
  tillbell sim modem --link /tmp/modem --log /tmp/modem.jsonl --control /tmp/modem.sock

The log has one JSON object a line: t (monotonic seconds), ev (cmd, pdu, sms, msg, urc, ...). Requests to the control
socket are one JSON object a line: {"do": "phone", "number": "+8613800138000"}, {"do": "fault", "kind": "lost_ok"},
{"do": "deliver", "from": "+8613800138000", "text": "STATUS"}, {"do": "urc", "line": "RING"}, {"do": "restart"}.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--link", type=Path, required=True, help="keep a symbolic link to the port here")
    parser.add_argument(
        "--log", type=Path, required=True, help="append what happens to this file, as JSON lines"
    )
    parser.add_argument("--control", type=Path, help="listen for requests on this socket")
    parser.add_argument("--number", default=Sim().number, help="the SIM's own number (default: %(default)s)")
    parser.add_argument("--pin", help="the SIM asks for this PIN")
    parser.add_argument(
        "--latency-ms", type=float, default=0.0, help="what the network takes for each segment (default: 0)"
    )
    parser.epilog = _EPILOG


def run(args: argparse.Namespace) -> int:
    sim = Sim(number=args.number)
    if args.pin is not None:
        sim.pin, sim.state = args.pin, "SIM PIN"
    began = datetime.now(UTC) - timedelta(seconds=time.monotonic())
    machine = ModemMachine(Network(began), commands=Commands(sim), latency_s=max(0.0, args.latency_ms / 1000))
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # the wake-up descriptor ends the loop
    try:
        with args.log.open("a", encoding="utf-8") as log, PseudoTerminal(args.link) as port:
            serve(machine, port, log, args.control, reader, _say_ready)
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
