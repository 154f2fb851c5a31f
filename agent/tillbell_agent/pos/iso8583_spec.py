"""A field specification of ISO 8583 (TOML) becomes what the engine needs: framing, encodings, meanings, kinds.

Each acquirer writes its own variant of ISO 8583: what differs stands in such a text, so that a new variant is no code.
Field rows use the names of the library pyiso8583 (``data_enc``, ``len_enc``, ``len_type``, ``max_len``, ``len_count``,
``left_pad``, ``right_pad``), and ``means`` or ``parts`` for what may leave the message. ``specs/`` holds those that come
with the program.
"""

import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tillbell_agent.config_checks import Check, between, hint, one_line, one_of
from tillbell_agent.config_fields import ConfigError, Places, Table
from tillbell_agent.config_merge import merge
from tillbell_agent.pos.settings import SettingsError, SpecError
from tillbell_protocol.event import TRANSACTION_KINDS, Kind

MAX_OCTETS = 8192  # more than any terminal's message; a length above it is noise

# What of a message may leave it. All else, track data, PIN blocks, expiries and names included, ends with the frame.
MEANINGS: Mapping[str, str] = {
    "card": "the card number; its last four digits are kept",
    "track2": "track 2, for the last four digits of the number in it where no field has the number",
    "processing_code": "which transaction it is, for `kinds`",
    "condition": "the point of service's condition, for `kinds`",
    "transaction_type": "the terminal's own type of transaction, for `kinds`",
    "amount": "the amount in minor units",
    "currency": "the currency's ISO 4217 number or letters",
    "stan": "the terminal's trace number",
    "rrn": "the retrieval reference number",
    "auth_code": "the authorisation code",
    "result_code": "the host's answer; those in `approved` say yes",
    "local_time": "HHMMSS at the terminal, or YYMMDDhhmmss",
    "local_date": "MMDD at the terminal",
    "terminal_id": "the terminal",
    "merchant_id": "the merchant",
    "batch": "the terminal's batch",
    "receipt_no": "the number on the paper: invoice, ticket or voucher",
    "scheme": "the card's brand, by the words of `schemes`",
    "original_stan": "of a void, refund or reversal: the first transaction's trace number",
    "voided_stan": "the same, where a reversal has there what its transaction had",
}
_LENGTHS = ("binary", "bcd", "ascii")
_MTI = {"bcd": "b", "ascii": "ascii", "ebcdic": "cp500"}
_BITMAP = {"binary": "b", "ascii": "ascii", "ebcdic": "cp500"}
_BINARY = ("bcd", "b")
_CARDS = ("card", "track2")
_FIELD_NAMES = frozenset(str(number) for number in range(2, 129) if number != 65)
_CONDITIONS = ("processing_code", "condition", "transaction_type")
_NO_KIND = ("ignored", "settlement")
_KINDS = (*(Kind(each).word for each in sorted(TRANSACTION_KINDS - {Kind.DECLINED})), *_NO_KIND)


