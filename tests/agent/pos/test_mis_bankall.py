"""The ``mis-bankall`` dialect: records of fixed width without a frame, their requests, and what never rings."""

import sys
from collections.abc import Iterable
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
from tillbell_agent.pos.mis_bankall import FIELDS, LAYOUTS, REQUEST_KEPT_S, MisBankall
from tillbell_agent.pos.mis_records import MAX_KEPT
from tillbell_agent.pos.partial_time import PartialTime
from tillbell_agent.pos.settings import DialectSettings, SettingsError
from tillbell_agent.sim.tills import TROUBLES, Exchange, exchanges_of
from tillbell_protocol.event import Kind, Transaction


def record(
    result: str = "00",
    *,
    kind: str = "",
    card: str = "621226******1232",
    voucher: str = "000012",
    amount: int = 1880,
    text: bytes = b"",
    merchant: str = "898310148160001",
    date: str = "0603142233",
    rrn: str = "142233000012",
    auth: str = "123456",
    check: str = "527",
    terminal: str = "12345678",
) -> bytes:
    start = f"{result}{kind}0102{card:20}{voucher:6}{amount:012}".encode("ascii")
    end = f"{merchant:15}{terminal:8}000003{date:10}{rrn:12}{auth:6}0603{check}"
    return start + text[:40].ljust(40) + end.encode("ascii")


def request(
    kind: str = "00",
    amount: int = 1880,
    *,
    date: str = "",
    rrn: str = "",
    voucher: str = "",
    check: str = "527",
    before: str = "",
    behind: str = "",
    till: str = "POS01",
    cashier: str = "1001",
) -> bytes:
    head = f"{before}{till:8}{cashier:8}{kind}{amount:012}"
    return f"{head}{date:8}{rrn:12}{voucher:6}{check}{behind}".encode("latin-1")


def dialect(layout: str = "auto", currency: str = "CNY") -> MisBankall:
    return MisBankall(DialectSettings(currency=currency, layout=layout))


def rung(events: Iterable[DialectEvent]) -> list[Transaction]:
    return [each.transaction for each in told(events)]


def one(*octets: bytes, layout: str = "auto") -> Transaction:
    """What comes of pieces on the terminal's line, ten seconds apart."""
    steps = [(10.0 * at, Line.TERMINAL, piece) for at, piece in enumerate(octets)]
    (transaction,) = rung(hear(dialect(layout), steps))
    return transaction


def test_record_becomes_a_sale_with_all_that_it_says() -> None:
    (event,) = told(hear(dialect(), [(0.0, Line.TERMINAL, record())]))
    sale = event.transaction
    assert (sale.kind, sale.amount_minor, sale.currency) == (Kind.SALE, 1880, "CNY")
    assert (sale.receipt_no, sale.rrn, sale.auth_code, sale.batch) == (
        "000012",
        "142233000012",
        "123456",
        "000003",
    )
    assert (sale.terminal_id, sale.merchant_id) == ("12345678", "898310148160001")
    assert sale.card is not None
    assert sale.card.last4 == "1232"
    assert event.clock == PartialTime(6, 3, 14, 22, 33)
    assert event.key == "12345678|000003|000012|142233000012|0603142233|00"


def test_record_as_a_published_program_shows_it_with_its_padding() -> None:
    octets = (
        b"000308621483******9012    000003000000000001"
        + "交易成功".encode("gb2312").ljust(40)
        + b"898500080620629000000040000030422173915173915040319      0422000"
        + b"000000000000000"
        + b" " * 600
    )
    sale = one(octets)
    assert (sale.kind, sale.amount_minor, sale.rrn, sale.auth_code) == (Kind.SALE, 1, "173915040319", None)
    assert (sale.merchant_id, sale.terminal_id, sale.batch) == ("898500080620629", "00000004", "000003")


