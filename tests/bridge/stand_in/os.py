"""The interpreter's own ``os``, and what boards' has beside it. ``TILLBELL_CHIP``: which one it says that it is."""

from uos import *  # noqa: F403
from uos import getenv


class _Name:
    machine = "a board with " + (getenv("TILLBELL_CHIP") or "")


def uname():
    return _Name
