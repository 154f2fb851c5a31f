"""Octets of an ECR17 line become application messages (Protocol 17, clause 4); what they say is ``ecr17_fields``.

``STX message ETX LRC``, ``SOH 20 characters EOT`` while a transaction runs, ``ACK`` and ``NAK`` bare or with ``ETX LRC``.
"""

import re
from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from tillbell_agent.pos.checks import lrc

MAX_MESSAGE = 1100  # the longest, value added services, has 26 octets and up to 1024 of XML
LRC_BASE: Final = 0x7F
_TEXT = rb"[\t\n\r\x1b\x20-\xff]"
_UNIT = re.compile(
    rb"\x02(?P<message>%b{10,%d}+)\x03(?P<lrc>[\x00-\xff])" % (_TEXT, MAX_MESSAGE)
    + rb"|\x01[\x20-\xff]{20}\x04"
    + rb"|[\x06\x15](?:\x03[\x68-\x6b\x78-\x7c]|(?!\x03?\Z))"
)
_BEGUN = re.compile(rb"(?:\x02%b{0,%d}\x03?|\x01[\x20-\xff]{0,20}|[\x06\x15]\x03?)\Z" % (_TEXT, MAX_MESSAGE))


@dataclass(frozen=True, slots=True)
class Frame:
    """A message whose check octet holds in one of the four ways. ``mode``: that octet, without what the message makes it.

    An empty ``message`` is a NAK with its check octet: the frame before it was damaged, whatever it looked like.
    """

    message: bytes
    mode: int


@dataclass(slots=True)
class Framer:
    """One line. Keeps at most ``MAX_MESSAGE`` + 2 octets of a frame that is not complete.

    ``skipped``: octets that no frame explains, until they are told.
    """

    skipped: int = 0
    last_heard: float = 0.0
    _kept: bytes = b""

    @property
    def waits(self) -> bool:
        """Whether silence would change anything."""
        return bool(self._kept or self.skipped)

    def feed(self, data: bytes, now: float) -> list[Frame]:
        """The frames that are complete now. A frame whose check octet is wrong is skipped: another may begin inside it."""
        self.last_heard = now
        octets, at, frames = self._kept + data, 0, []
        while (unit := _UNIT.search(octets, at)) is not None:
            self.skipped += unit.start() - at
            at = unit.end()
            if unit["message"] is not None:
                mode = lrc(unit["message"], LRC_BASE) ^ unit["lrc"][0]
                if mode <= 3:
                    frames.append(Frame(unit["message"], mode))
                else:
                    self.skipped += 1
                    at = unit.start() + 1
            elif unit.group().startswith(b"\x15\x03"):
                frames.append(Frame(b"", 0))
        self._keep(octets, at)
        return frames

    def _keep(self, octets: bytes, at: int) -> None:
        begun = _BEGUN.search(octets, at)
        start = begun.start() if begun else len(octets)
        self.skipped += start - at
        self._kept = octets[start:]

    def abandon(self) -> None:
        """The line is silent: what was begun will not be completed. An ACK or NAK alone is complete."""
        if self._kept[:1] not in (b"\x06", b"\x15"):
            self.skipped += len(self._kept)
        self._kept = b""


class Trust(Enum):
    """What the way in which a check octet holds says of its frame."""

    SURE = 1
    DOUBTFUL = 2  # another way than most frames before, or the first frame of all
    DAMAGED = 3


_REMEMBERED = 8  # frames by which the way is judged: a few sales


@dataclass(slots=True)
class Modes:
    """Which octets this firmware's check covers; four ways exist, and the specification lets all be read out of it.

    Unless it is configured, it is learned. A frame with wrong low bits looks like one of another way, so a frame is only
    sure when most others agree with it, and damaged when all of the last ones agree against it.
    """

    fixed: int | None
    _heard: deque[int] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))

    def judge(self, mode: int) -> Trust:
        """Learn from a frame, and say what it is worth."""
        if self.fixed is not None:
            return Trust.SURE if mode == self.fixed else Trust.DAMAGED
        certain = len(self._heard) == _REMEMBERED and mode not in self._heard and len(set(self._heard)) == 1
        self._heard.append(mode)
        alike = self._heard.count(mode)
        if certain:
            return Trust.DAMAGED
        return Trust.SURE if alike > 1 and 2 * alike > len(self._heard) else Trust.DOUBTFUL

    def refused(self) -> None:
        """The other end says that the last frame was damaged: nothing is learned from it."""
        if self._heard:
            self._heard.pop()
