"""tillbell replay: what a dialect makes of a recorded line, and which dialect it is."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tillbell_agent.capture.recording import LineFormat, Recorder
from tillbell_agent.cli import main
from tillbell_agent.pos.dialect import Line
from tillbell_agent.sim.receipts import receipts
from tillbell_agent.sim.tills import TILLS, exchanges_of

START = datetime(2026, 5, 4, 9, 0)
CONFIG = """schema = 1
state_dir = "state"
[device]
name = "till-1"
merchant = "老王面馆"
timezone = "Asia/Shanghai"
currency = "CNY"
language = "zh"
[[source]]
name = "printer"
dialect = "escpos"
port = "/dev/ttyUSB0"
[[source]]
name = "card"
dialect = "zvt"
port = "/dev/ttyUSB1"
[[modem]]
name = "m"
port = "/dev/ttyUSB2"
[[recipient]]
name = "owner"
phone = "+8613800138000"
format = "text"
[[recipient]]
name = "hq"
phone = "+8613900139000"
format = "sealed"
"""


def call(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    got = main(["replay", *arguments])
    said = capsys.readouterr()
    assert got == code, said.err
    return said.out if code in (0, 1) else said.err


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Twelve receipts as they were heard."""
    path = tmp_path / "receipts.bin"
    path.write_bytes(b"".join(receipt.octets for receipt in islice(receipts(1, start=START), 12)))
    return path


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """A sale on a ZVT terminal, both lines, with a card number in full on the terminal's."""
    recorder = Recorder(
        {line: LineFormat(9600, 8, "N", 2) for line in Line},
        "test",
        datetime(2026, 5, 4, 7, tzinfo=UTC),
        0.0,
        10**6,
    )
    lines, now = [recorder.header], 1.0
    for exchange in islice(exchanges_of("zvt")(3, START, "EUR", frozenset()), 8):
        for spoken in exchange.spoken:
            now += spoken.after_s
            lines += recorder.receive_data(spoken.octets, now, spoken.line)
            lines += recorder.tick(now)
        now += 60
    path = tmp_path / "zvt.capture"
    path.write_text("".join([*lines, *recorder.close(now, "stopped")]))
    return path


def expected() -> list[Any]:
    return [
        receipt.expected for receipt in islice(receipts(1, start=START), 12) if receipt.expected is not None
    ]


