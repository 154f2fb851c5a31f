"""The doctor's table: for each kind of evidence the check's level, its words, the next action and the exit code."""

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from till import NOON, config, moment

from tillbell_agent.doctor import DiskFacts, Evidence, examine, exit_code
from tillbell_agent.finding import FAIL, OK, WARN, Check, span
from tillbell_agent.modem.conditions import NEXT_STEP, WAITS_FOR, Condition
from tillbell_agent.shell.holders import PortFacts, Process
from tillbell_agent.store_health import OutboxHealth, StoreHealth

STATE = Path("/var/lib/tillbell")
AGENT = Process(4000, "python3 -m tillbell_agent.cli")
PRINTER, MODEM = "/dev/nowhere-printer", "/dev/nowhere-modem"


def modem_facts(condition: str = "ready", since_s: float = 30.0, **more: Any) -> dict[str, Any]:
    word = Condition(condition)
    told = {
        "name": "sim1", "port": MODEM, "open": condition != "unplugged", "ready": condition == "ready",
        "condition": condition, "doing": f"words of {condition}", "since_s": since_s, "waits_for": WAITS_FOR[word],
        "next_step": NEXT_STEP[word], "model": "SIMCOM SIM7600E", "profile": "sim7600", "imsi_tail": "4711",
        "operator": "CHINA MOBILE", "signal_dbm": -77, "voltage_mv": 3900, "ladder": [], "alarm": None,
        "segments_sent": 12, "held": None, "credit": "12.50",
    }  # fmt: skip
    return told | more


def source_facts(**more: Any) -> dict[str, Any]:
    counts = dict.fromkeys(
        ("known", "settlements", "ignored", "skipped_octets", "lost", "waiting_for_disk"), 0
    )
    told = {"name": "printer", "port": PRINTER, "open": True, "trouble": None, "suspicion": None}
    return told | counts | {"octets": 4000, "told": 9} | more


def status(**more: Any) -> dict[str, Any]:
    told = {
        "running": True, "version": "1", "uptime_s": 7200.0, "sources": [source_facts()], "modems": [modem_facts()],
        "recipients": [{"name": "owner"}, {"name": "hq", "held_because": None}], "alarms": [],
    }  # fmt: skip
    return told | more


STORE = StoreHealth(
    schema=1,
    newest_schema=1,
    octets=90_000,
    bindings={"hq": b"b" * 16},
    last_heard_at={"printer": NOON - 300},
)


def evidence(**more: Any) -> Evidence:
    """An installation where all is well, but for ``more``."""
    well = Evidence(
        config_path="config.toml",
        now=moment(),
        config=config(STATE),
        status=status(),
        agent=AGENT,
        disk=DiskFacts(str(STATE), exists=True, free_octets=900 * 2**20),
        store=STORE,
        ports={PRINTER: PortFacts(holders=(AGENT,)), MODEM: PortFacts(holders=(AGENT,))},
    )
    return replace(well, **more)


def with_outbox(**more: Any) -> StoreHealth:
    return replace(STORE, outbox=OutboxHealth(**more))


def named(checks: list[Check]) -> dict[str, Check]:
    names = {check.name: check for check in checks}
    assert len(names) == len(checks)
    return names


def test_where_all_is_well_every_check_is_ok_with_its_evidence() -> None:
    checks = examine(evidence())
    assert [check.name for check in checks] == [
        "configuration", "agent", "clock", "state directory", "store", "outbox", "second place", "recipient hq",
        "source printer", "modem sim1", "SIM sim1", "registration sim1",
    ]  # fmt: skip
    assert {check.level for check in checks} == {OK}
    assert all(check.evidence and check.next_action is None for check in checks)
    assert exit_code(checks) == 0
    told = named(checks)
    assert told["agent"].evidence == "running for 2 h, tillbell 1 (process 4000)"
    assert (
        told["source printer"].evidence
        == "open, 4000 octets and 9 sales since the start, last sale 5 min ago"
    )
    assert told["SIM sim1"].evidence == "unlocked, IMSI ends in 4711, credit: 12.50"
    assert told["registration sim1"].evidence == "registered with CHINA MOBILE, signal -77 dBm"


