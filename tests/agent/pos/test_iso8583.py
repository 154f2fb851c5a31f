"""ISO 8583 between a terminal and its host: answers are told once, requests add to them, and no card number leaves."""

import sys
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from itertools import islice, product
from pathlib import Path

import iso8583
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from iso8583.specs import default_ascii

sys.path.insert(0, str(Path(__file__).parent))

from streams import FEEDS, QUIET_S, Step, hear, say_everything, settle, told, vectors

from tillbell_agent.pos.dialect import Desynced, DialectEvent, Ignored, Line, SettlementHeard
from tillbell_agent.pos.iso8583_engine import MOST_REMEMBERED, MOST_REQUESTS, REQUEST_S, Iso8583Engine
from tillbell_agent.pos.iso8583_spec import read_specification, shipped
from tillbell_agent.pos.partial_time import PartialTime
from tillbell_agent.pos.registry import make_dialect
from tillbell_agent.pos.settings import DialectSettings
from tillbell_agent.sim.tills import TROUBLES, exchanges_of
from tillbell_agent.sim.tills import iso8583 as ascii_till
from tillbell_agent.sim.tills import iso8583_cn as cn_till
from tillbell_protocol.event import Kind, Transaction
from tillbell_protocol.pan import TruncatedPan, scrub

NAMES = ("iso8583", "iso8583-cn")
MOST_OCTETS = {
    name: read_specification(shipped(spec)).framing.max_octets
    for name, spec in (("iso8583", "iso8583-1987-ascii"), ("iso8583-cn", "qcup"))
}
Fields = dict[int, str]
# A Chinese sale's answer as QCUP lays it out: length, TPDU, header, 0210.
GOLDEN_CN = bytes.fromhex(
    "009c6000030000602200000000" "0210703e00810ed08013" "166212345678901232" "000000" "000000001880" "000012"
    "142233" "0603" "3012" "0603" "00" "0848310000" "313432323333303030303132" "313233343536" "3030" "3132333435363738"
    "383938333130313438313630303031" "22303130323030303020202034383331303030302020" "20" "313536" "0014"
    "22000003000500" "0011" "435550" "bdbbd2d7b3c9b9a6" "8877665544332211"
)  # fmt: skip


def engine(name: str = "iso8583-cn", **said: str) -> Iso8583Engine:
    made = make_dialect(name, DialectSettings(**said))  # type: ignore[arg-type]
    assert isinstance(made, Iso8583Engine)
    return made


def octets(name: str, mti: str, fields: Fields, *, header: bool = True, bcd_length: bool = False) -> bytes:
    """A frame from the simulated till's encoder, which shares nothing with the dialect."""
    if name == "iso8583":
        return ascii_till.frame(ascii_till.message(mti, fields))
    return cn_till.frame(cn_till.message(mti, fields), header=header, bcd_length=bcd_length)


SALE: Fields = {
    3: "000000", 4: "000000001880", 11: "000012", 12: "142233", 13: "0603", 25: "00", 37: "142233000012", 38: "123456",
    39: "00", 41: "12345678", 42: "898310148160001", 49: "156",
}  # fmt: skip
REQUEST: Fields = {number: SALE[number] for number in (3, 4, 11, 25, 41, 42, 49)} | {2: "6212345678901232"}


_BCD_FIELDS = (3, 4, 11, 12, 13, 25)


def in_form(form: str, fields: Fields, mti: str = "0210") -> bytes:
    """A message as terminals and hosts send it; BCD as it passes through a concentrator (NAC)."""
    if form == "binary length":
        return octets("iso8583", mti, fields)
    if form == "four figures":
        body = ascii_till.message(mti, fields)
        return b"%04d" % len(body) + body
    kept = {number: value for number, value in fields.items() if number != 49}
    bitmap = sum(1 << 64 - number for number in kept)
    coded = b"".join(_in_bcd(number, kept[number]) for number in sorted(kept))
    whole = bytes.fromhex(f"6000010000{mti}") + bitmap.to_bytes(8, "big") + coded
    return len(whole).to_bytes(2, "big") + whole


