"""What happens with a sale costs the same with a million messages behind it: by the query planner's word, and measured."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

from million import fill, flatness
from till import NOON, OWNER, Till, moment

from tillbell_agent.database import transaction
from tillbell_agent.outbox import Route, State

# Whole tables that grow with the years; day_total and the like have a few rows.
_GROWING = "message|segment|ledger|heard|check_code"
# Index that hold only what is still owed; a walk along one costs what is owed, and stops at the first that fits.
_ONLY_OWED = (
    "message_due",
    "message_later",
    "message_held",
    "message_claimed",
    "message_unknown",
    "message_repeat",
)
# Walks from the oldest row that end after a bounded number, or at the first that is young.
_WALKS = ("ORDER BY id LIMIT", "ORDER BY id DESC LIMIT", "max(id)")


def life_of_a_shop(till: Till) -> None:
    """Every statement of sales, their sending, their failures, and an hour's housekeeping."""
    register, outbox = till.register, till.register.outbox
    till.hear(100, "000001")
    till.hear(200, "000002")
    till.hear(200, "000002")
    route = Route((("+86", True),), otherwise=False)
    for number, ending in enumerate((State.DELIVERED, State.UNKNOWN, State.QUEUED, State.SENT)):
        message = outbox.reserve(NOON, route)
        assert message is not None
        with transaction(register.connection):
            outbox.claim(message.id, "sim1", NOON)
            outbox.segments.hand_over(message.id, 0, "sim1", NOON)
        with transaction(register.connection):
            if ending is State.UNKNOWN:
                outbox.count_unknown(message.id)
                outbox.mark_unknown(message.id, "no answer", NOON + 60, NOON)
            elif ending is State.QUEUED:
                outbox.requeue(message.id, NOON + 5, "busy", NOON)
            else:
                outbox.segments.sent(message.id, 0, "sim1", number, NOON)
                outbox.mark(message.id, State.SENT, "accepted", NOON)
                outbox.report("sim1", number, message.phone, "delivered", taken_at=NOON, now=NOON)
                outbox.report("sim1", 200, OWNER, "delivered", taken_at=NOON, now=NOON)
                outbox.segments.known(message.id)
                outbox.segments.taken(message.id, "sim1")
        outbox.release(message.id)
    outbox.next_due_at(NOON)
    outbox.claimed()
    for message in outbox.to_repeat():
        register.repeat_text(message, NOON, moment())
    register.release_held(moment(60))
    register.keep_house(moment(3600))
    outbox.counts()
    outbox.recent(20)
    for entry in register.ledger.recent(3):
        outbox.of_entry(entry.id)
        outbox.codes(entry.seq or 0)


def test_the_query_planner_finds_an_index_for_everything_that_happens_with_a_sale(tmp_path: Path) -> None:
    till = Till(tmp_path / "state", ("owner", "hq", "books"))
    till.pair()
    connection = till.register.connection
    asked: dict[str, str] = {}

    def trace(statement: str) -> None:
        if re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE)\b", statement):
            asked.setdefault(re.sub(r"x?'[^']*'|\b\d+\b", "?", statement), statement)

    connection.set_trace_callback(trace)
    life_of_a_shop(till)
    connection.set_trace_callback(None)
    assert len(asked) > 40, "the trace saw the statements"
    whole_tables = [
        f"{step}\n  of {statement}"
        for statement in asked.values()
        for (_, _, _, step) in connection.execute(f"EXPLAIN QUERY PLAN {statement}")
        if re.match(rf"SCAN ({_GROWING}|[mls])\b", step)
        and not any(f"INDEX {index}" in step for index in _ONLY_OWED)
        and not any(walk in statement for walk in _WALKS)
    ]
    assert whole_tables == []


def test_the_next_message_is_read_from_the_index_alone_and_in_its_order(tmp_path: Path) -> None:
    till = Till(tmp_path / "state")
    asked: list[str] = []
    till.register.connection.set_trace_callback(asked.append)
    till.register.outbox.reserve(NOON, Route((("+86", True),)))
    till.register.connection.set_trace_callback(None)
    plan = [row[3] for row in till.register.connection.execute(f"EXPLAIN QUERY PLAN {asked[0]}")]
    assert plan == ["SCAN message USING COVERING INDEX message_due"]


def test_fifty_thousand_finished_messages_make_nothing_slower(
    tmp_path: Path, figure: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "tillbell_agent.database.LOOKED_THROUGH_WHOLE", 1024 * 1024
    )  # a million rows are above it
    found = flatness(tmp_path, finished=50_000, due=2_000)
    for step, ratio in found.ratios().items():
        figure(
            f"{step}: {found.empty_us[step]:.0f} µs empty, {found.full_us[step]:.0f} µs full, ×{ratio:.2f}"
        )
    # No promise on a clock that others share: a table that is read whole would be a hundred times slower.
    assert max(found.ratios().values()) < 20


def test_what_status_counts_is_what_there_is(tmp_path: Path) -> None:
    till = Till(tmp_path / "state", ("owner", "hq", "books"))
    fill(till.register.connection, 300, 20)
    life_of_a_shop(till)
    till.rows("DELETE FROM message WHERE id % 7 = 0")
    counted = {
        (recipient, state): count
        for recipient, state, count in till.rows(
            "SELECT recipient, state, count(*) FROM message GROUP BY recipient, state"
        )
    }
    assert till.register.outbox.counts() == counted
    assert {state for _, state in counted} >= {"held", "queued", "delivered"}


@pytest.mark.parametrize("owed", [0, 3000])
def test_housekeeping_keeps_up_a_bounded_number_at_a_time(tmp_path: Path, owed: int) -> None:
    till = Till(tmp_path / "state")
    fill(till.register.connection, 5000, owed)
    till.rows("UPDATE message SET created_at = created_at - 4000000, updated_at = updated_at - 4000000"
              " WHERE state = 'delivered'")  # fmt: skip
    left = []
    for _ in range(4):
        till.register.keep_house(moment())
        left.append(till.rows("SELECT count(*) FROM message WHERE state = 'delivered'")[0][0])
    assert left == [3000, 1000, 0, 0]
    assert till.rows("SELECT count(*) FROM segment") == [(0,)]
