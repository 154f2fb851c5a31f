"""Telium's Protocol E: golden frames, turns and their repetitions, refunds that only the till's ask tells, a simulated shop."""

import sys
from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from streams import FEEDS, Step, hear, say_everything, told

from tillbell_agent.pos.dialect import Desynced, DialectEvent, Ignored, Line, TransactionCompleted
from tillbell_agent.pos.settings import DialectSettings, SettingsError
from tillbell_agent.pos.telium import ASKED_S, MAX_PAYLOAD_OCTETS, REPEATS_S, Telium
from tillbell_agent.sim.tills import TROUBLES
from tillbell_agent.sim.tills.telium import answer, ask, exchanges, frame
from tillbell_protocol.event import Kind, Transaction
from tillbell_protocol.pan import TruncatedPan, luhn_holds

ENQ, ACK, NAK, EOT = b"\x05", b"\x06", b"\x15", b"\x04"
TILL, TERMINAL = Line.TILL, Line.TERMINAL
# As published: 12.50 EUR asked and accepted, short form.
ASKED = bytes.fromhex("02303130303030313235303131303937382020202020202020202041303130423031300301")
ACCEPTED = bytes.fromhex("02303130303030303132353031393738303030303030303030300333")
SALE = Transaction(Kind.SALE, amount_minor=1250, currency="EUR", result_code="0")
START = datetime(2026, 12, 31, 22, 30, 5)


def dialect() -> Telium:
    return Telium(DialectSettings(currency="EUR"))


def payment(
    asked: str | bytes, answered: str | bytes, *, wait_s: float = 20.0
) -> list[tuple[float, Line, bytes]]:
    """One payment in its two turns: (seconds after the octets before, who, octets)."""
    question = asked if isinstance(asked, bytes) else frame(asked)
    said = answered if isinstance(answered, bytes) else frame(answered)
    there = [
        (1.0, TILL, ENQ),
        (0.0, TERMINAL, ACK),
        (0.0, TILL, question),
        (0.1, TERMINAL, ACK),
        (0.0, TILL, EOT),
    ]
    back = [
        (wait_s, TERMINAL, ENQ),
        (0.0, TILL, ACK),
        (0.0, TERMINAL, said),
        (0.1, TILL, ACK),
        (0.0, TERMINAL, EOT),
    ]
    return there + back


def steps_of(*parts: list[tuple[float, Line, bytes]]) -> list[Step]:
    now, steps = 0.0, []
    for after_s, line, octets in [step for part in parts for step in part]:
        now += after_s
        steps.append((now, line, octets))
    return steps


def of_terminal(steps: Iterable[Step]) -> list[Step]:
    return [step for step in steps if step[1] is TERMINAL]


def on_one_wire(steps: Iterable[Step]) -> list[Step]:
    return [(at, TERMINAL, octets) for at, _, octets in steps]


def transactions(events: Iterable[DialectEvent]) -> list[Transaction]:
    return [event.transaction for event in told(events)]


def hear_payment(asked: str, answered: str) -> list[Transaction]:
    return transactions(hear(dialect(), steps_of(payment(asked, answered))))


def test_simulated_tills_frames_are_the_published_ones() -> None:
    assert frame(ask(1, 1250, True, "1", "0", 978, "A010")) == ASKED
    assert frame(answer(1, "0", 1250, "1", None, 978)) == ACCEPTED


def test_payment_is_a_sale_without_a_key() -> None:
    for steps in (steps_of(payment(ASKED, ACCEPTED)), [(0.0, TERMINAL, ACCEPTED)]):
        assert hear(dialect(), steps) == [TransactionCompleted(SALE, None)]


