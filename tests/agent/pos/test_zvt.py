"""ZVT: frames, exchanges, what is told of them and what never is."""

import random
import sys
from datetime import datetime
from functools import cache
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from family_zvt import framed
from streams import FEEDS, QUIET_S, Step, hear, say_everything, told

from tillbell_agent.pos import zvt
from tillbell_agent.pos.checks import crc_kermit
from tillbell_agent.pos.dialect import (
    Desynced,
    DialectEvent,
    Ignored,
    Line,
    SettlementHeard,
    TransactionCompleted,
)
from tillbell_agent.pos.settings import DialectSettings, SettingsError
from tillbell_agent.pos.zvt import ANSWER_S, COMPLETION_S, Zvt
from tillbell_agent.pos.zvt_frames import FRAME_QUIET_S, MAX_FRAME_OCTETS
from tillbell_agent.sim.tills import TROUBLES, Exchange, exchanges_of
from tillbell_protocol.event import Kind, Transaction
from tillbell_protocol.pan import TruncatedPan

OK = b"\x80\x00\x00"
DONE = bytes.fromhex("060f00")
NUMBERS = "0b000470 0c223953 0d1010 2928004869 870470"
SALE_ASKED = bytes.fromhex("06010a 04000000002040 490978")


def apdu(code: str, fields: str = "") -> bytes:
    data = bytes.fromhex(fields)
    length = bytes((len(data),)) if len(data) < 255 else b"\xff" + len(data).to_bytes(2, "little")
    return bytes.fromhex(code) + length + data


def status(
    fields: str = "", *, amount: int | None = 2040, result: str = "00", numbers: str = NUMBERS
) -> bytes:
    said = f"04{amount:012} 490978" if amount is not None else ""
    return apdu("040f", f"27{result} {said} {numbers} {fields}")


def text(words: str) -> str:
    return words.encode("cp437").hex()


def printed(line: str) -> bytes:
    return apdu("06d1", "40" + text(line))


def fresh(currency: str = "EUR") -> Zvt:
    return Zvt(DialectSettings(currency=currency))


def said(*apdus: bytes, till: tuple[bytes, ...] = (), every_s: float = 1.0) -> list[Step]:
    """``till``: those of ``apdus`` that the till says; the terminal says all others."""
    return [
        (at * every_s, Line.TILL if each in till else Line.TERMINAL, framed(each))
        for at, each in enumerate(apdus)
    ]


def of(*apdus: bytes, till: tuple[bytes, ...] = (), currency: str = "EUR") -> list[Transaction]:
    return [event.transaction for event in told(hear(fresh(currency), said(*apdus, till=till)))]


def asked(command: bytes, *answers: bytes) -> list[Transaction]:
    return of(command, OK, *answers, till=(command,))


def only(transactions: list[Transaction]) -> Transaction:
    assert len(transactions) == 1
    return transactions[0]


# Frames.


@pytest.mark.parametrize(
    ("frame", "inside"),
    [
        ("10 02 80 00 00 10 03 F5 1F", "800000"),
        (
            "10 02 06 01 0A 04 00 00 00 01 10 10 00 49 09 78 10 03 F2 FF",
            "06010a04000000011000490978",
        ),
        ("10 02 06 0f 00 10 03 c6 33", "060f00"),
    ],
)
def test_published_frames_are_those_that_the_tests_write(frame: str, inside: str) -> None:
    assert framed(bytes.fromhex(inside)) == bytes.fromhex(frame)


def test_a_doubled_10_inside_an_amount_is_one() -> None:
    assert only(of(status(amount=100_010_101_010), DONE)).amount_minor == 100_010_101_010


@cache
def _ending_in(crc: bytes) -> bytes:
    """A status whose check octets are those: they are not doubled, and may look like anything."""
    made = (status(numbers=f"0b{trace:06} 0d1010 870470") for trace in range(1_000_000))
    return next(each for each in made if crc_kermit(each + b"\x03") == int.from_bytes(crc, "little"))


@pytest.mark.parametrize("crc", ["1003", "1002", "0606", "1010", "0310"])
@pytest.mark.parametrize("feed", FEEDS)
def test_check_octets_may_look_like_control_octets(crc: str, feed: str) -> None:
    made = _ending_in(bytes.fromhex(crc))
    events = hear(fresh(), said(made, DONE), feed)
    assert only([event.transaction for event in told(events)]).amount_minor == 2040


def test_ack_and_frames_that_come_as_one_piece_are_taken_apart() -> None:
    piece = b"\x06" + framed(OK) + b"\x06\x06" + framed(status()) + b"\x15" + framed(status()) + framed(DONE)
    events = fresh().receive_data(piece, 0.0)
    assert [type(event) for event in events] == [TransactionCompleted]


def test_a_frame_behind_one_that_was_cut_is_heard_without_any_pause() -> None:
    whole = framed(status())
    for cut in range(1, len(whole)):
        if whole[cut - 2 : cut] != b"\x10\x03" and whole[cut - 3 : cut - 1] != b"\x10\x03":
            events = fresh().receive_data(whole[:cut] + whole + framed(DONE), 0.0)
            assert told(events), cut


