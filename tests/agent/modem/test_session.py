"""The session against a simulated modem, over four links: bringing up, sending, faults, receiving. Time is simulated."""

import random
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tillbell_agent.modem.commands import ReadStorages
from tillbell_agent.modem.conditions import Condition
from tillbell_agent.modem.dialogue import Answered
from tillbell_agent.modem.digest import FinalResult
from tillbell_agent.modem.events import (
    Deaf,
    Identified,
    LateAnswer,
    MessageReceived,
    NotReady,
    PinTried,
    Ready,
    RecoveryStep,
    SegmentNotSent,
    SegmentPrompted,
    SegmentRefused,
    SegmentSent,
    SegmentUnknown,
    StatusReportReceived,
    StepRefused,
    StoredAt,
    UnknownLine,
    UrcReceived,
)
from tillbell_agent.modem.facts import ModemSettings
from tillbell_agent.modem.profile import Profile
from tillbell_agent.modem.recovery import GONE_S
from tillbell_agent.modem.script import Ask, Failure, GetInStep, ask
from tillbell_agent.modem.session import Session
from tillbell_agent.sim.modem import ModemMachine
from tillbell_agent.sim.modem_commands import Commands, Sim
from tillbell_agent.sim.modem_faults import Fault
from tillbell_agent.sim.modem_rig import LINKS, Link, Rig, perfect
from tillbell_agent.sim.network import Network
from tillbell_protocol.sms.address import Address
from tillbell_protocol.sms.segment import split_text
from tillbell_protocol.sms.tpdu import SmsDeliver, SmsStatusReport, SmsSubmit

PHONE = "+8613800138000"
EVERY_LINK = pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)


def rig(
    link: Link = perfect, *, sim: Sim | None = None, setup: ModemSettings | None = None, seed: int = 1
) -> Rig:
    machine = ModemMachine(Network(datetime(2026, 1, 1, tzinfo=UTC)), commands=Commands(sim or Sim()))
    return Rig(Session(0.0, settings=setup), machine, link, seed=seed)


def ready_rig(link: Link = perfect, **more: object) -> Rig:
    made = rig(link, **more)  # type: ignore[arg-type]
    assert made.run_until_ready(), made.session.doing
    return made


def tpdu(text: str, *, srr: bool = False) -> bytes:
    segment = split_text(text, 1)[0]
    return SmsSubmit(
        0, Address.from_text(PHONE), 0, segment.dcs, None, segment.udh, segment.ud, srr=srr
    ).encode()


def texts(made: Rig) -> list[str | None]:
    return [shown.text for shown in made.machine.network.shown(PHONE)]


def send(made: Rig, tag: int, text: str, *, srr: bool = False, seconds: float = 100.0) -> object:
    """Send and wait for how it ended."""
    made.session.send(tag, tpdu(text, srr=srr), made.now)
    ends = (SegmentSent, SegmentRefused, SegmentUnknown, SegmentNotSent)
    before = len([e for e in made.events if isinstance(e, ends)])
    assert made.run(seconds, lambda: len([e for e in made.events if isinstance(e, ends)]) > before), (
        made.session.doing
    )
    return next(e for e in reversed(made.events) if isinstance(e, ends))


# Bringing up.


@EVERY_LINK
def test_a_modem_comes_up_and_sends_over_every_link(link: Link) -> None:
    made = ready_rig(link)
    assert made.seen(Identified) == [Identified("Tillbell", "SIM modem", "1.0", "356938035643809")]
    assert made.seen(Ready) == [Ready()]
    assert send(made, 7, "你好") == SegmentSent(7, 1)
    assert texts(made) == ["你好"]
    assert made.seen(UnknownLine) == []


@EVERY_LINK
def test_many_messages_arrive_once_each_and_in_order(link: Link) -> None:
    made = ready_rig(link)
    for number in range(20):
        assert made.run_until_ready()
        assert send(made, number, f"sale {number}", srr=True) == SegmentSent(number, number + 1)
    assert texts(made) == [f"sale {number}" for number in range(20)]
    made.run(5)
    reports = [SmsStatusReport.decode(e.tpdu).mr for e in made.seen(StatusReportReceived)]  # type: ignore[attr-defined]
    assert reports == list(range(1, 21))


