"""The two slots of the application: the pointer that names one, and the manifest that says what a whole one holds.

The loader on the board reads the same files and decides by the same rules (``firmware_bridge/tillbell_start/slots.py``).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SLOTS = ("a", "b")
TRIES = 3  # starts that a new slot has to prove itself
TRIAL, GOOD = "trial", "good"
MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Pointer:
    """``tries``: starts that are left to a trial. ``fallback``: what runs when it has failed; None: nothing does."""

    slot: str
    state: str = GOOD
    tries: int = 0
    fallback: str | None = None

    def encode(self) -> bytes:
        fields = {"slot": self.slot, "state": self.state, "tries": self.tries, "fallback": self.fallback}
        return json.dumps(fields).encode()


@dataclass(frozen=True, slots=True)
class Manifest:
    """``files``: each file's path inside the slot → its SHA-256 in hexadecimal."""

    version: str
    git: str
    files: Mapping[str, str] = field(default_factory=dict)

    def encode(self) -> bytes:
        fields = {"version": self.version, "git": self.git, "files": dict(sorted(self.files.items()))}
        return json.dumps(fields).encode()


def other(slot: str) -> str:
    return SLOTS[1 - SLOTS.index(slot)]


def decode_pointer(octets: bytes | None) -> Pointer | None:
    """None: there is none, or these octets are none."""
    found = _table(octets)
    if found is None or not found.keys() >= {"slot", "state", "tries", "fallback"}:
        return None
    slot, state, tries, fallback = found["slot"], found["state"], found["tries"], found["fallback"]
    known = slot in SLOTS and state in (TRIAL, GOOD) and fallback in (None, *SLOTS)
    return Pointer(slot, state, tries, fallback) if known and isinstance(tries, int) else None


def decode_manifest(octets: bytes | None) -> Manifest | None:
    """None: there is none, or these octets are none."""
    found = _table(octets)
    files = found.get("files") if found else None
    if found is None or not isinstance(files, dict) or not files:
        return None
    if not all(isinstance(text, str) for text in files.values()):
        return None
    return Manifest(str(found.get("version", "unknown")), str(found.get("git", "unknown")), files)


def digest(octets: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(octets).hexdigest()


def _table(octets: bytes | None) -> dict[str, Any] | None:
    try:
        found = json.loads(octets or b"")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
