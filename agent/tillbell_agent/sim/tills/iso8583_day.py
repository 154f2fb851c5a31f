"""A terminal and its host through a shop's day, as messages of ISO 8583: type and fields, not yet octets.

``iso8583`` and ``iso8583_cn`` say how octets are made of them and what their country does otherwise.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random

from tillbell_agent.pos.dialect import Line
from tillbell_agent.sim.tills import Exchange, Spoken
from tillbell_protocol.event import Kind, Transaction
from tillbell_protocol.iso4217 import numeric_code
from tillbell_protocol.pan import TruncatedPan

Fields = dict[int, str]

# Public test numbers, which hold Luhn, and what their brands are told as where a host names them.
_CARDS = (
    ("4111111111111111", "visa"),
    ("5555555555554444", "mastercard"),
    ("6200000000000005", "unionpay"),
    ("6250941006528599", "unionpay"),
    ("3530111333300000", "jcb"),
)
_REFUSED = ("05", "51", "55", "61", "75", "91")
_AGAIN_AFTER_S, _SILENT_S = 4.0, 60.0


@dataclass(frozen=True, slots=True)
class Country:
    """What differs. ``more``: other fields of a message, given its own; ``original``: those that name the first one."""

    encode: Callable[[str, Fields], bytes]
    void_code: str
    refund_mti: str
    more: Callable[[str, Fields, str, str], Fields]
    original: Callable[[Fields, str], Fields]
    tells_brand: bool
    reversal_has_own_number: bool


@dataclass(frozen=True, slots=True)
class _Deal:
    """A transaction that the host approved: what was asked, what was told, and the number of its card."""

    asked: Fields
    told: Transaction
    card: tuple[str, str]


@dataclass
class _Talk:
    """What both ends say, with the troubles that come between."""

    encode: Callable[[str, Fields], bytes]
    chance: Random
    troubles: frozenset[str]
    spoken: list[Spoken] = field(default_factory=list)

    def ask(self, mti: str, fields: Fields, after_s: float = 1.0) -> None:
        self._say(Line.TERMINAL, self.encode(mti, fields), after_s)

    def answer(self, mti: str, fields: Fields, after_s: float = 0.8) -> bytes:
        octets = self.encode(mti, fields)
        self._say(Line.TILL, octets, after_s)
        return octets

    def _say(self, line: Line, octets: bytes, after_s: float) -> None:
        if self._happens("nak"):
            self.spoken.append(Spoken(line, _damaged(octets, self.chance), after_s))
            after_s = _AGAIN_AFTER_S
        self.spoken.append(Spoken(line, octets, after_s))
        if self._happens("retransmission"):
            self.spoken.append(Spoken(line, octets, _AGAIN_AFTER_S))

    def _happens(self, trouble: str) -> bool:
        return trouble in self.troubles and self.chance.random() < 0.2


def _damaged(octets: bytes, chance: Random) -> bytes:
    """Octets are lost, or the length is another one: nothing else would show, since no check sum does."""
    if chance.random() < 0.3:
        return bytes([octets[0] ^ 1]) + octets[1:]
    at = chance.randrange(2, len(octets) - 4)
    return octets[:at] + octets[at + chance.randrange(1, 4) :]


class Day:
    """One terminal, without end. ``troubles``: see ``TROUBLES``."""

    def __init__(
        self, chance: Random, start: datetime, currency: str, troubles: frozenset[str], country: Country
    ) -> None:
        self._chance, self._clock, self._currency, self._country = chance, start, currency, country
        self._troubles = troubles
        self._terminal, self._merchant = (
            f"{chance.randrange(10**8):08}",
            f"8983101{chance.randrange(10**8):08}",
        )
        self._stan, self._batch, self._rrn = (
            chance.randrange(900_000),
            chance.randrange(1, 999),
            chance.randrange(10**6),
        )
        self._deals: list[_Deal] = []
        self._last_answer = b""

    def exchanges(self) -> Iterator[Exchange]:
        conversations = (
            (self._sale, 10), (self._same_again, 2), (self._refused, 2), (self._void, 2), (self._refund, 1),
            (self._preauth, 1), (self._query, 1), (self._reversed, 1), (self._unanswered, 1), (self._settlement, 1),
            (self._idle, 1),
        )  # fmt: skip
        ways, weights = zip(*conversations, strict=True)
        while True:
            self._clock += timedelta(seconds=self._chance.randrange(20, 900))
            talk = _Talk(self._country.encode, self._chance, self._troubles)
            words, told = self._chance.choices(ways, weights)[0](talk)
            if "reprint" in self._troubles and self._last_answer and self._chance.random() < 0.2:
                talk.spoken.append(Spoken(Line.TILL, self._last_answer, 5.0))
            yield Exchange(words, tuple(talk.spoken), told, ())

    def _sale(self, talk: _Talk) -> tuple[str, tuple[Transaction, ...]]:
        deal = self._deal(talk, Kind.SALE, "0200", "000000", self._amount(), self._chance.choice(_CARDS))
        return "a sale", (deal.told,)

    def _same_again(self, talk: _Talk) -> tuple[str, tuple[Transaction, ...]]:
        """Two customers buy the same with one card: two sales."""
        card, amount = self._chance.choice(_CARDS), self._amount()
        told = tuple(self._deal(talk, Kind.SALE, "0200", "000000", amount, card).told for _ in range(2))
        return "two sales alike", told

    def _refused(self, talk: _Talk) -> tuple[str, tuple[Transaction, ...]]:
        code = self._chance.choice(_REFUSED)
        card = self._chance.choice(_CARDS)
        deal = self._deal(talk, Kind.DECLINED, "0200", "000000", self._amount(), card, code)
        return f"a sale refused: {code}", (deal.told,)

    def _void(self, talk: _Talk) -> tuple[str, tuple[Transaction, ...]]:
        if not self._deals:
            return self._sale(talk)
        first = self._deals.pop(self._chance.randrange(len(self._deals)))
        deal = self._deal_after(
            talk, first, Kind.VOID, "0200", self._country.void_code, first.told.amount_minor or 0
        )
        return "a void", (deal.told,)

    def _refund(self, talk: _Talk) -> tuple[str, tuple[Transaction, ...]]:
        if not self._deals:
            return self._sale(talk)
        first = self._chance.choice(self._deals)
        amount = max(1, (first.told.amount_minor or 0) // 2)
        deal = self._deal_after(talk, first, Kind.REFUND, self._country.refund_mti, "200000", amount)
        return "a refund", (deal.told,)

    def _preauth(self, talk: _Talk) -> tuple[str, tuple[Transaction, ...]]:
        card, amount = self._chance.choice(_CARDS), self._amount()
        held = self._deal(talk, Kind.PREAUTH, "0100", self._preauth_code, amount, card)
        taken = self._deal(talk, Kind.PREAUTH_COMPLETION, "0200", "000000", amount, card)
        return "a pre-authorisation and its completion", (held.told, taken.told)

    @property
    def _preauth_code(self) -> str:
        return "030000" if self._country.refund_mti == "0220" else "000000"

    def _query(self, talk: _Talk) -> tuple[str, tuple[Transaction, ...]]:
        """What a card holds: a message as a sale has, and none."""
        card = self._chance.choice(_CARDS)
        asked = self._asked("0200", "310000", 0, card[0])
        del asked[4]
        talk.ask("0200", asked)
        talk.answer("0210", {**self._answer("0210", asked, "00"), 54: "1001156C000000123456"})
        return "a balance query", ()

    def _reversed(self, talk: _Talk) -> tuple[str, tuple[Transaction, ...]]:
        """The host approved, and the terminal did not hear it in time."""
        card = self._chance.choice(_CARDS)
        deal = self._deal(talk, Kind.SALE, "0200", "000000", self._amount(), card)
        self._deals.remove(deal)
        return "a sale, reversed", (deal.told, self._reverse(talk, deal.asked, deal.told))

    def _unanswered(self, talk: _Talk) -> tuple[str, tuple[Transaction, ...]]:
        card = self._chance.choice(_CARDS)
        asked = self._asked("0200", "000000", self._amount(), card[0])
        talk.ask("0200", asked)
        told = Transaction(
            Kind.SALE, int(asked[4]), self._currency, TruncatedPan(card[0][-4:]), stan=asked[11]
        )
        self._reverse(talk, asked, told, after_s=_SILENT_S)
        if self._chance.random() < 0.3:
            talk.answer("0210", self._answer("0210", asked, "00"))  # the host comes too late
        return "a sale that no host answered, reversed: nothing was told", ()

    def _reverse(self, talk: _Talk, asked: Fields, first: Transaction, after_s: float = 2.0) -> Transaction:
        fields = {number: asked[number] for number in (2, 3, 4, 11, 25, 41, 42, 49)}
        if self._country.reversal_has_own_number:
            fields |= {11: self._next_stan(), 90: f"0200{asked[11]}".ljust(42, "0")}
        talk.ask(
            "0400",
            {**fields, 39: "98", **self._country.more("0400", fields, f"{self._batch:06}", "")},
            after_s,
        )
        answer = self._answer("0410", fields, "00")
        self._last_answer = talk.answer("0410", answer)
        return replace(self._told(Kind.REVERSAL, fields, answer, first.card, ""), original_ref=asked[11])

    def _settlement(self, talk: _Talk) -> tuple[str, tuple[Transaction, ...]]:
        """Totals, each sale of the batch once more, and a new batch: nothing of it rings."""
        fields = {11: self._next_stan(), 41: self._terminal, 42: self._merchant}
        extra = self._country.more("0500", fields, f"{self._batch:06}", "")
        talk.ask("0500", {**fields, **extra})
        talk.answer("0510", self._answer("0510", {**fields, **extra}, "00"))
        for deal in self._deals[:3]:
            upload = {
                number: value
                for number, value in deal.asked.items()
                if number in (2, 3, 4, 11, 25, 41, 42, 49)
            }
            talk.ask("0320", {**upload, **extra})
            talk.answer("0330", self._answer("0330", upload, "00"))
        self._batch, self._deals = self._batch % 999_999 + 1, []
        return "a settlement", ()

    def _idle(self, talk: _Talk) -> tuple[str, tuple[Transaction, ...]]:
        """A keep-alive, and a sign-on."""
        talk.spoken.append(Spoken(Line.TILL, bytes(2), 1.0))
        fields = {11: self._next_stan(), 41: self._terminal, 42: self._merchant}
        talk.ask("0800", fields, 5.0)
        talk.answer("0810", {**fields, 12: f"{self._clock:%H%M%S}", 13: f"{self._clock:%m%d}", 39: "00"})
        return "a sign-on", ()

    def _deal_after(self, talk: _Talk, first: _Deal, kind: Kind, mti: str, code: str, amount: int) -> _Deal:
        """A transaction that undoes ``first``, or some of it."""
        named = self._country.original(first.asked, f"{self._batch:06}")
        deal = self._deal(talk, kind, mti, code, amount, first.card, extra=named)
        return replace(deal, told=replace(deal.told, original_ref=first.asked[11]))

    def _deal(
        self, talk: _Talk, kind: Kind, mti: str, code: str, amount: int, card: tuple[str, str], result: str = "00",
        extra: Fields | None = None,
    ) -> _Deal:  # fmt: skip
        asked = self._asked(mti, code, amount, card[0])
        if kind is Kind.PREAUTH_COMPLETION:
            asked[25] = "06"
        talk.ask(
            mti,
            {
                **asked,
                35: f"{card[0]}=30122010000012345"[:37],
                14: "3012",
                52: "F1E2D3C4B5A69788",
                **(extra or {}),
            },
        )
        reply = mti[:2] + str(int(mti[2]) + 1) + "0"
        answer = self._answer(reply, asked, result, card[1])
        self._last_answer = talk.answer(reply, answer)
        deal = _Deal(asked, self._told(kind, asked, answer, TruncatedPan(card[0][-4:]), card[1]), card)
        if kind is Kind.SALE:
            self._deals.append(deal)
        return deal

    def _asked(self, mti: str, code: str, amount: int, card: str) -> Fields:
        fields = {
            2: card, 3: code, 4: f"{amount:012}", 11: self._next_stan(), 22: "0510", 25: "00", 41: self._terminal,
            42: self._merchant, 49: f"{numeric_code(self._currency) or 0:03}",
        }  # fmt: skip
        return {**fields, **self._country.more(mti, fields, f"{self._batch:06}", "")}

    def _answer(self, mti: str, asked: Fields, result: str, brand: str = "") -> Fields:
        """A talkative host repeats card and amount, a terse one does not; some write zeros for an amount."""
        repeated = (2, 3, 4, 11, 25, 41, 42, 49, 60)
        answer = {number: asked[number] for number in repeated if number in asked}
        if mti in ("0210", "0230") and self._chance.random() < 0.3:
            answer.pop(2, None)
            if 4 in answer and self._chance.random() < 0.5:
                answer[4] = "0" * 12
            else:
                answer.pop(4, None)
        self._rrn += self._chance.randrange(1, 50)
        answer |= {
            12: f"{self._clock:%H%M%S}", 13: f"{self._clock:%m%d}", 37: f"{self._clock:%y%m%d}{self._rrn % 10**6:06}",
            39: result,
        }  # fmt: skip
        if result == "00" and mti in ("0110", "0210", "0230"):
            answer[38] = f"{self._chance.randrange(10**6):06}"
        return {**answer, **self._country.more(mti, answer, f"{self._batch:06}", brand)}

    def _told(
        self, kind: Kind, asked: Fields, answer: Fields, card: TruncatedPan | None, brand: str
    ) -> Transaction:
        return Transaction(
            kind, int(asked[4]), self._currency, card, rrn=answer[37], stan=asked[11], auth_code=answer.get(38),
            batch=f"{self._batch:06}" if 60 in answer else None, terminal_id=self._terminal, merchant_id=self._merchant,
            scheme=brand if brand and self._country.tells_brand else None, result_code=answer[39],
        )  # fmt: skip

    def _amount(self) -> int:
        return self._chance.choice((self._chance.randrange(1, 50_000), 1880, 10_000, 123_456_789))

    def _next_stan(self) -> str:
        self._stan = self._stan % 999_999 + 1
        return f"{self._stan:06}"
