"""What an installer says of a modem, and what its session has found out about it so far."""

from dataclasses import dataclass, field

from tillbell_agent.modem.conditions import Condition, condition_of_sim
from tillbell_agent.modem.events import StoredAt
from tillbell_agent.modem.profile import GENERIC, Profile
from tillbell_agent.modem.results import AnswerClass, classify
from tillbell_agent.modem.script import Failure

# Home, roaming, and the two "SMS only" of TS 27.007.
REGISTERED = frozenset({1, 5, 6, 7})
_STAT_WORDS = {
    0: "not searching",
    2: "searching",
    3: "denied by the network",
    4: "unknown",
    8: "emergency only",
}


@dataclass(frozen=True, slots=True)
class PinRecord:
    """What is known of the PIN that is configured now, kept across runs.

    ``in_doubt``: how often it was entered since the SIM was last seen open, with nothing to tell what came of it;
    ``left``: how many tries the modem told of before the last of these.
    """

    refused: bool = False
    in_doubt: int = 0
    left: int | None = None


@dataclass(frozen=True, slots=True)
class ModemSettings:
    """What an installer may say of one modem. ``pin_record``: what earlier runs know of the PIN."""

    pin: str | None = field(default=None, repr=False)
    pin_record: PinRecord = field(default_factory=PinRecord)
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
    pin_record: PinRecord = field(default_factory=PinRecord)
    pin_noted: bool = False  # the caller has made durable that it is about to be entered
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