def test_record_of_new_years_eve_that_comes_after_midnight_is_of_the_old_year() -> None:
    (event,) = told(hear(dialect(), [(0.0, Line.TERMINAL, record(date="1231235958"))]))
    assert event.clock is not None
    assert event.clock.near(datetime(2027, 1, 1, 0, 2)) == datetime(2026, 12, 31, 23, 59, 58)


def test_text_that_ends_in_the_middle_of_a_character_shifts_nothing() -> None:
    text = "交易成功，请取卡并保存签购单谢谢惠顾欢迎光临".encode("gb2312")[:39] + b"\xad"
    assert one(record(text=text)).merchant_id == "898310148160001"


@pytest.mark.parametrize("text", [b"\x00" * 40, b"0" * 40, b"1" * 40, b" " * 40, b"\xff" * 40])
def test_any_text_leaves_the_fields_behind_it_in_their_places(text: bytes) -> None:
    sale = one(record(text=text))
    assert (sale.amount_minor, sale.rrn) == (1880, "142233000012")


@pytest.mark.parametrize(("kind", "told_kind"), [("00", Kind.SALE), ("01", Kind.VOID), ("02", Kind.REFUND)])
@pytest.mark.parametrize("layout", ["auto", "150"])
def test_record_of_150_octets_says_its_kind(kind: str, told_kind: Kind, layout: str) -> None:
    done = one(record(kind=kind), layout=layout)
    assert (done.kind, done.result_code) == (told_kind, "00")
    assert one(record("51", kind=kind), layout=layout).kind is Kind.DECLINED


@pytest.mark.parametrize("kind", ["03", "04", "05", "06", "77"])
def test_other_types_of_transaction_never_ring(kind: str) -> None:
    assert rung(hear(dialect("150"), [(0.0, Line.TERMINAL, record(kind=kind))])) == []
    assert rung(hear(dialect("150"), [(0.0, Line.TERMINAL, record("51", kind=kind))])) == []
    steps = [(0.0, Line.TILL, request(kind)), (9.0, Line.TERMINAL, record())]
    assert rung(hear(dialect("148"), steps)) == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [("消费撤销成功", Kind.VOID), ("退货成功", Kind.REFUND), ("交易成功", Kind.SALE), ("", Kind.SALE)],
)
def test_text_says_the_kind_where_nothing_else_does(text: str, kind: Kind) -> None:
    assert one(record(text=text.encode("gb2312"))).kind is kind


@pytest.mark.parametrize(
    "text", ["余额查询成功", "查询余额成功", "签到成功", "结算成功", "重打印成功", "预授权撤销成功"]
)
def test_text_of_an_enquiry_never_rings(text: str) -> None:
    assert rung(hear(dialect(), [(0.0, Line.TERMINAL, record(text=text.encode("gb2312")))])) == []


@pytest.mark.parametrize("text", ["交易成功 余额:000100.00元", "交易成功,请查询账户"])
def test_sale_whose_text_names_the_balance_rings(text: str) -> None:
    words = text.encode("gb2312")
    assert one(record(text=words)).kind is Kind.SALE
    assert hear(dialect(), [(0.0, Line.TERMINAL, record(text=words, amount=0))]) == [Ignored("balance")]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("预授权成功", Kind.PREAUTH),
        ("预授权完成成功", Kind.PREAUTH_COMPLETION),
        ("预授权完成撤销成功", Kind.VOID),
    ],
)
def test_text_names_a_pre_authorisation(text: str, kind: Kind) -> None:
    assert one(record(text=text.encode("gb2312"))).kind is kind


REQUESTS = {
    "date of zeros": {"date": "00000000", "rrn": "000000000000", "voucher": "000011"},
    "till and cashier blank": {"till": "", "cashier": "", "voucher": "000011"},
    "day of the original alone": {"date": "0603", "rrn": "142233000001"},
    "day behind zeros": {"date": "00000603", "rrn": "142233000001"},
    "NULs as filling": {"till": "POS01\0\0\0", "date": "\0" * 8, "rrn": "\0" * 12, "voucher": "000011"},
    "a name for a cashier": {"cashier": "\xd5\xc5\xc8\xfd", "voucher": "000011"},
    "reference on the right": {"rrn": "      000001", "voucher": "    11"},
}


