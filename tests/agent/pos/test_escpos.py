"""The escpos dialect as a machine: jobs and their ends, noise, silence, encodings, bounds. Time is passed in."""

import random
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tillbell_agent.pos.dialect import Desynced, DialectEvent, Ignored, TransactionCompleted
from tillbell_agent.pos.escpos import MAX_LINE_OCTETS, EscPos
from tillbell_agent.pos.escpos_commands import EPSON_PAGES
from tillbell_agent.pos.escpos_paper import MAX_HEAD_LINES, MAX_TAIL_LINES
from tillbell_agent.pos.escpos_text import TextDecoder
from tillbell_agent.pos.settings import DialectSettings
from tillbell_protocol.event import Kind

CUT = b"\x1dVB\x00"


def receipt(number: int = 1, amount: str = "18.80", encoding: str = "gb18030") -> bytes:
    text = f"幸福超市\n单号:20240603{number:05}\n2024-06-03 14:22:33\n应收     ￥{amount}\n微信支付      {amount}\n"
    return text.encode(encoding)


class Wire:
    """A dialect with everything that it told."""

    def __init__(self, **changes: object) -> None:
        self.dialect = EscPos(DialectSettings(**changes))  # type: ignore[arg-type]
        self.events: list[DialectEvent] = []

    def hear(self, data: bytes, now: float = 0.0, size: int | None = None) -> "Wire":
        step = size or max(len(data), 1)
        for at in range(0, len(data), step):
            self.events += self.dialect.receive_data(data[at : at + step], now)
        return self

    def silence(self) -> "Wire":
        deadline = self.dialect.next_deadline()
        if deadline is not None:
            self.events += self.dialect.tick(deadline)
        return self

    @property
    def completed(self) -> list[TransactionCompleted]:
        return [event for event in self.events if isinstance(event, TransactionCompleted)]

    @property
    def amounts(self) -> list[int | None]:
        return [event.transaction.amount_minor for event in self.completed]


@pytest.mark.parametrize(
    "end",
    [
        b"\x1dV\x00",
        b"\x1dV\x01",
        b"\x1dV0",
        b"\x1dV1",
        b"\x1dVA\x03",
        b"\x1dVB\x00",
        b"\x1bi",
        b"\x1bm",
        b"\x1b@",
    ],
)
def test_cut_or_initialize_ends_a_job_at_its_last_octet(end: bytes) -> None:
    wire = Wire().hear(b"\x1b@" + receipt() + end[:-1])
    assert wire.completed == []
    assert wire.hear(end[-1:]).amounts == [1880]


def test_page_mode_form_feed_ends_a_job() -> None:
    assert Wire().hear(b"\x1b@\x1bL" + receipt() + b"\x0c").amounts == [1880]


def test_form_feed_outside_page_mode_ends_only_the_line() -> None:
    wire = Wire().hear(b"\x1b@\x1bL\x1bS" + receipt() + b"\x0c")
    assert wire.completed == []
    assert wire.silence().amounts == [1880]


def test_silence_ends_a_job_and_not_before_its_time() -> None:
    wire = Wire(idle_s=2.5).hear(b"\x1b@" + receipt().rstrip(b"\n"), 10.0)
    assert wire.dialect.next_deadline() == 12.5
    assert wire.dialect.tick(12.4) == []
    wire.events += wire.dialect.tick(12.5)
    assert wire.amounts == [1880]
    assert wire.dialect.next_deadline() is None


def test_silence_that_nobody_ticked_ends_the_job_before_new_octets() -> None:
    wire = Wire().hear(b"\x1b@" + receipt(1), 10.0).hear(receipt(2), 20.0)
    assert wire.amounts == [1880]
    assert len({event.key for event in wire.silence().completed}) == 2


def test_end_of_the_stream_ends_the_job() -> None:
    wire = Wire().hear(b"\x1b@" + receipt())
    wire.events += wire.dialect.close(0.1)
    assert wire.amounts == [1880]


