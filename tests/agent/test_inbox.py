"""What modems received: whole messages out of parts in any order, through restarts and refusing disks; copies told apart."""

import itertools
import sqlite3
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from till import NOON, Till, moment

from tillbell_agent import database, inbox
from tillbell_agent.database import StoreError, open_database, transaction
from tillbell_agent.inbox import MAX_OPEN, PARTS_WAIT_S, Inbox
from tillbell_agent.incoming import Kind, Received, State, content_of, kind_of, text_so_far
from tillbell_agent.outbox import Draft
from tillbell_protocol.seal import PORT
from tillbell_protocol.sms.address import Address, TypeOfNumber
from tillbell_protocol.sms.dcs import Dcs
from tillbell_protocol.sms.reassembly import Assembled
from tillbell_protocol.sms.segment import split_data, split_text
from tillbell_protocol.sms.timestamp import Timestamp
from tillbell_protocol.sms.tpdu import SmsDeliver
from tillbell_protocol.sms.udh import InformationElement, concatenation_element, ports_element

ASKER = "+8613700000001"
DAY_S = 86_400
LONG = "今天卖了多少？" * 30  # 210 characters: four parts


def stamp(after_s: int = 0) -> Timestamp:
    return Timestamp.from_datetime(datetime(2026, 11, 21, 4, tzinfo=UTC) + timedelta(seconds=after_s))


def tpdus(text: str, sender: str = ASKER, reference: int = 7, after_s: int = 0) -> list[bytes]:
    """A text as a service centre delivers it, part by part."""
    origin = Address.from_text(sender)
    parts = split_text(text, reference)
    return [SmsDeliver(origin, 0, part.dcs, stamp(after_s), part.udh, part.ud).encode() for part in parts]


def of(dcs: int = 0, pid: int = 0, ud: bytes = b"x", udh: tuple[InformationElement, ...] = ()) -> SmsDeliver:
    return SmsDeliver(Address.from_text(ASKER), pid, Dcs(dcs), stamp(), udh, ud)


@pytest.fixture
def till(tmp_path: Path) -> Till:
    return Till(tmp_path)


def keep(till: Till, *received: bytes, after_s: float = 0) -> None:
    """As the courier keeps them: durable, then the modem may forget."""
    for tpdu in received:
        with transaction(till.register.connection):
            till.register.inbox.keep("sim1", tpdu, NOON + int(after_s))


def take(till: Till, *received: bytes, after_s: float = 0) -> list[Received]:
    keep(till, *received, after_s=after_s)
    return till.register.inbox.take_in(after_s)


def listed(till: Till, state: State | None = None) -> list[Received]:
    return till.register.inbox.recent(1000, state)


# Whole messages


def test_a_text_is_told_with_its_sender_and_its_words(till: Till) -> None:
    told = take(till, *tpdus("多少"))
    assert [(one.kind, one.state, one.sender, one.text) for one in told] == [
        (Kind.TEXT, State.WHOLE, ASKER, "多少")
    ]
    assert not told[0].sender_is_name
    assert told[0].sent_at == "2026-11-21T04:00:00+00:00"
    assert listed(till) == told
    assert take(till) == []


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_parts_in_any_order_with_a_restart_between_any_two_are_one_message(
    tmp_path: Path, order: tuple[int, ...]
) -> None:
    till = Till(tmp_path)
    parts = tpdus(LONG)
    assert len(parts) == 4
    told = []
    for count, position in enumerate(order, 1):
        told += take(till, parts[position])
        till.restart()
        if count < 4:
            assert [(one.parts, one.total) for one in listed(till, State.PARTIAL)] == [(count, 4)]
    assert [(one.text, one.parts, one.total, one.ambiguous) for one in told] == [(LONG, 4, 4, False)]
    assert listed(till) == told


def test_what_was_kept_and_not_read_when_the_agent_died_is_read_at_its_next_start(till: Till) -> None:
    first, *rest = tpdus(LONG)
    take(till, *rest)
    keep(till, first)
    till.restart()
    assert [one.text for one in till.register.inbox.take_in(0.0)] == [LONG]


