"""Keys and cards: secrets that stay in a file, and the card that a recipient gives to whoever shall write to it.

Each becomes one line of text (``TBK1.…``, ``TBC1.…``) around a CBOR map. Randomness is an argument. Error messages
never quote what a key file held.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

from nacl import bindings

from tillbell_protocol import cbor
from tillbell_protocol.armor import tag_text, untag_text
from tillbell_protocol.errors import DecodeError, EncodeError, ProtocolError
from tillbell_protocol.hashing import sha256
from tillbell_protocol.refusal import CborError

# Room for a name, a number and keys to come; a QR code still holds it.
MAX_CARD: Final = 512
MAX_KEY: Final = 256
MAX_NAME_CHARACTERS: Final = 64
_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")


class CardError(DecodeError):
    """A recipient card cannot be read."""


class KeyFileError(DecodeError):
    """A secret key cannot be read. Never quotes what it read."""


class NoReceivingKeyError(ProtocolError):
    """A device's key, which has no X25519 part, cannot receive."""


@dataclass(frozen=True, slots=True)
class Card:
    """What a recipient gives away: X25519 key R, Ed25519 key S if it may send commands, name, E.164 number."""

    x25519: bytes
    ed25519: bytes | None
    name: str
    phone: str | None = None

    def __post_init__(self) -> None:
        if len(self.x25519) != 32 or (self.ed25519 is not None and len(self.ed25519) != 32):
            raise EncodeError("card", "keys have 32 octets")
        if not 0 < len(self.name) <= MAX_NAME_CHARACTERS or not self.name.isprintable():
            raise EncodeError("card.name", f"1 to {MAX_NAME_CHARACTERS} printable characters expected")
        if self.phone is not None and not _E164.fullmatch(self.phone):
            raise EncodeError("card.phone", "+ and 7 to 15 digits expected")

    def encode(self) -> bytes:
        items: dict[int, Any] = {1: self.x25519, 2: self.ed25519, 3: self.name, 4: self.phone}
        return cbor.encode({key: item for key, item in items.items() if item is not None})

    @classmethod
    def decode(cls, octets: bytes) -> "Card":
        """Raises ``CardError``. Keys that a later version adds are left alone."""
        items = decode_map(octets, MAX_CARD, CardError)
        name, phone = items.get(3), items.get(4)
        if not isinstance(name, str) or not isinstance(phone, str | None):
            raise CardError("card", 0, "a name (key 3) expected, and a phone number as text (key 4)")
        try:
            return cls(
                key_octets(items, 1, CardError),
                key_octets(items, 2, CardError) if 2 in items else None,
                name,
                phone,
            )
        except EncodeError as error:
            raise CardError(error.field, 0, error.why) from error

    def text(self) -> str:
        return tag_text("TBC1.", self.encode())

    @classmethod
    def from_text(cls, text: str) -> "Card":
        """From ``TBC1.…``, alone or in a file with comments. Raises ``CardError``."""
        return cls.decode(untag("TBC1.", text, MAX_CARD, CardError))

    def fingerprint(self) -> str:
        return fingerprint(sha256(self.x25519))


@dataclass(frozen=True, slots=True, repr=False)
class SecretKey:
    """A device's secret (Ed25519 seed) or a recipient's (with an X25519 secret too). Never shown by ``repr``."""

    ed25519_seed: bytes
    x25519: bytes | None = None

    def __post_init__(self) -> None:
        if len(self.ed25519_seed) != 32 or (self.x25519 is not None and len(self.x25519) != 32):
            raise EncodeError("key", "secrets have 32 octets")

    def __repr__(self) -> str:
        return f"SecretKey({self.fingerprint()})"

    @classmethod
    def from_random(cls, octets: bytes) -> "SecretKey":
        """A recipient's key from 64 octets of the system's randomness, a device's from 32."""
        if len(octets) not in (32, 64):
            raise EncodeError("key", "64 random octets make a recipient's key, 32 a device's")
        return cls(octets[:32], octets[32:] or None)

    @property
    def ed25519_public(self) -> bytes:
        return bindings.crypto_sign_seed_keypair(self.ed25519_seed)[0]

    @property
    def x25519_public(self) -> bytes:
        return bindings.crypto_scalarmult_base(self.receiving_secret())

    def receiving_secret(self) -> bytes:
        if self.x25519 is None:
            raise NoReceivingKeyError("this is a device's key: it signs, and cannot receive")
        return self.x25519

    def card(self, name: str, phone: str | None = None) -> Card:
        """The public card of a recipient's key. Raises ``NoReceivingKeyError``, ``EncodeError``."""
        return Card(self.x25519_public, self.ed25519_public, name, phone)

    def fingerprint(self) -> str:
        """Of the public key by which others know it: X25519 for a recipient, Ed25519 for a device."""
        public = self.ed25519_public if self.x25519 is None else self.x25519_public
        return fingerprint(sha256(public))

    def text(self) -> str:
        items = {1: self.x25519, 2: self.ed25519_seed}
        return tag_text("TBK1.", cbor.encode({key: item for key, item in items.items() if item is not None}))

    @classmethod
    def from_text(cls, text: str) -> "SecretKey":
        """From the contents of a key file, comment lines and all. Raises ``KeyFileError``."""
        items = decode_map(untag("TBK1.", text, MAX_KEY, KeyFileError), MAX_KEY, KeyFileError)
        return cls(
            key_octets(items, 2, KeyFileError), key_octets(items, 1, KeyFileError) if 1 in items else None
        )


def fingerprint(octets: bytes) -> str:
    """The first 60 bits as 12 Crockford base32 characters in three groups."""
    bits = int.from_bytes(octets[:8], "big") >> 4
    letters = "".join(_CROCKFORD[bits >> shift & 31] for shift in range(55, -1, -5))
    return f"{letters[:4]}-{letters[4:8]}-{letters[8:]}"


def decode_map(octets: bytes, max_octets: int, error_class: type[DecodeError]) -> dict[int, Any]:
    if len(octets) > max_octets:
        raise error_class("octets", 0, f"longer than {max_octets} octets")
    try:
        items = cbor.decode(octets)
    except CborError as error:
        raise error_class(error.field, error.offset, error.why) from error
    if not isinstance(items, dict):
        raise error_class("item", 0, "map expected")
    return items


def key_octets(items: dict[int, Any], key: int, error_class: type[DecodeError]) -> bytes:
    value = items.get(key)
    if not isinstance(value, bytes) or len(value) != 32:
        raise error_class(f"key {key}", 0, "32 octets expected")
    return value


def untag(tag: str, text: str, max_octets: int, error_class: type[DecodeError]) -> bytes:
    try:
        return untag_text(tag, text, max_octets)
    except DecodeError as error:
        raise error_class(error.field, error.offset, error.why) from error