def test_drawer_pulse_after_the_cut_is_no_job() -> None:
    wire = Wire().hear(b"\x1b@" + receipt() + CUT + b"\x1bp\x00\x19\xfa").silence()
    assert wire.amounts == [1880]
    assert len(wire.events) == 1


def test_image_and_symbol_that_spell_a_receipt_are_never_read() -> None:
    evil = b"TOTAL 999.99\n" + CUT + b"\x1b@"
    raster = b"\x1dv0\x00" + bytes((len(evil), 0, 1, 0)) + evil
    symbol = b"\x1d(k" + bytes((len(evil) + 3, 0)) + b"1P0" + evil
    wire = Wire().hear(b"\x1b@" + raster + receipt() + symbol + CUT, size=7)
    assert wire.amounts == [1880]
    assert len(wire.events) == 1


def test_two_receipts_in_one_burst_are_two_transactions() -> None:
    wire = Wire().hear(b"\x1b@" + receipt(1) + CUT + b"\x1b@" + receipt(2) + CUT)
    assert len({event.key for event in wire.completed}) == 2


def test_printer_without_cutter_is_split_at_a_gap_between_whole_receipts() -> None:
    wire = Wire().hear(b"\x1b@" + receipt(1) + b"\n" * 6 + receipt(2, "7.00") + b"\n" * 6).silence()
    assert wire.amounts == [1880, 700]


def test_gap_inside_one_receipt_does_not_split_it() -> None:
    text = (
        "POS签购单\n终端号:12345678\n交易类型:消费撤销(VOID)\n"
        + "\n" * 5
        + "金额:18.80\n参考号:142233000012\n"
    )
    wire = Wire().hear(b"\x1b@" + text.encode("gb18030") + CUT)
    assert [event.transaction.kind for event in wire.completed] == [Kind.VOID]


def test_two_copies_with_a_gap_between_are_one_transaction() -> None:
    wire = Wire().hear(b"\x1b@" + receipt(1) + b"\n" * 6 + receipt(1) + CUT)
    assert len({event.key for event in wire.completed}) == 1
    assert len(wire.completed) == 1


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\n\r", b"\r"])
def test_every_line_end_gives_the_same_receipt(line_end: bytes) -> None:
    wire = Wire().hear(b"\x1b@" + receipt().replace(b"\n", line_end) + CUT, size=1)
    assert wire.events == Wire().hear(b"\x1b@" + receipt() + CUT).events


def test_crlf_lines_make_no_gap_of_blank_lines() -> None:
    text = (
        b"\x1b@" + receipt(1).replace(b"\n", b"\r\n") + b"\r\n" * 3 + receipt(2).replace(b"\n", b"\r\n") + CUT
    )
    assert len(Wire().hear(text).completed) == 1


def test_second_copy_of_a_receipt_that_nothing_tells_apart_is_ignored() -> None:
    plain = "小店\n应收 5.00\n".encode("gb18030")
    wire = Wire().hear(b"\x1b@" + plain + CUT)
    wire.hear("顾客联\n".encode("gb18030") + plain + CUT)
    assert wire.events[1:] == [Ignored("copy")]
    wire.hear(plain + CUT)
    assert wire.amounts == [500, 500]  # no copy is named: the next sale of the same amount


def test_same_amount_twice_without_identity_is_two_sales() -> None:
    plain = "小店\n应收 5.00\n".encode("gb18030")
    wire = Wire().hear(b"\x1b@" + (plain + CUT) * 2)
    assert wire.amounts == [500, 500]
    assert [event.key for event in wire.completed] == [None, None]


def test_copies_as_two_jobs_have_one_key() -> None:
    copies = [
        f"POS签购单\n{copy}\n凭证号:000012\n批次号:000003\n金额:RMB 18.80\n"
        for copy in ("商户存根", "持卡人存根")
    ]
    wire = Wire().hear(b"\x1b@" + CUT.join(copy.encode("gb18030") for copy in copies) + CUT)
    assert len({event.key for event in wire.completed}) == 1