def _in_bcd(number: int, value: str) -> bytes:
    if number == 2:
        return bytes([len(value) // 10 * 16 + len(value) % 10]) + bytes.fromhex(value)
    return bytes.fromhex(value) if number in _BCD_FIELDS else value.encode()


def without(fields: Fields, *numbers: int) -> Fields:
    return {number: value for number, value in fields.items() if number not in numbers}


def heard(
    name: str, *messages: tuple[str, Fields], feed: str = "whole", dialect: Iso8583Engine | None = None
) -> list[DialectEvent]:
    """Messages a second apart, each on the line of who says it."""
    steps: list[Step] = []
    for at, (mti, fields) in enumerate(messages):
        line = Line.TILL if int(mti[2]) % 2 else Line.TERMINAL
        steps.append((float(at), line, octets(name, mti, fields)))
    return hear(dialect or engine(name), steps, feed)


def only(events: Iterable[DialectEvent]) -> Transaction:
    (event,) = told(events)
    return event.transaction


# Frames.


@pytest.mark.parametrize("feed", FEEDS)
def test_a_chinese_answer_is_told_as_its_fields_say(feed: str) -> None:
    (event,) = told(hear(engine(), [(0.0, Line.TERMINAL, GOLDEN_CN)], feed))
    assert event.transaction == Transaction(
        Kind.SALE, 1880, "CNY", TruncatedPan("1232"), rrn="142233000012", stan="000012", auth_code="123456",
        batch="000003", terminal_id="12345678", merchant_id="898310148160001", scheme="unionpay", result_code="00",
    )  # fmt: skip
    assert event.clock == PartialTime(6, 3, 14, 22, 33)


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("bcd_length", [True, False])
def test_length_in_binary_or_bcd_and_header_or_none_are_told_apart(header: bool, bcd_length: bool) -> None:
    frame = octets("iso8583-cn", "0210", SALE, header=header, bcd_length=bcd_length)
    assert only(hear(engine(), [(0.0, Line.TILL, frame)])).amount_minor == 1880


def test_a_link_may_change_how_it_writes_its_lengths() -> None:
    steps = [
        (
            float(at),
            Line.TILL,
            octets("iso8583-cn", "0210", {**SALE, 37: f"{at:012}"}, bcd_length=bool(at % 3)),
        )
        for at in range(9)
    ]
    assert len(told(hear(engine(), steps))) == 9


def test_the_clock_of_new_years_eve_belongs_to_the_old_year() -> None:
    (event,) = told(heard("iso8583", ("0210", {**SALE, 12: "235958", 13: "1231"})))
    assert event.clock is not None
    assert event.clock.near(datetime(2027, 1, 1, 0, 0, 3)) == datetime(2026, 12, 31, 23, 59, 58)


def test_noise_before_between_and_behind_frames_costs_none_of_them_and_is_counted() -> None:
    frames = [octets("iso8583-cn", "0210", {**SALE, 37: f"{at:012}"}) for at in range(3)]
    line = b"\xff\x02\x00" + frames[0] + b"\x03\x60\x41" + frames[1] + frames[2] + b"\x00\x00\x00\x00\x7f"
    events = hear(engine(), [(0.0, Line.TILL, line)])
    assert len(told(events)) == 3
    assert sum(event.octets for event in events if isinstance(event, Desynced)) == 3 + 3 + 5


def test_keep_alives_are_passed_over_without_a_word() -> None:
    assert hear(engine(), [(float(at), Line.TILL, bytes(2)) for at in range(5)]) == []


def test_a_frame_cut_short_swallows_no_frame_that_follows_at_once() -> None:
    frame = octets("iso8583-cn", "0210", SALE)
    for cut in range(1, len(frame) - 9):
        events = hear(
            engine(), [(0.0, Line.TILL, frame[:cut] + octets("iso8583-cn", "0210", {**SALE, 11: "000013"}))]
        )
        assert "000013" in [event.transaction.stan for event in told(events)], cut


def test_a_frame_in_stx_and_etx_with_a_check_octet_is_found_too() -> None:
    frame = octets("iso8583-cn", "0210", SALE, bcd_length=True)
    assert only(hear(engine(), [(0.0, Line.TILL, b"\x02" + frame + b"\x03\x5a")])).amount_minor == 1880


@settings(max_examples=150, deadline=None)
@given(
    # As a TPDU begins, and as a message type does: five octets behind its beginning, a frame seems to begin.
    st.tuples(st.integers(0x60, 0x6F), st.binary(min_size=4, max_size=4), st.integers(0x00, 0x28)),
    st.one_of(st.none(), st.integers(1, 30)),
    st.booleans(),
    st.lists(st.integers(1, 60), max_size=8),
)
def test_a_header_that_looks_like_a_message_type_costs_no_frame_that_comes_in_pieces(
    header: tuple[int, bytes, int], at: int | None, bcd_length: bool, pieces: list[int]
) -> None:
    """Octet by octet, or in pieces with a first one of ``at`` octets."""
    body = cn_till.frame(cn_till.message("0210", SALE), header=True, bcd_length=bcd_length)
    first, middle, last = header
    frame = body[:7] + bytes([first]) + middle + bytes([last]) + body[13:]
    cuts = range(len(frame)) if at is None else [0, *(sum(pieces[:n], at) for n in range(len(pieces) + 1))]
    dialect = engine()
    events: list[DialectEvent] = []
    for start, end in zip(cuts, [*cuts[1:], len(frame)], strict=True):
        events += dialect.receive_data(frame[start:end], 0.0, Line.TILL)
    assert [event.transaction.amount_minor for event in told(events)] == [1880]


def test_a_header_that_ends_with_01_or_02_costs_no_frame_wherever_it_is_cut() -> None:
    frame = octets("iso8583-cn", "0210", SALE)
    for last in (0x01, 0x02, 0x08, 0x11, 0x28):
        with_header = frame[:7] + bytes.fromhex("6031003100") + bytes([last]) + frame[13:]
        for cut in range(1, len(frame)):
            dialect = engine()
            events = dialect.receive_data(with_header[:cut], 0.0, Line.TILL)
            events += dialect.receive_data(with_header[cut:], 0.01, Line.TILL)
            assert only(events).amount_minor == 1880, (last, cut)


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("form", ["binary length", "four figures", "BCD with TPDU"])
def test_without_a_layout_whichever_form_a_message_divides_by_is_the_line_s(form: str, feed: str) -> None:
    steps = [(float(at), Line.TILL, in_form(form, {**SALE, 37: f"{at:012}"})) for at in range(4)]
    assert [event.transaction.rrn for event in told(hear(engine("iso8583"), steps, feed))] == [
        f"{at:012}" for at in range(4)
    ]


def test_a_line_that_was_understood_in_one_form_is_understood_in_another_after_silence() -> None:
    forms = ["binary length", "BCD with TPDU", "BCD with TPDU", "four figures", "four figures"]
    steps = [
        (20.0 * at, Line.TILL, in_form(form, {**SALE, 37: f"{at:012}"})) for at, form in enumerate(forms)
    ]
    heard_of = [event.transaction.rrn for event in told(hear(engine("iso8583"), steps))]
    assert {"000000000000", "000000000002", "000000000004"} <= set(heard_of)


@pytest.mark.parametrize("form", ["binary length", "four figures", "BCD with TPDU"])
def test_without_a_layout_requests_and_answers_find_each_other_in_every_form(form: str) -> None:
    answer = without(SALE, 4)
    steps = [(0.0, Line.TERMINAL, in_form(form, REQUEST, "0200")), (1.0, Line.TILL, in_form(form, answer))]
    sale = only(hear(engine("iso8583"), steps))
    assert (sale.amount_minor, sale.card) == (1880, TruncatedPan("1232"))


def test_a_layout_that_is_set_is_the_only_one_that_is_tried() -> None:
    for layout, form in (("iso8583-1987-bcd", "binary length"), ("iso8583-1987-ascii", "BCD with TPDU")):
        dialect = engine("iso8583", layout=layout)
        assert told(hear(dialect, [(0.0, Line.TILL, in_form(form, SALE))])) == []


@pytest.mark.parametrize("padded", ["5f", "50", "f5"])
def test_an_odd_card_number_may_be_filled_with_f_or_0_behind_it_or_0_before_it(padded: str) -> None:
    """Seen of terminals and of jPOS's hosts: 378282246310005 in eight octets."""
    number = {"5f": "378282246310005f", "50": "3782822463100050", "f5": "0378282246310005"}[padded]
    frame = bytes.fromhex(
        "004760000100000210703801000e800000" "15" + number + "000000" "000000012345" "000123" "123456" "0715" "0001"
        "3531393631303030303132334131423243333030" "5445524d30303031"
    )  # fmt: skip
    for layout in ("iso8583-1987-bcd", "auto"):
        sale = only(hear(engine("iso8583", layout=layout), [(0.0, Line.TILL, frame)]))
        assert (sale.amount_minor, sale.card) == (12345, TruncatedPan("0005"))


@pytest.mark.parametrize("fillings", list(product("0F", repeat=3)), ids="".join)
def test_fields_of_one_message_may_be_filled_differently(fillings: tuple[str, str, str]) -> None:
    """Card, track 2 and the private field 60, of 19, 35 and 11 digits."""
    pan, (first, second, third) = "6222021234567890128", fillings
    track = f"{pan}D301220100001234"
    message = bytes.fromhex(
        "0200" "7020000020000010" "19" + pan + first + "000000" "000000001880" "000012"
        "35" + track + second + "0011" "22000003000" + third
    )  # fmt: skip
    body = bytes.fromhex("6000030000602200000000") + message
    request = len(body).to_bytes(2, "big") + body
    answer = octets("iso8583-cn", "0210", {**without(SALE, 4, 41, 42)})
    dialect = engine()
    for _ in range(2):  # the second time with what was learned of the first
        sale = only(hear(dialect, [(0.0, Line.TERMINAL, request), (1.0, Line.TILL, answer)]))
        assert (sale.amount_minor, sale.card, sale.batch) == (1880, TruncatedPan("0128"), "000003")


def test_an_odd_field_that_is_only_passed_over_may_be_filled_with_anything() -> None:
    for filled in ("123456789010", "12345678901f", "012345678901", "123456789013"):
        fields = "00000000000000188000001211" + filled + "3030"
        frame = bytes.fromhex("600003000002103020000102000000" + fields)
        events = hear(engine("iso8583"), [(0.0, Line.TILL, len(frame).to_bytes(2, "big") + frame)])
        assert only(events).amount_minor == 1880


def test_private_data_that_other_hosts_have_there_cost_only_their_own_meaning() -> None:
    """Field 60 with the parts that newer terminals add, and binary data where the brand stands."""
    longer = only(heard("iso8583-cn", ("0210", {**SALE, 60: "2200000300050100001"})))
    assert (longer.amount_minor, longer.batch) == (1880, "000003")
    spoilt = GOLDEN_CN.replace(b"CUP" + bytes.fromhex("bdbbd2d7"), bytes.fromhex("9f8104ffee0180"))
    sale = only(hear(engine(), [(0.0, Line.TILL, spoilt)]))
    assert (sale.amount_minor, sale.scheme) == (1880, None)


def test_a_field_that_the_specification_lacks_is_named_and_its_content_is_not() -> None:
    body = bytearray(cn_till.message("0210", SALE))
    body[2] |= 0x01  # field 8
    events = hear(engine(), [(0.0, Line.TILL, cn_till.frame(bytes(body), header=True, bcd_length=False))])
    assert [event.why for event in events if isinstance(event, Desynced)] == [
        "a message with field 8, which the specification lacks"
    ]


# What is told, and what is not.


@pytest.mark.parametrize(
    ("mti", "changed", "kind"),
    [
        ("0210", {}, Kind.SALE),
        ("0210", {39: "51"}, Kind.DECLINED),
        ("0210", {39: "A4"}, Kind.SALE),
        ("0210", {3: "200000"}, Kind.VOID),
        ("0210", {25: "06"}, Kind.PREAUTH_COMPLETION),
        ("0210", {25: "06", 3: "200000"}, Kind.VOID),
        ("0230", {3: "200000"}, Kind.REFUND),
        ("0230", {}, Kind.SALE),
        ("0231", {}, Kind.SALE),
        ("0230", {25: "06"}, Kind.PREAUTH_COMPLETION),
        ("0110", {3: "030000"}, Kind.PREAUTH),
        ("0110", {3: "000000"}, Kind.PREAUTH),
        ("0110", {3: ""}, Kind.PREAUTH),
        ("0410", {}, Kind.REVERSAL),
    ],
)
def test_message_type_and_processing_code_say_what_it_is_in_china(
    mti: str, changed: Fields, kind: Kind
) -> None:
    fields = {number: value for number, value in {**SALE, **changed}.items() if value}
    assert only(heard("iso8583-cn", (mti, fields))).kind is kind


@pytest.mark.parametrize(
    ("mti", "code", "kind"),
    [
        ("0210", "000000", Kind.SALE), ("0210", "090000", Kind.SALE), ("0210", "020000", Kind.VOID),
        ("0210", "200000", Kind.REFUND), ("0230", "000000", Kind.SALE), ("0110", "000000", Kind.PREAUTH),
        ("0110", "300000", Kind.PREAUTH), ("0110", "030000", Kind.PREAUTH), ("0110", "", Kind.PREAUTH),
        ("0410", "000000", Kind.REVERSAL), ("0430", "000000", Kind.REVERSAL),
    ],
)  # fmt: skip
def test_message_type_and_processing_code_say_what_it_is_elsewhere(mti: str, code: str, kind: Kind) -> None:
    assert only(heard("iso8583", (mti, {**SALE, 3: code} if code else without(SALE, 3)))).kind is kind


@pytest.mark.parametrize("code", ["020000", "200000", "310000"])
def test_a_cancelled_authorisation_and_a_query_never_ring(code: str) -> None:
    assert told(heard("iso8583", ("0110", {**SALE, 3: code}))) == []
    assert told(heard("iso8583", ("0410", {**SALE, 3: "300000"}))) == []


@pytest.mark.parametrize(
    ("mti", "changed"),
    [
        ("0200", {}),
        ("0210", {3: "310000"}),
        ("0110", {3: "200000"}),
        ("0110", {3: "310000"}),
        ("0410", {60: "10000003000"}),
        ("0330", {}),
        ("0510", {}),
        ("0810", {}),
        ("0410", {39: "12"}),
        ("0410", {3: "030000"}),
        ("0230", {60: "34000003000"}),
    ],
)
def test_queries_uploads_settlements_and_sign_ons_never_ring(mti: str, changed: Fields) -> None:
    assert told(heard("iso8583-cn", (mti, {**SALE, **changed}))) == []


def test_sign_ons_and_uploads_are_not_even_counted_as_ignored() -> None:
    assert heard("iso8583-cn", ("0800", REQUEST), ("0810", SALE), ("0320", REQUEST), ("0330", SALE)) == []


def test_a_settlement_is_recorded_with_its_batch() -> None:
    (event,) = heard("iso8583-cn", ("0510", {**without(SALE, 3, 4), 60: "00000003201"}))
    assert isinstance(event, SettlementHeard)
    assert (event.settlement.batch, event.settlement.terminal_id) == ("000003", "12345678")


@pytest.mark.parametrize("missing", [3, 39])
def test_an_answer_that_says_too_little_is_no_transaction(missing: int) -> None:
    events = heard("iso8583", ("0210", without(SALE, missing)))
    assert [type(event) for event in events] == [Ignored]


# Requests and answers.


@pytest.mark.parametrize("name", NAMES)
def test_what_the_answer_does_not_repeat_comes_from_its_request(name: str) -> None:
    sale = only(heard(name, ("0200", REQUEST), ("0210", without(SALE, 3, 4, 49))))
    assert (sale.kind, sale.amount_minor, sale.card) == (Kind.SALE, 1880, TruncatedPan("1232"))


def test_of_the_answer_alone_what_it_does_not_say_is_unknown() -> None:
    sale = only(heard("iso8583", ("0210", without(SALE, 4))))
    assert (sale.amount_minor, sale.card, sale.rrn) == (None, None, "142233000012")


def test_zeros_in_an_answer_are_the_request_s_amount_and_alone_they_are_unknown() -> None:
    answer = ("0210", {**SALE, 4: "0" * 12})
    assert only(heard("iso8583", ("0200", REQUEST), answer)).amount_minor == 1880
    assert only(heard("iso8583", answer)).amount_minor is None


def test_a_card_checked_for_an_amount_of_nothing_is_no_sale() -> None:
    assert told(heard("iso8583", ("0200", {**REQUEST, 4: "0" * 12}), ("0210", {**SALE, 4: "0" * 12}))) == []


def test_an_approved_part_of_the_amount_is_the_answer_s() -> None:
    events = heard("iso8583", ("0200", REQUEST), ("0210", {**SALE, 4: "000000001000", 39: "10"}))
    assert only(events).amount_minor == 1000


@pytest.mark.parametrize("other", [{11: "000013"}, {41: "87654321"}])
def test_a_request_of_another_number_or_terminal_adds_nothing(other: Fields) -> None:
    assert (
        only(heard("iso8583", ("0200", {**REQUEST, **other}), ("0210", without(SALE, 4)))).amount_minor
        is None
    )


def test_answers_of_several_terminals_on_one_line_find_their_requests() -> None:
    terminals = [f"{at:08}" for at in range(8)]
    asked = [("0200", {**REQUEST, 41: each, 4: f"{100 + int(each):012}"}) for each in terminals]
    answered = [("0210", {**without(SALE, 4), 41: each}) for each in reversed(terminals)]
    events = told(heard("iso8583", *asked, *answered))
    assert [event.transaction.amount_minor for event in events] == [107, 106, 105, 104, 103, 102, 101, 100]


def test_a_request_is_forgotten_after_its_time() -> None:
    dialect = engine("iso8583")
    dialect.receive_data(octets("iso8583", "0200", REQUEST), 0.0, Line.TERMINAL)
    assert dialect.next_deadline() == REQUEST_S
    settle(dialect, REQUEST_S)
    events = dialect.receive_data(octets("iso8583", "0210", without(SALE, 4)), REQUEST_S + 1, Line.TILL)
    assert only(events).amount_minor is None


def test_a_repeated_request_is_answered_as_the_first() -> None:
    assert (
        only(heard("iso8583", ("0200", REQUEST), ("0201", REQUEST), ("0210", without(SALE, 4)))).amount_minor
        == 1880
    )


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_said_again_has_the_same_key_with_its_request_heard_or_not(name: str) -> None:
    answer = octets(name, "0210", without(SALE, 4))
    steps = [(0.0, Line.TERMINAL, octets(name, "0200", REQUEST))]
    steps += [(at, Line.TILL, answer) for at in (1.0, 2.0, 500.0)]
    dialect = engine(name)
    events = hear(dialect, steps)
    after_a_restart = hear(engine(name), [(0.0, Line.TILL, answer)])
    assert len(told(events + after_a_restart)) == 1
    assert len(told([events[0], *after_a_restart])) == 1


def test_two_sales_of_one_amount_and_card_are_two() -> None:
    second = {**SALE, 11: "000013", 37: "142240000013"}
    assert len(told(heard("iso8583", ("0210", SALE), ("0210", second)))) == 2


def test_an_answer_that_nothing_tells_from_the_next_has_no_key() -> None:
    (event,) = told(heard("iso8583", ("0210", without(SALE, 13, 37))))
    assert event.key is None


def test_a_restart_between_request_and_answer_still_tells_the_sale() -> None:
    dialect = engine("iso8583")
    frame = octets("iso8583", "0200", REQUEST)
    hear(dialect, [(0.0, Line.TERMINAL, frame)])
    dialect.close(1.0)
    assert (
        only(hear(engine("iso8583"), [(2.0, Line.TILL, octets("iso8583", "0210", SALE))])).amount_minor
        == 1880
    )


def test_on_a_merged_line_everything_is_told_as_on_two() -> None:
    line = octets("iso8583-cn", "0200", REQUEST) + octets("iso8583-cn", "0210", without(SALE, 4))
    assert only(hear(engine(), [(0.0, Line.TERMINAL, line)])).amount_minor == 1880


# Reversals, voids and what they name.


def test_a_reversal_after_the_answer_is_an_event_of_its_own_that_names_the_first() -> None:
    sale, reversal = told(
        heard(
            "iso8583-cn",
            ("0200", REQUEST),
            ("0210", SALE),
            ("0400", REQUEST),
            ("0410", {**SALE, 37: "9" * 12}),
        )
    )
    assert (sale.transaction.kind, reversal.transaction.kind) == (Kind.SALE, Kind.REVERSAL)
    assert (reversal.transaction.amount_minor, reversal.transaction.original_ref) == (
        1880,
        sale.transaction.stan,
    )
    assert sale.key != reversal.key


def test_a_reversal_of_what_no_host_answered_takes_back_nothing_that_was_told() -> None:
    events = heard("iso8583-cn", ("0200", REQUEST), ("0400", REQUEST), ("0410", SALE))
    assert events == [Ignored("reversal of what was never approved")]
    declined = heard(
        "iso8583-cn", ("0200", REQUEST), ("0210", {**SALE, 39: "91"}), ("0400", REQUEST), ("0410", SALE)
    )
    assert [event.transaction.kind for event in told(declined)] == [Kind.DECLINED]


def test_on_the_host_s_line_alone_a_refusal_takes_its_reversal_with_it() -> None:
    refused, reversed_ = ("0210", {**SALE, 39: "96"}), ("0410", {**SALE, 37: "9" * 12})
    events = heard("iso8583-cn", refused, reversed_)
    assert [event.transaction.kind for event in told(events)] == [Kind.DECLINED]
    assert events[-1] == Ignored("reversal of what was never approved")
    again = heard("iso8583-cn", refused, ("0210", SALE), reversed_)
    assert [event.transaction.kind for event in told(again)] == [Kind.DECLINED, Kind.SALE, Kind.REVERSAL]


def test_an_approval_that_was_said_again_and_refused_as_known_can_still_be_reversed() -> None:
    known = ("0210", {**SALE, 37: "8" * 12, 39: "94"})
    events = told(heard("iso8583-cn", ("0210", SALE), known, ("0410", {**SALE, 37: "9" * 12})))
    assert [event.transaction.kind for event in events] == [Kind.SALE, Kind.DECLINED, Kind.REVERSAL]


def test_after_a_settlement_the_numbers_of_the_batch_before_say_nothing() -> None:
    settlement: Fields = {11: "000099", 39: "00", 41: SALE[41]}
    unanswered = [("0200", REQUEST), ("0400", REQUEST), ("0410", {**SALE, 37: "9" * 12})]
    before = [("0200", REQUEST), ("0210", SALE)]
    events = heard("iso8583-cn", *before, ("0510", settlement), *unanswered)
    assert [event.transaction.kind for event in told(events)] == [Kind.SALE]
    refused = heard("iso8583-cn", *before, ("0510", {**settlement, 39: "95"}), *unanswered[1:])
    assert [event.transaction.kind for event in told(refused)] == [Kind.SALE, Kind.REVERSAL]
    of_another = heard("iso8583-cn", *before, ("0510", {**settlement, 41: "87654321"}), *unanswered)
    assert [event.transaction.kind for event in told(of_another)] == [Kind.SALE, Kind.REVERSAL]


def test_an_approval_that_comes_after_its_reversal_is_told_to_nobody() -> None:
    late = [("0200", REQUEST), ("0400", REQUEST), ("0410", {**SALE, 37: "9" * 12}), ("0210", SALE)]
    assert told(heard("iso8583-cn", *late)) == []
    again = [("0200", REQUEST), ("0210", {**SALE, 37: "8" * 12})]  # the terminal counts from there again
    assert only(heard("iso8583-cn", *late, *again)).rrn == "8" * 12


def test_a_reversal_with_a_number_of_its_own_names_the_first_by_field_90() -> None:
    named = {90: "0200000012".ljust(42, "0"), 11: "000099"}
    request, answer = {**REQUEST, **named}, {**without(SALE, 38), **named, 37: "9" * 12}
    sale, reversal = told(
        heard("iso8583", ("0200", REQUEST), ("0210", SALE), ("0400", request), ("0410", answer))
    )
    assert (sale.transaction.stan, reversal.transaction.original_ref) == ("000012", "000012")
    assert told(heard("iso8583", ("0200", REQUEST), ("0400", request), ("0410", answer))) == []


def test_a_void_names_its_first_and_its_reversal_names_the_void() -> None:
    request = {**REQUEST, 3: "200000", 61: "0000030000070603"}
    answer = {**SALE, 3: "200000"}
    void, reversal = told(
        heard(
            "iso8583-cn",
            ("0200", request),
            ("0210", answer),
            ("0400", request),
            ("0410", {**answer, 37: "9" * 12}),
        )
    )
    assert (void.transaction.kind, void.transaction.original_ref) == (Kind.VOID, "000007")
    assert (reversal.transaction.kind, reversal.transaction.original_ref) == (Kind.REVERSAL, "000012")
    assert (
        reversal.transaction.amount_minor is None
    )  # it gives money to the shop; a reversal's amount takes it


# Money.


@pytest.mark.parametrize(
    ("code", "currency"), [("156", "CNY"), ("840", "USD"), ("JPY", "JPY"), ("000", None), ("ABC", None)]
)
def test_the_currency_is_the_message_s(code: str, currency: str | None) -> None:
    sale = only(heard("iso8583", ("0210", {**SALE, 49: code})))
    assert (sale.currency, sale.amount_minor) == (currency, 1880 if currency else None)


def test_without_a_currency_the_configured_one_is_meant() -> None:
    dialect = engine("iso8583", currency="KWD")
    assert only(heard("iso8583", ("0210", without(SALE, 49)), dialect=dialect)).currency == "KWD"


@pytest.mark.parametrize(
    ("decimals", "currency", "minor"),
    [
        (2, "152", 18),
        (2, "156", 1880),
        (2, "414", 18800),
        (3, "156", 188),
        (0, "156", 188000),
        (4, "152", None),
    ],
)
def test_hosts_that_count_other_decimals_than_the_currency_are_understood(
    decimals: int, currency: str, minor: int | None
) -> None:
    """1880 with two decimals is 18.80: 18 pesos and 80 hundredths are no number of pesos."""
    spec = f"amount_decimals = {decimals}\n" + shipped("iso8583-1987-ascii")
    amount = "000000001800" if (decimals, currency) == (2, "152") else SALE[4]
    dialect = engine("iso8583", spec=spec)
    assert (
        only(heard("iso8583", ("0210", {**SALE, 4: amount, 49: currency}), dialect=dialect)).amount_minor
        == minor
    )


# The simulated shop.


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("lines", ["two lines", "one line"])
@pytest.mark.parametrize("troubles", [(), TROUBLES, *((each,) for each in TROUBLES)], ids="+".join)
@pytest.mark.parametrize("name", NAMES)
def test_a_simulated_shop_is_told_as_it_is(
    name: str, troubles: tuple[str, ...], lines: str, feed: str
) -> None:
    for seed in range(4):
        steps: list[Step] = []
        expected: list[Transaction] = []
        now = 0.0
        for exchange in islice(
            exchanges_of(name)(seed, datetime(2026, 12, 31, 22), "CNY", frozenset(troubles)), 30
        ):
            for spoken in exchange.spoken:
                now += spoken.after_s
                if lines == "two lines" or spoken.line is Line.TERMINAL:
                    steps.append((now, spoken.line, spoken.octets))
            expected += exchange.expected if lines == "two lines" else exchange.expected_one_line
        assert [event.transaction for event in told(hear(engine(name), steps, feed))] == expected


@pytest.mark.parametrize("name", NAMES)
def test_the_host_s_line_alone_tells_every_sale_with_what_its_answer_says(name: str) -> None:
    steps: list[Step] = []
    expected: list[Transaction] = []
    now = 0.0
    for exchange in islice(exchanges_of(name)(3, datetime(2026, 12, 31, 22), "CNY", frozenset()), 60):
        for spoken in exchange.spoken:
            now += spoken.after_s
            if spoken.line is Line.TILL:
                steps.append((now, Line.TERMINAL, spoken.octets))
        expected += exchange.expected
    alone = [event.transaction for event in told(hear(engine(name), steps))]
    of_sales = [each for each in alone if each.kind is not Kind.REVERSAL]
    wanted = [each for each in expected if each.kind is not Kind.REVERSAL]
    assert [(each.kind, each.rrn) for each in of_sales] == [(each.kind, each.rrn) for each in wanted]
    assert all(
        each.amount_minor in (None, want.amount_minor) for each, want in zip(of_sales, wanted, strict=True)
    )
    assert None in [each.amount_minor for each in of_sales]


# Anything at all.

_PIECES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([GOLDEN_CN, GOLDEN_CN[:40], GOLDEN_CN[40:], b"\x02\x00\x60\x00\x00", bytes(4)]),
    st.sampled_from([octets("iso8583", "0200", REQUEST), octets("iso8583", "0210", SALE), b"\x00\x400210"]),
)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(NAMES),
    st.lists(st.tuples(_PIECES, st.sampled_from(list(Line)), st.sampled_from([0.0, 0.5, 5.0])), max_size=12),
)
def test_any_octets_give_events_bounded_memory_and_deadlines_that_end(
    name: str, pieces: list[tuple[bytes, Line, float]]
) -> None:
    dialect, now = engine(name), 0.0
    for data, line, pause in pieces:
        now += pause
        dialect.receive_data(data, now, line)
        for framer in dialect._framers.values():
            assert len(framer._buffer) <= MOST_OCTETS[name]
        assert len(dialect._requests) <= MOST_REQUESTS
        assert len(dialect._fates) <= MOST_REMEMBERED
    settle(dialect, now + QUIET_S)
    assert dialect.next_deadline() is None
    assert hear(dialect, [], start=now + QUIET_S) == []
    assert all(not framer.waits for framer in dialect._framers.values())


