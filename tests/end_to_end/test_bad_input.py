"""Wrong input to the real programs: each a clear error of its own, nothing lost, never a traceback."""

import json
import os
import pty
import subprocess
import sys
import time
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from shop import Shop, slip, tillbell

NOBODY = 65534
SILENCE_S = 0.7  # longer than idle_s of this shop's source
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user or mount")


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with Shop(tmp_path, ("owner",)) as shop:
        yield shop


def edited(shop: Shop, old: str, new: str) -> str:
    text = shop.config.read_text("utf-8")
    assert text.count(old) >= 1
    shop.config.write_text(text.replace(old, new, 1), "utf-8")
    return str(shop.config)


# The configuration


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("baudrate = 9600", "baudrat = 9600", ("config.toml:", "baudrat", "baudrate")),
        ('phone = "+8613800138000"', 'phone = "+86138x"', ("config.toml:", "phone", "+86138x")),
    ],
)
def test_a_wrong_configuration_is_refused_with_file_line_and_reason(
    shop: Shop, old: str, new: str, parts: tuple[str, ...]
) -> None:
    done = tillbell("run", "--config", edited(shop, old, new), code=2)
    for part in parts:
        assert part in done.stderr


def test_two_sources_on_one_port_are_refused_though_their_names_differ(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(shop.line.path)
    extra = f'[[source]]\nname = "second"\ndialect = "escpos"\nport = "{tmp_path / "alias"}"\n[[modem]]'
    done = tillbell("run", "--config", edited(shop, "[[modem]]", extra), code=2)
    assert 'which source "printer" uses already' in done.stderr


def test_a_missing_configuration_says_how_to_make_one(tmp_path: Path) -> None:
    assert "tillbell init" in tillbell("run", "--config", str(tmp_path / "none.toml"), code=2).stderr


def test_a_bundle_of_another_name_is_no_recipient(shop: Shop) -> None:
    done = tillbell("pair", "--config", str(shop.config), "--recipient", "owner", "--card", "TBC1.x", code=2)
    assert "readable texts" in done.stderr


# Ports


def test_a_port_that_is_missing_at_the_start_is_said_and_opened_when_it_appears(
    shop: Shop, tmp_path: Path
) -> None:
    port = tmp_path / "printer"
    edited(shop, shop.line.path, str(port))
    shop.start_modem()
    shop.start_agent(wait=False)
    status = shop.wait("an answer", lambda: _status(shop))
    assert "no such port" in status["sources"][0]["trouble"]
    assert "ready" not in shop.agent_said().splitlines()
    plain = tillbell("status", "--config", str(shop.config), code=1).stdout
    assert "NOT OPEN" in plain
    port.symlink_to(shop.line.path)
    shop.wait("ready", lambda: "ready" in shop.agent_said().splitlines())
    shop.line.write(slip("5.00", "000001"))
    shop.wait("the text", lambda: len(shop.texts()) == 1)


def _status(shop: Shop) -> dict[str, Any] | None:
    if not (shop.state_dir / "control").exists():
        return None
    told: dict[str, Any] = shop.json("status", code=None)
    return told if told["running"] else None


def test_without_a_modem_sales_are_recorded_and_leave_when_one_is_there(shop: Shop) -> None:
    shop.start_agent()
    shop.line.write(slip("5.00", "000001") + slip("6.00", "000002"))
    shop.wait("two sales", lambda: len(shop.json("txn")) == 2)
    assert {row["state"] for row in shop.json("queue")} == {"queued"}
    status = shop.json("status", code=1)
    assert (status["modems"][0]["open"], "no such port" in status["modems"][0]["doing"]) == (False, True)
    shop.start_modem()
    shop.wait("both texts", lambda: len(shop.texts()) == 2)


def test_noise_on_both_lines_stops_nothing(shop: Shop) -> None:
    near, far = pty.openpty()
    tty.setraw(far)
    shop.modem_port.symlink_to(os.ttyname(far))
    shop.start_agent()
    noise = bytes(range(256)) * 8
    os.write(near, noise)
    shop.line.write(noise + b"\x1b@\n\x1dV\x42\x00")
    shop.line.write(slip("5.00", "000001"))
    shop.wait("the sale", lambda: [row["amount_minor"] for row in shop.json("txn")][:1] == [500])
    os.close(near)
    os.close(far)
    shop.modem_port.unlink()
    shop.start_modem()
    shop.wait("the text", lambda: any("5.00" in text for text in shop.texts()))
    assert "Traceback" not in shop.agent_said()


def test_a_receipt_cut_off_by_a_power_loss_tells_no_amount_that_was_not_printed(shop: Shop) -> None:
    shop.start_modem()
    shop.start_agent()
    octets = slip("1234.50", "000001")
    amount = octets.index(b"RMB 1234.50")
    for cut in (amount - 30, amount + 5, amount + 7, amount + 9):
        before = shop.json("status", code=None)["sources"][0]["octets"]
        shop.line.write(octets[:cut])
        shop.wait(
            "heard",
            lambda before=before, cut=cut: (
                shop.json("status", code=None)["sources"][0]["octets"] == before + cut
            ),
        )  # type: ignore[misc]
        time.sleep(SILENCE_S)  # the silence itself ends the job
    shop.line.write(slip("9.00", "000002"))
    shop.wait("the whole one", lambda: any("9.00元" in text for text in shop.texts()))
    assert {row["amount_minor"] for row in shop.json("txn")} <= {None, 900}


# The state directory


@root_only
def test_a_state_directory_that_is_not_writable_is_refused(shop: Shop, tmp_path: Path) -> None:
    shop.state_dir.mkdir()
    tmp_path.chmod(0o755)
    _let_in(tmp_path)
    shop.state_dir.chmod(0o755)
    done = tillbell("run", "--config", str(shop.config), code=2, user=NOBODY)
    assert "not writable for user nobody" in done.stderr
    assert f"{shop.state_dir}" in done.stderr


@root_only
def test_a_state_directory_that_cannot_be_made_is_refused(shop: Shop, tmp_path: Path) -> None:
    _let_in(tmp_path)
    done = tillbell("run", "--config", str(shop.config), code=2, user=NOBODY)
    assert "cannot be made: Permission denied" in done.stderr


@root_only
def test_run_as_root_the_files_belong_to_the_owner_of_the_state_directory(shop: Shop, tmp_path: Path) -> None:
    _let_in(tmp_path)
    os.chmod(shop.line.path, 0o666)
    shop.state_dir.mkdir()
    os.chown(shop.state_dir, NOBODY, NOBODY)
    os.chown(tmp_path, NOBODY, NOBODY)
    shop.start_agent()
    owners = {path.stat().st_uid for path in shop.state_dir.iterdir()}
    assert owners == {NOBODY}
    assert shop.stop_agent() == 0


def _let_in(folder: Path) -> None:
    """Others may enter every folder above, as in a shop."""
    for parent in [folder, *folder.parents]:
        if parent != Path("/") and parent.stat().st_uid == os.geteuid():
            parent.chmod(parent.stat().st_mode | 0o055)


def test_a_second_agent_on_the_same_state_is_refused(shop: Shop) -> None:
    shop.start_agent()
    done = tillbell("run", "--config", str(shop.config), code=2)
    assert "another tillbell runs on" in done.stderr
    assert shop.json("status", code=None)["running"]


def test_a_file_that_is_no_database_is_said_and_kept_beside_a_fresh_store(shop: Shop) -> None:
    shop.state_dir.mkdir()
    (shop.state_dir / "tillbell.db").write_bytes(b"garbage" * 400)
    shop.start_agent()
    assert "store_set_aside" in shop.agent_said()
    assert (shop.state_dir / "tillbell.db.corrupt-1").read_bytes() == b"garbage" * 400
    assert "set aside" in " ".join(shop.json("status", code=1)["alarms"])


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@root_only
def test_on_a_full_disk_sales_wait_are_said_once_and_are_told_when_there_is_room(
    shop: Shop, tiny_disk: Path
) -> None:
    edited(shop, str(shop.state_dir), str(tiny_disk / "state"))
    shop.start_modem()
    shop.start_agent()
    shop.line.write(slip("1.00", "000001"))
    shop.wait("the first", lambda: len(shop.texts()) == 1)
    filler = tiny_disk / "filler"
    _fill(filler)
    for place in range(2, 42):
        shop.line.write(slip(f"{place}.00", f"{place:06d}"))
    source = shop.wait("sales that wait for the disk", lambda: _waiting(shop))
    assert source["lost"] == 0
    assert 1 <= shop.agent_said().count("store_refused source=") <= 3
    filler.unlink()
    shop.wait("all of them", lambda: len({text.split(",")[0] for text in shop.texts()}) == 41)
    assert [row["amount_minor"] for row in reversed(shop.json("txn", "--limit", "100"))] == [
        place * 100 for place in range(1, 42)
    ]
    assert "Traceback" not in shop.agent_said()


def _fill(filler: Path) -> None:
    """Take what is left, to the last octet."""
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 1024)
        except OSError:
            return


