"""The demonstration's morning at one till: receipts as ESC/POS octets, and what each must lead to. Values only.

The merchant, the cards and the numbers are made up. Dates are those of the caller, so that the day's total is one day's.
"""

import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tillbell_protocol.event import Kind

_INIT, _CUT, _DRAWER = b"\x1b@", b"\x1dVB\x00", b"\x1bp\x00\x19\xfa"
_BIG, _NORMAL = b"\x1d!\x11", b"\x1d!\x00"
_TERMINAL, _MERCHANT = "12345678", "898310148160001"
_RULE = "-" * 32


@dataclass(frozen=True, slots=True)
class Expected:
    """What a receipt says of itself: everybody who is told must be told this, once. ``amount_minor`` in fen."""

    kind: Kind
    amount_minor: int
    reference: str
    card_last4: str | None
    currency: str = "CNY"


@dataclass(frozen=True, slots=True)
class Printed:
    """One print job (or two copies). ``expected`` None: nobody may be told. ``kill``: the agent dies while telling it."""

    title: str
    octets: bytes
    expected: Expected | None
    kill: bool = False


def morning(seed: int, now: datetime) -> list[Printed]:
    """The receipts in the order of printing; ``now`` is the till's local time, naive, of the last one."""
    till = _Till(random.Random(seed), now - timedelta(minutes=12))
    slip = till.slip()
    return [
        slip,
        till.wechat(),
        till.english(Kind.SALE),
        till.reprint_of_last_slip(),
        till.killing_slip(),
        till.void_of(slip),
        till.kitchen(),
        till.english(Kind.REFUND),
        till.settlement(),
        till.slip(),
    ]


def _money(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02d}"


def _job(*parts: str | bytes) -> bytes:
    """Lines of text in the printer's encoding between initialising and cutting; octets go as they are."""
    lines = (part if isinstance(part, bytes) else f"{part}\n".encode("gb18030") for part in parts)
    return _INIT + b"".join(lines) + b"\n\n\n" + _CUT


