"""What is known of one modem → its three checks: the modem itself, its SIM, its registration.

A condition belongs to one of the three. Where the modem cannot say more, the other two are "not known", never "ok".
"""

from collections.abc import Mapping
from typing import Any

from tillbell_agent.config import ModemConfig
from tillbell_agent.finding import FAIL, OK, WARN, Check, Level, span
from tillbell_agent.reports import modem_words

# Level, evidence, next action of a port.
PortFinding = tuple[Level, str, str | None]

# Conditions that pass by themselves, and how long that may take (seconds) before somebody has to look.
_PASSING = {"starting": 120, "resetting": 180, "sim_busy": 60, "searching": 300, "storage_full": 300}
_OF_MODEM = frozenset({"starting", "resetting", "deaf", "unplugged", "storage_full"})
_OF_SIM = frozenset({"no_sim", "pin_needed", "puk_needed", "sim_busy", "barred", "no_credit"})
_OF_NETWORK = frozenset({"searching", "denied"})
# Below this most modems send at full power, or not at all (TS 27.007 +CSQ: 3).
_WEAK_DBM = -105
# Modems fall off the network at 3.4 V while they send; a healthy supply is well above it at rest.
_LOW_MV = 3500


def check_modem(
    modem: ModemConfig, facts: Mapping[str, Any] | None, port: PortFinding, pin_trouble: str | None
) -> list[Check]:
    """The checks of one modem. ``facts``: the running agent's, None where none answers; then only the port is known."""
    if facts is None:
        level, words, step = port
        checks = [Check(f"modem {modem.name}", level, f"{words}; it was not asked anything", step)]
        return checks if pin_trouble is None else [*checks, _pin_file(modem.name, pin_trouble)]
    return [_itself(facts, port), _sim(facts, pin_trouble), _registration(facts)]


def _itself(facts: Mapping[str, Any], port: PortFinding) -> Check:
    name, condition = f"modem {facts['name']}", facts["condition"]
    if condition == "unplugged" and port[0] != OK:
        return Check(name, FAIL, f"{modem_words(facts)}; {port[1]}", port[2])
    if condition in _OF_MODEM:
        return _trouble(name, facts)
    if facts.get("alarm"):
        well = condition == "ready"
        step = "See that modem and SIM are the shop's own; if so, restart tillbell run" if well else None
        return Check(name, FAIL, str(facts["alarm"]), step or str(facts["next_step"]))
    if port[0] != OK:
        return Check(name, *port)
    answers = f"{facts['model'] or 'a modem that does not say its model'} answers"
    profile = f", profile {facts['profile']}" if facts.get("profile") else ""
    recovered = _recovered(facts)
    voltage = facts.get("voltage_mv")
    if voltage is not None and 0 < voltage < _LOW_MV:
        step = "Fit a supply of its own that gives 2 A peaks, with short thick wires"
        return Check(name, WARN, f"{answers}{profile}, supply only {voltage / 1000:.2f} V{recovered}", step)
    return Check(name, OK, f"{answers}{profile}, {facts['segments_sent']} segments sent{recovered}")


def _sim(facts: Mapping[str, Any], pin_trouble: str | None) -> Check:
    name, condition = f"SIM {facts['name']}", facts["condition"]
    if condition in _OF_SIM:
        return _trouble(name, facts)
    if pin_trouble is not None:
        return _pin_file(facts["name"], f"in use, but the next start fails: {pin_trouble}", WARN)
    if condition in _OF_MODEM - {"storage_full"}:
        return _not_known(name, facts)
    if facts.get("held"):
        step = "Look up the answer with tillbell queue; ask the operator, or check the SIM's service centre"
        return Check(name, FAIL, f"nothing is sent by it: {facts['held']}", step)
    tail, credit = facts.get("imsi_tail"), facts.get("credit")
    told = [f"IMSI ends in {tail}"] * bool(tail) + [f"credit: {credit}"] * bool(credit)
    return Check(name, OK, ", ".join(["unlocked", *told]))


def _registration(facts: Mapping[str, Any]) -> Check:
    name, condition = f"registration {facts['name']}", facts["condition"]
    if condition in _OF_NETWORK:
        return _trouble(name, facts)
    if condition in (_OF_MODEM - {"storage_full"}) | (_OF_SIM - {"barred", "no_credit"}):
        return _not_known(name, facts)
    operator, signal = facts.get("operator"), facts.get("signal_dbm")
    words = f"registered{f' with {operator}' if operator else ''}"
    if signal is None:
        return Check(name, OK, f"{words}, the modem has not told its signal")
    if signal <= _WEAK_DBM:
        step = "Move the antenna to a window or outdoors, and look at its plug"
        return Check(name, WARN, f"{words}, signal only {signal} dBm", step)
    return Check(name, OK, f"{words}, signal {signal} dBm")


def _trouble(name: str, facts: Mapping[str, Any]) -> Check:
    level: Level = WARN if facts["since_s"] <= _PASSING.get(facts["condition"], -1) else FAIL
    alarm = f"; ALARM {facts['alarm']}" if facts.get("alarm") else ""
    return Check(name, level, f"{modem_words(facts)}{alarm}{_recovered(facts)}", str(facts["next_step"]))


def _not_known(name: str, facts: Mapping[str, Any]) -> Check:
    condition = str(facts["condition"]).replace("_", " ")
    return Check(name, WARN, f"not known while the modem is {condition}", str(facts["next_step"]))


def _pin_file(name: str, trouble: str, level: Level = FAIL) -> Check:
    step = "Write the PIN alone into the file, owned by the agent's user, mode 0600; restart tillbell run"
    return Check(f"SIM {name}", level, trouble, step)


def _recovered(facts: Mapping[str, Any]) -> str:
    """The last step of the recovery ladder, if one was taken."""
    steps = facts.get("ladder") or []
    if not steps:
        return ""
    last = steps[-1]
    count = f"{len(steps)} steps of recovery, the last " if len(steps) > 1 else "a step of recovery "
    return f"; {count}{span(last['at_s_ago'])} ago: {last['step']}, {last['outcome']}"
