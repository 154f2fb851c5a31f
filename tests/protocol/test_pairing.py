"""Keys, cards, bundles: both ends compute the same pairing, and every wrong bundle has an error of its own."""

import hashlib

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tillbell_protocol.defaults import Defaults, Naming
from tillbell_protocol.errors import DecodeError, EncodeError, ProtocolError
from tillbell_protocol.pairing import (
    BundleError,
    BundleForAnotherError,
    BundleSignatureError,
    Card,
    CardError,
    KeyFileError,
    LowOrderKeyError,
    NoReceivingKeyError,
    SecretKey,
    bundle_from_text,
    bundle_text,
    fingerprint,
    pair_as_device,
    pair_as_recipient,
)
from tillbell_protocol.ratchet import message_key
from tillbell_protocol.seal import ALG_EDDSA, sign

DEVICE = SecretKey.from_random(bytes(range(32)))
HQ = SecretKey.from_random(bytes(range(100, 164)))
CARD = HQ.card("总部 HQ", "+8613900139000")
DEFAULTS = Defaults(
    "till-1", "CNY", 480, ("老王面馆", "分店"), (("00012345", "898340154112345"), ("T2", None))
)
EPHEMERAL = hashlib.sha256(b"ephemeral").digest()
PAIRED = pair_as_device(DEVICE, CARD, EPHEMERAL, DEFAULTS)
LOW_ORDER = [
    bytes(32),
    b"\x01" + bytes(31),
    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
]


def signed(items, seed=DEVICE, **changes):
    """A bundle with any payload, properly signed."""
    payload = items if isinstance(items, bytes) else cbor2.dumps(items)
    signature = sign(seed.ed25519_seed, cbor2.dumps(["Signature1", ALG_EDDSA, b"", payload]))
    parts = [changes.get("protected", ALG_EDDSA), changes.get("unprotected", {}), payload, signature]
    return cbor2.dumps(cbor2.CBORTag(changes.get("tag", 18), parts))


def bundle_items():
    return cbor2.loads(cbor2.loads(PAIRED.bundle).value[2])


def test_both_ends_compute_the_same_pairing():
    theirs = pair_as_recipient(HQ, PAIRED.bundle)
    assert theirs.binding == PAIRED.binding
    assert (theirs.kid, theirs.fingerprint) == (PAIRED.kid, PAIRED.fingerprint)
    assert (theirs.root1, theirs.check_key) == (PAIRED.back_root, PAIRED.check_key)
    assert message_key(theirs.root0, 0) == PAIRED.ratchet.message_key()
    assert theirs.defaults == DEFAULTS
    assert theirs.device_key == DEVICE.ed25519_public
    assert PAIRED.recipient_key == HQ.ed25519_public
    assert len({theirs.root0, theirs.root1, theirs.check_key}) == 3


def test_the_devices_side_does_not_hold_root0():
    root0 = pair_as_recipient(HQ, PAIRED.bundle).root0
    ratchet = PAIRED.ratchet
    held = (PAIRED.back_root, PAIRED.check_key, ratchet.chain, ratchet.next_epoch, ratchet.next_era)
    assert root0 not in held


def test_a_fresh_ephemeral_gives_a_pairing_that_shares_nothing():
    other = pair_as_device(DEVICE, CARD, bytes(range(32)), DEFAULTS)
    assert other.binding != PAIRED.binding
    assert other.ratchet.chain != PAIRED.ratchet.chain
    assert other.check_key != PAIRED.check_key


def test_a_recipient_without_a_signing_key_can_be_paired_and_commands_nothing():
    card = Card(HQ.x25519_public, None, "hq")
    paired = pair_as_device(DEVICE, card, EPHEMERAL, DEFAULTS)
    assert paired.recipient_key is None
    assert pair_as_recipient(HQ, paired.bundle).binding == PAIRED.binding


@pytest.mark.parametrize("public", LOW_ORDER)
def test_a_card_of_low_order_is_refused_before_anything_is_made(public):
    with pytest.raises(LowOrderKeyError):
        pair_as_device(DEVICE, Card(public, None, "evil"), EPHEMERAL, DEFAULTS)


