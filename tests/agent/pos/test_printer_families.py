"""What a printer does with its commands, the text does too: Star's printers, page mode, displays, status requests."""

import random

import pytest

from tillbell_agent.pos.dialect import DialectEvent, TransactionCompleted
from tillbell_agent.pos.escpos import FIELDS, FRAMING, LAYOUTS, LINE_DEFAULTS, UNKNOWN_ON_ONE_LINE, EscPos
from tillbell_agent.pos.escpos_commands import PRINTERS, Printer
from tillbell_agent.pos.escpos_tokens import EscPosTokenizer, Token, TokenKind
from tillbell_agent.pos.settings import DialectSettings, SettingsError

EVIL = b"\nTOTAL 1999.99\n\x1bd\x00\x1b@\x1dVB\x00"
BODY = b"Harbour Coffee\nReceipt #: 10042\n2026-11-21 09:15:30\n%s\nVISA ************1234\n"
EPSON_CUT, STAR_CUT = b"\x1dVB\x00", b"\x1bd\x01"
STAR_COMMANDS = {
    "initialize": b"\x1b@",
    "cut": b"\x1bd\x30",
    "double width": b"\x1bW\x01",
    "double height": b"\x1bh\x01",
    "expanded": b"\x1bi\x01\x01",
    "emphasised": b"\x1bE",
    "not emphasised": b"\x1bF",
    "inverse": b"\x1b4",
    "underlined": b"\x1b-\x01",
    "font": b"\x1b\x1eF\x00",
    "alignment": b"\x1b\x1da\x01",
    "code page": b"\x1b\x1dt\x20",
    "absolute position": b"\x1b\x1dA\x10\x00",
    "relative position": b"\x1b\x1dR\x10\x00",
    "line spacing": b"\x1bz\x01",
    "feed": b"\x1ba\x03",
    "page length in inches": b"\x1bC\x00\x04",
    "tabs": b"\x1bD\x08\x10\x00",
    "vertical tabs": b"\x1bB\x08\x10\x00",
    "pulse widths": b"\x1b\x07\x14\x14",
    "bar code": b"\x1bb\x04\x02\x02\x5010042\x1e",
    "bit image": b"\x1bK" + bytes((len(EVIL), 0)) + EVIL,
    "fine bit image": b"\x1bX\x0b\x00" + (EVIL * 2)[:33],
    "24 dots": b"\x1bk\x02\x00" + (EVIL * 2)[:48],
    "QR model": b"\x1b\x1dyS0\x02",
    "QR data": b"\x1b\x1dyD1\x00" + bytes((len(EVIL), 0)) + EVIL,
    "QR print": b"\x1b\x1dyP",
    "PDF417 size": b"\x1b\x1dxS0\x01\x05\x05",
    "PDF417 width": b"\x1b\x1dxS2\x02",
    "PDF417 data": b"\x1b\x1dxD" + bytes((len(EVIL), 0)) + EVIL,
    "raster": b"\x1b\x1dS\x01" + bytes((len(EVIL), 0, 1, 0, 0)) + EVIL,
    "page area": b"\x1b\x1dP3" + bytes(8),
    "logo": b"\x1b\x1cp\x01\x00",
    "declared": b"\x1b\x1d)B\x03\x00\x32\x01\x01",
    "raster mode": b"\x1b*rA",
    "raster page": b"\x1b*rP200\x00",
}


def tokens_of(printer: Printer, data: bytes, size: int) -> list[Token]:
    """All tokens, runs of text that were fed in parts joined."""
    tokenizer, joined = EscPosTokenizer(printer), list[Token]()
    for at in range(0, len(data), size):
        for token in tokenizer.feed(data[at : at + size]):
            if joined and joined[-1].kind is token.kind is TokenKind.TEXT:
                head = joined.pop().head + token.head
                joined.append(Token(TokenKind.TEXT, head, len(head)))
            else:
                joined.append(token)
    return joined


