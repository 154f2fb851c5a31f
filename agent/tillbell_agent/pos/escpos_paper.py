"""The lines of the job that is being printed, bounded, and where its gaps part it."""

from collections import deque

MAX_HEAD_LINES = 64  # who sells, numbers and time stand in the heading …
MAX_TAIL_LINES = (
    192  # … total, payment and card at the end; of a longer receipt the articles between are dropped
)
BLANK_LINES_HINT = 4


class Paper:
    """The lines of the job that is being printed, bounded; "" marks a gap of blank lines."""

    def __init__(self) -> None:
        self._head: list[str] = []
        self._tail: deque[str] = deque(maxlen=MAX_TAIL_LINES)
        self._blank = 0

    def __bool__(self) -> bool:
        return bool(self._head)

    def blank(self, lines: int) -> None:
        self._blank += lines

    def add(self, text: str) -> None:
        if self._blank >= BLANK_LINES_HINT and self._head:
            self._append("")
        self._blank = 0
        self._append(text)

    def take(self) -> list[str]:
        """All lines; the paper is empty afterwards."""
        lines = [*self._head, *self._tail]
        self._head, self._blank = [], 0
        self._tail.clear()
        return lines

    def _append(self, text: str) -> None:
        if len(self._head) < MAX_HEAD_LINES:
            self._head.append(text)
        else:
            self._tail.append(text)


def split_at_gaps(lines: list[str]) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for line in lines:
        if line:
            parts[-1].append(line)
        elif parts[-1]:
            parts.append([])
    return [part for part in parts if part]