@pytest.mark.parametrize("public", LOW_ORDER)
def test_a_bundle_with_an_ephemeral_key_of_low_order_is_refused(public):
    with pytest.raises(LowOrderKeyError):
        pair_as_recipient(HQ, signed(bundle_items() | {2: public}))


def test_a_bundle_for_another_recipient_is_refused():
    with pytest.raises(BundleForAnotherError, match="another recipient"):
        pair_as_recipient(SecretKey.from_random(bytes(64)), PAIRED.bundle)


def test_a_bundle_that_names_another_signing_key_is_refused():
    with pytest.raises(BundleForAnotherError, match="signing key"):
        pair_as_recipient(HQ, signed(bundle_items() | {5: bytes(32)}))


def test_a_bundle_that_another_device_signed_is_refused():
    with pytest.raises(BundleSignatureError):
        pair_as_recipient(HQ, signed(bundle_items(), seed=HQ))


def test_a_device_key_cannot_receive():
    with pytest.raises(NoReceivingKeyError):
        pair_as_recipient(DEVICE, PAIRED.bundle)


@pytest.mark.parametrize(
    "bundle",
    [
        b"",
        PAIRED.bundle + b"\x00",
        PAIRED.bundle[:-1],
        PAIRED.bundle[1:],
        b"\xd3" + PAIRED.bundle[1:],
        b"\xd2" + PAIRED.bundle,
        bytes(5000),
        signed({}),
        signed([1, 2]),
        signed(b"\xa2\x01\x00\x01\x00"),
        signed(b"\xbf\xff"),
        signed(bundle_items(), protected=b""),
        signed(bundle_items(), unprotected={4: b"x"}),
        signed(bundle_items() | {4: {}}),
        signed(bundle_items() | {4: {1: "x", 2: "yuan", 3: 0}}),
        signed(bundle_items() | {4: {1: "x", 2: "CNY", 3: 9000}}),
        signed(bundle_items() | {4: {1: "x", 2: "CNY", 3: 480, 5: [[None]]}}),
        signed(bundle_items() | {4: {1: "x", 2: "CNY", 3: 480, 4: [""]}}),
        signed(bundle_items() | {2: bytes(31)}),
        signed({key: item for key, item in bundle_items().items() if key != 3}),
    ],
)
def test_a_bundle_out_of_form_is_a_bundle_error(bundle):
    with pytest.raises(BundleError):
        pair_as_recipient(HQ, bundle)


def test_a_later_versions_keys_in_a_bundle_change_nothing():
    items = bundle_items() | {9: "later"}
    items[4] = items[4] | {9: [1]}
    assert pair_as_recipient(HQ, signed(items)).defaults == DEFAULTS


@settings(max_examples=150)
@given(st.integers(0, len(PAIRED.bundle) - 1), st.integers(1, 255))
def test_no_bundle_with_one_octet_changed_is_accepted(place, change):
    octets = bytearray(PAIRED.bundle)
    octets[place] ^= change
    with pytest.raises(ProtocolError):
        pair_as_recipient(HQ, bytes(octets))


@given(st.binary(max_size=200))
def test_any_octets_as_card_or_bundle_give_the_modules_own_error(octets):
    for read in (Card.decode, lambda given: pair_as_recipient(HQ, given)):
        with pytest.raises(ProtocolError):
            read(octets)


@given(st.text(max_size=100) | st.text(alphabet="ABCKPT1.#\n +/", max_size=60))
def test_any_text_as_card_bundle_or_key_gives_the_modules_own_error(text):
    for tag, read in (("TBC1.", Card.from_text), ("TBP1.", bundle_from_text), ("TBK1.", SecretKey.from_text)):
        for candidate in (text, tag + text):
            try:
                read(candidate)
            except DecodeError:
                continue


NAMES = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=64)


@given(
    NAMES,
    st.none() | st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True),
    st.binary(min_size=64, max_size=64),
)
def test_a_card_comes_back_from_its_text(name, phone, octets):
    card = SecretKey.from_random(octets).card(name, phone)
    assert Card.from_text(f"# recipient\n{card.text()}\n") == card