def test_a_frame_is_heard_behind_one_that_lost_its_check_octets_or_ends_in_a_lone_10() -> None:
    whole, torn = framed(status()), framed(status(numbers="0b000010 870010"))
    for cut in (torn[:-2], torn[:-1], torn[: torn.index(b"\x10\x10") + 1]):
        assert told(fresh().receive_data(cut + whole + framed(DONE), 0.0))


def test_a_frame_that_stops_is_given_up_when_the_line_is_silent() -> None:
    dialect = fresh()
    dialect.receive_data(framed(status())[:-5] + b"\x10", 0.0)
    assert dialect.next_deadline() == FRAME_QUIET_S
    assert dialect.tick(FRAME_QUIET_S) == [
        Desynced(len(framed(status())) - 4, "octets outside of frames, or in damaged ones")
    ]
    assert dialect.next_deadline() is None


def test_a_damaged_frame_tells_nothing_and_its_repetition_once() -> None:
    good = framed(status())
    for at in range(2, len(good)):
        for bit in range(8):
            bad = good[:at] + bytes((good[at] ^ 1 << bit,)) + good[at + 1 :]
            steps: list[Step] = [
                (0.0, Line.TERMINAL, bad),
                (0.1, Line.TILL, b"\x15"),
                (5.0, Line.TERMINAL, good),
            ]
            events = hear(fresh(), [*steps, (6.0, Line.TERMINAL, framed(DONE))])
            assert [event.transaction.amount_minor for event in told(events)] == [2040], (at, bit)


def test_octets_outside_of_frames_are_counted_and_acks_are_not() -> None:
    events = fresh().receive_data(b"\x00\xff\x06\x15\x06noise" + framed(status()), 0.0)
    assert events == [Desynced(7, "octets outside of frames, or in damaged ones")]


def test_a_frame_without_end_takes_no_more_memory_than_it_may() -> None:
    dialect = fresh()
    for _ in range(100):
        dialect.receive_data(b"\x10\x02" + b"7" * 1000, 0.0)
        dialect.receive_data(b"7" * MAX_FRAME_OCTETS, 0.0)
        assert all(len(reader._buffer) <= MAX_FRAME_OCTETS for reader in dialect._both)
    assert told(dialect.receive_data(framed(status()) + framed(DONE), 0.0))


# Exchanges.


def test_a_payment_is_told_when_it_stands_and_not_before() -> None:
    dialect = fresh()
    assert dialect.receive_data(framed(status()), 0.0) == []
    event = dialect.receive_data(framed(DONE), 1.0)[0]
    assert isinstance(event, TransactionCompleted)
    assert event.transaction.final
    assert event.transaction.amount_minor == 2040
    assert event.transaction.stan == "000470"
    assert event.transaction.receipt_no == "0470"
    assert event.transaction.terminal_id == "28004869"
    assert dialect.receive_data(framed(DONE), 2.0) == []


def test_a_payment_whose_completion_never_comes_is_told_as_not_final() -> None:
    dialect = fresh()
    dialect.receive_data(framed(status()), 10.0)
    assert dialect.next_deadline() == 10.0 + COMPLETION_S
    assert [event.transaction.final for event in told(dialect.tick(10.0 + COMPLETION_S))] == [False]
    assert dialect.receive_data(framed(DONE), 80.0) == []
    assert dialect.next_deadline() is None


def test_receipts_that_are_printed_keep_a_payment_waiting() -> None:
    dialect, now = fresh(), 0.0
    dialect.receive_data(framed(status()), now)
    for _ in range(10):
        now += COMPLETION_S - 1
        assert dialect.receive_data(framed(printed("Vielen Dank")), now) == []
    assert [event.transaction.final for event in told(dialect.receive_data(framed(DONE), now + 1))] == [True]


def test_a_line_that_breaks_tells_what_was_approved_as_not_final() -> None:
    dialect = fresh()
    dialect.receive_data(framed(status()) + b"\x10\x02\x06", 0.0)
    events = dialect.close(1.0)
    assert [event.transaction.final for event in told(events)] == [False]
    assert dialect.next_deadline() is None
    assert dialect.close(2.0) == []


def test_the_next_command_ends_a_payment_whose_completion_was_missed() -> None:
    transactions = asked(SALE_ASKED, status(), apdu("0622", "04000000000100"), OK)
    assert [(each.final, each.kind) for each in transactions] == [(False, Kind.SALE)]


def test_without_the_tills_line_the_next_accepted_command_does_so_too() -> None:
    transactions = of(OK, status(), OK, bytes.fromhex("061e016c"))
    assert [(each.final, each.kind) for each in transactions] == [(False, Kind.SALE)]


def test_an_approved_payment_that_is_aborted_was_declined() -> None:
    transaction = only(asked(SALE_ASKED, status(), apdu("061e", "6c")))
    assert transaction.kind is Kind.DECLINED
    assert transaction.result_code == "6c"
    assert transaction.amount_minor == 2040


