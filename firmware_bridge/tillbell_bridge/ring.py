"""Chunks in RAM, by sequence number, in one piece of memory taken at the start; the oldest are never given up for new ones."""

import struct

# A chunk takes its payload and this; a table at the end of the memory says where each begins.
HEAD_OCTETS = 1
_LEAST = 24  # octets of the room for each place in that table: DATA's head and some octets of a line
_PLACE = "<I"
_PLACE_OCTETS = 4


class Ring:
    """``memory``: its room. It holds ``first`` to ``newest``; nothing where ``first`` is the higher one."""

    def __init__(self, memory: bytearray) -> None:
        self.first = 1
        self.newest = 0
        self._octets = memory
        self._most = max(1, len(memory) // (_LEAST + _PLACE_OCTETS))
        self._room = len(memory) - self._most * _PLACE_OCTETS
        self._used = 0
        self._end = 0  # where the next one begins

    @property
    def held(self) -> int:
        return self.newest - self.first + 1

    @property
    def room(self) -> int:
        """Octets."""
        return self._room

    @property
    def fill(self) -> int:
        """In per cent of the room."""
        return 100 * self._used // self._room

    @property
    def used(self) -> int:
        """Octets, of the room."""
        return self._used

    def add(self, payload: bytes) -> bool:
        """At most 255 octets. False: there is no room."""
        needed = HEAD_OCTETS + len(payload)
        if self._used + needed > self._room or self.held >= self._most:
            return False
        end = self._end
        try:
            self._put(bytes([len(payload)]))
            self._put(payload)
            struct.pack_into(_PLACE, self._octets, self._row(self.newest + 1), end)
        except MemoryError:
            self._end = end  # nothing of it is held
            return False
        self.newest += 1
        self._used += needed
        return True

    def read(self, seq: int) -> bytes:
        """A chunk that is held."""
        at = self._place(seq)
        return self._get((at + HEAD_OCTETS) % self._room, self._octets[at])

    def forget(self, seq: int) -> None:
        """All up to this one that are held."""
        while self.first <= seq and self.first <= self.newest:
            self._used -= HEAD_OCTETS + self._octets[self._place(self.first)]
            self.first += 1

    def _row(self, seq: int) -> int:
        return self._room + seq % self._most * _PLACE_OCTETS

    def _place(self, seq: int) -> int:
        return int(struct.unpack_from(_PLACE, self._octets, self._row(seq))[0])

    def _put(self, octets: bytes) -> None:
        """Around the end of the room, if need be."""
        room = self._room - self._end
        self._octets[self._end : self._end + min(room, len(octets))] = octets[:room]
        rest = len(octets) - room
        if rest > 0:
            self._octets[:rest] = octets[room:]
        self._end = (self._end + len(octets)) % self._room

    def _get(self, at: int, count: int) -> bytes:
        found = bytes(self._octets[at : min(at + count, self._room)])
        return found + bytes(self._octets[: count - len(found)])