def heard(octets: bytes, size: int | None = None, **changes: object) -> list[DialectEvent]:
    dialect = EscPos(DialectSettings(**{"currency": "USD", **changes}))  # type: ignore[arg-type]
    step = size or len(octets)
    events = [
        event
        for at in range(0, len(octets), step)
        for event in dialect.receive_data(octets[at : at + step], 1.0)
    ]
    return events + dialect.tick(100.0)


def amounts(octets: bytes, size: int | None = None, **changes: object) -> list[int | None]:
    events = heard(octets, size, **changes)
    return [event.transaction.amount_minor for event in events if isinstance(event, TransactionCompleted)]


@pytest.mark.parametrize("command", STAR_COMMANDS.values(), ids=STAR_COMMANDS.keys())
def test_a_star_printers_command_is_one_token_in_any_chunks(command: bytes) -> None:
    data = b"A" + command + b"A"
    for size in (1, 2, 3, 5, len(data)):
        found = tokens_of(PRINTERS["star"], data, size)
        assert [(token.kind, token.octets) for token in found] == [
            (TokenKind.TEXT, 1),
            (TokenKind.COMMAND, len(command)),
            (TokenKind.TEXT, 1),
        ]


def test_a_star_printers_raster_mode_takes_rows_without_a_prefix() -> None:
    row = b"b" + bytes((len(EVIL), 0)) + EVIL
    data = b"\x1b*rA" + b"\x1b*rP0\x00" + row * 2 + b"\x1b*rY5\x00" + row + b"\x1b*rB" + b"butter 1.00"
    for size in (1, 7, len(data)):
        found = tokens_of(PRINTERS["star"], data, size)
        assert [token.octets for token in found] == [4, 6, len(row), len(row), 6, len(row), 4, 11]
        assert found[-1].kind is TokenKind.TEXT


@pytest.mark.parametrize("cut", [b"\x1bd\x00", b"\x1bd\x01", b"\x1bd0", b"\x1bd3"])
def test_a_star_printer_cuts_with_what_feeds_an_epson_printer(cut: bytes) -> None:
    sale = b"\x1b@" + BODY % b"\x1bW\x01TOTAL\x1bW\x00   18.80" + cut + b"\x1b\x07\x14\x14\x07"
    assert amounts(sale + sale.replace(b"18.80", b"7.00"), printer="star", size=3) == [1880, 700]
    assert len(amounts(BODY % b"TOTAL 18.80" + b"\x1bd\x05" + BODY % b"TOTAL 18.80")) == 1


def test_a_star_printers_styles_stand_beside_numbers() -> None:
    sale = b"\x1b@" + BODY % b"TOTAL \x0e1250\x14"
    assert amounts(sale + STAR_CUT, printer="star", currency="JPY") == [1250]
    assert amounts(b"\x1b@" + BODY % b"TOTAL 1\x0e250" + STAR_CUT, printer="star", currency="JPY") == [None]


def test_a_star_printers_code_page_is_its_own() -> None:
    sale = b"\x1b@\x1b\x1dt\x20" + BODY % b"TOTAL 12,50 \x80" + STAR_CUT
    events = heard(sale, printer="star", encoding="cp437")
    assert [event.transaction.currency for event in events if isinstance(event, TransactionCompleted)] == [
        "EUR"
    ]


def test_a_star_printer_prints_utf8_once_it_was_told_to() -> None:
    sale = BODY % "合计 ￥12.50".encode()
    told = b"\x1b@\x1b\x1d)U\x02\x00\x30\x01" + sale + STAR_CUT
    assert amounts(told, printer="star", encoding="gb18030", currency="CNY") == [1250]
    back = b"\x1b@\x1b\x1d)U\x02\x00\x30\x01\x1b\x1d)U\x02\x00\x30\x00" + sale + STAR_CUT
    assert amounts(back, printer="star", encoding="gb18030", currency="CNY") != [1250]


