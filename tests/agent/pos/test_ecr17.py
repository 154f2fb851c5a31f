"""The ``ecr17`` dialect: frames in four ways, requests and answers, what rings once and what never does."""

import random
import sys
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from streams import FEEDS, QUIET_S, Step, hear, say_everything, settle, told

from tillbell_agent.pos.dialect import Desynced, DialectEvent, Ignored, Line, SettlementHeard
from tillbell_agent.pos.ecr17 import DOUBT_S, FIELDS, LAYOUTS, REQUEST_KEPT_S, Ecr17
from tillbell_agent.pos.ecr17_frames import MAX_MESSAGE
from tillbell_agent.pos.partial_time import PartialTime
from tillbell_agent.pos.settings import DialectSettings, SettingsError
from tillbell_agent.sim.tills import TROUBLES, Exchange, exchanges_of
from tillbell_protocol.event import Kind, Transaction

PAN = "4111111111111111"
NAK = b"\x15\x03" + bytes([0x7F ^ 0x15 ^ 0x03])
COVERS = {"lrc": 0, "lrc-stx": 2, "lrc-etx": 3, "lrc-stx-etx": 1}
ACK = bytes.fromhex("060379")
NAK = bytes.fromhex("15036a")


def frame(message: str, layout: str = "lrc") -> bytes:
    check = 0x7F ^ COVERS[layout]
    for octet in message.encode("latin-1"):
        check ^= octet
    return b"\x02" + message.encode("latin-1") + b"\x03" + bytes([check])


def request(letter: str = "P", amount: int = 650, text: str = "") -> str:
    return f"123456780{letter}000000010000{'0'}{amount:08}{text:128}00000000"


def answer(stan: int = 42, *, letter: str = "E", pan: str = PAN.zfill(19), auth: str = "ABC123") -> str:
    return f"123456780{letter}00{pan}ICC{auth:6}21115202ACQ        {stan:06}000099"


def declined(stan: int = 7, text: str = "CARTA RIFIUTATA") -> str:
    return f"123456780E01{text:24}{'0' * 11}3AC2        {stan:06}000003"


def dialect(layout: str = "lrc", currency: str = "EUR") -> Ecr17:
    return Ecr17(DialectSettings(currency=currency, layout=layout))


def session(*said: tuple[Line, str], gap_s: float = 2.0) -> list[Step]:
    return [(number * gap_s, line, frame(message)) for number, (line, message) in enumerate(said)]


def rung(events: Iterable[DialectEvent]) -> list[Transaction]:
    return [each.transaction for each in told(events)]


def one_sale(*said: tuple[Line, str]) -> Transaction:
    (transaction,) = rung(hear(dialect(), session(*said)))
    return transaction


def test_payment_heard_on_both_lines_has_the_amount_of_its_request() -> None:
    sale = one_sale((Line.TILL, request()), (Line.TERMINAL, answer()))
    assert (sale.kind, sale.amount_minor, sale.currency) == (Kind.SALE, 650, "EUR")
    assert sale.card is not None
    assert (sale.card.last4, sale.auth_code, sale.stan, sale.terminal_id) == (
        "1111",
        "ABC123",
        "000042",
        "12345678",
    )


def test_payment_heard_on_a_merged_line_has_the_amount_of_its_request() -> None:
    assert one_sale((Line.TERMINAL, request()), (Line.TERMINAL, answer())).amount_minor == 650


def test_payment_heard_on_the_terminals_line_alone_has_no_amount() -> None:
    assert one_sale((Line.TERMINAL, answer())).amount_minor is None


def test_day_of_the_year_becomes_a_date_near_its_arrival_also_at_new_year() -> None:
    (event,) = told(hear(dialect(), session((Line.TERMINAL, answer().replace("2111520", "3652359")))))
    assert event.clock == PartialTime(None, 365, 23, 59)
    assert event.clock.near(datetime(2027, 1, 1, 0, 1)) == datetime(2026, 12, 31, 23, 59)
    assert event.transaction.terminal_time is None


@pytest.mark.parametrize("clock", ["0001520", "3671520", "2112460", "2111560", "       ", "21115x0"])
def test_impossible_time_is_no_time(clock: str) -> None:
    (event,) = told(hear(dialect(), session((Line.TERMINAL, answer().replace("2111520", clock)))))
    assert event.clock is None


