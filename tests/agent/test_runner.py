"""The agent as a whole, on simulated lines and a simulated clock: days of operation, ports that go, disks that refuse."""

import itertools
import random
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from till import HQ, NOON, OWNER, Till
from town import Town

from tillbell_agent.database import StoreError
from tillbell_agent.sim.modem_faults import Fault
from tillbell_agent.sim.receipts import receipts
from tillbell_protocol.event import MONEY_SIGN


def slip(amount: str, voucher: str) -> bytes:
    text = (
        "POS 签购单\n商户存根 MERCHANT COPY\n终端编号(TERMINAL NO):12345678\n卡号(CARD NO):\n622576******6691 /C\n"
        f"交易类型(TRANS TYPE):消费(SALE)\n凭证号(VOUCHER NO):{voucher}\n参考号(REFER NO):103015{voucher}\n"
        f"日期/时间(DATE/TIME):2026/11/21 12:30:15\n交易金额(AMOUNT):\nRMB {amount}\n"
    )
    return b"\x1b@" + text.encode("gb18030") + b"\n\n\x1dV\x42\x00"


@pytest.fixture
def till(tmp_path: Path) -> Till:
    till = Till(tmp_path / "state")
    till.pair()
    return till


@pytest.fixture
def town(till: Till) -> Town:
    return Town(till)


def states(till: Till) -> list[str]:
    return [str(state) for (state,) in till.rows("SELECT state FROM message ORDER BY id")]


@contextmanager
def broken_disk(till: Till, times: int = 10**6) -> Iterator[dict[str, int]]:
    """Every commit is refused, as by a full disk."""
    connection, left = till.register.connection, {"refused": 0, "times": times}
    real = till.register.connection

    class Refusing:
        def __getattr__(self, name: str) -> object:
            return getattr(real, name)

        def execute(self, sql: str, *values: object) -> object:
            if sql == "COMMIT" and left["times"] > 0:
                left["times"] -= 1
                left["refused"] += 1
                raise sqlite3.OperationalError("database or disk is full")
            return real.execute(sql, *values)  # type: ignore[arg-type]

    till.register.connection = Refusing()  # type: ignore[assignment]
    try:
        yield left
    finally:
        till.register.connection = connection


def test_a_receipt_becomes_a_text_and_a_sealed_message_within_a_second_of_the_modems_time(
    town: Town, till: Till
) -> None:
    town.live(5)
    town.prints(slip("126.50", "000012"))
    began = town.clock.now
    assert town.live(60, lambda: bool(town.machine.network.shown(HQ)))
    assert town.clock.now - began < 3
    assert "126.50" in town.texts(OWNER)[0]
    octets = bytes.fromhex(town.machine.network.shown(HQ)[0].data or "")
    assert till.receiver.open(octets).told.event.amount_minor == 12650


def test_a_day_of_receipts_is_told_once_each(town: Town, till: Till) -> None:
    stream = receipts(5, start=datetime(2026, 11, 21, 12, 0))
    day = [next(stream) for _ in range(120)]
    for place, receipt in enumerate(day):
        town.prints(receipt.octets, place * 20)
    told = [receipt.expected for receipt in day if receipt.expected is not None]
    assert town.live(
        4 * 3600,
        lambda: (
            len(states(till)) > 0 and set(states(till)) == {"delivered"} and town.clock.now > 100 + 120 * 20
        ),
    )
    rung = [event for event in told if event.kind in MONEY_SIGN]
    assert len(town.texts(OWNER)) == len(rung)
    opened = [till.receiver.open(bytes.fromhex(shown.data or "")) for shown in town.machine.network.shown(HQ)]
    assert sorted(
        (one.told.event.kind, one.told.event.amount_minor, one.told.event.reference or "") for one in opened
    ) == sorted((event.kind, event.amount_minor, event.reference or "") for event in told)


