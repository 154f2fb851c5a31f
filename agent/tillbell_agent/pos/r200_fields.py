"""Messages of the ``r200`` dialect: fixed fields by command. What a command's fields do not fit is not read at all.

A shape says where each field stands and what it may hold, so that a bank's longer or older layout cannot put digits of
a card into the place of a trace number. Fields without a name in a shape are passed over.
"""

import re
from dataclasses import dataclass
from typing import Final

from tillbell_protocol.event import Kind

MAX_PAYLOAD_OCTETS = 2048  # a wallet's code, which a till may send along, has up to 1,000 characters

_STATUS: Final = rb"(?P<status>[0-9A-Z]{2})"
_APPROVAL: Final = rb"(?P<approval>[0-9A-Za-z ]{6})"
_RRN: Final = rb"(?P<rrn>[0-9A-Za-z ]{12})"
_NUMBERS: Final = rb"(?P<trace>\d{6}| {6})(?P<batch>\d{6}| {6})(?P<host>[0-9A-Z ]{2})"
_SHOP: Final = rb"(?P<tid>[0-9A-Za-z ]{8})(?P<mid>[ -~]{15})"
_PAN: Final = rb"(?P<pan>[0-9*#.xXE\xb7 ]{19})"
_EXPIRY: Final = rb"(?:\d{4}|[*#xX]{4}| {4})"
# Nobody pays a hundred millions by card: what begins otherwise is another field.
_AMOUNT: Final = rb"(?P<amount>00\d{10})"
_TOTAL: Final = rb"(?:[ -~]{8}(?P<currency>[0-9A-Z ]{3})" + _AMOUNT + rb")?"

# The chip's fields are of no weight: application, certificate, and holder with card type. Some terminals leave all of
# them or the last two out, or fill them with NUL.
_CHIP: Final = rb"(?:\Z|(?P<aid>[ -~\0]{14})[^\x03]{16}(?:\Z|[^\x03]{28}))"
_CARD: Final = re.compile(_PAN + _EXPIRY + _STATUS + _APPROVAL + _RRN + _NUMBERS + _SHOP + _CHIP)
_VOID: Final = re.compile(_AMOUNT + _STATUS + _APPROVAL + _RRN + _NUMBERS)
_WALLET: Final = re.compile(_STATUS + _APPROVAL + _NUMBERS + _SHOP)
_BARE: Final = re.compile(_STATUS + _NUMBERS + _SHOP)
_CODE: Final = re.compile(_STATUS + rb"[^\x03]{32}" + _NUMBERS + _SHOP + _TOTAL)
# By family and command; R's others have a card's fields. G200 is found in both forms: a description of 32 characters
# cannot be taken for trace and batch.
_SHAPES: Final[dict[bytes, tuple[re.Pattern[bytes], ...]]] = {
    b"R201": (_VOID,),
    b"R290": (_WALLET,),
    b"R292": (_WALLET,),
    b"Q200": (_CODE,),
    b"Q203": (_CODE,),
    b"G200": (_BARE, _CODE),
    b"G203": (_BARE, _CODE),
}
KINDS: Final = {
    b"100": Kind.PREAUTH,
    b"101": Kind.PREAUTH,  # for parking
    b"200": Kind.SALE,
    b"201": Kind.VOID,
    b"203": Kind.REFUND,
    b"205": Kind.SALE,  # with cash
    b"230": Kind.PREAUTH_COMPLETION,
    b"290": Kind.SALE,
    b"292": Kind.REFUND,
}
NO_SALE: Final[dict[bytes, str]] = {
    b"204": "cash handed out",
    b"208": "last result",
    b"220": "tip",
    b"610": "card check",
    b"910": "card check",
    b"911": "card check",
} | dict.fromkeys(b"241 242 243 244 245 246".split(), "points")
HEARTBEATS: Final = frozenset(b"902 904 906".split())  # echo, numbers, code scanned

_ANSWER = re.compile(rb"([RQGX])(\d{3})")
_REQUEST = re.compile(rb"C(\d{3})(?:[0-9A-Z ]{2}(00\d{10})(?:(\d{6})(?!\d))?)?")
_AMOUNT_ALONE = re.compile(rb"00\d{10}")
_SETTLED = re.compile(
    rb"(?P<host>[0-9A-Z ]{2})(?P<status>[0-9A-Z]{2})(?P<batch>\d{6})(?P<count>\d{3})(?P<amount>\d{12})"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A till's request. ``trace``: of the sale that is to be voided."""

    code: bytes
    amount: bytes | None
    trace: bytes | None


@dataclass(frozen=True, slots=True)
class Answer:
    """A terminal's answer. ``fields``: by the names of the shapes; None where they fit none of its command."""

    family: bytes
    code: bytes
    fields: dict[str, bytes] | None


def read_request(payload: bytes) -> Asked | None:
    match = _REQUEST.match(payload)
    if match is None or match[1] not in KINDS:  # C700 has a card number there
        return Asked(payload[1:4], None, None) if match else None
    return Asked(match[1], match[2], match[3])


def read_amount_alone(payload: bytes) -> bytes | None:
    """The amount that follows a parking terminal's message, when the car leaves."""
    return payload if _AMOUNT_ALONE.fullmatch(payload) else None


def read_answer(payload: bytes) -> Answer | None:
    head = _ANSWER.match(payload)
    if head is None:
        return None
    shapes = _SHAPES.get(head[0], (_CARD,) if head[1] == b"R" else ())
    match = next((match for shape in shapes if (match := shape.match(payload, 4))), None)
    return Answer(head[1], head[2], match.groupdict(b"") if match else None)


def read_settlement(payload: bytes) -> list[dict[str, bytes]] | None:
    """A row for each host; None where the octets are no rows."""
    rows = [match.groupdict() for match in _SETTLED.finditer(payload, 4)]
    return rows if rows and len(payload) == 4 + 25 * len(rows) else None
