"""What an installer hears of a bridge that it has started; the bridge's end is the firmware's own session."""

import sys
from pathlib import Path

from tillbell_agent.flash.console import command
from tillbell_agent.flash.hello import SELFTEST_AGAIN_S, SELFTEST_S, SILENT_S, Greeting

sys.path.insert(0, str(Path(__file__).parents[2] / "firmware_bridge"))
from tillbell_bridge.ring import Ring
from tillbell_bridge.session import DeviceSession, Who
from tillbell_bridge.store import Epochs, Store

KEY = bytes(range(32))
ANSWER = b"\x00\r\ntap1=ok\r\nflash=ok\r\nkey=ok\r\n.\r\n\x00"


class Bench:
    """A bridge that holds one chunk, and an installer with a key; ``asked``: how often it asked for the self-test."""

    def __init__(self, key: bytes = KEY, *, answers: bool = True) -> None:
        self.store = Store(Ring(bytearray(4096)), 5, 7, Epochs(None))
        self.store.add(0, 0, 1, b"a sale")
        who = Who("pico", "e661", "0.1.0", 1, 7)
        self.bridge = DeviceSession(key, who, self.store, lambda: bytes(16), dict)
        self.greeting = Greeting(KEY, 0.0, lambda: bytes(range(16)))
        self.answers, self.asked, self.said = answers, [], b""

    def run(self, start: float, end: float, *, bridge_runs: bool = True) -> None:
        for tick in range(round(start * 100), round(end * 100)):
            now = tick / 100
            self.greeting.tick(now)
            said = self.greeting.bytes_to_send()
            self.said += said
            if bridge_runs:
                self.bridge.tick(round(now * 1_000_000))
                self.bridge.receive(said, round(now * 1_000_000))
                heard = self.bridge.bytes_to_send()
                if command("selftest") in said:
                    self.asked.append(now)
                    heard += ANSWER if self.answers else b""
                self.greeting.receive_data(heard, now)


def test_the_hello_and_then_the_self_test_are_the_proof() -> None:
    bench = Bench()
    bench.run(0, 1)
    proof = bench.greeting.proof(1.0)
    assert proof is not None
    assert (proof.hello.board, proof.hello.unique_id, proof.hello.firmware) == ("pico", "e661", "0.1.0")
    assert proof.selftest == {"tap1": "ok", "flash": "ok", "key": "ok"}


def test_nothing_that_the_bridge_holds_is_taken_from_it() -> None:
    bench = Bench()
    bench.run(0, 5)
    assert bench.bridge.connected
    assert bench.store.held == 1


def test_nothing_is_said_to_a_board_that_starts_until_it_could_not_be_the_end_of_its_program() -> None:
    bench = Bench()
    bench.run(0, SILENT_S, bridge_runs=False)
    assert bench.said == b""
    bench.run(SILENT_S, SILENT_S + 0.1, bridge_runs=False)
    assert bench.said != b""
    assert bench.greeting.next_deadline() > SILENT_S


def test_a_bridge_with_another_key_is_heard_and_is_no_proof() -> None:
    bench = Bench(bytes(32))
    bench.run(0, 10)
    assert bench.greeting.hello is None
    assert bench.greeting.proof(10.0) is None
    assert bench.greeting.bad_frames > 0
    assert bench.asked == []


def test_a_bridge_without_an_answer_to_the_self_test_is_asked_again_and_then_told_so() -> None:
    bench = Bench(answers=False)
    bench.run(0, SELFTEST_S + 1)
    assert len(bench.asked) == SELFTEST_S / SELFTEST_AGAIN_S
    proof = bench.greeting.proof(SELFTEST_S + 1)
    assert proof is not None
    assert proof.selftest is None
