"""The link's own source in pieces that a board with nine kilobytes of heap can be given, one after the other.

What does nothing there is left out: docstrings, annotations, ``__repr__``. The modules share one namespace, so the imports
between them are left out too; what such a board lacks (CRC-32, SHA-256) is told to it before.
"""

import ast
import re
from pathlib import Path


class _Smaller(ast.NodeTransformer):
    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        node.returns = None
        for argument in [*node.args.args, *node.args.kwonlyargs]:
            argument.annotation = None
        node.body = without_docstring(node.body)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        self.generic_visit(node)
        node.body = [
            each
            for each in without_docstring(node.body)
            if not (isinstance(each, ast.FunctionDef) and each.name == "__repr__")
        ]
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.Assign | None:
        return node.value and ast.Assign([node.target], node.value, lineno=node.lineno)


def without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    documented = isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)
    return body[1:] or [ast.Pass()] if documented else body


def pieces(module: Path, but: str = "") -> list[str]:
    """Its statements without the imports and what is named ``but``, in their order, as small as they get."""
    tree = ast.parse(module.read_text("utf-8"))
    imports = (ast.Import, ast.ImportFrom)
    statements = [each for each in without_docstring(tree.body) if not isinstance(each, imports)]
    wanted = [each for each in statements if getattr(each, "name", None) != but]
    return [_dense(ast.unparse(_Smaller().visit(each))) for each in wanted]


def _dense(source: str) -> str:
    """One blank a level."""
    return re.sub(r"^ +", lambda found: " " * (len(found[0]) // 4), source, flags=re.MULTILINE)
