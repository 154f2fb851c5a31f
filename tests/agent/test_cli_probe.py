"""``tillbell probe`` as a command: which ports it takes, what it prints, how it ends; and what it asks of a port."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tillbell_agent.cli import main
from tillbell_agent.cli.probe_ports import Listened, all_known
from tillbell_agent.probe.hunt import Hunt
from tillbell_agent.shell import ports as ports_module
from tillbell_agent.shell.ports import LineSettings, ListenPort, PortError
from tillbell_agent.shell.serial_ports import serial_ports
from tillbell_agent.sim.garbling import GarblingPort
from tillbell_agent.sim.pty import PseudoTerminal

RECEIPT = (
    b"\x1b@\x1b!\x10CORNER BOOKS\n\x1b!\x00Notebook A5    USD 3.50\nTOTAL USD 3.50\nThank you\n\x1dVB\x00"
)


@contextmanager
def saying(path: Path, octets: bytes, speed: int = 9600) -> Iterator[None]:
    """A line that says the same every quarter of a second."""
    stopped = threading.Event()
    with GarblingPort(path, speed) as port:

        def talk() -> None:
            while not stopped.wait(0.25):
                port.say(octets)

        thread = threading.Thread(target=talk)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join()
        assert port.written() == b""


def test_a_printer_is_told_with_its_evidence_and_the_block_to_paste(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "printer"
    with saying(path, RECEIPT):
        assert main(["probe", "--port", str(path)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{path}: escpos at 9600 8N1\n")
    assert "lines of text" in out
    assert "Parity is assumed" in out
    assert out.endswith(
        f'[[source]]\nname = "escpos"\ndialect = "escpos"\nport = "{path}"\nbaudrate = 9600\n'
    )
    assert err == "", "progress is for a terminal"


def test_nothing_of_a_receipt_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "printer"
    with saying(path, RECEIPT.replace(b"Thank you", b"4111 1111 1111 1111")):
        main(["probe", "--port", str(path), "--json"])
    out, _ = capsys.readouterr()
    assert "1111" not in out
    assert "CORNER" not in out


def test_a_silent_port_is_said_to_be_silent_with_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with GarblingPort(tmp_path / "silent", 9600):
        assert main(["probe", "--port", str(tmp_path / "silent"), "--seconds", "1"]) == 1
    out, _ = capsys.readouterr()
    assert "nothing heard" in out
    assert "--ask-modem" in out
    assert "[[source]]" not in out


def test_a_port_that_is_not_there_is_told_and_the_others_are_heard(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, missing = tmp_path / "printer", tmp_path / "missing"
    with saying(path, RECEIPT):
        assert main(["probe", "--port", str(missing), "--port", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert "no such port" in told["ports"][0]["trouble"]
    assert told["ports"][1]["dialects"] == ["escpos"]
    assert len(told["sources"]) == 1


def test_only_ports_that_cannot_be_opened_are_exit_code_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["probe", "--port", str(tmp_path / "missing"), "--seconds", "1"]) == 3
    assert "is the adapter plugged in?" in capsys.readouterr().out


def test_no_port_at_all_is_an_error_with_the_next_step(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tillbell_agent.cli.probe.serial_ports", list)
    assert main(["probe"]) == 3
    assert "--port" in capsys.readouterr().err


def test_a_port_that_is_pulled_out_is_told_with_what_was_heard(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = PseudoTerminal(tmp_path / "port")
    path = port.path
    timer = threading.Timer(0.5, port.close)
    timer.start()
    assert main(["probe", "--port", path, "--seconds", "3"]) == 3
    timer.join()
    assert "unplugged" in capsys.readouterr().out


def test_a_silent_port_that_is_named_as_a_modem_is_asked_and_nothing_else_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tillbell_agent.cli.probe_ports._LISTEN_FIRST_S", 0.1)
    monkeypatch.setattr("tillbell_agent.cli.probe_ports._ANSWER_S", 0.1)
    with PseudoTerminal(tmp_path / "port") as port:
        assert main(["probe", "--ask-modem", str(tmp_path / "port")]) == 1
        assert port.read() == b"\rAT\r" * 5
    assert "no answer to AT at any speed" in capsys.readouterr().out


def test_a_pseudo_terminal_takes_every_speed_and_no_parity(tmp_path: Path) -> None:
    with PseudoTerminal(tmp_path / "port") as pty:
        port = ListenPort(LineSettings(pty.path))
        for speed in (1200, 115_200):
            assert port.tune(speed, 8, "N", 1)
            assert pty.speed() == speed
        assert not port.tune(9600, 7, "E", 1)
        assert not port.tune(9600, 8, "M", 1)
        assert port.tune(2400, 8, "N", 1), "what was refused is left behind"
        assert port.error_counts() is None, "it keeps no counters"
        port.close()


def test_what_was_heard_with_other_settings_is_dropped(tmp_path: Path) -> None:
    with PseudoTerminal(tmp_path / "port") as pty:
        port = ListenPort(LineSettings(pty.path))
        pty.write(b"stale")
        port.tune(1200, 8, "N", 1)
        assert port.read() == b""
        port.close()


def test_a_port_that_is_gone_cannot_be_tuned(tmp_path: Path) -> None:
    pty = PseudoTerminal(tmp_path / "port")
    port = ListenPort(LineSettings(pty.path))
    pty.close()
    with pytest.raises(PortError):
        port.tune(1200, 8, "N", 1)
    port.close()


def test_a_drivers_counters_are_framing_errors_with_breaks_and_parity_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counters = list(
        range(20)
    )  # cts dsr rng dcd rx tx frame overrun parity brk buf_overrun, and nine that are kept free
    packed = ports_module._COUNTERS.pack(*counters)
    monkeypatch.setattr("tillbell_agent.shell.ports.fcntl.ioctl", lambda *_: packed)
    with PseudoTerminal(tmp_path / "port") as pty:
        port = ListenPort(LineSettings(pty.path))
        assert port.error_counts() == (6 + 9, 8)
        port.close()


def test_a_terminals_port_has_no_way_to_write() -> None:
    assert not hasattr(ListenPort, "write")


def test_all_is_known_when_no_port_is_left_to_listen_to() -> None:
    assert all_known([Listened("/dev/none", Hunt(0.0))])


def make(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")


def test_ports_are_listed_once_by_the_name_that_stays(tmp_path: Path) -> None:
    make(tmp_path, "dev/ttyUSB0", "dev/ttyUSB1", "dev/ttyACM0", "dev/tty0", "dev/null")
    (tmp_path / "dev/serial/by-id").mkdir(parents=True)
    os.symlink("../../ttyUSB1", tmp_path / "dev/serial/by-id/usb-FTDI-if00")
    assert serial_ports(tmp_path) == [
        str(tmp_path / "dev" / name) for name in ("serial/by-id/usb-FTDI-if00", "ttyUSB0", "ttyACM0")
    ]


def test_the_console_and_uarts_that_are_not_built_in_are_left_out(tmp_path: Path) -> None:
    make(tmp_path, "dev/ttyS0", "dev/ttyS1", "dev/ttyS2", "dev/ttyAMA0")
    for name, kind in (("ttyS0", "4"), ("ttyS1", "0"), ("ttyS2", "4")):
        make(tmp_path, f"sys/class/tty/{name}/type")
        (tmp_path / f"sys/class/tty/{name}/type").write_text(f"{kind}\n")
    make(tmp_path, "sys/class/tty/console/active")
    (tmp_path / "sys/class/tty/console/active").write_text("tty0 ttyS2\n")
    assert serial_ports(tmp_path) == [str(tmp_path / "dev" / name) for name in ("ttyAMA0", "ttyS0")]
