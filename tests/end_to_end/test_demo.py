"""``tillbell demo`` as a shopkeeper starts it, and the judge that decides whether it went well."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tillbell_agent.sim import demo as demo_module
from tillbell_agent.sim.demo import Demo
from tillbell_agent.sim.demo_check import ledger_faults, read_text, sealed_faults, text_faults
from tillbell_agent.sim.demo_receipts import Expected, morning
from tillbell_agent.sim.demo_screen import show_plain
from tillbell_protocol.event import Kind

SALE = Expected(Kind.SALE, 1880, "000012", "6691")
VOID = Expected(Kind.VOID, 1880, "000013", "6691")
CASHLESS = Expected(Kind.SALE, 500, "2026112100017", None)
SALE_TEXT = "【老王面馆】收款到账18.80元,11-21 14:05,银联尾号6691,第1笔,今日累计18.80元,校验123456"
VOID_TEXT = "【老王面馆】撤销18.80元,11-21 14:06,银联尾号6691,原凭证000012,第2笔,今日累计0.00元,校验654321"
CASHLESS_TEXT = "【老王面馆】收款到账5.00元,11-21 14:07,微信支付,第3笔,今日累计5.00元,校验111111"
EXPECTED = [SALE, VOID, CASHLESS]


CODES = {1: ["123456"], 2: ["654321"], 3: ["111111"], 4: ["123456"]}


def opened(*expected: Expected) -> list[dict[str, Any]]:
    return [
        {
            "ev": "opened",
            "counter": 512 + n,
            "event": {
                "kind": e.kind.word,
                "amount_minor": e.amount_minor,
                "currency": e.currency,
                "reference": e.reference,
                "card_last4": e.card_last4,
            },
        }
        for n, e in enumerate(expected)
    ]


def test_a_text_is_read_as_a_merchant_reads_it() -> None:
    read = read_text(VOID_TEXT)
    assert (read.kind, read.amount_minor, read.seq, read.card_last4) == (Kind.VOID, 1880, 2, "6691")
    assert (read.day_total_minor, read.repeated) == (0, False)
    assert read_text("(重发)" + SALE_TEXT).repeated


def test_the_judge_finds_no_fault_in_the_truth_and_in_a_marked_repetition() -> None:
    assert text_faults(EXPECTED, [SALE_TEXT, VOID_TEXT, CASHLESS_TEXT], CODES) == []
    assert text_faults(EXPECTED, [SALE_TEXT, "(重发)" + SALE_TEXT, CASHLESS_TEXT, VOID_TEXT], CODES) == []
    assert sealed_faults("hq", EXPECTED, [*opened(*EXPECTED), {"ev": "duplicate", "counter": 512}]) == []


@pytest.mark.parametrize(
    ("texts", "fault"),
    [
        ((SALE_TEXT, CASHLESS_TEXT), "never told of receipt 000013"),
        ((SALE_TEXT, SALE_TEXT, VOID_TEXT, CASHLESS_TEXT), "number 1 was told twice without a mark"),
        ((SALE_TEXT, VOID_TEXT, CASHLESS_TEXT.replace("账5.00", "账6.00")), "number 3: amount is 600"),
        ((SALE_TEXT, VOID_TEXT.replace("撤销", "退款"), CASHLESS_TEXT), "number 2: kind is"),
        ((SALE_TEXT.replace("6691", "6692"), VOID_TEXT, CASHLESS_TEXT), "number 1: card is 6692"),
        (
            (SALE_TEXT, VOID_TEXT, CASHLESS_TEXT.replace("累计5.00", "累计23.80")),
            "number 3: day's total is 2380",
        ),
        (
            (SALE_TEXT, VOID_TEXT, CASHLESS_TEXT, SALE_TEXT.replace("第1笔", "第4笔")),
            "a number that no receipt has: 4",
        ),
    ],
)
def test_the_judge_finds_each_fault_of_a_phone(texts: tuple[str, ...], fault: str) -> None:
    assert fault in "\n".join(text_faults(EXPECTED, texts, CODES))


def test_a_wrong_check_code_is_a_fault() -> None:
    texts = [SALE_TEXT, VOID_TEXT[:-6] + "654322", CASHLESS_TEXT]
    assert "a check code is not the device's" in "\n".join(text_faults(EXPECTED, texts, CODES))


@pytest.mark.parametrize(
    ("events", "fault"),
    [
        (opened(SALE, VOID), "never told of sale 500"),
        (opened(*EXPECTED, SALE), "1 events twice, under new counters"),
        (opened(SALE, VOID, replace(CASHLESS, amount_minor=99999)), "told what no receipt says: sale 99999"),
        ([*opened(*EXPECTED), {"ev": "refused", "why": "the tag does not hold"}], "refused a message"),
        ([*opened(*EXPECTED), {"ev": "closed", "gaps": [[514, 515]]}], "misses counters"),
        (opened(*EXPECTED) + opened(SALE), "opened a counter twice"),
    ],
)
def test_the_judge_finds_each_fault_of_headquarters(events: list[dict[str, object]], fault: str) -> None:
    assert fault in "\n".join(sealed_faults("hq", EXPECTED, events))


def test_the_judge_finds_what_the_ledger_lacks_or_counts_wrongly() -> None:
    rows = [{"seq": n, **event["event"]} for n, event in enumerate(opened(*EXPECTED), 1)]
    assert ledger_faults(EXPECTED, rows) == []
    assert ledger_faults(EXPECTED, rows[:2]) == [
        "the ledger's numbers are [1, 2]",
        "the ledger lacks sale 500 CNY 2026112100017",
    ]
    assert ledger_faults(EXPECTED, [*rows[:2], {**rows[2], "amount_minor": 5}]) != []


def test_the_morning_is_the_same_for_the_same_seed() -> None:
    now = datetime(2026, 11, 21, 14, 0)
    assert morning(1, now) == morning(1, now)
    assert morning(1, now) != morning(2, now)
    receipts = morning(3, now)
    assert sum(receipt.expected is None for receipt in receipts) == 3
    assert sum(receipt.kill for receipt in receipts) == 1
    assert any(b"TOTAL 999.99" in receipt.octets for receipt in receipts)


def start(*arguments: str, cwd: Path) -> subprocess.Popen[bytes]:
    """The demonstration in a process group of its own, so that whatever it leaves behind can be counted."""
    return subprocess.Popen(
        [sys.executable, "-m", "tillbell_agent.cli", "demo", *arguments],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        # A terminal without Chinese must not stop it either.
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
            "PYTHONIOENCODING": "ascii",
        },
    )


def processes_of_session(session: int) -> list[str]:
    """What still runs in a session, from /proc (field 6 of ``stat``); zombies do not run."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(stat.parent.name)
    return found