def test_what_is_remembered_of_a_long_day_stays_bounded() -> None:
    dialect = engine("iso8583")
    for at in range(MOST_REMEMBERED + 50):
        dialect.receive_data(octets("iso8583", "0200", {**REQUEST, 11: f"{at:06}"}), at / 1000, Line.TERMINAL)
    assert (len(dialect._requests), len(dialect._fates)) == (MOST_REQUESTS, MOST_REMEMBERED)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(0, 7), min_size=1, max_size=4))
def test_a_damaged_frame_tells_no_amount_that_it_does_not_hold(at: int, bits: list[int]) -> None:
    spoilt = bytearray(GOLDEN_CN)
    for n, bit in enumerate(bits):
        spoilt[(at + 97 * n) % len(spoilt)] ^= 1 << bit
    for event in told(hear(engine(), [(0.0, Line.TERMINAL, bytes(spoilt))])):
        amount = event.transaction.amount_minor
        assert amount is None or f"{amount:012}" in spoilt.hex()


def test_a_message_whose_amount_is_no_number_is_told_as_damaged_and_not_as_a_sale() -> None:
    spoilt = GOLDEN_CN.replace(bytes.fromhex("000000001880"), bytes.fromhex("00000000188A"))
    events = hear(engine(), [(0.0, Line.TILL, spoilt)])
    assert [event.why for event in events if isinstance(event, Desynced)] == [
        "a message whose amount cannot be one"
    ]
    assert told(events) == []


