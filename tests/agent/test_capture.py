"""Card numbers never reach a capture, in whatever form; harmless numbers do, and frames still verify."""

import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillbell_agent.capture.evidence import evidence
from tillbell_agent.capture.frames import stuffed_frame, stuffed_frames
from tillbell_agent.capture.holding import IDLE_S, REACH, WINDOW, HeldLine
from tillbell_agent.capture.recording import (
    LineFormat,
    Recorder,
    Recording,
    RecordingError,
    Step,
    read_recording,
)
from tillbell_agent.capture.replaying import Account, replay
from tillbell_agent.capture.scrubbing import scrub_octets
from tillbell_agent.pos.checks import lrc
from tillbell_agent.pos.dialect import Line, SettlementHeard, TransactionCompleted
from tillbell_agent.pos.registry import make_dialect
from tillbell_agent.pos.settings import DialectSettings
from tillbell_agent.sim.receipts import receipts
from tillbell_agent.sim.tills import TILLS, TROUBLES, exchanges_of
from tillbell_protocol.pan import luhn_holds, scrub

# Numbers that simulated terminals send in full.
SIMULATED_CARDS = (
    b"4111111111111111", b"5555555555554444", b"378282246310005", b"6212345678901232", b"6799990100000000019",
)  # fmt: skip
START = datetime(2026, 5, 4, 9, 0)
STARTED = datetime(2026, 5, 4, 1, 0, tzinfo=UTC)
BEGINNINGS = ("4", "51", "62", "35", "37", "30", "6799", "2221", "2202")
CURRENCY = {"zvt": "EUR", "ecr17": "EUR", "telium": "EUR", "transbank": "CLP"}


def card_number(chance: random.Random, digits: int) -> str:
    start = chance.choice(BEGINNINGS)
    body = start + "".join(chance.choice("0123456789") for _ in range(digits - 1 - len(start)))
    return next(body + check for check in "0123456789" if luhn_holds(body + check))


# Every form that a number is planted in. Of control codes all but those that end a line.
CONTROLS = bytes(code for code in range(32) if code not in b"\t\r\n\x1b\x1c\x1d\x10")


def in_groups(separator: bytes) -> Callable[[random.Random, str], bytes]:
    return lambda chance, number: separator.join(
        number[at : at + 4].encode() for at in range(0, len(number), 4)
    )


def between_digits(separator: bytes) -> Callable[[random.Random, str], bytes]:
    return lambda chance, number: separator.join(digit.encode() for digit in number)


def with_controls(chance: random.Random, number: str) -> bytes:
    return b"".join(
        d.encode() + bytes(chance.choices(CONTROLS, k=chance.randrange(3))) for d in number[:-1]
    ) + (number[-1].encode())


def packed(chance: random.Random, number: str) -> bytes:
    return bytes.fromhex(number + "f" * (len(number) % 2))


def packed_from_the_second_nibble(chance: random.Random, number: str) -> bytes:
    return bytes.fromhex("f" + number + "f" * ((len(number) + 1) % 2))


def fullwidth(encoding: str) -> Callable[[random.Random, str], bytes]:
    return lambda chance, number: "".join(chr(0xFF10 + int(digit)) for digit in number).encode(encoding)


def with_parity(chance: random.Random, number: str) -> bytes:
    return bytes(octet | 0x80 if octet.bit_count() % 2 else octet for octet in number.encode())


