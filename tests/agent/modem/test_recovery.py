"""A modem that goes deaf, hangs, restarts, speaks at another speed or goes away: what the session does, and how soon.

The modem is the simulated one; what the port's owner does (speed, reopening, power) is done here as the agent does it.
"""

from datetime import UTC, datetime

import pytest

from tillbell_agent.modem.conditions import NEXT_STEP, WAITS_FOR, Condition
from tillbell_agent.modem.events import (
    Deaf,
    MessageReceived,
    ModemAlarm,
    ModemEvent,
    NotReady,
    PowerWanted,
    Ready,
    RecoveryStep,
    ReopenWanted,
    SegmentSent,
    SegmentUnknown,
    SpeedWanted,
    UnknownLine,
)
from tillbell_agent.modem.facts import ModemSettings
from tillbell_agent.modem.profile import Profile
from tillbell_agent.modem.session import Session
from tillbell_agent.sim.modem import ModemMachine
from tillbell_agent.sim.modem_commands import Commands, Sim
from tillbell_agent.sim.modem_faults import Fault
from tillbell_agent.sim.modem_rig import Rig
from tillbell_agent.sim.modem_wire import Wire
from tillbell_agent.sim.network import Network
from tillbell_protocol.sms.address import Address
from tillbell_protocol.sms.segment import split_text
from tillbell_protocol.sms.tpdu import SmsSubmit

BOOT_S = 8.0


class Wired(ModemMachine):
    """A modem with a speed of its own: octets at another are garbage, both ways."""

    wire = Wire()
    port_speed = 0

    def receive_data(self, data: bytes, now: float) -> list[dict[str, object]]:
        self.wire.from_computer(data, self.port_speed, now)
        return super().receive_data(self.wire.to_modem(now), now)

    def bytes_to_send(self) -> bytes:
        said = super().bytes_to_send()
        if said:
            self.wire.from_modem(said, 0.0)
        return self.wire.to_computer(0.0)


class FieldRig(Rig):
    """The rig, and the port's owner: it sets speeds, reopens, and has a command for the power."""

    power_works = True

    def _note(self, events: list[ModemEvent]) -> None:
        super()._note(events)
        for event in events:
            match event:
                case SpeedWanted(baudrate) if isinstance(self.machine, Wired):
                    self.machine.port_speed = baudrate
                case ReopenWanted(why):
                    self.events += self.session.lost(self.now, why)
                    self.session.reopened(self.now + 1.0)
                case PowerWanted() if self.power_works:
                    self.machine.life.restart(self.now)

    def unplug(self) -> None:
        self.machine.life.unplug(self.now)
        self.events += self.session.lost(self.now, "unplugged")

    def plug(self) -> None:
        self.machine.life.plug(self.now)
        self.session.reopened(self.now)


def rig(machine: type[ModemMachine] = ModemMachine, sim: Sim | None = None, **setup: object) -> FieldRig:
    made = machine(Network(datetime(2026, 1, 1, tzinfo=UTC)), commands=Commands(sim or Sim()))
    settings = ModemSettings(**setup)  # type: ignore[arg-type]
    return FieldRig(Session(0.0, settings=settings), made)


def ready_rig(**setup: object) -> FieldRig:
    made = rig(**setup)  # type: ignore[arg-type]
    assert made.run_until_ready(), made.session.doing
    made.run(5)
    return made


def steps(made: Rig) -> list[str]:
    return [event.step for event in made.seen(RecoveryStep)]  # type: ignore[attr-defined]


def send(made: Rig, tag: int) -> None:
    segment = split_text("sale", 1)[0]
    phone = Address.from_text("+8613800138000")
    tpdu = SmsSubmit(0, phone, 0, segment.dcs, None, segment.udh, segment.ud).encode()
    made.session.send(tag, tpdu, made.now)


# A modem that hangs.


def test_a_hung_modem_is_found_by_the_heartbeat_and_helped_by_its_power() -> None:
    made = ready_rig(can_power=True)
    made.machine.life.hang(made.now)
    began = made.now
    assert made.run(600, lambda: bool(made.seen(PowerWanted)))
    assert made.run_until_ready(60)
    assert made.now - began < 60 + 120, "a heartbeat, and two minutes of the ladder"
    assert steps(made) == [
        "AT again", "AT again", "reset by command", "close and open the port", "power command",
    ]  # fmt: skip
    assert [each["outcome"] for each in made.session.ladder(made.now)][-2:] == ["did not help", "helped"]
    assert len(made.seen(Ready)) == 2


