"""The ratchet: a root and a counter become one message key, at most 768 HMACs away.

With ``a``, ``b``, ``c`` the octets of a 24-bit counter, most significant first:

    A[0] = root                      A[i+1] = HMAC(A[i], "era")
    B[a][0] = HMAC(A[a], "epochs")   B[a][j+1] = HMAC(B[a][j], "epoch")
    C[a][b][0] = HMAC(B[a][b], "chain")   C[a][b][k+1] = HMAC(C[a][b][k], "next")
    Key[n] = HMAC(C[a][b][c], "key")

A receiver keeps the root and calls ``message_key``. A sender keeps a ``Ratchet``, which holds only the next C, the
next B and the next A, from which no earlier key can be computed. It forgets nothing by itself: whoever stores a
``Ratchet`` must erase the one before.
"""

from dataclasses import dataclass
from typing import Final

from tillbell_protocol.errors import ProtocolError
from tillbell_protocol.hashing import hmac_sha256

COUNTERS: Final = 1 << 24


class CountersExhaustedError(ProtocolError):
    """All 2^24 counters of a pairing are used or passed by: the two ends must be paired again."""

    def __init__(self) -> None:
        super().__init__("all 16,777,216 counters of this pairing are used: pair again")


class CounterPassedError(ProtocolError):
    """A ratchet cannot go back: the keys before are erased on purpose."""


@dataclass(frozen=True, slots=True, repr=False)
class Ratchet:
    """What a sender keeps. ``chain`` gives the key of ``counter``, the next one to use; 2^24 means exhausted.

    ``next_epoch`` and ``next_era`` are the B and the A that follow those which ``chain`` came from, 32 octets each;
    all three are empty once exhausted.
    """

    counter: int
    next_era: bytes
    next_epoch: bytes
    chain: bytes

    def __repr__(self) -> str:
        return f"Ratchet(counter={self.counter}, …)"

    @classmethod
    def start(cls, root: bytes) -> "Ratchet":
        """The state before counter 0. The caller then erases ``root``."""
        return _begin_era(0, root)

    def message_key(self) -> bytes:
        """The 32-octet key of ``counter``. Raises ``CountersExhaustedError``."""
        if self.counter >= COUNTERS:
            raise CountersExhaustedError
        return _hmac(self.chain, b"key")

    def advance(self) -> "Ratchet":
        """The state for the counter after this one (possibly the exhausted state)."""
        return self.jump(self.counter + 1)

    def jump(self, counter: int) -> "Ratchet":
        """The state for a later counter; at most 768 HMACs. Raises ``CounterPassedError`` for an earlier one."""
        if counter > COUNTERS:
            raise CountersExhaustedError
        if counter < self.counter:
            raise CounterPassedError(f"counter {counter} lies before {self.counter}: its key is erased")
        if counter == COUNTERS:
            return Ratchet(COUNTERS, b"", b"", b"")
        state = self
        if counter >> 16 != state.counter >> 16:
            passed = (counter >> 16) - (state.counter >> 16) - 1
            state = _begin_era(counter >> 16 << 16, _repeat(state.next_era, b"era", passed))
        if counter >> 8 != state.counter >> 8:
            passed = (counter >> 8) - (state.counter >> 8) - 1
            epoch = _repeat(state.next_epoch, b"epoch", passed)
            state = _begin_epoch(counter >> 8 << 8, state.next_era, epoch)
        chain = _repeat(state.chain, b"next", counter - state.counter)
        return Ratchet(counter, state.next_era, state.next_epoch, chain)


def message_key(root: bytes, counter: int) -> bytes:
    """The 32-octet key of any counter from a root, for a receiver; at most 768 HMACs. Raises ``CountersExhaustedError`` past 2^24 - 1."""
    if not 0 <= counter < COUNTERS:
        raise CountersExhaustedError
    era = _repeat(root, b"era", counter >> 16)
    epoch = _repeat(_hmac(era, b"epochs"), b"epoch", counter >> 8 & 255)
    chain = _repeat(_hmac(epoch, b"chain"), b"next", counter & 255)
    return _hmac(chain, b"key")


def _begin_era(counter: int, era: bytes) -> Ratchet:
    return _begin_epoch(counter, _hmac(era, b"era"), _hmac(era, b"epochs"))


def _begin_epoch(counter: int, next_era: bytes, epoch: bytes) -> Ratchet:
    return Ratchet(counter, next_era, _hmac(epoch, b"epoch"), _hmac(epoch, b"chain"))


def _repeat(value: bytes, label: bytes, times: int) -> bytes:
    for _ in range(times):
        value = _hmac(value, label)
    return value


def _hmac(key: bytes, label: bytes) -> bytes:
    return hmac_sha256(key, label)
