"""``docs/field-reports.md`` has a section for each report, and every test that it names exists."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent
PAGE = REPO / "docs" / "field-reports.md"
REPORTS = range(1, 27)
_HEADING = re.compile(r"^## (\d+)\. ", re.M)
_NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
_SOURCE = re.compile(r"\b[\w.-]+/[\w.-]+#\d+")


def sections() -> dict[int, str]:
    """Number → text of its section."""
    pieces = _HEADING.split(PAGE.read_text("utf-8"))
    return {int(number): text for number, text in zip(pieces[1::2], pieces[2::2], strict=True)}


@cache
def names_in(path: str) -> frozenset[str]:
    """Names of the test functions of a file; none where there is no such file."""
    file = REPO / path
    if not file.exists():
        return frozenset()
    nodes = ast.walk(ast.parse(file.read_text("utf-8")))
    return frozenset(node.name for node in nodes if isinstance(node, ast.FunctionDef))


def test_every_report_has_one_section_in_order() -> None:
    headings = [int(number) for number in _HEADING.findall(PAGE.read_text("utf-8"))]
    assert headings == list(REPORTS)


def test_every_test_that_the_page_names_exists() -> None:
    named = _NAMED.findall(PAGE.read_text("utf-8"))
    assert named
    assert [f"{path}::{name}" for path, name in named if name not in names_in(path)] == []


@pytest.mark.parametrize("number", REPORTS)
def test_a_report_is_named_and_answered(number: int) -> None:
    text = sections()[number]
    assert _SOURCE.search(text), "names no repository and number"
    assert _NAMED.search(text) or "Cannot occur: " in text or "**Open:** " in text, "is not answered"


def test_no_test_is_mentioned_in_a_form_that_is_not_checked() -> None:
    page = PAGE.read_text("utf-8")
    assert set(re.findall(r"test_\w+(?!\w*\.py)", _NAMED.sub("", page))) == set()