def test_plain_octets_give_one_flat_object_an_event_and_a_summary(
    raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    *events, last = objects(call(capsys, str(raw), "--dialect", "escpos", "--json"))
    sales = [each for each in events if each["kind"] != "settlement"]
    assert [each["amount_minor"] for each in sales] == [each.amount_minor for each in expected()]
    assert [each["receipt_no"] for each in sales] == [each.receipt_no for each in expected()]
    assert sales[0]["terminal_time"] == expected()[0].terminal_time.isoformat()
    assert all(not isinstance(value, (dict, list)) for each in events for value in each.values())
    summary = last["summary"]
    assert {"events", "frames", "bad_frames", "octets_skipped"} <= set(summary)
    assert summary["events"] == len(events)
    assert summary["octets_skipped"] == 0


def test_a_session_gives_what_the_same_octets_give(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = tmp_path / "s.json"
    session.write_text(json.dumps({"steps": [{"t_ms": 0, "dir": "pt2ecr", "hex": raw.read_bytes().hex()}]}))
    plain = call(capsys, str(raw), "--dialect", "escpos", "--json")
    assert call(capsys, str(session), "--dialect", "escpos", "--json") == plain


def test_no_configuration_is_needed_and_settings_are_those_of_a_source(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    octets = next(receipts(1, start=START, currency="TWD", encoding="utf-8")).octets
    path = tmp_path / "r.prn"
    path.write_bytes(octets)
    event, _ = objects(
        call(capsys, str(path), "--dialect", "escpos", "--encoding", "utf-8", "--currency", "TWD", "--json")
    )
    assert event["currency"] == "TWD"


def test_a_capture_says_what_of_it_was_masked_and_every_frame_verifies(
    capture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = call(capsys, str(capture), "--dialect", "zvt", "--currency", "EUR")
    assert "terminal:" in said
    assert "9600 8N2" in said
    assert "Masked:" in said
    assert "the frame got a new check" in said
    assert " 0 octets skipped" in said
    events = objects(call(capsys, str(capture), "--dialect", "zvt", "--currency", "EUR", "--json"))
    assert events[-1]["summary"]["bad_frames"] == 0
    assert events[-1]["summary"]["masked"] > 0
    assert {"sale"} <= {event["kind"] for event in events[:-1]}


def test_a_date_gives_times_without_a_year_theirs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _session(tmp_path, "ecr17", 4)
    for day, year in (("2019-05-05", "2019"), ("2026-05-04", "2026")):
        events = objects(call(capsys, str(path), "--dialect", "ecr17", "--json", "--date", day))[:-1]
        assert {event["terminal_time"][:5] for event in events if event["terminal_time"]} == {f"{year}-"}


def _session(folder: Path, dialect: str, exchanges: int) -> Path:
    steps, now = [], 0.0
    currency = "CLP" if dialect == "transbank" else "EUR"
    for exchange in islice(exchanges_of(dialect)(3, START, currency, frozenset()), exchanges):
        for spoken in exchange.spoken:
            now += spoken.after_s
            steps.append({"t_ms": now * 1000, "dir": spoken.line.value, "hex": spoken.octets.hex()})
        now += 60
    path = folder / "s.json"
    path.write_text(json.dumps(steps))
    return path


@pytest.mark.parametrize("dialect", sorted(TILLS))
def test_without_a_dialect_each_is_tried_and_the_right_one_leads(
    dialect: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _session(tmp_path, dialect, 12)
    said = json.loads(call(capsys, str(path), "--json"))
    assert said["dialects"][0]["dialect"] == dialect
    assert said["dialects"][0]["transactions"] > 0


def test_the_table_of_dialects_names_the_next_step(raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = call(capsys, str(raw))
    assert "octets skipped" in said
    assert "paper cuts" in said
    assert f"tillbell replay {raw} --dialect escpos" in said


def test_noise_is_recognised_by_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "noise.bin"
    path.write_bytes(bytes(range(1, 200)))
    assert "No dialect recognised a transaction" in call(capsys, str(path), code=1)


def test_a_configuration_shows_what_would_be_sent_and_why(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.toml"
    config.write_text(CONFIG)
    arguments = (str(raw), "--config", str(config), "--source", "printer")
    said = call(capsys, *arguments)
    assert "→ owner: 【老王面馆】" in said or "→ owner: " in said
    assert "老王面馆" in said
    *events, _ = objects(call(capsys, *arguments, "--json"))
    first = events[0]["notices"]
    assert [each["to"] for each in first] == ["owner", "hq"]
    assert "老王面馆" in first[0]["text"]
    assert first[1]["text"] is None
    silent = [event for event in events if event["kind"] in ("declined", "preauth", "settlement")]
    assert silent
    assert all(notice["text"] is None for event in silent for notice in event["notices"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--dialect", "zvtt"], "did you mean 'zvt'"),
        (["--dialect", "escpos", "--encoding", "utf-16"], "--encoding"),
        (["--dialect", "escpos", "--currency", "yuan"], "--currency"),
        (["--source", "printer"], "Give --config"),
        (["--config", "{config}"], "Name one with --source: printer, card"),
        (["--config", "{config}", "--source", "no"], "no source 'no'"),
        (["--dialect", "iso8583", "--spec", "/no/such/file"], "--spec"),
    ],
)
def test_a_wrong_setting_is_named(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    config = tmp_path / "config.toml"
    config.write_text(CONFIG)
    given = [each.format(config=config) for each in arguments]
    assert words in call(capsys, str(raw), *given, code=2)


@pytest.mark.parametrize("content", [b"", b'{"tillbell_capture": 2}\n', b'{"tillbell_capture": 1}\nx\n'])
def test_a_file_that_cannot_be_read_is_named(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.capture"
    path.write_bytes(content)
    assert str(path) in call(capsys, str(path), code=2)
    assert "cannot read" in call(capsys, str(tmp_path / "none"), code=2)


def test_it_runs_as_a_program(raw: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "tillbell_agent.cli",
        "replay",
        str(raw),
        "--dialect",
        "escpos",
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "summary" in json.loads(done.stdout.splitlines()[-1])
