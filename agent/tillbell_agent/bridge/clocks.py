"""How a bridge's ticks stand to the agent's clock; and, by the same questions, whether the bridge is there."""

# The clocks are compared so often, at first sooner; the answer with the shortest way of the last ones counts.
COMPARE_S, FIRST_S, FIRST = 60.0, 0.2, 4
# A question is asked again after so long without any frame of the session, and the third time nobody is there. A backlog
# on a slow line keeps an answer waiting for seconds.
PATIENCE_S, MOST_UNANSWERED = 3.0, 3
_BEST_OF = 8
_MICROSECONDS = 1_000_000


class Clocks:
    """Of one session. ``compare_at``: when ``question`` is due."""

    def __init__(self, now: float) -> None:
        self.compare_at = now
        self._compared = 0
        self._silences = 0
        self._found: list[tuple[float, float]] = []  # (way there and back, ours less the bridge's)

    @property
    def unanswered(self) -> bool:
        """Several questions, and not one frame since."""
        return self._silences >= MOST_UNANSWERED

    def heard(self) -> None:
        """A genuine frame of the session, whatever it says."""
        self._silences = 0

    def question(self, now: float) -> int:
        """What TIME carries."""
        self._silences += 1
        self.compare_at = now + PATIENCE_S
        return round(now * _MICROSECONDS)

    def answer(self, asked_us: int, ticks_us: int, now: float) -> None:
        asked = asked_us / _MICROSECONDS
        way = now - asked
        if not 0 <= way <= COMPARE_S:
            return
        self._compared += 1
        self.compare_at = now + (FIRST_S if self._compared < FIRST else COMPARE_S)
        self._found = [*self._found[1 - _BEST_OF :], (way, asked + way / 2 - ticks_us / _MICROSECONDS)]

    def ours(self, ticks_us: int) -> float | None:
        """The agent's monotonic seconds at these ticks; None: not compared yet."""
        return ticks_us / _MICROSECONDS + min(self._found)[1] if self._found else None
