"""What can be said of a printer's command: how long it is, and what it does to a receipt. The tables are data."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

NOT_THIS_COMMAND = -1


@dataclass(frozen=True, slots=True)
class Counted:
    """``head`` octets (prefix included) say how many more follow: ``more(head)``; -1: no such command (noise)."""

    head: int
    more: Callable[[bytes], int]


@dataclass(frozen=True, slots=True)
class Terminated:
    """After ``head`` octets, data up to and with the ``count``-th ``end`` octet, at most ``limit`` octets.

    Where ``text_only``, a control octet other than ``end`` shows that the terminator was lost: the data ends before.
    """

    head: int
    end: int
    limit: int
    count: int = 1
    text_only: bool = True


@dataclass(frozen=True, slots=True)
class Repeated:
    """After ``head`` octets, ``times(head)`` items, each with ``item_head`` octets that say ``more(head, item)``."""

    head: int
    times: Callable[[bytes], int]
    item_head: int
    more: Callable[[bytes, bytes], int]


Rule = Counted | Terminated | Repeated


def fixed(octets: int) -> Counted:
    return Counted(octets, lambda _head: 0)


def declared(head: int, *, least: int = 0, length_at: int = 3) -> Counted:
    """pL pH stand at ``length_at`` and count what is behind them; ``head`` may hold parameters of that."""

    def extra(octets: bytes) -> int:
        length = octets[length_at] + 256 * octets[length_at + 1]
        return length - (head - length_at - 2) if length >= least else NOT_THIS_COMMAND

    return Counted(head, extra)


def group(prefix: int, octets: int, seconds: bytes) -> dict[bytes, Rule]:
    return {bytes((prefix, second)): fixed(octets) for second in seconds}


class Action(Enum):
    """What a command does to the text; every other one does nothing to it. The parameter is its last octet."""

    INITIALIZE = auto()
    CUT = auto()
    CODE_PAGE = auto()
    NATIONAL_SET = auto()
    IDEOGRAPHS_ON = auto()
    IDEOGRAPHS_OFF = auto()
    IDEOGRAPHS_CODE = auto()  # 0: JIS, 1: Shift JIS
    ENCODING = auto()
    DEVICE = auto()  # bit 0: the printer listens; else a customer's display does
    PAGE_MODE = auto()
    STANDARD_MODE = auto()
    END_LINE = auto()
    FEED_LINES = auto()
    COLUMN = auto()  # the next text stands elsewhere on this line …
    ROW = auto()  # … or, in page mode, on another one; the last two octets say where
