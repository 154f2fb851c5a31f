"""What a bridge tells."""

from collections.abc import Mapping
from dataclasses import dataclass

from tillbell_agent.pos.dialect import Line


@dataclass(frozen=True, slots=True)
class Connected:
    """A session has begun. ``log``: whose sequence numbers count; a board that lost its memory has another one.

    ``lost``: chunks of it that the bridge had no room for.
    """

    log: str
    board: str
    unique_id: str
    firmware: str
    reset_cause: str
    boot: int
    lost: int


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The bridge is not heard any more, or the port is gone. ``goes_on``: it has said one log whole, and begins the next."""

    why: str
    goes_on: bool = False


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one tap heard without a pause, told once, in order. Say ``durable(log, seq)`` when nothing of it can be lost.

    ``ticks_us``: at its first octet, microseconds since the start of the bridge in which it was heard; ``at``: the same by
    the agent's monotonic seconds; None: of an earlier start, or the clocks could not be compared.
    ``gap``: octets of this line before these are missing; ``overrun``, ``framing``: as the bridge's UART saw.
    """

    log: str
    seq: int
    line: Line
    octets: bytes
    ticks_us: int
    at: float | None
    gap: bool
    overrun: bool
    framing: bool
    first: bool = False


@dataclass(frozen=True, slots=True)
class ChunksLost:
    """The bridge does not have (or cannot say) the chunks up to ``up_to``, ``count`` of them. To be made durable as they are."""

    log: str
    count: int
    up_to: int


@dataclass(frozen=True, slots=True)
class Quiet:
    """All that the bridge heard up to these ticks, of its present start, has been told."""

    log: str
    at_us: int


@dataclass(frozen=True, slots=True)
class LogEnded:
    """An earlier start's log, of which all has been told: the next one follows once that is durable."""

    log: str


@dataclass(frozen=True, slots=True)
class Counters:
    """The bridge's own, by name."""

    values: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class EpochsTold:
    """(first eight octets of a binding, direction) → the highest epoch that the bridge keeps; what was higher before holds."""

    epochs: Mapping[tuple[bytes, int], int]


BridgeEvent = Connected | Disconnected | Chunk | ChunksLost | Quiet | LogEnded | Counters | EpochsTold
