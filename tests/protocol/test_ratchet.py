"""The ratchet: sender and receiver agree on every key, and a sender's state leads to no key before it."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillbell_protocol import ratchet
from tillbell_protocol.ratchet import (
    COUNTERS,
    CounterPassedError,
    CountersExhaustedError,
    Ratchet,
    message_key,
)

ROOT = bytes(range(32))
COUNTER = st.one_of(
    st.integers(0, COUNTERS - 1),
    st.builds(lambda base, off: max(0, min(COUNTERS - 1, base + off)),
              st.sampled_from([0, 256, 512, 65536, 131072, COUNTERS]), st.integers(-3, 3)),
)  # fmt: skip


def by_definition(root, counter):
    """The four lines of the specification, written down without any cleverness."""

    def step(key, label):
        return hmac.new(key, label, "sha256").digest()

    era = root
    for _ in range(counter >> 16):
        era = step(era, b"era")
    epoch = step(era, b"epochs")
    for _ in range(counter >> 8 & 255):
        epoch = step(epoch, b"epoch")
    chain = step(epoch, b"chain")
    for _ in range(counter & 255):
        chain = step(chain, b"next")
    return step(chain, b"key")


@given(COUNTER)
def test_a_receivers_key_is_the_one_of_the_definition(counter):
    assert message_key(ROOT, counter) == by_definition(ROOT, counter)


@given(COUNTER, COUNTER)
def test_a_sender_that_jumps_twice_has_the_receivers_key(first, second):
    low, high = sorted((first, second))
    assert Ratchet.start(ROOT).jump(low).jump(high).message_key() == message_key(ROOT, high)


@pytest.mark.parametrize("start", [0, 250, 65530])
def test_advancing_one_by_one_over_a_boundary_gives_the_same_keys(start):
    state = Ratchet.start(ROOT).jump(start)
    for counter in range(start, start + 12):
        assert state.counter == counter
        assert state.message_key() == by_definition(ROOT, counter)
        state = state.advance()


def reachable(state):
    """Every value that somebody who takes the state can compute: all later A, B and C (only the near ones here)."""
    values, current = set(), state
    for _ in range(600):
        values |= {current.chain, current.next_epoch, current.next_era, current.message_key()}
        current = current.advance()
    return values


def test_a_senders_state_leads_to_no_earlier_key_or_chain_value():
    earlier, state = set(), Ratchet.start(ROOT)
    while state.counter < 700:
        earlier |= {state.message_key(), state.chain}
        state = state.advance()
    assert not earlier & reachable(state)


def test_the_last_counter_has_a_key_and_nothing_follows_it():
    last = Ratchet.start(ROOT).jump(COUNTERS - 1)
    assert last.message_key() == by_definition(ROOT, COUNTERS - 1)
    exhausted = last.advance()
    assert exhausted == Ratchet(COUNTERS, b"", b"", b"")
    for forbidden in (exhausted.message_key, exhausted.advance, lambda: message_key(ROOT, COUNTERS)):
        with pytest.raises(CountersExhaustedError):
            forbidden()


def test_a_ratchet_does_not_go_back():
    with pytest.raises(CounterPassedError):
        Ratchet.start(ROOT).jump(300).jump(299)


def test_no_counter_is_further_than_768_hmacs(monkeypatch):
    calls = 0
    real = ratchet.hmac_sha256

    def counted(*arguments):
        nonlocal calls
        calls += 1
        return real(*arguments)

    monkeypatch.setattr(ratchet, "hmac_sha256", counted)
    message_key(ROOT, COUNTERS - 1)
    assert calls == 768


def test_a_printed_ratchet_shows_no_secret():
    assert repr(Ratchet.start(ROOT)) == "Ratchet(counter=0, …)"