def test_a_modem_that_hears_and_does_not_answer_is_reset_by_its_command() -> None:
    made = ready_rig()
    made.machine.faults.add(Fault("deaf", count=16))
    assert made.run(300, lambda: bool(made.logged("restart"))), steps(made)
    assert made.run_until_ready(60)
    assert steps(made)[-1] == "reset by command"
    assert made.session.ladder(made.now)[-1]["outcome"] == "helped"


def test_nothing_helps_means_one_alarm_and_no_loop_of_resets() -> None:
    made = ready_rig(can_power=True)
    made.power_works = False
    made.machine.life.hang(made.now)
    made.run(3600)
    assert len(made.seen(ModemAlarm)) == 2, "one for each climb; the second after a quarter of an hour"
    assert len(made.seen(PowerWanted)) == 1
    assert made.session.condition is Condition.DEAF
    made.machine.life.restart(made.now)
    assert made.run_until_ready(75), "it is still asked once a minute"


def test_while_it_restarts_it_says_so_and_nothing_else_is_written() -> None:
    made = ready_rig()
    made.machine.life.boot_s = BOOT_S
    made.session.recover(made.now)
    assert made.run_until_ready(10)
    made.machine.faults.add(Fault("deaf", count=0))
    assert made.run(300, lambda: "AT+CFUN=1,1" in made.lines())
    assert made.session.condition is Condition.RESETTING
    assert made.session.doing.startswith("restarting the modem")
    made.machine.faults.clear()
    before = len(made.lines())
    assert made.run(2.5, lambda: len(made.lines()) > before) is False
    assert made.run_until_ready(60)


def test_a_modem_that_stays_at_the_prompt_is_flushed_before_it_is_reset() -> None:
    session = Session(0.0)
    now = _bring_up(session)
    session.send(1, b"\x01\x00\x0d\x91\x68\x31\x08\x10\x83\x00\xf0\x00\x00\x01\x41", now)
    assert session.bytes_to_send().startswith(b"AT+CMGS=")
    written = b""
    for _ in range(60):
        now = max(now, session.next_deadline() or now)
        session.tick(now)
        written += session.bytes_to_send()
    assert b"\x1b\x1a" in written
    assert written.index(b"\x1b\x1a") < written.index(b"AT+CFUN=1,1")
    assert written.count(b"\x1a") == 1


def _bring_up(session: Session) -> float:
    """Answer everything with OK, registration with "home"."""
    now = 0.0
    for _ in range(400):
        now = max(now, session.next_deadline() or now)
        session.tick(now)
        while line := session.bytes_to_send().replace(b"\x1b", b"").rstrip(b"\r"):
            answer = {b"AT+CPIN?": b"+CPIN: READY\r\n", b"AT+CREG?": b"+CREG: 1,1\r\n"}.get(line, b"")
            session.receive_data(b"\r\n" + answer + b"\r\nOK\r\n", now)
        if session.ready:
            return now
    raise AssertionError(session.doing)


# A modem that answers AT and does not work.


def test_one_that_refuses_to_be_set_up_is_set_up_again_and_then_reset() -> None:
    made = rig()
    made.machine.commands.refused = {"AT+CMGF=0"}
    assert made.run(600, lambda: bool(made.logged("restart"))), made.session.doing
    assert steps(made) == ["initialise again"] * 3 + ["reset by command"]
    made.machine.commands.refused = set()
    assert made.run_until_ready(60)


def test_three_commands_in_a_row_without_an_answer_mean_a_reset_though_at_is_answered() -> None:
    made = ready_rig()
    for tag in range(3):
        made.machine.faults.add(Fault("lost_pdu"))
        assert made.run_until_ready(120), made.session.doing
        send(made, tag)
        assert made.run(100, lambda tag=tag: len(made.seen(SegmentUnknown)) > tag)
    assert made.run(60, lambda: bool(made.logged("restart")))
    assert steps(made) == ["reset by command"]
    assert made.run_until_ready(60)
    send(made, 9)
    assert made.run(5, lambda: made.seen(SegmentSent) == [SegmentSent(9, 1)])


