"""The text of a template becomes parts that can be left out, checked when it is loaded.

A template is ``string.Template`` text over a closed list of fields. ``[2:, *$last4|, $method]`` is an optional part:
the first alternative whose fields are all known is used, so that an absent field takes its label with it. The number
is the order of sacrifice: 1 goes first, 0 is never given up. Nothing in a template is evaluated.

Refused at load, because a check code covers the text without white space: fields that only white space separates, a
digit beside a field, anything after the code.
"""

import re
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tillbell_agent.notify.amounts import MONEY_CHARACTERS
from tillbell_protocol.errors import EncodeError

# Every field that a template may name, and the UTF-16 units that its value has at most.
FIELDS: Mapping[str, int] = {
    "merchant": 40,
    "short_name": 10,
    "money": MONEY_CHARACTERS,
    "amount": 17,
    "currency": 3,
    "when": 12,
    "scheme": 12,
    "method": 12,
    "last4": 4,
    "seq": 8,
    "day_total": MONEY_CHARACTERS + 1,
    "day_amount": MONEY_CHARACTERS - 3,
    "reference": 20,
    "original": 20,
    "terminal": 15,
    "result": 8,
    "pending": 9,
    "check": 6,
}
_PART = re.compile(r"\[(\d):([^\[\]]*)\]|([^\[\]]+)")
_FIELD = re.compile(r"\$(?:([a-z_][a-z0-9_]*)|\{([a-z_][a-z0-9_]*)\})")


class TemplateError(EncodeError):
    """A template cannot be used. ``field`` is the template's name."""


@dataclass(frozen=True, slots=True)
class Part:
    """Alternatives of which the first that can be filled stands; ``rank`` is its place in the order of sacrifice."""

    alternatives: tuple[str, ...]
    rank: int
    optional: bool

    def fill(self, values: Mapping[str, str]) -> str:
        """The first alternative whose fields all have a value, else nothing."""
        for text in self.alternatives:
            if all(name in values for name in field_names(text)):
                return string.Template(text).substitute(values)
        return ""


@dataclass(frozen=True, slots=True)
class Template:
    """A loaded template: ``fill`` never fails on values that its own fixed parts need."""

    name: str
    parts: tuple[Part, ...]

    @property
    def ranks(self) -> tuple[int, ...]:
        """The order of sacrifice: the ranks in use, first to go first."""
        return tuple(sorted({part.rank for part in self.parts if part.rank}))

    def fill(self, values: Mapping[str, str], *, above: int = 0) -> str:
        """The text with every part of rank 0 or above ``above``. An absent field of a fixed part: TemplateError."""
        pieces = []
        for part in self.parts:
            if part.rank == 0 or part.rank > above:
                piece = part.fill(values)
                if not piece and not part.optional:
                    raise TemplateError(
                        self.name, f"no value for {', '.join(field_names(part.alternatives[0]))}"
                    )
                pieces.append(piece)
        return "".join(pieces)


def load_template(name: str, text: str) -> Template:
    """Parse and check. Raises TemplateError with what is wrong and where."""
    if "".join(match.group() for match in _PART.finditer(text)) != text:
        raise TemplateError(name, "square brackets must enclose an optional part: [2:, *$last4]")
    parts = tuple(_part(match) for match in _PART.finditer(text))
    for part in parts:
        for alternative in part.alternatives:
            _check_fields(name, alternative)
    _check_code_is_last(name, parts)
    _check_neighbours(name, parts)
    return Template(name, parts)


def field_names(text: str) -> list[str]:
    """The fields that ``text`` names, in order."""
    return [match[1] or match[2] for match in _FIELD.finditer(text.replace("$$", ""))]


def _part(match: re.Match[str]) -> Part:
    if match[3] is not None:
        return Part((match[3],), 0, optional=False)
    return Part(tuple(match[2].split("|")), int(match[1]), optional=True)


def _check_fields(name: str, text: str) -> None:
    if string.Template(text).is_valid() is False:
        raise TemplateError(name, f'a lone $ in "{text}". Write $$ for the sign itself')
    if not string.Template(text).get_identifiers() == list(dict.fromkeys(field_names(text))):
        raise TemplateError(name, f'field names are lower case: "{text}"')
    for used in field_names(text):
        if used not in FIELDS:
            raise TemplateError(name, f'unknown field "${used}". Known are: {", ".join(FIELDS)}')


def _check_code_is_last(name: str, parts: tuple[Part, ...]) -> None:
    """The code is the last run of digits of a text: so it stands once, always, and nothing follows it."""
    uses = [used for part in parts for text in part.alternatives for used in field_names(text)]
    last = parts[-1].alternatives[0] if parts else ""
    if uses.count("check") != 1 or not last.endswith(("$check", "${check}")) or parts[-1].optional:
        raise TemplateError(name, "$check must stand once, outside brackets, at the very end")


_START = "^"  # where a text begins: neither white space nor a digit


def _check_neighbours(name: str, parts: tuple[Part, ...]) -> None:
    """Between two fields stands something that is neither white space nor a digit, whichever parts are left out."""
    for between in _gaps(parts):
        if not between.strip():
            raise TemplateError(
                name, "only white space separates two fields. Put a comma or a word between them"
            )
        if any(character.isdigit() for character in between):
            raise TemplateError(name, f'a digit stands beside a field in "{between}". Spell it')


def _gaps(parts: tuple[Part, ...]) -> Iterator[str]:
    """Every fixed text that can stand before a field or between two, over all ways of leaving parts out."""
    open_ends = {_START}  # texts since the last field or the start, of every way to come here
    for part in parts:
        reached = set(open_ends) if part.optional else set()
        for text in part.alternatives:
            literals = _FIELD.sub("\0", text.replace("$$", "S")).split("\0")
            yield from literals[1:-1]
            if len(literals) > 1:
                yield from (end + literals[0] for end in open_ends)
                reached.add(literals[-1])
            else:
                reached |= {end + literals[0] for end in open_ends}
        open_ends = reached
