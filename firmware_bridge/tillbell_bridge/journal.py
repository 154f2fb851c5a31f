"""What a bridge heard while no agent took it, in flash: batches of chunks, encrypted, told from torn ones by a check sum.

A file holds some batches, each written at once behind those before: what a power cut leaves is what was written up to some
moment. littlefs shows an addition whole or not at all; where a file system does not, a torn batch ends what a file holds.
Files are numbers here, and what is known of them stands in arrays: a full journal must not leave memory in pieces.
"""

import binascii
import os
import struct
from array import array

_HEAD = "<IHIHH"  # log, boot, first sequence number, number of chunks, octets that follow
_HEAD_OCTETS, _IV_OCTETS, _CHECK_OCTETS = 14, 16, 4
_BLOCK = 16
_FLASH_BLOCK = 4096  # what the smallest file of more than a few octets takes
MOST_OF_A_BATCH = 1024  # octets of chunks: what is encrypted and decrypted at once
_U32 = 0xFFFFFFFF
_ROW = 3  # of a batch: its file, where it begins there, its first chunk


class Part:
    """Chunks ``first`` to ``newest`` of one start, in batches."""

    def __init__(self, log: int, boot: int, first: int) -> None:
        self.log, self.boot, self.first, self.newest = log, boot, first, first - 1
        self._rows = array("I")

    @property
    def is_empty(self) -> bool:
        return not self._rows

    def add(self, file: int, at: int, count: int) -> None:
        """A batch of so many chunks."""
        for value in (file, at, self.newest + 1):
            self._rows.append(value)
        self.newest += count

    def batch_of(self, seq: int) -> "tuple[int, int, int, int]":
        """(file, place, first chunk, number of chunks) of the batch with this chunk. Raises OSError: there is none."""
        end = self.newest
        for row in range(len(self._rows) - _ROW, -1, -_ROW):
            first = self._rows[row + 2]
            if first <= seq <= end:
                return self._rows[row], self._rows[row + 1], first, end - first + 1
            end = first - 1
        raise OSError("not held")

    def forget(self, seq: int) -> None:
        """All up to this one."""
        self.first = max(self.first, min(seq, self.newest) + 1)
        row = 0
        while row < len(self._rows) and self._end_of(row) <= seq:
            row += _ROW
        if row:
            self._rows = self._rows[row:]

    @property
    def oldest_file(self) -> int:
        return self._rows[0]

    def _end_of(self, row: int) -> int:
        following = row + _ROW
        return self._rows[following + 2] - 1 if following < len(self._rows) else self.newest


