"""Pairing: a device's key and a recipient's card become one bundle, one binding and the roots of all message keys.

    ikm = X25519(e, R)     binding = SHA-256("tillbell/1" | D | R | E)     root = HKDF-SHA256(salt, ikm, binding)

D and S are Ed25519 keys of device and recipient, R is the recipient's X25519 key, (e, E) the device's fresh pair.
Randomness is an argument. What a device must erase (``ephemeral``) its caller erases; ``root0`` never leaves here.
"""

from dataclasses import dataclass
from typing import Any, Final

from nacl import bindings, exceptions

from tillbell_protocol import cbor
from tillbell_protocol.armor import tag_text
from tillbell_protocol.defaults import Defaults
from tillbell_protocol.errors import DecodeError, EncodeError, ProtocolError
from tillbell_protocol.hashing import hmac_sha256, sha256
from tillbell_protocol.keys import (
    Card,
    CardError,
    KeyFileError,
    NoReceivingKeyError,
    SecretKey,
    decode_map,
    fingerprint,
    key_octets,
    untag,
)
from tillbell_protocol.ratchet import Ratchet
from tillbell_protocol.refusal import CborError
from tillbell_protocol.scalars import BadItemError
from tillbell_protocol.seal import ALG_EDDSA, sign, verify

__all__ = [
    "BundleError",
    "BundleForAnotherError",
    "BundleSignatureError",
    "Card",
    "CardError",
    "Defaults",
    "DevicePairing",
    "KeyFileError",
    "LowOrderKeyError",
    "NoReceivingKeyError",
    "RecipientPairing",
    "SecretKey",
    "bundle_from_text",
    "bundle_text",
    "fingerprint",
    "pair_as_device",
    "pair_as_recipient",
]

# Room for some hundred terminals.
MAX_BUNDLE: Final = 4096
_SIGN1_TAG: Final = 18


class BundleError(DecodeError):
    """A pairing bundle cannot be read."""


class BundleSignatureError(ProtocolError):
    """A pairing bundle is not signed by the device that it names: altered on the way."""


class BundleForAnotherError(ProtocolError):
    """A pairing bundle was made for another recipient's key."""


class LowOrderKeyError(ProtocolError):
    """An X25519 key of low order: everybody would know the shared secret."""


@dataclass(frozen=True, slots=True, repr=False)
class DevicePairing:
    """A device's side. ``recipient_key`` is S, whose commands it would obey; None: it obeys none."""

    binding: bytes
    ratchet: Ratchet
    back_root: bytes
    check_key: bytes
    bundle: bytes
    recipient_key: bytes | None

    @property
    def kid(self) -> bytes:
        return self.binding[:2]

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.binding)


@dataclass(frozen=True, slots=True, repr=False)
class RecipientPairing:
    """A recipient's side, computed anew from its secret and the bundle whenever it is needed."""

    device_key: bytes
    binding: bytes
    root0: bytes
    root1: bytes
    check_key: bytes
    defaults: Defaults

    @property
    def kid(self) -> bytes:
        return self.binding[:2]

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.binding)


def pair_as_device(device: SecretKey, card: Card, ephemeral: bytes, defaults: Defaults) -> DevicePairing:
    """A new pairing from 32 fresh random octets, which the caller erases afterwards.

    Raises ``LowOrderKeyError`` for a card that would make the shared secret known to all, ``EncodeError`` for
    defaults that no bundle can hold.
    """
    ikm = _x25519(ephemeral, card.x25519)
    device_key, public = device.ed25519_public, bindings.crypto_scalarmult_base(ephemeral)
    binding = binding_of(device_key, card.x25519, public)
    items = {1: device_key, 2: public, 3: sha256(card.x25519), 4: defaults.to_item()}
    if card.ed25519 is not None:
        items[5] = card.ed25519
    payload = cbor.encode(items)
    signature = sign(device.ed25519_seed, cbor.encode(["Signature1", ALG_EDDSA, b"", payload]))
    bundle = cbor.encode_tagged(_SIGN1_TAG, [ALG_EDDSA, {}, payload, signature])
    if len(bundle) > MAX_BUNDLE:
        raise EncodeError(
            "defaults", f"the bundle would have {len(bundle)} octets, at most {MAX_BUNDLE} are allowed"
        )
    root0, root1, check_key = derive_keys(ikm, binding)
    return DevicePairing(binding, Ratchet.start(root0), root1, check_key, bundle, card.ed25519)


