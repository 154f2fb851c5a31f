"""What Linux says of a process and of a place on disk, read from /proc (proc(5))."""

import os
import platform
import sqlite3
import tempfile
import time
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


class NoSuchFigureError(Exception):
    """This kernel does not tell what was asked for."""


def status_kib(pid: int, name: str) -> int:
    """A size out of ``status``: VmRSS (resident now), VmHWM (resident at most so far)."""
    return int(_status(pid, name).split()[0])


def wakeups(pid: int) -> int:
    """How often the process has gone to sleep, and so been woken, since it started."""
    return int(_status(pid, "voluntary_ctxt_switches"))


def cpu_s(pid: int) -> float:
    """What its threads have run, to the nanosecond; to a hundredth of a second where the kernel does not say that."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9
    except FileNotFoundError:
        pass
    behind_the_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(behind_the_name[11]) + int(behind_the_name[12])) / _TICKS


def written_octets(pid: int) -> int:
    """``write_bytes``: what the process has made the kernel write to a block device. 0 for ever on tmpfs."""
    try:
        lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    except OSError as error:  # a kernel without task I/O accounting, or a container that hides it
        raise NoSuchFigureError(f"/proc/{pid}/io cannot be read: {error.strerror}") from error
    for line in lines:
        name, _, value = line.partition(": ")
        if name == "write_bytes":
            return int(value)
    raise NoSuchFigureError(f"/proc/{pid}/io has no write_bytes")


def file_system(path: Path) -> str:
    """The type of the file system that ``path`` is on."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    whole = path.resolve()
    over = [(mount[1], mount[2]) for mount in mounts if whole.is_relative_to(mount[1])]
    return max(over, key=lambda each: len(each[0]))[1]


def folder_on_disk(fallback: Path) -> Path:
    """A new folder for the state on a real disk: in the system's place for temporary files, unless that is memory."""
    place = Path(tempfile.gettempdir())
    if file_system(place) in {"tmpfs", "ramfs"}:
        place = fallback
        place.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="tillbell-bench-", dir=place))


def sync_ms(folder: Path, times: int = 50) -> list[float]:
    """What one fsync of a page appended to a file takes there: the part of a commit that no program can save."""
    path, durations = folder / "sync", []
    with path.open("wb", buffering=0) as file:
        for _ in range(times):
            file.write(bytes(1024))
            began = time.perf_counter()
            os.fsync(file.fileno())
            durations.append(1000 * (time.perf_counter() - began))
    path.unlink()
    return durations


def machine(folder: Path) -> str:
    """In a line: what the figures were measured on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    return (
        f"{model}, {os.cpu_count()} cores; Linux {platform.release()}, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}, state on {file_system(folder)}"
    )


def _status(pid: int, name: str) -> str:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return value.strip()
    raise NoSuchFigureError(f"/proc/{pid}/status has no {name}")
