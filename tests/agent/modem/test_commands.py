"""Commands: the line each writes, the answer each reads, and that any lines give an answer or a DecodeError."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillbell_agent.modem.commands import (
    Attention,
    Command,
    DeleteMessage,
    EnterPin,
    Identify,
    ListMessages,
    ReadMessage,
    ReadPinState,
    ReadPinTriesLeft,
    ReadRegistration,
    ReadStorages,
    SelectStorage,
    SendPdu,
    Set,
    SetEcho,
    StoragesInUse,
    StoredTpdu,
    TestKeepLink,
    fields,
)
from tillbell_protocol.errors import DecodeError

# command, its line, answer lines, the value
ROWS: list[tuple[Command[Any], str, tuple[str, ...], object]] = [
    (Attention(), "AT", (), None),
    (SetEcho(on=False), "ATE0", (), None),
    (Set("+CNMI", "2,1,0,1,0"), "AT+CNMI=2,1,0,1,0", (), None),
    (Set("+CSMS", "0"), "AT+CSMS=0", ("+CSMS: 1,1,1",), None),
    (Identify("+CGMM"), "AT+CGMM", ("EC25",), "EC25"),
    (ReadPinState(), "AT+CPIN?", ("+CPIN: SIM PIN",), "SIM PIN"),
    (ReadPinTriesLeft(), 'AT+CPINR="SIM PIN"', ("+CPINR: SIM PIN,3,3",), 3),
    (EnterPin("0000"), 'AT+CPIN="0000"', (), None),
    (ReadRegistration("+CEREG"), "AT+CEREG?", ('+CEREG: 2,5,"00C3","01A2B3C4",7',), 5),
    (TestKeepLink(), "AT+CMMS=?", ("+CMMS: (0-2)",), True),
    (TestKeepLink(), "AT+CMMS=?", ("+CMMS: (0,1,2)",), True),
    (TestKeepLink(), "AT+CMMS=?", ("+CMMS: (0,1)",), False),
    (
        ReadStorages(), "AT+CPMS?", ('+CPMS: "SM",3,30,"SM",3,30,"ME",5,23',),
        StoragesInUse("SM", "ME", 5, 23),
    ),
    (ReadStorages(), "AT+CPMS?", ('+CPMS: "SM",3,30',), StoragesInUse("SM", "SM", 3, 30)),
    (ReadStorages(), "AT+CPMS?", ('+CPMS: "SM",,,"SM",,,"SM",,',), StoragesInUse("SM", "SM", None, None)),
    (ReadStorages(), "AT+CPMS?", ('+CPMS: "SM",1,9,"SM",1,9,"ME"',), StoragesInUse("SM", "ME", None, None)),
    (SelectStorage("ME"), 'AT+CPMS="ME"', ("+CPMS: 2,30,2,30,2,30",), None),
    (ReadMessage(3), "AT+CMGR=3", ("+CMGR: 0,,3", "0004AABB"), StoredTpdu(3, b"\x04\xaa\xbb")),
    (ReadMessage(3), "AT+CMGR=3", ('+CMGR: 1,"shop",3', "0291F104AABB"), StoredTpdu(3, b"\x04\xaa\xbb")),
    (ReadMessage(3), "AT+CMGR=3", ("+CMGR: 0,,0",), None),
    (ListMessages(), "AT+CMGL=4", (), ()),
    (
        ListMessages(), "AT+CMGL=4",
        ("+CMGL: 1,1,,3", "0004AABB", "+CMGL: 2,1,,9", "00damaged", "+CMGL: 7,0,,2", "000405"),
        (StoredTpdu(1, b"\x04\xaa\xbb"), StoredTpdu(7, b"\x04\x05")),
    ),
    (DeleteMessage(3), "AT+CMGD=3", (), None),
    (SendPdu(23), "AT+CMGS=23", ("+CMGS: 255",), 255),
    (SendPdu(23), "AT+CMGS=23", ('+CMGS: 4,"26/01/01,00:00:00+32"',), 4),
]  # fmt: skip


@pytest.mark.parametrize(("command", "line", "lines", "value"), ROWS)
def test_a_command_writes_its_line_and_reads_its_answer(
    command: Command[Any], line: str, lines: tuple[str, ...], value: object
) -> None:
    assert command.line() == line
    assert all(command.claims(text) for text in lines if "damaged" not in text)
    assert command.parse(lines) == value


@pytest.mark.parametrize(
    ("command", "lines", "field"),
    [
        (SendPdu(23), ("+CMGS: 256",), "+CMGS.mr"),
        (SendPdu(23), ("+CMGS: x",), "+CMGS.mr"),
        (SendPdu(23), (), "+CMGS"),
        (ReadMessage(1), ("+CMGR: 0,,3", "0004AA"), "pdu"),
        (ReadMessage(1), ("+CMGR: 0,,3",), "+CMGR"),
        (ReadMessage(1), (), "+CMGR"),
        (ReadRegistration("+CREG"), ("+CREG: 1",), "+CREG"),
        (ReadPinState(), (), "+CPIN:"),
        (ReadStorages(), ("+CPMS: ",), "+CPMS"),
        (Identify("+CGMI"), (), "+CGMI"),
    ],
)
def test_an_answer_that_holds_no_value_names_its_field(
    command: Command[Any], lines: tuple[str, ...], field: str
) -> None:
    with pytest.raises(DecodeError) as caught:
        command.parse(lines)
    assert caught.value.field == field


def test_only_the_command_that_sends_is_answered_by_a_prompt() -> None:
    assert {type(row[0]) for row in ROWS if row[0].prompts} == {SendPdu}


def test_a_pin_is_not_shown() -> None:
    assert "4321" not in f"{EnterPin('4321')!r} {EnterPin('4321')}"


def test_fields_are_split_outside_quotes_and_parentheses() -> None:
    assert fields('+X: "a,b",(1,2),,3') == ["a,b", "(1,2)", "", "3"]
    assert fields("+X:") == [""]
    assert fields("+X: 1,") == ["1", ""]


@given(
    st.sampled_from([row[0] for row in ROWS]),
    st.lists(st.text(max_size=20) | st.sampled_from([t for r in ROWS for t in r[2]]), max_size=4),
)
def test_any_lines_give_a_value_or_the_own_error(command: Command[Any], lines: list[str]) -> None:
    wrong = None
    try:
        command.parse(tuple(lines))
    except DecodeError as error:
        wrong = error
    assert wrong is None or wrong.field
