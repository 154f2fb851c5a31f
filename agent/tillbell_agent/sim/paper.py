"""Words, pictures and cuts become ESC/POS octets, as a till's printer driver writes them.

Only for simulated terminals: the agent itself never writes to a terminal's line. Pictures and codes are filled with
octets that would mislead a reader that does not skip them by their declared length.
"""

from tillbell_protocol.errors import EncodeError

_ESC, _GS, _FS = b"\x1b", b"\x1d", b"\x1c"
MISLEADING = b"\nTOTAL 999.99\n\x1dV\x00\x1b@"


class Paper:
    """One print job in the making. ``columns``: half-width characters on a line (32 on 58 mm paper, 42 on 80 mm)."""

    def __init__(self, encoding: str, columns: int = 32) -> None:
        self._encoding, self._columns = encoding, columns
        self._octets = bytearray(_ESC + b"@")
        if encoding.startswith("gb"):
            self._octets += _FS + b"&"

    @property
    def octets(self) -> bytes:
        return bytes(self._octets)

    def line(self, text: str = "", right: str = "") -> "Paper":
        """One line; ``right`` stands at the right edge, on a line of its own if both do not fit. EncodeError."""
        gap = self._columns - _width(text) - _width(right)
        text = f"{text}{' ' * max(1, gap)}{right}" if right else text
        try:
            self._octets += text.encode(self._encoding) + b"\n"
        except UnicodeEncodeError as error:
            raise EncodeError("text", f"{self._encoding} cannot write {text!r}") from error
        return self

    def rule(self) -> "Paper":
        return self.line("-" * self._columns)

    def title(self, text: str) -> "Paper":
        """A centred line in double size."""
        self._octets += _ESC + b"a\x01" + _GS + b"!\x11"
        self.line(text)
        self._octets += _GS + b"!\x00" + _ESC + b"a\x00"
        return self

    def strong(self, text: str, right: str = "") -> "Paper":
        """A line in double height."""
        self._octets += _ESC + b"!\x10"
        self.line(text, right)
        self._octets += _ESC + b"!\x00"
        return self

    def logo(self, width_octets: int = 16, rows: int = 24) -> "Paper":
        """A raster image (GS v 0) whose picture octets spell a total and a cut."""
        size = width_octets * rows
        image = (MISLEADING * (size // len(MISLEADING) + 1))[:size]
        self._octets += (
            _GS + b"v0\x00" + width_octets.to_bytes(2, "little") + rows.to_bytes(2, "little") + image
        )
        return self

    def qr(self, payload: str) -> "Paper":
        """A QR code: model, module size, error correction, store, print (GS ( k, functions 165 to 181)."""
        data = payload.encode("utf-8")
        for parameters in (b"1A2\x00", b"1C\x06", b"1E0", b"1P0" + data, b"1Q0"):
            self._octets += _GS + b"(k" + len(parameters).to_bytes(2, "little") + parameters
        return self.line()

    def barcode(self, digits: str) -> "Paper":
        """CODE39 with its own length (GS k, function B)."""
        data = digits.encode("ascii")
        self._octets += _GS + b"h\x50" + _GS + b"w\x02" + _GS + b"kE" + bytes([len(data)]) + data
        return self.line()

    def feed(self, lines: int = 3) -> "Paper":
        self._octets += b"\n" * lines
        return self

    def cut(self) -> "Paper":
        """Partial cut after feeding (GS V, function B)."""
        self._octets += _GS + b"VB\x00"
        return self

    def drawer(self) -> "Paper":
        """The pulse that opens the cash drawer (ESC p)."""
        self._octets += _ESC + b"p\x00\x19\xfa"
        return self


def _width(text: str) -> int:
    """Columns that ``text`` takes: a character outside Latin-1 takes two."""
    return len(text) + sum(ord(character) > 0xFF for character in text)
