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
_MOST_BEHIND_HEAD = _IV_OCTETS + _CHECK_OCTETS + MOST_OF_A_BATCH + _BLOCK
_FROM_END = 2
_U32 = 0xFFFFFFFF
_ROW = 2


class Part:
    """Chunks ``first`` to ``newest`` of one start, in at most ``most`` files; all memory for that is taken now."""

    def __init__(self, log: int, boot: int, first: int, most: int) -> None:
        self._rows = array("I", bytes(4 * _ROW * most))  # each: a file, its first chunk
        self.begin(log, boot, first)

    def begin(self, log: int, boot: int, first: int) -> None:
        """Nothing is in it."""
        self.log, self.boot, self.first, self.newest = log, boot, first, first - 1
        self._begin = self._end = 0

    @property
    def is_empty(self) -> bool:
        return self._begin == self._end

    @property
    def oldest_file(self) -> int:
        return self._rows[self._begin]

    def add(self, file: int, count: int) -> None:
        """So many chunks more, in a file that is the newest one already, or is from now on."""
        if self.is_empty or self._rows[self._end - _ROW] != file:
            if self._end == len(self._rows):
                self._move_down()
            self._rows[self._end], self._rows[self._end + 1] = file, self.newest + 1
            self._end += _ROW
        self.newest += count

    def trim(self) -> None:
        """Nothing will be added."""
        self._rows = self._rows[self._begin : self._end]
        self._begin, self._end = 0, len(self._rows)

    def file_of(self, seq: int) -> int:
        """Raises OSError: there is none."""
        if self.first <= seq <= self.newest:
            for row in range(self._end - _ROW, self._begin - 1, -_ROW):
                if self._rows[row + 1] <= seq:
                    return self._rows[row]
        raise OSError("not held")

    def forget(self, seq: int) -> None:
        """All up to this one."""
        self.first = max(self.first, min(seq, self.newest) + 1)
        while not self.is_empty and self._last_of_oldest() < self.first:
            self._begin += _ROW

    def _last_of_oldest(self) -> int:
        following = self._begin + _ROW
        return self._rows[following + 1] - 1 if following < self._end else self.newest

    def _move_down(self) -> None:
        for at in range(self._begin, self._end):
            self._rows[at - self._begin] = self._rows[at]
        self._begin, self._end = 0, self._end - self._begin


