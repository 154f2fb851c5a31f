"""tillbell capture: a line of a pseudo-terminal becomes a file without card numbers."""

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "end_to_end"))

from shop import PATIENCE_S, SerialLine, slip

from tillbell_agent.capture.recording import read_recording
from tillbell_agent.cli import main
from tillbell_agent.pos.dialect import Line

PAN = "4111111111111111"


@pytest.fixture
def line() -> Iterator[SerialLine]:
    with contextlib.closing(SerialLine()) as opened:
        yield opened


@contextlib.contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """``tillbell capture``, listening; killed if a test leaves it."""
    command = [sys.executable, "-m", "tillbell_agent.cli", "capture", *arguments]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert child.stderr is not None
        assert "listening on" in child.stderr.readline()
        yield child
    finally:
        if child.poll() is None:
            child.kill()
        child.communicate()


def stopped(child: subprocess.Popen[str], number: signal.Signals = signal.SIGINT) -> tuple[int, str]:
    """(exit code, standard output)"""
    child.send_signal(number)
    out, _ = child.communicate(timeout=PATIENCE_S)
    return child.returncode, out


def until_read(line: SerialLine) -> None:
    time.sleep(0.1)  # what is written into a pseudo-terminal reaches its other end a moment later
    deadline = time.monotonic() + PATIENCE_S
    while line.unread():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_ctrl_c_ends_it_and_what_was_heard_is_in_the_file(line: SerialLine, tmp_path: Path) -> None:
    out = tmp_path / "a.capture"
    with running("--port", line.path, "--baudrate", "19200", "--out", str(out), "--json") as child:
        line.write(slip("18.80", "000001") + b"CARD " + PAN.encode() + b"\n")
        until_read(line)
        code, said = stopped(child)
    assert code == 0
    recording = read_recording(out.read_bytes())
    assert recording.whole
    assert recording.formats[Line.TERMINAL].words() == "19200 8N1"
    assert slip("18.80", "000001") in recording.octets(Line.TERMINAL)
    assert json.loads(said)["why"] == "stopped"
    assert json.loads(said)["lines"]["terminal"]["cuts"] == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_no_card_number_is_on_the_disk_at_any_time(
    line: SerialLine, tmp_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / "a.capture"
    seen = b""
    with running("--port", line.path, "--out", str(out)) as child:
        for piece in (
            b"THE NUMBER OF THE CARD 4111",
            b" 1111",
            b" 1111 1111\n",
            bytes.fromhex("f1" + PAN + "f1"),
        ):
            line.write(piece)
            until_read(line)
            time.sleep(0.1)
            seen += out.read_bytes()
        code, _ = stopped(child, number)
    assert code == 0
    octets = read_recording(out.read_bytes()).octets(Line.TERMINAL)
    for held in (seen, out.read_bytes(), octets, octets.hex().encode()):
        assert b"41111" not in held.replace(b" ", b"")
        assert b"1111 1111 1111" not in held
    assert octets.startswith(b"THE NUMBER OF THE CARD 0000 0000 0050 1111\n\xf1")


def test_the_file_is_for_its_owner_alone_and_is_never_replaced(
    line: SerialLine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a.capture"
    arguments = ["capture", "--port", line.path, "--out", str(out), "--seconds", "0.1"]
    before = os.umask(0)
    try:
        assert main(arguments) == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    first = out.read_bytes()
    capsys.readouterr()
    assert main(arguments) == 2
    assert "exists already" in capsys.readouterr().err
    assert out.read_bytes() == first


def test_nothing_heard_is_said(line: SerialLine, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["capture", "--port", line.path, "--out", str(tmp_path / "a"), "--seconds", "0.1"]) == 0
    assert "Nothing was heard" in capsys.readouterr().out


def test_both_lines_are_recorded_with_their_names(line: SerialLine, tmp_path: Path) -> None:
    out = tmp_path / "a.capture"
    with (
        contextlib.closing(SerialLine()) as till,
        running("--port", line.path, "--port-till", till.path, "--out", str(out)) as child,
    ):
        till.write(b"\x05")
        until_read(till)
        line.write(b"\x06")
        until_read(line)
        assert stopped(child)[0] == 0
    steps = read_recording(out.read_bytes()).steps
    assert [(step.line, step.octets) for step in steps] == [(Line.TILL, b"\x05"), (Line.TERMINAL, b"\x06")]


def test_it_stops_at_its_bound(line: SerialLine, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "a.capture"
    line.write(b"x" * 1000)
    arguments = [
        "capture",
        "--port",
        line.path,
        "--out",
        str(out),
        "--max-octets",
        "300",
        "--seconds",
        "20",
        "--json",
    ]
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["why"] == "as many octets as were asked for"
    assert read_recording(out.read_bytes()).octets(Line.TERMINAL) == b"x" * 300


def test_a_line_that_is_lost_ends_it_with_what_was_heard(tmp_path: Path) -> None:
    out = tmp_path / "a.capture"
    lost = SerialLine()
    with running("--port", lost.path, "--out", str(out)) as child:
        lost.write(b"\x02HELLO\x03\x01")
        until_read(lost)
        time.sleep(0.2)  # a pseudo-terminal that is closed takes what was not read with it
        lost.close()
        said, _ = child.communicate(timeout=PATIENCE_S)
    assert child.returncode == 3
    assert "the line was lost" in said
    assert read_recording(out.read_bytes()).octets(Line.TERMINAL) == b"\x02HELLO\x03\x01"


def test_it_never_writes_to_the_line(line: SerialLine, tmp_path: Path) -> None:
    echoed = threading.Event()
    with running("--port", line.path, "--out", str(tmp_path / "a")) as child:
        line.write(b"\x05\x05\x05")
        until_read(line)
        os.set_blocking(line._near, False)
        with contextlib.suppress(BlockingIOError):
            if os.read(line._near, 10):
                echoed.set()
        stopped(child)
    assert not echoed.is_set()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--port", "/dev/no-such-port"], 3, "no such port"),
        (["--port", "{line}", "--port-till", "{line}"], 2, "the same port"),
    ],
)
def test_what_cannot_be_listened_to_is_said_and_leaves_no_file(
    line: SerialLine, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    arguments: list[str], code: int, words: str,
) -> None:  # fmt: skip
    given = [each.format(line=line.path) for each in arguments]
    assert main(["capture", *given, "--out", str(tmp_path / "a.capture")]) == code
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(
    line: SerialLine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["capture", "--port", line.path, "--out", str(tmp_path / "no" / "a")]) == 1
    assert "Name a folder" in capsys.readouterr().err


@pytest.mark.parametrize("seconds", ["0", "-1", "inf", "soon"])
def test_seconds_are_a_number_above_zero(seconds: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["capture", "--port", "/dev/null", "--out", "a", f"--seconds={seconds}"])
    assert ended.value.code == 2
