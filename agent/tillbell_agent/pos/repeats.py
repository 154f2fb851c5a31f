"""Whether an answer is the one before it, said again because the till did not acknowledge it, or a new one."""

from tillbell_agent.pos.dialect import Line


class Repeats:
    """The last answer of one terminal. An equal one is a repetition while nothing was asked since, for ``within_s``.

    A terminal acknowledges what its till asks. So where its line is heard without the till's, an ACK of the terminal
    stands for a question; where both ends are heard on one line, nobody knows whose ACK it is, but the questions are
    heard. Answers are compared by what a dialect keeps of them, which holds no card number.
    """

    def __init__(self, within_s: float) -> None:
        self._within_s = within_s
        self._both_on_one_line = False
        self._last: tuple[object, float] | None = None

    def asked(self, line: Line) -> None:
        self._both_on_one_line = line is Line.TERMINAL
        self._last = None

    def acknowledged(self, line: Line) -> None:
        if line is Line.TERMINAL and not self._both_on_one_line:
            self._last = None

    def is_repeated(self, answer: object, now: float) -> bool:
        last, self._last = self._last, (answer, now)
        return last is not None and last[0] == answer and now - last[1] <= self._within_s

    def forget(self) -> None:
        self._last = None
