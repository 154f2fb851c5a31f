"""Chunks that the agent has not made durable yet, in RAM, by sequence number; the oldest are never given up for new ones.

Where it is full, what is heard is counted as lost, and the next chunk of that channel says that octets before it are missing;
so does the first one of each channel, since nobody heard what was said before this start.
"""

from tillbell_protocol.link import messages as m

# What a chunk takes beside its octets: two objects and a place in a table that doubles. Measured with chunks of one octet.
_ROW = 160


class Ring:
    """``room``: octets of the heap. ``log``: 32 random bits, drawn anew with each ring. It holds ``first`` to ``newest``."""

    def __init__(self, room: int, log: int, boot: int) -> None:
        self.log = log
        self.first = 1
        self.newest = 0
        self.lost = 0  # chunks
        self._room, self._boot = room, boot
        self._rows = {}  # sequence number → payload
        self._used = 0
        self._gap = [True, True]
        self._epochs = {}

    @property
    def held(self) -> int:
        return len(self._rows)

    def add(self, channel: int, flags: int, ticks_us: int, octets: bytes) -> bool:
        """A chunk was heard; False: there was no room."""
        if self._gap[channel]:
            flags |= m.GAP
        if self._used + len(octets) + _ROW > self._room or not self._put(channel, flags, ticks_us, octets):
            self.lost += 1
            self._gap[channel] = True
            return False
        self._gap[channel] = False
        self.newest += 1
        self._used += len(octets) + _ROW
        return True

    def _put(self, channel: int, flags: int, ticks_us: int, octets: bytes) -> bool:
        """The number counts only once its row is there."""
        try:
            self._rows[self.newest + 1] = m.Data(channel, flags, ticks_us, octets).encode()
        except MemoryError:
            return False
        return True

    def read(self, seq: int) -> "tuple[int, bytes]":
        """The start in which it was heard, and DATA's payload."""
        return self._boot, self._rows[seq]

    def forget(self, durable: int) -> None:
        """Up to ``durable``, whatever of it is held."""
        while self.first <= durable and self.first <= self.newest:
            payload = self._rows.pop(self.first)
            self._used -= len(payload) - m.DATA_HEAD_OCTETS + _ROW
            self.first += 1

    def epochs(self) -> "list[tuple[bytes, int, int]]":
        return [(binding, direction, epoch) for (binding, direction), epoch in self._epochs.items()]

    def put_epoch(self, binding: bytes, direction: int, epoch: int) -> None:
        """The highest one counts; more than can be told are not kept."""
        key = (bytes(binding), direction)
        if key in self._epochs or len(self._epochs) < m.MAX_EPOCHS:
            self._epochs[key] = max(epoch, self._epochs.get(key, 0))
