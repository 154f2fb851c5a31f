import argparse
import json
import os
import select
import signal
import subprocess
import sys
import threading
import tty
from datetime import datetime
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tillbell_agent.cli import sim_pos
from tillbell_agent.cli.errors import CliError
from tillbell_agent.sim.paper import MISLEADING, Paper
from tillbell_agent.sim.pos import CableError, PtyCable, SerialCable, paced, send
from tillbell_agent.sim.receipts import Receipt, receipts
from tillbell_protocol.errors import EncodeError
from tillbell_protocol.event import Kind

START = datetime(2026, 11, 21, 9, 0)


def deck(seed: int, count: int = 20, **options: str) -> list[Receipt]:
    return list(islice(receipts(seed, start=START, **options), count))


def test_the_same_seed_and_start_give_the_same_octets_and_another_seed_others() -> None:
    assert deck(1) == deck(1)
    assert [r.octets for r in deck(1)] != [r.octets for r in deck(2)]


@pytest.mark.parametrize("seed", range(5))
def test_the_first_twenty_receipts_show_every_kind(seed: int) -> None:
    shown = {r.expected.kind for r in deck(seed) if r.expected}
    assert shown == set(Kind) - {k for k in Kind if k >= Kind.SETTLEMENT} - {Kind.REVERSAL}
    silent = {r.note for r in deck(seed) if r.expected is None}
    assert silent == {"reprint of an earlier slip", "settlement", "kitchen ticket"}


@given(st.integers(0, 2**32), st.sampled_from(["CNY", "JPY", "KWD", "USD"]))
@settings(max_examples=25)
def test_numbers_never_repeat_and_amounts_are_never_zero(seed: int, currency: str) -> None:
    told = [r.expected for r in deck(seed, 60, currency=currency) if r.expected]
    references = [(t.terminal_id, t.reference) for t in told]
    assert len(set(references)) == len(references)
    assert all(t.amount_minor and t.amount_minor > 0 and t.currency == currency for t in told)
    times = [t.terminal_time.replace(second=0) for t in told if t.terminal_time]
    assert times == sorted(times)


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8"])
def test_what_is_expected_stands_on_the_paper_and_cards_are_masked(encoding: str) -> None:
    for receipt in deck(3, 40, encoding=encoding):
        text = receipt.octets.decode(encoding, errors="replace")
        told = receipt.expected
        if told is None:
            continue
        amount = told.amount_minor or 0
        assert f"{amount // 100}.{amount % 100:02d}" in text
        assert (told.receipt_no or "?") in text
        if told.card:
            assert f"******{told.card.last4}" in text
        if told.auth_code:
            assert told.auth_code in text


def test_a_void_names_the_sale_that_it_takes_back_and_its_amount() -> None:
    jobs = [r.expected for r in deck(4) if r.expected]
    void = next(t for t in jobs if t.kind is Kind.VOID and t.original_ref)
    sale = next(t for t in jobs if t.receipt_no == void.original_ref)
    assert (sale.kind, sale.amount_minor, sale.card) == (Kind.SALE, void.amount_minor, void.card)


def test_a_sale_slip_holds_both_copies_and_an_uncut_slip_no_cut() -> None:
    jobs = deck(5)
    slip = next(r for r in jobs if "copy" in r.note)
    assert slip.octets.count(b"\x1dVB\x00") == 2
    uncut = next(r for r in jobs if "without a cut" in r.note)
    assert b"\x1dV" not in uncut.octets


def test_pictures_and_codes_declare_their_length_and_mislead_inside_it() -> None:
    logo = Paper("gb18030").logo(16, 24).octets
    start = logo.index(b"\x1dv0\x00")
    assert logo[start + 4 : start + 8] == bytes([16, 0, 24, 0])
    assert len(logo) == start + 8 + 16 * 24
    assert MISLEADING in logo[start + 8 :]
    code = Paper("gb18030").qr("TOTAL 999.99").octets
    stored = code.index(b"1P0TOTAL 999.99")
    assert int.from_bytes(code[stored - 2 : stored], "little") == 3 + len("TOTAL 999.99")


def test_text_that_the_encoding_lacks_is_an_error() -> None:
    with pytest.raises(EncodeError, match="cp437"):
        Paper("cp437").line("应收")


@given(st.binary(max_size=300), st.one_of(st.none(), st.integers(50, 115_200)))
def test_pacing_keeps_every_octet_and_takes_the_lines_time(octets: bytes, baudrate: int | None) -> None:
    pieces = list(paced(octets, baudrate))
    assert b"".join(piece for piece, _ in pieces) == octets
    expected = len(octets) * 10 / baudrate if baudrate else 0.0
    assert sum(seconds for _, seconds in pieces) == pytest.approx(expected)