def test_any_octets_give_a_star_printer_the_same_events_in_any_chunks() -> None:
    chance = random.Random(5)
    parts = [*STAR_COMMANDS.values(), BODY % b"TOTAL 18.80", b"\x1b", b"\x1d", b"b", b"\x1b*rB", b"\n"]
    for _ in range(200):
        data = b"".join(chance.choice(parts) for _ in range(12)) + chance.randbytes(8)
        assert heard(data, 1, printer="star") == heard(data, printer="star")


def test_rows_of_a_page_are_lines_and_its_columns_are_columns() -> None:
    def at(row: int, column: int, text: bytes) -> bytes:
        return b"\x1d$" + bytes((row, 0)) + b"\x1b$" + bytes((column, 0)) + text

    page = b"\x1bW" + bytes(8) + at(10, 0, b"Harbour Coffee") + at(40, 0, b"RECEIPT NO 10042")
    page += at(70, 0, b"2026-11-21 09:15:30") + at(100, 0, b"TOTAL") + at(100, 200, b"18.80")
    page += b"\x1d\\\x20\x00VISA ************1234"
    (event,) = heard(b"\x1b@\x1bL" + page + b"\x0c" + EPSON_CUT)
    assert isinstance(event, TransactionCompleted)
    assert (event.transaction.amount_minor, event.transaction.receipt_no) == (1880, "10042")
    assert event.transaction.card is not None


def test_a_page_that_is_printed_and_kept_ends_with_its_form_feed() -> None:
    assert amounts(b"\x1b@\x1bL" + BODY % b"TOTAL 18.80" + b"\x1b\x0c" + b"\x0c") == [1880]


@pytest.mark.parametrize(
    "request_octets",
    [b"\x10\x04\x01", b"\x10\x04\x07\x01", b"\x10\x05\x01", b"\x10\x14\x01\x00\x01", b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08"],
)  # fmt: skip
def test_a_status_request_at_any_place_changes_nothing(request_octets: bytes) -> None:
    sale = b"\x1b@" + BODY % b"TOTAL 18.80" + EPSON_CUT
    for at in range(len(BODY)):
        place = 2 + at
        assert amounts(sale[:place] + request_octets + sale[place:]) == [1880], place


@pytest.mark.parametrize("pulse", [b"\x1bp\x00\x19\xfa", b"\x1bp1\x19\xfa", b"\x10\x14\x01\x00\x02"])
def test_a_drawers_pulse_is_no_job_wherever_it_stands(pulse: bytes) -> None:
    sale = b"\x1b@" + BODY % b"TOTAL 18.80"
    for stream in (pulse + sale + EPSON_CUT, sale + pulse + EPSON_CUT, sale + EPSON_CUT + pulse):
        assert len(heard(stream)) == 1
        assert amounts(stream) == [1880]


@pytest.mark.parametrize(
    "answer",
    [b"\x12", b"\x16", b"\x1e", b"\x14\x00\x00\x0f", b"\x11", b"\x13", b"\x13\x11" * 40, b"\x72\x10\x12"],
)
def test_a_printers_answers_tell_nothing(answer: bytes) -> None:
    assert [event for event in heard(answer) if isinstance(event, TransactionCompleted)] == []
    assert amounts(answer + b"\x1b@" + BODY % b"TOTAL 18.80" + answer + EPSON_CUT + answer) == [1880]


def test_flow_control_between_lines_harms_nothing() -> None:
    sale = (b"\x1b@" + BODY % b"TOTAL 18.80").replace(b"\n", b"\x13\x11\n")
    assert amounts(sale + EPSON_CUT) == [1880]


def test_what_a_customers_display_shows_is_not_read() -> None:
    shown = b"\x1b=\x02\x0cTOTAL     99.99\r\nTHANK YOU\x1b=\x01"
    assert amounts(b"\x1b@" + shown + BODY % b"TOTAL 18.80" + EPSON_CUT + shown) == [1880]
    assert heard(shown) == []
    assert amounts(b"\x1b=\x02TOTAL 99.99\n\x1b@" + BODY % b"TOTAL 18.80" + EPSON_CUT) == [1880]
    assert amounts(b"\x1b=\x03" + b"\x1b@\x1b=\x03" + BODY % b"TOTAL 18.80" + EPSON_CUT) == [1880]


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        (b"TOTAL 1.234,56", "EUR", 123456),
        (b"TOTAL 1,234.56", "USD", 123456),
        (b"TOTAL 1'234.50", "CHF", 123450),
        (b"TOTAL Rp 125.000", "IDR", 12500000),
        (b"TOTAL Rp125.000,00", "IDR", 12500000),
        (b"TOTAL R$ 1.234,56", "BRL", 123456),
        (b"TOTAL $12.500", "CLP", 12500),
        (b"TOTAL 36,500", "KRW", 36500),
        (b"TOTAL \\1,250", "JPY", 1250),
        (b"TOTAL KD 12.500", "KWD", 12500),
        (b"TOTAL KWD 1,012.500", "KWD", 1012500),
        (b"TOTAL BHD 0.750", "BHD", 750),
        (b"TOTAL\n18.80", "USD", 1880),
        (b"TOTAL:\n   USD 18.80", "USD", 1880),
        (b"RRN: 103015000012   TOTAL: 18.80", "USD", 1880),
        (b"TOTAL: 18.80    AUTH CODE: 123456", "USD", 1880),
    ],
)
def test_an_amount_as_its_country_prints_it_and_wherever_it_stands(
    text: bytes, currency: str, minor: int
) -> None:
    stream = (
        b"\x1b@\x1bR\x08" + BODY % text + EPSON_CUT
        if currency == "JPY"
        else b"\x1b@" + BODY % text + EPSON_CUT
    )
    events = heard(stream, currency=currency)
    found = [event.transaction for event in events if isinstance(event, TransactionCompleted)]
    assert [(each.amount_minor, each.currency) for each in found] == [(minor, currency)]


