"""What the probe makes of what it hears: dialects by their frames, speeds by their octets, formats by their errors."""

import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillbell_agent.pos.dialect import Line
from tillbell_agent.probe.evidence import OTHERS, ROWS
from tillbell_agent.probe.hearing import MOST_PENDING, Hearing
from tillbell_agent.probe.hunt import Hunt
from tillbell_agent.probe.pairs import Pair, find_pairs
from tillbell_agent.probe.report import bridge_blocks, evidence, headline, remarks, source_blocks
from tillbell_agent.probe.setting import SPEEDS, Errors, Setting
from tillbell_agent.probe.speed import Ear
from tillbell_agent.probe.verdict import Finding, Verdict
from tillbell_agent.sim.probing import draw, families, run
from tillbell_agent.sim.uart import Format, garbled
from tillbell_protocol.link import messages as m
from tillbell_protocol.link.frame import Frame
from tillbell_protocol.link.mac import Mac

TRIALS = 12  # of each family; ``python -m tillbell_agent.sim.probing --trials 200`` makes more


def framed(payload: bytes, start: int = 0, *, with_stx: bool = False) -> bytes:
    """STX, payload, ETX, LRC over payload and ETX, from ``start``."""
    check = start ^ (2 if with_stx else 0)
    for octet in payload + b"\x03":
        check ^= octet
    return b"\x02" + payload + b"\x03" + bytes([check])


HYPERCOM_ASK = bytes.fromhex(
    "02003536303030303030303030313032303030301C343000123030303030303030313030301C0314"
)
HYPERCOM_STATUS = bytes.fromhex("02001836303030303030303030313144303030301C0345")
ZVT_ACK = bytes.fromhex("10028000001003F51F")
ZVT_PAY = bytes.fromhex("100206010A04000000011010004909781003F2FF")
TELIUM_ANSWER = framed(b"0100000125019780000000000")
TELIUM_ASK = framed(b"0100001250010978          A010B010")
R200 = framed(b"R20100000000013000PYTEST11191122022300000300000205")
TRANSBANK = framed(
    b"0210|00|597029414300|75001146|000002|799889|2600|0||2008|000087|CR|||AX|03032020|112624|0|0|"
)
ECR17 = framed(b"123456780E000000000004111111111ICCABC12321115202ACQ        000042000099", 0x7F)
ECR17_STX = framed(
    b"123456780E01CARTA RIFIUTATA         000000000003AC2        000007000003", 0x7F, with_stx=True
)
PROGRESS = b"\x01ELABORAZIONE...     \x04"
CN_SETTLE = bytes.fromhex(
    "003e600003000060220000000005100038000002c00010000021230000060330303132333435363738383938333130313438313630303031"
    "0011000000032010"
)
MIS = (
    b"510102621226******1232    000012000000001880"
    + "余额不足".encode("gb18030")
    + b" " * 32
    + b"898310148160001123456780000030603142233142233000012      0603527"
)
RECEIPT = b"\x1b@\x1b!\x10CORNER BOOKS\n\x1b!\x00Notebook A5    USD 3.50\nTOTAL USD 3.50\nVISA ************1111\nThank you\n\x1dVB\x00"
URC = b'\r\n+CREG: 1\r\n\r\n+CMTI: "SM",3\r\n\r\nRING\r\n'

FRAMES = {
    "hypercom": [HYPERCOM_ASK, HYPERCOM_STATUS],
    "zvt": [ZVT_ACK, ZVT_PAY],
    "telium": [TELIUM_ANSWER, TELIUM_ASK],
    "r200": [R200, framed(b"C20005000000001000                        ")],
    "transbank": [TRANSBANK, framed(b"0100"), framed(b"0900|78||")],
    "ecr17": [ECR17, ECR17_STX, PROGRESS],
    "iso8583-cn": [CN_SETTLE],
    "mis-bankall": [MIS, b"POS01   1001    00000000025312                          644"],
}
NAMED = [(name, octets) for name, every in FRAMES.items() for octets in every]
WITHOUT_CHECK = ("iso8583-cn", "mis-bankall")
CHECKED = [(name, octets) for name, octets in NAMED if name not in WITHOUT_CHECK and octets is not PROGRESS]


def sights(*bursts: bytes) -> dict[str, int]:
    hearing = Hearing(Setting(9600))
    for burst in bursts:
        hearing.receive(burst, None)
        hearing.end_burst(0.0)
    return {name: tally.score for name, tally in hearing.tallies.items()}


