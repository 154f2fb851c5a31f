"""The file: JSON lines. First what the recording is, then what was heard, last how it ended.

``{"tillbell_capture": 1, "tillbell": "0.1.0", "started": …, "lines": {"terminal": {"baudrate": 9600, …}}}``
``{"t_ms": 1204.5, "dir": "terminal", "hex": "02…"}``: octets as they were read, in order within a line; lines may overtake
each other, so readers sort by ``t_ms`` (milliseconds since ``started``).
``{"masked": {"dir": "terminal", "at": 17, "length": 12, "what": "digits", "delta": "00"}}``: octets counted from the line's
first; ``delta`` as in ``scrubbing.Span``, in hex, null where the frame got a new check.
``{"end": {"why": "stopped", "octets": {"terminal": 812}, "masked": 1}}``: absent where the power went.
No port's name, no name of the host: an adapter's serial number says whose it is.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from tillbell_agent.capture.holding import HeldLine, Piece
from tillbell_agent.capture.scrubbing import Span
from tillbell_agent.pos.dialect import Line

VERSION: Final = 1
# Reads of one line within this time are one entry: an adapter gives octets one by one or by sixteen.
_SAME_S: Final = 0.005
_MOST_ENTRY: Final = 512


@dataclass(frozen=True, slots=True)
class LineFormat:
    """How a line was opened. ``parity`` is N, E, O, M or S."""

    baudrate: int = 9600
    bytesize: int = 8
    parity: str = "N"
    stopbits: float = 1

    def words(self) -> str:
        return f"{self.baudrate} {self.bytesize}{self.parity}{self.stopbits:g}"


@dataclass(slots=True)
class Tally:
    """What was recorded of one line. ``starts``, ``cuts``: octets that begin a frame, commands that cut a receipt."""

    octets: int = 0
    starts: int = 0
    acks: int = 0
    naks: int = 0
    cuts: int = 0
    masked: int = 0

    def count(self, octets: bytes) -> None:
        self.octets += len(octets)
        self.starts += octets.count(b"\x02")
        self.acks += octets.count(b"\x06")
        self.naks += octets.count(b"\x15")
        self.cuts += octets.count(b"\x1dV") + octets.count(b"\x1bi") + octets.count(b"\x1bm")


class Recorder:
    """Octets in, lines of the file out, each complete with its line feed. Times are monotonic seconds."""

    def __init__(
        self,
        formats: Mapping[Line, LineFormat],
        program: str,
        started: datetime,
        now: float,
        most_octets: int,
    ) -> None:
        self.tallies = {line: Tally() for line in formats}
        self._held = {line: HeldLine(now) for line in formats}
        self._begun = now
        self._left = most_octets
        self.header = _line(
            {
                "tillbell_capture": VERSION,
                "tillbell": program,
                "started": started.isoformat(timespec="seconds"),
                "lines": {line.value: asdict(each) for line, each in formats.items()},
            }
        )

    @property
    def full(self) -> bool:
        return self._left <= 0

    def receive_data(self, data: bytes, now: float, line: Line) -> list[str]:
        """What goes beyond the bound is left out."""
        data = data[: max(self._left, 0)]
        self._left -= len(data)
        self.tallies[line].count(data)
        return self._lines(line, *self._held[line].receive_data(data, now)) if data else []

    def next_deadline(self) -> float | None:
        due = (held.next_deadline() for held in self._held.values())
        return min((each for each in due if each is not None), default=None)

    def tick(self, now: float) -> list[str]:
        return [text for line, held in self._held.items() for text in self._lines(line, *held.tick(now))]

    def close(self, now: float, why: str) -> list[str]:
        lines = [text for line, held in self._held.items() for text in self._lines(line, *held.close(now))]
        octets = {line.value: tally.octets for line, tally in self.tallies.items()}
        masked = sum(tally.masked for tally in self.tallies.values())
        return [*lines, _line({"end": {"why": why, "octets": octets, "masked": masked}})]

    def _lines(self, line: Line, pieces: list[Piece], spans: list[Span]) -> list[str]:
        self.tallies[line].masked += len(spans)
        return [
            *(_line(self._entry(line, piece)) for piece in _together(pieces)),
            *(_line({"masked": _span_json(line, span)}) for span in spans),
        ]

    def _entry(self, line: Line, piece: Piece) -> dict[str, Any]:
        t_ms = round((piece.time - self._begun) * 1000, 1)
        return {"t_ms": t_ms, "dir": line.value, "hex": piece.octets.hex()}


def _span_json(line: Line, span: Span) -> dict[str, Any]:
    delta = None if span.delta is None else f"{span.delta:02x}"
    return {"dir": line.value, "at": span.at, "length": span.length, "what": span.what, "delta": delta}


def _line(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":")) + "\n"


def _together(pieces: Iterable[Piece]) -> list[Piece]:
    joined: list[Piece] = []
    last = 0.0
    for piece in pieces:
        before = joined[-1] if joined else None
        if (
            before is not None
            and piece.time - last <= _SAME_S
            and len(before.octets) + len(piece.octets) <= _MOST_ENTRY
        ):
            joined[-1] = Piece(before.time, before.octets + piece.octets)
        else:
            joined.append(piece)
        last = piece.time
    return joined


class RecordingError(ValueError):
    """A file is no recording; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Step:
    """Octets of one end, ``time`` in seconds since the beginning."""

    time: float
    line: Line
    octets: bytes