@pytest.mark.parametrize("layout", COVERS)
def test_each_way_of_the_check_octet_is_heard_where_it_is_configured_and_refused_elsewhere(
    layout: str,
) -> None:
    for configured in COVERS:
        events = hear(dialect(configured), [(0.0, Line.TERMINAL, frame(answer(), layout))])
        assert len(rung(events)) == (configured == layout)
        assert any(isinstance(each, Desynced) for each in events) == (configured != layout)


@pytest.mark.parametrize("layout", COVERS)
def test_each_way_of_the_check_octet_is_learned(layout: str) -> None:
    machine = dialect("auto")
    first = machine.receive_data(frame(request(), layout), 0.0, Line.TILL)
    events = machine.receive_data(frame(answer(), layout), 5.0)
    assert first == []
    assert [each.amount_minor for each in rung(events)] == [650]


def test_first_frame_of_all_waits_until_no_repetition_can_contradict_it() -> None:
    machine = dialect("auto")
    assert machine.receive_data(frame(answer()), 0.0) == []
    assert machine.next_deadline() == DOUBT_S
    assert len(rung(machine.tick(DOUBT_S))) == 1
    assert machine.next_deadline() is None


def test_first_frame_that_a_repetition_contradicts_is_damage() -> None:
    wrong = frame(answer()).replace(b"000042", b"000043")
    events = hear(dialect("auto"), [(0.0, Line.TERMINAL, wrong), (1.0, Line.TERMINAL, frame(answer()))])
    assert [each.stan for each in rung(events)] == ["000042"]


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("count", [2, 3])
def test_first_sales_that_come_at_once_are_each_told(count: int, feed: str) -> None:
    """As in a file of raw octets, which has no times."""
    octets = b"".join(frame(answer(number)) for number in range(42, 42 + count))
    events = hear(dialect("auto"), [(0.0, Line.TERMINAL, octets)], feed)
    assert [each.stan for each in rung(events)] == ["000042", "000043", "000044"][:count]


@pytest.mark.parametrize(
    ("first", "second", "kinds"),
    [
        (declined(), answer(), [Kind.DECLINED, Kind.SALE]),
        (answer(42), answer(43, auth="000000") + "000" + "0" * 10, [Kind.SALE, Kind.REVERSAL]),
    ],
    ids=["approval after a refusal", "reversal after a sale"],
)
def test_first_frame_of_all_is_told_when_another_transaction_follows_within_seconds(
    first: str, second: str, kinds: list[Kind]
) -> None:
    steps = [(0.0, Line.TERMINAL, frame(first)), (DOUBT_S - 1, Line.TERMINAL, frame(second))]
    assert [each.kind for each in rung(hear(dialect("auto"), steps))] == kinds


def test_first_frame_whose_repetition_bears_it_out_is_one_sale() -> None:
    events = hear(dialect("auto"), [(0.0, Line.TERMINAL, frame(answer()) * 2)])
    assert [each.stan for each in rung(events)] == ["000042"]


def test_refusal_of_the_next_request_takes_no_sale_away() -> None:
    """On the terminal's line alone a NAK may be of what its till says."""
    octets = frame(answer(42)) + NAK + ACK + frame(answer(43))
    events = hear(dialect("auto"), [(0.0, Line.TERMINAL, octets)])
    assert [each.stan for each in rung(events)] == ["000042", "000043"]


@pytest.mark.parametrize("refused", [b"", b"\x15", NAK], ids=["unheard", "bare", "with its check octet"])
@pytest.mark.parametrize(
    "message",
    [
        answer(),
        declined(),
        f"123456780E00{'0' * 60}",
        f"123456780A00{PAN.zfill(19)}ICC      ACQ        2111520",
    ],
    ids=["sale", "refusal", "without numbers", "refund"],
)
def test_damage_that_looks_like_another_way_is_no_transaction_of_its_own(
    message: str, refused: bytes
) -> None:
    """In any octet of the very first frame, and with a repetition that follows it."""
    good, later = frame(message), frame(answer(77, auth="XYZ789"))
    clean = rung(hear(dialect("auto"), [(0.0, Line.TERMINAL, good + later)]))
    assert len(clean) == 2
    for at in range(1, len(good)):
        for bits in (1, 2, 3):
            wrong = good[:at] + bytes([good[at] ^ bits]) + good[at + 1 :]
            said = [(0.0, wrong), (0.1, refused), (0.2, good), (1.0, later)]
            steps = [(t, Line.TERMINAL, octets) for t, octets in said]
            assert rung(hear(dialect("auto"), steps)) == clean, (at, bits)