def test_first_line_after_the_start_may_be_a_fragment_and_is_not_read() -> None:
    wire = Wire().hear("应收 8.80\n".encode("gb18030") + CUT)
    assert wire.completed == []
    wire = Wire().hear(b".80\n" + receipt() + CUT)
    assert wire.completed == [], "its whole copy may follow"
    assert wire.silence().amounts == [1880]
    assert wire.completed[0].fragment


def test_a_copy_whose_beginning_nobody_heard_and_the_whole_copy_behind_it_are_one_sale() -> None:
    copies = [
        f"\x1b@POS签购单\n{copy}\n终端号:12345678\n凭证号:000012\n批次号:000003\n参考号:103015000012\n金额:RMB 18.80\n备注\n"
        for copy in ("商户存根", "持卡人存根")
    ]
    first, second = (copy.encode("gb18030") + CUT for copy in copies)
    for cut in range(1, len(first)):
        wire = Wire().hear(first[cut:] + second).silence()
        assert wire.amounts == [1880], cut
        assert wire.completed[0].transaction.receipt_no == "000012"


def test_a_fragment_of_another_sale_than_the_next_is_told_as_well() -> None:
    wire = Wire().hear(
        "小店\n凭证号:000011\n应收 8.80\n".encode("gb18030") + CUT + b"\x1b@" + receipt() + CUT
    )
    assert wire.amounts == [880, 1880]
    assert [event.fragment for event in wire.completed] == [True, False]


def test_first_line_after_initialize_is_read() -> None:
    assert Wire().hear("\x1b@应收 8.80\n".encode("gb18030") + CUT).amounts == [880]


@pytest.mark.parametrize(
    "noise", [b"\x00\xff\xfe\x1b", b"\x1d\x1b", b"\xc5", b"\x1dk\x04123", b"\x1bX", b"\x10", b"\x1dvXX"]
)
def test_noise_before_initialize_costs_no_receipt(noise: bytes) -> None:
    assert Wire().hear(noise + b"\x1b@" + receipt() + CUT).amounts == [1880]


def test_skip_that_noise_began_ends_with_silence_and_is_told() -> None:
    wire = Wire().hear(b"\x1b@" + receipt(1) + CUT + b"\x1d(k\xff\xff1P0", 0.0)
    wire.hear(receipt(2) + CUT, 1.0)
    assert wire.amounts == [1880]
    wire.silence()
    assert [type(event) for event in wire.events] == [TransactionCompleted, Desynced]
    assert wire.hear(b"\x1b@" + receipt(3) + CUT, 30.0).amounts == [1880, 1880]


def test_rest_of_a_command_that_was_given_up_is_not_read() -> None:
    wire = Wire().hear(b"\x1b@" + receipt(1) + CUT + b"\x1dv0\x00\x30\x00\x30\x00abc", 0.0).silence()
    wire.hear("应收 9.99\n谢谢\n".encode("gb18030") + CUT, 30.0)
    assert wire.events[-1] == Ignored("no amount")
    assert wire.hear(receipt(2) + CUT, 31.0).amounts == [1880, 1880]


@pytest.mark.parametrize(
    "damage", [b"\x11", b"\x00", b"\x17", b"\x1bX", b"\x1d\x02", b"\xff", b"\x10.", b"\x7f", b"\x15"]
)
def test_damaged_digit_makes_the_amount_unknown_and_never_another(damage: bytes) -> None:
    clean = (
        "\x1b@POS签购单\n参考号:142233000012\n卡号:621234******1232\n交易金额:RMB 118.80\n".encode("gb18030")
        + CUT
    )
    for place in range(clean.index(b"118.80"), clean.index(b"118.80") + 6):
        wire = Wire().hear(clean[:place] + damage + clean[place + 1 :], size=3)
        assert wire.amounts == [None], (place, wire.events)


