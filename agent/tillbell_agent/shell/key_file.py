"""The key of a bridge's link from a file of its own. No error that comes from here shows it."""

from pathlib import Path

from tillbell_agent.shell.files import SecretFileError, read_secret
from tillbell_protocol.link.mac import KEY_OCTETS

_HEX = frozenset(b"0123456789abcdefABCDEF")


def read_link_key(path: Path) -> bytes:
    """32 octets, written as 64 hexadecimal digits. Raises SecretFileError also where others may read the file."""
    content = read_secret(path, "tillbell flash makes it, and gives it to the bridge")
    if len(content) != 2 * KEY_OCTETS or not _HEX.issuperset(content):
        raise SecretFileError(
            f"{path} does not hold the {2 * KEY_OCTETS} hexadecimal digits of a link key. Make one: tillbell flash"
        )
    return bytes.fromhex(content.decode("ascii"))
