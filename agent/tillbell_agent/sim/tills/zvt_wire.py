"""Frames and fields of a simulated ZVT line, written as one writes them: nothing here is shared with what reads them."""

import random
from dataclasses import dataclass, field, replace

from tillbell_agent.pos.dialect import Line
from tillbell_agent.sim.tills import Spoken

_ACK, _NAK, _ACCEPTED = b"\x06", b"\x15", b"\x80\x00\x00"
_REPEAT_AFTER_S = 5.0  # T2


def crc(octets: bytes) -> bytes:
    """Most significant bit first, over octets turned round: what others do with a reflected polynomial."""
    register = 0
    for octet in octets:
        register ^= int(f"{octet:08b}"[::-1], 2) << 8
        for _ in range(8):
            register = (register << 1 ^ (0x11021 if register & 0x8000 else 0)) & 0xFFFF
    return int(f"{register:016b}"[::-1], 2).to_bytes(2, "little")


def frame(apdu: bytes) -> bytes:
    doubled = b"".join(b"\x10\x10" if octet == 0x10 else bytes((octet,)) for octet in apdu)
    return b"\x10\x02" + doubled + b"\x10\x03" + crc(apdu + b"\x03")


def message(code: int, data: bytes = b"") -> bytes:
    length = bytes((len(data),)) if len(data) < 0xFF else b"\xff" + len(data).to_bytes(2, "little")
    return code.to_bytes(2, "big") + length + data


def bcd(number: int | str, octets: int) -> bytes:
    return bytes.fromhex(str(number).rjust(2 * octets, "0"))


def counted(tag: int, data: bytes, digits: int) -> bytes:
    return bytes((tag, *(0xF0 | int(digit) for digit in str(len(data)).rjust(digits, "0")))) + data


def ber(tag: bytes, data: bytes) -> bytes:
    octets = (len(data).bit_length() + 7) // 8 or 1
    told = len(data).to_bytes(octets, "big")
    return tag + (told if len(data) < 0x80 else bytes((0x80 | octets,)) + told) + data


def pan(number: str, *, masked: bool) -> bytes:
    shown = "e" * (len(number) - 4) + number[-4:] if masked else number
    return counted(0x22, bytes.fromhex(shown + "f" * (len(shown) % 2)), 2)


@dataclass(slots=True)
class Talk:
    """What is said in one exchange. The ACK and what the same end says next come as one piece."""

    chance: random.Random
    troubles: frozenset[str]
    spoken: list[Spoken] = field(default_factory=list)

    def till(self, apdu: bytes, after_s: float = 0.05) -> None:
        self._say(Line.TILL, Line.TERMINAL, apdu, after_s)

    def terminal(self, apdu: bytes, after_s: float = 0.3, answer: bytes = _ACCEPTED) -> None:
        """The till answers each of the terminal's messages, by ``answer``; the terminal acknowledges that."""
        self._say(Line.TERMINAL, Line.TILL, apdu, after_s)
        self._say(Line.TILL, Line.TERMINAL, answer, 0.01)

    def command(self, apdu: bytes) -> None:
        self.till(apdu)
        self._say(Line.TERMINAL, Line.TILL, _ACCEPTED, 0.0)

    def _say(self, line: Line, other: Line, apdu: bytes, after_s: float) -> None:
        octets = frame(apdu)
        if "nak" in self.troubles and self.chance.random() < 0.1:
            self._add(line, damaged(octets, self.chance), after_s)
            self._add(other, _NAK, 0.2)
            after_s = 0.05
        if "retransmission" in self.troubles and self.chance.random() < 0.1:
            self._add(line, octets, after_s)  # and its ACK is lost
            after_s = _REPEAT_AFTER_S
        self._add(line, octets, after_s)
        self._add(other, _ACK, 0.01)

    def _add(self, line: Line, octets: bytes, after_s: float) -> None:
        last = self.spoken[-1] if self.spoken else None
        if last is not None and last.line is line and after_s < 0.02:
            self.spoken[-1] = replace(last, octets=last.octets + octets)
        else:
            self.spoken.append(Spoken(line, octets, after_s))


def damaged(octets: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(2, len(octets) - 4)
    return octets[:at] + bytes((octets[at] ^ 1 << chance.randrange(8),)) + octets[at + 1 :]
