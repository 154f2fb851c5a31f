"""A seed becomes the endless day of one made-up shop: print jobs, and what each must lead to.

Chinese UnionPay slips in two copies, till slips paid by code or in cash, Western card receipts; voids, refunds,
pre-authorisations, refused cards; and jobs that are no new transaction: reprints, settlements, kitchen tickets.
Numbers advance as a terminal's do. Shops, cards and numbers are made up; cards are printed masked.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tillbell_agent.sim.paper import Paper
from tillbell_protocol.event import Kind, Transaction
from tillbell_protocol.iso4217 import decimal_places
from tillbell_protocol.pan import TruncatedPan

_KIND_WORDS = {
    Kind.SALE: "消费(SALE)",
    Kind.VOID: "消费撤销(VOID)",
    Kind.REFUND: "退货(REFUND)",
    Kind.PREAUTH: "预授权(AUTH)",
    Kind.PREAUTH_COMPLETION: "预授权完成(AUTH COMPLETE)",
    Kind.DECLINED: "消费(SALE)",
}
_CN_GOODS = (
    "农夫山泉550ml",
    "牛肉拉面",
    "康师傅红烧牛肉面",
    "宫保鸡丁",
    "苹果",
    "酱油500ml",
    "豆浆",
    "充电线",
)
_US_GOODS = ("Flat white", "Blueberry muffin", "Oat milk 1l", "Notebook A5", "Sandwich", "Batteries AA")
_CN_SHOPS = ("幸福超市", "老王面馆", "百味轩", "家和便利店", "张记火锅")
_US_SHOPS = ("Harbour Coffee", "ExampleMart Ltd.", "Golden Bakery", "Corner Books")
_ISSUERS = ("工商银行", "建设银行", "测试银行", "招商银行")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What goes over the line (one job, or two copies of one) and what must come of it; None: no transaction."""

    octets: bytes
    expected: Transaction | None
    note: str


def receipts(
    seed: int, *, start: datetime, currency: str = "CNY", encoding: str = "gb18030", same_again: float = 0.0
) -> Iterator[Receipt]:
    """Receipts without end. ``start``: the till's local time, naive. The same arguments give the same octets.

    ``same_again``: how many of the amounts are the one before, as where most customers take the lunch.
    """
    return _Shop(random.Random(seed), start, currency, encoding, same_again).day()