def test_ready_is_said_when_the_last_source_opens(till: Till) -> None:
    town = Town(till, source_there=False)
    town.live(30)
    assert town.ready_at is None
    assert len(town.log_lines("source_closed")) == 1, "said once, not at every look"
    assert "no such port" in town.log_lines("source_closed")[0]
    town.source_there = True
    assert town.live(10, lambda: town.ready_at is not None)
    town.prints(slip("5.00", "000001"))
    assert town.live(60, lambda: len(town.texts(OWNER)) == 1)


def test_an_adapter_that_is_pulled_and_put_back_is_heard_again(town: Town, till: Till) -> None:
    town.prints(slip("5.00", "000001"))
    town.live(10)

    def pull() -> None:
        town.printer.gone, town.source_there = True, False

    town.at(0, pull)
    town.live(60)
    assert town.listener.lines[0].port is None
    town.source_there = True
    town.prints(slip("6.00", "000002"), 10)
    assert town.live(60, lambda: len(town.texts(OWNER)) == 2)


def test_a_receipt_cut_off_by_a_power_loss_is_no_sale_of_another_amount(town: Town, till: Till) -> None:
    octets = slip("1234.50", "000001")
    for cut in range(40, len(octets) - 4, 7):
        town.prints(octets[:cut], 0)
        town.live(5)
    town.prints(slip("9.00", "000777"))
    town.live(30)
    amounts = {amount for (amount,) in till.rows("SELECT amount_minor FROM ledger")}
    assert 900 in amounts
    assert amounts <= {None, 123450, 900}


def test_a_modem_that_is_pulled_in_mid_message_comes_back_and_nothing_is_lost(town: Town, till: Till) -> None:
    town.live(5)
    for place in range(3):
        town.prints(slip(f"{place + 1}.00", f"{place:06d}"))
    town.live(60, lambda: any(record["ev"] == "pdu" for record in town.modem_port.records))

    def pull() -> None:
        town.modem_port.gone, town.modem_there = True, False

    town.at(0.1, pull)
    town.at(20, lambda: setattr(town, "modem_there", True))
    assert town.live(3600, lambda: set(states(till)) == {"delivered"}), states(till)
    shown = [text.removeprefix("(重发)")[:-6] for text in town.texts(OWNER)]
    assert len(set(shown)) == 3
    unmarked = [text[:-6] for text in town.texts(OWNER) if not text.startswith("(重发)")]
    assert len(unmarked) == len(set(unmarked)) == 3


def test_a_modem_that_restarts_and_one_that_goes_deaf_are_brought_up_again(town: Town, till: Till) -> None:
    town.at(10, lambda: town.machine.restart(town.clock.now))
    town.at(100, lambda: town.machine.faults.add(Fault("deaf", count=5)))
    for place in range(10):
        town.prints(slip(f"{place + 1}.00", f"{place:06d}"), 9 + place * 20)
    assert town.live(7200, lambda: len(states(till)) == 20 and set(states(till)) == {"delivered"})
    assert len({text.removeprefix("(重发)")[:-6] for text in town.texts(OWNER)}) == 10


def test_a_lost_network_delays_and_loses_nothing(town: Town, till: Till) -> None:
    town.live(5)
    town.machine.set_registration(2, town.clock.now)
    for place in range(5):
        town.prints(slip(f"{place + 1}.00", f"{place:06d}"), place)
    town.live(3600)
    assert set(states(till)) == {"queued"}
    town.at(0, lambda: town.machine.set_registration(1, town.clock.now))
    assert town.live(600, lambda: set(states(till)) == {"delivered"})
    assert [text.startswith("(") for text in town.texts(OWNER)] == [False] * 5


def test_a_quiet_agent_sleeps(town: Town) -> None:
    town.live(10)
    turns = 0
    real = town.runner.turn

    def counted() -> None:
        nonlocal turns
        turns += 1
        real()

    town.runner.turn = counted  # type: ignore[method-assign]
    town.live(3600)
    assert turns < 3600 / 10


# A disk that refuses


