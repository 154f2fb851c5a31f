"""A disk that is full, read-only or damaged, under the real agent: it goes on listening, loses nothing, and says so.

The full and the read-only disk are a small file system of their own, which only root may mount.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from shop import HQ, OWNER, Shop, slip

from tillbell_agent.database import FILE_NAME

_PAGE = 1024


class Disk:
    """A file system of one megabyte at ``path``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self._mount("-t", "tmpfs", "-o", "size=1m,mode=0700", "none")

    def _mount(self, *arguments: str) -> None:
        subprocess.run(["mount", *arguments, str(self.path)], check=True, capture_output=True)

    def fill(self) -> None:
        """To the last octet."""
        with (self.path / "ballast").open("wb", buffering=0) as ballast:
            size = 65_536
            while size:
                try:
                    ballast.write(bytes(size))
                except OSError:
                    size //= 2

    def make_room(self) -> None:
        (self.path / "ballast").unlink()

    def set_read_only(self, *, read_only: bool) -> None:
        """``-o ro`` on a busy file system: what is open for writing refuses as a card does that protects itself."""
        self._mount("-o", "remount,ro" if read_only else "remount,rw")

    def close(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.path)], check=True, capture_output=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    if os.geteuid() != 0:
        pytest.skip("mounting a file system needs root")
    try:
        disk = Disk(tmp_path / "disk")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this machine lets nobody mount a file system: {error.stderr!r}")
    yield disk
    disk.close()


@pytest.fixture
def shop(tmp_path: Path, disk: Disk) -> Iterator[Shop]:
    with Shop(tmp_path) as shop:
        text = shop.config.read_text("utf-8")
        shop.config.write_text(text.replace(str(shop.state_dir), str(disk.path / "state")), "utf-8")
        shop.state_dir = disk.path / "state"
        shop.start_modem()
        shop.pair()
        shop.start_agent()
        yield shop


def tell(shop: Shop, *numbers: int) -> None:
    for number in numbers:
        shop.line.write(slip(f"{number}.00", f"{number:06d}"))


def told(shop: Shop, count: int) -> None:
    shop.wait(f"{count} texts", lambda: len(shop.texts()) == count)
    shop.wait(f"{count} sealed messages", lambda: len(shop.sealed()) == count)


def test_sales_on_a_full_disk_wait_and_are_told_in_order_when_there_is_room(shop: Shop, disk: Disk) -> None:
    tell(shop, 1)
    told(shop, 1)
    disk.fill()
    tell(shop, *range(2, 30))
    shop.wait("a refusal in the log", lambda: "store_refused" in shop.agent_said())

    def waiting() -> int:
        count: int = shop.json("status", code=None)["sources"][0]["waiting_for_disk"]
        return count

    shop.wait("sales that wait", waiting)
    disk.make_room()
    told(shop, 29)
    assert [f"{number}.00" in text for number, text in enumerate(shop.texts(), 1)] == [True] * 29
    assert [row["seq"] for row in shop.json("txn")] == list(range(29, 0, -1))
    assert shop.json("status", code=None)["sources"][0]["lost"] == 0
    opened = shop.open(*shop.sealed())
    assert [message["event"]["amount_minor"] for message in opened] == [
        100 * number for number in range(1, 30)
    ]


def test_sales_on_a_disk_that_became_read_only_wait_for_it(shop: Shop, disk: Disk) -> None:
    tell(shop, 1)
    told(shop, 1)
    assert shop.stop_agent() == 0
    disk.set_read_only(read_only=True)
    done = shop.tillbell("run", "--config", str(shop.config), code=2)
    assert "read-only" in done.stderr
    assert "Traceback" not in done.stderr
    tell(shop, 2)  # the port keeps it
    disk.set_read_only(read_only=False)
    shop.start_agent()
    told(shop, 2)


def test_an_agent_started_on_a_full_disk_listens_and_tells_when_there_is_room(shop: Shop, disk: Disk) -> None:
    tell(shop, 1)
    told(shop, 1)
    shop.kill_agent()
    disk.fill()
    shop.start_agent()
    tell(shop, 2)
    shop.wait("a refusal in the log", lambda: "store_refused" in shop.agent_said())
    disk.make_room()
    told(shop, 2)


# A damaged store needs no file system of its own.


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Shop]:
    with Shop(tmp_path) as shop:
        shop.start_modem()
        shop.pair()
        shop.start_agent()
        yield shop


def test_a_damaged_store_is_set_aside_at_the_start_and_numbers_and_day_go_on(plain: Shop) -> None:
    tell(plain, 1, 2, 3)
    told(plain, 3)
    assert plain.stop_agent() == 0
    path = plain.state_dir / FILE_NAME
    content = bytearray(path.read_bytes())
    content[_PAGE : 2 * _PAGE] = bytes(_PAGE)
    damaged = bytes(content)
    path.write_bytes(b"\x00" * 100 + damaged[100:])  # not even its first octets are left
    plain.start_agent()
    assert (plain.state_dir / f"{FILE_NAME}.corrupt-1").exists()
    assert "store_set_aside" in plain.agent_said()
    tell(plain, 4)
    plain.wait("the text", lambda: len(plain.texts()) == 4)
    seqs = [row["seq"] for row in plain.json("txn")]
    assert min(seqs) > 3, "a number is never given twice"
    states = {row["recipient"]: row["state"] for row in plain.json("queue")}
    assert states["hq"] == "held"
    plain.pair()
    plain.wait("the sealed message", lambda: len(plain.shown(HQ)) == 4)
    assert plain.open(plain.sealed()[-1])[0]["event"]["amount_minor"] == 400
    assert len(plain.shown(OWNER)) == 4
