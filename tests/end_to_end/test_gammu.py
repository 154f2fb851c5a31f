"""The real ``gammu``, which knows nothing of this project, takes the simulated modem for a modem."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

GAMMU = shutil.which("gammu")
pytestmark = [
    pytest.mark.peer("gammu"),
    pytest.mark.skipif(GAMMU is None, reason="absent peer: gammu"),
]
PHONE = "+8613800138000"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with a running simulator's ``port`` and ``log``, and gammu's configuration ``rc``."""
    (tmp_path / "rc").write_text(f"[gammu]\ndevice = {tmp_path / 'port'}\nconnection = at115200\n")
    command = [sys.executable, "-m", "tillbell_agent.cli", "sim", "modem"]
    command += ["--link", str(tmp_path / "port"), "--log", str(tmp_path / "log")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stderr is not None
            assert process.stderr.readline() == "ready\n"
            yield tmp_path
        finally:
            process.terminate()


def gammu(folder: Path, *arguments: str, text: str | None = None) -> str:
    done = subprocess.run(
        [str(GAMMU), "-c", str(folder / "rc"), *arguments],
        capture_output=True, text=True, timeout=60, check=False, input=text, env={**os.environ, "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def messages(folder: Path) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in (folder / "log").read_text(encoding="utf-8").splitlines()]
    return [record for record in records if record["ev"] == "msg"]


def test_gammu_identifies_the_simulated_modem(folder: Path) -> None:
    said = gammu(folder, "identify")
    for words in ("Tillbell", "SIM modem", "356938035643809", "460001234567890"):
        assert words in said


def test_gammu_sends_a_text_through_the_simulated_modem(folder: Path) -> None:
    assert "OK, message reference=1" in gammu(folder, "sendsms", "TEXT", PHONE, "-text", "hello")
    assert [(message["to"], message["text"]) for message in messages(folder)] == [(PHONE, "hello")]


def test_gammu_s_long_chinese_text_arrives_whole(folder: Path) -> None:
    text = "【老王面馆】收款到账128.50元" * 6
    said = gammu(folder, "sendsms", "TEXT", PHONE, "-unicode", "-autolen", str(len(text)), "-text", text)
    assert "message reference=2" in said
    (message,) = messages(folder)
    assert message["text"] == text
    assert message["parts"] == 2
