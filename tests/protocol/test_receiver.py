"""The receiver: each message once, every refusal its own error, nothing changed by a refused one."""

import hashlib
import itertools
import json
import random

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tillbell_protocol.counters import OpenedCounters
from tillbell_protocol.event import Kind, Transaction
from tillbell_protocol.pairing import (
    BundleForAnotherError,
    Defaults,
    NoReceivingKeyError,
    SecretKey,
    pair_as_device,
)
from tillbell_protocol.payload import NO_GAP, encode_payload
from tillbell_protocol.ratchet import message_key
from tillbell_protocol.receiver import (
    MAX_QUARANTINE,
    ConfirmationNeededError,
    CounterReusedError,
    PairingClosedError,
    Receiver,
    StateError,
)
from tillbell_protocol.refusal import (
    DuplicateError,
    LengthError,
    PayloadError,
    Refusal,
    SignatureError,
    TagError,
    UnknownKidError,
    UnknownTypeError,
    WrongDirectionError,
)
from tillbell_protocol.seal import Direction, seal

HQ = SecretKey.from_random(bytes(range(64)))
DEVICE = SecretKey.from_random(hashlib.sha256(b"device").digest())
DEFAULTS = Defaults("till-1", "CNY", 480, ("老王面馆",), (("T1", None),))
NOW = 1_777_869_010


class Sender:
    """A device as far as sealing goes; it may repeat counters, which a real one never does."""

    def __init__(self, ephemeral=b"\x05" * 32, device=DEVICE):
        self.device = device
        self.paired = pair_as_device(device, HQ.card("hq"), ephemeral, DEFAULTS)
        self.root0 = Receiver(HQ).import_bundle(self.paired.bundle).keys.root0

    def message(self, counter, amount=100, predecessor=NO_GAP, **options):
        sale = Transaction(Kind.SALE, amount, "CNY", terminal_id=options.pop("terminal_id", "T1"))
        defaults = options.pop("defaults", DEFAULTS)
        naming = options.pop("naming", defaults.naming())
        payload = encode_payload(sale, time=NOW, defaults=defaults, predecessor=predecessor, naming=naming)
        return self.sealed(counter, payload, **options)

    def sealed(self, counter, payload, **options):
        return seal(
            direction=options.get("direction", Direction.DEVICE_TO_RECIPIENT),
            binding=self.paired.binding,
            counter=counter,
            message_key=options.get("key", message_key(self.root0, counter)),
            signing_seed=options.get("seed", self.device.ed25519_seed),
            payload=payload,
        )


SENDER = Sender()
BINDING = SENDER.paired.binding


@pytest.fixture
def receiver():
    receiver = Receiver(HQ)
    receiver.import_bundle(SENDER.paired.bundle)
    return receiver


def test_a_message_is_opened_once_and_then_a_duplicate(receiver):
    message = SENDER.message(0)
    opened = receiver.open(message)
    assert (opened.counter, opened.device, opened.told.event.amount_minor) == (0, "till-1", 100)
    with pytest.raises(DuplicateError) as caught:
        receiver.open(message)
    assert (caught.value.counter, caught.value.device) == (0, "till-1")
    assert receiver.quarantine == []
    assert receiver.pairings[0].duplicates == 1


