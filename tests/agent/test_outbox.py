"""The outbox: order, states, segments, status reports, and what becomes of old messages."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from till import HQ, NOON, OWNER

from tillbell_agent import retention
from tillbell_agent.database import open_database
from tillbell_agent.outbox import LONGEST_PAUSE_S, PRIORITY, Draft, Outbox, Route, State

TEXT = Draft("owner", OWNER, "text", "txn", 3 * 86_400, body=b"paid")
SEALED = Draft(
    "hq", HQ, "sealed", "txn", 35 * 86_400, body=b"\x50sealed", counter=7, left_out=("rrn", "batch")
)


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(open_database(tmp_path))


def take(outbox: Outbox, modem: str = "sim1", at: int = NOON) -> int | None:
    """Reserve the next message and claim it, as a courier does with its first hand-over; its id."""
    message = outbox.reserve(at)
    if message is None:
        return None
    outbox.claim(message.id, modem, at)
    outbox.release(message.id)
    return message.id


def sent(outbox: Outbox, draft: Draft = TEXT, mr: int = 1, modem: str = "sim1", at: int = NOON) -> int:
    """A message of one segment that the network has taken under ``mr``."""
    message_id = outbox.put(draft, at)
    outbox.claim(message_id, modem, at)
    outbox.segments.hand_over(message_id, 0, modem, at)
    outbox.segments.sent(message_id, 0, modem, mr, at)
    outbox.mark(message_id, State.SENT, "accepted", at)
    return message_id


def test_what_is_put_comes_back_whole(outbox: Outbox) -> None:
    message = outbox.message(outbox.put(SEALED, NOON))
    assert (message.recipient, message.phone, message.format, message.message_class) == (
        "hq",
        HQ,
        "sealed",
        "txn",
    )
    assert (message.state, message.counter, message.body, message.left_out) == (
        State.QUEUED,
        7,
        b"\x50sealed",
        "rrn,batch",
    )
    assert (message.created_at, message.expires_at, message.not_before) == (NOON, NOON + 35 * 86_400, 0)
    assert (message.attempts, message.unknowns, message.repeated) == (0, 0, False)


def test_a_message_without_a_body_is_held_until_it_is_filled(outbox: Outbox) -> None:
    message_id = outbox.put(replace(SEALED, body=None, counter=None), NOON)
    assert outbox.message(message_id).state is State.HELD
    assert outbox.reserve(NOON) is None
    assert [message.id for message in outbox.held("hq", 5)] == [message_id]
    outbox.fill(message_id, SEALED, NOON + 40 * 86_400)
    message = outbox.message(message_id)
    assert (message.state, message.body, message.counter) == (State.QUEUED, SEALED.body, 7)
    assert message.expires_at == NOON + 75 * 86_400


def test_a_message_that_can_never_have_a_body_is_refused_with_the_reason(outbox: Outbox) -> None:
    message = outbox.message(outbox.put(replace(TEXT, body=None, trouble="amount too long"), NOON))
    assert (message.state, message.last_answer) == (State.REFUSED, "amount too long")
    assert outbox.reserve(NOON) is None


@given(st.lists(st.sampled_from(sorted(PRIORITY)), min_size=1, max_size=12))
@settings(max_examples=30)
def test_classes_leave_in_their_order_and_each_in_the_order_of_events(
    tmp_path_factory: pytest.TempPathFactory, classes: list[str]
) -> None:
    outbox = Outbox(open_database(tmp_path_factory.mktemp("order")))
    ids = {outbox.put(replace(TEXT, message_class=word), NOON): word for word in classes}
    left = []
    while (message_id := take(outbox)) is not None:
        left.append(message_id)
    assert left == sorted(ids, key=lambda message_id: (PRIORITY[ids[message_id]], message_id))


def test_a_reserved_message_is_nobody_elses_and_nothing_of_it_is_written(outbox: Outbox) -> None:
    message_id = outbox.put(TEXT, NOON)
    reserved = outbox.reserve(NOON)
    assert reserved is not None
    assert (reserved.id, outbox.message(message_id).state) == (message_id, State.QUEUED)
    assert outbox.reserve(NOON) is None
    outbox.release(message_id)
    assert outbox.reserve(NOON) == reserved


def test_a_claim_counts_the_try_and_takes_the_message_away(outbox: Outbox) -> None:
    message_id = outbox.put(TEXT, NOON)
    assert take(outbox) == message_id
    claimed = outbox.message(message_id)
    assert (claimed.state, claimed.attempts, claimed.modem) == (State.CLAIMED, 1, "sim1")
    assert outbox.reserve(NOON) is None
    assert [message.id for message in outbox.claimed()] == [message_id]


def test_a_route_takes_only_its_phones_and_leaves_the_order_alone(outbox: Outbox) -> None:
    german = outbox.put(replace(TEXT, phone="+491700000001"), NOON)
    chinese = outbox.put(TEXT, NOON)
    others = Route((("+8613", False), ("+86", True)), otherwise=True)
    reserved = outbox.reserve(NOON, others)
    assert reserved is not None
    assert reserved.id == german
    assert outbox.reserve(NOON, others) is None
    assert outbox.reserve(NOON, Route(otherwise=False)) is None
    reserved = outbox.reserve(NOON, Route((("+8613", True),), otherwise=False))
    assert reserved is not None
    assert reserved.id == chinese


def test_a_message_waits_for_its_time_but_a_clock_that_jumped_back_makes_none_wait_for_years(
    outbox: Outbox,
) -> None:
    message_id = outbox.put(TEXT, NOON)
    outbox.requeue(message_id, NOON + 60, "busy", NOON)
    assert outbox.next_due_at(NOON) == NOON + 60
    assert outbox.next_due_at(NOON + 60) is None
    assert outbox.reserve(NOON + 59) is None
    assert take(outbox, at=NOON + 60 - LONGEST_PAUSE_S - 1) == message_id
    outbox.requeue(message_id, NOON + 60, "busy", NOON)
    assert take(outbox, at=NOON + 60) == message_id


def test_what_waits_for_nothing_leaves_whatever_the_clock_says(outbox: Outbox) -> None:
    message_id = outbox.put(TEXT, NOON)
    assert take(outbox, at=NOON - 1800) == message_id


def test_a_clock_that_is_set_shortens_and_lengthens_no_wait_and_ages_nothing(outbox: Outbox) -> None:
    waits, fresh, final = outbox.put(TEXT, NOON), outbox.put(TEXT, NOON), sent(outbox, SEALED)
    outbox.requeue(waits, NOON + 60, "busy", NOON)
    unknown = outbox.put(TEXT, NOON)
    outbox.mark_unknown(unknown, "no answer", NOON + 90, NOON)
    ten_years = 3652 * 86_400
    retention.clock_set(outbox._connection, ten_years)
    assert outbox.message(waits).not_before == NOON + 60 + ten_years
    assert outbox.message(unknown).not_before == NOON + 90 + ten_years
    assert outbox.message(fresh).not_before == 0
    assert retention.expire(outbox._connection, NOON + ten_years + TEXT.lifetime_s) == 0
    assert retention.expire(outbox._connection, NOON + ten_years + TEXT.lifetime_s + 1) == 2
    assert outbox.message(final).created_at == NOON


def test_parts_that_the_network_took_stay_taken_when_the_rest_is_tried_again(outbox: Outbox) -> None:
    message_id = outbox.put(SEALED, NOON)
    take(outbox)
    outbox.segments.hand_over(message_id, 0, "sim1", NOON)
    outbox.segments.sent(message_id, 0, "sim1", 9, NOON)
    outbox.segments.hand_over(message_id, 1, "sim1", NOON)
    assert (outbox.segments.taken(message_id, "sim1"), outbox.segments.open(message_id)) == ({0}, {1})
    outbox.requeue(message_id, NOON, "no network", NOON)
    assert outbox.segments.taken(message_id, "sim1") == {0}
    assert outbox.segments.taken(message_id, "sim2") == set(), "parts of two numbers never become one message"


def test_a_repetition_begins_at_the_first_part_with_another_body(outbox: Outbox) -> None:
    message_id = sent(outbox)
    outbox.mark_unknown(message_id, "no answer", NOON + 60, NOON)
    assert [message.id for message in outbox.to_repeat()] == [message_id]
    outbox.repeat(message_id, b"(repeat) paid", NOON, NOON)
    message = outbox.message(message_id)
    assert (message.state, message.body, message.repeated) == (State.QUEUED, b"(repeat) paid", True)
    assert outbox.segments.taken(message_id, "sim1") == outbox.segments.open(message_id) == set()
    assert outbox.to_repeat() == []


def test_a_report_finds_the_segment_of_that_number_modem_and_phone(outbox: Outbox) -> None:
    old = sent(outbox, mr=5, at=NOON)
    other_phone = sent(outbox, SEALED, mr=5, at=NOON + 5)
    other_modem = sent(outbox, mr=5, modem="sim2", at=NOON + 6)
    new = sent(outbox, mr=5, at=NOON + 1)
    found = outbox.report("sim1", 5, OWNER, "delivered", taken_at=None, now=NOON)
    assert found is not None
    assert (found.message.id, found.of_this_try) == (new, True), "the newest, where nothing tells the time"
    assert outbox.segments.known(new) == (1, 0)
    for untouched in (old, other_phone, other_modem):
        assert outbox.segments.known(untouched) == (1, 1)
    assert outbox.report("sim1", 6, OWNER, "delivered", taken_at=NOON, now=NOON) is None


DAY = 86_400


def test_of_two_segments_with_one_reference_the_report_finds_the_nearer_in_time(outbox: Outbox) -> None:
    old = sent(outbox, mr=5, at=NOON - 2 * DAY)
    new = sent(outbox, mr=5, at=NOON)
    wrong_zone = 8 * 3600
    found = outbox.report("sim1", 5, OWNER, "failed", taken_at=NOON - 2 * DAY + wrong_zone, now=NOON + 60)
    assert found is not None
    assert found.message.id == old
    found = outbox.report("sim1", 5, OWNER, "delivered", taken_at=NOON - wrong_zone, now=NOON + 60)
    assert found is not None
    assert found.message.id == new


def test_a_report_about_what_was_taken_days_ago_is_not_about_todays_message(outbox: Outbox) -> None:
    sent(outbox, mr=5, at=NOON)
    unanswered(outbox)
    assert outbox.report("sim1", 5, OWNER, "failed", taken_at=NOON - 2 * DAY, now=NOON + 60) is None
    unset = 946_684_800  # 2000-01-01: a service centre without a clock says nothing
    assert outbox.report("sim1", 5, OWNER, "failed", taken_at=unset, now=NOON + 60) is not None


def test_a_report_finds_its_segment_where_our_clock_is_days_ahead(outbox: Outbox) -> None:
    ahead = 3 * DAY
    lost = unanswered(outbox)
    message_id = sent(outbox, mr=5, at=NOON + ahead)
    times = {"taken_at": NOON - 4, "discharged_at": NOON, "now": NOON + ahead}
    found = outbox.report("sim1", 5, OWNER, "delivered", **times)
    assert found is not None
    assert found.message.id == message_id
    assert outbox.segments.open(lost) == {0}
    assert outbox.report("sim1", 5, OWNER, "delivered", **times) is None, "said twice"
    assert outbox.segments.open(lost) == {0}


def test_a_lost_answer_is_found_by_its_time_once_the_clocks_are_compared(outbox: Outbox) -> None:
    ahead = 8 * 3600  # the service centre's zone is wrong
    sent(outbox, mr=5, at=NOON)
    assert outbox.report("sim1", 5, OWNER, "delivered", taken_at=NOON - ahead, now=NOON) is not None
    lost = unanswered(outbox)
    hours_before, just_then = NOON - ahead - 3600, NOON - ahead + 30
    assert outbox.report("sim1", 44, OWNER, "delivered", taken_at=hours_before, now=NOON) is None
    found = outbox.report("sim1", 44, OWNER, "delivered", taken_at=just_then, now=NOON)
    assert found is not None
    assert found.message.id == lost


def test_a_lost_answer_is_not_that_of_a_report_of_another_day(outbox: Outbox) -> None:
    unanswered(outbox)
    assert outbox.report("sim1", 44, OWNER, "delivered", taken_at=NOON + 2 * DAY, now=NOON + 2 * DAY) is None


def test_a_clock_that_is_set_changes_nothing_for_an_answer_that_is_lost(outbox: Outbox) -> None:
    sent(outbox, mr=5, at=NOON)
    assert outbox.report("sim1", 5, OWNER, "delivered", taken_at=NOON, now=NOON) is not None
    lost = unanswered(outbox)
    outbox.segments.clock_set(3 * DAY, was_trusted=True)
    outbox.segments.compare_anew(NOON + 3 * DAY)
    times = {"taken_at": NOON + 2, "discharged_at": NOON + 5, "now": NOON + 3 * DAY + 5}
    found = outbox.report("sim1", 44, OWNER, "delivered", **times)
    assert found is not None
    assert found.message.id == lost


@pytest.mark.parametrize("compared", [False, True])
@pytest.mark.parametrize("gap", [3, 30, 590, 20_000])
def test_a_report_that_is_said_twice_is_no_other_messages_answer(
    outbox: Outbox, gap: int, compared: bool
) -> None:
    sent(outbox, mr=5, at=NOON)
    assert outbox.report("sim1", 5, OWNER, "delivered", taken_at=NOON - 2, now=NOON) is not None
    if not compared:  # the agent was started anew
        outbox = Outbox(outbox._connection)
    lost = unanswered(outbox, NOON + gap)
    assert outbox.report("sim1", 5, OWNER, "delivered", taken_at=NOON - 2, now=NOON + gap + 60) is None
    assert outbox.segments.open(lost) == {0}
    found = outbox.report("sim1", 6, OWNER, "delivered", taken_at=NOON + gap + 1, now=NOON + gap + 60)
    assert found is not None
    assert found.message.id == lost


def test_what_was_sent_before_the_clock_was_set_compares_no_clocks(outbox: Outbox) -> None:
    sent(outbox, mr=5, at=NOON)
    outbox.segments.clock_set(3600, was_trusted=True)
    outbox.segments.compare_anew(NOON + 3610)
    assert outbox.report("sim1", 5, OWNER, "delivered", taken_at=NOON, now=NOON + 3620) is not None
    assert outbox.segments._ahead == {}


def test_the_answer_of_what_was_out_when_the_clock_was_set_is_found(outbox: Outbox) -> None:
    message_id = outbox.put(TEXT, NOON)
    take(outbox)
    outbox.segments.hand_over(message_id, 0, "sim1", NOON)
    outbox.segments.clock_set(3 * DAY, was_trusted=True)
    outbox.mark_unknown(message_id, "no answer", NOON + 3 * DAY + 60, NOON + 3 * DAY)
    times = {"taken_at": NOON + 2, "discharged_at": NOON + 5, "now": NOON + 3 * DAY + 5}
    found = outbox.report("sim1", 44, OWNER, "delivered", **times)
    assert found is not None
    assert found.message.id == message_id


def test_a_try_that_was_refused_waits_for_no_report(outbox: Outbox) -> None:
    refused = outbox.put(TEXT, NOON)
    take(outbox)
    outbox.segments.hand_over(refused, 0, "sim1", NOON)
    outbox.segments.not_sent(refused, 0)
    outbox.requeue(refused, NOON, "CMS 42", NOON)
    take(outbox)
    outbox.segments.hand_over(refused, 0, "sim1", NOON)
    outbox.segments.sent(refused, 0, "sim1", 3, NOON)
    outbox.mark(refused, State.SENT, "accepted", NOON)
    other = unanswered(outbox)
    found = outbox.report("sim1", 44, OWNER, "delivered", taken_at=NOON, now=NOON)
    assert found is not None
    assert found.message.id == other


def test_a_late_answer_of_another_modem_says_nothing_of_this_ones_segment(outbox: Outbox) -> None:
    message_id = outbox.put(TEXT, NOON)
    take(outbox)
    outbox.segments.hand_over(message_id, 0, "sim2", NOON)
    outbox.segments.sent(message_id, 0, "sim1", 3, NOON)
    assert outbox.segments.open(message_id) == {0}


def test_a_report_is_the_answer_that_was_lost(outbox: Outbox) -> None:
    message_id = outbox.put(TEXT, NOON)
    take(outbox)
    outbox.segments.hand_over(message_id, 0, "sim1", NOON)
    assert outbox.report("sim1", 44, OWNER, "delivered", taken_at=NOON, now=NOON) is None, (
        "nobody says yet that its answer was lost"
    )
    outbox.mark_unknown(message_id, "no answer", NOON + 60, NOON)
    assert outbox.report("sim1", 44, OWNER, "delivered", taken_at=NOON, now=NOON, answer_open=True) is None, (
        "perhaps the one that is out"
    )
    found = outbox.report("sim1", 44, OWNER, "delivered", taken_at=NOON, now=NOON)
    assert found is not None
    assert outbox.segments.known(found.message.id) == (1, 0)


def unanswered(outbox: Outbox, at: int = NOON) -> int:
    message_id = outbox.put(TEXT, at)
    take(outbox)
    outbox.segments.hand_over(message_id, 0, "sim1", at)
    outbox.mark_unknown(message_id, "no answer", at + 60, at)
    return message_id


def test_a_late_report_of_a_try_that_was_repeated_settles_no_other_message(outbox: Outbox) -> None:
    repeated = unanswered(outbox)
    outbox.repeat(repeated, b"(repeat) paid", NOON, NOON)
    other = unanswered(outbox)
    first = outbox.report("sim1", 44, OWNER, "delivered", taken_at=NOON, now=NOON)
    assert first is not None
    assert (first.message.id, first.of_this_try) == (repeated, False)
    assert outbox.segments.known(other) == (1, 1), "the report was the earlier try's"
    second = outbox.report("sim1", 45, OWNER, "delivered", taken_at=NOON, now=NOON)
    assert second is not None
    assert (second.message.id, second.of_this_try) == (other, True)


def test_the_same_octets_sent_again_leave_the_first_try_to_its_own_report(outbox: Outbox) -> None:
    message_id = unanswered(outbox)
    outbox.requeue(message_id, NOON, "no answer", NOON)
    take(outbox)
    outbox.segments.hand_over(message_id, 0, "sim1", NOON + 1)
    outbox.segments.sent(message_id, 0, "sim1", 9, NOON + 1)
    assert outbox.segments.known(message_id) == (1, 1)
    first = outbox.report("sim1", 8, OWNER, "failed", taken_at=NOON, now=NOON)
    assert first is not None
    assert (first.message.id, first.of_this_try) == (message_id, False)
    assert outbox.segments.known(message_id) == (1, 1)
    second = outbox.report("sim1", 9, OWNER, "delivered", taken_at=NOON, now=NOON)
    assert second is not None
    assert second.of_this_try
    assert outbox.segments.known(message_id) == (1, 0)


def test_a_try_whose_report_cannot_come_any_more_takes_no_others(outbox: Outbox) -> None:
    repeated = unanswered(outbox)
    outbox.repeat(repeated, b"(repeat) paid", NOON, NOON)
    other = unanswered(outbox)
    found = outbox.report("sim1", 44, OWNER, "delivered", taken_at=NOON, now=NOON + TEXT.lifetime_s)
    assert found is not None
    assert found.message.id == other


def test_what_is_too_old_expires_but_not_by_a_clock_that_was_set_meanwhile(outbox: Outbox) -> None:
    late, early = outbox.put(TEXT, NOON), outbox.put(TEXT, 200)
    held = outbox.put(replace(SEALED, body=None), NOON)
    assert retention.expire(outbox._connection, NOON + TEXT.lifetime_s) == 0
    assert retention.expire(outbox._connection, NOON + 90 * 86_400) == 1
    states = [outbox.message(message_id).state for message_id in (late, early, held)]
    assert states == [State.EXPIRED, State.QUEUED, State.HELD]


def test_what_may_be_out_does_not_expire_but_stays_unknown(outbox: Outbox) -> None:
    message_id = unanswered(outbox)
    outbox.count_unknown(message_id)
    outbox.repeat(message_id, b"(repeat) paid", NOON, NOON)
    assert retention.expire(outbox._connection, NOON + 90 * DAY) == 1
    assert outbox.message(message_id).state is State.UNKNOWN
    assert outbox.to_repeat() == []


def test_words_of_final_messages_are_wiped_and_those_still_owed_are_not(outbox: Outbox) -> None:
    final, owed, sealed = sent(outbox), outbox.put(TEXT, NOON), sent(outbox, SEALED, mr=2)
    later = sent(outbox, mr=3)
    assert retention.wipe(outbox._connection, NOON + 1, NOON + 5) == 1
    assert outbox.message(final).body is None
    assert outbox.message(owed).body == b"paid"
    assert outbox.message(sealed).body == SEALED.body
    assert outbox.message(later).body is not None, "what is owed is passed only when it is final"
    outbox.mark(owed, State.EXPIRED, "too late", NOON)
    assert retention.wipe(outbox._connection, NOON + 1, NOON + 5) == 2
    assert outbox.message(later).body is None
    assert retention.wipe(outbox._connection, NOON + 1, NOON + 5) == 0


def test_final_messages_are_forgotten_with_their_segments_and_check_codes_stay(outbox: Outbox) -> None:
    owed, final = outbox.put(replace(SEALED, body=None), NOON), sent(outbox)
    outbox.keep_code("owner", 1, "123456")
    expired, young = outbox.put(TEXT, NOON), outbox.put(TEXT, NOON)
    outbox.mark(expired, State.EXPIRED, "too late", NOON)
    outbox.mark(young, State.EXPIRED, "too late", NOON + 2)
    assert retention.forget(outbox._connection, NOON + 1, NOON + 5) == 2
    for gone in (final, expired):
        with pytest.raises(KeyError):
            outbox.message(gone)
    assert [outbox.message(kept).id for kept in (owed, young)] == [owed, young]
    assert outbox.segments.known(final) == (0, 0)
    assert outbox.codes(1) == {"owner": ["123456"]}


@pytest.mark.parametrize("wrong", [200, NOON + 3652 * 86_400])
def test_what_a_wrong_clock_dated_goes_by_its_place(outbox: Outbox, wrong: int) -> None:
    undated = sent(outbox, at=wrong)
    assert (
        retention.forget(outbox._connection, NOON, NOON)
        == retention.wipe(outbox._connection, NOON, NOON)
        == 0
    )
    sent(outbox, at=NOON - 100)
    last = sent(outbox, at=wrong)
    assert retention.wipe(outbox._connection, NOON, NOON) == 2
    assert outbox.message(undated).body is None
    assert retention.forget(outbox._connection, NOON, NOON) == 2
    assert outbox.find(undated) is None
    assert outbox.find(last) is not None


def test_counts_and_recent_say_what_there_is(outbox: Outbox) -> None:
    first, second = sent(outbox), outbox.put(SEALED, NOON)
    assert outbox.counts() == {("owner", "sent"): 1, ("hq", "queued"): 1}
    assert [message.id for message in outbox.recent(5)] == [second, first]
    assert [message.id for message in outbox.recent(5, State.SENT)] == [first]


def test_whatever_may_make_a_message_due_changes_the_revision(outbox: Outbox) -> None:
    seen = [outbox.revision]

    def changed() -> bool:
        seen.append(outbox.revision)
        return seen[-1] != seen[-2]

    message_id = outbox.put(TEXT, NOON)
    assert changed()
    outbox.requeue(message_id, NOON, "", NOON)
    assert changed()
    outbox.repeat(message_id, b"again", NOON, NOON)
    assert changed()
    held = outbox.put(replace(SEALED, body=None), NOON)
    assert changed()
    outbox.fill(held, SEALED, NOON)
    assert changed()