def test_an_aborted_payment_that_is_asked_for_again_is_no_sale() -> None:
    assert only(of(OK, status(), apdu("061e", "6c"), OK, status(), DONE)).kind is Kind.DECLINED


def test_an_abort_behind_a_payment_that_was_told_takes_it_back() -> None:
    dialect = fresh()
    dialect.receive_data(framed(status()), 0.0)
    sale = told(dialect.tick(COMPLETION_S))[0]
    back = told(dialect.receive_data(framed(apdu("061e", "6c")), COMPLETION_S + 5))[0]
    assert (sale.transaction.kind, back.transaction.kind) == (Kind.SALE, Kind.REVERSAL)
    assert back.transaction.original_ref == sale.transaction.stan == "000470"
    assert back.transaction.amount_minor == 2040
    assert back.key not in (None, sale.key)


@pytest.mark.parametrize("between", [OK, apdu("04ff", "0a"), SALE_ASKED])
def test_an_abort_of_the_next_exchange_takes_nothing_back(between: bytes) -> None:
    dialect = fresh()
    dialect.receive_data(framed(status()), 0.0)
    dialect.tick(COMPLETION_S)
    now = COMPLETION_S + 5
    events = dialect.receive_data(framed(between) + framed(apdu("061e", "6c")), now)
    assert [each.transaction.kind for each in told(events)] in ([], [Kind.DECLINED])


def test_a_refund_that_is_aborted_after_it_was_told_is_no_reversal_of_a_sale() -> None:
    dialect, command = fresh(), apdu("0631", PASSWORD + "04000000002040 490978")
    dialect.receive_data(framed(command), 0.0, Line.TILL)
    dialect.receive_data(framed(status()), 1.0)
    assert [each.transaction.kind for each in told(dialect.tick(1 + COMPLETION_S))] == [Kind.REFUND]
    assert dialect.receive_data(framed(apdu("061e", "6c")), 70.0) == [Ignored("aborted after it was told")]


def test_a_payment_that_is_taken_back_in_its_own_exchange_is_two_events() -> None:
    back = status("37000470", numbers="0b000471 0c224000 0d1010 2928004869 870471")
    kinds = [(each.kind, each.original_ref) for each in asked(SALE_ASKED, status(), back, DONE)]
    assert kinds == [(Kind.SALE, None), (Kind.REVERSAL, "000470")]


def test_a_status_that_is_repeated_is_one_payment() -> None:
    repeat = bytes.fromhex("849c00")
    assert len(asked(SALE_ASKED, status(), status(), repeat, status(), DONE, DONE)) == 1


def test_a_status_that_is_repeated_without_one_of_its_numbers_is_one_payment_with_all_of_them() -> None:
    whole = NUMBERS + " 88000470"
    (at_once,) = told(hear(fresh(), said(status(numbers=whole), DONE)))
    for lacking in (" 88000470", "870470"):
        less = status(numbers=whole.replace(lacking, ""))
        for pair in ((status(numbers=whole), less), (less, status(numbers=whole))):
            assert told(hear(fresh(), said(*pair, DONE))) == [at_once]


def test_statuses_that_have_no_number_in_common_are_two_payments() -> None:
    first, second = (
        status(numbers="0d1010 0c223953 870470"),
        status(numbers="0d1010 0c223953 0b000471 88000471 8bf0f456495341"),
    )
    assert len(told(hear(fresh(), said(first, second, DONE)))) == 2


def test_a_status_that_comes_again_after_it_was_told_is_no_new_payment() -> None:
    dialect = fresh()
    dialect.receive_data(framed(status()), 0.0)
    dialect.tick(COMPLETION_S)
    assert dialect.receive_data(framed(status()) + framed(DONE), COMPLETION_S + 1) == [
        Ignored("repeated status")
    ]


def test_what_differs_in_anything_but_its_card_has_a_key_of_its_own() -> None:
    numbers = (
        NUMBERS,
        NUMBERS.replace("0470", "0471"),
        NUMBERS.replace("1010", "1011"),
        NUMBERS.replace("69", "70"),
    )
    answers = [status(numbers=each) for each in numbers] + [status(amount=2041), status("37000001")]
    keys = [event.key for answer in answers for event in told(hear(fresh(), said(answer, DONE)))]
    assert len(set(keys)) == len(answers)
    assert (
        len(
            {
                told(hear(fresh(), said(each, DONE)))[0].key
                for each in (answers[0], status("22f0f8eeeeeeeeeeee4771"))
            }
        )
        == 1
    )


def test_two_payments_of_one_amount_and_card_are_two() -> None:
    second = status("22f0f8eeeeeeeeeeee4771", numbers=NUMBERS.replace("0470", "0471"))
    assert len(of(status("22f0f8eeeeeeeeeeee4771"), DONE, second, DONE)) == 2


def test_payments_without_any_number_are_told_each_and_repetitions_of_one_once() -> None:
    bare = status(numbers="")
    events = hear(fresh(), said(SALE_ASKED, bare, bare, DONE, SALE_ASKED, bare, DONE, till=(SALE_ASKED,)))
    assert [(each.key, each.transaction.amount_minor) for each in told(events)] == [
        (None, 2040),
        (None, 2040),
    ]


