"""The recovery ladder: the order of its steps, their limits, its record, its rest."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillbell_agent.modem.ladder import LIMITS, MAX_HISTORY, RESTING_PAUSE_S, RESTS_S, Ladder, Step


def climb_to_alarm(ladder: Ladder, now: float = 0.0, **how: bool) -> list[Step]:
    steps: list[Step] = []
    while Step.ALARM not in steps:
        step, pause = ladder.climb(now, **{"deaf": True, **how})  # type: ignore[arg-type]
        steps.append(step)
        now += pause
    return steps


def test_a_deaf_modem_is_asked_flushed_searched_reset_reopened_switched_and_told() -> None:
    assert climb_to_alarm(Ladder(can_power=True), entry_open=True, speeds=True) == [
        Step.ATTENTION, Step.ATTENTION, Step.FLUSH, Step.SPEEDS, Step.RESET, Step.REOPEN, Step.POWER, Step.ALARM,
    ]  # fmt: skip


def test_a_modem_that_never_answered_is_looked_for_at_other_speeds_first() -> None:
    assert climb_to_alarm(Ladder(can_power=False), speeds=True, never_heard=True) == [
        Step.SPEEDS, Step.ATTENTION, Step.ATTENTION, Step.SPEEDS, Step.RESET, Step.REOPEN, Step.ALARM,
    ]  # fmt: skip


def test_one_that_answers_and_does_not_work_is_set_up_again_before_it_is_reset() -> None:
    assert climb_to_alarm(Ladder(can_power=False), deaf=False) == [
        Step.INITIALISE, Step.INITIALISE, Step.INITIALISE, Step.RESET, Step.REOPEN, Step.ALARM,
    ]  # fmt: skip


def test_after_the_alarm_it_rests_and_then_climbs_again_ever_more_rarely() -> None:
    ladder, now, resets = Ladder(can_power=False), 0.0, []
    while now < 4 * 3600:
        step, pause = ladder.climb(now, deaf=True)
        if step is Step.RESET:
            resets.append(now)
        now += pause + 7
    assert len(resets) == 5
    assert resets[1] - resets[0] > RESTS_S[0]
    assert all(later - sooner > RESTS_S[1] for sooner, later in pairwise(resets[1:]))


def test_while_it_rests_it_is_asked_once_a_minute_and_nothing_is_recorded() -> None:
    ladder = Ladder(can_power=False)
    climb_to_alarm(ladder)
    before = len(ladder.history)
    assert ladder.climb(100.0, deaf=True) == (Step.ATTENTION, RESTING_PAUSE_S)
    assert ladder.climb(160.0, deaf=False) == (Step.INITIALISE, RESTING_PAUSE_S)
    assert len(ladder.history) == before


def test_the_outcome_of_each_step_is_kept() -> None:
    ladder = Ladder(can_power=False)
    ladder.climb(1.0, deaf=True)
    ladder.climb(2.0, deaf=True)
    assert [each.outcome for each in ladder.history] == ["did not help", "under way"]
    ladder.well()
    assert [(each.step, each.at, each.outcome) for each in ladder.history] == [
        (Step.ATTENTION, 1.0, "did not help"),
        (Step.ATTENTION, 2.0, "helped"),
    ]


def test_another_modem_behind_the_port_begins_at_the_bottom() -> None:
    ladder = Ladder(can_power=False)
    climb_to_alarm(ladder)
    ladder.port_lost()
    assert ladder.climb(100.0, deaf=True)[0] is Step.ATTENTION


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(0.5, 600), st.booleans()), max_size=300))
def test_no_step_that_restarts_something_is_taken_more_often_than_its_limit(
    plan: list[tuple[bool, bool, float, bool]],
) -> None:
    ladder, now = Ladder(can_power=True), 0.0
    taken: dict[Step, list[float]] = {step: [] for step in LIMITS}
    for deaf, comes_up, wait, at_reset in plan:
        step, pause = ladder.climb(now, deaf=deaf, start=Step.RESET if at_reset else None)
        if step in taken:
            taken[step].append(now)
        if comes_up:
            ladder.well()
        assert pause > 0 or step is Step.SPEEDS
        now += pause + wait
    for step, times in taken.items():
        for place in range(len(times) - LIMITS[step]):
            assert times[place + LIMITS[step]] - times[place] > 3600
    assert len(ladder.history) <= MAX_HISTORY


def test_a_search_of_speeds_is_no_pause() -> None:
    assert Ladder(can_power=False).climb(0.0, deaf=True, speeds=True, start=Step.SPEEDS) == (
        Step.SPEEDS,
        pytest.approx(0.0),
    )