FAULTS = {
    "length": (lambda: b"\x50" * 50, LengthError),
    "type": (lambda: b"\x52" + SENDER.message(0)[1:], UnknownTypeError),
    "direction": (lambda: SENDER.message(0, direction=Direction.RECIPIENT_TO_DEVICE), WrongDirectionError),
    "kid": (lambda: Sender(b"\x06" * 32).message(0), UnknownKidError),
    "tag": (lambda: SENDER.message(0)[:-1] + b"\x00", TagError),
    "key": (lambda: SENDER.message(0, key=bytes(32)), TagError),
    "signature": (lambda: SENDER.message(0, seed=bytes(32)), SignatureError),
    "cbor": (lambda: SENDER.sealed(0, b"\x9f\xff"), PayloadError),
    "trailing": (lambda: SENDER.sealed(0, b"\x81\x00\x00"), PayloadError),
    "schema": (lambda: SENDER.sealed(0, cbor2.dumps([0, "x"])), PayloadError),
    "predecessor": (lambda: SENDER.message(4, predecessor=4), PayloadError),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_refused_by_its_own_layer_changes_nothing_and_is_kept(receiver, fault):
    make, error = FAULTS[fault]
    receiver.open(SENDER.message(1))
    before = receiver.to_state()
    message = make()
    with pytest.raises(error) as caught:
        receiver.open(message)
    assert type(caught.value) is error
    after = receiver.to_state()
    assert after["pairings"] == before["pairings"]
    assert [entry.message for entry in receiver.quarantine] == [message]
    assert receiver.quarantine[0].layer == error.layer
    receiver.open(SENDER.message(0))


def test_another_message_under_a_used_counter_is_a_clone_and_shows_what_it_said(receiver):
    receiver.open(SENDER.message(3))
    with pytest.raises(CounterReusedError) as caught:
        receiver.open(SENDER.message(3, amount=999))
    assert caught.value.opened.told.event.amount_minor == 999
    assert receiver.quarantine[0].authentic
    with pytest.raises(TagError):
        receiver.open(SENDER.message(3)[:-1] + b"\x00")


def test_a_device_that_skips_a_counter_that_was_opened_is_a_clone(receiver):
    for counter in (0, 1, 2):
        receiver.open(SENDER.message(counter))
    receiver.open(SENDER.message(512, predecessor=2))
    with pytest.raises(CounterReusedError):
        receiver.open(SENDER.message(1024, predecessor=2))


def test_a_device_that_uses_a_counter_which_it_skipped_is_a_clone(receiver):
    receiver.open(SENDER.message(512, predecessor=2))
    for fine in (2, 0, 513):
        receiver.open(SENDER.message(fine))
    for clone in (3, 511):
        with pytest.raises(CounterReusedError):
            receiver.open(SENDER.message(clone))


def test_a_first_message_that_says_nothing_was_sealed_before_it(receiver):
    receiver.open(SENDER.message(512, predecessor=None))
    assert receiver.gaps(BINDING) == []
    with pytest.raises(CounterReusedError):
        receiver.open(SENDER.message(0))


def test_gaps_are_what_is_missing_and_not_what_was_skipped(receiver):
    for counter, predecessor in ((1, NO_GAP), (2, NO_GAP), (512, 4), (513, NO_GAP), (1024, 513)):
        receiver.open(SENDER.message(counter, predecessor=predecessor))
    assert receiver.gaps(BINDING) == [(0, 0), (3, 4)]
    for late in (4, 0, 3):
        receiver.open(SENDER.message(late))
    assert receiver.gaps(BINDING) == []


def test_any_order_opens_every_message_once(receiver):
    messages = [SENDER.message(counter) for counter in range(40)]
    stream = messages * 3
    random.Random(1).shuffle(stream)
    opened, duplicates = set(), 0
    for message in stream:
        try:
            opened.add(receiver.open(message).counter)
        except DuplicateError:
            duplicates += 1
    assert (opened, duplicates, receiver.gaps(BINDING)) == (set(range(40)), 80, [])


def test_a_named_terminal_is_remembered_and_a_second_name_for_it_is_reported(receiver):
    grown, index = DEFAULTS.with_terminal("T2", "M2")
    unnamed = receiver.open(
        SENDER.message(0, defaults=DEFAULTS.with_terminal("T2", None)[0], terminal_id="T2")
    )
    assert unnamed.told.unnamed_terminal == 1
    sale = {"defaults": grown, "naming": grown.naming([index])}
    payload = encode_payload(
        Transaction(Kind.SALE, 1, "CNY", terminal_id="T2", merchant_id="M2"), time=NOW, **sale
    )
    assert receiver.open(SENDER.sealed(1, payload)).told.event.merchant_id == "M2"
    other, _ = DEFAULTS.with_terminal("T7", None)
    odd = encode_payload(
        Transaction(Kind.SALE, 1, "CNY", terminal_id="T7"), time=NOW, defaults=other, naming=other.naming([1])
    )
    opened = receiver.open(SENDER.sealed(2, odd))
    assert opened.told.event.terminal_id == "T7"
    assert opened.contradicted.terminals == ((1, "T7", None),)
    assert receiver.pairings[0].defaults.terminals[1] == ("T2", "M2")


def test_importing_a_known_bundle_changes_nothing_replay_state_included(receiver):
    receiver.open(SENDER.message(0))
    receiver.close_pairing(BINDING)
    before = receiver.to_state()
    receiver.import_bundle(SENDER.paired.bundle)
    assert receiver.to_state() == before


def test_a_second_bundle_of_a_known_device_needs_confirmation_and_leaves_the_first_open(receiver):
    second = Sender(b"\x09" * 32)
    with pytest.raises(ConfirmationNeededError):
        receiver.import_bundle(second.paired.bundle)
    receiver.import_bundle(second.paired.bundle, confirmed=True)
    assert receiver.open(second.message(0)).counter == 0
    assert receiver.open(SENDER.message(0)).counter == 0


def test_messages_of_a_closed_pairing_are_kept_as_such_and_forged_ones_are_not(receiver):
    receiver.close_pairing(BINDING)
    with pytest.raises(PairingClosedError):
        receiver.open(SENDER.message(0))
    with pytest.raises(TagError):
        receiver.open(SENDER.message(0)[:-1] + b"\x00")
    assert [entry.authentic for entry in receiver.quarantine] == [True, False]


def test_pairings_with_the_same_kid_are_told_apart_by_the_tag():
    by_kid = {}
    for number in itertools.count():
        sender_pairing = pair_as_device(
            DEVICE, HQ.card("hq"), hashlib.sha256(bytes([number & 255, number >> 8])).digest(), DEFAULTS
        )
        if sender_pairing.kid in by_kid:
            break
        by_kid[sender_pairing.kid] = hashlib.sha256(bytes([number & 255, number >> 8])).digest()
    first = Sender(by_kid[sender_pairing.kid])
    second = Sender(hashlib.sha256(bytes([number & 255, number >> 8])).digest())
    receiver = Receiver(HQ)
    receiver.import_bundle(first.paired.bundle)
    receiver.import_bundle(second.paired.bundle, confirmed=True)
    assert receiver.open(second.message(0)).binding == second.paired.binding
    assert receiver.open(first.message(0)).binding == first.paired.binding
    receiver.close_pairing(first.paired.binding)
    assert receiver.open(second.message(1)).binding == second.paired.binding
    with pytest.raises(PairingClosedError):
        receiver.open(first.message(1))


def test_the_quarantine_is_bounded_counts_drops_and_keeps_authentic_messages_longest(receiver):
    receiver.open(SENDER.message(0))
    with pytest.raises(CounterReusedError):
        receiver.open(SENDER.message(0, amount=5))
    for number in range(MAX_QUARANTINE + 4):
        with pytest.raises(LengthError):
            receiver.open(number.to_bytes(2, "big"))
    assert len(receiver.quarantine) == MAX_QUARANTINE
    assert receiver.quarantine_dropped == 5
    assert receiver.quarantine[0].layer == "reused"
    assert receiver.quarantine[-1].message == (MAX_QUARANTINE + 3).to_bytes(2, "big")


def test_a_receiver_comes_back_from_its_state_and_still_knows_everything(receiver):
    grown, index = DEFAULTS.with_terminal("T2", None)
    receiver.open(SENDER.message(0))
    receiver.open(
        SENDER.message(512, predecessor=3, defaults=grown, naming=grown.naming([index]), terminal_id="T2")
    )
    receiver.mark_compared(BINDING)
    with pytest.raises(LengthError):
        receiver.open(b"x")
    again = Receiver.from_state(HQ, json.loads(json.dumps(receiver.to_state())))
    assert again.to_state() == receiver.to_state()
    assert again.gaps(BINDING) == [(1, 3)]
    with pytest.raises(DuplicateError):
        again.open(SENDER.message(0))
    later = again.open(SENDER.message(513, defaults=grown, terminal_id="T2"))
    assert later.told.event.terminal_id == "T2"
    assert later.compared


def test_a_state_holds_no_secret(receiver):
    receiver.open(SENDER.message(0))
    text = json.dumps(receiver.to_state())
    keys = receiver.pairings[0].keys
    for secret in (HQ.ed25519_seed, HQ.x25519, keys.root0, keys.root1, keys.check_key):
        assert secret.hex() not in text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**70) | st.text(max_size=5) | st.sampled_from(["00", "0102030405060708"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["version", "pairings", "quarantine", "runs"]), inner, max_size=4),
    max_leaves=6,
)  # fmt: skip


