"""A SIM's PIN from a file of its own. No error that comes from here shows it."""

from pathlib import Path

from tillbell_agent.shell.files import SecretFileError, read_secret


def read_pin(path: Path) -> str:
    """The PIN, 4 to 8 digits. Raises SecretFileError also where others may read the file."""
    content = read_secret(path, "Write the PIN into it")
    if not (content.isdigit() and 4 <= len(content) <= 8):  # of octets: ASCII digits alone
        raise SecretFileError(f"{path} does not hold a PIN of 4 to 8 digits. Write it alone into it")
    return content.decode("ascii")