# No card number.


def luhn(start: str, length: int) -> str:
    """``start``, figures that differ from their neighbours, and the check digit."""
    body = (start + "8675309246801357902")[: length - 1]
    total = sum(
        sum(divmod(2 * int(digit), 10)) if place % 2 == 0 else int(digit)
        for place, digit in enumerate(reversed(body))
    )
    return body + str(-total % 10)


PANS = [luhn("37" if length == 15 else "49", length) for length in range(13, 20)]
# Fields of the variants that come with the program that are long enough: number, octets of its length, its digits in BCD?
_ROOM = {
    "qcup": ((36, 2, True), (40, 2, False), (44, 1, False), (45, 1, False), (48, 2, True), (54, 2, False), (55, 2, True),
             (57, 2, False), (59, 2, False), (60, 2, True), (61, 2, True), (62, 2, False), (63, 2, False)),
    "iso8583-1987-bcd": ((36, 2, True), (44, 1, False), (45, 1, False), (48, 2, False), (55, 2, True), (60, 2, False),
                         (61, 2, False), (62, 2, False), (63, 2, False)),
}  # fmt: skip


def field(number: int, length_octets: int, bcd: bool, value: str) -> bytes:
    if not bcd:
        return bytes.fromhex(f"{len(value):0{2 * length_octets}}") + value.encode()
    count = (len(value) + 1) // 2 if number == 55 else len(value)
    return bytes.fromhex(f"{count:0{2 * length_octets}}" + value + "0" * (len(value) % 2))


