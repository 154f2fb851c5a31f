"""TPDUs of the three kinds, their AT form, and the place that every error names."""

from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tillbell_protocol.errors import DecodeError, EncodeError
from tillbell_protocol.sms.address import Address, TypeOfNumber
from tillbell_protocol.sms.dcs import Dcs
from tillbell_protocol.sms.gsm7 import to_septets
from tillbell_protocol.sms.status import Outcome, Status
from tillbell_protocol.sms.timestamp import Timestamp
from tillbell_protocol.sms.tpdu import (
    SmsDeliver,
    SmsStatusReport,
    SmsSubmit,
    at_pdu,
    decode_tpdu,
    split_at_pdu,
)
from tillbell_protocol.sms.udh import InformationElement, concatenation_element, encode_udh, ports_element
from tillbell_protocol.sms.user_data import header_septets
from tillbell_protocol.sms.validity import AbsoluteValidity, EnhancedValidity, RelativeValidity

PHONE = Address.from_text("+8613800138000")
NOON = Timestamp.from_datetime(datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC))


def submit(text, **changes):
    fields = {"mr": 0, "da": PHONE, "pid": 0, "dcs": Dcs.GSM7, "vp": None, "udh": (), "ud": to_septets(text)}
    return SmsSubmit(**(fields | changes))


def deliver(dcs, ud, udh=(), **changes):
    return SmsDeliver(**({"oa": PHONE, "pid": 0, "dcs": dcs, "scts": NOON, "udh": udh, "ud": ud} | changes))


@pytest.mark.parametrize(
    ("message", "octets"),
    [
        (submit("hellohello"), "01000d91683108108300f000000ae8329bfd4697d9ec37"),
        (submit("hi", mr=255, rd=True, rp=True, srr=True, pid=0x41), "a5ff0d91683108108300f0410002e834"),
        (submit("hi", vp=RelativeValidity(0xAA)), "11000d91683108108300f00000aa02e834"),
        (submit("hi", vp=AbsoluteValidity(NOON)), "19000d91683108108300f000006210202100000002e834"),
        (
            submit("hi", vp=EnhancedValidity.from_seconds(60)),
            "09000d91683108108300f00000023c000000000002e834",
        ),
        (submit("", dcs=Dcs.UCS2, ud="你".encode("utf-16-be")), "01000d91683108108300f00008024f60"),
        (
            submit("", dcs=Dcs.DATA8, udh=(ports_element(16180, 16180),), ud=b"\x50\x00"),
            "41000d91683108108300f0000409" + "0605043f343f34" + "5000",
        ),
        # One fill bit lies between a header of six octets and the text, as 9.2.3.24 draws it.
        (
            submit("AB", udh=(concatenation_element(5, 2, 1),)),
            "41000d91683108108300f0000009" + "050003050201" + "8242",
        ),
    ],
)
def test_submit_has_these_octets(message, octets):
    assert message.encode().hex() == octets
    assert SmsSubmit.decode(message.encode()) == message


@pytest.mark.parametrize(
    ("pdu", "sender", "text", "moment"),
    [
        (
            "07917283010010F5040BC87238880900F10000993092516195800AE8329BFD4697D9EC37",
            "27838890001",
            "hellohello",
            "1999-03-29T15:16:59+02:00",
        ),
        (
            "0004" + "0BD0CDE6DB5DCE03" + "0000" + "70402132522423" + "0CC8F71D14969741F977FD07",
            "MMoney",
            "How are you?",
            "2007-04-12T23:25:42+08:00",
        ),
    ],
)
def test_published_deliver_pdu_is_read(pdu, sender, text, moment):
    _, tpdu = split_at_pdu(pdu)
    message = decode_tpdu(tpdu, "from_sc")
    assert isinstance(message, SmsDeliver)
    assert (message.oa.text(), message.text(), message.scts.text()) == (sender, text, moment)
    assert message.mms
    assert message.encode() == tpdu


def test_flags_of_a_deliver_stand_where_the_standard_puts_them():
    plain = deliver(Dcs.GSM7, b"", mms=False)
    assert plain.encode()[0] == 0x00
    for flag, bit in (("mms", 0x04), ("lp", 0x08), ("sri", 0x20), ("rp", 0x80)):
        assert deliver(Dcs.GSM7, b"", **({"mms": False} | {flag: True})).encode()[0] == bit