@pytest.mark.parametrize(
    ("type_", "kind"),
    [("0", Kind.SALE), ("1", Kind.REFUND), ("2", Kind.REFUND), ("3", None), ("4", Kind.PREAUTH)],
)
def test_only_the_ask_tells_whether_money_was_given_back(type_: str, kind: Kind | None) -> None:
    steps = steps_of(
        payment(ask(1, 500, False, "1", type_, 978, "A010"), answer(1, "0", 500, "1", None, 978))
    )
    assert [each.kind for each in transactions(hear(dialect(), steps))] == ([] if kind is None else [kind])
    assert [each.kind for each in transactions(hear(dialect(), of_terminal(steps)))] == [Kind.SALE]


@pytest.mark.parametrize(
    ("status", "kind"), [("0", Kind.SALE), ("7", Kind.DECLINED), ("9", None), ("1", None)]
)
def test_status_decides_what_came_of_it(status: str, kind: Kind | None) -> None:
    got = hear_payment(ask(1, 500, False, "1", "0", 978, "A010"), answer(1, status, 500, "1", None, 978))
    assert [each.kind for each in got] == ([] if kind is None else [kind])


def test_refused_refund_is_declined() -> None:
    got = hear_payment(ask(1, 500, False, "1", "2", 978, "A010"), answer(1, "7", 500, "1", None, 978))
    assert [each.kind for each in got] == [Kind.DECLINED]


def test_answer_before_the_payment_tells_nothing() -> None:
    steps = steps_of(payment(ask(1, 500, False, "1", "0", 978, "A011"), answer(1, "0", 500, "1", None, 978)))
    assert hear(dialect(), steps) == [Ignored("an answer before the payment")]


@pytest.mark.parametrize(
    ("report", "last4"),
    [
        ("4111111111111111", "1111"),
        ("4111111111111111   1228 0000", "1111"),
        ("411111******1111 ", "1111"),
        ("4111111111111111=28122011234567890", "1111"),
        ("4222222222222 1228", "2222"),
        ("1234567890123 1228", "0123"),
        ("4111111111111111" + "0" * 39, "1111"),
        ("4111111111111111" + "0" * 9, "1111"),
        ("378282246310005" + "0" * 40, "0005"),
        ("30569309025904" + "0" * 41, "5904"),
        ("4000000000000200" + "0" * 39, "0200"),
        ("6304000000000000018" + "0" * 36, "0018"),
        ("4111111111111112" + "0" * 39, None),
        ("0" * 55, None),
        ("1234" * 13, None),
        ("", None),
        ("1111", None),
    ],
)
def test_report_is_cut_to_the_cards_last_four_digits(report: str, last4: str | None) -> None:
    (sale,) = hear_payment(ask(1, 500, True, "1", "0", 978, "A010"), answer(1, "0", 500, "1", report, 978))
    assert sale.card == (None if last4 is None else TruncatedPan(last4))
    assert sale.amount_minor == 500


def test_cheques_line_is_no_card() -> None:
    for report in ("%900123 456789012345 678901234567", "9001234567890 123456789012 678901234567"):
        (sale,) = hear_payment(
            ask(1, 500, True, "C", "0", 978, "A010"), answer(1, "0", 500, "C", report, 978)
        )
        assert (sale.card, sale.method) == (None, "cheque")


@pytest.mark.parametrize(
    ("number", "currency"), [(978, "EUR"), (840, "USD"), (953, "XPF"), (36, "AUD"), (1, None), (788, "TND")]
)
def test_currency_is_the_answers_own(number: int, currency: str | None) -> None:
    (sale,) = hear_payment(
        ask(1, 500, False, "1", "0", number, "A010"), answer(1, "0", 500, "1", None, number)
    )
    assert (sale.currency, sale.amount_minor) == (currency, 500)


def test_blank_amount_is_the_asked_one_and_unknown_without_the_ask() -> None:
    said = answer(1, "0", 500, "1", None, 978).replace("00000500", " " * 8)
    steps = steps_of(payment(ASKED, said))
    assert [each.amount_minor for each in transactions(hear(dialect(), steps))] == [1250]
    assert [each.amount_minor for each in transactions(hear(dialect(), of_terminal(steps)))] == [None]


