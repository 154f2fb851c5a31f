"""Payload cases, written by hand from the specification: items of the array, and the JSON that a reader must show."""

from cbor2 import undefined

DEFAULTS = {
    "device_name": "till-1",
    "currency": "CNY",
    "utc_offset_min": 480,
    "shops": ["老王面馆", "分店"],
    "terminals": [["12345678", "898340154112345"], ["00000042", None]],
}
T = 42_179_410  # 2026-05-04T12:30:10+08:00 less 2025-01-01T00:00:00Z
TIME = "2026-05-04T12:30:10+08:00"


def sale(**changes):
    """The JSON of a transaction with nothing but its kind, changed."""
    empty = {
        "kind": "sale", "amount_minor": None, "currency": "CNY", "time": None, "reference": None, "card_last4": None,
        "terminal_id": None, "shop": "老王面馆", "receipt_no": None, "rrn": None, "stan": None, "auth_code": None,
        "batch": None, "merchant_id": None, "scheme": None, "method": None, "result_code": None, "original_ref": None,
        "terminal_time": None, "final": True,
    }  # fmt: skip
    return empty | changes


TELLING = [
    ("slip", "a UnionPay slip with all that such slips print", [0, T, 1880, 0, 10691, 1000042, -5, 1000456789012, 1654321, 1000007, 0, 0],
     sale(amount_minor=1880, time=TIME, reference="000042", card_last4="0691", terminal_id="12345678",
          merchant_id="898340154112345", receipt_no="000042", rrn="000456789012", auth_code="654321", batch="000007",
          terminal_time="2026-05-04T12:30:05", method="card", scheme="unionpay")),
    ("least", "a sale of which only the kind was understood", [0, undefined, undefined], sale()),
    ("kind_only", "positions that are missing at the end are absent", [0], sale()),
    ("refund", "with a reference to the sale it returns", [1, T, 500, 1] + [None] * 8 + [1000041],
     sale(kind="refund", amount_minor=500, time=TIME, terminal_id="00000042", original_ref="000041")),
    ("void", "kind 2", [2, T, 1880], sale(kind="void", amount_minor=1880, time=TIME)),
    ("reversal", "kind 3", [3, T, 1880], sale(kind="reversal", amount_minor=1880, time=TIME)),
    ("declined", "with its result code, at the last position", [4, T, 1880] + [None] * 14 + [151],
     sale(kind="declined", amount_minor=1880, time=TIME, result_code="51")),
    ("preauth", "kind 5", [5, T, 1880], sale(kind="preauth", amount_minor=1880, time=TIME)),
    ("preauth_completion", "kind 6", [6, T, 1880], sale(kind="preauth_completion", amount_minor=1880, time=TIME)),
    ("not_final", "the protocol had not said yet that it stands", [0, T, 1880] + [None] * 13 + [False],
     sale(amount_minor=1880, time=TIME, final=False)),
    ("other_currency", "Japanese yen in a pairing whose default is CNY", [0, T, 1500] + [None] * 11 + [392],
     sale(amount_minor=1500, time=TIME, currency="JPY")),
    ("no_currency", "undefined is no default", [0, T, 1500] + [None] * 11 + [undefined],
     sale(amount_minor=1500, time=TIME, currency=None)),
    ("text_currency", "letters that ISO 4217's table here does not have", [0, T, 1500] + [None] * 11 + ["QQQ"],
     sale(amount_minor=1500, time=TIME, currency="QQQ")),
    ("second_shop", "by index", [0, T, 1500] + [None] * 12 + [1], sale(amount_minor=1500, time=TIME, shop="分店")),
    ("masked_card", "a card whose tail was not printed", [0, T, 1500, None, ""], sale(amount_minor=1500, time=TIME)),
    ("text_reference", "longer than 15 digits, and with letters", [0, T, 1500, None, None, "4200001234202605041234567890", None, "R-7"],
     sale(amount_minor=1500, time=TIME, reference="4200001234202605041234567890", receipt_no="4200001234202605041234567890", rrn="R-7")),
    ("word_as_text", "method and scheme outside the tables", [0, T, 1500] + [None] * 7 + ["bnpl", "kantonal"],
     sale(amount_minor=1500, time=TIME, method="bnpl", scheme="kantonal")),
    ("word_of_a_later_table", "shown as its number", [0, T, 1500] + [None] * 7 + [77],
     sale(amount_minor=1500, time=TIME, method="#77")),
    ("clock_without_time", "no trusted clock: the terminal's counts from 2025", [0, undefined, 1500, None, None, None, 42_208_205],
     sale(amount_minor=1500, terminal_time="2026-05-04T12:30:05")),
    ("unnamed_terminal", "an index that no message has named yet", [0, T, 1500, 7], sale(amount_minor=1500, time=TIME, terminal_index=7)),
    ("unnamed_shop", "not the device's own shop", [0, T, 1500] + [None] * 12 + [5],
     sale(amount_minor=1500, time=TIME, shop=None, shop_index=5)),
    ("names_its_terminal", "the first event of a new terminal", [0, T, 1500, 2, {1: [[2, 10007, 1898340154112399]]}],
     sale(amount_minor=1500, time=TIME, terminal_id="0007", merchant_id="898340154112399",
          named={"terminals": [{"index": 2, "terminal_id": "0007", "merchant_id": "898340154112399"}], "shops": []})),
    ("predecessor", "the counter sealed before, after a restart", [0, T, 1500, {0: 41}], sale(amount_minor=1500, time=TIME)),
    ("extra_field", "of a later version", [0, T, 1500] + [None] * 15 + [[1, "x"], b"\x01"],
     sale(amount_minor=1500, time=TIME, extra_fields=[[1, "x"], "01"])),
    ("extra_key", "of a later version", [0, T, 1500, {9: {1: [undefined]}}],
     sale(amount_minor=1500, time=TIME, extra_keys={"9": {"1": [None]}})),
    ("largest_amount", "2^53 - 1", [0, T, 2**53 - 1], sale(amount_minor=2**53 - 1, time=TIME)),
    ("settlement", "a closed batch", [7, T, 123456, 0, 17, 1000007, None, -5],
     {"kind": "settlement", "time": TIME, "terminal_id": "12345678", "merchant_id": "898340154112345", "batch": "000007", "count": 17,
      "amount_minor": 123456, "currency": "CNY", "terminal_time": "2026-05-04T12:30:05", "shop": "老王面馆"}),
    ("summary", "a day", [8, 488, 17, 123456, 1, 500, 1201, 1218, 2],
     {"kind": "summary", "time": None, "day": "2026-05-04", "currency": "CNY", "sales_count": 17, "sales_minor": 123456,
      "refunds_count": 1, "refunds_minor": 500, "first_seq": 1201, "last_seq": 1218, "unknown_count": 2, "shop": "老王面馆"}),
    ("alert", "critical", [9, T, "clone", "guard file missing", True],
     {"kind": "alert", "time": TIME, "code": "clone", "text": "guard file missing", "critical": True}),
    ("status", "with the signal unknown", [10, T, "0.1.0", 86400, 3, None, 1218],
     {"kind": "status", "time": TIME, "version": "0.1.0", "uptime_s": 86400, "queued": 3, "signal_dbm": None, "last_seq": 1218}),
    ("naming", "a message that only names", [11, T, {1: [[3, "T-3"]], 2: [[2, "third"]]}],
     {"kind": "defaults", "time": TIME, "named": {"terminals": [{"index": 3, "terminal_id": "T-3", "merchant_id": None}],
                                                  "shops": [{"index": 2, "shop": "third"}]}}),
    ("batch", "rows count time and reference from the row before; a text reference and an unknown time between",
     [12, T, [[0, 1880, 10691, 1000042, 0], [60, 500, None, 1, 1], [undefined, 700, None, "A-1"], [-30, 900, None, 2, None, 1]]],
     {"kind": "batch", "time": TIME, "events": [
         sale(amount_minor=1880, time=TIME, card_last4="0691", reference="000042", receipt_no="000042", terminal_id="12345678",
              merchant_id="898340154112345"),
         sale(amount_minor=500, time="2026-05-04T12:31:10+08:00", reference="000043", receipt_no="000043", terminal_id="00000042"),
         sale(amount_minor=700, reference="A-1", receipt_no="A-1"),
         sale(kind="refund", amount_minor=900, time="2026-05-04T12:30:40+08:00", reference="000045", receipt_no="000045"),
     ]}),
    ("unknown_kind", "kept and shown", [99, T, "x", {0: 3, 7: 1}], {"kind": "unknown-99", "fields": [T, "x"], "extra_keys": {"7": 1}}),
    ("command", "of direction 1: shown, not executed", [128, T], {"kind": "command-128", "fields": [T]}),
]  # fmt: skip

