"""Transbank's terminals: golden frames, both layouts, both orders of dates, what must tell nothing, and a simulated shop."""

import sys
from collections.abc import Iterable
from datetime import datetime
from itertools import islice, product
from pathlib import Path
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from streams import FEEDS, Step, hear, say_everything, told

from tillbell_agent.pos.dialect import Desynced, DialectEvent, Ignored, Line, SettlementHeard
from tillbell_agent.pos.settings import DialectSettings, SettingsError
from tillbell_agent.pos.transbank import MAX_PAYLOAD_OCTETS, Transbank
from tillbell_agent.sim.tills import TROUBLES
from tillbell_agent.sim.tills.transbank import damaged, exchanges, frame
from tillbell_protocol.event import Kind, Settlement, Transaction
from tillbell_protocol.pan import TruncatedPan, luhn_holds

INTEGRADO = "0210|00|597029414300|75001146|000002|799889|2600|0||2008|000087|CR|||AX|03032020|112624|0|0|"
AUTOSERVICIO = "0210|00|597029414300|IM750164|123456|700527|1000|3331|56|DB|00-00-00|331|P |18032026|123307"
ANNULLED = "1210|00|597029414300|IT750050|162529|000142||"
CANCELLED = "0210|07|597029414300|IT750870|ABC123||80000||||||||||||||"
LONG_SALE = (
    "0210|00|597029414300|IT750870|ABC123|532264|39000|00||6590|000156|CR|000000|3000000000000000000|VI|"
    "07052026|161140||0|"
)
START = datetime(2026, 12, 31, 22, 30, 5)


def dialect(layout: str = "auto") -> Transbank:
    return Transbank(DialectSettings(currency="CLP", layout=layout))


def hear_payloads(*payloads: str, layout: str = "auto") -> list[DialectEvent]:
    return hear(dialect(layout), [(float(n), Line.TERMINAL, frame(each)) for n, each in enumerate(payloads)])


def only(events: Iterable[DialectEvent]) -> Transaction:
    (event,) = told(events)
    return event.transaction


def test_sale_in_the_layout_of_a_shops_till_is_told_with_all_it_says() -> None:
    assert only(hear_payloads(INTEGRADO)) == Transaction(
        Kind.SALE,
        amount_minor=2600,
        currency="CLP",
        card=TruncatedPan("2008"),
        terminal_time=datetime(2020, 3, 3, 11, 26, 24),
        receipt_no="000002",
        stan="000087",
        auth_code="799889",
        terminal_id="75001146",
        merchant_id="597029414300",
        scheme="amex",
        method="credit",
        result_code="00",
    )


def test_sale_in_the_layout_of_a_kiosk_is_told_apart_without_a_setting() -> None:
    sale = only(hear_payloads(AUTOSERVICIO))
    assert (sale.amount_minor, sale.card, sale.stan, sale.method) == (
        1000,
        TruncatedPan("3331"),
        "56",
        "debit",
    )
    assert sale.terminal_time == datetime(2026, 3, 18, 12, 33, 7)


@pytest.mark.parametrize(("layout", "payload"), [("integrado", INTEGRADO), ("autoservicio", AUTOSERVICIO)])
def test_layout_may_be_set(layout: str, payload: str) -> None:
    assert only(hear_payloads(payload, layout=layout)) == only(hear_payloads(payload))


def test_layout_of_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(SettingsError, match="'integrado'"):
        dialect("integradoo")


def test_layout_is_known_by_the_kind_of_card_where_no_date_is_told() -> None:
    without = INTEGRADO.replace("03032020|112624", "|")
    assert only(hear_payloads(without)).card == TruncatedPan("2008")
    kiosk = AUTOSERVICIO.replace("18032026|123307", "|")
    assert only(hear_payloads(kiosk)).card == TruncatedPan("3331")


