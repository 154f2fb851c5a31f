"""Payloads: every event comes back as it was, fits where it must, and no octets do anything but tell or be refused."""

import json
import pathlib
import random
from dataclasses import replace
from datetime import date, datetime, timedelta

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tillbell_protocol import cbor
from tillbell_protocol.errors import EncodeError
from tillbell_protocol.event import (
    Alert,
    Batch,
    BatchRow,
    Kind,
    Settlement,
    Status,
    Summary,
    Transaction,
)
from tillbell_protocol.pan import TruncatedPan, scrub
from tillbell_protocol.payload import (
    NO_GAP,
    Defaults,
    Naming,
    Told,
    UnknownEvent,
    decode_payload,
    encode_payload,
    fit_payload,
)
from tillbell_protocol.payload_json import to_json
from tillbell_protocol.refusal import PayloadError

SCHEMA = pathlib.Path(__file__).parents[2] / "protocol" / "schema.cddl"
DEFAULTS = Defaults(
    "till-1",
    "CNY",
    480,
    ("老王面馆", "分店"),
    (("12345678", "898340154112345"), ("00000042", None), (None, "M-7")),
)
NOW = 1_777_869_010
SLIP = Transaction(
    Kind.SALE,
    1880,
    "CNY",
    TruncatedPan("0691"),
    datetime(2026, 5, 4, 12, 30, 5),
    "000042",
    "000456789012",
    None,
    "654321",
    "000007",
    "12345678",
    "898340154112345",
)

COUNT = st.integers(0, 2**53 - 1)
REFERENCE = (
    st.none()
    | st.from_regex(r"[0-9]{1,18}", fullmatch=True)
    | st.text(max_size=20).filter(lambda s: scrub(s) == s)
)
REFERENCE = REFERENCE.filter(lambda text: text is None or scrub(text) == text)
WORD = st.none() | st.sampled_from(["unionpay", "card", "wechat", "visa"]) | st.text(max_size=12)
WORD = WORD.filter(lambda text: text is None or scrub(text) == text)
TIME = st.none() | st.integers(0, 2**33 - 1)
CURRENCY = st.none() | st.sampled_from(["CNY", "EUR", "JPY", "ABC", "001"])
CLOCK = st.none() | st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)).map(
    lambda d: d.replace(microsecond=0)
)
CARDS = st.none() | st.just(TruncatedPan("")) | st.from_regex("[0-9]{4}", fullmatch=True).map(TruncatedPan)
PLACE = st.sampled_from([*DEFAULTS.terminals, (None, None)])
TEXT = st.text(max_size=60).filter(lambda text: scrub(text) == text)


@st.composite
def transactions(draw):
    terminal_id, merchant_id = draw(PLACE)
    return Transaction(
        kind=draw(st.sampled_from([Kind(number) for number in range(7)])),
        amount_minor=draw(st.none() | COUNT),
        currency=draw(CURRENCY),
        card=draw(CARDS),
        terminal_time=draw(CLOCK),
        terminal_id=terminal_id,
        merchant_id=merchant_id,
        scheme=draw(WORD),
        method=draw(WORD),
        final=draw(st.booleans()),
        shop=draw(st.sampled_from([None, "分店"])),
        **{
            name: draw(REFERENCE)
            for name in ("receipt_no", "rrn", "stan", "auth_code", "batch", "result_code", "original_ref")
        },
    )


