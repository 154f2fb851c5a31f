"""The file of the store: its modes, its migrations, its errors, and what a transaction promises."""

import sqlite3
from pathlib import Path

import pytest

from tillbell_agent import bridge_rows, database
from tillbell_agent.bridge_rows import Mark
from tillbell_agent.database import StoreError, open_database, open_for_reading, transaction, truncate_wal
from tillbell_agent.outbox import Outbox


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path


def pragma(connection: sqlite3.Connection, name: str) -> object:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def test_a_commit_is_an_fsync_and_what_is_deleted_is_overwritten(state: Path) -> None:
    connection = open_database(state)
    assert pragma(connection, "journal_mode") == "wal"
    assert pragma(connection, "synchronous") == 2
    assert pragma(connection, "secure_delete") == 1
    assert pragma(connection, "page_size") == 1024
    assert pragma(connection, "user_version") == len(database.MIGRATIONS)


def test_only_the_owner_may_read_any_of_its_files(state: Path) -> None:
    connection = open_database(state)
    with transaction(connection):
        connection.execute("INSERT INTO counter VALUES ('x', 1)")
    modes = {path.name: path.stat().st_mode & 0o777 for path in state.iterdir()}
    assert set(modes.values()) == {0o600}
    assert {"tillbell.db", "tillbell.db-wal", "tillbell.db-shm"} <= modes.keys()


def test_opening_again_keeps_what_was_written_and_empties_the_wal(state: Path) -> None:
    first = open_database(state)
    with transaction(first):
        first.execute("INSERT INTO counter VALUES ('x', 7)")
    assert (state / "tillbell.db-wal").stat().st_size > 0
    second = open_database(state)
    assert (state / "tillbell.db-wal").stat().st_size == 0
    assert second.execute("SELECT value FROM counter").fetchone() == (7,)


def test_a_transaction_is_whole_or_absent(state: Path) -> None:
    connection = open_database(state)
    with pytest.raises(ZeroDivisionError), transaction(connection):  # noqa: PT012
        connection.execute("INSERT INTO counter VALUES ('x', 1)")
        1 / 0  # noqa: B018
    with pytest.raises(StoreError, match="cannot write"), transaction(connection):  # noqa: PT012
        connection.execute("INSERT INTO counter VALUES ('x', 1)")
        connection.execute("INSERT INTO counter VALUES ('x', 2)")
    assert not connection.in_transaction
    assert connection.execute("SELECT count(*) FROM counter").fetchone() == (0,)


def test_a_writer_that_waits_in_vain_gets_an_error_of_the_store(state: Path) -> None:
    first, second = open_database(state), open_database(state)
    second.execute("PRAGMA busy_timeout=0")
    with transaction(first):
        first.execute("INSERT INTO counter VALUES ('x', 1)")
        with pytest.raises(StoreError, match="locked"), transaction(second):
            second.execute("INSERT INTO counter VALUES ('y', 1)")


def test_a_reader_in_the_way_of_the_wal_is_said_and_later_it_is_cut(state: Path) -> None:
    connection = open_database(state)
    reader = open_for_reading(state)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM counter").fetchone()
    with transaction(connection):
        connection.execute("INSERT INTO counter VALUES ('x', 1)")
    assert not truncate_wal(connection)
    reader.execute("COMMIT")
    assert truncate_wal(connection)
    assert (state / "tillbell.db-wal").stat().st_size == 0


def test_a_reader_writes_nothing(state: Path) -> None:
    open_database(state)
    reader = open_for_reading(state)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("INSERT INTO counter VALUES ('x', 1)")


def test_no_state_is_said_with_the_next_step(state: Path) -> None:
    with pytest.raises(StoreError, match="tillbell has not run"):
        open_for_reading(state)


def test_a_file_that_is_no_database_is_refused_and_left_alone(state: Path) -> None:
    path = state / "tillbell.db"
    path.write_bytes(b"not a database at all, but long enough to be looked at as one" * 40)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="cannot open"):
        open_database(state)
    assert path.read_bytes() == before


def test_a_newer_schema_is_refused_and_left_alone(state: Path) -> None:
    connection = open_database(state)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    for opening in (open_database, open_for_reading):
        with pytest.raises(StoreError, match="written by a newer tillbell"):
            opening(state)
    left = sqlite3.connect(state / "tillbell.db")
    assert left.execute("PRAGMA user_version").fetchone() == (99,)