class Journal:
    """``cipher``: 16 octets → AES-CBC with ``encrypt`` and ``decrypt``; ``random``: gives octets; ``room``: octets of flash.

    ``old``: what earlier starts left, oldest first. ``present``: of this start. Files are removed in ``tidy`` alone.
    """

    def __init__(self, folder: str, cipher, random, room: int) -> None:  # type: ignore[no-untyped-def]
        self.writes = self.torn = self.refused = 0
        self.old = []  # type: list[Part]
        self.present = None  # type: Part | None
        self._folder, self._cipher, self._random, self._room = folder, cipher, random, room
        self._sizes = {}  # type: dict[int, int]  # file → octets
        self._newest_file = 0
        self._open_file = 0  # the one that this start adds to; 0: none
        self._cached = (0, 0)  # file and place of the batch that was read last
        self._cached_chunks = []  # type: list[bytes]
        self._find()

    @property
    def held(self) -> int:
        """Chunks."""
        return sum(part.newest - part.first + 1 for part in self._parts())

    @property
    def used(self) -> int:
        """Octets of flash, about."""
        return sum(-(-size // _FLASH_BLOCK) for size in self._sizes.values()) * _FLASH_BLOCK

    @property
    def fill(self) -> int:
        """In per cent of the room."""
        return 100 * self.used // self._room

    def append(self, log: int, boot: int, first: int, payloads: "list[bytes]") -> bool:
        """Chunks of this start, from ``first`` on, right behind those before. False: the flash takes no more, or is full.

        Nothing of them is there then. MemoryError: neither is there memory for them.
        """
        file = self._file_for(_encoded_octets(payloads))
        at = self._sizes.get(file, 0)
        if at == 0 and self.used + _FLASH_BLOCK > self._room:
            self.refused += 1
            return False
        octets = self._encoded(log, boot, first, payloads)
        try:
            with open(self._path(file), "ab") as out:
                out.write(octets)
        except OSError:
            self.refused += 1
            self._newest_file, self._open_file = max(file, self._newest_file), 0  # half of it may be there
            self._sizes[file] = at
            return False
        self.writes += 1
        self._newest_file, self._open_file = max(file, self._newest_file), file
        self._sizes[file] = at + len(octets)
        if self.present is None or self.present.is_empty:
            self.present = Part(log, boot, first)
        self.present.add(file, at, len(payloads))
        return True

    def read(self, part: Part, seq: int) -> bytes:
        """A chunk that the part holds. Raises OSError where the flash does not give it any more."""
        file, at, first, count = part.batch_of(seq)
        if self._cached != (file, at):
            self._cached_chunks = self._chunks(file, at, count)
            self._cached = (file, at)
        return self._cached_chunks[seq - first]

    def tidy(self) -> bool:
        """Removes one file that is not needed any more; False: there is none, or the flash refused.

        What is forgotten is always the oldest, so that is where to look.
        """
        if not self._sizes:
            return False
        oldest = min(self._sizes)
        needed = [part.oldest_file for part in self._parts() if not part.is_empty]
        return not (needed and oldest >= min(needed)) and self._remove(oldest)

    def _parts(self) -> "list[Part]":
        return self.old + ([self.present] if self.present is not None else [])

    def _file_for(self, octets: int) -> int:
        """The one that is added to, while it stays within a block of flash."""
        if self._open_file and self._sizes[self._open_file] + octets <= _FLASH_BLOCK:
            return self._open_file
        return self._newest_file + 1

    def _remove(self, file: int) -> bool:
        try:
            os.remove(self._path(file))
        except OSError:
            return False
        del self._sizes[file]
        if file == self._open_file:
            self._open_file = 0
        return True

    def _path(self, file: int) -> str:
        return f"{self._folder}/{file:08x}"

    def _find(self) -> None:
        try:
            os.mkdir(self._folder)
        except OSError:
            pass  # it is there
        for file in sorted(_number_of(name) for name in os.listdir(self._folder)):
            if file:
                self._newest_file = file
                self._find_in(file)

    def _find_in(self, file: int) -> None:
        with open(self._path(file), "rb") as found:
            octets = found.read(_FLASH_BLOCK)
        self._sizes[file] = len(octets)
        at = 0
        while at < len(octets):
            body = _body(octets, at)
            if body is None:
                self.torn += 1
                return
            log, boot, first, count, _ = struct.unpack(_HEAD, body[:_HEAD_OCTETS])
            last = self.old[-1] if self.old else None
            if last is None or last.log != log or last.newest + 1 != first:
                last = Part(log, boot, first)
                self.old.append(last)
            last.add(file, at, count)
            at += len(body) + _CHECK_OCTETS

    def _encoded(self, log: int, boot: int, first: int, payloads: "list[bytes]") -> bytes:
        plain = b"".join([bytes([len(payload)]) + payload for payload in payloads])
        plain += bytes(-len(plain) % _BLOCK)
        iv = self._random(_IV_OCTETS)
        head = struct.pack(_HEAD, log, boot, first, len(payloads), _IV_OCTETS + len(plain))
        body = head + iv + self._cipher(iv).encrypt(plain)
        return body + _check(body)

    def _chunks(self, file: int, at: int, count: int) -> "list[bytes]":
        with open(self._path(file), "rb") as found:
            found.seek(at)
            body = _body(found.read(2 * MOST_OF_A_BATCH), 0)
        if body is None:
            raise OSError("torn")
        iv = body[_HEAD_OCTETS : _HEAD_OCTETS + _IV_OCTETS]
        plain = self._cipher(iv).decrypt(body[_HEAD_OCTETS + _IV_OCTETS :])
        chunks, place = [], 0
        for _ in range(count):
            chunks.append(bytes(plain[place + 1 : place + 1 + plain[place]]))
            place += 1 + plain[place]
        return chunks


def _encoded_octets(payloads: "list[bytes]") -> int:
    """What they take in flash."""
    plain = sum(len(payload) + 1 for payload in payloads)
    return _HEAD_OCTETS + _IV_OCTETS + plain + -plain % _BLOCK + _CHECK_OCTETS


def _body(octets: bytes, at: int) -> "bytes | None":
    """A batch that begins here, without its check sum; None: it is torn."""
    if at + _HEAD_OCTETS > len(octets):
        return None
    size = _HEAD_OCTETS + struct.unpack(_HEAD, octets[at : at + _HEAD_OCTETS])[4]
    body, check = octets[at : at + size], octets[at + size : at + size + _CHECK_OCTETS]
    return body if size > _HEAD_OCTETS + _IV_OCTETS and _check(body) == check else None


def _check(body: bytes) -> bytes:
    return (binascii.crc32(body) & _U32).to_bytes(_CHECK_OCTETS, "little")


def _number_of(name: str) -> int:
    """0: this is none of the journal's."""
    try:
        return int(name, 16)
    except ValueError:
        return 0
