"""SHA-256, HMAC and a comparison in constant time, by libsodium, which sealing has in memory anyway.

The standard library's ``hashlib`` and ``hmac`` bring OpenSSL in: 3.7 MiB on a board that has few (``make bench``
prints the whole). Nothing that a running agent imports may import them, nor ``secrets``, which does; ``os.urandom`` is
what that calls.
"""

from typing import Final

from nacl.bindings import crypto_hash_sha256, sodium_memcmp

_BLOCK: Final = 64
_INNER: Final = bytes(octet ^ 0x36 for octet in range(256))
_OUTER: Final = bytes(octet ^ 0x5C for octet in range(256))


def sha256(data: bytes) -> bytes:
    """FIPS 180-4: 32 octets."""
    return crypto_hash_sha256(data)


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """RFC 2104 with SHA-256: 32 octets. A key of any length."""
    block = (key if len(key) <= _BLOCK else sha256(key)).ljust(_BLOCK, b"\0")
    return sha256(block.translate(_OUTER) + sha256(block.translate(_INNER) + message))


def is_same(one: bytes, other: bytes) -> bool:
    """Whether two values are the same, in a time that does not depend on where they differ."""
    return sodium_memcmp(one, other)
