"""What 1,000 realistic sales cost in octets and in SMS: sealed, as signed JSON in a box, and as nested COSE.

Segments are counted by the project's own ``split_data`` and ``split_text``, as the agent sends them.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from encodings_compared import Made, Sealer, nested_cose, payload_of, signed_json_in_a_box
from figures import Row, Table, Value, median, one, percentile
from mix import CURRENCY, IN_WORDS, SEED, UTC_OFFSET_MIN, Heard, defaults, transactions

from tillbell_agent.notify.sealed import in_table_words
from tillbell_protocol.armor import armor
from tillbell_protocol.defaults import Defaults
from tillbell_protocol.event import Batch, BatchRow, Kind, Transaction
from tillbell_protocol.payload import encode_payload
from tillbell_protocol.seal import MAX_ONE_SEGMENT_PAYLOAD, MAX_TWO_SEGMENTS_PAYLOAD, PORT
from tillbell_protocol.sms.segment import split_data, split_text

_SEALED, _JSON, _COSE = "sealed", "JSON in a box", "nested COSE"
_PLAIN_FIELDS = ("kind", "amount_minor", "currency", "card", "receipt_no")


def measure() -> list[Table]:
    """Both tables: single messages, and what else costs octets."""
    heard = transactions()
    sealer = Sealer()
    made = {
        _SEALED: [sealer.seal(each) for each in heard],
        _JSON: [signed_json_in_a_box(each, counter) for counter, each in enumerate(heard)],
        _COSE: [nested_cose(payload_of(each, defaults()), counter) for counter, each in enumerate(heard)],
    }
    letters = [sealer.seal_for_letters(each) for each in heard]
    return [_messages(made, letters), _more(heard)]


def binary_segments(message: bytes) -> int:
    return len(split_data(message, 0, PORT))


def armored_segments(message: bytes) -> int:
    return len(split_text(armor(message), 0))


def _messages(made: dict[str, list[Made]], letters: list[Made]) -> Table:
    def row(key: str, what: str, value: Callable[[list[Made]], Value], unit: str, wanted: str = "") -> Row:
        return Row(key, what, {name: value(messages) for name, messages in made.items()}, unit, wanted)

    def only_sealed(key: str, what: str, value: Value, unit: str, wanted: str = "") -> Row:
        return Row(key, what, {_SEALED: value, _JSON: None, _COSE: None}, unit, wanted)

    shortened = sum(bool(each.left_out) for each in letters) / len(letters)
    rows = [
        *_spread("payload", "content", made, lambda each: len(each.payload)),
        *_spread("message", "message", made, lambda each: len(each.message)),
        row("binary_one", "in one binary segment", lambda m: _share(m, binary_segments), "%", "99"),
        row("binary_mean", "binary segments, mean", lambda m: _mean(m, binary_segments), "SMS"),
        only_sealed(
            "armored_one_sent", "in one armored SMS, as sent", _share(letters, armored_segments), "%", "95"
        ),
        only_sealed("armored_shortened", "  of them without some fields", 100 * shortened, "%"),
        row(
            "armored_one_complete",
            "in one armored SMS, complete",
            lambda m: _share(m, armored_segments),
            "%",
            "95",
        ),
        row("armored_mean", "armored SMS, mean, complete", lambda m: _mean(m, armored_segments), "SMS"),
    ]
    fields = sorted({name for each in letters for name in each.left_out})
    left_out = ", ".join(
        f"{name} {sum(name in each.left_out for each in letters) / 10:.0f} %" for name in fields
    )
    notes = (
        *IN_WORDS,
        f"seed {SEED}; every sealed message was opened again and compared",
        f"left out: {left_out}",
    )
    return Table("sizes", "Octets and SMS of 1,000 realistic sales", tuple(made), tuple(rows), notes)


def _more(heard: Sequence[Heard]) -> Table:
    """What a place's first naming costs, what a long number costs, and how many sales a batch holds."""
    complete, plain = _batches(heard, _complete), _batches(heard, _plain)
    slip = next(each for each in heard if each.transaction.kind is Kind.SALE and each.transaction.merchant_id)
    till = next(each for each in heard if each.transaction.method == "微信支付")
    wallet = replace(till, transaction=replace(till.transaction, receipt_no="4200002219202603021234567890"))
    rows = (
        one("naming", "first message of a terminal: it is named", _naming_octets(slip), "octets more"),
        one("wallet_number", "till slip told by the wallet's 28-digit number", len(payload_of(wallet, defaults())),
            "octets", f"{MAX_ONE_SEGMENT_PAYLOAD}"),
        one("batch_complete", "sales in two binary segments, all fields, median", median(complete), "sales"),
        one("batch_complete_least", "  fewest", min(complete), "sales"),
        one("batch_plain", "  time, amount, card and number, median", median(plain), "sales", "10"),
        one("batch_plain_least", "  fewest", min(plain), "sales", "10"),
    )  # fmt: skip
    return Table("sizes_more", "Octets beside the single sale", ("measured",), rows)


def _spread(key: str, what: str, made: dict[str, list[Made]], size: Callable[[Made], int]) -> list[Row]:
    columns = {name: [size(each) for each in messages] for name, messages in made.items()}
    wanted = {"payload": ("", f"{MAX_ONE_SEGMENT_PAYLOAD}", "")}.get(key, ("", "", ""))
    figures: tuple[tuple[str, str, Callable[[list[int]], float]], ...] = (
        ("median", "median", median),
        ("p95", "95 % at most", lambda sizes: percentile(sizes, 0.95)),
        ("max", "largest", max),
    )
    return [
        Row(
            f"{key}_{name}",
            f"{what}, {words}",
            {c: round(of(sizes)) for c, sizes in columns.items()},
            "octets",
            goal,
        )
        for (name, words, of), goal in zip(figures, wanted, strict=True)
    ]


def _share(made: Sequence[Made], segments: Callable[[bytes], int]) -> float:
    """Per cent of the messages that take one SMS."""
    return 100 * sum(segments(each.message) == 1 for each in made) / len(made)


def _mean(made: Sequence[Made], segments: Callable[[bytes], int]) -> float:
    return sum(segments(each.message) for each in made) / len(made)


def _naming_octets(heard: Heard) -> int:
    """How much longer the message is that names its terminal to a pairing that knows none."""
    known = Defaults("till-1", CURRENCY, UTC_OFFSET_MIN, ("老王面馆",))
    transaction = heard.transaction
    known, index = known.with_terminal(transaction.terminal_id, transaction.merchant_id)
    naming = known.naming(terminals=[] if index is None else [index])
    return len(payload_of(heard, known, naming)) - len(payload_of(heard, known))


def _batches(heard: Sequence[Heard], shape: Callable[[Transaction], Transaction]) -> list[int]:
    """Sales a batch, packed greedily in the order of time into two binary segments; the last, unfilled, left out."""
    sizes, rows = [], list[BatchRow]()
    for each in heard:
        row = BatchRow(shape(in_table_words(each.transaction)), each.time)
        if rows and _batch_octets([*rows, row]) > MAX_TWO_SEGMENTS_PAYLOAD:
            sizes.append(len(rows))
            rows = []
        rows.append(row)
    return sizes


def _batch_octets(rows: list[BatchRow]) -> int:
    return len(encode_payload(Batch(tuple(rows)), time=rows[0].time, defaults=defaults()))


def _complete(transaction: Transaction) -> Transaction:
    return transaction


def _plain(transaction: Transaction) -> Transaction:
    return Transaction(**{name: getattr(transaction, name) for name in _PLAIN_FIELDS})
