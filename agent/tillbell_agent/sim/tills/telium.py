"""A simulated French till with a terminal that speaks the Concert protocol, Protocol E: ENQ, ACK, frame, ACK, EOT."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from random import Random

from tillbell_agent.pos.dialect import Line
from tillbell_agent.sim.tills import Exchange, Spoken
from tillbell_protocol.event import Kind, Transaction
from tillbell_protocol.iso4217 import numeric_code
from tillbell_protocol.pan import TruncatedPan

_EOT, _ENQ, _ACK, _NAK = b"\x04", b"\x05", b"\x06", b"\x15"
_WAIT, _AT_ONCE = "A010", "A011"
_SALE, _CREDIT, _REFUND = "0", "1", "2"
_CARDS = (
    # mode, number (public test numbers), scheme as told
    ("1", "4111111111111111", None),
    ("1", "5555555555554444", None),
    ("2", "378282246310005", "amex"),
    ("9", "3530111333300000", "jcb"),
    ("U", "6212345678901232", "unionpay"),
)
_CHEQUE_LINE = "%900123 456789012345 678901234567"


def exchanges(seed: int, start: datetime, currency: str, troubles: frozenset[str]) -> Iterator[Exchange]:  # noqa: ARG001
    """The terminal has no clock that it tells, so ``start`` does not matter."""
    shop = _Shop(Random(f"telium {seed}"), currency, troubles)
    while True:
        yield shop.next_exchange()


def frame(payload: str) -> bytes:
    check = 3
    for character in payload:
        check ^= ord(character)
    return b"\x02" + payload.encode("ascii") + bytes((3, check))


def ask(till: int, amount: int, long: bool, mode: str, type_: str, number: int, delay: str) -> str:
    return f"{till:02d}{amount:08d}{int(long)}{mode}{type_}{number:03d}{'':10}{delay}B010"


def answer(till: int, status: str, amount: int, mode: str, report: str | None, number: int) -> str:
    """``report``: what the long form says of the card or cheque; None is the short form."""
    said = "" if report is None else f"{report:55}"
    return f"{till:02d}{status}{amount:08d}{mode}{said}{number:03d}{'0' * 10}"


@dataclass
class _Talk:
    """What both ends say, with the troubles that come between."""

    chance: Random
    troubles: frozenset[str]
    spoken: list[Spoken] = field(default_factory=list)

    def turn(self, speaker: Line, payload: str, after_s: float) -> None:
        """One end rings, says a frame and hangs up."""
        self._say(speaker, _ENQ, after_s)
        self._say(_other(speaker), _ACK)
        self._frame(speaker, frame(payload))
        self._say(_other(speaker), _ACK)
        self._say(speaker, _EOT)

    def ring_only(self) -> None:
        self._say(Line.TILL, _ENQ, 1.0)
        self._say(Line.TERMINAL, _ACK)
        self._say(Line.TILL, _EOT)

    def _frame(self, speaker: Line, octets: bytes) -> None:
        if self._trouble("nak"):
            at = self.chance.randrange(1, len(octets) - 2)
            self._say(speaker, octets[:at] + bytes((octets[at] ^ 0x40,)) + octets[at + 1 :])
            self._say(_other(speaker), _NAK)
        self._say(speaker, octets)
        if speaker is Line.TERMINAL and self._trouble("retransmission"):
            for _ in range(self.chance.randint(1, 2)):
                self._again(octets)

    def _again(self, octets: bytes) -> None:
        """The till's acknowledgement was lost: the terminal rings once more, or just repeats."""
        if self.chance.random() < 0.5:
            self._say(Line.TERMINAL, _ENQ, 2.0)
            self._say(Line.TILL, _ACK)
        self._say(Line.TERMINAL, octets, 1.0)

    def _trouble(self, name: str) -> bool:
        return name in self.troubles and self.chance.random() < 0.3

    def _say(self, line: Line, octets: bytes, after_s: float = 0.02) -> None:
        self.spoken.append(Spoken(line, octets, after_s))


