"""What the world is told: a transaction, a settlement, a summary, an alert, a device's status. Values only.

Unknown is a value: ``amount_minor`` None means that no amount was heard, and it never becomes zero.
How these become CBOR and back is ``payload``; how they are sealed is ``seal``.
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import IntEnum

from tillbell_protocol.pan import TruncatedPan


class Kind(IntEnum):
    """The event kinds of direction 0, as they lead a payload. 128 to 255 are commands (direction 1)."""

    SALE = 0
    REFUND = 1
    VOID = 2
    REVERSAL = 3
    DECLINED = 4
    PREAUTH = 5
    PREAUTH_COMPLETION = 6
    SETTLEMENT = 7
    SUMMARY = 8
    ALERT = 9
    STATUS = 10
    DEFAULTS = 11
    BATCH = 12

    @property
    def word(self) -> str:
        """The name in JSON and in configuration: ``sale``, ``preauth_completion``."""
        return self.name.lower()


TRANSACTION_KINDS = frozenset(range(Kind.SALE, Kind.SETTLEMENT))
# What a kind does to the money a shop has taken: a day's net is the sum of sign * amount.
MONEY_SIGN = {Kind.SALE: 1, Kind.PREAUTH_COMPLETION: 1, Kind.REFUND: -1, Kind.VOID: -1, Kind.REVERSAL: -1}


@dataclass(frozen=True, slots=True)
class Transaction:
    """One completed transaction as a terminal told it; None is "not heard".

    ``amount_minor``: integer in the currency's minor unit, never negative (the kind carries the direction).
    ``currency``: ISO 4217 letters. ``final`` False: the protocol had not yet said that it stands.
    ``terminal_time``: the terminal's own clock, local and without zone. References are kept as sent, zeros included.
    ``shop``: None is the device's own shop.
    """

    kind: Kind
    amount_minor: int | None = None
    currency: str | None = None
    card: TruncatedPan | None = None
    terminal_time: datetime | None = None
    receipt_no: str | None = None
    rrn: str | None = None
    stan: str | None = None
    auth_code: str | None = None
    batch: str | None = None
    terminal_id: str | None = None
    merchant_id: str | None = None
    scheme: str | None = None
    method: str | None = None
    result_code: str | None = None
    original_ref: str | None = None
    final: bool = True
    shop: str | None = None

    @property
    def reference(self) -> str | None:
        """The number to quote: the receipt's own, else the retrieval reference, else the trace number."""
        return self.receipt_no or self.rrn or self.stan


@dataclass(frozen=True, slots=True)
class Settlement:
    """A terminal closed its batch. Never rings; kept so that totals can be compared."""

    terminal_id: str | None = None
    merchant_id: str | None = None
    batch: str | None = None
    count: int | None = None
    amount_minor: int | None = None
    currency: str | None = None
    terminal_time: datetime | None = None
    shop: str | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """A shop's day: counts and sums in minor units, and the sequence numbers it covers."""

    day: date
    currency: str
    sales_count: int
    sales_minor: int
    refunds_count: int
    refunds_minor: int
    first_seq: int | None = None
    last_seq: int | None = None
    unknown_count: int = 0
    shop: str | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """Something needs a person. ``code`` is a stable word, ``text`` one readable line."""

    code: str
    text: str
    critical: bool = False


@dataclass(frozen=True, slots=True)
class Status:
    """A device's health in one message; None is "not known"."""

    version: str
    uptime_s: int | None = None
    queued: int | None = None
    signal_dbm: int | None = None
    last_seq: int | None = None


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One transaction of a batch. ``time``: Unix seconds at which it was heard, None: not known.

    The rest is set only by a reader: the index of a place whose name it lacks, and positions that it does not know.
    """

    transaction: Transaction
    time: int | None = None
    unnamed_terminal: int | None = None
    unnamed_shop: int | None = None
    extra_fields: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """Many transactions under one signature, oldest first."""

    rows: tuple[BatchRow, ...]