SETTLEMENTS = st.builds(
    lambda place, **rest: Settlement(*place, **rest),
    PLACE,
    batch=REFERENCE,
    count=st.none() | COUNT,
    amount_minor=st.none() | st.integers(-(2**53) + 1, 2**53 - 1),
    currency=CURRENCY,
    terminal_time=CLOCK,
    shop=st.sampled_from([None, "分店"]),
)
SUMMARIES = st.builds(
    Summary, st.dates(), st.sampled_from(["CNY", "EUR"]), COUNT, COUNT, COUNT, COUNT, st.none() | COUNT, st.none() | COUNT, COUNT,
    st.sampled_from([None, "分店"]),
)  # fmt: skip
NAMINGS = st.builds(
    Naming,
    st.lists(st.tuples(st.integers(0, 1023), st.sampled_from(["T9", "00000001"]), st.none() | st.just("M1")), max_size=3).map(tuple),
    st.lists(st.tuples(st.integers(0, 1023), st.sampled_from(["x", "新店"])), max_size=3).map(tuple),
)  # fmt: skip
EVENTS = st.one_of(
    transactions(),
    SETTLEMENTS,
    SUMMARIES,
    st.builds(Alert, TEXT, TEXT, st.booleans()),
    st.builds(
        Status,
        TEXT,
        st.none() | COUNT,
        st.none() | COUNT,
        st.none() | st.integers(-150, 0),
        st.none() | COUNT,
    ),
    NAMINGS,
    st.builds(Batch, st.lists(st.builds(BatchRow, transactions(), TIME), max_size=6).map(tuple)),
    st.builds(UnknownEvent, st.integers(13, 255), st.lists(st.integers(-9, 9) | TEXT, max_size=4).map(tuple)),
)


@settings(max_examples=300)
@given(EVENTS, TIME, st.just(NO_GAP) | st.none() | st.integers(0, 2**24 - 1))
def test_every_event_comes_back_as_it_was(event, time, predecessor):
    told = decode_payload(
        encode_payload(event, time=time, defaults=DEFAULTS, predecessor=predecessor), DEFAULTS
    )
    if isinstance(event, UnknownEvent):
        while event.items and event.items[-1] is None:
            event = replace(event, items=event.items[:-1])
    else:
        assert told.time == time
    assert told.event == event
    assert (told.predecessor, told.extra_fields, dict(told.extra_keys)) == (predecessor, (), {})
    json.dumps(to_json(told, DEFAULTS))


@pytest.mark.peer("cddl-verifier")
@settings(max_examples=100, deadline=None)
@given(EVENTS, TIME, st.just(NO_GAP) | st.none() | st.integers(0, 2**24 - 1))
def test_an_independent_cddl_validator_accepts_every_payload_as_deterministic(event, time, predecessor):
    octets = encode_payload(event, time=time, defaults=DEFAULTS, predecessor=predecessor)
    result = schema().validate(octets, "payload", require_deterministic=True)
    assert result, result.errors


@pytest.mark.peer("cddl-verifier")
@pytest.mark.parametrize(
    "items",
    [
        [], [300], [0, "x"], [0, 5, -1], [0, 5, 1.5], [0, 5, 1880, "T1"], [0, 5, 1880, 0, "123456"], [0, 5, 1880, 0, 16691, False],
        [0, 5, {0: 1}, 1], [9, 5, "code"], [8, 1, 2, 3], [12, 5, 7], [12, 5, [[0, -5]]], [0, 5, {0: 2**24}], [0, 5, {1: [[5000, 15]]}],
        [0, 5, 1] + [None] * 13 + [True], [0, 5, 1] + [None] * 11 + ["yuan"],
    ],
)  # fmt: skip
def test_schema_and_decoder_refuse_the_same_payloads(items):
    octets = cbor2.dumps(items)
    assert not schema().validate(octets, "payload", require_deterministic=True)
    with pytest.raises(PayloadError):
        decode_payload(octets, DEFAULTS)


_cache = []


def schema():
    cddl_verifier = pytest.importorskip("cddl_verifier", reason="absent peer: cddl-verifier")
    if not _cache:
        _cache.append(cddl_verifier.Validator(SCHEMA.read_text("utf-8")))
    return _cache[0]


@settings(max_examples=300)
@given(st.binary(max_size=80))
def test_any_octets_tell_something_or_are_a_payload_error(octets):
    check_any(octets)


ITEMS = st.recursive(
    st.none() | st.booleans() | st.just(cbor.UNDEFINED) | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=5) | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.integers(0, 4), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=400)
