"""The bridge's end of the link (SPEC, section 9): greets, says what the store holds until it is acknowledged, answers.

Sans-IO: octets and the time go in, octets come out. Time is microseconds since the start, and never wraps.
"""

from tillbell_bridge.store import Store
from tillbell_protocol.link import messages as m
from tillbell_protocol.link.frame import MAX_FRAME, SESSION, Frame, FrameError, FrameReader, split
from tillbell_protocol.link.mac import Mac, same, session_key

WINDOW = 8  # chunks on the way behind what the agent has taken
_SECOND = 1_000_000
STATUS_US = 60 * _SECOND
FIRST_PATIENCE_US, LONGEST_PATIENCE_US = 1 * _SECOND, 8 * _SECOND
# An agent that takes nothing for so long has no session with us any more, and cannot say so.
SILENCE_US = 30 * _SECOND
# What no agent has taken, and what one took that is not heard any more, is worth a write to flash.
AWAY_US, UNHEARD_US = 1 * _SECOND, 3 * _SECOND
# Anybody can say a recorded HELLO_GET again: it ends no session oftener than this.
OBEY_AGAIN_US = 5 * _SECOND
_MOST_WAITING = (WINDOW + 4) * MAX_FRAME  # octets for a host that does not read


class Who:
    """What every HELLO tells. ``boot``: this start's number, modulo 2^16."""

    def __init__(self, board: str, unique_id: str, firmware: str, cause: int, boot: int) -> None:
        self.board, self.unique_id, self.firmware, self.cause, self.boot = (
            board,
            unique_id,
            firmware,
            cause,
            boot,
        )


