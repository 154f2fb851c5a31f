"""How long every command of Star Line Mode is, as data, after the command tables that Star publishes.

ESC alone begins a command here; single controls switch styles (SO, DC4, SI, DC2) and open drawers (BEL, FS, EM, SUB).
In raster mode, from ``ESC * r A`` to ``ESC * r B``, rows of dots come as ``b nL nH data`` without a prefix.
"""

from collections.abc import Mapping

from tillbell_agent.pos.escpos_rules import (
    Action,
    Counted,
    Repeated,
    Rule,
    Terminated,
    declared,
    fixed,
    group,
)

# ESC GS t n, where Python knows the page.
STAR_PAGES: Mapping[int, str] = {
    0: "cp437", 1: "cp437", 3: "cp437", 4: "cp858", 5: "cp852", 6: "cp860", 7: "cp861", 8: "cp863", 9: "cp865",
    10: "cp866", 11: "cp855", 12: "cp857", 13: "cp862", 14: "cp864", 15: "cp737", 17: "cp869", 21: "cp874",
    32: "cp1252", 33: "cp1250", 34: "cp1251",
}  # fmt: skip
_BARCODE_LIMIT = 256
_TABS_LIMIT = 33
_NUMBER_LIMIT = 8  # of a raster mode parameter: decimal figures and NUL


def _columns(octets_each: int) -> Counted:
    """ESC x nL nH: columns of ``octets_each`` octets."""
    return Counted(4, lambda head: (head[2] + 256 * head[3]) * octets_each)


def _long(second: int, octets: int, thirds: bytes) -> dict[bytes, Rule]:
    return {bytes((0x1B, second, third)): fixed(octets) for third in thirds}


def _symbol(kind: bytes, item_head: int) -> dict[bytes, Rule]:
    """ESC GS y (QR) and ESC GS x (PDF417): settings, data of a stated length, print, and asking for the size."""
    name = b"\x1b\x1d" + kind
    store = Repeated(
        4, lambda _head: 1, item_head, lambda _head, item: item[item_head - 2] + 256 * item[item_head - 1]
    )
    return {name + b"S": fixed(6), name + b"D": store, name + b"P": fixed(4), name + b"I": fixed(4)}


STAR_RULES: Mapping[bytes, Rule] = {
    **group(0x1B, 2, b"@012567EFGHM:OPgpq\x0e\x144"),
    **group(0x1B, 3, b" !-_/'$3ACIJNQRUWadhlyz\x0c"),
    **group(0x1B, 4, b"\x07ist"),
    b"\x1bC\x00": fixed(4),
    b"\x1bK": _columns(1),
    b"\x1bL": _columns(1),
    b"\x1bX": _columns(3),
    b"\x1bk": _columns(24),
    b"\x1bb": Terminated(6, 0x1E, _BARCODE_LIMIT),
    b"\x1bB": Terminated(2, 0, _TABS_LIMIT, text_only=False),
    b"\x1bD": Terminated(2, 0, _TABS_LIMIT, text_only=False),
    # ESC * r: raster mode
    b"\x1b*r": Terminated(4, 0, _NUMBER_LIMIT),
    **{b"\x1b*r" + one: fixed(4) for one in (b"A", b"B", b"C")},
    b"b": Counted(3, lambda head: head[1] + 256 * head[2]),
    b"k": Counted(3, lambda head: head[1] + 256 * head[2]),
    # ESC GS
    **_long(0x1D, 4, b"at"),
    **_long(0x1D, 5, b"AR"),
    b"\x1b\x1d\x03": fixed(6),
    b"\x1b\x1d)": declared(6, length_at=4),
    b"\x1b\x1d)U": declared(8, least=2, length_at=4),
    b"\x1b\x1dS": Counted(9, lambda head: (head[4] + 256 * head[5]) * (head[6] + 256 * head[7])),
    **_symbol(b"y", 4),
    **_symbol(b"x", 2),
    b"\x1b\x1dxS0": fixed(8),
    # ESC GS P: page mode
    **{b"\x1b\x1dP" + bytes((one,)): fixed(4) for one in b"01678"},
    b"\x1b\x1dP2": fixed(5),
    b"\x1b\x1dP3": fixed(12),
    b"\x1b\x1dP4": fixed(6),
    b"\x1b\x1dP5": fixed(6),
    # ESC RS, ESC FS
    **_long(0x1E, 4, b"aACdEFHiLmr"),
    b"\x1b\x1cp": fixed(5),
}

STAR_ACTIONS: Mapping[bytes, Action] = {
    b"\x1b@": Action.INITIALIZE,
    b"\x1bd": Action.CUT,
    b"\x1bR": Action.NATIONAL_SET,
    b"\x1bp": Action.IDEOGRAPHS_ON,
    b"\x1bq": Action.IDEOGRAPHS_OFF,
    b"\x1ba": Action.FEED_LINES,
    b"\x1bI": Action.END_LINE,
    b"\x1bJ": Action.END_LINE,
    b"\x1b\x0c": Action.END_LINE,
    b"\x1b\x1dt": Action.CODE_PAGE,
    b"\x1b\x1d)": Action.ENCODING,
    b"\x1b\x1dA": Action.COLUMN,
    b"\x1b\x1dR": Action.COLUMN,
    b"\x1b\x1dP": Action.END_LINE,  # page mode: beginning, end, places
}