def test_first_frame_that_was_refused_is_damage_though_nothing_of_it_agrees_with_what_follows() -> None:
    wrong = frame(answer(11, auth="QQQ111").replace("000099", "000011"), "lrc-stx")
    steps = [(0.0, Line.TERMINAL, wrong), (0.1, Line.TILL, NAK), (0.2, Line.TERMINAL, frame(answer()))]
    assert [each.stan for each in rung(hear(dialect("auto"), steps))] == ["000042"]


def test_line_that_breaks_while_a_frame_waits_tells_it() -> None:
    machine = dialect("auto")
    machine.receive_data(frame(answer()), 0.0)
    assert len(rung(machine.close(1.0))) == 1


def test_frame_of_another_way_than_all_before_is_damage() -> None:
    machine = dialect("auto")
    for number in range(8):
        machine.receive_data(frame(answer(number + 1)), number * 10.0)
    wrong = frame(answer(60)).replace(b"000060", b"000061")
    events = machine.receive_data(wrong, 100.0) + settle(machine, 200.0)
    assert rung(events) == []
    assert Desynced(len(wrong), "a check octet that does not hold") in events


def test_terminal_that_is_replaced_by_one_of_another_firmware_is_heard_again() -> None:
    machine = dialect("auto")
    for number in range(20):
        machine.receive_data(frame(answer(number + 1), "lrc-stx"), number * 10.0)
    later = [(Line.TERMINAL, frame(answer(number), "lrc-etx")) for number in range(100, 110)]
    events = hear(machine, [(300.0 + at * 30, *said) for at, said in enumerate(later)])
    assert [each.stan for each in rung(events)][-9:] == [f"{number:06}" for number in range(101, 110)]


def test_request_whose_check_octet_is_of_another_way_than_the_answer_gives_no_amount() -> None:
    wrong = frame(request()).replace(b"00000650", b"00000651")
    steps = [(0.0, Line.TILL, wrong), (5.0, Line.TERMINAL, frame(answer()))]
    assert [each.amount_minor for each in rung(hear(dialect("auto"), steps))] == [None]


def test_frame_that_the_other_end_refuses_teaches_no_way_of_the_check_octet() -> None:
    """Damage in the same low bit of a request and of its answer looks like another way, twice."""
    asked, answered = frame(request()), frame(answer())
    steps = [
        (0.0, Line.TILL, asked.replace(b"00000650", b"00000651")),
        (0.1, Line.TERMINAL, NAK),
        (0.2, Line.TILL, asked),
        (5.0, Line.TERMINAL, answered.replace(b"000042", b"000043")),
        (5.1, Line.TILL, NAK),
        (5.2, Line.TERMINAL, answered),
    ]
    (sale,) = rung(hear(dialect("auto"), steps))
    assert (sale.amount_minor, sale.stan) == (650, "000042")


def test_repeated_answer_is_told_with_the_same_key_and_content() -> None:
    events = hear(dialect(), session((Line.TILL, request()), *[(Line.TERMINAL, answer())] * 3))
    assert len(rung(events)) == 1
    assert len({repr(each) for each in events}) == 1


def test_two_sales_of_the_same_amount_and_card_are_two() -> None:
    said = (
        (Line.TILL, request()),
        (Line.TERMINAL, answer(1)),
        (Line.TILL, request()),
        (Line.TERMINAL, answer(2)),
    )
    assert [each.amount_minor for each in rung(hear(dialect(), session(*said)))] == [650, 650]


def test_answer_repeated_after_the_next_request_does_not_take_its_amount() -> None:
    said = (
        (Line.TILL, request(amount=100)),
        (Line.TERMINAL, answer(1)),
        (Line.TILL, request(amount=200)),
        (Line.TERMINAL, answer(1)),
        (Line.TERMINAL, answer(2)),
    )
    assert [each.amount_minor for each in rung(hear(dialect(), session(*said)))] == [100, 200]


def test_last_result_never_rings_even_if_it_was_not_heard_before() -> None:
    events = hear(dialect(), session((Line.TILL, "123456780G00000001" + "0000"), (Line.TERMINAL, answer())))
    assert events == [Ignored("last result")]


