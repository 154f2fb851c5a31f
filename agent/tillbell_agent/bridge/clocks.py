"""How a bridge's ticks stand to the agent's clock; and, by the same questions, whether the bridge is there."""

# The clocks are compared so often, at first sooner; the answer with the shortest way of the last ones counts.
COMPARE_S, FIRST_S, FIRST = 60.0, 0.2, 4
# A question is asked again after so long without any frame of the session, and the third time nobody is there. A backlog
# on a slow line keeps an answer waiting for seconds.
PATIENCE_S, MOST_UNANSWERED = 3.0, 3
# Who waits for silence asks no oftener than this, and again so long after a question that got no answer.
AGAIN_S, UNANSWERED_AGAIN_S = 0.05, 1.0
# An agent that has taken what is not durable says so often that it lives: else the bridge writes it to flash.
ALIVE_S = 1.0
_BEST_OF = 8
_MICROSECONDS = 1_000_000


class Clocks:
    """Of one session. ``compare_at``: when ``question`` is due."""

    def __init__(self, now: float) -> None:
        self.compare_at = now
        self._compared = 0
        self._silences = 0
        self._ask_again_at = now
        self._alive_at = now
        self._found: list[tuple[float, float]] = []  # (way there and back, ours less the bridge's)

    @property
    def compared(self) -> bool:
        return bool(self._found)

    def unanswered(self, now: float) -> bool:
        """Several questions, patience, and not one frame since."""
        return self._silences >= MOST_UNANSWERED and now >= self.compare_at

    def due(self, awaited_us: int | None, *, owes: bool) -> float:
        """When the next question is due. ``awaited_us``: somebody waits for the bridge to have been silent up to these ticks.

        ``owes``: chunks were taken that are not durable, and the bridge must know that somebody still has them.
        """
        awaited = self.ours(awaited_us) if awaited_us is not None else None
        due = [self.compare_at]
        due += [self._alive_at] if owes else []
        due += [max(awaited, self._ask_again_at)] if awaited is not None else []
        return min(due)

    def heard(self) -> None:
        """A genuine frame of the session, whatever it says."""
        self._silences = 0

    def question(self, now: float) -> int:
        """What TIME carries. Only one that was due anyway tests whether the bridge is there."""
        if now >= self.compare_at:
            self._silences += 1
            self.compare_at = now + PATIENCE_S
        self._ask_again_at = now + UNANSWERED_AGAIN_S
        self._alive_at = now + ALIVE_S
        return round(now * _MICROSECONDS)

    def answer(self, asked_us: int, ticks_us: int, now: float) -> None:
        asked = asked_us / _MICROSECONDS
        way = now - asked
        if not 0 <= way <= COMPARE_S:
            return
        self._compared += 1
        self._ask_again_at = max(now, asked + AGAIN_S)
        self.compare_at = now + (FIRST_S if self._compared < FIRST else COMPARE_S)
        self._found = [*self._found[1 - _BEST_OF :], (way, asked + way / 2 - ticks_us / _MICROSECONDS)]

    def ours(self, ticks_us: int) -> float | None:
        """The agent's monotonic seconds at these ticks; None: not compared yet."""
        return ticks_us / _MICROSECONDS + min(self._found)[1] if self._found else None