def test_blank_currency_is_the_configured_one() -> None:
    said = answer(1, "0", 500, "1", None, 978).replace("978", "   ")
    machine = Telium(DialectSettings(currency="XPF"))
    assert transactions(machine.receive_data(frame(said), 0.0))[0].currency == "XPF"


def test_answer_pairs_with_the_last_ask_of_its_own_till_for_a_while() -> None:
    refund, said = ask(1, 500, False, "1", "2", 978, "A010"), answer(1, "0", 500, "1", None, 978)
    other = ask(2, 500, False, "1", "2", 978, "A010")
    for asked, wait_s, kind in (
        (refund, 100.0, Kind.REFUND),
        (refund, ASKED_S + 1, Kind.SALE),
        (other, 20.0, Kind.SALE),
    ):
        (got,) = transactions(hear(dialect(), steps_of(payment(asked, said, wait_s=wait_s))))
        assert got.kind is kind


def test_ask_is_answered_once() -> None:
    refund = payment(ask(1, 500, False, "1", "2", 978, "A010"), answer(1, "0", 500, "1", None, 978))
    unasked = [(30.0, TERMINAL, frame(answer(1, "0", 600, "1", None, 978)))]
    kinds = [each.kind for each in transactions(hear(dialect(), steps_of(refund, unasked)))]
    assert kinds == [Kind.REFUND, Kind.SALE]


def test_close_of_the_line_forgets_the_ask() -> None:
    machine = dialect()
    machine.receive_data(frame(ask(1, 500, False, "1", "2", 978, "A010")), 0.0, TILL)
    assert machine.close(1.0) == []
    (event,) = told(machine.receive_data(frame(answer(1, "0", 500, "1", None, 978)), 2.0))
    assert event.transaction.kind is Kind.SALE


@pytest.mark.parametrize("options", ["A010B010", "A010B011", "A010B012", "", "T012"])
def test_ask_is_understood_with_whatever_options(options: str) -> None:
    """Protocol E has none; behind it stand waiting, authorization, and the customer's receipt."""
    question = ask(1, 500, False, "1", "1", 978, "A010")[:-8] + options
    (got,) = hear_payment(question, answer(1, "0", 500, "1", None, 978))
    assert (got.kind, got.amount_minor) == (Kind.REFUND, 500)


def test_published_ask_without_options_is_a_refunds() -> None:
    asked = bytes.fromhex("0230313030303030353030313131393738202020202020202020200300")
    said = frame(answer(1, "0", 500, "1", None, 978))
    (got,) = transactions(hear(dialect(), steps_of(payment(asked, said))))
    assert (got.kind, got.amount_minor) == (Kind.REFUND, 500)


def test_ask_that_does_not_wait_is_known_with_any_authorization() -> None:
    question = ask(1, 500, False, "1", "0", 978, "A011")[:-1] + "2"
    assert hear_payment(question, answer(1, "0", 500, "1", None, 978)) == []


@pytest.mark.parametrize("text", ["CARTE BANCAIRE", "CB\n4111111111111111\nMONTANT 12,50 EUR\n", "x" * 4096])
def test_answer_with_the_customers_receipt_behind_it_is_told_without_it(text: str) -> None:
    said = answer(1, "0", 1250, "1", "5555555555554444", 978) + text
    for steps in (steps_of(payment(ASKED, said)), [(0.0, TERMINAL, frame(said))]):
        events = hear(dialect(), steps)
        (got,) = transactions(events)
        assert (got.kind, got.amount_minor, got.card) == (Kind.SALE, 1250, TruncatedPan("4444"))
        assert "1111" not in say_everything(events)


def test_receipt_without_end_is_no_answer() -> None:
    said = answer(1, "0", 1250, "1", "5555555555554444", 978) + "x" * 4097
    assert hear_payment(ASKED.hex(), said) == []


