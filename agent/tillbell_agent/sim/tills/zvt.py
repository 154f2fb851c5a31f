"""A simulated ZVT till and its terminal: what both say over RS-232, frames, ACKs and receipts included.

Each seed is another terminal: with or without a year in its dates, printing itself, by lines or in one text block, and
with fields in an order of its own. Card numbers are test numbers.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tillbell_agent.sim.tills import Exchange
from tillbell_agent.sim.tills.zvt_wire import Talk, bcd, ber, counted, message, pan
from tillbell_protocol.event import Kind, Transaction
from tillbell_protocol.iso4217 import numeric_code
from tillbell_protocol.pan import TruncatedPan

_CARDS = (
    ("4111111111111111", "VISA"),
    ("5555555555554444", "Mastercard"),
    ("378282246310005", "American Express"),
    ("6799990100000000019", "girocard"),
    ("4222222222222", "VISA"),
)
_TITLES = {Kind.SALE: "Kartenzahlung", Kind.REFUND: "GUTSCHRIFT", Kind.PREAUTH: "Reservierung"}
_TITLES |= {Kind.PREAUTH_COMPLETION: "Kartenzahlung", Kind.REVERSAL: "** Storno **"}
_TITLED = {Kind.REFUND, Kind.PREAUTH, Kind.REVERSAL}
_CODES = {Kind.SALE: 0x0601, Kind.REFUND: 0x0631, Kind.PREAUTH: 0x0622, Kind.PREAUTH_COMPLETION: 0x0624}
_CODES |= {Kind.REVERSAL: 0x0630}
_PASSWORD = bytes.fromhex("000000")
_DECLINES = (0x05, 0x33, 0x6C, 0x9B, 0xFF)


def exchanges(seed: int, start: datetime, currency: str, troubles: frozenset[str]) -> Iterator[Exchange]:
    terminal = _Terminal(random.Random(f"zvt/{seed}"), start, currency, troubles)
    yield terminal.registers()
    while True:
        yield terminal.does_something()


@dataclass(frozen=True, slots=True)
class _Deal:
    """A transaction as the terminal knows it. ``said``: its status information, as often as it is asked for."""

    kind: Kind
    amount: int
    told: Transaction
    said: bytes
    printed: tuple[str, ...]


class _Terminal:
    def __init__(
        self, chance: random.Random, start: datetime, currency: str, troubles: frozenset[str]
    ) -> None:
        self._chance, self._clock, self._troubles = chance, start.replace(microsecond=0), troubles
        self._currency, self._number = currency, numeric_code(currency)
        self._tid = f"{chance.randrange(10**8):08}"
        self._vu = f"{chance.randrange(10**9):09}"
        self._trace = chance.randrange(1, 900_000)
        self._receipt = chance.randrange(1, 9_000)
        self._years = chance.random() < 0.3
        self._prints = chance.choice(("not", "lines", "block"))
        self._last: _Deal | None = None
        self._reserved: _Deal | None = None
        self._days: list[_Deal] = []

    def registers(self) -> Exchange:
        talk = self._talk()
        talk.command(message(0x0600, _PASSWORD + b"\x8e" + self._money() + b"\x03\x00"))
        talk.terminal(message(0x060F, b"\x19\x00\x29" + bytes.fromhex(self._tid) + b"\x49" + self._money()))
        return Exchange("registration", tuple(talk.spoken), (), ())

    def does_something(self) -> Exchange:
        self._clock += timedelta(seconds=self._chance.randrange(40, 900))
        return self._chance.choices(self._doings(), weights=_WEIGHTS)[0]()

    def _doings(self) -> tuple[Callable[[], Exchange], ...]:
        return (
            self._sells, self._refunds, self._reverses, self._reserves, self._books, self._books_by_release,
            self._releases, self._declines, self._gives_up, self._has_no_goods, self._reads_card, self._tells_state,
            self._tells_balance, self._tells_totals, self._settles, self._repeats,
        )  # fmt: skip

    # Transactions.

    def _sells(self) -> Exchange:
        deal = self._deal(Kind.SALE, self._some_amount())
        talk = self._talk()
        talk.command(message(0x0601, self._asked(deal.amount) + self._keyed_card()))
        self._waits(talk)
        return self._ends("sale", talk, deal)

    def _refunds(self) -> Exchange:
        deal = self._deal(Kind.REFUND, self._some_amount())
        talk = self._talk()
        talk.command(message(0x0631, _PASSWORD + self._asked(deal.amount)))
        self._waits(talk)
        return self._ends("refund", talk, deal)

    def _reverses(self) -> Exchange:
        last, self._last = self._last, None
        if last is None or last.kind is not Kind.SALE:
            return self._sells()
        deal = self._deal(Kind.REVERSAL, last.amount, original=last.told.stan)
        talk = self._talk()
        talk.command(message(0x0630, _PASSWORD + b"\x87" + bcd(last.told.receipt_no or "", 2)))
        return self._ends("reversal", talk, deal)

    def _reserves(self) -> Exchange:
        deal = self._deal(Kind.PREAUTH, self._some_amount())
        talk = self._talk()
        talk.command(message(0x0622, self._asked(deal.amount)))
        self._waits(talk)
        self._reserved = deal
        return self._ends("reservation", talk, deal)

    def _books(self) -> Exchange:
        return self._books_with(0x0624, lambda booked, _: booked)

    def _books_by_release(self) -> Exchange:
        """The till says what is not needed of the reservation."""
        return self._books_with(0x0623, lambda booked, reserved: reserved - booked)

    def _books_with(self, code: int, asked: Callable[[int, int], int]) -> Exchange:
        reserved, self._reserved = self._reserved, None
        if reserved is None or reserved.amount < 2:
            return self._reserves()
        booked = self._chance.randrange(1, reserved.amount)
        deal = self._deal(Kind.PREAUTH_COMPLETION, booked, ref=reserved.told.receipt_no, lacks_amount=False)
        talk = self._talk()
        receipt = b"\x87" + bcd(reserved.told.receipt_no or "", 2)
        talk.command(message(code, receipt + self._asked(asked(booked, reserved.amount))))
        unknown = code == 0x0623 and 2 * booked == reserved.amount
        return self._ends("booking of a reservation", talk, deal, asked=None if unknown else booked)

    def _releases(self) -> Exchange:
        """Without the till's line it looks like any reversal."""
        reserved, self._reserved = self._reserved, None
        if reserved is None:
            return self._reserves()
        deal = self._deal(Kind.REVERSAL, reserved.amount, original=reserved.told.stan)
        talk = self._talk()
        talk.command(message(0x0625, b"\x87" + bcd(reserved.told.receipt_no or "", 2)))
        done = self._ends("release of a reservation", talk, deal)
        self._last = None
        return replace(done, expected=())

    def _declines(self) -> Exchange:
        code = self._chance.choice(_DECLINES)
        deal = self._deal(Kind.DECLINED, self._some_amount(), result=code)
        talk = self._talk()
        talk.command(message(0x0601, self._asked(deal.amount)))
        self._waits(talk)
        talk.terminal(deal.said)
        talk.terminal(message(0x061E, bytes((code,))))
        return Exchange("declined", tuple(talk.spoken), *self._expected(deal, deal.amount))

    def _gives_up(self) -> Exchange:
        amount, talk = self._some_amount(), self._talk()
        talk.command(message(0x0601, self._asked(amount)))
        self._waits(talk)
        talk.terminal(message(0x061E, b"\x6c"), after_s=30.0)
        told = Transaction(Kind.DECLINED, amount_minor=amount, currency=self._currency, result_code="6c")
        return Exchange("given up before a card was seen", tuple(talk.spoken), (told,), ())

    def _has_no_goods(self) -> Exchange:
        """Approved, but the till says (84 66) that the goods cannot be had: the terminal takes the payment back."""
        deal = self._deal(Kind.SALE, self._some_amount())
        talk = self._talk()
        talk.command(message(0x0601, self._asked(deal.amount)))
        talk.terminal(deal.said, answer=b"\x84\x66\x00")
        talk.terminal(message(0x061E, b"\xb4"), after_s=2.0)
        self._days.remove(deal)
        failed = replace(deal, told=replace(deal.told, kind=Kind.DECLINED, result_code="b4"))
        return Exchange("no goods", tuple(talk.spoken), *self._expected(failed, deal.amount))

    # What tells nothing.

    def _reads_card(self) -> Exchange:
        talk = self._talk()
        talk.command(message(0x06C0, b"\x0f\x19\x10"))
        talk.terminal(message(0x04FF, b"\x0a"))
        track = counted(0x23, bytes.fromhex("4111111111111111d27122011234567890ff"), 2)
        talk.terminal(
            message(0x040F, b"\x27\x00" + track + ber(b"\x06", ber(b"\x4c", bytes(8)))), after_s=4.0
        )
        talk.terminal(message(0x060F))
        return Exchange("card read", tuple(talk.spoken), (), ())

    def _tells_state(self) -> Exchange:
        talk = self._talk()
        talk.command(message(0x0501, _PASSWORD + b"\x03\x02"))
        version = "GER-APP-v2.0.9 52".encode("cp437")
        talk.terminal(message(0x060F, bytes((0xF0, 0xF1, 0xF7)) + version + b"\x00"))
        return Exchange("status enquiry", tuple(talk.spoken), (), ())

    def _tells_balance(self) -> Exchange:
        talk = self._talk()
        talk.command(message(0x0603))
        card = pan("4111111111111111", masked=True)
        talk.terminal(message(0x040F, b"\x27\x00\x04" + bcd(5000, 6) + card), after_s=5.0)
        talk.terminal(message(0x060F))
        return Exchange("balance of a card", tuple(talk.spoken), (), ())

    def _tells_totals(self) -> Exchange:
        talk = self._talk()
        talk.command(message(0x0610, _PASSWORD))
        talk.terminal(self._totals())
        talk.terminal(message(0x060F))
        return Exchange("totals", tuple(talk.spoken), (), ())

    def _settles(self) -> Exchange:
        talk = self._talk()
        talk.command(message(0x0650, _PASSWORD))
        talk.terminal(message(0x04FF, b"\x0e"))
        talk.terminal(self._totals(), after_s=6.0)
        self._prints_lines(talk, ("Kassenschnitt", "Summe 12,34 EUR"))
        talk.terminal(message(0x060F))
        self._days, self._last = [], None
        return Exchange("end of day", tuple(talk.spoken), (), ())

    def _repeats(self) -> Exchange:
        if self._last is None or "reprint" not in self._troubles:
            return self._sells()
        talk = self._talk()
        talk.command(message(0x0620, _PASSWORD + b"\x03\x02"))
        talk.terminal(self._last.said)
        self._prints_lines(talk, ("Belegwiederholung", *self._last.printed))
        talk.terminal(message(0x060F))
        return Exchange("repeat of the last receipt", tuple(talk.spoken), (), ())

    # Their parts.

    def _talk(self) -> Talk:
        return Talk(self._chance, self._troubles)

    def _some_amount(self) -> int:
        return self._chance.choice((1, 10, 1000, 1010, 99_999_999, self._chance.randrange(1, 50_000)))

    def _money(self) -> bytes:
        return bcd(self._number or 0, 2)

    def _asked(self, amount: int) -> bytes:
        return b"\x04" + bcd(amount, 6) + b"\x49" + self._money()

    def _keyed_card(self) -> bytes:
        if self._chance.random() < 0.9:
            return b""
        return b"\x0e\x27\x12" + pan("4111111111111111", masked=False) + b"\x3a\x01\x23"

    def _waits(self, talk: Talk) -> None:
        for status in self._chance.choice((b"", b"\x0a", b"\x0a\x17\x0e")):
            talk.terminal(
                message(0x04FF, bytes((status, 0x01))), after_s=self._chance.choice((1.0, 8.0, 45.0))
            )

    def _deal(
        self, kind: Kind, amount: int, *, result: int = 0, original: str | None = None, ref: str | None = None,
        lacks_amount: bool | None = None,
    ) -> _Deal:  # fmt: skip
        """The next numbers, and the status that tells them."""
        self._trace, self._receipt = self._trace % 999_999 + 1, self._receipt % 9_999 + 1
        number, scheme = self._chance.choice(_CARDS)
        told = Transaction(
            kind,
            amount_minor=amount,
            currency=self._currency,
            card=TruncatedPan(number[-4:]),
            terminal_time=self._clock if self._years else None,
            receipt_no=f"{self._receipt:04}",
            stan=f"{self._trace:06}",
            auth_code=f"{self._chance.randrange(10**6):06}" if not result else None,
            terminal_id=self._tid,
            merchant_id=self._vu,
            scheme=scheme,
            result_code=f"{result:02x}",
            original_ref=original or ref,
        )
        if lacks_amount is None:
            lacks_amount = self._chance.random() < 0.15 and kind is not Kind.REVERSAL
        said = self._status(told, number, original, lacks_amount=lacks_amount)
        deal = _Deal(kind, amount, told, said, self._lines(told, number))
        if not result:
            self._last = deal
            self._days.append(deal)
        return deal

    def _status(self, told: Transaction, number: str, original: str | None, *, lacks_amount: bool) -> bytes:
        year = b"\xaa" + bcd(self._clock.strftime("%y%m%d"), 3)
        fields = [
            b"" if lacks_amount else self._asked(told.amount_minor or 0),
            b"\x0b" + bcd(told.stan or "", 3),
            b"\x0c" + bcd(self._clock.strftime("%H%M%S"), 3) + b"\x0d" + bcd(self._clock.strftime("%m%d"), 2),
            year if self._years else b"",
            b"\x0e\x27\x12\x17\x00\x01\x19\x70",
            pan(number, masked=self._chance.random() < 0.8),
            b"\x29" + bytes.fromhex(self._tid) + b"\x2a" + self._vu.ljust(15).encode(),
            b"\x37" + bcd(original, 3) if original else b"",
            b"\x3b" + told.auth_code.encode().ljust(8, b"\x00") if told.auth_code else b"",
            counted(0x3C, b"GEN.NR.:" + number.encode(), 3),
            b"\x87" + bcd(told.receipt_no or "", 2),
            b"\x88" + bcd(told.stan or "", 3) + b"\x8a\x2e\x8c\x01",
            counted(0x8B, (told.scheme or "").encode() + b"\x00", 2),
            ber(b"\x06", ber(b"\x60", ber(b"\x43", bytes.fromhex("a0000000041010"))) + bytes.fromhex("1f120102")),
        ]  # fmt: skip
        self._chance.shuffle(fields)
        return message(0x040F, b"\x27" + bytes.fromhex(told.result_code or "00") + b"".join(fields))

    def _lines(self, told: Transaction, number: str) -> tuple[str, ...]:
        title = _TITLES.get(told.kind, "Kartenzahlung")
        return (
            "** Kundenbeleg **",
            title,
            f"Karte {'#' * 12}{number[-4:]}",
            f"Kartennr. {number}",
            "Betrag 1,00 EUR",
        )

    def _prints_lines(self, talk: Talk, lines: tuple[str, ...]) -> None:
        if self._prints == "lines":
            for line in lines:
                talk.terminal(message(0x06D1, b"\x40" + line.center(24).encode("cp437")), after_s=0.05)
        elif self._prints == "block":
            text = b"".join(ber(b"\x07", line.ljust(40).encode("cp437")) for line in lines)
            block = ber(b"\x1f\x07", b"\x02") + ber(b"\x25", text)
            talk.terminal(message(0x06D3, ber(b"\x06", block)), after_s=0.05)

    def _ends(self, words: str, talk: Talk, deal: _Deal, asked: int | None = -1) -> Exchange:
        """``asked``: the amount that both lines tell; -1: the deal's own, None: neither does."""
        talk.terminal(deal.said, after_s=3.0)
        self._prints_lines(talk, deal.printed)
        talk.terminal(message(0x060F))
        return Exchange(
            words, tuple(talk.spoken), *self._expected(deal, deal.amount if asked == -1 else asked)
        )

    def _expected(
        self, deal: _Deal, both: int | None
    ) -> tuple[tuple[Transaction, ...], tuple[Transaction, ...]]:
        """Of both lines, and of the terminal's alone, where nobody hears what was asked for."""
        told = deal.told
        says = b"\x04" + bcd(deal.amount, 6) + b"\x49" in deal.said
        alone = deal.amount if says else None
        return (
            (replace(told, amount_minor=both, currency=self._currency if both is not None else None),),
            (
                replace(
                    told,
                    kind=self._seen_alone(told.kind),
                    amount_minor=alone,
                    currency=self._currency if alone is not None else None,
                    original_ref=told.original_ref if told.kind is Kind.REVERSAL else None,
                ),
            ),
        )

    def _seen_alone(self, kind: Kind) -> Kind:
        if kind in (Kind.DECLINED, Kind.REVERSAL) or (kind in _TITLED and self._prints != "not"):
            return kind
        return Kind.SALE

    def _totals(self) -> bytes:
        self._trace = self._trace % 999_999 + 1
        total = sum(deal.amount for deal in self._days) % 10**12
        kinds = [bytes(7)] * 6 + [bytes((len(self._days) % 256,)) + bcd(total, 6)]
        totals = counted(0x60, bcd(1, 2) + bcd(self._receipt, 2) + b"".join(kinds), 3)
        moment = self._clock.strftime("%m%d"), self._clock.strftime("%H%M%S")
        said = b"\x0b" + bcd(self._trace, 3) + b"\x0d" + bcd(moment[0], 2) + b"\x0c" + bcd(moment[1], 3)
        return message(0x040F, b"\x27\x00\x04" + bcd(total, 6) + said + totals)


# How often each of ``_doings`` comes.
_WEIGHTS = (45, 6, 6, 4, 3, 3, 2, 8, 4, 3, 4, 4, 2, 3, 2, 10)