def test_nothing_is_sent_before_the_modem_is_ready() -> None:
    made = rig()
    with pytest.raises(RuntimeError, match="getting in step"):
        made.session.send(1, tpdu("early"), 0.0)
    assert made.run_until_ready()
    with pytest.raises(ValueError, match="no TPDU"):
        made.session.send(1, b"", made.now)


def test_what_it_does_and_since_when_is_said_in_words() -> None:
    made = rig()
    made.machine.set_registration(2, 0.0)
    made.run(20)
    assert "searching" in made.session.doing
    assert made.session.since < made.now
    made.machine.set_registration(1, made.now)
    made.run(1)
    assert made.session.doing == "ready"


def test_the_registration_is_waited_for_and_its_loss_is_told() -> None:
    made = rig()
    made.machine.commands.stat = 2
    assert not made.run_until_ready(120)
    assert [e.why for e in made.seen(NotReady)] == [  # type: ignore[attr-defined]
        "not registered: +CREG searching, +CGREG searching, +CEREG searching"
    ]
    made.machine.set_registration(5, made.now)
    assert made.run_until_ready(1)
    made.machine.set_registration(3, made.now)
    made.run(1)
    assert not made.session.ready
    assert "denied" in made.session.doing
    made.machine.set_registration(1, made.now)
    assert made.run_until_ready(1)
    assert len(made.seen(Ready)) == 2


@pytest.mark.parametrize("stat", [1, 5, 6, 7])
def test_home_roaming_and_sms_only_are_registered(stat: int) -> None:
    made = rig()
    made.machine.commands.stat = stat
    assert made.run_until_ready()


def test_a_silent_line_climbs_the_ladder_once_and_then_is_asked_once_a_minute() -> None:
    session = Session(0.0)
    now, deaf, steps, written = 0.0, [], [], b""
    while now < 840:
        now = session.next_deadline() or 0.0
        events = session.tick(now)
        deaf += [e.again_in_s for e in events if isinstance(e, Deaf)]
        steps += [e.step for e in events if isinstance(e, RecoveryStep)]
        written += session.bytes_to_send()
    assert steps == ["AT again", "AT again", "reset by command", "close and open the port"]
    assert [e["step"] for e in session.ladder(now)] == [*steps, "alarm"]
    assert deaf[-5:] == [60.0] * 5
    assert set(written.replace(b"\x1b", b"").split(b"\r")) == {b"AT", b"AT+CFUN=1,1", b""}
    assert written.count(b"AT+CFUN=1,1") == 1
    assert session.condition is Condition.DEAF


def test_a_modem_that_wakes_up_late_comes_up() -> None:
    made = rig()
    made.machine.faults.add(Fault("deaf", count=12))
    assert made.run_until_ready(120)
    assert len(made.seen(Deaf)) == 2


def test_an_optional_command_that_is_refused_is_recorded_and_not_fatal() -> None:
    made = rig()
    made.machine.commands.refused = {"AT+CMEE=1", "AT+CGSN", "AT+CSMS=0", "AT+CGREG=1", "AT+CMMS=?"}
    assert made.run_until_ready()
    assert [e.command for e in made.seen(StepRefused)] == ["AT+CMEE=1", "AT+CGSN", "AT+CGREG=1", "AT+CSMS=0"]  # type: ignore[attr-defined]
    assert send(made, 1, "all the same") == SegmentSent(1, 1)


def test_pdu_mode_is_not_optional() -> None:
    made = rig()
    made.machine.commands.refused = {"AT+CMGF=0"}
    assert not made.run_until_ready(30)
    assert "PDU mode" in made.seen(NotReady)[0].why  # type: ignore[attr-defined]


