"""The simulated till with its printer through the dialect: what it says it sold is what is told, each once."""

import sys
from datetime import datetime
from itertools import islice
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from streams import FEEDS, Step, hear, told

from tillbell_agent.pos.dialect import Line
from tillbell_agent.pos.registry import make_dialect
from tillbell_agent.pos.settings import DialectSettings
from tillbell_agent.sim.tills import TROUBLES, Exchange, exchanges_of

START = datetime(2026, 12, 31, 21, 30)


def _steps(conversations: list[Exchange]) -> list[Step]:
    now, steps = 0.0, []
    for spoken in (each for one in conversations for each in one.spoken):
        now += spoken.after_s
        steps.append((now, spoken.line, spoken.octets))
    return steps


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("troubles", [(), ("reprint",), TROUBLES])
@pytest.mark.parametrize(("seed", "currency"), [(1, "CNY"), (2, "USD"), (3, "JPY"), (4, "KWD")])
def test_a_till_with_a_printer_is_told_as_it_sold(
    seed: int, currency: str, troubles: tuple[str, ...], feed: str
) -> None:
    day = list(islice(exchanges_of("escpos")(seed, START, currency, frozenset(troubles)), 60))
    dialect = make_dialect("escpos", DialectSettings(currency=currency))
    heard = [event.transaction for event in told(hear(dialect, _steps(day), feed))]
    assert heard == [transaction for one in day for transaction in one.expected]
    assert [one.expected for one in day] == [one.expected_one_line for one in day]


def test_a_printers_till_speaks_on_one_line_and_prints_again_where_it_is_asked_to() -> None:
    plain = list(islice(exchanges_of("escpos")(5, START, "CNY", frozenset()), 100))
    again = list(islice(exchanges_of("escpos")(5, START, "CNY", frozenset({"reprint"})), 100))
    assert {spoken.line for one in plain for spoken in one.spoken} == {Line.TERMINAL}
    assert not any("once more" in one.words for one in plain)
    assert sum("once more" in one.words for one in again) > 10
    assert again == list(islice(exchanges_of("escpos")(5, START, "CNY", frozenset({"reprint"})), 100))
