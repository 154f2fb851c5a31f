"""A board without a clock battery: each start begins in 1970 again, until somebody sets the clock, or nobody ever does."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from till import NOON, ZONE, Till, configuration, moment, sale

from tillbell_agent import retention
from tillbell_agent.cli import main
from tillbell_agent.database import transaction
from tillbell_agent.moment import Moment

DAY_S = 86_400


@pytest.fixture
def till(tmp_path: Path) -> Till:
    """One sale in each of two runs that both began in 1970."""
    till = Till(tmp_path / "state", ("owner",))
    till.register.hear("printer", sale(10_000, "000001"), "CNY", Moment.at(1000.0, ZONE))
    till.restart()
    till.register.hear("printer", sale(500, "000002"), "CNY", Moment.at(900.0, ZONE))
    return till


def test_no_text_of_two_starts_in_1970_tells_a_total_of_both_as_that_of_a_day(till: Till) -> None:
    first, second = (bytes(body).decode() for (body,) in till.rows("SELECT body FROM message ORDER BY id"))  # type: ignore[call-overload]
    assert "100.00元" in first
    assert "5.00元" in second
    assert "105.00" not in first + second
    assert "累计" not in first + second


def test_no_day_has_a_total_of_what_a_clock_dated_that_was_not_set(till: Till) -> None:
    assert till.rows("SELECT * FROM day_total") == []
    assert [entry.day_total_minor for entry in till.register.ledger.recent(9)] == [None, None]
    till.hear(700, "000003")
    (newest, *_) = till.register.ledger.recent(1)
    assert newest.day_total_minor == 700


def test_txn_says_that_the_clock_was_not_set_instead_of_a_time_and_a_total(
    till: Till, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "config.toml").write_text(configuration(till.folder, ("owner",)))
    till.hear(700, "000003")
    assert main(["txn", "--config", str(tmp_path / "config.toml")]) == 0
    _, dated, *undated = capsys.readouterr().out.splitlines()
    assert "2026-11-21  12:00:00" in dated
    assert "7.00 CNY" in dated.split("000003")[1]
    assert len(undated) == 2
    for row, number in zip(undated, ("000002", "000001"), strict=True):
        assert "clock not set" in row
        assert "1970" not in row
        assert "CNY" not in row.split(number)[1]
    assert main(["txn", "--config", str(tmp_path / "config.toml"), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["heard_at"], row["day_total_minor"]) for row in rows] == [
        (NOON, 700),
        (None, None),
        (None, None),
    ]


def test_a_clock_that_is_set_at_last_moves_nothing_that_an_earlier_run_dated_rightly(tmp_path: Path) -> None:
    till = Till(tmp_path / "state", ("owner",))
    till.hear()
    columns = "created_at, expires_at, not_before"
    before = till.rows(f"SELECT {columns} FROM message")
    till.restart()  # into 1970
    till.register.hear("printer", sale(500, "000002"), "CNY", Moment.at(900.0, ZONE))
    till.register.clock_set(NOON + 3600 - 1000, moment(3600))
    (first, (created_at, expires_at, _)) = till.rows(f"SELECT {columns} FROM message ORDER BY id")
    assert [first] == before
    assert (created_at, expires_at) == (NOON + 3500, NOON + 3500 + 3 * DAY_S)
    with transaction(till.register.connection):
        assert retention.expire(till.register.connection, NOON + 3 * DAY_S + 1) == 1