def test_last_result_on_one_line_has_the_key_of_its_transaction() -> None:
    machine = dialect()
    events = hear(machine, session((Line.TERMINAL, answer())))
    events += hear(machine, session((Line.TERMINAL, answer())), start=500.0)
    assert len(rung(events)) == 1


def test_card_verification_never_rings() -> None:
    events = hear(
        dialect(), session((Line.TILL, f"123456780H0000000100000{'0' * 16}"), (Line.TERMINAL, answer()))
    )
    assert events == [Ignored("card verification")]


def test_declined_payment_is_told_as_declined_and_its_text_is_dropped() -> None:
    events = hear(dialect(), session((Line.TILL, request()), (Line.TERMINAL, declined())))
    (refused,) = rung(events)
    assert (refused.kind, refused.result_code, refused.stan, refused.amount_minor) == (
        Kind.DECLINED,
        "01",
        "000007",
        650,
    )
    assert refused.card is None
    assert "RIFIUTATA" not in say_everything(events)


@pytest.mark.parametrize("code", ["05", "09", "91", "99"])
def test_any_result_but_00_is_declined(code: str) -> None:
    message = answer().replace("0E00", f"0E{code}")
    assert one_sale((Line.TERMINAL, message)).kind is Kind.DECLINED


def test_declined_payments_without_numbers_are_each_told_but_not_their_repetitions() -> None:
    message = declined(0).replace("000000000003", "000000000000")
    assert len(rung(hear(dialect(), session(*[(Line.TERMINAL, message)] * 3)))) == 1
    assert len(rung(hear(dialect(), session(*[(Line.TERMINAL, message)] * 3, gap_s=60.0)))) == 3


_NOTHING = f"123456780E00{'0' * 60}"
_REFUSED = declined(0).replace("000000000003", "000000000000")
_GIVEN_BACK = f"123456780A00{'0' * 19}ICC      ACQ        2111520"


@pytest.mark.parametrize(
    ("asked", "answered", "rings"),
    [
        (
            (request(), "123456780S0000000100000000", request(amount=720)),
            _NOTHING,
            [(Kind.SALE, 650), (Kind.REVERSAL, None), (Kind.SALE, 720)],
        ),
        ((request(), request()), _REFUSED, [(Kind.DECLINED, 650)] * 2),
        (
            ("123456780A0000000100000000001000000000", "123456780A0000000100000000002000000000"),
            _GIVEN_BACK,
            [(Kind.REFUND, 100), (Kind.REFUND, 200)],
        ),
    ],
    ids=["paid, reversed, paid", "two cancelled customers", "two refunds"],
)
def test_equal_answers_without_numbers_are_each_told_where_a_request_stands_between(
    asked: tuple[str, ...], answered: str, rings: list[tuple[Kind, int | None]]
) -> None:
    said = [each for one in asked for each in ((Line.TILL, one), (Line.TERMINAL, answered))]
    events = hear(dialect(), session(*said, gap_s=1.5))
    assert [(each.kind, each.amount_minor) for each in rung(events)] == rings


def test_request_that_is_said_again_before_its_answer_makes_no_repetition_a_second_sale() -> None:
    """The answer came before the request was heard whole, so it waits still, and asks again."""
    said = (
        (Line.TERMINAL, _NOTHING),
        (Line.TILL, request("p")),
        (Line.TERMINAL, _NOTHING),
        (Line.TILL, request("p")),
    )
    kinds = [each.kind for each in rung(hear(dialect(), session(*said, (Line.TERMINAL, _NOTHING))))]
    assert kinds == [Kind.SALE, Kind.SALE]