def test_a_migration_that_fails_leaves_the_schema_before_it(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_database(state).close()
    broken = (*database.MIGRATIONS, "CREATE TABLE fresh (x); CREATE TABLE ledger (y)")
    monkeypatch.setattr(database, "MIGRATIONS", broken)
    with pytest.raises(StoreError, match="already exists"):
        open_database(state)
    monkeypatch.undo()
    connection = open_database(state)
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    assert "fresh" not in tables


def test_two_processes_that_make_the_store_at_once_both_get_it(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_database(state).close()
    real, asked = database._check_version, []

    def late(connection: sqlite3.Connection) -> int:
        """What the second process saw before the first one committed."""
        asked.append(1)
        return 0 if len(asked) == 1 else real(connection)

    monkeypatch.setattr(database, "_check_version", late)
    connection = open_database(state)
    assert len(asked) == 1 + len(database.MIGRATIONS)
    assert not connection.in_transaction
    assert pragma(connection, "user_version") == len(database.MIGRATIONS)


def test_a_later_migration_runs_on_what_is_there(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = open_database(state)
    with transaction(connection):
        connection.execute("INSERT INTO counter VALUES ('x', 7)")
    connection.close()
    later = (*database.MIGRATIONS, "ALTER TABLE counter ADD COLUMN note TEXT")
    monkeypatch.setattr(database, "MIGRATIONS", later)
    connection = open_database(state)
    assert connection.execute("SELECT name, value, note FROM counter").fetchall() == [("x", 7, None)]
    assert pragma(connection, "user_version") == len(later)


def test_a_store_of_the_first_version_comes_through_with_all_it_holds(state: Path) -> None:
    first = sqlite3.connect(state / "tillbell.db", isolation_level=None)
    first.executescript(f"{database.MIGRATIONS[0]};PRAGMA user_version=1;PRAGMA journal_mode=WAL")
    message = (
        "INSERT INTO message (recipient, phone, format, class, priority, state, body, created_at, expires_at, not_before,"
        " attempts, updated_at) VALUES ('owner', '+8613800138000', 'text', 'txn', 2, ?, x'70', 1795233600, 1795492800, ?, ?,"
        " 1795233600)"
    )
    rows = [
        ("delivered", 0, 1),
        ("queued", 1795233600, 0),
        ("queued", 1795233660, 2),
        ("unknown", 1795233700, 1),
    ]
    for row in rows:
        first.execute(message, row)
    first.execute("INSERT INTO segment VALUES (1, 0, 'delivered', 7, 'sim1', 1795233600)")
    first.execute("INSERT INTO counter VALUES ('seq', 41)")
    first.execute("INSERT INTO heard VALUES ('printer', 'a key', 9)")
    first.execute("INSERT INTO incoming (modem, tpdu, received_at) VALUES ('sim1', x'04', 1795233600)")
    first.close()
    connection = open_database(state)
    assert pragma(connection, "user_version") == len(database.MIGRATIONS)
    outbox = Outbox(connection)
    assert outbox.counts() == {("owner", "delivered"): 1, ("owner", "queued"): 2, ("owner", "unknown"): 1}
    reserved = outbox.reserve(1795233600 - 1800)
    assert reserved is not None
    assert (reserved.id, reserved.not_before) == (2, 0), "a first try waits for no clock"
    assert outbox.next_due_at(1795233600) == 1795233660
    assert [each.id for each in outbox.to_repeat()] == [4]
    assert database.recall(connection, "seq") == 41
    assert connection.execute("SELECT count(*) FROM heard").fetchone() == (1,)
    assert connection.execute("SELECT tpdu FROM incoming").fetchone() == (b"\x04",)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_store_from_before_the_bridges_gets_an_empty_table_for_their_logs(state: Path) -> None:
    first = sqlite3.connect(state / "tillbell.db", isolation_level=None)
    for version, script in enumerate(database.MIGRATIONS[:4], 1):
        first.executescript(f"{script};PRAGMA user_version={version}")
    first.execute("INSERT INTO counter VALUES ('seq', 41)")
    first.close()
    connection = open_database(state)
    assert bridge_rows.read(connection) == {}
    mark = Mark("e661", "e661/00000001", "printer", 7, 9, 1, begins=True)
    bridge_rows.save(connection, [mark])
    connection.close()
    assert bridge_rows.read(open_database(state)) == {(mark.log, "printer"): mark}
    assert database.recall(open_database(state), "seq") == 41
