"""Addresses in text and octets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillbell_protocol.errors import DecodeError, EncodeError
from tillbell_protocol.sms.address import Address, TypeOfNumber
from tillbell_protocol.sms.national import LOCKING
from tillbell_protocol.sms.reader import Reader

names = st.text(alphabet=[c for c in LOCKING[0] if c != "\x1b"], max_size=11)
addresses = st.one_of(
    st.builds(
        Address,
        st.text(alphabet="0123456789*#abc", max_size=20),
        st.sampled_from([t for t in TypeOfNumber if t != TypeOfNumber.ALPHANUMERIC]),
        st.integers(0, 15),
    ),
    st.builds(Address, names, st.just(TypeOfNumber.ALPHANUMERIC), st.integers(0, 15)),
)


def error_offset(read):
    """Where reading fails with the module's own error; -1 if it does not fail. Anything else fails the test."""
    try:
        read()
    except DecodeError as error:
        return error.offset
    return -1


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("+8613800138000", "0d91683108108300f0"),
        ("10086", "05810180f6"),
        ("*100#", "05811a00fb"),
        ("MMoney", "0bd0cde6db5dce03"),
        ("TILLBELL", "0ed0d42493292c3299"),
        ("Design@Home", "14d0c4f23c7d760390ef7619"),
    ],
)
def test_text_becomes_the_octets_of_the_address_and_back(text, octets):
    address = Address.from_text(text)
    assert address.encode().hex() == octets
    assert Address.decode(bytes.fromhex(octets)) == (address, len(octets) // 2)
    assert address.text() == text


def test_seven_letters_are_not_read_as_eight():
    seven = Address.from_text("ABCDEFG")
    assert seven.encode()[0] == 13
    assert Address.decode(seven.encode())[0].value == "ABCDEFG"


def test_national_number_keeps_its_type_and_gets_no_plus():
    national = Address("13800138000", TypeOfNumber.NATIONAL)
    assert national.encode().hex() == "0ba13108108300f0"
    assert Address.decode(national.encode())[0].text() == "13800138000"


@pytest.mark.parametrize(
    "text",
    ["", "+", "+86 138", "+86abc", "10 086", "138-0013", "+" + "1" * 21, "1" * 21, "TILLBELL-SHOP", "你好"],
)
def test_a_text_that_is_no_address_is_refused(text):
    with pytest.raises(EncodeError):
        Address.from_text(text)


@pytest.mark.parametrize(
    ("octets", "field", "offset"),
    [
        ("", "address.length", 0),
        ("05", "address.toa", 1),
        ("059101", "address.value", 2),
        ("1591", "address.length", 0),
        ("0391f1f0", "address.value", 2),
        ("049121f3", "address.value", 3),
    ],
)
def test_errors_name_the_field_and_the_octet(octets, field, offset):
    with pytest.raises(DecodeError) as caught:
        Address.decode(bytes.fromhex(octets))
    assert (caught.value.field, caught.value.offset) == (field, offset)


def test_offset_of_the_address_counts_into_the_error():
    with pytest.raises(DecodeError) as caught:
        Address.decode(bytes.fromhex("ffff059101"), 2)
    assert caught.value.offset == 4


def test_smsc_length_counts_octets():
    smsc = Address.from_text("+27381000015")
    assert smsc.encode_smsc().hex() == "07917283010010f5"
    assert Address.read_smsc(Reader(smsc.encode_smsc())) == smsc


@pytest.mark.parametrize("octets", ["", "0c91" + "00" * 11, "0391", "0391f1f2"])
def test_bad_smsc_is_an_error_of_smsc(octets):
    with pytest.raises(DecodeError, match=r"^smsc"):
        Address.read_smsc(Reader(bytes.fromhex(octets)))


@pytest.mark.parametrize("address", [Address("12x"), Address("1", numbering_plan=16)])
def test_values_that_do_not_fit_are_not_encoded(address):
    with pytest.raises(EncodeError, match=r"^address"):
        address.encode()


@given(addresses)
def test_address_survives_its_octets(address):
    octets = address.encode()
    assert Address.decode(octets) == (address, len(octets))
    assert Address.decode(b"\xff" + octets + b"\xff", 1) == (address, len(octets))


@given(st.binary(max_size=14))
def test_any_octets_are_an_address_or_a_decode_error(octets):
    for read in (lambda: Address.decode(octets), lambda: Address.read_smsc(Reader(octets))):
        assert error_offset(read) <= len(octets)
