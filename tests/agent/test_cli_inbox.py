"""``inbox``: foreign texts as a person sees them, with no agent running, and what a running one answers."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from till import NOON, Till, configuration

from tillbell_agent.cli import main
from tillbell_agent.cli.errors import UNREACHABLE
from tillbell_agent.database import transaction
from tillbell_protocol.sms.address import Address, TypeOfNumber
from tillbell_protocol.sms.dcs import Dcs
from tillbell_protocol.sms.segment import split_text
from tillbell_protocol.sms.timestamp import Timestamp
from tillbell_protocol.sms.tpdu import SmsDeliver

STAMP = Timestamp.from_datetime(datetime(2026, 11, 21, 4, tzinfo=UTC))
NUMBER = Address.from_text("+8613700000001")
Say = pytest.CaptureFixture[str]


@pytest.fixture
def till(tmp_path: Path) -> Till:
    (tmp_path / "config.toml").write_text(configuration(tmp_path), "utf-8")
    return Till(tmp_path)


def receive(
    till: Till, text: str, sender: Address = NUMBER, *, parts: slice = slice(None), at: int = NOON
) -> None:
    for part in split_text(text, 9)[parts]:
        tpdu = SmsDeliver(sender, 0, part.dcs, STAMP, part.udh, part.ud).encode()
        with transaction(till.register.connection):
            till.register.inbox.keep("sim1", tpdu, at)
    till.register.inbox.take_in(0.0)


def inbox(till: Till, *arguments: str) -> int:
    return main(["inbox", "--config", str(till.folder / "config.toml"), *arguments])


def test_a_text_is_shown_with_sender_time_and_words(till: Till, capsys: Say) -> None:
    receive(till, "今天卖了多少")
    assert inbox(till) == 0
    shown = capsys.readouterr().out
    assert "+8613700000001" in shown
    assert "11-21 12:00:00" in shown
    assert "今天卖了多少" in shown


def test_what_a_text_does_to_a_terminal_is_shown_and_not_done(till: Till, capsys: Say) -> None:
    receive(till, "a\x1b[2Jb\nc\u202ed")
    assert inbox(till) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[1].endswith("a\\x1b[2Jb\\nc\\u202ed")


def test_a_name_of_digits_does_not_look_like_a_number(till: Till, capsys: Say) -> None:
    receive(till, "transfer now", Address("95588", TypeOfNumber.ALPHANUMERIC, 0))
    assert inbox(till) == 0
    assert '"95588"' in capsys.readouterr().out
    assert inbox(till, "--json") == 0
    assert [row["sender_is_name"] for row in json.loads(capsys.readouterr().out)] == [True]


def test_a_partial_message_is_shown_and_can_be_asked_for_alone(till: Till, capsys: Say) -> None:
    receive(till, "x" * 200, parts=slice(1, 2))
    receive(till, "whole")
    assert inbox(till, "--state", "partial", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["state"], row["parts"], row["total"], row["text"]) == ("partial", 1, 2, "…" + "x" * 47)
    assert inbox(till) == 0
    assert "1/2" in capsys.readouterr().out


def test_data_is_shown_as_octets_and_a_clock_that_was_not_set_as_that(till: Till, capsys: Say) -> None:
    tpdu = SmsDeliver(NUMBER, 0, Dcs.DATA8, STAMP, (), bytes(range(40))).encode()
    with transaction(till.register.connection):
        till.register.inbox.keep("sim1", tpdu, 12)
    till.register.inbox.take_in(0.0)
    assert inbox(till) == 0
    shown = capsys.readouterr().out
    assert "40 octets: 000102030405060708090a0b…" in shown
    assert "clock not set" in shown
    assert inbox(till, "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["data"], row["text"], row["received_at"]) == (bytes(range(40)).hex(), None, None)


def test_the_newest_come_first_and_no_more_than_asked_for(till: Till, capsys: Say) -> None:
    for number in range(5):
        receive(till, f"text {number}")
    assert inbox(till, "--limit", "2", "--json") == 0
    assert [row["text"] for row in json.loads(capsys.readouterr().out)] == ["text 4", "text 3"]


def test_what_was_dropped_to_keep_room_is_said(till: Till, capsys: Say) -> None:
    with transaction(till.register.connection):
        till.register.connection.execute("INSERT INTO counter VALUES ('received dropped', 3)")
    assert inbox(till) == 0
    assert "3 older ones were dropped" in capsys.readouterr().out


def test_where_nothing_has_run_yet_it_says_so(tmp_path: Path, capsys: Say) -> None:
    (tmp_path / "config.toml").write_text(configuration(tmp_path / "nowhere"), "utf-8")
    assert main(["inbox", "--config", str(tmp_path / "config.toml")]) == UNREACHABLE
    assert "has not run" in capsys.readouterr().err
