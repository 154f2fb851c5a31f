"""The simulated serial line: wrong speeds give noise, autobauding needs several "AT", and a throttle takes its time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillbell_agent.sim.modem_wire import Wire


def at_modem(wire: Wire, data: bytes, speed: int, now: float = 0.0) -> bytes:
    wire.from_computer(data, speed, now)
    return wire.to_modem(now)


@given(st.binary(max_size=200), st.sampled_from([0, 9600, 115200]))
def test_a_modem_of_any_speed_gets_what_was_written(data: bytes, speed: int) -> None:
    wire = Wire()
    assert at_modem(wire, data, speed) == data
    wire.from_modem(data, 0.0)
    assert wire.to_computer(0.0) == data


def test_at_the_wrong_speed_both_sides_hear_noise_and_at_the_right_one_words() -> None:
    wire = Wire(9600)
    said = at_modem(wire, b"AT\r" * 10, 115200)
    assert said
    assert b"AT" not in said
    wire.from_modem(b"\r\nRING\r\n", 0.0)
    heard = wire.to_computer(0.0)
    assert heard
    assert not set(heard) & set(b"RING\r\n")
    assert at_modem(wire, b"AT\r", 9600) == b"AT\r"
    wire.from_modem(b"\r\nOK\r\n", 0.0)
    assert wire.to_computer(0.0) == b"\r\nOK\r\n"


def test_autobauding_loses_the_first_ones_finds_the_speed_and_forgets_it_without_power() -> None:
    wire = Wire(autobaud=True)
    assert [at_modem(wire, b"AT\r", 57600) for _ in range(4)] == [b"", b"", b"AT\r", b"AT\r"]
    assert wire.speed == 57600
    wire.from_modem(b"\r\nOK\r\n", 0.0)
    assert wire.to_computer(0.0) == b"\r\nOK\r\n"
    wire.restart()
    wire.from_modem(b"\r\nRDY\r\n", 0.0)
    assert wire.to_computer(0.0) == b""
    assert at_modem(wire, b"AT\r", 9600) == b""


def test_autobauding_goes_on_behind_the_at_that_told_it_the_speed() -> None:
    wire = Wire(autobaud=True, autobaud_misses=0)
    assert at_modem(wire, b"ATI\rnoise\rAT\rAT+CSQ\r", 9600) == b"AT\rAT+CSQ\r"


@pytest.mark.parametrize(("speed", "octets", "seconds"), [(9600, 96, 0.1), (115200, 1152, 0.1)])
def test_a_throttled_line_carries_what_its_speed_allows(speed: int, octets: int, seconds: float) -> None:
    wire = Wire(speed, throttle=True)
    wire.from_modem(b"x" * octets, 5.0)
    assert len(wire.to_computer(5.0 + seconds / 2)) == octets // 2
    deadline = wire.next_deadline()
    assert deadline is not None
    assert 5.0 + seconds / 2 < deadline < 5.0 + seconds / 2 + 0.002
    assert len(wire.to_computer(5.0 + seconds + 1e-6)) == octets // 2
    assert wire.next_deadline() is None


def test_octets_on_a_throttled_line_never_overtake_each_other() -> None:
    wire = Wire(9600, throttle=True)
    wire.from_computer(b"abc", 9600, 0.0)
    wire.from_computer(b"def", 9600, 0.001)
    assert wire.to_modem(1.0) == b"abcdef"
