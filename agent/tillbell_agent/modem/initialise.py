"""A modem that answers ``AT`` → one that is ready for SMS: modes, identity, PIN, registration, where messages land.

TS 27.007 (identity, PIN, registration) and TS 27.005 (SMS), in the order in which modems allow it. An optional step that
a modem refuses is recorded and left; a stored PIN is entered at most once, and never as the last try that is left.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from tillbell_agent.modem.commands import (
    Command,
    EnterPin,
    Identify,
    ReadPinState,
    ReadPinTriesLeft,
    ReadRegistration,
    ReadStorages,
    Set,
    SetEcho,
    TestKeepLink,
)
from tillbell_agent.modem.conditions import Condition, condition_of_sim
from tillbell_agent.modem.events import (
    Identified,
    NotReady,
    PinTried,
    SimChanged,
    SimIdentified,
    StepRefused,
    StoredAt,
)
from tillbell_agent.modem.profile import GENERIC, Profile, choose
from tillbell_agent.modem.questions import FromProfile, ReadImsi
from tillbell_agent.modem.results import AnswerClass, classify
from tillbell_agent.modem.script import Failure, Pause, Script, Tell, ask
from tillbell_protocol.errors import EncodeError
from tillbell_protocol.sms.address import Address, TypeOfNumber

REGISTRATIONS = ("+CREG", "+CGREG", "+CEREG")
# Home, roaming, and the two "SMS only" of TS 27.007.
REGISTERED = frozenset({1, 5, 6, 7})
_STAT_WORDS = {
    0: "not searching",
    2: "searching",
    3: "denied by the network",
    4: "unknown",
    8: "emergency only",
}

# SIMs answer "busy" for about ten seconds after power-on; twice that, then it is a fault.
SIM_BUSY_TRIES = 20
REGISTRATION_POLL_S = 5.0
# While no network is found, the SIM is looked at once a minute.
POLLS_A_SIM = 12
# How new messages and status reports are announced, best first: stored and told by index; reports routed or stored;
# "told while the link is free" for modems without mode 2; last, without reports.
_ANNOUNCEMENTS = ("2,1,0,1,0", "2,1,0,2,0", "1,1,0,1,0", "3,1,0,1,0", "2,1,0,0,0", "1,1,0,0,0", "2,1")


@dataclass(frozen=True, slots=True)
class ModemSettings:
    """What an installer may say of one modem. ``pin_refused_before``: this SIM refused the PIN in an earlier run."""

    pin: str | None = field(default=None, repr=False)
    pin_refused_before: bool = False
    service_centre: str | None = None
    heartbeat_s: float = 60.0
    # None: the port's speed is a matter of its own, as it is behind USB and a pseudo-terminal.
    baudrate: int | None = None
    profiles: tuple[Profile, ...] = ()
    can_power: bool = False
    sample_s: float = 600.0
    credit_code: str = ""  # dialled once a day where it is given, such as *100#
    credit_pattern: str = ""  # the amount as group 1; the profile's where this is empty


@dataclass(slots=True)
class Facts:
    """What is known of the modem behind the line. What its initialisation finds out is forgotten when that begins anew."""

    registration: dict[str, int] = field(default_factory=dict)
    can_keep_link: bool = False
    link_kept: bool = False
    storage: str = ""
    receives_into: str = ""
    echo_heard: bool = False
    echo_stays: bool = False
    seen: dict[StoredAt, bytes] = field(default_factory=dict)
    pin_tried: bool = False
    pin_taken: bool = False  # the modem said OK to it; whether that opened the SIM, +CPIN? has yet to tell
    sim_trouble: Condition | None = None
    refusal: Condition | None = None  # what the network said of this SIM when it last refused a segment
    looks_for_network: bool = False
    profile: Profile = GENERIC
    speed: int | None = None  # of the port, bit/s
    imsi: str = ""
    acknowledges: bool = False  # what is routed here is the network's until +CNMA
    routed: int = 0  # how many came by themselves and were to be acknowledged
    storage_full: bool = False
    silent: set[str] = field(default_factory=set)  # questions that it did not answer: not asked again
    senseless: set[str] = field(default_factory=set)  # questions whose last answer had another form
    sim_gone: bool = False  # the SIM refused something: it is looked at anew
    endless_listings: int = 0
    awaits_credit: bool = False

    def note(self, question: str, answer: object) -> None:
        """Which questions are not worth asking again: one that met a silence, or twice running made no sense."""
        match answer:
            case Failure(kind="SILENCE"):
                self.silent.add(question)
            case Failure(kind="GARBLED") if question in self.senseless:
                self.silent.add(question)
            case Failure(kind="GARBLED"):
                self.senseless.add(question)
            case _:
                self.senseless.discard(question)

    def sim_refused(self, code_kind: str, code: int | None) -> None:
        """An error that may be the SIM's: it was pulled, or locked, and nothing has said so."""
        if classify(code_kind, code) is AnswerClass.SIM:
            self.sim_gone = True
            self.sim_trouble = condition_of_sim(code_kind, code)

    @property
    def registered(self) -> bool:
        """In one domain at least. A modem that tells of none is taken at its word only when it refuses a message."""
        return not self.registration or any(stat in REGISTERED for stat in self.registration.values())

    @property
    def denied(self) -> bool:
        """Refused by at least one domain, and no other is still looking."""
        stats = set(self.registration.values())
        return 3 in stats and 2 not in stats

    @property
    def registration_words(self) -> str:
        if not self.registration:
            return "the modem does not tell its registration"
        told = (f"{name} {_STAT_WORDS.get(stat, str(stat))}" for name, stat in self.registration.items())
        return "not registered: " + ", ".join(told)


