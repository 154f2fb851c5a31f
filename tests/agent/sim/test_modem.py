"""The simulated modem by itself: what a terminal program would see, what its log says, and that anything may be typed."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tillbell_agent.sim.modem import ModemMachine
from tillbell_agent.sim.modem_commands import Commands, Sim
from tillbell_agent.sim.modem_control import respond
from tillbell_agent.sim.modem_faults import Fault
from tillbell_agent.sim.network import Network
from tillbell_protocol.sms.address import Address
from tillbell_protocol.sms.dcs import Dcs
from tillbell_protocol.sms.segment import split_data, split_text
from tillbell_protocol.sms.tpdu import SmsDeliver, SmsStatusReport, SmsSubmit, at_pdu, split_at_pdu

PHONE = "+8613800138000"
FIRST_FAULTS = "lost_ok late_ok lost_pdu refuse refuse_prompt no_prompt deaf late error".split()


def modem(sim: Sim | None = None) -> ModemMachine:
    return ModemMachine(Network(datetime(2026, 1, 1, tzinfo=UTC)), commands=Commands(sim or Sim()))


def say(machine: ModemMachine, line: bytes, now: float = 0.0) -> bytes:
    """What comes back to a command line, without the echo."""
    machine.receive_data(line, now)
    machine.tick(now)
    return machine.bytes_to_send().removeprefix(line)


def test_a_slow_modem_takes_its_time_for_each_command_line_one_after_the_other() -> None:
    machine = modem()
    assert respond(machine, b'{"do": "latency", "ms": 0, "command_ms": 400}', 0.0) == {"ok": True}
    machine.receive_data(b"ATE0\r", 0.0)
    machine.tick(0.4)
    assert machine.bytes_to_send() == b"ATE0\r\r\nOK\r\n"
    machine.receive_data(b"AT\rAT+CMGS=9\r", 1.0)
    said = []
    for tenths in (13, 14, 17, 18):
        machine.tick(tenths / 10)
        said.append(machine.bytes_to_send())
    assert said == [b"", b"\r\nOK\r\n", b"", b"\r\n> "]


def submit(machine: ModemMachine, tpdu: bytes, now: float = 0.0) -> tuple[bytes, list[dict[str, Any]]]:
    pdu, octets = at_pdu(tpdu)
    assert say(machine, b"AT+CMGS=%d\r" % octets, now).endswith(b"\r\n> ")
    records = machine.receive_data(pdu.encode() + b"\x1a", now)
    records += machine.tick(now + machine.latency_s)
    return machine.bytes_to_send(), records


def segments(text: str | bytes, **more: Any) -> list[bytes]:
    parts = split_text(text, 9) if isinstance(text, str) else split_data(text, 9, 16001)
    to = Address.from_text(PHONE)
    return [SmsSubmit(0, to, 0, part.dcs, None, part.udh, part.ud, **more).encode() for part in parts]


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"AT\r", b"\r\nOK\r\n"),
        (b"at+cgmi\r", b"\r\nTillbell\r\n\r\nOK\r\n"),
        (b"AT+CPIN?\r", b"\r\n+CPIN: READY\r\n\r\nOK\r\n"),
        (b"AT+CREG?;+CSQ\r", b"\r\n+CREG: 0,1\r\n\r\n+CSQ: 20,0\r\n\r\nOK\r\n"),
        (b"ATE1+CMEE=1\r", b"\r\nOK\r\n"),
        (b'AT+CSCA?\r', b'\r\n+CSCA: "+8613800100500",145\r\n\r\nOK\r\n'),
        (b"AT+NONSENSE\r", b"\r\nERROR\r\n"),
        (b"AT+CNMI=9,9,9,9,9,9,9\r", b"\r\nERROR\r\n"),
        (b"AT+CMGS=3\r", b"\r\n+CMS ERROR: 304\r\n"),
        (b"hello\r", b""),
        (b"AT+CMGR=1\r", b"\r\nOK\r\n"),
        (b"AT+CMGR=99\r", b"\r\n+CMS ERROR: 321\r\n"),
    ],
)  # fmt: skip
def test_a_line_has_its_answer_whole_and_octet_by_octet(line: bytes, answer: bytes) -> None:
    assert say(modem(), line) == answer
    machine = modem()
    said = b""
    for position in range(len(line)):
        machine.receive_data(line[position : position + 1], 0.0)
        said += machine.bytes_to_send()
    assert said == line + answer


def test_echo_is_the_modem_s_own_and_can_be_turned_off() -> None:
    machine = modem()
    machine.receive_data(b"ATE0\rAT\r", 0.0)
    assert machine.bytes_to_send() == b"ATE0\r\r\nOK\r\n\r\nOK\r\n"


def test_errors_have_numbers_only_when_asked_for() -> None:
    machine = modem(Sim(state="NOT INSERTED"))
    assert say(machine, b"AT+CIMI\r") == b"\r\nERROR\r\n"
    say(machine, b"AT+CMEE=1\r")
    assert say(machine, b"AT+CIMI\r") == b"\r\n+CME ERROR: 10\r\n"


def test_three_wrong_pins_lock_the_sim() -> None:
    sim = Sim(state="SIM PIN")
    machine = modem(sim)
    for _ in range(3):
        assert b"ERROR" in say(machine, b'AT+CPIN="0000"\r')
    assert sim.state == "SIM PUK"
    assert b"ERROR" in say(machine, b'AT+CPIN="1234"\r')


def test_a_text_reaches_the_phone_and_the_log_says_how() -> None:
    machine = modem()
    said, records = submit(machine, segments("hello")[0])
    assert said.endswith(b"\x1a\r\n+CMGS: 1\r\n\r\nOK\r\n")
    assert [record["ev"] for record in records] == ["pdu", "sms", "msg"]
    assert {key: records[1][key] for key in ("to", "dcs", "udh", "ud", "text", "mr", "parts")} == {
        "to": PHONE, "dcs": 0, "udh": "", "ud": "e8329bfd06", "text": "hello", "mr": 1, "parts": [1, 1],
    }  # fmt: skip
    assert records[2]["text"] == "hello"


def test_parts_are_joined_in_any_order_and_the_same_message_twice_is_shown_twice() -> None:
    machine = modem()
    text = "收款" * 60
    parts = segments(text)
    assert len(parts) == 2
    for part in [parts[1], parts[0], *parts]:
        submit(machine, part)
    assert [shown.text for shown in machine.network.shown(PHONE)] == [text, text]


def test_data_for_a_port_is_shown_as_data_and_its_octets_are_logged() -> None:
    machine = modem()
    _, records = submit(machine, segments(bytes(range(100)))[0])
    assert records[1]["udh"] == "0605043e813e81"
    assert records[1]["ud"] == bytes(range(100)).hex()
    assert (records[2]["data"], records[2]["port"], records[1]["text"]) == (
        bytes(range(100)).hex(),
        16001,
        None,
    )


def test_seven_bit_parts_are_logged_with_their_fill_bits() -> None:
    machine = modem()
    parts = segments("x" * 200)
    _, records = submit(machine, parts[0])
    assert records[1]["udh"] == "050003090201"
    assert bytes.fromhex(records[1]["udh"] + records[1]["ud"]) == parts[0][-140:]


def test_a_pdu_of_another_length_than_announced_is_refused() -> None:
    machine = modem()
    assert say(machine, b"AT+CMGS=20\r").endswith(b"> ")
    records = machine.receive_data(b"0011\x1a", 0.0)
    assert machine.bytes_to_send().endswith(b"\r\n+CMS ERROR: 304\r\n")
    assert records[-1]["ev"] == "bad_pdu"


def test_escape_leaves_the_prompt_and_sends_nothing() -> None:
    machine = modem()
    say(machine, b"AT+CMGS=20\r")
    assert machine.receive_data(b"00AA\x1b", 0.0) == [{"ev": "cancelled", "t": 0.0, "octets": 4}]
    assert machine.bytes_to_send().endswith(b"\r\nOK\r\n")


def test_the_status_report_follows_as_cnmi_says() -> None:
    for values, urc in ((b"2,1,0,1,0", b"+CDS: "), (b"2,1,0,2,0", b'+CDSI: "SM",1'), (b"2,1,0,0,0", b"")):
        machine = modem()
        say(machine, b"AT+CNMI=" + values + b"\r")
        submit(machine, segments("x", srr=True)[0], 10.0)
        machine.tick(11.0)
        said = machine.bytes_to_send()
        assert urc in said
        assert (said == b"") is (urc == b"")
        if urc == b"+CDS: ":
            report = SmsStatusReport.decode(split_at_pdu(said.split(b"\r\n")[2].decode())[1])
            assert (report.mr, report.ra.text(), report.st.octet) == (1, PHONE, 0)


def test_a_busy_modem_takes_in_nothing_until_the_network_has_answered() -> None:
    machine = modem()
    machine.latency_s = 3.0
    pdu, octets = at_pdu(segments("slow")[0])
    say(machine, b"ATE0\r")
    say(machine, b"AT+CMGS=%d\r" % octets)
    machine.receive_data(pdu.encode() + b"\x1aAT\r", 0.0)
    assert machine.bytes_to_send() == b""
    assert machine.next_deadline() == 3.0
    machine.tick(3.0)
    assert machine.bytes_to_send() == b"\r\n+CMGS: 1\r\n\r\nOK\r\n\r\nOK\r\n"


def test_messages_to_the_sim_itself_come_back() -> None:
    machine = modem()
    own = Address.from_text(Sim().number)
    submit(machine, SmsSubmit(0, own, 0, Dcs(0), None, (), split_text("echo", 1)[0].ud).encode())
    machine.tick(1.0)
    assert b"+CMGL: 1,0,," in say(machine, b"AT+CMGL=4\r", 1.0)


def test_a_delivered_text_is_stored_announced_read_and_deleted() -> None:
    machine = modem()
    say(machine, b"ATE0\r")
    say(machine, b"AT+CNMI=2,1\r")
    machine.deliver_text(PHONE, "TOTAL?", 1.0)
    assert machine.bytes_to_send() == b'\r\n+CMTI: "SM",1\r\n'
    head, pdu = say(machine, b"AT+CMGR=1\r").decode().split("\r\n")[1:4:2]
    assert head.startswith("+CMGR: 0,,")
    assert SmsDeliver.decode(split_at_pdu(pdu)[1]).text() == "TOTAL?"
    assert say(machine, b"AT+CMGL=0\r") == b"\r\nOK\r\n"
    say(machine, b"AT+CMGD=1\r")
    assert say(machine, b"AT+CMGL=4\r") == b"\r\nOK\r\n"


def test_text_mode_sends_and_lists_too() -> None:
    machine = modem()
    say(machine, b"ATE0\r")
    say(machine, b'AT+CMGF=1;+CSCS="GSM"\r')
    assert say(machine, b'AT+CMGS="%s"\r' % PHONE.encode()) == b"\r\n> "
    assert b"+CMGS: 1" in say(machine, b"in text mode\x1a")
    assert machine.network.shown(PHONE)[0].text == "in text mode"


@pytest.mark.parametrize("kind", FIRST_FAULTS)
def test_a_fault_does_what_it_says_once(kind: str) -> None:
    machine = modem()
    say(machine, b"ATE0\r")
    machine.faults.add(Fault(kind, code=41, seconds=5.0))
    pdu, octets = at_pdu(segments("x")[0])
    prompt = say(machine, b"AT+CMGS=%d\r" % octets)
    early = say(machine, pdu.encode() + b"\x1a") if prompt.endswith(b"> ") else b""
    machine.tick(5.0)
    late = machine.bytes_to_send()
    on_phone = len(machine.network.shown(PHONE))
    ok, refused = b"\r\n+CMGS: 1\r\n\r\nOK\r\n", b"\r\n+CMS ERROR: 41\r\n"
    assert (prompt, early, late, on_phone) == {
        "lost_ok": (b"\r\n> ", b"", b"", 1),
        "late_ok": (b"\r\n> ", b"", ok, 1),
        "lost_pdu": (b"\r\n> ", b"", b"", 0),
        "refuse": (b"\r\n> ", refused, b"", 0),
        "refuse_prompt": (refused, b"", b"", 0),
        "no_prompt": (b"", b"", b"", 0),
        "deaf": (b"", b"", b"", 0),
        "late": (b"\r\n> ", ok, b"", 1),
        "error": (b"\r\n> ", ok, b"", 1),
    }[kind]
    # The last two concern other commands, and wait for one.
    assert say(machine, b"AT\r", 6.0) == {"late": b"", "error": b"\r\nERROR\r\n"}.get(kind, b"\r\nOK\r\n")
    machine.tick(20.0)
    machine.bytes_to_send()
    assert say(machine, b"AT\r", 20.0) == b"\r\nOK\r\n"


# The control socket's requests, without the socket.


def test_a_harness_may_ask_for_everything_in_the_table() -> None:
    machine = modem()
    assert respond(machine, b'{"do": "latency", "ms": 0}', 0.0) == {"ok": True}
    assert respond(machine, b'{"do": "deliver", "from": "+8613800138000", "text": "hi"}', 0.0) == {
        "ok": True,
        "segments": 1,
    }
    assert respond(machine, b'{"do": "storage", "places": 5}', 0.0) == {"ok": True, "used": 1, "places": 5}
    assert respond(machine, b'{"do": "urc", "line": "RING"}', 0.0) == {"ok": True}
    assert machine.bytes_to_send() == b"\r\nRING\r\n"
    assert respond(machine, b'{"do": "sim", "state": "SIM PIN"}', 0.0) == {
        "ok": True,
        "state": "SIM PIN",
        "tries_left": 3,
    }
    assert respond(machine, b'{"do": "sim", "state": "READY"}', 0.0)["ok"]
    assert respond(machine, b'{"do": "registration", "stat": 2}', 0.0) == {"ok": True}
    assert say(machine, b"AT+CREG?\r") == b"\r\n+CREG: 0,2\r\n\r\nOK\r\n"
    assert respond(machine, b'{"do": "restart"}', 0.0) == {"ok": True}
    assert respond(machine, b'{"do": "registration", "stat": 1}', 0.0) == {"ok": True}
    assert respond(machine, b'{"do": "fault", "kind": "refuse", "code": 38}', 0.0) == {"ok": True}
    machine.bytes_to_send()
    said, _ = submit(machine, segments("x")[0])
    assert b"+CMS ERROR: 38" in said
    submit(machine, segments("shown")[0])
    answer = respond(machine, b'{"do": "phone", "number": "+8613800138000"}', 0.0)
    assert [message["text"] for message in answer["messages"]] == ["shown"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"not json", "JSONDecodeError"),
        (b"[]", "JSON object"),
        (b'{"do": "explode"}', "no request 'explode'"),
        (b'{"do": "fault", "kind": "explode"}', "no fault 'explode'"),
        (b'{"do": "fault"}', "kind"),
        (b'{"do": "deliver", "from": "x", "text": 5, "tpdu": 7}', "TypeError"),
        (b'{"do": "deliver", "from": "+86138", "text": "\\ud800"}', "Error"),
        (b"[" * 100_000, "nested"),
    ],
)
def test_a_request_that_cannot_be_done_says_why(line: bytes, why: str) -> None:
    answer = respond(modem(), line, 0.0)
    assert answer["ok"] is False
    assert why in answer["error"]


@settings(max_examples=150)
@given(
    st.lists(
        st.binary(max_size=30)
        | st.sampled_from(
            [
                b"AT+CMGS=20\r",
                b"AT+CMGF=1\r",
                b'AT+CMGS="1"\r',
                b"\x1a",
                b"\x1b",
                b"AT+CNMI=,,,2\r",
                b"AT+CPMS=\r",
            ]
        ),
        max_size=20,
    )
)
def test_anything_may_be_typed(pieces: list[bytes]) -> None:
    machine = modem()
    for now, piece in enumerate(pieces):
        machine.receive_data(piece, float(now))
        machine.tick(now + 0.5)
        machine.bytes_to_send()
    machine.receive_data(b"\x1b\rATE0\r", 100.0)
    machine.bytes_to_send()
    assert say(machine, b"AT\r", 101.0) == b"\r\nOK\r\n"


@given(st.text(max_size=30).map(lambda text: f"AT+{text}\r"))
def test_any_command_line_is_answered(line: str) -> None:
    machine = modem()
    said = say(machine, b"ATE0\r" + line.encode("utf-8"))
    assert said.endswith((b"OK\r\n", b"ERROR\r\n", b"> ")) or b"ERROR: " in said
