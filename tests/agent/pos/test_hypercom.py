"""Hypercom-style terminals: frames found by their length, answers paired with what the till asked, nothing told twice."""

import sys
from datetime import datetime
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from streams import FEEDS, QUIET_S, Step, hear, say_everything, settle, told

from tillbell_agent.pos.dialect import (
    Desynced,
    DialectEvent,
    Ignored,
    Line,
    SettlementHeard,
    TransactionCompleted,
)
from tillbell_agent.pos.hypercom import LAYOUTS, REPEAT_S, REQUEST_S, Hypercom
from tillbell_agent.pos.hypercom_frames import FRAME_QUIET_S, MAX_DATA, Framer
from tillbell_agent.pos.settings import DialectSettings, SettingsError
from tillbell_agent.sim.tills import TROUBLES
from tillbell_agent.sim.tills.hypercom import exchanges
from tillbell_protocol.event import Kind, Transaction

SALE_10 = bytes.fromhex("02003536303030303030303030313032303030301C343000123030303030303030313030301C0314")
STATUS = bytes.fromhex("02001836303030303030303030313144303030301C0345")
PAID = {
    "01": "201149", "65": "000001", "16": "V3399001", "D1": "000009999900001", "D2": "VISA      ",
    "30": "411111******1111", "31": "2812", "50": "000800", "03": "230404", "04": "140251", "D3": "309421771602",
}  # fmt: skip
ECR, NETS = "6000000000", "250911133000"


def framed(data: bytes) -> bytes:
    body = bytes.fromhex(f"{len(data):04}") + data + b"\x03"
    check = 0
    for octet in body:
        check ^= octet
    return b"\x02" + body + bytes([check])


def field(kind: str, value: str | bytes) -> bytes:
    octets = value if isinstance(value, bytes) else value.encode("latin-1")
    return kind.encode("ascii") + bytes.fromhex(f"{len(octets):04}") + octets


def frame(head: str, fields: dict[str, str | bytes]) -> bytes:
    """``head``: the header, codes and digit, 17 characters."""
    return framed(b"\x1c".join([head.encode("ascii"), *(field(*each) for each in fields.items()), b""]))


def asked(code: str = "20", amount: int | None = 1000, **fields: str) -> Step:
    given = {} if amount is None else {"40": f"{amount:012}"}
    return 0.0, Line.TILL, frame(f"{ECR}10{code}000", {**given, **fields})


def answered(
    code: str = "20", result: str = "00", at: float = 10.0, *, without: str = "", **fields: str | bytes
) -> Step:
    kept = {kind: value for kind, value in PAID.items() if kind not in without.split()}
    return at, Line.TERMINAL, frame(f"{ECR}11{code}{result}0", {**kept, **fields})


def nets(code: str, result: str, at: float = 0.0, **fields: str) -> Step:
    line = Line.TERMINAL if "02" in fields else Line.TILL
    return at, line, frame(f"{NETS}{code}{result}0", fields)


def heard(*steps: Step, currency: str = "THB", layout: str = "auto") -> list[DialectEvent]:
    return hear(Hypercom(DialectSettings(currency=currency, layout=layout)), steps)


def one(*steps: Step, currency: str = "THB", layout: str = "auto") -> Transaction:
    (event,) = told(heard(*steps, currency=currency, layout=layout))
    return event.transaction


def why(*steps: Step) -> list[str]:
    events = heard(*steps)
    assert told(events) == []
    return [event.why for event in events if isinstance(event, Ignored)]


# Frames.


@pytest.mark.parametrize("octets", [SALE_10, STATUS])
def test_published_frames_hold_their_lrc(octets: bytes) -> None:
    framer = Framer()
    assert framer.feed(octets, 0.0) == [octets[3:-2]]
    assert (framer.skipped, framer.deadline) == (0, None)


def test_own_frames_of_these_tests_are_the_published_ones() -> None:
    assert asked()[2] == SALE_10
    assert frame(f"{ECR}11D0000", {}) == STATUS


def test_end_is_found_by_length_though_data_hold_every_control_octet() -> None:
    private = bytes(range(256))
    assert one(asked(), answered(R1=private, **{"40": "000000000700"})).amount_minor == 700


