"""Log lines: ``<N>key=value`` on standard error, as a service manager reads them. Scrubbed, shortened, no payload."""

import contextlib
import os
import sys
from typing import TextIO

from tillbell_protocol.pan import scrub

_LONGEST_VALUE = 200
_PRIORITY = {"error": 3, "warning": 4, "info": 6}


class Log:
    """Writes one line an event. The ``<N>`` prefixes are for a service manager, so a terminal gets none."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._prefixed = bool(os.environ.get("JOURNAL_STREAM") or os.environ.get("NOTIFY_SOCKET"))

    def info(self, event: str, **values: object) -> None:
        self._write("info", event, values)

    def warning(self, event: str, **values: object) -> None:
        self._write("warning", event, values)

    def error(self, event: str, **values: object) -> None:
        self._write("error", event, values)

    def bare(self, line: str) -> None:
        """A line that other programs wait for: ``ready``."""
        self._print(line)

    def _write(self, level: str, event: str, values: dict[str, object]) -> None:
        prefix = f"<{_PRIORITY[level]}>" if self._prefixed else ""
        shown = "".join(f" {name}={_value(value)}" for name, value in values.items() if value is not None)
        self._print(f"{prefix}{level} {event}{shown}")

    def _print(self, line: str) -> None:
        # A log on a full disk, or whose reader is gone, has nobody to tell that to, and no sale may wait for it.
        with contextlib.suppress(OSError):
            print(line, file=self._stream, flush=True)


def _value(value: object) -> str:
    text = scrub(str(value))[:_LONGEST_VALUE]
    text = "".join(character if character.isprintable() else "." for character in text)
    return f'"{text}"' if " " in text or not text else text


def short_number(phone: str) -> str:
    """A phone number as logs show it: its last four digits."""
    return f"…{phone[-4:]}"
