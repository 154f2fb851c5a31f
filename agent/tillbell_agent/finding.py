"""One finding of ``doctor``, and spans of time in words."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "fail"]
OK: Level = "ok"
WARN: Level = "warn"
FAIL: Level = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """``next_action`` is None only where all is well."""

    name: str
    level: Level
    evidence: str
    next_action: str | None = None

    def __post_init__(self) -> None:
        if (self.level == OK) != (self.next_action is None):
            raise ValueError(f"{self.name}: a check that is not well says what to do next, and no other")


def span(seconds: float) -> str:
    """``40 s``, ``5 min``, ``3 h 20 min``, ``2 d``."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    if whole < 86_400:
        hours, minutes = divmod(whole // 60, 60)
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{whole // 86_400} d"
