"""What one receiver hears, in chunks: closed by a pause, when full, or when it has been collected for long enough."""

from tillbell_protocol.link import messages as m

PAUSE_US = 20_000
LONGEST_US = 100_000


class Tap:
    """``add(channel, flags, ticks_us, octets)`` takes a chunk; ``octet_us``: how long an octet takes on this line."""

    def __init__(self, channel: int, octet_us: int, add) -> None:  # type: ignore[no-untyped-def]
        self.octets = self.overruns = self.framing_errors = 0
        self.last_us = 0  # when the last octet was heard
        self.channel = channel
        self._octet_us, self._add = octet_us, add
        self._held = bytearray()
        self._began_us = 0
        self._flags = 0

    def heard(self, octets: bytes, now: int, overruns: int = 0, framing_errors: int = 0) -> None:
        """What came since the last call, and how often the receiver lost octets or heard spoilt ones meanwhile."""
        self.overruns += overruns
        self.framing_errors += framing_errors
        self._flags |= (m.OVERRUN if overruns else 0) | (m.FRAMING if framing_errors else 0)
        if octets:
            self._collect(octets, max(now - len(octets) * self._octet_us, self.last_us))
            self.octets += len(octets)
            self.last_us = max(now, self.last_us)
        self.tick(now)

    def tick(self, now: int) -> None:
        if self._held and (now - self.last_us >= PAUSE_US or now - self._began_us >= LONGEST_US):
            self.flush()

    def flush(self) -> None:
        """What was collected is a chunk now."""
        if not self._held:
            return
        octets, flags = bytes(self._held), self._flags
        self._held[:] = b""
        self._flags = 0
        self._add(self.channel, flags, self._began_us, octets)

    def _collect(self, octets: bytes, began: int) -> None:
        """``began``: when the first of them was on the line, as near as can be told."""
        at = 0
        while at < len(octets):
            if not self._held:
                self._began_us = began + at * self._octet_us
            piece = octets[at : at + m.MAX_DATA - len(self._held)]
            self._held += piece
            at += len(piece)
            if len(self._held) == m.MAX_DATA:
                self.flush()
