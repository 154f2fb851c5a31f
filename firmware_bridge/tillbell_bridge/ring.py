"""Chunks in RAM, by sequence number, in one piece of memory taken at the start; the oldest are never given up for new ones."""

from array import array

# A chunk takes its payload and this; a table knows where each begins.
HEAD_OCTETS = 1
_LEAST = 24  # octets of the room for each place in that table: DATA's head and a few octets of a line


class Ring:
    """``room``: octets. It holds ``first`` to ``newest``; nothing where ``first`` is the higher one."""

    def __init__(self, room: int) -> None:
        self.first = 1
        self.newest = 0
        self._octets = bytearray(room)
        self._places = array("I", bytes(4 * max(1, room // _LEAST)))
        self._used = 0
        self._end = 0  # where the next one begins

    @property
    def held(self) -> int:
        return self.newest - self.first + 1

    @property
    def room(self) -> int:
        return len(self._octets)

    @property
    def fill(self) -> int:
        """In per cent of the room."""
        return 100 * self._used // len(self._octets)

    @property
    def used(self) -> int:
        """Octets, of the room."""
        return self._used

    def add(self, payload: bytes) -> bool:
        """At most 255 octets. False: there is no room."""
        needed = HEAD_OCTETS + len(payload)
        if self._used + needed > len(self._octets) or self.held >= len(self._places):
            return False
        self.newest += 1
        self._places[self.newest % len(self._places)] = self._end
        self._put(bytes([len(payload)]))
        self._put(payload)
        self._used += needed
        return True

    def read(self, seq: int) -> bytes:
        """A chunk that is held."""
        at = self._places[seq % len(self._places)]
        return self._get((at + HEAD_OCTETS) % len(self._octets), self._octets[at])

    def forget(self, seq: int) -> None:
        """All up to this one that are held."""
        while self.first <= seq and self.first <= self.newest:
            at = self._places[self.first % len(self._places)]
            self._used -= HEAD_OCTETS + self._octets[at]
            self.first += 1

    def _put(self, octets: bytes) -> None:
        room = len(self._octets) - self._end
        self._octets[self._end : self._end + min(room, len(octets))] = octets[:room]
        rest = len(octets) - room
        if rest > 0:
            self._octets[:rest] = octets[room:]
        self._end = (self._end + len(octets)) % len(self._octets)

    def _get(self, at: int, count: int) -> bytes:
        found = bytes(self._octets[at : at + count])
        return found + bytes(self._octets[: count - len(found)])
