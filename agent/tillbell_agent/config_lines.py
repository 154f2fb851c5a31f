"""TOML text becomes the line on which each key stands, so that a complaint can name it.

The reader of the standard library gives values without places. This scan is only asked about text which that reader
has accepted, so it follows the same rules of strings, comments and nesting, and never judges. Keys inside an inline
table are not listed: whoever asks takes the line of the nearest parent.
"""

import re
import tomllib

Path = tuple[str | int, ...]

_KEY_PART = re.compile(r"""\s*("(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)\s*(\.?)""")
# A multi-line string may end with one or two quotes of its own before the closing three.
_TOKEN = re.compile(
    r"""
    (?P<string> \"{3} (?: \\. | [^\\] )*? \"{3,5} | '{3} .*? '{3,5} | "(?:[^"\\\n]|\\.)*" | '[^'\n]*' )
    | (?P<comment> \#[^\n]* ) | (?P<newline> \n ) | (?P<open> [\[{] ) | (?P<close> [\]}] )
    | (?P<space> [ \t\r]+ ) | (?P<bare> [^\s"'#\[\]{}]+ | . )
    """,
    re.VERBOSE | re.DOTALL,
)


def key_lines(text: str) -> dict[Path, int]:
    """Every table and key of ``text`` (accepted TOML) → its line, from 1. Arrays of tables carry their index.

    ``[[source]]`` twice with a ``port`` each gives ``("source", 0, "port")`` and ``("source", 1, "port")``.
    """
    lines: dict[Path, int] = {}
    table: Path = ()
    counts: dict[Path, int] = {}
    for line, statement in _statements(text):
        if statement.startswith("["):
            table = _header(statement, counts)
            lines.setdefault(table, line)
        else:
            path = table
            for part in _key(statement):
                path = (*path, part)
                lines.setdefault(path, line)
    return lines


def _header(statement: str, counts: dict[Path, int]) -> Path:
    """The path that ``[a.b]`` or ``[[a.b]]`` opens; arrays met on the way mean their newest element."""
    repeated = statement.startswith("[[")
    path: Path = ()
    parts = _key(statement.lstrip("["))
    for place, part in enumerate(parts):
        path = (*path, part)
        if repeated and place == len(parts) - 1:
            counts[path] = counts.get(path, 0) + 1
        if path in counts:
            path = (*path, counts[path] - 1)
    return path


def _key(statement: str) -> list[str]:
    """The parts of the dotted, perhaps quoted, key that ``statement`` begins with."""
    parts, position = [], 0
    while match := _KEY_PART.match(statement, position):
        parts.append(_bare(match[1]))
        position = match.end()
        if not match[2]:
            break
    return parts


def _bare(part: str) -> str:
    if part[0] not in "\"'":
        return part
    value = tomllib.loads(f"k = {part}")["k"]
    return str(value)


def _statements(text: str) -> list[tuple[int, str]]:
    """The logical lines: (number of the physical line it begins on, text without comments)."""
    found: list[tuple[int, str]] = []
    pieces: list[str] = []
    line = begins = 1
    depth = 0
    for token in _TOKEN.finditer(text):
        kind, piece = token.lastgroup, token.group()
        if kind == "newline" and depth == 0:
            _keep(found, begins, pieces)
            pieces = []
        elif kind not in ("comment", "newline", "space") or pieces:
            begins = begins if pieces else line
            pieces.append("" if kind == "comment" else piece)
        depth += (kind == "open") - (kind == "close")
        line += piece.count("\n")
    _keep(found, begins, pieces)
    return found


def _keep(found: list[tuple[int, str]], line: int, pieces: list[str]) -> None:
    statement = "".join(pieces).strip()
    if statement:
        found.append((line, statement))
