"""The courier with a real session and a simulated modem and network, in simulated time: hours in milliseconds."""

import itertools
import sqlite3
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from till import HQ, NOON, OWNER, ZONE, Till, moment

from tillbell_agent.courier import Courier
from tillbell_agent.database import StoreError, transaction
from tillbell_agent.modem.events import ModemEvent, SegmentPrompted, StatusReportReceived
from tillbell_agent.modem.facts import ModemSettings
from tillbell_agent.modem.session import Session
from tillbell_agent.moment import Moment
from tillbell_agent.outbox import Draft, Message, State
from tillbell_agent.routes import Routes
from tillbell_agent.segments import split
from tillbell_agent.shell.log import Log
from tillbell_agent.sim.modem import ModemMachine
from tillbell_agent.sim.modem_faults import Fault
from tillbell_agent.sim.modem_rig import LINKS, Link, Rig, perfect
from tillbell_agent.sim.network import Network
from tillbell_protocol.sms.address import Address
from tillbell_protocol.sms.dcs import Dcs
from tillbell_protocol.sms.tpdu import SmsSubmit

QUIET = Log(open("/dev/null", "w"))  # noqa: SIM115


class Shift(Rig):
    """A rig whose session belongs to a courier: each turn is told, pumped and settled as the runner does."""

    def __init__(
        self, till: Till, link: Link = perfect, *, machine: ModemMachine | None = None, seed: int = 0
    ) -> None:
        machine = machine or ModemMachine(Network(datetime(2026, 11, 21, tzinfo=UTC)), latency_s=0.5)
        super().__init__(Session(0.0, settings=ModemSettings()), machine, link, seed=seed)
        self.till = till
        self.hand_over = False
        self.courier = Courier("sim1", self.session, till.register, QUIET, lambda: 0.5)
        self.courier.recover(0.0, moment())
        self.before_event: Callable[[ModemEvent], None] = lambda _: None

    @property
    def moment(self) -> Moment:
        return Moment.at(NOON + self.now, ZONE)

    def _note(self, events: list[ModemEvent]) -> None:
        super()._note(events)
        for event in events:
            self.before_event(event)
            self.courier.on_event(event, self.now, self.moment)

    def _step(self) -> None:
        super()._step()
        self.turn()

    def turn(self) -> None:
        self.courier.pump(self.now, self.moment)
        self._transfer()
        self.courier.settle(self.now)

    def _next(self) -> float | None:
        times = [super()._next(), self.courier.next_deadline()]
        return min((time for time in times if time is not None), default=None)

    def states(self) -> list[str]:
        return [str(state) for (state,) in self.till.rows("SELECT state FROM message ORDER BY id")]

    def shown(self, phone: str = OWNER) -> list[Any]:
        return self.machine.network.shown(phone)

    def message(self, message_id: int = 1) -> Message:
        return self.till.register.outbox.message(message_id)


@pytest.fixture
def till(tmp_path: Path) -> Till:
    till = Till(tmp_path / "state")
    till.pair()
    return till


@pytest.fixture
def shift(till: Till) -> Shift:
    return Shift(till)


def put(till: Till, body: str = "paid", **other: Any) -> int:
    values: dict[str, Any] = {"message_class": "txn", "lifetime_s": 3 * 86_400} | other
    with transaction(till.register.connection):
        return till.register.outbox.put(Draft("owner", OWNER, "text", body=body.encode(), **values), NOON)


@pytest.mark.parametrize("name", sorted(LINKS))
def test_a_sale_reaches_phone_and_headquarters_over_every_link(till: Till, name: str) -> None:
    shift = Shift(till, LINKS[name], seed=3)
    for place in range(4):
        till.hear(100 + place, f"{place:06d}")
    assert shift.run(300, lambda: set(shift.states()) == {"delivered"}), shift.states()
    assert len(shift.shown()) == 4
    opened = [till.receiver.open(bytes.fromhex(shown.data)) for shown in shift.shown(HQ)]
    assert [one.told.event.amount_minor for one in opened] == [100, 101, 102, 103]