def says_nothing_of(pan: str, events: list[DialectEvent]) -> None:
    said = say_everything(events)
    digits = "".join(filter(str.isdigit, said))
    assert pan not in digits
    assert pan[:5] not in said
    assert pan[-5:] not in said


@pytest.mark.parametrize("pan", PANS, ids=len)
@pytest.mark.parametrize(
    ("layout", "number", "length_octets", "bcd"), [(k, *row) for k, v in _ROOM.items() for row in v]
)
def test_a_card_number_in_any_field_leaves_the_frame_nowhere(
    pan: str, layout: str, number: int, length_octets: int, bcd: bool
) -> None:
    forms = [pan] if bcd else [pan, " ".join(pan[at : at + 4] for at in range(0, len(pan), 4))]
    for form in forms:
        fields = {3: "000000", 4: "000000001880", 11: "000012"}
        coded = b"".join(bytes.fromhex(fields[each]) for each in fields) + b"00"
        coded += field(number, length_octets, bcd, form)
        bits = sum(1 << 64 - each for each in (*fields, 39, number))
        order = sorted((*fields, 39, number))
        parts = {3: coded[:3], 4: coded[3:9], 11: coded[9:12], 39: b"00", number: coded[14:]}
        body = bytes.fromhex("0210") + bits.to_bytes(8, "big") + b"".join(parts[each] for each in order)
        whole = bytes.fromhex("6000030000") + body
        events = hear(
            engine("iso8583", layout=layout), [(0.0, Line.TILL, len(whole).to_bytes(2, "big") + whole)]
        )
        assert len(told(events)) == 1
        says_nothing_of(pan, events)


