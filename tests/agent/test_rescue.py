"""A damaged store: set aside, replaced, and whatever can still be read is carried over; sales go on meanwhile."""

import itertools
import random
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

from million import fill
from test_runner import slip, states
from till import HQ, OWNER, Till, moment
from town import Town

from tillbell_agent.database import FILE_NAME, DamagedStoreError, open_database, transaction
from tillbell_agent.rescue import finish, rescue

PAGE = 1024


def shop(folder: Path, sales: int = 30) -> Till:
    """Sales told and owed, a text to nobody's sale, and some history."""
    till = Till(folder / "state")
    till.pair()
    fill(till.register.connection, 200, 0)
    for place in range(sales):
        till.hear(100 + place, f"{place:06d}", place)
    # History's own sales are made up: none of them is newer than the newest there is.
    till.rows("UPDATE message SET ledger_id = NULL WHERE ledger_id > (SELECT max(id) FROM ledger)")
    return till


def pages(folder: Path) -> int:
    return (folder / FILE_NAME).stat().st_size // PAGE


def spoil(folder: Path, page: int, octets: bytes) -> None:
    """Write over the beginning of one page, counted from 1, as a dying card does."""
    with (folder / FILE_NAME).open("r+b") as file:
        file.seek((page - 1) * PAGE)
        file.write(octets)


def root_page(till: Till, name: str) -> int:
    return int(str(till.rows(f"SELECT rootpage FROM sqlite_master WHERE name = '{name}'")[0][0]))


def check(connection: sqlite3.Connection) -> object:
    return connection.execute("PRAGMA integrity_check").fetchone()[0]


def test_a_sound_store_comes_through_a_rescue_whole_but_for_its_ratchets(tmp_path: Path) -> None:
    till = shop(tmp_path)
    tables = ("ledger", "message", "heard", "check_code", "day_total", "text_key", "message_count")
    before = {table: sorted(till.rows(f"SELECT * FROM {table}"), key=repr) for table in tables}
    till.register.connection.close()
    rescued = rescue(till.folder)
    assert rescued.lost == {}
    assert rescued.numbers_known
    connection = open_database(till.folder)
    for table in tables:
        assert sorted(connection.execute(f"SELECT * FROM {table}"), key=repr) == before[table], table
    assert connection.execute("SELECT count(*) FROM pairing").fetchone() == (0,)
    assert check(connection) == "ok"
    assert (till.folder / f"{FILE_NAME}.corrupt-1").exists()
    assert {path.name for path in till.folder.iterdir()} <= {
        FILE_NAME, f"{FILE_NAME}-wal", f"{FILE_NAME}-shm", f"{FILE_NAME}.corrupt-1"
    }  # fmt: skip


def test_whichever_page_is_spoiled_no_number_is_given_twice_and_few_messages_are_lost(
    tmp_path: Path, figure: Callable[[str], None]
) -> None:
    till = shop(tmp_path)
    counts = till.rows("SELECT count(*) FROM message")
    till.register.erase()
    whole = (till.folder / FILE_NAME).read_bytes()
    chance = random.Random(4)
    chosen = chance.sample(range(1, pages(till.folder) + 1), 40)
    cheap = 0
    for page in chosen:
        till.register.connection.close()
        for path in till.folder.glob(f"{FILE_NAME}*"):
            path.unlink()
        (till.folder / FILE_NAME).write_bytes(whole)
        spoil(
            till.folder,
            page,
            chance.choice([bytes(PAGE), b"\xff" * PAGE, b"\x0d" + bytes(99), chance.randbytes(PAGE)]),
        )
        rescue(till.folder)
        till.restart()
        till.register.catch_up(numbers_known=False)
        assert check(till.register.connection) == "ok"
        cheap += int(str(counts[0][0])) - int(str(till.rows("SELECT count(*) FROM message")[0][0])) <= 20
        assert till.register.ledger.last_seq() >= 30
        till.hear(1, "900000", 100)
        assert int(str(till.rows("SELECT max(seq) FROM ledger")[0][0])) > 30
    figure(
        f"rescue: of {len(chosen)} single pages spoiled, {cheap} cost 20 messages of {counts[0][0]} or fewer"
    )
    # The rest hold the schema, or point to other pages: what hangs on them cannot be found by SQLite.
    assert cheap >= 30


@given(st.binary(min_size=1, max_size=5000), st.integers(0, 200_000))
@example(b"\x80", 6303)  # a name in the schema
@settings(max_examples=25)
def test_any_octets_over_any_place_leave_a_store_that_works(
    tmp_path_factory: pytest.TempPathFactory, octets: bytes, place: int
) -> None:
    folder = tmp_path_factory.mktemp("spoiled")
    till = shop(folder, 3)
    till.register.connection.close()
    path = till.folder / FILE_NAME
    content = bytearray(path.read_bytes())
    place %= len(content)
    content[place : place + len(octets)] = octets
    path.write_bytes(content)
    rescue(till.folder)
    till.restart()
    assert check(till.register.connection) == "ok"
    till.register.catch_up(numbers_known=False)
    till.hear(1, "900000", 100)
    assert int(str(till.rows("SELECT max(seq) FROM ledger")[0][0])) > 3


