"""What a store is asked for after a rescue: what was lost of the ledger is still in the day's total."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from till import ZONE, Till

from tillbell_agent.ledger import Entry
from tillbell_agent.sim.installation.chapter import Chapter, ledger_faults

DAY_S = 86_400.0
TODAY, TOMORROW = "2026-11-21", "2026-11-22"


@pytest.fixture
def entries(tmp_path: Path) -> list[Entry]:
    """Two days of sales in a ledger that has lost the first one."""
    till = Till(tmp_path / "state", ("owner",))
    for number in range(6):
        till.hear(100, f"{number:06d}", number * DAY_S / 6)
    till.rows("DELETE FROM ledger WHERE id = 1")
    return till.register.ledger.recent(100)


def faults(entries: list[Entry], chapter: Chapter, today: str) -> list[str]:
    chapter.open([], ZONE, today)
    return list(ledger_faults(chapter, entries, ZONE))


def test_the_day_of_a_rescue_is_not_summed_up_and_the_next_one_is(entries: list[Entry]) -> None:
    assert faults(entries, Chapter(rescued=True), TODAY) == []
    assert len(faults(entries, Chapter(rescued=False), TODAY)) == 1
    entries[0] = replace(entries[0], day_total_minor=7)
    assert faults(entries, Chapter(rescued=True), TODAY) == ["number 6: the day's total is not the ledger's"]
    assert faults(entries, Chapter(rescued=True), TOMORROW) == []
