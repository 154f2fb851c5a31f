"""A fraction of ``fuzz.py``: 20,000 spoilt frames for each dialect."""

import sys
from collections import deque
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fuzz import MOST_OCTETS_HELD, _stands_in, fuzz, told

from tillbell_agent.pos.dialect import TransactionCompleted
from tillbell_agent.pos.registry import DIALECTS
from tillbell_agent.sim.tills import TILLS
from tillbell_protocol.event import Kind, Transaction


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_spoilt_frames_crash_nothing_and_make_up_no_amount(name: str, record_property: object) -> None:
    done = fuzz(name, 20_000, seed=1)
    print(told(done))
    assert done.invented == []
    assert done.held < MOST_OCTETS_HELD
    assert done.events["TransactionCompleted"] > 100, "most of it was not spoilt beyond hearing"


@pytest.mark.parametrize(
    ("heard", "is_held"),
    [
        (b"\xa3\xb4250.54", True),
        (b"\xa3\xa4250.54", False),
        (b"\x10\x42\x50\x54", True),
        (b"4,250.54 CNY", True),
    ],
)
def test_an_amount_is_made_up_where_no_octets_hold_it(heard: bytes, is_held: bool) -> None:
    sale = TransactionCompleted(Transaction(Kind.SALE, 425054, "CNY"), None)
    assert _stands_in(sale, deque([heard])) is is_held


def test_every_dialect_has_a_simulated_till() -> None:
    assert set(TILLS) == set(DIALECTS)
