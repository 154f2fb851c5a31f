"""A seed becomes 1,000 realistic transactions of one shop, as a dialect tells them, with the time each was heard.

The mix is fixed in counts, so that its shares are exact: 450 sales on the bank's own card terminals (Chinese UnionPay
slips with voucher, batch and retrieval reference; every third prints an approval code as well), 360 till slips paid
through WeChat or Alipay or in cash (a number of 13 digits), 140 Western card receipts (short number, scheme, approval
code of six letters and digits, reference), 25 voids and 15 refunds of UnionPay sales (with the voucher that they undo),
10 refused cards. Amounts are log-normal, median 38.00; terminal clocks are some minutes off; three card terminals and
two Western ones.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from tillbell_protocol.defaults import Defaults
from tillbell_protocol.event import Kind, Transaction
from tillbell_protocol.pan import TruncatedPan

SEED: Final = 2025
SALES: Final = 1000
CURRENCY: Final = "CNY"
UTC_OFFSET_MIN: Final = 480
IN_WORDS: Final = (
    "1,000 transactions: 450 UnionPay slips (voucher, batch, RRN; a third with an approval code), 360 till slips",
    "(WeChat, Alipay, cash; 13-digit number), 140 Western card receipts (scheme, approval code, reference), 25 voids and",
    "15 refunds of UnionPay sales (with the voucher undone), 10 refused cards; amounts log-normal, median 38.00",
)
_OPENING: Final = datetime(2026, 3, 2, 7, 30)
_DAY: Final = timedelta(hours=14)
_UNIONPAY_TERMINALS: Final = (
    ("59654541", "898310058120457"),
    ("59654542", "898310058120457"),
    ("80012277", "103310057328816"),
)
_WESTERN_TERMINALS: Final = (("T5965454", None), ("T5965455", None))


@dataclass(frozen=True, slots=True)
class Heard:
    """A transaction and when the device heard it, Unix seconds."""

    transaction: Transaction
    time: int


def defaults() -> Defaults:
    """The pairing of this shop, every terminal already named."""
    return Defaults(
        "till-1", CURRENCY, UTC_OFFSET_MIN, ("老王面馆",), _UNIONPAY_TERMINALS + _WESTERN_TERMINALS
    )


def transactions(seed: int = SEED) -> list[Heard]:
    """``SALES`` transactions, oldest first. The same seed gives the same."""
    return _Shop(random.Random(seed)).days()


class _Shop:
    """A shop's clocks, numbers and the sales that can still be undone."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._now = _OPENING
        self._clock_errors = {
            terminal: timedelta(seconds=round(chance.gauss(0, 120)))
            for terminal, _ in (*_UNIONPAY_TERMINALS, *_WESTERN_TERMINALS, (None, None))
        }
        self._vouchers = {terminal: chance.randrange(1, 900_000) for terminal, _ in _UNIONPAY_TERMINALS}
        self._batches = {terminal: chance.randrange(1, 2_000) for terminal, _ in _UNIONPAY_TERMINALS}
        self._till = self._western = 0
        self._undoable: list[Transaction] = []

    def days(self) -> list[Heard]:
        jobs: list[Callable[[], Transaction]] = [
            *[self._unionpay_sale] * 450,
            *[self._till_slip] * 360,
            *[self._western_receipt] * 140,
            *[lambda: self._undo(Kind.VOID)] * 25,
            *[lambda: self._undo(Kind.REFUND)] * 15,
            *[lambda: self._unionpay(Kind.DECLINED, self._amount())] * 10,
        ]
        self._chance.shuffle(jobs)
        heard = []
        for job in [self._unionpay_sale, *_without_one(jobs, self._unionpay_sale)]:
            self._pass_time()
            transaction = job()
            # A slip is printed some seconds after the bank's answer, which carries the terminal's time.
            heard.append(Heard(transaction, self._unix() + self._chance.randrange(2, 40)))
        return heard

    def _pass_time(self) -> None:
        self._now += timedelta(seconds=self._chance.expovariate(1 / 150))
        if self._now - self._now.replace(hour=7, minute=30) > _DAY:
            self._now = self._now.replace(hour=7, minute=30) + timedelta(days=1)
            self._batches = {terminal: batch + 1 for terminal, batch in self._batches.items()}
            self._till = 0

    def _unix(self) -> int:
        return int(self._now.replace(tzinfo=UTC, microsecond=0).timestamp()) - UTC_OFFSET_MIN * 60

    def _clock(self, terminal: str | None) -> datetime:
        return self._now.replace(microsecond=0) + self._clock_errors[terminal]

    def _amount(self) -> int:
        return max(1, round(self._chance.lognormvariate(0, 1.2) * 3800))

    def _last4(self) -> TruncatedPan:
        return TruncatedPan(f"{self._chance.randrange(10_000):04d}")

    def _unionpay_sale(self) -> Transaction:
        sale = self._unionpay(Kind.SALE, self._amount())
        self._undoable.append(sale)
        return sale

    def _unionpay(self, kind: Kind, amount: int, undone: Transaction | None = None) -> Transaction:
        terminal, merchant = self._chance.choice(_UNIONPAY_TERMINALS)
        self._vouchers[terminal] += 1
        has_code = kind is not Kind.DECLINED and self._chance.random() < 1 / 3
        return Transaction(
            kind=kind,
            amount_minor=amount,
            currency=CURRENCY,
            card=undone.card if undone else self._last4(),
            terminal_time=self._clock(terminal),
            receipt_no=f"{self._vouchers[terminal] % 1_000_000:06d}",
            rrn=f"{self._chance.randrange(10**12):012d}",
            auth_code=f"{self._chance.randrange(10**6):06d}" if has_code else None,
            batch=f"{self._batches[terminal]:06d}",
            terminal_id=terminal,
            merchant_id=merchant,
            original_ref=undone.receipt_no if undone else None,
        )

    def _undo(self, kind: Kind) -> Transaction:
        undone = self._undoable.pop(self._chance.randrange(len(self._undoable)))
        return self._unionpay(kind, undone.amount_minor or 0, undone)

    def _till_slip(self) -> Transaction:
        self._till += 1
        method = self._chance.choices(("微信支付", "支付宝", "现金"), (5, 3, 2))[0]
        return Transaction(
            Kind.SALE, self._amount(), CURRENCY, terminal_time=self._clock(None),
            receipt_no=f"{self._now:%Y%m%d}{self._till:05d}", method=method,
        )  # fmt: skip

    def _western_receipt(self) -> Transaction:
        """As the dialect reads one: the tender's label is the scheme's name, and the time has no seconds."""
        self._western += 1
        terminal, _ = self._chance.choice(_WESTERN_TERMINALS)
        scheme = self._chance.choices(("VISA", "MASTERCARD", "AMEX"), (5, 4, 1))[0]
        clock = self._clock(terminal)
        return Transaction(
            kind=Kind.SALE,
            amount_minor=self._amount(),
            currency=CURRENCY,
            card=self._last4(),
            terminal_time=clock.replace(second=0),
            receipt_no=f"{10_000 + self._western}",
            rrn=f"{clock:%m%d%H%M}{self._western:04d}",
            auth_code=f"{self._chance.randrange(16**6):06X}",
            terminal_id=terminal,
            scheme=scheme,
            method=scheme,
        )


def _without_one(
    jobs: list[Callable[[], Transaction]], job: Callable[[], Transaction]
) -> list[Callable[[], Transaction]]:
    """``jobs`` without the first ``job``: the day opens with it, so that there is a sale to undo."""
    at = next(index for index, each in enumerate(jobs) if each == job)
    return jobs[:at] + jobs[at + 1 :]