@pytest.mark.parametrize(
    ("asked", "answered", "kind", "amount", "original"),
    [
        (request("X"), answer() + "000" + "00000640" + "0" * 10, Kind.SALE, 640, None),
        (request(), answer(letter="V") + "000" + "00000650" + "1" + "00012345USD0000000006502", Kind.SALE, 650, None),
        ("123456780A0000000100000" + "00000777" + "0" * 8, f"123456780A00{PAN.zfill(19)}ICCABC123ACQ        2111520",
         Kind.REFUND, 777, None),
        ("123456780S0000000100004100", answer() + "000" + "0" * 10, Kind.REVERSAL, None, "000041"),
        ("123456780S0000000100000000", answer() + "000" + "0" * 10, Kind.REVERSAL, None, None),
        ("123456780Q00000001000000000041C1111ACQ        00000333ABC123" + "0" * 20, answer() + "000" + "0" * 10,
         Kind.REVERSAL, 333, "000041"),
        (request("p"), f"123456780e00{PAN.zfill(19)}ICCABC12300000650000001234000211152000020000000000800004200009"
         "9" + "0" * 12, Kind.PREAUTH, 650, None),
        ("123456780i0000000100000" + "00000100" + " " * 128 + "000001234" + "0" * 8,
         f"123456780i00{PAN.zfill(19)}ICCACQ        ABC123000042000099211152000100", Kind.PREAUTH, 100, "000001234"),
        ("123456780c0000000100000" + "00000100" + " " * 128 + "000001234" + "0" * 12, answer(letter="c") + "000",
         Kind.PREAUTH_COMPLETION, 100, "000001234"),
        ("123456780c0000000100000" + "00000100" + " " * 128 + "000001234" + "0" * 12,
         answer(letter="v") + "000" + "1" + "00012345USD0000000006502" + "0" * 10, Kind.PREAUTH_COMPLETION, 100,
         "000001234"),
    ],
    ids="extended exchange refund reversal reversal-of-the-last retroactive preauth more closure closure-exchange".split(),
)  # fmt: skip
def test_each_kind_of_transaction(
    asked: str, answered: str, kind: Kind, amount: int | None, original: str | None
) -> None:
    done = one_sale((Line.TILL, asked), (Line.TERMINAL, answered))
    assert (done.kind, done.amount_minor, done.original_ref) == (kind, amount, original)
    assert done.card is not None
    assert (done.card.last4, done.auth_code) == ("1111", "ABC123")


def test_preauthorisation_without_what_newer_firmware_adds_is_told() -> None:
    """A published test message of 67 characters; card type, acquirer, STAN and online number are unknown then."""
    message = f"123456780e00{PAN.zfill(19)}CLIAUTH01000500000000001230002111520"
    assert len(message) == 67
    (event,) = told(hear(dialect(), session((Line.TERMINAL, message))))
    done = event.transaction
    assert (done.kind, done.amount_minor, done.auth_code) == (Kind.PREAUTH, 50000, "AUTH01")
    assert done.card is not None
    assert (done.card.last4, done.receipt_no, done.stan) == ("1111", "000000123", None)
    assert event.clock == PartialTime(None, 211, 15, 20)


def test_raised_preauthorisation_without_its_time_is_told() -> None:
    (event,) = told(
        hear(
            dialect(),
            session((Line.TERMINAL, f"123456780i00{PAN.zfill(19)}ICCACQ        ABC123000060000061")),
        )
    )
    done = event.transaction
    assert (done.kind, done.auth_code, done.stan, event.clock) == (Kind.PREAUTH, "ABC123", "000060", None)


def test_payment_without_its_online_number_is_told() -> None:
    sale = one_sale((Line.TILL, request()), (Line.TERMINAL, answer()[:65]))
    assert (sale.kind, sale.amount_minor, sale.stan) == (Kind.SALE, 650, "000042")


def test_number_that_the_end_of_the_message_cuts_is_unknown() -> None:
    message = f"123456780e00{PAN.zfill(19)}CLIAUTH010005000000000012300021115200002{'ACQ':11}000055"
    for short in range(1, 6):
        done = one_sale((Line.TERMINAL, message[:-short]))
        assert (done.kind, done.stan) == (Kind.PREAUTH, None)
    assert one_sale((Line.TERMINAL, message)).stan == "000055"


@pytest.mark.parametrize("reserved", ["", "0" * 10])
def test_extended_answer_has_the_hosts_amount_with_or_without_its_reserved_end(reserved: str) -> None:
    message = answer() + "000" + "00000700" + reserved
    assert one_sale((Line.TERMINAL, message)).amount_minor == 700
    assert one_sale((Line.TILL, request("X")), (Line.TERMINAL, message)).amount_minor == 700


def test_refund_that_is_answered_as_a_payment_is_a_refund_of_the_amount_that_was_asked() -> None:
    asked = "123456780A0000000100000" + "00000777" + "0" * 8
    done = one_sale((Line.TILL, asked), (Line.TERMINAL, answer()))
    assert (done.kind, done.amount_minor) == (Kind.REFUND, 777)


def test_answer_that_only_a_reversal_has_is_one_without_its_request() -> None:
    assert one_sale((Line.TERMINAL, answer() + "000" + "0" * 10)).kind is Kind.REVERSAL