def test_last_field_may_end_with_the_data() -> None:
    data = f"{ECR}1120000".encode() + b"\x1c" + field("65", "000007") + b"\x1c" + field("40", "000000000700")
    sale = one((0.0, Line.TERMINAL, framed(data)))
    assert (sale.receipt_no, sale.amount_minor) == ("000007", 700)


@pytest.mark.parametrize("length", [b"\x99\x99", b"\xff\xff", b"\x00\x03"])
def test_field_that_does_not_fit_ends_the_reading_and_not_the_sale(length: bytes) -> None:
    behind = field("40", "000000009900")
    data = answered()[2][3:-2] + b"ZZ" + length + b"12345\x1c" + behind
    sale = one(asked(), (10.0, Line.TERMINAL, framed(data)))
    assert (sale.rrn, sale.amount_minor) == ("309421771602", 1000)


@pytest.mark.parametrize("feed", FEEDS)
def test_frame_cut_in_its_middle_hides_no_frame_that_follows_at_once(feed: str) -> None:
    _, line, octets = answered()
    for cut in range(1, len(octets)):
        dialect = Hypercom(DialectSettings())
        assert len(told(hear(dialect, [(0.0, line, octets[:cut] + b"\x15" + octets)], feed))) == 1, cut


def test_skipped_octets_are_counted_without_handshakes_and_without_content() -> None:
    events = heard((0.0, Line.TERMINAL, b"\x06\x15garbage\x05\x04"))
    assert events == [Desynced(7, "no whole frame, or its LRC is wrong")]


def test_line_that_is_never_silent_is_told_of_too() -> None:
    dialect = Hypercom(DialectSettings())
    events = [event for n in range(60) for event in dialect.receive_data(b"\xff" * 20, n * 0.1)]
    assert [type(event) for event in events] == [Desynced]


def test_half_a_frame_waits_no_longer_than_it_says() -> None:
    dialect = Hypercom(DialectSettings())
    _, _, octets = answered()
    dialect.receive_data(octets[:100], 5.0)
    assert dialect.next_deadline() == 5.0 + FRAME_QUIET_S
    assert isinstance(dialect.tick(5.0 + FRAME_QUIET_S)[0], Desynced)
    assert dialect.next_deadline() is None


def test_length_that_no_frame_has_is_not_waited_for() -> None:
    dialect = Hypercom(DialectSettings())
    dialect.receive_data(b"\x02\x99\x99" + b"6" * 40, 0.0)
    assert len(told(dialect.receive_data(answered()[2], 0.1))) == 1


# Requests and answers.


def test_amount_that_the_answer_lacks_is_the_requests() -> None:
    transaction = one(asked(), answered())
    assert (transaction.amount_minor, transaction.currency) == (1000, "THB")
    assert transaction == Transaction(
        Kind.SALE, 1000, "THB", transaction.card, datetime(2023, 4, 4, 14, 2, 51), "000001", "309421771602",
        None, "201149", "000800", "V3399001", "000009999900001", "VISA", result_code="00",
    )  # fmt: skip
    assert transaction.card is not None
    assert transaction.card.last4 == "1111"


@pytest.mark.parametrize("filled", [None, "000000000000", " " * 12, "00000000100", "00000000100A"])
def test_amount_on_one_line_is_unknown_and_never_zero(filled: str | None) -> None:
    fields = {} if filled is None else {"40": filled}
    assert one(answered(**fields)).amount_minor is None


def test_both_ends_on_one_wire_are_told_apart_by_what_they_say() -> None:
    octets = asked()[2] + b"\x06" + answered()[2] + b"\x06"
    for line in Line:
        assert one((0.0, line, octets)).amount_minor == 1000


def test_amount_of_the_answer_counts_before_that_of_the_request() -> None:
    assert one(asked(), answered(**{"40": "000000001100"})).amount_minor == 1100


@pytest.mark.parametrize(
    "between",
    [[asked("D0", None)], [asked("20", None)], [asked("26", None, **{"65": "000001"})]],
    ids=["status", "no amount", "void"],
)
def test_request_is_forgotten_when_the_next_begins(between: list[Step]) -> None:
    assert one(asked(), *between, answered()).amount_minor is None


def test_request_is_forgotten_after_a_time() -> None:
    assert one(asked(), answered(at=REQUEST_S)).amount_minor == 1000
    assert one(asked(), answered(at=REQUEST_S + 1)).amount_minor is None


