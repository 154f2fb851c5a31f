"""The agent's end of the link (SPEC, section 9): answers HELLO, takes chunks once and in order, says what is durable.

Sans-IO. Time is the caller's monotonic seconds. Any octets give events; what is no genuine frame is counted. A HELLO that
somebody recorded ends nothing: a session begins with the first frame that only the bridge can have made.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from tillbell_agent.bridge.clocks import PATIENCE_S, Clocks
from tillbell_agent.bridge.events import (
    BridgeEvent,
    Chunk,
    ChunksLost,
    Connected,
    Counters,
    Disconnected,
    EpochsTold,
    LogEnded,
    Quiet,
)
from tillbell_agent.pos.dialect import Line
from tillbell_protocol.link import messages as m
from tillbell_protocol.link.frame import MAX_FRAME, SESSION, Frame, FrameError, FrameReader, split
from tillbell_protocol.link.mac import Mac, session_key

ASK_FIRST_S, ASK_LAST_S = 1.0, 8.0  # for a HELLO, or for an epoch: twice as long each time
# Acknowledgements that come at once are one: a burst of chunks is answered a few times, not for each.
ACK_AFTER_S = 0.02
# Of a log that is over nothing else will ask for the last one, and the next log waits for it.
ACK_AGAIN_S = 1.0
NAK_AGAIN_S = 0.5
_LINES = (Line.TERMINAL, Line.TILL)
_MOST_WAITING = 64 * MAX_FRAME  # octets for a port that takes none


@dataclass(slots=True)
class _Log:
    """How far a log's chunks were taken, and are durable. It outlives sessions: what was taken is not told again."""

    taken: int
    durable: int


@dataclass(frozen=True, slots=True)
class _Peer:
    """Who said HELLO, and the key that was offered; it is a session once a frame bears it."""

    hello: m.Hello
    boot: int
    mac: Mac
    answer: bytes

    @property
    def log(self) -> str:
        return f"{self.hello.unique_id}/{self.hello.log:08x}"