def test_two_pairs_on_one_line_and_values_below_their_labels() -> None:
    text = (
        "终端号:12345678  批次号:000012\n凭证号\n000033\n参考号:\n103015000012\n"
        "卡号(CARD NO):\n621234******1232 /C\n交易类型:消费  授权码:123456\n日期/时间:\n2026/11/21 09:15:30\n金额\nRMB 18.80\n"
    )
    (event,) = heard(b"\x1b@" + text.encode("gb18030") + EPSON_CUT, currency="CNY")
    assert isinstance(event, TransactionCompleted)
    told = event.transaction
    assert (told.terminal_id, told.batch, told.receipt_no) == ("12345678", "000012", "000033")
    assert (told.rrn, told.auth_code, told.amount_minor) == ("103015000012", "123456", 1880)
    assert told.card is not None
    assert (told.card.last4, told.terminal_time is not None) == ("1232", True)


def test_japanese_text_is_read_in_the_code_that_the_till_names() -> None:
    for code, octets in ((0, "合計".encode("iso2022_jp")[3:-3]), (1, "合計".encode("cp932"))):
        stream = b"\x1b@\x1cC" + bytes((code,)) + b"Shop\n\x1c&" + octets + b"\x1c.  1,250\n" + EPSON_CUT
        assert amounts(stream, currency="JPY") == [1250], code


def test_the_tables_say_what_the_dialect_is() -> None:
    assert FRAMING
    assert FIELDS
    assert UNKNOWN_ON_ONE_LINE
    assert LINE_DEFAULTS
    assert all(printer.words for printer in PRINTERS.values())
    with pytest.raises(SettingsError, match="layout"):
        EscPos(DialectSettings(layout="no such"))
    assert all(EscPos(DialectSettings(layout=name)) for name in LAYOUTS)
