"""The 7-bit tables of 3GPP TS 23.038 as data: language identifier -> locking shift and single shift table.

Identifier 0 is the default alphabet (6.2.1) with its extension table (6.2.1.1); 1 to 13 are the national tables of
annexes A.2 (single shift) and A.3 (locking shift). Spanish has no locking shift table. These tables are for reading:
this project writes only the default alphabet or UCS-2.

A cell that the standard leaves empty is U+FFFD in a locking table and missing in a single shift table.
"""

from collections.abc import Sequence
from types import MappingProxyType

ESCAPE = 0x1B
_GAP = "\ufffd"

_ASCII_20 = " !\"#¤%&'()*+,-./0123456789:;<=>?"
_UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LOWER = "abcdefghijklmnopqrstuvwxyz"

_DEFAULT = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ" + _ASCII_20 + "¡" + _UPPER + "ÄÖÑÜ§" + "¿" + _LOWER + "äöñüà"
)
_TURKISH = (
    "@£$¥€éùıòÇ\nĞğ\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bŞşßÉ" + _ASCII_20 + "İ" + _UPPER + "ÄÖÑÜ§" + "ç" + _LOWER + "äöñüà"
)
_PORTUGUESE = (
    "@£$¥êéúíóç\nÔô\rÁáΔ_ªÇÀ∞^\\€Ó|\x1bÂâÊÉ"
    + _ASCII_20.replace("¤", "º")
    + ("Í" + _UPPER + "ÃÕÚÜ§")
    + ("~" + _LOWER + "ãõ`üà")
)
_URDU = (
    "\u0627\u0622\u0628\u067b\u0680\u067e\u06a6\u062a\u06c2\u067f\n\u0679\u067d\r\u067a\u067c"
    "\u062b\u062c\u0681\u0684\u0683\u0685\u0686\u0687\u062d\u062e\u062f\x1b\u068c\u0688\u0689\u068a"
    " !\u068f\u068d\u0630\u0631\u0691\u0693)(\u0699\u0632,\u0696.\u0698"
    "0123456789:;\u069a\u0633\u0634?"
    "\u0635\u0636\u0637\u0638\u0639\u0641\u0642\u06a9\u06aa\u06ab\u06af\u06b3\u06b1\u0644\u0645\u0646"
    "\u06ba\u06bb\u06bc\u0648\u06c4\u06d5\u06c1\u06be\u0621\u06cc\u06d0\u06d2\u064d\u0650\u064f\u0657"
    "\u0654" + _LOWER + "\u0655\u0651\u0653\u0656\u0670"
)


def _indic(block: int, gaps: str, tail: str) -> str:
    """One of the nine Indian locking shift tables of A.3.

    They share one layout: the letters of the Unicode block in its own order, around LF, CR, ESC, punctuation and
    digits. ``gaps`` and ``tail`` are offsets into the block in hex: letters the script does not have, and the
    last six cells (0x60 and 0x7B to 0x7F).
    """
    absent = {int(offset, 16) for offset in gaps.split()}

    def run(first: int, last: int) -> str:
        return "".join(_GAP if n in absent else chr(block + n) for n in range(first, last + 1))

    after = [chr(block + int(offset, 16)) for offset in tail.split()]
    return (
        (run(0x01, 0x03) + run(0x05, 0x0B) + "\n" + run(0x0C, 0x0D) + "\r" + run(0x0E, 0x0F))
        + (run(0x10, 0x1A) + "\x1b" + run(0x1B, 0x1E))
        + (" !" + run(0x1F, 0x24) + ")(" + run(0x25, 0x26) + "," + run(0x27, 0x27) + "." + run(0x28, 0x28))
        + ("0123456789:;" + run(0x29, 0x2B) + "?")
        + (run(0x2C, 0x39) + run(0x3C, 0x3D) + run(0x3E, 0x4D))
        + (after[0] + _LOWER + "".join(after[1:]))
    )


LOCKING = MappingProxyType(
    {
        0: _DEFAULT,
        1: _TURKISH,
        3: _PORTUGUESE,
        4: _indic(0x0980, "0d 0e 11 12 29 31 33 34 35 45 46 49 4a", "4e 57 5c 5d 70 71"),  # Bengali
        5: _indic(0x0A80, "0e 12 29 31 34 46 4a", "50 60 61 62 63 71"),  # Gujarati
        6: _indic(0x0900, "", "50 72 7b 7c 7e 7f"),  # Hindi
        7: _indic(0x0C80, "01 0d 11 29 34 45 49", "55 56 60 61 62 63"),  # Kannada
        8: _indic(0x0D00, "01 0d 11 29 3c 45 49", "57 60 61 62 63 79"),  # Malayalam
        9: _indic(0x0B00, "0d 0e 11 12 29 31 34 45 46 49 4a", "56 57 60 61 62 63"),  # Oriya
        10: _indic(
            0x0A00, "0b 0c 0d 0e 11 12 29 31 34 37 3d 43 44 45 46 49 4a", "51 70 71 72 73 74"
        ),  # Punjabi
        11: _indic(
            0x0B80,
            "01 0b 0c 0d 11 16 17 18 1b 1d 20 21 22 25 26 27 2b 2c 2d 3c 3d 43 44 45 49",
            "50 57 70 71 72 79",
        ),  # Tamil
        12: _indic(0x0C00, "0d 11 29 34 3c 45 49", "55 56 60 61 62 63"),  # Telugu
        13: _URDU,
    }
)

