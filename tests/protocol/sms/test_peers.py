"""Two independent programs read what this one writes, and this one reads what they write: 1,000 random texts.

``smspdudecoder`` reads SMS-SUBMIT and SMS-DELIVER and writes single elements; ``pdusms`` (module ``smspdu``) reads
and writes both. Where one of them differs, the difference is one of its faults below, each shown by a test of its
own that fails when the fault is mended:

smspdudecoder
 - shows an ``@`` that is not there, if the septets leave seven bits unused and the text has an escape pair: it cuts
   by characters where TP-UDL counts septets
 - loses its place in the text, if a septet of the header looks like an escape
 - does the same with the seven unused bits of an alphanumeric address
 - takes the data coding from two bits, whatever the coding group
pdusms
 - reads a page break as a line feed
 - loses an ``@`` at the end that fills the last octet
 - writes fill bits and TP-UDL wrong for 7-bit text after a header of 12 octets
 - reads ``*`` and ``#`` in a number as letters
 - takes a ``00`` at the start of a number for a ``+`` and drops it
"""

import logging
import random
import warnings
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from io import StringIO

import pytest

from tillbell_protocol.sms import gsm7
from tillbell_protocol.sms.address import Address, TypeOfNumber
from tillbell_protocol.sms.dcs import Dcs
from tillbell_protocol.sms.national import LOCKING, SINGLE
from tillbell_protocol.sms.segment import split_data, split_text
from tillbell_protocol.sms.timestamp import Timestamp
from tillbell_protocol.sms.tpdu import SmsDeliver, SmsSubmit, at_pdu
from tillbell_protocol.sms.udh import concatenation, concatenation_element, encode_udh, ports_element
from tillbell_protocol.sms.user_data import header_septets

TEXTS = 1000
PHONE = Address.from_text("+8613800138000")
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=8)))
SCTS = Timestamp.from_datetime(MOMENT)

PLAIN = [c for c in LOCKING[0] if c != "\x1b"]
EXTENSION = list(SINGLE[0].values())
BEYOND = list("你好，世界。老王面馆çЖ€😀👍🏽🇨🇳𝔘")


@pytest.fixture
def smspdudecoder():
    """Its two decoders of TPDUs and its element codecs, in one namespace."""
    fields = pytest.importorskip("smspdudecoder.fields", reason="absent peer: smspdudecoder")
    codecs = pytest.importorskip("smspdudecoder.codecs", reason="absent peer: smspdudecoder")
    elements = pytest.importorskip("smspdudecoder.elements", reason="absent peer: smspdudecoder")
    logging.getLogger("smspdudecoder").setLevel(logging.ERROR)

    class Peer:
        GSM, UCS2 = codecs.GSM, codecs.UCS2
        Date, Number, TypeOfAddress = elements.Date, elements.Number, elements.TypeOfAddress

        @staticmethod
        def read(message):
            reader = fields.SMSSubmit if isinstance(message, SmsSubmit) else fields.SMSDeliver
            return reader.decode(StringIO(at_pdu(message.encode())[0]))

    return Peer


@pytest.fixture
def pdusms():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes in its regular expressions
        module = pytest.importorskip("smspdu", reason="absent peer: pdusms")

    class Peer:
        SUBMIT, DELIVER = module.SMS_SUBMIT, module.SMS_DELIVER

        @staticmethod
        def read(message):
            reader = module.SMS_SUBMIT if isinstance(message, SmsSubmit) else module.SMS_DELIVER
            return reader.fromPDU(message.encode().hex().upper(), "1")

    return Peer


@cache
def segments():
    """The parts of 1,000 texts: 7-bit, with extension characters, beyond; short, at the limits, concatenated."""
    chance = random.Random(23040)
    parts = []
    for number in range(TEXTS):
        pool = (PLAIN, PLAIN + EXTENSION * 2, PLAIN + BEYOND, BEYOND)[number % 4]
        length = chance.choice(
            [chance.randrange(0, 80), chance.randrange(60, 165), chance.randrange(160, 500)]
        )
        text = "".join(chance.choice(pool) for _ in range(length))
        parts += split_text(text, chance.randrange(256))
    return parts


def messages(part):
    """One part as it is sent and as it arrives."""
    return (
        SmsSubmit(1, PHONE, 0, part.dcs, None, part.udh, part.ud),
        SmsDeliver(PHONE, 0, part.dcs, SCTS, part.udh, part.ud),
    )


