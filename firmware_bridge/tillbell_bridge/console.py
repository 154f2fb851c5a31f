"""A person, or an installer's program, on the link's port: a few words, each a line of its own, between the link's frames.

A word counts only where nothing else is on its line, so that no frame can be taken for one. Whoever holds the port can do
more than this with a button on most boards; nothing of what was heard, and no key, is ever shown here.
"""

COMMANDS = ("help", "status", "selftest", "repl", "reboot")
_LONGEST = 8
_ENDS = b"\r\n\x00"


class Console:
    def __init__(self) -> None:
        self._line = bytearray()

    def receive(self, octets: bytes) -> "list[str]":
        """The commands in them."""
        found = []
        for octet in octets:
            if octet in _ENDS:
                word = bytes(self._line)
                self._line[:] = b""
                if octet == 13 and word in _WORDS:
                    found.append(word.decode())
            elif len(self._line) <= _LONGEST:
                self._line.append(octet)
        return found


_WORDS = tuple([command.encode() for command in COMMANDS])


def help_lines() -> "list[str]":
    return [
        "help      these lines",
        "status    what this bridge does",
        "selftest  flash, key and taps",
        "repl      start into MicroPython for ten minutes (tillbell flash does that)",
        "reboot    start again",
    ]


def lines(rows: "list[str]") -> bytes:
    """An answer; a dot ends it."""
    return ("\r\n" + "\r\n".join(rows) + "\r\n." + "\r\n").encode()
