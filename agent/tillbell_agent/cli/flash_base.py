"""MicroPython itself onto a board: as a file on its boot loader's disk, or by esptool."""

import argparse
import sys
from collections.abc import Callable

from tillbell_agent.cli.errors import NOT_WELL, REFUSED, UNREACHABLE, CliError
from tillbell_agent.cli.flash_board import baudrate_of, read_base
from tillbell_agent.cli.flash_screen import Screen
from tillbell_agent.flash.base import BaseFile, BaseRefusedError, check_base
from tillbell_agent.flash.hardware import Board
from tillbell_agent.flash.identify import Found, NotIdentifiedError, UsbPort, Volume, the_only
from tillbell_agent.flash.link import BoardError
from tillbell_agent.shell.board_link import SerialBoard
from tillbell_agent.shell.flash_tools import ToolError, write_esp_flash
from tillbell_agent.shell.uf2_volume import VolumeError, copy_uf2, wait_for_volume
from tillbell_agent.shell.usb_ports import usb_ports, wait_for_port

_VOLUME_S, _PORT_S = 30.0, 30.0


def checked_base(args: argparse.Namespace, found: Found) -> tuple[Board, BaseFile]:
    """Reads the file; touches no board. Raises CliError."""
    try:
        board = the_only(found.boards)
        return board, check_base(read_base(args.base), board, args.base_sha256)
    except NotIdentifiedError as error:
        raise CliError(f"flash: --base goes onto one kind of board, and {error}", REFUSED) from error
    except BaseRefusedError as error:
        raise CliError(f"flash: {args.base}: {error}", REFUSED) from error


def lay_base(
    found: Found, board: Board, base: BaseFile, screen: Screen, *, port: str | None, quiet: bool
) -> Found:
    """Returns where the board is then: at ``port``, where one was named. Raises CliError."""
    try:
        if board.base.format == "uf2":
            return _by_volume(found, board, base, screen, port)
        return _by_esptool(found, board, base, screen, quiet=quiet)
    except (VolumeError, ToolError, BoardError) as error:
        raise CliError(f"flash: {error}", NOT_WELL) from error


def _by_volume(found: Found, board: Board, base: BaseFile, screen: Screen, named: str | None) -> Found:
    before = {port.path for port in usb_ports()}
    volume = found.volume
    if volume is None:
        with screen.step("restart into the boot loader"):
            volume = _boot_loader(found, board)
        before.discard(found.port.path if found.port else "")
    with screen.step(f"copy MicroPython to {volume.path}", len(base.octets)) as advance:
        copy_uf2(base.octets, volume, "micropython.uf2", advance)
    with screen.step("wait for the board"):
        fits: Callable[[UsbPort], bool] = lambda port: port.usb in board.app_ids and port.path not in before  # noqa: E731
        port = wait_for_port(fits, named, _PORT_S)
    if port is None:
        raise CliError(
            f"flash: the disk has the file, and no board came back on USB within {_PORT_S:.0f} s. Pull the cable, plug it "
            "in again without the button, and run this without --base",
            UNREACHABLE,
        )
    return Found(port, None, (board,))


def _boot_loader(found: Found, board: Board) -> Volume:
    """By MicroPython's own word, where one runs; by hand otherwise."""
    assert found.port is not None
    SerialBoard(found.port.path, baudrate_of(found)).enter_boot_loader()
    volume = wait_for_volume(lambda each: each.mcu == board.mcu, _VOLUME_S)
    if volume is None:
        raise CliError(
            f"flash: the boot loader's disk was not mounted within {_VOLUME_S:.0f} s. Mount it and give --volume FOLDER; "
            "to leave the boot loader, pull the cable",
            UNREACHABLE,
        )
    return volume


def _by_esptool(found: Found, board: Board, base: BaseFile, screen: Screen, *, quiet: bool) -> Found:
    assert found.port is not None
    with screen.step("write MicroPython by esptool"):
        write_esp_flash(
            board.mcu, found.port.path, board.base.offset, base.octets, _drop if quiet else _pass_on
        )
    with screen.step("wait for the board"):
        port = wait_for_port(lambda _port: False, found.port.path, _PORT_S)
    if port is None:
        port = wait_for_port(lambda each: each.usb in board.app_ids, None, _PORT_S)
    if port is None:
        raise CliError(
            "flash: MicroPython is in the flash, and its port did not come back. Press the board's reset button, and run "
            "this without --base",
            UNREACHABLE,
        )
    return Found(port, None, (board,))


def _pass_on(words: str) -> None:
    sys.stderr.write(words)


def _drop(_words: str) -> None:
    """With --json nothing but JSON is shown."""