def test_approved_amount_of_zero_is_the_asked_one_and_unknown_without_the_ask() -> None:
    steps = steps_of(payment(ASKED, answer(1, "0", 0, "1", None, 978)))
    assert [each.amount_minor for each in transactions(hear(dialect(), steps))] == [1250]
    assert [each.amount_minor for each in transactions(hear(dialect(), of_terminal(steps)))] == [None]


def test_unknown_layout_is_refused() -> None:
    with pytest.raises(SettingsError, match="layout"):
        Telium(DialectSettings(layout="e"))


@pytest.mark.parametrize("payload", ["HELLO", "0" * 26, "01" + "x" * 23, ASKED[1:-2].decode() + "0"])
def test_frame_that_is_neither_ask_nor_answer_is_counted(payload: str) -> None:
    assert dialect().receive_data(frame(payload), 0.0) == [
        Desynced(len(payload), "a frame that is neither ask nor answer")
    ]


# Repetitions.

AGAIN = {
    "without a ring": [(1.0, TERMINAL, ACCEPTED)],
    "after a ring": [(2.0, TERMINAL, ENQ), (0.0, TILL, ACK), (0.0, TERMINAL, ACCEPTED), (0.0, TILL, ACK)],
    "twice": [
        (2.0, TERMINAL, ENQ),
        (0.0, TERMINAL, ACCEPTED),
        (2.0, TERMINAL, ENQ),
        (0.0, TERMINAL, ACCEPTED),
    ],
    "refused": [(0.0, TILL, NAK), (0.1, TERMINAL, ACCEPTED), (0.0, TILL, ACK)],
    "in a turn of its own": [
        (5.0, TERMINAL, ENQ),
        (0.0, TILL, ACK),
        (0.0, TERMINAL, ACCEPTED),
        (0.0, TERMINAL, EOT),
    ],
}


@pytest.mark.parametrize("again", AGAIN.values(), ids=AGAIN)
def test_answer_said_again_is_one_sale_and_two_payments_are_two(
    again: list[tuple[float, Line, bytes]],
) -> None:
    once = [*payment(ASKED, ACCEPTED), *again]
    steps = steps_of(once, payment(ASKED, ACCEPTED, wait_s=3.0))
    for way in (steps, of_terminal(steps), on_one_wire(steps)):
        assert transactions(hear(dialect(), way)) == [SALE, SALE]
    assert transactions(hear(dialect(), steps_of(once))) == [SALE]


def test_refund_said_again_stays_one_refund() -> None:
    steps = steps_of(payment(ask(1, 1250, False, "1", "2", 978, "A010"), ACCEPTED), AGAIN["after a ring"])
    assert [each.kind for each in transactions(hear(dialect(), steps))] == [Kind.REFUND]


def test_equal_answer_long_after_is_a_sale_though_no_ask_was_heard() -> None:
    for apart, sales in ((REPEATS_S, 1), (REPEATS_S + 0.1, 2)):
        assert len(transactions(hear(dialect(), [(at, TERMINAL, ACCEPTED) for at in (0.0, apart)]))) == sales


def test_other_amount_or_card_at_once_is_another_sale() -> None:
    said = [
        answer(1, "0", amount, "1", card, 978)
        for amount in (500, 600)
        for card in ("4111111111111111", "5555555555554444")
    ]
    assert len(transactions(hear(dialect(), [(0.0, TERMINAL, frame(each)) for each in said]))) == 4


def test_tills_line_that_falls_silent_swallows_no_sale() -> None:
    steps = steps_of(payment(ASKED, ACCEPTED), payment(ASKED, ACCEPTED, wait_s=3.0))
    silent = [step for n, step in enumerate(steps) if n < 10 or step[1] is TERMINAL]
    assert transactions(hear(dialect(), silent)) == [SALE, SALE]


def test_restart_between_ask_and_answer_tells_a_sale() -> None:
    steps = steps_of(payment(ASKED, ACCEPTED))
    for cut in range(8):
        assert transactions(hear(dialect(), steps[cut:])) == [SALE]