_EXTENSION = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}

# What the Indian and Urdu single shift tables have in common: punctuation first, then capitals.
_SIGNS = {
    **dict(enumerate("@£$¥¿\"¤%&'")),
    **dict(zip((0x0B, 0x0C, 0x0E, 0x0F), "*+-/", strict=True)),
    **dict(enumerate("<=>¡^¡_#*", 0x10)),
    **dict(enumerate(_UPPER, 0x41)),
    **_EXTENSION,
}
# The cells left for the script itself, in the order in which the tables fill them.
_FREE = (0x19, 0x1A, *range(0x1C, 0x28), *range(0x2A, 0x2F), *range(0x30, 0x3C), 0x3F)


def _script(*characters: Sequence[int] | None) -> MappingProxyType[int, str]:
    """A single shift table: the common signs, and the script's code points in the free cells (None: cell empty)."""
    own: list[int | None] = []
    for run in characters:
        own.extend((None,) if run is None else run)
    cells = {cell: chr(code) for cell, code in zip(_FREE, own, strict=False) if code is not None}
    return MappingProxyType({**_SIGNS, **cells})


def _latin(changes: str) -> MappingProxyType[int, str]:
    """The default extension table with cells added: ``"41Á 49Í"`` puts Á at 0x41."""
    return MappingProxyType({**_EXTENSION, **{int(item[:2], 16): item[2:] for item in changes.split()}})


_DANDA = (0x0964, 0x0965)  # shared by the scripts of India; only the Devanagari block has them

SINGLE = MappingProxyType(
    {
        0: MappingProxyType(_EXTENSION),
        1: _latin("47Ğ 49İ 53Ş 63ç 67ğ 69ı 73ş"),
        2: _latin("09ç 41Á 49Í 4fÓ 55Ú 61á 69í 6fó 75ú"),
        3: _latin(
            "05ê 09ç 0bÔ 0cô 0eÁ 0fá 12Φ 13Γ 15Ω 16Π 17Ψ 18Σ 19Θ 1fÊ "
            "41À 49Í 4fÓ 55Ú 5bÃ 5cÕ 61Â 69í 6fó 75ú 7bã 7cõ 7fâ"
        ),
        4: _script(range(0x09E6, 0x09F0), (0x09DF,), range(0x09E0, 0x09E4), range(0x09F2, 0x09FB)),
        5: _script(_DANDA, range(0x0AE6, 0x0AF0)),
        6: _script(
            _DANDA, range(0x0966, 0x0970), range(0x0951, 0x0955), range(0x0958, 0x0964), (0x0970, 0x0971)
        ),
        7: _script(_DANDA, range(0x0CE6, 0x0CF0), (0x0CDE, 0x0CF1, 0x0CF2)),
        8: _script(_DANDA, range(0x0D66, 0x0D76), range(0x0D7A, 0x0D80)),
        9: _script(_DANDA, range(0x0B66, 0x0B70), (0x0B5C, 0x0B5D, 0x0B5F, 0x0B70, 0x0B71)),
        10: _script(_DANDA, range(0x0A66, 0x0A70), (0x0A59, 0x0A5A, 0x0A5B, 0x0A5C, 0x0A5E, 0x0A75)),
        11: _script(_DANDA, range(0x0BE6, 0x0BF0), range(0x0BF3, 0x0BF9), (0x0BFA,)),
        12: _script(None, None, range(0x0C66, 0x0C70), (0x0C58, 0x0C59), range(0x0C78, 0x0C80)),
        13: _script(
            (0x0600, 0x0601),
            range(0x06F0, 0x06FA),
            (0x060C, 0x060D, 0x060E, 0x060F, *range(0x0610, 0x0615), 0x061B, 0x061F, 0x0640, 0x0652, 0x0658),
            (0x066B, 0x066C, 0x0672, 0x0673, 0x06CD, 0x06D4),
        ),
    }
)

LANGUAGES = MappingProxyType(
    {
        0: "default",
        1: "Turkish",
        2: "Spanish",
        3: "Portuguese",
        4: "Bengali",
        5: "Gujarati",
        6: "Hindi",
        7: "Kannada",
        8: "Malayalam",
        9: "Oriya",
        10: "Punjabi",
        11: "Tamil",
        12: "Telugu",
        13: "Urdu",
    }
)
