"""Which board is meant: from the serial ports and boot loaders' disks that are there, and what the installer named."""

from collections.abc import Sequence
from dataclasses import dataclass

from tillbell_agent.flash.hardware import Board
from tillbell_agent.flash.link import Identity, mcu_of

_MODELS = {"rp2350": "rp2350", "rp2": "rp2040", "rp2040": "rp2040"}  # in INFO_UF2.TXT
# MicroPython on a computer: a board that is simulated. What it calls itself says nothing of a microcontroller.
_SIMULATED = "linux"
_PLATFORMS = {"rp2": "rp2", "esp32": "esp32"}


class NotIdentifiedError(Exception):
    """No board, or several; the message says what to do. ``none``: there is nothing at all."""

    def __init__(self, message: str, *, none: bool = False) -> None:
        super().__init__(message)
        self.none = none


@dataclass(frozen=True, slots=True)
class UsbPort:
    """``path``: the name that stays; ``usb``: vid:pid, empty where it is no USB port; ``serial``: the device's, or empty."""

    path: str
    usb: str = ""
    serial: str = ""


@dataclass(frozen=True, slots=True)
class Volume:
    """A boot loader's disk. ``info``: what its INFO_UF2.TXT says."""

    path: str
    info: str

    @property
    def mcu(self) -> str | None:
        """None: of a family that is not known here."""
        for line in self.info.splitlines():
            name, _, value = line.partition(":")
            if name.strip().lower() == "model" and value.split():
                return _MODELS.get(value.split()[-1].lower())
        return None


@dataclass(frozen=True, slots=True)
class Found:
    """What is worked on. ``boards``: those that it may be. Neither port nor volume: nothing was found, which was allowed."""

    port: UsbPort | None
    volume: Volume | None
    boards: tuple[Board, ...]


def board_named(boards: Sequence[Board], name: str | None) -> tuple[Board, ...]:
    """All where none is named. Raises NotIdentifiedError."""
    found = tuple(board for board in boards if name in (None, board.name))
    if not found:
        known = ", ".join(board.name for board in boards)
        raise NotIdentifiedError(f"there is no board {name!r}. There are: {known}")
    return found


def find(
    boards: Sequence[Board], ports: Sequence[UsbPort], volumes: Sequence[Volume], named_port: str | None
) -> Found:
    """The one board that is plugged in. Raises NotIdentifiedError where there is none, or more than one."""
    if named_port is not None:
        port = next((each for each in ports if each.path == named_port), UsbPort(named_port))
        return Found(port, None, _by_usb(boards, port.usb) or tuple(boards))
    candidates = [(port, _by_usb(boards, port.usb)) for port in ports]
    running = [(port, _native(fitting)) for port, fitting in candidates if _native(fitting)]
    waiting = [volume for volume in volumes if any(board.mcu == volume.mcu for board in boards)]
    if len(running) + len(waiting) > 1:
        raise NotIdentifiedError(_several(running, waiting))
    if running:
        return Found(running[0][0], None, running[0][1])
    if waiting:
        return Found(None, waiting[0], tuple(board for board in boards if board.mcu == waiting[0].mcu))
    behind = [port.path for port, fitting in candidates if fitting]
    if behind:
        raise NotIdentifiedError(
            f"there is {' and '.join(behind)}, whose converter such a board has, and a terminal's line too. If it is the "
            f"board, name it: --port {behind[0]}"
        )
    raise NotIdentifiedError(_none(boards), none=True)


def settle(boards: Sequence[Board], identity: Identity) -> Board:
    """The board by what MicroPython on it says. Raises NotIdentifiedError where it is another, or still several."""
    if identity.platform == _SIMULATED:
        fitting = tuple(boards)
    else:
        hal, mcu = _PLATFORMS.get(identity.platform), mcu_of(identity)
        fitting = tuple(board for board in boards if board.hal == hal and board.mcu == mcu)
    if not fitting:
        names = " or ".join(board.title for board in boards)
        raise NotIdentifiedError(
            f"MicroPython says that this is {identity.machine!r} ({identity.platform}), which is no {names}"
        )
    return the_only(fitting)


def the_only(boards: Sequence[Board]) -> Board:
    if len(boards) > 1:
        raise NotIdentifiedError(
            f"the board may be any of {', '.join(board.name for board in boards)}. Name it with --board"
        )
    return boards[0]


def _by_usb(boards: Sequence[Board], usb: str) -> tuple[Board, ...]:
    return tuple(board for board in boards if usb and usb in (*board.app_ids, *board.bootloader_ids))


def _native(boards: Sequence[Board]) -> tuple[Board, ...]:
    """Those whose own USB it is. A converter may as well stand before a terminal, to which nothing may be written."""
    return tuple(board for board in boards if board.link_kind == "usb")


def _several(running: Sequence[tuple[UsbPort, tuple[Board, ...]]], waiting: Sequence[Volume]) -> str:
    rows = [
        f"--port {port.path} ({' or '.join(board.name for board in fitting)})" for port, fitting in running
    ]
    rows += [f"--volume {volume.path} ({volume.mcu})" for volume in waiting]
    return f"there are several boards. Name one: {', '.join(rows)}"


def _none(boards: Sequence[Board]) -> str:
    step = "Plug the board in with a cable that carries data, or name its port with --port"
    if any(board.base.format == "uf2" for board in boards):
        step += ". A Pico without MicroPython: hold BOOTSEL while you plug it in, mount its disk, and give --base FILE.uf2"
    return f"there is no board. {step}"
