"""A board that does something else for seconds hears both lines at once: what it then cannot know it does not make up."""

import sys
from datetime import datetime
from itertools import islice
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from streams import settle, told

from tillbell_agent.pos.dialect import DialectEvent, Line
from tillbell_agent.pos.registry import DIALECTS, make_dialect
from tillbell_agent.pos.settings import DialectSettings
from tillbell_agent.sim.tills import TILLS, Exchange, exchanges_of
from tillbell_protocol.event import Transaction

TWO_LINES = sorted(name for name in TILLS if DIALECTS[name].two_lines)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("name", TWO_LINES)
def test_no_answer_gets_the_amount_of_a_request_that_is_not_its_own(name: str, seed: int) -> None:
    day = exchanges_of(name)(seed, datetime(2026, 11, 21, 9), "EUR", frozenset())
    dialect = make_dialect(name, DialectSettings(currency="EUR"))
    now = 0.0
    for pair in zip(*[islice(day, 40)] * 2, strict=False):
        now += 1000.0
        settle(dialect, now)
        events: list[DialectEvent] = []
        asks = DIALECTS[name].asks
        for line in sorted(Line, key=lambda line: line is not asks):
            events += dialect.receive_data(_said(pair, line), now, line)
            dialect.unpair()
        events += settle(dialect, now + 500.0)
        for event in told(events):
            _is_its_own(event.transaction, pair)


def _said(pair: tuple[Exchange, ...], line: Line) -> bytes:
    return b"".join(spoken.octets for exchange in pair for spoken in exchange.spoken if spoken.line is line)


def _is_its_own(told: Transaction, pair: tuple[Exchange, ...]) -> None:
    """The amount is one that was said, and where the number says of which transaction, that one's; or it is unknown."""
    said = [each for exchange in pair for each in (*exchange.expected, *exchange.expected_one_line)]
    numbered = [each for each in said if told.reference is not None and each.reference == told.reference]
    assert told.amount_minor in {None, *(each.amount_minor for each in numbered or said)}, (told, said)


def test_every_dialect_of_two_lines_can_be_told_that_their_order_is_lost() -> None:
    for name, row in DIALECTS.items():
        dialect = make_dialect(name, DialectSettings())
        dialect.unpair()
        assert row.two_lines or dialect.receive_data(b"", 0.0) == []
