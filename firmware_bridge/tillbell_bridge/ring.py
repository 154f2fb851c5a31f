"""Chunks that the agent has not made durable yet, in RAM, by sequence number; the oldest are never given up for new ones.

Where it is full, what is heard is counted as lost, and the next chunk that fits says that octets before it are missing.
"""

from tillbell_protocol.link import messages as m

_ROW = 24  # octets that a chunk takes beside its own, about


class Ring:
    """``room``: octets. ``boot``: this start's number; ``newest``: the number given last, also by earlier starts; ``oldest``: 0 where nothing is held."""

    def __init__(self, room: int, boot: int, newest: int = 0) -> None:
        self.newest = newest
        self.lost = 0  # chunks
        self._room, self.boot = room, boot
        self._rows = {}  # sequence number → (boot, payload)
        self.first = newest + 1  # the lowest number that may still be read
        self._used = 0
        self._gap = False
        self._epochs = {}

    @property
    def oldest(self) -> int:
        return self.first if self._rows else 0

    @property
    def held(self) -> int:
        return len(self._rows)

    def add(self, channel: int, flags: int, ticks_us: int, octets: bytes) -> bool:
        """A chunk was heard; False: there was no room."""
        if self._used + len(octets) + _ROW > self._room:
            self.lost += 1
            self._gap = True
            return False
        if self._gap:
            flags |= m.GAP
            self._gap = False
        self.newest += 1
        payload = m.Data(channel, flags, ticks_us, octets).encode()
        self._rows[self.newest] = (self.boot, payload)
        self._used += len(payload) + _ROW
        return True

    def read(self, seq: int) -> "tuple[int, bytes]":
        return self._rows[seq]

    def forget(self, durable: int) -> None:
        """Up to ``durable``, whatever of it is held."""
        while self._rows and self.first <= durable:
            _, payload = self._rows.pop(self.first)
            self._used -= len(payload) + _ROW
            self.first += 1

    def skip_to(self, seq: int) -> None:
        """The next number is above ``seq``; what is held moves behind it."""
        rows = [self._rows[at] for at in range(self.first, self.newest + 1)] if self._rows else []
        self._rows = {}
        self.first, self.newest = seq + 1, seq + len(rows)
        for at, row in enumerate(rows):
            self._rows[seq + 1 + at] = row

    def epochs(self) -> "list[tuple[bytes, int, int]]":
        return [(binding, direction, epoch) for (binding, direction), epoch in self._epochs.items()]

    def put_epoch(self, binding: bytes, direction: int, epoch: int) -> None:
        """The highest one counts; more than can be told are not kept."""
        key = (bytes(binding), direction)
        if key in self._epochs or len(self._epochs) < m.MAX_EPOCHS:
            self._epochs[key] = max(epoch, self._epochs.get(key, 0))
