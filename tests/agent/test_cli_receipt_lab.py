"""tillbell receipt-lab: an installer sees how a shop's receipts are read, and writes the words that are missing."""

import json
from pathlib import Path

import pytest

from tillbell_agent.cli import main

CAFE = "\x1b@CAFE SOL\nRECIBO CAJA: A-00345\nCafe con leche  2   3,00\nTe deben      6,00 EUR\nTARJETA ************1111\n\x1dV\x42\x00"
PROFILE = '[totals]\ntotal = ["Te deben"]\n[references]\nreceipt_no = ["RECIBO CAJA"]\n'


@pytest.fixture
def heard(tmp_path: Path) -> Path:
    path = tmp_path / "receipts.bin"
    path.write_bytes(CAFE.encode("cp858"))
    return path


def call(capsys: pytest.CaptureFixture[str], *arguments: str | Path, code: int = 0) -> str:
    got = main(["receipt-lab", *map(str, arguments), "--encoding", "cp858", "--currency", "EUR"])
    said = capsys.readouterr()
    assert got == code, said.err
    return said.out if code in (0, 1) else said.err


def test_a_receipt_that_is_not_understood_shows_why_and_what_to_write(
    heard: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = call(capsys, heard, code=1)
    assert "Receipt 1 of 1: nothing: no amount" in said
    assert 'total = ["Te deben", "Cafe con leche"]' in said


def test_what_it_proposes_is_a_profile_that_works(
    heard: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    proposed = [line.strip() for line in call(capsys, heard, code=1).splitlines()]
    begin = proposed.index("[totals]")
    (tmp_path / "cafe.toml").write_text("\n".join(proposed[begin : begin + 2]), "utf-8")
    said = call(capsys, heard, "--spec", tmp_path / "cafe.toml")
    assert "Receipt 1 of 1: sale 6.00 EUR, without a number" in said
    assert "this amount counts" in said


def test_json_has_the_lines_the_event_and_the_proposals(
    heard: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cafe.toml").write_text(PROFILE, "utf-8")
    (said,) = map(json.loads, call(capsys, heard, "--spec", tmp_path / "cafe.toml", "--json").splitlines())
    assert said["read_as"] == "sale"
    assert (said["event"]["amount_minor"], said["event"]["receipt_no"]) == (600, "A-00345")
    assert said["guesses"] == []
    assert [line["unknown"] for line in said["lines"]] == [False, False, True, False, False]


def test_a_configurations_source_is_read_with_its_profile(
    heard: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cafe.toml").write_text(PROFILE, "utf-8")
    config = tmp_path / "config.toml"
    config.write_text(
        'schema = 1\nstate_dir = "state"\n[device]\nname = "t"\nmerchant = "m"\ntimezone = "Etc/UTC"\ncurrency = "EUR"\n'
        'language = "en"\n[[source]]\nname = "p"\ndialect = "escpos"\nport = "/dev/x"\nspec = "cafe.toml"\n'
        '[[modem]]\nname = "m"\nport = "/dev/y"\n[[recipient]]\nname = "o"\nphone = "+34600000000"\nformat = "text"\n',
        "utf-8",
    )
    assert "sale 6.00 EUR, number A-00345" in call(capsys, heard, "--config", config)


def test_a_wrong_profile_is_told_by_its_line(
    heard: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cafe.toml").write_text('[totals]\ntotl = ["x"]\n', "utf-8")
    assert "--spec: line 2: unknown key" in call(capsys, heard, "--spec", tmp_path / "cafe.toml", code=2)


def test_a_file_without_receipts_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.bin").write_bytes(b"\x1b@\x00")
    assert "No line of text was printed" in call(capsys, tmp_path / "empty.bin", code=1)


def test_a_profile_that_begins_with_a_byte_order_mark_is_read(
    heard: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cafe.toml").write_text(PROFILE, "utf-8-sig")
    assert "sale 6.00 EUR" in call(capsys, heard, "--spec", tmp_path / "cafe.toml")


def test_what_would_move_the_cursor_is_not_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "evil.bin").write_bytes(b"\x1b@A\x9b2J\x85B 12\nTOTAL 1,00\n\x1dV\x42\x00")
    got = main(["receipt-lab", str(tmp_path / "evil.bin"), "--encoding", "latin-1", "--currency", "EUR"])
    said = capsys.readouterr().out
    assert got == 0
    assert not set(said) & {"\x9b", "\x85", "\x1b"}


def test_a_source_that_is_no_printer_is_refused(
    heard: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.toml"
    config.write_text(
        'schema = 1\nstate_dir = "state"\n[device]\nname = "t"\nmerchant = "m"\ntimezone = "Etc/UTC"\ncurrency = "EUR"\n'
        'language = "en"\n[[source]]\nname = "p"\ndialect = "zvt"\nport = "/dev/x"\n'
        '[[modem]]\nname = "m"\nport = "/dev/y"\n[[recipient]]\nname = "o"\nphone = "+34600000000"\nformat = "text"\n',
        "utf-8",
    )
    assert "its dialect is zvt. Try tillbell replay" in call(capsys, heard, "--config", config, code=2)


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"a":' * 50_000])
def test_a_file_nested_too_deep_is_taken_for_octets(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "deep.json").write_bytes(content)
    call(capsys, tmp_path / "deep.json", code=1)
