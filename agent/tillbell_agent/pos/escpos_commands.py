"""How long every ESC/POS command is, as data: the first octets become a rule, the rule becomes a length.

After the command tables that Epson publishes for its receipt printers, and what clones add. Nothing here reads octets
of a stream; the tokenizer applies the rules. A command that is in no table is unknown.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

NOT_THIS_COMMAND = -1


@dataclass(frozen=True, slots=True)
class Counted:
    """``head`` octets (prefix included) say how many more follow: ``more(head)``; -1: no such command (noise)."""

    head: int
    more: Callable[[bytes], int]


@dataclass(frozen=True, slots=True)
class Terminated:
    """After ``head`` octets, data up to and with the ``count``-th ``end`` octet, at most ``limit`` octets.

    Where ``text_only``, a control octet other than ``end`` shows that the terminator was lost: the data ends before.
    """

    head: int
    end: int
    limit: int
    count: int = 1
    text_only: bool = True


@dataclass(frozen=True, slots=True)
class Repeated:
    """After ``head`` octets, ``times(head)`` items, each with ``item_head`` octets that say ``more(head, item)``."""

    head: int
    times: Callable[[bytes], int]
    item_head: int
    more: Callable[[bytes, bytes], int]


Rule = Counted | Terminated | Repeated


def _fixed(octets: int) -> Counted:
    return Counted(octets, lambda _head: 0)


def _declared(head: int, *, least: int = 0) -> Counted:
    """pL pH are the last two octets of the usual five; ``head`` may hold parameters behind them."""

    def extra(octets: bytes) -> int:
        length = octets[3] + 256 * octets[4]
        return length - (head - 5) if length >= least else NOT_THIS_COMMAND

    return Counted(head, extra)


def _raster(octets: bytes) -> int:
    """GS v 0 m xL xH yL yH: x octets in each of y rows."""
    if octets[2] != 0x30 or octets[3] not in (0, 1, 2, 3, 48, 49, 50, 51):
        return NOT_THIS_COMMAND
    return (octets[4] + 256 * octets[5]) * (octets[6] + 256 * octets[7])


def _bit_image(octets: bytes) -> int:
    """ESC * m nL nH: one octet a column, or three in the 24-dot modes."""
    columns = octets[3] + 256 * octets[4]
    if octets[2] not in (0, 1, 32, 33) or columns > 4095:
        return NOT_THIS_COMMAND
    return columns * (3 if octets[2] >= 32 else 1)


def _cut(octets: bytes) -> int:
    """GS V m, with n behind it in the feeding forms."""
    return 1 if octets[2] in (65, 66, 97, 98, 103, 104) else 0


def _graphics_32(octets: bytes) -> int:
    return int.from_bytes(octets[3:7], "little") if octets[2] in b"LC" else NOT_THIS_COMMAND


def _windows_bitmap(octets: bytes) -> int:
    """GS D m fn a kc1 kc2 b c, then a BMP file that states its own size after its magic."""
    if octets[9:11] != b"BM":
        return NOT_THIS_COMMAND
    return max(int.from_bytes(octets[11:15], "little") - 6, 0)


def _counter(octets: bytes) -> int:
    return {0x30: 2, 0x31: 6, 0x32: 2}.get(octets[2], NOT_THIS_COMMAND)


def _realtime(octets: bytes) -> int:
    return {1: 2, 2: 2, 3: 5, 7: 1, 8: 7}.get(octets[2], NOT_THIS_COMMAND)


def _group(prefix: int, octets: int, seconds: bytes) -> dict[bytes, Rule]:
    return {bytes((prefix, second)): _fixed(octets) for second in seconds}


_BARCODE_A_LIMIT = 256  # no linear symbol holds more characters; a longer one has lost its NUL
_TABS_LIMIT = 33  # ESC D: at most 32 columns and NUL

EPSON_RULES: Mapping[bytes, Rule] = {
    # ESC
    **_group(0x1B, 2, b"2<@LSimvq45\x0c"),
    **_group(0x1B, 3, b" !%-3=?CEFGJKMRTUVadertu{"),
    **_group(0x1B, 4, b"$\\cf"),
    **_group(0x1B, 5, b"p"),
    **_group(0x1B, 10, b"W"),
    b"\x1b(": _declared(5),
    b"\x1b*": Counted(5, _bit_image),
    b"\x1b&": Repeated(
        5, lambda head: max(head[4] - head[3] + 1, 0), 1, lambda head, item: head[2] * item[0]
    ),
    b"\x1bD": Terminated(2, 0, _TABS_LIMIT, text_only=False),
    # GS
    **_group(0x1D, 2, b":c"),
    **_group(0x1D, 3, b"!/BEHITabfhjrw"),
    **_group(0x1D, 4, b"$LPW\\"),
    **_group(0x1D, 5, b"^z"),
    **_group(0x1D, 6, b"g"),
    b"\x1dV": Counted(3, _cut),
    b"\x1d(": _declared(5),
    b"\x1d8": Counted(7, _graphics_32),
    b"\x1dv": Counted(8, _raster),
    b"\x1dQ": Counted(8, _raster),
    b"\x1d*": Counted(4, lambda head: 8 * head[2] * head[3]),
    b"\x1dD": Counted(15, _windows_bitmap),
    b"\x1dC": Counted(3, _counter),
    b"\x1dC;": Terminated(3, 0x3B, 40, count=5),
    b"\x1dk": Counted(4, lambda head: head[3] if 65 <= head[2] <= 90 else NOT_THIS_COMMAND),
    **{bytes((0x1D, 0x6B, system)): Terminated(3, 0, _BARCODE_A_LIMIT) for system in range(7)},
    # FS
    **_group(0x1C, 2, b"&.\x0e\x14"),
    **_group(0x1C, 3, b"!-CW"),
    **_group(0x1C, 4, b"Sp?"),
    b"\x1c2": Counted(4, lambda _head: 72),  # one 24 x 24 glyph
    b"\x1c(": _declared(5),
    b"\x1c(C": _declared(7, least=2),  # its function and parameter choose the text encoding
    b"\x1cq": Repeated(
        3, lambda head: head[2], 4, lambda _head, i: 8 * (i[0] + 256 * i[1]) * (i[2] + 256 * i[3])
    ),
    b"\x1cg": Counted(10, lambda head: (head[8] + 256 * head[9]) if head[2] == 0x31 else 0),
    # DLE
    b"\x10\x04": Counted(3, lambda head: 1 if head[2] in (7, 8, 18) else 0),
    b"\x10\x05": _fixed(3),
    b"\x10\x14": Counted(3, _realtime),
}


@dataclass(frozen=True, slots=True)
class Printer:
    """A family of printers: where its commands differ from Epson's, and which of them end a job."""

    rules: Mapping[bytes, Rule] = field(default_factory=lambda: EPSON_RULES)
    cuts: frozenset[bytes] = frozenset({b"\x1dV", b"\x1bi", b"\x1bm"})


# A new family is one row: its own lengths laid over Epson's, its own cuts.
PRINTERS: Mapping[str, Printer] = {
    "epson": Printer(),
    # italics on and off carry a parameter here, none elsewhere
    "pyramid": Printer(rules={**EPSON_RULES, **_group(0x1B, 3, b"45")}),
}
