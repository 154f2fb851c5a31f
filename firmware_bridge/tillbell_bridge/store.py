"""What is not durable in the agent yet: in RAM, what waits longer in flash, and before both what earlier starts left.

A session serves one log: an earlier start's as long as there is one, then the present one's. Where there is no room, what is
heard is counted as lost, and the next chunk of that channel says that octets before it are missing; so does the first one of
each channel, since nobody heard what was said before this start.
"""

from tillbell_bridge.journal import MOST_OF_A_BATCH, Journal, Part
from tillbell_bridge.ring import Ring
from tillbell_protocol.link import messages as m
from tillbell_start import small_file

_CHANNELS = 2
_LEAST_OF_A_BATCH = 1  # where memory is short: a chunk by itself


class Store:
    """``log``, ``boot``, ``first``, ``newest``, ``lost`` are those of the log that is served. RAM only before ``keep_in``."""

    def __init__(self, ring: Ring, log: int, boot: int, epochs: "Epochs") -> None:
        self.chunks_lost = 0
        self.epochs = epochs
        self._ring, self._journal = ring, None  # type: Ring, Journal | None
        self._log, self._boot = log, boot
        self._gap = [True] * _CHANNELS
        self._first = [m.FIRST] * _CHANNELS
        self._flush = _nothing

    def keep_in(self, journal: Journal, boot: int) -> None:
        """What waits longer goes there, as of this start; it may show that ``boot`` was taken."""
        self._journal, self._boot = journal, boot

    def when_asked(self, flush) -> None:  # type: ignore[no-untyped-def]
        """``flush`` closes what the taps are collecting."""
        self._flush = flush

    @property
    def _old(self) -> "Part | None":
        return self._journal.old[0] if self._journal is not None and self._journal.old else None

    @property
    def _spilled(self) -> "Part | None":
        return self._journal.present if self._journal is not None else None

    @property
    def is_over(self) -> bool:
        """It is an earlier start's log: nothing will be added to it."""
        return self._old is not None

    @property
    def log(self) -> int:
        return self._old.log if self._old is not None else self._log

    @property
    def boot(self) -> int:
        return self._old.boot if self._old is not None else self._boot

    @property
    def first(self) -> int:
        part = self._old or self._spilled
        if part is not None and (part is self._old or not part.is_empty):
            return part.first
        return self._ring.first

    @property
    def newest(self) -> int:
        return self._old.newest if self._old is not None else self._ring.newest

    @property
    def lost(self) -> int:
        return 0 if self._old is not None else self.chunks_lost

    @property
    def held(self) -> int:
        """Chunks, wherever they are."""
        return self._ring.held + (self._journal.held if self._journal is not None else 0)

    def add(self, channel: int, flags: int, ticks_us: int, octets: bytes) -> bool:
        """A chunk was heard; False: there was no room."""
        if self._gap[channel]:
            flags |= m.GAP | self._first[channel]
        self._first[channel] = 0
        self._gap[channel] = True  # also where memory does not allow what follows
        self._gap[channel] = not self._ring.add(m.Data(channel, flags, ticks_us, octets).encode())
        self.chunks_lost += self._gap[channel]
        return not self._gap[channel]

    def flush(self) -> None:
        """All that was heard up to now is in chunks afterwards, as far as there was room."""
        self._flush()

    def read(self, seq: int) -> bytes:
        """DATA's payload. Raises OSError where the flash does not give it."""
        if self._journal is not None:
            part = self._old or self._spilled
            if part is not None and (part is self._old or seq <= part.newest):
                return self._journal.read(part, seq)
        return self._ring.read(seq)

    def forget(self, durable: int) -> None:
        """Of the log that is served, up to ``durable``, whatever of it is held."""
        part = self._old or self._spilled
        if part is not None:
            part.forget(durable)
        if self._old is None:
            self._ring.forget(durable)

    def next_log(self) -> bool:
        """Whether all of an earlier start's log was forgotten: the next one is served from now on."""
        if self._journal is None or self._old is None or self._old.first <= self._old.newest:
            return False
        self._journal.old = self._journal.old[1:]
        if not self._journal.old:
            self._journal.find_more()
        return True

    def is_waiting(self) -> bool:
        """Whether there is something in RAM alone."""
        return self._ring.held > 0

    def ripe(self) -> bool:
        """Whether RAM holds as much as one batch takes."""
        return self._ring.used >= MOST_OF_A_BATCH

    def spill(self) -> bool:
        """From RAM into flash, one batch; False: there is nothing, or no room."""
        if self._journal is None or not self._ring.held:
            return False
        try:
            count = self._spill(self._journal, MOST_OF_A_BATCH)
        except MemoryError:
            count = self._spill(self._journal, _LEAST_OF_A_BATCH)
        self._ring.forget(self._ring.first + count - 1)
        return count > 0

    def _spill(self, journal: Journal, most: int) -> int:
        """How many chunks went."""
        first, octets = self._ring.first, 0
        payloads = []  # type: list[bytes]
        for seq in range(first, self._ring.newest + 1):
            payload = self._ring.read(seq)
            octets += len(payload) + 1
            if octets > most and payloads:
                break
            payloads.append(payload)
        return len(payloads) if journal.append(self._log, self._boot, first, payloads) else 0

    def tidy(self) -> bool:
        """One file that nobody needs any more is removed."""
        return self._journal is not None and self._journal.tidy()


class Epochs:
    """The agent's highest epochs, which outlive its disk. ``path`` None: they are forgotten with the power."""

    def __init__(self, path: "str | None") -> None:
        self._path = path
        self._kept = {}  # type: dict[tuple[bytes, int], int]
        self._wanted = {}  # type: dict[tuple[bytes, int], int]
        found = small_file.read(path) if path is not None else None
        try:
            self._kept = {(row[0], row[1]): row[2] for row in m.decode_epochs(found or b"")}
        except m.MessageError:
            pass

    @property
    def is_unwritten(self) -> bool:
        return bool(self._wanted)

    def rows(self) -> "list[tuple[bytes, int, int]]":
        """Those that are durable."""
        return [(binding, direction, self._kept[binding, direction]) for binding, direction in self._kept]

    def put(self, binding: bytes, direction: int, epoch: int) -> None:
        """The highest one counts; more than can be told are not kept."""
        key = (bytes(binding), direction)
        is_known = key in self._kept or key in self._wanted
        room = len(self._kept) + len([each for each in self._wanted if each not in self._kept]) < m.MAX_EPOCHS
        if (is_known or room) and epoch > max(self._kept.get(key, -1), self._wanted.get(key, -1)):
            self._wanted[key] = epoch

    def write(self) -> None:
        """Makes durable what was put; where the flash refuses it is tried again."""
        kept = dict(self._kept)
        kept.update(self._wanted)
        try:
            if self._path is not None:
                rows = [(binding, direction, kept[binding, direction]) for binding, direction in kept]
                small_file.write(self._path, m.encode_epochs(rows))
        except OSError:
            return
        self._kept, self._wanted = kept, {}


def _nothing() -> None:
    """Nobody collects."""
