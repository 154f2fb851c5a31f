"""Printed dates and times are read, and an ambiguous date is never guessed."""

from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tillbell_agent.pos.printed_time import find_time


@pytest.mark.parametrize(
    ("lines", "currency", "expected"),
    [
        (["2024-06-03 14:22:33"], "CNY", datetime(2024, 6, 3, 14, 22, 33)),
        (["2024/06/03 14:22:33"], "CNY", datetime(2024, 6, 3, 14, 22, 33)),
        (["2024年6月3日 14时22分33秒"], "CNY", datetime(2024, 6, 3, 14, 22, 33)),
        (["20240603 14:22:33"], "CNY", datetime(2024, 6, 3, 14, 22, 33)),
        (["06.10.2021 22:39:53"], "CHF", datetime(2021, 10, 6, 22, 39, 53)),
        (["le 03/06/2024 à 14:22"], "EUR", datetime(2024, 6, 3, 14, 22)),
        (["DATE 06/25/2024", "TIME 02:56 PM"], "USD", datetime(2024, 6, 25, 14, 56)),
        (["25-06-24 12:05 AM"], "USD", datetime(2024, 6, 25, 0, 5)),
        (["2026-06-19 16:01:01"], "KRW", datetime(2026, 6, 19, 16, 1, 1)),
        (["04/04/2024 10:00"], "USD", datetime(2024, 4, 4, 10, 0)),
        (["05 Jan 2026 10:33"], "USD", datetime(2026, 1, 5, 10, 33)),
        (["05JAN2026 10:33"], "USD", datetime(2026, 1, 5, 10, 33)),
        (["05 Jan 26 10:33"], "USD", datetime(2026, 1, 5, 10, 33)),
        (["5-Jan-26 10:33:12"], "USD", datetime(2026, 1, 5, 10, 33, 12)),
        (["Jan 5, 2026 10:33 PM"], "USD", datetime(2026, 1, 5, 22, 33)),
        (["January 5th, 2026 at 10:33"], "USD", datetime(2026, 1, 5, 10, 33)),
        (["5. MÄRZ 2026 14:22 Uhr"], "EUR", datetime(2026, 3, 5, 14, 22)),
        (["3 juillet 2026 14h22"], "EUR", datetime(2026, 7, 3, 14, 22)),
        (["3 juin 2026 14:22"], "EUR", datetime(2026, 6, 3, 14, 22)),
        (["5 AOÛT 2026 10:00"], "EUR", datetime(2026, 8, 5, 10, 0)),
        (["3 de enero de 2026 10:00"], "EUR", datetime(2026, 1, 3, 10, 0)),
        (["DATE:06/13/26  TIME:14:56"], "USD", datetime(2026, 6, 13, 14, 56)),
        (["日期:2026/06/03 时间:14:22:33"], "CNY", datetime(2026, 6, 3, 14, 22, 33)),
        (["日期:2026/06/03", "时间:14:22:33"], "CNY", datetime(2026, 6, 3, 14, 22, 33)),
        (["2026-06-03 下午 02:22:33"], "CNY", datetime(2026, 6, 3, 14, 22, 33)),
        (["2026-06-03 上午12:22"], "CNY", datetime(2026, 6, 3, 0, 22)),
        (["2026-06-03 下午 14:22"], "CNY", datetime(2026, 6, 3, 14, 22)),
        (["2026/06/03 오후 2:22"], "KRW", datetime(2026, 6, 3, 14, 22)),
        (["2026년 06월 03일 14:22"], "KRW", datetime(2026, 6, 3, 14, 22)),
        (["2026年6月3日(水)14時22分"], "JPY", datetime(2026, 6, 3, 14, 22)),
        (["26/06/03 14:22"], "JPY", datetime(2026, 6, 3, 14, 22)),
        (["26.06.03 14:22:33"], "KRW", datetime(2026, 6, 3, 14, 22, 33)),
        (["26.06.23 14:22"], "EUR", datetime(2023, 6, 26, 14, 22)),
        (["26/06/24 14:22"], "EUR", datetime(2024, 6, 26, 14, 22)),
        (["03/06/2026 14:22:33"], "AED", datetime(2026, 6, 3, 14, 22, 33)),
        (["JUN 03, 26 14:22:33"], "MYR", datetime(2026, 6, 3, 14, 22, 33)),
        (["03JUN26 14:22"], "AUD", datetime(2026, 6, 3, 14, 22)),
        (["03/06/2026 14H56"], "EUR", datetime(2026, 6, 3, 14, 56)),
    ],
)
def test_time_is_read(lines: list[str], currency: str, expected: datetime) -> None:
    found = find_time(lines, currency)
    assert found is not None
    assert found.value == expected


def test_ambiguous_date_is_kept_as_digits_only() -> None:
    found = find_time(["04/06/2015 02:56 PM"], "USD")
    assert found is not None
    assert (found.value, found.digits, found.seconds) == (None, "040620150256PM", False)


@pytest.mark.parametrize(
    ("printed", "currency"),
    [("26.06.03", "SEK"), ("25/06/26", "CNY"), ("03/06/69", "THB"), ("03/06/26", "CNY")],
)
def test_what_may_be_another_year_is_unknown(printed: str, currency: str) -> None:
    found = find_time([f"{printed} 14:22"], currency)
    assert found is not None
    assert found.value is None


@pytest.mark.parametrize("currency", ["EUR", "SEK", "CAD"])
def test_a_date_that_may_begin_with_its_year_is_no_other_years(currency: str) -> None:
    found = find_time(["26-06-03 14:22"], currency)
    assert found is not None
    assert (found.value, found.digits) == (None, "2606031422")


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["2024-06-03"],
        ["14:22:33"],
        ["12/28"],
        ["2024-02-31 14:22"],
        ["2024-06-03 25:00"],
        ["1.234.567 12:00"],
        ["5 Mars 20"],
        ["12 Mars 20", "10:00"],
        ["05 İAN 2026 10:33"],
        ["31 Feb 2026 10:33"],
    ],
)
def test_what_is_no_time_is_none(lines: list[str]) -> None:
    assert find_time(lines, "CNY") is None


@settings(max_examples=150)
@given(
    st.lists(st.text(alphabet="0123456789-/.: APMapm年月日JjaANnDEecİıſMmäÄ", max_size=30), max_size=4),
    st.sampled_from(["auto", "ymd", "dmy", "mdy"]),
)
def test_any_lines_give_a_time_or_none(lines: list[str], order: str) -> None:
    found = find_time(lines, "USD", order)
    assert found is None or found.digits


@settings(max_examples=150)
@given(st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)).map(lambda t: t.replace(microsecond=0)))
def test_iso_time_reads_back(time: datetime) -> None:
    found = find_time([f"no 17 {time:%Y-%m-%d %H:%M:%S} end"], "CNY")
    assert found is not None
    assert found.value == time
