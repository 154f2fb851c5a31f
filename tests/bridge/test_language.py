"""The firmware in its own language: every module imports and compiles, asks for nothing that boards lack, and stays small.

Each way of looking sees what the others do not; the last tests plant an error for each.
"""

import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import firmware_gate as gate
from firmware_names import complaints

HERE = Path(__file__).parent
MODULES = gate.modules()
TYPINGS = {"rp2": gate.REPO / "build/typings-rp2", "esp32": gate.REPO / "build/typings-esp32"}
# What the loader finds when a test starts a board's ``main.py``.
NO_LOADER = "import tillbell_start.start as start\nstart.run = lambda root: print('started at', repr(root))\n"


def tool(name: str) -> str:
    try:
        return gate.tool(name)
    except FileNotFoundError:
        pytest.skip(f"absent peer: {name}")


@pytest.fixture
def micropython() -> str:
    return tool("micropython")


@pytest.fixture
def mpy_cross() -> str:
    return tool("mpy-cross")


@pytest.fixture(scope="module")
def as_deployed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    """All modules as a board has them, and how large each is."""
    tool("mpy-cross")
    folder = tmp_path_factory.mktemp("board")
    return folder, gate.compile_all(folder)


def deployed(names: Iterable[str]) -> list[str]:
    return [name for name in names if name not in gate.NOT_DEPLOYED]


def imported(name: str, *folders: Path) -> str:
    before = NO_LOADER if name == "main" else ""
    return gate.run(f"{before}import {name}", gate.STAND_IN, *folders)


@pytest.mark.peer("micropython")
@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_under_micropython(micropython: str, name: str) -> None:
    said = imported(name, gate.PROTOCOL, gate.FIRMWARE)
    assert said == ("started at ''" if name == "main" else "")


@pytest.mark.peer("mpy-cross")
def test_every_module_compiles_for_a_board(as_deployed: tuple[Path, dict[str, int]]) -> None:
    folder, sizes = as_deployed
    assert set(sizes) == set(MODULES)
    assert len(list(folder.rglob("*.mpy"))) == len(MODULES)


@pytest.mark.peer("mpy-cross")
@pytest.mark.peer("micropython")
def test_what_is_deployed_imports_from_mpy_alone(
    micropython: str, as_deployed: tuple[Path, dict[str, int]]
) -> None:
    folder, sizes = as_deployed
    assert not list(folder.rglob("*.py"))
    gate.run("\n".join(f"import {name}" for name in deployed(sizes)), gate.STAND_IN, folder)


@pytest.mark.peer("mpy-cross")
def test_no_module_is_larger_than_its_budget(
    as_deployed: tuple[Path, dict[str, int]], figure: Callable[[str], None]
) -> None:
    _, sizes = as_deployed
    figure(f"firmware:\n{gate.table(sizes, gate.budgets())}")
    assert gate.over(sizes, gate.budgets()) == []


@pytest.mark.peer("mpy-cross")
@pytest.mark.peer("micropython")
def test_the_application_leaves_half_of_the_heap_free(
    micropython: str, as_deployed: tuple[Path, dict[str, int]], figure: Callable[[str], None]
) -> None:
    """Half of it at least, though each object is twice as large here as on a board."""
    folder, sizes = as_deployed
    free = "import gc\ngc.collect()\nprint(gc.mem_free())\n"
    wanted = [
        name for name in deployed(sizes) if name != "tillbell_bridge.hal_esp32"
    ]  # a board takes one of them
    imports = "".join(f"import {name}\n" for name in wanted)
    before, after = map(int, gate.run(free + imports + free, gate.STAND_IN, folder).split())
    figure(
        f"firmware: of a heap of {gate.HEAP}, {after:,} octets are free behind all imports ({before:,} before)"
    )
    assert after > before // 2


@pytest.mark.peer("micropython")
def test_the_sources_ask_for_nothing_that_micropython_lacks(micropython: str) -> None:
    assert complaints(list(MODULES.values()), micropython) == []


