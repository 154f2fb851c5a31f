"""Octets of one ZVT line become APDUs: ``10 02``, the APDU with every 10 doubled, ``10 03``, CRC low octet, CRC high.

The CRC is CRC-16/KERMIT over the APDU as it was before doubling, and 03 (ECR interface ZVT, PA00P016, transport over
RS-232). Its two octets are not doubled and may be anything. Between frames stand bare ACK (06) and NAK (15).
"""

import re
from typing import Final

from tillbell_agent.pos.checks import crc_kermit

# A receipt as one text block takes some 2 KiB; a file that is loaded into the terminal says nothing of a transaction.
MAX_FRAME_OCTETS: Final = 16_384
# Between two octets of a frame are at most 0.2 s (T1), and what was not acknowledged comes again after 5 s (T2).
FRAME_QUIET_S: Final = 2.0

_DLE, _STX, _ETX = 0x10, 0x02, 0x03
_START: Final = bytes((_DLE, _STX))
_DOUBLED: Final = bytes((_DLE, _DLE))
_ACK_NAK: Final = b"\x06\x15"
_WHOLE: Final = re.compile(rb"[\x06\x15]*+\x10\x02((?:[^\x10]++|\x10\x10)*+)\x10\x03(..)", re.DOTALL)


class FrameReader:
    """Feed it octets in any pieces. It holds one frame at most, ``MAX_FRAME_OCTETS``; ``skipped`` counts the rest."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._in_frame = False
        self._scanned = 0  # of the buffer, as far as nothing can change any more
        self._last_heard = 0.0
        self._skipped = 0

    @property
    def deadline(self) -> float | None:
        """When ``abandon`` is due if nothing comes until then; None: nothing is held or to be told."""
        return self._last_heard + FRAME_QUIET_S if self._buffer or self._skipped else None

    def feed(self, data: bytes, now: float) -> list[bytes]:
        """The APDUs that ``data`` completes, without doubled DLEs and with a CRC that holds."""
        apdus: list[bytes] = []
        if not self._buffer:
            data = _without_whole_frames(data, apdus)
        if data:
            self._last_heard = now
            self._buffer += data
            while self._step(apdus):
                pass
            if len(self._buffer) > MAX_FRAME_OCTETS:
                self._drop(len(self._buffer))
        return apdus

    def abandon(self) -> None:
        """Silence: the frame that is not complete has no end."""
        self._drop(len(self._buffer))

    def take_skipped(self) -> int:
        skipped, self._skipped = self._skipped, 0
        return skipped

    def _step(self, apdus: list[bytes]) -> bool:
        """Go on by one start, doubled DLE or end; False where more octets are needed."""
        return self._go_on(apdus) if self._in_frame else self._find_start()

    def _find_start(self) -> bool:
        at = self._buffer.find(_START)
        if at < 0:
            self._drop(len(self._buffer) - self._buffer.endswith(b"\x10"))
            return False
        self._drop(at)
        self._in_frame, self._scanned = True, 2
        return True

    def _go_on(self, apdus: list[bytes]) -> bool:
        buffer = self._buffer
        at = buffer.find(_DLE, self._scanned)
        self._scanned = len(buffer) if at < 0 else at
        if at < 0 or at + 1 == len(buffer):
            return False
        behind = buffer[at + 1]
        if behind == _DLE:
            self._scanned = at + 2
            return True
        if behind == _ETX:
            return self._end(at, apdus)
        self._drop(at + (behind != _STX))  # a frame began before this one ended, or an octet is damaged
        return True

    def _end(self, at: int, apdus: list[bytes]) -> bool:
        """``10 03`` stands at ``at``."""
        buffer = self._buffer
        if len(buffer) < at + 4:
            return False
        apdu = _checked(bytes(buffer[2:at]), bytes(buffer[at + 2 : at + 4]))
        if apdu is not None:
            apdus.append(apdu)
            del buffer[: at + 4]
            self._in_frame = False
        else:
            self._drop(self._next_start(at))
        return True

    def _next_start(self, end: int) -> int:
        """Where to look on in a damaged frame: a DLE that was its last octet may stand before the next one's start.

        Else behind its end: where octets of its CRC were lost, the next frame may stand in their place.
        """
        inside = self._buffer.rfind(_DOUBLED + _START[1:], 2, end)
        return inside + 1 if inside >= 0 else end + 2

    def _drop(self, octets: int) -> None:
        """The first ``octets`` belong to no frame that will be complete."""
        self._skipped += len(self._buffer[:octets].translate(None, _ACK_NAK))
        del self._buffer[:octets]
        self._in_frame, self._scanned = False, 0


def _checked(doubled: bytes, crc: bytes) -> bytes | None:
    apdu = doubled.replace(_DOUBLED, b"\x10")
    return apdu if crc_kermit(apdu + b"\x03") == int.from_bytes(crc, "little") else None


def _without_whole_frames(data: bytes, apdus: list[bytes]) -> bytes:
    """The short way, which most reads can go: frames and ACKs from end to end. What is left needs looking at."""
    at = 0
    while (frame := _WHOLE.match(data, at)) is not None:
        apdu = _checked(frame[1], frame[2])
        if apdu is None:
            break
        apdus.append(apdu)
        at = frame.end()
    return data[at:].lstrip(_ACK_NAK)
