"""The board that ``tillbell flash`` works on: found, asked who it is, and left running again."""

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tillbell_agent.cli.errors import NOT_WELL, REFUSED, UNREACHABLE, USAGE, CliError
from tillbell_agent.flash.hardware import Board
from tillbell_agent.flash.identify import (
    Found,
    NotIdentifiedError,
    UsbPort,
    Volume,
    board_named,
    find,
    settle,
)
from tillbell_agent.flash.link import BoardError, Identity, identify
from tillbell_agent.shell.board_link import SerialBoard
from tillbell_agent.shell.boards import load_boards
from tillbell_agent.shell.bridge_port import ask_status
from tillbell_agent.shell.flash_tools import ToolError
from tillbell_agent.shell.ports import LineSettings, PortError, TalkPort
from tillbell_agent.shell.uf2_volume import VolumeError, uf2_volumes, volume_at
from tillbell_agent.shell.usb_ports import usb_ports
from tillbell_protocol.errors import DecodeError

_PORT_S = 3.0  # a board that was started just now takes its port away, and brings it back
_AGAIN_S = 0.3


@dataclass(slots=True)
class Opened:
    """A board with its REPL open."""

    link: SerialBoard
    board: Board
    identity: Identity
    port: UsbPort


def find_board(args: argparse.Namespace, port: str | None, terminals: Sequence[str]) -> Found:
    """The one that is meant. Nothing is opened. Raises CliError."""
    try:
        boards = board_named(load_boards(), args.board)
        if port is not None:
            _refuse_terminal(port, terminals)
        volumes = [volume_at(args.volume)] if args.volume is not None else uf2_volumes()
        if args.volume is not None:
            return _of_volume(boards, volumes[0])
        return find(boards, usb_ports(), volumes, port)
    except NotIdentifiedError as error:
        raise CliError(f"flash: {error}", UNREACHABLE if error.none else USAGE) from error
    except (DecodeError, VolumeError) as error:
        raise CliError(f"flash: {error}", USAGE) from error


def bridge_status(found: Found) -> dict[str, str] | None:
    """What a bridge that runs there says of itself; None: none runs. Raises CliError where the port cannot be opened."""
    assert found.port is not None
    try:
        return ask_status(found.port.path, baudrate_of(found))
    except PortError as error:
        raise CliError(f"flash: {error}", UNREACHABLE) from error


def await_port(found: Found) -> None:
    """That the port is there and free. Raises CliError."""
    assert found.port is not None
    until = time.monotonic() + _PORT_S
    while True:
        try:
            return TalkPort(LineSettings(found.port.path, baudrate_of(found))).close()
        except PortError as error:
            if not error.missing or time.monotonic() >= until:
                raise CliError(f"flash: {error}", UNREACHABLE) from error
        time.sleep(_AGAIN_S)


def baudrate_of(found: Found) -> int:
    """All boards that it may be have the same, or the usual one."""
    speeds = {board.baudrate for board in found.boards}
    return speeds.pop() if len(speeds) == 1 else 115_200


@contextmanager
def opened(found: Found) -> Iterator[Opened]:
    """Its REPL. What goes wrong leaves the board started again, with whatever it has. Raises CliError."""
    assert found.port is not None
    try:
        link = SerialBoard(found.port.path, baudrate_of(found))
    except (BoardError, ToolError) as error:
        raise CliError(f"flash: {error}", UNREACHABLE) from error
    except KeyboardInterrupt:  # it may have gone to the REPL already, where it hears nothing
        _start_again(found.port.path, baudrate_of(found))
        raise
    try:
        identity = identify(link)
        yield Opened(link, settle(found.boards, identity), identity, found.port)
    except BaseException as error:
        link.close()
        _start_again(found.port.path, baudrate_of(found))
        if isinstance(error, NotIdentifiedError):
            raise CliError(f"flash: {error}", REFUSED) from error
        if isinstance(error, BoardError):
            raise CliError(f"flash: {error}", NOT_WELL) from error
        raise


def restart(link: SerialBoard) -> None:
    """Raises CliError where the board does not take the word."""
    try:
        link.reset()
    except BoardError as error:
        raise CliError(f"flash: {error}. Pull the cable and plug it in again", NOT_WELL) from error


def _start_again(path: str, baudrate: int) -> None:
    """As far as it can be reached: half a command may stand in its REPL."""
    try:
        SerialBoard(path, baudrate, seconds=3.0).reset()
    except BoardError:
        return  # it is gone, and starts when it has power again


def _refuse_terminal(port: str, terminals: Sequence[str]) -> None:
    real = os.path.realpath(port)
    if any(os.path.realpath(each) == real for each in terminals):
        raise CliError(
            f"flash: the configuration listens to {port}: it is a terminal's line, and nothing is written to it", REFUSED
        )  # fmt: skip


def _of_volume(boards: Sequence[Board], volume: Volume) -> Found:
    fitting = tuple(board for board in boards if board.mcu == volume.mcu)
    if not fitting:
        raise NotIdentifiedError(
            f"{volume.path} is the boot loader of {volume.mcu or 'a microcontroller that is not known'}, which "
            f"{' and '.join(board.title for board in boards)} do not have"
        )
    return Found(None, volume, fitting)


def read_base(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CliError(f"flash: cannot read {path}: {error.strerror}", USAGE) from error
