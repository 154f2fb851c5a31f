"""A boot loader's disk: found where disks are mounted, and given a file. It vanishes as soon as it has all of it."""

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

from tillbell_agent.flash.identify import Volume

INFO = "INFO_UF2.TXT"
_PLACES = ("media/*", "media/*/*", "run/media/*/*", "mnt", "mnt/*")
_PIECE = 65_536
_LONGEST_INFO = 4096
_LOOK_S = 0.2
# What writing to a disk that has just restarted as a board gives.
_GONE = frozenset({errno.EIO, errno.ENODEV, errno.ENXIO, errno.ENOENT, errno.EROFS})


class VolumeError(Exception):
    """The disk is none of a boot loader's, or did not take the file; the message says what to do."""


def uf2_volumes(root: Path = Path("/")) -> list[Volume]:
    """All that are mounted."""
    folders = sorted(folder for place in _PLACES for folder in root.glob(place))
    return [volume for folder in folders if (volume := _volume(folder)) is not None]


def volume_at(folder: Path) -> Volume:
    """Raises VolumeError where this is no boot loader's disk."""
    volume = _volume(folder)
    if volume is None:
        raise VolumeError(
            f"{folder} has no {INFO}: it is no boot loader's disk. Hold BOOTSEL while you plug the board in, and mount it"
        )
    return volume


def wait_for_volume(fits: Callable[[Volume], bool], seconds: float, root: Path = Path("/")) -> Volume | None:
    """None: no fitting one was mounted within so long."""
    until = time.monotonic() + seconds
    while True:
        found = next((each for each in uf2_volumes(root) if fits(each)), None)
        if found is not None or time.monotonic() >= until:
            return found
        time.sleep(_LOOK_S)


def copy_uf2(octets: bytes, volume: Volume, name: str, advance: Callable[[int], None]) -> None:
    """Each piece is on the disk before the next. Raises VolumeError, but not where the disk went with the last piece."""
    path = Path(volume.path, name)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise VolumeError(f"{path} cannot be made: {error.strerror}. Mount the disk for writing") from error
    at = 0
    try:
        while at < len(octets):
            at += os.write(descriptor, octets[at : at + _PIECE])
            os.fsync(descriptor)
            advance(min(_PIECE, len(octets)))
    except OSError as error:
        if at < len(octets) or error.errno not in _GONE:
            raise VolumeError(
                f"{volume.path} took {at} of {len(octets)} octets: {error.strerror}. Hold BOOTSEL while you plug the "
                "board in, and run this again: the board takes the whole file anew"
            ) from error
    finally:
        _close(descriptor)


def _close(descriptor: int) -> None:
    try:
        os.close(descriptor)
    except OSError:
        return  # the disk is gone, which is what it does when it has everything


def _volume(folder: Path) -> Volume | None:
    try:
        with folder.joinpath(INFO).open("rb") as file:
            return Volume(str(folder), file.read(_LONGEST_INFO).decode("ascii", "replace"))
    except OSError:
        return None