TEXT_FORMS: dict[str, Callable[[random.Random, str], bytes]] = {
    "plain": lambda chance, number: number.encode(),
    "spaced": in_groups(b" "),
    "dashed": in_groups(b"-"),
    "dotted": between_digits(b"."),
    "with control codes": with_controls,
    "with printer commands": in_groups(b"\x1bE\x01"),
    "over two lines": in_groups(b"\r\n"),
    "UTF-16": between_digits(b"\0"),
    "fullwidth GBK": fullwidth("gb18030"),
    "fullwidth UTF-8": fullwidth("utf-8"),
    "seven bits and parity": with_parity,
    "track 2": lambda chance, number: f";{number}=2512101{number[:9]}?".encode(),
    "track 1": lambda chance, number: f"%B{number}^DOE/JANE^2512101{number[:9]}?".encode(),
}
PACKED_FORMS: dict[str, Callable[[random.Random, str], bytes]] = {
    "packed": packed,
    "packed from the second nibble": packed_from_the_second_nibble,
    "packed with its length in digits": lambda chance, number: (
        bytes.fromhex(f"{len(number):02d}") + packed(chance, number)
    ),
    "packed in ZVT": lambda chance, number: (
        bytes((0x22, 0xF0 + (len(number) + 1) // 20, 0xF0 + (len(number) + 1) // 2 % 10))
        + packed(chance, number)
    ),
    "packed in TLV": lambda chance, number: bytes((0x5A, (len(number) + 1) // 2)) + packed(chance, number),
    "packed track 2": lambda chance, number: bytes.fromhex(
        (number + "d25121011234567890f")[: 36 + len(number) % 2 * 2]
        if len(number + "d25121011234567890f") % 2 == 0
        else number + "d25121011234567890"
    ),
}
TEXT_PLACES = {
    "a line of print": (b"\x1b@CARD NO: ", b" EXP XXXX\nTOTAL 12.00\n"),
    "Chinese print": ("卡号: ".encode("gb18030"), "\n金额: 12.00\n".encode("gb18030")),
    "a frame of fixed fields": (b"\x06\x02R200", b"   2512APPROVED\x03\x55"),
    "a frame behind digits": (b"\x02" + b"0100001", b"   XYZ\x03\x12"),
    "nothing around it": (b"", b"\x03\x04"),
}
PACKED_PLACES = {
    "zeros": (b"\xc0\x80\x0a", b"\x00\x00\x00\x00\x00\x00\x00\x12\x34\xe1"),
    "binary": (b"\x01\xfe\xa0", b"\xaa\xbb\x9f\x26\x08"),
    "a text in front": (b"\x06\xd3\xff1234 OK\x00\xf1", b"\xf1\x30\x12"),
}


def digits_of(octets: bytes, *, packed: bool) -> set[str]:
    """What the octets say, packed, or as text in every way that digits were planted."""
    if packed:
        return {octets.hex()}
    said = {"".join(chr(octet & 0x7F) for octet in octets if chr(octet & 0x7F).isdigit())}
    for encoding in ("gb18030", "utf-8", "latin-1"):
        text = octets.decode(encoding, "replace")
        said.add("".join(str(int(c)) for c in text if c.isdecimal()))
    return said


def tells(octets: bytes, number: str, *, packed: bool = False) -> str | None:
    """A piece of ``number`` that ``octets`` say, of more than four digits and not its end."""
    pieces = {number[at : at + 5] for at in range(len(number) - 4)} - {"00000"}
    return next(
        (piece for said in digits_of(octets, packed=packed) for piece in pieces if piece in said), None
    )


def cases(forms: dict[str, Any], places: dict[str, Any]) -> Iterator[tuple[str, bytes, str]]:
    """(what it is, octets, the number in them), for each form, place and length."""
    for form, write in forms.items():
        for place, (before, after) in places.items():
            chance = random.Random(f"{form} {place}")
            for digits in range(13, 20):
                number = card_number(chance, digits)
                # A piece that stands in the surroundings by chance would be no leak.
                while tells(before + after, number) or tells(b"2512101", number):
                    number = card_number(chance, digits)
                yield f"{form} in {place}, {digits} digits", before + write(chance, number) + after, number


CASES = [*cases(TEXT_FORMS, TEXT_PLACES), *cases(PACKED_FORMS, PACKED_PLACES)]


def captured(reads: Sequence[tuple[float, bytes]], line: Line = Line.TERMINAL, *, end: float = 100.0) -> str:
    """The file of reads at their times."""
    recorder = Recorder({line: LineFormat()}, "test", STARTED, 0.0, 10**8)
    lines = [recorder.header]
    for time, octets in reads:
        while (deadline := recorder.next_deadline()) is not None and deadline <= time:
            lines += recorder.tick(deadline)
        lines += recorder.receive_data(octets, time, line)
    last = reads[-1][0] if reads else 0.0
    lines += recorder.tick(last + end)
    return "".join([*lines, *recorder.close(last + end, "stopped")])


def heard(file: str, line: Line = Line.TERMINAL) -> bytes:
    return read_recording(file.encode()).octets(line)


FEEDS: dict[str, Callable[[bytes], list[tuple[float, bytes]]]] = {
    "whole": lambda octets: [(1.0, octets)],
    "octet by octet": lambda octets: [(1.0 + at / 1000, octets[at : at + 1]) for at in range(len(octets))],
    "split by pauses": lambda octets: [
        (1.0 + at * (IDLE_S + 0.7), octets[at : at + 3]) for at in range(0, len(octets), 3)
    ],
    "before the port was listened to": lambda octets: [(0.0, octets)],
}


@pytest.mark.parametrize("feed", FEEDS)
def test_no_card_number_is_in_a_capture_in_whatever_form(feed: str, figure: Callable[[str], None]) -> None:
    told = []
    for what, octets, number in CASES:
        file = captured(FEEDS[feed](octets))
        assert len(heard(file)) == len(octets)
        if (piece := tells(heard(file), number, packed=what.startswith("packed"))) is not None:
            told.append((what, number, piece, octets))
    figure(f"capture, {feed}: {len(CASES) - len(told)} of {len(CASES)} planted card numbers masked")
    assert told == []


def test_the_text_of_the_file_holds_no_planted_number_either() -> None:
    for what, octets, number in CASES:
        file = captured(FEEDS["whole"](octets))
        assert number not in file, what
        assert number.encode().hex() not in file, what


def test_the_last_four_digits_stay() -> None:
    scrubbed, (span,) = scrub_octets(b"CARD 4111 1111 1111 1111\n")
    assert scrubbed == b"CARD 0000 0000 0050 1111\n"
    assert (span.at, span.length, span.what, span.delta) == (5, 19, "digits", 0)


def test_a_track_loses_all_but_its_signs_and_the_numbers_end() -> None:
    scrubbed, _ = scrub_octets(b"%B4111111111111111^DOE/JANE^2512101123?\n;4111111111111111=2512101123?\n")
    assert re.fullmatch(rb"%B0{12}1111\^0{8}\^[0-9A-Za-z]{10}\?\n;0{12}1111=0{6}[0-9A-Za-z]{4}\?\n", scrubbed)
    assert b"DOE" not in scrubbed
    assert b"2512" not in scrubbed


# Numbers that are no cards


def harmless(chance: random.Random) -> str:
    def row(count: int) -> str:
        return "".join(chance.choice("0123456789") for _ in range(count))

    day = f"2026{chance.randrange(1, 13):02d}{chance.randrange(1, 29):02d}"
    return chance.choice(
        [
            row(12), f"69{row(11)}", f"1{row(10)}", f"{row(6)}.{row(2)}", f"{day}{row(6)}", f"4200{row(24)}",
            f"+86 13{row(1)} {row(4)} {row(4)}", f"898{row(12)}", f"2026-05-04 12:30:15 {row(6)}", f"20260504{row(20)}",
        ]
    )  # fmt: skip


def test_ten_thousand_harmless_long_numbers_survive_in_text(figure: Callable[[str], None]) -> None:
    chance, lines = random.Random(10), []
    while len(lines) < 10_000:
        line = f"{chance.choice(['RRN:', 'EAN', 'TEL', '金额', '单号:', '参考号(REFER NO):'])} {harmless(chance)}\n"
        if scrub(line) == line:  # one in ten passes Luhn, and then nobody can tell
            lines.append(line)
    octets = "".join(lines).encode("gb18030")
    assert scrub_octets(octets) == (octets, [])
    figure("capture: 10000 of 10000 harmless long numbers survive in text")


def test_simulated_receipts_pass_unchanged(figure: Callable[[str], None]) -> None:
    count = total = 0
    for currency in ("CNY", "USD"):
        for receipt in islice(receipts(7, start=START, currency=currency), 150):
            assert scrub_octets(receipt.octets)[0] == receipt.octets
            count, total = count + 1, total + len(receipt.octets)
    figure(f"capture: {count} simulated receipts of {total} octets pass without a span masked needlessly")


def packed_field(chance: random.Random) -> bytes:
    """A length, an amount, a date, a time or a number, as protocols pack them."""
    amount = f"{chance.randrange(1, 100_000):012d}"
    return bytes.fromhex(
        chance.choice([amount, "0504", "123015", f"{chance.randrange(10**6):06d}", "000000", "0156"])
    )


def test_how_many_packed_fields_are_masked_needlessly(figure: Callable[[str], None]) -> None:
    chance = random.Random(4)
    alone = [packed_field(chance) for _ in range(2000)]
    assert all(scrub_octets(b"\xf1" + field + b"\xf1") == (b"\xf1" + field + b"\xf1", []) for field in alone)
    rows = [b"".join(packed_field(chance) for _ in range(4)) for _ in range(2000)]
    masked = sum(bool(scrub_octets(b"\xff" + row + b"\xff")[1]) for row in rows)
    figure(
        f"capture: of 2000 rows of four packed fields in a frame that nobody knows, {masked} masked needlessly"
    )
    known = (_zvt_status(field) for field in (chance.randrange(10**6) for _ in range(300)))
    assert all(scrub_octets(frame) == (frame, []) for frame in known)


def _zvt_status(number: int) -> bytes:
    data = bytes.fromhex(
        f"27000400000000{number % 10**4:04d}4909780c1230150d05042952500{number % 1000:03d}0b{number:06d}"
    )
    return stuffed_frame(b"\x04\x0f" + bytes((len(data),)) + data)


# Frames


def test_the_xor_of_a_frame_stays_so_that_its_lrc_holds() -> None:
    chance = random.Random(2)
    for digits in range(13, 20):
        for write in (*TEXT_FORMS.values(), packed, packed_from_the_second_nibble):
            payload = b"NO\xff" + write(chance, card_number(chance, digits)) + b"\xffXYZ"
            frame = b"\x02" + payload + b"\x03" + bytes((lrc(payload + b"\x03"),))
            scrubbed, spans = scrub_octets(frame)
            assert spans
            assert {span.delta for span in spans} == {0}
            assert lrc(scrubbed[1:-1]) == scrubbed[-1]


def test_a_frame_with_a_crc_gets_a_new_one_that_tells_nothing_of_its_digits() -> None:
    def frame_of(number: str) -> bytes:
        amount = bytes.fromhex("04000000001000")
        return stuffed_frame(b"\x04\x0f\x14\x27\x00\x22\xf0\xf8" + bytes.fromhex(number) + amount)

    other = next(each for each in (f"5555{n:08d}1111" for n in range(22222222, 10**8)) if luhn_holds(each))
    numbers = ("4111111111111111", other)  # the same end, and nothing else
    scrubbed = [scrub_octets(b"\x06" + frame_of(number) + b"\x06") for number in numbers]
    assert scrubbed[0] == scrubbed[1]
    octets, spans = scrubbed[0]
    assert {span.delta for span in spans} == {None}
    (whole,) = stuffed_frames(octets)
    assert whole.payload[8:16].hex() == "0000000000001111"


@pytest.mark.parametrize("digits", range(13, 20))
def test_numbers_with_doubled_octets_keep_the_length_of_their_frame(digits: int) -> None:
    chance = random.Random(digits)
    for _ in range(40):
        number = (
            "4"
            + "".join(chance.choice(["10", "01", "11"]) for _ in range(digits // 2 - 1))
            + "0" * (digits % 2)
        )
        number = next(number + check for check in "0123456789" if luhn_holds(number + check))
        octets = packed(chance, number)
        apdu = (
            b"\x04\x0f" + bytes((3 + len(octets),)) + b"\x22\xf0" + bytes((0xF0 + len(octets) % 10,)) + octets
        )
        if len(octets) == 10:
            apdu = apdu.replace(b"\x22\xf0\xf0", b"\x22\xf1\xf0")
        frame = stuffed_frame(apdu)
        scrubbed, spans = scrub_octets(frame)
        assert spans
        assert len(scrubbed) == len(frame)
        assert len(stuffed_frames(scrubbed)) == 1
        assert scrub_octets(frame[:-1] + b"\x00")[1]  # its CRC is wrong: the number is found all the same


@pytest.mark.parametrize(
    "text",
    [b"77 4111111111111111 X", b"777777777777 A4111111111111111B", b"1234567890121234567 4111111111111111"],
)
def test_a_number_that_stands_alone_is_masked_in_a_frame_that_only_looks_like_a_known_one(
    text: bytes,
) -> None:
    payload = text.ljust(80)  # as long as an answer of Telium's, whose fields have other borders
    frame = b"\x02" + payload + b"\x03" + bytes((lrc(payload + b"\x03"),))
    assert tells(scrub_octets(frame)[0], "4111111111111111") is None


def test_what_is_secret_by_its_place_is_masked() -> None:
    number, pin_block = "6212345678901232", "0123456789abcdef"
    fields = (
        f"16{number} 000000 000000001880 000012 2512 37{number}d251220100000123456000"
        f"{b'12345678898310148160001156'.hex()} {pin_block} 0004 9f260102"
    )  # 2, 3, 4, 11, 14, 35, 41, 42, 49, 52, 55
    body = bytes.fromhex("6000030000 602200000000 0200 7024000020c09200" + fields)
    octets = len(body).to_bytes(2, "big") + body
    scrubbed, _ = scrub_octets(octets)
    assert scrubbed != octets
    for secret in (number[:-4], "2512", pin_block, "9f260102"):
        assert secret not in scrubbed.hex()
    for harmless_field in ("000000001880000012", b"12345678898310148160001156".hex(), "0200702400"):
        assert harmless_field in scrubbed.hex()


def test_evidence_counts_frames_and_paper_cuts() -> None:
    text = b"0210|00"
    frame = b"\x02" + text + b"\x03" + bytes((lrc(text + b"\x03"),))
    said = evidence(frame * 3 + b"\x1b@total\n\x1dV\x00" + stuffed_frame(b"\x80\x00\x00"))
    assert "3 of 3 frames STX … ETX with a right LRC over text and ETX" in said
    assert "1 frames 10 02 … 10 03 with a right CRC" in said
    assert "1 paper cuts" in said


# Holding back


def test_a_number_that_is_begun_waits_however_long_the_silence() -> None:
    line = HeldLine(0.0)
    line.receive_data(b"THE NUMBER OF THE CARD: 4111 1111", 1.0)
    pieces, spans = line.tick(1.0 + IDLE_S)
    first = b"".join(piece.octets for piece in pieces)
    assert b"THE NUMBER OF THE CARD: 4111".startswith(first)
    assert first
    assert b"4" not in first
    assert spans == []
    assert line.next_deadline() is None
    line.receive_data(b" 1111 1111\n", 500.0)
    pieces, spans = line.tick(500.0 + IDLE_S)
    more, last = line.close(900.0)
    rest = b"".join(piece.octets for piece in [*pieces, *more])
    assert first + rest == b"THE NUMBER OF THE CARD: 0000 0000 0050 1111\n"
    assert [(span.at, span.length) for span in [*spans, *last]] == [(24, 19)]


def test_a_long_receipt_is_let_go_before_it_ends_and_memory_stays_bounded() -> None:
    line, out, most = HeldLine(0.0), b"", 0
    text = b"COFFEE 12.00\nCARD 4111111111111111\n" * 3000
    for at in range(0, len(text), 100):
        pieces, _ = line.receive_data(text[at : at + 100], at / 1000)
        out += b"".join(piece.octets for piece in pieces)
        most = max(most, line.octets - len(out))
    out += b"".join(piece.octets for piece in line.close(10_000.0)[0])
    assert out == text.replace(b"4111111111111111", b"0000000000501111")
    assert most <= WINDOW + 100
    assert REACH < WINDOW


def test_a_piece_of_a_number_at_either_edge_of_the_recording_is_masked() -> None:
    recorder = Recorder({Line.TERMINAL: LineFormat()}, "test", STARTED, 0.0, 10**6)
    recorder.receive_data(b"11111111 1111\nTOTAL 12.00\nCARD 41111111111", 0.01, Line.TERMINAL)
    octets = heard(recorder.header + "".join(recorder.close(0.5, "stopped")))
    assert octets.startswith(b"00000000 1111\nTOTAL 12.00\n")
    assert b"1111" not in octets[14:]


@given(st.lists(st.tuples(st.floats(0, 5), st.binary(max_size=60)), max_size=20))
def test_any_octets_at_any_time_come_out_as_many_and_in_order(reads: list[tuple[float, bytes]]) -> None:
    line, out, now = HeldLine(0.0), [], 0.0
    for pause, octets in reads:
        now += pause
        out += line.tick(now)[0]
        out += line.receive_data(octets, now)[0] if octets else []
    out += line.close(now + 1)[0]
    assert sum(len(piece.octets) for piece in out) == sum(len(octets) for _, octets in reads)
    assert [piece.time for piece in out] == sorted(piece.time for piece in out)


# The file


def test_the_file_names_no_port_and_says_how_the_line_was_opened() -> None:
    file = captured([(1.0, b"\x06")])
    header = json.loads(file.splitlines()[0])
    assert header == {
        "tillbell_capture": 1,
        "tillbell": "test",
        "started": "2026-05-04T01:00:00+00:00",
        "lines": {"terminal": {"baudrate": 9600, "bytesize": 8, "parity": "N", "stopbits": 1}},
    }
    end = json.loads(file.splitlines()[-1])
    assert end == {"end": {"why": "stopped", "octets": {"terminal": 1}, "masked": 0}}


def test_both_lines_come_back_in_the_order_of_their_times() -> None:
    recorder = Recorder({line: LineFormat() for line in Line}, "test", STARTED, 0.0, 10**6)
    lines = [recorder.header]
    for at in range(40):
        lines += recorder.receive_data(bytes((0x40 + at,)), at / 10, Line.TILL if at % 2 else Line.TERMINAL)
    recording = read_recording("".join([*lines, *recorder.close(90.0, "stopped")]).encode())
    assert b"".join(step.octets for step in recording.steps) == bytes(range(0x40, 0x68))
    assert recording.whole
    assert recording.formats[Line.TILL].words() == "9600 8N1"


def test_octets_beyond_the_bound_are_left_out() -> None:
    recorder = Recorder({Line.TERMINAL: LineFormat()}, "test", STARTED, 0.0, 10)
    recorder.receive_data(b"12345678", 1.0, Line.TERMINAL)
    assert not recorder.full
    recorder.receive_data(b"ABCDEFGH", 1.0, Line.TERMINAL)
    assert recorder.full
    assert len(heard(recorder.header + "".join(recorder.close(9.0, "full")))) == 10


def test_a_recording_that_was_cut_off_is_read_as_far_as_it_goes() -> None:
    file = captured([(1.0, b"hello")])
    recording = read_recording(file[: file.index('{"end"') + 9].encode())
    assert recording.octets(Line.TERMINAL) == b"hello"
    assert not recording.whole


def test_sessions_and_plain_octets_are_read_too() -> None:
    steps = [{"t_ms": 5, "dir": "pt2ecr", "hex": "06"}, {"t_ms": 0, "dir": "ecr2pt", "hex": "05"}]
    expected = (Step(0.0, Line.TILL, b"\x05"), Step(0.005, Line.TERMINAL, b"\x06"))
    assert read_recording(json.dumps(steps).encode()).steps == expected
    assert read_recording(json.dumps({"lines": "two", "steps": steps}).encode()).steps == expected
    assert read_recording(b"{not json").steps == (Step(0.0, Line.TERMINAL, b"{not json"),)
    assert read_recording(b"\x05", Line.TILL).steps == (Step(0.0, Line.TILL, b"\x05"),)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "the file is empty"),
        (b'{"tillbell_capture": 9}\n', "version 9 of the format is not known"),
        (b'{"tillbell_capture": 1}\nnonsense\n', "line 2: no JSON"),
        (b'{"tillbell_capture": 1}\n{"t_ms": "x", "hex": "06"}\n', "line 2"),
        (b'{"tillbell_capture": 1}\n{"masked": {"at": 1}}\n', "line 2: a masked span is damaged"),
        (b'[{"hex": "zz"}]', "session"),
    ],
)
def test_a_damaged_file_is_refused_with_its_line(content: bytes, why: str) -> None:
    with pytest.raises(RecordingError, match=re.escape(why)):
        read_recording(content)


# There and back


def live_steps(dialect: str, exchanges: int = 40) -> list[Step]:
    steps, now = [], 1.0
    said = exchanges_of(dialect)(5, START, CURRENCY.get(dialect, "CNY"), frozenset(TROUBLES))
    for exchange in islice(said, exchanges):
        for spoken in exchange.spoken:
            now += spoken.after_s
            steps.append(Step(now, spoken.line, spoken.octets))
        now += 60.0
    return steps


def recorded(steps: Sequence[Step]) -> Recording:
    recorder = Recorder({line: LineFormat() for line in Line}, "test", STARTED, 0.0, 10**8)
    lines = [recorder.header]
    for step in steps:
        while (deadline := recorder.next_deadline()) is not None and deadline <= step.time:
            lines += recorder.tick(deadline)
        lines += recorder.receive_data(step.octets, step.time, step.line)
    return read_recording("".join([*lines, *recorder.close(steps[-1].time + 60.0, "stopped")]).encode())


def told(dialect: str, steps: Sequence[Step]) -> list[Any]:
    made = make_dialect(dialect, DialectSettings(currency=CURRENCY.get(dialect, "CNY")))
    events = [heard.event for heard in replay(made, steps)]
    return [e.transaction for e in events if isinstance(e, TransactionCompleted)] + [
        e.settlement for e in events if isinstance(e, SettlementHeard)
    ]


@pytest.mark.parametrize("dialect", sorted(TILLS))
def test_a_capture_replayed_tells_what_the_live_line_told(
    dialect: str, figure: Callable[[str], None]
) -> None:
    steps = live_steps(dialect)
    recording = recorded(steps)
    live, again = told(dialect, steps), told(dialect, recording.steps)
    same = sum(a == b for a, b in zip(live, again, strict=False))
    figure(
        f"capture of {dialect}: {len(live)} events live, {same} the same when replayed, {len(recording.masked)} spans"
    )
    for line in Line:
        assert not any(number in recording.octets(line) for number in SIMULATED_CARDS)
        assert not any(number.decode() in recording.octets(line).hex() for number in SIMULATED_CARDS)
    assert live
    assert len(live) == len(again)
    assert same >= 0.9 * len(live)
    for before, after in zip(live, again, strict=True):
        assert getattr(before, "amount_minor", None) == getattr(after, "amount_minor", None)


def test_receipts_replayed_tell_what_the_live_line_told() -> None:
    steps, now = [], 1.0
    for receipt in islice(receipts(3, start=START), 60):
        steps.append(Step(now, Line.TERMINAL, receipt.octets))
        now += 30.0
    assert told("escpos", recorded(steps).steps) == told("escpos", steps)


def test_an_account_tells_a_repeated_key_once() -> None:
    steps = [Step(1.0, Line.TERMINAL, next(receipts(3, start=START)).octets)] * 2
    account = Account("CNY")
    again = [Step(100.0, step.line, step.octets) for step in steps]
    for event in replay(make_dialect("escpos", DialectSettings()), [*steps, *again]):
        account.take(event)
    assert account.transactions == 1
    assert account.summary()["events"] == 1
