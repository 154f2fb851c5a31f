"""A terminal that a firmware bridge hears: every sale once, whatever link, agent and bridge do meanwhile."""

import sys
from datetime import datetime
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from bridged import KEY, NOON, Bridged, LinkPort, receipt

from tillbell_agent import bridge_rows
from tillbell_agent.bridge_book import durable_logs
from tillbell_agent.bridge_rows import LOGS_KEPT, Mark
from tillbell_agent.database import StoreError, open_database, transaction
from tillbell_agent.pos.dialect import Line
from tillbell_agent.shell.files import SecretFileError
from tillbell_agent.shell.key_file import read_link_key
from tillbell_agent.sim.installation.surroundings import PowerCutError
from tillbell_agent.sim.tills import exchanges_of
from tillbell_protocol.link import messages as m

UNCUT = receipt("12.50")[:-3]


@pytest.fixture
def shop(tmp_path: Path) -> Bridged:
    shop = Bridged(tmp_path / "state")
    shop.run(1)
    return shop


def test_a_receipt_that_a_bridge_hears_is_told_and_need_not_be_kept_there(shop: Bridged) -> None:
    shop.says(receipt("12.50"))
    shop.run(5)
    assert shop.amounts() == [1250]
    assert shop.board.store.held == 0


# Silence


def test_silence_ends_a_receipt_once_the_bridge_has_said_that_it_is_silent(shop: Bridged) -> None:
    shop.says(UNCUT)
    shop.run(2.8)
    assert shop.amounts() == []
    shop.run(0.6)
    assert shop.amounts() == [1250]


def test_a_link_that_is_down_is_no_silence(shop: Bridged) -> None:
    shop.says(UNCUT)
    shop.says(b"\x1b@MARKET\n", 60.0)
    shop.run(1)
    shop.pull()
    shop.run(30)
    assert shop.amounts() == [], "more of it may have come"
    shop.plug()
    shop.run(5)
    assert shop.amounts() == [1250]


@pytest.mark.parametrize(("pause_s", "sales"), [(2.95, 1), (3.1, 2)])
@pytest.mark.parametrize("away_s", [0.0, 20.0])
def test_a_pause_is_as_long_as_it_was_on_the_wire(
    shop: Bridged, pause_s: float, sales: int, away_s: float
) -> None:
    """Two halves of a receipt, or two receipts: only the first octet behind the pause decides, late as it may arrive."""
    shop.says(UNCUT)
    shop.says(b"CASH\n" * 36 + b"TOTAL 12.50\n\x1dV\x00", pause_s)
    shop.run(1)
    if away_s:
        shop.pull()
        shop.run(away_s)
        shop.plug()
    shop.run(10)
    assert len(shop.amounts()) == sales


def test_no_question_about_silence_is_asked_oftener_than_is_good_for_a_slow_line(shop: Bridged) -> None:
    shop.way_s = 2.0
    shop.says(UNCUT)
    asked = count_of(shop, m.TIME)
    shop.run(20)
    assert shop.amounts() == [1250]
    assert len(asked) < 12


def count_of(shop: Bridged, kind: int) -> list[int]:
    """The frames of this kind that the bridge gets from now on."""
    seen: list[int] = []
    take = shop.board.session._take

    def taken(frame: object, now: int) -> None:
        seen.extend([now] * (frame.kind == kind))  # type: ignore[attr-defined]
        take(frame, now)  # type: ignore[arg-type]

    shop.board.session._take = taken  # type: ignore[method-assign, assignment]
    return seen


# Starts of the agent


@pytest.mark.parametrize("end", ["kill_agent", "stop_agent"])
def test_a_receipt_that_is_half_heard_when_the_agent_ends_is_told_once_by_the_next(
    shop: Bridged, end: str
) -> None:
    whole = receipt("12.50")
    shop.says(whole[:20])
    shop.says(whole[20:], 2.5)
    shop.run(1)
    getattr(shop, end)()
    shop.start_agent()
    shop.run(15)
    assert shop.amounts() == [1250]