@pytest.mark.parametrize("before", ["", "00"])
@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize(("kind", "told_kind"), [("01", Kind.VOID), ("02", Kind.REFUND)])
@pytest.mark.parametrize("fields", REQUESTS.values(), ids=REQUESTS)
def test_void_or_refund_never_rings_as_a_sale_whatever_stands_in_the_fields_that_are_dropped(
    fields: dict[str, str], kind: str, told_kind: Kind, merged: bool, before: str
) -> None:
    asked = request(kind, before=before, **fields)
    line = Line.TERMINAL if merged else Line.TILL
    for answer in (record(), record(kind="")):
        for feed in FEEDS:
            (done,) = rung(hear(dialect(), [(0.0, line, asked), (9.0, Line.TERMINAL, answer)], feed))
            assert (done.kind, done.original_ref is None) == (told_kind, False)


def test_request_is_used_up_by_its_answer_and_by_the_same_one_handed_over_again() -> None:
    later = record(voucher="000013", rrn="142300000013", date="0603142300")
    steps = [(0.0, Line.TILL, request("01", voucher="000007"))]
    steps += [(9.0 + at, Line.TERMINAL, each) for at, each in enumerate((record(), record(), later))]
    kinds = [
        each.transaction.kind for each in hear(dialect(), steps) if isinstance(each, TransactionCompleted)
    ]
    assert kinds == [Kind.VOID, Kind.VOID, Kind.SALE]


def test_request_says_the_kind_before_the_text() -> None:
    steps = [(0.0, Line.TILL, request("01", voucher="000007")), (9.0, Line.TERMINAL, record())]
    (done,) = rung(hear(dialect(), steps))
    assert (done.kind, done.original_ref) == (Kind.VOID, "000007")


def test_refund_names_the_reference_of_its_original() -> None:
    asked = request("02", date="20260601", rrn="142233000001")
    (done,) = rung(hear(dialect(), [(0.0, Line.TILL, asked), (9.0, Line.TERMINAL, record())]))
    assert (done.kind, done.original_ref) == (Kind.REFUND, "142233000001")


@pytest.mark.parametrize("before", ["", "01"])
@pytest.mark.parametrize("behind", ["", " " * 26, "123456621226******1232    "])
@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize("answer_kind", ["", "01"])
@pytest.mark.parametrize("gap_s", [0.0, 9.0])
def test_requests_of_every_width_are_found_on_their_own_line_and_on_a_merged_one(
    before: str, behind: str, merged: bool, answer_kind: str, gap_s: float
) -> None:
    asked = request("01", voucher="000007", before=before, behind=behind)
    line = Line.TERMINAL if merged else Line.TILL
    steps = [(0.0, line, asked), (gap_s, Line.TERMINAL, record(kind=answer_kind))]
    for feed in FEEDS:
        events = hear(dialect(), steps, feed)
        assert [(each.kind, each.original_ref) for each in rung(events)] == [(Kind.VOID, "000007")]
        assert feed == "noise before" or not any(isinstance(each, Desynced) for each in events)


def test_request_whose_digits_are_not_repeated_says_nothing() -> None:
    steps = [(0.0, Line.TILL, request("01", check="111")), (9.0, Line.TERMINAL, record())]
    assert [each.kind for each in rung(hear(dialect(), steps))] == [Kind.SALE]


def test_request_is_forgotten_after_its_time() -> None:
    for wait, kind in ((REQUEST_KEPT_S, Kind.VOID), (REQUEST_KEPT_S + 1, Kind.SALE)):
        steps = [(0.0, Line.TILL, request("01")), (wait, Line.TERMINAL, record())]
        assert [each.kind for each in rung(hear(dialect(), steps))] == [kind]


