"""Time stamps and the three forms of validity period."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillbell_protocol.errors import DecodeError, EncodeError
from tillbell_protocol.sms.reader import Reader
from tillbell_protocol.sms.timestamp import Timestamp
from tillbell_protocol.sms.validity import (
    AbsoluteValidity,
    EnhancedValidity,
    RelativeValidity,
    read_validity,
)

MINUTE, HOUR, DAY, WEEK = 60, 3600, 86400, 604800
zones = st.integers(-79, 79).map(lambda quarters: timezone(timedelta(minutes=15 * quarters)))
moments = st.builds(
    lambda naive, zone: naive.replace(microsecond=0, tzinfo=zone),
    st.datetimes(datetime(1990, 1, 1), datetime(2089, 12, 31, 23, 59, 59)),
    zones,
)


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        ("70402132522423", "2007-04-12T23:25:42+08:00"),
        ("3130523210658a", "2013-03-25T23:01:56-07:00"),
        ("99309251619580", "1999-03-29T15:16:59+02:00"),
        ("62115012345632", "2026-11-05T21:43:65"),
    ],
)
def test_octets_are_read_as_a_moment_with_its_zone(octets, text):
    stamp = Timestamp(bytes.fromhex(octets))
    if text.endswith("65"):  # 65 seconds: kept, but no moment
        assert stamp.moment() is None
        assert stamp.text() == "not a date: 62115012345632"
    else:
        assert stamp.text() == text
        assert Timestamp.from_datetime(datetime.fromisoformat(text)) == stamp


def test_zone_has_quarters_of_an_hour_on_both_sides_of_greenwich():
    nepal = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=5, minutes=45)))
    newfoundland = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(-timedelta(hours=3, minutes=30)))
    assert Timestamp.from_datetime(nepal).octets[6] == 0x32
    assert Timestamp.from_datetime(newfoundland).octets[6] == 0x49
    assert Timestamp.from_datetime(newfoundland).moment() == datetime(2026, 1, 2, 6, 34, 5, tzinfo=UTC)


@pytest.mark.parametrize("octets", ["00000000000000", "ffffffffffffff", "62311012345600", "620a1012345600"])
def test_impossible_dates_are_kept_and_are_no_moment(octets):
    stamp = Timestamp(bytes.fromhex(octets))
    assert stamp.moment() is None
    assert stamp.octets.hex() == octets


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 1, 1),
        datetime(2026, 1, 1, tzinfo=timezone(timedelta(minutes=10))),
        datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=20))),
        datetime(1989, 12, 31, tzinfo=UTC),
        datetime(2090, 1, 1, tzinfo=UTC),
    ],
)
def test_moments_that_do_not_fit_are_refused(moment):
    with pytest.raises(EncodeError, match=r"^timestamp"):
        Timestamp.from_datetime(moment)


def test_a_time_stamp_has_seven_octets():
    with pytest.raises(EncodeError):
        Timestamp(b"123456")


@given(moments)
def test_moment_survives_its_octets(moment):
    stamp = Timestamp.from_datetime(moment)
    assert stamp.moment() == moment
    assert stamp.moment().utcoffset() == moment.utcoffset()


@given(st.binary(min_size=7, max_size=7))
def test_any_seven_octets_answer(octets):
    stamp = Timestamp(octets)
    moment = stamp.moment()
    assert stamp.text()
    if moment is not None:
        assert Timestamp.from_datetime(moment).moment() == moment


@pytest.mark.parametrize(
    ("octet", "seconds"),
    [
        (0, 5 * MINUTE),
        (143, 12 * HOUR),
        (144, 12 * HOUR + 30 * MINUTE),
        (167, 24 * HOUR),
        (168, 2 * DAY),
        (196, 30 * DAY),
        (197, 5 * WEEK),
        (255, 63 * WEEK),
    ],
)
def test_relative_octet_means_these_seconds(octet, seconds):
    assert RelativeValidity(octet).seconds() == seconds
    assert RelativeValidity.from_seconds(seconds) == RelativeValidity(octet)


@given(st.floats(0, 70 * WEEK))
def test_relative_period_is_the_shortest_that_is_long_enough(seconds):
    chosen = RelativeValidity.from_seconds(seconds)
    assert chosen.seconds() >= min(seconds, 63 * WEEK)
    if chosen.octet:
        assert RelativeValidity(chosen.octet - 1).seconds() < seconds


@pytest.mark.parametrize(
    ("octets", "seconds", "single_shot"),
    [
        ("00000000000000", None, False),
        ("40000000000000", None, True),
        ("018f0000000000", 12 * HOUR, False),
        ("023c0000000000", 60, False),
        ("02000000000000", None, False),
        ("43102030000000", HOUR + 2 * MINUTE + 3, True),
        ("03107630000000", None, False),
        ("030a0000000000", None, False),
        ("05000000000000", None, False),
        ("82053c00000000", None, False),
    ],
)
def test_enhanced_period_is_read_by_its_indicator(octets, seconds, single_shot):
    period = EnhancedValidity(bytes.fromhex(octets))
    assert period.seconds() == seconds
    assert period.single_shot() is single_shot


@given(st.integers(1, 100 * HOUR - 1), st.booleans())
def test_enhanced_period_holds_seconds_exactly(seconds, single_shot):
    period = EnhancedValidity.from_seconds(seconds, single_shot)
    assert (period.seconds(), period.single_shot()) == (seconds, single_shot)


@pytest.mark.parametrize(
    "make",
    [
        lambda: RelativeValidity(256),
        lambda: EnhancedValidity(b"123456"),
        lambda: EnhancedValidity.from_seconds(0),
        lambda: EnhancedValidity.from_seconds(100 * HOUR),
    ],
)
def test_periods_that_do_not_fit_are_refused(make):
    with pytest.raises(EncodeError, match=r"^vp"):
        make()


@pytest.mark.parametrize("vpf", [0, 1, 2, 3])
def test_period_format_tells_how_many_octets_follow(vpf):
    reader = Reader(bytes(7))
    period = read_validity(reader, vpf)
    expected = {
        0: None,
        1: EnhancedValidity(bytes(7)),
        2: RelativeValidity(0),
        3: AbsoluteValidity(Timestamp(bytes(7))),
    }
    assert period == expected[vpf]
    assert reader.offset == (0 if period is None else len(period.encode()))


def test_cut_off_period_is_an_error_of_vp():
    with pytest.raises(DecodeError) as caught:
        read_validity(Reader(bytes(6)), 3)
    assert (caught.value.field, caught.value.offset) == ("vp", 0)


def test_reserved_period_format_is_an_error():
    with pytest.raises(DecodeError, match=r"^vpf"):
        read_validity(Reader(bytes(7)), 4)
