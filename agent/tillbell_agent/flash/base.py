"""MicroPython itself, which the installer brings: only a file whose SHA-256 somebody named goes onto a board."""

from dataclasses import dataclass

from tillbell_agent.flash.hardware import Board
from tillbell_agent.flash.slots import digest
from tillbell_agent.flash.uf2 import Uf2Error, check_uf2

_ESP_IMAGE = 0xE9  # the first octet of every image for an ESP32


class BaseRefusedError(Exception):
    """This file does not go onto this board; the message says why, and how it would."""


@dataclass(frozen=True, slots=True)
class BaseFile:
    """``version``: as pinned; None: only the installer's word stands for it."""

    octets: bytes
    sha256: str
    version: str | None


def check_base(octets: bytes, board: Board, named: str | None) -> BaseFile:
    """``named``: the SHA-256 that the installer gives, in hexadecimal. Raises BaseRefusedError."""
    found = digest(octets)
    pinned = {text: version for version, text in board.base.sha256.items()}
    if named is not None and named.strip().lower() != found:
        raise BaseRefusedError(f"its SHA-256 is {found}, not the one of --base-sha256: download it again")
    if named is None and found not in pinned:
        raise BaseRefusedError(
            f"its SHA-256 {found} is not one that is known for {board.title}. Compare it with the one that whoever "
            f"made the file publishes, and then name it: --base-sha256 {found}"
        )
    _check_format(octets, board)
    return BaseFile(octets, found, pinned.get(found))


def _check_format(octets: bytes, board: Board) -> None:
    if board.base.format == "uf2":
        try:
            check_uf2(octets, board.mcu)
        except Uf2Error as error:
            raise BaseRefusedError(
                f"{error}. {board.title} takes the UF2 file of {board.base.name}"
            ) from error
    elif octets[:1] != bytes([_ESP_IMAGE]):
        raise BaseRefusedError(
            f"it is no image for an ESP32 (its first octet is not E9). {board.title} takes the .bin file of "
            f"{board.base.name}"
        )