def test_request_for_another_thing_lends_no_amount() -> None:
    assert one(asked("27"), answered("20")).amount_minor is None


@pytest.mark.parametrize("said", ["1000", "1", "001000", "999999999999", "00000001000"])
def test_till_that_leaves_zeros_off_is_understood(said: str) -> None:
    asks = (0.0, Line.TILL, frame(f"{ECR}1020000", {"40": said}))
    assert one(asks, answered()).amount_minor == int(said)


@pytest.mark.parametrize("said", ["", "0", "10.00", "1 000", "-1", "1234567890123"])
def test_till_that_says_no_number_says_no_amount(said: str) -> None:
    assert one((0.0, Line.TILL, frame(f"{ECR}1020000", {"40": said})), answered()).amount_minor is None


def test_amount_of_the_answer_may_lack_its_zeros() -> None:
    assert one(answered(**{"40": "1100"})).amount_minor == 1100


def test_amount_of_instalments_is_in_a_field_of_its_own() -> None:
    """As BDO has them: the whole, the number of instalments, and a plan."""
    plan = {"GA": "000000001000", "GB": "06", "GC": "01"}
    asks = (0.0, Line.TILL, frame(f"{ECR}1022000", plan))
    assert one(asks, answered("22")).amount_minor == 1000
    assert one((0.0, Line.TILL, frame(f"{ECR}1020000", plan)), answered()).amount_minor is None


def test_void_of_a_refund_tells_no_amount_since_it_gives_money_to_the_shop() -> None:
    for fields in ({}, {"40": "000000001000"}):
        void = one(asked("34"), answered("34", **fields))
        assert (void.kind, void.amount_minor, void.currency) == (Kind.VOID, None, None)


def test_sale_that_is_paid_with_a_code_has_the_amount_that_was_asked_for() -> None:
    assert one(asked("20"), answered("70")).amount_minor == 1000


def test_answer_takes_its_request_with_it() -> None:
    other = answered(at=30.0, **{"65": "000002", "D3": "309421771603"})
    assert [each.transaction.amount_minor for each in told(heard(asked(), answered(), other))] == [1000, None]


def test_request_that_was_heard_twice_is_one() -> None:
    assert one(asked(), (2.0, Line.TILL, asked()[2]), answered()).amount_minor == 1000


def test_cable_that_was_pulled_ends_what_was_asked() -> None:
    dialect = Hypercom(DialectSettings())
    dialect.receive_data(asked()[2], 0.0, Line.TILL)
    assert dialect.close(1.0) == []
    (event,) = told(dialect.receive_data(answered()[2], 2.0))
    assert event.transaction.amount_minor is None


@pytest.mark.parametrize(("currency", "amount"), [("JPY", 1000), ("THB", 1000), ("KWD", 1000)])
def test_amounts_are_minor_units_whatever_their_number_of_decimals(currency: str, amount: int) -> None:
    transaction = one(asked(), answered(), currency=currency)
    assert (transaction.amount_minor, transaction.currency) == (amount, currency)


# What is told, and as what.


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("20", Kind.SALE), ("22", Kind.SALE), ("41", Kind.SALE), ("70", Kind.SALE), ("23", Kind.VOID),
        ("26", Kind.VOID), ("27", Kind.REFUND), ("38", Kind.PREAUTH_COMPLETION), ("21", Kind.SALE),
        ("31", Kind.SALE), ("32", Kind.VOID), ("33", Kind.REFUND), ("35", Kind.SALE), ("36", Kind.PREAUTH),
    ],
)  # fmt: skip
def test_transaction_code_is_the_kind(code: str, kind: Kind) -> None:
    transaction = one(asked(code), answered(code))
    assert (transaction.kind, transaction.amount_minor) == (kind, 1000)
    assert transaction.method == ("qr" if code == "70" else None)


@pytest.mark.parametrize("result", ["05", "51", "ND", "ED", "EN", "TO", "NA"])
def test_refused_answer_is_declined_and_says_with_which_code(result: str) -> None:
    transaction = one(asked(), answered(result=result))
    assert (transaction.kind, transaction.amount_minor, transaction.result_code) == (
        Kind.DECLINED,
        1000,
        result,
    )


def test_void_names_the_sale_that_it_voids() -> None:
    void = one(asked("26", None, **{"65": "000092"}), answered("26", **{"65": "000093"}))
    assert (void.original_ref, void.receipt_no, void.amount_minor) == ("000092", "000093", None)
    assert one(answered("26")).original_ref == "000001"