def test_two_senders_and_two_references_do_not_mix(till: Till) -> None:
    messages = {
        ("+8613700000001", 7): "甲" * 100,
        ("+8613700000002", 7): "乙" * 100,
        ("+8613700000001", 8): "丙" * 100,
    }
    parts = [tpdus(text, sender, reference) for (sender, reference), text in messages.items()]
    told = take(till, *[part[1] for part in parts], *[part[0] for part in parts])
    assert [(one.sender, one.text) for one in told] == [
        (sender, text) for (sender, _), text in messages.items()
    ]


def test_a_reference_that_serves_again_makes_a_new_message(till: Till) -> None:
    one, other = "一" * 100, "二" * 100
    assert [each.text for each in take(till, *tpdus(one))] == [one]
    later = inbox.PARTS_WAIT_S / 2
    assert [each.text for each in take(till, *tpdus(other, after_s=1), after_s=later)] == [other]
    assert [each.text for each in listed(till)] == [other, one]


def test_the_longest_message_that_there_can_be_is_put_together(till: Till) -> None:
    text = "".join(f"{number:067}" for number in range(255))
    origin = Address.from_text(ASKER)
    parts = [
        SmsDeliver(
            origin, 0, Dcs.UCS2, stamp(), (concatenation_element(1, 255, number + 1),),
            text[67 * number : 67 * (number + 1)].encode("utf-16-be"),
        ).encode()
        for number in range(255)
    ]  # fmt: skip
    told = take(till, *parts[128:], *parts[:128])
    assert [(one.text, one.parts) for one in told] == [(text, 255)]


def test_a_character_that_a_careless_sender_cut_in_two_is_whole_again(till: Till) -> None:
    octets = ("a" * 66 + "😀" + "b").encode("utf-16-be")
    origin = Address.from_text(ASKER)
    parts = [
        SmsDeliver(origin, 0, Dcs.UCS2, stamp(), (concatenation_element(1, 2, number),), ud).encode()
        for number, ud in ((1, octets[:134]), (2, octets[134:]))
    ]
    assert [one.text for one in take(till, *parts)] == ["a" * 66 + "😀" + "b"]


# Copies


def test_the_same_message_read_twice_is_told_once_and_counted(till: Till) -> None:
    """A storage that gives what was deleted, a crash before the deletion, a service centre that repeats."""
    (tpdu,) = tpdus("STOP")
    more_wait = replace(SmsDeliver.decode(tpdu), mms=False).encode()
    assert more_wait != tpdu
    assert len(take(till, tpdu)) == 1
    assert take(till, tpdu) == []
    till.restart()
    assert take(till, more_wait) == []
    assert [(one.text, one.copies) for one in listed(till)] == [("STOP", 2)]


def test_the_same_words_sent_again_are_another_message(till: Till) -> None:
    told = take(till, *tpdus("今天"), *tpdus("今天", after_s=5))
    assert [one.text for one in told] == ["今天", "今天"]


def test_a_part_that_comes_twice_with_another_time_stamp_is_a_copy(till: Till) -> None:
    parts, repeated = tpdus(LONG), tpdus(LONG, after_s=60)
    told = take(till, parts[0], parts[1], repeated[1], parts[2], parts[3], repeated[3])
    assert [(one.text, one.ambiguous) for one in told] == [(LONG, False)]
    assert [(one.parts, one.copies) for one in listed(till)] == [(4, 2)]


def test_a_forged_part_poisons_nothing_and_what_it_makes_doubtful_is_told_as_ambiguous(till: Till) -> None:
    genuine = tpdus("甲" * 100)
    forged = tpdus("乙" * 100)[1]
    told = take(till, forged, *genuine)
    assert ("甲" * 100, True) in [(one.text, one.ambiguous) for one in told]
    assert len(told) == 2
    assert [one.ambiguous for one in listed(till)] == [True, True]


# Kinds


