"""The comparison runs, names who is absent, and of Tillbell's column holds what must never depend on the machine."""

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

_FAULTS = ("lost_ok", "hang", "reset", "unplug", "kill")
_FIGURES = ("missing", "waiting", "told", "repeated", "s")


@pytest.fixture(scope="module")
def peers() -> ModuleType:
    return importlib.import_module("peers")


@pytest.fixture(scope="module")
def column(peers: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Row → figure of Tillbell, on a machine that has neither of the others; ``notes`` beside them."""
    daemons = importlib.import_module("peer_daemons")
    scale = peers.Scale(singles=1, backlog=5, rate_s=20.0, idle_s=1.0, faulty=4, fault_s=12.0, pin_s=4.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(daemons.shutil, "which", lambda name: name if name == sys.executable else None)
        (table,) = peers.measure(tmp_path_factory.mktemp("peers"), scale)
    assert table.columns == (peers.MODEM, "Tillbell")
    return {"notes": table.notes, **{row.key: row.values["Tillbell"] for row in table.rows}}


def test_every_row_has_a_figure(column: dict[str, Any]) -> None:
    wanted = {
        "notes", "first_byte", "first_byte_max", "first_byte_command", "rate_zero", "rate_warm", "rate_share",
        "cpu_idle", "rss", "back", "pin_tries", *(f"{fault}_{what}" for fault in _FAULTS for what in _FIGURES),
    }  # fmt: skip
    assert set(column) == wanted
    assert [key for key, value in column.items() if value is None and key != "back"] == []


def test_whoever_is_absent_is_named(column: dict[str, Any]) -> None:
    for name in ("gammu-smsd", "smstools3"):
        assert f"{name} is not installed on this machine" in column["notes"]


def test_a_wrong_stored_pin_costs_one_try_over_three_starts(column: dict[str, Any]) -> None:
    assert column["pin_tries"] == 1


def test_kill_between_pdu_and_answer_loses_and_repeats_nothing(column: dict[str, Any]) -> None:
    assert (column["kill_missing"], column["kill_waiting"], column["kill_repeated"]) == (0, 0, 0)


def test_no_text_arrives_twice_whatever_happens_to_the_modem(column: dict[str, Any]) -> None:
    assert {fault: column[f"{fault}_repeated"] for fault in _FAULTS} == dict.fromkeys(_FAULTS, 0)


def test_what_is_lost_is_reported(column: dict[str, Any]) -> None:
    for fault in _FAULTS:
        assert column[f"{fault}_missing"] <= column[f"{fault}_told"], fault
