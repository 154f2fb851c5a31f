"""A board's files and REPL over its port: the only module that knows mpremote, whose interface is not promised to stay.

What mpremote raises (its own errors, pyserial's, the system's, or whatever half an answer makes of a parser) leaves here as
``BoardError`` with the last line of what the board said; its source lines, where a key may stand, are never shown.
"""

import contextlib
import io
import os
import struct
import time
from collections.abc import Iterator
from typing import Any

from tillbell_agent.flash.console import command
from tillbell_agent.flash.link import Advance, BoardError
from tillbell_agent.shell.flash_tools import need
from tillbell_agent.shell.ports import unlock

_READ_S = 1.0  # mpremote asks octet by octet, and waits for ever where nobody says how long
_PROMPT = b">>> "
_PROMPT_S, _RAW_S = 2.0, 4
_AGAIN_S = 0.5
_CHUNK = 1024
_FOLDER = 0x4000


class SerialBoard:
    """A ``BoardLink``. Opening it ends what the board runs, a bridge's program by its console's word; ``reset`` starts it again."""

    def __init__(self, path: str, baudrate: int = 115_200, seconds: float = 20.0) -> None:
        """Raises BoardError where the raw REPL cannot be reached within ``seconds``."""
        need("mpremote")
        self.path = path
        until = time.monotonic() + seconds
        while True:
            try:
                self._transport = _enter(path, baudrate)
                return
            except BoardError:
                if time.monotonic() >= until:
                    raise
                time.sleep(_AGAIN_S)  # a board that starts anew takes its port away meanwhile

    def exec(self, code: str) -> str:
        with _as_board_error(self.path):
            said = bytes(self._transport.exec(code)).decode("utf-8", "replace")
            return said.replace("\r\n", "\n")

    def write_file(self, path: str, octets: bytes, advance: Advance) -> None:
        done = 0

        def progress(written: int, _size: int) -> None:
            nonlocal done
            advance(written - done)
            done = written

        with _as_board_error(f"{self.path}: {path}"):
            self._transport.fs_writefile(path, octets, chunk_size=_CHUNK, progress_callback=progress)

    def read_file(self, path: str) -> bytes | None:
        with _as_board_error(f"{self.path}: {path}"):
            try:
                return bytes(self._transport.fs_readfile(path, chunk_size=_CHUNK))
            except FileNotFoundError:
                return None

    def hash_file(self, path: str) -> str | None:
        with _as_board_error(f"{self.path}: {path}"):
            try:
                return bytes(self._transport.fs_hashfile(path, "sha256", chunk_size=_CHUNK)).hex()
            except FileNotFoundError:
                return None

    def list_folder(self, path: str) -> list[str] | None:
        with _as_board_error(f"{self.path}: {path}"):
            try:
                rows = self._transport.fs_listdir(path)
            except FileNotFoundError:
                return None
            return [row.name + ("/" if row.st_mode & _FOLDER else "") for row in rows]

    def make_folder(self, path: str) -> None:
        with _as_board_error(f"{self.path}: {path}"):
            self._transport.fs_mkdir(path)

    def remove(self, path: str) -> None:
        with _as_board_error(f"{self.path}: {path}"):
            self._transport.fs_rmfile(path)

    def rename(self, old: str, new: str) -> None:
        with _as_board_error(f"{self.path}: {new}"):
            self._transport.exec(f"import os\nos.rename({old!r}, {new!r})")

    def reset(self) -> None:
        """Start the board anew, as its button does, and close the port."""
        self._leave_by("machine.reset()")

    def enter_boot_loader(self) -> None:
        """It comes back as a disk that takes UF2 files; the port is closed."""
        self._leave_by("machine.bootloader()")

    def close(self) -> None:
        """Leaves the board as it is."""
        _close(self._transport)

    def _leave_by(self, call: str) -> None:
        try:
            with _as_board_error(self.path):
                self._transport.exec_raw_no_follow(f"import machine\n{call}")
        finally:
            self.close()


def _enter(path: str, baudrate: int) -> Any:
    """mpremote's transport with the raw REPL open. Not by a soft reset: a bridge's watchdog would not be fed behind it."""
    with _as_board_error(path):
        from mpremote.transport_serial import SerialTransport  # noqa: PLC0415 - an optional package

        transport = SerialTransport(path, baudrate=baudrate, timeout=_READ_S)
        try:
            transport.serial.write(command("repl"))
            _read_prompt(transport.serial)
            transport.enter_raw_repl(soft_reset=False, timeout_overall=_RAW_S)
        except BaseException:
            _close(transport)
            raise
    return transport


def _read_prompt(port: Any) -> None:
    """A bridge says its last words first; a board that has the REPL open already answers at once, or not at all."""
    heard, until = b"", time.monotonic() + _PROMPT_S
    while time.monotonic() < until and _PROMPT not in heard:
        waiting = port.in_waiting
        heard = heard[-len(_PROMPT) :] + port.read(waiting) if waiting else heard
        if not waiting:
            time.sleep(0.02)


def _close(transport: Any) -> None:
    unlock(transport.serial)
    try:
        transport.close()
    except OSError:
        transport.serial.close()  # it was pulled, so its lines cannot be let go


@contextlib.contextmanager
def _as_board_error(where: str) -> Iterator[None]:
    """mpremote prints what it did not understand before it raises: that goes nowhere, too."""
    from mpremote.transport import TransportError, TransportExecError  # noqa: PLC0415 - an optional package

    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    except TransportExecError as error:
        lines = str(error.error_output).strip().splitlines()
        raise BoardError(f"{where}: the board says {lines[-1] if lines else 'nothing'}") from None
    except (
        TransportError,
        OSError,
        ValueError,
        SyntaxError,
        struct.error,
        AttributeError,
        TypeError,
    ) as error:
        raise BoardError(f"{where}: {_why(error)}") from None


def _why(error: Exception) -> str:
    """A file's error on the board comes as the system's, with the board's path where the words belong."""
    if isinstance(error, OSError) and str(error.strerror or "").startswith("/"):
        return f"the board says {os.strerror(error.errno or 0)}"
    what = type(error).__name__ if isinstance(error, struct.error | SyntaxError) else str(error)
    return f"{what[:120]}: is the cable loose, or does another program hold the port?"
