"""What the frames of the link say: each kind's payload, to octets and from octets.

Every reader takes any octets and raises ``MessageError`` for those that are none of its kind.
"""

import struct

NONCE_OCTETS = 16
MAX_DATA = 212  # octets of one DATA …
DATA_HEAD_OCTETS = 10  # … behind its head
MAX_EPOCHS = 16  # of one EPOCHS
_U8, _U16, _U32, _U64 = 0xFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF

# Kinds. From the device: 1 to 63; from the agent: 64 to 127.
HELLO, DATA, STATUS, TIME_REPLY, EPOCHS = range(1, 6)
HELLO_ACK, ACK, NAK, TIME, EPOCH_PUT, EPOCHS_GET, HELLO_GET = range(64, 71)

# Why the device started.
RESET_CAUSES = ("unknown", "power", "watchdog", "button", "command", "brown-out")
# Flags of DATA.
GAP = 0x01  # octets before these are missing: the ring was full
OVERRUN = 0x02  # the UART lost octets since the DATA before
FIRST = 0x08  # with GAP: nothing of this channel was lost before in this log, for nothing was heard
FRAMING = 0x04  # among these are octets with a wrong stop bit or parity


class MessageError(Exception):
    """A payload is not what its kind says."""


def _within(value: int, most: int, name: str) -> int:
    if not 0 <= value <= most:
        raise ValueError(f"{name} does not fit")
    return value


def _short(text: str, name: str) -> bytes:
    octets = text.encode()
    if len(octets) > 40:
        raise ValueError(f"{name} has more than 40 octets")
    return bytes([len(octets)]) + octets


def _is_plain(text: str) -> bool:
    """Printable ASCII: a board's name goes into logs and files' names."""
    return all(0x21 <= ord(character) <= 0x7E for character in text)


def _take(payload: bytes, at: int, octets: int) -> bytes:
    if at + octets > len(payload):
        raise MessageError("too short")
    return payload[at : at + octets]


def _ended(payload: bytes, at: int) -> None:
    if at != len(payload):
        raise MessageError("too long")


def _text(payload: bytes, at: int) -> tuple[str, int]:
    length = _take(payload, at, 1)[0]
    try:
        text = str(_take(payload, at + 1, length), "utf-8")
    except UnicodeError:
        raise MessageError("no UTF-8") from None
    if length > 40 or not _is_plain(text):
        raise MessageError("impossible values")
    return text, at + 1 + length


class Hello:
    """The device begins a session. It holds ``oldest`` to ``newest`` of ``log``; nothing where ``oldest`` is the higher one.

    ``log``: drawn at random when its memory was made; sequence numbers are a log's. ``lost``: chunks of it that never got one.
    """

    _FIXED = "<BBIIII"
    _FIXED_OCTETS = 18

    def __init__(
        self, nonce: bytes, board: str, unique_id: str, firmware: str, cause: int, window: int, log: int, oldest: int,
        newest: int, lost: int,
    ) -> None:  # fmt: skip
        if len(nonce) != NONCE_OCTETS:
            raise ValueError("a nonce has 16 octets")
        self.nonce, self.board, self.unique_id, self.firmware = nonce, board, unique_id, firmware
        self.cause, self.window, self.log = cause, window, log
        self.oldest, self.newest, self.lost = oldest, newest, lost

    def encode(self) -> bytes:
        return (
            self.nonce
            + struct.pack(
                self._FIXED,
                _within(self.cause, len(RESET_CAUSES) - 1, "cause"),
                _within(self.window, _U8, "window"),
                _within(self.log, _U32, "log"),
                _within(self.oldest, _U32, "oldest"),
                _within(self.newest, _U32, "newest"),
                min(_within(self.lost, _U64, "lost"), _U32),
            )
            + _short(self.board, "board")
            + _short(self.unique_id, "unique_id")
            + _short(self.firmware, "firmware")
        )

    @staticmethod
    def decode(payload: bytes) -> "Hello":
        """A cause that is not known yet is the unknown one."""
        nonce = _take(payload, 0, NONCE_OCTETS)
        fixed = _take(payload, NONCE_OCTETS, Hello._FIXED_OCTETS)
        cause, window, log, oldest, newest, lost = struct.unpack(Hello._FIXED, fixed)
        if window == 0 or oldest == 0 or oldest > newest + 1:
            raise MessageError("impossible values")
        board, at = _text(payload, NONCE_OCTETS + Hello._FIXED_OCTETS)
        unique_id, at = _text(payload, at)
        firmware, at = _text(payload, at)
        _ended(payload, at)
        if not unique_id:
            raise MessageError("impossible values")
        cause = cause if cause < len(RESET_CAUSES) else 0
        return Hello(nonce, board, unique_id, firmware, cause, window, log, oldest, newest, lost)


