"""A Chinese cashier program that hands over the two strings of each ``bankall`` call, and what must be told of them.

The till's line has the requests, the terminal's line the answers. Which widths a bank's library uses is drawn with the
seed: 148 or 150 octets, a request of 59, 61 or 87, and what it leaves behind an answer.
"""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from tillbell_agent.pos.dialect import Line
from tillbell_agent.sim.tills import Exchange, Spoken
from tillbell_protocol.event import Kind, Transaction
from tillbell_protocol.pan import TruncatedPan

_SALE, _VOID, _REFUND, _BALANCE, _REPRINT, _SIGN_ON, _SETTLEMENT = "00 01 02 03 04 05 06".split()
_TEXTS = {
    _SALE: ("交易成功", "消费成功", "交易成功，请取卡并保存签购单谢谢惠顾欢迎再次光临本店"),
    _VOID: ("消费撤销成功",),
    _REFUND: ("退货成功",),
    _BALANCE: ("余额查询成功",),
    _SIGN_ON: ("签到成功",),
    _SETTLEMENT: ("结算成功", "结算对账平"),
}
_REFUSED = {"51": "余额不足", "55": "密码错", "61": "超出取款金额限制", "68": "交易超时", "X3": "用户取消"}
_PADDINGS = (b"", b"\0", b"\r\n", b" " * 60)
_BINS = ("621226", "622848", "411111", "356600")


def _fixed(text: str, octets: int) -> bytes:
    """GB2312, cut and filled to so many octets: a character may be cut in its middle."""
    return text.encode("gb2312")[:octets].ljust(octets)


