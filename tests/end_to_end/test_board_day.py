"""A quarter of ``make board-day``: sales through a bridge while agent, board and link fail at random moments."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from board_day import KINDS, run, summary

from tillbell_agent.sim.board_pty import find_micropython

MOMENTS = 50


@pytest.mark.peer("micropython")
def test_each_sale_rings_once_whatever_fails_between_the_terminal_and_the_agent(
    tmp_path: Path, figure: Callable[[str], None]
) -> None:
    if find_micropython() is None:
        pytest.skip("absent peer: micropython")
    told = run(tmp_path, MOMENTS, 1, "escpos", print)
    figure(f"through a bridge: {summary(told)}")
    assert told.faults == []
    assert set(told.moments) == set(KINDS)
    assert told.sales - told.in_flight > MOMENTS // 3