@pytest.mark.parametrize(
    ("code", "reasons"),
    [
        ("D0", []), ("D1", []), ("28", ["tip"]), ("37", ["card check"]), ("43", ["points redeemed"]),
        ("71", ["reprint"]), ("72", ["reprint"]), ("73", ["reprint"]), ("E9", ["unknown transaction code"]),
    ],
)  # fmt: skip
def test_what_is_no_new_transaction_tells_nothing(code: str, reasons: list[str]) -> None:
    assert why(asked(code), answered(code, **{"40": "000000001000"})) == reasons


def test_answer_without_fields_tells_nothing_and_the_request_waits_on() -> None:
    """Some terminals, in Bolivia, say with a bare header that they have begun."""
    bare = framed(f"{ECR}1120000".encode())
    assert why((1.0, Line.TERMINAL, bare)) == ["an answer without fields"]
    assert one(asked(), (1.0, Line.TERMINAL, bare), answered()).amount_minor == 1000


def test_settlement_is_heard_and_tells_nobody() -> None:
    events = heard(asked("50", None), answered("50"))
    assert told(events) == []
    (event,) = (event for event in events if isinstance(event, SettlementHeard))
    assert (event.settlement.batch, event.settlement.terminal_id) == ("000800", "V3399001")
    assert event.key == "settlement|V3399001|000800|2023-04-04T14:02:51"
    assert why(asked("50", None), answered("50", "ED")) == ["settlement refused"]


def test_date_that_no_calendar_has_is_no_time() -> None:
    assert one(answered(**{"03": "230230"})).terminal_time is None
    assert one(answered(**{"04": "250000"})).terminal_time is None


def test_field_of_nuls_blanks_or_zeros_says_nothing() -> None:
    for nothing in (b"\0" * 12, b" " * 12, b"0" * 12):
        transaction = one(answered(D3=nothing, **{"01": nothing[:6]}))
        assert (transaction.rrn, transaction.auth_code) == (None, None)


@pytest.mark.parametrize(
    ("shown", "last4"),
    [
        ("4111111111111111", "1111"), ("411111******1234", "1234"), ("411111xxxxxx1234", "1234"),
        ("411111XXXXXX1234", "1234"), ("411111######1234", "1234"), ("411111EEEEEE1234", "1234"),
        ("411111      1234", "1234"), ("4111 11** **** 1234", "1234"), ("411111••••••1234".encode(), "1234"),
        ("411111****** ", None), ("************", None), ("", None), ("1234", None), ("411111******12", None),
        ("4111111111111111   ", "1111"), (b"411111******1234\0\0\0", "1234"),
    ],
)  # fmt: skip
def test_card_number_is_cut_to_four_digits_that_it_shows(shown: str | bytes, last4: str | None) -> None:
    card = one(answered(**{"30": shown})).card
    assert (card.last4 if card else None) == last4


# NETS.


def test_nets_answer_is_known_by_its_text_and_tells_the_sale() -> None:
    sale = one(
        nets("30", "01", T2="01", **{"40": "000000002000"}),
        nets("30", "00", 9.0, **{"02": "APPROVED", "03": "250911", "04": "133005", "65": "000123"}),
    )
    assert (sale.kind, sale.amount_minor, sale.method) == (Kind.SALE, 2000, None)


@pytest.mark.parametrize("result", ["TO", "51", "US"])
def test_nets_answer_without_a_text_is_known_by_its_response_code(result: str) -> None:
    answer = (9.0, Line.TERMINAL, frame(f"{NETS}30{result}0", {}))
    refused = one(nets("30", "01", T2="01", **{"40": "000000002000"}), answer)
    assert (refused.kind, refused.amount_minor, refused.result_code) == (Kind.DECLINED, 2000, result)


def test_nets_code_on_a_phone_and_cash_handed_out_are_told_apart() -> None:
    approved = {"02": "APPROVED", "D3": "123456789012"}
    qr = one(nets("30", "01", T2="04", **{"40": "000000002000"}), nets("30", "00", 9.0, **approved))
    assert (qr.method, qr.amount_minor) == ("qr", 2000)
    assert why(nets("30", "01", T2="03"), nets("30", "00", 9.0, **approved)) == ["cash handed out"]