def test_amount_of_zeros_is_taken_from_the_request_or_unknown() -> None:
    steps = [(0.0, Line.TILL, request("00", 990)), (9.0, Line.TERMINAL, record("55", amount=0))]
    assert [each.amount_minor for each in rung(hear(dialect(), steps))] == [990]
    steps = [(0.0, Line.TILL, request("00", 0)), (9.0, Line.TERMINAL, record(amount=0))]
    assert [each.amount_minor for each in rung(hear(dialect(), steps))] == [None]


def test_record_without_an_amount_and_a_type_is_no_transaction() -> None:
    assert hear(dialect(), [(0.0, Line.TERMINAL, record(amount=0))]) == [Ignored("no amount")]


def test_settlement_is_kept_and_rings_nothing() -> None:
    (event,) = hear(dialect("150"), [(0.0, Line.TERMINAL, record(kind="06", amount=0, voucher="", card=""))])
    assert isinstance(event, SettlementHeard)
    assert (event.settlement.terminal_id, event.settlement.batch, event.settlement.amount_minor) == (
        "12345678",
        "000003",
        None,
    )


def test_declined_record_without_date_or_numbers_is_declined_without_them() -> None:
    refused = one(record("X3", card="", voucher="", date="", rrn="", auth="", amount=1880))
    assert (refused.kind, refused.result_code, refused.receipt_no, refused.rrn) == (
        Kind.DECLINED,
        "X3",
        None,
        None,
    )


@pytest.mark.parametrize("result", ["00", "51"])
@pytest.mark.parametrize("kind", ["07", "11", "77"])
def test_type_that_nobody_knows_is_no_result_of_an_answer_without_a_type(kind: str, result: str) -> None:
    for octets in (record(result, kind=kind), b"\0 " + record(result, kind=kind)):
        assert hear(dialect(), [(0.0, Line.TERMINAL, octets)]) == [Ignored("another type of transaction")]


@pytest.mark.parametrize(
    "changed",
    [
        {"terminal": "1234567"},
        {"terminal": "1234567\0"},
        {"card": "621226******1232\0\0\0\0"},
        {"card": "    621226******1232"},
        {"auth": "\0" * 6},
        {"date": ""},
        {"date": "\0" * 10},
    ],
    ids=str,
)
@pytest.mark.parametrize("feed", FEEDS)
def test_fields_that_are_filled_otherwise_cost_no_approval(changed: dict[str, str], feed: str) -> None:
    (event,) = told(hear(dialect(), [(0.0, Line.TERMINAL, record(**changed))], feed))
    sale = event.transaction
    assert (sale.kind, sale.amount_minor, sale.rrn) == (Kind.SALE, 1880, "142233000012")
    assert sale.card is not None
    assert sale.card.last4 == "1232"
    assert sale.terminal_id == changed.get("terminal", "12345678").strip("\0")
    assert "\0" not in say_everything([event])


@pytest.mark.parametrize("filling", [b" ", b"\0"])
@pytest.mark.parametrize("text", ["用户取消", "交易超时"])
def test_refusal_that_says_nothing_but_its_text_is_told(text: str, filling: bytes) -> None:
    words = text.encode("gb2312").ljust(40, filling)
    refused = b"XX" + filling * 42 + words + filling * 61 + b"527"
    (asked_for,) = rung(hear(dialect(), [(0.0, Line.TILL, request()), (9.0, Line.TERMINAL, refused)]))
    assert (asked_for.kind, asked_for.result_code, asked_for.amount_minor) == (Kind.DECLINED, "XX", 1880)
    alone = hear(dialect(), [(0.0, Line.TERMINAL, refused)])
    assert alone == [Ignored("no amount")]  # as well a sign-on that was refused
    with_amount = b"XX" + filling * 30 + b"%012d" % 1880 + words + filling * 61 + b"527"
    assert one(with_amount).amount_minor == 1880


