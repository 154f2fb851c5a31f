"""How far ``tillbell flash`` is: a bar on a terminal that has rich, plain lines elsewhere; on standard error, always."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tillbell_agent.flash.link import Advance
from tillbell_agent.flash.record import Step


class Screen:
    """``steps``: each one's time, for the record. ``now``: the name of the one that goes on."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.now = "nothing was begun"
        self._rich = _rich() if sys.stderr.isatty() else None

    @contextmanager
    def step(self, name: str, total: int = 0) -> Iterator[Advance]:
        """``total``: octets or pieces to come, 0 where that is not known. The time counts also where it fails."""
        self.now = name
        step, began = Step(name), time.monotonic()
        self.steps.append(step)
        try:
            with self._shown(name, total) as advance:
                yield advance
        finally:
            step.seconds = round(time.monotonic() - began, 3)
        if self._rich is None:
            self.say(f"{name}: {step.seconds:.1f} s")

    def note(self, words: str) -> None:
        """Something to be said of the last step, here and in the record."""
        self.steps[-1].note = words
        self.say(f"  {words}")

    def say(self, words: str) -> None:
        print(words, file=sys.stderr, flush=True)

    @contextmanager
    def _shown(self, name: str, total: int) -> Iterator[Advance]:
        if self._rich is None:
            yield _ignore
            return
        with self._rich() as bars:
            task = bars.add_task(name, total=total or None)
            yield lambda octets: bars.advance(task, octets)
            bars.update(task, total=total or 1, completed=total or 1)


def _rich() -> Callable[[], Any] | None:
    """Makes a bar; None: rich is not installed (the extra ``screens``)."""
    try:
        from rich.console import Console  # noqa: PLC0415 - only a screen pays for rich
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415
    except ImportError:
        return None
    console = Console(stderr=True)
    columns = ("{task.description:<34}", "{task.percentage:>3.0f}%")

    def make() -> Progress:
        return Progress(
            TextColumn(columns[0]), BarColumn(), TextColumn(columns[1]), TimeElapsedColumn(), console=console
        )

    return make


def _ignore(_done: int) -> None:
    """Plain lines say a step's end only."""