def test_the_amount_comes_from_the_till_where_the_terminal_leaves_it_out() -> None:
    transaction = only(asked(SALE_ASKED, status("8bf0f556495341", amount=None), DONE))
    assert (transaction.amount_minor, transaction.currency) == (2040, "EUR")
    alone = only(of(OK, status("8bf0f556495341", amount=None), DONE))
    assert (alone.amount_minor, alone.currency) == (None, None)


def test_goods_of_another_amount_change_what_was_paid() -> None:
    """The published exchange of an issue of goods: the till gives out less than was asked for."""
    command, waiting = apdu("0601", "04000000003300 020a"), bytes.fromhex("849c00")
    issued = apdu("849d", "04000000002200")
    for answer in (apdu("040f", "2700"), status(amount=3300)):
        steps = said(command, answer, waiting, answer, issued, DONE, till=(command, waiting, issued))
        (event,) = told(hear(fresh(), steps))
        assert (event.transaction.kind, event.transaction.amount_minor) == (Kind.SALE, 2200)
    (alone,) = told(hear(fresh(), said(status(amount=3300), DONE)))
    assert (alone.key, alone.transaction.amount_minor) == (event.key, 3300)


def test_goods_of_one_exchange_say_nothing_of_the_next() -> None:
    issued, second = apdu("849d", "04000000002200"), status(numbers=NUMBERS.replace("0470", "0471"))
    amounts = [
        each.amount_minor
        for each in of(
            SALE_ASKED, status(), issued, DONE, SALE_ASKED, second, DONE, till=(SALE_ASKED, issued)
        )
    ]
    assert amounts == [2200, 2040]


def test_an_amount_of_zero_is_no_payment_where_none_was_asked_for() -> None:
    """As a terminal tells the release of a reservation: approved, with numbers, a card and its name."""
    merchant, code, name = text("804011926".ljust(15)), text("750071"), text("MasterCard\0")
    released = apdu(
        "040f",
        "2700 04000000000000 0b000977 0c225558 0d0405 170001 1970 22f0f855988455eeee8074 2952523535"
        f"2a{merchant} 3b{code}0000 490978 870232 8a2e 8bf1f1{name}",
    )
    assert hear(fresh(), said(released, DONE)) == [Ignored("an amount of zero")]
    assert hear(fresh(), said(OK, released, printed("Gutschrift"), DONE)) == [Ignored("an amount of zero")]


def test_an_amount_of_zero_is_the_asked_one_and_never_zero() -> None:
    assert only(asked(SALE_ASKED, status(amount=0), DONE)).amount_minor == 2040
    reversal = apdu("0630", PASSWORD + "870470")
    assert only(asked(reversal, status(amount=0), DONE)).amount_minor is None
    assert only(of(status(amount=0, result="6c"), DONE)).amount_minor is None


def test_the_terminals_amount_counts_where_both_tell_one() -> None:
    assert only(asked(SALE_ASKED, status(amount=2540), DONE)).amount_minor == 2540


def test_a_command_that_waits_too_long_is_forgotten() -> None:
    dialect = fresh()
    dialect.receive_data(framed(SALE_ASKED), 0.0, Line.TILL)
    dialect.tick(ANSWER_S)
    events = dialect.receive_data(framed(status(amount=None)) + framed(DONE), ANSWER_S + 1)
    assert only([each.transaction for each in told(events)]).amount_minor is None


def test_a_customer_may_take_minutes_to_find_the_card() -> None:
    dialect = fresh()
    dialect.receive_data(framed(SALE_ASKED), 0.0, Line.TILL)
    events = dialect.receive_data(framed(status(amount=None)) + framed(DONE), ANSWER_S - 1)
    assert only([each.transaction for each in told(events)]).amount_minor == 2040


def test_the_amount_of_one_command_never_goes_to_the_next_ones_answer() -> None:
    card_read = apdu("06c0", "0f")
    transactions = of(
        SALE_ASKED, OK, DONE, status(amount=None), DONE, card_read, OK, till=(SALE_ASKED, card_read)
    )
    assert [each.amount_minor for each in transactions] == [None]


PASSWORD = "123456"
COMMANDS = {
    "0601": (Kind.SALE, ""),
    "0621": (Kind.SALE, ""),
    "0622": (Kind.PREAUTH, ""),
    "0624": (Kind.PREAUTH_COMPLETION, ""),
    "0630": (Kind.REVERSAL, PASSWORD),
    "0631": (Kind.REFUND, PASSWORD),
}


@pytest.mark.parametrize("code", COMMANDS)
def test_the_command_says_what_an_answer_is(code: str) -> None:
    kind, before = COMMANDS[code]
    command = apdu(code, f"{before} 870231 04000000002040 490978")
    assert only(asked(command, status(), DONE)).kind is kind