def _waiting(shop: Shop) -> dict[str, Any] | None:
    source: dict[str, Any] = shop.json("status", code=None)["sources"][0]
    return source if source["waiting_for_disk"] else None


@root_only
def test_a_start_on_a_full_disk_is_a_clear_error(shop: Shop, tiny_disk: Path) -> None:
    edited(shop, str(shop.state_dir), str(tiny_disk / "state"))
    _fill(tiny_disk / "filler")
    done = tillbell("run", "--config", str(shop.config), code=2)
    assert "disk" in done.stderr or "No space left" in done.stderr
    assert done.stderr.startswith("tillbell: ")


def test_a_log_that_nobody_reads_any_more_stops_nothing(shop: Shop) -> None:
    shop.start_modem()
    reading, writing = os.pipe()
    agent = subprocess.Popen(
        [sys.executable, "-m", "tillbell_agent.cli", "run", "--config", str(shop.config)],
        stderr=writing,
        stdin=subprocess.DEVNULL,
    )
    try:
        os.close(writing)
        shop.wait("a status", lambda: _status(shop))
        os.close(reading)
        shop.line.write(slip("5.00", "000001"))
        shop.wait("the text", lambda: len(shop.texts()) == 1)
        agent.terminate()
        assert agent.wait(20) == 0
    finally:
        agent.kill()
        agent.wait()


