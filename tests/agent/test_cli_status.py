"""``status``, ``queue``, ``txn`` and ``send`` without a running agent: they read and write its store."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from till import Till, configuration

from tillbell_agent.cli import main
from tillbell_agent.modem.conditions import NEXT_STEP, WAITS_FOR, Condition

Say = pytest.CaptureFixture[str]


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "config.toml"
    path.write_text(configuration(tmp_path / "state"), "utf-8")
    return str(path)


@pytest.fixture
def stored(tmp_path: Path, config: str) -> str:
    """The configuration of a device that heard two sales, its headquarters not paired."""
    till = Till(tmp_path / "state")
    till.hear(100, "000001")
    till.hear(250, "000002")
    till.register.connection.close()
    return config


def asked(capsys: Say, *arguments: str, code: int = 0) -> Any:
    assert main([*arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("verb", ["status", "queue", "txn"])
def test_where_there_is_no_state_the_agent_cannot_be_reached(config: str, capsys: Say, verb: str) -> None:
    assert main([verb, "--config", config]) == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("tillbell: ")
    assert "has not run" in said.err


def test_status_falls_back_to_the_store_and_is_not_well(stored: str, capsys: Say) -> None:
    status = asked(capsys, "status", "--config", stored, code=1)
    assert (status["running"], status["last_seq"]) == (False, 2)
    assert status["messages"] == {"hq": {"held": 2}, "owner": {"queued": 2}}
    assert main(["status", "--config", stored]) == 1
    assert "not running" in capsys.readouterr().out


def test_queue_lists_the_newest_first_by_state_and_number(stored: str, capsys: Say) -> None:
    rows = asked(capsys, "queue", "--config", stored)
    assert [(row["recipient"], row["state"]) for row in rows] == [("hq", "held"), ("owner", "queued")] * 2
    assert len(asked(capsys, "queue", "--config", stored, "--limit", "1")) == 1
    assert {row["state"] for row in asked(capsys, "queue", "--config", stored, "--state", "held")} == {"held"}
    assert main(["queue", "--config", stored]) == 0
    assert "held" in capsys.readouterr().out


def test_txn_lists_transactions_with_their_messages_and_check_codes(stored: str, capsys: Say) -> None:
    rows = asked(capsys, "txn", "--config", stored)
    assert [(row["seq"], row["amount_minor"], row["day_total_minor"]) for row in rows] == [
        (2, 250, 350),
        (1, 100, 100),
    ]
    assert rows[0]["reference"] == "000002"
    assert [message["recipient"] for message in rows[0]["messages"]] == ["owner", "hq"]
    assert len(rows[0]["check_codes"]["owner"][0]) == 6
    assert main(["txn", "--config", stored]) == 0
    table = capsys.readouterr().out
    assert "2.50" in table
    assert "held" in table


def test_reading_leaves_the_store_as_it_is(stored: str, capsys: Say, tmp_path: Path) -> None:
    before = (tmp_path / "state" / "tillbell.db").read_bytes()
    for verb in ("status", "queue", "txn"):
        main([verb, "--config", stored])
    assert (tmp_path / "state" / "tillbell.db").read_bytes() == before


@pytest.mark.parametrize("limit", ["0", "-1", "many", ""])
def test_a_limit_that_is_no_number_is_a_usage_error(stored: str, limit: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["queue", "--config", stored, f"--limit={limit}"])
    assert ended.value.code == 2


def test_send_without_an_agent_queues_in_the_store_and_says_so(config: str, capsys: Say) -> None:
    assert main(["send", "--config", config, "--to", "owner", "明天休息"]) == 0
    assert "leaves when tillbell run is started" in capsys.readouterr().out
    (row,) = asked(capsys, "queue", "--config", config)
    assert (row["recipient"], row["format"], row["class"], row["state"]) == (
        "owner",
        "text",
        "service",
        "queued",
    )


def test_send_scrubs_a_card_number(config: str, capsys: Say, tmp_path: Path) -> None:
    assert main(["send", "--config", config, "--to", "owner", "card 4111111111111111 was charged"]) == 0
    assert b"4111111111111111" not in (tmp_path / "state" / "tillbell.db").read_bytes()


@pytest.mark.parametrize(("to", "text"), [("nobody", "x"), ("owner", ""), ("owner", "   ")])
def test_a_text_for_nobody_or_of_nothing_is_refused(config: str, capsys: Say, to: str, text: str) -> None:
    assert main(["send", "--config", config, "--to", to, text]) == 2
    assert capsys.readouterr().err.startswith("tillbell: ")


def test_a_damaged_store_is_an_error_in_one_line(config: str, tmp_path: Path, capsys: Say) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "tillbell.db").write_bytes(b"garbage" * 400)
    for verb in ("status", "queue", "txn"):
        assert main([verb, "--config", config]) == 3
    assert main(["send", "--config", config, "--to", "owner", "x"]) == 2
    assert capsys.readouterr().err.count("Traceback") == 0


def running(condition: Condition, **more: Any) -> dict[str, Any]:
    """What an agent answers whose modem is in a condition."""
    modem = {
        "name": "sim1", "port": "/dev/ttyUSB2", "open": True, "ready": False, "condition": condition.value,
        "doing": "doing this", "since_s": 200.0, "waits_for": WAITS_FOR[condition], "next_step": NEXT_STEP[condition],
        "model": "SIMCOM SIM800", "operator": None, "signal_dbm": None, "ladder": [], "alarm": None,
    }  # fmt: skip
    return {
        "running": True, "device": "till-1", "version": "1", "uptime_s": 7300.0, "alarms": [], "sources": [],
        "recipients": [], "day": "2026-11-21", "today": [], "messages": {}, "modems": [modem | more],
    }  # fmt: skip


@pytest.mark.parametrize("condition", Condition)
def test_status_says_of_each_condition_what_since_when_what_it_waits_for_and_what_next(
    config: str, capsys: Say, monkeypatch: pytest.MonkeyPatch, condition: Condition
) -> None:
    monkeypatch.setattr("tillbell_agent.cli.common.ask", lambda *_: running(condition))
    code = main(["status", "--config", config])
    said = capsys.readouterr().out
    assert "running for 2 h 1 min" in said
    assert not re.search(r"time-?out", said)
    if condition is Condition.READY:
        assert code == 0
        assert "modem sim1 (/dev/ttyUSB2): doing this for 3 min; SIMCOM SIM800" in said
        return
    assert code == 1
    words = condition.value.replace("_", " ")
    assert f"NOT READY, {words} for 3 min (doing this), waits for {WAITS_FOR[condition]}" in said
    assert f"  next: {NEXT_STEP[condition]}" in said.splitlines()


def test_status_shows_the_steps_of_recovery_and_an_alarm(
    config: str, capsys: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    ladder = [{"step": "AT+CFUN=1,1", "at_s_ago": 70, "outcome": "no answer"}]
    told = running(Condition.READY, ladder=ladder, alarm="another SIM than before")
    monkeypatch.setattr("tillbell_agent.cli.common.ask", lambda *_: told)
    assert main(["status", "--config", config]) == 1
    said = capsys.readouterr().out.splitlines()
    assert "  recovery: AT+CFUN=1,1, 1 min ago: no answer" in said
    assert "  ALARM another SIM than before" in said


def test_a_modem_whose_sim_is_left_alone_is_not_well(
    config: str, capsys: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = running(Condition.READY, held="held for 600 s: CMS 330")
    monkeypatch.setattr("tillbell_agent.cli.common.ask", lambda *_: told)
    assert main(["status", "--config", config]) == 1
    assert "NOT READY, answers, but nothing is sent by it: held for 600 s: CMS 330" in capsys.readouterr().out
