"""Every group of the data coding scheme octet."""

import pytest

from tillbell_protocol.errors import EncodeError
from tillbell_protocol.sms.dcs import Alphabet, Dcs, WaitingKind

GSM7, DATA8, UCS2 = Alphabet.GSM7, Alphabet.DATA8, Alphabet.UCS2


@pytest.mark.parametrize(
    ("octet", "alphabet", "message_class", "compressed", "deletion", "reserved"),
    [
        (0x00, GSM7, None, False, False, False),
        (0x04, DATA8, None, False, False, False),
        (0x08, UCS2, None, False, False, False),
        (0x0C, GSM7, None, False, False, True),
        (0x03, GSM7, None, False, False, False),  # without bit 4 the class bits carry nothing
        (0x10, GSM7, 0, False, False, False),
        (0x15, DATA8, 1, False, False, False),
        (0x1A, UCS2, 2, False, False, False),
        (0x20, GSM7, None, True, False, False),
        (0x3B, UCS2, 3, True, False, False),
        (0x40, GSM7, None, False, True, False),
        (0x58, UCS2, 0, False, True, False),
        (0x64, DATA8, None, True, True, False),
        (0x7F, GSM7, 3, True, True, True),
        (0x80, GSM7, None, False, False, True),
        (0xBF, GSM7, None, False, False, True),
        (0xC8, GSM7, None, False, False, False),
        (0xD1, GSM7, None, False, False, False),
        (0xE2, UCS2, None, False, False, False),
        (0xCC, GSM7, None, False, False, True),
        (0xF0, GSM7, 0, False, False, False),
        (0xF1, GSM7, 1, False, False, False),
        (0xF5, DATA8, 1, False, False, False),
        (0xF6, DATA8, 2, False, False, False),
        (0xFB, GSM7, 3, False, False, True),
        (0xFF, DATA8, 3, False, False, True),
    ],
)
def test_octet_answers_as_its_coding_group_says(
    octet, alphabet, message_class, compressed, deletion, reserved
):
    dcs = Dcs(octet)
    assert dcs.alphabet() is alphabet
    assert dcs.message_class() == message_class
    assert dcs.compressed() is compressed
    assert dcs.automatic_deletion() is deletion
    assert dcs.reserved() is reserved


@pytest.mark.parametrize(
    ("octet", "waiting", "discard"),
    [
        (0xC0, (WaitingKind.VOICEMAIL, False), True),
        (0xC8, (WaitingKind.VOICEMAIL, True), True),
        (0xD9, (WaitingKind.FAX, True), False),
        (0xE2, (WaitingKind.EMAIL, False), False),
        (0xEB, (WaitingKind.OTHER, True), False),
        (0xF8, None, False),
        (0x00, None, False),
        (0x98, None, False),
    ],
)
def test_message_waiting_groups_tell_kind_and_sense(octet, waiting, discard):
    assert Dcs(octet).message_waiting() == waiting
    assert Dcs(octet).discard() is discard


@pytest.mark.parametrize(("dcs", "octet"), [(Dcs.GSM7, 0x00), (Dcs.DATA8, 0x04), (Dcs.UCS2, 0x08)])
def test_the_three_that_are_sent(dcs, octet):
    assert dcs == Dcs(octet)


def test_compressed_seven_bit_text_counts_octets():
    assert not Dcs(0x20).septets()
    assert Dcs(0x00).septets()


@pytest.mark.parametrize("octet", range(256))
def test_every_octet_has_a_description_that_starts_with_its_alphabet(octet):
    dcs = Dcs(octet)
    assert dcs.describe().startswith(dcs.alphabet().value)
    assert ("reserved" in dcs.describe()) == dcs.reserved()


@pytest.mark.parametrize("octet", [-1, 256])
def test_what_is_no_octet_is_refused(octet):
    with pytest.raises(EncodeError, match=r"^dcs"):
        Dcs(octet)