@given(
    st.integers(0, 15),
    st.lists(ITEMS, max_size=19),
    st.none() | st.dictionaries(st.integers(0, 4), ITEMS, max_size=4),
)
def test_any_items_in_any_place_tell_something_or_are_a_payload_error(kind, items, extras):
    check_any(cbor.encode([kind, *items] + ([extras] if extras is not None else [])))


def check_any(octets):
    try:
        told = decode_payload(octets, DEFAULTS)
    except PayloadError:
        return
    json.dumps(to_json(told, DEFAULTS))


def test_a_typical_card_slip_fits_one_binary_segment_and_its_core_one_armored_sms():
    complete = encode_payload(SLIP, time=NOW, defaults=DEFAULTS)
    assert len(complete) <= 47
    shortened, left_out = fit_payload(SLIP, limit=34, time=NOW, defaults=DEFAULTS)
    assert len(shortened) <= 34
    assert left_out == ("batch",)
    assert decode_payload(shortened, DEFAULTS).event == replace(SLIP, batch=None)


def test_nothing_is_left_out_when_it_fits_or_when_nothing_helps():
    complete = encode_payload(SLIP, time=NOW, defaults=DEFAULTS)
    assert fit_payload(SLIP, limit=len(complete), time=NOW, defaults=DEFAULTS) == (complete, ())
    assert fit_payload(SLIP, limit=10, time=NOW, defaults=DEFAULTS) == (complete, ())
    alert = Alert("modem", "x" * 100)
    assert fit_payload(alert, limit=10, time=NOW, defaults=DEFAULTS)[1] == ()


@settings(max_examples=200)
@given(transactions(), TIME, st.integers(5, 60), st.none() | st.integers(0, 9))
def test_what_must_stay_stays_whatever_the_limit(event, time, limit, predecessor):
    payload, left_out = fit_payload(event, limit=limit, time=time, defaults=DEFAULTS, predecessor=predecessor)
    told = decode_payload(payload, DEFAULTS)
    kept = told.event
    assert set(left_out) <= {
        "scheme",
        "method",
        "batch",
        "stan",
        "result_code",
        "auth_code",
        "terminal_time",
        "rrn",
    }
    assert replace(kept, **{name: getattr(event, name) for name in left_out}) == event
    assert (told.time, told.predecessor) == (time, predecessor)
    assert event.receipt_no is not None or "rrn" not in left_out
    assert len(payload) <= limit or not left_out


def realistic_mix(number, seed=7):
    """Card and wallet sales as shops have them: most fields on most slips, some terminals that say little."""
    draw = random.Random(seed)
    for count in range(number):
        wallet = draw.random() < 0.35
        clock = datetime(2026, 1, 1) + timedelta(seconds=draw.randrange(300 * 86400))
        time = int((clock - datetime(1970, 1, 1)).total_seconds()) - 480 * 60 + draw.randrange(-90, 90)
        kind = draw.choices([Kind.SALE, Kind.REFUND, Kind.VOID, Kind.DECLINED], [94, 2, 2, 2])[0]
        yield (
            time,
            Transaction(
                kind,
                None if draw.random() < 0.01 else int(draw.lognormvariate(8.5, 1.3)) + 1,
                "CNY",
                None if wallet else TruncatedPan(f"{draw.randrange(10000):04d}"),
                clock if draw.random() < 0.9 else None,
                f"{count % 1000000:06d}",
                f"{draw.randrange(10**12):012d}" if draw.random() < 0.8 else None,
                None,
                f"{draw.randrange(10**6):06d}" if not wallet and draw.random() < 0.7 else None,
                f"{draw.randrange(1000):06d}" if draw.random() < 0.7 else None,
                *draw.choice(DEFAULTS.terminals[:2]),
                "unionpay" if not wallet else None,
                draw.choice(["wechat", "alipay"]) if wallet else "card",
                original_ref=f"{draw.randrange(10**6):06d}" if kind in (Kind.REFUND, Kind.VOID) else None,
            ),
        )


