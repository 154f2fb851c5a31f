"""A modem that answers ``AT`` → one that is ready for SMS: modes, identity, PIN, registration, where messages land.

TS 27.007 (identity, PIN, registration) and TS 27.005 (SMS), in the order in which modems allow it. An optional step that
a modem refuses is recorded and left.
"""

from collections.abc import Callable
from itertools import count

from tillbell_agent.modem.commands import (
    Command,
    Identify,
    ReadPinState,
    ReadRegistration,
    ReadStorages,
    Set,
    SetEcho,
    TestKeepLink,
)
from tillbell_agent.modem.events import (
    Identified,
    NotReady,
    SimChanged,
    SimIdentified,
    StepRefused,
)
from tillbell_agent.modem.facts import REGISTERED, Facts, ModemSettings
from tillbell_agent.modem.profile import choose
from tillbell_agent.modem.questions import FromProfile, ReadImsi
from tillbell_agent.modem.script import Failure, Pause, Script, Tell, ask
from tillbell_agent.modem.unlocking import unlock_sim
from tillbell_protocol.errors import EncodeError
from tillbell_protocol.sms.address import Address, TypeOfNumber

REGISTRATIONS = ("+CREG", "+CGREG", "+CEREG")

# A modem tells of a network by itself; for one that does not it is asked often at first, then seldom: a search may last days.
REGISTRATION_POLL_S = 5.0
PATIENT_POLL_S = 30.0
# While no network is found, the SIM is looked at once a minute.
POLLS_A_SIM, PATIENT_POLLS_A_SIM = 12, 2
# How new messages and status reports are announced, best first: stored and told by index; reports routed or stored;
# "told while the link is free" for modems without mode 2; last, without reports.
_ANNOUNCEMENTS = ("2,1,0,1,0", "2,1,0,2,0", "1,1,0,1,0", "3,1,0,1,0", "2,1,0,0,0", "1,1,0,0,0", "2,1")


def initialise(facts: Facts, settings: ModemSettings) -> Script[str | None]:
    """Everything up to the SMS set-up. Returns None when done, else why it is not."""
    facts.registration.clear()
    facts.can_keep_link = facts.link_kept = facts.echo_stays = facts.acknowledges = facts.sim_gone = False
    yield from optional(SetEcho(on=False), "turning the echo off")
    facts.echo_heard = False
    yield from optional(Set("+CMEE", "1"), "asking for error codes")
    yield from _identify(facts, settings)
    why = yield from unlock_sim(facts, settings.pin)
    if why is not None:
        return why
    yield from read_imsi(facts)
    for text in facts.profile.init:
        yield from optional(FromProfile(text), "setting up what this module needs")
    for name in REGISTRATIONS:
        yield from optional(Set(name, "1"), "asking to be told of the registration")
    echoed = facts.echo_heard
    why = yield from register(facts, lambda: facts.echo_heard == echoed)
    if why is not None:
        return why
    why = yield from _set_up_sms(facts, settings)
    # Echo that comes back later means that the modem has restarted by itself, and forgot all of this.
    facts.echo_stays = facts.echo_heard
    return why


def optional(command: Command[None], doing: str) -> Script[bool]:
    """A step that may be refused: recorded, and gone on. True: the modem took it."""
    answer = yield from ask(command, doing)
    if isinstance(answer, Failure):
        yield Tell(StepRefused(command.line(), str(answer)))
        return False
    return True


def _identify(facts: Facts, settings: ModemSettings) -> Script[None]:
    known: list[str] = []
    for name in ("+CGMI", "+CGMM", "+CGMR", "+CGSN"):
        answer = yield from ask(Identify(name), "asking who it is")
        if isinstance(answer, Failure):
            yield Tell(StepRefused("AT" + name, str(answer)))
        known.append("" if isinstance(answer, Failure) else answer)
    told = Identified(*known)
    facts.profile = choose(settings.profiles, told.model)
    yield Tell(told)
    if facts.profile.fix_speed and facts.speed is not None:
        # It tells nothing by itself until its speed is fixed.
        yield from optional(Set("+IPR", str(facts.speed)), "fixing the speed")


def read_imsi(facts: Facts) -> Script[Failure | None]:
    """Which SIM is it? Another one than before is told. Failure: it cannot be read."""
    imsi = yield from ask(ReadImsi(), "asking which SIM this is")
    if isinstance(imsi, Failure):
        return imsi
    if imsi == facts.imsi:
        return None
    if facts.imsi:
        yield Tell(SimChanged(facts.imsi[-4:], imsi[-4:]))
    facts.imsi = imsi
    yield Tell(SimIdentified(imsi[-4:]))
    return None


