"""A wall clock that jumps either way, on a whole agent in simulated time: nothing lost, nothing repeated, nothing erased."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "agent"))

from test_runner import slip, states
from till import HQ, OWNER, Till, moment
from town import Town

from tillbell_agent.outbox import LONGEST_PAUSE_S
from tillbell_agent.sim.modem_faults import Fault

TEN_YEARS = 3652 * 86_400


@pytest.fixture
def till(tmp_path: Path) -> Till:
    till = Till(tmp_path / "state")
    till.pair()
    return till


@pytest.fixture
def town(till: Till) -> Town:
    return Town(till)


def set_clock(town: Town, by: float) -> None:
    town.clock.wall_s += by


@pytest.mark.parametrize("by", [TEN_YEARS, -TEN_YEARS, 1800, -1800, -20 * 365 * 86_400])
def test_what_waits_for_the_network_when_the_clock_jumps_is_sent_and_not_expired(
    town: Town, till: Till, by: int
) -> None:
    town.live(5)
    town.machine.set_registration(2, town.clock.now)
    town.prints(slip("1.00", "000001"))
    town.live(100)
    set_clock(town, by)
    town.live(2 * 3600)
    town.prints(slip("2.00", "000002"))
    town.live(60)
    assert set(states(till)) == {"queued"}, "housekeeping ran and expired nothing"
    town.machine.set_registration(1, town.clock.now)
    assert town.live(600, lambda: set(states(till)) == {"delivered"} and len(states(till)) == 4), states(till)
    assert ["1.00" in text or "2.00" in text for text in town.texts(OWNER)] == [True, True]
    assert [seq for (seq,) in till.rows("SELECT seq FROM ledger ORDER BY id")] == [1, 2]


@pytest.mark.parametrize("by", [-LONGEST_PAUSE_S // 2, -600, 600, TEN_YEARS])
def test_a_pause_between_tries_is_as_long_as_it_was_meant(town: Town, till: Till, by: int) -> None:
    town.live(5)
    town.machine.faults.add(Fault("refuse", count=3, code=42))
    town.prints(slip("1.00", "000001"))
    assert town.live(
        60, lambda: "queued" in states(till) and bool(till.rows("SELECT 1 FROM message WHERE attempts > 0"))
    )
    set_clock(town, by)
    began = town.clock.now
    assert town.live(3600, lambda: set(states(till)) == {"delivered"})
    assert town.clock.now - began < 5 * 60


@pytest.mark.parametrize("by", [-1800, 1800, TEN_YEARS])
def test_a_text_of_unknown_outcome_is_repeated_once_and_when_it_was_to_be(
    town: Town, till: Till, by: int
) -> None:
    town.live(5)
    town.machine.report_after_s = 10_000_000
    town.machine.faults.add(Fault("lost_ok"))
    town.prints(slip("1.00", "000001"))
    assert town.live(300, lambda: "unknown" in states(till))
    set_clock(town, by)
    began = town.clock.now
    assert town.live(3600, lambda: len(town.texts(OWNER)) == 2)
    assert town.clock.now - began < 120
    town.live(2 * 3600)
    assert len(town.texts(OWNER)) == 2


def test_a_clock_ten_years_ahead_for_an_hour_erases_nothing(town: Town, till: Till) -> None:
    town.prints(slip("1.00", "000001"), 5)
    assert town.live(300, lambda: states(till) == ["delivered"] * 2)
    town.live(3700)
    set_clock(town, TEN_YEARS)
    town.live(5 * 3600)
    set_clock(town, -TEN_YEARS)
    town.live(3 * 3600)
    assert till.rows("SELECT amount_minor FROM ledger") == [(100,)]
    assert till.rows("SELECT count(*) FROM message WHERE body IS NOT NULL") == [(2,)]
    assert len(town.log_lines("clock_set")) == 2


def test_a_clock_that_stays_where_it_was_set_is_believed_after_a_day(town: Town, till: Till) -> None:
    town.prints(slip("1.00", "000001"), 5)
    assert town.live(300, lambda: states(till) == ["delivered"] * 2)
    town.live(3700)
    set_clock(town, 90 * 86_400)
    town.live(20 * 3600)
    assert till.rows("SELECT count(*) FROM ledger") == [(1,)]
    town.live(6 * 3600)
    assert till.rows("SELECT count(*) FROM ledger") == [(0,)]
    town.prints(slip("2.00", "000002"))
    assert town.live(60, lambda: len(town.texts(OWNER)) == 2)
    assert till.rows("SELECT seq FROM ledger") == [(2,)]


def test_a_clock_that_runs_right_through_days_is_never_taken_for_a_set_one(town: Town) -> None:
    town.live(3 * 86_400)
    assert town.log_lines("clock_set") == []


def test_numbers_and_counters_follow_the_order_of_sales_whatever_the_clock_says(
    town: Town, till: Till
) -> None:
    for place, by in enumerate((0, TEN_YEARS, -2 * TEN_YEARS, TEN_YEARS, -3600)):
        set_clock(town, by)
        town.prints(slip(f"{place + 1}.00", f"{place:06d}"))
        town.live(60)
    assert till.rows("SELECT seq, amount_minor FROM ledger ORDER BY id") == [
        (place + 1, (place + 1) * 100) for place in range(5)
    ]
    opened = [till.receiver.open(bytes.fromhex(shown.data or "")) for shown in town.machine.network.shown(HQ)]
    assert [one.told.event.amount_minor for one in opened] == [100, 200, 300, 400, 500]
    assert moment().trusted
