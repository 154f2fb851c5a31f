"""Whole messages out of parts: order, duplicates, forged parts, time and room."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillbell_protocol.sms.address import Address
from tillbell_protocol.sms.dcs import Dcs
from tillbell_protocol.sms.reassembly import (
    LINGER_S,
    MAX_COMBINATIONS,
    VARIANTS_PER_PART,
    Assembled,
    CombinationsDropped,
    Duplicate,
    Expired,
    Reassembler,
    Variant,
)
from tillbell_protocol.sms.segment import split_data, split_text
from tillbell_protocol.sms.timestamp import Timestamp
from tillbell_protocol.sms.tpdu import SmsDeliver
from tillbell_protocol.sms.udh import InformationElement, Ports, concatenation_element

SENDER, OTHER = Address.from_text("+8613800138000"), Address.from_text("+8613900139000")
NOON = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)
LONG = "你好世界😀" * 40


def delivered(segments, sender=SENDER):
    scts = Timestamp.from_datetime(NOON)
    return [SmsDeliver(sender, 0, part.dcs, scts, part.udh, part.ud) for part in segments]


def forged(part, content):
    return replace(part, ud=content)


def feed(reassembler, parts, now=0.0, sender=SENDER):
    return [event for part in parts for event in reassembler.receive(sender, part, now)]


def fresh(max_messages=8, timeout_s=3600.0):
    return Reassembler(max_messages, timeout_s)


def test_a_message_in_one_part_is_whole_at_once():
    (part,) = delivered(split_text("hello", 0))
    (event,) = fresh().receive(SENDER, part, 0.0)
    assert event == Assembled(SENDER, (part,))
    assert event.text() == "hello"


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_parts_in_any_order_give_one_message(order):
    parts = delivered(split_text("x" * 400, 9))
    events = feed(fresh(), [parts[n] for n in order])
    assert [event.text() for event in events] == ["x" * 400]


def test_data_keeps_its_octets_and_its_ports():
    data = bytes(range(256))
    (event,) = feed(fresh(), delivered(split_data(data, 1, 16180)))
    assert event.is_data()
    assert event.data() == data
    assert event.ports() == Ports(16180, 16180)


def test_pairs_cut_by_a_careless_sender_are_whole_again():
    octets = "😀".encode("utf-16-be")
    halves = [
        SmsDeliver(
            SENDER,
            0,
            Dcs.UCS2,
            Timestamp(bytes(7)),
            (concatenation_element(1, 2, n),),
            octets[2 * n - 2 : 2 * n],
        )
        for n in (1, 2)
    ]
    (event,) = feed(fresh(), halves)
    assert event.text() == "😀"


def test_parts_in_different_alphabets_are_read_each_in_its_own():
    parts = delivered(split_text("a" * 161, 5))
    foreign = replace(parts[1], dcs=Dcs.UCS2, ud="你".encode("utf-16-be"))
    (event,) = feed(fresh(), [parts[0], foreign])
    assert event.text() == "a" * 153 + "你"


def test_parts_of_different_senders_references_sizes_and_widths_do_not_mix():
    reassembler = fresh()
    first, second = delivered(split_text("a" * 161, 5))
    assert reassembler.receive(SENDER, first, 0.0) == []
    assert reassembler.receive(OTHER, second, 0.0) == []
    assert reassembler.receive(SENDER, replace(second, udh=(concatenation_element(6, 2, 2),)), 0.0) == []
    assert reassembler.receive(SENDER, replace(second, udh=(concatenation_element(5, 3, 2),)), 0.0) == []
    assert (
        reassembler.receive(SENDER, replace(second, udh=(concatenation_element(5, 2, 2, bits=16),)), 0.0)
        == []
    )
    assert [event.text() for event in reassembler.receive(SENDER, second, 0.0)] == ["a" * 161]


def test_a_part_that_comes_twice_is_a_duplicate_even_with_a_new_time_stamp():
    reassembler = fresh()
    first, second = delivered(split_text("a" * 161, 5))
    later = replace(first, scts=Timestamp.from_datetime(NOON + timedelta(hours=1)), mms=False)
    events = feed(reassembler, [first, later, second, second])
    assert [type(event) for event in events] == [Duplicate, Assembled, Duplicate]


def test_a_forged_part_before_the_genuine_one_does_not_poison_the_message():
    reassembler = fresh()
    first, second = delivered(split_data(bytes(200), 5, 16180))
    events = feed(reassembler, [forged(first, b"evil"), first, second])
    assert [type(event) for event in events] == [Variant, Assembled, Assembled]
    assert events[0].kept
    assert {event.data() for event in events[1:]} == {b"evil" + second.ud, bytes(200)}
    assert [event.combination for event in events[1:]] == [0, 1]


def test_a_forged_part_that_completes_a_message_first_does_not_keep_the_genuine_one_out():
    reassembler = fresh()
    first, second = delivered(split_data(bytes(200), 5, 16180))
    assert feed(reassembler, [first, forged(second, b"evil")])[0].data() == first.ud + b"evil"
    variant, genuine = reassembler.receive(SENDER, second, LINGER_S - 1)
    assert isinstance(variant, Variant)
    assert (genuine.data(), genuine.combination) == (bytes(200), 1)


def test_one_variant_too_many_is_dropped_and_said_so():
    reassembler = fresh()
    first, _ = delivered(split_data(bytes(200), 5, 16180))
    events = feed(reassembler, [forged(first, bytes([n])) for n in range(VARIANTS_PER_PART + 1)])
    assert [event.kept for event in events] == [True] * (VARIANTS_PER_PART - 1) + [False]
    assert events[-1].part.ud == bytes([VARIANTS_PER_PART])


def test_the_number_of_combinations_is_bounded_and_what_is_left_out_is_said():
    reassembler = fresh()
    parts = delivered(split_data(bytes(700), 5, 16180))
    assert len(parts) == 6
    for part in parts:
        feed(reassembler, [forged(part, bytes([n])) for n in range(VARIANTS_PER_PART - 1)])
    events = feed(reassembler, parts)
    given_out = [event for event in events if isinstance(event, Assembled)]
    assert len(given_out) <= MAX_COMBINATIONS
    assert any(isinstance(event, CombinationsDropped) for event in events)


def test_a_new_message_may_use_a_reference_again_after_a_while():
    reassembler = fresh()
    assert len(feed(reassembler, delivered(split_text("a" * 161, 5)))) == 1
    assert reassembler.next_deadline() == LINGER_S
    events = feed(reassembler, delivered(split_text("b" * 161, 5)), now=LINGER_S)
    assert [event.text() for event in events] == ["b" * 161]


def test_an_incomplete_message_expires_with_the_parts_there_are():
    reassembler = fresh(timeout_s=100.0)
    parts = delivered(split_text("x" * 400, 9))
    assert reassembler.next_deadline() is None
    feed(reassembler, [parts[2], parts[0]], now=50.0)
    assert reassembler.next_deadline() == 150.0
    assert reassembler.tick(149.9) == []
    assert reassembler.tick(150.0) == [Expired(SENDER, 9, 3, (parts[0], parts[2]))]
    assert reassembler.next_deadline() is None


def test_a_part_that_comes_when_its_message_is_due_finds_it_expired():
    reassembler = fresh(timeout_s=100.0)
    first, second = delivered(split_text("a" * 161, 5))
    feed(reassembler, [first])
    assert reassembler.receive(SENDER, second, 100.0) == [Expired(SENDER, 5, 2, (first,))]


def test_when_full_a_finished_set_makes_room_before_the_oldest_unfinished_one():
    reassembler = fresh(max_messages=2)
    unfinished = [delivered(split_text("a" * 161, reference))[0] for reference in (1, 2, 3)]
    feed(reassembler, unfinished[:1], now=0.0)
    feed(reassembler, delivered(split_text("b" * 161, 9)), now=1.0)
    assert feed(reassembler, unfinished[1:2], now=2.0) == []
    assert feed(reassembler, unfinished[2:], now=3.0) == [
        Expired(SENDER, 1, 2, (unfinished[0],), crowded_out=True)
    ]


def test_a_concatenation_that_makes_no_sense_is_a_whole_message():
    odd = replace(delivered(split_text("hi", 0))[0], udh=(InformationElement(0x00, b"\x01\x02\x03"),))
    assert feed(fresh(), [odd]) == [Assembled(SENDER, (odd,))]


@pytest.mark.parametrize(("max_messages", "timeout_s"), [(0, 1.0), (1, 0.0)])
def test_bounds_are_positive(max_messages, timeout_s):
    with pytest.raises(ValueError, match="positive"):
        Reassembler(max_messages, timeout_s)


@given(st.text(max_size=500), st.integers(0, 255), st.randoms(use_true_random=False))
def test_any_text_arrives_in_any_order_with_repetitions(text, reference, chance):
    parts = delivered(split_text(text, reference))
    chance.shuffle(parts)
    if len(parts) > 1:
        parts.insert(chance.randrange(len(parts)), chance.choice(parts))
    events = feed(fresh(), parts)
    assert [event.text() for event in events if isinstance(event, Assembled)] == [text]


def test_a_flood_of_parts_stays_within_its_bounds():
    chance = random.Random(5)
    reassembler = fresh(max_messages=5, timeout_s=1000.0)
    for step in range(3000):
        total = chance.randrange(1, 5)
        element = concatenation_element(chance.randrange(12), total, chance.randrange(1, total + 1))
        part = SmsDeliver(SENDER, 0, Dcs.DATA8, Timestamp(bytes(7)), (element,), bytes([chance.randrange(9)]))
        for event in reassembler.receive(chance.choice([SENDER, OTHER]), part, float(step)):
            assert not isinstance(event, Assembled) or event.combination < MAX_COMBINATIONS
    assert len(reassembler._sets) <= 5
    assert all(
        len(contents) <= VARIANTS_PER_PART
        for held in reassembler._sets.values()
        for contents in held.parts.values()
    )


def two_under_one_reference():
    return tuple(delivered(split_data(bytes([number]) * 200, 7, 16180)) for number in (1, 2))


def test_what_is_left_when_a_message_is_accepted_waits_for_its_late_part():
    reassembler = fresh(timeout_s=7200.0)
    (early, late), new = two_under_one_reference()
    assert feed(reassembler, [late]) == []
    feed(reassembler, new[:1], 10.0)
    genuine = feed(reassembler, new[1:], 11.0)[-1]
    assert genuine.data() == bytes([2]) * 200
    reassembler.accept(genuine, 11.0)
    (whole,) = feed(reassembler, [early], 11.0 + 6 * LINGER_S)
    assert whole.data() == bytes([1]) * 200


def test_what_is_not_accepted_is_given_up_with_the_message_that_is_whole():
    reassembler = fresh(timeout_s=7200.0)
    (early, late), new = two_under_one_reference()
    feed(reassembler, [late, *new])
    assert feed(reassembler, [early], 6 * LINGER_S) == []


def test_parts_of_an_accepted_message_that_come_again_are_duplicates():
    reassembler = fresh()
    parts, _ = two_under_one_reference()
    (whole,) = feed(reassembler, parts)
    reassembler.accept(whole, 0.0)
    assert [type(event) for event in feed(reassembler, parts, 1.0)] == [Duplicate, Duplicate]
    assert reassembler.tick(LINGER_S) == []


def test_a_message_that_begins_as_an_accepted_ones_time_ends_becomes_whole():
    reassembler = fresh()
    old, new = two_under_one_reference()
    (whole,) = feed(reassembler, old)
    reassembler.accept(whole, 0.0)
    feed(reassembler, new[:1], LINGER_S - 1)
    (event,) = feed(reassembler, new[1:], LINGER_S + 1)
    assert event.data() == bytes([2]) * 200


def test_parts_left_by_an_accepted_message_are_given_up_in_their_time():
    reassembler = fresh(timeout_s=100.0)
    (_, late), new = two_under_one_reference()
    feed(reassembler, [late])
    reassembler.accept(feed(reassembler, new, 1.0)[-1], 1.0)
    (event,) = reassembler.tick(reassembler.next_deadline())
    assert event == Expired(SENDER, 7, 2, (late,))


def test_accepting_what_is_in_one_part_or_is_gone_changes_nothing():
    reassembler = fresh()
    (single,) = delivered(split_text("hello", 0))
    reassembler.accept(Assembled(SENDER, (single,)), 0.0)
    parts, _ = two_under_one_reference()
    reassembler.accept(Assembled(SENDER, tuple(parts)), 0.0)
    assert reassembler.next_deadline() is None