def test_exchange_of_currencies_tells_the_shops_amount_on_one_line() -> None:
    message = answer(letter="V") + "000" + "00000650" + "1" + "00012345USD000000000650" + "2"
    sale = one_sale((Line.TERMINAL, message))
    assert (sale.amount_minor, sale.currency) == (650, "EUR")


def test_amount_of_zeros_is_no_amount() -> None:
    assert one_sale((Line.TILL, request(amount=0)), (Line.TERMINAL, answer())).amount_minor is None


def test_request_is_forgotten_after_its_time() -> None:
    for wait, amount in ((REQUEST_KEPT_S, 650), (REQUEST_KEPT_S + 1, None)):
        steps = [(0.0, Line.TILL, frame(request())), (wait, Line.TERMINAL, frame(answer()))]
        assert [each.amount_minor for each in rung(hear(dialect(), steps))] == [amount]


def test_request_to_another_terminal_gives_no_amount() -> None:
    other = request().replace("12345678", "87654321", 1)
    assert one_sale((Line.TILL, other), (Line.TERMINAL, answer())).amount_minor is None
    anyone = request().replace("12345678", "00000000", 1)
    assert one_sale((Line.TILL, anyone), (Line.TERMINAL, answer())).amount_minor == 650


def test_refund_answer_does_not_take_the_amount_of_a_payment() -> None:
    message = f"123456780A00{PAN.zfill(19)}ICCABC123ACQ        2111520"
    assert one_sale((Line.TILL, request()), (Line.TERMINAL, message)).amount_minor is None


def test_agent_that_starts_between_request_and_answer_tells_no_amount() -> None:
    octets = frame(request())[60:] + ACK + frame(answer())
    assert [each.amount_minor for each in rung(hear(dialect(), [(0.0, Line.TERMINAL, octets)]))] == [None]


def test_closed_session_is_a_settlement_and_rings_nothing() -> None:
    message = f"123456780C00{123456:016}{123456:016}"
    (event,) = hear(dialect(), session(*[(Line.TERMINAL, message)] * 2))[:1]
    assert isinstance(event, SettlementHeard)
    assert (event.settlement.terminal_id, event.settlement.amount_minor) == ("12345678", 123456)


@pytest.mark.parametrize(
    "message",
    [
        "123456780T00" + f"{123456:016}000000",
        "123456780s" + "0" * 10 + "01022515302SYS03.40",
        "123456780SBAR ROMA}IMPORTO EUR 6,50}",
        "123456780U000000016DF8D010ABC",
        "123456780E1",
        "123456780E00" + "000042000099" + "2111520" + "0" * 220,
        "123456780E01000042000099CHIAVI KO" + " " * 15 + "0" * 11,
        "123456780C01SBILANCIO          100" + "0" * 10,
        "123456780R1000000000000",
    ],
    ids="totals status receipt tokens print keys no-keys not-closed reprint".split(),
)
def test_what_is_no_transaction_rings_nothing(message: str) -> None:
    assert rung(hear(dialect(), session((Line.TILL, request()), (Line.TERMINAL, message)))) == []


@pytest.mark.parametrize("feed", FEEDS)
def test_ack_progress_answer_and_ack_glued_in_one_read_are_all_heard(feed: str) -> None:
    busy = b"\x01ELABORAZIONE...     \x04"
    octets = (
        frame(request()) + ACK + busy + busy + frame(answer()) + ACK + b"\x06" + frame(answer(2)) + b"\x06"
    )
    events = hear(dialect(), [(0.0, Line.TERMINAL, octets)], feed)
    assert [each.amount_minor for each in rung(events)] == [650, None]
    if feed != "noise before":
        assert not any(isinstance(each, Desynced) for each in events)


@pytest.mark.parametrize("check", [0x01, 0x02, 0x03, 0x04, 0x06, 0x15])
def test_check_octet_that_looks_like_a_control_is_no_control(check: int) -> None:
    alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    codes = (f"{a}{b}{c}123" for a in alphabet for b in alphabet for c in alphabet)
    octets = next(each for each in (frame(answer(7, auth=code)) for code in codes) if each[-1] == check)
    for feed in FEEDS:
        events = hear(dialect(), [(0.0, Line.TERMINAL, octets + frame(answer(8)) + ACK)], feed)
        assert [each.stan for each in rung(events)] == ["000007", "000008"]