@pytest.mark.peer("micropython")
@pytest.mark.parametrize("chip", ["RP2040", "RP2350", "ESP32"])
def test_a_boards_own_module_does_what_it_is_for(micropython: str, chip: str) -> None:
    path = ":".join(map(str, (gate.STAND_IN, gate.PROTOCOL, gate.FIRMWARE)))
    done = subprocess.run(
        [micropython, "-X", f"heapsize={gate.HEAP}", str(HERE / "hal_runner.py")],
        env={"MICROPYPATH": f"{path}:.frozen", "TILLBELL_CHIP": chip},
        input="heard", capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout == f"{13 if chip.startswith('RP') else 12} checks\n"


# Planted errors: which way of looking refuses them

SYNTAX = {
    "match": "def f(a):\n    match a:\n        case 1:\n            return a\n",
    "stars in a dictionary": "a = {}\nb = {**a}\n",
    "star in a tuple": "a = (1, 2)\nb = (None, *a)\n",
    "positional only": "def f(a, /):\n    return a\n",
    "exception groups": "try:\n    pass\nexcept* OSError:\n    pass\n",
}
ABSENT = ["dataclasses", "typing", "enum", "functools", "hmac", "pathlib", "__future__"]
NAMES = {
    "import struct\nstruct.Struct('<B')\n": "2: struct.Struct is not there",
    "import os\nos.fsync(1)\n": "2: os.fsync is not there",
    "import hashlib\nhashlib.sha512(b'')\n": "2: hashlib.sha512 is not there",
    "def f(a: str) -> str:\n    from asyncio import TaskGroup\n": "2: asyncio.TaskGroup is not there",
    "def f(a: str) -> str:\n    return a.zfill(3)\n": "2: .zfill is not there",
    "def f(a: int) -> int:\n    return a.bit_length()\n": "2: .bit_length is not there",
    "def f(a: bytearray) -> None:\n    del a[:2]\n": "2: del of a slice: a bytearray has none",
    "int.from_bytes(b'', byteorder='little')\n": "1: byteorder= by name",
    "class A:\n    def __init_subclass__(cls) -> None: ...\n": "2: __init_subclass__ is never called",
}
TYPES = {
    "import time\ntime.ticks_diff('a', 1)\n": "ticks_diff",
    "import hashlib\nhashlib.sha512(b'')\n": "sha512",
    "import dataclasses\n": "dataclasses",
    "def f(a) -> int:\n    return 1\n": "annotation",
    "import machine\nmachine.UART(0, 9600, rx=machine.Pin(1), buffer=1)\n": "UART",
}


@pytest.mark.peer("mpy-cross")
@pytest.mark.parametrize("planted", SYNTAX)
def test_the_compiler_refuses_what_the_language_has_not(mpy_cross: str, tmp_path: Path, planted: str) -> None:
    source = tmp_path / "planted.py"
    source.write_text(SYNTAX[planted], "utf-8")
    with pytest.raises(gate.GateError, match="SyntaxError"):
        gate.compile_one(source, tmp_path / "planted.mpy")


@pytest.mark.peer("micropython")
@pytest.mark.parametrize("name", ABSENT)
def test_an_import_that_boards_have_not_is_refused(micropython: str, tmp_path: Path, name: str) -> None:
    (tmp_path / "planted.py").write_text(f"import {name}\n", "utf-8")
    with pytest.raises(gate.GateError, match=f"no module named '{name}'"):
        imported("planted", tmp_path)


@pytest.mark.peer("micropython")
@pytest.mark.parametrize("source", NAMES)
def test_a_name_that_micropython_has_not_is_refused(micropython: str, tmp_path: Path, source: str) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text(source, "utf-8")
    assert complaints([planted], micropython) == [f"planted.py:{NAMES[source]}"]


@pytest.mark.peer("mypy")
@pytest.mark.parametrize("port", TYPINGS)
def test_the_boards_type_stubs_refuse_what_does_not_fit(tmp_path: Path, port: str) -> None:
    if not TYPINGS[port].is_dir():
        pytest.skip(
            f"absent peer: the type stubs for {port}; make {TYPINGS[port].relative_to(gate.REPO)}/.set-up"
        )
    files = []
    for number, source in enumerate(TYPES):
        files.append(tmp_path / f"planted{number}.py")
        files[-1].write_text(source, "utf-8")
    done = subprocess.run(
        [tool("mypy"), "--config-file", f"firmware_bridge/mypy-{port}.ini", *map(str, files)],
        cwd=gate.REPO, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    for number, word in enumerate(TYPES.values()):
        rows = [row for row in done.stdout.splitlines() if f"planted{number}.py" in row and ": error:" in row]
        assert any(word in row for row in rows), done.stdout


def test_a_module_above_its_budget_without_one_or_gone_is_told() -> None:
    told = gate.over({"a": 101, "b": 100, "c": 1}, {"a": 100, "b": 100, "d": 1})
    assert [row.split(":")[0] for row in told] == ["a", "c", "d"]
    assert "raise it in size-budgets.toml" in told[0]
