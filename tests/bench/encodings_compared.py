"""The same sale in three encodings: sealed by this project, as signed JSON in a NaCl sealed box, as nested COSE.

The other two get the best case: compact JSON without absent fields, and for COSE the very payload octets of this
project, in deterministic CBOR, with nothing but the standard headers (algorithm, kid, nonce).
"""

import hashlib
import json
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import cbor2
from mix import Heard, defaults
from nacl import bindings, public, signing

from tillbell_agent.notify.sealed import in_table_words
from tillbell_protocol.defaults import NO_NAMES, Defaults, Naming
from tillbell_protocol.event import Transaction
from tillbell_protocol.keys import SecretKey
from tillbell_protocol.pairing import pair_as_device
from tillbell_protocol.payload import encode_payload, fit_payload
from tillbell_protocol.ratchet import Ratchet
from tillbell_protocol.receiver import Receiver
from tillbell_protocol.seal import (
    ALG_CHACHA20_POLY1305,
    ALG_EDDSA,
    MAX_ONE_ARMORED_PAYLOAD,
    Direction,
    nonce,
    seal,
    signature_structure,
)

_SIGN1_TAG, _ENCRYPT0_TAG = 18, 16


def _octets(name: str) -> bytes:
    """64 octets for a key that guards nothing."""
    return hashlib.sha512(f"bench {name}".encode()).digest()


SIGNING_SEED, MESSAGE_KEY, KID = _octets("device")[:32], _octets("message key")[:32], _octets("kid")[:2]


@dataclass(frozen=True, slots=True)
class Made:
    """One message and what is inside: both in octets. ``left_out``: fields there was no room for."""

    payload: bytes
    message: bytes
    left_out: tuple[str, ...] = ()


def payload_of(heard: Heard, known: Defaults, naming: Naming = NO_NAMES) -> bytes:
    """The complete payload, as the agent writes it."""
    return encode_payload(in_table_words(heard.transaction), time=heard.time, defaults=known, naming=naming)


class Sealer:
    """A device and its recipient, from fixed keys; every message made is opened again and compared."""

    def __init__(self) -> None:
        self._device, recipient = (
            SecretKey.from_random(_octets("device")),
            SecretKey.from_random(_octets("hq")),
        )
        self._defaults = defaults()
        self._pairing = pair_as_device(
            self._device, recipient.card("hq", None), _octets("ephemeral")[:32], self._defaults
        )
        self._ratchet: Ratchet = self._pairing.ratchet
        self._receiver = Receiver(recipient)
        self._receiver.import_bundle(self._pairing.bundle)

    def seal(self, heard: Heard) -> Made:
        """Complete."""
        return self._sealed(heard, payload_of(heard, self._defaults), ())

    def seal_for_letters(self, heard: Heard) -> Made:
        """As an armored recipient gets it: without the least important fields where that saves an SMS."""
        payload, left_out = fit_payload(
            in_table_words(heard.transaction),
            limit=MAX_ONE_ARMORED_PAYLOAD,
            time=heard.time,
            defaults=self._defaults,
        )
        return self._sealed(heard, payload, left_out)

    def _sealed(self, heard: Heard, payload: bytes, left_out: tuple[str, ...]) -> Made:
        message = seal(
            direction=Direction.DEVICE_TO_RECIPIENT,
            binding=self._pairing.binding,
            counter=self._ratchet.counter,
            message_key=self._ratchet.message_key(),
            signing_seed=self._device.ed25519_seed,
            payload=payload,
        )
        self._ratchet = self._ratchet.advance()
        told = self._receiver.open(message).told
        if told.time != heard.time or _different(told.event, in_table_words(heard.transaction)) - set(
            left_out
        ):
            raise AssertionError(f"{heard} was sealed, {told} was opened")
        return Made(payload, message, left_out)


def signed_json_in_a_box(heard: Heard, counter: int) -> Made:
    """JSON, signed with Ed25519, in a sealed box (X25519, XSalsa20/Poly1305).

    The box has no sender and no order, so device and counter stand inside.
    """
    inside = {"device": "till-1", "counter": counter, "kind": heard.transaction.kind.word, "time": heard.time}
    inside |= _json_fields(in_table_words(heard.transaction))
    octets = json.dumps(inside, ensure_ascii=False, separators=(",", ":")).encode()
    signed = bytes(signing.SigningKey(SIGNING_SEED).sign(octets))
    recipient = public.PrivateKey(_octets("hq")[:32])
    message = public.SealedBox(recipient.public_key).encrypt(signed)
    if (
        signing.SigningKey(SIGNING_SEED).verify_key.verify(public.SealedBox(recipient).decrypt(message))
        != octets
    ):
        raise AssertionError("the sealed box does not hold what was put in")
    return Made(octets, message)


def nested_cose(payload: bytes, counter: int) -> Made:
    """COSE_Encrypt0 (ChaCha20/Poly1305) around a COSE_Sign1 (Ed25519), RFC 9052, both tagged."""
    _, secret = bindings.crypto_sign_seed_keypair(SIGNING_SEED)
    signature = bindings.crypto_sign(signature_structure(b"", payload), secret)[:64]
    signed = _deterministic(cbor2.CBORTag(_SIGN1_TAG, [ALG_EDDSA, {}, payload, signature]))
    aad = _deterministic(["Encrypt0", ALG_CHACHA20_POLY1305, b""])
    ciphertext = bindings.crypto_aead_chacha20poly1305_ietf_encrypt(signed, aad, nonce(counter), MESSAGE_KEY)
    unprotected = {4: KID, 5: nonce(counter)}
    return Made(
        payload,
        _deterministic(cbor2.CBORTag(_ENCRYPT0_TAG, [ALG_CHACHA20_POLY1305, unprotected, ciphertext])),
    )


def _deterministic(item: Any) -> bytes:
    return cbor2.dumps(item, canonical=True)


def _json_fields(transaction: Transaction) -> dict[str, Any]:
    """Every field that was heard, under its own name."""
    values: dict[str, Any] = {}
    for entry in fields(transaction):
        value = getattr(transaction, entry.name)
        if value is None or entry.name in {"kind", "final"}:
            continue
        if entry.name == "card":
            values["card_last4"] = value.last4
        else:
            values[entry.name] = value.isoformat() if isinstance(value, datetime) else value
    return values


def _different(told: Any, meant: Transaction) -> set[str]:
    return {entry.name for entry in fields(meant) if getattr(told, entry.name) != getattr(meant, entry.name)}
