"""A field specification: an acquirer's variant is a text, and each mistake in it has its line and its field."""

import re
import sys
from pathlib import Path

import iso8583
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from streams import hear, told

from tillbell_agent.pos import iso8583_spec
from tillbell_agent.pos.dialect import Line
from tillbell_agent.pos.iso8583_spec import MEANINGS, read_specification, shipped
from tillbell_agent.pos.registry import make_dialect
from tillbell_agent.pos.settings import DialectSettings, SettingsError, SpecError
from tillbell_protocol.event import Kind, Transaction
from tillbell_protocol.pan import TruncatedPan

SOURCE = Path(str(iso8583_spec.__file__))
SHIPPED = ("iso8583-1987-ascii", "iso8583-1987-bcd", "qcup")
# A host as banks with mainframes have it: EBCDIC, a length in ASCII figures that counts itself, a header, version 1993.
MAINFRAME = """
name = "a bank's"
approved = ["000", "001"]
amount_decimals = 2

[framing]
length = ["ascii"]
length_octets = 4
length_counts_itself = true
header_octets = [12]

[message]
mti = "ebcdic"
bitmap = ["binary"]
data_enc = "cp500"
len_enc = "cp500"

[fields]
2 = { len_type = 2, max_len = 19, means = "card" }
3 = { data_enc = "bcd", max_len = 6, means = "processing_code" }
4 = { data_enc = "bcd", max_len = 12, means = "amount" }
11 = { max_len = 6, means = "stan" }
12 = { max_len = 12, means = "local_time" }
37 = { max_len = 12, means = "rrn" }
39 = { max_len = 3, means = "result_code" }
41 = { max_len = 16, means = "terminal_id" }
48 = { len_type = 3, max_len = 999, parts = { receipt_no = [4, 10], scheme = [10, 12] } }
49 = { max_len = 3, means = "currency" }

[schemes]
VI = "visa"

[[kinds]]
mti = "1210"
processing_code = "00"
kind = "sale"
"""


@pytest.mark.parametrize("name", SHIPPED)
def test_each_specification_that_comes_with_the_program_is_right_and_complete(name: str) -> None:
    spec = read_specification(shipped(name))
    means = {each.means for each in spec.meanings}
    assert {"card", "amount", "stan", "rrn", "auth_code", "result_code", "terminal_id", "currency"} <= means
    assert {rule.kind for rule in spec.rules} >= {
        "sale",
        "void",
        "refund",
        "reversal",
        "preauth",
        "settlement",
    }
    assert spec.approved >= {"00"}


