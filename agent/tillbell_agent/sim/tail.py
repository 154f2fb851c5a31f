"""Following a growing file of lines, as the simulated phones follow the simulated network. Never waits by itself."""

import json
from pathlib import Path
from typing import Any


class Tail:
    """The complete lines of ``path`` that have come since the last call; a file that is not there yet has none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0

    def lines(self) -> list[str]:
        """New lines, without their ends. A last line whose end has not come yet stays for the next call."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._position)
                data = file.read()
        except FileNotFoundError:
            return []
        complete = data[: data.rfind(b"\n") + 1]
        self._position += len(complete)
        return complete.decode("utf-8", "replace").splitlines()

    def objects(self) -> list[dict[str, Any]]:
        """The same lines as JSON objects; ValueError for a line that is none."""
        return [json.loads(line) for line in self.lines()]