@pytest.mark.parametrize(
    ("date", "day"),
    [
        ("07052026", datetime(2026, 5, 7)),
        ("20260507", datetime(2026, 5, 7)),
        ("20122012", datetime(2012, 12, 20)),
        ("20201220", datetime(2020, 12, 20)),
        ("31122026", datetime(2026, 12, 31)),
        ("20270101", datetime(2027, 1, 1)),
    ],
)
def test_both_orders_of_dates_are_read(date: str, day: datetime) -> None:
    sale = only(hear_payloads(LONG_SALE.replace("07052026", date)))
    assert sale.terminal_time == day.replace(hour=16, minute=11, second=40)


@pytest.mark.parametrize("date", ["31022026", "00000000", "20261301", "2026050", "07051926"])
def test_date_that_is_none_is_not_told(date: str) -> None:
    assert only(hear_payloads(LONG_SALE.replace("07052026", date), layout="integrado")).terminal_time is None


def test_approval_of_one_digit_is_an_approval() -> None:
    assert only(hear_payloads(LONG_SALE.replace("|00|5970", "|0|5970"))).kind is Kind.SALE


def test_ticket_may_hold_letters_of_latin_1() -> None:
    assert only(hear_payloads(LONG_SALE.replace("ABC123", "A\xd1O 12"))).receipt_no == "A\xd1O 12"
    assert only(hear_payloads(LONG_SALE.replace("ABC123", "A\x85B"))).receipt_no is None


def test_refused_sale_is_declined_with_the_amount_that_was_asked() -> None:
    refused = only(hear_payloads(CANCELLED))
    assert (refused.kind, refused.amount_minor, refused.result_code) == (Kind.DECLINED, 80000, "07")


@pytest.mark.parametrize("amount", ["", "x", "12.50", "-5", "1e3", "²", "1234567890123"])
def test_amount_that_is_no_number_is_unknown(amount: str) -> None:
    assert only(hear_payloads(LONG_SALE.replace("|39000|", f"|{amount}|"))).amount_minor is None


@pytest.mark.parametrize("code", ["", "x", "0x", "00000"])
def test_answer_without_a_response_code_tells_nothing(code: str) -> None:
    assert told(hear_payloads(LONG_SALE.replace("|00|5970", f"|{code}|5970"))) == []


def test_sale_for_another_merchant_names_that_one() -> None:
    payload = (
        "0271|00|597029414300|IT750050|ABC123|708410|8000|00||3331|000143|DB|000000|  ********331      |DB|"
        "07042026|085034|||" + "VENTA - COPIA COMERCIO".ljust(40) * 30 + "|0|597029414303"
    )
    sale = only(hear_payloads(payload))
    assert (sale.merchant_id, sale.amount_minor, sale.scheme) == ("597029414303", 8000, "Redcompra")


def test_annulment_is_a_void_of_an_operation_without_an_amount() -> None:
    void = only(hear_payloads(ANNULLED))
    assert (void.kind, void.amount_minor, void.original_ref) == (Kind.VOID, None, "000142")
    assert void.stan is None


def test_refused_annulment_is_declined() -> None:
    refused = only(hear_payloads("1210|21|597029414300|IT750050||143||"))
    assert (refused.kind, refused.original_ref, refused.auth_code) == (Kind.DECLINED, "143", None)
    assert told(hear_payloads("1210||597029414300|IT750050||143||")) == []


def test_sale_and_its_annulment_are_two_events_with_keys_of_their_own() -> None:
    sale = LONG_SALE.replace("IT750870", "IT750050").replace("532264", "162529").replace("000156", "000142")
    events = told(hear_payloads(sale, ANNULLED))
    assert [event.transaction.kind for event in events] == [Kind.SALE, Kind.VOID]
    assert [event.key for event in events] == [
        "IT750050|sale|000142|162529|2026-05-07T16:11:40",
        "IT750050|void|000142|162529|",
    ]


