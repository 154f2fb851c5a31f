"""Reading what verbs are given: key files, cards, bundles, and messages in hex or armor."""

from pathlib import Path

from tillbell_agent.cli.errors import REFUSED, USAGE, CliError
from tillbell_protocol.armor import dearmor, find_blocks
from tillbell_protocol.errors import DecodeError, ProtocolError
from tillbell_protocol.pairing import Card, SecretKey, bundle_from_text

_HEX = frozenset("0123456789abcdefABCDEF")
_KINDS = {
    "TBK1.": "a secret key (tillbell keys new --out FILE makes one)",
    "TBC1.": "a recipient's public card (tillbell keys new or keys show prints it)",
    "TBP1.": "a pairing bundle (tillbell pair prints it)",
}


def read_key(path: Path) -> SecretKey:
    """A ``TBK1.`` file's key. Raises CliError."""
    text = _file_text(path, "TBK1.")
    try:
        return SecretKey.from_text(text)
    except ProtocolError as error:
        raise _not_read(str(path), text, "TBK1.", error) from error


def read_card(given: str) -> Card:
    """A card given as text or as the name of a file that holds it. Raises CliError."""
    text = _text_or_file(given, "TBC1.")
    try:
        return Card.from_text(text)
    except ProtocolError as error:
        raise _not_read("the card", text, "TBC1.", error) from error


def read_bundle(given: str) -> bytes:
    """A bundle given as text or as the name of a file that holds it. Raises CliError."""
    text = _text_or_file(given, "TBP1.")
    try:
        return bundle_from_text(text)
    except ProtocolError as error:
        raise _not_read("the bundle", text, "TBP1.", error) from error


def message_octets(given: str) -> bytes:
    """A sealed message in hex or armored. Raises ProtocolError.

    Armor begins with ``U``, which no hex digit is, so that the two cannot be taken for one another.
    """
    compact = "".join(given.split())
    blocks = find_blocks(given) if set(compact) - _HEX else []
    if len(blocks) > 1:
        raise DecodeError("message", 0, f"{len(blocks)} messages in one: give each as an argument of its own")
    if blocks:
        return blocks[0]
    if compact.startswith("U") or not compact:
        return dearmor(given)
    wrong = next((place for place, letter in enumerate(compact) if letter not in _HEX), None)
    if wrong is not None:
        why = f"{compact[wrong]!r} is no hex digit, and armor starts with U"
        raise DecodeError("message", wrong // 2, f"{why}. Copy the message again")
    if len(compact) % 2:
        raise DecodeError("message", len(compact) // 2, "one hex digit is missing or too many. Copy it again")
    return bytes.fromhex(compact)


def _text_or_file(given: str, tag: str) -> str:
    text = given.strip()
    if any(text.startswith(known) for known in _KINDS):
        return text
    if not text:
        raise CliError(f"{_KINDS[tag]} is wanted, and what was given is empty", USAGE)
    return _file_text(Path(given), tag)


def _file_text(path: Path, tag: str) -> str:
    if str(path).startswith(tuple(_KINDS)):  # perhaps a secret: it is not shown
        raise CliError(f"the name of a file is wanted, not what it holds: {_KINDS[tag]}", USAGE)
    shown = str(path)[:200]
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise CliError(
            f"{shown} cannot be read: {error.strerror}. Name a file with {_KINDS[tag]}", USAGE
        ) from error
    except ValueError as error:  # no UTF-8, or a name with a NUL
        raise CliError(f"{shown} is no text. Name a file with {_KINDS[tag]}", USAGE) from error


def _not_read(what: str, text: str, tag: str, why: ProtocolError) -> CliError:
    """Says so where it is another of the three; never shows its text, which may be a secret."""
    lines = [line.strip() for line in text.splitlines() if not line.startswith("#")]
    found = next(
        (
            name
            for known, name in _KINDS.items()
            if known != tag and any(line.startswith(known) for line in lines)
        ),
        None,
    )
    if found is not None:
        return CliError(f"{what} is {found}; {_KINDS[tag]} is wanted", REFUSED)
    return CliError(f"{what} cannot be read: {why}. Is it whole? {_KINDS[tag]} is wanted", REFUSED)