@dataclass(frozen=True, slots=True)
class Masked:
    """A ``Span`` and the line it is on."""

    line: Line
    span: Span


@dataclass(frozen=True, slots=True)
class Recording:
    """``kind``: "capture", "session" or "octets". ``started``: None where the file does not tell. ``whole``: it has its end."""

    kind: str
    steps: tuple[Step, ...]
    masked: tuple[Masked, ...] = ()
    started: datetime | None = None
    formats: Mapping[Line, LineFormat] = field(default_factory=dict)
    whole: bool = True

    def octets(self, line: Line) -> bytes:
        return b"".join(step.octets for step in self.steps if step.line is line)


def read_recording(content: bytes, line: Line = Line.TERMINAL) -> Recording:
    """A capture, a session (``[{"t_ms", "dir", "hex"}]`` or an object that holds one), or octets as heard on ``line``.

    Raises RecordingError.
    """
    start = content.lstrip()[:1]
    if start == b"{" and b'"tillbell_capture"' in content[:200]:
        return _read_capture(content)
    if start in (b"[", b"{"):
        session = _session(content)
        if session is not None:
            return Recording("session", _in_order([_step(each, "session") for each in session]))
    if not content:
        raise RecordingError("the file is empty")
    return Recording("octets", (Step(0.0, line, content),))


def _session(content: bytes) -> list[Any] | None:
    """The list of steps, or None: octets that only begin like JSON."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, dict):
        value = next((each for each in value.values() if _is_session(each)), None)
    return value if _is_session(value) else None


def _is_session(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(each, dict) and "hex" in each for each in value)
    )


def _read_capture(content: bytes) -> Recording:
    rows = content.split(b"\n")
    header = _row(rows[0], 1)
    if header.get("tillbell_capture") != VERSION:
        raise RecordingError(
            f"line 1: version {header.get('tillbell_capture')!r} of the format is not known: this program reads {VERSION}"
        )
    steps, masked, whole = [], [], False
    for number, row in enumerate(rows[1:], 2):
        if not row.strip() or (number == len(rows) and not content.endswith(b"\n")):
            continue  # the last line may be half written
        entry = _row(row, number)
        if "hex" in entry:
            steps.append(_step(entry, f"line {number}"))
        elif "masked" in entry:
            masked.append(_masked(entry["masked"], number))
        whole = whole or "end" in entry
    formats = _formats(header.get("lines"))
    return Recording("capture", _in_order(steps), tuple(masked), _started(header), formats, whole)


def _row(text: bytes, number: int) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RecordingError(f"line {number}: no JSON") from error
    if not isinstance(value, dict):
        raise RecordingError(f"line {number}: no JSON object")
    return value


def _step(entry: Any, where: str) -> Step:
    try:
        return Step(
            float(entry.get("t_ms", 0)) / 1000, speaker(entry.get("dir")), bytes.fromhex(entry["hex"])
        )
    except (TypeError, ValueError) as error:
        raise RecordingError(f'{where}: {{"t_ms": number, "dir": text, "hex": text}} is expected') from error


def _masked(entry: Any, number: int) -> Masked:
    try:
        delta = None if entry["delta"] is None else int(entry["delta"], 16)
        span = Span(int(entry["at"]), int(entry["length"]), str(entry["what"]), delta)
        return Masked(speaker(entry["dir"]), span)
    except (KeyError, TypeError, ValueError) as error:
        raise RecordingError(f"line {number}: a masked span is damaged") from error


def speaker(direction: object) -> Line:
    """Who speaks: a till or a host where the file says so (``till``, ``ecr2pt``, ``host2pt``), else the terminal."""
    return Line.TILL if direction in ("till", "ecr", "host", "ecr2pt", "host2pt", "pos2pt") else Line.TERMINAL


def _in_order(steps: list[Step]) -> tuple[Step, ...]:
    return tuple(sorted(steps, key=lambda step: step.time))


def _started(header: Mapping[str, Any]) -> datetime | None:
    try:
        return datetime.fromisoformat(header["started"])
    except (KeyError, TypeError, ValueError):
        return None


def _formats(value: Any) -> dict[Line, LineFormat]:
    if not isinstance(value, dict):
        return {}
    try:
        return {speaker(name): LineFormat(**each) for name, each in value.items()}
    except TypeError:
        return {}
