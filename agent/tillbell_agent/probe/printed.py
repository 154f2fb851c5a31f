"""What a till prints: readable lines, and commands that printers know."""

from collections.abc import Iterator

from tillbell_agent.pos.escpos_tokens import EscPosTokenizer, Token, TokenKind
from tillbell_agent.probe.sight import Sight

_SHORTEST = 3  # octets of a readable line
_ENCODINGS = ("gb18030", "utf-8", "euc_kr", "shift_jis", "big5")
_MOST_FOREIGN = 0.4  # of a line in a Western code page is beyond ASCII, at most


def printed(octets: bytes) -> Iterator[Sight]:
    """Lines of text and printer commands. Pictures and codes count as one command each, whatever they hold."""
    at, line = 0, b""
    for token in EscPosTokenizer().feed(octets):
        start, at = at, at + token.octets
        if token.kind is TokenKind.TEXT:
            line += token.head
        elif token.kind is TokenKind.COMMAND:
            yield Sight(start, at, "printer commands")
        elif _ends_line(token):
            if is_readable(line):
                yield Sight(start - len(line), at, "lines of text")
            line = b""
        else:
            line = b""


def _ends_line(token: Token) -> bool:
    return token.kind in (TokenKind.LF, TokenKind.CR)


def is_readable(line: bytes) -> bool:
    """Text of some language: ASCII, an encoding of East Asia, or a code page with letters among ASCII."""
    if len(line.strip()) < _SHORTEST or b"\x7f" in line:
        return False
    foreign = sum(octet > 0x7F for octet in line)
    return foreign <= _MOST_FOREIGN * len(line) or any(_decodes(line, name) for name in _ENCODINGS)


def _decodes(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