def test_of_a_realistic_mix_99_percent_fit_one_segment_and_95_percent_one_armored_sms():
    sales = list(realistic_mix(1000))
    binary = [len(encode_payload(sale, time=time, defaults=DEFAULTS)) <= 47 for time, sale in sales]
    armored = [
        len(fit_payload(sale, limit=34, time=time, defaults=DEFAULTS)[0]) <= 34 for time, sale in sales
    ]
    assert sum(binary) >= 990
    assert sum(armored) >= 950


def test_at_least_ten_sales_with_terminals_fit_a_batch_in_two_segments():
    draw = random.Random(3)
    rows, time = [], NOW
    for number in range(10):
        time += draw.randrange(20, 3600)
        rows.append(
            BatchRow(
                Transaction(
                    Kind.SALE, draw.randrange(100, 70000), "CNY", TruncatedPan(f"{draw.randrange(10000):04d}"),
                    receipt_no=f"{41 + number:06d}", terminal_id="00000042",
                ),
                time,
            )
        )  # fmt: skip
    assert len(encode_payload(Batch(tuple(rows)), time=NOW, defaults=DEFAULTS)) <= 170


def test_leading_zeros_survive_and_cost_nothing():
    octets = encode_payload(Transaction(Kind.SALE, 1, "CNY", receipt_no="0042"), time=NOW, defaults=DEFAULTS)
    assert cbor2.loads(octets)[5] == 10042
    assert decode_payload(octets, DEFAULTS).event.receipt_no == "0042"


def test_unknown_amount_and_time_are_undefined_on_the_air_and_null_in_json():
    octets = encode_payload(Transaction(Kind.SALE, None, "CNY"), time=None, defaults=DEFAULTS)
    assert octets == bytes.fromhex("8300f7f7")
    body = to_json(decode_payload(octets, DEFAULTS), DEFAULTS)
    assert (body["amount_minor"], body["time"], body["currency"], body["terminal_id"]) == (
        None,
        None,
        "CNY",
        None,
    )


def test_a_currency_that_was_not_heard_gets_no_default():
    octets = encode_payload(Transaction(Kind.SALE, 5), time=NOW, defaults=DEFAULTS)
    assert decode_payload(octets, DEFAULTS).event.currency is None


def test_a_terminal_that_is_not_listed_is_an_error_and_none_is_never_the_first():
    with pytest.raises(EncodeError, match="with_terminal"):
        encode_payload(Transaction(Kind.SALE, 5, terminal_id="T9"), time=NOW, defaults=DEFAULTS)
    told = decode_payload(encode_payload(Transaction(Kind.SALE, 5), time=NOW, defaults=DEFAULTS), DEFAULTS)
    assert told.event.terminal_id is None


def test_the_first_event_of_a_new_terminal_names_it_and_a_reader_without_it_sees_the_index():
    grown, index = DEFAULTS.with_terminal("T9", "M9")
    sale = Transaction(Kind.SALE, 5, "CNY", terminal_id="T9", merchant_id="M9")
    first = encode_payload(sale, time=NOW, defaults=grown, naming=grown.naming([index]))
    later = encode_payload(sale, time=NOW, defaults=grown)
    told = decode_payload(first, DEFAULTS)
    assert told.event == sale
    assert told.named == Naming(terminals=((3, "T9", "M9"),))
    unnamed = decode_payload(later, DEFAULTS)
    assert (unnamed.event.terminal_id, unnamed.unnamed_terminal) == (None, 3)
    body = to_json(unnamed, DEFAULTS)
    assert (body["terminal_id"], body["terminal_index"]) == (None, 3)
    known, _ = DEFAULTS.with_names(told.named)
    assert decode_payload(later, known).event == sale