def test_handed_over_is_durable_before_the_modem_gets_the_pdu(shift: Shift, till: Till) -> None:
    till.hear()
    at_pdu: list[tuple[object, ...]] = []

    def look(event: ModemEvent) -> None:
        if isinstance(event, SegmentPrompted):
            at_pdu.append(("prompt", *till.rows("SELECT count(*) FROM segment WHERE state = 'handed'")[0]))

    shift.before_event = look
    real = shift.session.hand_over

    def hand_over(now: float) -> None:
        assert not till.register.connection.in_transaction
        at_pdu.append(("pdu", *till.rows("SELECT count(*) FROM segment WHERE state = 'handed'")[0]))
        real(now)

    shift.session.hand_over = hand_over  # type: ignore[method-assign]
    assert shift.run(30, lambda: len(at_pdu) >= 2)
    assert at_pdu[:2] == [("prompt", 0), ("pdu", 1)]


def test_a_claim_costs_no_commit_of_its_own_and_the_next_message_is_reserved_ahead(
    shift: Shift, till: Till
) -> None:
    shift.run_until_ready()
    put(till, "one")
    put(till, "two")
    before = till.register.connection.total_changes
    shift.turn()
    assert till.register.connection.total_changes == before, "nothing is written before the prompt"
    assert shift.run(30, lambda: bool(shift.logged("pdu")))
    assert shift.states() == ["claimed", "queued"]
    assert till.register.outbox.reserve(NOON) is None
    assert shift.run(30, lambda: shift.states() == ["delivered", "delivered"])
    assert [shown.text for shown in shift.shown()] == ["one", "two"]


def test_an_answer_and_the_next_hand_over_become_durable_together(shift: Shift, till: Till) -> None:
    shift.run_until_ready()
    put(till, "one")
    put(till, "two")
    shift.machine.faults.add(Fault("late_prompt", after=1, seconds=0.05))
    assert shift.run(30, lambda: shift.courier.sent == 1)
    shift.run(0.04)
    assert shift.states() == ["claimed", "queued"], "the prompt is near"
    shift.run(0.02)
    assert shift.states() == ["delivered", "claimed"]


def test_an_answer_is_durable_soon_though_the_next_prompt_does_not_come(shift: Shift, till: Till) -> None:
    shift.run_until_ready()
    put(till, "one")
    put(till, "two")
    shift.machine.faults.add(Fault("late_prompt", after=1, seconds=5.0))
    assert shift.run(30, lambda: shift.courier.sent == 1)
    assert shift.states() == ["claimed", "queued"]
    shift.run(0.11)
    assert shift.states() == ["delivered", "queued"]


def test_told_to_stop_an_answer_waits_for_no_prompt(shift: Shift, till: Till) -> None:
    shift.run_until_ready()
    put(till, "one")
    put(till, "two")
    shift.machine.faults.add(Fault("no_prompt", after=1))
    assert shift.run(30, lambda: shift.courier.sent == 1)
    shift.courier.stop()
    shift.turn()
    assert shift.states() == ["sent", "queued"]


