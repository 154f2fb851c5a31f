"""The simulated wire at the level of bits: what a receiver hears that is set as the sender is, and what one that is not."""

import random

import pytest

from tillbell_agent.sim.uart import Format, Heard, Noise, Receiver, Wire, garbled

PLAIN = Format()
EVERY_OCTET = bytes(range(256))
FORMATS = [Format(bits, parity, stop) for bits in (7, 8) for parity in "NEOMS" for stop in (1, 1.5, 2)]


def octets(heard: list[Heard]) -> bytes:
    return bytes(each.octet for each in heard)


@pytest.mark.parametrize("speed", [1200, 9600, 115_200])
@pytest.mark.parametrize("form", FORMATS, ids=str)
def test_a_receiver_with_the_senders_settings_hears_every_octet(form: Format, speed: int) -> None:
    heard = garbled(EVERY_OCTET, (speed, form), (speed, form))
    assert octets(heard) == bytes(octet & (1 << form.bits) - 1 for octet in EVERY_OCTET)
    assert not any(each.framing or each.parity or each.break_ for each in heard)


@pytest.mark.parametrize("tolerance", [0.97, 0.985, 1.015, 1.03])
def test_clocks_may_differ_by_three_in_a_hundred(tolerance: float) -> None:
    wire = Wire()
    wire.speak(EVERY_OCTET, 0.01, 9600, PLAIN)
    assert octets(Receiver(wire, 9600, PLAIN, tolerance=tolerance).hear(1.0)) == EVERY_OCTET


def test_clocks_that_differ_by_a_tenth_do_not_understand_each_other() -> None:
    wire = Wire()
    wire.speak(EVERY_OCTET, 0.01, 9600, PLAIN)
    assert octets(Receiver(wire, 9600, PLAIN, tolerance=1.1).hear(1.0)) != EVERY_OCTET


def test_a_line_of_a_tenth_of_the_speed_is_heard_as_breaks() -> None:
    heard = garbled(b"TOTAL 12.34\n", (9600, PLAIN), (115_200, PLAIN))
    assert set(octets(heard)) == {0}
    assert all(each.break_ for each in heard)


def test_a_line_of_half_the_speed_comes_in_pairs_of_bits() -> None:
    """0x55 is a start bit and alternating bits: each fills two of the receiver's, which sees 0x66."""
    heard = garbled(b"\x55", (9600, PLAIN), (19_200, PLAIN))
    assert heard[0].octet == 0b01100110
    assert heard[0].framing


def test_a_line_of_twice_the_speed_loses_octets_and_stop_bits() -> None:
    heard = garbled(EVERY_OCTET, (19_200, PLAIN), (9600, PLAIN))
    assert 0 < len(heard) < 256
    assert any(each.framing for each in heard)


def test_even_parity_of_seven_bits_is_the_eighth_bit_of_a_receiver_without_parity() -> None:
    heard = octets(garbled(b"TOTAL 12.34", (9600, Format(7, "E")), (9600, PLAIN)))
    assert all(octet.bit_count() % 2 == 0 for octet in heard)
    assert bytes(octet & 0x7F for octet in heard) == b"TOTAL 12.34"


@pytest.mark.parametrize(("parity", "odd"), [("E", 0), ("O", 1)])
def test_a_parity_that_is_not_looked_for_is_a_missing_stop_bit_where_it_is_0(parity: str, odd: int) -> None:
    heard = garbled(EVERY_OCTET[1:], (9600, Format(8, parity)), (9600, PLAIN))
    assert octets(heard) == EVERY_OCTET[1:]
    assert all(each.framing == (each.octet.bit_count() % 2 == odd) for each in heard)


def test_the_wrong_parity_is_told_with_every_octet() -> None:
    heard = garbled(EVERY_OCTET, (9600, Format(8, "E")), (9600, Format(8, "O")))
    assert octets(heard) == EVERY_OCTET
    assert all(each.parity for each in heard)


def test_characters_with_two_stop_bits_are_heard_by_a_receiver_of_one_more_bit_and_others_not() -> None:
    longer = Format(8, "M")
    two = garbled(EVERY_OCTET, (9600, Format(8, "N", 2)), (9600, longer))
    assert octets(two) == EVERY_OCTET
    assert not any(each.framing or each.parity for each in two)
    one = garbled(EVERY_OCTET, (9600, PLAIN), (9600, longer))
    assert octets(one) != EVERY_OCTET
    assert sum(each.framing for each in one) > len(one) / 10


def test_a_receiver_that_takes_a_missing_stop_bit_for_the_next_start_is_soon_lost() -> None:
    wire = Wire()
    wire.speak(EVERY_OCTET, 0.01, 9600, Format(8, "E"))
    assert octets(Receiver(wire, 9600, PLAIN, at_once=True).hear(1.0)) != EVERY_OCTET


def test_pieces_of_time_give_the_same_as_the_whole() -> None:
    wire = Wire(Noise(flips=0.01, glitches=100), seed=3)
    wire.speak(EVERY_OCTET * 4, 0.01, 9600, PLAIN)
    wire.glitch_until(2.0)
    whole = Receiver(wire, 19_200, PLAIN).hear(2.0)
    receiver, pieces, now = Receiver(wire, 19_200, PLAIN), [], 0.0
    chance = random.Random(1)
    while now < 2.0:
        now = min(2.0, now + chance.uniform(0.0001, 0.05))
        pieces += receiver.hear(now)
    assert pieces == whole


def test_a_glitch_shorter_than_half_a_bit_starts_no_character() -> None:
    wire = Wire(Noise(glitches=50, longest_glitch_s=0.000_04), seed=1)  # half a bit is 52 µs
    wire.glitch_until(1.0)
    assert Receiver(wire, 9600, PLAIN).hear(1.0) == []
    assert Receiver(wire, 115_200, PLAIN).hear(1.0) != []


def test_a_held_line_is_one_break() -> None:
    wire = Wire()
    wire.speak(b"\0", 0.01, 300, PLAIN)  # nine bits of 3.3 ms: 288 of a receiver's
    heard = Receiver(wire, 9600, PLAIN).hear(1.0)
    assert [each.break_ for each in heard] == [True]


def test_noise_repeats_with_its_seed_and_spoils_about_as_many_bits_as_it_says() -> None:
    def wrong(seed: int) -> int:
        wire = Wire(Noise(flips=0.001), seed)
        wire.speak(b"U" * 1000, 0.01, 9600, PLAIN, gap_bits=12)
        return sum(each.octet != 0x55 for each in Receiver(wire, 9600, PLAIN).hear(3.0))

    assert wrong(1) == wrong(1)
    assert 2 <= wrong(1) <= 30


def test_what_is_spoken_waits_for_the_line() -> None:
    wire = Wire()
    first = wire.speak(b"abc", 0.01, 1200, PLAIN)
    assert wire.speak(b"d", 0.0, 1200, PLAIN) == pytest.approx(first + 10 / 1200)
    assert octets(Receiver(wire, 1200, PLAIN).hear(1.0)) == b"abcd"
