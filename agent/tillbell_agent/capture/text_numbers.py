"""Card numbers in text: ASCII and fullwidth digits (GBK, UTF-8), with anything between them that hides nothing.

The rule is that of ``tillbell_protocol.pan``: 13 to 19 digits, first digits as cards have them, Luhn's digit right. A
printed line's number counts as a whole, with its groups, as there: longer order numbers survive. Anywhere else
(frames of fixed fields) a number may touch its neighbours, so every piece of a long row of digits is looked at.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from tillbell_agent.capture.hidden import (
    EVEN,
    KEPT_DIGITS,
    LOW,
    ODD,
    TEXT,
    Hidden,
    cards_in,
)

_DIGIT = rb"(?:[0-9]|\xa3[\xb0-\xb9]|\xef\xbc[\x90-\x99])"
_CONTROL = rb"(?:[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xe2\x80[\x8b-\x8f]|\xef\xbb\xbf|\xe2\x81\xa0)"
# Blanks, dashes, dots, slashes and low lines, and their fullwidth forms.
_SEPARATOR = (
    rb"(?:[ \t\r\n\-./_]|\xa1[\xa1\xaa\xa4]|\xa3[\xad-\xaf\xdf]|\xe3\x80\x80|\xe2\x80[\x80-\x8a\x90-\x95\xaf]"
    rb"|\xef\xbc[\x8d-\x8f]|\xc2\xa0)"
)
MOST_CONTROLS: Final = 16  # between two digits: five commands of a printer, or a page of NULs cut short
_GAP = rb"(?:%b{0,16}%b){0,3}%b{0,16}" % (_CONTROL, _SEPARATOR, _CONTROL)
_RUN: Final = re.compile(_DIGIT + rb"(?:" + _GAP + _DIGIT + rb"){12,}")
_ANY_RUN: Final = re.compile(_DIGIT + rb"(?:" + _GAP + _DIGIT + rb")*")
# The last octets may be half a digit, half a separator or half a command.
_OPEN_RUN: Final = re.compile(
    _DIGIT + rb"(?:" + _GAP + _DIGIT + rb")*" + _GAP + rb"(?:[\x80-\xff]{0,2}|[\x1b-\x1d].{0,2})\Z", re.DOTALL
)
_TOKEN: Final = re.compile(rb"(%b)|(%b)|%b" % (_DIGIT, _SEPARATOR, _CONTROL))
# A printer's commands with parameters, which may look like digits or letters.
_COMMAND: Final = re.compile(
    rb"\x1b(?:[ !%\-3=?CEFGJKMRTUVadertu{].|[2<@LSimvq]|[$\\]..)"
    rb"|\x1d(?:[!/BEHITabfhjrw].|[LPW$\\]..|V[\x00\x010-1]|V[ABabghf].)|\x1c(?:[!\-CW].|[&.])"
    rb"|\x10[\x04\x05].",
    re.DOTALL,
)
# A line of print: its end is near, and no octet of a protocol between.
_LINE_ENDS: Final = re.compile(rb"[^\r\n\x01-\x06\x10\x15]{0,160}[\r\n]")
_LINE_BEGINS: Final = re.compile(rb"[\r\n][^\r\n\x01-\x06\x10\x15]{0,160}\Z")
_LINE_CONTROLS = b"\t\r\n"  # part groups in print, and nothing in a frame
_LONGEST_PRINTED = 32  # digits of an order number; a longer row is a record of fixed fields
_WITH_PARITY: Final = re.compile(rb"[0-9](?:[ \-]?[0-9]){12,}")
_TRACKS: Final = (
    re.compile(rb";(\d{10,19})([=D][0-9=]{0,40})\??"),
    re.compile(rb"%?[A-Z](\d{10,19})(\^[^^?\x00-\x1f]{0,30}(?:\^[^?%\x00-\x1f]{0,50})?)\??"),
    re.compile(rb"(?<!\d)(\d{13,19})([=D]\d{7,})"),
)
_DATA = re.compile(rb"[^\^=?]")


class _Digit(NamedTuple):
    value: str
    start: int
    end: int
    atom: int  # counts rows of digits without anything between
    group: int  # counts rows of digits without a separator between


def text_numbers(octets: bytes, borders: Iterable[int] = (), certain: Iterable[int] = ()) -> list[Hidden]:
    """Where card numbers stand in text. Overlapping ones are told too.

    No number crosses one of ``borders`` (octets). Those of them that are not ``certain`` do not save a number that
    stands alone: one with something else than digits on either side.
    """
    found = list(_tracks(octets))
    likely, sure = sorted(borders), sorted(certain)
    blanked = without_commands(octets)
    for view in (octets, blanked) if blanked != octets else (octets,):
        for run in _RUN.finditer(view):
            printed = _is_printed(blanked, run.start(), run.end())
            for start, end in between(likely, run.start(), run.end()):
                controls = b"" if printed else _LINE_CONTROLS
                found += _in_run(_digits(view, start, end, controls), printed)
            for start, end in between(sure, run.start(), run.end()) if likely != sure else ():
                found += _in_run(_digits(view, start, end), printed=True, longest=end - start)
    return found + list(_with_parity(octets))


def between(cuts: Sequence[int], start: int, end: int) -> Iterator[tuple[int, int]]:
    """The pieces of ``start`` to ``end`` that sorted ``cuts`` leave."""
    for cut in cuts[bisect_right(cuts, start) :]:
        if cut >= end:
            break
        yield start, cut
        start = cut
    yield start, end


def without_commands(octets: bytes, instead: bytes = b"\0") -> bytes:
    """The same octets with another for each octet of a printer's commands."""
    return _COMMAND.sub(lambda command: instead * len(command.group()), octets)