class BridgeSession:
    """``durable``: log → the newest sequence number that is durable here. ``nonce``: 16 random octets."""

    def __init__(
        self, link_key: bytes, now: float, *, durable: Mapping[str, int], nonce: Callable[[], bytes]
    ) -> None:
        self._link_key, self._link_mac = link_key, Mac(link_key)
        self._logs = {log: _Log(seq, seq) for log, seq in durable.items()}
        self._make_nonce = nonce
        self._reader = FrameReader()
        self._bad_frames = 0
        self._out = bytearray()
        self._peer: _Peer | None = None
        self._offered: _Peer | None = None
        self._clocks = Clocks(now)
        self._awaited_us: int | None = None
        # Chunks of a session whose clocks were not compared yet: told once they have their time, or so much later.
        self._untimed: list[Chunk | ChunksLost] = []
        self._untimed_until = now
        self._log_ended = False
        self._ask_at, self._ask_again_s = now, ASK_FIRST_S
        self._ack_at: float | None = None
        self._nak_until = now
        self._epochs: dict[tuple[bytes, int], int] = {}  # to be kept there, and not confirmed
        self._epochs_at = now

    @property
    def connected(self) -> bool:
        return self._peer is not None

    @property
    def bad_frames(self) -> int:
        return self._bad_frames + self._reader.too_long

    def bytes_to_send(self) -> bytes:
        """Octets to write now; each is given once."""
        out = bytes(self._out)
        self._out.clear()
        return out

    def next_deadline(self) -> float:
        if self._peer is None:
            return self._ask_at
        due = [self._question_at(self._peer)]
        due += [self._untimed_until] if self._untimed else []
        due += [self._ack_at] if self._ack_at is not None else []
        due += [self._epochs_at] if self._epochs else []
        return min(due)

    def durable(self, log: str, seq: int, now: float) -> None:
        """Nothing of ``log`` up to this chunk can be lost any more: its bridge may forget it. ValueError: it was not told."""
        kept = self._logs.get(log)
        if kept is None or seq > kept.taken:
            raise ValueError(f"chunk {seq} of {log} was not told")
        kept.durable = max(seq, kept.durable)
        if self._peer is not None and self._peer.log == log:
            self._ack_soon(now)

    def await_silence(self, ticks_us: int | None) -> None:
        """Somebody waits for the bridge to have been silent up to these ticks of its present start: ``Quiet`` is asked for
        then, and again until it says so. None: nobody does."""
        self._awaited_us = ticks_us

    def put_epoch(self, binding: bytes, direction: int, epoch: int, now: float) -> None:
        """Keep the highest epoch begun there, too: said until ``EpochsTold`` shows it, or that there is no room."""
        self._epochs[binding[:8], direction] = epoch
        self._epochs_at = now

    def ask_epochs(self) -> None:
        """``EpochsTold`` follows; ask again where it does not. Nothing while there is no session."""
        self._write(m.EPOCHS_GET)

    def lost(self, now: float, why: str) -> list[BridgeEvent]:
        """The port is gone, or was opened anew: what was half heard is no frame."""
        self._bad_frames += self._reader.too_long
        self._reader = FrameReader()
        self._out.clear()
        self._offered = None
        return self._end(now, why)

    def receive_data(self, data: bytes, now: float) -> list[BridgeEvent]:
        events: list[BridgeEvent] = []
        for stuffed in self._reader.feed(data):
            try:
                frame, covered, tag = split(stuffed)
                if frame.flags & SESSION:
                    events += self._of_session(frame, covered, tag, now)
                elif frame.kind == m.HELLO and self._link_mac.verify(covered, tag):
                    self._greeted(m.Hello.decode(frame.payload), frame.boot)
                else:
                    raise FrameError("tag")
            except (FrameError, m.MessageError):
                self._bad_frames += 1
        return events

    def tick(self, now: float) -> list[BridgeEvent]:
        if self._peer is None:
            self._ask_for_hello(now)
            return []
        if self._ack_at is not None and now >= self._ack_at:
            self._ack_at = now + ACK_AGAIN_S if self._log_ended else None
            kept = self._logs[self._peer.log]
            self._write(m.ACK, m.encode_ack(kept.taken, kept.durable))
        if self._epochs and now >= self._epochs_at:
            self._epochs_at = now + ASK_FIRST_S
            (binding, direction), epoch = next(iter(self._epochs.items()))
            self._write(m.EPOCH_PUT, m.encode_epochs([(binding, direction, epoch)]))
        told = self._timed() if self._untimed and now >= self._untimed_until else []
        if now < self._question_at(self._peer):
            return told
        if self._clocks.unanswered(now):
            return told + self._end(now, "the bridge does not answer")
        self._write(m.TIME, m.encode_numbers(self._clocks.question(now)))
        return told

    def _question_at(self, peer: _Peer) -> float:
        kept = self._logs[peer.log]
        return self._clocks.due(self._awaited_us, owes=kept.durable < kept.taken)

    def _ask_for_hello(self, now: float) -> None:
        if now >= self._ask_at and len(self._out) < _MOST_WAITING:
            self._ask_at = now + self._ask_again_s
            self._ask_again_s = min(2 * self._ask_again_s, ASK_LAST_S)
            self._out += b"\x00" + Frame(m.HELLO_GET).encode(self._link_mac)

    def _greeted(self, hello: m.Hello, boot: int) -> None:
        """Said again it gets the same answer; a new one is offered another key beside the session that there is."""
        offered = self._offered
        if offered is None or offered.hello.nonce != hello.nonce:
            nonce = self._make_nonce()
            mac = Mac(session_key(self._link_key, hello.nonce, nonce))
            offered = self._offered = _Peer(hello, boot, mac, nonce)
        kept = self._kept(offered)
        answer = m.HelloAck(hello.nonce, offered.answer, kept.taken, kept.durable)
        if len(self._out) < _MOST_WAITING:
            self._out += Frame(m.HELLO_ACK, answer.encode()).encode(self._link_mac)

    def _kept(self, peer: _Peer) -> _Log:
        """What HELLO_ACK says of a log; below ``oldest`` there is nothing to be had."""
        kept = self._logs.get(peer.log, _Log(0, 0))
        if peer.hello.oldest > kept.taken + 1:
            return _Log(peer.hello.oldest - 1, peer.hello.oldest - 1)
        return kept

    def _of_session(self, frame: Frame, covered: bytes, tag: bytes, now: float) -> list[BridgeEvent]:
        if self._peer is not None and self._peer.mac.verify(covered, tag):
            self._clocks.heard()
            return self._take(frame, self._peer, now)
        if self._offered is None or not self._offered.mac.verify(covered, tag):
            raise FrameError("tag")
        goes_on = self._log_ended
        events = self._end(
            now, "what follows is of a later start" if goes_on else "the bridge begins anew", goes_on
        )
        peer, self._offered = self._offered, None
        return events + self._begun(peer, now) + self._take(frame, peer, now)

    def _begun(self, peer: _Peer, now: float) -> list[BridgeEvent]:
        hello, before = peer.hello, self._logs.get(peer.log, _Log(0, 0))
        self._peer = peer
        self._clocks = Clocks(now)
        self._awaited_us, self._log_ended = None, False
        self._untimed_until = now + PATIENCE_S
        self._ack_at, self._ask_again_s = None, ASK_FIRST_S
        cause = m.RESET_CAUSES[hello.cause]
        events: list[BridgeEvent] = [
            Connected(peer.log, hello.board, hello.unique_id, hello.firmware, cause, peer.boot, hello.lost)
        ]
        kept = self._logs[peer.log] = self._kept(peer)
        if kept.taken > before.taken:
            events.append(ChunksLost(peer.log, kept.taken - before.taken, kept.taken))
        return events

    def _take(self, frame: Frame, peer: _Peer, now: float) -> list[BridgeEvent]:
        match frame.kind:
            case m.DATA:
                return self._data(frame, peer, now)
            case m.STATUS:
                return [Counters(m.decode_status(frame.payload))]
            case m.TIME_REPLY:
                asked_us, ticks_us, newest = m.decode_numbers(frame.payload, 3)
                self._clocks.answer(asked_us, ticks_us, now)
                return self._timed() + self._told_all(frame.boot, ticks_us, newest, peer)
            case m.EPOCHS:
                return [self._epochs_told(m.decode_epochs(frame.payload))]
        raise m.MessageError("unknown kind")

    def _data(self, frame: Frame, peer: _Peer, now: float) -> list[BridgeEvent]:
        """Within a session taken once and in order. Of a log that is over, HELLO has said which chunk is the last."""
        kept = self._logs[peer.log]
        if frame.seq > kept.taken + 1:
            if now >= self._nak_until:
                self._nak_until = now + NAK_AGAIN_S
                self._write(m.NAK, m.encode_numbers(kept.taken + 1))
            return []
        self._ack_soon(now)  # also of what was taken: it did not hear the last one
        if frame.seq <= kept.taken:
            return []
        kept.taken += 1
        told = self._chunk(frame, peer)
        if frame.boot != peer.boot:
            return [told, *self._told_all(frame.boot, 0, peer.hello.newest, peer)]
        if self._clocks.compared:
            return [told]
        self._untimed.append(told)
        return []

    def _chunk(self, frame: Frame, peer: _Peer) -> Chunk | ChunksLost:
        try:
            data = m.Data.decode(frame.payload)
        except m.MessageError:  # a genuine one that makes no sense would be the same again
            self._bad_frames += 1
            return ChunksLost(peer.log, 1, frame.seq)
        return Chunk(
            peer.log,
            frame.seq,
            _LINES[data.channel],
            data.octets,
            data.ticks_us,
            self._clocks.ours(data.ticks_us) if frame.boot == peer.boot else None,
            gap=bool(data.flags & m.GAP),
            overrun=bool(data.flags & m.OVERRUN),
            framing=bool(data.flags & m.FRAMING),
            first=bool(data.flags & m.FIRST),
        )

    def _timed(self) -> list[BridgeEvent]:
        """The chunks that waited for their time; without one where nothing was compared."""
        waited, self._untimed = self._untimed, []
        return [
            replace(each, at=self._clocks.ours(each.ticks_us)) if isinstance(each, Chunk) else each
            for each in waited
        ]

    def _told_all(self, boot: int, ticks_us: int, newest: int, peer: _Peer) -> list[BridgeEvent]:
        """What follows where nothing up to ``newest`` is missing."""
        if newest > self._logs[peer.log].taken:
            return []
        if boot == peer.boot:
            return [Quiet(peer.log, ticks_us)]
        before, self._log_ended = self._log_ended, True
        return [] if before else [LogEnded(peer.log)]

    def _epochs_told(self, rows: list[tuple[bytes, int, int]]) -> EpochsTold:
        told = {(binding, direction): epoch for binding, direction, epoch in rows}
        is_full = len(rows) == m.MAX_EPOCHS
        for key, epoch in list(self._epochs.items()):
            if told.get(key, -1) >= epoch or (is_full and key not in told):
                del self._epochs[key]
        return EpochsTold(told)

    def _ack_soon(self, now: float) -> None:
        if self._ack_at is None:
            self._ack_at = now + ACK_AFTER_S

    def _end(self, now: float, why: str, goes_on: bool = False) -> list[BridgeEvent]:
        if self._peer is None:
            return []
        self._peer, self._ack_at, self._ask_at = None, None, now
        return [*self._timed(), Disconnected(why, goes_on)]

    def _write(self, kind: int, payload: bytes = b"") -> None:
        if self._peer is not None and len(self._out) < _MOST_WAITING:
            self._out += Frame(kind, payload, flags=SESSION).encode(self._peer.mac)
