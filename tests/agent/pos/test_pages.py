"""The pages in ``docs/dialects`` are what the dialects' tables say today."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from pages import FOLDER, page

from tillbell_agent.pos.registry import DIALECTS


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_a_dialects_page_is_what_its_tables_say(name: str) -> None:
    assert (FOLDER / f"{name}.md").read_text("utf-8") == page(name), "run: make pages"


def test_no_page_is_left_of_a_dialect_that_is_gone() -> None:
    assert {path.stem for path in FOLDER.glob("*.md")} == set(DIALECTS)
