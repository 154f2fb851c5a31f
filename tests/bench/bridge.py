"""What a firmware bridge costs: erases of its flash for 1,000 sales, how many sales it holds alone, and its heap.

The real application runs under MicroPython on littlefs, in virtual time (``bridge_runner.py``). Objects are twice as large there
as on a board of 32 bits, so a board has more heap left than is shown.
"""

import json
import os
import subprocess
import sys
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from figures import Row, Table, one
from shop import BenchError

from tillbell_agent.pos.dialect import Line
from tillbell_agent.sim.tills import currency_of, exchanges_of

sys.path.insert(0, str(Path(__file__).parents[1] / "bridge"))
import firmware_gate as gate

_RUNNER = Path(__file__).with_name("bridge_runner.py")
_SEED, _TALLY = 2025, 1_000
_ROOMY = "512k"  # flash and host are in the same heap as the bridge
# A day's receipts of a shop and the two lines of a terminal that answers a till: much and little to keep for a sale.
_DIALECTS = {"escpos": "receipts (escpos)", "zvt": "terminal and till (zvt)"}
# Column → whether flash stops the lines there.
_AWAY = {"host away": 1, "host away, ESP32": 0}


def measure(folder: Path, sales: int) -> list[Table]:
    """``folder``: for images and modules; ``sales``: an even number, heard for each figure. Raises BenchError."""
    try:
        gate.compile_all(folder / "board")
        return [_wear(folder, sales), _heap(folder)]
    except FileNotFoundError as error:
        raise BenchError(f"{error} is not there; it is one of the tests' tools: make .venv/.set-up") from None
    except gate.GateError as error:
        raise BenchError(str(error)) from None


def _wear(folder: Path, sales: int) -> Table:
    rows = [row for dialect in _DIALECTS for row in _of_dialect(folder, dialect, sales)]
    notes = (
        f"of {sales:,} sales at 9600 baud; littlefs of 352 blocks as on a Pico; the host comes twice, and takes all",
        "a block of such flash takes about 100,000 erases; what no agent takes is written within seconds",
    )
    return Table(
        "bridge_wear",
        "What the flash of a firmware bridge goes through",
        ("host there", *_AWAY),
        tuple(rows),
        notes,
    )


def _of_dialect(folder: Path, dialect: str, sales: int) -> list[Row]:
    heard, image = folder / dialect, str(folder / "image")
    _write_sales(heard, dialect, sales)
    found = {"host there": _run(folder, "wear", str(heard), image, "1", "0")}
    for way, stalls in _AWAY.items():
        found[way] = _run(folder, "wear", str(heard), image, str(stalls), str(sales // 2))
    for way, each in found.items():
        if each["taken"] != each["said"] or each["held"] or each["gaps"]:
            raise BenchError(
                f"{dialect}, {way}: {each['said']} octets were said, the host was told {each['taken']}"
            )
    words, unit = _DIALECTS[dialect], f"for {_TALLY:,} sales"
    figures = {"erases": "erases", "programs": "programs of a page", "worst": "erases of the busiest block"}
    rows = [
        Row(
            f"{dialect}_{key}", f"{words}: {what}",
            {way: round(each[key] * _TALLY / sales) for way, each in found.items()}, unit,
        )
        for key, what in figures.items()
    ]  # fmt: skip
    octets = {way: round(each["said"] / sales) for way, each in found.items()}
    flash = {"host there": None} | {way: round(found[way]["used"] / (sales // 2)) for way in _AWAY}
    rows.append(Row(f"{dialect}_octets", f"{words}: heard of a sale", octets, "octets"))
    rows.append(Row(f"{dialect}_flash", f"{words}: flash that a sale takes", flash, "octets"))
    return rows


def _heap(folder: Path) -> Table:
    (folder / "files").mkdir()
    found = _run(folder, "heap", str(folder / "files"), heap=gate.HEAP)
    rows = (
        one("heap_start", "free before anything is imported", found["start"], "octets"),
        one("heap_imported", "free with the application imported", found["imported"], "octets"),
        one("heap_running", "free while it runs, its ring apart", found["running"], "octets"),
        one("heap_ring", "the ring for what the host has not taken", found["ring"], "octets"),
        one("mpy", "all modules, compiled", sum(gate.compile_all(folder / "board").values()), "octets"),
    )
    note = f"a heap of {gate.HEAP}; a Pico has about 228,000 octets, and objects of half the size"
    return Table("bridge_heap", "The heap of a firmware bridge", ("measured",), rows, (note,))


def _write_sales(path: Path, dialect: str, count: int) -> None:
    """A line for each piece: channel, milliseconds before it, octets; an empty one behind each sale."""
    day = exchanges_of(dialect)(_SEED, datetime(2026, 11, 21, 9), currency_of(dialect), frozenset())
    rows: list[str] = []
    for exchange in islice(day, count):
        rows += [
            f"{int(it.line is Line.TILL)} {it.after_s * 1000:.0f} {it.octets.hex()}" for it in exchange.spoken
        ]
        rows.append("")
    path.write_text("".join(f"{row}\n" for row in rows), "utf-8")


def _run(folder: Path, *arguments: str, heap: str = _ROOMY) -> dict[str, Any]:
    done = subprocess.run(
        [gate.tool("micropython"), "-X", f"heapsize={heap}", str(_RUNNER), *arguments],
        env=os.environ | {"MICROPYPATH": f"{folder / 'board'}:.frozen"},
        capture_output=True, text=True, timeout=1800, check=False,
    )  # fmt: skip
    if done.returncode:
        raise BenchError(f"the bridge stopped: {(done.stdout + done.stderr).strip()}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found
