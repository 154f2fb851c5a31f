"""Each condition of a modem, brought about in a real one's place: what ``status``, ``queue`` and ``doctor`` then say."""

import contextlib
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from shop import Shop, slip

from tillbell_agent.cli import main
from tillbell_agent.modem.conditions import NEXT_STEP, WAITS_FOR, Condition

# Condition → how the simulated modem is started, the doctor's check that names it, and its exit code.
BEGUN = {
    Condition.PIN_NEEDED: (("--pin", "4711"), "SIM sim1", 2),
    Condition.PUK_NEEDED: (("--do", '{"do": "sim", "state": "SIM PUK"}'), "SIM sim1", 2),
    Condition.NO_SIM: (("--do", '{"do": "sim", "state": "NOT INSERTED"}'), "SIM sim1", 2),
    Condition.SIM_BUSY: (("--do", '{"do": "sim", "state": "BUSY"}'), "SIM sim1", 1),
    Condition.SEARCHING: (("--do", '{"do": "registration", "stat": "searching"}'), "registration sim1", 1),
    Condition.DENIED: (("--do", '{"do": "registration", "stat": "denied"}'), "registration sim1", 2),
    Condition.DEAF: (("--fault", "deaf:count=0"), "modem sim1", 2),
    Condition.STARTING: (("--fault", "late:seconds=60,command=+CGMI"), "modem sim1", 1),
    Condition.BARRED: (("--fault", "barred"), "SIM sim1", 2),
    Condition.NO_CREDIT: (("--fault", "no_credit"), "SIM sim1", 2),
    Condition.STORAGE_FULL: (("--fault", "refuse:code=322,count=0"), "modem sim1", 1),
}


