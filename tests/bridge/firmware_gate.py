"""What the firmware's sources must pass before a board sees them: they import, they compile, they stay small.

    .venv/bin/python tests/bridge/firmware_gate.py             how large each module is, and may be
    .venv/bin/python tests/bridge/firmware_gate.py --budgets   writes firmware_bridge/size-budgets.toml anew

``test_language.py`` holds the sources to it.
"""

import argparse
import math
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
FIRMWARE, PROTOCOL = REPO / "firmware_bridge", REPO / "protocol"
BUDGETS = FIRMWARE / "size-budgets.toml"
STAND_IN = Path(__file__).parent / "stand_in"
HEAP = "192k"  # less than a Pico's, and each object is twice as large as there
# What a board is never given as .mpy: the stand-in for one, and what MicroPython itself starts, as sources.
NOT_DEPLOYED = frozenset({"tillbell_bridge.hal_unix", "boot", "main"})

_STEP = 64  # octets to which budgets are rounded
_HEADER = """\
# The most octets that each module may have as .mpy (mpy-cross, as it is deployed). A test fails above a budget: raise it where
# the new octets are worth their flash and RAM. Written by: python tests/bridge/firmware_gate.py --budgets

"""


class GateError(Exception):
    """A source was refused; the message is what the interpreter or the compiler said."""


def tool(name: str) -> str:
    """A program of the development environment, beside its Python. Raises FileNotFoundError."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        raise FileNotFoundError(name)
    return found


def modules() -> dict[str, Path]:
    """Dotted name → source, of all that boards run, and of what stands for a board in tests."""
    found = {
        ".".join(path.relative_to(FIRMWARE).with_suffix("").parts): path for path in FIRMWARE.rglob("*.py")
    }
    package = PROTOCOL / "tillbell_protocol"
    for path in (package / "__init__.py", *(package / "link").glob("*.py")):
        found[".".join(path.relative_to(PROTOCOL).with_suffix("").parts)] = path
    return dict(sorted((name.removesuffix(".__init__"), path) for name, path in found.items()))


def compile_one(source: Path, into: Path, name: str = "module") -> int:
    """Octets of the .mpy. ``name`` is what tracebacks on the board say. Raises GateError."""
    into.parent.mkdir(parents=True, exist_ok=True)
    command = [tool("mpy-cross"), "-s", f"{name.replace('.', '/')}.py", "-o", str(into), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise GateError(done.stderr.strip())
    return into.stat().st_size


def compile_all(folder: Path) -> dict[str, int]:
    """Into ``folder``, as a board has them. Name → octets. Raises GateError."""
    sources = modules()

    def one(name: str) -> int:
        package = FIRMWARE if FIRMWARE in sources[name].parents else PROTOCOL
        into = folder / sources[name].relative_to(package).with_suffix(".mpy")
        return compile_one(sources[name], into, name)

    with ThreadPoolExecutor(4) as pool:
        return dict(zip(sources, pool.map(one, sources), strict=True))


def run(code: str, *folders: Path, stdin: str = "") -> str:
    """What the real interpreter prints. ``folders`` are where it finds modules. Raises GateError where it fails."""
    path = ":".join([*map(str, folders), ".frozen"])
    done = subprocess.run(
        [tool("micropython"), "-X", f"heapsize={HEAP}", "-c", code],
        env=os.environ | {"MICROPYPATH": path}, input=stdin, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if done.returncode or done.stderr:
        raise GateError((done.stdout + done.stderr).strip())
    return done.stdout.strip()


def budgets() -> dict[str, int]:
    """Name → octets."""
    found: dict[str, int] = tomllib.loads(BUDGETS.read_text("utf-8"))["octets"]
    return found


def over(sizes: dict[str, int], allowed: dict[str, int]) -> list[str]:
    """What is wrong, and what to do about it."""
    rows = [
        f"{name}: {size} octets, its budget is {allowed[name]}: make it smaller, or raise it in {BUDGETS.name}"
        for name, size in sizes.items()
        if size > allowed.get(name, size)
    ]
    rows += [f"{name}: has no budget in {BUDGETS.name}" for name in sizes if name not in allowed]
    return rows + [
        f"{name}: has a budget and no source: take it out" for name in allowed if name not in sizes
    ]


def table(sizes: dict[str, int], allowed: dict[str, int]) -> str:
    """A line for each module, and the sums."""
    rows = [(name, size, allowed.get(name, 0)) for name, size in sizes.items()]
    deployed = [row for row in rows if row[0] not in NOT_DEPLOYED]
    rows.append(("all that is deployed", sum(row[1] for row in deployed), sum(row[2] for row in deployed)))
    width = max(len(name) for name, _, _ in rows)
    head = f"{'octets of .mpy':{width}}  {'is':>6}  {'budget':>6}"
    return "\n".join([head, *(f"{name:{width}}  {size:6,}  {most:6,}" for name, size, most in rows)])


def write_budgets(sizes: dict[str, int]) -> None:
    """A tenth above what each module has now. Nothing else is in the file but its header."""
    rows = [f'"{name}" = {_STEP * math.ceil(1.1 * size / _STEP)}' for name, size in sizes.items()]
    BUDGETS.write_text(_HEADER + "[octets]\n" + "\n".join(rows) + "\n", "utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description="how large the firmware's modules are")
    parser.add_argument(
        "--budgets", action="store_true", help="write the budgets anew, a tenth above what is"
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sizes = compile_all(Path(folder))
    if args.budgets:
        write_budgets(sizes)
    print(table(sizes, budgets()))
    complaints = over(sizes, budgets())
    print(*complaints, sep="\n")
    return 1 if complaints else 0


if __name__ == "__main__":
    raise SystemExit(main())