def test_demo_ends_well_and_its_json_tells_the_same(tmp_path: Path) -> None:
    demo = start("--json", "--seed", "7", "--keep", str(tmp_path / "kept"), cwd=tmp_path)
    out, err = demo.communicate(timeout=110)
    events = [json.loads(line) for line in out.decode().splitlines()]
    assert demo.returncode == 0, f"{err.decode()}\n{out.decode()}"
    result = events[-1]
    assert result["ev"] == "result"
    assert result["faults"] == []
    assert result["kills"] == 1
    assert sum(event["ev"] == "printed" for event in events) == result["receipts"] == 10
    assert sum(event["ev"] == "heard" for event in events) == result["transactions"] == 7
    assert b"999.99" not in out.replace(b"its picture spells TOTAL 999.99", b"")
    assert processes_of_session(demo.pid) == []
    assert (tmp_path / "kept" / "config.toml").exists()
    for event in events:
        show_plain(event)


def test_interrupted_demo_leaves_no_process_and_no_folder(tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    os.environ["TMPDIR"] = str(temporary)
    try:
        demo = start("--json", cwd=tmp_path)
    finally:
        del os.environ["TMPDIR"]
    assert demo.stdout is not None
    while b'"printed"' not in (line := demo.stdout.readline()):
        assert line, "the demonstration ended by itself"
    demo.send_signal(signal.SIGINT)
    demo.communicate(timeout=30)
    assert demo.returncode == 130
    deadline = time.monotonic() + 5
    while processes_of_session(demo.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_of_session(demo.pid) == []
    assert list(temporary.iterdir()) == []


def test_a_step_that_fails_is_named_and_ends_every_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(p for p in sys.path if p))
    monkeypatch.setitem(demo_module.RECIPIENTS, "hq", ("not a number", "sealed"))
    events: list[dict[str, object]] = []
    assert Demo(tmp_path, tmp_path, 1, events.append).play() == 1
    assert events[-1]["ev"] == "failed"
    assert "pairing with hq" in str(events[-1]["step"])
    assert "network" in str(events[-1]["last_words"])
    started = [event["pid"] for event in events if event["ev"] == "started"]
    assert len(started) == 3
    assert not any(Path(f"/proc/{pid}").exists() for pid in started)
    for event in events:
        show_plain(event)


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "something").touch()
    demo = start("--keep", str(tmp_path), cwd=tmp_path)
    _, err = demo.communicate(timeout=30)
    assert demo.returncode == 2
    assert "is not empty" in err.decode()
    assert "Traceback" not in err.decode()
