"""A quarter of ``make kill``: the agent dies at random moments, and no sale that was heard is lost, doubled or changed."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from kill import run, summary

KILLS = 13


def test_killed_at_random_moments_the_agent_loses_doubles_and_changes_no_sale(
    tmp_path: Path, figure: Callable[[str], None]
) -> None:
    seed = int(os.environ.get("TILLBELL_SEED", "20261121"))
    told = run(tmp_path, KILLS, seed, lambda _: None, settle=False)
    figure(f"kill: {summary(told)} (seed {seed})")
    again = f"again with: python tests/end_to_end/kill.py --kills {KILLS} --seed {seed}"
    assert told.faults == [], again
    assert told.kills == KILLS
    # A run that proves nothing is no proof: most sales must have been heard whole.
    assert told.sales - told.in_flight >= KILLS
