"""What every verb does alike: unknown words, output that nobody reads or no disk takes, interruptions, no access."""

import json
import os
import socket
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from till import Till, configuration

from tillbell_agent.cli import check, main, status
from tillbell_agent.cli.common import money
from tillbell_agent.shell import control, ports
from tillbell_agent.shell.control import ControlError, NoAgentError, ask
from tillbell_agent.shell.ports import LineSettings, ListenPort, PortError

TILLBELL = [sys.executable, "-m", "tillbell_agent.cli"]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A shop whose agent has heard two sales and does not run now."""
    till = Till(tmp_path / "state")
    till.pair()
    till.hear(12650)
    till.hear(None, "000013", 61.0)
    till.register.connection.close()
    path = tmp_path / "config.toml"
    path.write_text(configuration(tmp_path / "state"), encoding="utf-8")
    return path


@contextmanager
def silent_agent(state_dir: Path) -> Iterator[None]:
    """Somebody listens on the control socket, takes a request, and hangs up without an answer."""
    here = os.open(state_dir, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"/proc/self/fd/{here}/{control.SOCKET_NAME}")
        listener.listen()

        def serve() -> None:
            client, _ = listener.accept()
            client.recv(control.LONGEST_REQUEST)
            client.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            thread.join(5)
            os.close(here)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["opne"], "there is no verb 'opne'. Did you mean tillbell open?"),
        (["keys", "nwe"], "there is no verb 'keys nwe'. Did you mean tillbell keys new?"),
        (["keys"], "there is no verb 'keys'. There are: keys new, keys show"),
        (["--config", "x"], "there is no verb '--config'. There are: demo, init, "),
    ],
)
def test_an_unknown_verb_is_named_with_what_there_is(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert capsys.readouterr().err.startswith(f"tillbell: {says}")


@pytest.mark.parametrize("words", [["sim", "--help"], ["help", "sim"]])
def test_help_for_a_first_word_lists_its_verbs(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert [line.split("  ")[1] for line in shown.splitlines()] == ["sim pos", "sim modem", "sim board"]


@pytest.mark.parametrize("words", [["--help"], ["txn", "--json"], ["pdu", "--json"] + ["00"] * 3000])
def test_a_reader_that_goes_away_gets_no_traceback(words: list[str], config: Path) -> None:
    if words[0] == "txn":
        words = [*words, "--config", str(config)]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*TILLBELL, *words], check=False, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60
    )
    os.close(writer)
    assert done.returncode == 1
    assert [line for line in done.stderr.splitlines() if not line.startswith("tillbell: 00: ")] == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="absent peer: /dev/full")
def test_output_that_the_disk_refuses_is_one_line(config: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*TILLBELL, "queue", "--config", str(config)],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert done.returncode == 1
    assert done.stderr == "tillbell: No space left on device. Check the disk (df) and who may write\n"


def test_an_output_without_chinese_shows_escapes(config: Path) -> None:
    environment = {**os.environ, "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [*TILLBELL, "init", "--help"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert r"--merchant \u8001\u738b" in done.stdout


def test_an_interruption_is_silent_and_has_its_own_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(check, "examine", interrupted)
    assert main(["check"]) == 130
    assert capsys.readouterr() == ("", "")


def test_an_error_of_the_system_is_one_line_with_its_path(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(_path: Path) -> None:
        raise PermissionError(13, "Permission denied", "/srv/shop")

    monkeypatch.setattr(check, "examine", refused)
    assert main(["check"]) == 1
    assert capsys.readouterr().err.startswith("tillbell: /srv/shop: Permission denied. ")


def test_status_counts_in_money_and_names_what_is_unknown(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    day = {"currency": "CNY", "count": 3, "net_minor": 12650, "unknown_count": 1}
    assert status._today("2026-11-21", day) == (
        "today 2026-11-21: 3 transactions, net 126.50 CNY and 1 of unknown amount"
    )
    assert main(["status", "--config", str(config)]) == 1
    assert capsys.readouterr().out.startswith(
        "till-1: not running (start it with tillbell run); from its store:\n"
    )


def test_a_source_that_understands_little_shows_it() -> None:
    source = {
        "name": "printer", "port": "/dev/ttyS0", "open": True, "trouble": None, "suspicion": None, "octets": 986,
        "told": 1, "known": 0, "settlements": 0, "ignored": 2, "skipped_octets": 40, "lost": 0, "waiting_for_disk": 0,
    }  # fmt: skip
    assert status._source(source) == (
        "source printer (/dev/ttyS0): open; 1 told, 986 octets heard, 2 ignored (the log says why), "
        "40 octets not understood: check baudrate and encoding"
    )
    whole = {"running": True, "sources": [source], "modems": [], "alarms": [], "recipients": []}
    assert status._is_well(whole)
    assert not status._is_well({**whole, "sources": [source | {"lost": 1}]})


def test_transactions_show_when_they_were_heard_and_what_is_unknown(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["txn", "--config", str(config)]) == 0
    head, newest, oldest = capsys.readouterr().out.splitlines()
    assert head.split()[:4] == ["no", "day", "heard", "source"]
    assert newest.startswith("2   2026-11-21  12:01:01  printer  sale  amount unknown ")
    assert oldest.startswith("1   2026-11-21  12:00:00  printer  sale  126.50 CNY ")


@pytest.mark.parametrize(
    ("minor", "currency", "shown"),
    [
        (58367, "CNY", "583.67 CNY"),
        (-5, "EUR", "-0.05 EUR"),
        (1200, "JPY", "1200 JPY"),
        (1234, "KWD", "1.234 KWD"),
        (None, "CNY", "amount unknown"),
        (1234, "QQQ", "1234 minor units of QQQ"),
    ],
)
def test_money_has_the_places_of_its_currency(minor: int | None, currency: str, shown: str) -> None:
    assert money(minor, currency) == shown


@pytest.mark.parametrize("verb", ["queue", "txn"])
@pytest.mark.parametrize("limit", ["0", "-3", "x", "²"])
def test_a_limit_that_limits_nothing_is_refused(
    verb: str, limit: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([verb, "--limit", limit])
    assert ended.value.code == 2
    assert f"{limit!r} is no whole number above 0" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["txn", "inbox"])
def test_a_store_of_somebody_else_says_who_may_look(
    verb: str, config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tillbell_agent.cli.common.open_for_reading", refused)
    assert main([verb, "--config", str(config)]) == 3
    assert capsys.readouterr().err == (
        f"tillbell: {config.parent / 'state'} cannot be read: Permission denied. Run this as its owner, or as root\n"
    )


@pytest.mark.parametrize("verb", ["status", "queue"])
def test_a_state_of_somebody_else_says_who_may_look(
    verb: str, config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_arguments: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(control.os, "open", refused)  # type: ignore[attr-defined]
    assert main([verb, "--config", str(config)]) == 3
    state = config.parent / "state"
    assert capsys.readouterr().err == (
        f"tillbell: the agent on {state} cannot be asked: Permission denied. "
        f"Run this as the owner of {state}, or as root\n"
    )


def test_nobody_listening_is_told_from_somebody_who_does_not_answer(tmp_path: Path) -> None:
    with pytest.raises(NoAgentError):
        ask(tmp_path / "nothing", {"do": "status"})
    with pytest.raises(NoAgentError):
        ask(tmp_path, {"do": "status"})
    with silent_agent(tmp_path), pytest.raises(ControlError, match="ended before it answered") as caught:
        ask(tmp_path, {"do": "status"})
    assert not isinstance(caught.value, NoAgentError)
    with pytest.raises(NoAgentError):  # the socket is still there, and nobody behind it
        ask(tmp_path, {"do": "status"})


def test_a_text_that_an_agent_may_have_taken_is_not_queued_again(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with silent_agent(config.parent / "state"):
        assert main(["send", "--config", str(config), "--to", "owner", "Closed tomorrow"]) == 3
    assert "See tillbell queue before sending it again" in capsys.readouterr().err
    assert main(["queue", "--config", str(config), "--json"]) == 0
    assert {row["class"] for row in json.loads(capsys.readouterr().out)} == {"txn"}


def test_a_text_that_no_message_holds_is_refused_before_it_is_queued(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["send", "--config", str(config), "--to", "owner", "一" * 67 * 256]) == 2
    assert "Say it in fewer words" in capsys.readouterr().err
    assert main(["queue", "--config", str(config), "--json"]) == 0
    assert {row["class"] for row in json.loads(capsys.readouterr().out)} == {"txn"}


def test_a_text_to_a_sealed_recipient_goes_readable_and_that_is_said(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["send", "--config", str(config), "--to", "hq", "Closed tomorrow"]) == 0
    assert "this text goes readable" in capsys.readouterr().err


def test_a_text_waits_in_the_store_where_no_agent_runs(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["send", "--config", str(config), "--to", "owner", "Closed tomorrow"]) == 0
    assert "queued; it leaves when tillbell run is started" in capsys.readouterr().out
    assert main(["queue", "--config", str(config), "--json", "--limit", "1"]) == 0
    assert [row["class"] for row in json.loads(capsys.readouterr().out)] == ["service"]


def test_a_file_in_the_place_of_the_state_directory_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state").write_text("")
    (tmp_path / "config.toml").write_text(configuration(tmp_path / "state"), encoding="utf-8")
    for verb in (["run"], ["send-test"]):
        assert main([*verb, "--config", str(tmp_path / "config.toml")]) == 2
        assert "a file is in the way. Remove it, or change state_dir" in capsys.readouterr().err


def test_what_is_no_serial_port_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path, Path("/dev/null")):
        with pytest.raises(PortError, match="this is no serial port: name a device below /dev"):
            ListenPort(LineSettings(str(path)))


def test_a_port_pulled_out_while_it_is_opened_is_gone_and_ends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    near, far = os.openpty()
    path = os.ttyname(far)

    def gone(_descriptor: int) -> None:
        raise termios.error(5, "Input/output error")

    before = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(ports, "_set_modes", gone)
    with pytest.raises(PortError, match="the other end is gone: is it unplugged"):
        ListenPort(LineSettings(path))
    assert len(os.listdir("/proc/self/fd")) == before
    os.close(near)
    os.close(far)