@pytest.mark.parametrize("code", ["0630", "0631"])
@pytest.mark.parametrize("before", [PASSWORD, "000000", "040000", "490978", ""])
def test_a_password_is_never_taken_for_a_field_nor_a_field_for_a_password(code: str, before: str) -> None:
    command = apdu(code, f"{before} 04000000002040 490978 870231")
    transaction = only(asked(command, status("", amount=None), DONE))
    assert transaction.amount_minor == 2040


@pytest.mark.parametrize(
    "code", ["0603", "060a", "060c", "0610", "0612", "0620", "0625", "06c0", "0501", "0670", "0813", "0fa1"]
)
def test_what_is_no_payment_tells_nothing(code: str) -> None:
    command = apdu(code, PASSWORD)
    events = hear(fresh(), said(command, OK, status("22f0f8eeeeeeeeeeee4771"), DONE, till=(command,)))
    assert told(events) == []
    assert any(isinstance(event, Ignored) for event in events)


def test_a_password_that_looks_like_a_receipts_number_is_still_a_password() -> None:
    command = apdu("0630", "870231 870470 04000000002040")
    assert only(asked(command, status(), DONE)).original_ref == "0470"


def test_a_booking_tells_what_was_booked_and_never_what_was_released() -> None:
    released = apdu("0623", "870231 04000000001295 490978")
    assert only(asked(released, status(amount=1205), DONE)).amount_minor == 1205
    for answered in (1295, None):
        booked = only(asked(released, status(amount=answered), DONE))
        assert (booked.kind, booked.amount_minor) == (Kind.PREAUTH_COMPLETION, None)
    assert booked.original_ref == "0231"


def test_the_question_which_reservations_there_are_tells_nothing() -> None:
    assert asked(apdu("0623", "87ffff"), apdu("061e", "b8870231")) == []


def test_a_payment_that_is_given_up_before_any_status_was_declined() -> None:
    transaction = only(asked(SALE_ASKED, apdu("061e", "6c")))
    assert (transaction.kind, transaction.amount_minor, transaction.result_code) == (
        Kind.DECLINED,
        2040,
        "6c",
    )
    assert of(OK, apdu("061e", "6c")) == []


def test_a_day_total_is_a_settlement_on_one_line_and_on_two() -> None:
    totals = "60f0f5f3 0233 0234" + "00" * 42 + "02 000000000958"
    total = apdu("040f", f"2700 04000000000958 0b000982 0d0406 0c081706 {totals}")
    command = apdu("0650", PASSWORD)
    for steps in (said(command, total, DONE, till=(command,)), said(total, DONE)):
        heard = [event for event in hear(fresh(), steps) if isinstance(event, SettlementHeard)]
        assert [(each.settlement.amount_minor, each.settlement.count) for each in heard] == [(958, 2)]
        assert heard[0].key is not None
    bare = apdu("040f", "2700 04000000000958 0b000982 0d0406 0c081706")
    assert asked(command, bare, DONE) == of(bare, DONE) == []


def test_a_settlement_that_failed_is_none() -> None:
    command = apdu("0650", PASSWORD)
    events = hear(fresh(), said(command, apdu("040f", "27ff"), apdu("061e", "ff"), till=(command,)))
    assert events == [Ignored("settlement failed")]


def test_a_card_that_is_read_tells_nothing_even_on_one_line() -> None:
    assert of(apdu("040f", "2700 22f0f8eeeeeeeeeeee4771 06034c0100"), DONE) == []


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("*** GUTSCHRIFT ***", Kind.REFUND),
        ("Refund VISA", Kind.REFUND),
        ("Storno-Kartenzahlung", Kind.REVERSAL),
        ("Reservierung", Kind.PREAUTH),
        ("STORNO-BELEG", Kind.REVERSAL),
        ("Kartenzahlung Storno", Kind.REVERSAL),
        ("EC-Karte Gutschrift", Kind.REFUND),
        ("RÜCKERSTATTUNG", Kind.REFUND),
        ("Cancellation", Kind.REVERSAL),
        ("Card Refund", Kind.REFUND),
        ("Kartenzahlung", Kind.SALE),
        ("No Refund", Kind.SALE),
        ("Kein Storno", Kind.SALE),
        ("Refund policy", Kind.SALE),
        ("Storno nicht möglich", Kind.SALE),
        ("Gutschrift nur gegen Vorlage des Bons", Kind.SALE),
        ("Storno 0 0,00", Kind.SALE),
        ("", Kind.SALE),
    ],
)
def test_without_the_tills_line_a_receipts_title_says_what_was_done(title: str, kind: Kind) -> None:
    block = f"07{len(title):02x}{text(title)}"
    lines = f"25{len(block) // 2:02x}{block}"
    container = f"06{len(lines) // 2 + 4:02x} 1f070101 {lines}"
    for receipt in (printed(title), apdu("06d3", container)):
        assert only(of(OK, status(), printed("Kundenbeleg"), receipt, DONE)).kind is kind
        assert only(asked(SALE_ASKED, status(), receipt, DONE)).kind is Kind.SALE