def said(shop: Shop, verb: str) -> tuple[int, str]:
    """(exit code, what a person reads) of one verb."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        code = main([verb, "--config", str(shop.config)])
    return code, output.getvalue()


def modem(shop: Shop) -> dict[str, Any]:
    told: dict[str, Any] = shop.json("status", code=None)["modems"][0]
    return told


def check_words(shop: Shop, condition: Condition, name: str, code: int) -> None:
    """What it does, since when, what it waits for and what to do next stand in all three."""
    words = rf"{condition.value.replace('_', ' ')} for \d+ s \([^)]+\)*, waits for "
    waits_for, next_step = WAITS_FOR[condition], NEXT_STEP[condition]
    status_code, status = said(shop, "status")
    assert status_code == 1
    assert re.search(f"NOT READY, {words}{re.escape(waits_for)}", status), status
    assert f"  next: {next_step}\n" in status
    queue_code, queue = said(shop, "queue")
    assert queue_code == 0
    assert re.search(f"queued .* modem sim1: {words}{re.escape(waits_for)}", queue), queue
    doctor = shop.json("doctor", code=code)
    found = {check["name"]: check for check in doctor["checks"]}[name]
    assert re.search(words + re.escape(waits_for), found["evidence"]), found
    assert found["level"] == ("fail" if code == 2 else "warn")
    assert found["next_action"] == next_step or condition is Condition.UNPLUGGED
    for text in (status, queue, json.dumps(doctor)):
        assert not re.search(r"(?<!-)\btime-?out\b", text, re.IGNORECASE), text


@pytest.mark.parametrize("condition", BEGUN)
def test_status_queue_and_doctor_say_in_words_how_the_modem_is(tmp_path: Path, condition: Condition) -> None:
    flags, name, code = BEGUN[condition]
    with Shop(tmp_path, ("owner",)) as shop:
        shop.start_modem(*flags)
        shop.start_agent()
        shop.tillbell("send", "--config", str(shop.config), "--to", "owner", "one text that waits")
        shop.wait(
            f"{condition.value}, and the text to be back in the queue",
            lambda: (
                modem(shop)["condition"] == condition.value
                and shop.json("queue")[0]["state"] == "queued"
                and shop.json("queue")[0]["waits_for"].startswith("modem")
            ),
        )
        check_words(shop, condition, name, code)


def test_a_modem_that_is_reset_because_it_fails_is_told_with_the_step_of_recovery(tmp_path: Path) -> None:
    with Shop(tmp_path, ("owner",)) as shop:
        shop.start_modem("--fault", "refuse:code=300,count=0")
        shop.start_agent()
        shop.wait("ready", lambda: modem(shop)["condition"] == "ready")
        shop.ask_modem(do="boot", boot_s=60)
        for number in range(3):
            shop.tillbell("send", "--config", str(shop.config), "--to", "owner", f"text {number}")
        shop.wait("resetting", lambda: modem(shop)["condition"] == "resetting")
        check_words(shop, Condition.RESETTING, "modem sim1", 1)
        assert re.search(
            r"^  recovery: reset by command, \d+ s ago: under way$", said(shop, "status")[1], re.M
        )


def test_an_unplugged_modem_is_told_and_told_as_well_again(tmp_path: Path) -> None:
    with Shop(tmp_path, ("owner",)) as shop:
        shop.start_modem()
        shop.start_agent()
        shop.wait("ready", lambda: modem(shop)["condition"] == "ready")
        shop.ask_modem(do="unplug")
        shop.wait("unplugged", lambda: modem(shop)["condition"] == "unplugged")
        shop.tillbell("send", "--config", str(shop.config), "--to", "owner", "one text that waits")
        check_words(shop, Condition.UNPLUGGED, "modem sim1", 2)
        found = {check["name"]: check for check in shop.json("doctor", code=2)["checks"]}
        assert "is not there" in found["modem sim1"]["evidence"]
        assert found["modem sim1"]["next_action"].startswith("Plug it in")
        assert "not known while the modem is unplugged" in found["registration sim1"]["evidence"]
        shop.ask_modem(do="plug")
        shop.wait("the text", lambda: shop.texts() == ["one text that waits"])
        assert shop.json("doctor", code=0)["ok"]
        assert said(shop, "status")[0] == 0


def test_where_all_is_well_doctor_exits_0_and_names_model_operator_and_signal(tmp_path: Path) -> None:
    with Shop(tmp_path) as shop:
        shop.start_modem()
        shop.pair()
        shop.start_agent()
        shop.wait("the first samples", lambda: modem(shop)["operator"] and modem(shop)["signal_dbm"])
        code, text = said(shop, "doctor")
        assert code == 0, text
        assert text.splitlines()[-1].endswith("checks, all well")
        assert re.search(r"^ok +agent +running for \d+ s, tillbell .* \(process \d+\)$", text, re.M), text
        assert re.search(r"^ok +modem sim1 +\S.* answers", text, re.M), text
        assert re.search(r"^ok +registration sim1 +registered with \S.*, signal -\d+ dBm$", text, re.M), text
        assert re.search(r"^ok +recipient hq +paired", text, re.M), text
        assert re.search(r"^ok +source printer +open", text, re.M), text


def test_a_program_that_reads_the_terminals_line_away_is_named(tmp_path: Path) -> None:
    """ModemManager and the like open ports without asking; the error has to name the culprit."""
    with Shop(tmp_path, ("owner",)) as shop:
        shop.start_modem()
        shop.start_agent()
        meddler = tmp_path / "meddler.py"
        meddler.write_text(
            "import os, sys; os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY); print('open', flush=True); sys.stdin.read()"
        )
        with subprocess.Popen(
            [sys.executable, str(meddler), shop.line.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdout.readline()
            found = {check["name"]: check for check in shop.json("doctor", code=2)["checks"]}[
                "source printer"
            ]
            child.stdin.close()
        assert re.search(rf"is held by python\S* meddler\.py \(process {child.pid}\)", found["evidence"])
        assert "meddler.py" in found["next_action"]


def test_a_store_that_was_damaged_is_an_alarm_in_status_and_a_warning_of_doctor(tmp_path: Path) -> None:
    with Shop(tmp_path, ("owner",)) as shop:
        shop.start_modem()
        shop.start_agent()
        shop.line.write(slip("126.50", "000001"))
        shop.wait("the text", shop.texts)
        shop.stop_agent()
        store = shop.state_dir / "tillbell.db"
        octets = bytearray(store.read_bytes())
        for page in range(len(octets) // 2048, len(octets) // 1024):
            octets[page * 1024 : page * 1024 + 256] = b"\xa5" * 256
        store.write_bytes(octets)
        stopped = {check["name"]: check for check in shop.json("doctor", code=2)["checks"]}
        assert stopped["store"]["level"] == "fail"
        assert "it is damaged" in stopped["store"]["evidence"]
        shop.start_agent()
        shop.wait("ready", lambda: modem(shop)["condition"] == "ready")
        code, text = said(shop, "status")
        assert code == 1
        assert "ALARM the store was damaged and is set aside as tillbell.db.corrupt-1" in text
        running = {check["name"]: check for check in shop.json("doctor", code=1)["checks"]}
        assert running["store"]["level"] == "warn"
        assert "rows were saved" in running["store"]["evidence"]
