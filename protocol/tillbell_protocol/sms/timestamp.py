"""Time stamps: TP-SCTS, TP-DT and the absolute TP-VP (3GPP TS 23.040, 9.2.3.11): seven octets of semi-octets.

Year, month, day, hour, minute, second, and the zone in quarters of an hour from GMT with its sign. The octets are
kept as received, since service centres send impossible dates; whether they are a date is a question. The standard
gives two digits of the year and no century: they are read as 1990 to 2089.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from tillbell_protocol.errors import EncodeError

OCTETS = 7
_QUARTER = timedelta(minutes=15)
_SIGN = 0x08  # bit 3 of the first semi-octet of the zone: 1 is west of Greenwich
_FIRST_YEAR = 1990  # no short message was sent before
_MAX_QUARTERS = 79  # what two digits hold once a bit of the first is the sign


@dataclass(frozen=True, slots=True)
class Timestamp:
    """The seven octets as they stand in the TPDU."""

    octets: bytes

    def __post_init__(self) -> None:
        if len(self.octets) != OCTETS:
            raise EncodeError("timestamp", f"{len(self.octets)} octets; there are {OCTETS}")

    @classmethod
    def from_datetime(cls, moment: datetime) -> "Timestamp":
        """An aware moment; its zone a multiple of 15 minutes, its year 1990 to 2089. Fractions of a second are cut."""
        offset = moment.utcoffset()
        if offset is None:
            raise EncodeError("timestamp.zone", "a moment without a zone")
        quarters, remainder = divmod(abs(offset), _QUARTER)
        if remainder or quarters > _MAX_QUARTERS:
            raise EncodeError("timestamp.zone", f"{offset} is not up to {_MAX_QUARTERS} quarters of an hour")
        if not _FIRST_YEAR <= moment.year < _FIRST_YEAR + 100:
            raise EncodeError("timestamp.year", f"{moment.year} is not {_FIRST_YEAR} to {_FIRST_YEAR + 99}")
        fields = (moment.year % 100, moment.month, moment.day, moment.hour, moment.minute, moment.second)
        zone = _swapped(quarters) | (_SIGN if offset < timedelta(0) else 0)
        return cls(bytes((*map(_swapped, fields), zone)))

    def moment(self) -> datetime | None:
        """The moment with its zone, or None if the octets are no date."""
        fields = [_number(octet) for octet in self.octets[:6]]
        quarters = _number(self.octets[6] & ~_SIGN)
        if None in fields or quarters is None:
            return None
        year, month, day, hour, minute, second = (value for value in fields if value is not None)
        offset = _QUARTER * (-quarters if self.octets[6] & _SIGN else quarters)
        try:
            return datetime(_century(year) + year, month, day, hour, minute, second, tzinfo=timezone(offset))
        except ValueError:
            return None

    def text(self) -> str:
        """RFC 3339, or the octets in hex if they are no date."""
        moment = self.moment()
        return f"not a date: {self.octets.hex().upper()}" if moment is None else moment.isoformat()


def _century(year: int) -> int:
    return 1900 if year >= _FIRST_YEAR % 100 else 2000


def _swapped(value: int) -> int:
    """A two-digit number as two semi-octets, tens in the low half."""
    return value // 10 | value % 10 << 4


def _number(octet: int) -> int | None:
    tens, units = octet & 0x0F, octet >> 4
    return 10 * tens + units if tens < 10 and units < 10 else None
