"""The ledger: numbers, days, totals, keys, and what is forgotten when."""

import sys
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from till import NOON, ZONE, moment, sale

from tillbell_agent.database import open_database, transaction
from tillbell_agent.ledger import Entry, Ledger
from tillbell_agent.moment import Moment
from tillbell_agent.outbox import Draft, Outbox, State
from tillbell_agent.pos.dialect import TransactionCompleted
from tillbell_protocol.event import Kind, Settlement, Transaction
from tillbell_protocol.pan import TruncatedPan

DAY_S = 86_400
text = st.none() | st.text(st.characters(blacklist_categories=("Cs",)), max_size=12)
transactions = st.builds(
    Transaction,
    kind=st.sampled_from([kind for kind in Kind if kind < Kind.SETTLEMENT]),
    amount_minor=st.none() | st.integers(0, 10**12),
    currency=st.none() | st.sampled_from(["CNY", "USD", "JPY"]),
    card=st.none() | st.builds(TruncatedPan, st.text("0123456789", min_size=4, max_size=4)),
    terminal_time=st.none() | st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1)),
    receipt_no=text, rrn=text, stan=text, auth_code=text, batch=text, terminal_id=text, merchant_id=text, scheme=text,
    method=text, result_code=text, original_ref=text, final=st.booleans(), shop=text,
)  # fmt: skip


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    return Ledger(open_database(tmp_path_factory.mktemp("ledger")))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(open_database(tmp_path))


def record(
    ledger: Ledger, heard: TransactionCompleted, now: Moment | None = None, source: str = "printer"
) -> Entry | None:
    with transaction(ledger._connection):
        return ledger.record(source, heard.key, heard.transaction, "CNY", now or moment())


@given(transactions)
def test_every_field_of_a_transaction_comes_back_as_it_was(shared: Ledger, heard: Transaction) -> None:
    entry = record(shared, TransactionCompleted(heard, None))
    assert entry is not None
    assert shared.entry(entry.id) == entry
    assert entry.transaction == heard
    assert entry.currency == (heard.currency or "CNY")


def test_only_what_moves_money_has_a_number_and_numbers_have_no_holes(ledger: Ledger) -> None:
    kinds = [
        Kind.SALE,
        Kind.DECLINED,
        Kind.VOID,
        Kind.PREAUTH,
        Kind.REFUND,
        Kind.PREAUTH_COMPLETION,
        Kind.REVERSAL,
    ]
    entries = [record(ledger, sale(100, f"{place:06d}", kind)) for place, kind in enumerate(kinds)]
    assert [entry.seq if entry else "?" for entry in entries] == [1, None, 2, None, 3, 4, 5]
    assert ledger.last_seq() == 5


def test_the_day_total_is_net_and_an_unknown_amount_is_counted_not_added(ledger: Ledger) -> None:
    for place, (amount, kind) in enumerate(
        [(1000, Kind.SALE), (300, Kind.VOID), (None, Kind.SALE), (50, Kind.REFUND), (9999, Kind.DECLINED)]
    ):
        last = record(ledger, sale(amount, f"{place:06d}", kind))
    assert last is not None
    assert last.day_total_minor == 650
    assert ledger.day_totals("2026-11-21") == [("CNY", 4, 650, 1)]


def test_the_same_key_is_the_same_transaction_for_ever_but_only_within_its_source(ledger: Ledger) -> None:
    assert record(ledger, sale()) is not None
    assert record(ledger, sale(), moment(40 * DAY_S)) is None
    assert record(ledger, sale(), source="second") is not None
    assert ledger.day_totals("2026-11-21") == [("CNY", 2, 25300, 0)]


def test_without_a_key_each_is_a_transaction_of_its_own(ledger: Ledger) -> None:
    heard = TransactionCompleted(sale().transaction, None)
    assert [entry.seq for entry in (record(ledger, heard), record(ledger, heard)) if entry] == [1, 2]


def test_a_day_is_the_shops_own_day(ledger: Ledger) -> None:
    record(ledger, sale(100, "000001"), Moment.at(NOON + 12 * 3600 - 1, ZONE))
    record(ledger, sale(200, "000002"), Moment.at(NOON + 12 * 3600, ZONE))
    assert ledger.day_totals("2026-11-21") == [("CNY", 1, 100, 0)]
    assert ledger.day_totals("2026-11-22") == [("CNY", 1, 200, 0)]


def test_a_clock_that_was_never_set_gives_no_time(ledger: Ledger) -> None:
    entry = record(ledger, sale(), Moment.at(120, ZONE))
    assert entry is not None
    assert entry.heard_at is None


def test_a_settlement_is_kept_once_and_is_no_transaction(ledger: Ledger) -> None:
    closed = Settlement(terminal_id="12345678", batch="000003", count=4, amount_minor=120000)
    with transaction(ledger._connection):
        assert ledger.record_settlement("printer", "12345678/settlement/3", closed, "CNY", moment())
        assert not ledger.record_settlement("printer", "12345678/settlement/3", closed, "CNY", moment())
    assert ledger.recent(10) == []
    assert ledger.last_seq() == 0
    kept = ledger._connection.execute("SELECT kind, amount_minor, currency, seq FROM ledger").fetchall()
    assert kept == [(Kind.SETTLEMENT, 120000, "CNY", None)]


def test_recent_gives_the_newest_first(ledger: Ledger) -> None:
    for place in range(5):
        record(ledger, sale(100 + place, f"{place:06d}"))
    assert [entry.transaction.amount_minor for entry in ledger.recent(3)] == [104, 103, 102]


def test_old_rows_are_forgotten_but_never_their_keys_numbers_or_totals(ledger: Ledger) -> None:
    record(ledger, sale(100, "000001"))
    record(ledger, sale(200, "000002"), moment(50 * DAY_S))
    with transaction(ledger._connection):
        assert ledger.forget_before("2026-12-31") == 1
    assert record(ledger, sale(100, "000001"), moment(50 * DAY_S)) is None
    entry = record(ledger, sale(300, "000003"), moment(50 * DAY_S))
    assert entry is not None
    assert entry.seq == 3
    assert ledger.day_totals("2026-11-21") == [("CNY", 1, 100, 0)]


@pytest.mark.parametrize("state", [State.HELD, State.QUEUED, State.CLAIMED])
def test_a_row_stays_while_a_message_still_needs_it(ledger: Ledger, state: State) -> None:
    entry = record(ledger, sale())
    record(ledger, sale(5, "000099"))
    assert entry is not None
    outbox = Outbox(ledger._connection)
    with transaction(ledger._connection):
        held = outbox.put(Draft("hq", "+861", "sealed", "txn", 10, ledger_id=entry.id), NOON)
        outbox.mark(held, state, "", NOON)
        ledger.forget_before("2027-12-31")
        assert [kept.id for kept in ledger.recent(9)] == [entry.id]
        outbox.mark(held, State.SENT, "", NOON)
        ledger.forget_before("2027-12-31")
    with pytest.raises(KeyError):
        ledger.entry(entry.id)


def test_a_sale_heard_before_the_clock_was_set_is_not_taken_for_one_of_1970(ledger: Ledger) -> None:
    record(ledger, sale(100, "000001"), Moment.at(100, ZONE))
    record(ledger, sale(200, "000002"), moment())
    record(ledger, sale(300, "000003"), Moment.at(300, ZONE))
    with transaction(ledger._connection):
        assert ledger.forget_before("2026-10-01") == 0
        assert ledger.forget_before("2026-12-01") == 2
    assert [entry.transaction.amount_minor for entry in ledger.recent(9)] == [300]
