"""``doctor`` as a command: what it gathers of a real folder, its table, its JSON and its exit codes."""

import json
import os
import pty
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from till import Till, configuration

from tillbell_agent.cli import main
from tillbell_agent.database import FILE_NAME

Say = pytest.CaptureFixture[str]


@pytest.fixture
def ports() -> Iterator[tuple[str, str]]:
    pairs = [pty.openpty() for _ in range(2)]
    yield os.ttyname(pairs[0][1]), os.ttyname(pairs[1][1])
    for pair in pairs:
        for end in pair:
            os.close(end)


@pytest.fixture
def config(tmp_path: Path, ports: tuple[str, str]) -> Path:
    text = configuration(tmp_path / "state").replace("/dev/nowhere-printer", ports[0])
    path = tmp_path / "config.toml"
    path.write_text(text.replace("/dev/nowhere-modem", ports[1]), "utf-8")
    return path


def asked(capsys: Say, config: Path, code: int) -> dict[str, dict[str, Any]]:
    """The checks by name."""
    assert main(["doctor", "--config", str(config), "--json"]) == code
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["exit_code"]) == (code == 0, code)
    return {check["name"]: check for check in told["checks"]}


def levels(checks: dict[str, dict[str, Any]], level: str) -> list[str]:
    return [name for name, check in checks.items() if check["level"] == level]


def test_without_an_agent_it_says_so_and_checks_what_it_can(
    tmp_path: Path, config: Path, capsys: Say
) -> None:
    till = Till(tmp_path / "state")
    till.pair()
    till.register.connection.close()
    checks = asked(capsys, config, 2)
    assert levels(checks, "fail") == ["agent"]
    assert "no agent runs" in checks["agent"]["evidence"]
    assert checks["agent"]["next_action"].startswith("Start it: tillbell run")
    assert "whole" in checks["store"]["evidence"]
    assert "1 pairing known in both places" in checks["second place"]["evidence"]
    assert "nobody holds it" in checks["modem sim1"]["evidence"]
    assert checks["source printer"]["level"] == "ok"


def test_the_table_has_a_line_for_each_check_and_one_for_each_next_action(config: Path, capsys: Say) -> None:
    assert main(["doctor", "--config", str(config)]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("ok    configuration")
    fail = next(number for number, line in enumerate(lines) if line.startswith("fail  agent"))
    assert lines[fail + 1].strip().startswith("→ Start it")
    assert lines[-1].endswith("1 failed, 2 to look at")  # the agent; no store yet, headquarters not paired


def test_a_broken_configuration_is_one_failed_check_with_file_and_line(config: Path, capsys: Say) -> None:
    config.write_text(config.read_text("utf-8").replace("dialect =", "dialekt ="), "utf-8")
    checks = asked(capsys, config, 2)
    assert levels(checks, "fail") == ["configuration"]
    assert f"{config}:" in checks["configuration"]["evidence"]
    assert "dialect" in checks["configuration"]["evidence"]


def test_no_configuration_at_all_is_told_as_such(tmp_path: Path, capsys: Say) -> None:
    checks = asked(capsys, tmp_path / "nowhere.toml", 2)
    assert "nowhere.toml" in checks["configuration"]["evidence"]


def test_a_damaged_store_fails(tmp_path: Path, config: Path, capsys: Say) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / FILE_NAME).write_bytes(b"garbage" * 400)
    checks = asked(capsys, config, 2)
    assert checks["store"]["level"] == "fail"
    assert "not a database" in checks["store"]["evidence"]


def test_a_lost_second_place_fails(tmp_path: Path, config: Path, capsys: Say) -> None:
    till = Till(tmp_path / "state")
    till.pair()
    till.register.connection.close()
    till.config.guard_path.unlink()
    assert asked(capsys, config, 2)["second place"]["level"] == "fail"


def test_an_unplugged_port_fails_by_its_name(config: Path, capsys: Say) -> None:
    config.write_text(config.read_text("utf-8").replace("/dev/pts/", "/dev/gone/"), "utf-8")
    checks = asked(capsys, config, 2)
    assert "is not there" in checks["modem sim1"]["evidence"]
    assert "is not there" in checks["source printer"]["evidence"]


def test_a_pin_file_that_others_may_read_fails_without_showing_the_pin(
    tmp_path: Path, config: Path, capsys: Say
) -> None:
    pin = tmp_path / "pin"
    pin.write_text("4711\n")
    pin.chmod(0o644)
    text = config.read_text("utf-8").replace('name = "sim1"', f'name = "sim1"\npin_file = "{pin}"')
    config.write_text(text, "utf-8")
    checks = asked(capsys, config, 2)
    assert "read by others" in checks["SIM sim1"]["evidence"]
    assert "4711" not in json.dumps(checks)


def test_it_changes_nothing_in_the_state_directory(tmp_path: Path, config: Path, capsys: Say) -> None:
    till = Till(tmp_path / "state")
    till.hear(100, "000001")
    till.register.erase()
    till.register.connection.close()
    before = (tmp_path / "state" / FILE_NAME).read_bytes()
    asked(capsys, config, 2)
    assert (tmp_path / "state" / FILE_NAME).read_bytes() == before
    # SQLite's own two beside the file, which any reader of a store in WAL mode brings about; nothing of ours.
    names = {path.name for path in (tmp_path / "state").iterdir()}
    assert names <= {FILE_NAME, f"{FILE_NAME}-shm", f"{FILE_NAME}-wal"}


def test_a_missing_state_directory_is_not_made(tmp_path: Path, config: Path, capsys: Say) -> None:
    checks = asked(capsys, config, 2)
    assert checks["store"]["level"] == "warn"
    assert not (tmp_path / "state").exists()
