"""A simulated till with Transbank's terminal, Chile: one shop's day, in either layout and either order of dates.

What a terminal says follows the vendor's public reference and its SDKs' test payloads; the seed decides which layout
and which firmware's dates the shop has.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random

from tillbell_agent.pos.dialect import Line
from tillbell_agent.sim.tills import Exchange, Spoken
from tillbell_protocol.event import Kind, Transaction
from tillbell_protocol.pan import TruncatedPan

_ACK, _NAK = b"\x06", b"\x15"
_RESEND_AFTER_S = 10.0
_CARDS = (
    # number (public test numbers), scheme as told, the terminal's letters, credit or debit
    ("4111111111111111", "visa", "VI", "CR"),
    ("5555555555554444", "mastercard", "MC", "CR"),
    ("378282246310005", "amex", "AX", "CR"),
    ("4000000000003331", "Redcompra", "DB", "DB"),
)
_METHODS = {"CR": "credit", "DB": "debit"}
_REFUSED = ("01", "02", "07", "22", "93")
_PROGRESS = ("78", "79", "81", "82")


def exchanges(seed: int, start: datetime, currency: str, troubles: frozenset[str]) -> Iterator[Exchange]:
    shop = _Shop(Random(f"transbank {seed}"), start, currency, troubles)
    while True:
        yield shop.next_exchange()


def frame(payload: str) -> bytes:
    body = payload.encode("latin-1") + b"\x03"
    check = 0
    for octet in body:
        check ^= octet
    return b"\x02" + body + bytes([check])


def damaged(octets: bytes, chance: Random) -> bytes:
    at = chance.randrange(1, len(octets) - 2)
    return octets[:at] + bytes([octets[at] ^ 0x40]) + octets[at + 1 :]


@dataclass
class _Talk:
    """What both ends say, with the troubles that come between."""

    chance: Random
    troubles: frozenset[str]
    spoken: list[Spoken] = field(default_factory=list)

    def say(self, line: Line, octets: bytes, after_s: float = 0.02) -> None:
        self.spoken.append(Spoken(line, octets, after_s))

    def ask(self, payload: str) -> None:
        octets = frame(payload)
        if self._trouble("nak"):
            self.say(Line.TILL, damaged(octets, self.chance), 1.0)
            self.say(Line.TERMINAL, _NAK)
        self.say(Line.TILL, octets, 1.0)
        self.say(Line.TERMINAL, _ACK)

    def answer(self, payload: str, after_s: float) -> None:
        octets = frame(payload)
        if self._trouble("nak"):
            self.say(Line.TERMINAL, damaged(octets, self.chance), after_s)
            self.say(Line.TILL, _NAK)
            after_s = 0.05
        self.say(Line.TERMINAL, octets, after_s)
        if self._trouble("retransmission"):
            for _ in range(self.chance.randint(1, 2)):
                self.say(Line.TERMINAL, octets, _RESEND_AFTER_S)
        self.say(Line.TILL, _ACK)

    def _trouble(self, name: str) -> bool:
        return name in self.troubles and self.chance.random() < 0.3


@dataclass(frozen=True)
class _Sold:
    transaction: Transaction
    account: str
    letters: str
    card_type: str


class _Shop:
    def __init__(self, chance: Random, start: datetime, currency: str, troubles: frozenset[str]) -> None:
        self._chance, self._now, self._currency, self._troubles = chance, start, currency, troubles
        self._kiosk = chance.random() < 0.5
        self._date = chance.choice(("%d%m%Y", "%Y%m%d"))
        self._terminal = f"{chance.choice(('IT', 'IM', '75'))}{chance.randrange(10**6):06d}"
        self._commerce = f"5970{chance.randrange(10**8):08d}"
        self._operation = chance.randrange(900)
        self._annullable: list[Transaction] = []
        self._last: _Sold | None = None
        self._plans: list[tuple[int, Callable[[], Exchange]]] = [
            (50, self._sale),
            (10, self._sale_for_another),
            (10, self._refused_sale),
            (8, self._annulment),
            (4, self._refused_annulment),
            (12, self._enquiry),
            (2, self._close),
        ]
        if "reprint" in troubles:
            self._plans.append((15, self._looked_up_again))

    def next_exchange(self) -> Exchange:
        self._now += timedelta(seconds=self._chance.randint(40, 900))
        plans = [plan for _, plan in self._plans]
        return self._chance.choices(plans, [weight for weight, _ in self._plans])[0]()

    def _talk(self) -> _Talk:
        return _Talk(self._chance, self._troubles)

    def _exchange(self, words: str, talk: _Talk, *told: Transaction) -> Exchange:
        return Exchange(words, tuple(talk.spoken), told, told)

    def _ticket(self) -> str:
        return self._chance.choice((f"B{self._operation:05d}", f"{self._now:%H%M%S}", "ABC123", ""))

    # Sales.

    def _sale(self) -> Exchange:
        sold = self._sell()
        return self._talk_of_sale("a sale", sold, "0200", "0210", "")

    def _sale_for_another(self) -> Exchange:
        sold = self._sell()
        return self._talk_of_sale("a sale for another merchant", sold, "0270", "0271", "597029414303")

    def _sell(self) -> _Sold:
        number, scheme, letters, card_type = self._chance.choice(_CARDS)
        self._operation += 1
        transaction = Transaction(
            Kind.SALE,
            amount_minor=self._chance.choice((990, 1000, self._chance.randrange(1, 10**6), 999_999_999)),
            currency=self._currency,
            card=TruncatedPan(number[-4:]),
            terminal_time=self._now.replace(microsecond=0, tzinfo=None),
            receipt_no=self._ticket() or None,
            stan=str(self._operation) if self._kiosk else f"{self._operation:06d}",
            auth_code=f"{self._chance.randrange(10**6):06d}",
            terminal_id=self._terminal,
            merchant_id=self._commerce,
            scheme=scheme,
            method=_METHODS[card_type],
            result_code=self._chance.choice(("00", "0")),
        )
        account = self._chance.choice(("", number, "3000000000000000000"))
        return _Sold(transaction, account, letters, card_type)

    def _talk_of_sale(self, words: str, sold: _Sold, asked: str, answered: str, provider: str) -> Exchange:
        talk, wants_voucher = self._talk(), self._chance.random() < 0.4
        told = sold.transaction
        talk.ask(f"{asked}|{told.amount_minor}|{told.receipt_no or ''}||{int(wants_voucher)}|1|{provider}")
        for code in _PROGRESS[: self._chance.randint(0, 4)]:
            talk.answer(f"0900|{code}||", 2.0)
        voucher = self._voucher(sold) if wants_voucher else ""
        talk.answer(self._answer(answered, sold, voucher, provider), 3.0)
        if provider and not self._kiosk:
            told = replace(told, merchant_id=provider)
        if sold.card_type == "CR":
            self._annullable.append(told)
        self._last = sold
        return self._exchange(words, talk, told)

    def _answer(self, function: str, sold: _Sold, voucher: str, provider: str) -> str:
        told = sold.transaction
        moment = self._now
        head = (
            function,
            told.result_code,
            told.merchant_id,
            told.terminal_id,
            told.receipt_no,
            told.auth_code,
        )
        last4 = told.card.last4 if told.card else ""
        card = (last4, told.stan, sold.card_type, "00-00-00", sold.account, sold.letters)
        when = (moment.strftime(self._date), f"{moment:%H%M%S}")
        if self._kiosk:
            of_provider = ("597012345678",) if provider else ()
            columns = (
                *head,
                told.amount_minor,
                *card,
                *when,
                *of_provider,
                voucher,
                "03",
                "03",
                "3334",
                "SIN INTERES",
            )
        else:
            end = ("0", provider, "") if provider else ("",)
            columns = (*head, told.amount_minor, "03", "1500", *card, *when, "12", "500", voucher, *end)
        return "|".join("" if column is None else str(column) for column in columns)

    def _voucher(self, sold: _Sold) -> str:
        told = sold.transaction
        last4 = told.card.last4 if told.card else ""
        lines = (
            "COMPROBANTE DE VENTA",
            f"************{last4}",
            f"TOTAL: ${told.amount_minor}",
            "GRACIAS",
        ) * 8
        return "".join(f"{line:40}" for line in lines)

    def _refused_sale(self) -> Exchange:
        talk, amount, ticket = self._talk(), self._chance.randrange(1, 10**6), self._ticket()
        refused = Transaction(
            Kind.DECLINED,
            amount_minor=amount,
            currency=self._currency,
            receipt_no=ticket or None,
            terminal_id=self._terminal,
            merchant_id=self._commerce,
            result_code=self._chance.choice(_REFUSED),
        )
        talk.ask(f"0200|{amount}|{ticket}||0|0")
        empty = "|" * (8 if self._kiosk else 14)
        talk.answer(
            f"0210|{refused.result_code}|{self._commerce}|{self._terminal}|{ticket}||{amount}{empty}", 4.0
        )
        return self._exchange("a refused sale", talk, refused)

    # Annulments.

    def _annulment(self) -> Exchange:
        if not self._annullable:
            return self._sale()
        sale = self._annullable.pop()
        talk = self._talk()
        talk.ask("1200" if self._kiosk else f"1200|{sale.stan}|")
        talk.answer(f"1210|00|{self._commerce}|{self._terminal}|{sale.auth_code}|{sale.stan}||", 3.0)
        return self._exchange(
            "an annulment", talk, self._annulled(Kind.VOID, "00", sale.auth_code, sale.stan or "")
        )

    def _refused_annulment(self) -> Exchange:
        talk, operation, result = (
            self._talk(),
            str(self._chance.randrange(1, 999)),
            self._chance.choice(("05", "21")),
        )
        talk.ask(f"1200|{operation}|")
        talk.answer(f"1210|{result}|{self._commerce}|{self._terminal}||{operation}||", 3.0)
        return self._exchange(
            "a refused annulment", talk, self._annulled(Kind.DECLINED, result, None, operation)
        )

    def _annulled(self, kind: Kind, result: str, auth_code: str | None, operation: str) -> Transaction:
        return Transaction(
            kind,
            currency=self._currency,
            auth_code=auth_code,
            terminal_id=self._terminal,
            merchant_id=self._commerce,
            result_code=result,
            original_ref=operation,
        )

    # What tells nothing.

    def _enquiry(self) -> Exchange:
        talk = self._talk()
        asked, answered = self._chance.choice(
            (
                ("0100", None),
                ("0300", None),
                ("0070", None),
                ("0080", f"1080|90|{self._now:%d%m%Y}|{self._now:%H%M%S}"),
                ("0700||", f"0710|00|{self._operation:03d}|{self._chance.randrange(10**6)}||"),
                ("0800", f"0810|00|{self._commerce}|{self._terminal}|"),
            )
        )
        talk.ask(asked)
        if answered is not None:
            talk.answer(answered, 1.5)
        return self._exchange("a poll, keys or totals", talk)

    def _close(self) -> Exchange:
        talk = self._talk()
        talk.ask("0500||")
        talk.answer(f"0510|00|{self._commerce}|{self._terminal}||", 6.0)
        self._annullable.clear()
        return self._exchange("a close", talk)

    def _looked_up_again(self) -> Exchange:
        if self._last is None:
            return self._sale()
        talk = self._talk()
        if self._kiosk or self._chance.random() < 0.5:
            talk.ask("0250|1")
            talk.answer(self._answer("0260", self._last, self._voucher(self._last), ""), 1.0)
            return self._exchange("the last sale, asked again", talk)
        talk.ask("0260|1|")
        for _ in range(3):
            talk.answer(self._answer("0261", self._last, "", ""), 0.5)
        for _ in range(2):
            talk.answer("0261|00||||||||||||||||", 0.5)
        return self._exchange("all sales since the last close", talk)