def _digits(octets: bytes, start: int, end: int, controls: bytes = b"") -> list[_Digit]:
    """The digits of a run. ``controls``: separators that part nothing."""
    digits: list[_Digit] = []
    atom = group = 0
    last = start
    for token in _TOKEN.finditer(octets, start, end):
        if token[1] is not None:
            atom += token.start() != last
            last = token.end()
            digits.append(_Digit(str(token[1][-1] & 0x0F), token.start(), token.end(), atom, group))
        elif token[2] is not None:
            group += token[2] not in controls
    return digits


def _is_printed(octets: bytes, start: int, end: int) -> bool:
    before = octets[max(0, start - 161) : start]
    return bool(_LINE_ENDS.match(octets, end) or _LINE_BEGINS.search(before))


def _in_run(digits: list[_Digit], printed: bool, longest: int = _LONGEST_PRINTED) -> Iterator[Hidden]:
    """``printed``: a number neither begins nor ends within a row of at most ``longest`` digits."""
    text = "".join(digit.value for digit in digits)
    edges = _edges(digits, longest) if printed else None
    for start, end in cards_in(text):
        if (edges is None or (start in edges and end in edges)) and _grouped_like_a_card(digits[start:end]):
            yield _hidden(digits[start:end])


def _edges(digits: list[_Digit], longest: int) -> set[int]:
    edges = {0, len(digits)}
    for start, end in _rows(digits):
        edges |= {start, end} if end - start <= longest else set(range(start, end + 1))
    return edges


def _rows(digits: list[_Digit]) -> Iterator[tuple[int, int]]:
    start = 0
    for index in range(1, len(digits) + 1):
        if index == len(digits) or digits[index].atom != digits[start].atom:
            yield start, index
            start = index


def _grouped_like_a_card(digits: list[_Digit]) -> bool:
    sizes: dict[int, int] = {}
    for digit in digits:
        sizes[digit.group] = sizes.get(digit.group, 0) + 1
    groups = list(sizes.values())
    return len(groups) == 1 or min(groups) >= 3 or (len(set(groups[:-1])) == 1 and groups[-1] <= groups[0])


def _hidden(digits: list[_Digit]) -> Hidden:
    places = {digit.end - 1: LOW for digit in digits[:-KEPT_DIGITS]}
    return Hidden("digits", digits[0].start, digits[-1].end, places)


def _tracks(octets: bytes) -> Iterator[Hidden]:
    """ISO/IEC 7813 tracks 1 and 2: all but the separators and the number's last digits, whatever Luhn says."""
    for pattern in _TRACKS:
        for track in pattern.finditer(octets):
            places = dict.fromkeys(range(track.start(1), track.end(1) - KEPT_DIGITS), LOW)
            places |= {track.start(2) + each.start(): TEXT for each in _DATA.finditer(track[2], 1)}
            yield Hidden("track", track.start(), track.end(), places)


def _with_parity(octets: bytes) -> Iterator[Hidden]:
    """Digits with a parity bit: a line of seven bits that was recorded as one of eight."""
    if octets.isascii():
        return
    stripped = bytes(octet & 0x7F for octet in octets)
    for run in _WITH_PARITY.finditer(stripped):
        places = [at for at in range(run.start(), run.end()) if 0x30 <= stripped[at] <= 0x39]
        for start, end in cards_in(bytes(stripped[at] for at in places).decode()):
            window = places[start:end]
            parities = {octets[at].bit_count() % 2 for at in window}
            if len(parities) == 1 and any(octets[at] > 0x7F for at in window):
                bits = ODD if parities == {1} else EVEN
                hidden = dict.fromkeys(window[:-KEPT_DIGITS], bits)
                yield Hidden("digits", window[0], window[-1] + 1, hidden)


def first_digits(octets: bytes) -> list[int]:
    """The octets that say the digits of a row which begins at the first octet; [] where none does."""
    run = _ANY_RUN.match(octets)
    return [digit.end - 1 for digit in _digits(octets, 0, run.end())] if run else []


def last_digits(octets: bytes) -> list[list[int]]:
    """The same of a row that may go on behind the last octet, in every way of reading it; for those the first octet too."""
    views = (octets, without_commands(octets), bytes(octet & 0x7F for octet in octets))
    runs = [(view, run) for view in views if (run := _OPEN_RUN.search(view))]
    return [[digit.end - 1 for digit in _digits(view, run.start(), run.end())] for view, run in runs]
