"""Malaysian bank terminals: fixed fields by command, amounts from the till's request, refusals that wait for an approval."""

import sys
from dataclasses import replace
from datetime import datetime
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from streams import FEEDS, QUIET_S, Step, hear, say_everything, settle, told

from tillbell_agent.pos.dialect import DialectEvent, Ignored, Line, SettlementHeard, TransactionCompleted
from tillbell_agent.pos.r200 import DOUBT_S, R200, REPEAT_S, REQUEST_S
from tillbell_agent.pos.r200_fields import KINDS, MAX_PAYLOAD_OCTETS
from tillbell_agent.pos.settings import DialectSettings, SettingsError
from tillbell_agent.sim.tills import TROUBLES
from tillbell_agent.sim.tills.r200 import exchanges
from tillbell_protocol.event import Kind, Settlement, Transaction
from tillbell_protocol.pan import TruncatedPan

# The published trace's layout: its LRC is 0A over command to ETX, STX excluded.
PUBLISHED = (
    b"\x02R200519603******8180   XXXX00PYTEST11172522022300000300000205400417616601248584     "
    b"A000000615000184035F870B3DDAC4                          08\x03\x0a"
)
CARD = {
    "pan": "519603******8180   ", "expiry": "2812", "status": "00", "approval": "PYTEST", "rrn": "111725220223",
    "trace": "000003", "batch": "000002", "host": "05", "tid": "40041761", "mid": "6601248584     ",
    "aid": "A0000006150001", "tc": "84035F870B3DDAC4", "holder": "A CUSTOMER                ", "type": "08",
}  # fmt: skip
SHOP = "40041761" + "6601248584     "


def frame(payload: str | bytes) -> bytes:
    octets = payload if isinstance(payload, bytes) else payload.encode("latin-1")
    check = 3
    for octet in octets:
        check ^= octet
    return b"\x02" + octets + b"\x03" + bytes([check])


def asked(code: str = "200", amount: int = 1000, more: str = " " * 24, at: float = 0.0) -> Step:
    return at, Line.TILL, frame(f"C{code}00{amount:012}{more}")


def answered(code: str = "200", at: float = 10.0, more: str = "", **fields: str) -> Step:
    return at, Line.TERMINAL, frame(f"R{code}" + "".join({**CARD, **fields}.values()) + more)


def voided(status: str = "00", at: float = 10.0, trace: str = "000003") -> Step:
    return at, Line.TERMINAL, frame(f"R201000000000130{status}PYTEST111911220223{trace}00000205")


def said(payload: str | bytes, at: float = 10.0) -> Step:
    return at, Line.TERMINAL, frame(payload)


def heard(*steps: Step, currency: str = "MYR") -> list[DialectEvent]:
    return hear(R200(DialectSettings(currency=currency)), steps)


def one(*steps: Step, currency: str = "MYR") -> Transaction:
    (event,) = told(heard(*steps, currency=currency))
    return event.transaction


def why(*steps: Step) -> list[str]:
    events = heard(*steps)
    assert told(events) == []
    return [event.why for event in events if isinstance(event, Ignored)]


# Frames and fields.


def test_published_frame_is_read_as_its_source_states() -> None:
    assert one((0.0, Line.TERMINAL, PUBLISHED)) == Transaction(
        Kind.SALE, card=TruncatedPan("8180"), rrn="111725220223", stan="000003", auth_code="PYTEST",
        batch="000002", terminal_id="40041761", merchant_id="6601248584", scheme="MyDebit", result_code="00",
    )  # fmt: skip


@pytest.mark.parametrize(
    "chip",
    [
        "",
        CARD["aid"] + CARD["tc"],
        "\0" * 14 + CARD["tc"] + " " * 28,
        "\0" * 58,
        "A000000615\0\0\0\0" + "\0" * 44,
    ],
    ids=["none", "no holder", "no application", "filled with NUL", "short application"],
)
def test_sale_is_told_whatever_the_terminal_says_of_the_chip(chip: str) -> None:
    head = "".join(value for name, value in CARD.items() if name not in ("aid", "tc", "holder", "type"))
    sale, whole = one(asked(), said(f"R200{head}{chip}")), one(asked(), answered())
    assert sale == (whole if "A0" in chip else replace(whole, scheme=None))