def test_echo_that_cannot_be_turned_off_does_no_harm() -> None:
    made = rig()
    made.machine.commands.echo_stays = True
    assert made.run_until_ready()
    assert send(made, 1, "with echo") == SegmentSent(1, 1)
    assert texts(made) == ["with echo"]


def test_a_modem_without_the_best_announcement_gets_the_next() -> None:
    made = rig()
    made.machine.commands.refused = {"AT+CNMI=2,1,0,1,0"}
    made.run_until_ready()
    assert made.machine.commands.kept["+CNMI"] == "2,1,0,2,0"
    assert send(made, 1, "stored report", srr=True) == SegmentSent(1, 1)
    made.run(5)
    report = made.seen(StatusReportReceived)[0]
    assert report.stored == StoredAt("SM", 1)  # type: ignore[attr-defined]
    made.session.forget(StoredAt("SM", 1), made.now)
    made.run(1)
    assert made.machine.commands.store.used == 0


def test_the_pin_shows_up_in_no_representation() -> None:
    assert "1234" not in repr(ModemSettings(pin="1234"))


# Sending, and what a silence means.


@EVERY_LINK
def test_an_answer_that_is_lost_is_unknown_never_failed(link: Link) -> None:
    made = ready_rig(link)
    made.machine.faults.add(Fault("lost_ok"))
    ended = send(made, 1, "once")
    assert ended == SegmentUnknown(1, "no answer within 60 s of the PDU")
    assert texts(made) == ["once"]
    assert made.run_until_ready()
    assert send(made, 2, "twice") == SegmentSent(2, 2)


def test_the_profile_says_how_long_the_network_may_take_for_its_answer() -> None:
    profile = Profile("slow", "S", models=("SIM MODEM",), answer_s=120.0)
    made = ready_rig(setup=ModemSettings(profiles=(profile,)))
    made.machine.latency_s = 110.0
    assert send(made, 1, "slow", seconds=119) == SegmentSent(1, 1)
    made.machine.faults.add(Fault("lost_ok"))
    assert made.run_until_ready()
    assert send(made, 2, "lost", seconds=125) == SegmentUnknown(2, "no answer within 120 s of the PDU")


@EVERY_LINK
def test_a_late_answer_is_never_taken_for_the_next_message_s(link: Link) -> None:
    made = ready_rig(link)
    made.machine.faults.add(Fault("late_ok", seconds=61))
    assert isinstance(send(made, 1, "first"), SegmentUnknown)
    made.machine.faults.add(Fault("refuse", code=38))
    assert made.run_until_ready(300)
    assert send(made, 2, "second") == SegmentRefused(2, "CMS", 38)
    assert made.seen(LateAnswer) == [LateAnswer(1, 1)]
    assert texts(made) == ["first"]


def test_an_answer_after_the_next_message_is_nobody_s() -> None:
    made = ready_rig()
    made.machine.faults.add(Fault("lost_ok"))
    assert isinstance(send(made, 1, "unknown"), SegmentUnknown)
    assert made.run_until_ready()
    assert send(made, 2, "sent") == SegmentSent(2, 2)
    assert made.session.receive_data(b"\r\n+CMGS: 9\r\n", made.now) == [UnknownLine("+CMGS: 9")]


def test_an_answer_without_its_line_may_be_a_late_one_so_the_line_is_put_in_step() -> None:
    script = ask(ReadStorages(), "asking")
    assert next(script) == Ask(ReadStorages(), "asking")
    assert script.send(Answered(ReadStorages(), FinalResult("OK"), ())) == GetInStep()
    with pytest.raises(StopIteration) as ended:
        next(script)
    assert ended.value.value == Failure("GARBLED", text="+CPMS: at octet 0: 0 lines instead of one")