@pytest.mark.parametrize(
    ("kind", "deliver"),
    [
        (Kind.TEXT, of()),
        (Kind.FLASH, of(dcs=0x10)),
        (Kind.FLASH, of(dcs=0xF0)),
        (Kind.FLASH, of(dcs=0x18, ud="好".encode("utf-16-be"))),
        (Kind.TEXT, of(dcs=0x11)),
        (Kind.SEALED, of(dcs=4, udh=(ports_element(PORT, PORT),))),
        (Kind.DATA, of(dcs=0, udh=(ports_element(PORT, PORT),))),
        (Kind.DATA, of(dcs=4, udh=(ports_element(2948, 9200),))),
        (Kind.DATA, of(dcs=4)),
        (Kind.WAITING, of(dcs=0xC8)),
        (Kind.WAITING, of(dcs=0xD8)),
        (Kind.WAITING, of(udh=(InformationElement(0x01, b"\x80\x01"),))),
        (Kind.WAITING, of(pid=0x5F)),
        (Kind.CONTROL, of(pid=0x40)),
        (Kind.CONTROL, of(pid=0x7F, dcs=0xF6)),
    ],
)
def test_what_is_no_text_from_a_person_is_told_apart(till: Till, kind: Kind, deliver: SmsDeliver) -> None:
    assert kind_of(Assembled(deliver.oa, (deliver,))) is kind
    told = take(till, deliver.encode())
    assert [one.kind for one in told] == [kind]
    assert (told[0].text is None) != (told[0].data is None)


def test_sealed_octets_for_this_device_are_kept_whole_and_nothing_of_them_is_done(till: Till) -> None:
    octets = bytes(range(200))
    origin = Address.from_text(ASKER)
    parts = [
        SmsDeliver(origin, 0, part.dcs, stamp(), part.udh, part.ud).encode()
        for part in split_data(octets, 3, PORT)
    ]
    told = take(till, *reversed(parts))
    assert [(one.kind, one.data, one.text, one.total) for one in told] == [(Kind.SEALED, octets, None, 2)]
    assert till.rows("SELECT count(*) FROM message") == [(0,)]


@pytest.mark.parametrize("name", ["BANK", "Bank-OTP", "13800138k"])
def test_a_sender_that_is_a_name_is_told_as_a_name(till: Till, name: str) -> None:
    told = take(till, *tpdus("你好", sender=name))
    assert (told[0].sender, told[0].sender_is_name) == (name, True)


def test_a_name_made_of_digits_is_no_number(till: Till) -> None:
    deliver = replace(of(), oa=Address("13800138000", TypeOfNumber.ALPHANUMERIC, 0))
    told = take(till, deliver.encode())
    assert (told[0].sender, told[0].sender_is_name) == ("13800138000", True)


def test_what_cannot_be_read_is_kept_with_the_reason_and_stops_nothing(till: Till) -> None:
    broken = b"\x04\x0b\x91"
    told = take(till, broken, *tpdus("after it"))
    assert [(one.kind, one.text) for one in told] == [(Kind.UNREADABLE, None), (Kind.TEXT, "after it")]
    assert told[0].data == broken
    assert told[0].why is not None
    assert "oa" in told[0].why


def test_a_card_number_in_a_text_is_not_kept(till: Till) -> None:
    told = take(till, *tpdus("card 4111111111111111 ok"), *tpdus("x" * 150 + " 4111111111111111 "))
    assert [str(one.text)[-13:] for one in told] == ["d ****1111 ok", "xxx ****1111 "]
    till.register.erase()
    for path in till.folder.glob("tillbell.db*"):
        assert b"4111111111111111" not in path.read_bytes()
    assert till.rows("SELECT sum(length(tpdu)) FROM incoming") == [(0,)]


# Incomplete messages


def test_an_incomplete_message_is_shown_with_its_gaps(till: Till) -> None:
    parts = tpdus("".join(str(digit) * 67 for digit in range(1, 5)) + "好")
    assert len(parts) == 5
    take(till, parts[4], parts[1])
    (shown,) = listed(till)
    assert (shown.state, shown.parts, shown.total) == (State.PARTIAL, 2, 5)
    assert shown.text == "…" + "2" * 67 + "…好"


