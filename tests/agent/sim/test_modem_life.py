"""The simulated modem starts, is plugged and unplugged, asks for its PIN, loses the network, fills up and answers codes."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tillbell_agent.sim.modem import ModemMachine
from tillbell_agent.sim.modem_card import Sim
from tillbell_agent.sim.modem_commands import Commands
from tillbell_agent.sim.modem_control import REQUESTS, respond
from tillbell_agent.sim.modem_core import Power
from tillbell_agent.sim.network import Network
from tillbell_protocol.sms.address import Address
from tillbell_protocol.sms.segment import split_text
from tillbell_protocol.sms.tpdu import SmsSubmit, at_pdu

PHONE = "+8613800138000"
OK = b"\r\nOK\r\n"


class Bench:
    def __init__(self, sim: Sim | None = None) -> None:
        self.machine = ModemMachine(
            Network(datetime(2026, 1, 1, tzinfo=UTC)), commands=Commands(sim or Sim())
        )
        self.now = 0.0
        self.records: list[dict[str, Any]] = []

    def say(self, line: bytes) -> bytes:
        """The answer, without the echo where there is one."""
        self.records += self.machine.receive_data(line, self.now)
        self.records += self.machine.tick(self.now)
        return self.machine.bytes_to_send().removeprefix(line)

    def wait(self, seconds: float) -> bytes:
        self.now += seconds
        self.records += self.machine.tick(self.now)
        return self.machine.bytes_to_send()

    def do(self, what: str, **values: object) -> dict[str, Any]:
        answer = respond(self.machine, json.dumps({"do": what, **values}).encode(), self.now)
        assert answer.pop("ok"), answer
        return answer

    def send(self) -> bytes:
        part = split_text("x", 0)[0]
        pdu, octets = at_pdu(SmsSubmit(0, Address.from_text(PHONE), 0, part.dcs, None, (), part.ud).encode())
        self.say(b"AT+CMGS=%d\r" % octets)
        return self.say(pdu.encode() + b"\x1a")

    def seen(self, ev: str) -> int:
        self.records += self.machine.take_records()
        return sum(record["ev"] == ev for record in self.records)


def test_a_start_takes_its_time_then_the_sim_and_the_network_take_theirs() -> None:
    bench = Bench()
    bench.do("boot", boot_s=5, sim_busy_s=10, search_s=12)
    bench.do("restart")
    assert bench.wait(4.9) == b""
    assert bench.say(b"AT\r") == b""
    assert bench.wait(0.2) == b"\r\nRDY\r\n"
    bench.say(b"ATE0;+CMEE=1;+CREG=1\r")
    assert bench.say(b"AT+CPIN?\r") == b"\r\n+CME ERROR: 14\r\n"
    assert bench.say(b"AT+CREG?\r") == b"\r\n+CREG: 1,2\r\n" + OK
    assert bench.say(b"AT+CMGS=20\r") == b"\r\n+CMS ERROR: 314\r\n"
    assert bench.wait(10) == b"\r\n+CPIN: READY\r\n\r\nSMS Ready\r\n"
    assert bench.send() == b"\r\n+CMS ERROR: 331\r\n"
    assert bench.wait(2) == b"\r\n+CREG: 1\r\n"
    assert bench.send().startswith(b"\r\n+CMGS: 1")


def test_a_usb_modem_that_is_reset_says_ok_and_goes_away_until_it_has_started() -> None:
    bench = Bench()
    bench.do("boot", boot_s=8, reenumerates=True)
    assert bench.say(b"AT+CFUN=1,1\r") == OK
    assert bench.machine.plugged
    bench.wait(0.1)
    assert not bench.machine.plugged
    bench.wait(7.9)
    assert not bench.machine.plugged
    assert bench.wait(0.2) == b"\r\nRDY\r\n"
    assert bench.machine.plugged
    assert bench.machine.commands.echo


def test_unplugged_it_is_away_until_it_is_plugged_and_then_it_starts() -> None:
    bench = Bench()
    bench.do("boot", boot_s=3)
    assert bench.do("unplug") == {"power": "unplugged"}
    assert bench.wait(1000) == b""
    bench.do("restart")
    assert not bench.machine.plugged
    assert bench.do("plug") == {"power": "booting"}
    assert bench.machine.plugged
    assert bench.wait(3) == b"\r\nRDY\r\n"
    assert bench.do("plug") == {"power": "on"}


def test_a_hang_of_some_seconds_ends_by_itself_and_keeps_the_modes() -> None:
    bench = Bench()
    bench.say(b"ATE0\r")
    bench.do("hang", seconds=30)
    assert bench.say(b"AT\r") == b""
    assert bench.wait(30) == b""
    assert bench.say(b"AT\r") == OK


def test_power_down_by_command_ends_it_until_power_returns() -> None:
    bench = Bench()
    assert bench.say(b"AT+CPOWD=1\r") == OK + b"\r\nNORMAL POWER DOWN\r\n"
    assert bench.machine.power is Power.OFF
    assert bench.say(b"AT\r") == b""
    bench.do("restart")
    assert bench.say(b"AT\r").endswith(OK)


def test_a_card_that_asks_asks_after_every_start_and_keeps_count_of_its_tries() -> None:
    sim = Sim(state="SIM PIN", asks=True)
    bench = Bench(sim)
    bench.say(b'AT+CPIN="0000"\r')
    bench.do("restart")
    assert bench.wait(0) == b"\r\nRDY\r\n"
    assert sim.tries_left == 2
    assert bench.say(b"AT+CPINR\r").startswith(b"\r\n+CPINR: SIM PIN,2,3\r\n\r\n+CPINR: SIM PUK,10,10\r\n")
    assert bench.say(b'AT+CPIN="1234"\r') == OK
    assert (sim.state, sim.tries_left) == ("READY", 3)
    bench.do("restart")
    assert bench.wait(0) == b"\r\nRDY\r\n"
    assert bench.say(b"AT+CPIN?\r") == b"\r\n+CPIN: SIM PIN\r\n" + OK


def test_the_puk_opens_a_locked_card_and_ten_wrong_ones_end_it() -> None:
    sim = Sim(state="SIM PUK", tries_left=0)
    bench = Bench(sim)
    bench.say(b"ATE0;+CMEE=1\r")
    assert bench.say(b'AT+CPIN="1234"\r') == b"\r\n+CME ERROR: 12\r\n"
    for left in range(9, 4, -1):
        assert bench.say(b'AT+CPIN="00000000","4711"\r') == b"\r\n+CME ERROR: 16\r\n"
        assert sim.puk_tries_left == left
    assert bench.say(b'AT+CPIN="12345678","4711"\r') == OK
    assert (sim.state, sim.pin, sim.tries_left, sim.puk_tries_left) == ("READY", "4711", 3, 10)
    bench.do("sim", state="SIM PUK")
    for _ in range(10):
        bench.say(b'AT+CPIN="00000000","4711"\r')
    assert sim.state == "BLOCKED"
    assert bench.say(b"AT+CPIN?\r") == b"\r\n+CME ERROR: 13\r\n"


@pytest.mark.parametrize(
    ("state", "cme", "cms"),
    [
        ("NOT INSERTED", 10, 310),
        ("SIM PIN", 11, 311),
        ("SIM PUK", 12, 316),
        ("BLOCKED", 13, 313),
        ("BUSY", 14, 314),
    ],
)
def test_what_needs_the_card_says_what_is_the_matter_with_it(state: str, cme: int, cms: int) -> None:
    bench = Bench()
    bench.say(b"ATE0;+CMEE=1\r")
    bench.do("sim", state=state)
    assert bench.say(b"AT+CIMI\r") == b"\r\n+CME ERROR: %d\r\n" % cme
    assert bench.say(b"AT+CMGS=20\r") == b"\r\n+CMS ERROR: %d\r\n" % cms
    assert bench.say(b"AT+CSQ\r").endswith(OK)


def test_the_second_slot_holds_another_card() -> None:
    bench = Bench()
    assert bench.do("slots", count=2) == {"count": 2, "slot": 1}
    bench.do("sim", slot=2, state="SIM PIN")
    first = bench.say(b"AT+CIMI\r")
    assert bench.say(b"AT+QUIMSLOT=3\r") == b"\r\nERROR\r\n"
    assert bench.say(b"AT+QUIMSLOT=2\r") == OK
    assert bench.say(b'AT+CPIN="1234"\r') == OK
    assert bench.say(b"AT+CIMI\r") not in (first, b"\r\nERROR\r\n")
    assert bench.do("state")["slot"] == 2


def test_without_a_network_nothing_goes_and_what_comes_waits_in_its_order() -> None:
    bench = Bench()
    bench.say(b"ATE0;+CREG=1;+CNMI=2,1\r")
    bench.do("registration", stat="denied")
    assert bench.wait(0) == b"\r\n+CREG: 3\r\n"
    assert bench.send() == b"\r\n+CMS ERROR: 331\r\n"
    for text in ("first", "second"):
        bench.do("deliver", **{"from": PHONE}, text=text)
    assert bench.wait(0) == b""
    bench.do("registration", stat="roaming")
    assert bench.wait(0) == b'\r\n+CREG: 5\r\n\r\n+CMTI: "SM",1\r\n\r\n+CMTI: "SM",2\r\n'


def test_what_waits_comes_when_a_place_is_free_and_not_before() -> None:
    bench = Bench()
    bench.say(b"ATE0;+CNMI=2,1\r")
    bench.do("storage", places=2)
    for text in ("one", "two", "three", "four"):
        bench.do("deliver", **{"from": PHONE}, text=text)
    assert bench.wait(0).count(b"+CMTI") == 2
    assert bench.seen("full") == 2
    assert bench.say(b"AT+CMGD=1\r") == OK + b'\r\n+CMTI: "SM",1\r\n'
    assert bench.do("state")["used"] == {"SM": 2, "ME": 0, "SR": 0}


def test_messages_are_received_into_one_storage_and_read_from_another_as_cpms_says() -> None:
    bench = Bench()
    bench.say(b"ATE0;+CNMI=2,1,0,2\r")
    assert bench.say(b'AT+CPMS="SM","SM","ME"\r') == b"\r\n+CPMS: 0,30,0,30,0,100\r\n" + OK
    bench.do("deliver", **{"from": PHONE}, text="elsewhere")
    assert bench.wait(0) == b'\r\n+CMTI: "ME",1\r\n'
    assert bench.say(b"AT+CMGL=4\r") == OK
    assert bench.say(b'AT+CPMS="ME"\r') == b"\r\n+CPMS: 1,100,0,30,1,100\r\n" + OK
    assert bench.say(b"AT+CMGL=4\r").startswith(b"\r\n+CMGL: 1,0,")
    assert bench.say(b'AT+CPMS="XX"\r') == b"\r\n+CMS ERROR: 302\r\n"


def test_a_direct_message_is_acknowledged_or_kept_and_direct_routing_ends() -> None:
    bench = Bench()
    bench.say(b"ATE0;+CSMS=1;+CNMI=2,2,0,1,0\r")
    assert bench.say(b"AT+CNMA\r") == b"\r\n+CMS ERROR: 340\r\n"
    bench.do("deliver", **{"from": PHONE}, text="first")
    assert bench.wait(1).startswith(b"\r\n+CMT: ,")
    assert bench.say(b"AT+CNMA\r") == OK
    bench.wait(60)
    assert bench.seen("ack_missing") == 0
    bench.do("deliver", **{"from": PHONE}, text="second")
    bench.wait(14.9)
    assert bench.seen("ack_missing") == 0
    bench.wait(0.2)
    assert bench.seen("ack_missing") == 1
    assert bench.machine.commands.store.used == 1
    assert bench.say(b"AT+CNMI?\r") == b"\r\n+CNMI: 2,0,0,0,0\r\n" + OK


def test_the_first_message_is_cold_and_the_next_ones_are_warm_while_cmms_keeps_the_link() -> None:
    bench = Bench()
    bench.do("latency", ms=200, warm_ms=120)

    def seconds() -> float:
        assert bench.send() == b""
        at = bench.machine.next_deadline()
        assert at is not None
        took, bench.now = at - bench.now, at
        assert b"+CMGS: " in bench.wait(0)
        return round(took, 6)

    bench.say(b"ATE0\r")
    assert [seconds(), seconds()] == [0.2, 0.2]
    bench.say(b"AT+CMMS=2\r")
    assert [seconds(), seconds(), seconds()] == [0.2, 0.12, 0.12]
    bench.wait(5.1)
    assert [seconds(), seconds()] == [0.2, 0.12]


def test_a_lost_service_centre_is_missed_unless_the_pdu_names_one() -> None:
    bench = Bench()
    bench.say(b"ATE0\r")
    bench.do("sim", service_centre="")
    assert bench.say(b"AT+CSCA?\r") == b'\r\n+CSCA: "",145\r\n' + OK
    assert bench.send() == b"\r\n+CMS ERROR: 330\r\n"
    bench.say(b'AT+CSCA="+8613800100500",145\r')
    assert b"+CMGS: 1" in bench.send()


def test_the_operator_answers_a_code_after_the_modem_has_said_ok() -> None:
    bench = Bench(Sim(credit="Balance 12.50"))
    assert bench.say(b'AT+CUSD=1,"*100#",15\r') == OK
    assert bench.wait(1) == b'\r\n+CUSD: 0,"Balance 12.50",15\r\n'
    bench.do("sim", credit=None)
    bench.say(b'AT+CUSD=1,"*100#",15\r')
    assert bench.wait(1) == b"\r\n+CUSD: 4\r\n"


def test_a_low_supply_is_told_and_measured() -> None:
    bench = Bench()
    bench.do("supply", mv=3300)
    assert bench.wait(0) == b"\r\nUNDER-VOLTAGE WARNNING\r\n"
    assert bench.say(b"AT+CBC\r") == b"\r\n+CBC: 0,80,3300\r\n" + OK
    bench.do("signal", rssi=5, operator="CMCC")
    assert bench.say(b"AT+CSQ;+COPS?\r") == b'\r\n+CSQ: 5,0\r\n\r\n+COPS: 0,0,"CMCC"\r\n' + OK


def test_octets_are_said_exactly_and_only_by_a_modem_that_lives() -> None:
    bench = Bench()
    bench.do("raw", hex=b"\r\n+CMT".hex())
    bench.do("urc", line="RING")
    assert bench.wait(0) == b"\r\n+CMT\r\nRING\r\n"
    bench.do("hang")
    bench.do("raw", hex="41")
    bench.do("urc", line="RING")
    assert bench.wait(0) == b""


def test_what_was_on_its_way_to_the_network_is_gone_with_the_power_and_a_report_still_comes() -> None:
    bench = Bench()
    bench.do("latency", ms=3000)
    bench.say(b"ATE0\r")
    bench.send()
    bench.do("restart")
    bench.wait(10)
    assert bench.machine.network.shown(PHONE) == []
    bench.machine.latency_s, bench.machine.report_after_s = 0.0, 60.0
    part = split_text("x", 0)[0]
    tpdu = SmsSubmit(0, Address.from_text(PHONE), 0, part.dcs, None, (), part.ud, srr=True).encode()
    pdu, octets = at_pdu(tpdu)
    bench.say(b"ATE0;+CMGS=%d\r" % octets)
    assert bench.say(pdu.encode() + b"\x1a").startswith(b"\r\n+CMGS: 1")
    bench.do("unplug", seconds=100)
    assert bench.wait(99) == b""
    assert bench.wait(2) == b"\r\nRDY\r\n"
    assert bench.seen("report_dropped") == 1  # nobody had asked for it since the start


@pytest.mark.parametrize("name", REQUESTS)
def test_the_example_of_each_request_is_done(name: str) -> None:
    bench = Bench()
    bench.do(name, **REQUESTS[name].example)


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        ({"do": "latency", "ms": -1}, "a time is a number from 0"),
        ({"do": "hang", "seconds": "inf"}, "a time is a number from 0"),
        ({"do": "sim", "state": "LOST"}, "no state 'LOST'"),
        ({"do": "sim", "slot": 2}, "no slot 2"),
        ({"do": "slots", "count": 9}, "up to 8"),
        ({"do": "storage", "name": "XX"}, "KeyError"),
        ({"do": "storage", "places": -1}, "0 to 10000"),
        ({"do": "registration", "stat": "lost"}, "KeyError"),
        ({"do": "fault", "kind": "deaf", "seconds": 5}, "not seconds"),
    ],
)
def test_a_request_with_a_wrong_value_says_why(request_: dict[str, Any], why: str) -> None:
    answer = respond(Bench().machine, json.dumps(request_).encode(), 0.0)
    assert answer["ok"] is False
    assert why in answer["error"]


_VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | st.lists(st.integers(), max_size=2)
    | st.sampled_from(["SIM PIN", "BUSY", "ME", "SR", "", "00", "04", PHONE, "roaming", "unplug", "hang"])
)  # fmt: skip
_NAMES = sorted(
    {key for asked in REQUESTS.values() for key in asked.example} | {"tpdu", "slot", "busy_s", "hex", "kind"}
)
_REQUESTS = st.dictionaries(st.sampled_from(_NAMES), _VALUES, max_size=4)
_LINES = [
    b"AT+CMGL=4\r",
    b"AT+CPMS?\r",
    b"AT+CMGR=1\r",
    b"AT+CMGF=1\r",
    b"AT+CNMI=2,2,0,1\r",
    b"AT+CSCA?\r",
    b"AT+COPS?\r",
]


@settings(max_examples=200)
@given(st.lists(st.tuples(st.sampled_from(list(REQUESTS)), _REQUESTS, st.sampled_from(_LINES)), max_size=8))
def test_any_request_has_an_answer_and_the_modem_lives_on(
    asked: list[tuple[str, dict[str, Any], bytes]],
) -> None:
    bench = Bench()
    for what, values, line in asked:
        request_ = json.dumps({**values, "do": what}).encode()
        answer = respond(bench.machine, request_, bench.now)
        assert answer["ok"] or answer["error"]
        json.dumps(answer).encode()
        bench.say(line)
        bench.wait(1)
    json.dumps(bench.records).encode()
    bench.do("plug")
    bench.do("boot", boot_s=0, sim_busy_s=0, search_s=0, reenumerates=False)
    bench.do("restart")
    bench.wait(0)
    assert bench.say(b"AT\r").endswith(OK)


def test_a_tpdu_that_is_none_is_listed_as_it_came() -> None:
    bench = Bench()
    bench.say(b"ATE0\r")
    bench.do("deliver", tpdu="")
    bench.do("deliver", tpdu="ff" * 300)
    assert bench.say(b"AT+CMGL=4\r").endswith(OK)
    bench.say(b"AT+CMGF=1\r")
    assert bench.say(b'AT+CMGL="ALL"\r').endswith(OK)