@pytest.mark.parametrize(("name", "octets"), NAMED)
def test_a_frame_is_seen_as_its_own_dialect_and_no_other(name: str, octets: bytes) -> None:
    assert sights(octets) == {name: 1}
    assert sights(b"\x06", octets, b"\x06" + octets) == {name: 2}


@pytest.mark.parametrize(("name", "octets"), CHECKED)
def test_a_damaged_frame_is_no_evidence(name: str, octets: bytes) -> None:
    for at in range(len(octets)):
        hurt = octets[:at] + bytes([octets[at] ^ 0x20]) + octets[at + 1 :]
        assert name not in sights(hurt), at


def test_a_record_is_seen_behind_one_of_which_only_the_end_was_heard() -> None:
    (_, request) = FRAMES["mis-bankall"]
    assert sights(request[20:], request) == {"mis-bankall": 1}


def test_a_length_that_does_not_hold_makes_no_message() -> None:
    assert sights(CN_SETTLE[:-1]) == {}
    assert sights(bytes([0, CN_SETTLE[1] + 1]) + CN_SETTLE[2:]) == {}


def test_a_length_in_bcd_is_as_good() -> None:
    assert sights(bytes.fromhex("0062") + CN_SETTLE[2:]) == {"iso8583-cn": 1}


def test_a_receipt_is_lines_and_commands_whatever_a_picture_spells() -> None:
    assert sights(RECEIPT)["escpos"] >= 8
    picture = b"\x1dv0\x00\x10\x00\x08\x00" + b"\x1bX\x02\x03\xff\r\nOK\r\n\x1d" * 8 + bytes(128 - 8 * 12)
    assert set(sights(RECEIPT + picture + RECEIPT)) == {"escpos"}


def test_text_among_much_that_is_none_is_no_receipt() -> None:
    chance = random.Random(1)
    assert "escpos" not in sights(RECEIPT + chance.randbytes(4 * len(RECEIPT)))


@pytest.mark.parametrize("said", [URC, b"AT+CSQ\r\r\n+CSQ: 19,0\r\n\r\nOK\r\n"])
def test_a_modem_is_no_printer(said: bytes) -> None:
    verdict = heard_all([said] * 2).verdict(10.0)
    assert (verdict.finding, verdict.dialect) == (Finding.MODEM, None)


def test_a_bridge_is_known_by_one_frame_of_its_link_and_is_no_terminal() -> None:
    hello = b"\0" + Frame(m.STATUS, m.encode_status({})).encode(Mac(bytes(32)))
    verdict = heard_all([b"boot noise\r\n", hello]).verdict(10.0)
    assert (verdict.finding, verdict.dialect, verdict.setting) == (Finding.BRIDGE, None, Setting(115_200))
    assert bridge_blocks({"/dev/ttyACM0": verdict}) == [
        '[[bridge]]\nname = "bridge1"\nport = "/dev/ttyACM0"\nkey_file = "bridge1.key"'
    ]
    spoilt = hello[:-6] + bytes([hello[-6] ^ 1]) + hello[-5:]
    assert heard_all([spoilt] * 3).verdict(10.0).finding is not Finding.BRIDGE


def test_other_devices_lines_of_text_are_no_dialect() -> None:
    gps = b"$GPGGA,092750.000,5321.6802,N,00630.3372,W,1,8,1.03,61.7,M,55.2,M,,*76\r\n"
    hunt = heard_all([gps] * 20)
    assert hunt.verdict(30.0).finding is Finding.UNKNOWN


def test_frames_of_no_dialect_say_at_least_the_speed() -> None:
    verdict = heard_all([framed(b"\x1cPAX\x1c1.31\x1f")] * 5).verdict(10.0)
    assert (verdict.finding, verdict.setting) == (Finding.UNKNOWN, Setting(115_200))
    assert "no dialect" in headline(verdict)


def test_every_row_has_a_need_and_the_modem_is_no_terminal() -> None:
    assert all(row.need for row in [*ROWS.values(), *OTHERS.values()])
    assert not set(ROWS) & set(OTHERS)


@given(octets=st.binary(max_size=2000))
def test_any_octets_are_borne(octets: bytes) -> None:
    hearing = Hearing(Setting(9600))
    hearing.receive(octets, Errors(1, 1))
    hearing.end_burst(0.0)
    assert len(hearing.fresh) == 0


def test_memory_is_bounded() -> None:
    hearing = Hearing(Setting(9600))
    for _ in range(20):
        hearing.receive(b"\x02" * 4096, None)
    assert len(hearing.fresh) <= MOST_PENDING