def test_national_tables_named_in_the_header_are_used_for_the_text():
    header = (InformationElement(0x25, b"\x01"), InformationElement(0x24, b"\x01"))
    assert deliver(Dcs.GSM7, bytes.fromhex("1c1b63"), header).text() == "Şç"


def test_text_of_broken_utf16_is_shown_and_its_octets_are_kept():
    broken = deliver(Dcs.UCS2, bytes.fromhex("d83d0041ff"))
    assert broken.text() == "\ufffdA\ufffd"
    assert broken.data().hex() == "d83d0041ff"


@pytest.mark.parametrize(
    ("dcs", "ask", "why"),
    [
        (Dcs.DATA8, "text", "8-bit data has no text"),
        (Dcs(0x20), "text", "compressed text is not read"),
        (Dcs.GSM7, "data", "7-bit text is not 8-bit data"),
    ],
)
def test_data_is_not_shown_as_text_nor_text_as_data(dcs, ask, why):
    with pytest.raises(DecodeError, match=why):
        getattr(deliver(dcs, b"abc"), ask)()
    if dcs != Dcs.GSM7:
        assert deliver(dcs, b"abc").data() == b"abc"


STATUS_REPORT = "062a0d91683108108300f0" + "62102021000000" + "62102021001000"


def test_status_report_without_optional_fields_is_read():
    report = SmsStatusReport.decode(bytes.fromhex(STATUS_REPORT + "00"))
    assert report == SmsStatusReport(42, PHONE, NOON, report.dt, Status(0))
    assert report.dt.text() == "2026-01-02T12:00:01+00:00"
    assert report.outcome() is Outcome.DELIVERED
    assert report.encode().hex() == STATUS_REPORT + "00"
    assert report.text() == ""


def test_status_report_with_every_optional_field_is_read():
    octets = bytes.fromhex(STATUS_REPORT + "30" + "87" + "00" + "41" + "08" + "02" + "4f60" + "ffff")
    report = decode_tpdu(octets, "from_sc")
    assert isinstance(report, SmsStatusReport)
    assert (report.pid, report.dcs, report.text(), report.rest) == (0x41, Dcs.UCS2, "你", b"\xff\xff")
    assert report.outcome() is Outcome.PENDING


def test_user_data_of_a_status_report_without_data_coding_is_seven_bit_text():
    report = SmsStatusReport.decode(bytes.fromhex(STATUS_REPORT + "46" + "04" + "02e834"))
    assert report.text() == "hi"
    with pytest.raises(DecodeError):
        report.data()


@pytest.mark.parametrize(
    ("octet", "outcome", "meaning"),
    [
        (0x00, Outcome.DELIVERED, "received by the recipient"),
        (0x01, Outcome.UNKNOWN, "forwarded to the recipient, delivery cannot be confirmed"),
        (0x02, Outcome.UNKNOWN, "replaced by the service centre"),
        (0x05, Outcome.UNKNOWN, "unknown, reserved value"),
        (0x11, Outcome.UNKNOWN, "unknown, a value of the service centre"),
        (0x22, Outcome.PENDING, "no response from the recipient, still trying"),
        (0x3F, Outcome.PENDING, "pending, a value of the service centre"),
        (0x46, Outcome.FAILED, "validity period expired"),
        (0x65, Outcome.FAILED, "error in the recipient's equipment, no longer trying"),
        (0x6A, Outcome.FAILED, "failed, reserved value"),
        (0x80, Outcome.UNKNOWN, "unknown, reserved value"),
    ],
)
def test_only_status_0_counts_as_delivered(octet, outcome, meaning):
    assert (Status(octet).outcome(), Status(octet).meaning()) == (outcome, meaning)


@pytest.mark.parametrize(
    ("direction", "octets", "kind"),
    [
        ("to_sc", submit("x").encode(), SmsSubmit),
        ("from_sc", deliver(Dcs.GSM7, b"").encode(), SmsDeliver),
        ("from_sc", bytes.fromhex(STATUS_REPORT + "00"), SmsStatusReport),
        ("to_sc", deliver(Dcs.GSM7, b"").encode(), None),
        ("to_sc", bytes.fromhex(STATUS_REPORT + "00"), None),
        ("from_sc", submit("x").encode(), None),
        ("from_sc", b"\x03", None),
        ("from_sc", b"", None),
    ],
)
def test_kind_follows_from_message_type_and_direction(direction, octets, kind):
    if kind is not None:
        assert isinstance(decode_tpdu(octets, direction), kind)
        return
    with pytest.raises(DecodeError) as caught:
        decode_tpdu(octets, direction)
    assert (caught.value.field, caught.value.offset) == ("first", 0)