@pytest.mark.parametrize(("code", "reasons"), [("55", []), ("80", []), ("56", ["unknown transaction code"])])
def test_nets_questions_tell_nothing(code: str, reasons: list[str]) -> None:
    assert why(nets(code, "01"), nets(code, "00", 1.0, **{"02": "OK", "D3": "123456789012"})) == reasons


def test_layout_decides_where_a_header_could_be_either() -> None:
    answer = (0.0, Line.TERMINAL, frame(f"{ECR}1130000", {"02": "APPROVED", "D3": "123456789012"}))
    assert one(answer, layout="nets").kind is Kind.SALE
    assert told(heard(answer)) == []
    assert told(heard(nets("30", "00", **{"02": "OK", "D3": "123456789012"}), layout="ecr")) == []


def test_unknown_layout_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(SettingsError, match="did you mean 'nets'"):
        Hypercom(DialectSettings(layout="net"))
    for layout in LAYOUTS:
        Hypercom(DialectSettings(layout=layout))


# Once, and no less.


def test_frame_that_is_repeated_in_its_turn_is_told_once() -> None:
    for fields in (PAID, {"02": "CANCEL"}):
        octets = frame(f"{ECR}1120ND0", fields)
        events = heard(asked(), *((10.0 + 2 * n, Line.TERMINAL, octets) for n in range(3)))
        assert [type(event) for event in events] == [TransactionCompleted, Ignored, Ignored]


def test_answers_that_name_nothing_are_each_told_when_asked_for_again() -> None:
    octets = frame(f"{ECR}1120ND0", {"02": "CANCEL"})
    steps = [asked(), (3.0, Line.TERMINAL, octets), (4.0, *asked()[1:]), (6.0, Line.TERMINAL, octets)]
    assert [event.key for event in told(heard(*steps))] == [None, None]
    alone = [(0.0, Line.TERMINAL, octets), (REPEAT_S + 1, Line.TERMINAL, octets)]
    assert len(told(heard(*alone))) == 2


@pytest.mark.parametrize(("without", "keys"), [("D3 03", 0), ("D3", 2)])
def test_refusals_that_show_the_number_of_the_next_sale_are_each_told(without: str, keys: int) -> None:
    first = answered(result="05", without=without)
    second = answered(result="05", at=30.0, without=without, **{"04": "150000"})
    events = told(heard(asked(), first, (20.0, *asked()[1:]), second))
    assert (len(events), len({event.key for event in events} - {None})) == (2, keys)


def test_two_sales_of_the_same_amount_and_card_are_two() -> None:
    second = {"65": "000002", "D3": "309421771603", "04": "140330"}
    assert len(told(heard(asked(), answered(), (20.0, *asked()[1:]), answered(at=30.0, **second)))) == 2


@pytest.mark.parametrize("fewer", ["D3", "50 D3", "65", "03", "01 03 50", "16"])
def test_numbers_that_a_bank_leaves_out_still_tell_two_sales_apart(fewer: str) -> None:
    first = answered(without=fewer)
    second = {kind: f"{int(PAID[kind]) + 1:0{len(PAID[kind])}}" for kind in ("65", "D3", "04")}
    kept = {kind: value for kind, value in second.items() if kind not in fewer.split()}
    events = told(heard(first, answered(at=30.0, without=fewer, **kept)))
    assert len({event.key for event in events} - {None}) == 2


def test_key_is_the_same_after_a_restart_in_mid_session() -> None:
    before = told(heard(asked(), answered()))
    after = told(heard(answered(at=0.0)))
    assert before[0].key == after[0].key
    assert after[0].transaction.amount_minor is None


def test_sale_its_void_and_its_refusal_have_keys_of_their_own() -> None:
    keys = {told(heard(step))[0].key for step in (answered(), answered("26"), answered(result="05"))}
    assert len(keys) == 3


