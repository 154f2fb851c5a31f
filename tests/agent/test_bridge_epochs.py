"""A bridge remembers the highest epoch begun: a disk that was put back, guard file and all, uses no counter again."""

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from bridged import Bridged
from till import HOST, NOON

from tillbell_agent.database import transaction
from tillbell_agent.pairings import Pairing
from tillbell_protocol.pairing import Defaults, SecretKey, pair_as_device

CHANCE = random.Random(3)
DEVICE, RECIPIENT = (SecretKey.from_random(CHANCE.randbytes(64)) for _ in range(2))
WELL_S = 90.0  # by then a bridge has been told


@pytest.fixture
def shop(tmp_path: Path) -> Bridged:
    shop = Bridged(tmp_path / "state")
    defaults = Defaults(device_name="till-1", currency="CNY", utc_offset_min=480, shops=("shop",))
    card = RECIPIENT.card("hq", None)
    made = pair_as_device(DEVICE, card, bytes(32), defaults)
    register = shop.agent.register
    with transaction(register.connection):
        register.pairings.add("hq", made, card, defaults, HOST, NOON)
    shop.run(1)
    return shop


def pairing_of(shop: Bridged) -> Pairing:
    (pairing,) = shop.agent.register.pairings.all()
    return pairing


def seal(shop: Bridged) -> int:
    """A message; its epoch."""
    register = shop.agent.register
    with transaction(register.connection):
        sealed = register.pairings.seal_next(
            pairing_of(shop), DEVICE.ed25519_seed, None, lambda _: (b"\xa0", ())
        )
    return sealed.counter >> 8


def kept(shop: Bridged) -> list[tuple[bytes, int, int]]:
    """What the bridge holds in its flash, which it writes when it has the time."""
    epochs = shop.board.store.epochs
    if epochs.is_unwritten:
        epochs.write()
    return epochs.rows()


def put(shop: Bridged, epoch: int) -> None:
    """The bridge has it from a life of this disk that is gone."""
    shop.board.store.epochs.put(pairing_of(shop).binding[:8], 0, epoch)
    shop.board.store.epochs.write()


def again(shop: Bridged) -> None:
    """The agent's next start; its bridge answers."""
    shop.kill_agent()
    shop.start_agent()
    shop.run(60, lambda: bool(shop.facts()["connected"]))
    shop.run(1)


def test_each_epoch_that_begins_is_told_to_the_bridge(shop: Bridged) -> None:
    start = pairing_of(shop).binding[:8]
    for epoch in (0, 2, 4):
        assert seal(shop) == epoch
        shop.run(WELL_S)
        assert kept(shop) == [(start, 0, epoch)]
        again(shop)


def test_a_bridge_that_is_exchanged_is_told_what_has_begun(shop: Bridged) -> None:
    seal(shop)
    shop.run(WELL_S)
    shop.pull()
    shop.run(1)
    shop.switch_on(unique_id="another")
    assert kept(shop) == []
    shop.plug()
    shop.run(WELL_S)
    assert len(kept(shop)) == 1


def test_a_start_jumps_past_what_only_the_bridge_remembers(shop: Bridged) -> None:
    seal(shop)
    put(shop, 40)
    again(shop)
    assert [seal(shop) for _ in range(3)] == [42, 42, 42]


def test_a_bridge_that_answers_only_after_the_first_message_makes_the_next_one_jump(shop: Bridged) -> None:
    put(shop, 40)
    shop.pull()
    again(shop)
    assert seal(shop) == 0
    shop.plug()
    shop.run(10)
    assert [seal(shop) for _ in range(3)] == [42, 42, 42]


def test_what_this_run_told_the_bridge_itself_is_no_reason_to_jump(shop: Bridged) -> None:
    for _ in range(5):
        assert seal(shop) == 0
        shop.run(WELL_S)
        kept(shop)
        shop.pull()
        shop.run(1)
        shop.plug()
        shop.run(10)


def test_a_jump_is_made_once_however_often_its_commit_is_refused(shop: Bridged) -> None:
    put(shop, 40)
    again(shop)
    register = shop.agent.register
    for _ in range(50):
        register.connection.execute("BEGIN")
        register.pairings.seal_next(pairing_of(shop), DEVICE.ed25519_seed, None, lambda _: (b"\xa0", ()))
        register.connection.execute("ROLLBACK")
        shop.run(5)
        kept(shop)
    assert seal(shop) == 42


def test_another_direction_or_pairing_says_nothing_about_this_one(shop: Bridged) -> None:
    shop.board.store.epochs.put(pairing_of(shop).binding[:8], 1, 40)
    shop.board.store.epochs.put(b"\xff" * 8, 0, 40)
    shop.board.store.epochs.write()
    again(shop)
    assert seal(shop) == 0
