"""Brings the application into the slot that does not run, and lets the board try it. Each step may be the last one.

Until the pointer names the new slot, which is one rename, every start runs the old one: its files are not touched, and
the new slot has no manifest before all its files are right.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from tillbell_agent.flash.examine import CONFIG, OLD_CONFIG, POINTER, Installed, SlotFacts, files_below
from tillbell_agent.flash.link import Advance, BoardError, BoardLink
from tillbell_agent.flash.provision import read_config
from tillbell_agent.flash.slots import GOOD, MANIFEST, SLOTS, TRIAL, TRIES, Manifest, Pointer, digest, other
from tillbell_agent.flash.small_file import seal, unseal

LOADER_FOLDER = "/tillbell_start"
# A step's name and how many octets it has → what is entered for its time, and told of each piece.
Step = Callable[[str, int], AbstractContextManager[Advance]]
_NEW = ".new"
_WRITES = 2  # a file that comes out wrong is written once more


@dataclass(frozen=True, slots=True)
class Package:
    """What goes onto a board. ``application``: path inside a slot → octets; ``loader``: path on the board → octets."""

    version: str
    git: str
    application: Mapping[str, bytes]
    loader: Mapping[str, bytes]

    @property
    def manifest(self) -> Manifest:
        return Manifest(
            self.version, self.git, {name: digest(octets) for name, octets in self.application.items()}
        )

    @property
    def octets(self) -> int:
        return sum(map(len, self.application.values())) + sum(map(len, self.loader.values()))


@dataclass(frozen=True, slots=True)
class Target:
    """``slot``: is written. ``keep``: runs until then, and after if the new one fails; None: nothing on the board runs."""

    slot: str
    keep: str | None


def deploy(
    link: BoardLink, before: Installed, package: Package, config: bytes | None, step: Step
) -> tuple[Target, int, int]:
    """All of it, in the one right order; ``config`` None: the board's stays. Raises BoardError.

    Returns the target, and how many files of the slot and of the loader were written.
    """
    target = choose_target(before)
    hold(link, before, target)
    with step(f"write slot {target.slot}", package.octets) as advance:
        files = write_slot(link, target.slot, before.slots[target.slot], package, advance)
        loader = write_loader(link, before, package, advance)
    if config is not None:
        with step("set it up", 0):
            write_config(link, config)
    with step(f"switch to slot {target.slot}", 0):
        switch(link, target)
    return target, files, loader


def choose_target(installed: Installed) -> Target:
    """The slot that was good stays, also where another is on trial: that one has not proved itself."""
    pointer, whole = installed.pointer, [slot for slot in SLOTS if installed.slots[slot].is_whole]
    if pointer is None or not whole:
        return Target(other(whole[0]), whole[0]) if whole else Target(SLOTS[0], None)
    first = other(pointer.slot) if pointer.state == TRIAL else pointer.slot
    keep = first if first in whole else other(first)
    return Target(other(keep), keep)


def hold(link: BoardLink, installed: Installed, target: Target) -> None:
    """Let the pointer name what stays: without it a slot that becomes whole could run before it is meant to."""
    pointer = installed.pointer
    if target.keep is None or (pointer is not None and pointer.state == GOOD and pointer.slot == target.keep):
        return
    write_small(link, POINTER, Pointer(target.keep).encode())


def room_needed(package: Package, block: int) -> int:
    """Octets of the file system: whole blocks, and one for each file's entry."""
    return sum((-(-len(octets) // block) + 1) * block for octets in package.application.values())


def write_slot(link: BoardLink, slot: str, facts: SlotFacts, package: Package, advance: Advance) -> int:
    """Make ``slot`` hold exactly the package; returns how many files were written. Raises BoardError."""
    manifest = package.manifest
    if facts.is_whole and facts.manifest == manifest:
        advance(sum(map(len, package.application.values())))
        return 0
    wanted = {f"/{slot}/{name}": octets for name, octets in package.application.items()}
    present = files_below(link, f"/{slot}")
    # First of all the manifest goes, and with it the slot.
    for path in sorted(set(present) - set(wanted), key=lambda path: not path.endswith(MANIFEST)):
        link.remove(path)
    _make_folders(link, wanted)
    written = sum(_write_changed(link, path, octets, advance) for path, octets in wanted.items())
    _write_beside(link, f"/{slot}/{MANIFEST}", manifest.encode())
    link.rename(f"/{slot}/{MANIFEST}{_NEW}", f"/{slot}/{MANIFEST}")
    return written


def write_loader(link: BoardLink, installed: Installed, package: Package, advance: Advance) -> int:
    """Write those of the loader's files that differ: all beside the old ones first, then one rename after the other."""
    changed = {
        path: octets
        for path, octets in package.loader.items()
        if installed.loader.get(path) != digest(octets)
    }
    _make_folders(link, changed)
    for path, octets in changed.items():
        _write_beside(link, path, octets)
    for path in changed:
        link.rename(path + _NEW, path)
    for path in set(files_below(link, LOADER_FOLDER)) - set(package.loader):
        link.remove(path)  # a source beside a compiled module would be preferred to it
    advance(sum(map(len, package.loader.values())))
    return len(changed)


def write_config(link: BoardLink, octets: bytes) -> bool:
    """Keeps a present one that can be read as the copy; False: it is the same already."""
    present = unseal(link.read_file(CONFIG))
    if present == octets:
        return False
    if present is not None and read_config(present) is not None:
        write_small(link, OLD_CONFIG, present)
    write_small(link, CONFIG, octets)
    return True


def switch(link: BoardLink, target: Target) -> None:
    """The one step that changes what runs: the new slot on trial, the old one behind it.

    With nothing behind it a trial could only end with a board that starts nothing.
    """
    pointer = Pointer(target.slot)
    if target.keep is not None:
        pointer = Pointer(target.slot, TRIAL, TRIES, target.keep)
    write_small(link, POINTER, pointer.encode())


def roll_back(link: BoardLink, installed: Installed) -> str:
    """Let the pointer name the slot that does not run; returns it. Raises BoardError where that one is not whole."""
    runs = _on_trial(installed) or installed.boots  # a trial runs its last start with none left
    if runs is None:
        raise BoardError("neither slot is whole. Install the application anew: tillbell flash --update")
    back = other(runs)
    if not installed.slots[back].is_whole:
        raise BoardError(f"slot {back} is {installed.slots[back]}: there is nothing to go back to")
    write_small(link, POINTER, Pointer(back, GOOD, 0, runs).encode())
    return back


def give_try_back(link: BoardLink, installed: Installed) -> Installed:
    """Of a trial: whoever looks at the board starts it again, which is no start that failed. Raises BoardError."""
    pointer = installed.pointer
    if pointer is None or _on_trial(installed) is None:
        return installed
    pointer = replace(pointer, tries=min(TRIES, pointer.tries + 1))
    write_small(link, POINTER, pointer.encode())
    return replace(installed, pointer=pointer)


def _on_trial(installed: Installed) -> str | None:
    """The slot that is, and runs."""
    pointer = installed.pointer
    on_trial = pointer is not None and pointer.state == TRIAL and installed.slots[pointer.slot].is_whole
    return pointer.slot if pointer is not None and on_trial else None


def write_small(link: BoardLink, path: str, octets: bytes) -> None:
    """A small file, old or new whatever happens."""
    _write_beside(link, path, seal(octets))
    link.rename(path + _NEW, path)


def _write_changed(link: BoardLink, path: str, octets: bytes, advance: Advance) -> bool:
    if link.hash_file(path) == digest(octets):
        advance(len(octets))
        return False
    _write_right(link, path, octets, advance)
    return True


def _write_beside(link: BoardLink, path: str, octets: bytes) -> None:
    _write_right(link, path + _NEW, octets, _nobody)


def _write_right(link: BoardLink, path: str, octets: bytes, advance: Advance) -> None:
    """Written, and its hash as the board computes it is the right one. Raises BoardError."""
    advances: list[Callable[[int], None]] = [advance, *[_nobody] * (_WRITES - 1)]
    for each in advances:
        link.write_file(path, octets, each)
        if link.hash_file(path) == digest(octets):
            return
    raise BoardError(
        f"{path} does not have the hash of what was written, {_WRITES} times: is its flash worn?"
    )


def _make_folders(link: BoardLink, files: Mapping[str, bytes]) -> None:
    parents = {path.rsplit("/", 1)[0] for path in files} - {""}
    folders = {"/".join(parent.split("/")[:depth]) for parent in parents for depth in range(2, 9)}
    for folder in sorted(folders - {""}):
        if link.list_folder(folder) is None:
            link.make_folder(folder)


def _nobody(_octets: int) -> None:
    """Small files are not counted."""
