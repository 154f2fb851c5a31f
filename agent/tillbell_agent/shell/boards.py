"""What comes with the program for a bridge: the boards' tables and the firmware's sources, in a checkout or installed."""

from pathlib import Path

import tillbell_protocol
from tillbell_agent.flash.hardware import Board, parse_board
from tillbell_protocol.errors import DecodeError

_PACKAGE = Path(__file__).resolve().parent.parent
_CHECKOUT = _PACKAGE.parent.parent
_LOADER, _APPLICATION = "tillbell_start", "tillbell_bridge"
# Started by MicroPython itself, as sources. main.py last: it is what begins the loader.
_PLAIN = ("boot.py", "main.py")


def load_boards() -> tuple[Board, ...]:
    """Every board, in order of name. DecodeError names the file; none at all is an error too."""
    found = []
    for file in sorted(_folder("hw/boards", "hw/boards").glob("*.toml")):
        try:
            found.append(parse_board(file.read_text(encoding="utf-8")))
        except DecodeError as error:
            raise error.within(file.name, 0) from error
    if not found:
        raise DecodeError("hw/boards", 0, "no board is there: the installation is not whole")
    return tuple(found)


def firmware_folder() -> Path:
    return _folder("firmware", "firmware_bridge")


def application_sources() -> dict[str, Path]:
    """Path inside a slot → source, of all that is compiled into a slot."""
    protocol = Path(str(tillbell_protocol.__file__)).parent
    own = sorted(firmware_folder().joinpath(_APPLICATION).rglob("*.py"))
    link = [protocol / "__init__.py", *sorted(protocol.joinpath("link").rglob("*.py"))]
    return {
        **{str(path.relative_to(firmware_folder())): path for path in own},
        **{str(path.relative_to(protocol.parent)): path for path in link},
    }


def loader_sources() -> dict[str, Path]:
    """Path below the board's root → source, of all that is compiled and stays when slots are exchanged."""
    folder = firmware_folder()
    return {str(path.relative_to(folder)): path for path in sorted(folder.joinpath(_LOADER).rglob("*.py"))}


def plain_files() -> dict[str, bytes]:
    """What is copied as it is: name → octets."""
    return {name: firmware_folder().joinpath(name).read_bytes() for name in _PLAIN}


def _folder(installed: str, checkout: str) -> Path:
    inside = _PACKAGE / installed
    return inside if inside.is_dir() else _CHECKOUT / checkout
