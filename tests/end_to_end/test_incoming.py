"""Texts to the shop's SIM, through real processes that are killed: none lost, none told twice, none left in the modem."""

import random
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from shop import Shop

from tillbell_protocol.seal import PORT
from tillbell_protocol.sms.address import Address
from tillbell_protocol.sms.dcs import Dcs
from tillbell_protocol.sms.gsm7 import to_septets
from tillbell_protocol.sms.segment import split_data, split_text
from tillbell_protocol.sms.status import Status
from tillbell_protocol.sms.timestamp import Timestamp
from tillbell_protocol.sms.tpdu import SmsDeliver, SmsStatusReport
from tillbell_protocol.sms.udh import ports_element

ASKER = "+8613700000001"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with Shop(tmp_path, ("owner",)) as shop:
        yield shop


def stamp(after_s: int = 0) -> Timestamp:
    return Timestamp.from_datetime(datetime(2026, 11, 21, 4, tzinfo=UTC) + timedelta(seconds=after_s))


def tpdus(text: str, reference: int = 1, sender: str = ASKER) -> list[bytes]:
    origin = Address.from_text(sender)
    return [
        SmsDeliver(origin, 0, part.dcs, stamp(reference), part.udh, part.ud).encode()
        for part in split_text(text, reference)
    ]


def deliver(shop: Shop, *received: bytes) -> None:
    for tpdu in received:
        shop.ask_modem(do="deliver", tpdu=tpdu.hex())


def inbox(shop: Shop) -> list[dict[str, Any]]:
    """Oldest first."""
    rows: list[dict[str, Any]] = shop.json("inbox")
    return rows[::-1]


def words(shop: Shop) -> list[str]:
    return [row["text"] for row in inbox(shop) if row["state"] == "whole"]


def used(shop: Shop) -> int:
    """Messages in all of the modem's storages."""
    return sum(shop.ask_modem(do="state")["used"].values())


def test_a_text_is_shown_the_modem_is_emptied_and_the_log_has_no_word_of_it(shop: Shop) -> None:
    shop.start_modem()
    shop.start_agent()
    deliver(shop, *reversed(tpdus("今天卖了多少？" * 20)))
    (row,) = shop.wait("the text", lambda: inbox(shop) if words(shop) else [])
    assert (row["text"], row["kind"], row["sender"], row["parts"], row["total"]) == (
        "今天卖了多少？" * 20, "text", ASKER, 3, 3,
    )  # fmt: skip
    shop.wait("an empty modem", lambda: used(shop) == 0)
    said = shop.agent_said()
    assert "message_received" in said
    assert "…0001" in said
    assert ASKER not in said
    assert "今天" not in said


@pytest.mark.parametrize("first", [0, 1])
def test_a_kill_between_two_parts_loses_neither(shop: Shop, first: int) -> None:
    parts = tpdus("一" * 100)
    shop.start_modem()
    shop.start_agent()
    deliver(shop, parts[first])
    (row,) = shop.wait("the partial text", lambda: inbox(shop))
    assert (row["state"], row["parts"], row["total"]) == ("partial", 1, 2)
    assert "…" in row["text"]
    shop.kill_agent()
    deliver(shop, parts[1 - first])
    shop.start_agent()
    shop.wait("the whole text", lambda: words(shop) == ["一" * 100])
    assert len(inbox(shop)) == 1
    shop.wait("an empty modem", lambda: used(shop) == 0)


def test_what_lies_in_any_storage_when_the_agent_starts_is_found(shop: Shop) -> None:
    shop.start_modem()
    for number, name in enumerate(("SM", "ME", "SR")):
        shop.ask_modem(do="storage", receive_into=name)
        deliver(shop, *tpdus(f"left in {name}", reference=number))
    shop.ask_modem(do="storage", receive_into="ME")
    shop.start_agent()
    shop.wait("three leftovers", lambda: sorted(words(shop)) == ["left in ME", "left in SM", "left in SR"])
    shop.wait("an empty modem", lambda: used(shop) == 0)
    deliver(shop, *tpdus("into ME"))
    shop.wait("one announced in ME", lambda: "into ME" in words(shop))
    shop.wait("an empty modem", lambda: used(shop) == 0)


