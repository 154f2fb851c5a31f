"""The strict CBOR scanner: it alone decides what reaches the general decoder."""

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillbell_protocol import cbor
from tillbell_protocol.errors import EncodeError
from tillbell_protocol.refusal import CborError

LEAVES = st.one_of(
    st.none(), st.booleans(), st.just(cbor.UNDEFINED), st.integers(-cbor.MAX_INTEGER, cbor.MAX_INTEGER),
    st.text(max_size=300), st.binary(max_size=300),
)  # fmt: skip
ITEMS = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=30).map(tuple)
        | st.dictionaries(st.integers(0, cbor.MAX_INTEGER), inner, max_size=5)
    ),
    max_leaves=20,
)


def depth(item):
    if isinstance(item, tuple):
        return 1 + max(map(depth, item), default=0)
    if isinstance(item, dict):
        return 1 + max(map(depth, item.values()), default=0)
    return 0


@given(ITEMS)
def test_what_is_encoded_is_decoded_the_same(item):
    octets = cbor.encode(item)
    if depth(item) > cbor.MAX_DEPTH:
        with pytest.raises(CborError):
            cbor.decode(octets)
    else:
        assert cbor.decode(octets) == item


@given(st.binary(max_size=60))
def test_any_octets_give_an_item_that_encodes_to_the_same_octets_or_a_cbor_error(octets):
    try:
        item = cbor.decode(octets)
    except CborError:
        return
    assert cbor.encode(item) == octets


@given(ITEMS, st.data())
def test_one_changed_octet_never_gives_anything_but_a_cbor_error_or_another_item(item, data):
    octets = bytearray(cbor.encode(item))
    octets[data.draw(st.integers(0, len(octets) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        decoded = cbor.decode(bytes(octets))
    except CborError:
        return
    assert cbor.encode(decoded) == bytes(octets)


@pytest.mark.parametrize(
    ("octets", "field", "offset"),
    [
        ("", "item", 0),
        ("8101ff", "item", 2),
        ("0000", "item", 1),
        ("1817", "unsigned integer", 0),
        ("190018", "unsigned integer", 0),
        ("1a0000ffff", "unsigned integer", 0),
        ("1b00000000ffffffff", "unsigned integer", 0),
        ("1b0020000000000000", "integer", 0),
        ("3b001fffffffffffff", "integer", 0),
        ("5f4101ff", "byte string", 0),
        ("9f01ff", "array", 0),
        ("bf0101ff", "map", 0),
        ("4201", "byte string", 0),
        ("581700", "byte string", 0),
        ("61ff", "text", 1),
        ("62c3", "text", 0),
        ("9affffffff", "item", 5),
        ("8201", "item", 2),
        ("a1", "item", 1),
        ("a16101", "key", 1),
        ("a12001", "key", 1),
        ("a201010102", "key", 3),
        ("a202010101", "key", 3),
        ("a11b002000000000000001", "key", 1),
        ("c001", "tag", 0),
        ("d28101", "tag", 0),
        ("d82301", "tag", 0),
        ("f90000", "simple", 0),
        ("fa00000000", "simple", 0),
        ("fb0000000000000000", "simple", 0),
        ("f0", "simple", 0),
        ("f8ff", "simple", 0),
        ("ff", "simple", 0),
        ("8181818180", "array", 4),
        ("1c", "unsigned integer", 0),
        ("19ff", "unsigned integer", 0),
    ],
)
def test_everything_but_one_deterministic_item_is_refused_at_its_octet(octets, field, offset):
    with pytest.raises(CborError) as caught:
        cbor.check_deterministic(bytes.fromhex(octets))
    assert (caught.value.field, caught.value.offset) == (field, offset)


def test_one_tag_18_is_allowed_outermost_and_only_when_asked_for():
    cbor.check_deterministic(bytes.fromhex("d28101"), allow_tag18=True)
    assert cbor.decode_tagged(bytes.fromhex("d28101"), 18) == (1,)
    for octets in ("d2d28101", "81d201", "d38101", "8101"):
        with pytest.raises(CborError):
            cbor.decode_tagged(bytes.fromhex(octets), 18)


def test_a_thousand_nested_arrays_are_refused_without_deep_recursion():
    with pytest.raises(CborError, match="nested too deeply"):
        cbor.check_deterministic(b"\x81" * 1000 + b"\x00")


def test_the_largest_integers_of_javascript_pass():
    for value in (2**53 - 1, -(2**53 - 1)):
        assert cbor.decode(cbor.encode(value)) == value
        with pytest.raises(EncodeError):
            cbor.encode(value + (1 if value > 0 else -1))


def test_map_keys_are_ordered_whatever_order_they_were_given_in():
    assert cbor.encode({300: 0, 24: 0, 2: 0}).hex() == cbor2.dumps({2: 0, 24: 0, 300: 0}).hex()


def test_a_lone_surrogate_is_an_encode_error():
    with pytest.raises(EncodeError):
        cbor.encode("\ud800")


def test_offsets_of_elements_lead_to_each_element():
    assert cbor.element_offsets(bytes.fromhex("8401190100616182020380")[:-1]) == (1, 2, 5, 7)
    assert cbor.element_offsets(b"\x01") == ()
