"""HMAC-SHA256 (RFC 2104), cut to eight octets; MicroPython has no hmac. The keys' pads are made once."""

import hashlib

TAG_OCTETS = 8
KEY_OCTETS = 32
_BLOCK = 64


class Mac:
    """``key``: exactly 32 octets, so that no key is hashed first."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_OCTETS:
            raise ValueError("a link key has 32 octets")
        padded = key + bytes(_BLOCK - len(key))
        self._inner = bytes([octet ^ 0x36 for octet in padded])
        self._outer = bytes([octet ^ 0x5C for octet in padded])

    def digest(self, octets: bytes) -> bytes:
        """All 32 octets."""
        inner = hashlib.sha256(self._inner + octets).digest()
        return hashlib.sha256(self._outer + inner).digest()

    def tag(self, octets: bytes) -> bytes:
        return self.digest(octets)[:TAG_OCTETS]

    def verify(self, octets: bytes, tag: bytes) -> bool:
        """In a time that does not depend on where the tags differ."""
        return same(self.tag(octets), tag)


def same(one: bytes, other: bytes) -> bool:
    """Compares without stopping at the first difference."""
    if len(one) != len(other):
        return False
    differences = 0
    for at in range(len(one)):
        differences |= one[at] ^ other[at]
    return differences == 0


def session_key(link_key: bytes, device_nonce: bytes, agent_nonce: bytes) -> bytes:
    """The key of one session's frames, so that none of an earlier one is taken again."""
    return Mac(link_key).digest(b"tillbell link session" + device_nonce + agent_nonce)