def test_a_refused_pin_is_no_reason_to_reset_anything() -> None:
    made = rig(sim=Sim(state="SIM PIN"), pin="9999", can_power=True)
    assert not made.run_until_ready(7200)
    assert steps(made) == []
    assert made.logged("restart") == []
    assert made.session.condition is Condition.PIN_NEEDED


def test_a_listing_that_never_ends_does_not_hold_up_the_modem_for_ever() -> None:
    made = rig(can_power=True)
    made.machine.faults.add(Fault("endless_list", count=0))
    assert made.run_until_ready()
    made.run(200)
    assert made.run_until_ready(1)
    made.run(3 * 3600)
    assert [line for line in made.lines() if line.startswith("AT+CMGL")] == ["AT+CMGL=4"]
    made.machine.deliver_text("+8613800138000", "TOTAL?", made.now)
    assert made.run(5, lambda: bool(made.seen(MessageReceived))), "what is announced is read by its index"


# Speeds.


@pytest.mark.parametrize("speed", [57600, 38400, 19200, 9600])
def test_a_modem_at_another_speed_is_found_there(speed: int) -> None:
    made = rig(Wired, baudrate=115200)
    assert isinstance(made.machine, Wired)
    made.machine.wire, made.machine.port_speed = Wire(speed), 115200
    assert made.run_until_ready(25), made.session.doing
    assert made.session.speed == made.machine.port_speed == speed
    assert made.session.ladder(made.now)[-1] | {"at_s_ago": 0} == {
        "step": "other speeds", "at_s_ago": 0, "outcome": "helped",
    }  # fmt: skip


def test_a_modem_that_finds_its_speed_by_listening_needs_no_search() -> None:
    made = rig(Wired, baudrate=115200)
    assert isinstance(made.machine, Wired)
    made.machine.wire, made.machine.port_speed = Wire(autobaud=True, autobaud_misses=3), 115200
    assert made.run_until_ready(15)
    assert made.seen(SpeedWanted) == []


def test_where_nobody_answers_at_any_speed_the_configured_one_is_back() -> None:
    made = rig(Wired, baudrate=9600)
    assert isinstance(made.machine, Wired)
    made.machine.wire, made.machine.port_speed = Wire(4800), 9600
    made.run(22)
    assert [event.baudrate for event in made.seen(SpeedWanted)] == [115200, 57600, 38400, 19200, 9600]  # type: ignore[attr-defined]
    assert made.session.speed == 9600


def test_a_profile_fixes_the_speed_of_a_modem_that_would_listen_again() -> None:
    profile = Profile("listener", "L", models=("SIM MODEM",), fix_speed=True)
    made = rig(baudrate=57600, profiles=(profile,))
    assert made.run_until_ready()
    assert "AT+IPR=57600" in made.lines()
    assert made.session.profile is profile


# Ports that go and come.


def test_a_replugged_modem_is_back_within_a_second_of_its_own_start() -> None:
    made = ready_rig()
    made.machine.life.boot_s = BOOT_S
    for _ in range(5):
        made.unplug()
        assert made.session.condition is Condition.UNPLUGGED
        made.now += 60
        made.plug()
        began = made.now
        assert made.run_until_ready(60), made.session.doing
        assert made.now - began < BOOT_S + 3
    assert steps(made) == [], "a modem that starts is not judged deaf"


def test_a_modem_that_vanishes_because_it_was_reset_is_waited_for() -> None:
    made = ready_rig()
    made.machine.life.boot_s = BOOT_S
    made.machine.faults.add(Fault("deaf", count=0))
    assert made.run(300, lambda: "reset by command" in steps(made))
    made.machine.faults.clear()
    made.unplug()
    made.now += 3
    made.plug()
    assert made.session.condition is Condition.RESETTING
    assert made.run_until_ready(30)
    assert steps(made)[-1] == "reset by command"
    assert made.session.ladder(made.now)[-1]["outcome"] == "helped"


def test_a_modem_that_never_comes_back_from_a_reset_gets_its_power_and_then_an_alarm() -> None:
    made = ready_rig(can_power=True)
    made.power_works = False
    made.machine.faults.add(Fault("deaf", count=0))
    assert made.run(300, lambda: "reset by command" in steps(made))
    made.unplug()
    made.run(120)
    assert [event.why for event in made.seen(PowerWanted)] == ["its port does not come back: unplugged"]  # type: ignore[attr-defined]
    assert len(made.seen(ModemAlarm)) == 1
    assert steps(made)[-1] == "power command"
    assert made.session.condition is Condition.UNPLUGGED
    made.run(24 * 3600)
    assert len(made.seen(PowerWanted)) <= 25, "once an hour"
    made.machine.faults.clear()
    made.plug()
    assert made.run_until_ready(30)


