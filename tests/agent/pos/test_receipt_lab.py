"""How receipts are read, shown line by line, and the profile that a shop's words are written into."""

import contextlib
from dataclasses import fields
from datetime import datetime
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillbell_agent.pos.dialect import DialectEvent, TransactionCompleted
from tillbell_agent.pos.escpos import EscPos
from tillbell_agent.pos.labels import ReceiptLabels
from tillbell_agent.pos.receipt import ReceiptReader
from tillbell_agent.pos.receipt_lab import MAX_JOBS, Guess, Job, ReceiptLab, masked
from tillbell_agent.pos.receipt_profile import TABLES, field_of, read_profile
from tillbell_agent.pos.settings import DialectSettings, SpecError
from tillbell_agent.sim.receipts import receipts
from tillbell_protocol.event import Kind

CAFE = (
    "CAFE SOL\nCalle Mayor 12\nFECHA: 21/11/2026 10:32\nRECIBO CAJA: A-00345\nCafe con leche  2   3,00\n"
    "Te deben      6,00 EUR\nTARJETA ************1111\n"
)
PROFILE = '[totals]\ntotal = ["Te deben"]\n[references]\nreceipt_no = ["RECIBO CAJA"]\n'
CUT = "\x1dV\x42\x00"


def through(printed: str, spec: str = "") -> tuple[list[Job], list[DialectEvent]]:
    settings = DialectSettings(encoding="cp858", currency="EUR", spec=spec)
    lab = ReceiptLab(settings)
    dialect = EscPos(settings, lab)
    events = dialect.receive_data(f"\x1b@{printed}{CUT}".encode("cp858"), 0.0)
    return lab.jobs, [*events, *dialect.close(60.0)]


def test_each_line_says_what_was_recognised_in_it() -> None:
    (job,), _ = through(CAFE, PROFILE)
    shown = {line.text.split("  ")[0]: line for line in job.lines}
    assert [(word.field, word.label, word.value) for word in shown["Te deben"].words] == [
        ("total", "Te deben", "6,00 EUR")
    ]
    assert [text for text, line in shown.items() if line.counts] == ["Te deben"]
    assert [text for text, line in shown.items() if line.unknown] == ["Calle Mayor 12", "Cafe con leche"]
    assert not shown["CAFE SOL"].words


def test_a_profile_makes_a_receipt_a_sale_with_its_number() -> None:
    (without,), _ = through(CAFE)
    assert not isinstance(without.event, TransactionCompleted)
    (job,), events = through(CAFE, PROFILE)
    assert isinstance(job.event, TransactionCompleted)
    assert events == [job.event]
    told = job.event.transaction
    assert (told.kind, told.amount_minor, told.receipt_no) == (Kind.SALE, 600, "A-00345")


def test_where_no_amount_is_found_the_words_before_prices_are_proposed_from_below() -> None:
    (job,), _ = through(CAFE)
    assert job.guesses() == (Guess("totals", "total", "Te deben"), Guess("totals", "total", "Cafe con leche"))


def test_where_no_number_is_found_the_words_before_one_are_proposed() -> None:
    (job,), _ = through("TICKET N 77\nTOTAL 12,50\n")
    assert Guess("references", "receipt_no", "TICKET N") in job.guesses()


def test_what_is_understood_needs_no_guess() -> None:
    (job,), _ = through(CAFE, PROFILE)
    assert job.guesses() == ()


def test_a_title_of_the_shops_own_says_what_a_receipt_is() -> None:
    printed = "DINERO DE VUELTA\nTOTAL 12,50\n"
    (job,), _ = through(printed, '[kinds]\nrefund = ["DINERO DE VUELTA"]\n')
    assert isinstance(job.event, TransactionCompleted)
    assert job.event.transaction.kind is Kind.REFUND
    assert [word.field for word in job.lines[0].words] == ["refund"]
    assert through("OTRA VEZ\nTOTAL 12,50\n", '[copies]\nreprint = ["OTRA VEZ"]\n')[1] != []


def test_no_card_number_is_shown() -> None:
    (job,), _ = through(
        "TOTAL 12,50\nCARD 4111 1111 1111 1111\nREF 4111111111111111\nkonto 4111-1111-1111-1111\n"
    )
    shown = repr(job.lines).replace(" ", "").replace("-", "")
    assert "411111" not in shown
    assert "1111" in shown


PAN = "4111111111111111"


@pytest.mark.parametrize(
    "printed",
    [
        PAN[:10] + "\x1bE\x01" + PAN[10:], PAN[:10] + "\x00" + PAN[10:], PAN[:8] + "\x0e" + PAN[8:],
        PAN[:10] + "\x1b\x24\x10\x01" + PAN[10:], PAN[:8] + "\r" + PAN[8:], PAN[:8] + "\n" + PAN[8:],
        "|".join(PAN[at : at + 4] for at in range(0, 16, 4)), ":".join(PAN[at : at + 4] for at in range(0, 16, 4)),
        "TOTAL: " + PAN[:8] + "\x00" + PAN[8:], PAN[:4] + ", " + PAN[4:8] + ", " + PAN[8:12] + ", " + PAN[12:],
    ],
)  # fmt: skip
def test_a_card_number_that_is_broken_off_is_not_shown_either(printed: str) -> None:
    jobs, _ = through(f"SHOP\n{printed}\nTOTAL 12,50\nCARD {printed}\n")
    shown = "".join(each for job in jobs for line in job.lines for each in line.text if each.isalnum())
    values = "".join(
        each for each in repr([line.words for job in jobs for line in job.lines]) if each.isdigit()
    )
    assert PAN[:10] not in shown
    assert PAN[:10] not in values


