"""Where received messages lie: every storage is swept, the one that +CMTI names is read, one memory with two names is one."""

from datetime import UTC, datetime

import pytest

from tillbell_agent.modem.chores import SWEEP_BEHIND_AGAIN_S, SWEEP_BEHIND_S
from tillbell_agent.modem.events import MessageReceived, StatusReportReceived, StoredAt
from tillbell_agent.modem.facts import ModemSettings
from tillbell_agent.modem.session import Session
from tillbell_agent.modem.traffic import STORAGES
from tillbell_agent.sim.modem import ModemMachine
from tillbell_agent.sim.modem_faults import Fault
from tillbell_agent.sim.modem_rig import Rig, perfect
from tillbell_agent.sim.network import Network, Record
from tillbell_protocol.sms.address import Address
from tillbell_protocol.sms.dcs import Dcs
from tillbell_protocol.sms.gsm7 import to_septets
from tillbell_protocol.sms.status import Status
from tillbell_protocol.sms.timestamp import Timestamp
from tillbell_protocol.sms.tpdu import SmsDeliver, SmsStatusReport

ASKER = Address.from_text("+8613700000001")
STAMP = Timestamp.from_datetime(datetime(2026, 11, 21, 4, tzinfo=UTC))


def deliver(text: str) -> bytes:
    return SmsDeliver(ASKER, 0, Dcs.GSM7, STAMP, (), to_septets(text)).encode()


def rig() -> Rig:
    machine = ModemMachine(Network(datetime(2026, 11, 21, tzinfo=UTC)), latency_s=0.5)
    return Rig(Session(0.0, settings=ModemSettings()), machine, perfect, seed=0)


def told(made: Rig) -> list[tuple[str, StoredAt | None]]:
    return [
        (SmsDeliver.decode(event.tpdu).text(), event.stored)
        for event in made.events
        if isinstance(event, MessageReceived)
    ]


def listings(made: Rig) -> list[Record]:
    return [each for each in made.records if each["ev"] == "cmd" and each["line"].startswith("AT+CMGL")]


def test_leftovers_in_every_storage_are_told_and_can_be_forgotten() -> None:
    made = rig()
    stores = made.machine.commands.storages.stores
    for name in ("SM", "ME", "SR"):
        stores[name].put(deliver(f"left in {name}"))
    stores["SR"].put(SmsStatusReport(5, ASKER, STAMP, STAMP, Status(0)).encode())
    assert made.run_until_ready()
    made.run(10)
    assert told(made) == [(f"left in {name}", StoredAt(name, 1)) for name in ("SM", "ME", "SR")]
    reports = [event for event in made.events if isinstance(event, StatusReportReceived)]
    assert [report.stored for report in reports] == [StoredAt("SR", 2)]
    for where in [stored for _, stored in told(made)] + [reports[0].stored]:
        assert where is not None
        made.session.forget(where, made.now)
    made.run(5)
    assert [store.used for store in stores.values()] == [0, 0, 0]


@pytest.mark.parametrize("name", ["SM", "ME", "SR"])
def test_the_storage_that_the_announcement_names_is_read_and_emptied(name: str) -> None:
    """Announced in one storage and looked for in another, a message is never seen; deleted in another, it stays for ever."""
    made = rig()
    assert made.run_until_ready()
    made.run(10)
    stores = made.machine.commands.storages.stores
    assert stores[name].put(deliver("here")) == 1
    made.machine.urc(f'+CMTI: "{name}",1', made.now)
    made.run(5)
    assert told(made) == [("here", StoredAt(name, 1))]
    made.session.forget(StoredAt(name, 1), made.now)
    made.run(5)
    assert stores[name].used == 0
    made.machine.deliver_text("+8613700000001", "the next one", made.now)
    made.run(5)
    assert [text for text, _ in told(made)] == ["here", "the next one"]


def test_what_is_not_announced_among_others_is_found_within_minutes() -> None:
    made = rig()
    assert made.run_until_ready()
    made.run(10)
    stores = made.machine.commands.storages.stores
    for _ in range(3):
        stores["SM"].put(deliver("silent"))
        made.machine.deliver_text("+8613700000001", "announced", made.now)
        made.run(SWEEP_BEHIND_AGAIN_S + SWEEP_BEHIND_S)
        assert sorted(text for text, _ in told(made)) == ["announced", "silent"]
        for _, stored in told(made):
            made.session.forget(stored, made.now)
        made.run(5)
        made.events.clear()


def test_announcements_by_the_minute_do_not_bring_a_sweep_each() -> None:
    made = rig()
    assert made.run_until_ready()
    made.run(400)
    before = len(listings(made))
    for _ in range(20):
        made.machine.deliver_text("+8613700000001", "again", made.now)
        made.run(60)
    sweeps = (len(listings(made)) - before) / len(STORAGES)
    assert 2 <= sweeps <= 5


def test_one_memory_with_two_names_tells_its_messages_once() -> None:
    made = rig()
    stores = made.machine.commands.storages.stores
    stores["ME"] = stores["SM"]
    stores["SM"].put(deliver("once"))
    assert made.run_until_ready()
    made.run(10)
    assert told(made) == [("once", StoredAt("SM", 1))]


def test_a_modem_without_the_other_storages_is_swept_in_its_own() -> None:
    made = rig()
    stores = made.machine.commands.storages.stores
    del stores["ME"], stores["SR"]
    stores["SM"].put(deliver("mine"))
    assert made.run_until_ready()
    made.run(10)
    assert told(made) == [("mine", StoredAt("SM", 1))]
    made.machine.deliver_text("+8613700000001", "next", made.now)
    made.run(5)
    assert [text for text, _ in told(made)] == ["mine", "next"]


def test_what_is_deleted_and_still_there_does_not_keep_the_session_busy() -> None:
    made = rig()
    assert made.run_until_ready()
    made.run(10)
    made.machine.faults.add(Fault("ghost", count=3))
    made.machine.deliver_text("+8613700000001", "ghost", made.now)
    made.run(5)
    made.session.forget(StoredAt("SM", 1), made.now)
    made.run(50)
    assert [text for text, _ in told(made)] == ["ghost"]
    made.session.sweep(made.now)  # told again: the caller knows its digest, and forgets it again
    made.run(5)
    assert [text for text, _ in told(made)] == ["ghost", "ghost"]


def test_a_listing_that_never_ends_in_one_storage_is_not_asked_for_at_every_start() -> None:
    made = rig()
    real = made.machine.faults.take
    asked: list[float] = []

    def take(point: str, **where: str) -> Fault | None:
        if point != "list" or made.machine.commands.storages.reading.name != "ME":
            return real(point, **where)
        asked.append(made.now)
        return Fault("endless_list")

    made.machine.faults.take = take  # type: ignore[method-assign, assignment]
    assert made.run_until_ready()
    for _ in range(5):
        made.run(60)
        made.machine.restart(made.now)
    made.run(60)
    assert len(asked) == 1  # and again hours later
    made.machine.deliver_text("+8613700000001", "still heard", made.now)
    made.run(5)
    assert "still heard" in [text for text, _ in told(made)]