def test_a_port_that_is_not_opened_again_after_we_closed_it_is_an_alarm() -> None:
    session = Session(0.0)
    now, wanted = 0.0, False
    while not wanted:
        now = session.next_deadline() or now
        wanted = any(isinstance(event, ReopenWanted) for event in session.tick(now))
    events = session.lost(now, "closed")
    until = now + 120
    while now < until:
        now = session.next_deadline() or until
        events += session.tick(now)
    assert [event for event in events if isinstance(event, ModemAlarm)] == [
        ModemAlarm("its port does not come back: closed")
    ]


def test_a_modem_that_was_unplugged_is_an_alarm_only_after_ten_minutes() -> None:
    made = ready_rig()
    made.unplug()
    made.run(590)
    assert made.seen(ModemAlarm) == []
    made.run(20)
    assert len(made.seen(ModemAlarm)) == 1
    made.plug()
    assert made.run_until_ready(30)
    assert made.session.next_deadline() is not None


# What it says of itself.


def test_every_condition_has_words_for_what_is_waited_for_and_what_to_do() -> None:
    for condition in Condition:
        assert len(WAITS_FOR[condition]) > 10
        assert NEXT_STEP[condition]


@pytest.mark.parametrize(
    ("state", "condition"),
    [
        ("SIM PIN", Condition.PIN_NEEDED),
        ("SIM PUK", Condition.PUK_NEEDED),
        ("NOT INSERTED", Condition.NO_SIM),
        ("BUSY", Condition.SIM_BUSY),
    ],
)
def test_the_state_of_the_sim_is_the_condition(state: str, condition: Condition) -> None:
    made = rig(sim=Sim(state=state))
    made.run(18)
    assert made.session.condition is condition
    assert made.session.condition_since < 5
    assert made.session.waits_for == WAITS_FOR[condition]


def test_searching_and_denied_are_told_apart_with_each_domains_word() -> None:
    made = rig()
    made.machine.set_registration(2, 0.0)
    made.run(20)
    assert made.session.condition is Condition.SEARCHING
    assert "+CEREG searching" in made.session.waits_for
    made.machine.set_registration(3, made.now)
    made.run(20)
    assert made.session.condition is Condition.DENIED
    assert "+CREG denied by the network" in made.session.waits_for


@pytest.mark.parametrize(
    ("code", "condition"),
    [(8, Condition.BARRED), (10, Condition.BARRED), (50, Condition.NO_CREDIT), (322, Condition.STORAGE_FULL)],
)
def test_a_refusal_of_the_sim_is_the_condition_until_a_segment_is_taken(
    code: int, condition: Condition
) -> None:
    made = ready_rig()
    made.machine.faults.add(Fault("refuse", code=code))
    send(made, 1)
    made.run(1)
    assert made.session.condition is condition
    assert made.session.doing.startswith("ready, but")
    send(made, 2)
    made.run(1)
    assert made.session.condition is Condition.READY


def test_deaf_is_one_condition_from_the_first_silence_on() -> None:
    made = ready_rig(can_power=False)
    made.machine.faults.add(Fault("deaf", count=0))
    assert made.run(100, lambda: bool(made.seen(Deaf)))
    since, seen = made.now, set[Condition]()
    while made.now < since + 200:
        made.run(0.5)
        seen.add(made.session.condition)
    assert seen == {Condition.DEAF, Condition.RESETTING}


def test_a_module_that_has_just_started_is_asked_again_for_pdu_mode() -> None:
    made = rig()
    made.machine.commands.refused = {"AT+CMGF=0"}
    made.run(6)
    assert "message service" in made.session.doing
    made.machine.commands.refused = set()
    assert made.run_until_ready(2)
    assert made.seen(NotReady) == []


def test_no_line_of_a_modem_shows_the_number_of_its_sim() -> None:
    made = ready_rig()
    events = made.session.receive_data(b"\r\n460001234567890\r\n", made.now)
    assert events == [UnknownLine("<15 digits>")]
