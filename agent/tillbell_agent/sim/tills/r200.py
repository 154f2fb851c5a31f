"""Malaysian tills and terminals (C200, R200): a seed becomes their conversations without end.

Frames are made from the published layout alone: ENQ, ACK, STX, command, fixed fields, ETX, LRC over the command to
ETX, EOT. Cards are test numbers, mostly masked, sometimes whole, as some terminals send them.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from tillbell_agent.pos.dialect import Line
from tillbell_agent.sim.tills import Exchange, Spoken
from tillbell_protocol.event import Kind, Transaction
from tillbell_protocol.iso4217 import decimal_places
from tillbell_protocol.pan import TruncatedPan

_EOT, _ENQ, _ACK, _NAK = b"\x04", b"\x05", b"\x06", b"\x15"
_CARDS = (
    ("4111111111111111", "A0000000031010", "visa"),
    ("5555555555554444", "A0000000041010", "mastercard"),
    ("378282246310005", "A0000000250108", "amex"),
    ("6250941006528599", "A0000003330101", "unionpay"),
    ("5196032683008180", "A0000006150001", "MyDebit"),
)
_HOSTS = ("01", "05", "CP")


@dataclass(frozen=True, slots=True)
class _Sold:
    """A sale that can be voided, and at which host."""

    sale: Transaction
    host: str


def exchanges(
    seed: int, start: datetime, currency: str, troubles: frozenset[str] = frozenset()
) -> Iterator[Exchange]:
    """Conversations of one shop; see ``sim.tills``. The same arguments give the same octets. No answer has a time."""
    del start
    return _Shop(random.Random(f"r200/{seed}"), currency, troubles).day()


class _Shop:
    def __init__(self, chance: random.Random, currency: str, troubles: frozenset[str]) -> None:
        self._chance, self._currency, self._troubles = chance, currency, troubles
        self._terminal = f"{chance.randrange(10**7, 10**8)}"
        self._merchant = f"{chance.randrange(10**9, 10**10)}"
        self._batch, self._trace = chance.randrange(1, 900), chance.randrange(900_000)
        self._form = chance.choice("QG")
        self._sold: list[_Sold] = []
        self._last: Transaction | None = None

    def day(self) -> Iterator[Exchange]:
        makers = {
            self._card: 50, self._code: 12, self._wallet: 6, self._preauth: 2, self._completion: 2, self._refund: 5,
            self._void: 7, self._refused: 6, self._cancelled: 5, self._second_try: 5, self._echo: 5,
            self._card_check: 2, self._settlement: 2,
        }  # fmt: skip
        while True:
            maker = self._chance.choices(list(makers), list(makers.values()))[0]
            if (exchange := maker()) is not None:
                yield exchange
            if "reprint" in self._troubles and self._last and self._chance.random() < 0.3:
                yield self._last_result(self._last)

    # The conversations.

    def _card(self) -> Exchange:
        return self._by_card("sale", "200", Kind.SALE)

    def _preauth(self) -> Exchange:
        return self._by_card("preauthorisation", "100", Kind.PREAUTH)

    def _completion(self) -> Exchange:
        return self._by_card("completion", "230", Kind.PREAUTH_COMPLETION)

    def _refund(self) -> Exchange:
        return self._by_card("refund", "203", Kind.REFUND)

    def _by_card(self, words: str, code: str, kind: Kind) -> Exchange:
        host, paid = self._chance.choice(_HOSTS), self._numbered(kind)
        number, answer = self._card_answer(code, host, paid)
        self._last = paid = self._with_card(paid, number)
        if kind is Kind.SALE:
            self._sold.append(_Sold(paid, host))
        return self._told(words, self._request(code, host, paid), [answer], paid, _without_amount(paid))

    def _code(self) -> Exchange:
        """A code on a phone. Q200 has the amount, G200 has not."""
        paid = replace(self._numbered(Kind.SALE), method="qr", rrn=None, auth_code=None)
        numbers = self._numbers(paid, "QR")
        answer = f"G200{paid.result_code}{numbers}{self._shop()}{'':40}{'':40}{'UNIONPAY':40}{0:016}{0:016}"
        if self._form == "Q":
            tail = f"{'WECHAT':8}{self._currency}{paid.amount_minor:012}{self._currency}{0:012}{'ORDER':14}"
            answer = f"Q200{paid.result_code}{'SUCCESS':32}{numbers}{self._shop()}{tail}0008TRANS001"
        alone = paid if self._form == "Q" else _without_amount(paid)
        return self._told("code", self._request("200", "QR", paid), [answer.encode("ascii")], paid, alone)

    def _wallet(self) -> Exchange:
        code, kind = self._chance.choice((("290", Kind.SALE), ("292", Kind.REFUND)))
        paid = replace(self._numbered(kind), method="qr", rrn=None)
        numbers = self._numbers(paid, "03")
        answer = (
            f"R{code}{paid.result_code}{paid.auth_code}{numbers}{self._shop()}{'PARTNER':32}{'ALIPAY':64}"
        )
        request = self._request(code, "03", paid, "0018" + "281234567890123456")
        return self._told("wallet", request, [answer.encode("ascii")], paid, _without_amount(paid))

    def _void(self) -> Exchange | None:
        if not self._sold:
            return None
        sold = self._sold.pop(self._chance.randrange(len(self._sold)))
        void = replace(
            sold.sale, kind=Kind.VOID, card=None, scheme=None, terminal_id=None, merchant_id=None,
            rrn=self._reference(), original_ref=sold.sale.stan,
        )  # fmt: skip
        answer = f"R201{void.amount_minor:012}{void.result_code}{void.auth_code}{void.rrn}{self._numbers(void, sold.host)}"
        request = self._request("201", sold.host, void, void.stan or "")
        return self._told("void", request, [answer.encode("ascii")], void, void)

    def _refused(self) -> Exchange:
        result = self._chance.choice(("05", "51", "54", "91"))
        refused = replace(self._numbered(Kind.DECLINED), result_code=result, auth_code=None)
        number, answer = self._card_answer("200", "05", refused)
        refused = self._with_card(refused, number)
        return self._told(
            "refused", self._request("200", "05", refused), [answer], refused, _without_amount(refused)
        )

    def _cancelled(self) -> Exchange:
        """Nobody put a card in: the answer has no numbers but the shop's."""
        blank = Transaction(
            Kind.DECLINED, self._amount(), self._currency,
            terminal_id=self._terminal, merchant_id=self._merchant, result_code="UC",
        )  # fmt: skip
        answer = (
            f"R200{'':19}{'':4}UC{'':6}{'':12}{'':6}{'':6}{'':2}{self._shop()}{'':14}{'':16}{'':26}{'':2}"
        )
        request = self._request("200", "00", blank)
        return self._told("cancelled", request, [answer.encode("ascii")], blank, _without_amount(blank))

    def _second_try(self) -> Exchange:
        """The card could not be read, then it was."""
        paid = self._numbered(Kind.SALE)
        number, answer = self._card_answer("200", "05", paid)
        paid = self._with_card(paid, number)
        failed = answer[:27] + b"TA" + b" " * 6 + answer[35:]
        request = self._request("200", "05", paid)
        return self._told("second try", request, [failed, answer], paid, _without_amount(paid))

    def _echo(self) -> Exchange:
        return self._silent("echo", b"C902", f"R902{self._shop()}".encode("ascii"))

    def _card_check(self) -> Exchange:
        number, _, _ = self._chance.choice(_CARDS)
        return self._silent(
            "card check", b"C910", f"R91000{number:19}2812{'A CUSTOMER':26}04".encode("ascii")
        )

    def _settlement(self) -> Exchange:
        rows = "".join(f"{host}00{self._batch:06}{n:03}{n * 1000:012}" for n, host in enumerate(_HOSTS))
        self._batch += 1
        self._sold.clear()
        self._last = None
        return self._silent("settlement", b"C50000", f"R500{rows}".encode("ascii"))

    def _last_result(self, last: Transaction) -> Exchange:
        numbers = f"{last.amount_minor:012}{last.stan}{last.auth_code or '':6}{last.rrn or '':12}"
        return self._silent(
            "last result", f"C208{'':24}".encode("ascii"), f"R20800{'':24}{numbers}".encode("ascii")
        )

    # What they are made of.

    def _told(
        self, words: str, request: bytes, answers: list[bytes], heard: Transaction, alone: Transaction
    ) -> Exchange:
        return Exchange(words, self._conversation(request, answers), (heard,), (alone,))

    def _silent(self, words: str, request: bytes, answer: bytes) -> Exchange:
        return Exchange(words, self._conversation(request, [answer]), (), ())

    def _conversation(self, request: bytes, answers: list[bytes]) -> tuple[Spoken, ...]:
        spoken = self._turn(Line.TILL, request, 45.0)
        for answer in answers:
            spoken += self._turn(Line.TERMINAL, answer, self._chance.uniform(4.0, 20.0))
        return tuple(spoken)

    def _turn(self, line: Line, payload: bytes, after_s: float) -> list[Spoken]:
        """ENQ, ACK, frame, ACK, and the terminal's EOT; frames again until they are acknowledged."""
        other, frame = Line.TERMINAL if line is Line.TILL else Line.TILL, _framed(payload)
        spoken = [Spoken(line, _ENQ, after_s), Spoken(other, _ACK, 0.1)]
        trouble = self._chance.random()
        if "nak" in self._troubles and trouble > 0.7:
            spoken += [Spoken(line, self._damaged(frame), 0.1), Spoken(other, _NAK, 0.05)]
        spoken.append(Spoken(line, frame, 0.1))
        if "retransmission" in self._troubles and trouble < 0.3:
            spoken += [Spoken(line, frame, 2.0)] * self._chance.choice((1, 2))
        if line is Line.TILL:
            return [*spoken, Spoken(other, _ACK, 0.05)]
        return [*spoken, Spoken(other, _ACK, 0.05), Spoken(line, _EOT, 0.02)]

    def _damaged(self, octets: bytes) -> bytes:
        at = self._chance.randrange(len(octets))
        return octets[:at] + bytes([octets[at] ^ 1 << self._chance.randrange(8)]) + octets[at + 1 :]

    def _amount(self) -> int:
        unit = 10 ** (decimal_places(self._currency) or 0)
        return self._chance.choice((unit * 10, self._chance.randrange(unit, 500 * unit + 1)))

    def _reference(self) -> str:
        return f"{self._chance.randrange(1, 10**12):012}"

    def _numbered(self, kind: Kind) -> Transaction:
        """The next transaction of this terminal, as it will be told; the card is still to come."""
        self._trace += 1
        return Transaction(
            kind, self._amount(), self._currency, rrn=self._reference(), stan=f"{self._trace:06}",
            auth_code=f"{self._chance.choice('PR4')}{self._chance.randrange(10**5):05}", batch=f"{self._batch:06}",
            terminal_id=self._terminal, merchant_id=self._merchant, result_code="00",
        )  # fmt: skip

    def _with_card(self, paid: Transaction, number: str) -> Transaction:
        scheme = next(scheme for each, _, scheme in _CARDS if each == number)
        return replace(paid, card=TruncatedPan(number[-4:]), scheme=scheme)

    def _card_answer(self, code: str, host: str, paid: Transaction) -> tuple[str, bytes]:
        """Which card, and the answer that names it."""
        number, application, _ = self._chance.choice(_CARDS)
        whole = self._chance.random() < 0.1
        shown = number if whole else f"{number[:6]}{'*' * (len(number) - 10)}{number[-4:]}"
        head = f"R{code}{shown:19}{'2812' if whole else 'XXXX'}{paid.result_code}{paid.auth_code or '':6}{paid.rrn}"
        tail = f"{application}{'35F870B3DDAC4':16}{'A CUSTOMER':26}08"
        return number, f"{head}{self._numbers(paid, host)}{self._shop()}{tail}".encode("ascii")

    def _numbers(self, paid: Transaction, host: str) -> str:
        return f"{paid.stan}{paid.batch}{host}"

    def _shop(self) -> str:
        return f"{self._terminal}{self._merchant:15}"

    def _request(self, code: str, host: str, paid: Transaction, more: str = "") -> bytes:
        return f"C{code}{host}{paid.amount_minor:012}{more}{'' if code == '201' else ' ' * 24}".encode(
            "ascii"
        )


def _framed(payload: bytes) -> bytes:
    check = 3
    for octet in payload:
        check ^= octet
    return b"\x02" + payload + b"\x03" + bytes([check])


def _without_amount(heard: Transaction) -> Transaction:
    return replace(heard, amount_minor=None, currency=None)