def test_sales_wait_in_memory_for_a_disk_that_refuses_and_are_told_in_order_with_their_time(
    town: Town, till: Till
) -> None:
    town.live(5)
    with broken_disk(till) as disk:
        for place in range(5):
            town.prints(slip(f"{place + 1}.00", f"{place:06d}"), place * 10)
        town.live(300)
        assert disk["refused"] > 20, "it was tried again and again"
        assert town.listener.telling.pending == 5
        assert len(town.log_lines("store_refused")) <= 2, "and told once"
    began = town.clock.now
    assert town.live(60, lambda: set(states(till)) == {"delivered"} and len(states(till)) == 10)
    assert town.log_lines("store_takes_again")
    heard = [int(str(at)) for (at,) in till.rows("SELECT heard_at FROM ledger ORDER BY id")]
    assert all(at < began + town.clock.wall_s - 200 for at in heard)
    assert [later - sooner for sooner, later in itertools.pairwise(heard)] == [10] * 4
    assert [amount for (amount,) in till.rows("SELECT amount_minor FROM ledger ORDER BY id")] == [
        100,
        200,
        300,
        400,
        500,
    ]


def test_memory_for_a_refusing_disk_has_an_end_and_what_goes_beyond_is_counted(
    town: Town, till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tillbell_agent.telling._MOST_PENDING", 3)
    with broken_disk(till):
        for place in range(5):
            town.prints(slip(f"{place + 1}.00", f"{place:06d}"), place)
        town.live(30)
        assert (town.listener.telling.pending, town.listener.telling.counts["lost"]) == (3, 2)
        assert len(town.log_lines("event_lost")) == 2


@pytest.mark.parametrize("times", [1, 2, 3, 5])
def test_a_disk_that_refuses_in_the_middle_of_sending_doubles_nothing(
    town: Town, till: Till, times: int
) -> None:
    town.live(5)
    town.prints(slip("1.00", "000001") + slip("2.00", "000002"))
    town.live(60, lambda: bool(town.machine.network.shown(OWNER)))
    with broken_disk(till, times) as disk:
        town.live(120, lambda: disk["times"] == 0)
    assert town.live(3600, lambda: set(states(till)) == {"delivered"}), states(till)
    assert len(town.texts(OWNER)) == 2
    opened = {shown.data for shown in town.machine.network.shown(HQ)}
    assert len(opened) == 2


def test_a_start_on_a_refusing_disk_hears_and_sends_when_it_takes_again(town: Town, till: Till) -> None:
    town.prints(slip("1.00", "000001"))
    town.live(60, lambda: any(record["ev"] == "pdu" for record in town.modem_port.records))
    till.restart()
    with broken_disk(till):
        town.start()
        town.live(30)
    town.prints(slip("2.00", "000002"))
    assert town.live(3600, lambda: len(states(till)) == 4 and set(states(till)) <= {"delivered", "sent"}), (
        states(till)
    )


def test_a_held_event_is_released_while_running(tmp_path: Path) -> None:
    till = Till(tmp_path / "state")
    town = Town(till)
    town.prints(slip("1.00", "000001"))
    town.live(10)
    assert "held" in states(till)
    till.pair()
    till.register.more_held = True
    assert town.live(30, lambda: bool(town.machine.network.shown(HQ)))


# The end


def test_told_to_stop_it_ends_at_once_where_nothing_is_open(town: Town) -> None:
    town.live(10)
    town.runner.stop()
    assert town.runner._finished()


def test_told_to_stop_in_mid_receipt_it_hears_the_rest(town: Town, till: Till) -> None:
    town.live(5)
    octets = slip("41.00", "000009")
    town.prints(octets[:-80])
    town.live(0.1)
    town.runner.stop()
    assert not town.runner._finished()
    town.prints(octets[-80:], 0.4)
    began = town.clock.now
    while not town.runner._finished():
        town.runner.turn()
    town.runner.close()
    assert town.clock.now - began < 2
    assert till.rows("SELECT amount_minor FROM ledger") == [(4100,)]


def test_a_line_that_never_rests_does_not_keep_it_from_ending(town: Town) -> None:
    town.live(5)
    for place in range(1000):
        town.prints(b"noise without end ", place * 0.1)
    town.runner.stop()
    began = town.clock.now
    while not town.runner._finished():
        town.runner.turn()
    assert town.clock.now - began < 25


# Any octets


noise = st.binary(max_size=300) | st.lists(
    st.sampled_from(
        [
            b"\x1b@",
            b"\x1dV\x42\x00",
            b"\x1dv0\x00",
            b"RMB 12.00\n",
            "交易金额(AMOUNT):".encode("gb18030"),
            b"\x81",
            b"\n",
            b"TOTAL 5.00",
        ]
    ),
    max_size=40,
).map(b"".join)


@given(st.lists(noise, max_size=6))
@settings(max_examples=40)
def test_any_octets_on_the_terminals_line_stop_nothing(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]
) -> None:
    till = Till(tmp_path_factory.mktemp("noise") / "state", ("owner",))
    town = Town(till)
    for place, piece in enumerate(pieces):
        town.prints(piece, place * 0.7)
    town.live(20)
    before = len(till.rows("SELECT 1 FROM ledger"))
    town.prints(b"\x1b@\n\x1dV\x42\x00" + slip("3.33", "000333"))
    town.live(20)
    assert (333,) in till.rows("SELECT amount_minor FROM ledger")
    assert len(till.rows("SELECT 1 FROM ledger")) == before + 1


