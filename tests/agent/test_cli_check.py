import argparse
import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tillbell_agent.cli import check, main

NOBODY = 65534
CONFIG = """\
schema = 1
state_dir = "{state}"
[device]
name = "till-1"
merchant = "{merchant}"
timezone = "Asia/Shanghai"
currency = "CNY"
language = "zh"
[[source]]
name = "printer"
dialect = "escpos"
port = "{port}"
[[modem]]
name = "sim1"
port = "/dev/null"
[[recipient]]
name = "owner"
phone = "+8613800138000"
format = "text"
[[recipient]]
name = "boss"
phone = "+8613800138001"
format = "text"
language = "en"
[[recipient]]
name = "hq"
phone = "+8613900139000"
format = "sealed"
"""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    return tmp_path / "state"


def written(tmp_path: Path, *, merchant: str = "老王面馆", port: str = "/dev/tty", extra: str = "") -> Path:
    path = tmp_path / "config.toml"
    text = CONFIG.format(state=tmp_path / "state", merchant=merchant, port=port)
    path.write_text(text + extra, encoding="utf-8")
    return path


def findings(path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, list[tuple[str, str]]]]:
    status = main(["check", "--config", str(path), "--json"])
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is (status == 0)
    told: dict[str, list[tuple[str, str]]] = {}
    for finding in report["findings"]:
        told.setdefault(finding["about"], []).append((finding["level"], finding["message"]))
    return status, told


def test_a_good_configuration_passes_and_says_what_a_text_looks_like(
    tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, told = findings(written(tmp_path), capsys)
    assert status == 0
    assert told["configuration"] == [("ok", f"{tmp_path / 'config.toml'}: 1 source, 1 modem, 3 recipients")]
    assert told["state_dir"][0][0] in ("ok", "warn")
    ((level, chinese),) = told["text zh"]
    assert level == "ok"
    assert "收款到账99999.99元" in chinese
    assert "of 70 characters" in chinese
    assert "老王面馆: received CNY 99999.99" in told["text en"][0][1]
    assert list(state.iterdir()) == []


def test_a_port_that_is_not_there_is_a_warning_with_the_next_step(
    tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, told = findings(written(tmp_path, port="/dev/tillbell-absent"), capsys)
    assert status == 0
    ((level, message),) = told['source "printer"']
    assert level == "warn"
    assert "/dev/tillbell-absent" in message
    assert "Plug it in" in message


def test_a_port_that_is_a_file_fails(tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    status, told = findings(written(tmp_path, port="file"), capsys)
    assert status == 2
    assert told['source "printer"'][0][0] == "fail"


def test_problems_go_to_standard_error_with_file_and_line(
    tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, extra='colour = "red"\n')
    assert main(["check", "--config", str(path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"{path}:{len(path.read_text(encoding='utf-8').splitlines())}: unknown key" in captured.err
    assert "Traceback" not in captured.err


def test_problems_as_json_carry_file_and_line(
    tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, extra='colour = "red"\n')
    assert main(["check", "--config", str(path), "--json"]) == 2
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert (finding["file"], finding["line"]) == (
        str(path),
        len(path.read_text(encoding="utf-8").splitlines()),
    )


def test_an_absent_file_says_how_to_make_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--config", str(tmp_path / "absent.toml")]) == 2
    assert "tillbell init" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "advice"), [(errno.ENOSPC, "Free some space"), (errno.EROFS, "change state_dir")]
)
def test_a_full_or_read_only_disk_fails(
    tmp_path: Path,
    state: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    advice: str,
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    status, told = findings(written(tmp_path), capsys)
    ((level, message),) = told["state_dir"]
    assert (status, level) == (2, "fail")
    assert os.strerror(number) in message
    assert advice in message


def test_a_state_directory_that_its_owner_may_not_write_fails_for_root_as_well(
    tmp_path: Path, state: Path
) -> None:
    config = written(tmp_path)
    state.chmod(0o500)
    if os.geteuid() == 0:  # who checks as root is told what the service may do
        os.chown(state, NOBODY, NOBODY)
    command = [sys.executable, "-m", "tillbell_agent.cli", "check", "--config", str(config), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    told = {finding["about"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert (done.returncode, told["state_dir"]["level"]) == (2, "fail")
    assert "cannot be written: Permission denied" in told["state_dir"]["message"]


def test_a_state_directory_below_a_file_fails_whoever_asks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state").write_text("a file")
    status, told = findings(written(tmp_path), capsys)
    assert (status, told["state_dir"][0][0]) == (2, "fail")


def test_a_state_directory_that_does_not_exist_yet_is_not_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, told = findings(written(tmp_path), capsys)
    assert status == 0
    assert "it will be made" in told["state_dir"][0][1] or told["state_dir"][0][0] == "warn"
    assert not (tmp_path / "state").exists()


def test_a_pin_file_that_others_can_read_fails(
    tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pin = tmp_path / "pin"
    path = written(tmp_path)
    path.write_text(
        path.read_text(encoding="utf-8").replace('"/dev/null"', '"/dev/null"\npin_file = "pin"'),
        encoding="utf-8",
    )
    assert findings(path, capsys)[1]["pin_file"][0][0] == "fail"
    pin.write_text("1234")
    pin.chmod(0o644)
    status, told = findings(path, capsys)
    assert (status, told["pin_file"][0][0]) == (2, "fail")
    assert f"chmod 600 {pin}" in told["pin_file"][0][1]
    pin.chmod(0o600)
    assert findings(path, capsys)[0] == 0
    pin.write_text("12 34")
    status, told = findings(path, capsys)
    assert (status, told["pin_file"][0][0]) == (2, "fail")
    assert "12 34" not in told["pin_file"][0][1]


def test_a_name_too_long_for_one_text_is_warned_of(
    tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, merchant="乌鲁木齐幸福手机专卖店火车站分店有限责任公司")
    status, told = findings(path, capsys)
    assert status == 0
    assert [level for level, _ in told["text zh"]] == ["ok", "warn"]
    assert "short_name" in told["text zh"][1][1]


def test_lists_that_are_empty_are_warned_of(
    tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path)
    text = path.read_text(encoding="utf-8")
    path.write_text(text[: text.index("[[modem]]")], encoding="utf-8")
    status, told = findings(path, capsys)
    assert status == 0
    assert [level for level, _ in told["configuration"]] == ["ok", "warn", "warn"]


def test_help_has_an_example() -> None:
    parser = argparse.ArgumentParser()
    check.configure(parser)
    assert parser.epilog is not None
    assert parser.epilog.startswith("example:\n  tillbell check")
