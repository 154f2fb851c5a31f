"""Text and data into parts: sizes, arithmetic, and pairs that stay together."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillbell_protocol.errors import EncodeError
from tillbell_protocol.sms.address import Address
from tillbell_protocol.sms.dcs import Dcs
from tillbell_protocol.sms.national import LOCKING, SINGLE
from tillbell_protocol.sms.segment import count_segments, is_gsm7, septet_length, split_data, split_text
from tillbell_protocol.sms.tpdu import SmsSubmit
from tillbell_protocol.sms.udh import Concatenation, Ports, concatenation, ports

GSM7 = [c for c in LOCKING[0] if c != "\x1b"] + list(SINGLE[0].values()) * 3
gsm7_text = st.text(alphabet=GSM7, max_size=700)
any_text = st.text(
    alphabet=st.one_of(st.sampled_from(GSM7), st.characters(exclude_categories=["Cs"])), max_size=400
)


def sizes(segments):
    return [len(segment.ud) for segment in segments]


@pytest.mark.parametrize(
    ("text", "dcs", "expected"),
    [
        ("", Dcs.GSM7, [0]),
        ("a" * 160, Dcs.GSM7, [160]),
        ("a" * 161, Dcs.GSM7, [153, 8]),
        ("a" * 306, Dcs.GSM7, [153, 153]),
        ("a" * 307, Dcs.GSM7, [153, 153, 1]),
        ("€" * 80, Dcs.GSM7, [160]),
        ("€" * 81, Dcs.GSM7, [152, 10]),  # 76 pairs: the 77th would be cut
        ("a" * 152 + "€" * 5, Dcs.GSM7, [152, 10]),
        ("a" * 151 + "€" * 5, Dcs.GSM7, [153, 8]),
        ("你" * 70, Dcs.UCS2, [140]),
        ("你" * 71, Dcs.UCS2, [134, 8]),
        ("你" * 134, Dcs.UCS2, [134, 134]),
        ("😀" * 35, Dcs.UCS2, [140]),
        ("😀" * 36, Dcs.UCS2, [132, 12]),  # 33 pairs: the 34th would be cut
        ("你" + "😀" * 36, Dcs.UCS2, [134, 12]),
        ("a" * 70 + "ç", Dcs.UCS2, [134, 8]),  # one character outside the alphabet turns all to UCS-2
    ],
)
def test_parts_have_these_sizes(text, dcs, expected):
    segments = split_text(text, 7)
    assert sizes(segments) == expected
    assert {segment.dcs for segment in segments} == {dcs}
    assert count_segments(text) == len(expected)


def test_a_single_part_has_no_header_and_several_are_numbered():
    assert split_text("hello", 7)[0].udh == ()
    parts = split_text("a" * 400, 255)
    assert [concatenation(part.udh) for part in parts] == [Concatenation(255, 3, n, 8) for n in (1, 2, 3)]


@pytest.mark.parametrize(
    ("octets", "port", "expected"),
    [
        (0, None, [0]),
        (140, None, [140]),
        (141, None, [134, 7]),
        (0, 16180, [0]),
        (133, 16180, [133]),
        (134, 16180, [128, 6]),
        (256, 16180, [128, 128]),
        (257, 16180, [128, 128, 1]),
        (1024, 16180, [128] * 8),
    ],
)
def test_data_parts_have_these_sizes(octets, port, expected):
    data = bytes(n % 251 for n in range(octets))
    segments = split_data(data, 3, port)
    assert sizes(segments) == expected
    assert b"".join(segment.data() for segment in segments) == data
    for number, segment in enumerate(segments, 1):
        assert ports(segment.udh) == (None if port is None else Ports(port, port))
        expected_place = Concatenation(3, len(segments), number) if len(segments) > 1 else None
        assert concatenation(segment.udh) == expected_place


def test_ports_and_concatenation_stand_in_this_order():
    udh = split_data(bytes(200), 3, 16180)[0].udh
    assert [element.iei for element in udh] == [0x00, 0x05]


@pytest.mark.parametrize("text", ["\ud83d", "ok \ude00", "\ude00\ud83d"])
def test_half_a_surrogate_pair_is_refused(text):
    with pytest.raises(EncodeError, match="half a surrogate pair"):
        split_text(text, 0)


def test_more_than_255_parts_are_refused():
    assert len(split_text("a" * 153 * 255, 0)) == 255
    with pytest.raises(EncodeError, match="256 parts; at most 255"):
        split_text("a" * (153 * 255 + 1), 0)
    with pytest.raises(EncodeError, match="256 parts; at most 255"):
        split_data(bytes(128 * 255 + 1), 0, 16180)


@pytest.mark.parametrize("reference", [-1, 256])
def test_a_reference_that_is_no_octet_is_refused(reference):
    with pytest.raises(EncodeError, match=r"udh\.reference"):
        split_text("a" * 161, reference)


def test_a_port_that_is_none_is_refused():
    with pytest.raises(EncodeError, match=r"udh\.port"):
        split_data(b"", 0, 65536)


@given(any_text, st.integers(0, 255))
def test_every_part_is_readable_and_together_they_are_the_text(text, reference):
    segments = split_text(text, reference)
    assert "".join(segment.text() for segment in segments) == text
    assert "\ufffd" not in "".join(segment.text() for segment in segments) or "\ufffd" in text


@given(any_text)
def test_seven_bit_is_taken_exactly_if_it_can_be(text):
    segments = split_text(text, 0)
    assert (segments[0].dcs == Dcs.GSM7) == is_gsm7(text)
    if is_gsm7(text):
        assert sum(sizes(segments)) == septet_length(text)
    else:
        assert sum(sizes(segments)) == len(text.encode("utf-16-be"))


@given(gsm7_text)
def test_no_part_ends_in_an_escape_and_none_is_emptier_than_it_must_be(text):
    segments = split_text(text, 0)
    for segment, following in pairwise(segments):
        assert segment.ud[-1] != 0x1B
        pair = following.ud[0] == 0x1B
        assert len(segment.ud) == 153 or (pair and len(segment.ud) == 152)


@given(any_text | gsm7_text)
def test_every_part_fits_a_submit(text):
    for segment in split_text(text, 1):
        message = SmsSubmit(0, Address.from_text("+1"), 0, segment.dcs, None, segment.udh, segment.ud)
        octets = message.encode()
        assert SmsSubmit.decode(octets) == message
        assert len(octets) <= 8 + 140
