"""Waits for a bridge that was just started: its HELLO under our key first, then its console's self-test. Sans-IO."""

from collections.abc import Callable
from dataclasses import dataclass

from tillbell_agent.bridge.events import Connected
from tillbell_agent.bridge.session import BridgeSession
from tillbell_agent.flash.console import AnswerReader, command

SELFTEST_AGAIN_S, SELFTEST_S = 2.0, 8.0
# A bridge that starts says HELLO by itself. Until its program runs, an octet of a question to it could be a Ctrl-C.
SILENT_S = 5.0


@dataclass(frozen=True, slots=True)
class Proof:
    """What the bridge showed. ``selftest``: None where it gave no answer."""

    hello: Connected
    selftest: dict[str, str] | None


class Greeting:
    """Nothing that the bridge holds is called durable, so that it says everything to its agent again."""

    def __init__(self, key: bytes, now: float, nonce: Callable[[], bytes]) -> None:
        self._session = BridgeSession(key, now, durable={}, nonce=nonce)
        self._answers = AnswerReader()
        self._hello: Connected | None = None
        self._selftest: dict[str, str] | None = None
        self._ask_at, self._give_up_at = now, now
        self._silent_until = now + SILENT_S
        self._out = b""

    @property
    def hello(self) -> Connected | None:
        return self._hello

    @property
    def bad_frames(self) -> int:
        """Frames that were heard and not under our key, among others."""
        return self._session.bad_frames

    def receive_data(self, data: bytes, now: float) -> None:
        for event in self._session.receive_data(data, now):
            if isinstance(event, Connected) and self._hello is None:
                self._hello = event
                self._ask_at, self._give_up_at = now, now + SELFTEST_S
        if self._hello is not None and self._selftest is None:
            self._selftest = self._answers.feed(data)

    def tick(self, now: float) -> None:
        if self._hello is not None or now >= self._silent_until:
            self._session.tick(now)
        if self._hello is not None and self._selftest is None and self._ask_at <= now < self._give_up_at:
            self._ask_at = now + SELFTEST_AGAIN_S
            self._out += command("selftest")

    def next_deadline(self) -> float:
        if self._hello is None:
            return max(self._session.next_deadline(), self._silent_until)
        return min(self._session.next_deadline(), self._ask_at, self._give_up_at)

    def bytes_to_send(self) -> bytes:
        """Octets to write now; each is given once."""
        out, self._out = self._session.bytes_to_send() + self._out, b""
        return out

    def proof(self, now: float) -> Proof | None:
        """As soon as all is there that is to come."""
        if self._hello is None or (self._selftest is None and now < self._give_up_at):
            return None
        return Proof(self._hello, self._selftest)