def test_amount_is_the_requests_and_unknown_on_one_line() -> None:
    both, alone = one(asked(), answered()), one(answered())
    assert (both.amount_minor, both.currency) == (1000, "MYR")
    assert (alone.amount_minor, alone.currency) == (None, None)


def test_both_ends_on_one_wire_are_told_apart_by_what_they_say() -> None:
    octets = b"\x05\x06" + asked()[2] + b"\x06\x05\x06" + answered()[2] + b"\x06\x04"
    for line in Line:
        assert one((0.0, line, octets)).amount_minor == 1000


@pytest.mark.parametrize("feed", FEEDS)
def test_frame_cut_in_its_middle_hides_no_frame_that_follows_at_once(feed: str) -> None:
    _, line, octets = answered()
    for cut in range(1, len(octets), 3):
        dialect = R200(DialectSettings())
        assert len(told(hear(dialect, [(0.0, line, octets[:cut] + b"\x15" + octets)], feed))) == 1, cut


@pytest.mark.parametrize("check", [b"\x02", b"\x03", b"\x04", b"\x05", b"\x06", b"\x15"])
def test_check_octet_may_be_any_control_octet(check: bytes) -> None:
    made = (answered(approval=f"{first}{number:05X}") for first in "0APa" for number in range(4096))
    at, line, octets = next(step for step in made if step[2][-1:] == check)
    assert one(asked(), (at, line, octets), (at, line, b"\x04")).amount_minor == 1000


@pytest.mark.parametrize(
    ("code", "kind"),
    [(code.decode(), kind) for code, kind in KINDS.items() if code not in {b"201", b"290", b"292"}],
)
def test_command_is_the_kind(code: str, kind: Kind) -> None:
    transaction = one(asked(code), answered(code))
    assert (transaction.kind, transaction.amount_minor) == (kind, 1000)


@pytest.mark.parametrize("status", ["51", "05", "TA", "UC"])
def test_refused_answer_is_declined_and_says_with_which_code(status: str) -> None:
    transaction = one(asked(), answered(status=status))
    assert (transaction.kind, transaction.amount_minor, transaction.result_code) == (
        Kind.DECLINED,
        1000,
        status,
    )


def test_void_has_its_own_amount_and_names_the_sale_that_it_voids() -> None:
    alone = one(voided())
    assert (alone.kind, alone.amount_minor, alone.currency, alone.original_ref) == (
        Kind.VOID,
        130,
        "MYR",
        "000003",
    )
    both = one(asked("201", 130, "000007"), voided(trace="000008"))
    assert (both.original_ref, both.stan) == ("000007", "000008")
    assert one(voided("12")).kind is Kind.DECLINED


@pytest.mark.parametrize(
    ("payload", "kind", "amount", "currency"),
    [
        (f"Q20000{'SUCCESS':32}00000300000205{SHOP}{'WECHAT':8}MYR000000000750", Kind.SALE, 750, "MYR"),
        (f"Q20000{'SUCCESS':32}00000300000205{SHOP}{'WECHAT':8}458000000000750", Kind.SALE, 750, "MYR"),
        (f"Q20000{'SUCCESS':32}00000300000205{SHOP}{'WECHAT':8}USD000000000750", Kind.SALE, 750, "USD"),
        (f"Q20000{'SUCCESS':32}00000300000205{SHOP}", Kind.SALE, 1000, "MYR"),
        (f"Q20300{'SUCCESS':32}00000300000205{SHOP}{'WECHAT':8}MYR000000000750", Kind.REFUND, 750, "MYR"),
        (f"G2000000000300000205{SHOP}{'':200}", Kind.SALE, 1000, "MYR"),
        (f"G20000{'SUCCESS':32}00000300000205{SHOP}{'GRAB':8}MYR000000000750", Kind.SALE, 750, "MYR"),
        (f"R29000PYTEST00000300000203{SHOP}{'':96}", Kind.SALE, 1000, "MYR"),
        (f"R29200PYTEST00000300000203{SHOP}{'':96}", Kind.REFUND, 1000, "MYR"),
    ],
)
def test_payments_by_code_and_wallet(payload: str, kind: Kind, amount: int, currency: str) -> None:
    code = payload[1:4]
    paid = one(asked(code, more="0018281234567890123456" if code[1] == "9" else ""), said(payload))
    assert (paid.kind, paid.amount_minor, paid.currency, paid.method) == (kind, amount, currency, "qr")
    assert (paid.stan, paid.batch, paid.terminal_id, paid.merchant_id) == (
        "000003",
        "000002",
        "40041761",
        "6601248584",
    )


