"""The octets of one ISO 8583 message become the few values of it that may leave; all else ends here.

The library pyiso8583 divides the message; each value is then read by its meaning. A card number becomes ``TruncatedPan``
at once. The library's own dictionaries and errors hold the whole message, and nothing keeps or shows them.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import iso8583

from tillbell_agent.pos.iso8583_framer import Unfit
from tillbell_agent.pos.iso8583_spec import Meaning, Specification
from tillbell_protocol.pan import TruncatedPan, scrub, scrub_merchant_id

_MOST_CHARACTERS = 40
_SHORTEST_PAN = 13
_is_number = re.compile(r"[0-9]*").fullmatch
# What stands in a field must be of its kind, or the frame is none, since no check sum says so.
_FORMS: Mapping[str, Callable[[str], object]] = {
    **dict.fromkeys(("amount", "stan", "processing_code", "local_time", "local_date"), _is_number),
    "currency": re.compile(r"[0-9]{3,4}|[A-Z]{3}|").fullmatch,
    "result_code": re.compile(r"[0-9A-Z]*").fullmatch,
}
_PRIVATE = frozenset(("scheme", "receipt_no"))  # where they stand, other hosts have binary data
_TRACK2_PAN = re.compile(r"[0-9]{8,19}(?=[D=])")
_WHOLE_PAN = re.compile(r"[0-9]{8,19}F?")
# What a request may add to its answer; the rest of an answer is the host's own, as the retrieval reference is.
_FROM_REQUEST = frozenset(
    "processing_code condition transaction_type amount currency local_time local_date terminal_id merchant_id batch "
    "receipt_no original_stan voided_stan".split()
)


@dataclass(frozen=True, slots=True)
class Message:
    """What is kept of one message. ``mti``: four digits, those of repeats as of the first. ``values``: by meaning.

    ``spec``: by which it was read, and by which it is to be understood.
    """

    spec: Specification
    mti: str
    values: Mapping[str, str]
    card: TruncatedPan | None

    @property
    def is_answer(self) -> bool:
        """The third digit, the function, is odd: 0210 answers 0200, 0430 answers 0420."""
        return self.mti[2] in "13"

    @property
    def exchange(self) -> str:
        """The same for a request and its answer: version, class, and the request's function."""
        return self.mti[:2] + str(int(self.mti[2]) & ~1)

    def answering(self, request: "Message | None") -> "Message":
        """This answer with what its request said and it does not repeat."""
        own = {
            name: value
            for name, value in self.values.items()
            if name != "amount" or not self.amount_is_nothing
        }
        if request is None:
            return Message(self.spec, self.mti, own, self.card)
        added = {name: value for name, value in request.values.items() if name in _FROM_REQUEST}
        return Message(self.spec, self.mti, {**added, **own}, self.card or request.card)

    @property
    def amount_is_nothing(self) -> bool:
        """Zeros where an amount belongs: hosts write them into answers for "as you said"."""
        return set(self.values.get("amount", "")) == {"0"}


_Wire = Mapping[str, Mapping[str, Any]]
_Divided = tuple[Mapping[str, str], Mapping[str, Mapping[str, bytes]]]


class MessageReader:
    """Reads one line's messages of one specification."""

    def __init__(self, spec: Specification) -> None:
        self._spec = spec
        self._wires = list(spec.wires)  # with the fillings that the last message had
        self._meanings = [(each, _FORMS.get(each.means, _is_text)) for each in spec.meanings]

    def read(self, octets: bytes) -> Message | Unfit:
        """``octets``: from the message type on, nothing behind."""
        unfit = Unfit("")
        for at, wire in enumerate(self._wires):
            divided = _divide(octets, wire, self._spec.filled_with_0_or_f)
            if not isinstance(divided, Unfit):
                fields, self._wires[at] = divided
                return self._message(*fields)
            unfit = divided
        return unfit

    def _message(
        self, decoded: Mapping[str, str], encoded: Mapping[str, Mapping[str, bytes]]
    ) -> Message | Unfit:
        values: dict[str, str] = {}
        for meaning, is_one in self._meanings:
            if meaning.field in encoded:
                text = _text(meaning, decoded, encoded).strip(" \0")
                if is_one(text):
                    values[meaning.means] = text
                elif meaning.means not in _PRIVATE:
                    return Unfit(f"a message whose {meaning.means} cannot be one")
        card = _card(values.pop("card", ""), values.pop("track2", ""))
        kept = {name: text for name, text in values.items() if text and _may_leave(name, text)}
        return Message(self._spec, _first(decoded["t"]), kept, card)


def _divide(octets: bytes, wire: _Wire, other_filling: frozenset[str]) -> tuple[_Divided, _Wire] | Unfit:
    """By field, its text and its octets; and the wire by which they divide.

    ``other_filling``: fields that are tried with the other one of F and 0 behind an odd number of digits.
    """
    try:
        return iso8583.decode(octets, wire), wire
    except KeyError as error:
        return Unfit(f"a message with field {error.args[0]}, which the specification lacks")
    except iso8583.DecodeError as error:
        if error.field in other_filling:
            return _divide(octets, _filled_otherwise(wire, error.field), other_filling - {error.field})
        return Unfit(f"a message that does not follow the specification at field {error.field}")


def _filled_otherwise(wire: _Wire, field: str) -> _Wire:
    return {**wire, field: {**wire[field], "right_pad": "F" if wire[field]["right_pad"] == "0" else "0"}}


def _first(mti: str) -> str:
    """An origin of 1, 3 or 5 marks a repeat: 0201 is a 0200 said again."""
    return mti[:3] + str(int(mti[3]) & ~1)


def _text(meaning: Meaning, decoded: Mapping[str, str], encoded: Mapping[str, Mapping[str, bytes]]) -> str:
    """Decoded first and divided afterwards, since a character of Chinese is two octets; a part of a card is nothing."""
    if meaning.encoding in ("bcd", "b"):
        whole = decoded[meaning.field]
    else:
        whole = encoded[meaning.field]["data"].decode(meaning.encoding, "replace")
    if meaning.end is None:
        return whole
    return whole[meaning.start : meaning.end] if scrub(whole) == whole else ""


def _card(number: str, track2: str) -> TruncatedPan | None:
    number = number.strip()
    if _WHOLE_PAN.fullmatch(number):
        return TruncatedPan(number.rstrip("F")[-4:])
    if number:
        return TruncatedPan.from_printed(number)
    found = _TRACK2_PAN.match(track2)
    return TruncatedPan(found.group()[-4:]) if found else None


def _is_text(text: str) -> bool:
    return text.isprintable() and "\ufffd" not in text


def _may_leave(name: str, text: str) -> bool:
    """Bounded, and no card number: a field that holds one is no reference."""
    if len(text) < _SHORTEST_PAN:
        return True
    return (
        len(text) <= _MOST_CHARACTERS
        and (scrub_merchant_id if name == "merchant_id" else scrub)(text) == text
    )
