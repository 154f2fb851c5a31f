"""A board that is a folder: for what an installer does to its files, and for the power going after any single operation."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tillbell_agent.flash.link import BoardError

PIECE = 512


class ModelBoard:
    """``cut_at``: the operation (counted from 0) in which the power goes, and ``done``: whether the flash still took it.

    A write is one operation for each piece, and one more before, for an entry is made before its data.
    """

    def __init__(self, folder: Path, cut_at: int | None = None, *, done: bool = False) -> None:
        self._folder, self._cut_at, self._done = folder, cut_at, done
        self.operations = 0
        self.log: list[str] = []
        self.spoil = 0  # so many writes come out wrong

    def exec(self, code: str) -> str:
        return "('linux', 'a folder', '1.29.0', 6, 'e661', 1441792, 4096)\n"

    def write_file(self, path: str, octets: bytes, advance: Callable[[int], None]) -> None:
        if self.spoil:
            self.spoil -= 1
            octets = octets[:-1] + bytes([octets[-1] ^ 1])
        self._change(f"make {path}", lambda: self._at(path).write_bytes(b""))
        for start in range(0, len(octets), PIECE):
            piece = octets[start : start + PIECE]
            self._change(f"write {path}", lambda piece=piece: self._append(path, piece))
            advance(len(piece))

    def read_file(self, path: str) -> bytes | None:
        return self._at(path).read_bytes() if self._at(path).is_file() else None

    def hash_file(self, path: str) -> str | None:
        found = self.read_file(path)
        return hashlib.sha256(found).hexdigest() if found is not None else None

    def list_folder(self, path: str) -> list[str] | None:
        if not self._at(path).is_dir():
            return None
        return [each.name + ("/" if each.is_dir() else "") for each in sorted(self._at(path).iterdir())]

    def make_folder(self, path: str) -> None:
        self._change(f"folder {path}", lambda: self._at(path).mkdir())

    def remove(self, path: str) -> None:
        self._change(f"remove {path}", lambda: self._at(path).unlink())

    def rename(self, old: str, new: str) -> None:
        self._change(f"rename {new}", lambda: self._at(old).rename(self._at(new)))

    def _at(self, path: str) -> Path:
        return self._folder / path.lstrip("/")

    def _append(self, path: str, piece: bytes) -> None:
        with self._at(path).open("ab") as file:
            file.write(piece)

    def _change(self, what: str, act: Callable[[], object]) -> None:
        is_last = self.operations == self._cut_at
        self.operations += 1
        self.log.append(what)
        if not is_last or self._done:
            act()
        if is_last:
            raise BoardError(f"the power went: {what}")


@contextmanager
def silent_step(_name: str, _total: int) -> Iterator[Callable[[int], None]]:
    yield lambda _octets: None
