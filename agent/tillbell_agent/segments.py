"""An outbox message becomes the segments and SMS-SUBMIT TPDUs that carry it; pure."""

from dataclasses import dataclass

from tillbell_agent.moment import EARLIEST_TRUSTED, Moment
from tillbell_agent.outbox import Message, State
from tillbell_protocol.armor import armor
from tillbell_protocol.errors import DecodeError, ProtocolError
from tillbell_protocol.seal import PORT
from tillbell_protocol.sms.address import Address
from tillbell_protocol.sms.segment import Segment, split_data, split_text
from tillbell_protocol.sms.tpdu import SmsSubmit
from tillbell_protocol.sms.validity import RelativeValidity

# A service centre takes nothing shorter.
_SHORTEST_VALIDITY_S = 300

# Tags name a segment to the session: the message's id and the part, of which a message has at most 255.
_PARTS = 256


@dataclass(slots=True)
class Journey:
    """A message that is reserved, or on its way: its segments, those not taken yet, whether the first is with the modem."""

    message: Message
    segments: list[Segment]
    parts_left: list[int]
    with_modem: bool = False
    handed_over: bool = False  # the part that is with the modem
    claimed: bool = False  # any part: the try is counted

    @property
    def tag(self) -> int:
        return self.message.id * _PARTS + self.parts_left[0]


def message_and_part(tag: int) -> tuple[int, int]:
    """A tag → (the message's id, the part from 0)."""
    return divmod(tag, _PARTS)


def age_s(message: Message, moment: Moment) -> int:
    """Seconds since it was put; 0 where the clock was not set then, so that nothing expires by the clock's jump."""
    return max(0, moment.unix - message.created_at) if message.created_at >= EARLIEST_TRUSTED else 0


def is_late(message: Message, moment: Moment) -> bool:
    """Whether its time is over."""
    return age_s(message, moment) > message.expires_at - message.created_at


def split(message: Message) -> list[Segment]:
    """A message's segments, or ProtocolError; the same on every try, so that a repeated part completes the first ones.

    A marked repetition has another reference: a phone never joins one copy's part with the other's.
    """
    body, reference = message.body or b"", (message.id + 128 * message.repeated) & 0xFF
    if message.format == "sealed":
        return split_data(body, reference, PORT)
    return split_text(armor(body) if message.format == "armored" else _text(body), reference)


def part_count(message: Message) -> int | None:
    """How many segments a message has; None: its body cannot be read."""
    try:
        return len(split(message))
    except ProtocolError:
        return None


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:  # of a damaged store
        raise DecodeError("body", error.start, "is no UTF-8") from error


@dataclass(frozen=True, slots=True)
class NotSent:
    """A message that is not to be sent (any more): the state in which it ends, and why."""

    state: State
    why: str


def make_ready(message: Message, taken: set[int], moment: Moment) -> Journey | NotSent:
    """A message about to be sent; ``taken``: the parts (from 0) that the network has."""
    try:
        segments = split(message)
        Address.from_text(message.phone)
    except ProtocolError as error:
        return NotSent(State.REFUSED, str(error))
    if is_late(message, moment):
        # Something of it may be out: then "expired" would claim to know more than anybody does.
        return NotSent(State.UNKNOWN if message.unknowns else State.EXPIRED, "not sent in time")
    left = [part for part in range(len(segments)) if part not in taken]
    if not left:  # its last answer came late, after it was queued again
        return NotSent(State.SENT, "accepted")
    return Journey(message, segments, left)


def submit(message: Message, segment: Segment, moment: Moment) -> bytes:
    """The SMS-SUBMIT of one segment; its validity ends at the first step of TP-VP (minutes to a week) at which the
    message has expired."""
    left_s = max(_SHORTEST_VALIDITY_S, message.expires_at - message.created_at - age_s(message, moment))
    return SmsSubmit(
        mr=0,  # the modem counts
        da=Address.from_text(message.phone),
        pid=0,
        dcs=segment.dcs,
        vp=RelativeValidity.from_seconds(left_s),
        udh=segment.udh,
        ud=segment.ud,
        srr=True,
    ).encode()