# The line.


@pytest.mark.parametrize("feed", FEEDS)
def test_turns_glued_together_on_one_wire_are_read(feed: str) -> None:
    octets = b"".join(octets for _, _, octets in steps_of(payment(ASKED, ACCEPTED)))
    assert transactions(hear(dialect(), [(0.0, TERMINAL, octets)], feed)) == [SALE]


def test_check_octet_may_be_any_control_octet() -> None:
    seen = set()
    for report in map(chr, range(0x20, 0x7F)):
        octets = frame(answer(1, "0", 990, "1", report, 978))
        seen.add(octets[-1])
        got = transactions(hear(dialect(), [(0.0, TERMINAL, octets + EOT + ACCEPTED)]))
        assert [each.amount_minor for each in got] == [990, 1250]
    assert seen >= {2, 3, 4, 5, 6}


def test_frame_with_any_octet_damaged_is_not_told() -> None:
    for at in range(1, len(ACCEPTED)):
        bad = ACCEPTED[:at] + bytes([ACCEPTED[at] ^ 0x08]) + ACCEPTED[at + 1 :]
        assert transactions(hear(dialect(), [(0.0, TERMINAL, bad), (0.2, TERMINAL, ACCEPTED)])) == [SALE], at


def test_octets_of_a_damaged_frame_are_no_acknowledgements() -> None:
    """The terminal's own ACK would stand for a new ask, and make a repetition a second sale."""
    card = frame(answer(11, "0", 46743, "2", "378282246310005", 978))
    assert card[-1:] == ACK
    for at in range(1, len(card) - 2):
        bad = card[:at] + ACK + card[at + 1 :]
        for damaged in (bad, card[:at] + bytes([card[at] ^ 0x40]) + card[at + 1 :]):
            spoken = [card, ENQ, damaged, ENQ, card, EOT]
            steps = [(n * 1.0, TERMINAL, octets) for n, octets in enumerate(spoken)]
            assert len(transactions(hear(dialect(), steps))) == 1, at


def test_frame_of_one_octet_is_no_acknowledgement() -> None:
    steps = [(0.0, TERMINAL, ACCEPTED), (1.0, TERMINAL, b"\x02\x06\x03\x05"), (2.0, TERMINAL, ACCEPTED)]
    assert transactions(hear(dialect(), steps)) == [SALE]


def test_lost_check_octet_costs_the_next_frame_nothing() -> None:
    assert transactions(hear(dialect(), [(0.0, TERMINAL, ACCEPTED[:-1] + ACCEPTED)])) == [SALE]


def test_frame_that_stops_is_given_up_after_silence() -> None:
    machine = dialect()
    assert machine.receive_data(ACCEPTED[:10], 5.0) == []
    assert machine.next_deadline() == 8.0
    assert machine.tick(8.0) == [Desynced(10, "octets outside of frames")]
    assert machine.next_deadline() is None


# The simulated shop.


def day(seed: int, troubles: Iterable[str]) -> tuple[list[Step], list[Transaction], list[Transaction]]:
    now, steps, expected, on_one_line = 0.0, [], [], []
    for exchange in islice(exchanges(seed, START, "EUR", frozenset(troubles)), 60):
        for spoken in exchange.spoken:
            now += spoken.after_s
            steps.append((now, spoken.line, spoken.octets))
        expected += exchange.expected
        on_one_line += exchange.expected_one_line
    return steps, expected, on_one_line


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("troubles", [(), *((each,) for each in TROUBLES), TROUBLES], ids="+".join)
@pytest.mark.parametrize("seed", range(6))
def test_simulated_shop_is_told_exactly_on_two_lines_and_on_one(
    seed: int, troubles: tuple[str, ...], feed: str
) -> None:
    steps, expected, on_one_line = day(seed, troubles)
    assert transactions(hear(dialect(), steps, feed)) == expected
    assert transactions(hear(dialect(), of_terminal(steps), feed)) == on_one_line


