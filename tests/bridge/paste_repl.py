"""MicroPython's paste mode over the standard input and output of a program that emulates a board.

Paste mode says each octet again, which is the only flow control that such a port has: what is sent is never more than the
board's buffer holds.
"""

import os
import selectors
import subprocess
import time

_AT_ONCE = 32
_PROMPT = b">>> "
_BEGIN, _END = b"\x05", b"\x04"


class BoardError(Exception):
    """The board raised, or did not answer; what it said is in the message."""


class Board:
    """``command``: runs the board; its port is its standard input and output. Ended by ``close``."""

    def __init__(self, command: list[str], patience_s: float = 30.0) -> None:
        self._patience_s = patience_s
        self._heard = b""
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
        )
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._process.stdout, selectors.EVENT_READ)
        self._until(_PROMPT)

    def run(self, source: str) -> str:
        """What it prints, without the last line's end."""
        self._process.stdin.write(_BEGIN)
        self._until(b"=== ")
        octets = source.encode()
        for at in range(0, len(octets), _AT_ONCE):
            piece = octets[at : at + _AT_ONCE]
            self._process.stdin.write(piece)
            self._until(piece)
        self._process.stdin.write(_END)
        self._until(b"\r\n")
        printed = self._until(_PROMPT).decode().replace("\r\n", "\n").removesuffix("\n")
        if printed.startswith("Traceback"):
            raise BoardError(f"{printed}\nin: {source}")
        return printed

    def close(self) -> None:
        self._selector.close()
        self._process.kill()
        self._process.communicate()

    def _until(self, end: bytes) -> bytes:
        last = time.monotonic() + self._patience_s
        while end not in self._heard:
            if not self._selector.select(max(0.0, last - time.monotonic())):
                raise BoardError(
                    f"the board did not say {end!r} within {self._patience_s} s: {self._heard!r}"
                )
            octets = os.read(self._process.stdout.fileno(), 4096)
            if not octets:
                raise BoardError(f"the board ended with {self._process.wait()}: {self._heard!r}")
            self._heard += octets
        found, _, self._heard = self._heard.partition(end)
        return found
