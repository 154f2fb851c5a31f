"""Whoever takes the device cannot read what it sent before: 300 sealed messages, and no file that opens one of them."""

import hmac
import random
import shutil
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "agent"))

from shop import Shop, slip
from till import Till

from tillbell_protocol.pairing import SecretKey, bundle_from_text, pair_as_recipient
from tillbell_protocol.ratchet import Ratchet, message_key
from tillbell_protocol.refusal import Refusal
from tillbell_protocol.seal import Header, open_sealed

MESSAGES = 300
RESTARTS = 3


def used_values(root: bytes, counters: Iterable[int]) -> list[bytes]:
    """The chain value and the message key of each counter, and every epoch and era value before the last one's own."""
    values: list[bytes] = []
    for counter in counters:
        values += [Ratchet.start(root).jump(counter).chain, message_key(root, counter)]
    era = hmac.digest(root, b"epochs", "sha256")
    last = max(counters) >> 8
    values += [root]
    for _ in range(last + 1):
        values.append(era)
        era = hmac.digest(era, b"epoch", "sha256")
    return values


def content(folder: Path) -> bytes:
    """Every octet of every file of the state directory, its WAL and the second place among them."""
    files = [*folder.rglob("*"), *folder.parent.glob(f"{folder.name}.guard*")]
    return b"\0".join(path.read_bytes() for path in sorted(files) if path.is_file())


def opened_by_thief(folder: Path, messages: Iterable[bytes], binding: bytes, verify_key: bytes) -> int:
    """How many messages the holder of these files opens.

    The thief knows the format: the stored ratchet is asked for each key, and every stored value of 32 octets is tried
    as a root, as a chain value and as a message key itself. (That no other place holds a key is the search's matter.)
    """
    store = sqlite3.connect(f"file:{folder / 'tillbell.db'}?mode=ro", uri=True)
    held = [
        value for row in store.execute("SELECT * FROM pairing") for value in row if isinstance(value, bytes)
    ]
    store.close()
    candidates = {value for value in held if len(value) == 32}
    opened = 0
    for message in messages:
        counter = Header.decode(message).counter
        keys = [hmac.digest(value, b"key", "sha256") for value in candidates]
        keys += [message_key(value, counter) for value in candidates]
        keys += [key for key in keys_after(folder, counter) if key is not None]
        for key in [*keys, *candidates]:
            try:
                open_sealed(message, binding=binding, message_key=key, verify_key=verify_key)
            except Refusal:
                continue
            opened += 1
            break
    assert candidates, "a store without keys proves nothing"
    return opened


def keys_after(folder: Path, counter: int) -> Iterator[bytes | None]:
    """The key that the stored ratchet itself gives for a counter, if it still can."""
    store = sqlite3.connect(f"file:{folder / 'tillbell.db'}?mode=ro", uri=True)
    rows = store.execute("SELECT counter, next_era, next_epoch, chain FROM pairing").fetchall()
    store.close()
    for row in rows:
        state = Ratchet(*row)
        yield state.jump(counter).message_key() if counter >= state.counter else None


def sealed_by(till: Till) -> list[bytes]:
    rows = till.rows("SELECT body FROM message WHERE counter IS NOT NULL ORDER BY id")
    return [bytes(body) for (body,) in rows]  # type: ignore[arg-type]


def seal_many(till: Till) -> tuple[bytes, list[bytes]]:
    """300 messages over several starts; (root, messages). The recipient alone has the root."""
    bundle = till.pair()
    for place in range(MESSAGES):
        if place and place % (MESSAGES // RESTARTS) == 0:
            till.restart()
        till.hear(100 + place, f"{place:06d}")
    return pair_as_recipient(till.secret, bundle).root0, sealed_by(till)


@pytest.fixture(scope="module")
def stolen(tmp_path_factory: pytest.TempPathFactory) -> tuple[Till, bytes, list[bytes]]:
    folder = tmp_path_factory.mktemp("stolen")
    till = Till(folder / "state", ("hq",))
    (folder / "state" / "device.key").write_text(till.device.text())
    root, messages = seal_many(till)
    assert len(messages) == MESSAGES
    return till, root, messages


def test_no_file_holds_a_value_of_the_past(stolen: tuple[Till, bytes, list[bytes]]) -> None:
    till, root, messages = stolen
    counters = [Header.decode(message).counter for message in messages]
    values = used_values(root, counters)
    octets = content(till.folder)
    assert len(values) > 2 * MESSAGES
    assert sum(value in octets for value in values) == 0
    assert till.register.pairings.all()[0].ratchet.chain in octets, (
        "the next one is there: the search finds what is there"
    )


def test_a_program_that_has_the_files_opens_none_of_them(stolen: tuple[Till, bytes, list[bytes]]) -> None:
    till, root, messages = stolen
    pairing = till.register.pairings.all()[0]
    public = till.device.ed25519_public
    assert opened_by_thief(till.folder, messages, pairing.binding, public) == 0
    for message in messages[:5]:
        key = message_key(root, Header.decode(message).counter)
        assert open_sealed(message, binding=pairing.binding, message_key=key, verify_key=public)


def test_the_thief_reads_what_is_sealed_from_now_on(stolen: tuple[Till, bytes, list[bytes]]) -> None:
    """What erasure does not promise, and the proof that the thief is no straw man."""
    till, _, messages = stolen
    copy = till.folder.parent / "copy"
    shutil.copytree(till.folder, copy)
    till.hear(1, "999999")
    fresh = [message for message in sealed_by(till) if message not in messages]
    pairing = till.register.pairings.all()[0]
    assert opened_by_thief(copy, fresh, pairing.binding, till.device.ed25519_public) == len(fresh) == 1


def test_control_without_cutting_the_wal_the_values_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tillbell_agent.register.truncate_wal", lambda _: True)
    till = Till(tmp_path / "state", ("hq",))
    bundle = till.pair()
    for place in range(50):
        till.hear(100 + place, f"{place:06d}")
    root = pair_as_recipient(till.secret, bundle).root0
    octets = content(till.folder)
    chains = [Ratchet.start(root).jump(counter).chain for counter in range(50)]
    assert sum(chain in octets for chain in chains) > 25


def test_the_running_agent_and_a_killed_one_leave_none_either(tmp_path: Path) -> None:
    """The same in the real process, looked at while it runs and after it was killed."""
    with Shop(tmp_path, ("hq",)) as shop:
        shop.pair()
        shop.start_agent()
        chance = random.Random(4)
        for place in range(40):
            shop.line.write(slip(f"{chance.randrange(1, 999)}.00", f"{place:06d}"))
        shop.wait(
            "all sealed", lambda: shop.json("status", code=None)["messages"].get("hq", {}).get("queued") == 40
        )
        key = SecretKey.from_text(shop.key().read_text())
        root = pair_as_recipient(key, bundle_from_text(shop.bundle().read_text().strip())).root0
        values = used_values(root, range(40))
        running = content(shop.state_dir)
        shop.kill_agent()
        killed = content(shop.state_dir)
        for octets in (running, killed):
            assert sum(value in octets for value in values) == 0
        assert Ratchet.start(root).jump(40).chain in killed
        assert (shop.state_dir / "device.key").exists()
