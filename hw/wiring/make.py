"""The wiring of every board with every circuit: ``BOARD-CIRCUIT.svg`` and the table in ``README.md``.

    python hw/wiring/make.py        writes them

Nothing in them is drawn by hand, so nothing in them goes stale: a test compares them with what this makes. A circuit in
which the bridge could drive a line is refused with the reason.
"""

import tomllib
from pathlib import Path

from circuits import BRIDGE, KINDS, Board, build
from drawing import draw
from netlist import Circuit, problems

FOLDER = Path(__file__).resolve().parent
BOARDS = FOLDER.parent / "boards"


class WiringError(Exception):
    """A circuit that must not be built; says which and why."""


def boards() -> dict[str, Board]:
    """Name → table, of every board."""
    found = [tomllib.loads(path.read_text("utf-8")) for path in sorted(BOARDS.glob("*.toml"))]
    return {board["name"]: board for board in found}


def circuits() -> dict[str, Circuit]:
    """Name of the file without its ending → checked circuit."""
    found = {}
    for name, board in boards().items():
        for kind, row in KINDS.items():
            if row.lines <= len(board["tap"]):
                found[f"{name}-{kind}"] = _checked(f"{name}-{kind}", build(kind, board))
    return found


def _checked(name: str, circuit: Circuit) -> Circuit:
    wrong = problems(circuit, BRIDGE)
    if wrong:
        raise WiringError(f"{name}: {'; '.join(wrong)}")
    return circuit


def files() -> dict[str, str]:
    """Name of each file → what it must hold."""
    drawings = {f"{name}.svg": draw(circuit) for name, circuit in circuits().items()}
    return {**drawings, "README.md": readme()}


def readme() -> str:
    parts = [_INTRODUCTION, _kinds(), _SECOND, _drawings(), _LAST]
    return "\n\n".join(parts) + "\n"


def _kinds() -> str:
    rows = [
        f"| `{name}` | {row.idle_words} | {row.title} | {row.fastest} | {row.invert} |"
        for name, row in KINDS.items()
    ]
    return "\n".join(
        [
            "| circuit | the line at rest, measured | what it is for | baud, at most | `invert` |",
            "| --- | --- | --- | --- | --- |",
            *rows,
        ]
    )


def _drawings() -> str:
    known = circuits()
    lines = [f"| board | {' | '.join(KINDS)} |", f"| --- |{' --- |' * len(KINDS)}"]
    for name, board in boards().items():
        cells = [f"[svg]({name}-{kind}.svg)" if f"{name}-{kind}" in known else "–" for kind in KINDS]
        lines.append(f"| {board['title']} | {' | '.join(cells)} |")
    return "\n".join(lines)


_INTRODUCTION = """# Wiring

One drawing for each board and circuit, made from `hw/boards/*.toml` and the circuits' tables (`python hw/wiring/make.py`).
The bridge only listens: the netlist of each drawing is checked before it is drawn. No output is within reach of a wire
of the shop's, not even through a resistor; no pin of the board is on such a wire directly; transmitters end nowhere; the
pins that could speak are missing from the tap's plug.

## Which circuit

Measure the line at rest against its ground, with nothing of the bridge connected, and take the row in which the voltage
lies. Between the rows, at 0 V and beyond them: stop, it is another wire, or nothing is switched on."""

_SECOND = """`invert` is the tap's setting (`/inverted` behind its format in `tillbell flash`). Where the grounds of terminal and bridge
may differ by more than a volt, or the till hangs on another phase than the box, take `opto` or `isolator`.

## Drawings"""

_LAST = """## Why they are as they are

- **RS-232.** Two receivers on one line (the other end's and this one, 3 to 7 kohm each) are more load than the standard
  foresees. Measure again with the tap on: the line must stay beyond 5 V in both directions while the terminal speaks.
- **TTL 3.3 V.** 1 kohm from the line, so a short behind it costs the line 3.3 mA. The 100 kohm to 3.3 V keep the tap at
  rest when the cable is pulled; they put 33 uA into a line whose terminal is off.
- **TTL 5 V.** 4.7 and 8.2 kohm: 5 V become 3.18 V, 5.5 V become 3.5 V; the line is loaded with 0.4 mA. Seen from the tap they
  are 3.0 kohm, which an RP2350's leak (erratum E9, 120 uA) shifts by 0.36 V. An open cable reads as a line held low.
- **A wrong choice.** The clamp carries what ±12 V send through the resistor (12 mA at the most), so a tap for 3.3 V that
  is put on an RS-232 line hears nonsense and survives.
- **Optocoupler.** It takes about 1 mA from the line and is slow. RS-232 arrives the right way round, TTL inverted.
- **Pins marked ×.** MicroPython switches a UART's transmitter on together with its receiver. The firmware makes these
  pins inputs again at once; a wire there is still the one mistake that could let the bridge speak."""


def main() -> None:
    """Writes all files and removes drawings of circuits that are gone."""
    made = files()
    for path in FOLDER.glob("*.svg"):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text, "utf-8")
    print(f"{len(made)} files in {FOLDER}")


if __name__ == "__main__":
    main()