def register(facts: Facts, goes_on: Callable[[], bool]) -> Script[str | None]:
    """Wait until a network carries SMS for this SIM, however long; says why not each time that the reason changes.

    None: registered. Else why the modem is to be set up anew: it fell silent or restarted (``goes_on`` is false), or its
    SIM is no longer open. Without a SIM, or with a locked one, there is no network to wait for.
    """
    told = ""
    for poll in count(1):
        yield from read_registration(facts)
        facts.looks_for_network = not facts.registered
        if facts.registered:
            break
        state: str | Failure = "READY"
        if poll % (POLLS_A_SIM if poll <= POLLS_A_SIM else PATIENT_POLLS_A_SIM) == 0:
            state = yield from ask(ReadPinState(), told)
        if not goes_on() or not _still_open(state):
            facts.looks_for_network = False
            return (
                f"the SIM is not ready: {state}"
                if goes_on()
                else "it fell silent or restarted while it searched"
            )
        if facts.registration_words != told:
            told = facts.registration_words
            yield Tell(NotReady(told))
        yield Pause(REGISTRATION_POLL_S if poll < POLLS_A_SIM else PATIENT_POLL_S, told)
    return None


def _still_open(state: str | Failure) -> bool:
    """A +CPIN? that has no answer says nothing of the SIM."""
    return state == "READY" or (isinstance(state, Failure) and state.kind in ("SILENCE", "GARBLED"))


def read_registration(facts: Facts) -> Script[None]:
    """Ask every domain that the modem has."""
    for name in REGISTRATIONS:
        yield from _read_domain(facts, name)


def still_registered(facts: Facts) -> Script[bool]:
    """Ask one domain that carried messages when it was last asked; whether it still does."""
    name = next((name for name, stat in facts.registration.items() if stat in REGISTERED), None)
    if name is None:
        return False
    stat = yield from _read_domain(facts, name)
    return stat in REGISTERED


def _read_domain(facts: Facts, name: str) -> Script[int | Failure | None]:
    command = ReadRegistration(name)
    if command.line() in facts.silent:
        return None
    stat = yield from ask(command, "asking for the registration")
    if stat != Failure("SILENCE"):  # one that hangs for a moment is asked again
        facts.note(command.line(), stat)
    if isinstance(stat, int):
        facts.registration[name] = stat
    return stat


def _set_up_sms(facts: Facts, settings: ModemSettings) -> Script[str | None]:
    answer = yield from _patiently(Set("+CMGF", "0"), "choosing PDU mode", facts.profile.boot_s)
    if isinstance(answer, Failure):
        return f"the modem refuses PDU mode: {answer}"
    # Phase 2: routed reports need no acknowledgement, which a modem would otherwise wait for after a crash here.
    if not (yield from optional(Set("+CSMS", "0"), "choosing the message service")):
        facts.acknowledges = yield from optional(Set("+CSMS", "1"), "choosing the message service")
    yield from announce(facts)
    if settings.service_centre is not None:
        why = yield from _set_service_centre(settings.service_centre)
        if why is not None:
            return why
    storages = yield from ask(ReadStorages(), "asking where messages are stored")
    if not isinstance(storages, Failure):
        facts.storage, facts.receives_into = storages.reads, storages.receives
    keep = yield from ask(TestKeepLink(), "asking whether it keeps the link up")
    facts.can_keep_link = keep is True
    return None


def _patiently(command: Command[None], doing: str, patience_s: float) -> Script[Failure | None]:
    """Ask again every second: a module that has just started refuses its message service for a while."""
    answer = yield from ask(command, doing)
    for _ in range(int(patience_s)):
        if not isinstance(answer, Failure) or answer.kind == "SILENCE":
            break
        yield Pause(1.0, "waiting for the modem's message service")
        answer = yield from ask(command, doing)
    return answer


def announce(facts: Facts) -> Script[None]:
    """Have new messages and reports told; the first way that the modem takes."""
    for values in (*facts.profile.announcements, *_ANNOUNCEMENTS):
        if (yield from optional(Set("+CNMI", values), "asking to be told of messages")):
            return


def _set_service_centre(number: str) -> Script[str | None]:
    try:
        address = Address.from_text(number)
    except EncodeError as error:
        return f"the configured service centre is no number: {error}"
    kind = 145 if address.type_of_number is TypeOfNumber.INTERNATIONAL else 129
    answer = yield from ask(Set("+CSCA", f'"{number}",{kind}'), "setting the service centre")
    return f"the service centre was refused: {answer}" if isinstance(answer, Failure) else None
