"""Both ways with pyTeliumManager, a library for tills: it asks and answers as the dialect reads, and reads our simulated shop.

The library refuses amounts below 1.00 and above 99,999.99, so frames with such amounts are left out where it reads.
"""

import sys
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from streams import Step, hear, say_everything, told

from tillbell_agent.pos.dialect import Ignored, Line
from tillbell_agent.pos.settings import DialectSettings
from tillbell_agent.pos.telium import Telium as Dialect
from tillbell_agent.sim.tills import TROUBLES
from tillbell_agent.sim.tills.telium import answer, exchanges, frame
from tillbell_protocol.event import Kind, Transaction
from tillbell_protocol.pan import TruncatedPan

pytestmark = pytest.mark.peer("pyteliummanager")
telium: Any = pytest.importorskip("telium", reason="absent peer: pyteliummanager")

PAN = "4111111111111111"
KINDS = {"debit": Kind.SALE, "credit": Kind.REFUND, "refund": Kind.REFUND}
AMOUNTS = st.integers(100, 9_999_999)


def wire(encoded: str) -> bytes:
    return encoded.encode("ascii")


def transactions(steps: list[Step]) -> list[Transaction]:
    return [event.transaction for event in told(hear(Dialect(DialectSettings(currency="CHF")), steps))]


def answered(question: Any, result: int = 0, report: str = "") -> Any:
    return telium.TeliumResponse(
        question.pos_number,
        result,
        question.amount,
        question.payment_mode,
        report,
        question.currency_numeric,
        "0" * 10,
    )


@given(
    AMOUNTS,
    st.sampled_from(list(KINDS)),
    st.sampled_from(["EUR", "USD", "XPF", "CHF"]),
    st.integers(1, 99),
    st.booleans(),
    st.sampled_from([0, 7]),
)
def test_what_the_library_asks_and_answers_is_told(
    amount: int, mode: str, currency: str, till: int, long: bool, result: int
) -> None:
    question = telium.TeliumAsk.new_payment(
        amount / 100,
        payment_mode=mode,
        target_currency=currency,
        checkout_unique_id=str(till),
        collect_payment_source_info=long,
    )
    report = f"{PAN:55}" if long else ""
    said = answered(question, result, report)
    steps = [
        (0.0, Line.TILL, wire(question.encode())),
        (9.0, Line.TERMINAL, wire(said.encode())),
    ]
    assert transactions(steps) == [
        Transaction(
            KINDS[mode] if result == 0 else Kind.DECLINED,
            amount_minor=amount,
            currency=currency,
            card=TruncatedPan("1111") if long else None,
            result_code=str(result),
        )
    ]


def test_till_of_the_library_that_does_not_wait_for_the_payment_gets_nothing_told() -> None:
    question = telium.TeliumAsk.new_payment(
        12.5, target_currency="EUR", wait_for_transaction_to_end=False, collect_payment_source_info=False
    )
    machine = Dialect(DialectSettings(currency="EUR"))
    machine.receive_data(wire(question.encode()), 0.0, Line.TILL)
    assert machine.receive_data(wire(answered(question).encode()), 1.0) == [
        Ignored("an answer before the payment")
    ]


def simulated_frames(line: Line) -> list[bytes]:
    """Frames of a simulated shop whose amounts the library reads, without the damaged ones."""
    found = []
    for seed in range(4):
        for exchange in islice(exchanges(seed, datetime(2026, 5, 1), "EUR", frozenset(TROUBLES)), 80):
            frames = [
                each.octets for each in exchange.spoken if each.line is line and each.octets[:1] == b"\x02"
            ]
            found += [each for each in frames if telium.TeliumAsk.lrc_check(each)]
    first = 3 if line is Line.TILL else 4
    return [each for each in found if 100 <= int(each[first : first + 8]) <= 9_999_999]


def test_library_reads_what_the_simulated_till_asks() -> None:
    frames = simulated_frames(Line.TILL)
    assert len(frames) > 100
    for each in frames:
        question = telium.TeliumAsk.decode(each)
        assert wire(question.encode()) == each
        assert question.delay in {"A010", "A011"}
        assert question.transaction_type in {"0", "1", "2"}
        assert question.currency_numeric == "978"


def test_library_and_dialect_read_the_simulated_terminals_answers_alike() -> None:
    frames = simulated_frames(Line.TERMINAL)
    assert len(frames) > 100
    for each in frames:
        library = telium.TeliumResponse.decode(each)
        events = hear(Dialect(DialectSettings(currency="EUR")), [(0.0, Line.TERMINAL, each)])
        assert wire(library.encode()) == each
        if library.transaction_result == 9:
            assert told(events) == []
            continue
        (event,) = told(events)
        ours = event.transaction
        assert ours.amount_minor == round(library.amount * 100)
        assert (ours.kind is Kind.SALE) == library.has_succeeded
        assert ours.result_code == str(library.transaction_result)
        if ours.card is not None:
            assert library.card_id.endswith(ours.card.last4)
            assert library.card_id[:5] not in say_everything(events)


class _Wire:
    """Stands in the place of the library's port: a terminal answers what the library writes, and both are overheard."""

    is_open = True
    timeout = 1.0

    def __init__(self, said: bytes) -> None:
        self._said = said
        self._acknowledged = 0
        self._to_read = b""
        self.steps: list[Step] = []

    def write(self, octets: bytes) -> int:
        self._overhear(Line.TILL, octets)
        if octets == b"\x06":
            self._acknowledged += 1
            self._to_read += self._said if self._acknowledged == 1 else b"\x04"
        else:
            self._to_read += b"\x05" if octets == b"\x04" else b"\x06"
        return len(octets)

    def read(self, size: int = 1) -> bytes:
        octets, self._to_read = self._to_read[:size], self._to_read[size:]
        self._overhear(Line.TERMINAL, octets)
        return octets

    def close(self) -> None:
        self.is_open = False

    def _overhear(self, line: Line, octets: bytes) -> None:
        self.steps.append((len(self.steps) * 0.5, line, octets))


@pytest.mark.parametrize("long", [True, False])
@pytest.mark.parametrize("mode", ["debit", "refund"])
def test_payment_that_the_library_makes_with_a_simulated_terminal_is_overheard(mode: str, long: bool) -> None:
    question = telium.TeliumAsk.new_payment(
        12.5, payment_mode=mode, target_currency="EUR", collect_payment_source_info=long
    )
    overheard = _Wire(frame(answer(1, "0", 1250, "1", PAN if long else None, 978)))
    till = telium.Telium("unused", open_on_create=False)
    till._device = overheard
    assert till.ask(question)
    assert till.verify(question).has_succeeded
    sale = Transaction(
        KINDS[mode],
        amount_minor=1250,
        currency="EUR",
        card=TruncatedPan("1111") if long else None,
        result_code="0",
    )
    assert transactions(overheard.steps) == [sale]
    merged = [(at, Line.TERMINAL, octets) for at, _, octets in overheard.steps]
    assert transactions(merged) == [sale]
