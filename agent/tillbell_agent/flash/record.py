"""The install record: what went onto which board, when, and what the board said then. JSON; no key is ever in it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tillbell_agent.flash.base import BaseFile
from tillbell_agent.flash.deploy import Package, Target
from tillbell_agent.flash.examine import Installed
from tillbell_agent.flash.hardware import Board
from tillbell_agent.flash.hello import Proof
from tillbell_agent.flash.identify import UsbPort
from tillbell_agent.flash.link import Identity
from tillbell_agent.flash.provision import Tap
from tillbell_agent.flash.slots import digest


@dataclass(slots=True)
class Step:
    """One step of an installation. ``seconds``: how long it took."""

    name: str
    seconds: float = 0.0
    note: str = ""


@dataclass(slots=True)
class Record:
    """Filled while an installation goes on; what is None was not done, or not reached."""

    made: str
    program: str
    port: UsbPort | None = None
    board: Board | None = None
    identity: Identity | None = None
    base: BaseFile | None = None
    base_name: str = ""
    package: Package | None = None
    before: Installed | None = None
    target: Target | None = None
    name: str | None = None
    taps: Sequence[Tap | None] = ()
    key: str | None = None
    proof: Proof | None = None
    outcome: str = "not finished"
    steps: list[Step] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "schema": 1,
            "made": self.made,
            "program": self.program,
            "outcome": self.outcome,
            "port": asdict(self.port) if self.port else None,
            "board": self._board(),
            "micropython": self.identity.micropython if self.identity else None,
            "base": self._base(),
            "firmware": self._firmware(),
            "slots_before": _slots(self.before) if self.before else None,
            "bridge": self._bridge(),
            "hello": asdict(self.proof.hello) if self.proof else None,
            "selftest": self.proof.selftest if self.proof else None,
            "steps": [asdict(step) for step in self.steps],
            "seconds": round(sum(step.seconds for step in self.steps), 3),
        }

    def _board(self) -> dict[str, Any] | None:
        if self.board is None:
            return None
        found = {"name": self.board.name, "title": self.board.title, "mcu": self.board.mcu}
        if self.identity is not None:
            found |= {"machine": self.identity.machine, "unique_id": self.identity.unique_id}
        return found

    def _base(self) -> dict[str, Any] | None:
        if self.base is None:
            return None
        return {
            "file": self.base_name,
            "octets": len(self.base.octets),
            "sha256": self.base.sha256,
            "pinned_version": self.base.version,
        }

    def _firmware(self) -> dict[str, Any] | None:
        if self.package is None or self.target is None:
            return None
        manifest = self.package.manifest
        return {
            "version": manifest.version,
            "git": manifest.git,
            "slot": self.target.slot,
            "fallback": self.target.keep,
            "manifest_sha256": digest(manifest.encode()),
            "files": dict(manifest.files),
            "loader": {path: digest(octets) for path, octets in self.package.loader.items()},
        }

    def _bridge(self) -> dict[str, Any] | None:
        if self.name is None:
            return None
        taps = [str(tap) if tap is not None else None for tap in self.taps]
        return {"name": self.name, "taps": taps, "key_fingerprint": self.key}


def _slots(installed: Installed) -> dict[str, Any]:
    return {
        "pointer": asdict(installed.pointer) if installed.pointer else None,
        **{slot: str(facts) for slot, facts in installed.slots.items()},
    }
