"""Shops in simulated time: bad days on which everything holds, the same each time; and that a fault would be seen."""

import itertools
import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tillbell_agent.ledger import Ledger
from tillbell_agent.sim.installation import run
from tillbell_agent.sim.installation.incidents import RATES, draw
from tillbell_agent.sim.installation.run import run_seed
from tillbell_agent.sim.installation.simulate import main
from tillbell_agent.sim.installation.world import World


def test_bad_days_of_one_seed_are_survived() -> None:
    outcome = run_seed(12, 1.0)
    assert outcome.faults == []
    assert outcome.sales > 80
    assert sum(outcome.struck.values()) >= 12


def test_two_shops_share_a_network_and_a_headquarters() -> None:
    outcome = run_seed(5, 0.5, shops=2)
    assert outcome.faults == []


def test_a_shop_with_two_modems_sends_by_both_on_bad_days(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_TWO_MODEMS", 1.0)
    trace: list[str] = []
    outcome = run_seed(12, 1.0, trace=trace.append)
    assert outcome.faults == []
    records = [json.loads(line) for line in trace]
    assert {record["modem"] for record in records if record["ev"] == "sms"} == {"sim1", "sim2"}


def test_where_the_second_modem_is_for_headquarters_each_sends_to_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run, "_TWO_MODEMS", 1.0)
    ways = [_ways(seed) for seed in range(1, 7)]
    assert {frozenset({("sim1", "owner"), ("sim2", "hq")})} < set(ways), "some keep it, some do not"


def _ways(seed: int) -> frozenset[tuple[str, str]]:
    """Who was sent something by which modem, on a quiet morning."""
    trace: list[str] = []
    run_seed(seed, 0.1, only=[], trace=trace.append)
    sent = [record for record in map(json.loads, trace) if record["ev"] == "sms"]
    return frozenset((each["modem"], "hq" if each["to"] == run._HQ else "owner") for each in sent)


def test_a_shop_that_sells_six_times_as_much_is_told_of_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_BUSY", 1.0)
    outcome = run_seed(12, 0.5)
    assert outcome.faults == []
    assert outcome.sales > 250


def test_the_same_seed_gives_the_same_trace_whatever_order_sets_have() -> None:
    program = "from tillbell_agent.sim.installation.run import run_seed; run_seed(9, 0.3, trace=print)"
    traces = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(traces) == 1
    assert traces.pop().count("\n") > 100


def test_an_agent_that_ends_with_an_error_is_a_fault_and_starts_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, calls = Ledger.record, itertools.count()

    def record(self: Ledger, *values: Any) -> Any:
        if next(calls) == 3:
            raise ZeroDivisionError("planted")
        return real(self, *values)

    monkeypatch.setattr(Ledger, "record", record)
    outcome = run_seed(3, 0.3, only=[])
    assert any("the agent ended: ZeroDivisionError: planted" in fault for fault in outcome.faults)
    assert outcome.texts > 10


def test_leaving_out_incidents_changes_no_sale() -> None:
    whole, calm = run_seed(3, 0.5), run_seed(3, 0.5, only=[])
    assert whole.sales == calm.sales
    assert not calm.struck
    assert calm.faults == []


def test_every_kind_is_drawn_by_twenty_seeds_and_more_than_one_an_hour_strikes_on_the_whole() -> None:
    drawn = [incident for seed in range(20) for incident in draw(World(str(seed), print).stream("x"), 1, 7.0)]
    assert {incident.kind for incident in drawn} == set(RATES)
    assert len(drawn) / (20 * 7 * 24) >= 1


def test_a_trace_is_json_lines_and_names_each_incident(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seed", "4", "--days", "0.3", "--trace"]) == 0
    said = capsys.readouterr()
    records = [json.loads(line) for line in said.out.splitlines()]
    numbers = [record["number"] for record in records if record["ev"] == "incident"]
    assert numbers == sorted(numbers)
    assert "all well" in said.err


def test_one_seed_alone_can_be_looked_into(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--trace"]) == 2
    assert "take one --seed" in capsys.readouterr().err
    assert main(["--seed", "4", "--days", "0.3", "--shrink"]) == 0
    assert "nothing to shrink" in capsys.readouterr().out