def _raster(width_octets: int, octets: bytes) -> bytes:
    """``GS v 0``: a picture whose dots are ``octets``, padded to whole rows."""
    rows = -(-len(octets) // width_octets)
    header = b"\x1dv0\x00" + width_octets.to_bytes(2, "little") + rows.to_bytes(2, "little")
    return header + octets.ljust(rows * width_octets, b"\x00")


def _qr(payload: str) -> bytes:
    """``GS ( k``: store the payload of a QR code, then print it."""
    data = b"1P0" + payload.encode()
    return b"\x1d(k" + len(data).to_bytes(2, "little") + data + b"\x1d(k\x03\x001Q0"


class _Till:
    """Numbers and the clock of one till, advancing from receipt to receipt."""

    def __init__(self, chance: random.Random, now: datetime) -> None:
        self._chance = chance
        self._now = now
        self._voucher = chance.randrange(100, 900)
        self._number = chance.randrange(10_000, 90_000)
        self._last_slip: Printed | None = None
        self._slips: dict[str, dict[str, str]] = {}

    def _time(self, layout: str) -> str:
        self._now += timedelta(seconds=self._chance.randrange(30, 70))
        return self._now.strftime(layout)

    def _amount(self) -> int:
        return self._chance.randrange(600, 60_000)

    def slip(self) -> Printed:
        """A sale on a UnionPay slip in two copies."""
        title = "UnionPay slip, merchant's and cardholder's copy"
        self._last_slip = self._print_slip(title, Kind.SALE, self._amount(), self._card())
        return self._last_slip

    def killing_slip(self) -> Printed:
        """One copy, so that the agent dies with the line at rest: what a dead agent cannot hear, nobody can tell."""
        printed = self._print_slip(
            "UnionPay slip, one copy", Kind.SALE, self._amount(), self._card(), copies=1
        )
        return replace(printed, kill=True)

    def void_of(self, sale: Printed) -> Printed:
        """The sale of a slip taken back: a new voucher over the same card and amount."""
        assert sale.expected is not None
        fields = {**self._slips[sale.expected.reference], "auth": self._digits(6)}
        return self._print_slip("void of the first sale", Kind.VOID, sale.expected.amount_minor, fields)

    def reprint_of_last_slip(self) -> Printed:
        """The last slip once more, marked as a reprint: no news."""
        assert self._last_slip is not None
        lines = self._last_slip.octets.split(_CUT)[0] + b"\n"
        return Printed(
            "reprint of the first slip",
            lines + "***重打印凭证/DUPLICATED***\n".encode("gb18030") + _CUT,
            None,
        )

    def _card(self) -> dict[str, str]:
        return {"card": f"622576******{self._digits(4)}", "auth": self._digits(6), "rrn": self._digits(12)}

    def _digits(self, count: int) -> str:
        return f"{self._chance.randrange(10**count):0{count}d}"

    def _print_slip(
        self, title: str, kind: Kind, amount: int, fields: dict[str, str], copies: int = 2
    ) -> Printed:
        self._voucher += 1
        voucher = f"{self._voucher:06d}"
        self._slips[voucher] = fields
        sign, printed_kind = ("-", "消费撤销(VOID)") if kind is Kind.VOID else ("", "消费(SALE)")
        body = (
            _RULE,
            "商户名称(MERCHANT NAME):",
            "老王面馆",
            f"商户编号(MERCHANT NO):{_MERCHANT}",
            f"终端编号(TERMINAL NO):{_TERMINAL}",
            "操作员号(OPERATOR NO):01",
            "发卡行(ISSUER):招商银行",
            "卡号(CARD NO):",
            f"{fields['card']} /C",
            f"交易类型(TRANS TYPE):{printed_kind}",
            "批次号(BATCH NO):000003",
            f"凭证号(VOUCHER NO):{voucher}",
            f"授权码(AUTH NO):{fields['auth']}",
            f"参考号(REFER NO):{fields['rrn']}",
            f"日期/时间(DATE/TIME):{self._time('%Y/%m/%d %H:%M:%S')}",
            "交易金额(AMOUNT):",
            _BIG + f"RMB {sign}{_money(amount)}\n".encode("gb18030") + _NORMAL,
        )
        merchant = _job("POS 签购单", "商户存根 MERCHANT COPY", *body, "持卡人签名(CARDHOLDER SIGNATURE):")
        holder = _job("POS 签购单", "持卡人存根 CARDHOLDER COPY", *body)
        expected = Expected(kind, amount, voucher, fields["card"][-4:])
        return Printed(title, (merchant + holder) if copies > 1 else merchant, expected)

    def wechat(self) -> Printed:
        """A till slip paid by phone, whose picture and QR code both spell another total."""
        self._number += 1
        amount, number = self._amount(), f"{self._now:%Y%m%d}{self._number:05d}"
        octets = _job(
            _raster(12, b"TOTAL 999.99\n" * 24 + _CUT + _INIT),
            "老王面馆",
            f"单号:{number} 收银员:001",
            self._time("%Y-%m-%d %H:%M:%S"),
            _RULE,
            f"牛肉面 x2          {_money(amount - 500)}",
            "凉菜 x1                     5.00",
            _RULE,
            f"应收     ￥{_money(amount)}",
            f"微信支付             {_money(amount)}",
            "找零                        0.00",
            _qr("https://example.invalid/r?TOTAL 999.99"),
        )
        expected = Expected(Kind.SALE, amount, number, None)
        return Printed("till slip, WeChat; its picture spells TOTAL 999.99", octets + _DRAWER, expected)

    def english(self, kind: Kind) -> Printed:
        """An English card receipt: a sale, or a refund with its negative total."""
        self._number += 1
        amount, number = self._amount(), str(self._number)
        card = f"************{self._digits(4)}"
        sign, total = ("-", "REFUND") if kind is Kind.REFUND else ("", "TOTAL")
        octets = _job(
            b"\x1ba\x01\x1bE\x01Lao Wang Noodles\n\x1bE\x00\x1ba\x00",
            f"Receipt #: {number}",
            self._time("%Y-%m-%d %H:%M:%S"),
            f"Noodle soup        CNY {sign}{_money(amount)}",
            _BIG + f"{total}  CNY {sign}{_money(amount)}\n".encode() + _NORMAL,
            f"CREDIT CARD        CNY {sign}{_money(amount)}",
            f"VISA {card}",
            f"AUTH CODE: {self._digits(6)}   REF: {self._digits(12)}",
            f"TERMINAL ID: {_TERMINAL}  MERCHANT ID: {_MERCHANT}",
            "Thank you",
        )
        return Printed(f"English receipt, {kind.word}", octets, Expected(kind, amount, number, card[-4:]))

    def kitchen(self) -> Printed:
        """A ticket for the cook: no money, no news."""
        return Printed(
            "kitchen ticket",
            _job("厨房单 桌号:A8", "牛肉面 x1", "米饭 x2", self._time("%Y-%m-%d %H:%M")),
            None,
        )

    def settlement(self) -> Printed:
        """The terminal closes its batch: totals that are not a sale."""
        total = f"RMB {_money(self._amount())}"
        octets = _job("POS 结算总计单", f"消费/SALE   4    {total}", f"合计 TOTAL      {total}")
        return Printed("settlement report", octets, None)