@dataclass(frozen=True, slots=True)
class Framing:
    """What stands before a message. ``lengths``: how the length may be written; ``headers``: octets, alternatives."""

    lengths: tuple[str, ...]
    length_octets: int
    counts_itself: bool
    tpdu: bool
    headers: tuple[int, ...]
    max_octets: int


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a field, or a part of it, says: ``text[start:end]`` of its decoded text."""

    field: str
    means: str
    encoding: str  # "bcd", "b", or Python's name of the text encoding
    start: int = 0
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """An answer whose type and values begin so is of this ``kind``: a word of ``Kind``, or one of no transaction."""

    mti: str
    when: Mapping[str, str]
    kind: str
    why: str
    without_amount: bool

    def holds(self, mti: str, values: Mapping[str, str]) -> bool:
        if not mti.startswith(self.mti):
            return False
        return all(values.get(name, "").startswith(begins) for name, begins in self.when.items())


@dataclass(frozen=True, slots=True)
class Specification:
    """``wires``: what pyiso8583 decodes with, one for each way in which bitmaps may be written.

    ``filled_with_0_or_f``: fields of which the wire has one of the two behind an odd number of digits, and may have either.
    ``amount_decimals`` None: as ISO 4217 has them for the currency.
    """

    framing: Framing
    mti: str
    wires: tuple[Mapping[str, Mapping[str, Any]], ...]
    filled_with_0_or_f: frozenset[str]
    meanings: tuple[Meaning, ...]
    rules: tuple[Rule, ...]
    approved: frozenset[str]
    schemes: Mapping[str, str]
    amount_decimals: int | None

    def rule(self, mti: str, values: Mapping[str, str]) -> Rule | None:
        """The first that holds."""
        return next((rule for rule in self.rules if rule.holds(mti, values)), None)


def shipped(name: str) -> str:
    """The text of a specification that comes with the program."""
    data = pkgutil.get_data("tillbell_agent.pos", f"specs/{name}.toml")
    if data is None:
        raise SettingsError("spec", f"{name}.toml is missing from the program. Install it again")
    return data.decode()


@lru_cache(maxsize=4)  # sources of one kind share theirs
def read_specification(text: str) -> Specification:
    """Raises SpecError with every problem and its line."""
    places, data = Places({}, "spec"), dict[str, Any]()
    try:
        merge(data, places, "spec", text)
    except ConfigError as error:
        raise SpecError.of(error.problems) from None
    found = _specification(Table(places, (), data), places)
    if places.problems:
        raise SpecError.of(places.problems)
    return found


def _specification(top: Table, places: Places) -> Specification:
    top.optional_text("name")
    message = _sub(top, "message", places)
    mti = message.text("mti", check=one_of(*_MTI))
    bitmaps = message.list_of_text("bitmap", check=one_of(*_BITMAP))
    if not bitmaps:
        message.complain("bitmap", why=f'"bitmap" in [message] is missing: a list of {", ".join(_BITMAP)}')
    default_data = message.optional_text("data_enc", check=_encoding)
    default_len = message.text("len_enc", "ascii", check=_encoding)
    message.finish()
    fields = _fields(top, places, default_data, default_len)
    rows = {field.name: field.wire for field in fields}
    found = Specification(
        framing=_framing(_sub(top, "framing", places)),
        mti=mti,
        wires=tuple({**_frame_rows(mti, each), **rows} for each in bitmaps),
        filled_with_0_or_f=frozenset(field.name for field in fields if field.filled_with_0_or_f),
        meanings=tuple(each for field in fields for each in field.meanings),
        rules=tuple(map(_rule, top.tables("kinds"))),
        approved=frozenset(top.list_of_text("approved", check=_code)),
        schemes=_schemes(top, places),
        amount_decimals=_decimals(top),
    )
    _complain_of_what_is_missing(top, found)
    top.finish()
    return found


def _complain_of_what_is_missing(top: Table, found: Specification) -> None:
    if not found.approved:
        top.complain("approved", why='"approved" is missing: the result codes that say yes, such as ["00"]')
    if not found.rules:
        top.complain("kinds", why="[[kinds]] is missing: nothing says which message is a sale")
    has = [each.means for each in found.meanings]
    for means in ("stan", "result_code"):
        if means not in has:
            top.complain("fields", why=f'no field means "{means}", without which no answer is understood')
    for means in sorted({each for each in has if has.count(each) > 1}):
        top.complain("fields", why=f'two fields mean "{means}". Leave one')


def _decimals(top: Table) -> int | None:
    value = top.integer("amount_decimals", -1, check=between(-1, 4))
    return None if value < 0 else value


def _framing(table: Table) -> Framing:
    framing = Framing(
        lengths=table.list_of_text("length", check=one_of(*_LENGTHS)),
        length_octets=table.integer("length_octets", 2, check=between(1, 4)),
        counts_itself=table.flag("length_counts_itself"),
        tpdu=table.flag("tpdu"),
        headers=_octet_counts(table, "header_octets"),
        max_octets=table.integer("max_octets", 2048, check=between(64, MAX_OCTETS)),
    )
    if not framing.lengths:
        table.complain("length", why=f'"length" in [framing] is missing: a list of {", ".join(_LENGTHS)}')
    if "ascii" in framing.lengths and len(framing.lengths) > 1:
        table.complain("length", why='"length" in [framing]: ascii stands alone')
    table.finish()
    return framing


def _frame_rows(mti: str, bitmap: str) -> dict[str, dict[str, Any]]:
    """pyiso8583's rows for header (none: framing has taken it), message type and bitmaps."""
    row = {"len_enc": "ascii", "len_type": 0}
    enc = _BITMAP.get(bitmap, "b")
    return {
        "h": {**row, "data_enc": "b", "max_len": 0},
        "t": {**row, "data_enc": _MTI.get(mti, "b"), "max_len": 4},
        "p": {**row, "data_enc": enc, "max_len": 16},
        "1": {**row, "data_enc": enc, "max_len": 16},
    }


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    wire: dict[str, Any]
    filled_with_0_or_f: bool
    meanings: tuple[Meaning, ...]


class _Row(Table):
    """One row of ``[fields]``, which complaints call by its number."""

    @property
    def title(self) -> str:
        return f"field {self._path[-1]}"


def _fields(top: Table, places: Places, default_data: str | None, default_len: str) -> list[_Field]:
    rows = top.mapping("fields")
    if not rows:
        top.complain("fields", why="[fields] is missing: a row for each field that a message may have")
    found = []
    for name, row in rows.items():
        if name not in _FIELD_NAMES:
            top.complain("fields", name, why=f'"{name}" in [fields] is no field: 2 to 128, 65 is a bitmap')
        elif not isinstance(row, dict):
            top.complain("fields", name, why=f"field {name} must be a table: {{ data_enc = …, max_len = … }}")
        else:
            found.append(_field(_Row(places, ("fields", name), row), name, default_data, default_len))
    return found


