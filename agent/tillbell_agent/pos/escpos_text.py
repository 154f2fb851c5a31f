"""The octets of a printed line become text, by the configured encoding and what the stream says about it.

The rule, in this order: UTF-8 while ``FS ( C`` (or Star's ``ESC GS ) U``) has chosen it; JIS or Shift JIS while ``FS C`` has; a configured single-byte encoding yields to the page that
``ESC t`` has chosen; a configured multi-byte encoding holds whatever ``ESC t`` says (printers for Chinese, Japanese and
Korean print their ideographs regardless, and tills for them send ``ESC t 0`` by habit), but while ``FS .`` has switched
ideographs off the page counts, and a line that the multi-byte encoding cannot decode is read by a page that was chosen
and is not 0. What cannot be decoded is U+FFFD. Never guesses an encoding from the text.
"""

import codecs
from collections.abc import Mapping

# ESC R n: what a national set prints in the places of the signs that amounts use.
_NATIONAL: Mapping[int, Mapping[int, str]] = {
    3: {ord("#"): "£"}, 8: {ord("\\"): "¥"}, 13: {ord("\\"): "₩"}, 15: {ord("$"): "¥"},
}  # fmt: skip
# As ``codecs.lookup`` names them; looking them up would load the tables of five countries, half a megabyte.
_MULTI_BYTE = frozenset(
    "gb18030 gbk gb2312 big5 big5hkscs cp950 euc_kr cp949 johab shift_jis cp932 euc_jp utf-8".split()
)


class TextDecoder:
    """The character settings of one printer; ``reset`` is what ``ESC @`` does to them."""

    def __init__(self, encoding: str, pages: Mapping[int, str]) -> None:
        """``pages``: what the printer's family calls its code pages."""
        self._pages = pages
        self._encoding = codecs.lookup(encoding).name
        self._multi_byte = self._encoding in _MULTI_BYTE
        self.reset()

    def reset(self) -> None:
        self._page: int | None = None
        self._national = 0
        self._ideographs = True
        self._ideographs_asked = False
        self._ideographs_in: str | None = None
        self._utf8 = False

    def select_page(self, page: int) -> None:
        """ESC t n."""
        self._page = page

    def select_national_set(self, number: int) -> None:
        """ESC R n."""
        self._national = number

    def select_ideographs(self, on: bool) -> None:
        """FS & and FS . (full stop)."""
        self._ideographs = self._ideographs_asked = on

    def select_ideographs_code(self, code: int) -> None:
        """FS C n: 0 JIS, which a printer takes in ideograph mode only, 1 Shift JIS."""
        self._ideographs_in = {0: "jis", 0x30: "jis", 1: "cp932", 0x31: "cp932"}.get(code)

    def select_utf8(self, on: bool) -> None:
        """FS ( C, function 48: 2 is UTF-8, 1 the printer's own tables; Star's ESC GS ) U, function 48: 1 and 0."""
        self._utf8 = on

    def decode(self, octets: bytes) -> str:
        """A stretch of a line that was sent under the settings as they are now."""
        if self._ideographs_in == "jis" and self._ideographs_asked:
            return (b"\x1b$B" + octets + b"\x1b(B").decode("iso2022_jp", "replace")
        text = octets.decode("ascii") if octets.isascii() else self._decode(octets)
        national = _NATIONAL.get(self._national)
        return text.translate(national) if national else text

    def _decode(self, octets: bytes) -> str:
        if self._utf8:
            return octets.decode("utf-8", "replace")
        if self._ideographs_in == "cp932" and self._ideographs:
            return octets.decode("cp932", "replace")
        page = self._pages.get(self._page) if self._page is not None else None
        if not self._multi_byte:
            return octets.decode(page or self._encoding, "replace")
        if not self._ideographs:
            return octets.decode(page or "cp437", "replace")
        try:
            return octets.decode(self._encoding)
        except UnicodeDecodeError:
            return octets.decode(page if page and self._page else self._encoding, "replace")
