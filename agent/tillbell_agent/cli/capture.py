"""``tillbell capture``: a terminal's line goes into a file to be sent home, without card numbers from the first octet on."""

import argparse
import math
import os
import selectors
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tillbell_agent import __version__
from tillbell_agent.capture.recording import LineFormat, Recorder, Tally
from tillbell_agent.cli.common import add_json, positive, print_json
from tillbell_agent.cli.errors import NOT_WELL, OK, UNREACHABLE, USAGE, CliError
from tillbell_agent.pos.dialect import Line
from tillbell_agent.shell.ports import LineSettings, ListenPort, PortError

HELP = """Record what a terminal's line says into a file that may be sent home. Nothing is ever written to the line.

Card numbers, tracks, and what is secret by its place in a known frame are replaced before anything is written."""

_TURN_S = 0.5  # how long a signal waits at most
_DEFAULT_OCTETS = 10_000_000


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", required=True, metavar="DEVICE", help="what the terminal says")
    parser.add_argument("--port-till", metavar="DEVICE", help="a second tap: what the till says")
    parser.add_argument("--baudrate", type=positive, default=9600, help="default: 9600")
    parser.add_argument("--bytesize", type=int, choices=[7, 8], default=8, help="default: 8")
    parser.add_argument("--parity", choices=["N", "E", "O", "M", "S"], default="N", help="default: N")
    parser.add_argument("--stopbits", type=float, choices=[1, 1.5, 2], default=1, help="default: 1")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="a new file, for its owner alone"
    )
    parser.add_argument(
        "--seconds", type=_seconds, metavar="N", help="stop after so long (default: at Ctrl-C)"
    )
    parser.add_argument(
        "--max-octets",
        type=positive,
        default=_DEFAULT_OCTETS,
        metavar="N",
        help=f"stop after so many octets of both lines (default: {_DEFAULT_OCTETS}; the file is some three times as long)",
    )
    add_json(parser)
    parser.epilog = """example:
  tillbell capture --port /dev/ttyUSB0 --baudrate 9600 --out terminal.capture
  tillbell capture --port /dev/ttyUSB0 --port-till /dev/ttyUSB1 --baudrate 115200 --out both.capture --seconds 600

Ctrl-C ends it; what was heard until then is in the file. tillbell replay shows what the file holds."""


def run(args: argparse.Namespace) -> int:
    line_format = LineFormat(args.baudrate, args.bytesize, args.parity, args.stopbits)
    paths = {Line.TERMINAL: args.port} | ({Line.TILL: args.port_till} if args.port_till else {})
    if len({os.path.realpath(path) for path in paths.values()}) < len(paths):
        raise CliError(f"--port and --port-till are the same port {args.port}. Name two taps, or one", USAGE)
    with _ports(paths, line_format) as ports, _file(args.out) as file:
        capture = _Capture(ports, line_format, file, args.max_octets)
        why = capture.run(math.inf if args.seconds is None else args.seconds)
    _tell(args, capture.recorder.tallies, why)
    return UNREACHABLE if why.startswith("the line was lost") else OK