@pytest.mark.parametrize("command_s", [0.0, 0.05, 0.25, 0.6, 1.3, 2.0])
@pytest.mark.parametrize("seconds", [4.6, 5.1, 5.9, 6.05, 6.3, 7.0, 7.7, 9.4, 12.0, 30.0])
def test_late_answers_of_other_commands_pass_by(seconds: float, command_s: float) -> None:
    """However long the modem needs for a command: an answer to one is never taken for another's."""
    made = rig()
    made.machine.command_s = command_s
    assert made.run_until_ready(120)
    made.machine.faults.add(Fault("late", seconds=seconds))
    made.run(62, lambda: "AT+CREG?" in made.lines()[-3:])  # the heartbeat meets the fault
    assert made.run(600, lambda: made.session.ready and made.now > 70), made.session.doing
    # Nothing shows a shift of answers sooner than the names that a modem gives itself, one line each.
    assert set(made.seen(Identified)) == {Identified("Tillbell", "SIM modem", "1.0", "356938035643809")}
    assert made.seen(StepRefused) == []
    assert send(made, 1, "after") == SegmentSent(1, 1)
    assert texts(made) == ["after"]


def test_no_prompt_means_not_sent_and_the_next_command_is_no_text() -> None:
    made = ready_rig()
    made.machine.faults.add(Fault("no_prompt"))
    assert send(made, 1, "never") == SegmentNotSent(1, "no prompt")
    assert made.run_until_ready()
    assert send(made, 2, "later") == SegmentSent(2, 1)
    assert texts(made) == ["later"]


def test_a_prompt_that_comes_late_swallows_no_command() -> None:
    made = ready_rig()
    session = made.session
    session.send(1, tpdu("late prompt"), 100.0)
    assert session.bytes_to_send().startswith(b"AT+CMGS=")
    events = session.tick(105.0)
    assert [e for e in events if isinstance(e, SegmentNotSent)] == [SegmentNotSent(1, "no prompt")]
    assert session.bytes_to_send() == b"\x1b"
    session.receive_data(b"\r\n> ", 105.1)
    # ESC, and nothing that could end a text, until the line has been quiet.
    assert session.bytes_to_send() == b"\x1b"
    assert not [e for e in session.tick(105.2) if isinstance(e, SegmentPrompted)]
    session.tick(105.4)
    assert session.bytes_to_send() == b"AT\r"


@pytest.mark.parametrize(("kind", "code"), [("refuse", 38), ("refuse", 500), ("refuse_prompt", 310)])
def test_a_refusal_carries_its_code(kind: str, code: int) -> None:
    made = ready_rig()
    made.machine.faults.add(Fault(kind, code=code))
    assert send(made, 3, "no") == SegmentRefused(3, "CMS", code)
    assert texts(made) == []
    assert made.run_until_ready(1)


def test_a_withdrawn_segment_leaves_nothing_behind() -> None:
    made = ready_rig()
    made.hand_over = False
    made.session.send(1, tpdu("withdrawn"), made.now)
    assert made.run(1, lambda: bool(made.seen(SegmentPrompted)))
    made.session.withdraw(made.now)
    assert made.run_until_ready()
    assert made.seen(SegmentNotSent) == [SegmentNotSent(1, "withdrawn")]
    assert made.logged("cancelled") == [
        {"ev": "cancelled", "t": made.logged("cancelled")[0]["t"], "octets": 0}
    ]
    made.hand_over = True
    assert send(made, 2, "next") == SegmentSent(2, 1)
    assert texts(made) == ["next"]


def test_nothing_of_the_pdu_is_written_before_the_caller_hands_it_over() -> None:
    made = ready_rig()
    made.hand_over = False
    made.session.send(1, tpdu("held"), made.now)
    made.run(3)
    assert made.logged("pdu") == []
    # Nobody decides: the prompt is left unsent before the modem gives it up.
    made.run(10)
    assert made.seen(SegmentNotSent) == [SegmentNotSent(1, "the modem left the prompt")]
    made.session.hand_over(made.now)
    made.run(10)
    assert made.logged("pdu") == []


