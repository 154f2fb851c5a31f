"""What one modem's SIM made of the configured PIN, kept across restarts and power cuts. A PIN is known by its file's time."""

import sqlite3
from collections.abc import Callable

from tillbell_agent.database import keep, recall, transaction
from tillbell_agent.modem.facts import PinRecord

_UNKNOWN = -1  # the modem does not say how many tries are left


class PinBook:
    """``written_at``: when the PIN's file was written. One that is written anew is another PIN, and begins anew."""

    def __init__(self, connection: Callable[[], sqlite3.Connection], modem: str, written_at: int) -> None:
        self._connection = connection
        self._written_at = written_at
        self._refused, self._begun = f"pin refused {modem}", f"pin begun {modem}"
        self._in_doubt, self._left = f"pin in doubt {modem}", f"pin left {modem}"

    def read(self) -> PinRecord:
        """What is known of this PIN. Raises sqlite3.Error."""
        connection = self._connection()
        if recall(connection, self._refused) == self._written_at:
            return PinRecord(refused=True)
        if recall(connection, self._begun) != self._written_at:
            return PinRecord()
        left = recall(connection, self._left)
        in_doubt = recall(connection, self._in_doubt) or 0
        return PinRecord(in_doubt=in_doubt, left=None if left == _UNKNOWN else left)

    def about_to_try(self, left: int | None) -> None:
        """Durable when it returns; ``left`` as the modem says. Raises StoreError."""
        in_doubt = self.read().in_doubt + 1
        self._write({self._in_doubt: in_doubt, self._left: _UNKNOWN if left is None else left})

    def tried(self, *, accepted: bool) -> None:
        """The SIM is open, or has refused this PIN. Raises StoreError."""
        known = {self._in_doubt: 0}
        self._write(known if accepted else known | {self._refused: self._written_at})

    def _write(self, known: dict[str, int]) -> None:
        connection = self._connection()
        with transaction(connection):
            for name, value in (known | {self._begun: self._written_at}).items():
                keep(connection, name, value)