@pytest.mark.parametrize("page", ["cp437", "latin-1", "utf-8"])
@pytest.mark.parametrize("title", ["Rückerstattung", "* RÜCKERSTATTUNG *", "Händlerbeleg Storno"])
def test_a_title_is_read_in_each_code_page_that_a_till_may_ask_for(title: str, page: str) -> None:
    line = apdu("06d1", "40" + title.encode(page).hex())
    assert only(of(OK, status(), line, DONE)).kind is not Kind.SALE


def test_a_title_says_nothing_of_the_next_exchange() -> None:
    second = status(numbers=NUMBERS.replace("0470", "0471"))
    kinds = [each.kind for each in of(OK, status(), printed("Gutschrift"), DONE, OK, second, DONE)]
    assert kinds == [Kind.REFUND, Kind.SALE]


# Lines.


def _session() -> list[Step]:
    return said(
        SALE_ASKED,
        OK,
        apdu("04ff", "0a"),
        status("8bf0f556495341", amount=None),
        printed("x"),
        DONE,
        till=(SALE_ASKED,),
    )


def test_lines_that_are_swapped_or_merged_tell_the_same() -> None:
    session = _session()
    right = told(hear(fresh(), session))
    other = {Line.TILL: Line.TERMINAL, Line.TERMINAL: Line.TILL}
    assert told(hear(fresh(), [(t, other[line], octets) for t, line, octets in session])) == right
    assert told(hear(fresh(), [(t, Line.TERMINAL, octets) for t, _, octets in session])) == right


def test_frames_of_both_lines_may_come_interleaved() -> None:
    dialect, events = fresh(), []
    spoken, asked_for = framed(status()), framed(SALE_ASKED)
    for at in range(max(len(spoken), len(asked_for))):
        events += dialect.receive_data(asked_for[at : at + 1], 0.0, Line.TILL)
        events += dialect.receive_data(spoken[at : at + 1], 0.0, Line.TERMINAL)
    events += dialect.receive_data(framed(DONE), 1.0)
    assert [each.transaction.amount_minor for each in told(events)] == [2040]


def test_a_restart_in_the_middle_gives_a_payment_the_same_key() -> None:
    session = _session()
    whole = told(hear(fresh(), session))[0]
    for begins in range(1, 4):
        later = told(hear(fresh(), session[begins:]))[0]
        assert later.key == whole.key


# Fields.


def test_everything_that_a_status_tells_becomes_of_use() -> None:
    fields = f"22f0f8eeeeeeeeeeee4771 2a{text('100461763'.ljust(15))} 3b{text('978539')}0000 8bf1f0{text('Mastercard')}"
    event = told(hear(fresh(), said(status(fields), DONE)))[0]
    transaction = event.transaction
    assert transaction.card == TruncatedPan("4771")
    assert (transaction.merchant_id, transaction.auth_code, transaction.scheme) == (
        "100461763",
        "978539",
        "Mastercard",
    )
    assert transaction.terminal_time is None
    assert event.clock is not None
    assert event.clock.near(datetime(2026, 10, 11)) == datetime(2026, 10, 10, 22, 39, 53)


def test_a_payment_on_new_years_eve_that_comes_on_new_years_day_is_the_old_years() -> None:
    event = told(hear(fresh(), said(status(numbers="0b000470 0c235958 0d1231 870470"), DONE)))[0]
    assert event.clock is not None
    assert event.clock.near(datetime(2027, 1, 1, 0, 0, 3)) == datetime(2026, 12, 31, 23, 59, 58)


@pytest.mark.parametrize("day", ["1231", "0101", "0229"])
def test_a_date_with_a_year_is_the_terminals_time(day: str) -> None:
    numbers = f"0b000470 0c235958 0d0102 aa28{day} 870470"
    event = told(hear(fresh(), said(status(numbers=numbers), DONE)))[0]
    expected = datetime(2028, int(day[:2]), int(day[2:]), 23, 59, 58)
    assert (event.transaction.terminal_time, event.clock) == (expected, None)


@pytest.mark.parametrize(
    "numbers",
    ["0b000470 0c995958 0d1231", "0b000470 0c235958 0d0000", "0b000470 0caaaaaa 0d1231", "0b000470 0d1231"],
)
def test_a_time_that_is_none_is_not_told(numbers: str) -> None:
    event = told(hear(fresh(), said(status(numbers=numbers + " 870470"), DONE)))[0]
    assert (event.transaction.terminal_time, event.clock) == (None, None)


def test_amounts_are_minor_units_of_whatever_currency_is_told() -> None:
    for number, letters in (("0392", "JPY"), ("0414", "KWD"), ("0756", "CHF"), ("0987", None)):
        transaction = only(of(apdu("040f", f"2700 04000000012345 49{number} {NUMBERS}"), DONE))
        assert (transaction.amount_minor, transaction.currency) == (12345, letters)
    bare = only(of(apdu("040f", f"2700 04000000012345 {NUMBERS}"), DONE, currency="CHF"))
    assert bare.currency == "CHF"


@pytest.mark.parametrize("amount", ["04 0000000000aa", "04 0000", ""])
def test_an_amount_that_cannot_be_read_is_unknown_and_never_zero(amount: str) -> None:
    transaction = only(of(apdu("040f", f"2700 {NUMBERS} {amount}"), DONE))
    assert transaction.amount_minor is None