# Refused although the CBOR is well formed and deterministic.
REFUSED = [
    ("empty", "an array without a kind", []),
    ("not_an_array", "a map", {0: 1}),
    ("kind_beyond_255", "256", [256]),
    ("negative_amount", "the kind carries the direction", [0, T, -1]),
    ("card_of_eight_digits", "a tail has four", [0, T, 1880, None, 112345678]),
    ("digits_without_leading_one", "23 is no digit string", [0, T, 1880, None, None, 23]),
    ("map_in_the_middle", "a map stands only last", [0, T, {0: 1}, 5]),
    ("final_true", "null means final", [0, T, 1880] + [None] * 13 + [True]),
    ("currency_1000", "three digits", [0, T, 1880] + [None] * 11 + [1000]),
    ("predecessor_negative", "a counter has 24 bits", [0, T, 1880, {0: -1}]),
    ("naming_without_a_name", "an entry is index and names", [0, T, 1880, {1: [[3]]}]),
    ("index_too_large", "at most 1023", [0, T, 1880, {2: [[1024, "x"]]}]),
    ("alert_without_text", "both texts are required", [9, T, "code"]),
    ("batch_row_of_a_settlement", "rows are transactions", [12, T, [[0, 5, None, None, None, 7]]]),
]

# Octets that are not exactly one item in deterministic encoding of this format: name, why, hex.
NOT_DETERMINISTIC = [
    ("empty", "no item at all", ""),
    ("truncated_array", "one element is missing", "8200"),
    ("trailing_octet", "after the item", "810000"),
    ("long_head", "23 fits the first octet", "811817"),
    ("long_length", "an array length in two octets", "980100"),
    ("indefinite_array", "no definite length", "9f00ff"),
    ("indefinite_text", "no definite length", "81" + "7f6161ff"),
    ("indefinite_map", "no definite length", "8200" + "bf0001ff"),
    ("repeated_key", "the same key twice", "8200" + "a200010002"),
    ("keys_out_of_order", "2 before 1", "8200" + "a202000100"),
    ("text_key", "keys are unsigned integers", "8200" + "a1616101"),
    ("negative_key", "keys are unsigned integers", "8200" + "a12001"),
    ("tag", "a date tag", "81" + "c100"),
    ("float", "half precision zero", "81" + "f90000"),
    ("simple_value", "not one of four", "81" + "f0"),
    ("simple_value_two_octets", "not one of four", "81" + "f8ff"),
    ("integer_2_53", "beyond what JavaScript holds", "811b0020000000000000"),
    ("integer_minus_2_53", "beyond what JavaScript holds", "813b001fffffffffffff"),
    ("invalid_utf8", "a lone continuation octet", "81" + "6180"),
    ("surrogate_in_utf8", "U+D800 has no UTF-8", "81" + "63eda080"),
    ("too_deep", "five arrays", "8181818180"),
    ("huge_array", "2^32 - 1 elements announced", "9affffffff"),
    ("huge_string", "2^32 - 1 octets announced", "815affffffff"),
]
DETERMINISTIC = [
    ("zero", "the shortest item", "00"),
    ("four_deep", "as deep as it may be", "8181818100"),
    ("map_last", "keys in order", "8200a30001010202f7"),
    ("largest_integers", "±(2^53 - 1)", "821b001fffffffffffff3b001ffffffffffffe"),
    ("four_simple_values", "false, true, null, undefined", "84f4f5f6f7"),
]
