"""Which counters of a pairing were opened: runs of neighbours, each with the first octets of its message's digest.

There is no horizon: a message that comes days late is still told from one that came before. The runs keep the record
small (eight octets a message), and they show what is missing.
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any, Final

from tillbell_protocol.ratchet import COUNTERS

DIGEST_OCTETS: Final = 8


@dataclass(slots=True)
class _Run:
    first: int
    digests: bytearray

    @property
    def end(self) -> int:
        """The counter behind the last."""
        return self.first + len(self.digests) // DIGEST_OCTETS


@dataclass(slots=True)
class OpenedCounters:
    """``skips``: (after, counter) for messages that said which counter was sealed before them; after is -1 for none."""

    _runs: list[_Run] = field(default_factory=list)
    skips: set[tuple[int, int]] = field(default_factory=set)

    def digest(self, counter: int) -> bytes | None:
        """The digest kept for a counter, None if it was not opened."""
        run = self._run_at(counter)
        if run is None:
            return None
        start = (counter - run.first) * DIGEST_OCTETS
        return bytes(run.digests[start : start + DIGEST_OCTETS])

    def mark(self, counter: int, digest: bytes) -> None:
        """Note a counter that was not opened before."""
        place = bisect_right(self._runs, counter, key=lambda run: run.first)
        before = self._runs[place - 1] if place else None
        after = self._runs[place] if place < len(self._runs) else None
        if before is not None and before.end == counter:
            before.digests += digest
        else:
            before = _Run(counter, bytearray(digest))
            self._runs.insert(place, before)
            place += 1
        if after is not None and before.end == after.first:
            before.digests += after.digests
            del self._runs[place]

    def contradicts(self, counter: int, predecessor: int | None) -> bool:
        """Whether one device cannot have sealed this: a counter was opened that it says it skipped, or it is one."""
        if any(after < counter < before for after, before in self.skips):
            return True
        return predecessor is not None and self._any_between(predecessor, counter)

    def missing(self) -> list[tuple[int, int]]:
        """Runs (first, last) of counters below the highest opened that were neither opened nor skipped on purpose."""
        gaps, expected = [], 0
        covered = [(run.first, run.end) for run in self._runs] + [(after + 1, at) for after, at in self.skips]
        for first, end in sorted(covered):
            if first > expected:
                gaps.append((expected, first - 1))
            expected = max(expected, end)
        return gaps

    def count(self) -> int:
        return sum(run.end - run.first for run in self._runs)

    def to_state(self) -> dict[str, Any]:
        runs = [[run.first, run.digests.hex()] for run in self._runs]
        return {"runs": runs, "skips": [list(skip) for skip in sorted(self.skips)]}

    @classmethod
    def from_state(cls, state: Any) -> "OpenedCounters":
        """The reverse of ``to_state``. Raises ``ValueError``, ``TypeError`` or ``KeyError`` for anything else."""
        opened, previous_end = cls(), -1
        for first, digests in state["runs"]:
            run = _Run(int(first), bytearray.fromhex(digests))
            if (
                run.first <= previous_end
                or run.end > COUNTERS
                or len(run.digests) % DIGEST_OCTETS
                or not run.digests
            ):
                raise ValueError("runs of counters overlap or are cut")
            previous_end = run.end
            opened._runs.append(run)
        opened.skips = {(int(after), int(counter)) for after, counter in state["skips"]}
        return opened

    def _run_at(self, counter: int) -> _Run | None:
        place = bisect_right(self._runs, counter, key=lambda run: run.first)
        run = self._runs[place - 1] if place else None
        return run if run is not None and counter < run.end else None

    def _any_between(self, low: int, high: int) -> bool:
        """Whether a counter strictly between was opened."""
        place = bisect_right(self._runs, low + 1, key=lambda run: run.first)
        before = self._runs[place - 1] if place else None
        if before is not None and low + 1 < min(before.end, high):
            return True
        return place < len(self._runs) and self._runs[place].first < high
