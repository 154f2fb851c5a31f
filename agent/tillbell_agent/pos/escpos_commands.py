"""How long every ESC/POS command is, as data: the first octets become a rule, the rule becomes a length.

After the command tables that Epson publishes for its receipt printers, and what clones add. Nothing here reads octets
of a stream; the tokenizer applies the rules. A command that is in no table is unknown.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tillbell_agent.pos.escpos_rules import (
    NOT_THIS_COMMAND,
    Action,
    Counted,
    Repeated,
    Rule,
    Terminated,
    declared,
    fixed,
    group,
)
from tillbell_agent.pos.escpos_star import STAR_ACTIONS, STAR_PAGES, STAR_RULES


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


_BARCODE_A_LIMIT = 256  # no linear symbol holds more characters; a longer one has lost its NUL
_TABS_LIMIT = 33  # ESC D: at most 32 columns and NUL

EPSON_RULES: Mapping[bytes, Rule] = {
    # ESC
    **group(0x1B, 2, b"2<@LSimvq45\x0c"),
    **group(0x1B, 3, b" !%-3=?CEFGJKMRTUVadertu{"),
    **group(0x1B, 4, b"$\\cf"),
    **group(0x1B, 5, b"p"),
    **group(0x1B, 10, b"W"),
    b"\x1b(": declared(5),
    b"\x1b*": Counted(5, _bit_image),
    b"\x1b&": Repeated(
        5, lambda head: max(head[4] - head[3] + 1, 0), 1, lambda head, item: head[2] * item[0]
    ),
    b"\x1bD": Terminated(2, 0, _TABS_LIMIT, text_only=False),
    # GS
    **group(0x1D, 2, b":c"),
    **group(0x1D, 3, b"!/BEHITabfhjrw"),
    **group(0x1D, 4, b"$LPW\\"),
    **group(0x1D, 5, b"^z"),
    **group(0x1D, 6, b"g"),
    b"\x1dV": Counted(3, _cut),
    b"\x1d(": declared(5),
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
    **group(0x1C, 2, b"&.\x0e\x14"),
    **group(0x1C, 3, b"!-CW"),
    **group(0x1C, 4, b"Sp?"),
    b"\x1c2": Counted(4, lambda _head: 72),  # one 24 x 24 glyph
    b"\x1c(": declared(5),
    b"\x1c(C": declared(7, least=2),  # its function and parameter choose the text encoding
    b"\x1cq": Repeated(
        3, lambda head: head[2], 4, lambda _head, i: 8 * (i[0] + 256 * i[1]) * (i[2] + 256 * i[3])
    ),
    b"\x1cg": Counted(10, lambda head: (head[8] + 256 * head[9]) if head[2] == 0x31 else 0),
    # DLE
    b"\x10\x04": Counted(3, lambda head: 1 if head[2] in (7, 8, 18) else 0),
    b"\x10\x05": fixed(3),
    b"\x10\x14": Counted(3, _realtime),
}


# ESC t n as Epson numbers its code pages, where Python knows them. Page 0 is each printer's default.
EPSON_PAGES: Mapping[int, str] = {
    0: "cp437", 2: "cp850", 3: "cp860", 4: "cp863", 5: "cp865", 13: "cp857", 14: "cp737", 15: "iso8859-7",
    16: "cp1252", 17: "cp866", 18: "cp852", 19: "cp858", 32: "cp720", 33: "cp775", 34: "cp855", 35: "cp861",
    36: "cp862", 37: "cp864", 38: "cp869", 39: "iso8859-2", 40: "iso8859-15", 44: "cp1125", 45: "cp1250",
    46: "cp1251", 47: "cp1253", 48: "cp1254", 49: "cp1255", 50: "cp1256", 51: "cp1257", 52: "cp1258", 53: "kz1048",
}  # fmt: skip


EPSON_ACTIONS: Mapping[bytes, Action] = {
    b"\x1b@": Action.INITIALIZE,
    b"\x1dV": Action.CUT,
    b"\x1bi": Action.CUT,
    b"\x1bm": Action.CUT,
    b"\x1bt": Action.CODE_PAGE,
    b"\x1bR": Action.NATIONAL_SET,
    b"\x1c&": Action.IDEOGRAPHS_ON,
    b"\x1c.": Action.IDEOGRAPHS_OFF,
    b"\x1cC": Action.IDEOGRAPHS_CODE,
    b"\x1c(": Action.ENCODING,
    b"\x1b=": Action.DEVICE,
    b"\x1bL": Action.PAGE_MODE,
    b"\x1bS": Action.STANDARD_MODE,
    b"\x1b\x0c": Action.END_LINE,
    b"\x1bJ": Action.END_LINE,
    b"\x1bW": Action.ROW,
    b"\x1bd": Action.FEED_LINES,
    b"\x1b$": Action.COLUMN,
    b"\x1b\\": Action.COLUMN,
    b"\x1d$": Action.ROW,
    b"\x1d\\": Action.ROW,
}


@dataclass(frozen=True, slots=True)
class Printer:
    """A family of printers: how long its commands are, and what they do.

    ``actions``: by the first two or three octets of a command. ``prefixes``: the octets that commands begin with.
    ``bare``: commands without a prefix, which there are only between the first command of ``bare_mode`` and any other
    of it. ``styles``: single controls that change the print and may follow a number.
    """

    rules: Mapping[bytes, Rule] = field(default_factory=lambda: EPSON_RULES)
    actions: Mapping[bytes, Action] = field(default_factory=lambda: EPSON_ACTIONS)
    pages: Mapping[int, str] = field(default_factory=lambda: EPSON_PAGES)
    prefixes: frozenset[int] = frozenset(b"\x10\x1b\x1c\x1d")
    bare: frozenset[int] = frozenset()
    bare_mode: tuple[bytes, ...] = ()
    styles: frozenset[int] = frozenset()
    words: str = ""


# A new family is one row.
PRINTERS: Mapping[str, Printer] = {
    "epson": Printer(words="Epson's commands, which most printers know"),
    # italics on and off carry a parameter here, none elsewhere
    "pyramid": Printer(
        rules={**EPSON_RULES, **group(0x1B, 3, b"45")},
        words="as epson, but ESC 4 and ESC 5 carry a parameter",
    ),
    "star": Printer(
        rules=STAR_RULES,
        actions=STAR_ACTIONS,
        pages=STAR_PAGES,
        prefixes=frozenset(b"\x1b"),
        bare=frozenset(b"bk"),
        bare_mode=(b"\x1b*rA", b"\x1b*rB", b"\x1b@"),
        styles=frozenset(b"\x0e\x0f\x12\x14"),
        words="Star Line Mode, in which ESC d cuts",
    ),
}
