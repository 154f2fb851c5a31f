"""The octets of a printed line become text, by the configured encoding and what the stream says about it.

The rule, in this order: UTF-8 while ``FS ( C`` has chosen it; a configured single-byte encoding yields to the page that
``ESC t`` has chosen; a configured multi-byte encoding holds whatever ``ESC t`` says (printers for Chinese, Japanese and
Korean print their ideographs regardless, and tills for them send ``ESC t 0`` by habit), but while ``FS .`` has switched
ideographs off the page counts, and a line that the multi-byte encoding cannot decode is read by a page that was chosen
and is not 0. What cannot be decoded is U+FFFD. Never guesses an encoding from the text.
"""

import codecs
from collections.abc import Mapping

# ESC t n as Epson numbers its code pages, where Python knows them. Page 0 is each printer's default.
CODE_PAGES: Mapping[int, str] = {
    0: "cp437", 2: "cp850", 3: "cp860", 4: "cp863", 5: "cp865", 13: "cp857", 14: "cp737", 15: "iso8859-7",
    16: "cp1252", 17: "cp866", 18: "cp852", 19: "cp858", 32: "cp720", 33: "cp775", 34: "cp855", 35: "cp861",
    36: "cp862", 37: "cp864", 38: "cp869", 39: "iso8859-2", 40: "iso8859-15", 44: "cp1125", 45: "cp1250",
    46: "cp1251", 47: "cp1253", 48: "cp1254", 49: "cp1255", 50: "cp1256", 51: "cp1257", 52: "cp1258", 53: "kz1048",
}  # fmt: skip
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

    def __init__(self, encoding: str) -> None:
        self._encoding = codecs.lookup(encoding).name
        self._multi_byte = self._encoding in _MULTI_BYTE
        self.reset()

    def reset(self) -> None:
        self._page: int | None = None
        self._national = 0
        self._ideographs = True
        self._utf8 = False

    def select_page(self, page: int) -> None:
        """ESC t n."""
        self._page = page

    def select_national_set(self, number: int) -> None:
        """ESC R n."""
        self._national = number

    def select_ideographs(self, on: bool) -> None:
        """FS & and FS . (full stop)."""
        self._ideographs = on

    def select_utf8(self, on: bool) -> None:
        """FS ( C, function 48: 2 is UTF-8, 1 the printer's own tables."""
        self._utf8 = on

    def decode(self, octets: bytes) -> str:
        """A stretch of a line that was sent under the settings as they are now."""
        text = octets.decode("ascii") if octets.isascii() else self._decode(octets)
        national = _NATIONAL.get(self._national)
        return text.translate(national) if national else text

    def _decode(self, octets: bytes) -> str:
        if self._utf8:
            return octets.decode("utf-8", "replace")
        page = CODE_PAGES.get(self._page) if self._page is not None else None
        if not self._multi_byte:
            return octets.decode(page or self._encoding, "replace")
        if not self._ideographs:
            return octets.decode(page or "cp437", "replace")
        try:
            return octets.decode(self._encoding)
        except UnicodeDecodeError:
            return octets.decode(page if page and self._page else self._encoding, "replace")
