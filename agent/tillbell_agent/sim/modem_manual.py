"""The tables of ``docs/simulated-modem.md``, from the simulator's own: flags, requests, faults.

``python -m tillbell_agent.sim.modem_manual docs/simulated-modem.md`` writes them anew; a test holds that nothing changes.
"""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from tillbell_agent.cli.sim_modem import configure
from tillbell_agent.sim.modem_control import REQUESTS
from tillbell_agent.sim.modem_faults import COMMON, KINDS, OCCASIONS, FaultKind

# A flag's example; one without needs none.
_EXAMPLES = {
    "--link": "--link /tmp/modem", "--log": "--log /tmp/modem.jsonl", "--control": "--control /tmp/modem.sock",
    "--number": "--number +8613700000001", "--pin": "--pin 4711", "--slots": "--slots 2",
    "--latency-ms": "--latency-ms 200", "--warm-ms": "--warm-ms 120", "--report-ms": "--report-ms 3000", "--command-ms": "--command-ms 300",
    "--boot-ms": "--boot-ms 5000", "--sim-busy-ms": "--sim-busy-ms 10000", "--search-ms": "--search-ms 8000",
    "--baud": "--baud 9600", "--fault": "--fault lost_ok:count=5,after=2", "--seed": "--seed 7",
    "--do": """--do '{"do": "registration", "stat": "denied"}'""",
}  # fmt: skip
_SECTION = re.compile(r"(<!-- (\w+): written by modem_manual -->\n).*?(<!-- end -->)", re.DOTALL)


def fault_example(name: str, kind: FaultKind) -> str:
    """Words for ``--fault`` that name every argument with its default, and those that all kinds take once."""
    values = [f"{key}={_plain(value)}" for key, value in kind.takes.items() if value != ""]
    return ":".join(filter(None, [name, ",".join(values)]))


def flags() -> str:
    """A row for every flag of ``tillbell sim modem``."""
    parser = argparse.ArgumentParser(add_help=False)
    configure(parser)
    rows = []
    for action in parser._actions:
        flag = action.option_strings[0]
        words = (action.help or "") % {"default": action.default}
        rows.append((f"`{flag}`", words, f"`{_EXAMPLES.get(flag, flag)}`"))
    return _table(("flag", "what it does", "example"), rows)


def requests() -> str:
    """A row for every request to the control socket."""
    rows = [
        (f"`{name}`", asked.words, f"`{json.dumps({'do': name, **asked.example})}`")
        for name, asked in REQUESTS.items()
    ]
    return _table(("request", "what it does, or tells", "example"), rows)


def faults() -> str:
    """A table for every occasion, with its kinds; and what every kind takes."""
    parts = []
    for occasion, when in OCCASIONS.items():
        rows = [
            (f"`{name}`", kind.words, _takes(kind), f"`--fault {fault_example(name, kind)}`")
            for name, kind in KINDS.items()
            if kind.occasion == occasion
        ]
        parts.append(
            f"When {when}:\n\n" + _table(("fault", "what happens", "takes (default)", "example"), rows)
        )
    parts.append(
        "Every fault takes:\n\n" + _table(("argument", ""), [(f"`{n}`", w) for n, w in COMMON.items()])
    )
    return "\n".join(parts)


def manual(page: str) -> str:
    """The page with its tables as they are to be. KeyError for a section that there is no table of."""
    tables = {"flags": flags, "requests": requests, "faults": faults}
    return _SECTION.sub(lambda found: f"{found[1]}\n{tables[found[2]]()}\n{found[3]}", page)


def _takes(kind: FaultKind) -> str:
    return ", ".join(f"`{key}` ({_plain(value) or 'any'})" for key, value in kind.takes.items())


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


if __name__ == "__main__":
    written = Path(sys.argv[1])
    written.write_text(manual(written.read_text("utf-8")), "utf-8")
