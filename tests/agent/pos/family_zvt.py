"""ZVT. What the index calls ``apdu`` and ``apdu-chunks`` came over a network: it is put into frames of the serial line."""

import json
from pathlib import Path
from typing import Any

from streams import Family, Step, speaker, vector_steps

from tillbell_agent.pos.settings import DialectSettings


def framed(apdu: bytes) -> bytes:
    """A frame, by the letter of the transport protocol and bit by bit, so that it owes the dialect nothing."""
    crc = 0
    for octet in apdu + b"\x03":
        for bit in range(8):
            odd = crc & 1 ^ octet >> bit & 1
            crc = crc >> 1 ^ (0x8408 if odd else 0)
    return b"\x10\x02" + apdu.replace(b"\x10", b"\x10\x10") + b"\x10\x03" + bytes((crc & 0xFF, crc >> 8))


def steps(entry: dict[str, Any]) -> list[Step]:
    path: Path = entry["path"]
    if entry["layer"] == "wire":
        return vector_steps(entry)
    if entry["layer"] == "apdu-chunks":
        apdu = bytes.fromhex("".join(json.loads(path.read_text("utf-8"))["chunks"]))
    else:
        apdu = path.read_bytes()
    return [(0.0, speaker(entry["direction"]), framed(apdu))]


FAMILY = Family(
    "zvt", dialect=lambda _: "zvt", settings=lambda _: DialectSettings(currency="EUR"), steps=steps
)