# Evidence that differs → the check it shows in, its level, words of the evidence, words of the next action.
CASES: dict[str, tuple[dict[str, Any], str, str, str, str]] = {
    "broken configuration": (
        {"config": None, "problems": ("config.toml:3: no such key 'prot'. Did you mean port?",)},
        "configuration", FAIL, "config.toml:3", "tillbell check",
    ),
    "no agent": (
        {"status": None, "agent": None, "agent_trouble": "no agent runs on /var/lib/tillbell", "agent_absent": True},
        "agent", FAIL, "No sale is heard", "tillbell run --config config.toml",
    ),
    "agent does not answer": (
        {"status": None, "agent_trouble": "the agent on /x did not answer within 5 s"},
        "agent", FAIL, "it cannot be asked (process 4000): the agent on /x", "end the agent",
    ),
    "agent is not for this user": (
        {"status": None, "agent": None, "agent_trouble": "the agent on /x cannot be asked: Permission denied"},
        "agent", FAIL, "Permission denied", "as root",
    ),
    "second place is not for this user": (
        {"guard_readable": False}, "second place", WARN, "may not be read by this user", "as root",
    ),
    "pairing is not known to this user": (
        {"status": None, "store": StoreHealth(trouble="Permission denied")},
        "recipient hq", WARN, "not known", "See store",
    ),
    "clock never set": ({"now": moment(-NOON)}, "clock", WARN, "never set", "date -s"),
    "clock set back": ({"now": moment(-7200)}, "clock", WARN, "1 h 55 min before a sale", "date -s"),
    "disk is read-only": (
        {"disk": DiskFacts(str(STATE), True, 0, "Read-only file system")},
        "state directory", FAIL, "Read-only file system", "df and mount",
    ),
    "disk is nearly full": (
        {"disk": DiskFacts(str(STATE), True, 30 * 2**20)}, "state directory", WARN, "only 30 MiB", "Free some",
    ),
    "disk has no room for a sale": (
        {"disk": DiskFacts(str(STATE), True, 2**20)}, "state directory", FAIL, "only 1 MiB", "Free some",
    ),
    "no store yet": (
        {"store": StoreHealth(trouble="no state in /x", absent=True), "status": None, "agent_trouble": "none"},
        "store", WARN, "no state", "tillbell run",
    ),
    "store may not be read": (
        {"store": StoreHealth(trouble="/x cannot be read: Permission denied", step="Run this as root")},
        "store", FAIL, "Permission denied", "as root",
    ),
    "store is damaged": (
        {"store": replace(STORE, problems=("row 3 missing from index message_due",))},
        "store", FAIL, "row 3 missing", "copy the state directory away",
    ),
    "large store is damaged": (
        {"store": replace(STORE, octets=17 * 1024 * 1024, problems=("row 3 missing from index message_due",))},
        "store", FAIL, "row 3 missing", "when it meets the damage",
    ),
    "store was set aside": (
        {"store": replace(STORE, set_aside=("tillbell.db.corrupt-1",))},
        "store", WARN, "tillbell.db.corrupt-1", "Replace the storage medium",
    ),
    "store was set aside by this agent": (
        {"status": status(store_alarm="the store was damaged and is set aside as x; 9 rows were saved")},
        "store", WARN, "9 rows were saved", "pair held recipients again",
    ),
    "old schema under a new program": (
        {"store": replace(STORE, newest_schema=2)}, "store", WARN, "knows 2", "Restart",
    ),
    "WAL does not get shorter": (
        {"store": replace(STORE, wal_octets=20 * 2**20)}, "store", WARN, "WAL 20.0 MiB", "hold the database open",
    ),
    "messages are late": (
        {"store": with_outbox(waiting={"queued": 3}, oldest_due_at=NOON - 600, last_answer="CMS 38")},
        "outbox", WARN, "3 queued, the oldest that is due for 10 min; last answer: CMS 38", "queue --state queued",
    ),
    "messages are very late": (
        {"store": with_outbox(waiting={"queued": 3}, oldest_due_at=NOON - 7200)},
        "outbox", FAIL, "due for 2 h", "checks of the modem",
    ),
    "messages were refused": (
        {"store": with_outbox(ended={"refused": 2, "unknown": 1})},
        "outbox", WARN, "in the last day 2 refused, 1 unknown", "queue --state refused",
    ),
    "second place is gone": (
        {"guard_alarm": "/x.guard does not know a pairing"}, "second place", FAIL, "does not know", "pair again",
    ),
    "second place, as the agent says it": (
        {"status": status(second_place_alarm="cannot write /x.guard")}, "second place", FAIL, "cannot write", "folder",
    ),
    "recipient is not paired, by the agent": (
        {"status": status(recipients=[{"name": "hq", "held_because": "not paired: run tillbell pair"}]),
         "store": with_outbox(held={"hq": 4})},
        "recipient hq", FAIL, "not paired; 4 messages held", "tillbell pair --config config.toml --recipient hq",
    ),
    "recipient is not paired, by the store": (
        {"status": None, "store": replace(STORE, bindings={})},
        "recipient hq", WARN, "not paired; nothing held", "tillbell pair",
    ),
    "terminal's line is unplugged": (
        {"status": status(sources=[source_facts(open=False, trouble=f"{PRINTER}: no such port")]),
         "ports": {PRINTER: PortFacts(trouble="No such file or directory")}},
        "source printer", FAIL, "not open", "by-id",
    ),
    "terminal's line has another reader": (
        {"ports": {PRINTER: PortFacts(holders=(AGENT, Process(77, "cat")))}},
        "source printer", FAIL, "held by cat (process 77)", "End cat",
    ),
    "terminal's receipts are not understood": (
        {"status": status(sources=[source_facts(suspicion="5 receipts in a row without an amount: …")])},
        "source printer", WARN, "5 receipts", "baudrate",
    ),
    "terminal's octets are not understood": (
        {"status": status(sources=[source_facts(skipped_octets=2000)])},
        "source printer", WARN, "2000 octets not understood", "baudrate",
    ),
    "disk refuses what was heard": (
        {"status": status(sources=[source_facts(waiting_for_disk=2)])},
        "source printer", FAIL, "2 events wait", "state directory",
    ),
    "modem's port is held by ModemManager": (
        {"status": None, "ports": {MODEM: PortFacts(holders=(Process(612, "ModemManager"),))}},
        "modem sim1", FAIL, "held by ModemManager (process 612)", "ID_MM_DEVICE_IGNORE",
    ),
    "modem's port is stolen under the agent": (
        {"status": status(modems=[modem_facts("unplugged", 9)]),
         "ports": {MODEM: PortFacts(holders=(Process(612, "ModemManager"),))}},
        "modem sim1", FAIL, "ModemManager", "systemctl disable --now ModemManager",
    ),
    "modem's port is a file": (
        {"status": None, "ports": {MODEM: PortFacts(is_serial=False)}}, "modem sim1", FAIL, "no serial port", "/dev",
    ),
    "modem's port is not for this user": (
        {"status": None, "ports": {MODEM: PortFacts(allowed=False)}}, "modem sim1", WARN, "this user", "dialout",
    ),
    "modem was swapped": (
        {"status": status(modems=[modem_facts(alarm="another SIM than before")])},
        "modem sim1", FAIL, "another SIM", "the shop's own",
    ),
    "modem's supply is weak": (
        {"status": status(modems=[modem_facts(voltage_mv=3320)])}, "modem sim1", WARN, "3.32 V", "2 A",
    ),
    "PIN's file is wrong": (
        {"status": None, "pin_troubles": {"sim1": "/x/pin can be read by others"}},
        "SIM sim1", FAIL, "read by others", "mode 0600",
    ),
    "PIN's file went wrong under the agent": (
        {"pin_troubles": {"sim1": "/x/pin cannot be read"}}, "SIM sim1", WARN, "next start fails", "mode 0600",
    ),
    "SIM is left alone": (
        {"status": status(modems=[modem_facts(held="held for 600 s: CMS 330")])},
        "SIM sim1", FAIL, "nothing is sent by it: held for 600 s: CMS 330", "service centre",
    ),
    "recovery came to its end": (
        {"status": status(modems=[modem_facts("deaf", alarm="every step of recovery was tried")])},
        "modem sim1", FAIL, "ALARM every step", "power",
    ),
    "signal is weak": (
        {"status": status(modems=[modem_facts(signal_dbm=-109)])},
        "registration sim1", WARN, "only -109 dBm", "antenna",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_shows_in_its_check_with_evidence_and_next_action(case: str) -> None:
    more, name, level, words, step = CASES[case]
    checks = examine(evidence(**more))
    check = named(checks)[name]
    assert check.level == level
    assert words in check.evidence
    assert check.next_action is not None
    assert step in check.next_action
    assert exit_code(checks) >= {WARN: 1, FAIL: 2}[level]


# Condition → the check it belongs to, its level when it has just begun, and when it has lasted an hour.
CONDITIONS = {
    "deaf": ("modem", FAIL, FAIL),
    "resetting": ("modem", WARN, FAIL),
    "starting": ("modem", WARN, FAIL),
    "unplugged": ("modem", FAIL, FAIL),
    "storage_full": ("modem", WARN, FAIL),
    "no_sim": ("SIM", FAIL, FAIL),
    "pin_needed": ("SIM", FAIL, FAIL),
    "puk_needed": ("SIM", FAIL, FAIL),
    "sim_busy": ("SIM", WARN, FAIL),
    "barred": ("SIM", FAIL, FAIL),
    "no_credit": ("SIM", FAIL, FAIL),
    "searching": ("registration", WARN, FAIL),
    "denied": ("registration", FAIL, FAIL),
}


def test_every_condition_of_a_modem_has_its_row() -> None:
    assert {*CONDITIONS, "ready"} == {condition.value for condition in Condition}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_each_condition_says_what_since_when_what_it_waits_for_and_what_next(condition: str) -> None:
    subject, fresh, lasting = CONDITIONS[condition]
    for since_s, level, since in ((5.0, fresh, "5 s"), (4000.0, lasting, "1 h 6 min")):
        checks = examine(evidence(status=status(modems=[modem_facts(condition, since_s)])))
        check = named(checks)[f"{subject} sim1"]
        assert check.level == level
        assert (
            f"{condition.replace('_', ' ')} for {since} (words of {condition}), waits for" in check.evidence
        )
        assert WAITS_FOR[Condition(condition)] in check.evidence
        assert check.next_action == NEXT_STEP[Condition(condition)]
        assert exit_code(checks) == {WARN: 1, FAIL: 2}[level]


@pytest.mark.parametrize("condition", ["deaf", "unplugged", "starting", "resetting"])
def test_a_modem_that_does_not_answer_leaves_sim_and_registration_unknown_not_ok(condition: str) -> None:
    told = named(examine(evidence(status=status(modems=[modem_facts(condition)]))))
    for name in ("SIM sim1", "registration sim1"):
        assert (told[name].level, told[name].evidence) == (WARN, f"not known while the modem is {condition}")


def test_a_warning_alone_exits_1_and_a_failure_2() -> None:
    assert exit_code(examine(evidence(now=moment(-NOON), store=replace(STORE, last_heard_at={})))) == 1
    assert exit_code(examine(evidence(guard_alarm="x"))) == 2


def test_without_an_agent_the_ports_are_looked_at_and_nothing_is_claimed_of_what_is_behind_them() -> None:
    told = named(examine(evidence(status=None, agent=None, ports={PRINTER: PortFacts(), MODEM: PortFacts()})))
    assert told["modem sim1"].evidence == f"port {MODEM} is there, nobody holds it; it was not asked anything"
    assert "SIM sim1" not in told
    assert "registration sim1" not in told


def test_who_holds_a_port_is_not_claimed_where_other_users_programs_cannot_be_seen() -> None:
    told = named(examine(evidence(status=None, agent=None, ports={}, all_processes_seen=False)))
    assert "only root can tell" in told["modem sim1"].evidence


def test_the_last_step_of_recovery_is_told_though_the_modem_is_well_again() -> None:
    ladder = [
        {"step": "AT", "at_s_ago": 700, "outcome": "no answer"},
        {"step": "AT+CFUN=1,1", "at_s_ago": 600, "outcome": "answers"},
    ]
    told = named(examine(evidence(status=status(modems=[modem_facts(ladder=ladder)]))))
    assert "2 steps of recovery, the last 10 min ago: AT+CFUN=1,1, answers" in told["modem sim1"].evidence


def test_no_check_says_only_that_time_ran_out() -> None:
    said = [
        text
        for more, *_ in CASES.values()
        for check in examine(evidence(**more))
        for text in (check.evidence, check.next_action or "")
    ]
    assert [text for text in said if re.search(r"time-?out", text, re.IGNORECASE)] == []


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.9, "59 s"), (60, "1 min"), (3600, "1 h"), (4000, "1 h 6 min"), (200_000, "2 d")],
)
def test_spans_are_in_the_largest_units_that_say_enough(seconds: float, words: str) -> None:
    assert span(seconds) == words