class Reader(threading.Thread):
    """Opens a link as a listener does and reads until its far end closes."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self.descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
        self.heard = bytearray()

    def run(self) -> None:
        while select.select([self.descriptor], [], [], 20)[0]:
            try:
                data = os.read(self.descriptor, 700)
            except OSError:
                return
            if not data:
                return
            self.heard += data


def test_a_cable_waits_for_its_listener_and_loses_nothing_when_it_is_closed(tmp_path: Path) -> None:
    cable = PtyCable(tmp_path / "till")
    octets = (
        bytes(range(256)) * 80
    )  # five times what a pseudo-terminal holds; every octet value, so raw mode shows
    sender = threading.Thread(target=send, args=(cable, octets, None))
    sender.start()
    reader = Reader(tmp_path / "till")
    reader.start()
    sender.join(20)
    cable.close()
    reader.join(20)
    assert bytes(reader.heard) == octets
    assert not (tmp_path / "till").is_symlink()
    os.close(reader.descriptor)


def test_a_cable_replaces_a_stale_link_but_no_file(tmp_path: Path) -> None:
    link = tmp_path / "till"
    link.symlink_to("/dev/pts/gone")
    cable = PtyCable(link)
    assert link.resolve().is_char_device()
    cable.close()
    link.write_text("mine")
    with pytest.raises(CableError, match="no link"):
        PtyCable(link)
    with pytest.raises(CableError, match="folder"):
        PtyCable(tmp_path / "absent" / "till")
    assert link.read_text() == "mine"


def test_a_port_that_exists_gets_every_octet(tmp_path: Path) -> None:
    near, far = os.openpty()
    tty.setraw(far)
    cable = SerialCable(os.ttyname(far), 9600)
    send(cable, b"\x1b@hello\xff\x00", 115_200)
    cable.close()
    assert os.read(near, 100) == b"\x1b@hello\xff\x00"
    os.close(near)
    os.close(far)
    with pytest.raises(CableError, match="right path"):
        SerialCable(str(tmp_path / "absent"), 9600)


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    sim_pos.configure(parser)
    return parser.parse_args(words)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--rate", "0"), "--rate"),
        (("--pauses", "-1"), "--pauses"),
        (("--link-till", "/tmp/till"), "one line"),
        (("--currency", "XAU"), "--currency"),
        (("--encoding", "cp437"), "--encoding"),
        (("--encoding", "nonsense"), "--encoding"),
    ],
)
def test_an_argument_that_cannot_work_is_named(words: tuple[str, ...], why: str) -> None:
    with pytest.raises(CliError, match=why):
        sim_pos.run(arguments("--port", "/dev/null", *words))


def test_a_port_that_is_not_there_is_unreachable() -> None:
    with pytest.raises(CliError) as caught:
        sim_pos.run(arguments("--port", "/dev/tillbell-absent"))
    assert caught.value.exit_code == 3


_PROGRAM = """
import argparse, sys
from tillbell_agent.cli import sim_pos
parser = argparse.ArgumentParser()
sim_pos.configure(parser)
sys.exit(sim_pos.run(parser.parse_args(sys.argv[1:])))
"""


def start(*words: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def test_each_line_of_json_tells_what_was_printed_and_what_must_come_of_it(tmp_path: Path) -> None:
    near, far = os.openpty()
    tty.setraw(far)
    port = os.ttyname(far)
    process = start(
        "--port",
        port,
        "--count",
        "20",
        "--seed",
        "7",
        "--rate",
        "60000",
        "--json",
        "--start",
        "2026-11-21T09:00",
    )
    heard = bytearray()
    while process.poll() is None or select.select([near], [], [], 0.2)[0]:
        if select.select([near], [], [], 0.2)[0]:
            heard += os.read(near, 4096)
    out, err = process.communicate(timeout=20)
    os.close(near)
    os.close(far)
    assert (process.returncode, err) == (0, "")
    expected = deck(7)
    assert bytes(heard) == b"".join(r.octets for r in expected)
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["n"] for line in lines] == list(range(1, 21))
    for line, receipt in zip(lines, expected, strict=True):
        assert line["octets"] == len(receipt.octets)
        if receipt.expected is None:
            assert line["expected"] == []
        else:
            (told,) = line["expected"]
            assert told["kind"] == receipt.expected.kind.word
            assert told["amount_minor"] == receipt.expected.amount_minor
            assert told["reference"] == receipt.expected.reference


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, -signal.SIGINT)])
def test_a_signal_ends_it_and_takes_the_link_away(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    link = tmp_path / "till"
    process = start("--link", str(link))
    while not link.is_symlink():
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
    reader = Reader(link)
    reader.start()
    assert process.stdout is not None
    assert "octets" in process.stdout.readline()
    process.send_signal(number)
    process.communicate(timeout=20)
    assert process.returncode == status
    assert not link.is_symlink()
    os.close(reader.descriptor)
