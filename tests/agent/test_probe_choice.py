"""Where the probe listens next: speeds by all that was heard, formats by what was heard in vain, and none for good."""

import random

import pytest

from tillbell_agent.pos.dialect import Line
from tillbell_agent.probe.choice import Choice
from tillbell_agent.probe.hearing import Hearing
from tillbell_agent.probe.hunt import Hunt
from tillbell_agent.probe.judging import judge
from tillbell_agent.probe.setting import SPEEDS, Errors, Setting
from tillbell_agent.probe.speed import Ear
from tillbell_agent.probe.verdict import Finding
from tillbell_agent.sim.probing import Outcome, draw, run, whole_frames
from tillbell_agent.sim.uart import Format, garbled

PLAIN, EVEN, SEVEN = Setting(19_200), Setting(19_200, 8, "E"), Setting(19_200, 7)
# Lines that once stayed open: a wrong half of the speed, formats tried too late, damaged frames, few octets.
ONCE_OPEN = [
    ("escpos", 188), ("ecr17", 9), ("ecr17", 131), ("mis-bankall", 50), ("mis-bankall", 164), ("hypercom", 30),
    ("hypercom", 105), ("hypercom", 136), ("r200", 32), ("r200", 162), ("iso8583", 1), ("iso8583", 62),
    ("iso8583-cn", 147), ("telium", 110), ("telium", 187), ("transbank", 89), ("transbank", 98), ("zvt", 75),
    ("zvt", 103),
]  # fmt: skip


def choice_at_19200(hearings: dict[Setting, Hearing] | None = None) -> Choice:
    """Text was heard at three speeds, of a line that has the slowest of them."""
    choice = Choice({} if hearings is None else hearings)
    text = bytes(random.Random(3).choices(b"0123456789 ABCDEF|", k=60))
    for heard_at in (115_200, 38_400, 19_200):
        heard = garbled(text, (19_200, Format()), (heard_at, Format()))
        choice.ear.hear(heard_at, bytes(each.octet for each in heard), None)
    return choice


def test_what_was_heard_in_vain_is_left_for_another_format_and_comes_again() -> None:
    choice, setting, tried = choice_at_19200(), PLAIN, []
    for _ in range(5):
        tried.append(setting)
        choice.heard_in_vain(setting, 40, clean=False)
        setting = choice.best(setting)
    assert tried == [PLAIN, EVEN, SEVEN, PLAIN, EVEN]


def test_other_speeds_are_tried_where_one_is_in_vain_for_long_whatever_the_ear_says() -> None:
    choice, setting, tried = choice_at_19200(), PLAIN, set()
    for _ in range(40):
        choice.heard_in_vain(setting, 40, clean=False)
        setting = choice.best(setting)
        tried.add(setting.baudrate)
    assert tried == set(SPEEDS)


def test_a_burst_without_an_error_is_hardly_in_vain() -> None:
    choice = choice_at_19200()
    choice.heard_in_vain(PLAIN, 40, clean=True)
    assert choice.best(PLAIN) == PLAIN


def test_few_octets_in_vain_say_little() -> None:
    choice = choice_at_19200()
    choice.heard_in_vain(PLAIN, 1, clean=False)
    assert choice.best(PLAIN) == PLAIN


def test_a_refused_setting_is_no_choice() -> None:
    choice = choice_at_19200()
    choice.refuse(PLAIN)
    assert choice.best(PLAIN) == EVEN


def test_highest_bits_that_are_stop_bits_lead_to_seven_bits() -> None:
    plain = Hearing(PLAIN)
    plain.receive(bytes(octet | 0x80 for octet in b"0123456789 and noise") + b"noise", None)
    choice = choice_at_19200({PLAIN: plain})
    choice.heard_in_vain(PLAIN, 25, clean=False)
    assert choice.best(PLAIN) == SEVEN


def test_stop_bits_that_were_all_there_keep_eight_bits() -> None:
    plain = Hearing(PLAIN)
    plain.receive(bytes(range(48, 108)), Errors())
    choice = choice_at_19200({PLAIN: plain})
    for _ in range(5):
        choice.heard_in_vain(PLAIN, 30, clean=True)
    assert choice.best(PLAIN) == PLAIN