def test_a_partial_message_is_given_up_after_three_days_with_a_record_and_its_words(till: Till) -> None:
    parts = tpdus("一" * 100)
    take(till, parts[1])
    till.register.keep_house(moment(PARTS_WAIT_S - 3600))
    assert [one.state for one in listed(till)] == [State.PARTIAL]
    till.register.keep_house(moment(PARTS_WAIT_S + 3600))
    (shown,) = listed(till)
    assert (shown.state, shown.text) == (State.GIVEN_UP, "…" + "一" * 33)
    assert "3 days" in str(shown.why)
    assert till.rows("SELECT sum(length(tpdu)) FROM incoming") == [(0,)]
    assert take(till, parts[0], after_s=PARTS_WAIT_S + 7200) == []
    assert [one.state for one in listed(till)] == [State.PARTIAL, State.GIVEN_UP]


def test_a_clock_that_was_never_set_gives_up_by_the_time_that_passes(till: Till) -> None:
    take(till, tpdus("一" * 100)[1])
    told = take(till, *tpdus("today"), after_s=PARTS_WAIT_S + 1)
    assert [(one.state, one.text) for one in told] == [
        (State.GIVEN_UP, "…" + "一" * 33),
        (State.WHOLE, "today"),
    ]


def test_a_clock_that_is_set_at_last_ends_nothing_early(till: Till) -> None:
    parts = tpdus("一" * 100)
    with transaction(till.register.connection):
        till.register.inbox.keep("sim1", parts[0], 1000)
        till.register.inbox.keep("sim1", tpdus("先前")[0], 1000)
    assert [one.text for one in till.register.inbox.take_in(0.0)] == ["先前"]
    till.register.keep_house(moment())
    assert [one.text for one in take(till, parts[1])] == ["一" * 100]
    assert len(listed(till)) == 2


@pytest.mark.parametrize("years", [-1, 1])
def test_a_clock_that_is_set_while_parts_are_waited_for_gives_none_of_them_up(till: Till, years: int) -> None:
    parts = tpdus("一" * 100)
    take(till, parts[0])
    by = years * 365 * DAY_S
    till.register.clock_set(by, moment(by))
    till.register.keep_house(moment(by + PARTS_WAIT_S - 3600))
    assert [one.state for one in listed(till)] == [State.PARTIAL]
    till.register.keep_house(moment(by + PARTS_WAIT_S + 3600))
    assert [one.state for one in listed(till)] == [State.GIVEN_UP]


def test_a_clock_that_was_not_set_yet_moves_only_what_it_dated_itself(till: Till) -> None:
    first, others = tpdus("一" * 100), tpdus("二" * 100, reference=8)
    take(till, first[0])  # of an earlier run, whose clock was set
    with transaction(till.register.connection):
        till.register.inbox.keep("sim1", others[0], 1000)
    till.register.inbox.take_in(0.0)
    till.register.clock_set(moment(3600).unix - 2000, moment(3600))
    kept_from = till.rows("SELECT kept_from FROM received ORDER BY id")
    assert kept_from == [(moment().unix,), (moment(3600).unix - 1000,)]


def test_what_a_clock_dated_that_ran_ahead_is_wiped_in_its_time(till: Till) -> None:
    take(till, *tpdus("future"), after_s=4000 * DAY_S)
    till.register.keep_house(moment())
    till.register.keep_house(moment((till.config.ledger_days - 1) * DAY_S))
    assert len(listed(till)) == 1
    till.register.keep_house(moment((till.config.ledger_days + 1) * DAY_S))
    assert listed(till) == []


