"""Hypercom-style tills and terminals, of several banks' habits: a seed becomes their conversations without end.

Frames are made from the published layout alone: STX, length in BCD, header, FS, fields, ETX, LRC over the length to
ETX. A seed's bank has its own order of fields, and repeats the amount in its answers or does not. Cards are test
numbers, mostly masked, sometimes whole, as some terminals send them.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tillbell_agent.pos.dialect import Line
from tillbell_agent.sim.tills import Exchange, Spoken
from tillbell_protocol.event import Kind, Transaction
from tillbell_protocol.iso4217 import decimal_places
from tillbell_protocol.pan import TruncatedPan

_ACK, _NAK = b"\x06", b"\x15"
_CARDS = (
    ("4111111111111111", "VISA"),
    ("5555555555554444", "MASTERCARD"),
    ("378282246310005", "AMEX"),
    ("6250941006528599", "UPI"),
    ("3530111333300000", "JCB"),
)
_SALES = {"ecr": ("20", "20", "20", "41", "70"), "nets": ("30", "30", "I0")}
_REFUSALS = (("05", "DO NOT HONOUR"), ("51", "INSUFFICIENT FUNDS"), ("TO", "TIME OUT"), ("91", "NO REPLY"))


@dataclass(frozen=True, slots=True)
class _Bank:
    """How one bank's terminals answer. ``order``: the fields, as they follow each other."""

    header: str
    order: str
    says_amount: bool = False
    says_trace: bool = False


_BANKS = (
    _Bank("ecr", "02 01 65 D0 16 D1 D2 30 31 50 03 04 D3 D4 D5 EF EG EH"),  # LinkPOS, BDO
    _Bank("ecr", "02 40 01 65 D0 16 D1 D2 30 31 50 03 04 D3 D4 D5", says_amount=True),  # LinkPOS 1.6
    _Bank("ecr", "01 30 D4 D2 31 50 03 04 16 D1 65 D3 02"),  # CIMB
    _Bank("nets", "02 D0 03 04 16 D1 65 01 D3 L7 40 R0 97 T2", says_amount=True, says_trace=True),
)


def exchanges(
    seed: int, start: datetime, currency: str, troubles: frozenset[str] = frozenset()
) -> Iterator[Exchange]:
    """Conversations of one shop; see ``sim.tills``. The same arguments give the same octets."""
    return _Shop(random.Random(f"hypercom/{seed}"), start, currency, troubles).day()


