"""What a session knows of its modem → its condition in one word, and in words what it does or waits for.

Pure: it looks at facts and decides nothing.
"""

from tillbell_agent.modem.conditions import Condition
from tillbell_agent.modem.dialogue import Phase
from tillbell_agent.modem.facts import Facts
from tillbell_agent.modem.recovery import Recovery

_READY_BUT = {
    Condition.BARRED: "ready, but the network refused the last message: this SIM is barred",
    Condition.NO_CREDIT: "ready, but the network refuses this SIM: no credit, or no permission to send",
    Condition.STORAGE_FULL: "ready, but its message storage is full: emptying it",
}


def condition_of(facts: Facts, recovery: Recovery, *, lost: bool, is_up: bool) -> Condition:
    """The first that holds, worst first."""
    if lost:
        return Condition.UNPLUGGED
    if recovery.is_resetting:
        return Condition.RESETTING
    if recovery.is_deaf:
        return Condition.DEAF
    if facts.sim_trouble is not None:
        return facts.sim_trouble
    if facts.looks_for_network or (is_up and not facts.registered):
        return Condition.DENIED if facts.denied else Condition.SEARCHING
    if not is_up:
        return Condition.STARTING
    return facts.refusal or (Condition.STORAGE_FULL if facts.storage_full else Condition.READY)


def words_of(
    condition: Condition, recovery: Recovery, phase: Phase, *, lost: bool, ready: bool, doing: str | None
) -> str:
    """``doing``: the running script's own words."""
    if lost:
        return f"the port is lost: {recovery.why}"
    if recovery.is_resetting:
        return f"restarting the modem: {recovery.why}"
    if recovery.waits:
        return f"pausing before another try: {recovery.why}"
    if phase in (Phase.QUIET, Phase.ASKING, Phase.SETTLING):
        return f"getting in step with the modem ({phase.value})"
    if ready and condition in _READY_BUT:
        return _READY_BUT[condition]
    return doing or ("ready" if ready else "idle")