def test_an_answer_is_kept_where_the_hand_over_it_joins_is_refused_by_the_disk(
    shift: Shift, till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    shift.run_until_ready()
    put(till, "one")
    put(till, "two")
    real, calls = till.register.outbox.segments.hand_over, itertools.count()

    def hand_over(*values: Any) -> None:
        if next(calls) == 1:
            raise StoreError("cannot write the state: disk full")
        real(*values)

    monkeypatch.setattr(till.register.outbox.segments, "hand_over", hand_over)
    with pytest.raises(StoreError):
        shift.run(60)
    assert shift.states() == ["claimed", "queued"]
    assert shift.run(60, lambda: shift.states() == ["delivered", "delivered"])
    assert [shown.text for shown in shift.shown()] == ["one", "two"]


def test_a_lost_answer_without_a_report_repeats_the_text_once_and_marked(shift: Shift, till: Till) -> None:
    shift.machine.report_after_s = 10_000_000
    shift.machine.faults.add(Fault("lost_ok"))
    till.hear()
    assert shift.run(600, lambda: len(shift.shown()) == 2)
    first, second = (shown.text for shown in shift.shown())
    assert second.startswith("(重发)" + first[:-6])
    shift.run(7200)
    assert len(shift.shown()) == 2
    assert shift.states() == ["sent", "sent"]
    assert shift.message().repeated


def test_a_report_settles_a_lost_answer_and_nothing_is_repeated(shift: Shift, till: Till) -> None:
    shift.machine.faults.add(Fault("lost_ok"))
    till.hear()
    assert shift.run(600, lambda: shift.states() == ["delivered", "delivered"])
    shift.run(7200)
    assert len(shift.shown()) == 1


def test_a_report_that_comes_before_the_answer_is_not_lost(shift: Shift, till: Till) -> None:
    put(till)
    shift.machine.faults.add(Fault("late_ok", seconds=5))
    assert shift.run(60, lambda: shift.states() == ["delivered"])


def test_an_old_report_is_not_taken_for_the_answer_to_a_later_segment(shift: Shift, till: Till) -> None:
    shift.run_until_ready()
    put(till, "first")
    assert shift.run(60, lambda: shift.states() == ["delivered"])
    (again,) = shift.logged("sms")
    stale = shift.machine.network.report(
        SmsSubmit(again["mr"], Address.from_text(OWNER), 0, Dcs(0), None, (), b""), 77, shift.now, shift.now
    )
    shift.courier.on_event(StatusReportReceived(stale.encode()), shift.now, shift.moment)
    shift.courier.settle(shift.now)
    shift.machine.report_after_s = 10_000_000
    put(till, "second")
    shift.machine.faults.add(Fault("lost_pdu"))
    assert shift.run(100, lambda: shift.states()[1] == "unknown")
    assert shift.run(200, lambda: shift.states()[1] == "sent")


def test_a_text_whose_repetition_is_lost_as_well_stays_unknown(shift: Shift, till: Till) -> None:
    shift.machine.report_after_s = 10_000_000
    shift.machine.faults.add(Fault("lost_ok", count=2))
    put(till)
    shift.run(7200)
    assert len(shift.shown()) == 2
    assert shift.states() == ["unknown"]


@pytest.mark.parametrize("lost", [1, 4])
def test_an_answer_lost_before_the_last_part_repeats_that_part_and_needs_no_mark(
    shift: Shift, till: Till, lost: int
) -> None:
    shift.machine.report_after_s = 10_000_000
    shift.machine.faults.add(Fault("lost_ok", count=lost))
    text = "明日休息" * 30
    put(till, text)
    assert shift.run(7200, lambda: shift.states() == ["sent"]), shift.states()
    assert [shown.text for shown in shift.shown()] == [text]
    assert [record["parts"][0] for record in shift.logged("sms")] == [1] * (lost + 1) + [2]


def test_an_answer_lost_behind_the_last_part_repeats_the_whole_text_marked(shift: Shift, till: Till) -> None:
    shift.machine.report_after_s = 10_000_000
    shift.machine.faults.add(Fault("lost_ok", after=1))
    text = "明日休息" * 30
    put(till, text)
    assert shift.run(7200, lambda: shift.states() == ["sent"]), shift.states()
    assert [shown.text for shown in shift.shown()] == [text, "(重发)" + text]


def test_a_text_that_was_refused_once_can_still_be_repeated(shift: Shift, till: Till) -> None:
    shift.machine.report_after_s = 10_000_000
    shift.machine.faults.add(Fault("congestion", code=42))
    shift.machine.faults.add(Fault("lost_ok"))
    put(till)
    assert shift.run(7200, lambda: shift.states() == ["sent"]), shift.states()
    assert [shown.text for shown in shift.shown()] == ["paid", "(重发)paid"]


def test_an_answer_lost_before_the_last_part_and_behind_it(shift: Shift, till: Till) -> None:
    shift.machine.report_after_s = 10_000_000
    shift.machine.faults.add(Fault("lost_ok", count=1))
    shift.machine.faults.add(Fault("lost_ok", after=1))
    text = "明日休息" * 30
    put(till, text)
    assert shift.run(7200, lambda: shift.states() == ["sent"]), shift.states()
    assert [shown.text for shown in shift.shown()] == [text, "(重发)" + text]


def test_a_marked_copy_that_stopped_before_its_last_part_goes_on(shift: Shift, till: Till) -> None:
    shift.machine.report_after_s = 10_000_000
    shift.machine.faults.add(Fault("lost_pdu", after=1))
    shift.machine.faults.add(Fault("lost_pdu", after=1))
    text = "明日休息" * 30
    put(till, text)
    assert shift.run(7200, lambda: shift.states() == ["sent"]), shift.states()
    assert [shown.text for shown in shift.shown()] == ["(重发)" + text]


def test_a_lost_answer_sends_the_same_sealed_octets_until_one_is_heard(shift: Shift, till: Till) -> None:
    till.hear(1, "000001")  # it names the terminal, so that the next one is a single segment
    assert shift.run(60, lambda: shift.states() == ["delivered", "delivered"])
    shift.machine.report_after_s = 10_000_000
    till.hear(2, "000002")
    with transaction(till.register.connection):
        till.register.outbox.mark(3, State.SENT, "", NOON)
    shift.machine.faults.add(Fault("lost_ok", count=3))
    assert shift.run(7200, lambda: shift.states()[3] == "sent")
    data = [shown.data for shown in shift.shown(HQ)[1:]]
    assert len(data) == 4
    assert len(set(data)) == 1


def test_an_answer_that_comes_after_patience_ended_is_kept_for_the_report(shift: Shift, till: Till) -> None:
    shift.machine.report_after_s = 80.0
    put(till)
    shift.machine.faults.add(Fault("late_ok", seconds=70))
    shift.run(7200)
    assert till.rows("SELECT state, mr FROM segment") == [("delivered", 1)]
    assert shift.states() == ["delivered"]
    assert len(shift.shown()) == 1


def test_what_befell_a_message_before_does_not_make_one_refusal_its_last(shift: Shift, till: Till) -> None:
    put(till)
    for code in (42, 42, 331, 21, 111):
        shift.machine.faults.add(Fault("refuse", code=code))
    assert shift.run(3600, lambda: shift.states() == ["delivered"]), shift.states()
    assert len(shift.shown()) == 1


@pytest.mark.parametrize("code", [332, 500])
@pytest.mark.parametrize("message_class", ["txn", "receipt"])
def test_an_error_instead_of_the_prompt_leaves_nothing_unknown(
    shift: Shift, till: Till, code: int, message_class: str
) -> None:
    put(till, message_class=message_class)
    shift.machine.faults.add(Fault("refuse_prompt", code=code))
    assert shift.run(30, lambda: shift.states() == ["delivered"]), shift.states()
    assert [shown.text for shown in shift.shown()] == ["paid"], "no mark: nothing had left"


def test_congestion_holds_all_messages_and_keeps_their_order(shift: Shift, till: Till) -> None:
    shift.run_until_ready()
    for word in ("one", "two", "three"):
        put(till, word)
    shift.machine.faults.add(Fault("congestion", count=2, code=42))
    shift.run(12)
    assert len(shift.logged("pdu")) == 2, "one try at a time"
    assert shift.courier.trouble is not None
    assert "CMS 42" in shift.courier.trouble
    assert shift.run(60, lambda: set(shift.states()) == {"delivered"})
    assert [shown.text for shown in shift.shown()] == ["one", "two", "three"]


def test_a_message_that_alone_meets_congestion_stalls_the_others_for_a_while_only(
    shift: Shift, till: Till
) -> None:
    put(till, "bad")
    put(till, "good")
    shift.machine.faults.add(Fault("refuse", code=42, count=0, number=OWNER, after=0))
    assert shift.run(300, lambda: len(shift.logged("pdu")) >= 5)
    assert shift.message(2).attempts > 0


def test_a_report_that_comes_before_the_answer_of_any_part_is_not_lost(shift: Shift, till: Till) -> None:
    shift.run_until_ready()
    put(till, "一" * 180)
    shift.machine.faults.add(Fault("late_ok", seconds=5))
    assert shift.run(60, lambda: shift.states() == ["delivered"]), shift.states()


def test_a_part_that_was_reported_as_failed_is_not_forgotten_with_the_last_answer(
    shift: Shift, till: Till
) -> None:
    shift.run_until_ready()
    put(till, "一" * 180)
    shift.machine.faults.add(Fault("report_failed", code=70))
    assert shift.run(60, lambda: shift.states() == ["refused"]), shift.states()
    shift.run(60)
    assert shift.states() == ["refused"]


def test_a_message_whose_number_is_refused_three_times_is_given_up(shift: Shift, till: Till) -> None:
    put(till)
    shift.machine.faults.add(Fault("refuse", count=9, code=1))
    assert shift.run(7200, lambda: shift.states() == ["refused"])
    assert len(shift.logged("pdu")) == 3
    assert shift.message().last_answer == "CMS 1"


def test_a_refused_pdu_is_refused_at_once_and_the_next_message_leaves(shift: Shift, till: Till) -> None:
    put(till, "one")
    put(till, "two")
    shift.machine.faults.add(Fault("refuse", code=305))
    assert shift.run(60, lambda: shift.states() == ["refused", "delivered"]), shift.states()


def test_congestion_backs_off_and_then_the_message_leaves(shift: Shift, till: Till) -> None:
    put(till)
    shift.machine.faults.add(Fault("refuse", count=4, code=42))
    assert shift.run(7200, lambda: shift.states() == ["delivered"])
    times = [record["t"] for record in shift.logged("pdu")]
    pauses = [later - sooner for sooner, later in itertools.pairwise(times)]
    for pause, least in zip(pauses, (5, 15, 60, 300), strict=True):
        assert least <= pause <= least * 1.25 + 3, pauses
    assert len(shift.shown()) == 1


def test_a_sim_without_credit_holds_everything_and_says_so(shift: Shift, till: Till) -> None:
    put(till, "one")
    put(till, "two")
    shift.machine.faults.add(Fault("refuse", code=8))
    shift.run(1800)
    assert len(shift.logged("pdu")) == 1
    assert shift.courier.trouble is not None
    assert "CMS 8" in shift.courier.trouble
    assert shift.run(3600, lambda: shift.states() == ["delivered", "delivered"])
    assert shift.courier.trouble is None


def test_a_sim_that_was_pulled_and_put_back_sends_what_waited_as_soon_as_it_is_there(
    shift: Shift, till: Till
) -> None:
    shift.run_until_ready()
    sim = shift.machine.commands.sim
    sim.state = "NOT INSERTED"
    put(till)
    assert shift.run(30, lambda: shift.session.condition.value == "no_sim")
    shift.run(60)
    sim.state = "READY"
    assert shift.run(180, lambda: shift.states() == ["delivered"]), shift.states()


def test_no_prompt_means_nothing_was_sent_and_no_mark_is_needed(shift: Shift, till: Till) -> None:
    till.hear()
    shift.machine.faults.add(Fault("no_prompt", count=2))
    assert shift.run(3600, lambda: shift.states() == ["delivered", "delivered"])
    assert [shown.text.startswith("(") for shown in shift.shown()] == [False]


def test_a_long_text_in_parts_survives_reports_that_come_between_them(shift: Shift, till: Till) -> None:
    shift.machine.report_after_s = 0.1
    put(till, "一" * 400)
    put(till, "after")
    assert shift.run(600, lambda: shift.states() == ["delivered", "delivered"]), shift.states()
    assert [shown.text for shown in shift.shown()] == ["一" * 400, "after"]


def test_stored_messages_that_are_announced_between_two_parts_stop_nothing(shift: Shift, till: Till) -> None:
    shift.run_until_ready()
    put(till, "一" * 400)
    delivered = {"done": False}

    def come(event: ModemEvent) -> None:
        if type(event).__name__ == "SegmentPrompted" and not delivered["done"]:
            delivered["done"] = True
            shift.machine.deliver_text("+8613700000001", "STATUS", shift.now)

    shift.before_event = come
    assert shift.run(600, lambda: shift.states() == ["delivered"]), (shift.states(), shift.session.doing)
    assert shift.run(60, lambda: till.rows("SELECT count(*) FROM incoming") == [(1,)])


def test_only_the_parts_that_were_not_taken_go_again(shift: Shift, till: Till) -> None:
    put(till, "一" * 180)
    assert shift.run(30, lambda: len(shift.logged("sms")) == 1)
    shift.machine.faults.add(Fault("refuse", code=42))
    assert shift.run(600, lambda: shift.states() == ["delivered"])
    assert [tuple(record["parts"]) for record in shift.logged("sms")] == [(1, 3), (2, 3), (3, 3)]
    assert [shown.text for shown in shift.shown()] == ["一" * 180]


def test_a_failed_report_refuses_the_message(shift: Shift, till: Till) -> None:
    real = shift.machine.network.report
    shift.machine.network.report = lambda *args: real(*args, status=0x46)  # type: ignore[method-assign, misc]
    put(till)
    assert shift.run(60, lambda: shift.states() == ["refused"])
    assert "status report" in str(shift.message().last_answer)


def test_a_message_that_cannot_be_an_sms_is_refused_and_the_next_one_leaves_at_once(
    shift: Shift, till: Till
) -> None:
    shift.run_until_ready()
    put(till, "一" * 67 * 300)
    put(till, "fine")
    began = shift.now
    assert shift.run(600, lambda: shift.states() == ["refused", "delivered"])
    assert shift.now - began < 10


def test_a_message_that_is_settled_while_it_waits_its_turn_is_not_sent(shift: Shift, till: Till) -> None:
    first, second, third = (put(till, body) for body in ("one", "two", "three"))
    assert shift.run(60, lambda: shift.courier.busy and shift.states()[0] == "claimed")
    shift.turn()  # the second is made ready
    with transaction(till.register.connection):
        till.register.outbox.mark(second, State.SENT, "accepted, answered late", NOON)
    assert shift.run(300, lambda: len(shift.shown()) == 2)
    shift.run(60)
    assert [shown.text for shown in shift.shown()] == ["one", "three"]
    assert {shift.message(each).state for each in (first, second, third)} <= {State.SENT, State.DELIVERED}


def test_a_body_that_is_no_text_is_refused_and_the_next_message_leaves(shift: Shift, till: Till) -> None:
    put(till, "damaged")
    till.rows("UPDATE message SET body = x'e4bd'")
    put(till, "whole")
    assert shift.run(60, lambda: len(shift.shown()) == 1)
    assert shift.shown()[0].text == "whole"
    assert shift.message(1).state is State.REFUSED


def test_a_store_that_cannot_be_read_for_a_moment_keeps_no_message_back(
    shift: Shift, till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(till)
    refuse(monkeypatch, till, "taken")
    with pytest.raises(sqlite3.OperationalError):
        shift.run(60)
    monkeypatch.undo()
    assert shift.run(60, lambda: len(shift.shown()) == 1)


def test_a_busy_modem_leaves_what_comes_to_one_that_is_free(till: Till) -> None:
    routes = Routes()
    shift = Shift(till)
    shift.courier = Courier("sim1", shift.session, till.register, QUIET, lambda: 0.5, routes)
    put(till, "one")
    assert shift.run(60, lambda: shift.courier.busy and shift.states()[0] == "claimed")
    routes.told("sim2", shift.now, ready=True, held=False)
    put(till, "two")
    shift.turn()
    assert till.register.outbox.reserve(NOON) is not None


def refuse(monkeypatch: pytest.MonkeyPatch, till: Till, question: str) -> None:
    def fails(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(till.register.outbox.segments, question, fails)


def test_an_incoming_message_is_durable_before_the_modem_forgets_it(shift: Shift, till: Till) -> None:
    shift.run_until_ready()
    seen: list[int] = []
    real = shift.session.forget

    def forget(stored: Any, now: float) -> None:
        seen.append(int(str(till.rows("SELECT count(*) FROM incoming")[0][0])))
        real(stored, now)

    shift.session.forget = forget  # type: ignore[method-assign]
    shift.machine.deliver_text("+8613700000001", "hello", shift.now)
    assert shift.run(60, lambda: bool(seen))
    assert seen == [1]
    assert shift.run(60, lambda: shift.machine.commands.store.used == 0)


# Ends and starts


def restart(shift: Shift, till: Till) -> Shift:
    """The agent is killed and starts again; modem and network go on."""
    till.restart()
    shift.machine.bytes_to_send()
    fresh = Shift(till, machine=shift.machine)
    fresh.session.tick(0.0)
    return fresh


def test_killed_between_hand_over_and_answer_a_text_is_unknown_and_later_repeated_marked(till: Till) -> None:
    shift = Shift(till)
    shift.machine.report_after_s = 10_000_000
    till.hear()
    assert shift.run(30, lambda: bool(shift.logged("pdu")))
    again = restart(shift, till)
    assert again.states()[0] == "unknown"
    assert "ended before the modem answered" in str(again.message().last_answer)
    assert again.run(600, lambda: len(again.shown()) == 2)
    assert again.shown()[1].text.startswith("(重发)")


def test_killed_before_the_hand_over_a_text_is_simply_due_again(till: Till) -> None:
    shift = Shift(till)
    till.hear()
    shift.before_event = lambda event: None
    shift.courier._hand_over = lambda now, moment: None  # type: ignore[method-assign]
    assert shift.run(30, lambda: bool(shift.seen(SegmentPrompted)))
    again = restart(shift, till)
    assert again.states() == ["queued", "queued"]
    assert again.run(60, lambda: len(again.shown()) == 1)
    assert not again.shown()[0].text.startswith("(")


def test_killed_after_the_answer_and_before_the_commit_a_text_is_unknown(till: Till) -> None:
    shift = Shift(till)
    put(till)
    shift.courier.settle = lambda now: None  # type: ignore[method-assign]
    assert shift.run(30, lambda: shift.courier.sent == 1)
    assert shift.states()[0] == "claimed"
    assert restart(shift, till).states()[0] == "unknown"


def test_an_overdue_repetition_is_looked_at_when_the_agent_starts(till: Till) -> None:
    put(till)
    with transaction(till.register.connection):
        till.register.outbox.mark_unknown(1, "no answer", NOON - 5, NOON - 65)
    shift = Shift(till)
    assert shift.run(30, lambda: shift.states() == ["delivered"])


def test_told_to_stop_it_finishes_the_open_segment_and_begins_no_other(till: Till) -> None:
    shift = Shift(till)
    put(till, "一" * 180)
    put(till, "after")
    assert shift.run(30, lambda: bool(shift.logged("pdu")))
    shift.courier.stop()
    assert shift.courier.busy
    assert shift.run(30, lambda: not shift.courier.busy)
    shift.run(60)
    assert len(shift.logged("pdu")) == 1
    assert till.rows("SELECT part, state FROM segment") == [(0, "delivered")]
    again = restart(shift, till)
    assert again.run(60, lambda: len(again.shown()) == 2)
    assert [tuple(record["parts"]) for record in again.logged("sms")][:2] == [(2, 3), (3, 3)]


# A disk that refuses


def test_what_cannot_be_made_durable_is_not_sent(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    shift = Shift(till)
    shift.run_until_ready()
    put(till)
    real, refuse = till.register.outbox.segments.hand_over, {"times": 3}

    def hand_over(*values: Any) -> None:
        if refuse["times"]:
            refuse["times"] -= 1
            raise StoreError("cannot write the state: disk full")
        real(*values)

    monkeypatch.setattr(till.register.outbox.segments, "hand_over", hand_over)
    told = 0
    while shift.states() != ["delivered"] and shift.now < 3600:
        try:
            shift.run(60, lambda: shift.states() == ["delivered"])
        except StoreError:
            told += 1
    assert told == 3
    assert len(shift.logged("pdu")) == 1
    assert len(shift.shown()) == 1


def test_answers_wait_for_a_disk_that_refuses(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    shift = Shift(till)
    put(till)
    real = till.register.outbox.segments.sent
    monkeypatch.setattr(
        till.register.outbox.segments, "sent", lambda *_: (_ for _ in ()).throw(StoreError("full"))
    )
    with pytest.raises(StoreError):
        shift.run(60)
    assert shift.states() == ["claimed"]
    assert shift.courier.busy
    monkeypatch.setattr(till.register.outbox.segments, "sent", real)
    assert shift.run(60, lambda: shift.states() == ["delivered"])


# Values


def test_a_message_splits_the_same_way_on_every_try(till: Till) -> None:
    message_id = put(till, "一" * 180)
    message = till.register.outbox.message(message_id)
    assert split(message) == split(message)
    assert len(split(message)) == 3


def test_a_message_of_an_unset_clock_is_not_expired_by_the_clocks_jump(till: Till) -> None:
    with transaction(till.register.connection):
        till.register.outbox.put(Draft("owner", OWNER, "text", "txn", 86_400, body=b"paid"), 300)
    shift = Shift(till)
    shift.machine.faults.add(Fault("refuse", count=2, code=42))
    assert shift.run(600, lambda: shift.states() == ["delivered"]), shift.states()
