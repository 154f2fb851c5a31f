"""What an installer does to a board's files, whatever carries it; and what a board says of itself."""

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

Advance = Callable[[int], None]  # so many octets more are done

# Byte code of this version is what the compiler makes and the board must be able to run.
MPY_VERSION = 6


class BoardError(Exception):
    """The board did not do what it was asked to; the message says what and why."""


class BoardLink(Protocol):
    """MicroPython's raw REPL. Paths are absolute on the board. Everything raises BoardError where the board is gone."""

    def exec(self, code: str) -> str:
        """What the code printed, its lines ended by LF."""

    def write_file(self, path: str, octets: bytes, advance: Advance) -> None: ...

    def read_file(self, path: str) -> bytes | None:
        """None: there is none."""

    def hash_file(self, path: str) -> str | None:
        """SHA-256 in hexadecimal, computed on the board; None: there is no such file."""

    def list_folder(self, path: str) -> list[str] | None:
        """Names, a folder's with ``/`` at its end; None: there is no such folder."""

    def make_folder(self, path: str) -> None: ...

    def remove(self, path: str) -> None: ...

    def rename(self, old: str, new: str) -> None:
        """Replaces ``new`` at once, or not at all."""


@dataclass(frozen=True, slots=True)
class Identity:
    """``unique_id``: empty where the board has none; ``free``: octets of its file system; ``block``: its unit."""

    platform: str
    machine: str
    micropython: str
    mpy: int
    unique_id: str
    free: int
    block: int


_ASK = """
import os, sys
def who():
    try:
        import machine, binascii
        unique = str(binascii.hexlify(machine.unique_id()), "ascii")
    except (ImportError, AttributeError):
        unique = ""
    it, room = sys.implementation, os.statvfs("/")
    version = ".".join([str(part) for part in it.version])
    print((sys.platform, getattr(it, "_machine", ""), version, getattr(it, "_mpy", 0) & 0xFF, unique, room[0] * room[3], room[0]))
who()
"""


def identify(link: BoardLink) -> Identity:
    """Ask the board who it is. Raises BoardError, also where it cannot run what is compiled here."""
    said = link.exec(_ASK)
    try:
        identity = Identity(*ast.literal_eval(said.strip()))
    except (ValueError, SyntaxError, TypeError) as error:
        raise BoardError(f"the board says of itself {said[:80]!r}: does MicroPython run on it?") from error
    if identity.mpy != MPY_VERSION:
        raise BoardError(
            f"its MicroPython {identity.micropython} runs byte code of version {identity.mpy}, and this program's "
            f"compiler makes version {MPY_VERSION}. Install a newer MicroPython with --base FILE"
        )
    return identity


def mcu_of(identity: Identity) -> str | None:
    """The microcontroller, from what MicroPython calls the machine; None: it names none that is known here."""
    machine = identity.machine.upper().replace("-", "")
    for mcu in ("RP2350", "RP2040", "ESP32S3", "ESP32"):
        if mcu in machine:
            return mcu.lower()
    return None