@pytest.mark.parametrize("decode", [SmsSubmit.decode, SmsDeliver.decode, SmsStatusReport.decode])
def test_a_message_of_another_kind_is_refused_at_its_first_octet(decode):
    with pytest.raises(DecodeError, match=r"^first at octet 0: TP-MTI 3"):
        decode(b"\xff" * 40)


HEAD = "41000d91683108108300f000"  # 12 octets: a submit with a header, up to TP-DCS


@pytest.mark.parametrize(
    ("octets", "field", "offset", "why"),
    [
        ("01", "mr", 1, "1 octet(s) wanted, 0 left"),
        ("0100", "da.length", 2, "1 octet(s) wanted, 0 left"),
        ("010015", "da.length", 2, "21 semi-octets; at most 20"),
        ("01000d9168", "da.value", 4, "7 octet(s) wanted, 1 left"),
        ("01000d91683108108300f0", "pid", 11, "1 octet(s) wanted, 0 left"),
        ("11000d91683108108300f00000", "vp", 13, "1 octet(s) wanted, 0 left"),
        (HEAD + "00", "udl", 13, "1 octet(s) wanted, 0 left"),
        (HEAD + "00a1", "udl", 13, "161 septets; at most 160"),
        (HEAD + "048d", "udl", 13, "141 octets; at most 140"),
        (HEAD + "0402", "ud", 14, "2 octets announced, 0 left"),
        (HEAD + "0400", "ud.udh.udhl", 14, "1 octet(s) wanted, 0 left"),
        (HEAD + "04020300", "ud.udh.udhl", 14, "3 octets announced, 1 left"),
        (HEAD + "0408" + "07000301020170" + "05", "ud.udh.ie", 20, "5 octets of data run past the header"),
        (HEAD + "0006" + "050003010201", "udl", 13, "6 septets; the header alone takes 7"),
    ],
)
def test_errors_name_the_field_and_the_octet(octets, field, offset, why):
    with pytest.raises(DecodeError) as caught:
        SmsSubmit.decode(bytes.fromhex(octets))
    assert (caught.value.field, caught.value.offset) == (field, offset)
    assert caught.value.why.startswith(why)


@pytest.mark.parametrize(
    "message", [submit("hello €", vp=RelativeValidity(0)), deliver(Dcs.UCS2, b"\x4f\x60")]
)
def test_a_message_cut_off_anywhere_is_a_decode_error(message):
    octets = message.encode()
    for length in range(len(octets)):
        with pytest.raises(DecodeError):
            type(message).decode(octets[:length])


def test_trailing_octets_are_kept_and_never_read():
    message = SmsSubmit.decode(submit("hi").encode() + b"\xde\xad")
    assert (message.text(), message.rest) == ("hi", b"\xde\xad")
    assert message.encode() == submit("hi").encode() + b"\xde\xad"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"mr": 256}, "mr"),
        ({"pid": -1}, "pid"),
        ({"ud": bytes(161)}, "ud"),
        ({"ud": b"\x80"}, "ud"),
        ({"ud": bytes(154), "udh": (concatenation_element(1, 2, 1),)}, "ud"),
        ({"ud": bytes(141), "dcs": Dcs.DATA8}, "ud"),
        ({"da": Address("1" * 21)}, "address"),
    ],
)
def test_values_that_do_not_fit_are_not_encoded(changes, field):
    with pytest.raises(EncodeError) as caught:
        submit("", **changes).encode()
    assert caught.value.field == field


def test_a_report_with_a_header_and_no_user_data_is_not_encoded():
    with pytest.raises(EncodeError, match="a header without user data"):
        SmsStatusReport(0, PHONE, NOON, NOON, Status(0), udh=(concatenation_element(1, 2, 1),)).encode()