@given(
    JSON,
    JSON,
    st.sampled_from(
        [
            "version",
            "pairings",
            "quarantine",
            "quarantine_dropped",
            "bundle",
            "shops",
            "terminals",
            "opened",
            "closed",
            "compared",
            "duplicates",
        ]
    ),
)
def test_any_other_state_is_a_state_error_or_readable(anything, value, name):
    receiver = Receiver(HQ)
    receiver.import_bundle(SENDER.paired.bundle)
    state = receiver.to_state()
    (state if name in state else state["pairings"][0])[name] = value
    for candidate in (anything, state):
        try:
            Receiver.from_state(HQ, candidate).to_state()
        except StateError:
            continue


def test_a_state_of_another_recipient_is_a_state_error(receiver):
    with pytest.raises(StateError):
        Receiver.from_state(SecretKey.from_random(bytes(64)), receiver.to_state())
    with pytest.raises(StateError, match="version"):
        Receiver.from_state(HQ, receiver.to_state() | {"version": 2})


def test_only_a_recipients_key_receives_and_only_its_own_bundles(receiver):
    with pytest.raises(NoReceivingKeyError):
        Receiver(DEVICE)
    with pytest.raises(BundleForAnotherError):
        Receiver(SecretKey.from_random(bytes(64))).import_bundle(SENDER.paired.bundle)