@pytest.mark.parametrize(
    "payload",
    [
        INTEGRADO.replace("0210", function)
        for function in ("0200", "0250", "0260", "0261", "0270", "0710", "0900", "1200", "4711")
    ]
    + [
        "0710|00|002|15000||",
        "0900|78||",
        "1080|90|16022026|103654",
        "0100",
        "0810|00|597029414300|IT750050|",
    ],
)
def test_requests_history_totals_and_progress_tell_nothing(payload: str) -> None:
    assert told(hear_payloads(payload)) == []


def test_close_is_a_settlement_that_rings_nobody() -> None:
    events = hear_payloads("0510|00|597029414300|IM750164|")
    assert events == [SettlementHeard(Settlement(terminal_id="IM750164", merchant_id="597029414300"), None)]
    assert hear_payloads("0510|03|597029414300|IM750164|") == [Ignored("a close that failed")]


def test_frame_that_is_no_message_of_the_protocol_is_counted() -> None:
    assert hear_payloads("HELLO") == [Desynced(5, "a frame without a function code")]


# Repetitions.


def test_answer_said_again_after_a_lost_acknowledgement_is_told_once() -> None:
    for payload in (LONG_SALE, CANCELLED, ANNULLED):
        steps = [(at, Line.TERMINAL, frame(payload)) for at in (0.0, 10.0, 20.0)]
        assert len([each for each in hear(dialect(), steps) if not isinstance(each, Ignored)]) == 1


def test_equal_refusals_are_two_where_the_till_asked_twice() -> None:
    ask, answer = frame("0200|80000|ABC123||1|0"), frame(CANCELLED)
    asked = [(Line.TILL, ask), (Line.TERMINAL, b"\x06"), (Line.TERMINAL, answer), (Line.TILL, b"\x06")] * 2
    two_lines = [(float(n), line, octets) for n, (line, octets) in enumerate(asked)]
    one_line = [step for step in two_lines if step[1] is Line.TERMINAL]
    merged = [(at, Line.TERMINAL, octets) for at, _, octets in two_lines]
    for steps in (two_lines, one_line, merged):
        assert len(told(hear(dialect(), steps))) == 2


def test_till_heard_on_the_terminals_line_does_not_make_a_repetition_a_new_refusal() -> None:
    spoken = [frame("0200|80000|ABC123||1|0"), b"\x06", frame(CANCELLED), b"\x06", frame(CANCELLED), b"\x06"]
    assert len(told(hear(dialect(), [(n * 2.0, Line.TERMINAL, each) for n, each in enumerate(spoken)]))) == 1


def test_broken_line_ends_what_could_be_a_repetition() -> None:
    machine = dialect()
    first = machine.receive_data(frame(CANCELLED), 0.0)
    machine.close(1.0)
    assert told(machine.receive_data(frame(CANCELLED), 2.0)) == told(first)


def test_sale_has_the_same_key_after_a_restart() -> None:
    (first,), (second,) = told(hear_payloads(LONG_SALE)), told(hear_payloads(LONG_SALE))
    assert first == second
    assert first.key == "IT750870|sale|000156|532264|2026-05-07T16:11:40"


def test_refusal_that_nothing_tells_from_the_next_has_no_key() -> None:
    (event,) = told(hear_payloads(CANCELLED))
    assert event.key is None


# The line.


def test_frames_and_acknowledgements_glued_together_are_read() -> None:
    octets = b"\x06" + frame(LONG_SALE) + b"\x06" + frame(ANNULLED) + b"\x06\x15" + frame(AUTOSERVICIO)
    for feed in FEEDS:
        assert len(told(hear(dialect(), [(0.0, Line.TERMINAL, octets)], feed))) == 3


@pytest.mark.parametrize("check", [0x02, 0x03, 0x06])
def test_check_octet_that_equals_a_control_octet_ends_its_frame_only(check: int) -> None:
    for letters in product(map(chr, range(0x30, 0x7B)), repeat=2):
        octets = frame(LONG_SALE.replace("ABC123", "".join(letters)))
        if octets[-1] == check:
            assert len(told(hear(dialect(), [(0.0, Line.TERMINAL, octets + frame(ANNULLED))]))) == 2
            return
    raise AssertionError("no ticket gives this check octet")