def test_a_receipt_behind_a_start_of_the_agent_is_whole_though_no_command_begins_it(shop: Bridged) -> None:
    """Taken for the rest of a receipt it would be ignored: the next one is the same."""
    shop.says(receipt("12.50"))
    shop.run(8)
    assert shop.board.store.held == 0
    shop.kill_agent()
    shop.start_agent()
    shop.says(receipt("12.50")[2:], 1.0)
    shop.says(receipt("12.50"), 1.1)
    shop.run(8)
    assert shop.amounts() == [1250] * 3


def test_the_end_of_the_agent_waits_for_no_receipt_of_a_bridge(shop: Bridged) -> None:
    shop.says(receipt("12.50")[:20])
    shop.run(1)
    shop.agent.runner.stop()
    assert shop.agent.runner._finished()


def test_stopped_before_any_statement_equal_sales_are_told_once_each(tmp_path: Path) -> None:
    """Nothing in these sales tells one from the next, so that only their place in the bridge's log does."""
    cuts = 0
    for cut_after in range(1, 400):
        shop = Bridged(tmp_path / str(cut_after))
        shop.run(1)
        for place in range(3):
            shop.says(receipt("12.50"), 1.0 + place)
        shop.disk.cut_after = cut_after
        was_cut = ended_by_a_cut(shop)
        shop.disk.cut_after = None
        if was_cut:
            cuts += 1
            shop.kill_agent()
            shop.start_agent()
            shop.run(12)
        assert shop.amounts() == [1250] * 3, cut_after
        assert shop.board.store.held == 0
        if not was_cut:
            break
    assert cuts > 30, "too few points to prove anything"


def ended_by_a_cut(shop: Bridged) -> bool:
    try:
        shop.run(12)
    except PowerCutError:
        return True
    return False


def test_a_disk_that_refuses_leaves_the_sale_with_the_bridge_until_it_takes_again(shop: Bridged) -> None:
    shop.disk.refuses = "database or disk is full"
    shop.says(receipt("12.50"))
    shop.run(10)
    assert shop.board.store.held == 1
    assert shop.said.getvalue().count("store_refused") <= 2
    shop.kill_agent()
    shop.disk.refuses = None
    shop.start_agent()
    shop.run(10)
    assert (shop.amounts(), shop.board.store.held) == ([1250], 0)


def test_a_receipt_without_an_end_is_not_kept_until_the_bridge_has_no_room(shop: Bridged) -> None:
    shop.says(receipt("12.50")[:20])
    for place in range(900):
        shop.says(b"x" * 200, 1.0 + 0.22 * place)
    shop.run(197)
    assert 300 < shop.board.store.held < 600
    assert shop.board.store.chunks_lost == 0


# Starts of the bridge


def test_what_was_half_heard_when_the_bridge_lost_its_power_is_told_as_far_as_it_was_heard(
    shop: Bridged,
) -> None:
    shop.says(UNCUT)
    shop.run(1)
    shop.switch_on()
    shop.run(3)
    shop.says(receipt("8.00"))
    shop.run(10)
    assert shop.amounts() == [1250, 800]
    assert [row[0] for row in shop.rows("SELECT count(*) FROM bridge_log")] == [2]


def test_two_boards_on_one_port_are_told_apart(shop: Bridged) -> None:
    shop.says(receipt("1.00"))
    shop.run(5)
    first = shop.board
    shop.switch_on(unique_id="f772")
    shop.says(receipt("2.00"))
    shop.run(5)
    shop.board = first
    shop.pull()
    shop.run(1)
    shop.plug()
    shop.says(receipt("3.00"))
    shop.run(10)
    assert shop.amounts() == [100, 200, 300]
    assert first.store.held == 0


# Flags


