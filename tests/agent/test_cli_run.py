"""``tillbell run`` where it cannot begin: one line on standard error, exit code 2, no traceback."""

import json
import sqlite3
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from till import Till, configuration

from tillbell_agent.cli import main
from tillbell_agent.pairings import Pairings


@pytest.fixture
def config(tmp_path: Path) -> Path:
    till = Till(tmp_path / "state")
    till.register.connection.close()
    path = tmp_path / "config.toml"
    path.write_text(configuration(tmp_path / "state"), "utf-8")
    return path


def refused(config: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["run", "--config", str(config)]) == 2
    (last,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("tillbell: ")]
    return last


def test_a_disk_that_refuses_while_numbers_are_left_out_ends_it_with_a_sentence(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (config.parent / "state.guard").write_text(json.dumps({"version": 1, "epochs": {}, "seq": 500}))
    with sqlite3.connect(config.parent / "state" / "tillbell.db") as store:
        store.execute(
            "CREATE TRIGGER full BEFORE INSERT ON counter BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
    store.close()
    assert (
        refused(config, capsys)
        == "tillbell: cannot write the state: disk full. Check the disk (df) and its mount"
    )


def test_a_store_that_cannot_be_read_ends_it_with_a_sentence(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Pairings) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(Pairings, "all", broken)
    assert "cannot use the state: disk I/O error" in refused(config, capsys)


@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [
        (None, 0, "cannot be read: No such file or directory. Write the PIN into it"),
        (b"4711", 0o640, "can be read by others. Run: chmod 600"),
        (b"\xff\xfe47", 0o600, "does not hold a PIN of 4 to 8 digits"),
        ("٤٧١١".encode(), 0o600, "does not hold a PIN of 4 to 8 digits"),
        (b"123456789", 0o600, "does not hold a PIN of 4 to 8 digits"),
    ],
)
def test_a_file_without_a_pin_is_refused_by_run_and_check_in_the_same_words(
    config: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, mode: int, why: str
) -> None:
    pin = config.parent / "pin"
    if content is not None:
        pin.write_bytes(content)
        pin.chmod(mode)
    text = config.read_text("utf-8").replace('name = "sim1"', f'name = "sim1"\npin_file = "{pin}"')
    config.write_text(text, "utf-8")
    said = refused(config, capsys)
    assert why in said
    assert main(["check", "--config", str(config), "--json"]) == 2
    found = json.loads(capsys.readouterr().out)["findings"]
    (told,) = [each["message"] for each in found if each["about"] == "pin_file"]
    assert said == f"tillbell: cannot use the PIN of modem sim1: {told}"