def test_a_check_that_is_not_well_cannot_be_made_without_a_next_action() -> None:
    with pytest.raises(ValueError, match="what to do next"):
        Check("x", FAIL, "broken")
    with pytest.raises(ValueError, match="what to do next"):
        Check("x", OK, "fine", "do something")


@settings(max_examples=200, deadline=None)
@given(
    condition=st.sampled_from([each.value for each in Condition]),
    since_s=st.floats(0, 1e7),
    running=st.booleans(),
    port=st.builds(
        PortFacts,
        trouble=st.none() | st.just("No such device"),
        is_serial=st.booleans(),
        allowed=st.booleans(),
        holders=st.lists(st.builds(Process, st.integers(1, 9), st.text(max_size=5)), max_size=2).map(tuple),
    ),
    store=st.builds(
        StoreHealth,
        trouble=st.none() | st.just("cannot read"),
        absent=st.booleans(),
        wal_octets=st.integers(0, 2**30),
        problems=st.just(()) | st.just(("x",)),
    ),
    pin=st.dictionaries(st.just("sim1"), st.just("bad")),
    now_s=st.integers(-NOON, 10**9),
)
def test_any_evidence_gives_checks_and_the_exit_code_is_the_worst_level(
    condition: str,
    since_s: float,
    running: bool,
    port: PortFacts,
    store: StoreHealth,
    pin: dict[str, str],
    now_s: int,
) -> None:
    told = status(modems=[modem_facts(condition, since_s)]) if running else None
    checks = examine(
        evidence(
            status=told, ports={PRINTER: port, MODEM: port}, store=store, pin_troubles=pin, now=moment(now_s)
        )
    )
    named(checks)
    levels = {check.level for check in checks}
    assert exit_code(checks) == (2 if FAIL in levels else 1 if WARN in levels else 0)