def test_a_damaged_counter_is_made_up_from_what_was_told_and_what_was_reserved(tmp_path: Path) -> None:
    till = shop(tmp_path)
    page = root_page(till, "counter")
    till.register.connection.close()
    spoil(till.folder, page, bytes(PAGE))
    with pytest.raises(DamagedStoreError, match="not whole"):
        open_database(till.folder)
    rescued = rescue(till.folder)
    assert not rescued.numbers_known
    assert "counter" in rescued.lost
    till.restart()
    assert till.register.ledger.last_seq() == 30, "the sales themselves know it"
    assert till.register.catch_up(numbers_known=False) is not None
    assert till.register.ledger.last_seq() == 32, "reserved in the second place"


@pytest.mark.parametrize("table", ["pairing", "ledger", "segment", "incoming", "message_due"])
def test_damage_is_seen_when_the_store_is_opened_though_nobody_reads_there(
    tmp_path: Path, table: str
) -> None:
    till = shop(tmp_path, 3)
    page = root_page(till, table)
    till.register.connection.close()
    spoil(till.folder, page, bytes(PAGE))
    with pytest.raises(DamagedStoreError):
        open_database(till.folder)


def test_of_a_large_store_only_what_each_sale_needs_is_looked_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    till = shop(tmp_path, 3)
    large, small = root_page(till, "segment"), root_page(till, "pairing")
    till.register.connection.close()
    monkeypatch.setattr("tillbell_agent.database.LOOKED_THROUGH_WHOLE", 0)
    spoil(till.folder, large, bytes(PAGE))
    open_database(till.folder).close()
    spoil(till.folder, small, bytes(PAGE))
    with pytest.raises(DamagedStoreError):
        open_database(till.folder)


def test_a_file_that_is_no_database_any_more_is_set_aside_and_numbers_go_on(tmp_path: Path) -> None:
    till = shop(tmp_path)
    till.register.connection.close()
    (till.folder / FILE_NAME).write_bytes(b"\xa5" * 50_000)
    rescued = rescue(till.folder)
    assert "message" in rescued.lost
    till.restart()
    assert till.register.catch_up(numbers_known=rescued.numbers_known) is not None
    till.hear(1, "900000", 100)
    assert till.rows("SELECT seq FROM ledger") == [(33,)]


def test_only_the_newest_files_set_aside_are_kept(tmp_path: Path) -> None:
    open_database(tmp_path).close()
    names = [rescue(tmp_path).set_aside for _ in range(12)]
    assert names == [f"{FILE_NAME}.corrupt-{place}" for place in range(1, 13)]
    assert {path.name for path in tmp_path.glob("*.corrupt-*")} == set(names[-3:])


def test_a_power_cut_between_the_two_moves_is_finished_at_the_next_start(tmp_path: Path) -> None:
    till = shop(tmp_path, 3)
    till.register.connection.close()
    (till.folder / FILE_NAME).rename(till.folder / f"{FILE_NAME}.salvaged")
    finish(till.folder)
    assert open_database(till.folder).execute("SELECT count(*) FROM ledger").fetchone() == (3,)
    finish(till.folder)


class PowerCutError(Exception):
    pass


def test_a_power_cut_before_any_rename_of_a_rescue_loses_nothing_that_only_the_log_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    till = shop(tmp_path, 3)
    till.register.connection.execute("PRAGMA wal_autocheckpoint=0")
    till.register.write_to(till.config.recipients[0], "only in the log", "service", moment())
    rename = Path.rename
    for renames_done in range(4):
        folder, frozen = tmp_path / f"rescued-{renames_done}", tmp_path / f"cut-{renames_done}"
        shutil.copytree(till.folder, folder)
        left = itertools.count(renames_done, -1)

        def cut(path: Path, target: Path, left: Iterator[int] = left, frozen: Path = frozen) -> Path:
            if next(left) == 0:
                shutil.copytree(path.parent, frozen)
                raise PowerCutError
            return rename(path, target)

        with closing(
            sqlite3.connect(folder / FILE_NAME)
        ) as reader:  # as long as somebody reads, the log stays
            reader.execute("SELECT * FROM ledger").fetchone()
            monkeypatch.setattr(Path, "rename", cut)
            with pytest.raises(PowerCutError):
                rescue(folder)
            monkeypatch.setattr(Path, "rename", rename)
        finish(frozen)
        with closing(open_database(frozen)) as connection:
            said = connection.execute("SELECT body FROM message ORDER BY id DESC LIMIT 1").fetchone()
            assert (said, check(connection)) == ((b"only in the log",), "ok"), f"cut behind {renames_done}"


def test_what_was_left_of_a_rescue_cut_short_is_no_obstacle(tmp_path: Path) -> None:
    till = shop(tmp_path, 3)
    till.register.connection.close()
    folder = till.folder / f"{FILE_NAME}.salvaging"
    folder.mkdir()
    (folder / FILE_NAME).write_bytes(b"half a database")
    (till.folder / f"{FILE_NAME}.salvaged").write_bytes(b"of an earlier time")
    rescue(till.folder)
    assert open_database(till.folder).execute("SELECT count(*) FROM ledger").fetchone() == (3,)