def test_a_shop_that_is_not_named_is_not_shown_as_the_devices_own():
    grown, _ = DEFAULTS.with_shop("third")
    octets = encode_payload(Transaction(Kind.SALE, 5, "CNY", shop="third"), time=NOW, defaults=grown)
    body = to_json(decode_payload(octets, DEFAULTS), DEFAULTS)
    assert (body["shop"], body["shop_index"]) == (None, 2)
    own = to_json(
        decode_payload(encode_payload(Transaction(Kind.SALE, 5), time=NOW, defaults=grown), DEFAULTS),
        DEFAULTS,
    )
    assert own["shop"] == "老王面馆"
    assert "shop_index" not in own


def test_a_naming_event_names_many_places_and_says_nothing_else():
    naming = Naming(((4, "T4", None), (5, None, "M5")), ((2, "x"),))
    octets = encode_payload(naming, time=NOW, defaults=DEFAULTS)
    assert cbor2.loads(octets)[2] == {1: [[4, "T4"], [5, None, "M5"]], 2: [[2, "x"]]}
    assert decode_payload(octets, DEFAULTS) == Told(11, naming, NOW, named=naming)


def test_later_versions_fields_keys_and_kinds_are_kept_and_shown():
    items = [0, 5, 7] + [None] * 15 + ["new", {0: 4, 9: [1, b"\x01"]}]
    told = decode_payload(cbor2.dumps(items), DEFAULTS)
    assert (told.extra_fields, told.extra_keys, told.predecessor) == (("new",), {9: (1, b"\x01")}, 4)
    body = to_json(told, DEFAULTS)
    assert (body["extra_fields"], body["extra_keys"]) == (["new"], {"9": [1, "01"]})
    unknown = decode_payload(cbor2.dumps([99, 1, cbor.UNDEFINED, [2]]), DEFAULTS)
    assert unknown.event == UnknownEvent(99, (1, cbor.UNDEFINED, (2,)))
    assert to_json(unknown, DEFAULTS) == {"kind": "unknown-99", "fields": [1, None, [2]]}
    assert to_json(decode_payload(cbor2.dumps([128, 1]), DEFAULTS), DEFAULTS)["kind"] == "command-128"
    row = decode_payload(cbor2.dumps([12, 5, [[0, 7] + [None] * 16 + ["new"]]]), DEFAULTS).event.rows[0]
    assert row.extra_fields == ("new",)


def test_a_word_of_a_later_table_is_shown_as_its_number():
    items = [0, 5, 7] + [None] * 7 + [99, 98]
    event = decode_payload(cbor2.dumps(items), DEFAULTS).event
    assert (event.method, event.scheme) == ("#99", "#98")


@pytest.mark.parametrize(
    ("items", "field", "offset"),
    [
        ([0, "noon"], "time", 2),
        ([0, 5, -1], "amount_minor", 3),
        ([0, 5, 7, "T1"], "terminal", 4),
        ([0, 5, 7, None, 12345678], "card", 5),
        ([0, 5, 7, None, "12345"], "card", 5),
        ([0, 5, 7, None, None, 5], "receipt_no", 6),
        ([0, 5, 7, None, None, 23], "receipt_no", 6),
        ([0, 5, 7, None, None, 10**16 * 2], "integer", 6),
        ([0, 5, 7, None, None, None, 2**50], "terminal_time", 7),
        ([0, 2**50], "time", 2),
        ([0, 5, 7] + [None] * 11 + [1000], "currency", 15),
        ([0, 5, 7] + [None] * 13 + [0], "final", 17),
        ([0, 5, {0: 1}, 7], "map", 3),
        ([256], "kind", 1),
        ([-1], "kind", 1),
        ([True], "kind", 1),
        ([0, 5, {0: -1}], "map", 3),
        ([0, 5, {1: [[0]]}], "map", 3),
        ([0, 5, {1: [[1024, "T"]]}], "map", 3),
        ([0, 5, {2: [[0, ""]]}], "map", 3),
        ([9, 5, "code"], "text", 0),
        ([12, 5], "rows", 2),
        ([12, 5, [[0, 7], [1, -7]]], "rows.1.amount_minor", 3),
        ([12, 5, [[0, 7, None, None, None, 7]]], "rows.0.kind", 3),
        ([12, 5, [5]], "rows.0", 3),
        (5, "payload", 0),
        ([], "payload", 0),
    ],
)
def test_an_item_out_of_form_is_refused_with_its_field_and_octet(items, field, offset):
    with pytest.raises(PayloadError) as caught:
        decode_payload(cbor2.dumps(items), DEFAULTS)
    assert (caught.value.field, caught.value.offset) == (field, offset)