def test_frame_without_its_check_octet_does_not_swallow_the_next_one() -> None:
    octets = frame(answer(1))[:-1] + frame(answer(2))
    assert [each.stan for each in rung(hear(dialect(), [(0.0, Line.TERMINAL, octets)]))] == ["000002"]


def test_desynced_counts_what_was_skipped() -> None:
    cut = frame(answer(1))[:30]
    events = hear(dialect(), [(0.0, Line.TERMINAL, cut + frame(answer(2)) + b"\xff\x00")])
    assert sum(each.octets for each in events if isinstance(each, Desynced)) == len(cut) + 2


def test_unknown_layout_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(SettingsError, match="lrc-stx"):
        dialect("lrc-sxt")
    assert set(LAYOUTS) == {"auto", *COVERS}


# The simulated till.


def _steps(conversations: Iterable[Exchange], lines: tuple[Line, ...]) -> list[Step]:
    now, steps = 0.0, []
    for exchange in conversations:
        for spoken in exchange.spoken:
            now += spoken.after_s
            if spoken.line in lines:
                steps.append((now, spoken.line, spoken.octets))
    return steps


def _day(seed: int, troubles: Iterable[str] = TROUBLES, count: int = 60) -> list[Exchange]:
    return list(
        islice(exchanges_of("ecr17")(seed, datetime(2026, 12, 30, 9), "EUR", frozenset(troubles)), count)
    )


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("seed", range(5))
def test_simulated_day_on_both_lines_tells_exactly_what_happened(seed: int, feed: str) -> None:
    day = _day(seed)
    expected = [each for exchange in day for each in exchange.expected]
    assert rung(hear(dialect("auto"), _steps(day, tuple(Line)), feed)) == expected


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("seed", range(5))
def test_simulated_day_on_the_terminals_line_tells_what_it_can_know(seed: int, feed: str) -> None:
    day = _day(seed)
    expected = [each for exchange in day for each in exchange.expected_one_line]
    assert rung(hear(dialect("auto"), _steps(day, (Line.TERMINAL,)), feed)) == expected


@pytest.mark.parametrize("trouble", [(), *[(each,) for each in TROUBLES]])
def test_each_trouble_alone_changes_nothing_of_what_is_told(trouble: tuple[str, ...]) -> None:
    for seed in range(20, 26):
        day = _day(seed, trouble)
        expected = [each for exchange in day for each in exchange.expected]
        assert rung(hear(dialect("auto"), _steps(day, tuple(Line)))) == expected


def test_simulated_day_has_every_kind_and_no_card_number_of_it_is_told() -> None:
    day = _day(3, count=400)
    kinds = {each.kind for exchange in day for each in exchange.expected}
    assert kinds == {*range(Kind.SALE, Kind.SETTLEMENT)} - {Kind.VOID}
    assert "411111" not in say_everything(hear(dialect("auto"), _steps(day, tuple(Line))))


# Any octets.

_LINES = st.sampled_from(list(Line))
_PIECES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [frame(answer()), frame(request()), frame(declined()), ACK, NAK, b"\x06", b"\x02", b"\x03"]
    ),
)


@given(st.lists(st.tuples(_LINES, _PIECES, st.floats(0, 10)), max_size=20), st.sampled_from([*LAYOUTS]))
def test_any_octets_give_events_and_deadlines_that_end(
    said: list[tuple[Line, bytes, float]], layout: str
) -> None:
    machine, now = dialect(layout), 0.0
    for line, octets, after_s in said:
        now += after_s
        machine.receive_data(octets, now, line)
        assert all(len(each._kept) <= MAX_MESSAGE + 2 for each in machine._framers.values())
    settle(machine, now + QUIET_S)
    assert machine.next_deadline() is None
    machine.close(now + QUIET_S)


def test_frame_that_never_ends_is_not_kept() -> None:
    machine = dialect()
    machine.receive_data(b"\x02" + b"1" * 100_000, 0.0)
    assert len(machine._framers[Line.TERMINAL]._kept) <= MAX_MESSAGE + 2
    assert len(rung(machine.receive_data(frame(answer()), 0.1))) == 1


