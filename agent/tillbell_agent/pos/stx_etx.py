"""``STX payload ETX LRC``: the frame of several terminals' protocols. The LRC covers payload and ETX, not STX.

Octets of both ends become payloads whose LRC holds, and the single octets between frames (ENQ, ACK, NAK, EOT). A payload
holds no STX and no ETX, so a frame begins with the last STX before an ETX: what a cut frame left behind hides no good one.
"""

from abc import ABC, abstractmethod
from typing import Final

from tillbell_agent.pos.checks import lrc
from tillbell_agent.pos.dialect import Desynced, DialectEvent, Line
from tillbell_agent.pos.repeats import Repeats

STX, ETX = 2, 3
EOT, ENQ, ACK, NAK = b"\x04", b"\x05", b"\x06", b"\x15"
_HANDSHAKE: Final = EOT + ENQ + ACK + NAK
_NO_HANDSHAKE: Final = bytes(set(range(256)) - set(_HANDSHAKE))
_SHORTEST = 2  # a payload of one octet could be taken for a handshake


class Framer:
    """One end's octets. ``skipped`` counts those that belong to no frame; ``held`` is a frame that is not complete."""

    def __init__(self, max_octets: int) -> None:
        """``max_octets``: of the longest payload; ``held`` never has more than that, STX and ETX."""
        self._max = max_octets + 1  # with STX
        self._searched = 0  # octets of ``held`` in which no ETX stands
        self.held = bytearray()
        self.skipped = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Payloads and handshakes in their order; what has one octet is a handshake."""
        self.held += data
        heard: list[bytes] = []
        while (etx := self.held.find(ETX, self._searched)) >= 0:
            stx = self.held.rfind(STX, 0, etx)
            if stx < 0:
                heard += self._between(etx + 1)
                continue
            heard += self._between(stx)
            if etx - stx > self._max:
                self.skipped += self._take(etx - stx + 1)
            elif etx - stx + 1 == len(self.held):
                self._searched = etx - stx  # its LRC is still to come
                return heard
            else:
                heard += self._frame(etx - stx)
        return heard + self._keep_the_last_beginning()

    def abandon(self) -> None:
        """The frame that was begun is not continued."""
        self._between(len(self.held))

    def _frame(self, etx: int) -> list[bytes]:
        """The frame at the front, whose ETX is at ``etx``; of a damaged one nothing, not even what looks like a handshake."""
        payload, check = bytes(self.held[1:etx]), self.held[etx + 1]
        if len(payload) >= _SHORTEST and lrc(payload, ETX) == check:
            self._take(etx + 2)
            return [payload]
        self.skipped += self._take(etx + (1 if check == STX else 2))  # a lost LRC may be the next frame's STX
        return []

    def _between(self, octets: int) -> list[bytes]:
        """Take ``octets`` from the front that are no frame: the handshakes among them count, the rest is skipped."""
        handshakes = self.held[:octets].translate(None, _NO_HANDSHAKE)
        self.skipped += self._take(octets) - len(handshakes)
        return [bytes((octet,)) for octet in handshakes]

    def _take(self, octets: int) -> int:
        del self.held[:octets]
        self._searched = 0
        return octets

    def _keep_the_last_beginning(self) -> list[bytes]:
        stx = self.held.rfind(STX)
        begun = stx >= 0 and len(self.held) - stx <= self._max
        heard = self._between(stx if begun else len(self.held))
        self._searched = len(self.held)
        return heard


class BothEnds:
    """A framer for each end, and the silence that ends what was begun: a terminal never pauses within a frame."""

    def __init__(self, max_octets: int, idle_s: float) -> None:
        self._framers = {line: Framer(max_octets) for line in Line}
        self._idle_s = idle_s
        self._last_heard = 0.0

    def feed(self, data: bytes, now: float, line: Line) -> list[bytes]:
        self._last_heard = now
        return self._framers[line].feed(data)

    def next_deadline(self) -> float | None:
        waits = any(framer.held or framer.skipped for framer in self._framers.values())
        return self._last_heard + self._idle_s if waits else None

    def tick(self, now: float) -> list[DialectEvent]:
        deadline = self.next_deadline()
        return self.abandon() if deadline is not None and now >= deadline else []

    def abandon(self) -> list[DialectEvent]:
        """What was begun is given up, and what was skipped on either line is told."""
        for framer in self._framers.values():
            framer.abandon()
        skipped = sum(framer.skipped for framer in self._framers.values())
        for framer in self._framers.values():
            framer.skipped = 0
        return [Desynced(skipped, "octets outside of frames")] if skipped else []


class FramedDialect(ABC):
    """What dialects in this frame have in common: both ends, their silences, and the ACKs that tell a repetition."""

    def __init__(self, max_octets: int, idle_s: float, repeats_s: float) -> None:
        self._ends = BothEnds(max_octets, idle_s)
        self._repeats = Repeats(repeats_s)

    def receive_data(self, data: bytes, now: float, line: Line = Line.TERMINAL) -> list[DialectEvent]:
        events = self.tick(now)
        for heard in self._ends.feed(data, now, line):
            if len(heard) > 1:
                events += self._payload(heard.decode("latin-1"), now, line)
            elif heard == ACK:
                self._repeats.acknowledged(line)
        return events

    def next_deadline(self) -> float | None:
        return self._ends.next_deadline()

    def tick(self, now: float) -> list[DialectEvent]:
        return self._ends.tick(now)

    def close(self, now: float) -> list[DialectEvent]:  # noqa: ARG002
        self.unpair()
        self._repeats.forget()
        return self._ends.abandon()

    @abstractmethod
    def unpair(self) -> None:
        """See ``Dialect``."""

    @abstractmethod
    def _payload(self, payload: str, now: float, line: Line) -> list[DialectEvent]:
        """What one frame leads to."""