def test_a_restart_while_the_answer_is_open_leaves_the_outcome_unknown() -> None:
    made = ready_rig()
    made.machine.latency_s = 5.0
    made.session.send(1, tpdu("cut"), made.now)
    assert made.run(1, lambda: bool(made.logged("pdu")))
    made.machine.restart(made.now)
    made.run(1)
    assert made.seen(SegmentUnknown) == [SegmentUnknown(1, "the modem said RDY")]
    made.machine.latency_s = 0.0
    assert made.run_until_ready()
    assert send(made, 2, "up again") == SegmentSent(2, 1)


def test_a_silent_restart_is_noticed_before_a_pdu_goes_out_as_text() -> None:
    made = ready_rig()
    made.machine.restart(made.now, silent=True)
    made.machine.commands.kept["+CMGF"] = "1"  # as many modems have it after power-on
    assert send(made, 1, "not as text") == SegmentNotSent(1, "the modem has restarted: its echo is back")
    assert made.run_until_ready()
    assert send(made, 1, "not as text") == SegmentSent(1, 1)
    assert texts(made) == ["not as text"]
    assert len(made.logged("sms")) == 1


@pytest.mark.parametrize("handed_over", [True, False])
def test_a_lost_port_tells_what_was_open_as_what_it_is(handed_over: bool) -> None:
    made = ready_rig()
    made.hand_over = handed_over
    made.machine.latency_s = 5.0
    made.session.send(1, tpdu("pulled"), made.now)
    assert made.run(1, lambda: bool(made.seen(SegmentPrompted)))
    events = made.session.lost(made.now, "the cable was pulled")
    wanted = (
        SegmentUnknown(1, "the cable was pulled")
        if handed_over
        else SegmentNotSent(1, "the cable was pulled")
    )
    assert wanted in events
    assert made.session.next_deadline() == made.now + GONE_S, "until then it may be plugged in again"
    assert made.session.receive_data(b"\r\nOK\r\n", made.now) == []
    assert "pulled" in made.session.doing
    made.machine.restart(made.now, silent=True)
    made.session.reopened(made.now)
    assert made.run_until_ready()


def test_the_link_is_kept_up_once_more_than_one_waits() -> None:
    made = ready_rig()
    for tag in (1, 2):
        made.session.send(tag, tpdu(f"part {tag}"), made.now, more=True)
        made.run(1)
    assert [line for line in made.lines() if line.startswith("AT+CMMS=2")] == ["AT+CMMS=2"]
    assert len(texts(made)) == 2


def test_a_heartbeat_asks_one_domain_that_carries_messages_and_all_where_it_does_not() -> None:
    made = rig()
    assert made.run_until_ready()
    made.run(200)  # between two rounds of samples
    before = len(made.lines())
    made.run(61)
    assert made.lines()[before:] == ["AT+CREG?"]
    made.machine.commands.stat = 2  # the network goes, and no URC says so
    before = len(made.lines())
    made.run(62)
    assert made.lines()[before:][:5] == ["AT+CREG?", "AT", "AT+CREG?", "AT+CGREG?", "AT+CEREG?"]


def test_a_modem_that_goes_deaf_is_found_by_the_heartbeat() -> None:
    made = ready_rig()
    made.run(10)
    made.machine.faults.add(Fault("deaf", count=1000))
    made.run(80)
    assert made.seen(Deaf)
    assert not made.session.ready
    made.machine.faults.clear()
    assert made.run_until_ready(61)


def test_recovering_initialises_again_and_leaves_an_open_segment_alone() -> None:
    made = ready_rig()
    before = len(made.lines())
    made.session.recover(made.now)
    assert not made.session.ready
    assert made.run_until_ready()
    assert "AT+CMGF=0" in made.lines()[before:]
    made.machine.latency_s = 5.0
    made.session.send(1, tpdu("open"), made.now)
    made.run(1)
    made.session.recover(made.now)
    made.run(10)
    assert made.seen(SegmentSent) == [SegmentSent(1, 1)]


# Receiving.


