"""Armor: octets become letters that survive every SMS path, and letters in pasted text become octets again.

Base64 (RFC 4648 §4) without padding: those letters have the same code in ASCII and in GSM 03.38. Armor carries no
check of its own; the seal inside does. Two armors are the same message if their octets are the same.
"""

import base64
import binascii
import re
from typing import Final

from tillbell_protocol.check import WHITE_SPACE
from tillbell_protocol.errors import DecodeError

# 160 septets of one SMS carry 120 octets.
SEPTETS_PER_SMS: Final = 160
_LINE: Final = re.compile(f"[A-Za-z0-9+/{WHITE_SPACE}]*")
_LINE_END: Final = re.compile("\r\n|\r|\n")
_FOREIGN: Final = re.compile(r"[^A-Za-z0-9+/]")
_SPACE: Final = re.compile(f"[{WHITE_SPACE}]+")


class ArmorError(DecodeError):
    """Text is not base64 without padding."""


def armor(octets: bytes) -> str:
    """The letters of ``octets``, without padding, on one line."""
    return base64.b64encode(octets).decode("ascii").rstrip("=")


def dearmor(text: str) -> bytes:
    """The octets of one armor; white space anywhere in it is ignored, unused bits at its end too.

    Raises ``ArmorError`` for any other character (its offset counts characters of ``text`` without white space) and
    for a length that no octets have.
    """
    letters = _SPACE.sub("", text)
    foreign = _FOREIGN.search(letters)
    if foreign:
        raise ArmorError("armor", foreign.start(), f"{foreign.group()!r} is not one of the 64 letters")
    if len(letters) % 4 == 1:
        raise ArmorError("armor", len(letters) - 1, "one letter is missing or too many")
    return _octets(letters)


def find_blocks(text: str) -> list[bytes]:
    """The octets of every block of armor in pasted text, in order.

    A block is consecutive lines made of the 64 letters and white space, at least one letter in each, the first line
    starting with ``U`` (so start both types of sealed message). A single letter left over at the end of a block
    carries no octet. A sentence may look like a block; opening it refuses it, visibly.
    """
    blocks: list[str] = []
    inside = False
    for line in _LINE_END.split(text):
        letters = _SPACE.sub("", line) if _LINE.fullmatch(line) else ""
        if letters and inside:
            blocks[-1] += letters
        elif letters.startswith("U"):
            blocks.append(letters)
        inside = bool(letters) and (inside or letters.startswith("U"))
    return [_octets(block[:-1] if len(block) % 4 == 1 else block) for block in blocks]


def tag_text(tag: str, octets: bytes) -> str:
    """A key, card or bundle on one line: ``TBC1.`` and its armor."""
    return f"{tag}{armor(octets)}"


def untag_text(tag: str, text: str, max_octets: int) -> bytes:
    """The octets of the one tagged line in ``text``; blank lines and lines that start with ``#`` are skipped.

    Raises ``ArmorError`` for another tag, further lines, foreign letters or more than ``max_octets`` octets.
    """
    lines = [_SPACE.sub(" ", line).strip(" ") for line in _LINE_END.split(text)]
    lines = [line for line in lines if line and not line.startswith("#")]
    if len(lines) != 1:
        raise ArmorError(tag, 0, f"one line starting with {tag} expected, {len(lines)} lines found")
    if not lines[0].startswith(tag):
        raise ArmorError(tag, 0, f"the line does not start with {tag}")
    body = lines[0][len(tag) :]
    if len(body) * 3 > max_octets * 4 + 3:
        raise ArmorError(tag, 0, f"longer than {max_octets} octets")
    return dearmor(body)


def _octets(letters: str) -> bytes:
    try:
        return base64.b64decode(letters + "=" * (-len(letters) % 4))
    except binascii.Error as error:
        raise ArmorError("armor", 0, str(error)) from error
