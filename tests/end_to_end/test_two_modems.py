"""Two modems on one outbox: shared work, numbers that belong to one of them, and a modem that dies."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from shop import HQ, OWNER, Shop, slip


class TwoModems(Shop):
    """A shop with a second modem, ``sim2``, and its own log and control socket."""

    def __init__(self, folder: Path, prefixes: dict[str, str] | None = None, **other: Any) -> None:
        super().__init__(folder, **other)
        prefixes = prefixes or {}
        text = self.config.read_text("utf-8")
        text = text.replace('name = "sim1"\n', f'name = "sim1"\n{prefixes.get("sim1", "")}\n')
        text += f'[[modem]]\nname = "sim2"\nport = "{folder / "modem2"}"\n{prefixes.get("sim2", "")}\n'
        self.config.write_text(text, "utf-8")

    def start_modem(self, *more: str) -> Any:
        first = super().start_modem(*more)
        self.second = self._children.start(
            "modem2", "tillbell_agent.cli", "sim", "modem", "--link", str(self.folder / "modem2"),
            "--log", str(self.folder / "network2.jsonl"), "--control", str(self.folder / "m2.sock"),
            "--latency-ms", str(self._latency_ms), *more,
        )  # fmt: skip
        return first

    def queue(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.json("queue")
        return rows

    def all_sent(self) -> bool:
        return {row["state"] for row in self.queue()} <= {"sent", "delivered"}

    def both_ready(self) -> bool:
        return all(modem["ready"] for modem in self.json("status", code=None)["modems"])


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[TwoModems]:
    with TwoModems(tmp_path, latency_ms=150) as shop:
        shop.start_modem()
        shop.pair()
        shop.start_agent()
        shop.wait("both modems", shop.both_ready)
        yield shop


def test_two_modems_share_a_queue_and_nothing_is_sent_twice(shop: TwoModems) -> None:
    for place in range(10):
        shop.line.write(slip(f"{place + 1}.00", f"{place:06d}"))
    shop.wait("twenty messages", lambda: len(shop.queue()) == 20)
    shop.wait("all of them sent", shop.all_sent)
    by_modem = [row["modem"] for row in shop.queue()]
    assert min(by_modem.count("sim1"), by_modem.count("sim2")) >= 5
    assert {row["attempts"] for row in shop.queue()} == {1}
    assert not any(row["repeated"] for row in shop.queue())


def test_a_modem_that_dies_is_bypassed_and_what_it_had_reaches_everybody(shop: TwoModems) -> None:
    for place in range(4):
        shop.line.write(slip(f"{place + 1}.00", f"{place:06d}"))
    shop.wait("eight messages", lambda: len(shop.queue()) == 8)
    shop._children.forget(shop.second)
    shop.second.kill()
    for place in range(4, 8):
        shop.line.write(slip(f"{place + 1}.00", f"{place:06d}"))

    def settled() -> bool:
        """One text may be of unknown outcome for a minute: it was with the modem that died."""
        states = [row["state"] for row in shop.queue()]
        return len(states) == 16 and states.count("unknown") <= 1 and {"queued", "claimed"}.isdisjoint(states)

    shop.wait("all the others sent", settled, 60)
    later = [row for row in shop.queue() if row["id"] > 8]
    assert {row["modem"] for row in later} == {"sim1"}


@pytest.fixture
def routed(tmp_path: Path) -> Iterator[TwoModems]:
    prefixes = {"sim1": 'prefixes = ["+86139"]', "sim2": 'prefixes = ["+86138", "+491"]'}
    with TwoModems(tmp_path, prefixes) as shop:
        shop.start_modem()
        shop.pair()
        shop.start_agent()
        shop.wait("both modems", shop.both_ready)
        yield shop


def test_a_number_goes_by_the_modem_that_its_prefix_names(routed: TwoModems) -> None:
    for place in range(6):
        routed.line.write(slip(f"{place + 1}.00", f"{place:06d}"))
    routed.wait("twelve messages sent", lambda: len(routed.queue()) == 12 and routed.all_sent())
    assert {(row["phone"], row["modem"]) for row in routed.queue()} == {(OWNER, "sim2"), (HQ, "sim1")}


def test_a_prefix_that_begins_no_number_is_told_by_check(tmp_path: Path) -> None:
    with TwoModems(tmp_path, {"sim2": 'prefixes = ["86 138"]'}) as shop:
        done = shop.tillbell("check", "--config", str(shop.config), code=2)
        assert '"86 138" begins no phone number' in done.stdout + done.stderr