@EVERY_LINK
def test_a_message_is_reported_and_stays_until_it_is_forgotten(link: Link) -> None:
    made = ready_rig(link)
    made.machine.deliver_text(PHONE, "TOTAL?", made.now)
    made.run(5)
    (received,) = made.seen(MessageReceived)
    assert SmsDeliver.decode(received.tpdu).text() == "TOTAL?"  # type: ignore[attr-defined]
    assert received.stored == StoredAt("SM", 1)  # type: ignore[attr-defined]
    assert made.machine.commands.store.used == 1
    made.session.forget(StoredAt("SM", 1), made.now)
    made.run(5)
    assert made.machine.commands.store.used == 0


def test_what_was_stored_before_is_swept_and_told_once() -> None:
    made = rig()
    for text in ("one", "two"):
        made.machine.deliver_text(PHONE, text, 0.0)
    assert made.run_until_ready()
    made.run(10)
    made.machine.restart(made.now)
    made.run(1)
    assert made.run_until_ready()
    made.run(10)
    assert [SmsDeliver.decode(e.tpdu).text() for e in made.seen(MessageReceived)] == ["one", "two"]  # type: ignore[attr-defined]


def test_a_sweep_finds_what_was_announced_to_nobody() -> None:
    made = ready_rig()
    made.run(10)
    made.machine.commands.kept["+CNMI"] = "0,0,0,0,0"
    made.machine.deliver_text(PHONE, "silent", made.now)
    made.run(10)
    assert made.seen(MessageReceived) == []
    made.session.sweep(made.now)
    made.run(1)
    assert len(made.seen(MessageReceived)) == 1


def test_only_what_was_reported_can_be_forgotten() -> None:
    made = ready_rig()
    made.machine.deliver_text(PHONE, "unseen", 0.0)
    made.session.forget(StoredAt("SM", 1), made.now)
    made.run(0.5)
    assert made.machine.commands.store.used == 1


def test_a_full_storage_is_emptied_and_what_waits_in_the_network_comes() -> None:
    made = ready_rig()
    made.machine.commands.store.places = 2
    for number in range(5):
        made.machine.deliver_text(PHONE, f"number {number}", made.now)
    for _ in range(20):
        before = len(made.seen(MessageReceived))
        made.run(1)
        for event in made.seen(MessageReceived)[before:]:
            made.session.forget(event.stored, made.now)  # type: ignore[attr-defined]
            made.session.forget(event.stored, made.now)  # type: ignore[attr-defined]
    told = [SmsDeliver.decode(e.tpdu).text() for e in made.seen(MessageReceived)]  # type: ignore[attr-defined]
    assert sorted(told) == [f"number {number}" for number in range(5)]


def test_a_routed_message_cut_by_another_urc_is_whole() -> None:
    made = ready_rig()
    deliver = SmsDeliver.decode(bytes.fromhex("040B913108108300F80000621010000000000141"))
    octets = deliver.encode()
    events = made.session.receive_data(
        b"\r\n+CMT: ,%d\r\n\r\nRING\r\n00%s\r\n" % (len(octets), octets.hex().encode()), 1.0
    )
    assert events == [UrcReceived("RING"), MessageReceived(octets)]


def test_a_report_behind_an_impossible_service_centre_is_still_reported() -> None:
    made = ready_rig()
    events = made.session.receive_data(b"\r\n+CDS: 3\r\n\r\nC8" + b"FF" * 200 + b"060102\r\n", 1.0)
    assert events == [StatusReportReceived(b"\x06\x01\x02")]


def test_an_announcement_that_makes_no_sense_is_told() -> None:
    made = ready_rig()
    assert made.session.receive_data(b'\r\n+CMTI: "SM",x\r\n', 1.0) == [UnknownLine('+CMTI: "SM",x')]


# Anything at all.