class _Shop:
    """The state of a made-up till: its clock, its numbers, and the card sales that a void or refund can name."""

    def __init__(
        self, chance: random.Random, start: datetime, currency: str, encoding: str, same_again: float
    ) -> None:
        self._chance, self._now, self._currency, self._encoding = (
            chance,
            start.replace(microsecond=0),
            currency,
            encoding,
        )
        self._places = decimal_places(currency) or 0
        self._same_again, self._amount_before = same_again, 0
        self._code = "RMB" if currency == "CNY" else currency  # as Chinese terminals print it
        self._name, self._western_name = chance.choice(_CN_SHOPS), chance.choice(_US_SHOPS)
        self._terminal = f"{chance.randrange(10**7, 10**8)}"
        self._merchant = f"898{chance.randrange(10**11, 10**12)}"
        self._voucher, self._batch, self._till = chance.randrange(1, 500), chance.randrange(1, 900), 0
        self._slips: list[tuple[Transaction, str]] = []

    def day(self) -> Iterator[Receipt]:
        """Decks of 20 jobs: shuffled, but for the first, which shows every kind in an order that makes sense."""
        deck: list[Callable[[], Receipt]] = [
            self._sale_slip, self._till_slip, self._western, self._reprint, self._sale_slip, self._void,
            self._kitchen, self._till_slip, self._western, self._refund, self._declined, self._settlement,
            self._sale_slip, self._preauth, self._uncut, self._completion, self._western, self._western_void,
            self._till_slip, self._sale_slip,
        ]  # fmt: skip
        while True:
            for job in deck:
                self._now += timedelta(seconds=self._chance.randrange(40, 400))
                yield job()
            self._chance.shuffle(deck)

    def _amount(self) -> int:
        """Minor units, mostly small, never zero."""
        if self._same_again and self._amount_before and self._chance.random() < self._same_again:
            return self._amount_before
        major = 10 ** self._chance.uniform(0.4, 3.4)
        self._amount_before = max(1, int(major * 10**self._places))
        return self._amount_before

    def _money(self, minor: int) -> str:
        digits = f"{minor:0{self._places + 1}d}"
        return f"{digits[: -self._places]}.{digits[-self._places :]}" if self._places else digits

    def _unionpay(self, kind: Kind, amount: int, last4: str, original: str | None = None) -> Transaction:
        """The next transaction of the card terminal, with its numbers."""
        self._voucher += 1
        return Transaction(
            kind=kind,
            amount_minor=amount,
            currency=self._currency,
            card=TruncatedPan(last4),
            terminal_time=self._now,
            receipt_no=f"{self._voucher:06d}",
            rrn=f"{self._now:%H%M%S}{self._voucher:06d}",
            auth_code=None if kind is Kind.DECLINED else f"{self._chance.randrange(10**6):06d}",
            batch=f"{self._batch:06d}",
            terminal_id=self._terminal,
            merchant_id=self._merchant,
            original_ref=original,
        )

    def _sale_slip(self) -> Receipt:
        return self._new_slip(Kind.SALE, "card sale, merchant's and cardholder's copy")

    def _preauth(self) -> Receipt:
        return self._new_slip(Kind.PREAUTH, "pre-authorisation")

    def _completion(self) -> Receipt:
        return self._new_slip(Kind.PREAUTH_COMPLETION, "pre-authorisation completed")

    def _new_slip(self, kind: Kind, note: str) -> Receipt:
        last4 = f"{self._chance.randrange(10**4):04d}"
        told = self._unionpay(kind, self._amount(), last4)
        card = f"62{self._chance.randrange(10**4):04d}******{last4} /{self._chance.choice('CIS')}"
        if kind is Kind.SALE:
            self._slips.append((told, card))
        return Receipt(
            self._slip(told, card, "商户存根 MERCHANT COPY")
            + self._slip(told, card, "持卡人存根 CARDHOLDER COPY"),
            told,
            note,
        )

    def _void(self) -> Receipt:
        return self._undo(Kind.VOID, "void of an earlier card sale")

    def _refund(self) -> Receipt:
        return self._undo(Kind.REFUND, "refund of an earlier card sale")

    def _undo(self, kind: Kind, note: str) -> Receipt:
        """A void or refund of the oldest sale that stands, or a new sale if there is none."""
        if not self._slips:
            return self._sale_slip()
        sale, card = self._slips.pop(0)
        told = self._unionpay(
            kind, sale.amount_minor or 0, sale.card.last4 if sale.card else "", sale.receipt_no
        )
        return Receipt(self._slip(told, card, "商户存根 MERCHANT COPY"), told, note)

    def _reprint(self) -> Receipt:
        if not self._slips:
            return self._kitchen()
        sale, card = self._slips[-1]
        return Receipt(
            self._slip(sale, card, "商户存根 MERCHANT COPY", "***重打印凭证/DUPLICATED***"),
            None,
            "reprint of an earlier slip",
        )

    def _declined(self) -> Receipt:
        last4 = f"{self._chance.randrange(10**4):04d}"
        told = self._unionpay(Kind.DECLINED, self._amount(), last4)
        card = f"621234******{last4} /C"
        return Receipt(
            self._slip(told, card, "商户存根 MERCHANT COPY", "交易失败 DECLINED"), told, "card refused"
        )

    def _slip(self, told: Transaction, card: str, copy: str, remark: str = "") -> bytes:
        """A UnionPay sales slip as a bank's terminal prints it; amounts of voids carry a minus."""
        sign = "-" if told.kind in (Kind.VOID, Kind.REFUND) else ""
        paper = Paper(self._encoding).logo().title("POS 签购单").line(copy).rule()
        paper.line("商户名称(MERCHANT NAME):").line(self._name)
        paper.line(f"商户编号(MERCHANT NO):{told.merchant_id}").line(
            f"终端编号(TERMINAL NO):{told.terminal_id}"
        )
        paper.line("操作员号(OPERATOR NO):01").line(
            f"发卡行(ISSUER):{_ISSUERS[int(card[2]) % len(_ISSUERS)]}"
        )
        paper.line("收单行(ACQUIRER):银联商务").line("卡号(CARD NO):").line(card).line(
            "有效期(EXP DATE):30/12"
        )
        paper.line(f"交易类型(TRANS TYPE):{_KIND_WORDS[told.kind]}").line(f"批次号(BATCH NO):{told.batch}")
        paper.line(f"凭证号(VOUCHER NO):{told.receipt_no}")
        if told.auth_code:
            paper.line(f"授权码(AUTH NO):{told.auth_code}")
        paper.line(f"参考号(REFER NO):{told.rrn}").line(
            f"日期/时间(DATE/TIME):{told.terminal_time:%Y/%m/%d %H:%M:%S}"
        )
        paper.line("交易金额(AMOUNT):").strong(f"{self._code} {sign}{self._money(told.amount_minor or 0)}")
        if told.original_ref:
            paper.line(f"原凭证号(ORIG VOUCHER NO):{told.original_ref}")
        if remark:
            paper.line(remark)
        paper.line("持卡人签名(CARDHOLDER SIGNATURE):").feed(2)
        return paper.line("本人确认以上交易，同意将其记入本卡账户").feed().cut().octets

    def _till_slip(self) -> Receipt:
        """A till's slip: paid by code or in cash, a logo above, a misleading code below, the drawer opened."""
        method = self._chance.choice(("微信支付", "支付宝", "现金"))
        paper, told = self._till_paper(method)
        paper.qr("https://example.invalid/?TOTAL 999.99").feed().cut()
        if method == "现金":
            paper.drawer()
        return Receipt(paper.octets, told, f"till slip, {method}")

    def _uncut(self) -> Receipt:
        """The slip of a printer without a cutter: the job ends when the line stays silent or the next one begins."""
        paper, told = self._till_paper("微信支付")
        return Receipt(paper.feed(6).octets, told, "till slip without a cut, 微信支付")

    def _till_paper(self, method: str) -> tuple[Paper, Transaction]:
        self._till += 1
        number = f"{self._now:%Y%m%d}{self._till:05d}"
        rows = [(self._chance.choice(_CN_GOODS), self._amount()) for _ in range(self._chance.randrange(1, 4))]
        total = sum(amount for _, amount in rows)
        sign = "￥" if self._currency == "CNY" else f"{self._currency} "
        paper = (
            Paper(self._encoding)
            .title(self._name)
            .line(f"单号:{number} 收银员:001")
            .line(f"{self._now:%Y-%m-%d %H:%M:%S}")
            .rule()
        )
        for goods, amount in rows:
            paper.line(f"{goods} x1", self._money(amount))
        paper.rule().line(f"数量:{len(rows)}", f"合计:{self._money(total)}").strong(
            "应收", f"{sign}{self._money(total)}"
        )
        paper.strong(method, f"{sign}{self._money(total)}").line("找零", self._money(0))
        told = Transaction(
            Kind.SALE, total, self._currency, terminal_time=self._now, receipt_no=number, method=method
        )
        return paper, told

    def _western(self) -> Receipt:
        paper, told = self._western_paper("")
        return Receipt(paper.octets, told, "Western card receipt")

    def _western_void(self) -> Receipt:
        paper, told = self._western_paper("VOID")
        return Receipt(paper.octets, replace(told, kind=Kind.VOID), "Western card receipt, voided")

    def _western_paper(self, word: str) -> tuple[Paper, Transaction]:
        """A card receipt in English, with a raster logo and a barcode of its number."""
        self._till += 1
        last4, auth = f"{self._chance.randrange(10**4):04d}", f"{self._chance.randrange(16**6):06X}"
        scheme = self._chance.choice(("VISA", "MASTERCARD", "AMEX"))
        rows = [(self._chance.choice(_US_GOODS), self._amount()) for _ in range(self._chance.randrange(1, 4))]
        total = sum(amount for _, amount in rows)
        told = Transaction(
            kind=Kind.SALE,
            amount_minor=total,
            currency=self._currency,
            card=TruncatedPan(last4),
            terminal_time=self._now.replace(second=0),
            receipt_no=f"{10000 + self._till}",
            rrn=f"{self._now:%m%d%H%M}{self._till:04d}",
            auth_code=auth,
            terminal_id=f"T{self._terminal[:7]}",
            scheme=scheme.lower(),
            method=scheme,
        )
        paper = (
            Paper(self._encoding, columns=42)
            .logo()
            .title(self._western_name)
            .line(f"Receipt #: {told.receipt_no}")
        )
        paper.line(f"{self._now:%Y-%m-%d %H:%M}")
        for goods, amount in rows:
            paper.line(goods, f"{self._currency} {self._money(amount)}")
        paper.strong(f"{word} TOTAL".strip(), f"{self._currency} {self._money(total)}").line(
            f"{scheme} ************{last4}"
        )
        paper.line(f"AUTH CODE: {auth}   REF: {told.rrn}").line(f"TERMINAL ID: {told.terminal_id}")
        return paper.barcode(told.receipt_no or "").line("Thank you").feed().cut(), told

    def _kitchen(self) -> Receipt:
        paper = Paper(self._encoding).title("厨房单").line(f"桌号:A{self._chance.randrange(1, 30)}")
        for goods in self._chance.sample(_CN_GOODS, 2):
            paper.line(f"{goods} x{self._chance.randrange(1, 4)}")
        return Receipt(paper.line(f"{self._now:%Y-%m-%d %H:%M}").feed().cut().octets, None, "kitchen ticket")

    def _settlement(self) -> Receipt:
        """The batch is closed: its number advances, and what it held can no longer be voided."""
        total = sum(sale.amount_minor or 0 for sale, _ in self._slips)
        paper = Paper(self._encoding).title("POS 结算总计单").line(f"终端编号(TERMINAL NO):{self._terminal}")
        paper.line(f"批次号(BATCH NO):{self._batch:06d}").line(f"{self._now:%Y/%m/%d %H:%M:%S}")
        paper.line(f"消费/SALE  {len(self._slips)}", f"{self._code} {self._money(total)}")
        paper.line("合计 TOTAL", f"{self._code} {self._money(total)}")
        self._batch += 1
        self._slips.clear()
        return Receipt(paper.feed().cut().octets, None, "settlement")
