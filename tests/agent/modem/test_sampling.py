"""What a ready modem is asked once in a while, and what it says unasked: signal, operator, supply, credit, SIM, storage."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillbell_agent.modem.commands import Command
from tillbell_agent.modem.conditions import Condition
from tillbell_agent.modem.events import (
    ROUTED,
    MessageReceived,
    ModemAlarm,
    Sampled,
    SimChanged,
    SimIdentified,
    StatusReportReceived,
    StoredAt,
    UnknownLine,
)
from tillbell_agent.modem.facts import ModemSettings
from tillbell_agent.modem.profile import Profile
from tillbell_agent.modem.questions import (
    FromProfile,
    ReadImsi,
    ReadOperator,
    ReadSignal,
    ReadTemperature,
    ReadVoltage,
)
from tillbell_agent.modem.sampling import credit_of, is_nought
from tillbell_agent.modem.session import Session
from tillbell_agent.sim.modem import ModemMachine
from tillbell_agent.sim.modem_commands import Commands, Sim
from tillbell_agent.sim.modem_faults import Fault
from tillbell_agent.sim.modem_rig import Rig
from tillbell_agent.sim.network import Network
from tillbell_protocol.errors import DecodeError


def ready_rig(sim: Sim | None = None, *, refused: tuple[str, ...] = (), **setup: Any) -> Rig:
    machine = ModemMachine(Network(datetime(2026, 1, 1, tzinfo=UTC)), commands=Commands(sim or Sim()))
    machine.commands.refused = set(refused)
    made = Rig(Session(0.0, settings=ModemSettings(**setup)), machine)
    assert made.run_until_ready(), made.session.doing
    return made


def sampled(made: Rig, name: str) -> list[object]:
    return [event.value for event in made.seen(Sampled) if event.name == name]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("command", "lines", "value"),
    [
        (ReadSignal(), ("+CSQ: 20,0",), -73),
        (ReadSignal(), ("+CSQ: 99,99",), None),
        (ReadOperator(), ('+COPS: 0,0,"CHINA MOBILE",7',), "CHINA MOBILE"),
        (ReadOperator(), ("+COPS: 2",), None),
        (ReadVoltage(), ("+CBC: 0,80,3950",), 3950),
        (ReadVoltage(), ("+CBC: 4.015V",), 4015),
        (ReadVoltage(), ("+CBC: 3.9V",), 3900),
        (ReadVoltage(), ("+CBC: 0,80",), None),
        (ReadImsi(), ("460001234567890",), "460001234567890"),
        (ReadImsi(), ('+CIMI: "460001234567890"',), "460001234567890"),
        (ReadTemperature("AT+CPMUTEMP", r"\+CPMUTEMP: ?(-?\d+)"), ("+CPMUTEMP: 47",), 47),
        (ReadTemperature("AT+CMTE?", r"\+CMTE: ?\d,(-?\d+)"), ("+CMTE: 0,-5.73",), -5),
        (FromProfile("AT+CGSMS=3"), ("+CGSMS: 3",), None),
    ],
)
def test_each_question_reads_its_answer(command: Command[Any], lines: tuple[str, ...], value: object) -> None:
    assert all(command.claims(line) for line in lines)
    assert command.parse(lines) == value


@pytest.mark.parametrize(
    "command",
    [ReadSignal(), ReadOperator(), ReadVoltage(), ReadImsi(), ReadTemperature("AT+CBC", r"(.)")],
    ids=repr,
)
@given(text=st.text(alphabet='+CSQOPBIM: 0123456789,."V', max_size=40))
def test_any_answer_is_a_value_or_the_modules_own_error(command: Command[Any], text: str) -> None:
    for lines in ((), (text,), (text, text), (command.line()[2:].rstrip("?") + ": " + text,)):
        try:
            value = command.parse(lines)
        except DecodeError:
            continue
        assert value is None or isinstance(value, int | str | tuple)


def test_signal_operator_and_voltage_are_read_at_the_start_and_then_rarely() -> None:
    made = ready_rig(sample_s=600.0)
    made.run(10)
    assert sampled(made, "signal_dbm") == [-73]
    assert sampled(made, "operator") == ["TILLBELL"]
    assert sampled(made, "voltage_mv") == [3950]
    made.run(590)
    made.machine.commands.signal = 10
    made.run(600)
    assert len(sampled(made, "signal_dbm")) == 2 or sampled(made, "signal_dbm")[-1] == -93
    assert made.lines().count("AT+COPS?") <= 3


def test_a_sale_that_waits_goes_before_the_next_question() -> None:
    made = ready_rig()
    assert made.run(10, lambda: made.lines()[-1] == "AT+CIMI" and made.session.ready)
    assert made.session.ready
    assert made.lines().count("AT+CSQ") == 0


def test_a_question_without_an_answer_is_asked_once() -> None:
    made = ready_rig()
    made.machine.faults.add(Fault("deaf", command="+COPS", count=0))
    made.run(3 * 3600)
    assert made.lines().count("AT+COPS?") == 1
    assert len(sampled(made, "signal_dbm")) > 10


# The SIM.


def test_of_the_sim_only_four_digits_are_told() -> None:
    made = ready_rig(Sim(imsi="460001234567890"))
    assert made.seen(SimIdentified) == [SimIdentified("7890")]
    assert "460001234567890" not in repr(made.events)


def test_another_sim_under_a_running_agent_is_told_as_a_change() -> None:
    made = ready_rig(Sim(imsi="460001234567890"))
    made.machine.restart(made.now)
    assert made.run(30, lambda: made.session.ready)
    assert made.seen(SimChanged) == []
    made.machine.commands.sim.imsi = "460009999990001"
    made.machine.restart(made.now)
    assert made.run(30, lambda: bool(made.seen(SimChanged)))
    assert made.seen(SimChanged) == [SimChanged("7890", "0001")]


def test_a_sim_that_is_changed_without_a_restart_is_noticed_when_it_is_next_asked() -> None:
    made = ready_rig()
    made.machine.commands.sim.imsi = "460009999990001"
    made.run(1300)
    assert made.seen(SimChanged) == [SimChanged("7890", "0001")]


# The storage and the supply.


@pytest.mark.parametrize("said", ['^SMMEMFULL: "SM"', '+CIEV: "SMSFULL",1', '+QIND: "SMSFULL","SM"'])
def test_a_storage_that_is_said_to_be_full_is_emptied_and_that_is_the_condition_meanwhile(said: str) -> None:
    made = ready_rig()
    made.run(10)
    before = made.lines().count("AT+CMGL=4")
    made.machine.urc(said, made.now)
    made.run(1)
    assert made.session.condition is Condition.STORAGE_FULL
    assert made.lines().count("AT+CMGL=4") > before
    made.run(60)
    assert made.session.condition is Condition.READY


def test_a_storage_that_is_full_of_leftovers_is_found_though_nobody_says_so() -> None:
    machine = ModemMachine(Network(datetime(2026, 1, 1, tzinfo=UTC)))
    machine.commands.store.places = 3
    for number in range(5):
        machine.deliver_text("+8613800138000", f"old {number}", 0.0)
    made = Rig(Session(0.0), machine)
    assert made.run_until_ready()
    made.run(10)
    assert made.session.condition is Condition.STORAGE_FULL
    for _ in range(3):
        for event in made.seen(MessageReceived):
            made.session.forget(event.stored, made.now)  # type: ignore[attr-defined]
        made.run(60)
    assert made.session.condition is Condition.READY
    assert len(made.seen(MessageReceived)) == 5


def test_a_weak_supply_is_an_alarm_once_an_hour() -> None:
    made = ready_rig()
    for _ in range(100):
        made.machine.urc("UNDER-VOLTAGE WARNNING", made.now)
        made.run(40)
    assert len(made.seen(ModemAlarm)) == 2


def test_the_temperature_is_asked_for_as_the_profile_says_and_only_there() -> None:
    profile = Profile(
        "warm", "W", models=("SIM MODEM",), temperature="AT+CBC", temperature_pattern=r"\+CBC: \d,(\d+)"
    )
    made = ready_rig(profiles=(profile,))
    made.run(10)
    assert sampled(made, "temperature_c") == [80]
    made = ready_rig()
    made.run(10)
    assert sampled(made, "temperature_c") == []


# The credit.


@pytest.mark.parametrize(
    ("said", "amount"),
    [
        ('+CUSD: 0,"Balance: 12.50 EUR",15', "12.50"),
        ('+CUSD: 0,"00420061006C0061006E00630065003A00200037002E00300030",72', "7.00"),
        ('+CUSD: 0,"Welcome",15', None),
        ('+CUSD: 0,"Balance: 0062",72', "0062"),
        ("+CUSD: 4", None),
    ],
)
def test_the_credit_is_found_by_the_pattern(said: str, amount: str | None) -> None:
    assert credit_of(said, r"Balance: ([0-9.]+)") == amount


@pytest.mark.parametrize(
    ("amount", "nought"),
    [("0", True), ("0.00", True), ("0,00", True), ("-1.20", True), ("0.50", False), ("12", False)],
)
def test_nothing_left_is_no_credit(amount: str, nought: bool) -> None:
    assert is_nought(amount) is nought


def test_the_credit_is_asked_for_once_a_day_and_only_where_a_code_is_given() -> None:
    made = ready_rig()
    made.run(90_000)
    assert not any(line.startswith("AT+CUSD") for line in made.lines())
    sim = Sim(credit="Balance: 0.00 EUR")
    made = ready_rig(sim, credit_code="*100#", credit_pattern=r"Balance: ([0-9.]+)")
    made.run(3600)
    assert [line for line in made.lines() if line.startswith("AT+CUSD")] == ['AT+CUSD=1,"*100#",15']
    assert sampled(made, "credit") == ["0.00"]
    assert made.session.condition is Condition.NO_CREDIT
    sim.credit = "Balance: 10.00 EUR"
    made.run(86_400)
    assert len([line for line in made.lines() if line.startswith("AT+CUSD")]) == 2
    assert made.session.condition is Condition.READY


def test_a_menu_that_the_operator_opens_is_closed_again() -> None:
    made = ready_rig(credit_code="*100#", credit_pattern=r"Balance: ([0-9]+[.][0-9]+)")
    assert made.run(60, lambda: 'AT+CUSD=1,"*100#",15' in made.lines())
    made.machine.urc('+CUSD: 1,"Balance: 3.00. 1 Top up 2 Offers",15', made.now)
    made.run(5)
    assert sampled(made, "credit") == ["3.00"]
    assert made.lines().count("AT+CUSD=2") == 1
    made.machine.urc('+CUSD: 0,"Bye",15', made.now)
    made.run(5)
    assert made.lines().count("AT+CUSD=2") == 1


# Messages that the network keeps until they are acknowledged.


def test_a_modem_that_only_knows_phase_2_plus_has_its_reports_acknowledged_once_they_are_durable() -> None:
    made = ready_rig(refused=("AT+CSMS=0",))
    assert "AT+CSMS=1" in made.lines()
    made.run(5)
    report = bytes.fromhex("06010D91683108108300F0621010000000006210100000000000")
    events = made.session.receive_data(
        b"\r\n+CDS: %d\r\n00%s\r\n" % (len(report), report.hex().upper().encode()), made.now
    )
    assert events == [StatusReportReceived(report, StoredAt(ROUTED, 1))]
    made.run(5)
    assert "AT+CNMA" not in made.lines()
    made.session.forget(StoredAt(ROUTED, 1), made.now)
    made.run(1)
    assert made.lines().count("AT+CNMA") == 1


def test_an_acknowledgement_that_comes_too_late_has_the_messages_told_again() -> None:
    made = ready_rig(refused=("AT+CSMS=0", "AT+CNMA"))
    made.run(5)
    (event,) = made.session.receive_data(b"\r\n+CDS: 3\r\n00060102\r\n", made.now)
    before = len([line for line in made.lines() if line.startswith("AT+CNMI")])
    made.session.forget(event.stored, made.now)  # type: ignore[union-attr]
    made.run(1)
    assert len([line for line in made.lines() if line.startswith("AT+CNMI")]) == before + 1
    assert any("acknowledged" in event.text for event in made.seen(UnknownLine))  # type: ignore[attr-defined]
