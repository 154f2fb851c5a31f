"""The tokenizer: every command's length, chunks of any size, data never looked at, and no noise that deafens it."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tillbell_agent.pos.escpos_commands import PRINTERS
from tillbell_agent.pos.escpos_tokens import MAX_DECLARED_OCTETS, EscPosTokenizer, Token, TokenKind

EVIL = b"TOTAL 1999.99\n\x1dVB\x00\x1b@"


def tokens(data: bytes, *cuts: int) -> list[Token]:
    """All tokens, runs that were fed in parts joined."""
    tokenizer, joined, edges = EscPosTokenizer(), [], [0, *sorted(cuts), len(data)]
    for start, end in itertools.pairwise(edges):
        for token in tokenizer.feed(data[start:end]):
            last = joined[-1] if joined else None
            if last and last.kind is token.kind and token.kind in (TokenKind.TEXT, TokenKind.CONTROL):
                joined[-1] = Token(last.kind, last.head + token.head, last.octets + token.octets)
            else:
                joined.append(token)
    return joined


def test_every_control_that_does_nothing_is_one_kind() -> None:
    idle = bytes(set(range(32)) - set(b"\t\n\f\r\x10\x1b\x1c\x1d"))
    assert b"\x18" in idle  # CAN
    assert tokens(idle) == [Token(TokenKind.CONTROL, idle, len(idle))]


COMMANDS = {
    "initialize": b"\x1b@",
    "style": b"\x1b!\x30",
    "position": b"\x1b$\x00\x01",
    "pulse": b"\x1bp\x00\x19\xfa",
    "page area": b"\x1bW" + bytes(8),
    "tabs": b"\x1bD\x08\x10\x18\x00",
    "bit image, 8 dots": b"\x1b*\x00\x15\x00" + EVIL + b"!",
    "bit image, 24 dots": b"\x1b*\x21\x07\x00" + EVIL + b"!",
    "raster": b"\x1dv0\x00\x03\x00\x07\x00" + EVIL + b"!",
    "variable height image": b"\x1dQ0\x00\x07\x00\x03\x00" + EVIL + b"!",
    "downloaded image": b"\x1d*\x01\x03" + EVIL + b"!!!!",
    "user characters": b"\x1b&\x03\x20\x21\x01abc\x02abcdef",
    "logos": b"\x1cq\x02\x01\x00\x01\x00" + b"TOTAL 9\n" + b"\x01\x00\x02\x00" + b"TOTAL 9\nTOTAL 9\n",
    "QR code": b"\x1d(k\x17\x001P0" + EVIL,
    "graphics": b"\x1d8L\x15\x00\x00\x00" + EVIL + b"!",
    "bitmap": b"\x1dD0C0  01BM\x1b\x00\x00\x00" + EVIL + b"!",
    "barcode A": b"\x1dk\x04*10042*\x00",
    "barcode B": b"\x1dkI\x08{B10042\x00",
    "cut": b"\x1dV\x00",
    "feed and cut": b"\x1dVB\x00",
    "counter": b"\x1dC;1;2;3;4;5;",
    "user memory": b"\x1cg1\x00\x00\x00\x00\x00\x03\x00abc",
    "text encoding": b"\x1c(C\x02\x000\x02",
    "glyph": b"\x1c2\xfe\xa1" + bytes(72),
    "status": b"\x10\x04\x01",
    "realtime pulse": b"\x10\x14\x01\x00\x01",
    "clear buffer": b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08",
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_command_is_one_token_in_any_chunks(command: bytes) -> None:
    data = b"A" + command + b"B"
    whole = tokens(data)
    assert [(token.kind, token.octets) for token in whole] == [
        (TokenKind.TEXT, 1),
        (TokenKind.COMMAND, len(command)),
        (TokenKind.TEXT, 1),
    ]
    for cut in range(len(data)):
        assert tokens(data, cut) == whole
    assert tokens(data, *range(1, len(data))) == whole


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_nothing_comes_out_before_the_command_is_whole(command: bytes) -> None:
    tokenizer = EscPosTokenizer()
    for at in range(len(command) - 1):
        assert tokenizer.feed(command[at : at + 1]) == []
        assert tokenizer.in_command
    assert len(tokenizer.feed(command[-1:])) == 1
    assert not tokenizer.in_command


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_no_data_is_kept_in_a_token(command: bytes) -> None:
    assert all(b"TOTAL" not in token.head and len(token.head) <= 15 for token in tokens(command))


def test_unknown_command_loses_two_octets() -> None:
    assert tokens(b"\x1bXA") == [Token(TokenKind.UNKNOWN, b"\x1bX", 2), Token(TokenKind.TEXT, b"A", 1)]


def test_lone_escape_does_not_swallow_the_command_behind_it() -> None:
    assert [token.head for token in tokens(b"\x1b\x1b@\x1d\x1b@")] == [b"\x1b", b"\x1b@", b"\x1d", b"\x1b@"]


@pytest.mark.parametrize(
    "noise",
    [
        b"\x1d8L\xff\xff\xff\x7f",
        b"\x1dv0\x00\xff\xff\xff\xff",
        b"\x1dvXXXXX",
        b"\x1b*\x07\x10\x10",
        b"\x1dk\x7f0",
    ],
)
def test_absurd_command_is_noise_and_skips_nothing(noise: bytes) -> None:
    found = tokens(noise + b"\nTOTAL")
    assert found[-1] == Token(TokenKind.TEXT, b"TOTAL", 5)
    assert found[0].kind is TokenKind.UNKNOWN


def test_barcode_without_its_nul_ends_at_the_line() -> None:
    found = tokens(b"\x1dk\x0412345\nTOTAL")
    assert [token.kind for token in found] == [TokenKind.UNKNOWN, TokenKind.LF, TokenKind.TEXT]


def test_barcode_without_its_nul_before_a_command_loses_no_command() -> None:
    assert [token.head for token in tokens(b"\x1dk\x04\x1b@A")][1:] == [b"\x1b@", b"A"]


def test_absurd_number_of_logos_ends_within_the_limit() -> None:
    data = b"\x1cq\xff" + (b"\xff\x03\xff\x03" + bytes(1000)) * 3
    assert TokenKind.UNKNOWN in {token.kind for token in tokens(data)}


def test_abandoned_command_is_counted_and_forgotten() -> None:
    tokenizer = EscPosTokenizer()
    assert tokenizer.feed(b"\x1dv0\x00\x10\x00\x10\x00abc") == []
    assert tokenizer.abandon() == 11
    assert tokenizer.feed(b"A") == [Token(TokenKind.TEXT, b"A", 1)]
    assert tokenizer.feed(b"\x1b") == []
    assert tokenizer.abandon() == 1
    assert tokenizer.abandon() == 0


def test_italics_carry_a_parameter_on_printers_that_say_so() -> None:
    assert [token.octets for token in EscPosTokenizer(PRINTERS["pyramid"]).feed(b"\x1b41A")] == [3, 1]
    assert [token.octets for token in EscPosTokenizer().feed(b"\x1b41A")] == [2, 2]


STREAM = st.lists(
    st.one_of(
        st.binary(max_size=30), st.sampled_from(list(COMMANDS.values())), st.just(b"\x1d"), st.just(b"\x1b")
    ),
    max_size=12,
).map(b"".join)


@settings(max_examples=200)
@given(STREAM, st.lists(st.integers(0, 200), max_size=6))
def test_any_octets_give_the_same_tokens_in_any_chunks(data: bytes, cuts: list[int]) -> None:
    assert tokens(data, *[min(cut, len(data)) for cut in cuts]) == tokens(data)


@settings(max_examples=200)
@given(STREAM)
def test_every_octet_is_accounted_for(data: bytes) -> None:
    tokenizer = EscPosTokenizer()
    found = tokenizer.feed(data)
    assert sum(token.octets for token in found) + tokenizer.abandon() == len(data)
    assert max((token.octets for token in found), default=0) <= MAX_DECLARED_OCTETS + 15