def test_damaged_frame_is_counted_and_the_good_one_behind_it_told() -> None:
    good = frame(LONG_SALE)
    for at in range(len(good)):
        bad = good[:at] + bytes([good[at] ^ 0x10]) + good[at + 1 :]
        events = hear(dialect(), [(0.0, Line.TERMINAL, bad), (0.1, Line.TERMINAL, good)])
        assert only(events) == only(hear_payloads(LONG_SALE)), at


def test_frame_that_stops_is_given_up_after_silence_and_at_the_end() -> None:
    cut = frame(LONG_SALE)[:40]
    for machine in (dialect(), dialect()):
        assert machine.receive_data(cut, 0.0) == []
        assert machine.next_deadline() == 3.0
    assert machine.tick(2.9) == []
    assert machine.tick(3.0) == [Desynced(40, "octets outside of frames")]
    assert machine.next_deadline() is None
    machine.receive_data(cut, 5.0)
    assert machine.close(5.1) == [Desynced(40, "octets outside of frames")]
    assert only(machine.receive_data(frame(LONG_SALE), 6.0)).amount_minor == 39000


def test_frame_longer_than_any_is_dropped_and_what_follows_is_read() -> None:
    machine = dialect()
    for at in range(40):
        machine.receive_data((b"\x02" if at == 0 else b"") + b"9" * 1000, at * 0.01)
        assert all(len(framer.held) <= MAX_PAYLOAD_OCTETS + 2 for framer in machine._ends._framers.values())
    assert only(machine.receive_data(frame(LONG_SALE), 1.0)).amount_minor == 39000


def test_frame_longer_than_any_is_none_even_where_its_check_octet_holds() -> None:
    voucher = "x" * (MAX_PAYLOAD_OCTETS - len(LONG_SALE))
    assert len(told(hear_payloads(LONG_SALE + voucher))) == 1
    assert told(hear_payloads(LONG_SALE + voucher + "x")) == []


# The simulated shop.


def day(seed: int, troubles: Iterable[str]) -> tuple[list[Step], list[Transaction], list[Transaction]]:
    now, steps, expected, on_one_line = 0.0, [], [], []
    for exchange in islice(exchanges(seed, START, "CLP", frozenset(troubles)), 40):
        now += 30.0
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
    assert [event.transaction for event in told(hear(dialect(), steps, feed))] == expected
    terminals = [step for step in steps if step[1] is Line.TERMINAL]
    assert [event.transaction for event in told(hear(dialect(), terminals, feed))] == on_one_line


def test_simulated_shop_is_told_on_a_line_that_carries_both_ends() -> None:
    steps, expected, _ = day(3, TROUBLES)
    merged = [(at, Line.TERMINAL, octets) for at, _, octets in steps]
    assert [event.transaction for event in told(hear(dialect(), merged))] == expected


def test_restart_in_mid_session_loses_no_answer_that_comes_after_it() -> None:
    steps, expected, _ = day(5, ())
    for cut in range(0, len(steps), 7):
        before, after = hear(dialect(), steps[:cut]), hear(dialect(), steps[cut:])
        assert [event.transaction for event in told(before + after)] == expected


def test_simulated_shops_differ_in_layout_and_date_order_and_make_every_kind() -> None:
    kinds, orders = set(), set()
    for seed in range(12):
        steps, expected, _ = day(seed, ())
        kinds |= {transaction.kind for transaction in expected}
        octets = b"".join(octets for _, _, octets in steps)
        orders.add((b"2026|" in octets or b"2027|" in octets, b"|2026" in octets or b"|2027" in octets))
    assert kinds == {Kind.SALE, Kind.VOID, Kind.DECLINED}
    assert len(orders) > 1