def test_more_unfinished_messages_than_there_is_room_for_give_up_the_oldest(till: Till) -> None:
    first_parts = [tpdus("一" * 100, reference=number)[0] for number in range(MAX_OPEN + 3)]
    told = take(till, *first_parts)
    assert [one.state for one in told] == [State.GIVEN_UP] * 3
    assert len(listed(till, State.PARTIAL)) == MAX_OPEN
    till.restart()
    last = tpdus("一" * 100, reference=MAX_OPEN + 2)[1]
    assert [one.text for one in take(till, last)] == ["一" * 100]


# Handing on, and a disk that refuses


def test_what_is_done_with_a_message_commits_with_it_or_not_at_all(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = till.register.connection
    handed: list[str | None] = []

    def act(message: Received) -> None:
        handed.append(message.text)
        connection.execute("INSERT INTO counter VALUES (?, 1)", (f"asked {message.text}",))
        if len(handed) == 1:
            raise sqlite3.OperationalError("database or disk is full")

    till.register.inbox.on_message = act
    keep(till, *tpdus("一" * 100))
    with pytest.raises(StoreError, match="full"):
        till.register.inbox.take_in(0.0)
    assert till.register.inbox.pending
    assert till.rows("SELECT count(*) FROM received") == [(0,)]
    assert till.rows("SELECT count(*) FROM counter WHERE name LIKE 'asked%'") == [(0,)]
    told = till.register.inbox.take_in(1.0)
    assert [one.text for one in told] == ["一" * 100]
    assert till.rows("SELECT count(*) FROM counter WHERE name LIKE 'asked%'") == [(1,)]
    assert not till.register.inbox.pending


def test_an_answer_that_the_handler_puts_is_queued_once_however_often_the_message_is_read(till: Till) -> None:
    draft = Draft("owner", ASKER, "text", "service", 600, body=b"583.67")

    def answer(_: Received) -> None:
        till.register.outbox.put(draft, NOON)

    till.register.inbox.on_message = answer
    take(till, *tpdus("今天"), *tpdus("今天"))
    take(till, *tpdus("今天"))
    assert till.rows("SELECT phone, state FROM message") == [(ASKER, "queued")]


@pytest.mark.parametrize("at", range(4))
def test_a_disk_that_refuses_between_any_two_parts_loses_none(till: Till, at: int) -> None:
    parts = tpdus(LONG)
    told: list[Received] = []
    for position, part in enumerate(parts):
        keep(till, part)
        if position == at:
            till.register.connection.execute("PRAGMA query_only=ON")
            with pytest.raises(StoreError):
                till.register.inbox.take_in(0.0)
            till.register.connection.execute("PRAGMA query_only=OFF")
        told += till.register.inbox.take_in(0.0)
    assert [(one.text, one.ambiguous, one.copies) for one in told] == [(LONG, False, 0)]


def test_only_whole_messages_are_handed_on(till: Till) -> None:
    handed: list[str | None] = []
    till.register.inbox.on_message = lambda message: handed.append(message.text)
    take(till, tpdus("一" * 100)[0], b"\x00", *tpdus("whole"))
    assert handed == ["whole"]


def test_parts_whose_message_was_lost_with_a_damaged_page_are_read_anew(till: Till) -> None:
    parts = tpdus("一" * 100)
    take(till, parts[0], *tpdus("whole"))
    till.register.connection.execute("DELETE FROM received")
    till.restart()
    assert [one.text for one in take(till, parts[1])] == ["一" * 100]
    assert [one.text for one in listed(till)] == ["一" * 100]


def test_no_octets_are_left_of_what_is_whole_whatever_claimed_to_be_part_of_it(till: Till) -> None:
    take(till, *tpdus("甲" * 100))
    for number in range(6):
        take(till, tpdus(str(number) + "乙" * 99)[0])
    assert till.rows("SELECT sum(length(tpdu)) FROM incoming") == [(0,)]


# Bounds


def test_texts_are_wiped_after_the_days_that_the_configuration_names(till: Till) -> None:
    take(till, *tpdus("早"))
    days = till.config.ledger_days
    till.register.keep_house(moment((days - 1) * DAY_S))
    assert len(listed(till)) == 1
    till.register.keep_house(moment((days + 1) * DAY_S))
    assert listed(till) == []
    assert till.rows("SELECT count(*) FROM incoming") == [(0,)]
    for path in till.folder.glob("tillbell.db*"):
        assert "早".encode() not in path.read_bytes()


def test_what_may_still_become_whole_is_not_wiped(till: Till) -> None:
    parts = tpdus("一" * 100)
    take(till, parts[0])
    with transaction(till.register.connection):
        till.register.inbox.keep_house(NOON + 2 * DAY_S, keep_s=DAY_S)
    till.restart()
    assert [one.text for one in take(till, parts[1], after_s=2 * DAY_S)] == ["一" * 100]


def test_a_long_row_of_leftovers_is_read_to_its_end(till: Till) -> None:
    sent = [f"text {number}" for number in range(250)]
    keep(till, *[tpdu for text in sent for tpdu in tpdus(text)])
    assert [one.text for one in till.register.inbox.take_in(0.0)] == sent


def test_a_message_that_a_storage_gives_for_ever_is_never_told_again(till: Till) -> None:
    (ghost,) = tpdus("ghost")
    assert len(take(till, ghost)) == 1
    for day in range(0, 3 * till.config.ledger_days, 7):
        assert take(till, ghost, after_s=day * DAY_S) == []
        till.register.keep_house(moment(day * DAY_S))
    assert listed(till) == []


def test_no_more_than_so_many_messages_are_kept_and_the_rest_is_counted(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "MAX_KEPT", 10)
    half = tpdus("一" * 100)[0]
    take(till, half, *[tpdu for number in range(15) for tpdu in tpdus(f"text {number}")])
    till.register.keep_house(moment())
    assert [one.text for one in listed(till, State.WHOLE)] == [f"text {n}" for n in range(14, 4, -1)]
    assert len(listed(till, State.PARTIAL)) == 1
    assert till.register.inbox.dropped() == 5
    take(till, *tpdus("one more"))
    till.register.keep_house(moment())
    assert till.register.inbox.dropped() == 6


def test_what_the_first_version_kept_is_read_by_this_one(tmp_path: Path) -> None:
    old = sqlite3.connect(tmp_path / database.FILE_NAME)
    old.executescript(f"{database.MIGRATIONS[0]};PRAGMA user_version=1")
    rows = [("sim1", tpdu, NOON) for tpdu in [*tpdus(LONG), *tpdus("短"), *tpdus("短")]]
    old.executemany("INSERT INTO incoming (modem, tpdu, received_at) VALUES (?, ?, ?)", rows)
    old.commit()
    old.close()
    fresh = Inbox(open_database(tmp_path))
    assert [one.text for one in fresh.take_in(0.0)] == [LONG, "短"]
    assert [(one.text, one.copies) for one in fresh.recent(9)] == [("短", 1), (LONG, 0)]


# Any octets


@given(st.binary(max_size=180))
def test_any_octets_have_a_digest_and_their_way_does_not_change_it(octets: bytes) -> None:
    other_way = bytes(octet ^ 0x84 for octet in octets[:1]) + octets[1:]
    assert content_of(octets) == content_of(other_way)
    assert content_of(octets) != content_of(octets + b"\0")


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    received=st.lists(st.binary(max_size=60).map(lambda rest: b"\x44\x05\x91\x21\x43\xf5" + rest), max_size=8)
)
def test_any_octets_from_a_modem_are_kept_and_listed(till: Till, received: list[bytes]) -> None:
    take(till, *received)
    assert not till.register.inbox.pending
    assert till.rows("SELECT count(*) FROM incoming WHERE received_id IS NULL") == [(0,)]
    for message in listed(till):
        assert message.parts <= message.total


def test_a_part_whose_place_makes_no_sense_hides_no_other() -> None:
    nowhere = of(udh=(concatenation_element(1, 2, 1),))
    data = of(dcs=4, udh=(concatenation_element(1, 2, 2),))
    assert text_so_far([nowhere, data], 2) is not None
    assert text_so_far([data], 2) is None
