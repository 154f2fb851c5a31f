"""The durable point: all of a sale or nothing, at every statement; what is held, released, repeated; a disk that refuses."""

import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from till import ZONE, Till, moment, sale

from tillbell_agent.database import StoreError, open_database, open_for_reading, transaction
from tillbell_agent.moment import Moment
from tillbell_agent.outbox import Outbox, State
from tillbell_agent.pos.dialect import SettlementHeard, TransactionCompleted
from tillbell_agent.pos.escpos import EscPos
from tillbell_agent.pos.settings import DialectSettings
from tillbell_protocol.armor import armor, dearmor
from tillbell_protocol.check import check_code
from tillbell_protocol.event import Kind, Settlement, Transaction
from tillbell_protocol.pan import TruncatedPan
from tillbell_protocol.sms.segment import count_segments

DAY_S = 86_400
RECIPIENTS = ("owner", "hq", "books")


@pytest.fixture
def till(tmp_path: Path) -> Till:
    till = Till(tmp_path / "state", RECIPIENTS)
    till.pair("hq")
    return till


def bodies(till: Till, recipient: str) -> list[bytes]:
    query = f"SELECT body FROM message WHERE recipient = '{recipient}' ORDER BY id"
    return [bytes(body) for (body,) in till.rows(query) if body is not None]  # type: ignore[arg-type]


def test_one_sale_owes_a_text_a_sealed_message_and_one_that_is_held(till: Till) -> None:
    till.hear()
    rows = till.rows("SELECT recipient, format, class, state, counter FROM message ORDER BY id")
    assert rows == [
        ("owner", "text", "txn", "queued", None),
        ("hq", "sealed", "txn", "queued", 0),
        ("books", "armored", "txn", "held", None),
    ]
    assert "126.50" in bodies(till, "owner")[0].decode()
    told = till.receiver.open(bodies(till, "hq")[0]).told
    assert (told.event.amount_minor, told.event.reference, told.time) == (12650, "000012", moment().unix)


def test_a_text_rings_only_for_what_moves_money_and_headquarters_gets_everything(till: Till) -> None:
    for place, kind in enumerate((Kind.DECLINED, Kind.PREAUTH, Kind.VOID)):
        till.register.hear("printer", sale(100, f"{place:06d}", kind), "CNY", moment())
    assert len(bodies(till, "owner")) == 1
    kinds = [till.receiver.open(octets).told.event.kind for octets in bodies(till, "hq")]
    assert kinds == [Kind.DECLINED, Kind.PREAUTH, Kind.VOID]


def test_the_rest_of_another_copy_of_the_newest_sale_is_not_a_second_sale(till: Till) -> None:
    till.hear()
    whole = sale()
    rest = replace(whole.transaction, terminal_id=None, merchant_id=None, rrn=None)
    fragment = TransactionCompleted(rest, "another key", fragment=True)
    assert till.register.hear("printer", fragment, "CNY", moment(60)) is None
    assert till.register.hear("second", fragment, "CNY", moment(60)) is not None
    assert till.register.hear("printer", replace(fragment, key="late"), "CNY", moment(600)) is not None


@pytest.mark.parametrize("now", [moment(), Moment.at(86_400.0, ZONE)], ids=["clock-set", "clock-not-set"])
def test_only_a_number_or_time_of_its_own_makes_a_fragment_the_rest_of_another_copy(
    till: Till, now: Moment
) -> None:
    printed = datetime(2026, 11, 21, 12, 0, 1)
    newest = sale()
    newest = replace(newest, transaction=replace(newest.transaction, terminal_time=printed))
    till.register.hear("printer", newest, "CNY", now)
    amount_alone = Transaction(Kind.SALE, 12650, "CNY", TruncatedPan("6691"), batch="000003")
    numbered, timed = (
        replace(amount_alone, receipt_no="000012"),
        replace(amount_alone, terminal_time=printed),
    )
    for place, (rest, is_new) in enumerate(((numbered, False), (timed, False), (amount_alone, True))):
        fragment = TransactionCompleted(rest, f"key {place}", fragment=True)
        assert (till.register.hear("printer", fragment, "CNY", now) is not None) == is_new


