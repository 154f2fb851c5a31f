"""The comparison runs, names who is absent, and of Tillbell's column holds what must never depend on the machine."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# Those that are over soon: after a lost OK a minute passes before a text's outcome counts as unknown.
_FAULTS = ("reset", "unplug", "kill")
_FIGURES = ("missing", "waiting", "told", "repeated", "marked", "s")
# A process of its own: the benchmark's modules have names that other tests' helpers have too.
_SMALL = """
import json, sys
from pathlib import Path
import figures, peers
faults = tuple(fault for fault in peers.FAULTS if fault.key in sys.argv[2:])
scale = peers.Scale(1, 5, rate_s=30.0, idle_s=1.0, faulty=8, fault_s=30.0, pin_s=10.0, turns=1, faults=faults)
print(json.dumps([figures.to_json(table) for table in peers.measure(Path(sys.argv[1]), scale)]))
"""


@pytest.fixture(scope="module")
def column(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Row → figure of Tillbell, on a machine that has neither of the others; ``notes`` beside them."""
    folder = tmp_path_factory.mktemp("peers")
    places = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", _SMALL, str(folder), *_FAULTS],
        capture_output=True,
        timeout=240,
        check=False,
        env={**os.environ, "PYTHONPATH": places, "PATH": str(folder)},
    )
    assert done.returncode == 0, done.stderr.decode()
    (table,) = json.loads(done.stdout)
    assert {name for row in table["rows"] for name in row["values"]} == {"the modem itself", "Tillbell"}
    return {"notes": table["notes"], **{row["key"]: row["values"]["Tillbell"] for row in table["rows"]}}


def test_every_row_has_a_figure(column: dict[str, Any]) -> None:
    wanted = {
        "notes", "first_byte", "first_byte_max", "first_byte_command", "rate_zero", "rate_warm", "rate_share",
        "cpu_idle", "rss", "back", "pin_tries", *(f"{fault}_{what}" for fault in _FAULTS for what in _FIGURES),
    }  # fmt: skip
    assert {key for key, value in column.items() if value is not None} == wanted


def test_whoever_is_absent_is_named(column: dict[str, Any]) -> None:
    for name in ("gammu-smsd", "smstools3"):
        assert f"{name} is not installed on this machine" in column["notes"]


def test_a_wrong_stored_pin_costs_one_try_over_three_starts(column: dict[str, Any]) -> None:
    assert column["pin_tries"] == 1


def test_kill_between_pdu_and_answer_loses_and_repeats_nothing(column: dict[str, Any]) -> None:
    assert (column["kill_missing"], column["kill_waiting"], column["kill_repeated"]) == (0, 0, 0)


def test_no_text_arrives_twice_and_what_has_not_arrived_is_still_owed(column: dict[str, Any]) -> None:
    """Or has arrived by a repetition that says so."""
    for what in ("repeated", "missing", "told"):
        assert {fault: column[f"{fault}_{what}"] for fault in _FAULTS} == dict.fromkeys(_FAULTS, 0), what