@given(st.data())
def test_octets_that_were_changed_give_no_amount_that_the_line_does_not_hold(data: st.DataObject) -> None:
    layout = data.draw(st.sampled_from([*LAYOUTS]))
    octets = bytearray(
        frame(request())
        + ACK
        + frame(answer())
        + ACK
        + frame(answer(3, letter="V") + "00000000650" + "0" * 25)
    )
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    for each in rung(hear(dialect(layout), [(0.0, Line.TERMINAL, bytes(octets))])):
        assert each.amount_minor is None or b"%08d" % each.amount_minor in octets


@given(st.integers(0, 237), st.integers(0, 7))
def test_one_wrong_bit_never_changes_an_amount(at: int, bit: int) -> None:
    octets = bytearray(frame(request()) + frame(answer()))
    octets[at % len(octets)] ^= 1 << bit
    for layout in ("lrc", "auto"):
        steps = [(0.0, Line.TILL, bytes(octets[:170])), (3.0, Line.TERMINAL, bytes(octets[170:]))]
        assert {each.amount_minor for each in rung(hear(dialect(layout), steps))} <= {None, 650}


# Card data.


def _luhn(digits: str) -> str:
    total = sum(
        sum(divmod(int(d) * 2, 10)) if at % 2 == 0 else int(d) for at, d in enumerate(reversed(digits))
    )
    return digits + str(-total % 10)


def _said_with(pan: str, shown: str, text: str, track: str) -> list[str]:
    """Every message in which a card number could stand: as ``shown`` where one belongs, else as text."""
    return [
        request(text=text),
        answer(1, pan=shown),
        answer(2, pan=f"{pan:19}"),
        declined(3, text[:24]),
        declined(4, track[:24]),
        f"123456780S{text:25}}}{track:50}",
        f"123456780U000000062DF8D01  0000000000{track}\x1b",
        f"123456780K00000001000000000{len(track):04}<p>{track}</p>",
        f"123456780C01{text[:19]:19}100" + "0" * 10,
        answer(5, letter="V", pan=shown) + "000" + "00000650" + "1" + "00012345USD0000000006502",
    ]


@settings(max_examples=200)
@given(
    st.integers(13, 19),
    st.sampled_from("23456"),
    st.integers(0, 10**18),
    st.sampled_from(["", " ", "-", "."]),
)
def test_planted_card_numbers_leave_no_trace_but_four_digits(
    length: int, first: str, body: int, between: str
) -> None:
    pan = _luhn(first + f"{body:018}"[-(length - 2) :])
    text = between.join(pan[at : at + 4] for at in range(0, len(pan), 4))
    masked = "*" * (length - 4) + pan[-4:]
    for layout in ("lrc", "auto"):
        for line in Line:
            planted, clean = (
                say_everything(hear(dialect(layout), session(*[(line, each) for each in said])))
                for said in (
                    _said_with(pan, pan.zfill(19), text, f";{pan}=2812101{pan}?"),
                    _said_with(masked, masked.zfill(19), "", ""),
                )
            )
            assert planted == clean
            assert pan not in planted


def test_tables_name_every_field_that_leaves() -> None:
    told_of = " ".join(FIELDS.values())
    for name in (
        "terminal_id",
        "result_code",
        "auth_code",
        "stan",
        "amount_minor",
        "receipt_no",
        "original_ref",
        "card",
    ):
        assert name in told_of


def test_speed_is_far_above_any_line() -> None:
    """Not a measurement: a stream of a thousand sales is heard, whole, without anything that grows."""
    octets = b"".join(frame(request(amount=n)) + ACK + frame(answer(n)) + ACK for n in range(1, 1001))
    machine = dialect()
    assert len(rung(machine.receive_data(octets, 0.0))) == 1000
    assert not machine._framers[Line.TERMINAL].waits


def test_pieces_of_any_size_give_the_same_events() -> None:
    octets = b"".join(frame(request(amount=n)) + ACK + frame(answer(n)) + ACK for n in range(1, 20))
    whole = rung(dialect().receive_data(octets, 0.0))
    chance = random.Random(5)
    for _ in range(20):
        machine, at, events = dialect(), 0, []
        while at < len(octets):
            size = chance.randint(1, 30)
            events += machine.receive_data(octets[at : at + size], 0.0)
            at += size
        assert rung(events) == whole


def test_scheme_is_told_where_the_card_is_a_bancomat() -> None:
    sale = one_sale((Line.TERMINAL, answer().replace("21115202", "21115201")))
    assert sale == replace(one_sale((Line.TERMINAL, answer())), scheme="pagobancomat")
