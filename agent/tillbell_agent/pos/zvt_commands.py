"""What a till can ask of a ZVT terminal, and what the answer to it means (PA00P015, summary of commands).

Of a command only what its answer may lack is kept: amount, currency and the receipt number that it is about. A card
number or a track that the till sends is skipped with all other fields.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from tillbell_agent.pos.zvt_fields import Fields, read_fields
from tillbell_protocol.event import Kind

STATUS: Final = 0x040F
INTERMEDIATE: Final = 0x04FF
COMPLETION: Final = 0x060F
ABORT: Final = 0x061E
GOODS: Final = 0x849D  # the till's, on what it gave out: another amount than was asked for
PRINT_LINE: Final = 0x06D1
PRINT_BLOCK: Final = 0x06D3
ACCEPTED: Final = 0x8000
BOOKING: Final = 0x0623
_PASSWORD_OCTETS: Final = 3


class Other(Enum):
    """What is no transaction. The value says why."""

    READ_CARD = "a card was read"
    BALANCE = "a card's balance"
    TOTALS = "totals, no settlement"
    REPEATED = "repeat of a receipt"
    RELEASED = "a reservation was released"
    TIP = "a tip, or a total with one"
    SERVICE = "no payment was asked for"


MEANINGS: Final[Mapping[int, Kind | Other]] = {
    0x0601: Kind.SALE,
    0x0621: Kind.SALE,
    0x0622: Kind.PREAUTH,
    BOOKING: Kind.PREAUTH_COMPLETION,
    0x0624: Kind.PREAUTH_COMPLETION,
    0x0630: Kind.REVERSAL,
    0x0631: Kind.REFUND,
    0x0650: Kind.SETTLEMENT,
    0x0603: Other.BALANCE,
    0x060C: Other.TIP,
    0x0610: Other.TOTALS,
    0x0612: Other.REPEATED,
    0x0620: Other.REPEATED,
    0x0625: Other.RELEASED,
    0x0626: Other.RELEASED,
    0x06C0: Other.READ_CARD,
    **dict.fromkeys(
        (0x0501, 0x0600, 0x0602, 0x060A, 0x0618, 0x061A, 0x061B, 0x0651, 0x0670, 0x0679, 0x0691, 0x0693, 0x0695),
        Other.SERVICE,
    ),
}  # fmt: skip
# Of class 06, and yet the terminal's, or said within an exchange that goes on.
_WITHIN: Final = frozenset(
    (COMPLETION, ABORT, 0x06B0, PRINT_LINE, PRINT_BLOCK, *range(0x06D8, 0x06DE), 0x06E4)
)
_COMMAND_CLASSES: Final = frozenset((0x05, 0x06, 0x08, 0x0F))
# These answer a password of three octets, which may look like a field.
_WITH_PASSWORD: Final = frozenset((0x0630, 0x0631, 0x0650))


@dataclass(frozen=True, slots=True)
class Request:
    """A till's command. ``meaning`` None: not in the tables, so the answer alone says what it is."""

    code: int
    meaning: Kind | Other | None
    amount: int | None
    currency: int | None
    receipt: str | None


def begins_exchange(code: int) -> bool:
    return code >> 8 in _COMMAND_CLASSES and code not in _WITHIN


def read_request(code: int, data: bytes) -> Request:
    meaning = MEANINGS.get(code, Other.SERVICE if code >> 8 != 0x06 else None)
    said = _fields_of(code, data) if isinstance(meaning, Kind) else Fields()
    return Request(code, meaning, said.amount, said.currency, said.receipt)


def _fields_of(code: int, data: bytes) -> Fields:
    """A till that leaves a password out is understood where all of its command can be read without one."""
    if code not in _WITH_PASSWORD:
        return read_fields(data)
    behind = read_fields(data[_PASSWORD_OCTETS:])
    whole = read_fields(data)
    return whole if whole.complete and not behind.complete else behind


def data_of(apdu: bytes) -> bytes:
    """What stands behind class, instruction and length. A length that claims more than there is gives what there is."""
    if apdu[2:3] == b"\xff":
        return apdu[5 : 5 + int.from_bytes(apdu[3:5], "little")]
    return apdu[3 : 3 + apdu[2]] if len(apdu) > 2 else b""