def test_control_between_words_harms_nothing() -> None:
    data = (
        b"\x1b@"
        + receipt().replace("应收     ￥".encode("gb18030"), "应收\x00 \x14 ￥".encode("gb18030"))
        + CUT
    )
    assert Wire().hear(data).amounts == [1880]


@pytest.mark.parametrize("damage", [b"\x1bE\x01", b"\x1c.", b"\x1b@"[:1], b"\x0e"])
def test_command_between_two_digits_may_have_been_a_digit(damage: bytes) -> None:
    assert Wire().hear(b"\x1b@Shop\nTOTAL 1" + damage + b"8.80\n" + CUT).amounts in ([None], [])


def test_large_whole_part_and_small_decimals_are_one_number() -> None:
    assert Wire().hear(b"\x1b@Shop\nTOTAL \x1d!\x1118\x1d!\x00.80\n" + CUT).amounts == [1880]


@pytest.mark.parametrize("style", [b"\x1b4\x01", b"\x0e", b"\x1bE\x01", b"\x1d!\x11"])
def test_style_directly_before_a_number_does_not_damage_it(style: bytes) -> None:
    wire = Wire().hear(b"\x1b@Shop\nTOTAL:" + style + b"18.80\x14\n" + CUT, size=1)
    assert wire.amounts == [1880]


def test_tab_and_position_separate_columns() -> None:
    assert Wire().hear(b"\x1b@Shop\nTOTAL\t18.80\n" + CUT).amounts == [1880]
    assert Wire().hear(b"\x1b@Shop\nTOTAL\x1b$\x10\x0118.80\n" + CUT).amounts == [1880]


def test_style_commands_inside_a_line_do_not_split_it() -> None:
    assert Wire().hear(b"\x1b@Shop\nTO\x1bE\x01TAL \x1d!\x1118.80\x1d!\x00\n" + CUT).amounts == [1880]


@pytest.mark.parametrize(
    ("stream", "encoding", "currency"),
    [
        (b"TOTAL 12,50 \xd5", "cp437", "EUR"),
        (b"\x1bt\x13TOTAL 12,50 \xd5", "gb18030", "EUR"),
        (b"\x1bt\x10TOTAL 12,50 \x80", "gb18030", "EUR"),
        (b"\x1bt\x13TOTAL 12,50 \xd5", "cp1252", "EUR"),
        (b"\x1c.\x1bt\x13TOTAL 12,50 \xd5\x1c&", "gb18030", "EUR"),
        (b"\x1bR\x0fTOTAL $12.50", "cp437", "CNY"),
        (b"\x1bR\x03TOTAL #12.50", "cp437", "GBP"),
        (b"\x1bt\x00TOTAL 12.50 \xd4\xaa", "gb18030", "CNY"),
        (b"\x1c(C\x02\x000\x02TOTAL 12.50 \xe5\x85\x83", "gb18030", "CNY"),
        (b"TOTAL 12500\xbf\xf8", "euc-kr", "KRW"),
        (b"TOTAL 1250\x89~", "shift_jis", "JPY"),
    ],
)
def test_encoding_follows_the_stated_rule(stream: bytes, encoding: str, currency: str) -> None:
    wire = Wire(encoding=encoding, currency="EUR" if currency == "EUR" and encoding == "cp437" else "USD")
    wire.hear(b"\x1b@Shop\n" + stream + b"\n" + CUT)
    assert [event.transaction.currency for event in wire.completed] == [currency]


def test_page_counts_only_while_ideographs_are_off() -> None:
    decoder = TextDecoder("gb18030", EPSON_PAGES)
    decoder.select_page(19)
    assert decoder.decode(b"\xd4\xaa") == "元"
    decoder.select_ideographs(False)
    assert decoder.decode(b"\x84\xd5") == "ä€"
    decoder.reset()
    assert decoder.decode(b"\xd4\xaa") == "元"


