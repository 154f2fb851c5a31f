"""The serial line between a simulated modem and a computer: its speed, what a wrong speed makes of octets, autobauding.

Octets in → octets out, later where the line is throttled. Both directions have their own time, as on a real line.
"""

import random
from collections import deque

# A character has a start bit, eight data bits and a stop bit.
BITS_PER_OCTET = 10
# What is on its way in one direction; a long listing is far shorter.
MAX_ON_THE_WAY = 262_144
# What a framing error most often leaves of a character.
_GARBAGE = (0x00, 0x80, 0xF8, 0xFE, 0xFF)


class Wire:
    """``speed``: the modem's own, 0: whatever the computer has. ``autobaud``: it finds the speed from "AT", and loses
    the first ``autobaud_misses`` ones. ``throttle``: octets take the time that the speed gives them.
    """

    def __init__(
        self,
        speed: int = 0,
        *,
        autobaud: bool = False,
        throttle: bool = False,
        autobaud_misses: int = 2,
        seed: int = 0,
    ) -> None:
        self.speed, self.autobaud, self.throttle = speed, autobaud, throttle
        self._misses = self._misses_left = autobaud_misses
        self._chance = random.Random(seed)
        self._computer = 0
        self._seen = b""
        self._to_modem: deque[tuple[float, bytes]] = deque()
        self._to_computer: deque[tuple[float, bytes]] = deque()

    def restart(self) -> None:
        """The modem lost its power: what was on its way is gone, and a speed that was found is to be found again."""
        self._to_modem.clear()
        self._to_computer.clear()
        self._misses_left, self._seen = self._misses, b""
        if self.autobaud:
            self.speed = 0

    def from_computer(self, data: bytes, speed: int, now: float) -> None:
        """Octets that the computer wrote at its ``speed``, bit/s; 0: not known, taken as the right one."""
        self._computer = speed
        if self.autobaud and self.speed != speed:
            data = self._listen(data, speed)
        elif self._wrong():
            data = self._garbled(data)
        self._send(self._to_modem, data, now)

    def from_modem(self, data: bytes, now: float) -> None:
        """Octets that the modem wrote, at its own speed. While it does not know one, it is silent."""
        if self.autobaud and self.speed == 0:
            return
        self._send(self._to_computer, self._garbled(data) if self._wrong() else data, now)

    def to_modem(self, now: float) -> bytes:
        """What has arrived; each octet once."""
        return _arrived(self._to_modem, now)

    def to_computer(self, now: float) -> bytes:
        return _arrived(self._to_computer, now)

    def next_deadline(self) -> float | None:
        return min((way[0][0] for way in (self._to_modem, self._to_computer) if way), default=None)

    def _wrong(self) -> bool:
        return bool(self.speed and self._computer and self.speed != self._computer)

    def _listen(self, data: bytes, speed: int) -> bytes:
        """Autobauding: "AT" and a CR, often enough, at one speed. What comes before is lost."""
        self._seen = (self._seen + data.upper())[-MAX_ON_THE_WAY:]
        while (end := self._seen.find(b"\r")) >= 0:
            line, self._seen = self._seen[:end], self._seen[end + 1 :]
            if not line.strip().endswith(b"AT"):
                continue
            if self._misses_left == 0:
                self.speed, rest, self._seen = speed, self._seen, b""
                return b"AT\r" + rest
            self._misses_left -= 1
        return b""

    def _garbled(self, data: bytes) -> bytes:
        """One octet for two, none of them right."""
        return bytes(self._chance.choice(_GARBAGE) for _ in range((len(data) + 1) // 2))

    def _send(self, way: deque[tuple[float, bytes]], data: bytes, now: float) -> None:
        speed = self.speed or self._computer
        if not self.throttle or not speed:
            if data:
                way.append((now, data))
            return
        each = BITS_PER_OCTET / speed
        at = max(now, way[-1][0] if way else now)
        for octet in data[: MAX_ON_THE_WAY - len(way)]:
            at += each
            way.append((at, bytes([octet])))


def _arrived(way: deque[tuple[float, bytes]], now: float) -> bytes:
    arrived = []
    while way and way[0][0] <= now:
        arrived.append(way.popleft()[1])
    return b"".join(arrived)
