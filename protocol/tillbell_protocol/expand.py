"""A compact sealed message becomes the standard COSE objects that it stands for, for any COSE library to check.

Without any key: the COSE_Encrypt0 (tag 16). With the pairing: the ``external_aad`` that both objects need, and the
COSE_Sign1 (tag 18) rebuilt from the opened plaintext. Nothing is verified here but the tag, on the way in.
"""

from dataclasses import dataclass

from tillbell_protocol import cbor
from tillbell_protocol.pairing import RecipientPairing
from tillbell_protocol.ratchet import message_key
from tillbell_protocol.seal import (
    ALG_CHACHA20_POLY1305,
    ALG_EDDSA,
    HEADER_OCTETS,
    Direction,
    Header,
    external_aad,
    nonce,
    unseal,
)


@dataclass(frozen=True, slots=True)
class Expanded:
    """Encoded COSE objects. ``external_aad`` belongs to both; it and ``sign1`` are None without a pairing."""

    encrypt0: bytes
    external_aad: bytes | None = None
    sign1: bytes | None = None


def expand(message: bytes, pairing: RecipientPairing | None = None) -> Expanded:
    """Raises ``LengthError`` and ``UnknownTypeError``, and with a pairing ``UnknownKidError`` and ``TagError`` too."""
    header = Header.decode(message)
    unprotected = {4: header.kid, 5: nonce(header.counter)}
    encrypt0 = cbor.encode_tagged(16, [ALG_CHACHA20_POLY1305, unprotected, message[HEADER_OCTETS:]])
    if pairing is None:
        return Expanded(encrypt0)
    root = pairing.root0 if header.direction is Direction.DEVICE_TO_RECIPIENT else pairing.root1
    key = message_key(root, header.counter)
    signature, payload = unseal(message, binding=pairing.binding, message_key=key)
    sign1 = cbor.encode_tagged(18, [ALG_EDDSA, {}, payload, signature])
    return Expanded(encrypt0, external_aad(message[:HEADER_OCTETS], pairing.binding), sign1)
