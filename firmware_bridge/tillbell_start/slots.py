"""Two slots for the application: which one runs, how often a new one may be tried, and whether its files are whole.

The pointer is a small file with JSON: ``slot``, ``state`` (``trial`` or ``good``), ``tries`` that are left, ``fallback``.
"""

import hashlib
import json

from tillbell_start import small_file

SLOTS = ("a", "b")
TRIES = 3
_POINTER = "/slot"
_READ = 1024


class Pointer:
    """``fallback``: the slot that runs when a trial has failed; None: there is none."""

    def __init__(self, slot: str, state: str = "good", tries: int = 0, fallback: "str | None" = None) -> None:
        self.slot, self.state, self.tries, self.fallback = slot, state, tries, fallback

    def encode(self) -> bytes:
        found = {"slot": self.slot, "state": self.state, "tries": self.tries, "fallback": self.fallback}
        return json.dumps(found).encode()


def decode(octets: bytes) -> "Pointer | None":
    """None: this is no pointer."""
    try:
        found = json.loads(octets)
        pointer = Pointer(found["slot"], found["state"], found["tries"], found["fallback"])
    except (ValueError, KeyError, TypeError):
        return None
    known = pointer.slot in SLOTS and pointer.state in ("trial", "good")
    fits = isinstance(pointer.tries, int) and (pointer.fallback is None or pointer.fallback in SLOTS)
    return pointer if known and fits else None


def read(root: str) -> "Pointer | None":
    octets = small_file.read(root + _POINTER)
    return decode(octets) if octets is not None else None


def write(root: str, pointer: Pointer) -> None:
    small_file.write(root + _POINTER, pointer.encode())


def choose(root: str) -> "str | None":
    """The slot to run now; a try is taken, and a trial without one ends, before this returns. None: none is whole."""
    pointer = read(root)
    if pointer is None:
        return _first_whole(root, SLOTS)
    if pointer.state == "trial" and pointer.tries > 0 and is_whole(root, pointer.slot):
        pointer.tries -= 1
        try:
            write(root, pointer)
            return pointer.slot
        except OSError:
            pass  # a try that cannot be counted is none
    if pointer.state == "good" and is_whole(root, pointer.slot):
        return pointer.slot
    other = give_up(root, pointer.slot)
    return other or _first_whole(
        root, (pointer.slot,)
    )  # a trial behind which there is nothing is tried for ever


def give_up(root: str, slot: str) -> "str | None":
    """This slot does not run: the other one from now on, where that is whole."""
    other = SLOTS[1 - SLOTS.index(slot)]
    if not is_whole(root, other):
        return None
    try:
        write(root, Pointer(other))
    except OSError:
        pass  # the next start finds the same
    return other


def confirm(root: str) -> None:
    """A trial has proved itself."""
    pointer = read(root)
    if pointer is not None and pointer.state == "trial":
        write(root, Pointer(pointer.slot, fallback=pointer.fallback))


def is_whole(root: str, slot: str) -> bool:
    """Whether each file has the hash that the slot's manifest says."""
    folder = root + "/" + slot
    try:
        with open(folder + "/manifest.json", "rb") as file:
            files = json.loads(file.read())["files"]
        for name in files:
            if digest(folder + "/" + name) != files[name]:
                return False
        return bool(files)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def version(root: str, slot: str) -> str:
    try:
        with open(root + "/" + slot + "/manifest.json", "rb") as file:
            return str(json.loads(file.read())["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return "unknown"


def digest(path: str) -> str:
    """SHA-256 of a file, in hexadecimal. Raises OSError."""
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while True:
            octets = file.read(_READ)
            if not octets:
                return found.digest().hex()
            found.update(octets)


def _first_whole(root: str, names: "tuple[str, ...]") -> "str | None":
    for name in names:
        if is_whole(root, name):
            return name
    return None