def initialise(facts: Facts, settings: ModemSettings) -> Script[str | None]:
    """Everything up to the SMS set-up. Returns None when done, else why it is not."""
    facts.registration.clear()
    facts.can_keep_link = facts.link_kept = facts.echo_stays = facts.acknowledges = facts.sim_gone = False
    yield from optional(SetEcho(on=False), "turning the echo off")
    facts.echo_heard = False
    yield from optional(Set("+CMEE", "1"), "asking for error codes")
    yield from _identify(facts, settings)
    why = yield from unlock_sim(facts, settings)
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


def unlock_sim(facts: Facts, settings: ModemSettings) -> Script[str | None]:
    """+CPIN? until READY, with at most one PIN. Returns why not, else None."""
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
    if settings.pin is None:
        return "the SIM asks for its PIN and none is configured"
    return (yield from _enter_pin(settings.pin, facts, settings))


def _enter_pin(pin: str, facts: Facts, settings: ModemSettings) -> Script[str | None]:
    if facts.pin_tried or settings.pin_refused_before:
        return "the configured PIN was refused before and is not tried again"
    if not (pin.isascii() and pin.isdigit() and 4 <= len(pin) <= 8):
        return "the configured PIN is not four to eight digits"
    left = yield from ask(ReadPinTriesLeft(), "asking how many PIN tries are left")
    if isinstance(left, int) and left < 2:  # two: the stored one was put right after one refusal
        return "only the last PIN try is left: the PIN must be entered by hand"
    facts.pin_tried = True
    answer = yield from ask(EnterPin(pin), "entering the PIN")
    if isinstance(answer, Failure):
        yield Tell(PinTried(accepted=False))
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
        facts.pin_taken, facts.sim_trouble = False, Condition.PIN_NEEDED
        yield Tell(PinTried(accepted=False))
        return "the SIM still asks for its PIN although the modem took it; it is not tried again"
    return "the SIM is not ready although the PIN was accepted"


def _sim_is_open(facts: Facts) -> Script[None]:
    """+CPIN? says READY: only that shows that a PIN was right, and may be entered again after a restart."""
    facts.sim_trouble = None
    if facts.pin_taken:
        facts.pin_tried = facts.pin_taken = False
        yield Tell(PinTried(accepted=True))


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
        if poll % POLLS_A_SIM == 0:
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
        yield Pause(REGISTRATION_POLL_S, told)
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
