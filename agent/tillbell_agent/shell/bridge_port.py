"""A running bridge on its port, for an installer: its console's status, and its HELLO after a start."""

import os
import select
import time

from tillbell_agent.flash.console import AnswerReader, command
from tillbell_agent.flash.hello import Greeting, Proof
from tillbell_agent.shell.ports import LineSettings, PortError, TalkPort

_NONCE_OCTETS = 16
_OPEN_AGAIN_S = 0.3
_TURN_S = 0.5


def ask_status(path: str, baudrate: int, seconds: float = 1.5) -> dict[str, str] | None:
    """What ``status`` on the console answers; None: no bridge runs there. Raises PortError."""
    port = TalkPort(LineSettings(path, baudrate))
    try:
        answers, until = AnswerReader(), time.monotonic() + seconds
        left = command("status")
        while (now := time.monotonic()) < until:
            left = left[port.write(left) :]
            if select.select([port.fileno()], [], [], min(_TURN_S, until - now))[0]:
                found = answers.feed(port.read())
                if found is not None:
                    return found
        return None
    finally:
        port.close()


def wait_for_bridge(path: str, baudrate: int, key: bytes, seconds: float) -> tuple[Proof | None, int]:
    """What the bridge showed under ``key``; None: it said no HELLO within so long. And how many frames were not under it.

    Raises PortError where the port does not come back.
    """
    until = time.monotonic() + seconds
    while True:
        try:
            return _greet(path, baudrate, key, until)
        except PortError:
            if time.monotonic() >= until:
                raise
            time.sleep(_OPEN_AGAIN_S)  # a board that starts takes its port away, and brings it back


def _greet(path: str, baudrate: int, key: bytes, until: float) -> tuple[Proof | None, int]:
    port = TalkPort(LineSettings(path, baudrate))
    try:
        greeting = Greeting(key, time.monotonic(), lambda: os.urandom(_NONCE_OCTETS))
        left = b""
        while (now := time.monotonic()) < until or greeting.hello is not None:
            greeting.tick(now)
            left += greeting.bytes_to_send()
            left = left[port.write(left) :]
            due = max(0.0, min(_TURN_S, greeting.next_deadline() - now))
            if select.select([port.fileno()], [], [], due)[0]:
                greeting.receive_data(port.read(), time.monotonic())
            proof = greeting.proof(time.monotonic())
            if proof is not None:
                return proof, greeting.bad_frames
        return None, greeting.bad_frames
    finally:
        port.close()
