"""The agent's end of the link (SPEC, section 9): answers HELLO, takes chunks once and in order, says what is durable.

Sans-IO. Time is the caller's monotonic seconds. Any octets give events; what is no genuine frame is counted.
"""

from collections.abc import Callable, Mapping

from tillbell_agent.bridge.events import (
    BridgeEvent,
    Chunk,
    ChunksLost,
    Connected,
    Counters,
    Disconnected,
    EpochsTold,
)
from tillbell_agent.pos.dialect import Line
from tillbell_protocol.link import messages as m
from tillbell_protocol.link.frame import SESSION, Frame, FrameError, FrameReader, split
from tillbell_protocol.link.mac import Mac, session_key

ASK_AGAIN_S = 1.0  # for a HELLO
# Acknowledgements that come at once are one: a burst of chunks is answered a few times, not for each.
ACK_AFTER_S = 0.02
NAK_AGAIN_S = 0.5
# The clocks are compared so often; the answer with the shortest way of the last ones counts.
COMPARE_S, COMPARE_FIRST_S, COMPARE_FIRST = 60.0, 0.2, 4
_BEST_OF = 8
# Several questions about the time without an answer: nobody is there.
_UNANSWERED = 3
_LINES = (Line.TERMINAL, Line.TILL)
_MICROSECONDS = 1_000_000