def test_a_card_number_in_any_text_field_leaves_truncated():
    number = "4111111111111111"
    for field in (
        "receipt_no",
        "rrn",
        "stan",
        "auth_code",
        "batch",
        "result_code",
        "original_ref",
        "scheme",
        "method",
    ):
        sale = Transaction(Kind.SALE, 5, "CNY", **{field: number})
        octets = encode_payload(sale, time=NOW, defaults=DEFAULTS)
        assert number.encode() not in octets
        assert getattr(decode_payload(octets, DEFAULTS).event, field) == "****1111"
    alert = encode_payload(Alert("x", f"seen {number} here"), time=NOW, defaults=DEFAULTS)
    assert number.encode() not in alert


def test_a_merchant_number_of_15_digits_is_not_taken_for_a_card_number():
    luhn_valid = "301234567890129"
    grown, index = DEFAULTS.with_terminal("T", luhn_valid)
    octets = encode_payload(Naming(), time=NOW, defaults=grown, naming=grown.naming([index]))
    assert decode_payload(octets, DEFAULTS).named.terminals == ((3, "T", luhn_valid),)
    amex = "371449635398431"
    grown, index = DEFAULTS.with_terminal("T", amex)
    octets = encode_payload(Naming(), time=NOW, defaults=grown, naming=grown.naming([index]))
    assert decode_payload(octets, DEFAULTS).named.terminals == ((3, "T", "****8431"),)


@pytest.mark.parametrize(
    "event",
    [
        Transaction(Kind.SALE, -1, "CNY"),
        Transaction(Kind.SALE, 2**53, "CNY"),
        Transaction(Kind.SALE, 1, "yuan"),
        Transaction(Kind.SALE, 1, "CNY", shop="elsewhere"),
        Summary(date(2026, 1, 1), "CNY", -1, 0, 0, 0),
        Status("1", uptime_s=-5),
        Alert("\ud800", "x"),
        Batch((BatchRow(Transaction(Kind.SETTLEMENT, 1)),)),
    ],
)
def test_a_value_that_the_format_cannot_hold_is_an_encode_error(event):
    with pytest.raises(EncodeError):
        encode_payload(event, time=NOW, defaults=DEFAULTS)


@pytest.mark.parametrize("time", [-1, 2**33])
def test_a_time_out_of_range_is_an_encode_error(time):
    with pytest.raises(EncodeError):
        encode_payload(SLIP, time=time, defaults=DEFAULTS)


def test_json_of_a_slip_has_every_name_and_the_shops_local_time():
    body = to_json(decode_payload(encode_payload(SLIP, time=NOW, defaults=DEFAULTS), DEFAULTS), DEFAULTS)
    assert body == {
        "kind": "sale",
        "amount_minor": 1880,
        "currency": "CNY",
        "time": "2026-05-04T12:30:10+08:00",
        "reference": "000042",
        "card_last4": "0691",
        "terminal_id": "12345678",
        "shop": "老王面馆",
        "receipt_no": "000042",
        "rrn": "000456789012",
        "stan": None,
        "auth_code": "654321",
        "batch": "000007",
        "merchant_id": "898340154112345",
        "scheme": None,
        "method": None,
        "result_code": None,
        "original_ref": None,
        "terminal_time": "2026-05-04T12:30:05",
        "final": True,
    }
