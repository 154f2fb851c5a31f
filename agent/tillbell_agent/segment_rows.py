"""The segments of the outbox's messages: which are out, under what reference, and whom a status report is about.

``handed`` (the answer is open) → ``sent`` → ``delivered`` or ``failed``. One row a message and part, parts counted from
0; below 0 stand those of earlier tries. Times are Unix seconds; the caller commits.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tillbell_agent.moment import EARLIEST_TRUSTED

# Reports that are still open under one message reference: a reference comes again after 256 segments.
_MOST_CANDIDATES = 16
# A segment so long behind the service centre's time was sent after the message that a report is about; one that is
# later still says only that a clock is wrong, for no report comes after a month.
_CLOCKS_APART_S, _NO_REPORT_AFTER_S = 86_400, 40 * 86_400
# Between handing a segment over and the service centre's taking it, with a network that takes its time; it is never taken
# before, but for clocks that count whole seconds.
_TAKEN_WITHIN_S, _WHOLE_SECONDS = 600, 5
# A report that is said twice belongs to one of the newest messages, or its reference has come again since.
_NEWEST = 512


@dataclass(frozen=True, slots=True)
class _Clocks:
    """When the service centre took a message, and by how much our clock may be ahead of its. ``taken_at`` None: not told.

    ``measured``: by the last report whose segment was known by its reference; None: by none yet.
    """

    taken_at: int | None
    ahead: tuple[int, ...] = (0,)
    measured: int | None = None

    def apart(self, at: int) -> int:
        """Seconds from the service centre's time to a segment's; negative: the segment was before it."""
        return min((at - ahead - (self.taken_at or 0) for ahead in self.ahead), key=abs)

    def may_be(self, at: int) -> bool:
        """A segment of this reference: only one sent long after it is another message's. So far off is a wrong clock."""
        return self.taken_at is None or not _CLOCKS_APART_S < self.apart(at) <= _NO_REPORT_AFTER_S

    def is_likely(self, at: int) -> bool:
        """A segment without a reference has nothing but the time to be known by."""
        if self.taken_at is None or self.measured is None:
            return self.taken_at is None or abs(self.apart(at)) <= _CLOCKS_APART_S
        return -_TAKEN_WITHIN_S <= at - self.measured - self.taken_at <= _WHOLE_SECONDS