@pytest.mark.parametrize("seed", range(6))
def test_simulated_shop_is_told_on_a_line_that_carries_both_ends(seed: int) -> None:
    steps, expected, _ = day(seed, TROUBLES)
    assert transactions(hear(dialect(), on_one_wire(steps))) == expected


def test_simulated_shops_make_every_kind() -> None:
    kinds = {transaction.kind for seed in range(4) for transaction in day(seed, ())[1]}
    assert kinds == {Kind.SALE, Kind.REFUND, Kind.DECLINED}


# Anything at all.

_PIECES = st.lists(
    st.tuples(
        st.sampled_from(list(Line)),
        st.one_of(
            st.binary(max_size=60),
            st.sampled_from([b"\x02", b"\x03", ENQ, ACK, EOT, b"\x02\x02\x03\x03", ASKED, ACCEPTED]),
            st.text("0123456789 AB\xff", min_size=25, max_size=34).map(lambda text: text.encode("latin-1")),
            st.text("0179 C", min_size=25, max_size=25).map(frame),
            st.text("01 AB", min_size=34, max_size=34).map(frame),
        ),
    ),
    max_size=12,
)


@settings(max_examples=300, deadline=None)
@given(_PIECES)
def test_any_octets_give_events_and_waiting_ends(pieces: list[tuple[Line, bytes]]) -> None:
    machine = dialect()
    hear(machine, [(n * 0.5, line, octets) for n, (line, octets) in enumerate(pieces)])
    assert machine.next_deadline() is None
    assert all(len(framer.held) <= MAX_PAYLOAD_OCTETS + 2 for framer in machine._ends._framers.values())
    machine.close(1000.0)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 24), st.sampled_from("0123456789 AC\xb2x"))
def test_mutated_answer_tells_no_amount_that_it_does_not_hold(at: int, character: str) -> None:
    good = ACCEPTED[1:-2].decode()
    payload = (good[:at] + character + good[at + 1 :]).encode("latin-1")
    check = 3
    for octet in payload:
        check ^= octet
    for got in transactions(hear(dialect(), [(0.0, TERMINAL, b"\x02" + payload + bytes((3, check)))])):
        assert got.amount_minor is None or f"{got.amount_minor:08d}".encode() in payload


# Card numbers.


def luhn(digits: str) -> str:
    return next(digits + check for check in "0123456789" if luhn_holds(digits + check))


PLANTED = [luhn("453957876362148620"[: size - 1]) for size in range(13, 20)]


@pytest.mark.parametrize("pan", PLANTED, ids=len)
@pytest.mark.parametrize("mode", ["1", "2", "C", "0"])
def test_card_number_in_the_report_or_the_private_field_never_leaves(mode: str, pan: str) -> None:
    groups = " ".join(pan[at : at + 4] for at in range(0, len(pan), 4))
    for report in (
        pan,
        f"{pan} 2812",
        f"{pan}=28122011",
        f"%B{pan}^DOE",
        groups,
        f"   {pan}",
        pan.ljust(55, "0"),
    ):
        said = answer(1, "0", 500, mode, report[:55], 978)
        for octets in (frame(said), frame(said[:-10] + pan[:10]), frame(said[:-10] + pan[-10:])):
            for steps in (steps_of(payment(ASKED, octets)), [(0.0, TERMINAL, octets)]):
                events = hear(dialect(), steps)
                assert len(told(events)) == 1
                words = say_everything(events).replace(" ", "")
                assert all(pan[at : at + 5] not in words for at in range(len(pan) - 4)), (report, words)


@pytest.mark.parametrize("pan", PLANTED, ids=len)
def test_nothing_of_a_card_number_is_kept_to_know_a_repetition(pan: str) -> None:
    machine = dialect()
    machine.receive_data(frame(answer(1, "0", 500, "1", pan, 978)), 0.0)
    assert pan[:5] not in repr(machine._repeats._last)