@given(st.binary(min_size=64, max_size=64))
def test_a_key_comes_back_from_its_file_comments_and_all(octets):
    key = SecretKey.from_random(octets)
    assert SecretKey.from_text(f"# created 2026-05-04\n# {key.card('hq').text()}\n{key.text()}\n") == key
    device = SecretKey.from_random(octets[:32])
    assert SecretKey.from_text(device.text()) == device


@pytest.mark.parametrize(
    ("name", "phone"),
    [
        ("", None),
        ("x" * 65, None),
        ("a\nb", None),
        ("hq", "13900139000"),
        ("hq", "+0123456"),
        ("hq", "+12345"),
    ],
)
def test_a_card_with_a_bad_name_or_number_is_refused_when_made_and_when_read(name, phone):
    with pytest.raises(EncodeError):
        HQ.card(name, phone)
    items = {1: HQ.x25519_public, 3: name} | ({4: phone} if phone else {})
    with pytest.raises(CardError):
        Card.decode(cbor2.dumps(items))


def test_errors_and_representations_of_keys_show_no_secret():
    assert HQ.fingerprint() in repr(HQ)
    assert HQ.ed25519_seed.hex() not in repr(HQ)
    text = HQ.text()
    with pytest.raises(KeyFileError) as caught:
        SecretKey.from_text(text[:20] + "*" + text[20:])
    assert text[5:15] not in str(caught.value)
    for paired in (PAIRED, pair_as_recipient(HQ, PAIRED.bundle)):
        assert "b'" not in repr(paired)


def test_a_bundle_comes_back_from_its_text():
    assert bundle_from_text(bundle_text(PAIRED.bundle)) == PAIRED.bundle
    assert bundle_text(PAIRED.bundle).startswith("TBP1.")


def test_a_fingerprint_is_60_bits_in_three_groups():
    assert fingerprint(bytes(32)) == "0000-0000-0000"
    assert fingerprint(b"\xff" * 32) == "ZZZZ-ZZZZ-ZZZZ"
    assert fingerprint(bytes.fromhex("0000000000000010") + bytes(24)) == "0000-0000-0001"
    assert fingerprint(bytes.fromhex("000000000000000f") + bytes(24)) == "0000-0000-0000"


@pytest.mark.parametrize(
    "defaults",
    [
        Defaults("x", "yuan", 0),
        Defaults("x", "CNY", 1440),
        Defaults("", "CNY", 0),
        Defaults("x", "CNY", 0, ("",)),
        Defaults("x", "CNY", 0, (), ((None, None),)),
        Defaults("x", "CNY", 0, tuple("x" * 60 + str(n) for n in range(200))),
    ],
)
def test_defaults_that_no_bundle_can_hold_are_refused(defaults):
    with pytest.raises(EncodeError):
        pair_as_device(DEVICE, CARD, EPHEMERAL, defaults)


def test_lists_grow_and_never_change_a_name():
    defaults, index = DEFAULTS.with_terminal("T3", None)
    assert index == 2
    assert defaults.with_terminal("T3", None) == (defaults, None)
    assert defaults.with_terminal(None, None) == (defaults, None)
    late = Naming(terminals=((5, "T6", None), (0, "other", None)), shops=((3, "fourth"),))
    grown, contradicted = DEFAULTS.with_names(late)
    assert grown.terminal(5) == ("T6", None)
    assert grown.terminal(3) == grown.terminal(99) == (None, None)
    assert grown.terminal(0) == DEFAULTS.terminals[0]
    assert (grown.shop(2), grown.shop(3)) == (None, "fourth")
    assert contradicted == Naming(terminals=((0, "other", None),))


def test_a_full_list_is_an_error_not_a_wrong_index():
    full = Defaults("x", "CNY", 0, tuple(map(str, range(1024))), tuple((str(n), None) for n in range(1024)))
    for grow in (lambda: full.with_shop("one more"), lambda: full.with_terminal("one", "more")):
        with pytest.raises(EncodeError, match="full"):
            grow()