@settings(max_examples=200)
@given(
    st.binary(max_size=300)
    | st.binary(min_size=84, max_size=200).map(lambda octets: b"\x50" + BINDING[:2] + octets)
)
def test_any_octets_are_refused_and_kept(octets):
    receiver = Receiver(HQ)
    receiver.import_bundle(SENDER.paired.bundle)
    with pytest.raises(Refusal):
        receiver.open(octets)
    assert len(receiver.quarantine) == 1


@given(st.lists(st.integers(0, 60), unique=True), st.integers(0, 60), st.integers(-1, 60))
def test_runs_of_counters_say_the_same_as_a_plain_set(numbers, low, high):
    opened = OpenedCounters()
    for number in numbers:
        opened.mark(number, number.to_bytes(8, "big"))
    for number in range(62):
        assert opened.digest(number) == (number.to_bytes(8, "big") if number in numbers else None)
    missing = {number for first, last in opened.missing() for number in range(first, last + 1)}
    assert missing == set(range(max(numbers, default=-1) + 1)) - set(numbers)
    assert opened.contradicts(high, low) == any(low < number < high for number in numbers)
    assert opened.count() == len(numbers)
    assert OpenedCounters.from_state(opened.to_state()).to_state() == opened.to_state()
    runs = opened.to_state()["runs"]
    assert all(first[0] + len(first[1]) // 16 < then[0] for first, then in itertools.pairwise(runs))


def test_a_used_counter_is_a_clones_though_its_payload_cannot_be_read(receiver):
    receiver.open(SENDER.message(3))
    with pytest.raises(CounterReusedError) as caught:
        receiver.open(SENDER.sealed(3, b"\xff"))
    assert caught.value.opened is None
    assert receiver.quarantine[0].authentic
