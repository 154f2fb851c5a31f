"""Several files of one configuration become one table, and every key keeps the place where it stands."""

import re
import tomllib
from pathlib import Path
from typing import Any

from tillbell_agent.config_fields import ConfigError, Places, Problem
from tillbell_agent.config_lines import key_lines


def merge(data: dict[str, Any], places: Places, filename: str, text: str) -> None:
    """Add one file to ``data``; its lines to ``places``. A file that is no TOML ends the reading at once."""
    try:
        new = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at (?:line (\d+), column \d+|end of document)\)", str(error))
        line = int(found[1]) if found and found[1] else max(1, text.count("\n"))
        why = f"this is no TOML: {str(error).split(' (at ')[0]}. Mend this line"
        raise ConfigError([*places.problems, Problem(filename, line, why)]) from error
    except RecursionError as error:
        raise ConfigError([Problem(filename, 1, "tables or lists are nested too deep")]) from error
    before = {key: len(value) for key, value in data.items() if isinstance(value, list)}
    for path, line in key_lines(text).items():
        if len(path) > 1 and isinstance(path[1], int):
            path = (path[0], path[1] + before.get(str(path[0]), 0), *path[2:])  # noqa: PLW2901
        places.by_path.setdefault(path, (filename, line))
    for key, value in new.items():
        old = data.get(key)
        if isinstance(old, list) and isinstance(value, list):
            old.extend(value)
        elif isinstance(old, dict) and isinstance(value, dict):
            twice = sorted(old.keys() & value.keys())
            if twice:
                _complain_twice(places, filename, text, (key, twice[0]))
            data[key] = {**value, **old}
        elif key in data:
            _complain_twice(places, filename, text, (key,))
        else:
            data[key] = value


def _complain_twice(places: Places, filename: str, text: str, path: tuple[str, ...]) -> None:
    first_file, first_line = places.by_path.get(path, (places.first_file, 1))
    line = key_lines(text).get(path, 1)
    why = f'"{".".join(path)}" stands already at {first_file}:{first_line}. Remove one'
    places.problems.append(Problem(filename, line, why))


def read(path: Path, if_missing: str = "Make one with: tillbell init") -> str:
    """The file's text. ConfigError: it cannot be read; ``if_missing`` says what to do where there is none."""
    try:
        return path.read_text(encoding="utf-8-sig")  # some editors begin a file with a mark
    except OSError as error:
        next_step = if_missing if isinstance(error, FileNotFoundError) else "Check the file"
        why = f"cannot be read: {error.strerror}. {next_step}"
        raise ConfigError([Problem(str(path), 1, why)]) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        why = "this is not UTF-8. Save the file as UTF-8"
        raise ConfigError([Problem(str(path), line, why)]) from error


def no_file(path: Path) -> str:
    """For whoever has no files: says so in place of ``read``."""
    raise ConfigError([Problem(str(path), 1, "cannot be read: files are not read here")])