def test_a_length_that_lies_and_an_unknown_field_cost_no_more_than_what_stands_behind_them() -> None:
    lying = status()
    assert only(of(lying[:2] + b"\x44" + lying[3:], DONE)).amount_minor == 2040
    assert only(of(status("77 2240"), DONE)).amount_minor == 2040


def test_the_terminals_number_is_taken_from_the_completion_where_only_that_tells_it() -> None:
    numbers = "0b000470 0c223953 0d1010 870470"
    first = told(hear(fresh(), said(status(numbers=numbers), apdu("060f", "1900 2952523535 490978"))))[0]
    second = told(hear(fresh(), said(status(numbers=numbers), DONE)))[0]
    assert first.transaction.terminal_id == "52523535"
    assert first.key == second.key


def test_a_declined_payment_is_told_with_its_result() -> None:
    transaction = only(asked(SALE_ASKED, status(result="6c"), apdu("061e", "6c")))
    assert (transaction.kind, transaction.result_code, transaction.final) == (Kind.DECLINED, "6c", True)


def test_another_layout_is_refused_with_the_name_of_the_one_there_is() -> None:
    with pytest.raises(SettingsError, match="auto"):
        Zvt(DialectSettings(layout="autos"))


def test_the_module_says_what_a_page_about_it_needs() -> None:
    assert zvt.FRAMING
    assert zvt.UNKNOWN_ON_ONE_LINE
    assert zvt.LINE_DEFAULTS
    assert zvt.FIELDS
    assert "auto" in zvt.LAYOUTS


# The simulated till.


def _steps(day: list[Exchange], line: Line | None) -> list[Step]:
    steps, now = [], 0.0
    for exchange in day:
        now += 20.0
        for spoken in exchange.spoken:
            now += spoken.after_s
            if line is None or spoken.line is line:
                steps.append((now, spoken.line, spoken.octets))
    return steps


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("troubles", [(), *((each,) for each in TROUBLES), TROUBLES], ids="+".join)
def test_the_simulated_tills_day_is_told_as_it_was(feed: str, seed: int, troubles: tuple[str, ...]) -> None:
    start = datetime(2026, 12, 31, 21)
    day = list(islice(exchanges_of("zvt")(seed, start, "EUR", frozenset(troubles)), 60))
    both = told(hear(fresh(), _steps(day, None), feed))
    assert [each.transaction for each in both] == [one for each in day for one in each.expected]
    alone = told(hear(fresh(), _steps(day, Line.TERMINAL), feed))
    assert [each.transaction for each in alone] == [one for each in day for one in each.expected_one_line]


@pytest.mark.parametrize("currency", ["JPY", "KWD", "CHF"])
def test_the_simulated_till_speaks_other_currencies(currency: str) -> None:
    day = list(islice(exchanges_of("zvt")(7, datetime(2026, 6, 1), currency, frozenset(TROUBLES)), 60))
    both = told(hear(fresh(currency), _steps(day, None)))
    assert [each.transaction for each in both] == [one for each in day for one in each.expected]


def test_a_day_that_is_heard_twice_is_told_once() -> None:
    day = list(islice(exchanges_of("zvt")(3, datetime(2026, 6, 1), "EUR", frozenset(TROUBLES)), 100))
    dialect, steps = fresh(), _steps(day, Line.TERMINAL)
    once = told(hear(dialect, steps))
    assert told([*once, *hear(dialect, steps, start=1e6)]) == once


# Octets that nobody would say.

PIECES = st.lists(
    st.tuples(
        st.sampled_from(list(Line)),
        st.one_of(
            st.binary(max_size=60),
            st.sampled_from([b"\x10", b"\x10\x02", b"\x10\x03", b"\x10\x10\x02", b"\x06", b"\x15"]),
            st.binary(max_size=40).map(framed),
            st.binary(max_size=60).map(
                lambda data: framed(b"\x04\x0f" + bytes((len(data),)) + b"\x27\x00" + data)
            ),
            st.sampled_from([framed(each) for each in (OK, DONE, SALE_ASKED, status(), apdu("061e", "6c"))]),
        ),
        st.sampled_from([0.0, 0.1, 3.0, 70.0, 500.0]),
    ),
    max_size=30,
)


@given(PIECES)
def test_no_octets_raise_or_fill_the_memory_and_every_deadline_ends(
    pieces: list[tuple[Line, bytes, float]],
) -> None:
    dialect, now = fresh(), 0.0
    for line, octets, pause in pieces:
        now += pause
        dialect.receive_data(octets, now, line)
        assert all(len(reader._buffer) <= MAX_FRAME_OCTETS for reader in dialect._both)
    for _ in range(4):
        deadline = dialect.next_deadline()
        if deadline is None:
            break
        dialect.tick(max(deadline, now))
    assert dialect.next_deadline() is None
    assert dialect.close(now + QUIET_S) == []