# The simulated shop.


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("lines", ["two lines", "one line"])
@pytest.mark.parametrize("troubles", [(), TROUBLES, *((each,) for each in TROUBLES)], ids="+".join)
@pytest.mark.parametrize("seed", range(4))
def test_simulated_shop_is_told_as_it_is(seed: int, troubles: tuple[str, ...], lines: str, feed: str) -> None:
    start = datetime(2026, 12, 31, 22, 0)
    steps: list[Step] = []
    expected: list[Transaction] = []
    now = 0.0
    for exchange in islice(exchanges(seed, start, "THB", frozenset(troubles)), 30):
        for spoken in exchange.spoken:
            now += spoken.after_s
            if lines == "two lines" or spoken.line is Line.TERMINAL:
                steps.append((now, spoken.line, spoken.octets))
        expected += exchange.expected if lines == "two lines" else exchange.expected_one_line
    events = hear(Hypercom(DialectSettings(currency="THB")), steps, feed)
    assert [event.transaction for event in told(events)] == expected


# Anything at all.

_PIECES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([SALE_10, STATUS, answered()[2], answered()[2][:150], asked("26")[2], b"\x02\x40\x00"]),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(_PIECES, st.sampled_from(list(Line)), st.sampled_from([0.0, 0.5, 5.0])), max_size=12)
)
def test_any_octets_give_events_bounded_memory_and_deadlines_that_end(
    pieces: list[tuple[bytes, Line, float]],
) -> None:
    dialect, now = Hypercom(DialectSettings()), 0.0
    for octets, line, pause in pieces:
        now += pause
        dialect.receive_data(octets, now, line)
        assert all(len(each._buffer) <= MAX_DATA + 5 for each in dialect._framers.values())
    settle(dialect, now + QUIET_S)
    dialect.close(now + QUIET_S)
    assert dialect.next_deadline() is None


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(0, 7), min_size=1, max_size=3), st.booleans())
def test_damaged_frame_tells_no_amount_that_it_does_not_hold(
    at: int, bits: list[int], with_lrc: bool
) -> None:
    whole = answered(**{"40": "000000123456"})[2]
    octets = bytearray(whole)
    for n, bit in enumerate(bits):
        octets[(at + 97 * n) % len(octets)] ^= 1 << bit
    if with_lrc:  # a damage that the check does not see
        octets[-1] = 0
        for octet in octets[1:-1]:
            octets[-1] ^= octet
    for event in told(heard((0.0, Line.TERMINAL, bytes(octets)))):
        amount = event.transaction.amount_minor
        assert amount is None or f"{amount:012}".encode() in octets


# No card number.


def luhn(start: str, length: int) -> str:
    """``start``, figures that are all different from their neighbours, and the check digit."""
    body = (start + "8675309246801357902")[: length - 1]
    total = sum(
        sum(divmod(2 * int(digit), 10)) if place % 2 == 0 else int(digit)
        for place, digit in enumerate(reversed(body))
    )
    return body + str(-total % 10)


PANS = [luhn("37" if length == 15 else "49", length) for length in range(13, 20)]
PAN_FORMS = {
    "plain": lambda pan: pan.encode(),
    "spaced": lambda pan: " ".join(pan[at : at + 4] for at in range(0, len(pan), 4)).encode(),
    "packed": lambda pan: bytes.fromhex(pan + "f" * (len(pan) % 2)),
    "track": lambda pan: f";{pan}=28122011234?".encode(),
    "text": lambda pan: f"CARD {pan}".encode(),
    "padded": lambda pan: pan.encode().ljust(19),
    "hidden": lambda pan: b"\0".join(pan[at : at + 1].encode() for at in range(len(pan))),
}
KINDS = "01 02 03 04 16 30 31 40 42 50 65 97 D0 D1 D2 D3 D4 D5 EF EG EH HD J6 L7 R1 T2 ZZ".split()


@pytest.mark.parametrize("form", PAN_FORMS)
@pytest.mark.parametrize("pan", PANS, ids=len)
def test_card_number_in_any_field_never_leaves(pan: str, form: str) -> None:
    for kind in KINDS:
        value = PAN_FORMS[form](pan)
        for code, result in (
            ("20", "00"),
            ("20", "05"),
            ("26", "00"),
            ("50", "00"),
            ("71", "00"),
            ("30", "00"),
        ):
            request = frame(f"{ECR}10{code}000", {kind: value})
            answer = frame(f"{ECR}11{code}{result}0", {**PAID, kind: value})
            other = frame(f"{NETS}{code}{result}0", {**PAID, "02": "X", kind: value})
            said = say_everything(
                heard((0.0, Line.TILL, request), (1.0, Line.TERMINAL, answer), (2.0, Line.TERMINAL, other))
            )
            assert pan[:5] not in said, kind
            assert pan[-5:] not in said, kind
