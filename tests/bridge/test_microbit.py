"""The framing on an emulated micro:bit: a Cortex-M0 with 32-bit integers, nine kilobytes of heap and MicroPython of 2017.

Its MicroPython has no CRC-32 and no SHA-256: the one is told to it, the tags are given to it. Debian's packages
``qemu-system-arm`` and ``firmware-microbit-micropython``; where they are absent the tests are skipped, unless
TILLBELL_REQUIRE_MICROBIT is set.
"""

import ast
import json
import os
import shutil
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from paste_repl import Board
from small_source import pieces

from tillbell_protocol.link.mac import TAG_OCTETS

REPO = Path(__file__).parents[2]
LINK = REPO / "protocol/tillbell_protocol/link"
CASES = json.loads((REPO / "protocol/vectors/link.json").read_text("utf-8"))["cases"]
FIRMWARE = Path("/usr/share/firmware-microbit-micropython/firmware.hex")
EMULATOR = "qemu-system-arm"
# Empties a bytearray in place, which that MicroPython cannot.
READER = "FrameReader"

# In the order in which a board is given them. ``said`` is what the tests ask for.
LACKING = (
    "import gc, struct",
    f"TAG_OCTETS = {TAG_OCTETS}",
    """class binascii:
 def crc32(octets):
  crc = 0xffffffff
  for octet in octets:
   crc ^= octet
   for _ in range(8):
    crc = crc >> 1 ^ 0xedb88320 * (crc & 1)
  return crc ^ 0xffffffff
binascii.crc32 = staticmethod(binascii.crc32)""",
)
RUNNER = (
    """class Given:
 def __init__(self, tag):
  self._tag = tag
 def tag(self, octets):
  return self._tag""",
    """def said(stuffed):
 try:
  frame, covered, tag = split(stuffed)
 except FrameError as error:
  return error.why
 again = Frame(frame.kind, frame.payload, frame.boot, frame.seq, frame.flags)
 same = again == frame and again.encode(Given(tag)) == stuffed + b'\\0'
 return frame.kind, frame.flags, frame.boot, frame.seq, frame.payload, tag, same""",
)


@pytest.fixture(scope="module")
def microbit() -> Iterator[Board]:
    """With the framing in it."""
    absent = [
        name
        for name, there in ((EMULATOR, shutil.which(EMULATOR)), (FIRMWARE, FIRMWARE.exists()))
        if not there
    ]
    if absent and not os.environ.get("TILLBELL_REQUIRE_MICROBIT"):
        pytest.skip(
            f"optional: apt-get install qemu-system-arm firmware-microbit-micropython; absent: {absent[0]}"
        )
    board = Board([
        EMULATOR, "-M", "microbit", "-device", f"loader,file={FIRMWARE}", "-display", "none", "-serial", "stdio",
        "-monitor", "none",
    ])  # fmt: skip
    try:
        for piece in (*LACKING, *pieces(LINK / "cobs.py"), *pieces(LINK / "frame.py", but=READER), *RUNNER):
            board.run(piece)
            board.run("gc.collect()")  # what compiling left behind would lie between what stays
        yield board
    finally:
        board.close()


def give(board: Board, octets: bytes) -> None:
    """``given`` there, in pieces: its parser takes no literal of hundreds of octets."""
    board.run("given = b''")
    for at in range(0, len(octets), 64):
        board.run("gc.collect()")
        board.run(f"given += {octets[at : at + 64]!r}")
    board.run("gc.collect()")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_vector_says_the_same_on_a_micro_bit(microbit: Board, case) -> None:
    give(microbit, bytes.fromhex(case["in"]["stuffed"]))
    said = ast.literal_eval(microbit.run("print((said(given),))"))[0]
    if case["expect"] not in ("ok", "tag", "message"):
        assert said == case["expect"]
        return
    kind, flags, boot, seq, payload, _tag, same = said
    assert same, "what the board makes of its own fields is not the same octets"
    if case["out"]:
        fields = ("kind", "flags", "boot", "seq")
        assert (kind, flags, boot, seq) == tuple(case["out"][name] for name in fields)
        assert payload.hex() == case["out"]["payload"]


@pytest.mark.parametrize("octets", [b"", b"\x00", b"123456789", bytes(range(256))])
def test_the_boards_own_check_sum_is_crc_32(microbit: Board, octets: bytes) -> None:
    give(microbit, octets)
    assert int(microbit.run("print(binascii.crc32(given))")) == zlib.crc32(octets)


def test_what_is_left_of_the_heap_holds_several_frames(
    microbit: Board, figure: Callable[[str], None]
) -> None:
    free = int(microbit.run("gc.collect()\nprint(gc.mem_free())"))
    figure(f"micro:bit: {free:,} octets of heap are free behind the framing")
    assert free > 4 * 256