def test_a_variant_unlike_all_that_are_shipped_is_a_text_and_no_code() -> None:
    spec = read_specification(MAINFRAME)
    fields = {
        "t": "1210", "2": "4111111111111111", "3": "000000", "4": "000000009900", "11": "000007",
        "12": "260102030405", "37": "600203000007", "39": "000", "41": "SHOP-7          ", "48": "XXXX000042VI", "49": "JPY",
    }  # fmt: skip
    wire = spec.wires[0]
    texts = {number for number, row in wire.items() if row["data_enc"] == "latin-1"}
    fields |= {number: fields[number].encode("cp500").decode("latin-1") for number in texts & fields.keys()}
    body, _ = iso8583.encode(fields, wire)
    frame = f"{len(body) + 16:04}".encode() + b"H" * 12 + bytes(body)
    dialect = make_dialect("iso8583", DialectSettings(spec=MAINFRAME))
    for octets in (frame, b"\x00junk" + frame):
        (event, *_) = told(hear(dialect, [(0.0, Line.TILL, octets)]))
        sale = event.transaction
        assert sale.terminal_time is not None
        assert sale.terminal_time.isoformat() == "2026-01-02T03:04:05"
        assert sale == Transaction(
            Kind.SALE, 99, "JPY", TruncatedPan("1111"), sale.terminal_time, receipt_no="000042", rrn="600203000007",
            stan="000007", terminal_id="SHOP-7", scheme="visa", result_code="000",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "needle", "words"),
    [
        ('length = ["ascii"]', 'length = ["asci"]', "length =", 'Did you mean "ascii"?'),
        ('length = ["ascii"]', 'length = ["ascii", "bcd"]', "length =", "ascii stands alone"),
        ('length = ["ascii"]\n', "", "[framing]", '"length" in [framing] is missing'),
        ("length_octets = 4", "length_octets = 5", "length_octets", "not between 1 and 4"),
        ("header_octets = [12]", "header_octets = [-1]", "header_octets", "numbers from 0 to 64"),
        (
            "length_counts_itself = true",
            'length_counts_itself = "yes"',
            "length_counts_itself",
            "true or false",
        ),
        ('mti = "ebcdic"', 'mti = "ebcdik"', "mti =", 'Did you mean "ebcdic"?'),
        ('bitmap = ["binary"]\n', "", "[message]", '"bitmap" in [message] is missing'),
        ('data_enc = "cp500"', 'data_enc = "cp5000"', "data_enc =", "is no encoding"),
        ("max_len = 12, means", "max_len = 0, means", "4 = {", "field 4"),
        ('means = "amount"', 'means = "amuont"', "4 = {", 'Did you mean "amount"?'),
        ('means = "amount"', 'means = "rrn"', "[fields]", 'two fields mean "rrn"'),
        ('means = "stan"', 'mean = "stan"', "11 =", 'unknown key "mean" in field 11'),
        ("receipt_no = [4, 10]", "receipt_no = [10, 4]", "48 =", "field 48: receipt_no must be [start, end]"),
        ("receipt_no = [4, 10]", "receit_no = [4, 10]", "48 =", 'field 48: "receit_no" in parts is not known'),
        ("12 = {", "129 = {", "129 =", '"129" in [fields] is no field'),
        ("12 = {", "65 = {", "65 =", '"65" in [fields] is no field'),
        ("49 = { max_len = 3,", "49 = { max_len = 3, len_type = 5,", "49 =", "not between 0 and 4"),
        ('kind = "sale"', 'kind = "sales"', "kind =", 'Did you mean "sale"?'),
        ('mti = "1210"\n', "", "[[kinds]]", '[[kinds]] lacks the key "mti"'),
        ('processing_code = "00"', 'procesing_code = "00"', "procesing", 'Did you mean "processing_code"?'),
        ('approved = ["000", "001"]', 'approved = ["0 0"]', "approved", "result code"),
        ('approved = ["000", "001"]\n', "", "", '"approved" is missing'),
        ("amount_decimals = 2", "amount_decimals = 9", "amount_decimals", "not between"),
        ("[[kinds]]", "[[kind]]", "", 'Did you mean "kinds"?'),
        ("[schemes]", "[schemes", "[schemes", "this is no TOML"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line_and_field(old: str, new: str, needle: str, words: str) -> None:
    assert old in MAINFRAME
    text = MAINFRAME.replace(old, new, 1)
    lines = text.splitlines()
    at = next((n for n, line in enumerate(lines, 1) if needle and line.startswith(needle)), None)
    with pytest.raises(SpecError) as error:
        make_dialect("iso8583", DialectSettings(spec=text))
    told_of = [line for line, why in error.value.problems if words in why]
    assert told_of, error.value.problems
    assert at is None or at in told_of
    assert (error.value.field, words in error.value.why) == ("spec", True)


def test_all_mistakes_are_told_at_once_in_the_order_of_the_text() -> None:
    text = MAINFRAME.replace('"ebcdic"', '"x"').replace('"rrn"', '"y"').replace('"sale"', '"z"')
    with pytest.raises(SpecError) as error:
        read_specification(text)
    lines = [line for line, _ in error.value.problems]
    assert lines == sorted(lines)
    assert len(lines) == 3


@pytest.mark.parametrize(
    "text",
    [
        "\n",
        "x = 1",
        "fields = 5",
        "[fields]\n2 = 7",
        "kinds = 1",
        "[framing]\nlength = 3",
        "[message]\nmti = 5",
    ],
)
def test_a_text_of_the_wrong_shape_is_an_error_and_no_crash(text: str) -> None:
    with pytest.raises(SpecError):
        read_specification(text)


def test_chinas_dialect_takes_no_specification_and_says_which_does() -> None:
    with pytest.raises(SettingsError, match='Set dialect to "iso8583"'):
        make_dialect("iso8583-cn", DialectSettings(spec=MAINFRAME))


@pytest.mark.parametrize("name", ["iso8583", "iso8583-cn"])
def test_an_unknown_layout_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="layout: unknown name 'iso8583-1987-ebcd'"):
        make_dialect(name, DialectSettings(layout="iso8583-1987-ebcd"))


def test_every_meaning_is_used_by_a_specification_that_is_shipped() -> None:
    used = {each.means for name in SHIPPED for each in read_specification(shipped(name)).meanings}
    assert used == set(MEANINGS)


def test_the_page_for_installers_has_every_meaning_and_key() -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "iso8583-specification.md"
    text = page.read_text("utf-8")
    assert [name for name, words in MEANINGS.items() if f"| `{name}` | {words} |" not in text] == []
    keys = set(
        re.findall(r'\.(?:text|integer|flag|listed|list_of_text)\(\s*"(\w+)"', SOURCE.read_text("utf-8"))
    )
    assert len(keys) > 15
    assert [key for key in sorted(keys) if f"`{key}`" not in text and f"`{key} =" not in text] == []
