"""One thing that was recognised among octets."""

from dataclasses import dataclass

from tillbell_agent.pos.dialect import Line


@dataclass(frozen=True, slots=True)
class Sight:
    """It stands at ``start`` up to ``end`` of what was looked at. ``speaker``: who says such a thing, where it is known."""

    start: int
    end: int
    kind: str
    speaker: Line | None = None
