"""``tillbell probe``: what speaks on the serial ports, and how, found by listening."""

import argparse
import sys
import time

from tillbell_agent.cli.common import add_json, positive, print_json
from tillbell_agent.cli.errors import NOT_WELL, OK, REFUSED, UNREACHABLE, CliError
from tillbell_agent.cli.probe_ports import Listened, NoModemError, ask_modem, listen
from tillbell_agent.probe.report import as_json, bridge_blocks, evidence, headline, remarks, source_blocks
from tillbell_agent.probe.verdict import RECOGNISED, Finding, Verdict
from tillbell_agent.shell.ports import PortError
from tillbell_agent.shell.serial_ports import serial_ports

HELP = """Listen on the serial ports: which dialect a terminal speaks, at which speed and format, and which port is a
modem's or a firmware bridge's. Prints the evidence, and the block to paste into the configuration. Nothing is ever written to a port, but to
one that --ask-modem names."""
_DEFAULT_S = 60


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", action="append", metavar="DEV", help="only this one; may be repeated")
    parser.add_argument(
        "--seconds",
        type=positive,
        default=_DEFAULT_S,
        help=f"how long to listen at most (default: {_DEFAULT_S})",
    )
    parser.add_argument(
        "--ask-modem",
        action="append",
        default=[],
        metavar="DEV",
        help="write AT to this port, which must be a modem's and never a terminal's; may be repeated",
    )
    add_json(parser)
    parser.epilog = """example:
  tillbell probe
  tillbell probe --port /dev/ttyUSB0 --port /dev/ttyUSB1 --seconds 120
  tillbell probe --ask-modem /dev/ttyUSB2

Make a sale or two on the terminal meanwhile: what does not speak cannot be recognised. Ctrl-C tells what is known so far.
Stop the agent before: it holds its ports.
Exit code 0: a dialect, a modem or a bridge was recognised. 1: none was. 3: no port could be opened.
4: something that is no modem speaks on a port of --ask-modem."""


def run(args: argparse.Namespace) -> int:
    modems = {path: _asked(path) for path in args.ask_modem}
    paths = args.port or ([] if modems else serial_ports())
    paths = [path for path in dict.fromkeys(paths) if path not in modems]
    if not paths and not modems:
        raise CliError("there is no serial port. Plug the adapter in, or name one with --port", UNREACHABLE)
    ports = listen(paths, args.seconds, _Progress().show)
    if args.json:
        _print_json(ports, modems)
    else:
        _print(ports, modems)
    return _exit_code(ports, modems)


def _asked(path: str) -> int | None:
    try:
        return ask_modem(path)
    except PortError as error:
        raise CliError(f"probe: {error}", UNREACHABLE) from error
    except NoModemError as error:
        raise CliError(f"probe: {error}", REFUSED) from error


def _exit_code(ports: list[Listened], modems: dict[str, int | None]) -> int:
    known = [each for each in ports if each.verdict.finding in RECOGNISED]
    if known or any(modems.values()):
        return OK
    return UNREACHABLE if ports and all(each.trouble for each in ports) else NOT_WELL


class _Progress:
    """One line on a terminal, written anew; nothing elsewhere."""

    def __init__(self) -> None:
        self._shown_at = 0.0
        self._live = sys.stderr.isatty()

    def show(self, ports: list[Listened], seconds: float) -> None:
        now = time.monotonic()
        if not self._live or now < self._shown_at + 0.5:
            return
        self._shown_at = now
        words = "; ".join(f"{each.path.rsplit('/', 1)[-1]} {_state(each)}" for each in ports)
        print(f"\r\x1b[K{seconds:3.0f} s  {words}"[:200], end="", file=sys.stderr, flush=True)


def _state(each: Listened) -> str:
    if each.port is None:
        return "cannot be opened"
    return "known" if each.hunt.done else f"listening at {each.hunt.setting}"


def _print(ports: list[Listened], modems: dict[str, int | None]) -> None:
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    for each in ports:
        _print_port(each)
    for path, speed in modems.items():
        print(f"{path}: {_modem_words(speed)}")
    verdicts = _verdicts(ports)
    blocks = source_blocks(verdicts) + _modem_blocks(ports, modems) + bridge_blocks(verdicts)
    if blocks:
        print("\nFor the configuration:\n")
        print("\n\n".join(blocks))


def _print_port(each: Listened) -> None:
    if each.trouble is not None and not each.verdict.octets:
        print(each.trouble)
        return
    print(f"{each.path}: {headline(each.verdict)}")
    print(f"  {evidence(each.verdict)}")
    for words in remarks(each.verdict):
        print(f"  → {words}")
    if each.trouble is not None:
        print(f"  → {each.trouble}")


def _verdicts(ports: list[Listened]) -> dict[str, Verdict]:
    return {each.path: each.verdict for each in ports}


def _modem_words(speed: int | None) -> str:
    if speed is None:
        return "no answer to AT at any speed: is it the modem's port for commands, and is it switched on?"
    return f"a modem, which answered AT at {speed} 8N1"


def _modem_blocks(ports: list[Listened], modems: dict[str, int | None]) -> list[str]:
    heard = {
        each.path: each.verdict.setting.baudrate
        for each in ports
        if each.verdict.finding is Finding.MODEM and each.verdict.setting is not None
    }
    found = {**heard, **{path: speed for path, speed in modems.items() if speed is not None}}
    return [
        f'[[modem]]\nname = "sim{number}"\nport = "{path}"\nbaudrate = {speed}'
        for number, (path, speed) in enumerate(found.items(), 1)
    ]


def _print_json(ports: list[Listened], modems: dict[str, int | None]) -> None:
    print_json(
        {
            "ports": [{**as_json(each.path, each.verdict), "trouble": each.trouble} for each in ports],
            "modems": [{"port": path, "baudrate": speed} for path, speed in modems.items()],
            "sources": source_blocks(_verdicts(ports)),
            "modem_blocks": _modem_blocks(ports, modems),
            "bridge_blocks": bridge_blocks(_verdicts(ports)),
        }
    )
