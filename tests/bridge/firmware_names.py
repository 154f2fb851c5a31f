"""What a source asks of Python that MicroPython has not, though it compiles, imports and satisfies the type stubs.

The stubs are Python's own where a name has not been looked at, so they let ``str.zfill`` and ``struct.Struct`` pass; what the
real interpreter's modules and types have is asked of the interpreter instead. What only a type would tell (``bytearray.pop``:
lists have one) is not seen here.
"""

import ast
import hashlib
import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

TYPES = (
    str,
    bytes,
    bytearray,
    int,
    float,
    list,
    dict,
    set,
    frozenset,
    tuple,
    memoryview,
    io.BytesIO,
    Exception,
)
# Arguments that MicroPython's functions do not take by name, and methods of a class that it never calls.
KEYWORDS = frozenset({"byteorder", "signed", "errors", "strict", "encoding"})
NEVER_CALLED = frozenset({"__init_subclass__", "__set_name__", "__class_getitem__", "__post_init__"})
# Only type checkers and boards have these: the stubs are right about them.
BOARDS_OWN = frozenset({"machine", "rp2", "esp32", "esp", "network"})
BOARDS_NAMES = frozenset({("os", "uname"), ("typing", "TYPE_CHECKING")})

_ASK = """
import array, hashlib, io, json, sys
values = ["", b"", bytearray(), 0, 0.0, [], {}, set(), frozenset(), (), memoryview(b""), io.BytesIO(), Exception(),
    array.array("B"), hashlib.sha256(), sys.stdin, (lambda: (yield))()]
absent = []
for module, name in json.loads(sys.stdin.read()):
    try:
        there = hasattr(__import__(module), name)
    except ImportError:
        there = False
    if not there:
        absent.append([module, name])
print(json.dumps([absent, sorted(set([name for value in values for name in dir(value)]))]))
"""


class Source:
    """One module, and what it asks of others."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
        imports = [node for node in self.nodes if isinstance(node, ast.Import)]
        self.modules = {each.asname or each.name: each.name for node in imports for each in node.names}

    def of_modules(self) -> Iterator[tuple[int, str, str]]:
        """(line, module, name)"""
        for node in self.nodes:
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                if node.value.id in self.modules:
                    yield node.lineno, self.modules[node.value.id], node.attr
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield from ((node.lineno, node.module, each.name) for each in node.names)

    def of_values(self) -> Iterator[tuple[int, str]]:
        """(line, attribute)"""
        for node in self.nodes:
            if isinstance(node, ast.Attribute) and not (
                isinstance(node.value, ast.Name) and node.value.id in self.modules
            ):
                yield node.lineno, node.attr

    def defined(self) -> set[str]:
        """The attributes that its own classes and modules have."""
        named = {node.name for node in self.nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        stored = (ast.Store, ast.Del)
        attributes = (node for node in self.nodes if isinstance(node, ast.Attribute))
        return named | {node.attr for node in attributes if isinstance(node.ctx, stored)}

    def refused(self) -> Iterator[tuple[int, str]]:
        """(line, what) that needs no interpreter to tell."""
        for node in self.nodes:
            if isinstance(node, ast.Delete) and any(_is_slice(each) for each in node.targets):
                yield node.lineno, "del of a slice: a bytearray has none"
            elif isinstance(node, ast.Call):
                yield from (
                    (node.lineno, f"{each.arg}= by name") for each in node.keywords if each.arg in KEYWORDS
                )
            elif isinstance(node, ast.FunctionDef) and node.name in NEVER_CALLED:
                yield node.lineno, f"{node.name} is never called"


def complaints(paths: list[Path], micropython: str) -> list[str]:
    """What the sources, taken together, ask for and the interpreter has not: ``file:line: what``."""
    sources = [Source(path) for path in paths]
    own = {path.stem for path in paths} | {"tillbell_protocol", "tillbell_bridge", "tillbell_start"}
    outside = [
        (source, line, module, name)
        for source in sources
        for line, module, name in source.of_modules()
        if module.split(".")[0] not in own | BOARDS_OWN
    ]
    absent, has = _asked(sorted({(module, name) for _, _, module, name in outside}), micropython)
    unknown = _methods() - has - {name for source in sources for name in source.defined()}
    found = [
        (source, line, f"{module}.{name} is not there")
        for source, line, module, name in outside
        if (module, name) in absent - BOARDS_NAMES
    ]
    for source in sources:
        found += [
            (source, line, f".{name} is not there") for line, name in source.of_values() if name in unknown
        ]
        found += [(source, *each) for each in source.refused()]
    return [f"{source.path.name}:{line}: {what}" for source, line, what in found]


def _methods() -> set[str]:
    """What Python's own types have."""
    listed = {name for each in (*TYPES, type(hashlib.sha256())) for name in dir(each)}
    return {name for name in listed if not name.startswith("_")} - {"args"}


def _asked(names: list[tuple[str, str]], micropython: str) -> tuple[set[tuple[str, str]], set[str]]:
    """Which of the modules' names are absent, and all that the built-in types have."""
    done = subprocess.run(
        [micropython, "-c", _ASK],
        input=json.dumps(names),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    absent, has = json.loads(done.stdout)
    return {(module, name) for module, name in absent}, set(has)


def _is_slice(node: ast.expr) -> bool:
    return isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice)