class Journal:
    """``cipher``: 16 octets → AES-CBC with ``encrypt`` and ``decrypt``; ``random``: gives octets; ``room``: octets of flash.

    ``old``: what earlier starts left, oldest first. ``present``: of this start. Files are removed in ``tidy`` alone.
    ``meanwhile`` is called at each file that is looked into: of a full journal that takes seconds.
    """

    def __init__(self, folder: str, cipher, random, room: int, meanwhile=None) -> None:  # type: ignore[no-untyped-def]
        self.writes = self.torn = self.refused = 0
        self.old = []  # type: list[Part]
        self.present = None  # type: Part | None
        self._folder, self._cipher, self._random, self._room = folder, cipher, random, room
        self._sizes = {}  # type: dict[int, int]  # file → octets
        self._newest_file = 0
        self._unfound = []  # type: list[int]  # files that there was no memory to look into
        self._open_file = 0  # the one that this start adds to; 0: none
        self._cached_log, self._cached_first = 0, 0  # of the batch that was read last
        self._cached = []  # type: list[bytes]
        self._spare = Part(0, 0, 1, room // _FLASH_BLOCK + 2)  # of this start: memory is not in pieces yet
        self._meanwhile = meanwhile
        self._find()

    @property
    def held(self) -> int:
        """Chunks; of a file that was not looked into yet, one."""
        return len(self._unfound) + sum(part.newest - part.first + 1 for part in self._parts())

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
            with open(
                self._path(file), "ab" if at else "wb"
            ) as out:  # a new one begins anew, whatever a try left
                out.write(octets)
        except OSError:
            self.refused += 1
            self._open_file = 0  # half of it may be there
            return False
        self.writes += 1
        self._newest_file, self._open_file = max(file, self._newest_file), file
        self._sizes[file] = at + len(octets)
        if self.present is None or self.present.is_empty:
            self.present = self._spare
            self.present.begin(log, boot, first)
        self.present.add(file, len(payloads))
        return True

    def read(self, part: Part, seq: int) -> bytes:
        """A chunk that the part holds. Raises OSError where the flash does not give it any more."""
        if self._cached_log != part.log or not self._cached_first <= seq < self._cached_first + len(
            self._cached
        ):
            self._read_batch(part, seq)
        return self._cached[seq - self._cached_first]

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
        self._unfound = sorted([number for number in map(_number_of, os.listdir(self._folder)) if number])
        if self._unfound:
            self._newest_file = self._unfound[-1]
        self.find_more()

    def find_more(self) -> None:
        """What memory did not allow before: once what was found has been taken."""
        while self._unfound:
            if self._meanwhile is not None:
                self._meanwhile()
            file = self._unfound[0]
            try:
                self._find_in(file)
            except OSError:
                self.torn += 1  # what the flash does not give any more costs this file alone
            except MemoryError:
                self._sizes.pop(file, None)
                return
            self._unfound = self._unfound[1:]

    def _find_in(self, file: int) -> None:
        with open(self._path(file), "rb") as found:
            self._sizes[file] = found.seek(0, _FROM_END)
            found.seek(0)
            body = _next_body(found)
            while body:
                self._found(file, body)
                body = _next_body(found)
            self.torn += body is None

    def _found(self, file: int, body: bytes) -> None:
        log, boot, first, count, _ = struct.unpack(_HEAD, body[:_HEAD_OCTETS])
        last = self.old[-1] if self.old else None
        if last is None or last.log != log or last.newest + 1 != first:
            if last is not None:
                last.trim()
            last = Part(log, boot, first, self._room // _FLASH_BLOCK + 2)
            self.old.append(last)
        last.add(file, count)

    def _encoded(self, log: int, boot: int, first: int, payloads: "list[bytes]") -> bytes:
        plain = b"".join([bytes([len(payload)]) + payload for payload in payloads])
        plain = _check(plain) + plain  # by which another key is known
        plain += bytes(-len(plain) % _BLOCK)
        iv = self._random(_IV_OCTETS)
        head = struct.pack(_HEAD, log, boot, first, len(payloads), _IV_OCTETS + len(plain))
        body = head + iv + self._cipher(iv).encrypt(plain)
        return body + _check(body)

    def _read_batch(self, part: Part, seq: int) -> None:
        """The batch with this chunk is what was read last. Raises OSError."""
        self._cached_log, self._cached = 0, []
        with open(self._path(part.file_of(seq)), "rb") as found:
            while True:
                body = _next_body(found)
                if not body:
                    raise OSError("torn")
                log, _, first, count, _ = struct.unpack(_HEAD, body[:_HEAD_OCTETS])
                if log == part.log and first <= seq < first + count:
                    break
        self._cached = self._decrypted(body, count)
        self._cached_log, self._cached_first = log, first

    def _decrypted(self, body: bytes, count: int) -> "list[bytes]":
        iv = body[_HEAD_OCTETS : _HEAD_OCTETS + _IV_OCTETS]
        plain = self._cipher(iv).decrypt(body[_HEAD_OCTETS + _IV_OCTETS :])
        chunks, place = [], _CHECK_OCTETS
        for _ in range(count):
            if place >= len(plain):
                break
            chunks.append(bytes(plain[place + 1 : place + 1 + plain[place]]))
            place += 1 + plain[place]
        if _check(bytes(plain[_CHECK_OCTETS:place])) != bytes(plain[:_CHECK_OCTETS]):
            raise OSError("written under another key")
        return chunks


def _encoded_octets(payloads: "list[bytes]") -> int:
    """What they take in flash."""
    plain = _CHECK_OCTETS + sum(len(payload) + 1 for payload in payloads)
    return _HEAD_OCTETS + _IV_OCTETS + plain + -plain % _BLOCK + _CHECK_OCTETS


def _next_body(file) -> "bytes | None":  # type: ignore[no-untyped-def]
    """The batch that begins here, without its check sum; nothing: the file ends here; None: it is torn."""
    head = file.read(_HEAD_OCTETS)
    if len(head) < _HEAD_OCTETS:
        return None if head else b""
    size = struct.unpack(_HEAD, head)[4]
    if not _IV_OCTETS < size <= _MOST_BEHIND_HEAD:
        return None
    body = head + file.read(size)
    return bytes(body) if _check(body) == file.read(_CHECK_OCTETS) else None


def _check(body: bytes) -> bytes:
    return (binascii.crc32(body) & _U32).to_bytes(_CHECK_OCTETS, "little")


def _number_of(name: str) -> int:
    """0: this is none of the journal's."""
    try:
        return int(name, 16)
    except ValueError:
        return 0
