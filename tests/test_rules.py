"""The rules that keep this codebase in shape, read off the source itself."""

import argparse
import ast
import importlib
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

from tillbell_agent.cli import VERBS

REPO = Path(__file__).resolve().parent.parent
PACKAGES = {"tillbell_agent": REPO / "agent", "tillbell_protocol": REPO / "protocol"}
CLI = REPO / "agent" / "tillbell_agent" / "cli"

# A layer imports its own and lower ones. A new module of the agent must be given its place here.
LAYERS = (
    ("tillbell_protocol.link",),
    ("tillbell_protocol",),
    (
        "notify",
        "pos",
        "probe",
        "capture",
        "modem",
        "bridge",
        "flash",
        "retry",
        "config*",
        "moment",
        "finding",
        "incoming",
        "spelling",
    ),
    (
        "shell",
        "outbox",
        "segment_rows",
        "inbox",
        "ledger",
        "database",
        "bridge_rows",
        "pairings",
        "store_health",
        "rescue",
        "retention",
    ),
    # What the runner wires together.
    (
        "register",
        "answers",
        "courier",
        "routes",
        "status_reports",
        "pin_book",
        "line",
        "listening",
        "telling",
        "bridge_line",
        "bridge_source",
        "bridge_book",
        "bridge_epochs",
        "modem_line",
        "world",
        "segments",
        "control_verbs",
        "reports",
        "doctor*",
    ),
    ("runner", "assembly"),
    ("cli", "console", "collector", "sim"),
)
OUTSIDE_WORLD = frozenset(
    {"os", "serial", "time", "socket", "selectors", "subprocess", "signal", "fcntl", "termios", "tty", "pty"}
    | {"threading", "multiprocessing", "asyncio", "tempfile", "shutil"}
)
RANDOMNESS = frozenset({"random", "secrets", "uuid"})
MAY_TOUCH_THE_WORLD = ("shell", "cli", "sim", "console", "collector")
MAY_HOLD_SQL = (
    "outbox", "segment_rows", "inbox", "ledger", "database", "bridge_rows", "pairings", "rescue", "retention",
)  # fmt: skip
SIMULATED_DISK = "tillbell_agent.sim.installation.disk"  # stands between the store and its SQLite
PURE = ("notify", "pos", "probe", "capture", "modem", "bridge", "flash", "retry", "incoming")
SQL = re.compile(
    r"\b(SELECT\s.+\sFROM|INSERT\s+(OR\s+\w+\s+)?INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|CREATE\s+TABLE|PRAGMA)\b",
    re.S,
)
DRAWS_OR_READS = frozenset({"generate", "now", "utcnow", "today", "urandom", "token_bytes"})


