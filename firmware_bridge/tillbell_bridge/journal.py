"""What a bridge heard while no agent took it, in flash: batches of chunks, encrypted, told from torn ones by a check sum.

A file holds some batches, each written at once behind those before: what a power cut leaves is what was written up to some
moment. littlefs shows an addition whole or not at all; where a file system does not, a torn batch ends what a file holds.
"""

import binascii
import os
import struct

_HEAD = "<IHIHH"  # log, boot, first sequence number, number of chunks, octets that follow
_HEAD_OCTETS, _IV_OCTETS, _CHECK_OCTETS = 14, 16, 4
_BLOCK = 16
_FLASH_BLOCK = 4096  # what the smallest file of more than a few octets takes
MOST_OF_A_BATCH = 2048  # octets of chunks: what is decrypted at once
_U32 = 0xFFFFFFFF


class Batch:
    """Where chunks ``first`` to ``newest`` are: from octet ``at`` of a file on."""

    def __init__(self, name: str, at: int, first: int, newest: int) -> None:
        self.name, self.at, self.first, self.newest = name, at, first, newest


class Part:
    """Chunks ``first`` to ``newest`` of one start."""

    def __init__(self, log: int, boot: int, first: int) -> None:
        self.log, self.boot, self.first, self.newest = log, boot, first, first - 1
        self.batches = []  # type: list[Batch]

    def add(self, batch: Batch) -> None:
        self.newest = batch.newest
        self.batches.append(batch)


class Journal:
    """``cipher``: 16 octets → AES-CBC with ``encrypt`` and ``decrypt``; ``random``: gives octets; ``room``: octets of flash.

    ``old``: what earlier starts left, oldest first. ``present``: of this start. Files are removed in ``tidy`` alone.
    """

    def __init__(self, folder: str, cipher, random, room: int) -> None:  # type: ignore[no-untyped-def]
        self.writes = self.torn = self.refused = 0
        self.old = []  # type: list[Part]
        self.present = None  # type: Part | None
        self._folder, self._cipher, self._random, self._room = folder, cipher, random, room
        self._sizes = {}  # type: dict[str, int]
        self._number = 0
        self._open_file = ""  # the one that this start adds to
        self._cached = None  # type: Batch | None
        self._cached_chunks = []  # type: list[bytes]
        self._find()

    @property
    def held(self) -> int:
        """Chunks."""
        parts = self.old + ([self.present] if self.present else [])
        return sum([part.newest - part.first + 1 for part in parts])

    @property
    def used(self) -> int:
        """Octets of flash, about."""
        return sum([-(-size // _FLASH_BLOCK) * _FLASH_BLOCK for size in self._sizes.values()])

    @property
    def fill(self) -> int:
        """In per cent of the room."""
        return 100 * self.used // self._room

    def append(self, log: int, boot: int, first: int, payloads: "list[bytes]") -> bool:
        """Chunks of this start, from ``first`` on, right behind those before. False: the flash takes no more, or is full.

        Nothing of them is there then.
        """
        octets = self._encoded(log, boot, first, payloads)
        if self._sizes.get(self._open_file, _FLASH_BLOCK) + len(octets) > _FLASH_BLOCK:
            self._number += 1
            self._open_file = f"{self._number:08x}"
        name, at = self._open_file, self._sizes.get(self._open_file, 0)
        if self.used + (_FLASH_BLOCK if at == 0 else 0) > self._room:
            self.refused += 1
            return False
        try:
            with open(self._path(name), "ab") as file:
                file.write(octets)
        except OSError:
            self.refused += 1
            self._open_file = ""  # half of it may be there
            self._sizes[name] = at
            return False
        self.writes += 1
        self._sizes[name] = at + len(octets)
        if self.present is None or not self.present.batches:
            self.present = Part(log, boot, first)
        self.present.add(Batch(name, at, first, first + len(payloads) - 1))
        return True

    def read(self, part: Part, seq: int) -> bytes:
        """A chunk that the part holds. Raises OSError where the flash does not give it any more."""
        for batch in part.batches:
            if batch.first <= seq <= batch.newest:
                if self._cached is not batch:
                    self._cached_chunks = self._chunks(batch)
                    self._cached = batch
                return self._cached_chunks[seq - batch.first]
        raise OSError("not held")

    def forget(self, part: Part, seq: int) -> None:
        """Of the part, all up to this one."""
        part.first = max(part.first, min(seq, part.newest) + 1)
        part.batches = [batch for batch in part.batches if batch.newest > seq]

    def tidy(self) -> bool:
        """Removes one file that is not needed any more; False: there is none, or the flash refused."""
        parts = self.old + ([self.present] if self.present else [])
        needed = [batch.name for part in parts for batch in part.batches]
        for name in self._sizes:
            if name not in needed:
                return self._remove(name)
        return False

    def _remove(self, name: str) -> bool:
        try:
            os.remove(self._path(name))
        except OSError:
            return False
        del self._sizes[name]
        if name == self._open_file:
            self._open_file = ""
        return True

    def _path(self, name: str) -> str:
        return self._folder + "/" + name

    def _find(self) -> None:
        try:
            os.mkdir(self._folder)
        except OSError:
            pass  # it is there
        for name in sorted(os.listdir(self._folder)):
            with open(self._path(name), "rb") as file:
                octets = file.read(_FLASH_BLOCK)
            self._sizes[name] = len(octets)
            self._number = max(self._number, _number_of(name))
            at = 0
            while at < len(octets):
                body = _body(octets, at)
                if body is None:
                    self.torn += 1
                    break
                self._found(name, at, body)
                at += len(body) + _CHECK_OCTETS

    def _found(self, name: str, at: int, body: bytes) -> None:
        log, boot, first, count, _ = struct.unpack(_HEAD, body[:_HEAD_OCTETS])
        last = self.old[-1] if self.old else None
        if last is None or last.log != log or last.newest + 1 != first:
            last = Part(log, boot, first)
            self.old.append(last)
        last.add(Batch(name, at, first, first + count - 1))

    def _encoded(self, log: int, boot: int, first: int, payloads: "list[bytes]") -> bytes:
        plain = b"".join([bytes([len(payload)]) + payload for payload in payloads])
        plain += bytes(-len(plain) % _BLOCK)
        iv = self._random(_IV_OCTETS)
        head = struct.pack(_HEAD, log, boot, first, len(payloads), _IV_OCTETS + len(plain))
        body = head + iv + self._cipher(iv).encrypt(plain)
        return body + _check(body)

    def _chunks(self, batch: Batch) -> "list[bytes]":
        with open(self._path(batch.name), "rb") as file:
            file.seek(batch.at)
            body = _body(file.read(_FLASH_BLOCK), 0)
        if body is None:
            raise OSError("torn")
        iv = body[_HEAD_OCTETS : _HEAD_OCTETS + _IV_OCTETS]
        plain = self._cipher(iv).decrypt(body[_HEAD_OCTETS + _IV_OCTETS :])
        found, at = [], 0
        for _ in range(batch.newest - batch.first + 1):
            found.append(bytes(plain[at + 1 : at + 1 + plain[at]]))
            at += 1 + plain[at]
        return found


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
    try:
        return int(name, 16)
    except ValueError:
        return 0
