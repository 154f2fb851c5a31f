"""A table of a configuration becomes checked values, and every complaint about it names its file and line.

Nothing here stops at the first problem: a reader takes what it can, notes what it cannot, and whoever owns the list
of problems decides. A value that could not be used comes back as the key's default, or as an empty one.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tillbell_agent.config_lines import Path

Check = Callable[[Any], str | None]  # None: well; else what is wrong and what to do

_NAMES_SHOWN = 16  # more help nobody: there are 600 time zones
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
                self.complain(key, why=f'unknown key "{key}" in {self.title}. {nearest(key, self._known)}')

    def _take(self, key: str, kind: type, default: Any, check: Check | None) -> Any:
        self._known.append(key)
        if key not in self._data:
            if default is None:
                self.complain(key, why=f'{self.title} lacks the key "{key}", which is required')
            return default if default is not None else kind()
        value = self._data[key]
        # A boolean is an integer to Python, never to a reader of the file; a whole number is a number.
        if isinstance(value, bool) or not isinstance(value, (int, float) if kind is float else kind):
            self.complain(
                key, why=f'"{key}" in {self.title} must be {_TYPE_WORDS[kind]}, not {_shown(value)}'
            )
        elif isinstance(value, str) and default is None and not value.strip():
            self.complain(key, why=f'"{key}" in {self.title} is empty. Give it a value')
        elif (why := check(value) if check and value != "" else None) is not None:
            self.complain(key, why=f'"{key}" in {self.title}: {why}')
        else:
            return value
        return default if default is not None else kind()


def nearest(name: str, known: Iterable[str]) -> str:
    """A sentence that points from a wrong name to the right one, or to all of them."""
    folded = {known_name.lower(): known_name for known_name in sorted(set(known))}
    close = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.5)
    if close:
        return f'Did you mean "{folded[close[0]]}"?'
    shown = list(folded.values())[:_NAMES_SHOWN]
    return f"Known are: {', '.join(shown)}{' …' if len(folded) > len(shown) else ''}"


def one_of(*allowed: Any) -> Check:
    """A check that accepts the values named."""

    def check(value: Any) -> str | None:
        if value in allowed:
            return None
        if isinstance(value, str):
            return f'"{value}" is not known. {nearest(value, map(str, allowed))}'
        return f"{_shown(value)} is not known. Known are: {', '.join(map(str, allowed))}"

    return check


def between(low: float, high: float) -> Check:
    """A check that accepts numbers from ``low`` to ``high``, both included."""
    return lambda value: None if low <= value <= high else f"{value} is not between {low:g} and {high:g}"


def phone(value: str) -> str | None:
    """E.164 (``+`` and 7 to 15 digits, the first not 0), or a national number or short code of 3 to 15 digits."""
    if re.fullmatch(r"\+[1-9][0-9]{6,14}|[0-9]{3,15}", value):
        return None
    return (
        f'"{value}" is no phone number. Write + and 7 to 15 digits without spaces (+8613800138000), '
        "or a national number or short code of 3 to 15 digits"
    )


def one_line(maximum: int) -> Check:
    """A check that accepts texts of at most ``maximum`` printable characters."""

    def check(value: str) -> str | None:
        if not value.isprintable():
            return "it holds a control character or a line break. Remove it"
        return (
            None
            if len(value) <= maximum
            else f"it has {len(value)} characters; at most {maximum} are possible"
        )

    return check


def _shown(value: Any) -> str:
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)
    return text if len(text) <= 40 else text[:39] + "…"