def test_amounts_dates_and_references_are_shown_as_they_are() -> None:
    lines = [
        "125.00 300.00 12.50", "21/11/2026 10:32:55 0034", "REF 300000003331", "0800 123 456 / 30.00",
        "EAN 4006381333931 2", "12,50", "13,00", "7.00 3.50 1.25 9.99",
    ]  # fmt: skip
    assert masked(lines) == lines


@given(st.lists(st.text(alphabet="0123456789 -|,:\ufffdAx", max_size=30), max_size=6))
def test_masking_keeps_lines_and_their_lengths(lines: list[str]) -> None:
    shown = masked(lines or [""])
    assert [len(line) for line in shown] == [len(line) for line in lines or [""]]
    assert all(old == new or new == "*" for old, new in zip("".join(lines), "".join(shown), strict=True))


def test_parts_of_one_paper_that_are_no_receipts_of_their_own_are_shown_once() -> None:
    jobs, _ = through("SHOP\nTOTAL 12,50\n\n\n\n\n\nThank you 1\n")
    assert [len(job.lines) for job in jobs] == [3]


def test_a_recording_of_any_length_keeps_so_many_receipts() -> None:
    settings = DialectSettings(encoding="cp858", currency="EUR")
    lab = ReceiptLab(settings)
    EscPos(settings, lab).receive_data(f"\x1b@{f'TOTAL 1,00{chr(10)}{CUT}' * (MAX_JOBS + 5)}".encode(), 0.0)
    assert (len(lab.jobs), lab.seen) == (MAX_JOBS, MAX_JOBS + 5)


@pytest.mark.parametrize("seed", range(4))
def test_a_dialect_that_explains_itself_tells_the_same(seed: int) -> None:
    settings = DialectSettings(currency="USD" if seed % 2 else "CNY")
    plain, lab = EscPos(settings), ReceiptLab(settings)
    explained = EscPos(settings, lab)
    for place, receipt in enumerate(
        islice(receipts(seed, start=datetime(2026, 5, 4, 9), currency=settings.currency), 60)
    ):
        now = place * 60.0
        assert explained.receive_data(receipt.octets, now) == plain.receive_data(receipt.octets, now)
    assert len(lab.jobs) >= 50


@given(st.lists(st.text(max_size=60), max_size=30))
def test_any_lines_are_shown_whatever_they_are(lines: list[str]) -> None:
    settings = DialectSettings()
    lab = ReceiptLab(settings)
    assert lab.read(lines) == ReceiptReader(settings).read(lines)
    for job in lab.jobs:
        assert job.guesses() == job.guesses()


# Profiles


def test_every_field_of_labels_stands_in_one_table() -> None:
    named = [field_of(table, key) for table, keys in TABLES.items() for key in keys]
    assert sorted(named) == sorted(field.name for field in fields(ReceiptLabels))


def test_a_label_that_is_given_is_taken_from_where_it_was() -> None:
    (job,), _ = through(
        "SUBTOTAL 3,00\nTOTAL 12,50\n", '[totals]\ntotal = ["SUBTOTAL"]\n[labels]\nother = ["TOTAL"]\n'
    )
    assert isinstance(job.event, TransactionCompleted)
    assert job.event.transaction.amount_minor == 300


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ('[totals]\ntotl = ["x"]\n', 2, 'Did you mean "total"?'),
        ('[totals]\ntotal = "x"\n', 2, "must be a list"),
        ('[totals]\n\ntotal = ["12"]\n', 3, "'12' is not a label"),
        ('[total]\ntotal = ["x"]\n', 1, 'Did you mean "totals"?'),
        ("[totals\n", 1, "no TOML"),
        ('totals = "x"\n', 1, "must be a table"),
        ('[totals]\ntotal = ["Te deben:"]\n', 2, "leave out the sign"),
        ('[totals]\ntotal = ["Te deben"]\npaid = ["te deben"]\n', 2, "stands under paid already"),
        ('[framing]\nlength = ["binary"]\n', 1, "a specification of ISO 8583"),
    ],
)
def test_a_wrong_profile_says_in_which_line(text: str, line: int, why: str) -> None:
    with pytest.raises(SpecError) as raised:
        read_profile(text)
    assert raised.value.problems[0][0] == line
    assert why in raised.value.problems[0][1]


@given(st.text(max_size=200))
def test_any_text_is_a_profile_or_a_wrong_one(text: str) -> None:
    with contextlib.suppress(SpecError):
        read_profile(text)