def pair_as_recipient(secret: SecretKey, bundle: bytes) -> RecipientPairing:
    """The same pairing from the other side.

    Raises ``BundleError``, ``BundleSignatureError``, ``BundleForAnotherError``, ``LowOrderKeyError``,
    ``NoReceivingKeyError``. That the device is the right one only a comparison of fingerprints shows.
    """
    items = _verified_items(bundle)
    device_key, public = key_octets(items, 1, BundleError), key_octets(items, 2, BundleError)
    own = secret.x25519_public
    if key_octets(items, 3, BundleError) != sha256(own):
        raise BundleForAnotherError("the bundle was made for another recipient's key")
    if 5 in items and key_octets(items, 5, BundleError) != secret.ed25519_public:
        raise BundleForAnotherError("the bundle names another signing key than this recipient's")
    try:
        defaults = Defaults.from_item(items.get(4))
    except BadItemError as error:
        raise BundleError("bundle.defaults", 0, str(error)) from error
    binding = binding_of(device_key, own, public)
    root0, root1, check_key = derive_keys(_x25519(secret.receiving_secret(), public), binding)
    return RecipientPairing(device_key, binding, root0, root1, check_key, defaults)


def bundle_text(bundle: bytes) -> str:
    return tag_text("TBP1.", bundle)


def bundle_from_text(text: str) -> bytes:
    """The octets of ``TBP1.…``, not yet verified. Raises ``BundleError``."""
    return untag("TBP1.", text, MAX_BUNDLE, BundleError)


def binding_of(device_key: bytes, recipient_key: bytes, ephemeral_key: bytes) -> bytes:
    """What names a pairing: 32 octets over D, R and E."""
    return sha256(b"tillbell/1" + device_key + recipient_key + ephemeral_key)


def derive_keys(ikm: bytes, binding: bytes) -> tuple[bytes, bytes, bytes]:
    """root0 (device to recipient), root1 (back) and check_key, 32 octets each."""
    root0, root1, check_key = (
        hkdf_sha256(salt, ikm, binding)
        for salt in (b"tillbell/1 root", b"tillbell/1 back", b"tillbell/1 check")
    )
    return root0, root1, check_key


def hkdf_sha256(salt: bytes, ikm: bytes, info: bytes) -> bytes:
    """RFC 5869 with one block of output, 32 octets."""
    return hmac_sha256(hmac_sha256(salt, ikm), info + b"\x01")


def _x25519(secret: bytes, public: bytes) -> bytes:
    try:
        return bindings.crypto_scalarmult(secret, public)
    except exceptions.RuntimeError as error:  # libsodium's answer to an all-zero result
        raise LowOrderKeyError("the X25519 key has low order: the shared secret would be zero") from error


def _verified_items(bundle: bytes) -> dict[int, Any]:
    if len(bundle) > MAX_BUNDLE:
        raise BundleError("bundle", 0, f"longer than {MAX_BUNDLE} octets")
    try:
        parts = cbor.decode_tagged(bundle, _SIGN1_TAG)
    except CborError as error:
        raise BundleError("bundle", error.offset, error.why) from error
    if not isinstance(parts, tuple) or len(parts) != 4 or parts[:2] != (ALG_EDDSA, {}):
        raise BundleError("bundle", 0, "a COSE_Sign1 with EdDSA and no other header expected")
    _, _, payload, signature = parts
    if not isinstance(payload, bytes) or not isinstance(signature, bytes) or len(signature) != 64:
        raise BundleError("bundle", 0, "payload and a signature of 64 octets expected")
    items = decode_map(payload, MAX_BUNDLE, BundleError)
    if not verify(
        key_octets(items, 1, BundleError), signature, cbor.encode(["Signature1", ALG_EDDSA, b"", payload])
    ):
        raise BundleSignatureError("the bundle's signature does not hold: it was altered on the way")
    return items
