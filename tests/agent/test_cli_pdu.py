"""tillbell pdu: what it prints, its JSON, its exit codes."""

import argparse
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillbell_agent.cli import pdu
from tillbell_protocol.sms.address import Address
from tillbell_protocol.sms.dcs import Dcs
from tillbell_protocol.sms.segment import split_data, split_text
from tillbell_protocol.sms.status import Status
from tillbell_protocol.sms.timestamp import Timestamp
from tillbell_protocol.sms.tpdu import SmsDeliver, SmsStatusReport, SmsSubmit, at_pdu
from tillbell_protocol.sms.validity import AbsoluteValidity, EnhancedValidity, RelativeValidity

PHONE, SMSC = Address.from_text("+8613800138000"), Address.from_text("+8613800100500")
NOON = Timestamp.from_datetime(datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC))


def call(capsys, *arguments):
    """(exit code, standard output, standard error) of one call."""
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter)
    pdu.configure(parser)
    code = pdu.run(parser.parse_args(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def submit(text, vp=None):
    (part,) = split_text(text, 0)
    return SmsSubmit(7, PHONE, 0, part.dcs, vp, part.udh, part.ud, srr=True)


def test_submit_is_explained_field_by_field(capsys):
    code, out, err = call(capsys, at_pdu(submit("你好", RelativeValidity(0xA7)).encode())[0])
    assert (code, err) == (0, "")
    lines = [line.split(maxsplit=1) for line in out.splitlines()]
    assert out.startswith("SMS-SUBMIT, 19 octets without the SMSC\n")
    assert [offset for offset, _ in lines[1:-1]] == [
        "0",
        "1",
        "2",
        "3",
        "4",
        "5",
        "12",
        "13",
        "14",
        "15",
        "16",
    ]
    for words in (
        "first octet             31  TP-MTI 1, TP-VPF 2, TP-SRR",
        "TP-MR                   07  7",
        "TP-DA value             683108108300F0  +8613800138000",
        "TP-DCS                  08  UCS-2",
        "TP-VP                   A7  relative, 86400 s",
        "text: 你好",
    ):
        assert words in out


def test_json_has_a_line_for_each_pdu(capsys):
    delivered = SmsDeliver(PHONE, 0, Dcs.GSM7, NOON, (), b"hi", sri=True)
    report = SmsStatusReport(7, PHONE, NOON, NOON, Status(0x46))
    pdus = [at_pdu(message.encode(), SMSC)[0] for message in (delivered, report)]
    code, out, _ = call(capsys, "--json", *pdus)
    first, second = map(json.loads, out.splitlines())
    assert code == 0
    assert (first["kind"], first["smsc"], first["text"], first["data"]) == (
        "SMS-DELIVER",
        "+8613800100500",
        "hi",
        None,
    )
    assert first["length"] == len(delivered.encode())
    assert "".join(field["hex"] for field in first["fields"]) == pdus[0]
    offset = 0
    for field in first["fields"]:
        assert field["offset"] == offset
        offset += len(field["hex"]) // 2
    meanings = {field["name"]: field["meaning"] for field in second["fields"]}
    assert second["kind"] == "SMS-STATUS-REPORT"
    assert second["text"] is second["data"] is None
    assert meanings["TP-ST"] == "failed: validity period expired"
    assert meanings["TP-SCTS"] == "2026-01-02T12:00:00+00:00"


def test_data_with_ports_is_shown_as_octets(capsys):
    part = split_data(b"\x50" * 200, 9, 16180)[1]
    message = SmsDeliver(PHONE, 0, part.dcs, NOON, part.udh, part.ud)
    code, out, _ = call(capsys, at_pdu(message.encode())[0])
    assert code == 0
    assert "concatenation, 8-bit reference 9, part 2 of 2" in out
    assert "application ports, 16-bit, destination 16180, source 16180" in out
    assert f"data: {'50' * 72}" in out
    assert "text:" not in out


@pytest.mark.parametrize(
    ("vp", "words"),
    [
        (AbsoluteValidity(NOON), "absolute, until 2026-01-02T12:00:00+00:00"),
        (EnhancedValidity.from_seconds(90, single_shot=True), "enhanced, 90 s, a single try"),
        (EnhancedValidity(bytes(7)), "enhanced, no period"),
    ],
)
def test_validity_is_explained(capsys, vp, words):
    _, out, _ = call(capsys, at_pdu(submit("x", vp).encode())[0])
    assert words in out


def test_text_from_outside_cannot_steer_the_terminal(capsys):
    part = split_text("a\u202e\x1b[31m你", 0)[0]
    message = SmsDeliver(PHONE, 0, part.dcs, NOON, part.udh, part.ud)
    _, out, _ = call(capsys, at_pdu(message.encode())[0])
    assert "text: a\\u202e\\x1b[31m你" in out
    assert "\x1b" not in out


def test_a_cut_off_pdu_shows_what_there_is_and_names_the_octet(capsys):
    whole = at_pdu(submit("hello").encode())[0]
    code, out, err = call(capsys, whole[:-4], "--json")
    assert code == 4
    assert (
        err
        == f"tillbell: {whole[:24]}…: ud at octet 15: 5 octets announced, 3 left. Check that the PDU is complete\n"
    )
    shown = json.loads(out)
    assert shown["error"] == {"field": "ud", "offset": 15, "why": "5 octets announced, 3 left"}
    assert [field["name"] for field in shown["fields"]][-1] == "TP-UDL"
    assert shown["kind"] is None


def test_one_bad_pdu_does_not_keep_the_others_from_being_shown(capsys):
    good = at_pdu(submit("hello").encode())[0]
    code, out, err = call(capsys, "zz", good)
    assert code == 4
    assert "text: hello" in out
    assert err.startswith("tillbell: zz: pdu at octet 0: 'z' is not a hex digit.")


def test_the_other_form_is_suggested_when_it_reads(capsys):
    bare = submit("hello").encode().hex()
    code, _, err = call(capsys, bare)
    assert code == 4
    assert err.endswith("Try --tpdu: it reads as a bare TPDU\n")
    code, out, _ = call(capsys, "--tpdu", bare)
    assert code == 0
    assert "text: hello" in out
    code, _, err = call(capsys, "--tpdu", at_pdu(submit("hello").encode(), SMSC)[0])
    assert code == 4
    assert err.endswith("Leave out --tpdu: it has the SMSC before it\n")


def test_direction_decides_what_the_message_type_means(capsys):
    whole = at_pdu(submit("hello").encode())[0]
    code, _, err = call(capsys, "--direction", "from_sc", whole)
    assert code == 4
    assert "TP-MTI 1 from the service centre" in err


def test_octets_after_the_last_field_are_shown_as_not_read(capsys):
    code, out, _ = call(capsys, at_pdu(submit("hi").encode() + b"\xff\xff")[0])
    assert code == 0
    assert "not read                FFFF  2 octets after the last field" in out


@pytest.mark.parametrize("octet", [0x00, 0x40, 0x41, 0x7F])
def test_every_protocol_identifier_is_said(capsys, octet):
    words = {0x00: "ordinary short message", 0x40: "type 0", 0x41: "replace type 1", 0x7F: "protocol 0x7F"}
    message = SmsDeliver(PHONE, octet, Dcs.GSM7, NOON, (), b"")
    _, out, _ = call(capsys, at_pdu(message.encode())[0])
    assert words[octet] in out


def test_help_has_an_example_that_works(capsys):
    parser = argparse.ArgumentParser()
    pdu.configure(parser)
    assert parser.epilog.startswith("example:\n  tillbell pdu ")
    examples = [line.split() for line in parser.epilog.splitlines() if line.startswith("  tillbell pdu")]
    assert len(examples) == 2
    for words in examples:
        code, out, _ = call(capsys, *words[2:])
        assert code == 0
        assert "hellohello" in out


@given(st.binary(max_size=180), st.sampled_from([None, "to_sc", "from_sc"]), st.booleans())
def test_any_octets_are_explained_to_where_they_can_be_read(octets, direction, bare):
    explained = pdu.explain(octets.hex(), direction, bare)
    assert (explained.tpdu is None) == (explained.error is not None)
    shown = json.loads(json.dumps(pdu.as_json(explained)))
    read = "".join(field["hex"] for field in shown["fields"])
    assert octets.hex().upper().startswith(read)
    assert explained.error is not None or read == octets.hex().upper()
    assert all(line.isprintable() for line in pdu.as_lines(explained))