class _Shop:
    def __init__(
        self, chance: random.Random, start: datetime, currency: str, troubles: frozenset[str]
    ) -> None:
        self._chance, self._clock, self._currency, self._troubles = chance, start, currency, troubles
        self._bank = chance.choice(_BANKS)
        self._terminal = f"{chance.choice('V5')}{chance.randrange(10**7):07}"
        self._merchant = f"{chance.randrange(10**9):015}"
        self._batch, self._trace, self._asked = chance.randrange(1, 900), chance.randrange(900_000), 0
        self._sales: list[
            tuple[Transaction, str]
        ] = []  # of this batch, with their cards: these can be voided
        self._last: tuple[Transaction, str] | None = None

    def day(self) -> Iterator[Exchange]:
        makers = {
            self._sale: 52, self._refused: 8, self._cancelled: 5, self._refund: 5, self._void: 8, self._status: 6,
            self._points: 2, self._card_check: 2, self._settlement: 2,
        }  # fmt: skip
        while True:
            self._clock += timedelta(seconds=self._chance.randrange(20, 400))
            maker = self._chance.choices(list(makers), list(makers.values()))[0]
            if (exchange := maker()) is not None:
                yield exchange
            if "reprint" in self._troubles and self._last and self._chance.random() < 0.3:
                yield self._reprint(*self._last)

    # The conversations.

    def _sale(self) -> Exchange:
        code = self._chance.choice(_SALES[self._bank.header])
        number, scheme = self._chance.choice(_CARDS)
        qr = code == "70"
        sale = self._numbered(Kind.SALE, self._amount(), "" if qr else number, "QR" if qr else scheme)
        sale = replace(sale, method="qr" if qr else None)
        self._sales.append((sale, "" if qr else number))
        return self._paid("sale", code, *self._sales[-1])

    def _refund(self) -> Exchange | None:
        if self._bank.header == "nets":
            return None
        number, scheme = self._chance.choice(_CARDS)
        return self._paid("refund", "27", self._numbered(Kind.REFUND, self._amount(), number, scheme), number)

    def _void(self) -> Exchange | None:
        if self._bank.header == "nets" or not self._sales:
            return None
        sale, number = self._sales.pop(self._chance.randrange(len(self._sales)))
        void = replace(
            sale, kind=Kind.VOID, terminal_time=self._clock, rrn=self._reference(), original_ref=sale.receipt_no,
            method=None,
        )  # fmt: skip
        if not self._bank.says_amount:  # a request to void names the receipt only
            void = _without_amount(void)
        request = self._request("26", {"65": sale.receipt_no or ""})
        return self._told("void", request, self._answer("26", void, number), void, void)

    def _refused(self) -> Exchange:
        code = self._chance.choice(_SALES[self._bank.header][:2])
        number, scheme = self._chance.choice(_CARDS)
        result, _ = self._chance.choice(_REFUSALS)
        refused = self._numbered(Kind.DECLINED, self._amount(), number, scheme)
        return self._paid("refused", code, replace(refused, auth_code=None, result_code=result), number)

    def _cancelled(self) -> Exchange:
        """The customer or the cashier pressed cancel: the answer names nothing but itself."""
        code, amount = _SALES[self._bank.header][0], self._amount()
        heard = Transaction(Kind.DECLINED, amount, self._currency, result_code="ND")
        answer = self._frame(code, "ND", {"02": f"{'TRANS CANCEL':40}"}, answer=True)
        request = self._request(code, {"40": f"{amount:012}"})
        return self._told("cancelled", request, answer, heard, _without_amount(heard))

    def _status(self) -> Exchange:
        """A till that looks whether the terminal is there. Bolivia's frames end behind the header, without FS."""
        code = "D0" if self._bank.header == "ecr" else "55"
        answer = self._frame(code, "00", {} if code == "D0" else {"02": f"{'READY':40}"}, answer=True)
        return self._silent("status", self._request(code, {}), answer)

    def _points(self) -> Exchange | None:
        if self._bank.header == "nets":
            return None
        number, scheme = self._chance.choice(_CARDS)
        points = self._numbered(Kind.SALE, self._amount(), number, scheme)
        request = self._request("43", {"40": f"{points.amount_minor:012}"})
        return self._silent("points redeemed", request, self._answer("43", points, number))

    def _card_check(self) -> Exchange | None:
        if self._bank.header == "nets":
            return None
        number, _ = self._chance.choice(_CARDS)
        answer = self._frame("37", "00", {"30": number, "31": "2812"}, answer=True)
        return self._silent("card check", self._request("37", {}), answer)

    def _settlement(self) -> Exchange:
        code = "50" if self._bank.header == "ecr" else "I5"
        fields = {"02": f"{'SETTLED':40}", "16": self._terminal, "D1": self._merchant}
        fields |= {"50": f"{self._batch:06}", "03": f"{self._clock:%y%m%d}", "04": f"{self._clock:%H%M%S}"}
        answer = self._frame(code, "00", fields, answer=True)
        self._batch += 1
        self._sales.clear()
        self._last = None
        return self._silent("settlement", self._request(code, {}), answer)

    def _reprint(self, last: Transaction, number: str) -> Exchange:
        """The last answer, asked for once more."""
        query = "71" if self._bank.header == "ecr" else "56"
        return self._silent("reprint", self._request(query, {}), self._answer(query, last, number))

    # What they are made of.

    def _paid(self, words: str, code: str, heard: Transaction, number: str) -> Exchange:
        request = self._request(code, {"40": f"{heard.amount_minor:012}"})
        self._last = (heard, number)
        alone = heard if self._bank.says_amount else _without_amount(heard)
        return self._told(words, request, self._answer(code, heard, number), heard, alone)

    def _told(
        self, words: str, request: bytes, answer: bytes, heard: Transaction, alone: Transaction
    ) -> Exchange:
        return Exchange(words, self._conversation(request, answer), (heard,), (alone,))

    def _silent(self, words: str, request: bytes, answer: bytes) -> Exchange:
        return Exchange(words, self._conversation(request, answer), (), ())

    def _conversation(self, request: bytes, answer: bytes) -> tuple[Spoken, ...]:
        """Request, ACK, answer, ACK; the terminal's ACK often comes together with its answer."""
        spoken = self._said(Line.TILL, request, 30.0)
        if self._chance.random() < 0.3:
            spoken += self._said(Line.TERMINAL, _ACK + answer, 6.0)
        else:
            spoken.append(Spoken(Line.TERMINAL, _ACK, 0.04))
            spoken += self._said(Line.TERMINAL, answer, self._chance.uniform(4.0, 25.0))
        return (*spoken, Spoken(Line.TILL, _ACK, 0.03))

    def _said(self, line: Line, octets: bytes, after_s: float) -> list[Spoken]:
        """A frame until the other end has it: again where an ACK was lost, refused with NAK where it was damaged."""
        trouble, frame = self._chance.random(), octets.removeprefix(_ACK)
        if "retransmission" in self._troubles and trouble < 0.3:
            return [Spoken(line, octets, after_s), *[Spoken(line, frame, 2.0)] * self._chance.choice((1, 2))]
        if "nak" in self._troubles and trouble > 0.7:
            other = Line.TILL if line is Line.TERMINAL else Line.TERMINAL
            damaged = Spoken(line, self._damaged(octets), after_s)
            return [damaged, Spoken(other, _NAK, 0.03), Spoken(line, frame, 0.2)]
        return [Spoken(line, octets, after_s)]

    def _damaged(self, octets: bytes) -> bytes:
        at = self._chance.randrange(octets.startswith(_ACK), len(octets))
        return octets[:at] + bytes([octets[at] ^ 1 << self._chance.randrange(8)]) + octets[at + 1 :]

    def _amount(self) -> int:
        unit = 10 ** (decimal_places(self._currency) or 0)
        return self._chance.choice((unit * 10, self._chance.randrange(unit, 500 * unit + 1)))

    def _reference(self) -> str:
        return f"{self._clock:%j}{self._chance.randrange(1, 10**9):09}"

    def _numbered(self, kind: Kind, amount: int, number: str, scheme: str) -> Transaction:
        """The next transaction of this terminal, as its answer will tell it."""
        self._trace += 1
        nets = self._bank.header == "nets"
        return Transaction(
            kind, amount, self._currency,
            card=TruncatedPan(number[-4:]) if number and not nets else None,
            terminal_time=self._clock, receipt_no=f"{self._trace:06}", rrn=self._reference(),
            stan=f"{self._trace:06}" if self._bank.says_trace else None,
            auth_code=f"{self._chance.choice('R2')}{self._chance.randrange(10**5):05}",
            batch=None if nets else f"{self._batch:06}",
            terminal_id=self._terminal, merchant_id=self._merchant, scheme=scheme, result_code="00",
        )  # fmt: skip

    def _request(self, code: str, fields: dict[str, str]) -> bytes:
        self._asked += 1
        if code == "30":
            fields = {"T2": "01", **fields, "HD": f"{self._asked:012}"}
        return self._frame(code, "01" if self._bank.header == "nets" else "00", fields, answer=False)

    def _answer(self, code: str, heard: Transaction, number: str) -> bytes:
        """The bank's fields in its order; what it does not know stays blank, as on real terminals."""
        assert heard.terminal_time is not None
        whole = self._chance.random() < 0.1
        text = "APPROVED" if heard.result_code == "00" else "DECLINED"
        fields = {
            "01": f"{heard.auth_code or '':6}", "02": f"{text:40}", "03": f"{heard.terminal_time:%y%m%d}",
            "04": f"{heard.terminal_time:%H%M%S}", "16": self._terminal,
            "30": number if whole or not number else f"{number[:6]}{'*' * (len(number) - 10)}{number[-4:]}",
            "31": "2812" if whole else "XXXX", "40": f"{heard.amount_minor or 0:012}", "50": heard.batch or "",
            "65": heard.receipt_no or "", "97": heard.stan or "", "D0": f"{'DEMO STORE':23}{'1 ROAD':23}{'CITY':23}",
            "D1": self._merchant, "D2": f"{heard.scheme:10}", "D3": heard.rrn or "", "D4": "01",
            "D5": f"{'A CUSTOMER':26}", "EF": "A0000000031010  ", "EG": f"{heard.scheme:16}", "EH": "F70E257D285110ED",
            "L7": f"{heard.scheme:20}", "R0": f"{'THANK YOU':20}", "T2": "01",
        }  # fmt: skip
        ordered = {each: fields[each] for each in self._bank.order.split()}
        return self._frame(code, heard.result_code or "00", ordered, answer=True)

    def _frame(self, code: str, result: str, fields: dict[str, str], *, answer: bool) -> bytes:
        header = f"60000000001{answer:d}" if self._bank.header == "ecr" else f"{self._asked:012}"
        data = f"{header}{code}{result}0".encode("ascii")
        data += b"\x1c" if fields or self._chance.random() < 0.5 else b""
        for kind, value in fields.items():
            data += kind.encode("ascii") + _bcd(len(value)) + value.encode("ascii") + b"\x1c"
        body = _bcd(len(data)) + data + b"\x03"
        check = 0
        for octet in body:
            check ^= octet
        return b"\x02" + body + bytes([check])


def _without_amount(heard: Transaction) -> Transaction:
    return replace(heard, amount_minor=None, currency=None)


def _bcd(number: int) -> bytes:
    return bytes.fromhex(f"{number:04}")