class _Shop:
    def __init__(self, chance: Random, currency: str, troubles: frozenset[str]) -> None:
        self._chance, self._currency, self._troubles = chance, currency, troubles
        self._number = numeric_code(currency) or 978
        self._till = chance.randint(1, 99)
        self._long = chance.random() < 0.6
        self._plans: list[tuple[int, Callable[[], Exchange]]] = [
            (60, lambda: self._payment("a sale", _SALE, Kind.SALE)),
            (8, lambda: self._payment("a refund", self._chance.choice((_CREDIT, _REFUND)), Kind.REFUND)),
            (8, self._cheque),
            (10, self._refused),
            (4, self._without_outcome),
            (2, self._not_waited_for),
            (8, self._is_it_there),
        ]

    def next_exchange(self) -> Exchange:
        plans = [plan for _, plan in self._plans]
        return self._chance.choices(plans, [weight for weight, _ in self._plans])[0]()

    def _amount(self) -> int:
        return self._chance.choice((100, 1250, 1250, self._chance.randrange(1, 10**5), 99_999_999))

    def _payment(self, words: str, type_: str, kind: Kind) -> Exchange:
        mode, number, scheme = self._chance.choice(_CARDS)
        told = Transaction(
            kind,
            amount_minor=self._amount(),
            currency=self._currency,
            card=TruncatedPan(number[-4:]) if self._long else None,
            scheme=scheme,
            result_code="0",
        )
        return self._talk_of(words, told, mode, type_, number)

    def _cheque(self) -> Exchange:
        told = Transaction(
            Kind.SALE, amount_minor=self._amount(), currency=self._currency, method="cheque", result_code="0"
        )
        return self._talk_of("a cheque", told, "C", _SALE, _CHEQUE_LINE)

    def _refused(self) -> Exchange:
        told = Transaction(
            Kind.DECLINED, amount_minor=self._amount(), currency=self._currency, result_code="7"
        )
        return self._talk_of("a refused sale", told, "1", _SALE, "")

    def _talk_of(self, words: str, told: Transaction, mode: str, type_: str, report: str) -> Exchange:
        talk = _Talk(self._chance, self._troubles)
        amount, result = told.amount_minor or 0, told.result_code or ""
        talk.turn(Line.TILL, ask(self._till, amount, self._long, mode, type_, self._number, _WAIT), 2.0)
        said = answer(self._till, result, amount, mode, report if self._long else None, self._number)
        talk.turn(Line.TERMINAL, said, self._chance.uniform(3, 40))
        if "reprint" in self._troubles and self._chance.random() < 0.3:
            talk.turn(Line.TERMINAL, said, 4.0)  # in a turn of its own, though nobody asked again
        on_one_line = replace(told, kind=Kind.SALE) if told.kind is Kind.REFUND else told
        return Exchange(words, tuple(talk.spoken), (told,), (on_one_line,))

    # What tells nothing, where both ends are heard.

    def _without_outcome(self) -> Exchange:
        talk, amount = _Talk(self._chance, self._troubles), self._amount()
        talk.turn(Line.TILL, ask(self._till, amount, False, "1", _SALE, self._number, _WAIT), 2.0)
        talk.turn(Line.TERMINAL, answer(self._till, "9", amount, "1", None, self._number), 8.0)
        return Exchange("a sale that was not verified", tuple(talk.spoken), (), ())

    def _not_waited_for(self) -> Exchange:
        """The terminal answers before there is a card; with its line alone that looks like a sale."""
        talk, amount = _Talk(self._chance, self._troubles), self._amount()
        talk.turn(Line.TILL, ask(self._till, amount, False, "1", _SALE, self._number, _AT_ONCE), 2.0)
        talk.turn(Line.TERMINAL, answer(self._till, "0", amount, "1", None, self._number), 0.5)
        looks = Transaction(Kind.SALE, amount_minor=amount, currency=self._currency, result_code="0")
        return Exchange("a sale that the till does not wait for", tuple(talk.spoken), (), (looks,))

    def _is_it_there(self) -> Exchange:
        talk = _Talk(self._chance, self._troubles)
        talk.ring_only()
        return Exchange("a till that asks whether its terminal is there", tuple(talk.spoken), (), ())


def _other(line: Line) -> Line:
    return Line.TERMINAL if line is Line.TILL else Line.TILL