# Anything at all.

_PIECES = st.lists(
    st.tuples(
        st.sampled_from(list(Line)),
        st.one_of(
            st.binary(max_size=60),
            st.sampled_from(
                [b"\x02", b"\x03", b"\x06", b"\x02\x02\x03\x03", frame(LONG_SALE), frame(ANNULLED)]
            ),
            st.lists(st.text("0123456789|ABC \xff", max_size=12), max_size=30).map("|".join).map(frame),
            st.lists(st.text("0123456789 ", max_size=9), max_size=24).map(
                lambda c: frame("0210|00|" + "|".join(c))
            ),
        ),
    ),
    max_size=12,
)


@settings(max_examples=300, deadline=None)
@given(_PIECES)
def test_any_octets_give_events_and_waiting_ends(pieces: list[tuple[Line, bytes]]) -> None:
    machine = dialect()
    steps = [(n * 0.5, line, octets) for n, (line, octets) in enumerate(pieces)]
    hear(machine, steps)
    assert machine.next_deadline() is None
    assert all(len(framer.held) <= MAX_PAYLOAD_OCTETS + 2 for framer in machine._ends._framers.values())
    machine.close(1000.0)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(frame(LONG_SALE)) - 1), st.integers(0, 255), st.booleans())
@example(0, 2, False)
def test_mutated_frame_tells_no_amount_that_it_does_not_hold(at: int, octet: int, checked: bool) -> None:
    good = frame(LONG_SALE)
    bad = good[:at] + bytes([octet]) + good[at + 1 :]
    if checked:  # the LRC holds all the same
        bad = frame(bad[1:-2].decode("latin-1"))
    for event in told(hear(dialect(), [(0.0, Line.TERMINAL, bad)])):
        amount = event.transaction.amount_minor
        assert amount is None or str(amount).encode() in bad


# Card numbers.


def luhn(digits: str) -> str:
    return next(digits + check for check in "0123456789" if luhn_holds(digits + check))


PLANTED = [luhn("453957876362148620"[: size - 1]) for size in range(13, 20)]


def spaced(pan: str) -> str:
    return " ".join(pan[at : at + 4] for at in range(0, len(pan), 4))


@pytest.mark.parametrize("pan", PLANTED, ids=len)
@pytest.mark.parametrize("payload", [LONG_SALE, AUTOSERVICIO, ANNULLED, CANCELLED, "0510|00|5|IM750164|"])
def test_card_number_in_any_column_never_leaves(payload: str, pan: str) -> None:
    for column in range(25):
        for said in (
            pan,
            spaced(pan),
            pan.replace("", "-")[1:-1],
            f"{pan}=2812201",
            f"%B{pan}^DOE/JOHN^2812",
        ):
            columns = payload.split("|") + [""] * 25
            columns[column] = said
            events = hear_payloads("|".join(columns))
            words = say_everything(events).replace(" ", "")
            assert all(pan[at : at + 5] not in words for at in range(len(pan) - 4)), (column, said, words)


def test_longer_card_number_in_the_column_of_its_last_digits_is_truncated() -> None:
    for number in ("4111111111111111", "123456******1111", "XXXXXXXXXXXX1111"):
        assert only(hear_payloads(LONG_SALE.replace("6590", number))).card == TruncatedPan("1111")
    for number in ("659", "659*", "****", "65 90"):
        assert only(hear_payloads(LONG_SALE.replace("6590", number))).card is None


def test_damage_of_the_simulated_line_is_damage() -> None:
    for seed in range(50):
        assert told(hear(dialect(), [(0.0, Line.TERMINAL, damaged(frame(LONG_SALE), Random(seed)))])) == []


def test_voucher_is_not_read() -> None:
    sale = LONG_SALE + "TOTAL: $99.999   TARJETA ************1111".ljust(80) + "|"
    assert only(hear_payloads(sale)) == only(hear_payloads(LONG_SALE))
