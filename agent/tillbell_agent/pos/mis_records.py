"""Octets become the records of the ``bankall`` call: requests of 59 and answers of 148 or 150 octets, of fixed widths.

Nothing frames a record but its shape and the silence around it. Fields are cut as octets and decoded afterwards: a text
of GB2312 may end in the middle of a character.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MAX_KEPT = 512  # an answer of 150 octets and a request of 87, with the padding that calls leave around them

_DAY = rb"(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
# What must stand behind the result, else the rest of a cut record and the text of the next one could pass for a record.
_APPROVAL = (
    rb"(?=[\x00-\xff]{30}\d{12}[\x00-\xff]{55}[0-9A-Za-z][\x00-\xff]{13}"  # an amount, a terminal, and
    rb"(?:[01]\d[0-3]\d[0-2]\d|[ \0]{10}\d{12}[\x00-\xff]{10}\d{3}))"  # a date, or a reference and a check
)
_REFUSAL = (
    # An amount below a hundred million, as a request has it, and a terminal; or
    rb"(?:(?=[\x00-\xff]{30}00\d{10}[\x00-\xff]{55}[0-9A-Za-z])"
    rb"|(?<!00..)(?=[\x00-\xff]{42}[\x81-\xfe][\x00-\xff]{100}\d{3}))"  # a Chinese text and a check, and no approval before
)
_ANSWER = re.compile(
    rb"(?P<result>00" + _APPROVAL + rb"|(?!00)[0-9A-Z]{2}" + _REFUSAL + rb")(?P<bank>[0-9A-Za-z \0]{4})"
    rb"(?P<card>[ \0]{20}|[0-9*xX#E][0-9*xX#E \0]{19}|[0-9*xX#E \0]{8}[0-9*xX#E]{12})(?P<voucher>\d{6}|[ \0]{6})"
    rb"(?P<amount>\d{12}|[ \0]{12})(?P<text>[\x00\x20-\xff]{40})(?P<merchant>[0-9A-Za-z \0]{15})"
    rb"(?P<terminal>[0-9A-Za-z]{8}|[0-9A-Za-z]{4}[0-9A-Za-z \0]{4}(?=\d{6})|[ \0]{8})"
    rb"(?P<batch>\d{6}|[ \0]{6})(?P<date>" + _DAY + rb"|0000|[ \0]{4})"
    rb"(?P<time>(?:[01]\d|2[0-3])[0-5]\d[0-5]\d|[ \0]{6})(?P<rrn>[0-9A-Za-z \0]{12})(?P<auth>[0-9A-Za-z \0]{6})"
    rb"(?P<settled>\d{4}|[ \0]{4})(?P<check>\d{3}|[ \0]{3})"
)
# Some calls put a type of call before it, and some the authorisation and the card of the original behind it. The end of
# an answer that was cut off also holds many digits, so a request begins where something begins, and its date is none of
# those. What is dropped may be anything: a request that is not understood makes a sale of a void.
_REQUEST = re.compile(
    rb"(?<![!-~])(?:\d\d)?(?P<till>[\0\x20-\xff]{8})(?P<cashier>[\0\x20-\xff]{8})(?P<type>\d\d)"
    rb"(?P<amount>00\d{10})"
    rb"(?P<date>(?:20\d\d|0000)" + _DAY + rb"|" + _DAY + rb"[ \0]{4}|0{8}|[ \0]{8})"
    rb"(?P<rrn>[0-9A-Za-z \0]{12})(?P<voucher>[0-9 \0]{6})(?P<check>\d{3})"
    rb"(?:[0-9A-Za-z \0]{6}[0-9*xX#E \0]{20})?[ \0\r\n]*\Z"
)
_PADDING = b" \x00\r\n"
_RESULT = re.compile(rb"[0-9A-Z]{2}")
_TYPES: Final = frozenset({b"00", b"01", b"02", b"03", b"04", b"05", b"06"})


@dataclass(frozen=True, slots=True)
class Record:
    """One record. ``fields``: name → octets as sent; of an answer of 150 octets they hold ``type`` too."""

    is_request: bool
    fields: Mapping[str, bytes]


@dataclass(slots=True)
class Cutter:
    """One line. Keeps at most ``MAX_KEPT`` octets. ``skipped``: octets that no record explains, until they are told.

    ``octets``: 148, 150, or None, where each answer decides: one of 150 octets holds one of 148 from its third octet on,
    so what stands before must be told from the end of something else.
    """

    octets: int | None
    skipped: int = 0
    last_heard: float = 0.0
    _kept: bytes = b""
    _learned: int | None = None

    @property
    def waits(self) -> bool:
        return bool(self._kept or self.skipped)

    def feed(self, data: bytes, now: float) -> list[Record]:
        """The answers that are complete now, each with the request that stands before it, if one does."""
        self.last_heard = now
        octets, at, records = self._kept + data, 0, list[Record]()
        new = max(len(self._kept) - 147, 0)  # no answer that begins before this octet is complete only now
        while (answer := _ANSWER.search(octets, max(at, new))) is not None:
            before = octets[at : answer.start()]
            at = answer.end()
            length = self._length(before, answer["result"])
            if length is None:
                self.skipped += len(before) + 148
                continue
            self._learned = length
            records += self._requests_in(before if length == 148 else before[:-2])
            records.append(_answer(answer, None if length == 148 else before[-2:]))
        self._keep(octets[at:])
        return records

    def _keep(self, octets: bytes) -> None:
        too_many = max(len(octets) - MAX_KEPT, 0)
        self.skipped += len(octets[:too_many].strip(_PADDING))
        self._kept = octets[too_many:]

    def take_request(self) -> list[Record]:
        """The request that this line holds, where the other end's answer or silence says that it is complete."""
        octets, self._kept = self._kept, b""
        return self._requests_in(octets)

    def _requests_in(self, octets: bytes) -> list[Record]:
        request = _REQUEST.search(octets)
        before = octets if request is None else octets[: request.start()]
        self.skipped += len(before.strip(_PADDING))
        return [] if request is None else [Record(True, request.groupdict())]

    def _length(self, before: bytes, first: bytes) -> int | None:
        """148, or 150 where the last two octets of ``before`` are the result and ``first`` is the type.

        None: nobody can say, and a wrong guess would take a type for a result.
        """
        rest = before[:-2]
        if self.octets == 148 or _RESULT.fullmatch(before[-2:]) is None:
            return None if self.octets == 150 else 148
        if self.octets == 150:
            return 150
        if _REQUEST.search(before):
            return 148
        if first not in _TYPES:  # one that nobody knows, if nothing else explains the result before it
            return 150 if first.isdigit() and not rest.strip(_PADDING) else 148
        if rest[-1:].isalnum() and _REQUEST.search(rest) is None:
            return self._learned
        return 150


def _answer(answer: re.Match[bytes], result: bytes | None) -> Record:
    fields = answer.groupdict()
    if result is not None:
        fields = {**fields, "type": fields["result"], "result": result}
    return Record(False, fields)
