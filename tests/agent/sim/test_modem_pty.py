"""``tillbell sim modem`` as a process: its link, its log, its control socket, and that it ends cleanly."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import serial

from tillbell_agent.cli import main
from tillbell_agent.sim.pty import PseudoTerminal


@pytest.fixture
def simulator(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """A running simulator; a test may give it further arguments by parametrizing this."""
    command = [sys.executable, "-m", "tillbell_agent.cli", "sim", "modem", "--link", str(tmp_path / "port")]
    command += [
        "--log",
        str(tmp_path / "log"),
        "--control",
        str(tmp_path / "control"),
        "--number",
        "+8613700000001",
        *getattr(request, "param", []),
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stderr is not None
        assert process.stderr.readline() == "ready\n"
        yield process
    finally:
        process.terminate()
        process.wait(10)
        process.stderr.close()  # type: ignore[union-attr]


def ask(port: serial.Serial, line: bytes, end: bytes = b"OK\r\n") -> bytes:
    port.write(line)
    said: bytes = port.read_until(end)
    assert said.endswith(end), said
    return said


def request(path: Path, **values: object) -> Any:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(path))
        connection.sendall(json.dumps(values).encode() + b"\n")
        return json.loads(connection.makefile().readline())


def logged(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_program_may_close_the_port_and_open_it_again(
    simulator: subprocess.Popen[str], tmp_path: Path
) -> None:
    for _ in range(3):
        with serial.Serial(str(tmp_path / "port"), 115_200, timeout=5) as port:
            assert ask(port, b"AT\r") == b"AT\r\r\nOK\r\n"
    assert simulator.poll() is None
    assert [record["line"] for record in logged(tmp_path / "log")] == ["AT"] * 3


def test_a_message_is_logged_and_shown_by_the_phone(simulator: subprocess.Popen[str], tmp_path: Path) -> None:
    with serial.Serial(str(tmp_path / "port"), 115_200, timeout=5) as port:
        ask(port, b"AT+CMGS=19\r", b"> ")
        ask(port, b"0021000D91683108108300F0000005E8329BFD06\x1a")
        # What a program has been told stands in the log by then.
        sms = [record for record in logged(tmp_path / "log") if record["ev"] == "sms"]
        assert [(record["to"], record["text"], record["mr"]) for record in sms] == [
            ("+8613800138000", "hello", 1)
        ]
    answer = request(tmp_path / "control", do="phone", number="+8613800138000")
    assert [(message["from"], message["text"]) for message in answer["messages"]] == [
        ("+8613700000001", "hello")
    ]


def test_the_control_socket_serves_several_and_survives_nonsense(
    simulator: subprocess.Popen[str], tmp_path: Path
) -> None:
    path = tmp_path / "control"
    with socket.socket(socket.AF_UNIX) as idle, socket.socket(socket.AF_UNIX) as rude:
        idle.connect(str(path))
        rude.connect(str(path))
        rude.sendall(b"\xff\xfe not json\n")
        assert json.loads(rude.makefile().readline())["ok"] is False
    assert request(path, do="latency", ms=10) == {"ok": True}
    with serial.Serial(str(tmp_path / "port"), 115_200, timeout=5) as port:
        assert request(path, do="urc", line="RING") == {"ok": True}
        assert port.read_until(b"RING\r\n").endswith(b"\r\nRING\r\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(simulator: subprocess.Popen[str], tmp_path: Path, number: int) -> None:
    simulator.send_signal(number)
    assert simulator.wait(5) == 0
    assert not (tmp_path / "port").is_symlink()
    assert not (tmp_path / "control").exists()


def test_octets_pass_the_pseudo_terminal_unchanged(tmp_path: Path) -> None:
    octets = bytes(range(256)) * 4
    with PseudoTerminal(tmp_path / "port") as near, serial.Serial(str(tmp_path / "port"), timeout=5) as far:
        near.write(octets)
        assert far.read(len(octets)) == octets
        far.write(octets)
        far.flush()
        got, until = b"", time.monotonic() + 5
        while len(got) < len(octets) and time.monotonic() < until:
            got += near.read()
        assert got == octets


def test_what_nobody_reads_is_kept_up_to_a_limit_and_blocks_nothing(tmp_path: Path) -> None:
    with PseudoTerminal(tmp_path / "port") as near:
        for _ in range(100):
            near.write(b"x" * 10_000)
        assert near.unwritten


def test_a_link_replaces_an_old_link_and_never_a_file(tmp_path: Path) -> None:
    (tmp_path / "old").symlink_to("/nowhere")
    with PseudoTerminal(tmp_path / "old") as near:
        assert (tmp_path / "old").readlink() == Path(near.path)
    assert not (tmp_path / "old").is_symlink()
    (tmp_path / "file").write_text("precious")
    with pytest.raises(FileExistsError, match="no symbolic link"):
        PseudoTerminal(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "precious"


def wait_for(path: Path, there: bool, seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while path.is_symlink() is not there:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_unplugged_the_link_is_gone_and_a_reader_is_told_then_another_port_stands_behind_it(
    simulator: subprocess.Popen[str], tmp_path: Path
) -> None:
    link, control = tmp_path / "port", tmp_path / "control"
    before = link.readlink()
    with serial.Serial(str(link), 115_200, timeout=5) as port:
        ask(port, b"ATE0\r")
        assert request(control, do="unplug", seconds=0.5) == {"ok": True, "power": "unplugged"}
        wait_for(link, there=False)
        with pytest.raises((serial.SerialException, OSError)):
            port.read(1)
        wait_for(link, there=True)
    assert link.readlink() != before
    with serial.Serial(str(link), 115_200, timeout=5) as port:
        assert b"AT\r\r\nOK\r\n" in ask(port, b"AT\r")
    assert [record["ev"] for record in logged(tmp_path / "log")][-3:] == ["plugged", "urc", "cmd"]


@pytest.mark.parametrize("simulator", [["--baud", "9600"]], indirect=True)
def test_at_another_speed_than_its_own_there_is_no_word_to_be_had(
    simulator: subprocess.Popen[str], tmp_path: Path
) -> None:
    with serial.Serial(str(tmp_path / "port"), 115_200, timeout=0.3) as port:
        port.write(b"AT\r")
        assert b"OK" not in port.read(100)
        port.baudrate = 9600
        assert ask(port, b"\rAT\r").endswith(b"OK\r\n")
        ask(port, b"AT+IPR=57600\r")
        port.baudrate = 57600
        ask(port, b"AT\r")


def cpu_seconds(process: subprocess.Popen[str]) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("simulator", [["--baud", "1200", "--throttle"]], indirect=True)
def test_a_slow_line_takes_its_time_and_unplugged_in_its_middle_costs_nothing(
    simulator: subprocess.Popen[str], tmp_path: Path
) -> None:
    with serial.Serial(str(tmp_path / "port"), 1200, timeout=5) as port:
        began = time.monotonic()
        ask(port, b"AT\r")
        # Three octets there, and back behind the last one its echo and six: the first echoes travel meanwhile.
        assert time.monotonic() - began >= (3 + 1 + 6) * 10 / 1200
        request(tmp_path / "control", do="urc", line="x" * 1000)
        request(tmp_path / "control", do="unplug")
        used = cpu_seconds(simulator)
        time.sleep(0.5)
        assert cpu_seconds(simulator) - used < 0.2


def test_a_word_that_utf_8_has_no_octets_for_is_logged_and_ends_nothing(
    simulator: subprocess.Popen[str], tmp_path: Path
) -> None:
    assert request(tmp_path / "control", do="urc", line="\ud800收")["ok"]
    assert request(tmp_path / "control", do="state")["power"] == "on"
    assert logged(tmp_path / "log")[0]["line"] == "\ud800收"


@pytest.mark.parametrize("simulator", [["--autobaud"]], indirect=True)
def test_autobauding_finds_the_speed_of_the_port(simulator: subprocess.Popen[str], tmp_path: Path) -> None:
    with serial.Serial(str(tmp_path / "port"), 38_400, timeout=0.3) as port:
        said = []
        for _ in range(4):
            port.write(b"AT\r")
            said.append(port.read_until(b"OK\r\n"))
        assert said == [b"", b"", b"AT\r\r\nOK\r\n", b"AT\r\r\nOK\r\n"]


@pytest.mark.parametrize(
    "simulator",
    [["--fault", "barred", "--do", '{"do": "registration", "stat": "roaming"}', "--boot-ms", "300", "--pin", "4711"]],
    indirect=True,
)  # fmt: skip
def test_what_is_asked_for_on_the_command_line_holds_from_the_start(
    simulator: subprocess.Popen[str], tmp_path: Path
) -> None:
    assert request(tmp_path / "control", do="faults")["waiting"] == [{"kind": "barred", "count": 0}]
    with serial.Serial(str(tmp_path / "port"), 115_200, timeout=5) as port:
        assert port.read_until(b"RDY\r\n").endswith(b"RDY\r\n")
        assert b"+CPIN: SIM PIN" in ask(port, b"AT+CPIN?\r")
        assert b"+CREG: 0,5" in ask(port, b"AT+CREG?\r")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--fault", "explode"], "no fault 'explode'"),
        (["--do", '{"do": "explode"}'], "no request 'explode'"),
        (["--latency-ms", "-1"], "no number from 0"),
        (["--slots", "99"], "slots can grow"),
        (["--baud", "-5"], "invalid choice: -5"),
    ],
)
def test_a_command_line_that_asks_for_nonsense_is_refused_and_says_why(
    tmp_path: Path, arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with contextlib.suppress(SystemExit):
        assert (
            main(["sim", "modem", "--link", str(tmp_path / "p"), "--log", str(tmp_path / "l"), *arguments])
            == 2
        )
    assert why in capsys.readouterr().err
