"""``status``, ``queue``, ``txn`` and ``send`` without a running agent: they read and write its store."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from till import Till, configuration

from tillbell_agent.cli import main

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
