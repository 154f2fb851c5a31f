"""The key of a bridge's link from a file of its own. No error that comes from here shows it."""

from pathlib import Path

from tillbell_agent.shell.files import SecretFileError, read_secret

_DIGITS = 64
_HEX = frozenset(b"0123456789abcdefABCDEF")


def read_link_key(path: Path) -> bytes:
    """32 octets, written as 64 hexadecimal digits. Raises SecretFileError also where others may read the file."""
    content = read_secret(path, "tillbell flash makes it, and gives it to the bridge")
    if len(content) != _DIGITS or not _HEX.issuperset(content):
        raise SecretFileError(
            f"{path} does not hold the {_DIGITS} hexadecimal digits of a link key. Make one: tillbell flash"
        )
    return bytes.fromhex(content.decode("ascii"))
