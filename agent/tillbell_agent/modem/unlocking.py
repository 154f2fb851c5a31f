"""A SIM that asks for its PIN → an open one, without ever spending the last try (TS 27.007 +CPIN, +CPINR).

A PIN that was refused is never entered again. Where nothing told what came of it (power failed, or the modem fell silent
over it), the tries that the modem says are left tell whether it was refused; a modem that does not say gets it once more
and no third time. So that a power cut cannot hide a try, the caller makes each one durable before it is written.
"""

from dataclasses import replace

from tillbell_agent.modem.commands import EnterPin, ReadPinState, ReadPinTriesLeft
from tillbell_agent.modem.conditions import Condition, condition_of_sim
from tillbell_agent.modem.events import PinTried, PinWanted
from tillbell_agent.modem.facts import Facts, PinRecord
from tillbell_agent.modem.script import Failure, Pause, Script, Tell, ask

# SIMs answer "busy" for about ten seconds after power-on; twice that, then it is a fault.
SIM_BUSY_TRIES = 20
# What a new SIM allows (TS 31.102, 102 221): fewer left than that, and an entry in doubt was refused.
_ALL_TRIES = 3
_REFUSED = "the configured PIN was refused before and is not tried again"


def unlock_sim(facts: Facts, pin: str | None) -> Script[str | None]:
    """+CPIN? until READY. Returns why not, else None."""
    state = yield from _pin_state(facts)
    if isinstance(state, Failure):
        if state.kind != "SILENCE":
            told = condition_of_sim(state.kind, state.code)
            facts.sim_trouble = told or facts.sim_trouble or Condition.NO_SIM
        return f"the SIM cannot be used: {state}"
    if state == "READY":
        yield from _sim_is_open(facts)
        return None
    facts.sim_trouble = Condition.PUK_NEEDED if "PUK" in state else Condition.PIN_NEEDED
    if state != "SIM PIN":
        return f"the SIM asks for {state}: it must be unlocked by hand"
    if pin is None:
        return "the SIM asks for its PIN and none is configured"
    return (yield from _enter_pin(pin, facts))


def _sim_is_busy(state: str | Failure) -> bool:
    """SIM busy (14), and what modules answer in its place while they start (515, +CMS 314, 514)."""
    return isinstance(state, Failure) and (state.kind, state.code) in {
        ("CME", 14), ("CME", 515), ("CMS", 314), ("CMS", 514), ("CMS", 515),
    }  # fmt: skip


def _pin_state(facts: Facts) -> Script[str | Failure]:
    for _ in range(SIM_BUSY_TRIES):
        state = yield from ask(ReadPinState(), "waiting for the SIM")
        if not _sim_is_busy(state):
            return state
        facts.sim_trouble = Condition.SIM_BUSY
        yield Pause(1.0, "the SIM is busy")
    return Failure("ERROR", text=f"busy for {SIM_BUSY_TRIES} s")


def _enter_pin(pin: str, facts: Facts) -> Script[str | None]:
    if facts.pin_record.refused:
        return _REFUSED
    if not (pin.isascii() and pin.isdigit() and 4 <= len(pin) <= 8):
        return "the configured PIN is not four to eight digits"
    answered = yield from ask(ReadPinTriesLeft(), "asking how many PIN tries are left")
    left = answered if isinstance(answered, int) else None
    why = yield from _not_again(facts, left)
    if why is not None:
        return why
    yield from _note_try(facts, left)
    answer = yield from ask(EnterPin(pin), "entering the PIN")
    if isinstance(answer, Failure):
        if answer.kind not in ("SILENCE", "GARBLED") and not _sim_is_busy(answer):
            yield from _refused(facts)
        return f"the PIN was not accepted: {answer}"
    facts.pin_taken = True
    for _ in range(SIM_BUSY_TRIES):
        state = yield from _pin_state(facts)
        if state == "READY":
            yield from _sim_is_open(facts)
            return None
        facts.sim_trouble = Condition.SIM_BUSY
        yield Pause(1.0, "waiting for the SIM after the PIN")
    if state == "SIM PIN":
        facts.sim_trouble = Condition.PIN_NEEDED
        yield from _refused(facts)
        return "the SIM still asks for its PIN although the modem took it; it is not tried again"
    return "the SIM is not ready although the PIN was accepted"


def _not_again(facts: Facts, left: int | None) -> Script[str | None]:
    """Why the PIN is not entered now; None: it may be."""
    record = facts.pin_record
    if left is not None and left < 2:  # two: the stored one was put right after one refusal
        return "only the last PIN try is left: the PIN must be entered by hand"
    if record.in_doubt and left is not None and left < (record.left or _ALL_TRIES):
        yield from _refused(facts)
        return _REFUSED
    if record.in_doubt > 1 and left is None:
        return "the configured PIN was entered twice and nothing tells what came of it: a third try could be the last"
    return None


def _note_try(facts: Facts, left: int | None) -> Script[None]:
    """Wait until the caller has made this try durable; where a disk refuses, the SIM waits as long as the texts do."""
    facts.pin_noted, pause_s = False, 0.0
    while not facts.pin_noted:
        yield Tell(PinWanted(left))
        yield Pause(pause_s, "waiting for the disk before the PIN is entered")
        pause_s = 1.0
    facts.pin_record = replace(facts.pin_record, in_doubt=facts.pin_record.in_doubt + 1, left=left)


def _refused(facts: Facts) -> Script[None]:
    facts.pin_taken = False
    facts.pin_record = PinRecord(refused=True)
    yield Tell(PinTried(accepted=False))


def _sim_is_open(facts: Facts) -> Script[None]:
    """+CPIN? says READY: only that shows that a PIN was right, and may be entered again after a restart."""
    facts.sim_trouble = None
    if facts.pin_taken or facts.pin_record.in_doubt:
        facts.pin_taken, facts.pin_record = False, PinRecord()
        yield Tell(PinTried(accepted=True))