def test_at_pdu_length_leaves_out_the_service_centre():
    tpdu = submit("hi").encode()
    assert at_pdu(tpdu) == ("00" + tpdu.hex().upper(), len(tpdu))
    smsc = Address.from_text("+8613800100500")
    pdu, length = at_pdu(tpdu, smsc)
    assert pdu == "0891683108100005F0" + tpdu.hex().upper()
    assert length == len(tpdu)
    assert split_at_pdu(pdu) == (smsc, tpdu)
    assert split_at_pdu(f" {pdu.lower()}\r\n") == (smsc, tpdu)


@pytest.mark.parametrize(
    ("pdu", "field", "offset"),
    [("0", "pdu", 0), ("00 0g", "pdu", 1), ("00٠0", "pdu", 1), ("", "smsc.length", 0)],
)
def test_what_is_not_hex_is_an_error_at_its_octet(pdu, field, offset):
    with pytest.raises(DecodeError) as caught:
        split_at_pdu(pdu)
    assert (caught.value.field, caught.value.offset) == (field, offset)


addresses = st.builds(
    Address,
    st.text(alphabet="0123456789*#abc", max_size=20),
    st.sampled_from([t for t in TypeOfNumber if t != TypeOfNumber.ALPHANUMERIC]),
    st.integers(0, 15),
)
octet = st.integers(0, 255)
stamps = st.binary(min_size=7, max_size=7).map(Timestamp)
periods = st.one_of(
    st.none(),
    octet.map(RelativeValidity),
    stamps.map(AbsoluteValidity),
    st.binary(min_size=7, max_size=7).map(EnhancedValidity),
)
headers = st.lists(st.builds(InformationElement, octet, st.binary(max_size=10)), max_size=4).map(tuple)
rests = st.binary(max_size=3)


@st.composite
def user_data(draw):
    """(dcs, udh, ud) that fit one message."""
    dcs, udh = Dcs(draw(octet)), draw(headers)
    used = len(encode_udh(udh))
    if not dcs.septets():
        return dcs, udh, draw(st.binary(max_size=140 - used))
    room = 160 - header_septets(used)[0]
    return dcs, udh, bytes(draw(st.lists(st.integers(0, 127), max_size=room)))


@st.composite
def messages(draw):
    dcs, udh, ud = draw(user_data())
    flag = st.booleans()
    kind = draw(st.sampled_from([SmsSubmit, SmsDeliver, SmsStatusReport]))
    if kind is SmsSubmit:
        flags = [draw(flag) for _ in range(3)]
        return SmsSubmit(
            draw(octet), draw(addresses), draw(octet), dcs, draw(periods), udh, ud, *flags, draw(rests)
        )
    flags = [draw(flag) for _ in range(4)]
    if kind is SmsDeliver:
        return SmsDeliver(draw(addresses), draw(octet), dcs, draw(stamps), udh, ud, *flags, draw(rests))
    body = draw(st.sampled_from([(None, (), None), (dcs, udh, ud)]))
    pid = draw(st.one_of(st.none(), octet))
    head = (draw(octet), draw(addresses), draw(stamps), draw(stamps), Status(draw(octet)))
    return SmsStatusReport(*head, pid, *body, *flags[:3], draw(rests))


@settings(max_examples=200)
@given(messages())
def test_every_message_survives_its_octets(message):
    assert type(message).decode(message.encode()) == message
    direction = "to_sc" if isinstance(message, SmsSubmit) else "from_sc"
    assert decode_tpdu(message.encode(), direction) == message


def outcome_of(octets, direction):
    """None, or where reading fails with the module's own error. Anything else fails the test."""
    try:
        message = decode_tpdu(octets, direction)
    except DecodeError as error:
        return error.offset
    again = type(message).decode(message.encode())
    assert again == message, "what was read is written and read again the same"
    return None


@settings(max_examples=200)
@given(st.binary(max_size=190), st.sampled_from(["to_sc", "from_sc"]))
@example(bytes.fromhex("40" + "0081" + "0000" + "00" * 7 + "0100"), "from_sc")
def test_any_octets_are_a_message_or_a_decode_error(octets, direction):
    offset = outcome_of(octets, direction)
    assert offset is None or offset <= len(octets)


@settings(max_examples=200)
@given(messages(), st.data())
def test_a_message_with_one_octet_changed_is_a_message_or_a_decode_error(message, data):
    octets = bytearray(message.encode())
    octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(octet)
    for direction in ("to_sc", "from_sc"):
        offset = outcome_of(bytes(octets), direction)
        assert offset is None or offset <= len(octets)
