"""The profiles of modems that come with the program: read once, at the start."""

from pathlib import Path

from tillbell_agent.modem.profile import Profile, parse_profile
from tillbell_protocol.errors import DecodeError


def load_profiles() -> tuple[Profile, ...]:
    """Every profile, in order of name. DecodeError names the file; none at all is an error too."""
    found = []
    for file in sorted(_folder().iterdir(), key=lambda each: each.name):
        if not file.name.endswith(".toml"):
            continue
        try:
            found.append(parse_profile(file.read_text(encoding="utf-8")))
        except DecodeError as error:
            raise error.within(file.name, 0) from error
    if not found:
        raise DecodeError("hw/modems", 0, "no profile is there: the installation is not whole")
    return tuple(found)


def _folder() -> Path:
    """Inside the package where it is installed; in a checkout at its top.

    Found by this file's place: importlib.resources imports more of itself when it is used, which a program that has
    become a service's user may not be allowed to read any more.
    """
    package = Path(__file__).resolve().parent.parent
    installed = package / "hw" / "modems"
    return installed if installed.is_dir() else package.parent.parent / "hw" / "modems"
