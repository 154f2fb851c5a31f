"""What was found out about one port, with the evidence."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from tillbell_agent.pos.dialect import Line
from tillbell_agent.probe.setting import Setting


class Finding(Enum):
    """``UNSURE``: one of ``dialects``, or the only one, with too little heard. ``UNKNOWN``: something speaks."""

    TERMINAL = "terminal"
    MODEM = "modem"
    BRIDGE = "bridge"
    UNSURE = "unsure"
    UNKNOWN = "unknown"
    SILENT = "silent"


RECOGNISED = (Finding.TERMINAL, Finding.MODEM, Finding.BRIDGE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """``setting`` None: nothing says how fast the line is. ``seconds``: how long was listened; ``sure_after``: of them.

    ``parity_known``, ``stopbits_known``: whether they were seen, or are only assumed. ``told``: transactions that the
    dialect itself understood. ``octets``: all that was heard, whatever the settings.
    """

    finding: Finding
    dialects: tuple[str, ...] = ()
    setting: Setting | None = None
    parity_known: bool = False
    stopbits_known: bool = False
    kinds: Mapping[str, int] = field(default_factory=Counter)
    speakers: Mapping[Line, int] = field(default_factory=Counter)
    turns: tuple[tuple[float, Line | None], ...] = ()
    told: int = 0
    octets: int = 0
    seconds: float = 0.0
    sure_after: float | None = None

    @property
    def dialect(self) -> str | None:
        """The one that is sure."""
        return self.dialects[0] if self.finding is Finding.TERMINAL else None

    @property
    def speaker(self) -> Line | None:
        """Whose line this is; None: both ends' (a tap that joins them), or it cannot be told."""
        if not self.speakers:
            return None
        (line, most), rest = Counter(self.speakers).most_common(1)[0], sum(self.speakers.values())
        return line if most > 0.9 * rest else None
