"""Modems and SIMs with habits of their own: what they do unasked, leave unsaid or say in another form costs nothing."""

from datetime import UTC, datetime

import pytest

from tillbell_agent.modem.conditions import Condition
from tillbell_agent.modem.events import (
    MessageReceived,
    NotReady,
    PinTried,
    RecoveryStep,
    Sampled,
    SegmentRefused,
    SegmentSent,
    SegmentUnknown,
    SimChanged,
    UnknownLine,
)
from tillbell_agent.modem.facts import ModemSettings
from tillbell_agent.modem.session import Session
from tillbell_agent.sim.modem import ModemMachine
from tillbell_agent.sim.modem_commands import Commands, Sim
from tillbell_agent.sim.modem_rig import Rig
from tillbell_agent.sim.modem_state import Reply
from tillbell_agent.sim.network import Network
from tillbell_protocol.sms.address import Address
from tillbell_protocol.sms.segment import split_text
from tillbell_protocol.sms.tpdu import SmsDeliver, SmsSubmit

PHONE = "+8613800138000"
HOUR_S = 3600.0


class Odd(Commands):
    """Answers some lines in its own way, a list of information lines before ``OK``."""

    __slots__ = ("instead",)
    instead: dict[str, tuple[str, ...]]

    def run(self, line: str) -> Reply:
        if line in getattr(self, "instead", {}):
            return Reply(self.instead[line])
        return super().run(line)


class Deceiver(Sim):
    """Its modem takes any PIN, and the SIM goes on asking for it."""

    def enter(self, secret: str, new_pin: str | None) -> int | None:
        super().enter("", new_pin)  # each costs one of its tries all the same
        return None


def rig(sim: Sim | None = None, instead: dict[str, tuple[str, ...]] | None = None, **setup: object) -> Rig:
    commands = Odd(sim or Sim())
    commands.instead = instead or {}
    machine = ModemMachine(Network(datetime(2026, 1, 1, tzinfo=UTC)), commands=commands)
    return Rig(Session(0.0, settings=ModemSettings(**setup)), machine)  # type: ignore[arg-type]


def ready_rig(
    sim: Sim | None = None, instead: dict[str, tuple[str, ...]] | None = None, **setup: object
) -> Rig:
    made = rig(sim, instead, **setup)
    assert made.run_until_ready(), made.session.doing
    made.run(10)
    return made


def send(made: Rig, tag: int) -> None:
    segment = split_text("sale", 1)[0]
    to = Address.from_text(PHONE)
    made.session.send(tag, SmsSubmit(0, to, 0, segment.dcs, None, segment.udh, segment.ud).encode(), made.now)


def set_ups(made: Rig) -> int:
    return made.lines().count("ATE0")


def chatter(made: Rig, text: str, every_s: float, seconds: float) -> None:
    end = made.now + seconds
    while made.now < end:
        made.run(every_s)
        made.machine.urc(text, made.now)


# What they say unasked.


def test_a_running_stick_that_tells_of_its_boot_again_and_again_has_not_restarted() -> None:
    made = ready_rig()
    made.machine.latency_s = 7.0
    send(made, 1)
    chatter(made, "^BOOT:26417135,0,0,0,20", 3.0, 60)
    assert made.seen(SegmentSent) == [SegmentSent(1, 1)]
    assert made.seen(SegmentUnknown) == []
    assert set_ups(made) == 1


def test_chatter_does_not_use_up_the_patience_for_a_busy_sim() -> None:
    made = rig()
    made.machine.life.sim_busy(0.0, 15.0)
    chatter(made, "^RSSI: 18", 0.2, 12)
    chatter(made, "+CREG: 1", 0.2, 2)
    assert made.session.condition is Condition.SIM_BUSY
    assert made.seen(RecoveryStep) == []
    assert made.run_until_ready(5)


def test_a_sim_that_says_it_is_ready_is_not_waited_for_any_longer() -> None:
    made = rig()
    made.machine.life.sim_busy(0.0, 5.05)
    assert made.run(6, lambda: made.machine.commands.sim.state == "READY")
    told = made.now
    assert made.run(1, lambda: "AT+CIMI" in made.lines())
    assert made.now - told < 0.5, "not at the end of a whole second's pause"


# What they say in another form.


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("AT+CSQ", ("+CSQ: -71,99",)),
        ("AT+CSQ", ()),
        ("AT+CBC", ()),
        ("AT+COPS?", ("+COPS: 0", "+COPS: 1")),
        ("AT+CREG?", ("+CREG: 0,1", "+CREG: 0,1")),
        ("AT+CEREG?", ()),
    ],
)
def test_an_answer_in_another_form_does_not_have_the_modem_set_up_again_and_again(
    line: str, answer: tuple[str, ...]
) -> None:
    made = ready_rig(instead={line: answer})
    made.run(2000)
    settled = set_ups(made)
    made.run(2 * HOUR_S)
    assert set_ups(made) == settled <= 3
    assert made.session.ready


def test_one_damaged_answer_is_no_reason_never_to_ask_again() -> None:
    made = ready_rig(instead={"AT+CSQ": ("+CSQ: \xff",)})
    made.run(200)
    made.machine.commands.instead.clear()  # type: ignore[attr-defined]
    made.run(1000)
    assert Sampled("signal_dbm", -73) in made.events


def test_the_first_of_two_lines_tells_the_registration() -> None:
    made = rig(instead={"AT+CREG?": ("+CREG: 0,5", "+CREG: 0,2")})
    made.machine.set_registration(2, 0.0)
    assert made.run_until_ready(30), made.session.doing