def test_settlement_is_heard_for_each_host_and_tells_nobody() -> None:
    events = heard(
        said("R500" + "0100000002012000000123456" + "0500000002000000000000000" + "QR51000002001000000000100")
    )
    assert told(events) == []
    assert [event for event in events if isinstance(event, SettlementHeard)] == [
        SettlementHeard(
            Settlement(None, None, "000002", 12, 123456, "MYR"), "settlement|01|000002|12|123456"
        ),
        SettlementHeard(Settlement(None, None, "000002", 0, 0, "MYR"), "settlement|05|000002|0|0"),
    ]
    assert why(said("R500010000")) == ["fields that do not fit their command"]


@pytest.mark.parametrize(
    ("payload", "reasons"),
    [
        ("R902" + SHOP, []),
        ("R9040100" + SHOP, []),
        (f"R91000{'4111111111111111':19}2812{'A CUSTOMER':26}04", ["card check"]),
        (f"R20800{'':24}000000001000000003PYTEST111725220223", ["last result"]),
        ("R220" + "".join(CARD.values()), ["tip"]),
        ("R204" + "".join(CARD.values()), ["cash handed out"]),
        ("R244" + "".join(CARD.values()), ["points"]),
        ("R777" + "".join(CARD.values()), ["unknown command"]),
        ("Q201000000000130", ["fields that do not fit their command"]),
        ("H200LLO", ["unknown command"]),
        ("R200" + "".join(CARD.values())[:-1], ["fields that do not fit their command"]),
        ("R200X" + "".join(CARD.values()), ["fields that do not fit their command"]),
        ("R200" + f"{'':19}    00{'':6}{'':12}{'':6}{'':6}  {SHOP}{'':58}", ["an answer that names no payment"]),
    ],
)  # fmt: skip
def test_what_is_no_new_transaction_tells_nothing(payload: str, reasons: list[str]) -> None:
    assert why(asked(payload[1:4]), said(payload)) == reasons


def test_unknown_layout_is_refused() -> None:
    with pytest.raises(SettingsError, match="did you mean 'auto'"):
        R200(DialectSettings(layout="autto"))


# Requests.


@pytest.mark.parametrize("between", ["C902", "C20000000000002000", "C91000"])
def test_request_is_forgotten_when_the_next_begins(between: str) -> None:
    amount = one(asked(), (1.0, Line.TILL, frame(between)), answered()).amount_minor
    assert amount == (2000 if between == "C20000000000002000" else None)


def test_request_is_forgotten_after_a_time_and_with_the_cable() -> None:
    assert one(asked(), answered(at=REQUEST_S)).amount_minor == 1000
    assert one(asked(), answered(at=REQUEST_S + 1)).amount_minor is None
    dialect = R200(DialectSettings())
    dialect.receive_data(asked()[2], 0.0, Line.TILL)
    dialect.close(1.0)
    assert told(dialect.receive_data(answered()[2], 2.0))[0].transaction.amount_minor is None


def test_request_for_another_thing_lends_no_amount() -> None:
    assert one(asked("203"), answered("200")).amount_minor is None


def test_sale_that_is_paid_from_a_wallet_has_the_amount_that_was_asked_for() -> None:
    assert one(asked("200"), said(f"R29000PYTEST00000300000203{SHOP}{'':96}")).amount_minor == 1000


def test_parking_fee_that_follows_is_the_amount() -> None:
    fee = (5.0, Line.TILL, frame("000000001200"))
    assert one(asked("230", 100), fee, answered("230")).amount_minor == 1200
    assert heard(fee) == []


def test_card_number_in_a_request_is_not_kept() -> None:
    dialect = R200(DialectSettings())
    dialect.receive_data(frame("C7000004111111111111111KEY"), 0.0, Line.TILL)
    assert "1111" not in repr(dialect._asked)


@pytest.mark.parametrize("currency", ["MYR", "JPY", "KWD"])
def test_amounts_are_minor_units_whatever_their_number_of_decimals(currency: str) -> None:
    transaction = one(asked(), answered(), currency=currency)
    assert (transaction.amount_minor, transaction.currency) == (1000, currency)


# Once, and no less.


