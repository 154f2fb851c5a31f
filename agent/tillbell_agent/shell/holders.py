"""What a device node is, and which processes hold it open, as ``/proc`` tells. Nothing is opened, so no line is disturbed.

Only root sees into the processes of other users; ``Holders.all_seen`` says whether everybody was looked at.
"""

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
# Major numbers of the near ends of pseudo-terminals (UNIX 98).
_PTS_MAJORS = range(136, 144)
_INTERPRETERS = ("python", "perl", "sh", "bash", "dash", "node")
_LONGEST_PROGRAM = 60

# What two names of one device, or of one file, have in common.
Identity = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Process:
    """A program's name never has its further arguments: a PIN may stand there."""

    pid: int
    program: str


@dataclass(frozen=True, slots=True)
class Holders:
    """Who holds each path, by path as it was asked for, without this process."""

    by_path: dict[str, tuple[Process, ...]]
    all_seen: bool

    def of(self, path: str) -> tuple[Process, ...]:
        return self.by_path.get(path, ())


@dataclass(frozen=True, slots=True)
class PortFacts:
    """``trouble``: why it cannot be looked at, as the system says it; None: it is there."""

    trouble: str | None = None
    is_serial: bool = True
    allowed: bool = True
    holders: tuple[Process, ...] = ()


def look_at_port(path: str, holders: Holders) -> PortFacts:
    """A port as it stands in the configuration, not opened."""
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        return PortFacts(trouble=error.strerror or str(error))
    allowed = os.access(path, os.R_OK | os.W_OK)
    return PortFacts(None, stat.S_ISCHR(mode), allowed, holders.of(path))


def who_holds(paths: Iterable[str]) -> Holders:
    """Look once through every process for those that have one of ``paths`` open.

    The program behind a pseudo-terminal's far end is its other side, not a rival, and is not named.
    """
    wanted = {path: identity for path in paths if (identity := _identity(path)) is not None}
    found: dict[str, list[Process]] = {path: [] for path in wanted}
    all_seen = True
    for pid in _processes():
        try:
            opened = set(_opened_by(pid))
        except PermissionError:
            all_seen = False
            continue
        held = [path for path, identity in wanted.items() if identity in opened]
        for path in held:
            if not _is_far_end(wanted[path], pid):
                found[path].append(Process(pid, _program(pid)))
    return Holders({path: tuple(holders) for path, holders in found.items()}, all_seen)


def _identity(path: str) -> Identity | None:
    """Of what is behind the links of ``path``; None: nothing is there."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    if stat.S_ISCHR(status.st_mode):
        return ("device", os.major(status.st_rdev), os.minor(status.st_rdev))
    return ("file", status.st_dev, status.st_ino)


def _processes() -> Iterator[int]:
    own = os.getpid()
    for entry in sorted(_PROC.iterdir()):
        if entry.name.isdigit() and int(entry.name) != own:
            yield int(entry.name)


def _opened_by(pid: int) -> Iterator[Identity]:
    """What a process has open. Raises PermissionError where only root may look; a process that ended has nothing."""
    try:
        descriptors = os.listdir(_PROC / str(pid) / "fd")
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM):
            raise PermissionError(error.errno, error.strerror) from error
        return
    for descriptor in descriptors:
        identity = _identity(f"{_PROC}/{pid}/fd/{descriptor}")
        if identity is not None:
            yield identity


def _is_far_end(identity: Identity, pid: int) -> bool:
    """Has this process the master of the pseudo-terminal? The kernel says so since Linux 4.14."""
    kind, major, minor = identity
    if kind != "device" or major not in _PTS_MAJORS:
        return False
    index = (major - _PTS_MAJORS.start) * 256 + minor
    for information in (_PROC / str(pid) / "fdinfo").glob("*"):
        if f"tty-index:\t{index}" in _text(information).splitlines():
            return True
    return False


def _program(pid: int) -> str:
    """``ModemManager``; for an interpreter also what it runs: ``python3 -m tillbell_agent.cli``."""
    name = _text(_PROC / str(pid) / "comm").strip() or "a process that has just ended"
    words = _text(_PROC / str(pid) / "cmdline").split("\0")[1:]
    if name.startswith(_INTERPRETERS) and words:
        runs = next((word for word in words if word and not word.startswith("-")), "")
        shown = f"-m {runs}" if words[0] == "-m" else Path(runs).name
        name = f"{name} {shown}".strip()
    return "".join(each if each.isprintable() else "." for each in name)[:_LONGEST_PROGRAM]


def _text(path: Path) -> str:
    """A small file of ``/proc``; nothing where its process has ended."""
    try:
        return path.read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""