def test_zeros_do_not_halve_a_speed() -> None:
    """A zero of ASCII has runs of even length, so it sounds like half of the speed; the other characters tell."""
    ear = Ear()
    heard = garbled(b"\x02C2000000000000100000\x03", (2400, Format()), (9600, Format()))
    ear.hear(9600, bytes(each.octet for each in heard), None)
    scores = ear.scores()
    assert max(SPEEDS, key=lambda speed: scores[speed]) == 2400
    assert scores[1200] < -6.0


def test_glitches_on_a_slow_line_make_it_no_faster() -> None:
    ear = Ear()
    ear.hear(115_200, bytes(30) + b"\xfe\xff" + bytes(10), 40)
    assert max(ear.scores(), key=lambda speed: (ear.scores()[speed], speed)) == 9600


RECORD = (
    b"510102621226******1232    000012000000001880" + b"\xd3\xe0\xb6\xee" + b" " * 36
    + b"898310148160001123456780000030603142233142233000012      0603527"
)  # fmt: skip


def test_what_the_dialect_objects_to_does_not_spoil_what_it_understands_in_another_format() -> None:
    bad, good = Hearing(EVEN), Hearing(PLAIN)
    for hearing in (bad, good):
        for number in range(3):
            hearing.receive(RECORD, None)
            hearing.end_burst(float(number))
    bad.opinions["mis-bankall"].skipped, bad.opinions["mis-bankall"].told = (
        bad.opinions["mis-bankall"].heard,
        0,
    )
    assert bad.objects("mis-bankall")
    assert not bad.recognises
    assert judge([bad], EVEN).finding is Finding.UNSURE
    verdict = judge([bad, good], PLAIN)
    assert (verdict.finding, verdict.dialect) == (Finding.TERMINAL, "mis-bankall")


def heard_by(hunt: Hunt, frames: list[bytes], form: Format, *, counted: bool) -> None:
    """Bursts, one a second, at the hunt's own speed."""
    for number, octets in enumerate(frames):
        now, setting = number + 1.0, hunt.setting
        hunt.tick(now)
        heard = garbled(
            octets, (setting.baudrate, form), (setting.baudrate, Format(setting.bytesize, setting.parity))
        )
        errors = Errors(sum(each.framing for each in heard), sum(each.parity for each in heard))
        hunt.receive(bytes(each.octet for each in heard), now, errors if counted else None)


@pytest.mark.parametrize("counted", [True, False])
def test_eight_bits_that_were_first_understood_as_seven_are_eight(counted: bool) -> None:
    """A receiver that waits after a missing stop bit hears ASCII rightly, whatever the eighth bit."""
    frame = b"\x02" + b"0210|00|597029414300|75001146" + b"\x03"
    check = 0
    for octet in frame[1:]:
        check ^= octet
    whole = frame + bytes([check])
    hunt = Hunt(0.0)
    hunt.setting = Setting(115_200, 7)
    hunt._hearings[hunt.setting] = Hearing(hunt.setting)
    heard_by(hunt, [whole] * 12, Format(8, "N", 2), counted=counted)
    hunt.tick(30.0)
    verdict = hunt.verdict(30.0)
    assert (verdict.dialect, verdict.setting and verdict.setting.bytesize) == ("transbank", 8)


def test_short_frames_of_seven_bits_and_parity_are_never_eight_bits() -> None:
    """Seven octets a frame are enough to see the parity in the end."""
    outcomes = run(draw("transbank", 80))
    settings = {outcome.verdict.setting for outcome in outcomes}
    assert settings == {Setting(19_200, 7, "E")}


@pytest.mark.parametrize(("family", "seed"), ONCE_OPEN)
def test_lines_that_once_stayed_open_are_named(family: str, seed: int) -> None:
    assert {outcome.word for outcome in run(draw(family, seed))} == {"named"}


def test_the_wire_itself_says_how_many_frames_a_minute_held() -> None:
    trial = draw("hypercom", 30)
    frames = whole_frames(trial, Line.TILL)
    assert 8 <= frames <= 12, "a till of 2400 bit/s asks every five seconds"
    verdict = run(trial)[0].verdict
    assert not Outcome(trial, Line.TILL, verdict, "open", frames).said_too_little
    assert Outcome(trial, Line.TILL, verdict, "open", 1).said_too_little
    assert not Outcome(trial, Line.TILL, verdict, "named").said_too_little