@given(pieces=st.lists(st.tuples(st.binary(max_size=60), st.floats(0, 3)), max_size=40))
def test_a_hunt_bears_anything_and_its_deadlines_lie_ahead(pieces: list[tuple[bytes, float]]) -> None:
    hunt, now = Hunt(0.0), 0.0
    for octets, pause in pieces:
        now += pause
        hunt.receive(octets, now, Errors(len(octets) // 2))
        deadline = hunt.next_deadline()
        if deadline is not None:
            now = max(now, deadline)
            hunt.tick(now)
            after = hunt.next_deadline()
            assert after is None or after > deadline
    hunt.verdict(now)


@given(octets=st.lists(st.binary(min_size=1, max_size=80), min_size=1, max_size=30))
def test_random_octets_are_never_a_dialect(octets: list[bytes]) -> None:
    assert heard_all(octets).verdict(100.0).finding not in (Finding.TERMINAL, Finding.MODEM)


def heard_all(bursts: Iterable[bytes], *, speed: int = 115_200, counted: bool = True) -> Hunt:
    """A hunt on a port whose line has ``speed``, one burst a second."""
    hunt, now = Hunt(0.0), 0.0
    for burst in bursts:
        now += 1.0
        hunt.tick(now)
        setting = hunt.setting
        heard = garbled(
            burst, (speed, Format()), (setting.baudrate, Format(setting.bytesize, setting.parity))
        )
        errors = Errors(
            sum(each.framing or each.break_ for each in heard), sum(each.parity for each in heard)
        )
        hunt.receive(bytes(each.octet for each in heard), now, errors if counted else None)
    return hunt


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("speed", SPEEDS)
def test_two_bursts_lead_to_any_speed_and_a_third_is_understood(speed: int, counted: bool) -> None:
    hunt = heard_all([TRANSBANK * 2] * 3, speed=speed, counted=counted)
    assert hunt.setting.baudrate == speed
    hunt.tick(10.0)
    verdict = hunt.verdict(10.0)
    assert (verdict.dialect, verdict.setting) == ("transbank", Setting(speed))


def scores_of(octets: Iterable[int], heard_at: int, framing: int | None) -> dict[int, float]:
    ear = Ear()
    ear.hear(heard_at, bytes(octets), framing)
    return ear.scores()


def told(scores: dict[int, float]) -> int:
    """The likeliest speed, the fastest of those that are alike."""
    return max(SPEEDS, key=lambda speed: (scores[speed], speed))


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("heard_at", SPEEDS)
@pytest.mark.parametrize("speed", SPEEDS)
def test_a_slower_line_tells_its_speed_and_a_faster_one_none_that_is_wrong(
    speed: int, heard_at: int, counted: bool
) -> None:
    line = bytes(random.Random(speed).randbytes(60))
    heard = garbled(line, (speed, Format()), (heard_at, Format()))[:64]
    framing = sum(each.framing or each.break_ for each in heard) if counted else None
    scores = scores_of([each.octet for each in heard], heard_at, framing)
    if speed >= heard_at:
        assert max(scores[each] for each in SPEEDS if each >= heard_at) > -4.0
    elif heard_at / speed < 10:
        assert told(scores) == speed
    else:
        assert speed <= told(scores) <= heard_at / 10


def test_zeros_of_a_picture_are_no_slow_line_where_every_stop_bit_was_there() -> None:
    assert told(scores_of(bytes(64), 9600, 0)) >= 9600
    assert told(scores_of(bytes(64), 115_200, 64)) == 9600


def test_what_was_heard_at_two_speeds_is_weighed_together() -> None:
    """At a tenth of the speed and less all lines sound alike; the next speed tells them apart."""
    ear = Ear()
    line = bytes(random.Random(7).randbytes(40))
    for heard_at in (115_200, 9600):
        heard = garbled(line, (2400, Format(8, "E")), (heard_at, Format()))
        ear.hear(heard_at, bytes(each.octet for each in heard), None)
    scores = ear.scores()
    assert [speed for speed in SPEEDS if scores[speed] > -5.0] == [2400]


def test_a_line_that_never_rests_is_understood_too() -> None:
    hunt, now = Hunt(0.0), 0.0
    for _ in range(400):
        now += 0.02
        hunt.receive(TRANSBANK, now)
    assert hunt.verdict(now).dialect == "transbank"
    assert hunt.setting == Setting(115_200, 8, "M"), "it goes on to the stop bits"


def test_one_frame_is_not_sure() -> None:
    verdict = heard_all([HYPERCOM_ASK]).verdict(2.0)
    assert (verdict.finding, verdict.dialects) == (Finding.UNSURE, ("hypercom",))
    assert headline(verdict).startswith("not sure: hypercom at 115200 8N1")


def test_two_dialects_on_one_line_are_not_sure() -> None:
    hunt = Hunt(0.0)
    hunt.receive((TELIUM_ANSWER + TRANSBANK) * 3, 1.0)
    verdict = hunt.verdict(2.0)
    assert verdict.finding is Finding.UNSURE
    assert set(verdict.dialects) == {"telium", "transbank"}
    assert " or " in headline(verdict)


def test_silence_is_a_verdict_that_says_what_to_do() -> None:
    hunt = Hunt(0.0)
    verdict = hunt.verdict(60.0)
    assert verdict.finding is Finding.SILENT
    assert "--ask-modem" in " ".join(remarks(verdict))


def test_a_port_that_cannot_do_a_format_is_not_asked_again() -> None:
    hunt, refused = Hunt(0.0), set()
    for number in range(200):
        now = float(number + 1)
        hunt.receive(random.Random(number).randbytes(120), now)
        if hunt.setting.parity != "N" or hunt.setting.bytesize != 8:
            assert hunt.setting not in refused
            refused.add(hunt.setting)
            hunt.refuse(now)
    assert refused


def test_the_evidence_says_how_many_frames_at_which_settings_and_in_how_long() -> None:
    verdict = Verdict(
        Finding.TERMINAL, ("zvt",), Setting(9600, stopbits=2), kinds={"frames with a correct CRC": 4}, seconds=32.2, told=1
    )  # fmt: skip
    assert evidence(verdict) == (
        "4 frames with a correct CRC at 9600 8N2 in 32 s; the dialect understood 1 transaction"
    )


def verdict_of(line: Line, times: Iterable[float], dialect: str = "hypercom") -> Verdict:
    turns = tuple((at, line) for at in times)
    return Verdict(Finding.TERMINAL, (dialect,), Setting(9600), speakers={line: len(turns)}, turns=turns)


def test_two_ports_that_answer_each_other_are_one_source() -> None:
    verdicts = {
        "/dev/a": verdict_of(Line.TILL, [1, 11, 21]),
        "/dev/b": verdict_of(Line.TERMINAL, [4, 14, 24]),
    }
    assert find_pairs(verdicts) == [Pair("/dev/b", "/dev/a", heard=True)]
    (block,) = source_blocks(verdicts)
    assert block.splitlines() == [
        "[[source]]",
        'name = "hypercom"',
        'dialect = "hypercom"',
        'port_terminal = "/dev/b"',
        'port_till = "/dev/a"',
        "baudrate = 9600",
    ]


def test_of_two_terminals_each_gets_its_own_till() -> None:
    verdicts = {
        "a": verdict_of(Line.TILL, [1, 30, 60]),
        "b": verdict_of(Line.TERMINAL, [2, 31, 61]),
        "c": verdict_of(Line.TILL, [10, 40, 41, 42]),
        "d": verdict_of(Line.TERMINAL, [12, 43]),
    }
    assert set(find_pairs(verdicts)) == {Pair("b", "a", heard=True), Pair("d", "c", heard=True)}


def test_lines_of_which_nothing_shows_that_they_belong_together_are_two_sources() -> None:
    verdicts = {
        "a": verdict_of(Line.TILL, [1]),
        "b": verdict_of(Line.TERMINAL, [300]),
        "c": verdict_of(Line.TERMINAL, [301]),
    }
    assert find_pairs(verdicts) == []
    names = [block.splitlines()[1] for block in source_blocks(verdicts)]
    assert names == ['name = "hypercom"', 'name = "hypercom-2"', 'name = "hypercom-3"']


def test_two_terminals_of_different_dialects_are_no_pair() -> None:
    verdicts = {"a": verdict_of(Line.TILL, [1, 5]), "b": verdict_of(Line.TERMINAL, [2, 6], "telium")}
    assert find_pairs(verdicts) == []


@pytest.mark.parametrize("family", families())
def test_simulated_lines_are_named_within_a_minute_and_never_wrongly(family: str) -> None:
    outcomes = [outcome for seed in range(TRIALS) for outcome in run(draw(family, seed))]
    assert [outcome for outcome in outcomes if outcome.word == "wrong"] == []
    named = sum(outcome.word == "named" for outcome in outcomes)
    assert named >= 0.75 * len(outcomes)
