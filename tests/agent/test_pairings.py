"""Pairings: each counter's key exists once, whatever was restored, and its place is told to the receiver."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from till import HOST, NOON, Till, moment, sale

from tillbell_agent.database import StoreError, transaction
from tillbell_agent.shell.guard import GuardFile
from tillbell_protocol.event import Kind, Transaction
from tillbell_protocol.ratchet import COUNTERS
from tillbell_protocol.receiver import CounterReusedError


@pytest.fixture
def till(tmp_path: Path) -> Till:
    till = Till(tmp_path / "state", ("hq",))
    till.pair()
    return till


def sealed(till: Till) -> list[tuple[int, bytes]]:
    """(counter, octets) of every message, in order."""
    return [
        (int(str(counter)), bytes(body))  # type: ignore[arg-type]
        for counter, body in till.rows(
            "SELECT counter, body FROM message WHERE counter IS NOT NULL ORDER BY id"
        )
    ]


def counters(till: Till) -> list[int]:
    return [counter for counter, _ in sealed(till)]


def test_counters_follow_each_other_within_a_run(till: Till) -> None:
    for place in range(5):
        till.hear(100 + place, f"{place:06d}")
    assert counters(till) == [0, 1, 2, 3, 4]
    opened = [till.receiver.open(octets) for _, octets in sealed(till)]
    assert [one.told.event.amount_minor for one in opened] == [100, 101, 102, 103, 104]


def test_each_start_jumps_two_epochs_and_the_receiver_sees_no_gap(till: Till) -> None:
    for start in range(4):
        till.hear(100 + start, f"{start:06d}")
        till.hear(200 + start, f"1{start:05d}")
        till.restart()
    assert counters(till) == [0, 1, 512, 513, 1024, 1025, 1536, 1537]
    for _, octets in sealed(till):
        till.receiver.open(octets)
    assert till.receiver.gaps(till.receiver.pairings[0].keys.binding) == []


def test_a_start_that_sealed_nothing_costs_no_counter(till: Till) -> None:
    for _ in range(3):
        till.restart()
    till.hear()
    till.restart()
    till.restart()
    till.hear(5, "000099")
    assert counters(till) == [0, 512]


def test_a_restored_state_directory_jumps_past_what_the_second_place_knows(
    till: Till, tmp_path: Path
) -> None:
    till.hear(1, "000001")
    till.register.connection.close()
    shutil.copytree(till.folder, tmp_path / "backup")
    till.restart()
    for start in range(3):
        till.hear(10 + start, f"00001{start}")
        till.restart()
    used = dict(sealed(till))
    till.register.connection.close()
    shutil.rmtree(till.folder)
    shutil.copytree(tmp_path / "backup", till.folder)
    till.restart()
    till.hear(99, "000099")
    fresh = dict(sealed(till))
    assert max(fresh) == ((max(used) >> 8) + 2) << 8
    assert all(used[counter] == fresh[counter] for counter in used.keys() & fresh.keys())
    for octets in used.values():
        till.receiver.open(octets)
    # No key was used twice, and the message itself says that its sender has forgotten what it sealed last.
    with pytest.raises(CounterReusedError, match="restored from a copy") as caught:
        till.receiver.open(fresh[max(fresh)])
    assert caught.value.opened.told.event.amount_minor == 99


def test_without_the_second_place_a_restored_copy_is_what_the_receiver_calls_reused(
    till: Till, tmp_path: Path
) -> None:
    """What the guard is for: the same accident with the guard restored as well."""
    till.hear(1, "000001")
    till.register.connection.close()
    shutil.copytree(till.folder, tmp_path / "backup")
    guard = till.config.guard_path.read_bytes()
    till.restart()
    till.hear(2, "000002")
    first = sealed(till)
    till.register.connection.close()
    shutil.rmtree(till.folder)
    shutil.copytree(tmp_path / "backup", till.folder)
    till.config.guard_path.write_bytes(guard)
    till.restart()
    till.hear(3, "000003")
    for _, octets in first:
        till.receiver.open(octets)
    with pytest.raises(CounterReusedError):
        till.receiver.open(sealed(till)[-1][1])


def test_the_second_place_knows_an_epoch_before_its_first_counter_is_used(till: Till) -> None:
    order: list[str] = []
    binding = till.register.pairings.all()[0].binding
    real = till.guard.begin

    def begin(which: bytes, epoch: int) -> None:
        real(which, epoch)
        order.append(f"guard {GuardFile(till.config.guard_path).epoch(binding)}")

    till.guard.begin = begin  # type: ignore[method-assign]
    till.register.connection.set_trace_callback(lambda sql: order.append(sql.split()[0]))
    till.hear()
    till.register.connection.set_trace_callback(None)
    assert order.index("guard 0") < order.index("COMMIT")


def test_a_missing_second_place_is_an_alarm_and_sealing_goes_on_after_a_jump(till: Till) -> None:
    till.hear()
    till.config.guard_path.unlink()
    till.restart()
    assert till.guard.alarm is not None
    assert "does not know a pairing" in till.guard.alarm
    till.hear(5, "000005")
    assert counters(till) == [0, 512]
    till.restart()
    assert till.guard.alarm is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"epochs": 7}',
        b'{"epochs": {"aa": "x"}}',
        b"\xff\xfe",
        b'{"epochs": {"aa": null}}',
    ],
)
def test_an_unreadable_second_place_is_an_alarm_and_no_crash(till: Till, content: bytes) -> None:
    till.config.guard_path.write_bytes(content)
    till.restart()
    assert till.guard.alarm is not None
    till.hear()
    assert counters(till) == [0]


def test_a_second_place_that_cannot_be_written_is_an_alarm_and_the_sale_is_told(till: Till) -> None:
    till.guard.path = till.folder / "missing" / "guard"
    till.hear()
    assert counters(till) == [0]
    assert till.guard.alarm is not None
    assert "cannot write" in till.guard.alarm


def test_no_alarm_before_the_first_pairing(tmp_path: Path) -> None:
    till = Till(tmp_path / "state")
    till.hear()
    till.restart()
    assert till.guard.alarm is None


def test_another_board_seals_nothing_until_paired_again(till: Till) -> None:
    till.hear()
    till.host = {"machine_id": "f" * 32}
    till.restart()
    till.hear(5, "000005")
    assert counters(till) == [0]
    why = till.register.why_held("hq")
    assert why is not None
    assert "machine_id differs" in why
    assert "pair hq again" in why
    till.pair(seed=8)
    assert till.register.release_held(moment()) == 1
    told = till.receiver.open(sealed(till)[-1][1])
    assert told.told.event.amount_minor == 5


def test_what_the_board_lacked_at_pairing_is_not_missed(till: Till) -> None:
    till.host = HOST | {"board_serial": "1" * 32}
    till.restart()
    assert till.register.why_held("hq") is None


def test_pairing_again_overwrites_the_keys_before(till: Till) -> None:
    till.hear()
    before = till.register.pairings.all()[0]
    till.pair(seed=8)
    after = till.register.pairings.all()[0]
    assert (after.binding == before.binding, after.last_counter) == (False, None)
    till.hear(5, "000005")
    assert counters(till) == [0, 0]
    till.register.connection.close()
    content = b"".join(path.read_bytes() for path in till.folder.iterdir() if path.is_file())
    for secret in (
        before.ratchet.chain,
        before.ratchet.next_epoch,
        before.ratchet.next_era,
        before.check_key,
    ):
        assert secret not in content


def test_a_terminal_is_named_once_and_then_by_its_place(till: Till) -> None:
    for place in range(3):
        till.hear(100, f"{place:06d}")
    octets = [octets for _, octets in sealed(till)]
    assert len(octets[0]) > len(octets[1])
    assert len(octets[1]) == len(octets[2])
    told = [till.receiver.open(each).told.event for each in octets]
    assert {(event.terminal_id, event.merchant_id) for event in told} == {("12345678", "898310148160001")}


def test_the_list_of_terminals_has_an_end_and_the_rest_is_told_in_full(till: Till) -> None:
    with transaction(till.register.connection):
        pairing = till.register.pairings.all()[0]
        grown = pairing.defaults
        for place in range(256):
            grown, _ = grown.with_terminal(f"T{place:07d}", None)
        till.register.pairings._advance("hq", pairing.ratchet, grown)
    till.hear()
    assert len(till.register.pairings.all()[0].defaults.terminals) == 256
    assert till.rows("SELECT state, left_out FROM message") == [("queued", "terminal_id,merchant_id")]
    told = till.receiver.open(sealed(till)[0][1]).told.event
    assert (told.terminal_id, told.reference) == (None, "000012")


def test_the_last_counter_is_used_and_then_events_are_held(till: Till) -> None:
    with transaction(till.register.connection):
        pairing = till.register.pairings.all()[0]
        near_end = pairing.ratchet.jump(COUNTERS - 2)
        till.register.pairings._advance("hq", near_end, pairing.defaults)
    till.hear(1, "000001")
    till.hear(2, "000002")
    states = till.rows("SELECT counter, state FROM message ORDER BY id")
    assert states == [(COUNTERS - 1, "queued"), (None, "held")]
    assert "all counters" in str(till.register.why_held("hq"))


def test_what_a_payload_cannot_carry_is_refused_and_the_ratchet_stays(till: Till) -> None:
    monstrous = replace(sale().transaction, amount_minor=1 << 60)
    till.register.hear("printer", replace(sale(), transaction=monstrous), "CNY", moment())
    assert till.rows("SELECT state, counter FROM message") == [("refused", None)]
    till.hear(5, "000005")
    assert counters(till) == [0]
    assert till.rows("SELECT count(*) FROM ledger") == [(2,)]


def test_a_sale_without_a_terminal_names_none(till: Till) -> None:
    bare = replace(sale(), transaction=Transaction(Kind.SALE, 100, "CNY"), key=None)
    till.register.hear("printer", bare, "CNY", moment())
    opened = till.receiver.open(sealed(till)[0][1])
    assert (opened.told.event.terminal_id, opened.told.event.reference) == (None, None)
    assert opened.told.time == NOON


def test_a_start_jumps_once_however_often_its_first_commit_is_refused(till: Till) -> None:
    till.hear(1, "000001")
    till.restart()
    till.register.connection.execute(
        "CREATE TEMP TRIGGER full BEFORE INSERT ON message BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    )
    for _ in range(50):
        with pytest.raises(StoreError, match="disk full"):
            till.hear(2, "000002")
    till.register.connection.execute("DROP TRIGGER full")
    till.hear(2, "000002")
    till.hear(3, "000003")
    assert counters(till) == [0, 512, 513]


def test_a_pairing_whose_next_jump_passes_the_last_counter_is_held_with_that_reason(till: Till) -> None:
    with transaction(till.register.connection):
        pairing = till.register.pairings.all()[0]
        till.register.pairings._advance("hq", pairing.ratchet.jump(COUNTERS - 256), pairing.defaults)
    till.restart()
    assert "all counters" in str(till.register.why_held("hq"))
    till.hear(1, "000001")
    assert till.rows("SELECT state FROM message") == [("held",)]


def test_a_second_place_that_cannot_be_written_is_asked_again_with_the_next_message(till: Till) -> None:
    path = till.guard.path
    path.unlink()
    path.mkdir()
    till.hear(1, "000001")
    assert "cannot" in str(till.guard.alarm)
    path.rmdir()
    till.hear(2, "000002")
    assert GuardFile(path).epoch(till.register.pairings.all()[0].binding) == 0


@pytest.mark.parametrize(
    "content", ['{"epochs": {"aa": Infinity}}', "[" * 100_000, "[]", '{"epochs": 1}', "\x00"]
)
def test_a_second_place_with_nonsense_in_it_is_an_alarm(tmp_path: Path, content: str) -> None:
    (tmp_path / "guard").write_text(content)
    assert "cannot read" in str(GuardFile(tmp_path / "guard").alarm)


def test_what_was_held_is_sealed_after_the_next_sale_though_nobody_woke_the_agent(tmp_path: Path) -> None:
    till = Till(tmp_path / "other", ("hq",))
    till.hear(1, "000001")
    till.register.release_held(moment())
    assert not till.register.more_held
    till.pair()
    till.hear(2, "000002")
    assert till.register.more_held
    till.register.release_held(moment())
    assert [state for (state,) in till.rows("SELECT state FROM message")] == ["queued", "queued"]
