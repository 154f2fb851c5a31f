"""A SIM's PIN from a file of its own. No error that comes from here shows it."""

from pathlib import Path


class PinFileError(Exception):
    """The file gives no PIN; the message says which file, why, and the next step."""


def read_pin(path: Path) -> str:
    """The PIN, 4 to 8 digits. Raises PinFileError also where others may read the file."""
    try:
        mode = path.stat().st_mode
        content = path.read_bytes().strip()
    except OSError as error:
        raise PinFileError(f"{path} cannot be read: {error.strerror}. Write the PIN into it") from error
    if mode & 0o077:
        raise PinFileError(f"{path} can be read by others. Run: chmod 600 {path}")
    if not (content.isdigit() and 4 <= len(content) <= 8):  # of octets: ASCII digits alone
        raise PinFileError(f"{path} does not hold a PIN of 4 to 8 digits. Write it alone into it")
    return content.decode("ascii")