@given(st.integers(0, 2**32), st.integers(1, 6))
def test_a_changed_frame_never_tells_an_amount_that_its_octets_do_not_hold(seed: int, changes: int) -> None:
    chance = random.Random(seed)
    changed = bytearray(status("22f0f8eeeeeeeeeeee4771 8bf0f556495341 06051f12010245"))
    for _ in range(changes):
        at = chance.randrange(len(changed))
        if chance.random() < 0.3:
            del changed[at]
        else:
            changed[at] = chance.randrange(256)
    steps = said(SALE_ASKED, OK, bytes(changed), DONE, till=(SALE_ASKED,))
    held = SALE_ASKED.hex() + bytes(changed).hex()
    for event in told(hear(fresh(), steps)):
        amount = event.transaction.amount_minor
        assert amount is None or f"{amount:012}" in held


# Card data.


def _pan(digits: int, chance: random.Random) -> str:
    """A made number whose Luhn digit holds; of 15 digits one of American Express, since merchants' numbers have 15."""
    first = "37" if digits == 15 else "45"
    body = first + "".join(str(chance.randrange(10)) for _ in range(digits - 3))
    return next(body + last for last in "0123456789" if _luhn(body + last))


def _luhn(number: str) -> bool:
    return sum(sum(divmod(int(c) * (1 + at % 2), 10)) for at, c in enumerate(reversed(number))) % 10 == 0


def _counted(tag: str, data: bytes, digits: int) -> str:
    return tag + "".join(f"f{digit}" for digit in str(len(data)).rjust(digits, "0")) + data.hex()


def _fits(tag: str, data: bytes, octets: int) -> str:
    return tag + data.ljust(octets)[:octets].hex()


def _planted(pan: str) -> list[str]:
    """Every field that a card number fits in, in every way that it is written there."""
    packed = bytes.fromhex(pan + "f" * (len(pan) % 2))
    track = pan + "d27122011234567890"
    tracked = bytes.fromhex(track + "f" * (len(track) % 2))
    spaced = " ".join(pan[at : at + 4] for at in range(0, len(pan), 4))
    dashed = spaced.replace(" ", "-")
    masked = pan[:6] + "*" * (len(pan) - 10) + pan[-4:]
    crossed = pan[:6] + "X" * (len(pan) - 10) + pan[-4:]
    texts = [each.encode() for each in (pan, spaced, dashed, masked, crossed, f"VISA {pan}", f";{pan}=2712?")]
    fields = [
        _counted(tag, data, 2)
        for tag in ("22", "23", "2d", "8b", "d1", "a7", "f1", "e1")
        for data in (packed, tracked, *texts)
    ]
    fields += [
        _counted(tag, data, 3)
        for tag in ("24", "2e", "3c", "9a", "af", "60", "92")
        for data in (packed, tracked, *texts)
    ]
    fields += [_fits("2a", each, 15) for each in texts if len(each) <= 15]
    fields += [
        "06" + f"{len(each) + 3:02x}" + "1f10" + f"{len(each):02x}" + each.hex() for each in (packed, *texts)
    ]
    return fields


def _leaks(pan: str, spoken: str) -> list[str]:
    return [run for run in (pan, pan[:5], pan[-5:]) if run in spoken]


@pytest.mark.parametrize("digits", range(13, 20))
def test_no_field_lets_a_card_number_out(digits: int) -> None:
    chance = random.Random(digits)
    pan = _pan(digits, chance)
    for field in _planted(pan):
        request = apdu("0601", f"04000000002040 0e2712 {field} 3a0123")
        answer = status(f"0e2712 {field} 2eF0F0F0")
        for steps in (
            said(request, OK, answer, DONE, till=(request,)),
            said(answer, DONE),
            said(request, apdu("061e", "6c")),
        ):
            events: list[DialectEvent] = hear(fresh(), steps)
            assert _leaks(pan, say_everything(events)) == [], field


@pytest.mark.parametrize("words", ["{}", "Karte {}", "Gutschrift {}", "Storno\x00{}"])
def test_nothing_of_a_printed_receipt_leaves(words: str) -> None:
    pan = "4111111111111111"
    line = words.format(pan)
    events = hear(
        fresh(),
        said(
            OK,
            status(),
            printed(line),
            apdu("06d3", f"06{len(line) + 2:02x}07{len(line):02x}{text(line)}"),
            DONE,
        ),
    )
    assert len(told(events)) == 1
    assert _leaks(pan, say_everything(events)) == []


def test_a_card_number_leaves_with_its_last_four_digits_whole_or_masked() -> None:
    for field, tail in (
        ("22f0f84111111111111111", "1111"),
        ("22f1f06799990100000000019f", "0019"),
        ("22f1f74111111111111111d27122011234567890", "1111"),
        ("22f0f8411111eeeeee1111", "1111"),
    ):
        card = only(of(status(field), DONE)).card
        assert card == TruncatedPan(tail)
    for field in ("22f0f8eeeeeeeeeeeeeeee", "22f0f0", "22f0f241ee", "22f0f8abcdef0123456789"):
        assert only(of(status(field), DONE)).card is None