# While it runs


@pytest.mark.parametrize("table", ["message", "ledger", "heard", "pairing", "counter", "segment"])
def test_a_store_that_breaks_under_a_running_agent_is_replaced_and_no_sale_is_missed(
    tmp_path: Path, table: str
) -> None:
    till = Till(tmp_path / "state")
    till.pair()
    town = Town(till)
    town.live(5)
    for place in range(3):
        town.prints(slip(f"{place + 1}.00", f"{place:06d}"), place)
    assert town.live(300, lambda: states(till) == ["delivered"] * 6)
    page = root_page(till, table)
    till.register.erase()
    spoil(till.folder, page, bytes(PAGE))
    till.register.connection.execute("PRAGMA shrink_memory")
    for place in range(3, 6):
        town.prints(slip(f"{place + 1}.00", f"{place:06d}"), place * 5)
    assert town.live(300, lambda: len(town.texts(OWNER)) >= 6), town.said.getvalue()[-3000:]
    town.live(60)
    assert len(town.log_lines("store_set_aside")) == 1
    assert till.register.alarm is not None
    assert "set aside as tillbell.db.corrupt-1" in till.register.alarm
    texts = town.texts(OWNER)
    assert len(texts) == 6
    assert all(f"{place + 1}.00" in text for place, text in enumerate(texts))
    seqs = [seq for (seq,) in till.rows("SELECT seq FROM ledger ORDER BY id")][-3:]
    assert len(set(seqs)) == 3
    assert min(int(str(seq)) for seq in seqs) > 3
    assert "held" in states(till), "sealed recipients wait for a new pairing"
    till.pair(seed=8)
    till.register.more_held = True
    assert town.live(300, lambda: len(town.machine.network.shown(HQ)) == 6)


def test_a_disk_with_no_room_for_the_rescue_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    till = Till(tmp_path / "state", ("owner",))
    town = Town(till)
    town.live(5)
    left = {"times": 3}
    real = rescue

    def full(state_dir: Path) -> object:
        if left["times"]:
            left["times"] -= 1
            raise OSError(28, "No space left on device")
        return real(state_dir)

    monkeypatch.setattr("tillbell_agent.register.rescue", full)
    till.register.erase()
    spoil(till.folder, root_page(till, "message"), bytes(PAGE))
    till.register.connection.execute("PRAGMA shrink_memory")
    town.prints(slip("5.00", "000001"))
    assert town.live(300, lambda: len(town.texts(OWNER)) == 1), town.said.getvalue()[-3000:]
    assert left["times"] == 0


# What is left without its sale


def test_a_message_whose_sale_was_lost_is_refused_with_the_reason_and_a_text_is_repeated_with_its_mark(
    tmp_path: Path,
) -> None:
    till = Till(tmp_path / "state")
    till.hear()
    (text_id,) = till.rows("SELECT id FROM message WHERE format = 'text'")[0]
    till.rows("DELETE FROM ledger")
    till.pair()
    till.register.release_held(moment())
    assert [why for (why,) in till.rows("SELECT last_answer FROM message WHERE state = 'refused'")] == [
        "its sale was lost with a damaged store"
    ]
    message = till.register.outbox.message(int(str(text_id)))
    with transaction(till.register.connection):
        till.register.repeat_text(message, 0, moment())
    repeated = till.register.outbox.message(message.id)
    assert repeated.repeated
    assert (repeated.body or b"").startswith("(重发)".encode() + (message.body or b"")[:-6])


def test_what_is_left_without_its_sale_is_never_about_the_next_one(tmp_path: Path) -> None:
    till = Till(tmp_path / "state")
    till.hear()
    old = {int(str(row[0])) for row in till.rows("SELECT id FROM message")}
    till.rows("DELETE FROM ledger")
    till.register.connection.close()
    rescue(till.folder)
    till.restart()
    till.hear(1, "900000", 100)
    ((entry_id,),) = till.rows("SELECT id FROM ledger")
    made = {message.id for message in till.register.outbox.of_entry(int(str(entry_id)))}
    assert made
    assert not made & old
    (text,) = [each for each in map(till.register.outbox.message, old) if each.format == "text"]
    with transaction(till.register.connection):
        till.register.repeat_text(text, 0, moment())
    repeated = till.register.outbox.message(text.id).body or b""
    assert repeated.startswith("(重发)".encode() + (text.body or b"")[:-6])


def test_a_commit_on_a_damaged_page_is_told_as_damage(tmp_path: Path) -> None:
    till = Till(tmp_path / "state", ("owner",))
    till.register.erase()
    spoil(till.folder, root_page(till, "message"), bytes(PAGE))
    till.register.connection.execute("PRAGMA shrink_memory")
    with pytest.raises(DamagedStoreError, match="damaged"):
        till.hear()
    assert till.register.damaged