class BridgeSession:
    """``durable``: the newest sequence number that is durable here, by the board's unique id. ``nonce``: 16 random octets."""

    def __init__(
        self, link_key: bytes, now: float, *, durable: Mapping[str, int], nonce: Callable[[], bytes]
    ) -> None:
        self.bad_frames = 0
        self._link_key, self._link_mac = link_key, Mac(link_key)
        self._known = dict(durable)
        self._make_nonce = nonce
        self._reader = FrameReader()
        self._out = bytearray()
        self._mac: Mac | None = None
        self._unique_id: str | None = None
        self._boot = 0
        self._taken = self._durable = 0
        self._ask_at = now
        self._ack_at: float | None = None
        self._nak_until = now
        self._compare_at = now
        self._comparisons = 0
        self._unanswered = 0
        self._clocks: list[tuple[float, float]] = []  # (way there and back, ours less the bridge's)

    @property
    def connected(self) -> bool:
        return self._mac is not None

    def bytes_to_send(self) -> bytes:
        """Octets to write now; each is given once."""
        out = bytes(self._out)
        self._out.clear()
        return out

    def next_deadline(self) -> float:
        if self._mac is None:
            return self._ask_at
        return self._compare_at if self._ack_at is None else min(self._ack_at, self._compare_at)

    def durable(self, seq: int, now: float) -> None:
        """Nothing up to this chunk can be lost any more: the bridge may forget it. ValueError: it was not told."""
        if seq > self._taken:
            raise ValueError(f"chunk {seq} was not told")
        if seq > self._durable:
            self._durable = seq
            self._ack_soon(now)

    def put_epoch(self, binding: bytes, direction: int, epoch: int) -> None:
        """Keep the highest epoch begun there, too; ``EpochsTold`` follows. Only when ``connected``."""
        self._write(m.EPOCH_PUT, m.encode_epochs([(binding[:8], direction, epoch)]))

    def ask_epochs(self) -> None:
        """``EpochsTold`` follows. Only when ``connected``."""
        self._write(m.EPOCHS_GET)

    def lost(self, now: float, why: str) -> list[BridgeEvent]:
        """The port is gone, or was opened anew: what was half heard is no frame."""
        self._reader = FrameReader()
        self._out.clear()
        return self._end(now, why)

    def receive_data(self, data: bytes, now: float) -> list[BridgeEvent]:
        events: list[BridgeEvent] = []
        for stuffed in self._reader.feed(data):
            try:
                frame, covered, tag = split(stuffed)
                if not self._is_genuine(frame, covered, tag):
                    raise FrameError("tag")
                events += self._take(frame, now)
            except (FrameError, m.MessageError):
                self.bad_frames += 1
        return events

    def tick(self, now: float) -> list[BridgeEvent]:
        if self._mac is None:
            if now >= self._ask_at:
                self._ask_at = now + ASK_AGAIN_S
                self._out += Frame(m.HELLO_GET).encode(self._link_mac)
            return []
        if self._ack_at is not None and now >= self._ack_at:
            self._ack_at = None
            self._write(m.ACK, m.encode_ack(self._taken, self._durable))
        if now < self._compare_at:
            return []
        if self._unanswered >= _UNANSWERED:
            return self._end(now, "the bridge does not answer")
        self._compare(now)
        return []

    def _is_genuine(self, frame: Frame, covered: bytes, tag: bytes) -> bool:
        if not frame.flags & SESSION:
            return frame.kind == m.HELLO and self._link_mac.verify(covered, tag)
        return self._mac is not None and self._mac.verify(covered, tag)

    def _take(self, frame: Frame, now: float) -> list[BridgeEvent]:
        match frame.kind:
            case m.HELLO:
                return self._greeted(m.Hello.decode(frame.payload), frame.boot, now)
            case m.DATA:
                return self._chunk(frame, now)
            case m.STATUS:
                return [Counters(m.decode_status(frame.payload))]
            case m.TIME_REPLY:
                asked_us, ticks_us = m.decode_numbers(frame.payload, 2)
                self._compared(asked_us, ticks_us, now)
                return []
            case m.EPOCHS:
                rows = m.decode_epochs(frame.payload)
                return [EpochsTold({(binding, direction): epoch for binding, direction, epoch in rows})]
        raise m.MessageError("unknown kind")

    def _greeted(self, hello: m.Hello, boot: int, now: float) -> list[BridgeEvent]:
        events = self._end(now, "the bridge begins anew") if self._mac is not None else []
        if hello.unique_id != self._unique_id:
            self._unique_id = hello.unique_id
            self._taken = self._durable = self._known.get(hello.unique_id, 0)
        events.append(
            Connected(
                hello.board, hello.unique_id, hello.firmware, m.RESET_CAUSES[hello.cause], boot, hello.lost
            )
        )
        if hello.oldest > self._taken + 1:
            events.append(ChunksLost(hello.oldest - self._taken - 1))
            self._taken = self._durable = hello.oldest - 1
        nonce = self._make_nonce()
        answer = m.HelloAck(hello.nonce, nonce, self._taken, self._durable)
        self._out += Frame(m.HELLO_ACK, answer.encode()).encode(self._link_mac)
        self._mac = Mac(session_key(self._link_key, hello.nonce, nonce))
        self._boot = boot
        self._clocks.clear()
        self._comparisons = self._unanswered = 0
        self._compare_at = now
        self._ack_at = None
        return events

    def _chunk(self, frame: Frame, now: float) -> list[BridgeEvent]:
        if frame.seq <= self._taken:
            self._ack_soon(now)  # it did not hear the last one
            return []
        if frame.seq > self._taken + 1:
            if now >= self._nak_until:
                self._nak_until = now + NAK_AGAIN_S
                self._write(m.NAK, m.encode_numbers(self._taken + 1))
            return []
        self._taken += 1
        self._ack_soon(now)
        data = m.Data.decode(
            frame.payload
        )  # one that makes no sense is not asked for again: it would not change
        return [
            Chunk(
                frame.seq,
                _LINES[data.channel],
                data.octets,
                self._at(frame.boot, data.ticks_us),
                gap=bool(data.flags & m.GAP),
                overrun=bool(data.flags & m.OVERRUN),
                framing=bool(data.flags & m.FRAMING),
            )
        ]

    def _at(self, boot: int, ticks_us: int) -> float | None:
        if boot != self._boot or not self._clocks:
            return None
        return ticks_us / _MICROSECONDS + min(self._clocks)[1]

    def _compare(self, now: float) -> None:
        self._unanswered += 1
        self._comparisons += 1
        self._compare_at = now + (COMPARE_FIRST_S if self._comparisons < COMPARE_FIRST else COMPARE_S)
        self._write(m.TIME, m.encode_numbers(round(now * _MICROSECONDS)))

    def _compared(self, asked_us: int, ticks_us: int, now: float) -> None:
        asked = asked_us / _MICROSECONDS
        if not 0 <= now - asked <= COMPARE_S:
            return
        self._unanswered = 0
        way = now - asked
        self._clocks = [*self._clocks[1 - _BEST_OF :], (way, asked + way / 2 - ticks_us / _MICROSECONDS)]

    def _ack_soon(self, now: float) -> None:
        if self._ack_at is None:
            self._ack_at = now + ACK_AFTER_S

    def _end(self, now: float, why: str) -> list[BridgeEvent]:
        if self._mac is None:
            return []
        self._mac, self._ack_at, self._ask_at = None, None, now
        return [Disconnected(why)]

    def _write(self, kind: int, payload: bytes = b"") -> None:
        if self._mac is not None:
            self._out += Frame(kind, payload, flags=SESSION).encode(self._mac)