modem_noise = st.binary(max_size=200) | st.lists(
    st.sampled_from(
        [
            b"\r\nOK\r\n",
            b"> ",
            b"\r\n+CMGS: 7\r\n",
            b"\r\n+CDS: 25\r\n0006",
            b"\r\n+CMT: ,300\r\n",
            b"\r\nERROR\r\n",
            b"\xff\x00",
            b'\r\n+CMTI: "SM",99999\r\n',
            b"\r\nRDY\r\n",
            b"\r\n+CMS ERROR: 500\r\n",
        ]
    ),
    max_size=20,
).map(b"".join)


@given(st.lists(st.tuples(st.floats(0, 20), modem_noise), max_size=5), st.integers(0, 10**6))
@settings(max_examples=40)
def test_any_octets_on_the_modems_line_lose_no_sale(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[tuple[float, bytes]], seed: int
) -> None:
    till = Till(tmp_path_factory.mktemp("noise") / "state", ("owner",))
    town = Town(till)
    for at, piece in pieces:
        town.at(at, lambda piece=piece: town.modem_port.waiting.extend(piece))  # type: ignore[misc]
    for place in range(2):
        town.prints(slip(f"{place + 1}.00", f"{place:06d}"), random.Random(seed).uniform(0, 20) + place)
    town.live(
        3 * 3600,
        lambda: (
            len(states(till)) == 2
            and "queued" not in states(till)
            and "claimed" not in states(till)
            and town.clock.now > 200
        ),
    )
    assert len(till.rows("SELECT 1 FROM ledger")) == 2
    unmarked = [text[:-6] for text in town.texts(OWNER) if not text.startswith("(重发)")]
    # Noise that spells a final result lies about an outcome, and nobody can tell it from the modem's own word.
    lies = any(word in piece for _, piece in pieces for word in (b"OK", b"ERROR", b"+CMGS", b">"))
    assert lies or len(unmarked) == len(set(unmarked))


def test_a_wrong_clock_that_is_set_later_keeps_what_was_heard(town: Town, till: Till) -> None:
    town.clock.wall_s = 0.0
    town.machine.set_registration(2, town.clock.now)
    town.prints(slip("1.00", "000001"), 5)
    town.live(3700)
    town.clock.wall_s = NOON - town.clock.now
    town.machine.set_registration(1, town.clock.now)
    assert town.live(2 * 3600, lambda: set(states(till)) == {"delivered"}), states(till)
    assert till.rows("SELECT amount_minor, heard_at FROM ledger") == [(100, None)]


def test_a_refused_commit_is_an_error_of_the_store(till: Till) -> None:
    with broken_disk(till), pytest.raises(StoreError, match="disk is full"):
        till.hear()
    till.hear()
    assert till.rows("SELECT count(*) FROM ledger") == [(1,)]