def test_code_pages_that_change_inside_a_line_are_followed() -> None:
    wire = Wire(encoding="cp437", currency="EUR")
    wire.hear(
        b"\x1b@\x1bt\x00Beleg-\x1bt\x13Nr. \x1bt\x100470 h\xe9\n\x1bt\x13SUMME \xd5 12,50\n06.10.2021 22:39:53\n"
        + CUT
    )
    assert wire.completed[0].transaction.receipt_no == "0470"
    assert wire.completed[0].transaction.terminal_time == datetime(2021, 10, 6, 22, 39, 53)


def test_initialize_puts_the_text_settings_back() -> None:
    data = b"\x1b@\x1c(C\x02\x000\x02x\n\x1b@" + receipt() + CUT
    assert Wire().hear(data).amounts == [1880]


def test_endless_line_is_bounded_and_counted() -> None:
    wire = Wire().hear(b"\x1b@" + b"A" * 100_000, size=999)
    assert len(wire.dialect._line) <= MAX_LINE_OCTETS
    wire.hear(b"\n" + receipt() + CUT)
    assert wire.events[0] == Desynced(
        100_000 - MAX_LINE_OCTETS, "octets that no printer command or line of text explains"
    )
    assert wire.amounts == [1880]


def test_endless_receipt_keeps_its_heading_and_its_end() -> None:
    head, tail = receipt().split("应收".encode("gb18030"))
    goods = b"".join(b"article %d   0.10\n" % number for number in range(5000))
    wire = Wire().hear(b"\x1b@" + head + goods)
    assert len(wire.dialect._paper._head) + len(wire.dialect._paper._tail) <= MAX_HEAD_LINES + MAX_TAIL_LINES
    wire.hear("应收".encode("gb18030") + tail + CUT)
    assert wire.amounts == [1880]
    assert wire.completed[0].transaction.receipt_no == "2024060300001"


PIECES = st.one_of(
    st.binary(max_size=20),
    st.sampled_from(
        [
            receipt(),
            receipt(2, "7.00"),
            CUT,
            b"\x1b@",
            b"\x1bL",
            b"\x0c",
            b"\n" * 5,
            b"\x1dv0\x00\x02\x00\x02\x00",
        ]
    ),
    st.sampled_from(
        [
            b"\x1c(C\x02\x000\x02",
            b"\x1bt\x10",
            b"\x1c.",
            b"\x1d",
            b"\x1b",
            b"VOID\n",
            "退货\n".encode("gb18030"),
        ]
    ),
)


@settings(max_examples=150)
@given(
    st.lists(PIECES, max_size=8).map(b"".join),
    st.integers(0, 2**16),
    st.sampled_from(["gb18030", "cp858", "utf-8", "shift_jis"]),
)
def test_any_octets_in_any_chunks_give_the_same_events(data: bytes, seed: int, encoding: str) -> None:
    whole = Wire(encoding=encoding).hear(data).silence().events
    rng, parts, at = random.Random(seed), Wire(encoding=encoding), 0
    while at < len(data):
        size = rng.randint(1, 9)
        parts.hear(data[at : at + size])
        at += size
    assert parts.silence().events == whole


@settings(max_examples=150)
@given(st.binary(max_size=300), st.integers(0, 2**16))
def test_receipt_with_noise_in_it_gives_its_amount_or_none_and_never_ends_in_an_error(
    noise: bytes, seed: int
) -> None:
    rng, data = random.Random(seed), bytearray(b"\x1b@" + receipt() + CUT)
    for octet in noise[:6]:
        data[rng.randrange(len(data))] = octet
    wire = Wire().hear(bytes(data) + noise).silence()
    assert wire.dialect.next_deadline() is None
    assert (
        Wire().hear(bytes(data)).silence().hear(b"\x1b@" + receipt(3, "9.00") + CUT, 60.0).amounts[-1] == 900
    )