class _Capture:
    """Ports to a file, until told to stop."""

    def __init__(
        self, ports: Mapping[Line, ListenPort], line_format: LineFormat, file: int, most_octets: int
    ) -> None:
        self._ports = ports
        self._file = file
        self._begun = time.monotonic()
        formats = dict.fromkeys(ports, line_format)
        self.recorder = Recorder(formats, __version__, datetime.now(UTC), self._begun, most_octets)
        self._why = ""
        self._shown_at = 0.0

    def run(self, seconds: float) -> str:
        """Why it ended, in words."""
        _write(self._file, [self.recorder.header])
        settings = self.recorder.tallies
        print(
            f"listening on {len(settings)} line{'s'[: len(settings) - 1]}; Ctrl-C ends it",
            file=sys.stderr,
            flush=True,
        )
        with _signals(self._stop), selectors.DefaultSelector() as selector:
            for line, port in self._ports.items():
                selector.register(port, selectors.EVENT_READ, line)
            while not self._why:
                self._turn(selector, self._begun + seconds)
            for key, _ in selector.select(0):  # what came while it was told to stop
                self._read(key.data)
        _write(self._file, self.recorder.close(time.monotonic(), self._why))
        os.fsync(self._file)
        self._progress(last=True)
        return self._why

    def _stop(self, *_: object) -> None:
        self._why = self._why or "stopped"

    def _turn(self, selector: selectors.BaseSelector, end: float) -> None:
        due = min(end, self.recorder.next_deadline() or math.inf) - time.monotonic()
        ready = selector.select(max(0.0, min(_TURN_S, due)))
        for key, _ in ready:
            self._read(key.data)
        now = time.monotonic()
        _write(self._file, self.recorder.tick(now))
        self._progress()
        if self.recorder.full:
            self._why = self._why or "as many octets as were asked for"
        elif now >= end and not ready:
            self._why = self._why or "as long as was asked for"

    def _read(self, line: Line) -> None:
        try:
            data = self._ports[line].read()
        except PortError as error:
            self._why = f"the line was lost: {error}"
            return
        _write(self._file, self.recorder.receive_data(data, time.monotonic(), line))

    def _progress(self, *, last: bool = False) -> None:
        now = time.monotonic()
        if sys.stderr.isatty() and (last or now >= self._shown_at + 1):
            self._shown_at = now
            words = "; ".join(_words(line, tally) for line, tally in self.recorder.tallies.items())
            print(
                f"\r{now - self._begun:.0f} s, {words}\x1b[K",
                end="\n" if last else "",
                file=sys.stderr,
                flush=True,
            )


@contextmanager
def _ports(paths: Mapping[Line, str], line_format: LineFormat) -> Iterator[dict[Line, ListenPort]]:
    ports: dict[Line, ListenPort] = {}
    try:
        for line, path in paths.items():
            ports[line] = ListenPort(
                LineSettings(
                    path, line_format.baudrate, line_format.bytesize, line_format.parity, line_format.stopbits
                )
            )
        yield ports
    except PortError as error:
        raise CliError(f"cannot listen: {error}", UNREACHABLE) from error
    finally:
        for port in ports.values():
            port.close()


@contextmanager
def _file(path: Path) -> Iterator[int]:
    """A new file that only its owner may read."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError as error:
        raise CliError(
            f"{path} exists already: a capture never replaces a file. Name another", USAGE
        ) from error
    except OSError as error:
        raise CliError(
            f"cannot make {path}: {error.strerror}. Name a folder that you may write", NOT_WELL
        ) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _write(descriptor: int, lines: list[str]) -> None:
    left = memoryview("".join(lines).encode())
    while left:
        left = left[os.write(descriptor, left) :]


@contextmanager
def _signals(stop: Any) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the recording, not the program."""
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell(args: argparse.Namespace, tallies: Mapping[Line, Tally], why: str) -> None:
    if args.json:
        lines = {
            line.value: {name: getattr(tally, name) for name in Tally.__slots__}
            for line, tally in tallies.items()
        }
        print_json({"file": str(args.out), "why": why, "lines": lines})
        return
    for line, tally in tallies.items():
        print(_words(line, tally))
    print(f"{args.out}: {why}. See what it holds: tillbell replay {args.out}")
    if not sum(tally.octets for tally in tallies.values()):
        print("Nothing was heard: is this the line that speaks, and the cable plugged in on both ends?")


def _words(line: Line, tally: Tally) -> str:
    frames = f"{tally.starts} STX, {tally.acks} ACK, {tally.naks} NAK, {tally.cuts} paper cuts"
    return f"{line.value}: {tally.octets} octets ({frames}), {tally.masked} numbers masked"


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return seconds
