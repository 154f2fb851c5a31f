"""What is stuck onto a bridge: text for people, and the same for a scanner. Never the key, only its fingerprint."""

from dataclasses import dataclass
from xml.sax.saxutils import escape

_LINE_MM, _TEXT_MM, _QR_MM, _WIDTH_MM, _MARGIN_MM = 4.2, 3.2, 26.0, 74.0, 2.0


@dataclass(frozen=True, slots=True)
class Label:
    """``made``: the day, as in ISO 8601. ``key``: the key's fingerprint."""

    name: str
    board: str
    unique_id: str
    firmware: str
    made: str
    key: str

    def rows(self) -> list[tuple[str, str]]:
        return [
            ("name", self.name),
            ("board", self.board),
            ("id", self.unique_id),
            ("firmware", self.firmware),
            ("date", self.made),
            ("key", self.key),
        ]

    def text(self) -> str:
        return "\n".join(["Tillbell bridge", *(f"{name:9}{value}" for name, value in self.rows())])

    def scanned(self) -> str:
        """What the QR code holds."""
        return ";".join(["tillbell-bridge=1", *(f"{name}={value}" for name, value in self.rows())])

    def svg(self, qr: str) -> str:
        """The printed label, in millimetres. ``qr``: the code as an ``svg`` element with a ``viewBox`` of its own."""
        lines = self.text().splitlines()
        height = max(_QR_MM, _LINE_MM * len(lines)) + 2 * _MARGIN_MM
        left = _QR_MM + 2 * _MARGIN_MM
        drawn = "\n".join(
            f'<text x="{left}" y="{_MARGIN_MM + _LINE_MM * (place + 0.8):.1f}" xml:space="preserve">{escape(line)}</text>'
            for place, line in enumerate(lines)
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH_MM}mm" height="{height:.1f}mm" '
            f'viewBox="0 0 {_WIDTH_MM} {height:.1f}" font-family="monospace" font-size="{_TEXT_MM}">\n'
            f'<rect width="100%" height="100%" fill="white"/>\n'
            f'<svg x="{_MARGIN_MM}" y="{_MARGIN_MM}" width="{_QR_MM}" height="{_QR_MM}">{qr}</svg>\n{drawn}\n</svg>\n'
        )