class DeviceSession:
    """``store``: see ``store.Store``. ``nonce``: 16 octets from a true source. ``counters``: gives STATUS's, by name."""

    def __init__(self, link_key: bytes, who: Who, store: Store, nonce, counters) -> None:  # type: ignore[no-untyped-def]
        self._link_key, self._link_mac = link_key, Mac(link_key)
        self._who, self._store, self._make_nonce, self._counters = who, store, nonce, counters
        self._reader = FrameReader()
        self._bad_frames = 0
        self._out = bytearray()
        self._mac = None  # type: Mac | None  # of the session; None: there is none
        self._nonce = None  # type: bytes | None  # of the HELLO that is not answered yet
        self._greet_at = self._status_at = self._again_at = self._silent_at = self._obey_at = 0
        self._patience = FIRST_PATIENCE_US
        self._taken = self._sent = 0
        self._heard_us = 0

    @property
    def connected(self) -> bool:
        return self._mac is not None

    @property
    def taken(self) -> int:
        """Up to here the agent has the chunks of the log that is served."""
        return self._taken

    def is_agent_away(self, oldest_us: int, untaken_us: "int | None", now: int) -> bool:
        """Whether chunks may be in nobody's memory but this one: when the oldest of them was heard, and the oldest not taken.

        An agent that has taken what is not durable asks TIME every second: silence means that it is gone with it.
        """
        if self._mac is None:
            return now - oldest_us >= AWAY_US
        if untaken_us is not None and now - untaken_us >= AWAY_US:
            return True  # also where some go through: a line that is bad may be for long
        return now - max(oldest_us, self._heard_us) >= UNHEARD_US

    @property
    def bad_frames(self) -> int:
        return self._bad_frames + self._reader.too_long

    def bytes_to_send(self, most: int = 1 << 20) -> bytes:
        """What is to be written now, at most so much; each octet is given once."""
        out = bytes(self._out[:most])
        self._out[: len(out)] = b""
        return out

    def receive(self, octets: bytes, now: int) -> None:
        """Any octets from the agent."""
        for stuffed in self._reader.feed(octets):
            try:
                frame, covered, tag = split(stuffed)
                if not self._is_genuine(frame, covered, tag):
                    raise FrameError("tag")
                self._heard_us = now
                self._take(frame, now)
            except (FrameError, m.MessageError):
                self._bad_frames += 1
        self._say(now)

    def tick(self, now: int) -> None:
        """Let time pass; call it often."""
        if self._mac is None:
            if now >= self._greet_at:
                self._greet(now)
            return
        if self._store.newest > self._taken:
            if now >= self._silent_at:
                self._begin_anew(now)
                return
            if self._sent > self._taken and now >= self._again_at:
                self._sent = self._taken
                self._patience = min(2 * self._patience, LONGEST_PATIENCE_US)
        else:
            self._silent_at = now + SILENCE_US
        if now >= self._status_at:
            self._status_at = now + STATUS_US
            self._write(Frame(m.STATUS, m.encode_status(self._counters()), flags=SESSION))
        self._say(now)

    def _is_genuine(self, frame: Frame, covered: bytes, tag: bytes) -> bool:
        by_link_key = frame.kind in (m.HELLO_ACK, m.HELLO_GET)
        if not frame.flags & SESSION:
            return by_link_key and self._link_mac.verify(covered, tag)
        return not by_link_key and self._mac is not None and self._mac.verify(covered, tag)

    def _begin_anew(self, now: int) -> None:
        self._mac = self._nonce = None
        self._patience = FIRST_PATIENCE_US
        self._greet(now)

    def _greet(self, now: int) -> None:
        """HELLO, with the same random octets until it is answered: a slow line's answer is not one too late."""
        if self._nonce is None:
            self._nonce = self._make_nonce()
        self._greet_at = now + self._patience
        self._patience = min(2 * self._patience, LONGEST_PATIENCE_US)
        who, store = self._who, self._store
        hello = m.Hello(
            self._nonce, who.board, who.unique_id, who.firmware, who.cause, WINDOW, store.log, store.first, store.newest,
            store.lost,
        )  # fmt: skip
        self._out[:] = b"\x00"  # whatever stands before it on the line, half a frame or a banner, ends here
        self._write(Frame(m.HELLO, hello.encode(), who.boot))

    def _take(self, frame: Frame, now: int) -> None:
        kind, payload = frame.kind, frame.payload
        if kind == m.HELLO_ACK:
            self._agreed(m.HelloAck.decode(payload), now)
        elif kind == m.HELLO_GET:
            m.decode_nothing(payload)
            self._asked_for_hello(now)
        elif kind == m.ACK:
            self._acknowledged(*m.decode_ack(payload), now)
        elif kind == m.NAK:
            self._sent = max(min(m.decode_numbers(payload, 1)[0] - 1, self._sent), self._taken)
        elif kind == m.TIME:
            (number,) = m.decode_numbers(payload, 1)
            self._answer_time(number, now)
        elif kind == m.EPOCH_PUT:
            self._store.epochs.put(*m.decode_epoch_put(payload))
            self._tell_epochs()
        elif kind == m.EPOCHS_GET:
            m.decode_nothing(payload)
            self._tell_epochs()
        else:
            raise m.MessageError("unknown kind")

    def _answer_time(self, number: int, now: int) -> None:
        """What is still being collected becomes chunks first, so that the answer can say: nothing else was heard."""
        self._store.flush()
        payload = m.encode_numbers(number, now, self._store.newest)
        self._write(Frame(m.TIME_REPLY, payload, self._store.boot, flags=SESSION))

    def _asked_for_hello(self, now: int) -> None:
        if self._mac is None:
            self._greet_at = min(self._greet_at, now + _SECOND)
        elif now >= self._obey_at:
            self._obey_at = now + OBEY_AGAIN_US
            self._begin_anew(now)

    def _agreed(self, ack: m.HelloAck, now: int) -> None:
        if self._nonce is None or not same(ack.device_nonce, self._nonce):
            return  # an answer to an earlier HELLO, or said again
        taken = self._within_store(ack.taken)
        self._mac = Mac(session_key(self._link_key, self._nonce, ack.agent_nonce))
        self._nonce = None
        self._patience, self._status_at = FIRST_PATIENCE_US, now
        self._obey_at, self._silent_at = now + OBEY_AGAIN_US, now + SILENCE_US
        self._taken = self._sent = max(taken, self._store.first - 1)
        self._forget(ack.durable, now)

    def _acknowledged(self, taken: int, durable: int, now: int) -> None:
        taken = self._within_store(taken)
        if taken > self._taken:
            self._taken, self._sent = taken, max(taken, self._sent)
            self._patience = FIRST_PATIENCE_US
            self._again_at = now + self._patience
            self._silent_at = now + SILENCE_US
        self._forget(durable, now)

    def _forget(self, durable: int, now: int) -> None:
        """Where that was the last of an earlier start's log, the next log has a session of its own."""
        self._store.forget(durable)
        if self._store.next_log():
            self._begin_anew(now)

    def _within_store(self, taken: int) -> int:
        """Of an earlier start the agent may have heard more than the flash kept."""
        if taken > self._store.newest and not self._store.is_over:
            raise m.MessageError("of what was never said")
        return min(taken, self._store.newest)

    def _say(self, now: int) -> None:
        """What the window has room for."""
        if self._mac is None:
            return
        while self._sent < min(self._store.newest, self._taken + WINDOW) and len(self._out) < _MOST_WAITING:
            payload = self._read(self._sent + 1)
            self._sent += 1
            self._again_at = now + self._patience
            self._write(Frame(m.DATA, payload, self._store.boot, self._sent, SESSION))

    def _read(self, seq: int) -> bytes:
        """Nothing, where the flash does not give it: the agent then counts this number as lost, and the next ones follow."""
        try:
            return self._store.read(seq)
        except OSError:
            return b""

    def _tell_epochs(self) -> None:
        self._write(Frame(m.EPOCHS, m.encode_epochs(self._store.epochs.rows()), flags=SESSION))

    def _write(self, frame: Frame) -> None:
        mac = self._mac if frame.flags & SESSION else self._link_mac
        if mac is not None and len(self._out) < _MOST_WAITING + 4 * MAX_FRAME:
            self._out += frame.encode(mac)