def test_fillings_alone_are_no_refusal() -> None:
    for octets in (b"527" + b" " * 600, record() + b" " * 600 + b"527", b"XX" + b" " * 143 + b"527"):
        kinds = [each.kind for each in rung(hear(dialect(), [(0.0, Line.TERMINAL, octets)]))]
        assert Kind.DECLINED not in kinds


def test_record_that_is_handed_over_twice_has_one_key_and_the_next_sale_another() -> None:
    said = [record(), record(), record(voucher="000013", rrn="142300000013", date="0603142300")]
    events = hear(dialect(), [(10.0 * at, Line.TERMINAL, each) for at, each in enumerate(said)])
    assert len(rung(events)) == 2


@pytest.mark.parametrize("feed", FEEDS)
def test_record_cut_at_any_octet_never_rings_and_costs_no_other(feed: str) -> None:
    for cut in range(148):
        steps = [
            (0.0, Line.TERMINAL, record()[:cut]),
            (20.0, Line.TERMINAL, record(amount=2000, voucher="000099")),
        ]
        assert [each.amount_minor for each in rung(hear(dialect(), steps, feed))] == [2000]


@pytest.mark.parametrize("layout", ["auto", "148"])
def test_record_cut_before_its_date_with_the_next_one_glued_to_it_is_skipped(layout: str) -> None:
    whole = record(amount=2000, voucher="000099", text="交易成功".encode("gb2312"))
    for cut in range(148):
        machine = dialect(layout)
        machine.receive_data(record(voucher="000001"), 0.0)
        heard = [
            (each.amount_minor, each.receipt_no)
            for each in rung(machine.receive_data(record()[:cut] + whole, 60.0))
        ]
        assert heard == [(2000, "000099")] or (cut > 113 and heard == [(1880, "000012")]), cut


def test_two_octets_that_may_be_a_result_or_the_end_of_something_else_are_not_guessed() -> None:
    events = hear(dialect(), [(0.0, Line.TERMINAL, b"ABC51" + record())])
    assert rung(events) == []
    assert sum(each.octets for each in events if isinstance(each, Desynced)) == 5 + 148


def test_layout_that_is_configured_is_not_guessed_at_all() -> None:
    assert rung(hear(dialect("150"), [(0.0, Line.TERMINAL, record())])) == []
    assert one(b"ABC51" + record(), layout="148").result_code == "00"
    assert one(record("51", kind="00"), layout="150").result_code == "51"


def test_unknown_layout_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"known are|did you mean"):
        dialect("149")
    assert set(LAYOUTS) == {"auto", "148", "150"}


# The simulated cashier program.


def _steps(calls: Iterable[Exchange], lines: dict[Line, Line]) -> list[Step]:
    """``lines``: who speaks → on which line it is heard."""
    now, steps = 0.0, []
    for call in calls:
        for spoken in call.spoken:
            now += spoken.after_s
            if spoken.line in lines:
                steps.append((now, lines[spoken.line], spoken.octets))
    return steps


def _day(seed: int, troubles: Iterable[str] = TROUBLES, count: int = 60) -> list[Exchange]:
    start = datetime(2026, 12, 30, 9)
    return list(islice(exchanges_of("mis-bankall")(seed, start, "CNY", frozenset(troubles)), count))


BOTH = {line: line for line in Line}
MERGED = dict.fromkeys(Line, Line.TERMINAL)
ALONE = {Line.TERMINAL: Line.TERMINAL}


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("lines", [BOTH, MERGED], ids=["both lines", "merged"])
@pytest.mark.parametrize("seed", range(5))
def test_simulated_day_tells_exactly_what_happened(seed: int, lines: dict[Line, Line], feed: str) -> None:
    day = _day(seed)
    expected = [each for call in day for each in call.expected]
    assert rung(hear(dialect(), _steps(day, lines), feed)) == expected


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("seed", range(5))
def test_simulated_day_on_the_answers_line_tells_what_it_can_know(seed: int, feed: str) -> None:
    day = _day(seed)
    expected = [each for call in day for each in call.expected_one_line]
    assert rung(hear(dialect(), _steps(day, ALONE), feed)) == expected