def test_octets_that_are_missing_join_no_two_halves(shop: Bridged) -> None:
    """The end of one sale lacks, and the beginning of the next: what stands there is not one of both."""
    shop.says(b"\x1b@MARKET\nTOTAL 12.50\n")
    shop.says(b"of another\nTOTAL 8.00\nThank you\n\x1dV\x00", 1.0, flags=m.GAP)
    shop.run(10)
    assert shop.amounts() == [1250, 800]


def test_an_overrun_is_counted_and_breaks_the_line(shop: Bridged) -> None:
    shop.says(b"\x1b@MARKET\nTOTAL 12.50\n")
    shop.says(b"Thank you\nTOTAL 8.00\n", 1.0, flags=m.OVERRUN | m.FRAMING)
    shop.run(10)
    facts = shop.facts()
    assert (facts["overruns"], facts["framing_errors"]) == (1, 1)
    assert shop.said.getvalue().count("bridge_overrun") == 1
    assert shop.amounts() == [1250, 800]


def test_chunks_that_the_bridge_no_longer_has_break_the_line_and_are_counted(shop: Bridged) -> None:
    shop.says(b"\x1b@MARKET\nTOTAL 12.50\n")
    shop.run(1)
    shop.pull()
    shop.says(b"lost")
    shop.run(1)
    shop.board.store.forget(2)
    shop.says(b"of another\nTOTAL 8.00\n\x1dV\x00")
    shop.plug()
    shop.run(10)
    assert shop.facts()["lost"] == 1
    assert "bridge_chunks_lost" in shop.said.getvalue()
    assert shop.amounts() == [1250, 800]
    assert shop.board.store.held == 0


# Times


def heard_at(shop: Bridged) -> list[int | None]:
    return [row[0] for row in shop.rows("SELECT heard_at FROM ledger ORDER BY id")]


def test_a_sale_that_waited_in_the_bridge_has_the_time_at_which_it_was_heard(shop: Bridged) -> None:
    shop.pull()
    shop.run(1)
    said_at = shop.now
    shop.says(receipt("12.50"))
    for _ in range(3600):
        shop.now += 1
        shop.board_alone()
    shop.plug()
    shop.run(10)
    assert heard_at(shop) == [pytest.approx(NOON + said_at - 100, abs=1)]


def test_a_sale_of_an_earlier_start_of_the_bridge_is_told_without_a_time_and_counts_for_no_day(
    shop: Bridged,
) -> None:
    shop.pull()
    shop.says(receipt("12.50"))
    shop.run(5)
    store = shop.board.store
    shop.switch_on()
    old, new = store, shop.board.store
    shop.board.session._store = Journalled(old, new)  # type: ignore[assignment]
    shop.says(receipt("8.00"))
    shop.plug()
    shop.run(20)
    assert shop.amounts() == [1250, 800]
    first, second = heard_at(shop)
    assert first is None
    assert second is not None
    assert shop.rows("SELECT count, net_minor FROM day_total") == [(1, 800)]
    assert (old.held, new.held) == (0, 0)
    (text,) = shop.rows("SELECT body FROM message ORDER BY id LIMIT 1")
    assert "12:" not in text[0].decode(), "no time of day is made up"


class Journalled:
    """A store that serves what an earlier start left, then its own."""

    def __init__(self, old: object, new: object) -> None:
        self._old, self._new = old, new
        self.epochs = new.epochs  # type: ignore[attr-defined]

    @property
    def is_over(self) -> bool:
        return self._old is not None

    def __getattr__(self, name: str) -> object:
        return getattr(self._old or self._new, name)

    def next_log(self) -> bool:
        if self._old is None or self._old.held:  # type: ignore[attr-defined]
            return False
        self._old = None
        return True


# Channels and sources