def septets_of_all(message):
    """How many septets header and text have, and the header's own as septets."""
    header = encode_udh(message.udh)
    count, fill_bits = header_septets(len(header))
    return count + len(message.ud), gsm7.unpack(header + bytes(1), (8 * len(header) + fill_bits) // 7)


def smspdudecoder_gains_an_at_sign(message):
    return message.dcs.septets() and 0x1B in message.ud and septets_of_all(message)[0] % 8 == 7


def smspdudecoder_loses_its_place(message):
    return message.dcs.septets() and 0x1B in septets_of_all(message)[1]


def pdusms_loses_an_at_sign(message):
    return message.dcs.septets() and message.ud.endswith(b"\0") and septets_of_all(message)[0] % 8 == 0


@pytest.mark.peer("smspdudecoder")
def test_smspdudecoder_reads_what_is_written_here(smspdudecoder):
    agreed = 0
    for message in (message for part in segments() for message in messages(part)):
        read, text = smspdudecoder.read(message), message.text()
        shown = read["user_data"]["data"]
        if smspdudecoder_loses_its_place(message):
            continue
        assert shown == text + "@" * smspdudecoder_gains_an_at_sign(message)
        agreed += shown == text
        number = read["recipient" if isinstance(message, SmsSubmit) else "sender"]
        assert (number["number"], number["toa"]["ton"]) == (PHONE.value, "international")
        assert "scts" not in read or read["scts"] == MOMENT
        place = concatenation(message.udh)
        if place is not None:
            (element,) = read["user_data"]["header"]["elements"]
            assert element["data"] == {
                "reference": place.reference,
                "parts_count": place.total,
                "part_number": place.sequence,
            }
    assert agreed > 0.9 * 2 * len(segments())


@pytest.mark.peer("pdusms")
def test_pdusms_reads_what_is_written_here(pdusms):
    agreed = 0
    for message in (message for part in segments() for message in messages(part)):
        read, text = pdusms.read(message), message.text()
        expected = text[:-1] if pdusms_loses_an_at_sign(message) else text
        if message.dcs.septets():
            expected = expected.replace("\f", "\n")
        assert read.user_data == expected
        agreed += read.user_data == text
        assert read.tp_address == "+" + PHONE.value
        assert [(iei, bytes(data)) for iei, data in read.user_data_headers] == [
            (element.iei, element.data) for element in message.udh
        ]
    assert agreed > 0.8 * 2 * len(segments())


@pytest.mark.peer("pdusms")
def test_pdusms_writes_the_same_octets_and_they_are_read_here(pdusms):
    for part in segments():
        headers = [(element.iei, element.data) for element in part.udh]
        sent, arrived = messages(part)
        theirs = pdusms.SUBMIT.create(
            "1", PHONE.text(), part.text(), tp_dcs=part.dcs.octet, tp_mr=1, user_data_headers=headers
        )
        octets = bytes.fromhex(theirs.toPDU())
        assert octets == sent.encode()
        assert SmsSubmit.decode(octets) == sent
        theirs = pdusms.DELIVER.create(
            PHONE.text(),
            "1",
            part.text(),
            tp_dcs=part.dcs.octet,
            tp_mms=1,
            tp_scts="260102030405+32",
            user_data_headers=headers,
        )
        assert SmsDeliver.decode(bytes.fromhex(theirs.toPDU())) == arrived


@pytest.mark.peer("smspdudecoder")
def test_elements_that_smspdudecoder_writes_are_read_here(smspdudecoder):
    chance = random.Random(2)
    for part in segments():
        if part.udh:
            continue
        text, codec = part.text(), smspdudecoder.GSM if part.dcs == Dcs.GSM7 else smspdudecoder.UCS2
        moment = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=chance.randrange(80 * 365 * 86400))
        moment = moment.astimezone(timezone(timedelta(minutes=15 * chance.randrange(-48, 57))))
        digits = "".join(chance.choice("0123456789") for _ in range(chance.randrange(1, 20)))
        pdu = (
            f"04{len(digits):02X}"
            + smspdudecoder.TypeOfAddress.encode({"ton": "national", "npi": "isdn"})
            + smspdudecoder.Number.encode(digits)
            + f"00{part.dcs.octet:02X}"
            + smspdudecoder.Date.encode(moment)
            + f"{len(part.ud):02X}"
            + (codec.encode(text) if text else "")
        )
        message = SmsDeliver.decode(bytes.fromhex(pdu))
        assert message == SmsDeliver(
            Address(digits, TypeOfNumber.NATIONAL), 0, part.dcs, Timestamp.from_datetime(moment), (), part.ud
        )
        assert (message.text(), message.scts.moment()) == (text, moment)


@pytest.mark.peer("smspdudecoder")
@pytest.mark.parametrize("octets", [0, 1, 133, 134, 300])
def test_smspdudecoder_reads_data_with_ports(smspdudecoder, octets):
    data = random.Random(octets).randbytes(octets)
    got = b""
    for part in split_data(data, 77, 16180):
        for message in messages(part):
            read = smspdudecoder.read(message)["user_data"]
            assert read["data"] == part.ud
            assert read["header"]["elements"][-1] == {"iei": 5, "length": 4, "data": "3F343F34"}
        got += read["data"]
    assert got == data