@pytest.mark.parametrize("trouble", [(), *[(each,) for each in TROUBLES]])
def test_each_trouble_alone_changes_nothing_of_what_is_told(trouble: tuple[str, ...]) -> None:
    for seed in range(20, 30):
        day = _day(seed, trouble)
        expected = [each for call in day for each in call.expected]
        assert rung(hear(dialect(), _steps(day, BOTH))) == expected


# Any octets.


@given(
    st.lists(
        st.tuples(
            st.sampled_from(list(Line)),
            st.one_of(st.binary(max_size=200), st.sampled_from([record(), record(kind="01"), request()])),
            st.floats(0, 10),
        ),
        max_size=20,
    ),
    st.sampled_from([*LAYOUTS]),
)
def test_any_octets_give_events_and_deadlines_that_end(
    said: list[tuple[Line, bytes, float]], layout: str
) -> None:
    machine, now = dialect(layout), 0.0
    for line, octets, after_s in said:
        now += after_s
        machine.receive_data(octets, now, line)
        assert all(len(each._kept) <= MAX_KEPT for each in machine._cutters.values())
    settle(machine, now + QUIET_S)
    assert machine.next_deadline() is None
    machine.close(now + QUIET_S)


@given(st.data())
def test_octets_that_were_changed_give_no_amount_that_the_line_does_not_hold(data: st.DataObject) -> None:
    octets = bytearray(request() + record() + record(kind="01", amount=777))
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    for each in rung(hear(dialect(), [(0.0, Line.TERMINAL, bytes(octets))])):
        assert each.amount_minor is None or b"%012d" % each.amount_minor in octets


# Card data.


def _luhn(digits: str) -> str:
    total = sum(
        sum(divmod(int(d) * 2, 10)) if at % 2 == 0 else int(d) for at, d in enumerate(reversed(digits))
    )
    return digits + str(-total % 10)


@settings(max_examples=200)
@given(st.integers(13, 19), st.sampled_from("23456"), st.integers(0, 10**18), st.sampled_from(["", " ", "-"]))
def test_planted_card_numbers_leave_no_trace_but_four_digits(
    length: int, first: str, body: int, between: str
) -> None:
    pan = _luhn(first + f"{body:018}"[-(length - 2) :])
    text = between.join(pan[at : at + 4] for at in range(0, len(pan), 4))
    masked = "*" * (length - 4) + pan[-4:]
    events = [
        say_everything(
            hear(
                dialect(layout),
                [
                    (0.0, Line.TILL, request(behind=f"123456{shown:20}")),
                    (5.0, Line.TERMINAL, record(card=shown, text=words)),
                    (50.0, Line.TERMINAL, record("51", card=shown, text=words, voucher="000013")),
                    (90.0, Line.TERMINAL, words),
                ],
            )
        )
        for layout in ("auto", "148")
        for shown, words in ((pan, text.encode()), (masked, b"x" * len(text)))
    ]
    assert events[0] == events[1]
    assert events[2] == events[3]
    assert pan not in events[0]


@pytest.mark.parametrize("pan", ["4222222222222", "378282246310005", "30569309025904"])
def test_card_number_in_the_merchants_place_is_truncated(pan: str) -> None:
    assert pan not in say_everything(hear(dialect(), [(0.0, Line.TERMINAL, record(merchant=pan))]))


def test_tables_name_every_field_that_leaves() -> None:
    told_of = " ".join(FIELDS.values())
    for name in "terminal_id merchant_id result_code auth_code rrn batch amount_minor receipt_no original_ref card".split():
        assert name in told_of
