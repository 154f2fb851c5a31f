"""What is on a board: both slots with the hash of every file, the pointer, the loader, the configuration. Only reads."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tillbell_agent.flash.link import BoardLink
from tillbell_agent.flash.provision import Told, read_config
from tillbell_agent.flash.slots import (
    GOOD,
    MANIFEST,
    SLOTS,
    Manifest,
    Pointer,
    decode_manifest,
    decode_pointer,
)
from tillbell_agent.flash.small_file import unseal

POINTER, CONFIG, OLD_CONFIG = "/slot", "/config", "/config.old"


@dataclass(frozen=True, slots=True)
class SlotFacts:
    """``wrong``: files whose hash is not the manifest's, or that are missing."""

    manifest: Manifest | None
    wrong: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        return self.manifest is not None and not self.wrong

    def __str__(self) -> str:
        if self.manifest is None:
            return "empty"
        return self.manifest.version if self.is_whole else f"not whole ({len(self.wrong)} files are wrong)"


@dataclass(frozen=True, slots=True)
class Installed:
    """``loader``: hash by path, None where the file is missing. ``config_is_old``: only the copy could be read."""

    pointer: Pointer | None
    slots: Mapping[str, SlotFacts]
    loader: Mapping[str, str | None]
    config: Told | None
    config_is_old: bool = False

    @property
    def boots(self) -> str | None:
        """The slot that the loader would take now; None: no slot is whole."""
        pointer = self.pointer
        if pointer is None:
            return next((slot for slot in SLOTS if self.slots[slot].is_whole), None)
        runs = pointer.state == GOOD or pointer.tries > 0
        if runs and self.slots[pointer.slot].is_whole:
            return pointer.slot
        return next((slot for slot in SLOTS if slot != pointer.slot and self.slots[slot].is_whole), None)


def examine(link: BoardLink, loader: Iterable[str]) -> Installed:
    """``loader``: the paths of the loader's files. Raises BoardError."""
    present = read_config(unseal(link.read_file(CONFIG)))
    return Installed(
        pointer=decode_pointer(unseal(link.read_file(POINTER))),
        slots={slot: examine_slot(link, slot) for slot in SLOTS},
        loader={path: link.hash_file(path) for path in loader},
        config=present or read_config(unseal(link.read_file(OLD_CONFIG))),
        config_is_old=present is None,
    )


def examine_slot(link: BoardLink, slot: str) -> SlotFacts:
    manifest = decode_manifest(link.read_file(f"/{slot}/{MANIFEST}"))
    if manifest is None:
        return SlotFacts(None)
    wrong = [name for name, text in manifest.files.items() if link.hash_file(f"/{slot}/{name}") != text]
    return SlotFacts(manifest, tuple(wrong))


def files_below(link: BoardLink, folder: str) -> list[str]:
    """Whole paths of all files; none where there is no such folder."""
    found = []
    for name in link.list_folder(folder) or ():
        path = f"{folder.rstrip('/')}/{name}"
        found += files_below(link, path.rstrip("/")) if name.endswith("/") else [path]
    return found
