"""A page of documentation per dialect, made from the tables in its module: ``docs/dialects/<name>.md``.

    .venv/bin/python tests/agent/pos/pages.py        writes them

Nothing in them is written by hand, so nothing in them goes stale: a test compares them with what this makes.
"""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from tillbell_agent.pos.registry import DIALECTS, Row
from tillbell_agent.sim.tills import TILLS, TROUBLES

FOLDER = Path(__file__).resolve().parents[3] / "docs" / "dialects"


def page(name: str) -> str:
    row = DIALECTS[name]
    module = import_module(row.module)
    summary = (module.__doc__ or "").strip()
    parts = [
        f"# Dialect `{name}`",
        "This page is made from the module's own tables (`make pages`).",
        summary,
        "## On the wire",
        f"{module.FRAMING}\n\nThe line's usual settings: {module.LINE_DEFAULTS}.",
        "## What becomes of each field",
        _table("field", "becomes", module.FIELDS),
        "A card number is cut to its last four digits inside the frame's parser. What is not named here leaves it nowhere.",
        "## With one line only",
        module.UNKNOWN_ON_ONE_LINE,
        "## Settings",
        _settings(name, row, module.LAYOUTS),
        "## Tested with",
        _tested(name),
    ]
    return "\n\n".join(parts) + "\n"


def _table(left: str, right: str, rows: Mapping[str, str]) -> str:
    lines = [f"| {left} | {right} |", "| --- | --- |"]
    return "\n".join([*lines, *(f"| {_cell(key)} | {_cell(value)} |" for key, value in rows.items())])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _settings(name: str, row: Row, layouts: Mapping[str, str]) -> str:
    ports = 'port_terminal = "/dev/…"\nport_till = "/dev/…"' if row.two_lines else 'port = "/dev/…"'
    one = "\n\nOr `port = …` alone, where only the terminal's line is tapped." if row.two_lines else ""
    block = f'```toml\n[[source]]\nname = "till"\ndialect = "{name}"\n{ports}\n```{one}'
    return f"{block}\n\n{_table('`layout`', 'means', {f'`{key}`': words for key, words in layouts.items()})}"


def _tested(name: str) -> str:
    till = f"`tillbell sim pos --dialect {name}`, a simulated terminal that shares no code with the dialect"
    troubles = f" (also with its troubles: {', '.join(TROUBLES)})" if name in TILLS else ""
    streams = "streams of real terminals, published test suites and specifications kept outside the project, each whole, octet by octet, in pieces, behind noise, twice, and cut at every octet (`tests/agent/pos/test_families.py`, `TILLBELL_VECTORS`)"
    return f"- {till}{troubles}\n- {streams}\n- spoilt frames by the million (`tests/agent/pos/fuzz.py`)"


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in DIALECTS:
        (FOLDER / f"{name}.md").write_text(page(name), "utf-8")
        print(FOLDER / f"{name}.md")


if __name__ == "__main__":
    main()