@pytest.mark.parametrize("pan", PANS, ids=len)
@pytest.mark.parametrize("name", NAMES)
def test_of_card_number_and_track_only_the_last_four_digits_are_told(name: str, pan: str) -> None:
    track = f"{pan}=30122011234"
    for fields in ({2: pan}, {35: track}, {2: pan, 35: track}):
        for mti, message in (("0200", {**REQUEST, **fields}), ("0210", {**SALE, **fields})):
            events = heard(name, (mti, without(message, 2) | fields), ("0210", SALE))
            assert only(events).card == TruncatedPan(pan[-4:])
            says_nothing_of(pan, events)


@pytest.mark.parametrize("pan", [each for each in PANS if len(each) <= 15], ids=len)
def test_a_card_number_in_the_place_of_the_merchant_is_no_merchant(pan: str) -> None:
    for name in NAMES:
        events = heard(name, ("0210", {**SALE, 42: f"{pan:15}"}))
        assert only(events).merchant_id is None
        says_nothing_of(pan, events)


@pytest.mark.parametrize("pan", PANS, ids=len)
def test_a_card_number_in_the_octets_between_messages_is_only_counted(pan: str) -> None:
    events = hear(
        engine(), [(0.0, Line.TILL, pan.encode() + GOLDEN_CN + bytes.fromhex(pan + "0" * (len(pan) % 2)))]
    )
    says_nothing_of(pan, events)