def test_two_terminals_behind_one_bridge_are_told_apart(tmp_path: Path) -> None:
    sources = {
        "left": ("escpos", 'port = "bridge:tap/1"'),
        "right": ("escpos", 'port = "bridge:tap/2"'),
    }
    shop = Bridged(tmp_path / "state", sources)
    half, rest = receipt("2.00")[:20], receipt("2.00")[20:]
    shop.says(half, 1.0, Line.TILL)
    shop.says(receipt("1.00"), 1.1)
    shop.says(rest, 3.5, Line.TILL)
    shop.run(2)
    assert shop.rows("SELECT source, amount_minor FROM ledger") == [("left", 100)]
    shop.kill_agent()
    shop.start_agent()
    shop.run(1)
    assert shop.board.store.held == 2, "what the left one had behind the right one's half waits for it"
    shop.run(10)
    assert shop.rows("SELECT source, amount_minor FROM ledger") == [("left", 100), ("right", 200)]
    assert shop.board.store.held == 0


def test_a_channel_that_no_source_names_is_counted_and_kept_nowhere(shop: Bridged) -> None:
    for place in range(5):
        shop.says(b"nobody listens", 0.5 * place, Line.TILL)
    shop.run(10)
    assert shop.facts()["unheard"] == 5
    assert shop.said.getvalue().count("bridge_unheard") == 1
    assert shop.board.store.held == 0


def test_a_terminal_on_the_second_channel_alone_is_heard_as_any_other(tmp_path: Path) -> None:
    shop = Bridged(tmp_path / "state", {"printer": ("escpos", 'port = "bridge:tap/2"')})
    shop.says(receipt("12.50"), 1.0, Line.TILL)
    shop.run(5)
    assert shop.amounts() == [1250]


# What is kept of logs


def test_a_log_is_used_as_far_as_the_source_that_needs_most_of_it() -> None:
    marks = [Mark("b", "b/1", "left", 7), Mark("b", "b/1", "right", 5), Mark("b", "b/2", "gone", 9)]
    by_key = {(mark.log, mark.source): mark for mark in marks}
    assert durable_logs(by_key, ["left", "right"]) == {"b/1": 5, "b/2": 9}
    assert durable_logs(by_key, ["left", "new"]) == {"b/1": 7, "b/2": 9}


def test_a_mark_never_goes_back_and_only_the_newest_logs_of_a_board_are_kept(tmp_path: Path) -> None:
    connection = open_database(tmp_path)
    bridge_rows.save(connection, [Mark("b", "b/0", "printer", 9, 9, 1)])
    bridge_rows.save(connection, [Mark("b", "b/0", "printer", 5, 9, 2)])
    assert bridge_rows.read(connection)["b/0", "printer"] == Mark("b", "b/0", "printer", 9, 9, 1)
    bridge_rows.save(connection, [Mark("b", "b/0", "printer", 9, 9, 2, True)])
    assert bridge_rows.read(connection)["b/0", "printer"] == Mark("b", "b/0", "printer", 9, 9, 2, True)
    with transaction(connection):
        for number in range(1, LOGS_KEPT + 1):
            bridge_rows.put(connection, Mark("b", f"b/{number}", "printer", 1))
        bridge_rows.put(connection, Mark("other", "other/1", "printer", 1))
    kept = {log for log, _ in bridge_rows.read(connection)}
    assert kept == {f"b/{number}" for number in range(1, LOGS_KEPT + 1)} | {"other/1"}


# Its key


def test_a_link_key_is_read_from_a_file_that_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "tap.key"
    with pytest.raises(SecretFileError, match="tillbell flash"):
        read_link_key(path)
    path.write_text(KEY.hex() + "\n")
    path.chmod(0o640)
    with pytest.raises(SecretFileError, match="chmod 600"):
        read_link_key(path)
    path.chmod(0o600)
    assert read_link_key(path) == KEY
    for wrong in ("", KEY.hex()[:-1], KEY.hex()[:-1] + "x", "١" * 64):
        path.write_text(wrong, "utf-8")
        with pytest.raises(SecretFileError, match="64 hexadecimal digits") as caught:
            read_link_key(path)
        assert KEY.hex()[:20] not in str(caught.value)