def test_frame_that_is_repeated_three_times_is_told_once() -> None:
    events = heard(asked(), answered(), answered(at=12.0), answered(at=14.0), (14.1, Line.TERMINAL, b"\x04"))
    assert [type(event) for event in events] == [TransactionCompleted, Ignored, Ignored]


def test_refusal_waits_for_the_approval_that_may_follow() -> None:
    first = answered(status="TA", approval=" " * 6, at=5.0)
    dialect = R200(DialectSettings())
    assert dialect.receive_data(first[2], 5.0) == []
    assert dialect.next_deadline() == 5.0 + DOUBT_S
    events = heard(asked(), first, answered(at=20.0))
    assert [type(event) for event in events] == [Ignored, TransactionCompleted]
    assert told(events)[0].transaction.amount_minor == 1000


def test_first_try_without_numbers_is_the_one_that_was_approved() -> None:
    blank = {"rrn": " " * 12, "trace": " " * 6, "batch": " " * 6, "pan": " " * 19, "approval": " " * 6}
    assert one(asked(), answered(status="TA", at=5.0, **blank), answered(at=20.0)).kind is Kind.SALE


@pytest.mark.parametrize(
    "next_thing",
    [answered(at=20.0, trace="000004", rrn="111725220224"), asked(at=20.0), answered("203", at=20.0)],
    ids=["another payment", "another request", "another command"],
)
def test_refusal_is_told_when_something_else_follows(next_thing: Step) -> None:
    kinds = [event.transaction.kind for event in told(heard(asked(), answered(status="51"), next_thing))]
    assert kinds[0] is Kind.DECLINED


def test_refusal_is_told_after_its_time_and_when_the_cable_is_pulled() -> None:
    refused = answered(status="51", at=5.0)
    assert [event.transaction.kind for event in told(heard(refused, answered(at=5.0 + DOUBT_S)))] == [
        Kind.DECLINED,
        Kind.SALE,
    ]
    dialect = R200(DialectSettings())
    dialect.receive_data(refused[2], 5.0)
    assert told(dialect.close(6.0))[0].transaction.kind is Kind.DECLINED
    assert dialect.next_deadline() is None


def test_refusals_without_a_reference_are_each_told() -> None:
    blank = {"status": "UC", "rrn": " " * 12, "approval": " " * 6}
    events = told(heard(asked(), answered(**blank), asked(at=40.0), answered(at=50.0, **blank)))
    assert [event.key for event in events] == [None, None]
    alone = told(heard(answered(at=0.0, **blank), answered(at=REPEAT_S + DOUBT_S, **blank)))
    assert len(alone) == 2


def test_two_sales_of_the_same_amount_and_card_are_two() -> None:
    second = answered(at=30.0, trace="000004", rrn="111725220224")
    assert len(told(heard(asked(), answered(), asked(at=20.0), second))) == 2


@pytest.mark.parametrize(
    "blank", [{"rrn": " " * 12}, {"trace": " " * 6, "batch": " " * 6}, {"batch": "000000"}]
)
def test_numbers_that_a_host_leaves_out_still_tell_two_sales_apart(blank: dict[str, str]) -> None:
    first = answered(**blank)
    second = answered(at=30.0, **{"trace": "000004", "rrn": "111725220224", **blank})
    assert len({event.key for event in told(heard(first, second))} - {None}) == 2


def test_key_is_the_same_after_a_restart_in_mid_session() -> None:
    before, after = told(heard(asked(), answered())), told(heard(answered(at=0.0)))
    assert before[0].key == after[0].key == "sale|40041761|05|000002|000003|111725220223|PYTEST"
    assert after[0].transaction.amount_minor is None


def test_sale_and_its_void_have_keys_of_their_own() -> None:
    assert told(heard(answered()))[0].key != told(heard(voided()))[0].key


# The simulated shop.


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("lines", ["two lines", "one line"])
@pytest.mark.parametrize("troubles", [(), TROUBLES, *((each,) for each in TROUBLES)], ids="+".join)
@pytest.mark.parametrize("seed", range(4))
def test_simulated_shop_is_told_as_it_is(seed: int, troubles: tuple[str, ...], lines: str, feed: str) -> None:
    steps: list[Step] = []
    expected: list[Transaction] = []
    now = 0.0
    for exchange in islice(exchanges(seed, datetime(2026, 12, 31), "MYR", frozenset(troubles)), 30):
        for spoken in exchange.spoken:
            now += spoken.after_s
            if lines == "two lines" or spoken.line is Line.TERMINAL:
                steps.append((now, spoken.line, spoken.octets))
        expected += exchange.expected if lines == "two lines" else exchange.expected_one_line
    events = hear(R200(DialectSettings(currency="MYR")), steps, feed)
    assert [event.transaction for event in told(events)] == expected


