"""An Italian till and its terminal: what both say on the wire, after the clauses of ECR17, and what must be told of it.

One of the four ways of the check octet is drawn with the seed, as firmware has one; so is whether ACK comes bare.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tillbell_agent.pos.dialect import Line
from tillbell_agent.sim.tills import Exchange, Spoken
from tillbell_protocol.event import Kind, Transaction
from tillbell_protocol.pan import TruncatedPan

_TEXTS = ("CARTA RIFIUTATA", "PIN ERRATO", "FONDI INSUFFICIENTI", "OPERAZIONE ANNULLATA")
_BUSY = ("INSERIRE CARTA      ", "DIGITARE PIN        ", "ELABORAZIONE...     ")
_ACQUIRERS = ("00000000008", "00000000045", "88105000001")


@dataclass(frozen=True, slots=True)
class _Firmware:
    """How one model frames: whether STX and ETX count, and whether its ACK has a check octet of its own."""

    stx: bool
    etx: bool
    bare_ack: bool

    def frame(self, message: str) -> bytes:
        octets = message.encode("ascii")
        check = 0x7F ^ (2 if self.stx else 0) ^ (3 if self.etx else 0)
        for octet in octets:
            check ^= octet
        return b"\x02" + octets + b"\x03" + bytes([check])

    def control(self, octet: int) -> bytes:
        return bytes([octet]) if self.bare_ack else bytes([octet, 3, 0x7F ^ octet ^ (3 if self.etx else 0)])


class _Shop:
    """Both ends, with the terminal's counters. Each method is one conversation; each that rings says what it rings."""

    def __init__(self, seed: int, start: datetime, currency: str, troubles: frozenset[str]) -> None:
        self._chance = random.Random(f"ecr17/{seed}")
        draw = self._chance
        self._firmware = _Firmware(draw.random() < 0.5, draw.random() < 0.5, draw.random() < 0.3)
        self._now = start
        self._currency = currency
        self._troubles = troubles
        self._terminal = f"{draw.randrange(10**7, 10**8)}"
        self._stan = draw.randrange(1, 500)
        self._online = draw.randrange(1, 5000)
        self._last: str | None = None
        self._spoken: list[Spoken] = []

    # What is said.

    def _says(self, line: Line, octets: bytes, after_s: float) -> None:
        self._spoken.append(Spoken(line, octets, after_s))
        self._now += timedelta(seconds=after_s)

    def _message(self, line: Line, message: str, after_s: float) -> None:
        """One message with its confirmation, and what went wrong on the way."""
        octets, other = self._firmware.frame(message), Line.TILL if line is Line.TERMINAL else Line.TERMINAL
        if "nak" in self._troubles and self._chance.random() < 0.15:
            self._says(line, _damaged(octets, self._chance), after_s)
            self._says(other, self._firmware.control(0x15), 0.05)
            after_s = 0.1
        repeats = self._chance.randrange(1, 3) if self._has("retransmission", 0.2) else 0
        for _ in range(repeats):
            self._says(line, octets, after_s)
            after_s = 2.0  # the ACK was lost
        self._says(line, octets, after_s)
        self._says(other, self._firmware.control(0x06), 0.04)

    def _has(self, trouble: str, chance: float) -> bool:
        return trouble in self._troubles and self._chance.random() < chance

    def _head(self, letter: str) -> str:
        return f"{self._terminal}0{letter}"

    def _ask(self, letter: str, rest: str) -> None:
        self._message(Line.TILL, self._head(letter) + rest, 1.0)

    def _answer(self, letter: str, rest: str, *, keep: bool = True) -> None:
        message = self._head(letter) + rest
        self._message(Line.TERMINAL, message, self._chance.uniform(0.4, 3.0))
        self._last = message if keep else self._last

    def _busy(self) -> None:
        for text in _BUSY[: self._chance.randrange(4)]:
            self._says(
                Line.TERMINAL, b"\x01" + text.encode("ascii") + b"\x04", self._chance.uniform(1.0, 6.0)
            )

    def _exchange(
        self, words: str, rung: Transaction | None = None, alone: Transaction | None = None
    ) -> Exchange:
        """``alone``: what the terminal's line says of it, if that is less."""
        spoken, self._spoken = tuple(self._spoken), []
        pause = self._chance.uniform(20, 600)
        self._now += timedelta(seconds=pause)
        spoken = (replace(spoken[0], after_s=pause), *spoken[1:])
        one_line = alone if alone is not None else rung
        return Exchange(words, spoken, (rung,) if rung else (), (one_line,) if one_line else ())

    # Pieces of messages.

    def _numbers(self) -> tuple[str, str]:
        self._stan, self._online = self._stan % 999_999 + 1, self._online % 999_999 + 1
        return f"{self._stan:06}", f"{self._online:06}"

    def _clock(self) -> str:
        return f"{self._now:%j%H%M}"

    def _pan(self) -> tuple[str, str]:
        """The 19 characters of a card number, of which most terminals fill all but the last four with zeros."""
        tail = f"{self._chance.randrange(1, 10_000):04}"
        shown = self._chance.choice(("0" * 15, "0" * 3 + "411111" + "0" * 6, "*" * 12 + "000", "0" * 15))
        return shown + tail, tail

    def _payment_request(self, amount: int, card_type: str = "0") -> str:
        text = "GRAZIE E ARRIVEDERCI" if self._chance.random() < 0.3 else ""
        return f"000000010000{card_type}{amount:08}{text:>128}00000000"

    def _rung(self, kind: Kind, **known: object) -> Transaction:
        base = Transaction(kind, currency=self._currency, terminal_id=self._terminal, result_code="00")
        return replace(base, **known)  # type: ignore[arg-type]

    def _approved(self, *, auth: bool = True) -> tuple[str, dict[str, object]]:
        """Positions 11 to 71 of a positive answer, and what is known of it."""
        pan, tail = self._pan()
        stan, online = self._numbers()
        code = f"{self._chance.randrange(1, 10**6):06}" if auth else "      "
        card_type = self._chance.choice("1223")
        acquirer = self._chance.choice(_ACQUIRERS)
        entry = self._chance.choice(("ICC", "CLI", "MAG"))
        text = f"00{pan}{entry}{code}{self._clock()}{card_type}{acquirer}{stan}{online}"
        scheme = "pagobancomat" if card_type == "1" else None
        return text, {
            "card": TruncatedPan(tail),
            "stan": stan,
            "auth_code": code.strip() or None,
            "scheme": scheme,
        }

    # Conversations.

    def sale(self) -> Exchange:
        amount = self._chance.randrange(1, 20_000)
        self._ask("P", self._payment_request(amount))
        self._busy()
        text, known = self._approved()
        self._answer("E", text)
        if self._chance.random() < 0.3:
            self._receipt(amount)
        rung = self._rung(Kind.SALE, amount_minor=amount, **known)
        return self._exchange("sale", rung, replace(rung, amount_minor=None))

    def _receipt(self, amount: int) -> None:
        for lines in (f"BAR ROMA}}IMPORTO EUR {amount / 100:.2f}}}", "CARTA ************1111}}}}}}\x1b"):
            self._message(Line.TERMINAL, self._head("S") + lines, 0.3)

    def two_alike(self) -> Exchange:
        """Two true sales of the same amount to the same person, one after the other."""
        first, second = self.sale(), self.sale()
        return Exchange(
            "two sales",
            first.spoken + second.spoken,
            first.expected + second.expected,
            first.expected_one_line + second.expected_one_line,
        )

    def extended_sale(self) -> Exchange:
        amount = self._chance.randrange(1, 20_000)
        self._ask("X", self._payment_request(amount))
        self._busy()
        text, known = self._approved()
        self._answer("E", f"{text}000{amount:08}0000000000")
        return self._exchange(
            "sale with extended result", self._rung(Kind.SALE, amount_minor=amount, **known)
        )

    def sale_with_exchange(self) -> Exchange:
        amount = self._chance.randrange(1, 20_000)
        self._ask("P", self._payment_request(amount))
        text, known = self._approved()
        self._answer("V", f"{text}000{amount:08}100010850USD{amount * 108 // 100:012}20000000000")
        return self._exchange("sale in dollars", self._rung(Kind.SALE, amount_minor=amount, **known))

    def declined(self) -> Exchange:
        amount = self._chance.randrange(1, 20_000)
        self._ask("P", self._payment_request(amount))
        stan, online = self._numbers()
        text = self._chance.choice(_TEXTS)
        self._answer("E", f"01{text:24}{'0' * 11}2{self._chance.choice(_ACQUIRERS)}{stan}{online}")
        rung = self._rung(Kind.DECLINED, amount_minor=amount, result_code="01", stan=stan)
        return self._exchange("declined", rung, replace(rung, amount_minor=None))

    def refund(self) -> Exchange:
        amount = self._chance.randrange(1, 20_000)
        self._ask("A", f"0000000100000{amount:08}00000000")
        pan, tail = self._pan()
        code = f"{self._chance.randrange(1, 10**6):06}"
        self._answer("A", f"00{pan}ICC{code}{self._chance.choice(_ACQUIRERS)}{self._clock()}")
        rung = self._rung(Kind.REFUND, amount_minor=amount, card=TruncatedPan(tail), auth_code=code)
        return self._exchange("refund", rung, replace(rung, amount_minor=None))

    def reversal(self) -> Exchange:
        original = f"{self._stan:06}"
        self._ask("S", f"00000001{original}00")
        text, known = self._approved(auth=False)
        self._answer("E", f"{text}0000000000000")
        rung = self._rung(Kind.REVERSAL, original_ref=original, **known)
        return self._exchange("reversal", rung, replace(rung, original_ref=None))

    def preauthorisation(self) -> Exchange:
        amount = self._chance.randrange(100, 90_000)
        self._ask("p", self._payment_request(amount))
        pan, tail = self._pan()
        stan, online = self._numbers()
        code, auth = f"{self._chance.randrange(1, 10**9):09}", f"{self._chance.randrange(1, 10**6):06}"
        head = f"00{pan}ICC{auth}{amount:08}{code}000{self._clock()}0002"
        self._answer("e", f"{head}{self._chance.choice(_ACQUIRERS)}{stan}{online}{'0' * 12}")
        known = {"card": TruncatedPan(tail), "stan": stan, "auth_code": auth, "receipt_no": code}
        return self._exchange("pre-authorisation", self._rung(Kind.PREAUTH, amount_minor=amount, **known))

    def closure(self) -> Exchange:
        amount, code = self._chance.randrange(100, 90_000), f"{self._chance.randrange(1, 10**9):09}"
        self._ask("c", f"0000000100000{amount:08}{'':128}{code}{'0' * 12}")
        text, known = self._approved()
        self._answer("c", f"{text}000")
        rung = self._rung(Kind.PREAUTH_COMPLETION, amount_minor=amount, original_ref=code, **known)
        alone = replace(rung, amount_minor=None, original_ref=None)
        return self._exchange("closure of a pre-authorisation", rung, alone)

    def verification(self) -> Exchange:
        """Only the request tells it from a payment, so a tap of the terminal's line takes it for one."""
        self._ask("H", f"0000000100000{'0' * 16}")
        text, known = self._approved()
        self._answer("E", text)
        return self._exchange("card verification", None, self._rung(Kind.SALE, **known))

    def status(self) -> Exchange:
        self._ask("s", "")
        self._answer("s", f"{'0' * 10}{self._now:%d%m%y%H%M}2SYS03.40EMV08.81", keep=False)
        return self._exchange("status")

    def totals(self) -> Exchange:
        self._ask("T", "0000000100000000")
        self._answer("T", f"00{self._chance.randrange(10**6):016}000000", keep=False)
        return self._exchange("totals")

    def session_closed(self) -> Exchange:
        total = self._chance.randrange(10**6)
        self._ask("C", "0000000100000000")
        self._answer("C", f"00{total:016}{total:016}", keep=False)
        return self._exchange("session closed")

    def last_result(self) -> Exchange:
        self._ask("G", "000000010000")
        self._message(Line.TERMINAL, self._last or self._head("s") + "0" * 21, 0.5)
        return self._exchange("last result")


def _damaged(octets: bytes, chance: random.Random) -> bytes:
    """One bit of the message or of its check octet is wrong."""
    at = chance.randrange(1, len(octets))
    return octets[:at] + bytes([octets[at] ^ 1 << chance.randrange(7)]) + octets[at + 1 :]


_USUAL = (
    "sale sale sale sale sale two_alike extended_sale sale_with_exchange declined refund reversal preauthorisation "
    "closure verification status status totals session_closed"
).split()


def exchanges(seed: int, start: datetime, currency: str, troubles: frozenset[str]) -> Iterator[Exchange]:
    """Conversations without end; their clock is the terminal's."""
    shop = _Shop(seed, start, currency, troubles)
    usual = [*_USUAL, *(["last_result"] * 3 if "reprint" in troubles else [])]
    chance = random.Random(f"ecr17/order/{seed}")
    yield shop.status()
    while True:
        made: Exchange = getattr(shop, chance.choice(usual))()
        yield made