def test_after_a_restart_the_next_customers_sale_of_the_same_amount_is_told_though_no_number_is_printed(
    till: Till,
) -> None:
    slip = "老王面馆\n牛肉面 25.00\n合计 25.00\n谢谢\n".encode("gb18030") + b"\x1dV\x00"
    told = []
    for at in (0.0, 60.0):
        till.restart()
        dialect = EscPos(DialectSettings())
        (heard,) = dialect.receive_data(slip, at) + dialect.tick(at + 4)
        assert isinstance(heard, TransactionCompleted)
        assert heard.fragment
        told.append(till.register.hear("printer", heard, "CNY", moment(at)))
    assert [entry.seq for entry in told if entry] == [1, 2]


DAMAGED = [
    "substr(event, 1, 40)",
    "CAST(x'7bfffe' AS TEXT)",
    "'[]'",
    "'{\"kind\": 99}'",
    '\'{"kind": 0, "x": 1}\'',
]


@pytest.mark.parametrize("damaged", DAMAGED)
def test_a_damaged_row_keeps_no_sale_from_being_told_and_says_what_its_columns_still_say(
    till: Till, damaged: str
) -> None:
    till.hear()
    till.register.connection.execute(f"UPDATE ledger SET event = {damaged}")
    heard = replace(sale(1, "000013"), fragment=True)
    assert till.register.hear("printer", heard, "CNY", moment(5)) is not None
    newest, oldest = till.register.ledger.recent(9)
    assert (newest.seq, newest.transaction.amount_minor) == (2, 1)
    assert (oldest.seq, oldest.transaction) == (1, Transaction(Kind.SALE, 12650, "CNY"))
    till.pair("books", seed=9)
    assert till.register.release_held(moment(60)) == 2


def test_a_row_that_is_damaged_all_over_is_as_good_as_none(till: Till) -> None:
    till.hear()
    till.register.connection.execute("UPDATE ledger SET event = '', kind = 99")
    heard = replace(sale(1, "000013"), fragment=True)
    assert till.register.hear("printer", heard, "CNY", moment(5)) is not None
    assert [entry.seq for entry in till.register.ledger.recent(9)] == [2]
    with pytest.raises(KeyError):
        till.register.ledger.entry(1)


def test_a_fragment_that_says_anything_else_is_a_sale_of_its_own(till: Till) -> None:
    till.hear()
    for place, other in enumerate(({"amount_minor": 1}, {"receipt_no": "000013"}, {"auth_code": "000000"})):
        rest = replace(sale().transaction, rrn=None, **other)  # type: ignore[arg-type]
        heard = TransactionCompleted(rest, f"key {place}", fragment=True)
        assert till.register.hear("printer", heard, "CNY", moment(5)) is not None, other
        till.register.hear("printer", replace(sale(), key=f"again {place}"), "CNY", moment(5))


def test_a_settlement_tells_nobody(till: Till) -> None:
    closed = SettlementHeard(Settlement(batch="000003", amount_minor=5), "key")
    assert till.register.hear_settlement("printer", closed, "CNY", moment())
    assert not till.register.hear_settlement("printer", closed, "CNY", moment())
    assert till.rows("SELECT count(*) FROM message") == [(0,)]


def test_the_check_code_is_of_the_text_and_of_the_recipients_key(till: Till) -> None:
    till.hear()
    text = bodies(till, "owner")[0].decode()
    key = till.register.pairings.text_key("owner", lambda _: b"never asked")
    assert text[-6:] == check_code(key, text[:-6])
    assert till.register.outbox.codes(1) == {"owner": [text[-6:]]}


def test_held_events_are_sealed_in_the_order_of_events_in_steps(till: Till) -> None:
    for place in range(45):
        till.hear(100 + place, f"{place:06d}")
    assert till.register.release_held(moment()) == 0
    till.pair("books", seed=9)
    till.register.more_held = True
    steps = []
    while till.register.more_held:
        steps.append(till.register.release_held(moment(60)))
    assert steps == [20, 20, 5, 0]
    opened = [till.receiver.open(octets) for octets in bodies(till, "books")]
    assert [one.told.event.amount_minor for one in opened] == [100 + place for place in range(45)]
    assert {one.told.time for one in opened} == {moment().unix}, "the time of the sale, not of its sealing"


