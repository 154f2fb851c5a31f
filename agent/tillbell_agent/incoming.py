"""A received TPDU, or the parts of one message → what kind of message it is, and what can be read of it; pure.

TS 23.040 (TP-PID, 9.2.3.9; user data header) and TS 23.038 (TP-DCS). Nothing is executed, answered or forgotten here.
Text is scrubbed of card numbers before anybody sees it; a sender's name is never taken for a number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from tillbell_agent.moment import EARLIEST_TRUSTED
from tillbell_protocol.errors import DecodeError
from tillbell_protocol.hashing import sha256
from tillbell_protocol.pan import scrub
from tillbell_protocol.seal import PORT
from tillbell_protocol.sms.address import Address, TypeOfNumber
from tillbell_protocol.sms.dcs import Alphabet
from tillbell_protocol.sms.reassembly import Assembled
from tillbell_protocol.sms.tpdu import SmsDeliver
from tillbell_protocol.sms.udh import concatenation

# TP-PID: type 0, which a phone takes and shows to nobody, device triggering, and what is for the module or its SIM.
_CONTROL_PIDS = frozenset({0x40, 0x48, 0x7C, 0x7D, 0x7E, 0x7F})
_RETURN_CALL_PID = 0x5F
_SPECIAL_INDICATION = 0x01
# Of the first octet only TP-MTI and TP-UDHI are the message's; the other bits tell of its way, and differ in a copy.
_OWN_BITS = 0x43
_DIGEST_OCTETS = 16
MISSING = "…"

Key = tuple[Address, int, int, int]


class Kind(Enum):
    """What a message is for, as ``inbox`` tells it."""

    TEXT = "text"
    FLASH = "flash"  # class 0: a phone shows it at once and keeps nothing
    SEALED = "sealed"  # data for this program's port
    DATA = "data"  # other data, or text for an application's port
    WAITING = "message-waiting"  # voice mail and its like
    CONTROL = "control"  # for the module or its SIM
    UNREADABLE = "unreadable"


class State(Enum):
    """``partial``: parts may still come. ``given-up``: they did not."""

    WHOLE = "whole"
    PARTIAL = "partial"
    GIVEN_UP = "given-up"


@dataclass(frozen=True, slots=True)
class Received:
    """One message. ``sender`` is a number, or a name if ``sender_is_name``: anybody may send under any name.

    One of ``text`` (scrubbed) and ``data`` is set; of a message that is not whole, what there is of it. ``ambiguous``: parts with different contents claimed the same place, so this combination may be nobody's.
    ``received_at`` is Unix seconds of a clock that may not have been set; ``sent_at`` the service centre's stamp.
    """

    id: int
    kind: Kind
    state: State
    modem: str
    sender: str
    sender_is_name: bool
    text: str | None
    data: bytes | None
    why: str | None
    sent_at: str
    received_at: int
    parts: int
    total: int
    ambiguous: bool = False
    copies: int = 0

    def told(self) -> dict[str, object]:
        """All of it as JSON values: ``data`` in hex, ``received_at`` null where the clock was not set."""
        return {
            "id": self.id,
            "kind": self.kind.value,
            "state": self.state.value,
            "modem": self.modem,
            "sender": self.sender,
            "sender_is_name": self.sender_is_name,
            "text": self.text,
            "data": None if self.data is None else self.data.hex(),
            "why": self.why,
            "sent_at": self.sent_at,
            "received_at": self.received_at if self.received_at >= EARLIEST_TRUSTED else None,
            "parts": self.parts,
            "total": self.total,
            "ambiguous": self.ambiguous,
            "copies": self.copies,
        }

    def in_short(self) -> dict[str, object]:
        """What a log may say of it: no word of the text, and not who sent it."""
        return {
            "id": self.id,
            "modem": self.modem,
            "kind": self.kind.value,
            "state": self.state.value,
            "parts": f"{self.parts}/{self.total}",
        }


def content_of(tpdu: bytes) -> bytes:
    """The same for a message and its copies: read twice from a storage, or repeated by a service centre.

    Equal words sent a second time have a time stamp of their own, and so another digest.
    """
    first = bytes(octet & _OWN_BITS for octet in tpdu[:1])
    return sha256(first + tpdu[1:])[:_DIGEST_OCTETS]


def key_of(deliver: SmsDeliver) -> Key | None:
    """What the parts of one message have in common; None: it is whole."""
    where = concatenation(deliver.udh)
    return None if where is None else (deliver.oa, where.reference, where.bits, where.total)


def blank(deliver: SmsDeliver, modem: str, received_at: int) -> Received:
    """The message that a part belongs to, before anything of it is read: who sent it, when, and for what it seems."""
    is_name = deliver.oa.type_of_number is TypeOfNumber.ALPHANUMERIC
    where = concatenation(deliver.udh)
    return Received(
        0, kind_of(Assembled(deliver.oa, (deliver,))), State.PARTIAL, modem, deliver.oa.text(), is_name, None, None,
        None, deliver.scts.text(), received_at, 0, where.total if where else 1,
    )  # fmt: skip


def kind_of(message: Assembled) -> Kind:
    """What a whole message is for, as its first part says."""
    first, port = message.parts[0], message.ports()
    if port is not None:
        return Kind.SEALED if port.destination == PORT and message.is_data() else Kind.DATA
    if first.pid in _CONTROL_PIDS:
        return Kind.CONTROL
    if _tells_of_waiting(first):
        return Kind.WAITING
    if first.dcs.compressed() or first.dcs.alphabet() is Alphabet.DATA8:
        return Kind.DATA
    return Kind.FLASH if first.dcs.message_class() == 0 else Kind.TEXT


def contents(message: Assembled) -> tuple[str | None, bytes | None]:
    """(scrubbed text, octets) of a whole message, one of them None: octets where any part is no text."""
    try:
        return scrub(message.text()), None
    except DecodeError:
        return None, b"".join(part.ud for part in message.parts)


def text_so_far(parts: Sequence[SmsDeliver], total: int) -> str | None:
    """The scrubbed text of an incomplete message with ``…`` for each run of missing parts; None: no part is text.

    Of several contents for one part the first is shown.
    """
    texts: dict[int, str] = {}
    for part in parts:
        where = concatenation(part.udh)
        if where is not None and where.sequence not in texts:
            try:
                texts[where.sequence] = part.text()
            except DecodeError:
                continue  # 8-bit or compressed: there is nothing to show of it
    if not texts:
        return None
    pieces: list[str] = []
    for sequence in range(1, total + 1):
        piece = texts.get(sequence, MISSING)
        if piece is not MISSING or pieces[-1:] != [MISSING]:
            pieces.append(piece)
    return scrub("".join(pieces))


def data_so_far(parts: Sequence[SmsDeliver]) -> bytes:
    """The octets of an incomplete message that is no text, its parts in order as far as they came."""
    places = {part: concatenation(part.udh) for part in parts}
    ordered = sorted(parts, key=lambda part: place.sequence if (place := places[part]) else 0)
    return b"".join(part.ud for part in ordered)


def _tells_of_waiting(part: SmsDeliver) -> bool:
    special = any(element.iei == _SPECIAL_INDICATION for element in part.udh)
    return special or part.pid == _RETURN_CALL_PID or part.dcs.message_waiting() is not None
