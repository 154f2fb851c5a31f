"""A table of a configuration becomes checked values, and every complaint about it names its file and line.

Nothing here stops at the first problem: a reader takes what it can, notes what it cannot, and whoever owns the list
of problems decides. A value that could not be used comes back as the key's default, or as an empty one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tillbell_agent.config_checks import Check, hint, shown
from tillbell_agent.config_lines import Path

_TYPE_WORDS = {
    str: "text in quotes",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "a table",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One complaint, told as ``file:line: message``."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


class ConfigError(Exception):
    """A configuration cannot be used. ``problems`` holds all that was found; the first one leads."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))

    @property
    def file(self) -> str:
        return self.problems[0].file

    @property
    def line(self) -> int:
        return self.problems[0].line

    @property
    def message(self) -> str:
        return self.problems[0].message


@dataclass(slots=True)
class Places:
    """Where each key stands (file and line), and the problems found so far."""

    by_path: dict[Path, tuple[str, int]]
    first_file: str
    problems: list[Problem] = field(default_factory=list)

    def complain(self, path: Path, message: str) -> None:
        """Note a problem at ``path``, or at its nearest parent that stands anywhere."""
        while path and path not in self.by_path:
            path = path[:-1]
        file, line = self.by_path.get(path, (self.first_file, 1))
        self.problems.append(Problem(file, line, message))


class Table:
    """One table: take the keys one by one, then ``finish`` complains of those that nobody took."""

    def __init__(self, places: Places, path: Path, data: Mapping[str, Any]) -> None:
        self._places, self._path, self._data = places, path, data
        self._known: list[str] = []

    @property
    def title(self) -> str:
        """As it stands in the file: ``[device]``, ``[[source]] "printer"``."""
        if not self._path:
            return "the top of the file"
        if isinstance(self._path[-1], int):
            name = self._data.get("name")
            return f"[[{self._path[-2]}]]" + (f' "{name}"' if isinstance(name, str) else "")
        return f"[{self._path[-1]}]"

    def complain(self, *path: str | int, why: str) -> None:
        """Note a problem with what stands at ``path`` inside this table."""
        self._places.complain((*self._path, *path), why)

    def text(self, key: str, default: str | None = None, *, check: Check | None = None) -> str:
        """A non-empty text; without ``default`` the key is required."""
        value = self._take(key, str, default, check)
        return value if isinstance(value, str) else (default or "")

    def optional_text(self, key: str, *, check: Check | None = None) -> str | None:
        value = self._take(key, str, "", check)
        return value if isinstance(value, str) and value else None

    def integer(self, key: str, default: int | None = None, *, check: Check | None = None) -> int:
        value = self._take(key, int, default, check)
        return value if isinstance(value, int) else (default or 0)

    def number(self, key: str, default: float, *, check: Check | None = None) -> float:
        return float(self._take(key, float, default, check))

    def tables(self, key: str) -> "list[Table]":
        """The elements of ``[[key]]``."""
        values = self._take(key, list, [], None)
        good = [(place, value) for place, value in enumerate(values) if isinstance(value, dict)]
        if len(good) != len(values):
            self.complain(key, why=f"{key} must be written as [[{key}]] tables, one for each")
        return [Table(self._places, (*self._path, key, place), value) for place, value in good]

    def table(self, key: str) -> "Table":
        """The table ``[key]``; missing, it is a problem, and an empty one comes back."""
        if key not in self._data:
            self._known.append(key)
            self.complain(key, why=f"[{key}] is missing. Add it: it says what and where this device is")
            return Table(self._places, (*self._path, key), {})
        return Table(self._places, (*self._path, key), self._take(key, dict, {}, None))

    def flag(self, key: str) -> bool:
        """True or false; missing, it is false."""
        self._known.append(key)
        value = self._data.get(key, False)
        if not isinstance(value, bool):
            self.complain(key, why=f'"{key}" in {self.title} must be true or false, not {shown(value)}')
        return value is True

    def mapping(self, key: str) -> dict[str, Any]:
        """What ``[key]`` holds, as it stands; may be missing."""
        values = self._take(key, dict, {}, None)
        return dict(values)

    def listed(self, key: str, default: list[Any]) -> list[Any]:
        """A list, whatever it holds."""
        values = self._take(key, list, default, None)
        return list(values)

    def list_of_text(self, key: str, *, check: Check) -> tuple[str, ...]:
        """A list of texts, each of which passes ``check``; may be missing."""
        values = self._take(key, list, [], None)
        for value in values:
            why = check(value) if isinstance(value, str) else f"{shown(value)} is no text in quotes"
            if why is not None:
                self.complain(key, why=f'"{key}" in {self.title}: {why}')
        return tuple(value for value in values if isinstance(value, str))

    def lists_of_text(self, key: str) -> dict[str, tuple[str, ...]]:
        """A table of lists of texts, such as ``[source.labels]``."""
        found: dict[str, tuple[str, ...]] = {}
        for name, values in self._take(key, dict, {}, None).items():
            if isinstance(values, list) and values and all(isinstance(v, str) and v for v in values):
                found[name] = tuple(values)
            else:
                self.complain(
                    key,
                    name,
                    why=f'{key}.{name} must be a list of texts in quotes, such as {name} = ["…"]',
                )
        return found

    def finish(self) -> None:
        """Complain of each key that nobody asked for, with the nearest that exists."""
        for key in self._data:
            if key not in self._known:
                self.complain(key, why=f'unknown key "{key}" in {self.title}. {hint(key, self._known)}')

    def _take(self, key: str, kind: type, default: Any, check: Check | None) -> Any:
        self._known.append(key)
        if key not in self._data:
            if default is None:
                self.complain(key, why=f'{self.title} lacks the key "{key}", which is required')
            return default if default is not None else kind()
        value = self._data[key]
        # A boolean is an integer to Python, never to a reader of the file; a whole number is a number.
        if isinstance(value, bool) or not isinstance(value, (int, float) if kind is float else kind):
            self.complain(key, why=f'"{key}" in {self.title} must be {_TYPE_WORDS[kind]}, not {shown(value)}')
        elif isinstance(value, str) and default is None and not value.strip():
            self.complain(key, why=f'"{key}" in {self.title} is empty. Give it a value')
        elif (why := check(value) if check and value != "" else None) is not None:
            self.complain(key, why=f'"{key}" in {self.title}: {why}')
        else:
            return value
        return default if default is not None else kind()
