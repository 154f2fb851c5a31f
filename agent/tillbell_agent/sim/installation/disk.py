"""The store's connection on a disk that fills, refuses, and loses its power between any two statements."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tillbell_agent.database import open_database
from tillbell_agent.sim.installation.surroundings import PowerCutError

_CHANGES = ("INSERT", "UPDATE", "DELETE", "COMMIT", "CREATE", "ALTER", "DROP")


class Disk:
    """``refuses``: SQLite's words while it does. ``cut_after``: statements until the power goes."""

    def __init__(self) -> None:
        self.refuses: str | None = None
        self.refused_until = 0.0
        self.cut_after: int | None = None
        self._watching = True

    @contextmanager
    def at_peace(self) -> Iterator[None]:
        """What a harness asks the store meanwhile counts for no fault."""
        self._watching = False
        try:
            yield
        finally:
            self._watching = True

    def open(self, state_dir: Path) -> sqlite3.Connection:
        """As the agent opens its store. Raises StoreError."""
        disk = self

        class Connection(sqlite3.Connection):
            def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
                disk.before(sql)
                return super().execute(sql, parameters)

            def executemany(self, sql: str, parameters: Any, /) -> sqlite3.Cursor:
                disk.before(sql)
                return super().executemany(sql, parameters)

        return open_database(state_dir, Connection)

    def before(self, sql: str) -> None:
        """A statement is about to be carried out."""
        if not self._watching:
            return
        if self.cut_after is not None:
            self.cut_after -= 1
            if self.cut_after < 0:
                raise PowerCutError
        if self.refuses is not None and sql.startswith(_CHANGES):
            raise sqlite3.OperationalError(self.refuses)