class HelloAck:
    """The agent's answer, which repeats the device's nonce. ``taken``, ``durable``: as in its last ACK."""

    _OCTETS = 2 * NONCE_OCTETS + 8

    def __init__(self, device_nonce: bytes, agent_nonce: bytes, taken: int, durable: int) -> None:
        if len(device_nonce) != NONCE_OCTETS or len(agent_nonce) != NONCE_OCTETS:
            raise ValueError("a nonce has 16 octets")
        self.device_nonce, self.agent_nonce = device_nonce, agent_nonce
        self.taken, self.durable = taken, durable

    def encode(self) -> bytes:
        return self.device_nonce + self.agent_nonce + encode_ack(self.taken, self.durable)

    @staticmethod
    def decode(payload: bytes) -> "HelloAck":
        _take(payload, 0, HelloAck._OCTETS)
        taken, durable = decode_ack(payload[2 * NONCE_OCTETS :])
        return HelloAck(payload[:NONCE_OCTETS], payload[NONCE_OCTETS : 2 * NONCE_OCTETS], taken, durable)


def encode_ack(taken: int, durable: int) -> bytes:
    """ACK. ``taken``: up to here nothing need be said again; ``durable``: up to here it may be forgotten."""
    if durable > taken:
        raise ValueError("durable does not fit: it was not taken")
    return struct.pack("<II", _within(taken, _U32, "taken"), _within(durable, _U32, "durable"))


def decode_ack(payload: bytes) -> tuple[int, int]:
    if len(payload) != 8:
        raise MessageError("wrong length")
    taken, durable = struct.unpack("<II", payload)
    if durable > taken:
        raise MessageError("impossible values")
    return taken, durable


class Data:
    """What one tap heard without a pause. ``ticks_us``: microseconds since the device's start, at the first octet."""

    _HEAD = "<BBQ"

    def __init__(self, channel: int, flags: int, ticks_us: int, octets: bytes) -> None:
        if len(octets) > MAX_DATA:
            raise ValueError("a chunk has at most 212 octets")
        self.channel, self.flags, self.ticks_us, self.octets = channel, flags, ticks_us, octets

    def encode(self) -> bytes:
        head = struct.pack(
            self._HEAD,
            _within(self.channel, 1, "channel"),
            _within(self.flags, _U8, "flags"),
            _within(self.ticks_us, _U64, "ticks_us"),
        )
        return head + self.octets

    @staticmethod
    def decode(payload: bytes) -> "Data":
        channel, flags, ticks_us = struct.unpack(Data._HEAD, _take(payload, 0, DATA_HEAD_OCTETS))
        octets = payload[DATA_HEAD_OCTETS:]
        if channel > 1 or len(octets) > MAX_DATA:
            raise MessageError("impossible values")
        return Data(channel, flags, ticks_us, octets)


COUNTERS = (
    "octets", "overruns", "framing_errors", "held", "lost", "free_heap", "uptime_s", "resets", "flash_writes", "bad_frames",
)  # fmt: skip


def encode_status(counters: dict[str, int]) -> bytes:
    """STATUS: the counters in their order, 32 bits each; one that does not fit stays at its highest."""
    values = [min(max(counters.get(name, 0), 0), _U32) for name in COUNTERS]
    return b"".join([struct.pack("<I", value) for value in values])


def decode_status(payload: bytes) -> dict[str, int]:
    """A newer device may have more counters; they are left out."""
    if len(payload) % 4 or len(payload) < 4 * len(COUNTERS):
        raise MessageError("too short")
    return {name: struct.unpack("<I", payload[4 * at : 4 * at + 4])[0] for at, name in enumerate(COUNTERS)}


def encode_numbers(*numbers: int) -> bytes:
    """64 bits each: NAK (sequence number), TIME (the agent's microseconds), TIME_REPLY (the same, ticks, and the
    number of the newest chunk: all that was heard up to these ticks is in the chunks up to this one)."""
    return b"".join([struct.pack("<Q", _within(number, _U64, "a number")) for number in numbers])


def decode_numbers(payload: bytes, count: int) -> list[int]:
    if len(payload) != 8 * count:
        raise MessageError("wrong length")
    return [struct.unpack("<Q", payload[8 * at : 8 * at + 8])[0] for at in range(count)]


def encode_epochs(epochs: list[tuple[bytes, int, int]]) -> bytes:
    """(the first eight octets of a binding, direction, highest epoch begun); EPOCH_PUT has one."""
    if len(epochs) > MAX_EPOCHS:
        raise ValueError("at most 16 epochs")
    rows = []
    for binding, direction, epoch in epochs:
        if len(binding) != 8:
            raise ValueError("eight octets of a binding")
        rows.append(
            binding + struct.pack("<BI", _within(direction, 1, "direction"), _within(epoch, _U32, "epoch"))
        )
    return b"".join(rows)


def decode_epochs(payload: bytes) -> list[tuple[bytes, int, int]]:
    if len(payload) % 13 or len(payload) > 13 * MAX_EPOCHS:
        raise MessageError("wrong length")
    found = []
    for at in range(0, len(payload), 13):
        direction, epoch = struct.unpack("<BI", payload[at + 8 : at + 13])
        if direction > 1:
            raise MessageError("impossible values")
        found.append((payload[at : at + 8], direction, epoch))
    return found


def decode_epoch_put(payload: bytes) -> tuple[bytes, int, int]:
    rows = decode_epochs(payload)
    if len(rows) != 1:
        raise MessageError("wrong length")
    return rows[0]


def decode_nothing(payload: bytes) -> None:
    """EPOCHS_GET and HELLO_GET have no payload."""
    _ended(payload, 0)
