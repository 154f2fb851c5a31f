"""What a bridge tells."""

from collections.abc import Mapping
from dataclasses import dataclass

from tillbell_agent.pos.dialect import Line


@dataclass(frozen=True, slots=True)
class Connected:
    """A session has begun. ``lost``: chunks that the bridge has dropped for want of room, ever, modulo 2^16."""

    board: str
    unique_id: str
    firmware: str
    reset_cause: str
    boot: int
    lost: int


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The bridge is not heard any more, or the port is gone."""

    why: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one tap heard without a pause, told once, in order. Say ``durable(seq)`` when nothing of it can be lost any more.

    ``at``: the agent's monotonic seconds at its first octet; None: of an earlier start of the bridge, or not known yet.
    ``gap``: octets before it are missing; ``overrun``, ``framing``: as the bridge's UART saw.
    """

    seq: int
    line: Line
    octets: bytes
    at: float | None
    gap: bool
    overrun: bool
    framing: bool


@dataclass(frozen=True, slots=True)
class ChunksLost:
    """The bridge has no longer what comes next: ``count`` chunks, by their numbers."""

    count: int


@dataclass(frozen=True, slots=True)
class Counters:
    """The bridge's own, by name."""

    values: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class EpochsTold:
    """(first eight octets of a binding, direction) → the highest epoch that the bridge keeps."""

    epochs: Mapping[tuple[bytes, int], int]


BridgeEvent = Connected | Disconnected | Chunk | ChunksLost | Counters | EpochsTold
