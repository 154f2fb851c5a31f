"""Figures, and how they are shown: as tables for people, as JSON for programs. Nothing is judged here."""

import math
import statistics
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Value = str | int | float | None
MEASURED = "measured"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table. ``values``: column → value in ``unit``; None: the column has no such thing."""

    key: str
    what: str
    values: Mapping[str, Value]
    unit: str = ""
    wanted: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """One part of the benchmark. ``notes`` say what the figures hold for."""

    key: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = field(default=())


def one(key: str, what: str, value: Value, unit: str = "", wanted: str = "") -> Row:
    """A row of a table that has a single column."""
    return Row(key, what, {MEASURED: value}, unit, wanted)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that ``share`` of all (0 to 1) do not exceed: nearest rank, nothing interpolated."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def to_json(table: Table) -> dict[str, Any]:
    return {
        "key": table.key,
        "title": table.title,
        "notes": list(table.notes),
        "rows": [
            {
                "key": row.key,
                "what": row.what,
                "values": dict(row.values),
                "unit": row.unit,
                "wanted": row.wanted,
            }
            for row in table.rows
        ],
    }


def lines(table: Table) -> list[str]:
    """The table as text, columns as wide as they need."""
    heads = ["", *table.columns, "", "wanted"]
    body = [
        [row.what, *(_shown(row.values.get(column)) for column in table.columns), row.unit, row.wanted]
        for row in table.rows
    ]
    widths = [max(_width(line[at]) for line in [heads, *body]) for at in range(len(heads))]
    shown = [table.title, "-" * len(table.title)]
    for line in [heads, *body]:
        cells = [
            _padded(cell, width, right=0 < at <= len(table.columns))
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        shown.append("  ".join(cells).rstrip())
    return [*shown, *(f"  {note}" for note in table.notes)]


def progress(text: str) -> None:
    """What is going on, on standard error: the tables alone are on standard output."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def _shown(value: Value) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)


def _padded(text: str, width: int, *, right: bool) -> str:
    blank = " " * (width - _width(text))
    return blank + text if right else text + blank


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
