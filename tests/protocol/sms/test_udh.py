"""Information elements: kept as they are, asked as a receiver must."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillbell_protocol.errors import DecodeError, EncodeError
from tillbell_protocol.sms.reader import Reader
from tillbell_protocol.sms.udh import (
    Concatenation,
    InformationElement,
    Ports,
    concatenation,
    concatenation_element,
    encode_udh,
    languages,
    ports,
    ports_element,
    read_udh,
)

elements = st.builds(InformationElement, st.integers(0, 255), st.binary(max_size=12))
headers = st.lists(elements, max_size=6).map(tuple)


def error_offset(read):
    """Where reading fails with the module's own error; -1 if it does not fail. Anything else fails the test."""
    try:
        read()
    except DecodeError as error:
        return error.offset
    return -1


def ask(header):
    return concatenation(header), ports(header), languages(header)


def read(octets, start=0):
    return read_udh(Reader(octets, start), len(octets))


@pytest.mark.parametrize(
    ("header", "octets"),
    [
        ((), ""),
        ((concatenation_element(0x66, 3, 1),), "05 00 03 66 03 01"),
        ((concatenation_element(0x1234, 2, 2, bits=16),), "06 08 04 12 34 02 02"),
        ((ports_element(16180, 16180),), "06 05 04 3f34 3f34"),
        ((ports_element(1, 255, bits=8),), "04 04 02 01 ff"),
        ((concatenation_element(9, 2, 1), ports_element(1, 2)), "0b 0003090201 050400010002"),
        ((InformationElement(0x70, b""), InformationElement(0xFE, b"xy")), "06 7000 fe027879"),
    ],
)
def test_header_has_these_octets(header, octets):
    assert encode_udh(header) == bytes.fromhex(octets)
    if header:
        assert read(bytes.fromhex(octets)) == header


@pytest.mark.parametrize(
    ("iei", "data", "found"),
    [
        (0x00, "660301", Concatenation(0x66, 3, 1, 8)),
        (0x08, "12340202", Concatenation(0x1234, 2, 2, 16)),
        (0x00, "660300", None),  # part 0
        (0x00, "660304", None),  # part 4 of 3
        (0x00, "660000", None),
        (0x00, "6603", None),
        (0x08, "660301", None),
        (0x70, "660301", None),
    ],
)
def test_concatenation_that_contradicts_itself_counts_as_absent(iei, data, found):
    assert concatenation((InformationElement(iei, bytes.fromhex(data)),)) == found


def test_the_last_of_several_elements_counts():
    assert concatenation(
        (concatenation_element(1, 2, 1), concatenation_element(7, 3, 2, bits=16))
    ) == Concatenation(7, 3, 2, 16)
    assert ports((ports_element(1, 2), ports_element(3, 4, bits=8))) == Ports(3, 4)
    assert languages((InformationElement(0x25, b"\x06"), InformationElement(0x25, b"\x0b"))) == (11, 0)


def test_ports_and_languages_of_a_wrong_length_count_as_absent():
    assert ports((InformationElement(0x05, b"\x01\x02\x03"),)) is None
    assert ports(()) is None
    assert languages((InformationElement(0x24, b"\x06\x06"), InformationElement(0x25, b""))) == (0, 0)
    assert languages((InformationElement(0x24, b"\x0d"),)) == (0, 13)


@pytest.mark.parametrize(
    ("octets", "field", "offset"),
    [
        ("", "udh.udhl", 0),
        ("03", "udh.udhl", 0),
        ("0300", "udh.udhl", 0),
        ("0100", "udh.ie", 1),
        ("03000301", "udh.ie", 1),
        ("0670000003ab01", "udh.ie", 3),
    ],
)
def test_errors_name_the_element_and_its_octet(octets, field, offset):
    with pytest.raises(DecodeError) as caught:
        read(bytes.fromhex(octets))
    assert (caught.value.field, caught.value.offset) == (field, offset)


@pytest.mark.parametrize(
    "make",
    [
        lambda: concatenation_element(256, 2, 1),
        lambda: concatenation_element(1, 256, 1),
        lambda: concatenation_element(1, 2, 3),
        lambda: concatenation_element(1, 2, 0),
        lambda: concatenation_element(1, 2, 1, bits=12),
        lambda: ports_element(65536, 1),
        lambda: ports_element(1, 256, bits=8),
        lambda: encode_udh((InformationElement(256, b""),)),
        lambda: encode_udh((InformationElement(1, bytes(138)),)),
        lambda: encode_udh((InformationElement(1, bytes(256)),)),
    ],
)
def test_values_that_do_not_fit_are_not_encoded(make):
    with pytest.raises(EncodeError, match=r"^udh"):
        make()


@given(headers.filter(bool))
def test_header_survives_its_octets_unknown_elements_included(header):
    octets = encode_udh(header)
    reader = Reader(octets + b"trailing")
    assert read_udh(reader, len(reader.octets)) == header
    assert reader.offset == len(octets)


@given(st.binary(max_size=60))
def test_any_octets_are_a_header_or_a_decode_error(octets):
    assert error_offset(lambda: ask(read(octets))) <= len(octets)
