"""The bridge's console, which shares the line with the link's frames: commands, and their answers among other octets."""

import re

# A zero ends half a frame, and a CR half a line, so that what follows is a line of its own.
_COMMAND = b"\x00\r%s\r"
# Rows, ended by a line with a dot. A frame's octets may stand directly before, so a row begins wherever it can.
_ANSWER = re.compile(rb"((?:[a-z][a-z0-9_]*=[ -~]*\r\n)+)\.\r\n")
_LONGEST = 16_384


def command(word: str) -> bytes:
    """The octets that ask for ``status``, ``selftest``, ``repl`` or ``reboot``."""
    return _COMMAND % word.encode()


class AnswerReader:
    """Octets in any pieces → the rows of one answer."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, octets: bytes) -> dict[str, str] | None:
        """The answer's rows by name, as soon as it is whole."""
        self._held = (self._held + octets)[-_LONGEST:]
        found = _ANSWER.search(self._held)
        if found is None:
            return None
        self._held = self._held[found.end() :]
        rows = (line.partition("=") for line in found[1].decode("ascii").split("\r\n") if line)
        return {name: value for name, _, value in rows}