NOISE = st.binary(max_size=60) | st.sampled_from(
    [
        b"\r\nOK\r\n", b"\r\nERROR\r\n", b"\r\n> ", b"\r\n+CMGS: 9\r\n", b"\r\n+CMGS: x\r\n", b"\r\n+CMS ERROR: 500\r\n",
        b"\r\n+CREG: 0,1\r\n", b"\r\n+CREG: 1\r\n", b"\r\n+CPIN: READY\r\n", b"\r\n+CPIN: SIM PIN\r\n", b"\r\nRDY\r\n",
        b'\r\n+CMTI: "SM",1\r\n', b"\r\n+CMT: ,0\r\n00\r\n", b"\r\n+CDS: 3\r\n00060102\r\n", b"\r\n+CMGR: 1,,3\r\n00040102\r\n",
        b'\r\n+CPMS: "SM",0,9,"SM",0,9,"ME",0,9\r\n', b"\r\n+CMMS: (0-2)\r\n", b"\r\n+CPINR: SIM PIN,3\r\n", b"AT\r",
    ]
)  # fmt: skip


@settings(max_examples=200)
@given(st.lists(st.tuples(NOISE, st.sampled_from([0.0, 0.2, 1.0, 6.0, 61.0])), max_size=40))
def test_any_octets_at_any_time_give_events_and_never_ctrl_z_without_a_pdu(
    script: list[tuple[bytes, float]],
) -> None:
    session = Session(0.0, settings=ModemSettings(pin="1234"))
    now, tag, open_tags = 0.0, 0, set[int]()
    pin_entries, accepted = 0, 0
    for data, wait in script:
        events = [*session.receive_data(data, now), *session.tick(now)]
        now += wait
        events += session.tick(now)
        accepted += events.count(PinTried(accepted=True))
        for event in events:
            if isinstance(event, SegmentPrompted):
                session.hand_over(now)
            elif isinstance(event, SegmentSent | SegmentRefused | SegmentUnknown | SegmentNotSent):
                assert event.tag in open_tags, "told twice, or never sent"
                open_tags.remove(event.tag)
        if session.ready:
            tag += 1
            open_tags.add(tag)
            session.send(tag, tpdu("x"), now)
        written = session.bytes_to_send()
        pin_entries += written.count(b'AT+CPIN="')
        for piece in written.split(b"\x1a")[:-1]:
            assert piece.endswith((b"00" + tpdu("x").hex().upper().encode(), b"\x1b"))
        assert len(open_tags) <= 1
        assert session.doing
        # A second PIN is written only after the modem took the first.
        assert pin_entries <= 1 + accepted


@pytest.mark.parametrize("seed", range(6))
def test_a_day_of_faults_loses_and_invents_nothing(seed: int) -> None:
    """Every message is told as sent, refused, not sent or unknown, and the phone agrees with each but the unknown."""
    chance = random.Random(seed)
    made = ready_rig(chance.choice(list(LINKS.values())), seed=seed)
    kinds = [
        "lost_ok",
        "late_ok",
        "lost_pdu",
        "refuse",
        "refuse_prompt",
        "no_prompt",
        "deaf",
        "late",
        "error",
    ]
    ended: dict[int, object] = {}
    for tag in range(40):
        if chance.random() < 0.5:
            made.machine.faults.add(Fault(chance.choice(kinds), seconds=chance.choice([3.0, 62.0])))
        if chance.random() < 0.1:
            made.machine.restart(made.now, silent=chance.random() < 0.5)
        assert made.run_until_ready(1200), (seed, made.session.doing)
        ended[tag] = send(made, tag, f"message {tag}", seconds=300)
        made.run(chance.choice([0.0, 1.0, 70.0]))
    on_phone = texts(made)
    for tag, end in ended.items():
        shown = on_phone.count(f"message {tag}")
        if isinstance(end, SegmentSent):
            assert shown == 1, (seed, tag)
        elif not isinstance(end, SegmentUnknown):
            assert shown == 0, (seed, tag, end)
    late = {e.tag for e in made.seen(LateAnswer)}  # type: ignore[attr-defined]
    assert all(on_phone.count(f"message {tag}") == 1 for tag in late), seed