def test_ok_without_a_line_does_not_mean_that_no_message_is_there() -> None:
    made = ready_rig(instead={"AT+CMGR=1": ()})
    made.machine.deliver_text(PHONE, "TOTAL?", made.now)
    made.run(60)
    assert not [e for e in made.seen(UnknownLine) if "nothing is there" in e.text]  # type: ignore[attr-defined]
    assert len(made.seen(MessageReceived)) == 1, "the sweep finds it"


# The SIM.


def test_a_pin_that_the_modem_takes_and_the_sim_does_not_is_entered_once() -> None:
    sim = Deceiver(state="SIM PIN")
    made = rig(sim, pin="1234")
    made.machine.commands.refused = {'AT+CPINR="SIM PIN"'}
    made.run(HOUR_S)
    assert [line for line in made.lines() if line.startswith("AT+CPIN=")] == ['AT+CPIN="1234"']
    assert made.seen(PinTried) == [PinTried(accepted=False)]
    assert made.session.condition is Condition.PIN_NEEDED
    assert made.logged("restart") == [], "no step of ours would help"


def test_a_refused_pin_is_not_tried_again_after_somebody_has_opened_the_sim_by_hand() -> None:
    sim = Sim(state="SIM PIN", pin="9999")
    made = rig(sim, pin="1234")
    made.machine.commands.refused = {'AT+CPINR="SIM PIN"'}
    made.run(30)
    sim.state = "READY"
    assert made.run_until_ready(120)
    made.machine.restart(made.now, locked=True)
    made.run(HOUR_S)
    assert sim.tries_left == 2


def test_a_modem_that_restarts_unheard_while_it_looks_for_a_network_gets_its_pin() -> None:
    made = ready_rig(Sim(state="SIM PIN"), pin="1234")
    made.machine.set_registration(2, made.now)
    made.run(30)
    made.machine.restart(made.now, silent=True, locked=True)
    made.machine.commands.stat = 0  # no network without the SIM
    assert made.run(90, lambda: made.machine.commands.sim.state == "READY"), made.session.doing
    made.machine.set_registration(1, made.now)
    assert made.run_until_ready(10)


def test_a_sim_that_is_locked_unheard_is_found_while_a_network_is_looked_for() -> None:
    """The echo stays off in this one: only +CPIN? tells."""
    made = ready_rig(Sim(state="SIM PIN"), pin="1234")
    made.machine.set_registration(2, made.now)
    made.run(30)
    made.machine.commands.sim.state = "SIM PIN"
    made.machine.commands.stat = 0
    assert made.run(90, lambda: made.machine.commands.sim.state == "READY"), made.session.doing


def test_a_lost_network_is_waited_for_without_setting_the_modem_up_anew() -> None:
    made = ready_rig()
    made.machine.set_registration(2, made.now)
    made.run(6 * HOUR_S)
    assert set_ups(made) == 1
    assert 300 < made.lines().count("AT+CPIN?") < 400, "once a minute"
    assert made.session.condition is Condition.SEARCHING


def test_a_sim_that_was_pulled_unheard_is_the_condition_after_the_first_refusal() -> None:
    made = ready_rig()
    made.machine.commands.sim.state = "NOT INSERTED"
    send(made, 1)
    made.run(20)
    assert made.seen(SegmentRefused) == [SegmentRefused(1, "CMS", 310)]
    assert made.session.condition is Condition.NO_SIM
    assert "put the SIM in" in made.session.next_step
    assert not made.session.ready, "so that nothing more is tried"
    assert "the SIM cannot be used" in made.seen(NotReady)[-1].why  # type: ignore[attr-defined]
    made.machine.commands.sim.state = "READY"
    assert made.run_until_ready(90), "and nobody has to restart anything"
    send(made, 2)
    assert made.run(5, lambda: made.seen(SegmentSent) == [SegmentSent(2, 1)])


def test_a_sim_that_was_pulled_unheard_is_found_though_nothing_is_sent() -> None:
    made = ready_rig(sample_s=600.0)
    made.machine.commands.sim.state = "NOT INSERTED"
    assert made.run(650, lambda: made.session.condition is Condition.NO_SIM)


def test_a_deletion_that_waits_when_the_port_goes_is_not_done_on_another_sim() -> None:
    made = ready_rig()
    made.machine.deliver_text(PHONE, "first", made.now)
    assert made.run(30, lambda: bool(made.seen(MessageReceived)))
    where = made.seen(MessageReceived)[0].stored  # type: ignore[attr-defined]
    made.events += made.session.lost(made.now, "unplugged")
    made.session.forget(where, made.now)  # the disk answers a moment too late
    other = rig(Sim(imsi="460009999999999")).machine
    other.deliver_text(PHONE, "of the other SIM", made.now)
    made.machine = other
    made.session.reopened(made.now)
    assert made.run_until_ready()
    made.run(60)
    assert other.commands.store.used == 1
    told = [SmsDeliver.decode(e.tpdu).text() for e in made.seen(MessageReceived)]  # type: ignore[attr-defined]
    assert told == ["first", "of the other SIM"]


def test_what_was_known_of_a_sim_is_forgotten_when_it_is_changed_under_a_running_modem() -> None:
    made = ready_rig()
    made.machine.deliver_text(PHONE, "first", made.now)
    assert made.run(30, lambda: bool(made.seen(MessageReceived)))
    made.machine.commands.sim.imsi = "460009999999999"
    assert made.run(700, lambda: bool(made.seen(SimChanged)))
    made.run(5)
    assert len(made.seen(MessageReceived)) == 2, "it may be another message that lies there now"
