"""Why a sealed message is refused: one error per layer, in the order in which a receiver looks.

``layer`` is the word that test vectors, logs and the quarantine use. The words of each message are for a technician.
"""

from typing import ClassVar

from tillbell_protocol.errors import DecodeError, ProtocolError


class Refusal(ProtocolError):  # noqa: N818 - the root is the thing itself, each kind below is an error
    """Root of every reason not to accept a sealed message."""

    layer: ClassVar[str] = "sealed message"


class LengthError(Refusal):
    """Too short for a header, a signature and a tag with one payload octet between, or longer than the format allows."""

    layer = "length"


class UnknownTypeError(Refusal):
    """The first octet is neither 0x50 nor 0x51."""

    layer = "type"


class WrongDirectionError(Refusal):
    """A message of the other direction: this end is not the one that it is for."""

    layer = "direction"


class UnknownKidError(Refusal):
    """No pairing has this key identifier: the device was paired with somebody else, or never."""

    layer = "kid"


class DuplicateError(Refusal):
    """The same octets were opened before. Networks repeat SMS, so this is normal and costs nothing."""

    layer = "duplicate"

    def __init__(self, device: str, counter: int) -> None:
        super().__init__(f"the same message of {device} was opened before: counter {counter}")
        self.device = device
        self.counter = counter


class TagError(Refusal):
    """The authentication tag does not hold: altered octets, or sealed for another pairing."""

    layer = "tag"


class SignatureError(Refusal):
    """The tag holds and the signature does not: whoever sealed it had the message key and not the signing key."""

    layer = "signature"


class PayloadError(Refusal, DecodeError):
    """The payload is not one item in deterministic CBOR, or does not follow the schema."""

    layer = "payload"


class CborError(DecodeError):
    """Octets are not exactly one item in deterministic CBOR as this format allows it."""