@pytest.mark.peer("pdusms")
@pytest.mark.parametrize("octets", [0, 1, 133, 134, 300])
def test_pdusms_reads_and_writes_data_with_ports(pdusms, octets):
    for part in split_data(random.Random(octets).randbytes(octets), 77, 16180):
        for message in messages(part):
            read = pdusms.read(message)
            assert read.user_data == part.ud
            assert [bytes(data) for _, data in read.user_data_headers] == [
                element.data for element in part.udh
            ]
        headers = [(element.iei, element.data) for element in part.udh]
        theirs = pdusms.SUBMIT.create(
            "1", PHONE.text(), part.ud, tp_dcs=4, tp_mr=1, user_data_headers=headers
        )
        assert SmsSubmit.decode(bytes.fromhex(theirs.toPDU())) == messages(part)[0]


# Their faults, one by one.


@pytest.mark.peer("smspdudecoder")
def test_fault_smspdudecoder_shows_an_at_sign_after_an_escape_pair(smspdudecoder):
    (part,) = split_text("12345€", 0)
    assert len(part.ud) == 7
    assert smspdudecoder.read(messages(part)[0])["user_data"]["data"] == "12345€@"


@pytest.mark.peer("smspdudecoder")
def test_fault_smspdudecoder_loses_its_place_after_a_header_that_looks_like_an_escape(smspdudecoder):
    affected = 0
    for reference in range(256):
        message = messages(split_text("a" * 153 * 9, reference)[0])[0]
        lost = smspdudecoder.read(message)["user_data"]["data"] != message.text()
        assert lost == smspdudecoder_loses_its_place(message)
        affected += lost
    assert affected == 16, "nine parts and a reference of 0xB0 to 0xBF make an escape in the header"


@pytest.mark.peer("smspdudecoder")
def test_fault_smspdudecoder_reads_an_at_sign_after_seven_letters_of_an_address(smspdudecoder):
    message = SmsDeliver(Address.from_text("ABCDEFG"), 0, Dcs.GSM7, SCTS, (), b"")
    assert SmsDeliver.decode(message.encode()).oa.value == "ABCDEFG"
    assert smspdudecoder.read(message)["sender"]["number"] == "ABCDEFG@"


@pytest.mark.peer("smspdudecoder")
@pytest.mark.parametrize(("octet", "shown"), [(0xE0, "gsm"), (0xC8, "ucs2"), (0x84, "binary")])
def test_fault_smspdudecoder_reads_the_data_coding_from_two_bits(smspdudecoder, octet, shown):
    message = SmsDeliver(PHONE, 0, Dcs(octet), SCTS, (), b"")
    right = {"GSM7": "gsm", "UCS2": "ucs2", "DATA8": "binary"}[message.dcs.alphabet().name]
    assert smspdudecoder.read(message)["dcs"]["encoding"] == shown != right


@pytest.mark.peer("pdusms")
def test_fault_pdusms_reads_a_page_break_as_a_line_feed(pdusms):
    message = messages(split_text("a\fb", 0)[0])[0]
    assert pdusms.read(message).user_data == "a\nb"


@pytest.mark.peer("pdusms")
def test_fault_pdusms_loses_an_at_sign_that_fills_the_last_octet(pdusms):
    message = messages(split_text("1234567@", 0)[0])[0]
    assert SmsSubmit.decode(message.encode()).text() == "1234567@"
    assert pdusms.read(message).user_data == "1234567"


@pytest.mark.peer("pdusms")
def test_fault_pdusms_writes_text_behind_ports_and_concatenation_wrong(pdusms):
    udh = (concatenation_element(5, 2, 1), ports_element(1, 2))
    right = SmsSubmit(1, PHONE, 0, Dcs.GSM7, None, udh, gsm7.to_septets("hello"))
    assert len(encode_udh(udh)) == 12
    headers = [(element.iei, element.data) for element in udh]
    theirs = pdusms.SUBMIT.create("1", PHONE.text(), "hello", tp_dcs=0, tp_mr=1, user_data_headers=headers)
    octets = bytes.fromhex(theirs.toPDU())
    assert octets != right.encode()
    assert SmsSubmit.decode(octets).text() != "hello"
    assert pdusms.read(right).user_data == "hello", "it reads it right, so only its writing is wrong"


@pytest.mark.peer("pdusms")
def test_fault_pdusms_reads_stars_and_hashes_as_letters(pdusms):
    message = SmsSubmit(1, Address.from_text("*100#"), 0, Dcs.GSM7, None, (), b"")
    assert pdusms.read(message).tp_address == "a100b"


@pytest.mark.peer("pdusms")
def test_fault_pdusms_drops_two_zeros_at_the_start_of_a_number(pdusms):
    message = SmsSubmit(1, Address.from_text("008613800138000"), 0, Dcs.GSM7, None, (), b"")
    assert pdusms.read(message).tp_address == "8613800138000"