# Guard


def test_a_missing_second_place_is_an_alarm_in_status(tmp_path: Path) -> None:
    with Shop(tmp_path, ("owner", "hq")) as shop:
        shop.start_modem()
        shop.pair()
        (tmp_path / "state.guard").unlink()
        shop.start_agent()
        status = shop.json("status", code=1)
        assert "does not know a pairing" in status["alarms"][0]
        assert "ALARM" in tillbell("status", "--config", str(shop.config), code=1).stdout
        shop.line.write(slip("5.00", "000001"))
        shop.wait("the sealed message all the same", lambda: len(shop.sealed()) == 1)


# Sealed messages


@pytest.fixture(scope="module")
def sold(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Shop, list[str]]]:
    """A shop whose headquarters got two messages."""
    with Shop(tmp_path_factory.mktemp("sold"), ("hq", "books")) as shop:
        shop.start_modem()
        shop.pair("hq")
        shop.pair("books")
        shop.start_agent()
        shop.line.write(slip("5.00", "000001") + slip("6.00", "000002"))
        shop.wait("both", lambda: len(shop.sealed()) == 2)
        yield shop, shop.sealed()


def test_each_wrong_message_has_an_error_of_its_own(sold: tuple[Shop, list[str]]) -> None:
    shop, (first, second) = sold
    altered = first[:-2] + f"{int(first[-2:], 16) ^ 1:02x}"
    foreign = first[:2] + "0000" + first[6:] if first[2:6] != "0000" else first[:2] + "0001" + first[6:]
    cases = [
        (first, None), (first, "Duplicate"), (second, None), (first[:100], "Length"), (altered, "Tag"),
        (foreign, "UnknownKid"), ("51" + first[2:], "WrongDirection"), ("7f" + first[2:], "UnknownType"),
        ("", "Armor"), ("not a message!", "Armor"),
    ]  # fmt: skip
    told = shop.open(*(message for message, _ in cases))
    for (message, wanted), one in zip(cases, told, strict=True):
        if wanted == "Armor":
            assert "error" in one, message
        else:
            assert one.get("error") == wanted, (message, one)
        assert wanted is None or one["why"]


def test_replays_across_calls_are_seen_with_a_state_file(
    sold: tuple[Shop, list[str]], tmp_path: Path
) -> None:
    shop, (first, second) = sold
    keys = (
        "--key",
        str(shop.key()),
        "--bundle",
        str(shop.bundle()),
        "--state",
        str(tmp_path / "hq.json"),
        "--json",
    )
    assert json.loads(tillbell("open", *keys, first).stdout)["event"]["amount_minor"] == 500
    replayed = json.loads(tillbell("open", *keys, first, code=4).stdout)
    assert replayed["error"] == "Duplicate"
    assert json.loads(tillbell("open", *keys, second).stdout)["event"]["amount_minor"] == 600
    assert (tmp_path / "hq.json").stat().st_mode & 0o777 == 0o600


def test_a_cloned_device_is_a_counter_used_twice(tmp_path: Path) -> None:
    with Shop(tmp_path, ("hq",)) as shop:
        shop.start_modem()
        shop.pair()
        clone = tmp_path / "clone"
        subprocess.run(["cp", "-a", str(shop.state_dir), str(clone)], check=True)
        shop.start_agent()
        shop.line.write(slip("5.00", "000001"))
        shop.wait("the first", lambda: len(shop.sealed()) == 1)
        assert shop.stop_agent() == 0
        (tmp_path / "state.guard").rename(tmp_path / "clone.guard")
        (tmp_path / "clone.guard").write_text('{"version": 1, "epochs": {}}')
        edited(shop, str(shop.state_dir), str(clone))
        shop.start_agent()
        shop.line.write(slip("6.00", "000002"))
        shop.wait("the clone's", lambda: len(shop.sealed()) == 2)
        told = shop.open(*shop.sealed())
        assert [one.get("error") for one in told] == [None, "CounterReused"]
        assert "cloned or restored" in told[1]["why"]


def test_a_bundle_for_another_recipient_is_refused(sold: tuple[Shop, list[str]]) -> None:
    shop, (first, _) = sold
    done = tillbell(
        "open", "--key", str(shop.key("hq")), "--bundle", str(shop.bundle("books")), first, code=4
    )
    assert "another recipient" in done.stderr
    done = tillbell(
        "expand", "--key", str(shop.key("hq")), "--bundle", str(shop.bundle("books")), first, code=4
    )
    assert "another recipient" in done.stderr