def _field(row: Table, name: str, default_data: str | None, default_len: str) -> _Field:
    encoding = row.text("data_enc", default_data, check=_encoding)
    len_type = row.integer("len_type", 0, check=between(0, 4))
    count = row.text(
        "len_count", "nibbles" if encoding == "bcd" else "bytes", check=one_of("bytes", "nibbles")
    )
    wire: dict[str, Any] = {
        # Text is decoded from its octets afterwards: half a character at its end must not cost the message.
        "data_enc": "b" if encoding in _BINARY else "latin-1",
        "len_enc": row.text("len_enc", default_len, check=_encoding),
        "len_type": len_type,
        "len_count": count,
        "max_len": row.integer("max_len", check=between(1, 9999)),
        "left_pad": row.text("left_pad", "", check=_pad),
        "right_pad": row.text("right_pad", "", check=_pad),
    }
    meanings = _meanings(row, name, encoding)
    row.finish()
    any_filling = not (wire["left_pad"] or wire["right_pad"])
    may_be_odd = count == "nibbles" and (len_type > 0 or wire["max_len"] % 2 > 0)
    if any_filling:
        wire |= _any_filling(meanings, may_be_odd=may_be_odd)
    return _Field(name, wire, any_filling and may_be_odd and bool(meanings), meanings)


def _any_filling(meanings: tuple[Meaning, ...], *, may_be_odd: bool) -> dict[str, str]:
    """What a row has where nobody says what fills an odd number of digits: acquirers differ, and terminals of one too."""
    if meanings:
        a_card = any(each.means in _CARDS for each in meanings)  # no card number begins with 0
        return {"left_pad": "0" if a_card else "", "right_pad": "0"}
    # What is only passed over. pyiso8583 reads binary data the fastest, and looks for a filling in those of digits only.
    return {"data_enc": "latin-1" if may_be_odd else "b"}


def _meanings(row: Table, name: str, encoding: str) -> tuple[Meaning, ...]:
    found = []
    if means := row.optional_text("means", check=one_of(*MEANINGS)):
        found.append(Meaning(name, means, encoding))
    for part, place in row.mapping("parts").items():
        if part not in MEANINGS:
            row.complain("parts", why=f'field {name}: "{part}" in parts is not known. {hint(part, MEANINGS)}')
        elif not _is_place(place):
            row.complain("parts", why=f"field {name}: {part} must be [start, end], counted from 0")
        else:
            found.append(Meaning(name, part, encoding, *place))
    return tuple(found)


def _is_place(value: Any) -> bool:
    if not (isinstance(value, list) and len(value) == 2 and all(type(each) is int for each in value)):
        return False
    return bool(0 <= value[0] < value[1])


def _rule(table: Table) -> Rule:
    rule = Rule(
        table.text("mti", check=_digits),
        {name: value for name in _CONDITIONS if (value := table.optional_text(name, check=_digits))},
        table.text("kind", check=one_of(*_KINDS)),
        table.optional_text("why") or "no transaction",
        table.flag("without_amount"),
    )
    table.finish()
    return rule


def _schemes(top: Table, places: Places) -> dict[str, str]:
    table = _sub(top, "schemes", places)
    return {name: table.text(name, check=one_line(20)) for name in top.mapping("schemes")}


def _sub(top: Table, key: str, places: Places) -> Table:
    return Table(places, (key,), top.mapping(key))


def _octet_counts(table: Table, key: str) -> tuple[int, ...]:
    """A count, or a list of alternatives, as they are to be tried."""
    counts = table.listed(key, [0])
    if counts and all(type(each) is int and 0 <= each <= 64 for each in counts):
        return tuple(counts)
    table.complain(key, why=f'"{key}" in [framing] must be a list of numbers from 0 to 64, such as [6, 0]')
    return (0,)


def _encoding(value: str) -> str | None:
    """For data: bcd, b (binary), or an encoding of text. For lengths the same words mean how the number is written."""
    if value in _BINARY:
        return None
    try:
        known = isinstance(b"0".decode(value), str)
    except (LookupError, ValueError):
        known = False
    return None if known else f'"{value}" is no encoding: bcd, b, ascii, gbk, cp500 …'


def _matches(allowed: str, words: str, most: int) -> Check:
    def check(value: str) -> str | None:
        fits = len(value) <= most and all(each in allowed for each in value)
        return None if fits else f'"{value}" is not {words}'

    return check


_digits = _matches("0123456789", "at most six digits", 6)
_pad = _matches("0123456789ABCDEF", "one of 0 to 9 and A to F", 1)
_code = _matches("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", "a result code: two or three capitals or digits", 3)
