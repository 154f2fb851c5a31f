"""Reading what ``open`` and ``expand`` are given: key files, bundles, and messages in hex or armor."""

from pathlib import Path

from tillbell_agent.cli.errors import REFUSED, USAGE, CliError
from tillbell_protocol.armor import dearmor
from tillbell_protocol.errors import ProtocolError
from tillbell_protocol.pairing import SecretKey, bundle_from_text

_HEX = frozenset("0123456789abcdefABCDEF")
_BUNDLE_TAG = "TBP1."


def read_key(path: Path) -> SecretKey:
    """A ``TBK1.`` file's key. Raises CliError."""
    try:
        return SecretKey.from_text(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"cannot read the key file {path}: {error}", USAGE) from error
    except ProtocolError as error:
        raise CliError(f"{path} holds no key: {error}", REFUSED) from error


def read_bundle(given: str) -> bytes:
    """A bundle given as text or as the name of a file that holds it. Raises CliError."""
    text = given.strip()
    if not text.startswith(_BUNDLE_TAG):
        try:
            text = Path(given).read_text().strip()
        except (OSError, UnicodeDecodeError, ValueError) as error:
            raise CliError(f"no bundle and no file with one: {given[:60]}", USAGE) from error
    try:
        return bundle_from_text(text)
    except ProtocolError as error:
        raise CliError(f"the bundle cannot be read: {error}", REFUSED) from error


def message_octets(given: str) -> bytes:
    """A sealed message in hex or armored. Raises ProtocolError.

    Armor begins with ``U``, which no hex digit is, so that the two cannot be taken for one another.
    """
    compact = "".join(given.split())
    if compact and set(compact) <= _HEX and len(compact) % 2 == 0:
        return bytes.fromhex(compact)
    return dearmor(given)
