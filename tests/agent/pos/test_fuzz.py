"""A fraction of ``fuzz.py``: 20,000 spoilt frames for each dialect."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fuzz import MOST_OCTETS_HELD, fuzz, told

from tillbell_agent.pos.registry import DIALECTS
from tillbell_agent.sim.tills import TILLS


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_spoilt_frames_crash_nothing_and_make_up_no_amount(name: str, record_property: object) -> None:
    done = fuzz(name, 20_000, seed=1)
    print(told(done))
    assert done.invented == []
    assert done.held < MOST_OCTETS_HELD
    assert done.events["TransactionCompleted"] > 100, "most of it was not spoilt beyond hearing"


def test_every_dialect_has_a_simulated_till() -> None:
    assert set(TILLS) == set(DIALECTS)
