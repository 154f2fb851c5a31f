"""Every fault of the simulated modem does what its row in the table says; how often, when and to whom."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from tillbell_agent.sim.modem import ModemMachine
from tillbell_agent.sim.modem_core import Power
from tillbell_agent.sim.modem_faults import COMMON, KINDS, OCCASIONS, Fault, Faults, make_fault, parse_fault
from tillbell_agent.sim.network import Network
from tillbell_protocol.sms.address import Address
from tillbell_protocol.sms.segment import split_text
from tillbell_protocol.sms.tpdu import SmsStatusReport, SmsSubmit, at_pdu, split_at_pdu

PHONE, OTHER = "+8613800138000", "+8613900139000"
OK, SENT = b"\r\nOK\r\n", b"\r\n+CMGS: 1\r\n\r\nOK\r\n"
PROMPT = b"\r\n> "


class Bench:
    """A modem with its echo off, and a clock."""

    def __init__(self, *faults: str) -> None:
        self.machine = ModemMachine(Network(datetime(2026, 1, 1, tzinfo=UTC)))
        self.now = 0.0
        self.say(b"ATE0\r")
        for words in faults:
            self.machine.faults.add(parse_fault(words))

    def say(self, data: bytes) -> bytes:
        self.machine.receive_data(data, self.now)
        self.machine.tick(self.now)
        return self.machine.bytes_to_send()

    def wait(self, seconds: float) -> bytes:
        self.now += seconds
        self.machine.tick(self.now)
        return self.machine.bytes_to_send()

    def send(self, to: str = PHONE, *, srr: bool = False) -> bytes:
        """What follows Ctrl-Z, or what came instead of the prompt."""
        part = split_text("x", 0)[0]
        tpdu = SmsSubmit(0, Address.from_text(to), 0, part.dcs, None, (), part.ud, srr=srr).encode()
        pdu, octets = at_pdu(tpdu)
        prompt = self.say(b"AT+CMGS=%d\r" % octets)
        return self.say(pdu.encode() + b"\x1a") if prompt.startswith(PROMPT) else prompt

    def shown(self, number: str = PHONE) -> int:
        return len(self.machine.network.shown(number))


def deaf(bench: Bench) -> None:
    assert bench.say(b"AT\r") == b""
    assert bench.say(b"AT\r") == OK


def late(bench: Bench) -> None:
    assert bench.say(b"AT\rAT+CSQ\r") == b""
    assert bench.wait(9.9) == b""
    assert bench.wait(0.2) == OK + b"\r\n+CSQ: 20,0\r\n" + OK


def error(bench: Bench) -> None:
    assert bench.say(b"AT+CSQ\r") == b"\r\nERROR\r\n"
    assert bench.say(b"AT+CSQ\r").endswith(OK)


def cme(bench: Bench) -> None:
    bench.machine.commands.kept["+CMEE"] = "1"
    assert bench.say(b"AT+CSQ\r") == b"\r\n+CME ERROR: 14\r\n"


def cms(bench: Bench) -> None:
    assert bench.say(b"AT+CPMS?\r") == b"\r\n+CMS ERROR: 500\r\n"


def cut(bench: Bench) -> None:
    assert bench.say(b"AT+CSQ\r") == b"\r\n+CSQ: 20"
    assert bench.wait(60) == b""


def garbage(bench: Bench) -> None:
    said = bench.say(b"AT\r")
    assert said.endswith(OK)
    assert len(said) > len(OK)


def urc_before(bench: Bench) -> None:
    assert bench.say(b"AT\r") == b"\r\nRING\r\n" + OK


def urc_glued(bench: Bench) -> None:
    assert bench.say(b"AT\r") == OK + b"RING\r\n"


def urc_inside(bench: Bench) -> None:
    assert bench.say(b"AT+CSQ\r") == b"\r\n+CSQ:" + b"\r\nRING\r\n" + b" 20,0\r\n" + OK


def refuse_prompt(bench: Bench) -> None:
    assert bench.send() == b"\r\n+CMS ERROR: 500\r\n"
    assert bench.send() == SENT


def no_prompt(bench: Bench) -> None:
    assert bench.send() == b""
    assert bench.send() == SENT


def late_prompt(bench: Bench) -> None:
    assert bench.say(b"AT+CMGS=20\r") == b""
    assert bench.wait(10) == PROMPT


def urc_prompt(bench: Bench) -> None:
    assert bench.say(b"AT+CMGS=20\r") == PROMPT + b"\r\nRING\r\n"


def lost_ok(bench: Bench) -> None:
    assert (bench.send(), bench.shown(), bench.wait(100)) == (b"", 1, b"")
    assert bench.say(b"AT\r") == OK


def late_ok(bench: Bench) -> None:
    assert (bench.send(), bench.shown(), bench.wait(10)) == (b"", 1, SENT)


def lost_pdu(bench: Bench) -> None:
    assert (bench.send(), bench.wait(100), bench.shown()) == (b"", b"", 0)
    assert bench.say(b"AT\r") == OK


def refused(code: int, times: int) -> Callable[[Bench], None]:
    def check(bench: Bench) -> None:
        for _ in range(times):
            assert (bench.send(), bench.shown()) == (b"\r\n+CMS ERROR: %d\r\n" % code, 0)
        bench.machine.faults.clear()
        assert bench.send() == SENT

    return check


def hang(bench: Bench) -> None:
    assert (bench.send(), bench.shown(), bench.machine.power) == (b"", 0, Power.HUNG)
    assert (bench.say(b"AT\r"), bench.wait(86_400), bench.say(b"AT\r")) == (b"", b"", b"")
    bench.machine.restart(bench.now)
    assert bench.say(b"ATE0\r").endswith(OK)


def reset(bench: Bench) -> None:
    assert (bench.send(), bench.shown()) == (b"\r\nRDY\r\n", 0)
    assert bench.machine.commands.echo


def unplug(bench: Bench) -> None:
    assert (bench.send(), bench.machine.plugged, bench.shown()) == (b"", False, 0)
    assert bench.wait(4.9) == b""
    assert (bench.wait(0.2), bench.machine.plugged) == (b"\r\nRDY\r\n", True)


def reported(bench: Bench, seconds: float) -> list[SmsStatusReport]:
    bench.say(b"AT+CNMI=2,1,0,1,0\r")
    assert bench.send(srr=True) == SENT
    lines = bench.wait(seconds).split(b"\r\n")
    return [
        SmsStatusReport.decode(split_at_pdu(line.decode())[1]) for line in lines if line.startswith(b"00")
    ]


def report_lost(bench: Bench) -> None:
    assert reported(bench, 100) == []


def report_late(bench: Bench) -> None:
    assert reported(bench, 9) == []
    assert bench.wait(2).startswith(b"\r\n+CDS: ")


def report_failed(bench: Bench) -> None:
    (report,) = reported(bench, 1)
    assert report.st.octet == 70


def endless_list(bench: Bench) -> None:
    assert bench.say(b"AT+CMGL=4\r").startswith(b"\r\n+CMGL: 1,0,,")
    for _ in range(3):
        assert bench.wait(60).count(b"+CMGL:") > 1000
    assert b"OK" not in bench.say(b"AT\r")
    bench.machine.restart(bench.now)
    assert bench.wait(60) == b"\r\nRDY\r\n"


def ghost(bench: Bench) -> None:
    bench.machine.deliver_text(PHONE, "boo", bench.now)
    assert bench.say(b"AT+CMGD=1\r") == OK
    assert b"+CMGL: 1," in bench.say(b"AT+CMGL=4\r")
    bench.say(b"AT+CMGD=1\r")
    assert bench.say(b"AT+CMGL=4\r") == OK


def incoming_twice(bench: Bench) -> None:
    bench.machine.deliver_text(PHONE, "again", bench.now)
    rows = bench.say(b"AT+CMGL=4\r").split(b"\r\n")
    assert rows[3] == rows[7]
    assert bench.machine.commands.store.used == 2


def incoming_silent(bench: Bench) -> None:
    bench.say(b"AT+CNMI=2,1\r")
    bench.machine.deliver_text(PHONE, "hush", bench.now)
    assert bench.wait(10) == b""
    assert bench.machine.commands.store.used == 1


WHAT_THEY_DO: dict[str, Callable[[Bench], None]] = {
    "deaf": deaf, "late": late, "error": error, "cme": cme, "cms": cms, "cut": cut, "garbage": garbage,
    "urc_before": urc_before, "urc_glued": urc_glued, "urc_inside": urc_inside,
    "refuse_prompt": refuse_prompt, "no_prompt": no_prompt, "late_prompt": late_prompt, "urc_prompt": urc_prompt,
    "lost_ok": lost_ok, "late_ok": late_ok, "lost_pdu": lost_pdu, "refuse": refused(500, 1),
    "congestion": refused(42, 1), "bad_number": refused(1, 3), "barred": refused(8, 3), "no_credit": refused(50, 3),
    "hang": hang, "reset": reset, "unplug": unplug,
    "report_lost": report_lost, "report_late": report_late, "report_failed": report_failed,
    "endless_list": endless_list, "ghost": ghost, "incoming_twice": incoming_twice, "incoming_silent": incoming_silent,
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_each_fault_does_what_its_row_says(kind: str) -> None:
    WHAT_THEY_DO[kind](Bench(kind))


def test_every_row_has_an_occasion_that_there_is_and_arguments_that_a_fault_has() -> None:
    assert {kind.occasion for kind in KINDS.values()} == set(OCCASIONS)
    for name, kind in KINDS.items():
        assert make_fault(name, {**kind.takes, **dict.fromkeys(COMMON, 1)}).kind == name


@pytest.mark.parametrize("kind", ["hang", "reset", "unplug"])
def test_a_message_that_was_taken_is_on_the_phone_though_no_answer_came(kind: str) -> None:
    bench = Bench(f"{kind}:taken=yes")
    assert SENT not in bench.send()
    assert bench.shown() == 1


def test_a_fault_waits_strikes_so_often_and_is_used_up() -> None:
    bench = Bench("lost_ok:after=2,count=3")
    answered = [bench.send() != b"" for _ in range(7)]
    assert answered == [True, True, False, False, False, True, True]
    assert bench.machine.faults.waiting == ()


def test_a_count_of_zero_lasts_until_it_is_cleared() -> None:
    bench = Bench("refuse:code=42,count=0")
    assert [bench.send() for _ in range(20)] == [b"\r\n+CMS ERROR: 42\r\n"] * 20
    bench.machine.faults.clear("barred")
    assert bench.send() != SENT
    bench.machine.faults.clear("refuse")
    assert bench.send() == SENT


def test_a_fault_for_one_number_leaves_the_others_alone() -> None:
    bench = Bench(f"bad_number:number={OTHER}")
    assert bench.send(OTHER) == b"\r\n+CMS ERROR: 1\r\n"
    assert bench.send() == SENT
    assert bench.send(OTHER) == b"\r\n+CMS ERROR: 1\r\n"


def test_a_fault_for_one_command_leaves_the_others_alone() -> None:
    bench = Bench("error:command=+csq,count=0", "cut:command=+CMGS")
    assert bench.say(b"AT+CPIN?\r").endswith(OK)
    assert bench.say(b"at+csq\r") == b"\r\nERROR\r\n"
    assert bench.send() == SENT[: len(SENT) // 2]


def test_chance_is_the_same_with_the_same_seed_and_about_as_often_as_asked_for() -> None:
    def struck(seed: int) -> list[bool]:
        faults = Faults(seed)
        faults.add(Fault("lost_ok", count=0, chance=0.25))
        return [faults.take("pdu") is not None for _ in range(1000)]

    assert struck(1) == struck(1) != struck(2)
    assert 200 < sum(struck(1)) < 300


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("explode", "no fault 'explode'; there are deaf, "),
        ("deaf:seconds=5", "deaf takes command, count, after, chance; not seconds"),
        ("refuse:code", "name=value"),
        ("refuse:code=many", "invalid literal"),
        ("refuse:code=-1", "a number from 0"),
        ("late:seconds=nan", "a number from 0"),
        ("hang:taken=perhaps", "true or false"),
    ],
)
def test_words_that_make_no_fault_say_why(words: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        parse_fault(words)
