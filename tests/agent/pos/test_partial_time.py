"""Times without a year, and by the day of the year, about New Year and leap days."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillbell_agent.pos.partial_time import PartialTime


@pytest.mark.parametrize(
    ("told", "at", "meant"),
    [
        (PartialTime(12, 31, 23, 59), datetime(2027, 1, 1, 0, 1), datetime(2026, 12, 31, 23, 59)),
        (PartialTime(1, 1, 0, 2), datetime(2026, 12, 31, 23, 58), datetime(2027, 1, 1, 0, 2)),
        (PartialTime(6, 1, 12, 0, 5), datetime(2026, 6, 1, 12, 0), datetime(2026, 6, 1, 12, 0, 5)),
        (PartialTime(2, 29, 8, 0), datetime(2028, 2, 29, 8, 0), datetime(2028, 2, 29, 8, 0)),
        (PartialTime(2, 29, 8, 0), datetime(2026, 3, 1, 8, 0), None),
        (PartialTime(None, 365, 23, 0), datetime(2027, 1, 1, 1, 0), datetime(2026, 12, 31, 23, 0)),
        (PartialTime(None, 366, 23, 0), datetime(2029, 1, 1, 1, 0), datetime(2028, 12, 31, 23, 0)),
        (PartialTime(None, 60, 9, 0), datetime(2028, 2, 29, 9, 0), datetime(2028, 2, 29, 9, 0)),
        (PartialTime(4, 5, 22, 55, 58), datetime(2026, 11, 22, 9, 0), datetime(2026, 4, 5, 22, 55, 58)),
        (PartialTime(None, 95, 9, 0), datetime(2026, 11, 22, 9, 0), datetime(2026, 4, 5, 9, 0)),
        (PartialTime(1, 4, 9, 0), datetime(2026, 12, 30, 9, 0), datetime(2027, 1, 4, 9, 0)),
        (PartialTime(11, 29, 9, 0), datetime(2026, 11, 22, 9, 0), datetime(2026, 11, 29, 9, 0)),
        (PartialTime(11, 29, 9, 1), datetime(2026, 11, 22, 9, 0), datetime(2025, 11, 29, 9, 1)),
        (PartialTime(12, 28, 9, 0), datetime(2027, 1, 2, 9, 0), datetime(2026, 12, 28, 9, 0)),
        (PartialTime(13, 1, 9, 0), datetime(2026, 2, 2), None),
        (PartialTime(None, 0, 9, 0), datetime(2026, 2, 2), None),
        (PartialTime(5, 5, 24, 0), datetime(2026, 5, 5), None),
    ],
)
def test_the_year_is_the_latest_in_which_it_can_have_happened(
    told: PartialTime, at: datetime, meant: datetime | None
) -> None:
    assert told.near(at) == meant


@given(st.datetimes(datetime(2001, 1, 1), datetime(2098, 12, 31)), st.integers(-7 * 86_400, 350 * 86_400))
def test_a_terminals_clock_that_is_a_week_ahead_or_months_behind_gets_its_own_year(
    meant: datetime, off_s: int
) -> None:
    meant = meant.replace(microsecond=0)
    at = meant + timedelta(seconds=off_s)
    by_month = PartialTime(meant.month, meant.day, meant.hour, meant.minute, meant.second)
    by_day = PartialTime(None, meant.timetuple().tm_yday, meant.hour, meant.minute, meant.second)
    assert by_month.near(at) == meant
    assert by_day.near(at) == meant


@given(
    st.integers(-5, 70),
    st.integers(-5, 400),
    st.integers(-5, 70),
    st.integers(-5, 70),
    st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1)),
)
def test_any_figures_give_a_time_or_none(month: int, day: int, hour: int, minute: int, at: datetime) -> None:
    for told in (PartialTime(month, day, hour, minute), PartialTime(None, day, hour, minute)):
        found = told.near(at)
        assert found is None or found.minute == minute