def test_an_armored_message_is_one_sms_and_says_what_it_left_out(till: Till) -> None:
    till.pair("books", seed=9)
    till.hear(12650, "000012")
    till.hear(12650, "000013")
    (*_, (left_out,)) = till.rows("SELECT left_out FROM message WHERE recipient = 'books' ORDER BY id")
    text = armor(bodies(till, "books")[-1])
    assert count_segments(text) == 1
    assert left_out is not None
    assert dearmor(text) == bodies(till, "books")[-1]


def test_a_repetition_is_marked_has_a_code_of_its_own_and_tells_the_same(till: Till) -> None:
    till.hear()
    outbox = till.register.outbox
    message = outbox.recent(9)[-1]
    first = (message.body or b"").decode()
    with transaction(till.register.connection):
        outbox.mark_unknown(message.id, "no answer", moment().unix, moment().unix)
        till.register.repeat_text(outbox.message(message.id), moment().unix, moment(DAY_S))
    again = bodies(till, "owner")[0].decode()
    assert again[:-6] == "(重发)" + first[:-6]
    assert again[-6:] != first[-6:]
    assert sorted(outbox.codes(1)["owner"]) == sorted([first[-6:], again[-6:]])


def test_a_repetition_goes_out_though_its_recipient_left_the_configuration(till: Till) -> None:
    till.hear()
    message = till.register.outbox.recent(9)[-1]
    till.recipients = ("hq",)
    till.__post_init__()
    with transaction(till.register.connection):
        till.register.repeat_text(message, moment().unix, moment())
    (text,) = (body.decode() for body in bodies(till, "owner"))
    assert text.startswith(f"(重发){(message.body or b'').decode()[:-6]}")
    assert text[-6:] == check_code(till.register._check_key("owner"), text[:-6])


def test_an_unset_clock_is_told_as_no_time(till: Till) -> None:
    till.register.hear("printer", sale(), "CNY", Moment.at(300, moment().local.tzinfo))  # type: ignore[arg-type]
    assert till.receiver.open(bodies(till, "hq")[0]).told.time is None
    assert "01-01" not in bodies(till, "owner")[0].decode()


def test_housekeeping_with_an_unset_clock_touches_nothing(till: Till) -> None:
    till.hear()
    till.register.keep_house(Moment.at(300, moment().local.tzinfo))  # type: ignore[arg-type]
    assert till.rows("SELECT count(*) FROM ledger") == [(1,)]


def test_a_held_event_outlives_the_ledger_days(till: Till) -> None:
    till.hear()
    outbox = till.register.outbox
    with transaction(till.register.connection):
        for message in outbox.recent(9):
            if message.state is State.QUEUED:
                outbox.mark(message.id, State.DELIVERED, "", moment().unix)
    till.hear(7, "000077", after_s=100 * DAY_S)
    till.register.keep_house(moment(100 * DAY_S))
    assert till.rows("SELECT count(*) FROM ledger") == [(2,)]
    till.pair("books", seed=9)
    assert till.register.release_held(moment(100 * DAY_S)) == 2
    told = till.receiver.open(bodies(till, "books")[0]).told
    assert (told.event.amount_minor, told.time) == (12650, moment().unix)


def test_no_text_exceeds_one_segment_and_no_card_number_is_in_any_file(till: Till) -> None:
    heard = TransactionCompleted(
        Transaction(Kind.SALE, 10**11, "CNY", receipt_no="9" * 40, original_ref="8" * 40, method="x" * 60),
        None,
    )
    till.register.hear("printer", heard, "CNY", moment())
    assert count_segments(bodies(till, "owner")[0].decode()) == 1


# Crash points