# What a review found


def paid(folder: Path, *, restart: bool) -> list[tuple[object, ...]]:
    """A sale whose amount is in the till's request; somebody spoke hours before, on that line alone."""
    taps = 'port_terminal = "bridge:tap/1"\nport_till = "bridge:tap/2"'
    shop = Bridged(folder, {"terminal": ("ecr17", taps)}, step_s=0.1)
    exchanges = exchanges_of("ecr17")(1, datetime(2026, 11, 21, 12), "EUR", frozenset())
    exchange = next(each for each in exchanges if each.expected)
    shop.says(b"\x06", 2.0, exchange.spoken[0].line)
    shop.run(420)
    if restart:
        shop.kill_agent()
        shop.start_agent()
    shop.run(5)
    at = 1.0
    for said in exchange.spoken:
        at += max(said.after_s, 0.25)
        shop.says(said.octets[:200], at, said.line)
    shop.run(at + 60)
    return shop.rows("SELECT kind, amount_minor FROM ledger")


def test_a_start_of_the_agent_before_the_second_line_has_spoken_costs_no_amount(tmp_path: Path) -> None:
    told = paid(tmp_path / "one", restart=False)
    assert told[0][1] is not None
    assert paid(tmp_path / "two", restart=True) == told


def test_what_waits_for_a_port_that_takes_nothing_is_bounded(
    shop: Bridged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LinkPort, "write", lambda *_: 0)
    shop.step_s = 1.0
    shop.run(2 * 3600)
    assert len(shop.bridge.line._unwritten) < 1000


def test_a_bridge_under_another_key_is_told_once_in_the_log(
    shop: Bridged, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.kill_agent()
    monkeypatch.setattr(shop, "link_key", lambda _: bytes(32))
    shop.start_agent()
    shop.run(60)
    assert shop.said.getvalue().count("bridge_silent") == 1


def test_what_a_sales_own_commit_marked_is_not_written_over_by_an_older_mark(tmp_path: Path) -> None:
    """The disk refuses once; another terminal's receipt ends meanwhile; the agent is killed."""
    both = {"left": ("escpos", 'port = "bridge:tap/1"'), "right": ("escpos", 'port = "bridge:tap/2"')}
    shop = Bridged(tmp_path / "state", both)
    shop.run(1)
    left, book = shop.bridge.sources[0], shop.bridge._book
    half, rest = receipt("2.00")[:20], receipt("2.00")[20:]
    shop.says(half, 0.5, Line.TILL)
    shop.run(1)
    for number in range(3):
        shop.says(receipt("1.00"), 0.1 + number * 0.2)
    shop.run(1.9)
    book.save(shop.now, at_once=True)
    shop.says(b"TOTAL 2.00\n\x1dV\x00", 0.1, Line.TILL)
    shop.run(0.3)
    shop.says(half, 0.1, Line.TILL)
    shop.says(receipt("1.00"), 0.2)
    shop.says(receipt("3.00"), 0.4)
    shop.run(0.7)
    book.save(shop.now, at_once=True)
    shop.says(b"x" * 30, 0.1, Line.TILL)
    shop.says(half, 0.2, Line.TILL)
    shop.says(receipt("5.00"), 0.3)
    shop.run(0.6)

    def locked(_: object) -> None:
        raise StoreError("database is locked")

    store = left.telling._store
    left.telling._store = locked  # type: ignore[method-assign]
    shop.says(receipt("6.00"), 0.1)
    shop.says(rest, 0.3, Line.TILL)
    shop.run(0.6)
    left.telling._store = store  # type: ignore[method-assign]
    book.save(shop.now, at_once=True)
    shop.kill_agent()
    shop.start_agent()
    shop.run(15)
    told = shop.rows("SELECT amount_minor FROM ledger WHERE source = 'left' ORDER BY id")
    assert told == [(100,), (100,), (100,), (100,), (300,), (500,), (600,)]
