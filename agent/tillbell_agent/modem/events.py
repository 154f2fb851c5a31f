"""What a modem session reports: frozen values, nothing else."""

from dataclasses import dataclass
from typing import Final, Literal

# Not a storage: the network itself keeps this message until it is acknowledged (+CNMA).
ROUTED: Final = "+CNMA"


@dataclass(frozen=True, slots=True)
class StoredAt:
    """Where a message lies: a storage of the modem ("SM", "ME" …) or ``ROUTED``, and index. There until ``forget``."""

    storage: str
    index: int


@dataclass(frozen=True, slots=True)
class Identified:
    """Who answers. A field is empty where the modem refuses to say."""

    manufacturer: str
    model: str
    revision: str
    serial_number: str


@dataclass(frozen=True, slots=True)
class SimIdentified:
    """A SIM was read; of its IMSI only the last four digits are told."""

    imsi_tail: str


@dataclass(frozen=True, slots=True)
class SimChanged:
    """Another SIM than before answers while the agent runs: swapped, or stolen. To be told as an alarm."""

    was_tail: str
    imsi_tail: str


@dataclass(frozen=True, slots=True)
class Sampled:
    """Something read once in a while, for status: ``operator``, ``signal_dbm``, ``voltage_mv``,
    ``temperature_c`` or ``credit``.

    None: the modem does not know it now.
    """

    name: str
    value: int | str | None


@dataclass(frozen=True, slots=True)
class SpeedWanted:
    """Set the port to this many bit/s now: the modem is looked for there, or was found there."""

    baudrate: int


@dataclass(frozen=True, slots=True)
class RecoveryStep:
    """A step of the recovery ladder is taken, and why."""

    step: str
    why: str


@dataclass(frozen=True, slots=True)
class ReopenWanted:
    """Close the port, call ``lost``, open it, call ``reopened``."""

    why: str


@dataclass(frozen=True, slots=True)
class PowerWanted:
    """Switch the modem's power off and on, by whatever is configured for that."""

    why: str


@dataclass(frozen=True, slots=True)
class ModemAlarm:
    """Somebody has to look at this modem."""

    why: str


@dataclass(frozen=True, slots=True)
class StepRefused:
    """An optional step of the initialisation that this modem does not know: recorded, not fatal."""

    command: str
    answer: str


@dataclass(frozen=True, slots=True)
class Ready:
    """Initialised and registered; told each time that it becomes so again."""


@dataclass(frozen=True, slots=True)
class NotReady:
    """Answers, but cannot send, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Deaf:
    """Does not answer, or not as a modem does; tried again after a pause."""

    why: str
    again_in_s: float


@dataclass(frozen=True, slots=True)
class SegmentPrompted:
    """The modem waits for this segment's PDU: make "handed over, answer open" durable, then ``hand_over``."""

    tag: int


@dataclass(frozen=True, slots=True)
class SegmentSent:
    """The network took it; ``mr`` is the TP-MR that a status report will carry. Not: delivered."""

    tag: int
    mr: int


@dataclass(frozen=True, slots=True)
class SegmentRefused:
    """A final result said no. ``code`` is None where the modem gave no number."""

    tag: int
    code_kind: Literal["CMS", "CME", "ERROR"]
    code: int | None


@dataclass(frozen=True, slots=True)
class SegmentUnknown:
    """The PDU was written, wholly or in part, and no answer came: it may have gone out or not."""

    tag: int
    why: str


@dataclass(frozen=True, slots=True)
class SegmentNotSent:
    """Nothing of the PDU was written: to send it again is safe."""

    tag: int
    why: str


@dataclass(frozen=True, slots=True)
class LateAnswer:
    """``+CMGS: mr`` after its segment was reported as unknown: the network had taken it after all."""

    tag: int
    mr: int


@dataclass(frozen=True, slots=True)
class StatusReportReceived:
    """An SMS-STATUS-REPORT. ``stored`` is None where the modem keeps none: then this is the only copy.

    ``forget`` it once it is durable: that deletes it, or acknowledges it to the network (storage ``ROUTED``).
    """

    tpdu: bytes
    stored: StoredAt | None = None


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """An SMS-DELIVER. ``stored`` as above."""

    tpdu: bytes
    stored: StoredAt | None = None


@dataclass(frozen=True, slots=True)
class PinWanted:
    """The configured PIN is about to be entered: keep that across restarts, then call ``pin_noted``; told again till then.

    ``left``: how many tries the modem says are left; None: it does not say.
    """

    left: int | None


@dataclass(frozen=True, slots=True)
class PinTried:
    """The SIM is open, or refused the configured PIN: keep that across restarts."""

    accepted: bool


@dataclass(frozen=True, slots=True)
class UrcReceived:
    """An unsolicited result code that changes nothing here."""

    text: str


@dataclass(frozen=True, slots=True)
class UnknownLine:
    """A line that belongs to nobody, printable."""

    text: str


ModemEvent = (
    Identified
    | SimIdentified
    | SimChanged
    | Sampled
    | SpeedWanted
    | RecoveryStep
    | ReopenWanted
    | PowerWanted
    | ModemAlarm
    | StepRefused
    | Ready
    | NotReady
    | Deaf
    | SegmentPrompted
    | SegmentSent
    | SegmentRefused
    | SegmentUnknown
    | SegmentNotSent
    | LateAnswer
    | StatusReportReceived
    | MessageReceived
    | PinWanted
    | PinTried
    | UrcReceived
    | UnknownLine
)
