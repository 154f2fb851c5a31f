"""Files that must be whole or absent, and private: written beside, synced, renamed."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class SecretFileError(Exception):
    """A file gives no secret; the message says which file, why, and the next step, and never shows what stands in it."""


def read_secret(path: Path, if_unreadable: str) -> bytes:
    """What its owner alone may read, without space around it. ``if_unreadable``: the next step. Raises SecretFileError."""
    try:
        mode = path.stat().st_mode
        content = path.read_bytes().strip()
    except OSError as error:
        raise SecretFileError(f"{path} cannot be read: {error.strerror}. {if_unreadable}") from error
    if mode & 0o077:
        raise SecretFileError(f"{path} can be read by others. Run: chmod 600 {path}")
    return content


def write_whole(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace ``path`` by ``content`` so that a power cut leaves the old file or the new one. Raises OSError."""
    beside = path.with_name(path.name + ".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        os.fchmod(descriptor, mode)
        _write_all(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    beside.rename(path)
    sync_directory(path.parent)


def write_new(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Make ``path``, which must not exist (FileExistsError otherwise). Where the disk refuses, no part of it stays."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        os.fchmod(descriptor, mode)
        _write_all(descriptor, content)
        os.fsync(descriptor)
    except OSError:
        path.unlink()
        raise
    finally:
        os.close(descriptor)
    sync_directory(path.parent)


def _write_all(descriptor: int, content: bytes) -> None:
    """A disk that is nearly full takes a part first and refuses only then."""
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]


def sync_directory(path: Path) -> None:
    """Make a rename in ``path`` durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def directory_held(path: Path) -> Iterator[None]:
    """Be the only process that holds the directory ``path`` so; waits for others. Raises OSError; leaves no file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
