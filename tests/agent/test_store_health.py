"""What a doctor reads of a store: counts, ages, damage; nothing written."""

import sqlite3
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from till import NOON, Till

from tillbell_agent import store_health
from tillbell_agent.database import FILE_NAME, open_for_reading, transaction
from tillbell_agent.outbox import State
from tillbell_agent.store_health import examine

DAY_S = 86_400


@pytest.fixture
def till(tmp_path: Path) -> Till:
    till = Till(tmp_path / "state")
    till.hear(100, "000001", 0)
    till.hear(250, "000002", 60)
    return till


def test_a_whole_store_tells_what_waits_and_since_when(till: Till) -> None:
    health = examine(till.folder, NOON + 120, NOON - DAY_S)
    assert (health.trouble, health.problems, health.schema) == (None, (), health.newest_schema)
    assert health.outbox.waiting == {"queued": 2, "held": 2}
    assert health.outbox.held == {"hq": 2}
    assert health.outbox.oldest_due_at == NOON
    assert health.last_heard_at == {"printer": NOON + 60}
    assert health.octets > 0
    assert health.wal_octets == (till.folder / f"{FILE_NAME}-wal").stat().st_size


def test_what_pauses_is_not_late_but_its_last_answer_is_told(till: Till) -> None:
    with transaction(till.register.connection):
        for row in till.register.outbox.recent(10, State.QUEUED):
            till.register.outbox.requeue(row.id, NOON + 400, "CMS 38", NOON + 60)
    health = examine(till.folder, NOON + 120, 0)
    assert health.outbox.oldest_due_at is None
    assert health.outbox.last_answer == "CMS 38"
    assert examine(till.folder, NOON + 500, 0).outbox.oldest_due_at == NOON


def test_what_ended_without_good_is_counted_for_a_while(till: Till) -> None:
    first, second = till.register.outbox.recent(10, State.QUEUED)
    with transaction(till.register.connection):
        till.register.outbox.mark(first.id, State.REFUSED, "CMS 1", NOON + 70)
        till.register.outbox.mark(second.id, State.UNKNOWN, "silence", NOON + 70)
    assert examine(till.folder, NOON + 120, NOON).outbox.ended == {"refused": 1, "unknown": 1}
    assert examine(till.folder, NOON + 2 * DAY_S, NOON + DAY_S).outbox.ended == {}


def test_an_unknown_one_that_will_be_repeated_waits_and_has_not_ended(till: Till) -> None:
    first = till.register.outbox.recent(1, State.QUEUED)[0]
    with transaction(till.register.connection):
        till.register.outbox.mark_unknown(first.id, "silence", NOON + 300, NOON + 70)
    outbox = examine(till.folder, NOON + 120, 0).outbox
    assert (outbox.waiting["unknown"], outbox.ended) == (1, {})


def test_a_pairing_is_known_by_its_binding(till: Till) -> None:
    till.pair()
    pairing = till.register.pairings.of("hq")
    assert pairing is not None
    assert examine(till.folder, NOON, 0).bindings == {"hq": pairing.binding}


def test_no_store_is_told_as_absent(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        health = examine(folder, NOON, 0)
        assert health.absent
        assert "has not run" in str(health.trouble)


def test_a_damaged_page_is_found(till: Till) -> None:
    till.register.connection.close()
    path = till.folder / FILE_NAME
    octets = bytearray(path.read_bytes())
    for page in range(2, len(octets) // 1024):
        octets[page * 1024 : page * 1024 + 64] = b"\xff" * 64
    path.write_bytes(octets)
    assert examine(till.folder, NOON, 0).problems


def test_a_file_that_is_no_database_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"garbage" * 400)
    health = examine(tmp_path, NOON, 0)
    assert not health.absent
    assert "not a database" in health.problems[0]


def test_a_store_of_a_newer_version_is_told_with_its_own_next_step(till: Till) -> None:
    till.register.connection.execute("PRAGMA user_version=99")
    health = examine(till.folder, NOON, 0)
    assert "newer tillbell" in str(health.trouble)
    assert health.step == "Install the tillbell that wrote it"


def test_a_store_set_aside_is_named(till: Till) -> None:
    for name in (f"{FILE_NAME}.corrupt-1", f"{FILE_NAME}.corrupt-1-wal"):
        (till.folder / name).write_bytes(b"")
    assert examine(till.folder, NOON, 0).set_aside == (f"{FILE_NAME}.corrupt-1",)


def test_reading_changes_nothing_and_a_writer_goes_on(till: Till) -> None:
    till.register.erase()
    before = (till.folder / FILE_NAME).read_bytes()
    examine(till.folder, NOON, 0)
    assert (till.folder / FILE_NAME).read_bytes() == before
    till.hear(300, "000003", 90)
    assert examine(till.folder, NOON + 120, 0).outbox.waiting == {"queued": 3, "held": 3}


def test_no_question_reads_every_message(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    """A million finished messages may lie behind the few that wait."""
    asked: list[str] = []

    def opened(state_dir: Path) -> sqlite3.Connection:
        connection = open_for_reading(state_dir)
        connection.set_trace_callback(asked.append)
        return connection

    monkeypatch.setattr(store_health, "open_for_reading", opened)
    store_health.examine(till.folder, NOON, 0)
    of_messages = [each for each in asked if "FROM message" in each]
    assert len(of_messages) == 8
    plans = {
        question: [str(row[3]) for row in till.rows(f"EXPLAIN QUERY PLAN {question}")]
        for question in of_messages
    }
    scans = {
        question: plan
        for question, plan in plans.items()
        if any(step.startswith("SCAN message") and "INDEX" not in step for step in plan)
    }
    assert scans == {}
