"""TP-ST, how a message ended: one octet of a status report (3GPP TS 23.040, 9.2.3.15).

Only the one value that says so counts as delivered. "Forwarded, delivery cannot be confirmed", "replaced" and
values of a service centre's own end the story without telling whether anybody has the message: unknown.
"""

from dataclasses import dataclass
from enum import Enum

from tillbell_protocol.errors import EncodeError


class Outcome(Enum):
    """DELIVERED and FAILED are final; PENDING: the service centre still tries; UNKNOWN: the report does not tell."""

    DELIVERED = "delivered"
    PENDING = "pending"
    FAILED = "failed"
    UNKNOWN = "unknown"


_TEMPORARY = (
    "congestion",
    "recipient busy",
    "no response from the recipient",
    "service rejected",
    "quality of service not available",
    "error in the recipient's equipment",
)
_MEANINGS = {
    0x00: "received by the recipient",
    0x01: "forwarded to the recipient, delivery cannot be confirmed",
    0x02: "replaced by the service centre",
    **{0x20 + n: f"{why}, still trying" for n, why in enumerate(_TEMPORARY)},
    0x40: "remote procedure error",
    0x41: "incompatible destination",
    0x42: "connection rejected by the recipient",
    0x43: "not obtainable",
    0x44: "quality of service not available",
    0x45: "no interworking available",
    0x46: "validity period expired",
    0x47: "deleted by the sender",
    0x48: "deleted by the service centre's administration",
    0x49: "message does not exist",
    **{0x60 + n: f"{why}, no longer trying" for n, why in enumerate(_TEMPORARY)},
}


@dataclass(frozen=True, slots=True)
class Status:
    """The octet."""

    octet: int

    def __post_init__(self) -> None:
        if not 0 <= self.octet <= 0xFF:
            raise EncodeError("st", f"{self.octet} is not an octet")

    def outcome(self) -> Outcome:
        if self.octet == 0x00:
            return Outcome.DELIVERED
        if self.octet & 0xE0 == 0x20:  # 001x xxxx: temporary error, still trying
            return Outcome.PENDING
        if self.octet & 0xC0 == 0x40:  # 010x xxxx permanent error, 011x xxxx temporary, no longer trying
            return Outcome.FAILED
        return Outcome.UNKNOWN

    def meaning(self) -> str:
        """The standard's meaning in words, or what kind of unassigned value it is."""
        if self.octet in _MEANINGS:
            return _MEANINGS[self.octet]
        specific = self.octet & 0x80 == 0 and self.octet & 0x10 == 0x10
        return f"{self.outcome().value}, {'a value of the service centre' if specific else 'reserved value'}"