def test_each_kind_of_message_is_told_apart_and_nothing_is_executed(shop: Shop) -> None:
    origin, data = Address.from_text(ASKER), bytes(range(180))
    flash = SmsDeliver(origin, 0, Dcs(0x10), stamp(), (), to_septets("now"))
    waiting = SmsDeliver(origin, 0, Dcs(0xC8), stamp(), (), b"")
    port = SmsDeliver(origin, 0, Dcs.DATA8, stamp(), (ports_element(2948, 9200),), b"push")
    report = SmsStatusReport(77, origin, stamp(), stamp(), Status(0))
    sealed = [
        SmsDeliver(origin, 0, part.dcs, stamp(), part.udh, part.ud).encode()
        for part in split_data(data, 9, PORT)
    ]
    shop.start_modem()
    shop.start_agent()
    deliver(shop, flash.encode(), waiting.encode(), port.encode(), report.encode(), *sealed)
    deliver(shop, *tpdus("STOP"), *tpdus("from a name", sender="BANK"))
    rows = shop.wait("six messages", lambda: inbox(shop) if len(inbox(shop)) == 6 else [])
    assert [row["kind"] for row in rows] == ["flash", "message-waiting", "data", "sealed", "text", "text"]
    assert rows[3]["data"] == data.hex()
    assert [row["sender_is_name"] for row in rows] == [False] * 5 + [True]
    shop.wait("the report told apart", lambda: "status_report_unmatched" in shop.agent_said())
    shop.wait("an empty modem", lambda: used(shop) == 0)
    assert shop.json("queue") == []
    assert shop.records() == [] or not [each for each in shop.records() if each["ev"] == "sms"]


def test_a_storage_that_gives_what_was_deleted_tells_it_once(shop: Shop) -> None:
    shop.start_modem()
    shop.ask_modem(do="fault", kind="ghost", count=3)
    shop.start_agent()
    deliver(shop, *tpdus("once"))
    shop.wait("the text", lambda: words(shop) == ["once"])
    for _ in range(2):
        assert shop.stop_agent() == 0
        shop.start_agent()
        copies = inbox(shop)[0]["copies"]
        shop.wait("the sweep", lambda: used(shop) == 0 or inbox(shop)[0]["copies"] > copies)  # noqa: B023
    assert words(shop) == ["once"]
    assert inbox(shop)[0]["copies"] >= 1


def test_a_full_storage_is_emptied_and_what_waits_in_the_network_comes(shop: Shop) -> None:
    shop.start_modem()
    shop.ask_modem(do="storage", places=2)
    sent = [f"number {number}" for number in range(6)]
    for number, text in enumerate(sent):
        deliver(shop, *tpdus(text, reference=number))
    assert used(shop) == 2
    shop.start_agent()
    shop.wait("all six", lambda: words(shop) == sent)
    shop.wait("an empty modem", lambda: used(shop) == 0)


def test_kills_at_random_moments_while_texts_arrive_lose_none_and_tell_none_twice(shop: Shop) -> None:
    chance = random.Random(20261121)
    sent = [f"{number:02}" * 80 for number in range(12)]
    parts = [(number, tpdu) for number, text in enumerate(sent) for tpdu in tpdus(text, reference=number)]
    chance.shuffle(parts)
    shop.start_modem()
    shop.start_agent()
    for turn, (_, tpdu) in enumerate(parts):
        deliver(shop, tpdu)
        if turn % 4 == 3:
            time.sleep(chance.uniform(0.2, 2.2))  # from "not ready yet" to "in the middle of the sweep"
            shop.kill_agent()
            shop.start_agent()
    shop.wait("every text", lambda: sorted(words(shop)) == sent)
    assert len(inbox(shop)) == len(sent)
    assert not any(row["ambiguous"] for row in inbox(shop))
    shop.wait("an empty modem", lambda: used(shop) == 0)