class _Shop:
    """One cashier program with its terminal's counters; each method is one call."""

    def __init__(self, seed: int, start: datetime, currency: str, troubles: frozenset[str]) -> None:
        self._chance = draw = random.Random(f"mis-bankall/{seed}")
        self._typed = draw.random() < 0.4  # answers of 150 octets
        self._before = draw.choice((b"", b"", b"01"))
        self._behind = draw.choice((b"", b" " * 26))
        self._padding = draw.choice(_PADDINGS)
        self._now, self._currency, self._troubles = start, currency, troubles
        self._terminal = f"{draw.randrange(10**8):08}"
        self._merchant = f"8983{draw.randrange(10**11):011}"
        self._batch, self._voucher = draw.randrange(1, 900), draw.randrange(1, 900)
        self._last: bytes | None = None
        self._sales: list[Transaction] = []
        self._spoken: list[Spoken] = []
        self._check = "000"

    # Records.

    def _ask(self, type_: str, amount: int = 0, original: Transaction | None = None) -> None:
        self._check = f"{self._chance.randrange(100, 1000)}"
        date = f"{self._now:%Y%m%d}" if type_ == _REFUND else ""
        rrn = original.rrn if original is not None and type_ == _REFUND else ""
        voucher = original.receipt_no if original is not None and type_ == _VOID else ""
        text = f"{'POS01':8}{'1001':8}{type_}{amount:012}{date:8}{rrn or '':12}{voucher or '':6}{self._check}"
        self._say(Line.TILL, self._before + text.encode("ascii") + self._behind, 5.0)

    def _say(self, line: Line, octets: bytes, after_s: float) -> None:
        self._spoken.append(Spoken(line, octets, after_s))
        self._now += timedelta(seconds=after_s)

    def _answer(self, type_: str, result: str, transaction: Transaction, text: str, card: str) -> None:
        head = result + (type_ if self._typed else "")
        numbers = (
            f"{self._merchant}{self._terminal}{transaction.batch}{self._now:%m%d%H%M%S}{transaction.rrn or '':12}"
            f"{transaction.auth_code or '':6}{self._now:%m%d}{self._check}"
        )
        start = f"{head}0102{card:20}{transaction.receipt_no or '000000'}{transaction.amount_minor or 0:012}"
        record = start.encode("ascii") + _fixed(text, 40) + numbers.encode("ascii")
        if self._has("nak", 0.2):
            self._say(Line.TERMINAL, record[: self._chance.randrange(3, 140)], 3.0)  # the call was cut off
            self._say(Line.TERMINAL, record + self._padding, 10.0)
        else:
            self._say(Line.TERMINAL, record + self._padding, self._chance.uniform(2.0, 25.0))
        if self._has("retransmission", 0.2):
            self._say(Line.TERMINAL, record + self._padding, 1.0)
        self._last = record

    def _has(self, trouble: str, chance: float) -> bool:
        return trouble in self._troubles and self._chance.random() < chance

    def _numbered(self, kind: Kind, amount: int | None, result: str = "00") -> tuple[Transaction, str]:
        """The next transaction of this terminal, and its card as shown."""
        self._voucher = self._voucher % 999_999 + 1
        tail = f"{self._chance.randrange(10_000):04}"
        stars = "*" * self._chance.choice((6, 9))
        approved = result == "00"
        return Transaction(
            kind,
            amount_minor=amount,
            currency=self._currency,
            card=TruncatedPan(tail),
            receipt_no=f"{self._voucher:06}",
            rrn=f"{self._now:%H%M%S}{self._voucher:06}",
            auth_code=f"{self._chance.randrange(1, 10**6):06}" if approved else None,
            batch=f"{self._batch:06}",
            terminal_id=self._terminal,
            merchant_id=self._merchant,
            result_code=result,
        ), f"{self._chance.choice(_BINS)}{stars}{tail}"

    def _exchange(self, words: str, *rung: Transaction) -> Exchange:
        spoken, self._spoken = tuple(self._spoken), []
        pause = self._chance.uniform(30, 900)
        self._now += timedelta(seconds=pause)
        alone = tuple(replace(each, original_ref=None) for each in rung)
        return Exchange(words, (replace(spoken[0], after_s=pause), *spoken[1:]), rung, alone)

    # Calls.

    def sale(self) -> Exchange:
        amount = self._chance.randrange(1, 50_000)
        self._ask(_SALE, amount)
        rung, card = self._numbered(Kind.SALE, amount)
        self._answer(_SALE, "00", rung, self._chance.choice(_TEXTS[_SALE]), card)
        self._sales = [*self._sales[-9:], rung]
        return self._exchange("sale", rung)

    def declined(self) -> Exchange:
        amount = self._chance.randrange(1, 50_000)
        self._ask(_SALE, amount)
        result, text = self._chance.choice(list(_REFUSED.items()))
        rung, card = self._numbered(Kind.DECLINED, amount, result)
        self._answer(_SALE, result, rung, text, card)
        return self._exchange("declined", rung)

    def void(self) -> Exchange:
        return self._undone(_VOID, Kind.VOID)

    def refund(self) -> Exchange:
        return self._undone(_REFUND, Kind.REFUND)

    def _undone(self, type_: str, kind: Kind) -> Exchange:
        if not self._sales:
            return self.sale()
        original = self._chance.choice(self._sales)
        self._ask(type_, original.amount_minor or 0, original)
        reference = original.receipt_no if kind is Kind.VOID else original.rrn
        rung, card = self._numbered(kind, original.amount_minor)
        rung = replace(rung, original_ref=reference)
        self._answer(type_, "00", rung, _TEXTS[type_][0], card)
        return self._exchange(kind.word, rung)

    def balance(self) -> Exchange:
        """What its amount says is the customer's, not the shop's."""
        self._ask(_BALANCE)
        shown, card = self._numbered(Kind.SALE, self._chance.randrange(10**7))
        self._answer(_BALANCE, "00", shown, _TEXTS[_BALANCE][0], card)
        return self._exchange("balance")

    def sign_on(self) -> Exchange:
        return self._without_card(_SIGN_ON, 0)

    def settlement(self) -> Exchange:
        made = self._without_card(_SETTLEMENT, self._chance.choice((0, 1_234_500)))
        self._batch, self._sales = self._batch % 999_999 + 1, []
        return made

    def _without_card(self, type_: str, amount: int) -> Exchange:
        self._ask(type_)
        shown, _ = self._numbered(Kind.SALE, amount)
        shown = replace(shown, receipt_no=None, rrn=None, auth_code=None)
        self._answer(type_, "00", shown, self._chance.choice(_TEXTS[type_]), "")
        return self._exchange("sign-on" if type_ == _SIGN_ON else "settlement")

    def reprint(self) -> Exchange:
        """The library hands over the last record once more; some change its three digits."""
        if self._last is None:
            return self.sign_on()
        self._ask(_REPRINT)
        digits = self._check.encode("ascii") if self._chance.random() < 0.5 else self._last[-3:]
        self._say(Line.TERMINAL, self._last[:-3] + digits + self._padding, 1.0)
        return self._exchange("reprint")


_USUAL = "sale sale sale sale sale sale declined void refund balance sign_on settlement".split()


def exchanges(seed: int, start: datetime, currency: str, troubles: frozenset[str]) -> Iterator[Exchange]:
    """Calls without end; their clock is the terminal's."""
    shop = _Shop(seed, start, currency, troubles)
    usual = [*_USUAL, *(["reprint"] * 2 if "reprint" in troubles else [])]
    chance = random.Random(f"mis-bankall/order/{seed}")
    yield shop.sign_on()
    while True:
        made: Exchange = getattr(shop, chance.choice(usual))()
        yield made