def test_a_masked_number_gives_its_tail_and_half_a_chinese_character_costs_nothing() -> None:
    assert only(heard("iso8583", ("0210", {**SALE, 2: "621234******1232"}))).card == TruncatedPan("1232")
    spoilt = GOLDEN_CN.replace(
        bytes.fromhex("bdbbd2d7b3c9b9a6"), bytes.fromhex("bdbbd2d7b3c9b920")[:7] + b"\xb9"
    )
    assert only(hear(engine(), [(0.0, Line.TILL, spoilt)])).scheme == "unionpay"


# Beside other code.


@pytest.mark.parametrize("number", [*range(2, 65), *range(66, 129)])
def test_the_ascii_specification_agrees_with_the_library_s_own(number: int) -> None:
    theirs = default_ascii[str(number)]
    ours = read_specification(shipped("iso8583-1987-ascii")).wires[0][str(number)]
    assert ours["len_type"] == theirs["len_type"]
    assert ours["max_len"] == theirs["max_len"] or (number in (54, 55) and ours["len_type"] == 3)


@pytest.mark.parametrize("name", ["iso8583-1987-ascii", "iso8583-1987-bcd", "qcup"])
def test_what_the_library_encodes_by_a_shipped_specification_is_told(name: str) -> None:
    spec = read_specification(shipped(name))
    fields = {str(number): value for number, value in {**SALE, 2: "6212345678901232"}.items()}
    if name == "iso8583-1987-bcd":
        fields["49"] = "0156"
    body, _ = iso8583.encode({"t": "0210", **fields}, spec.wires[0])
    whole = (bytes.fromhex("6000030000") if spec.framing.tpdu else b"") + bytes(body)
    sale = only(
        hear(engine("iso8583", layout=name), [(0.0, Line.TILL, len(whole).to_bytes(2, "big") + whole)])
    )
    told_of = replace(sale, scheme=None, batch=None)
    assert told_of == Transaction(
        Kind.SALE, 1880, "CNY", TruncatedPan("1232"), rrn="142233000012", stan="000012", auth_code="123456",
        terminal_id="12345678", merchant_id="898310148160001", result_code="00",
    )  # fmt: skip


@pytest.mark.parametrize("entry", vectors("iso8583"), ids=lambda entry: entry["id"])
def test_messages_of_other_projects_are_read_or_said_to_be_unfit(entry: dict[str, object]) -> None:
    """All but the one that was made to be wrong follow the ASCII specification."""
    if entry["layer"] != "message":
        pytest.skip("no bare message")
    body = Path(str(entry["path"])).read_bytes()
    events = hear(engine("iso8583"), [(0.0, Line.TILL, len(body).to_bytes(2, "big") + body)])
    wrong = any(isinstance(event, Desynced) for event in events)
    assert wrong is ("hex-bcd" in str(entry["id"]))
    assert scrub(say_everything(events)) == say_everything(events)
