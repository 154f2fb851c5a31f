"""Sealed messages: a payload becomes header, ciphertext and tag for one recipient, and back, or a named refusal.

    type (1) | kid (2) | counter (3) | ChaCha20/Poly1305( Ed25519 signature (64) | payload ) with tag (16)

It is a COSE_Encrypt0 around the contents of a COSE_Sign1 (RFC 9052, RFC 9053), without what both ends know. Both
objects have ``external_aad = header | binding``, so a message is bound to its direction, counter, sender and
recipient. Nothing here knows which counters were used or seen: that is the sender's ledger and ``receiver``.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from nacl import bindings, exceptions

from tillbell_protocol import cbor
from tillbell_protocol.errors import EncodeError
from tillbell_protocol.ratchet import COUNTERS, CountersExhaustedError
from tillbell_protocol.refusal import (
    DuplicateError,
    LengthError,
    PayloadError,
    Refusal,
    SignatureError,
    TagError,
    UnknownKidError,
    UnknownTypeError,
    WrongDirectionError,
)

__all__ = [
    "ALG_CHACHA20_POLY1305",
    "ALG_EDDSA",
    "MAX_MESSAGE",
    "MAX_ONE_ARMORED_PAYLOAD",
    "MAX_ONE_SEGMENT_PAYLOAD",
    "MAX_PAYLOAD",
    "MAX_TWO_SEGMENTS_PAYLOAD",
    "MIN_MESSAGE",
    "OVERHEAD",
    "PORT",
    "Direction",
    "DuplicateError",
    "Header",
    "LengthError",
    "PayloadError",
    "Refusal",
    "SignatureError",
    "TagError",
    "UnknownKidError",
    "UnknownTypeError",
    "WrongDirectionError",
    "external_aad",
    "nonce",
    "open_sealed",
    "seal",
    "unseal",
]

# Destination and source port of binary SMS, from the range that 3GPP TS 23.040 leaves to applications.
PORT: Final = 16180
HEADER_OCTETS: Final = 6
SIGNATURE_OCTETS: Final = 64
TAG_OCTETS: Final = 16
OVERHEAD: Final = HEADER_OCTETS + SIGNATURE_OCTETS + TAG_OCTETS
MIN_MESSAGE: Final = OVERHEAD + 1
# Eight SMS; a message that long is a mistake, and every receiver's buffer is bounded by it.
MAX_MESSAGE: Final = 1024
MAX_PAYLOAD: Final = MAX_MESSAGE - OVERHEAD
# 140 octets of user data less 7 of header with both ports.
MAX_ONE_SEGMENT_PAYLOAD: Final = 133 - OVERHEAD
# Two segments, each with ports and concatenation (12 octets of header).
MAX_TWO_SEGMENTS_PAYLOAD: Final = 2 * 128 - OVERHEAD
# 160 letters of base64 carry 120 octets.
MAX_ONE_ARMORED_PAYLOAD: Final = 120 - OVERHEAD

ALG_EDDSA: Final = bytes.fromhex("a10127")  # {1: -8}, the protected header of the signature
ALG_CHACHA20_POLY1305: Final = bytes.fromhex("a1011818")  # {1: 24}, the protected header of the encryption


class Direction(IntEnum):
    """Who speaks; the first octet of a message is 0x50 plus this."""

    DEVICE_TO_RECIPIENT = 0
    RECIPIENT_TO_DEVICE = 1


@dataclass(frozen=True, slots=True)
class Header:
    """The six octets in clear: who speaks, the first two octets of the binding, and the counter."""

    direction: Direction
    kid: bytes
    counter: int

    def encode(self) -> bytes:
        return bytes([0x50 + self.direction]) + self.kid + self.counter.to_bytes(3, "big")

    @classmethod
    def decode(cls, message: bytes) -> "Header":
        """The header of a whole message. Raises ``LengthError`` or ``UnknownTypeError``."""
        if not MIN_MESSAGE <= len(message) <= MAX_MESSAGE:
            raise LengthError(f"{len(message)} octets; a sealed message has {MIN_MESSAGE} to {MAX_MESSAGE}")
        if message[0] not in (0x50, 0x51):
            raise UnknownTypeError(
                f"first octet 0x{message[0]:02x}; a sealed message starts with 0x50 or 0x51"
            )
        return cls(Direction(message[0] - 0x50), message[1:3], int.from_bytes(message[3:6], "big"))


def seal(
    *,
    direction: Direction,
    binding: bytes,
    counter: int,
    message_key: bytes,
    signing_seed: bytes,
    payload: bytes,
) -> bytes:
    """The sealed message: 86 octets more than ``payload``, which has 1 to 938.

    ``binding``, ``message_key`` and ``signing_seed`` (Ed25519) have 32 octets. The caller has made sure that
    ``counter`` was never used before with this pairing and direction; the same counter twice breaks the secrecy of
    both messages. Raises ``EncodeError``, ``CountersExhaustedError``.
    """
    if not 1 <= len(payload) <= MAX_PAYLOAD:
        raise EncodeError("payload", f"{len(payload)} octets; a sealed message carries 1 to {MAX_PAYLOAD}")
    if not 0 <= counter < COUNTERS:
        raise CountersExhaustedError
    aad = external_aad(Header(direction, binding[:2], counter).encode(), binding)
    signature = sign(signing_seed, signature_structure(aad, payload))
    ciphertext = bindings.crypto_aead_chacha20poly1305_ietf_encrypt(
        signature + payload, encryption_structure(aad), nonce(counter), message_key
    )
    return aad[:HEADER_OCTETS] + ciphertext


def open_sealed(message: bytes, *, binding: bytes, message_key: bytes, verify_key: bytes) -> bytes:
    """The payload octets, once tag and signature hold. Nothing is said about replay or about the payload's form.

    Raises ``LengthError``, ``UnknownTypeError``, ``UnknownKidError`` (another binding), ``TagError``,
    ``SignatureError``.
    """
    signature, payload = unseal(message, binding=binding, message_key=message_key)
    aad = external_aad(message[:HEADER_OCTETS], binding)
    if not verify(verify_key, signature, signature_structure(aad, payload)):
        raise SignatureError(
            "the signature is not the sender's: whoever sealed this had only the message key"
        )
    return payload


def unseal(message: bytes, *, binding: bytes, message_key: bytes) -> tuple[bytes, bytes]:
    """Signature and payload, once the tag holds; the signature is **not** verified here."""
    header = Header.decode(message)
    if header.kid != binding[:2]:
        raise UnknownKidError(f"kid {header.kid.hex()}; this pairing's is {binding[:2].hex()}")
    aad = encryption_structure(external_aad(message[:HEADER_OCTETS], binding))
    try:
        plaintext = bindings.crypto_aead_chacha20poly1305_ietf_decrypt(
            message[HEADER_OCTETS:], aad, nonce(header.counter), message_key
        )
    except exceptions.CryptoError as error:
        raise TagError("the tag does not hold: altered on the way, or sealed for another pairing") from error
    return plaintext[:SIGNATURE_OCTETS], plaintext[SIGNATURE_OCTETS:]


def external_aad(header: bytes, binding: bytes) -> bytes:
    return header + binding


def nonce(counter: int) -> bytes:
    """12 octets; each message has a key of its own, so the counter is there for COSE's sake."""
    return counter.to_bytes(12, "big")


def signature_structure(aad: bytes, payload: bytes) -> bytes:
    """The octets that are signed: COSE's Sig_structure for a COSE_Sign1."""
    return cbor.encode(["Signature1", ALG_EDDSA, aad, payload])


def encryption_structure(aad: bytes) -> bytes:
    """The AAD of the AEAD: COSE's Enc_structure for a COSE_Encrypt0."""
    return cbor.encode(["Encrypt0", ALG_CHACHA20_POLY1305, aad])


def sign(seed: bytes, octets: bytes) -> bytes:
    """The Ed25519 signature, 64 octets."""
    _, secret = bindings.crypto_sign_seed_keypair(seed)
    return bindings.crypto_sign(octets, secret)[:SIGNATURE_OCTETS]


def verify(key: bytes, signature: bytes, octets: bytes) -> bool:
    """Whether the Ed25519 signature holds; libsodium refuses keys of low order and signatures in other forms."""
    try:
        bindings.crypto_sign_open(signature + octets, key)
    except exceptions.BadSignatureError:
        return False
    return True