class SegmentRows:
    """Reads and writes segments on a connection that the caller commits."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._ahead: dict[str, int] = {}  # of the service centre's clock, as the last reports of a modem show
        self._compared_from = 0  # what was dated before, another clock has dated

    def clock_set(self, by: int, *, was_trusted: bool) -> None:
        """The wall clock was set: segments whose answers may come are as old as before. Then call ``compare_anew``."""
        dated = "1" if was_trusted else f"at < {EARLIEST_TRUSTED}"
        shift = f"UPDATE segment SET at = max(0, at + ?) WHERE state = 'handed' AND {dated} AND "
        self._connection.execute(shift + "part < 0", (by,))
        may_come = "message_id IN (SELECT id FROM message WHERE state IN ('unknown', 'claimed', 'queued'))"
        self._connection.execute(shift + f"part >= 0 AND {may_come}", (by,))

    def compare_anew(self, now: int) -> None:
        """The clock was set, to ``now``, and that is durable: what reports have shown of it holds no more."""
        self._ahead.clear()
        self._compared_from = now

    def hand_over(self, message_id: int, part: int, modem: str, now: int) -> None:
        """From here the outcome of a segment is open: to be durable before its last octet is written."""
        self._supersede(message_id, "part = ?", part, tries_ago=1)  # this try is counted already
        self._connection.execute(
            "INSERT OR REPLACE INTO segment VALUES (?, ?, 'handed', NULL, ?, ?)",
            (message_id, part, modem, now),
        )

    def sent(self, message_id: int, part: int, modem: str, mr: int, now: int) -> None:
        """The network took a segment from ``modem`` under the message reference ``mr``."""
        self._connection.execute(
            "UPDATE segment SET state = 'sent', mr = ?, at = ? WHERE message_id = ? AND part = ? AND modem = ?",
            (mr, now, message_id, part, modem),
        )

    def not_sent(self, message_id: int, part: int) -> None:
        """A segment that was handed over did not go out: no report will come for it."""
        self._connection.execute(
            "DELETE FROM segment WHERE message_id = ? AND part = ? AND state = 'handed'", (message_id, part)
        )

    def has_failed(self, message_id: int) -> bool:
        """Whether a status report said that a segment of this try did not arrive."""
        query = "SELECT 1 FROM segment WHERE message_id = ? AND part >= 0 AND state = 'failed'"
        return self._connection.execute(query, (message_id,)).fetchone() is not None

    def taken(self, message_id: int, modem: str) -> set[int]:
        """The parts (from 0) of a message that the network has taken from ``modem``: they are not sent again by it.

        Parts from two numbers never become one message on a phone, so another modem begins at the first part.
        """
        query = (
            "SELECT part FROM segment WHERE message_id = ? AND part >= 0 AND modem = ?"
            " AND state IN ('sent', 'delivered')"
        )
        return {row[0] for row in self._connection.execute(query, (message_id, modem))}

    def handed_over(self, message_id: int, modem: str) -> set[int]:
        """The parts of the present copy that ``modem`` was given, whatever became of them."""
        query = "SELECT part FROM segment WHERE message_id = ? AND part >= 0 AND modem = ?"
        return {row[0] for row in self._connection.execute(query, (message_id, modem))}

    def open(self, message_id: int) -> set[int]:
        """The parts whose outcome is open: handed over, no answer."""
        query = "SELECT part FROM segment WHERE message_id = ? AND part >= 0 AND state = 'handed'"
        return {row[0] for row in self._connection.execute(query, (message_id,))}

    def supersede(self, message_id: int) -> None:
        """Segments of the try that ended keep their rows, under a part below 0: their reports are no others'."""
        self._supersede(message_id, "part >= ?", 0, tries_ago=0)

    def _supersede(self, message_id: int, which: str, part: int, *, tries_ago: int) -> None:
        self._connection.execute(
            "UPDATE segment SET part = -1 - part - 256 * (SELECT attempts - ? FROM message WHERE id = ?)"
            f" WHERE message_id = ? AND {which}",
            (tries_ago, message_id, message_id, part),
        )

    def reported(
        self,
        modem: str,
        mr: int,
        phone: str,
        outcome: str,
        *,
        taken_at: int | None,
        now: int,
        discharged_at: int | None = None,
        answer_open: bool = False,
    ) -> tuple[int, int] | None:
        """A status report finds the segment that ``modem`` sent to ``phone`` under ``mr``; None: nobody's.

        ``outcome`` is ``delivered`` or ``failed``. ``taken_at``, ``discharged_at``: when the service centre took the
        message and when it was through with it, by its clock; ``mr`` has 8 bits and wraps, hence the segment nearest to
        that. A segment whose answer was lost has no ``mr``: a report about a message that was taken at just that time is
        its answer, unless a segment of an earlier try waits for one, or ``answer_open``: one that is out now may be meant.
        """
        clocks = self._clocks(modem, taken_at, discharged_at, now)
        joined = (
            "SELECT s.message_id, s.part, s.at FROM segment s CROSS JOIN message m ON m.id = s.message_id"
        )
        found = self._nearest(
            f"{joined} WHERE s.modem = ? AND s.mr = ? AND s.state = 'sent' AND m.phone = ?"
            " ORDER BY s.at DESC, s.message_id DESC",
            (modem, mr, phone),
            clocks,
            clocks.may_be,
        )
        if found is not None and clocks.taken_at is not None and self._compared_from <= found[2] <= now:
            self._ahead[modem] = found[2] - clocks.taken_at
        if found is None and not answer_open:
            found = self._nearest(
                f"{joined} WHERE s.part < 0 AND s.state = 'handed' AND s.modem = ? AND m.phone = ?"
                " AND m.expires_at > ? ORDER BY s.at, s.message_id",
                (modem, phone, now),
                clocks,
                clocks.is_likely,
            ) or self._nearest(
                "SELECT s.message_id, s.part, s.at FROM message m CROSS JOIN segment s ON s.message_id = m.id"
                " WHERE m.state = 'unknown' AND m.phone = ? AND s.part >= 0 AND s.modem = ? AND s.state = 'handed'"
                " ORDER BY m.id DESC, s.at DESC",
                (phone, modem),
                clocks,
                clocks.is_likely,
            )
            if found is not None and self._is_copy(modem, mr, phone, clocks, found[2]):
                return None
        if found is None:
            return None
        self._connection.execute(
            "UPDATE segment SET state = ? WHERE message_id = ? AND part = ?", (outcome, *found[:2])
        )
        return found[:2]

    def _is_copy(self, modem: str, mr: int, phone: str, clocks: _Clocks, at: int) -> bool:
        """Whether a segment of this reference that was reported already fits the report better than one sent at ``at``."""
        rows = self._connection.execute(
            "SELECT s.at FROM segment s CROSS JOIN message m ON m.id = s.message_id"
            " WHERE s.message_id > (SELECT max(message_id) FROM segment) - ? AND s.modem = ? AND s.mr = ?"
            " AND s.state IN ('delivered', 'failed') AND m.phone = ?",
            (_NEWEST, modem, mr, phone),
        )
        return any(abs(clocks.apart(other)) <= abs(clocks.apart(at)) for (other,) in rows)

    def _clocks(self, modem: str, taken_at: int | None, discharged_at: int | None, now: int) -> _Clocks:
        """Our clock may be right, or as far ahead as a report shows that comes at once, or as the last one has shown."""
        if taken_at is None or taken_at < EARLIEST_TRUSTED:
            return _Clocks(None)
        measured = self._ahead.get(modem)
        ahead = (0, None if discharged_at is None else now - discharged_at, measured)
        return _Clocks(taken_at, tuple(each for each in ahead if each is not None), measured)

    def _nearest(
        self, query: str, values: tuple[Any, ...], clocks: _Clocks, may_be: Callable[[int], bool]
    ) -> tuple[int, int, int] | None:
        """(message, part, time) of the row whose time is nearest to the service centre's, else the first.

        Service centres' clocks are off by hours where their zone is wrong, and ours by days where nobody set it.
        """
        rows = self._connection.execute(f"{query} LIMIT {_MOST_CANDIDATES}", values).fetchall()
        rows = [row for row in rows if may_be(row[2])]
        if clocks.taken_at is not None:
            rows.sort(key=lambda row: abs(clocks.apart(row[2])))  # of equals the first stays first
        return (int(rows[0][0]), int(rows[0][1]), int(rows[0][2])) if rows else None

    def known(self, message_id: int) -> tuple[int, int]:
        """(segments handed over in this try, those of them not reported as delivered)."""
        query = (
            "SELECT count(*), count(*) FILTER (WHERE state != 'delivered') FROM segment"
            " WHERE message_id = ? AND part >= 0"
        )
        known, undelivered = self._connection.execute(query, (message_id,)).fetchone()
        return int(known), int(undelivered)