class Images:
    """A copy of the store's files before each statement that SQLite begins, as a killed process leaves them."""

    def __init__(self, till: Till, folder: Path) -> None:
        self._till, self._folder = till, folder
        self.statements: list[str] = []

    def take(self, statement: str) -> None:
        target = self._folder / f"{len(self.statements):03d}"
        shutil.copytree(self._till.folder, target / "state")
        if self._till.config.guard_path.exists():
            shutil.copy(self._till.config.guard_path, target / "state.guard")
        self.statements.append(statement)

    def folders(self) -> list[Path]:
        return sorted(self._folder.iterdir())


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Images:
    """Images of everything that ``hear`` does for the second and third sale."""
    folder = tmp_path_factory.mktemp("crash")
    till = Till(folder / "state", RECIPIENTS)
    till.pair("hq")
    till.hear(100, "000001")
    (folder / "images").mkdir()
    images = Images(till, folder / "images")
    till.register.connection.set_trace_callback(images.take)
    till.hear(200, "000002")
    till.hear(300, "000003")
    till.register.connection.set_trace_callback(None)
    images.take("the end")
    return images


def content(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    connection = open_database(folder / "state")
    queries = {
        "ledger": "SELECT seq, amount_minor, day_total_minor FROM ledger ORDER BY id",
        "heard": "SELECT count(*) FROM heard",
        "total": "SELECT count, net_minor FROM day_total",
        "messages": "SELECT recipient, state, counter IS NOT NULL, body IS NOT NULL FROM message ORDER BY id",
        "codes": "SELECT seq FROM check_code ORDER BY seq",
        "seq": "SELECT value FROM counter WHERE name = 'seq'",
        "ratchet": "SELECT counter, last_counter FROM pairing",
    }
    try:
        return {name: list(connection.execute(query)) for name, query in queries.items()}
    finally:
        connection.close()


def whole(sales: int) -> dict[str, list[tuple[object, ...]]]:
    """What stands in the store after so many whole sales (of 1, 2, 3 yuan)."""
    return {
        "ledger": [(n, n * 100, sum(range(n + 1)) * 100) for n in range(1, sales + 1)],
        "heard": [(sales,)],
        "total": [(sales, sum(range(sales + 1)) * 100)],
        "messages": [("owner", "queued", 0, 1), ("hq", "queued", 1, 1), ("books", "held", 0, 0)] * sales,
        "codes": [(n,) for n in range(1, sales + 1)],
        "seq": [(sales,)],
        "ratchet": [(sales, sales - 1)],
    }


def test_stopped_at_any_statement_a_sale_is_there_whole_or_not_at_all(images: Images) -> None:
    found = [content(folder) for folder in images.folders()]
    counts = [len(one["ledger"]) for one in found]
    assert len(counts) > 30, "too few crash points to prove anything"
    assert counts == sorted(counts)
    assert set(counts) == {1, 2, 3}
    for statement, one in zip(images.statements, found, strict=True):
        assert one == whole(len(one["ledger"])), statement


def test_the_commit_is_the_point(images: Images) -> None:
    before_commits = [place for place, sql in enumerate(images.statements) if sql.startswith("COMMIT")]
    assert len(before_commits) == 2
    for sales, place in enumerate(before_commits, 1):
        folders = images.folders()
        assert len(content(folders[place])["ledger"]) == sales
        assert len(content(folders[place + 1])["ledger"]) == sales + 1


def test_after_a_stop_anywhere_no_counter_is_used_for_other_octets(images: Images, tmp_path: Path) -> None:
    for folder in images.folders():
        shutil.copytree(folder, tmp_path / folder.name)
        again = Till(tmp_path / folder.name / "state", RECIPIENTS)
        before = dict(again.rows("SELECT counter, body FROM message WHERE counter IS NOT NULL"))
        again.hear(999, "000099")
        after = dict(again.rows("SELECT counter, body FROM message WHERE counter IS NOT NULL"))
        assert before.items() <= after.items()
        (fresh,) = after.keys() - before.keys()
        assert int(str(fresh)) == 512
        again.register.connection.close()


def test_a_sale_that_was_not_committed_is_told_when_it_is_heard_again(images: Images, tmp_path: Path) -> None:
    place = next(place for place, sql in enumerate(images.statements) if sql.startswith("COMMIT"))
    shutil.copytree(images.folders()[place], tmp_path / "image")
    again = Till(tmp_path / "image" / "state", RECIPIENTS)
    again.hear(200, "000002")
    again.hear(200, "000002")
    assert again.rows("SELECT count(*), max(seq) FROM ledger") == [(2, 2)]


# Erasure


def secrets_of(till: Till) -> list[bytes]:
    """Every value that reads what was sealed under the present counter, and its message key."""
    ratchet = till.register.pairings.all()[0].ratchet
    return [ratchet.chain, ratchet.message_key()]


def found_in(folder: Path, values: list[bytes]) -> int:
    files = [*folder.rglob("*"), *folder.parent.glob(folder.name + ".guard")]
    content = b"\0".join(path.read_bytes() for path in files if path.is_file())
    return sum(value in content for value in values)


def test_used_chain_values_are_in_no_file(till: Till) -> None:
    used: list[bytes] = []
    for place in range(60):
        used += secrets_of(till)
        till.hear(100 + place, f"{place:06d}")
        assert not till.register.wal_to_truncate
    assert found_in(till.folder, used) == 0
    assert found_in(till.folder, secrets_of(till)[:1]) == 1, "the next one has to be there"


def test_without_cutting_the_wal_they_would_be_found(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: that the test before can fail."""
    monkeypatch.setattr("tillbell_agent.register.truncate_wal", lambda _: True)
    used: list[bytes] = []
    for place in range(60):
        used += secrets_of(till)
        till.hear(100 + place, f"{place:06d}")
    assert found_in(till.folder, used) > 30


def test_what_a_reader_kept_from_being_erased_is_erased_later(till: Till) -> None:
    used = secrets_of(till)
    reader = open_for_reading(till.folder)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM ledger").fetchone()
    till.hear()
    assert till.register.wal_to_truncate
    assert found_in(till.folder, used) > 0
    reader.execute("COMMIT")
    till.register.erase()
    assert not till.register.wal_to_truncate
    assert found_in(till.folder, used) == 0


def test_a_start_erases_what_a_killed_run_could_not(
    till: Till, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = secrets_of(till)
    monkeypatch.setattr("tillbell_agent.register.truncate_wal", lambda _: False)
    till.hear()
    shutil.copytree(till.folder, tmp_path / "killed")
    assert found_in(tmp_path / "killed", used) > 0
    open_database(tmp_path / "killed")
    assert found_in(tmp_path / "killed", used) == 0


# A disk that refuses


@pytest.fixture
def full(till: Till) -> Iterator[Till]:
    """The store may not grow by another page."""
    pages = till.rows("PRAGMA page_count")[0][0]
    till.register.connection.execute(f"PRAGMA max_page_count={pages}")
    yield till
    till.register.connection.execute("PRAGMA max_page_count=1000000")


def test_on_a_full_disk_a_sale_is_refused_whole_and_taken_when_there_is_room(full: Till) -> None:
    place = 0
    with pytest.raises(StoreError, match="full"):  # noqa: PT012 (which sale is the first one too many, SQLite knows)
        while place < 2000:
            full.hear(100, f"{place:06d}")
            place += 1
    sales = len(full.rows("SELECT 1 FROM ledger"))
    texts, sealed = bodies(full, "owner"), bodies(full, "hq")
    assert len(texts) == len(sealed) == sales
    full.register.connection.execute("PRAGMA max_page_count=1000000")
    full.hear(777, "999999")
    assert len(bodies(full, "hq")) == sales + 1
    for octets in bodies(full, "hq"):
        full.receiver.open(octets)
    assert full.receiver.gaps(full.receiver.pairings[0].keys.binding) == []
    assert [seq for (seq,) in full.rows("SELECT seq FROM ledger ORDER BY id")] == list(range(1, sales + 2))


def test_a_text_of_a_person_is_queued_as_it_is(till: Till) -> None:
    owner = till.config.recipients[0]
    message_id = till.register.write_to(owner, "明天休息", "service", moment())
    message = Outbox(till.register.connection).message(message_id)
    assert (message.body, message.message_class, message.ledger_id) == ("明天休息".encode(), "service", None)


def test_a_card_number_in_a_persons_text_does_not_leave(till: Till) -> None:
    owner = till.config.recipients[0]
    message_id = till.register.write_to(owner, "charged 4111 1111 1111 1111 today", "service", moment())
    body = till.register.outbox.message(message_id).body or b""
    assert b"4111 1111" not in body
    assert body.startswith(b"charged ")


# Copies of the store


def copy_of(till: Till, folder: Path) -> Path:
    """A backup, taken with the WAL emptied."""
    till.register.erase()
    return Path(shutil.copytree(till.folder, folder))


def restore(till: Till, copy: Path) -> str | None:
    """The agent ends, the old copy is put in place, the agent starts; what it says of its numbers."""
    till.register.connection.close()
    shutil.rmtree(till.folder)
    shutil.copytree(copy, till.folder)
    return till.restart().catch_up()


def counters_and_numbers(till: Till) -> tuple[list[object], list[object]]:
    counters = [counter for (counter,) in till.rows("SELECT counter FROM message WHERE counter IS NOT NULL")]
    return counters, [seq for (seq,) in till.rows("SELECT seq FROM ledger")]


def test_a_restored_backup_gives_no_counter_and_no_number_twice(tmp_path: Path) -> None:
    till = Till(tmp_path / "state")
    till.pair()
    for place in range(5):
        till.hear(100, f"{place:06d}")
    copy = copy_of(till, tmp_path / "backup")
    for place in range(5, 45):
        till.hear(100, f"{place:06d}")
    used = counters_and_numbers(till)
    why = restore(till, copy)
    assert why is not None
    assert "restored" in why
    known = counters_and_numbers(till)
    for place in range(100, 110):
        till.hear(100, f"{place:06d}")
    fresh = [set(now) - set(then) for now, then in zip(counters_and_numbers(till), known, strict=True)]
    for new, old in zip(fresh, used, strict=True):
        assert len(new) == 10
        assert new.isdisjoint(old)


def test_a_backup_that_misses_no_sale_leaves_no_number_out(tmp_path: Path) -> None:
    till = Till(tmp_path / "state")
    for place in range(20):
        till.hear(100, f"{place:06d}")
    assert restore(till, copy_of(till, tmp_path / "backup")) is None
    till.hear(100, "000100")
    assert counters_and_numbers(till)[1] == list(range(1, 22))


def test_a_cloned_disk_in_another_board_seals_nothing_until_it_is_paired(tmp_path: Path) -> None:
    till = Till(tmp_path / "state")
    till.pair()
    till.hear(100, "000001")
    shutil.copytree(till.folder, tmp_path / "clone")
    clone = Till(tmp_path / "clone", host={"machine_id": "f" * 32})
    clone.hear(100, "000002")
    assert clone.rows("SELECT state FROM message WHERE recipient = 'hq' ORDER BY id")[-1] == ("held",)
    assert "not the one that was paired" in (clone.register.why_held("hq") or "")
    assert clone.rows("SELECT state FROM message WHERE recipient = 'owner' ORDER BY id")[-1] == ("queued",)


def test_a_store_that_was_thrown_away_does_not_begin_again_with_number_one(tmp_path: Path) -> None:
    till = Till(tmp_path / "state", ("owner",))
    for place in range(3):
        till.hear(100, f"{place:06d}")
    till.register.connection.close()
    shutil.rmtree(till.folder)
    till.folder.mkdir()
    assert till.restart().catch_up() is not None
    till.hear(100, "000009")
    assert counters_and_numbers(till)[1] == [17]


def test_the_second_place_is_written_once_in_many_sales(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    till = Till(tmp_path / "state", ("owner",))
    written: list[int] = []
    real = till.guard.reserve_seq
    monkeypatch.setattr(till.guard, "reserve_seq", lambda up_to: (written.append(up_to), real(up_to)))
    for place in range(40):
        till.hear(100, f"{place:06d}")
    assert written == [16, 32, 48]


def test_other_words_than_a_sales_are_repeated_behind_their_mark_and_marked_once(till: Till) -> None:
    owner = till.config.recipients[0]
    message_id = till.register.write_to(owner, "明天休息", "service", moment())
    for _ in range(2):
        with transaction(till.register.connection):
            till.register.repeat_text(till.register.outbox.message(message_id), moment().unix, moment())
    repeated = till.register.outbox.message(message_id)
    assert repeated.body == "(重发)明天休息".encode()
    assert repeated.repeated