@cache
def modules() -> dict[str, Path]:
    """Dotted name → file, of every module that is shipped."""
    found = {}
    for root in PACKAGES.values():
        for path in sorted(root.rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(modules()[module].read_text(encoding="utf-8"))


def part(module: str) -> str:
    """The agent's part that a module belongs to: ``tillbell_agent.modem.session`` → ``modem``."""
    return module.split(".")[1] if module.startswith("tillbell_agent.") else module


def layer(module: str) -> int | None:
    """0 is the lowest; None: no place was given. The agent's root package holds nothing and ranks lowest."""
    if module == "tillbell_agent":
        return 0
    for rank, names in enumerate(LAYERS):
        if any(fnmatch(part(module), name) or f"{module}.".startswith(f"{name}.") for name in names):
            return rank
    return None


def imports(module: str) -> Iterator[tuple[str, int]]:
    """Every module that ``module`` imports, at its top or inside a function, with the line."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                inside = (
                    module.split(".") if modules()[module].name == "__init__.py" else module.split(".")[:-1]
                )
                base = ".".join([*inside[: len(inside) - node.level + 1], *filter(None, [node.module])])
            yield base, node.lineno
            yield from (
                (f"{base}.{n.name}", node.lineno) for n in node.names if f"{base}.{n.name}" in modules()
            )


def place(module: str, line: int) -> str:
    return f"{modules()[module].relative_to(REPO)}:{line}"


def test_every_module_has_a_layer() -> None:
    assert [module for module in modules() if layer(module) is None] == []


def test_a_lower_layer_never_imports_a_higher_one() -> None:
    wrong = [
        f"{place(module, line)} imports {imported}"
        for module in modules()
        for imported, line in imports(module)
        if imported in modules() and (layer(imported) or 0) > (layer(module) or 0)
    ]
    assert wrong == []


def test_the_protocol_package_knows_no_agent_no_clock_no_disk_and_no_chance() -> None:
    forbidden = OUTSIDE_WORLD | RANDOMNESS | {"tillbell_agent", "sqlite3", "pathlib", "io", "logging"}
    wrong = [
        f"{place(module, line)} imports {imported}"
        for module in modules()
        if module.startswith("tillbell_protocol")
        for imported, line in imports(module)
        if imported.split(".")[0] in forbidden
    ]
    assert wrong == []


def test_only_the_shell_touches_ports_clocks_and_processes() -> None:
    wrong = []
    for module in modules():
        if not module.startswith("tillbell_agent") or part(module) in MAY_TOUCH_THE_WORLD:
            continue
        allowed = {"selectors"} if part(module) == "runner" else set()
        forbidden = (OUTSIDE_WORLD | (RANDOMNESS if part(module) in PURE else set())) - allowed
        wrong += [
            f"{place(module, line)} imports {imported}"
            for imported, line in imports(module)
            if imported.split(".")[0] in forbidden
        ]
    assert wrong == []


def test_pure_modules_call_nothing_that_opens_draws_or_reads_a_clock() -> None:
    wrong = []
    for module in modules():
        if not (module.startswith("tillbell_protocol") or part(module) in PURE):
            continue
        for node in ast.walk(tree(module)):
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(called, ast.Name) and called.id in {"open", "input", "print"}:
                wrong.append(f"{place(module, called.lineno)} calls {called.id}")
            elif isinstance(called, ast.Attribute) and called.attr in DRAWS_OR_READS:
                wrong.append(f"{place(module, called.lineno)} calls {ast.unparse(called)}")
    assert wrong == []


def docstrings(module: str) -> set[int]:
    """The ids of the constants that are docstrings."""
    holders = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    bodies = (node.body for node in ast.walk(tree(module)) if isinstance(node, holders))
    return {id(body[0].value) for body in bodies if body and isinstance(body[0], ast.Expr)}


def test_sql_stands_only_in_the_outbox_the_ledger_and_stores() -> None:
    wrong = []
    for module in modules():
        if part(module) in MAY_HOLD_SQL or "store" in module.rsplit(".", 1)[-1] or module == SIMULATED_DISK:
            continue
        exempt = docstrings(module)
        wrong += [
            place(module, node.lineno)
            for node in ast.walk(tree(module))
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in exempt
            and SQL.search(node.value)
        ]
        wrong += [
            f"{place(module, node.lineno)} calls {node.func.attr}"
            for node in ast.walk(tree(module))
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in {"execute", "executemany", "executescript"}
        ]
    assert wrong == []


def test_no_exception_is_caught_without_a_name_or_swallowed() -> None:
    wrong = []
    for module in modules():
        for node in ast.walk(tree(module)):
            if not isinstance(node, ast.ExceptHandler):
                continue
            caught = "" if node.type is None else ast.unparse(node.type)
            if caught in {"", "BaseException"} and not isinstance(node.body[-1], ast.Raise):
                wrong.append(f"{place(module, node.lineno)} catches everything")
            elif caught == "Exception" and all(isinstance(s, ast.Pass) for s in node.body):
                wrong.append(f"{place(module, node.lineno)} swallows Exception")
    assert wrong == []


def function_sizes() -> dict[str, int]:
    """Place → lines, from ``def`` to the last line, docstring included, decorators not."""
    return {
        f"{place(module, node.lineno)} {node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for module in modules()
        for node in ast.walk(tree(module))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_functions_and_modules_stay_small(figure: Callable[[str], None]) -> None:
    lines = {
        str(p.relative_to(REPO)): len(p.read_text(encoding="utf-8").splitlines()) for p in modules().values()
    }
    functions = function_sizes()
    sizes = sorted(functions.values())
    ninety = sizes[int(len(sizes) * 0.9)]
    figure(
        f"{len(lines)} modules, median {statistics.median(lines.values()):.0f} lines, largest {max(lines.values())}"
    )
    figure(
        f"{len(sizes)} functions, median {statistics.median(sizes):.0f} lines, nine in ten {ninety}, most {sizes[-1]}"
    )
    assert {name: size for name, size in functions.items() if size > 60} == {}
    assert {name: size for name, size in lines.items() if size > 400} == {}
    assert ninety < 40


def project_files() -> Iterator[Path]:
    """Every text file that belongs to the project: no environment, no cache, nothing built."""
    skipped = {".git", "build", "dist", "__pycache__", "node_modules", ".hypothesis"}
    octets = {".png", ".prn", ".bin", ".whl", ".gz"}
    for folder, below, names in os.walk(REPO):
        # Pruned, not filtered: what is being built meanwhile comes and goes.
        below[:] = [
            each
            for each in below
            if each not in skipped and not each.startswith(".venv") and not each.endswith("_cache")
        ]
        for path in (Path(folder, name) for name in names):
            if path.suffix not in octets:
                yield path


# Spelled apart, so that this file does not hold what it looks for.
_OUTSIDE_FOLDER = "sha" + "red"
OUTSIDE_PATHS = re.compile(
    rf"\.\./{_OUTSIDE_FOLDER}|{_OUTSIDE_FOLDER}/(design|vectors|hooks|examples)|(?<![\w./])/(work|root)\b|/(home|Users)/\w"
)
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|HA" + r"CK)\b")


def lines_matching(pattern: re.Pattern[str], exempt: frozenset[str] = frozenset()) -> list[str]:
    found = []
    for path in project_files():
        name = str(path.relative_to(REPO))
        if name in exempt:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [
            f"{name}:{n}: {line.strip()}"
            for n, line in enumerate(text.splitlines(), 1)
            if pattern.search(line)
        ]
    return found


def test_no_file_points_outside_the_project() -> None:
    assert lines_matching(OUTSIDE_PATHS, frozenset({".ci/run"})) == []


def test_nothing_is_left_for_later_in_a_comment() -> None:
    assert lines_matching(UNFINISHED, frozenset({"LICENSE"})) == []


def test_the_rules_find_what_they_look_for() -> None:
    assert OUTSIDE_PATHS.search(f"see ../{_OUTSIDE_FOLDER}/x")
    assert OUTSIDE_PATHS.search("open('/ho" + "me/me/x')")
    assert UNFINISHED.search("# TO" + "DO later")
    assert SQL.search("INSERT OR IGNORE INTO t VALUES (1)")
    assert SQL.search("SELECT a\n FROM t")
    assert (
        layer("tillbell_agent.runner") > layer("tillbell_agent.outbox") > layer("tillbell_agent.pos.dialect")
    )
    assert layer("tillbell_protocol.event") > layer("tillbell_protocol.link.crc")
    assert layer("tillbell_agent.surprise") is None


@pytest.mark.parametrize("package", PACKAGES)
def test_type_checkers_are_told_that_the_package_is_typed(package: str) -> None:
    assert (PACKAGES[package] / package / "py.typed").is_file()


def module_of(verb: str) -> str:
    return verb.replace(" ", "_").replace("-", "_")


def test_the_overview_lists_every_verb_that_there_is() -> None:
    with_run = {
        path.stem
        for path in CLI.glob("[!_]*.py")
        if any(
            isinstance(n, ast.FunctionDef) and n.name == "run"
            for n in tree(f"tillbell_agent.cli.{path.stem}").body
        )
    }
    assert with_run == {module_of(verb) for verb in VERBS}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself_with_an_example(verb: str) -> None:
    module = importlib.import_module(f"tillbell_agent.cli.{module_of(verb)}")
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter)
    module.configure(parser)
    assert module.HELP.strip()
    assert parser.epilog is not None
    assert parser.epilog.startswith("example")
    assert f"tillbell {verb}" in parser.epilog


def test_the_readme_names_every_verb() -> None:
    readme = (REPO / "README.md").read_text(encoding="utf-8")
    assert [verb for verb in VERBS if not re.search(rf"(tillbell |`){verb}\b", readme)] == []


def test_wiring_stays_wiring() -> None:
    assert len((REPO / "tests" / "conftest.py").read_text(encoding="utf-8").splitlines()) < 100


def test_a_running_agent_does_not_load_what_it_can_do_without():
    """OpenSSL alone takes 3.7 MiB of a small board (``hashlib``, ``hmac`` and ``secrets`` bring it)."""
    listed = "import sys, tillbell_agent.cli.run; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", listed], capture_output=True, text=True, check=True)
    unwanted = {
        "_hashlib",
        "hashlib",
        "hmac",
        "secrets",
        "difflib",
        "asyncio",
        "email",
        "logging",
        "rich",
        "http",
    }
    assert not unwanted & set(done.stdout.split())