# Anything at all.

_PIECES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [
            asked()[2],
            answered()[2],
            answered(status="51")[2],
            answered()[2][:90],
            voided()[2],
            b"\x02R200",
            b"\x05",
        ]
    ),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(_PIECES, st.sampled_from(list(Line)), st.sampled_from([0.0, 0.5, 5.0])), max_size=12)
)
def test_any_octets_give_events_bounded_memory_and_deadlines_that_end(
    pieces: list[tuple[bytes, Line, float]],
) -> None:
    dialect, now = R200(DialectSettings()), 0.0
    for octets, line, pause in pieces:
        now += pause
        dialect.receive_data(octets, now, line)
        assert all(len(each.held) <= MAX_PAYLOAD_OCTETS + 1 for each in dialect._ends._framers.values())
    settle(dialect, now + QUIET_S)
    dialect.close(now + QUIET_S)
    assert dialect.next_deadline() is None


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([voided()[2], frame(f"Q20000{'OK':32}00000300000205{SHOP}{'WECHAT':8}MYR000000000750")]),
    st.integers(0, 10_000),
    st.lists(st.integers(0, 7), min_size=1, max_size=3),
    st.booleans(),
)
def test_damaged_frame_tells_no_amount_that_it_does_not_hold(
    whole: bytes, at: int, bits: list[int], with_lrc: bool
) -> None:
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
    body = (start + "8675309246801357902")[: length - 1]
    total = sum(
        sum(divmod(2 * int(digit), 10)) if place % 2 == 0 else int(digit)
        for place, digit in enumerate(reversed(body))
    )
    return body + str(-total % 10)


PANS = [luhn("37" if length == 15 else "49", length) for length in range(13, 20)]
PAN_FORMS = {
    "plain": lambda pan: pan,
    "spaced": lambda pan: " ".join(pan[at : at + 4] for at in range(0, len(pan), 4)),
    "packed": lambda pan: bytes.fromhex(pan + "f" * (len(pan) % 2)).decode("latin-1"),
    "track": lambda pan: f";{pan}=28122011234?",
    "text": lambda pan: f"CARD {pan}",
}
WIDE = [name for name, value in CARD.items() if len(value) >= 13]


def hides(pan: str, *steps: Step) -> None:
    everything = say_everything(heard(*steps))
    assert pan[:5] not in everything
    assert pan[-5:] not in everything


@pytest.mark.parametrize("form", PAN_FORMS)
@pytest.mark.parametrize("pan", PANS, ids=len)
def test_card_number_in_any_field_never_leaves(pan: str, form: str) -> None:
    shown = PAN_FORMS[form](pan)
    for code in ("200", "203", "100", "910", "208", "700"):
        for name in WIDE:
            width = len(CARD[name])
            if len(shown) <= width:
                hides(pan, asked(code), answered(code, **{name: f"{shown:{width}}"}))
        hides(pan, asked(code, more=shown), answered(code, more=shown))
    for payload in (f"C700{shown:>19}KEY", f"C29000000000001000{len(shown):04}{shown}", f"C200{shown}"):
        hides(pan, (0.0, Line.TILL, frame(payload)), answered())
    hides(pan, said(f"Q20000{shown:32}00000300000205{SHOP}{'WECHAT':8}MYR000000000750{shown}"))
    hides(
        pan,
        said(f"G2000000000300000205{SHOP}{shown:40}"),
        said(f"R29000PYTEST00000300000203{SHOP}{shown:32}"),
    )
    hides(pan, said(f"R500{shown}"), said(f"R910{shown}"), said(shown))


@pytest.mark.parametrize("pan", PANS, ids=len)
def test_card_number_that_stands_some_octets_beside_its_place_never_leaves(pan: str) -> None:
    rest = "".join(value for name, value in CARD.items() if name != "pan")
    for before in range(8):
        hides(pan, said(f"R200{'X' * before}{pan:19}{rest}"), said(f"R200{' ' * before}{pan:19}{rest}"))
        hides(pan, said(f"R200{pan:19}"[: 4 + 19 - before] + rest))
