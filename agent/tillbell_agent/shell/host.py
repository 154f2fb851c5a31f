"""What this board is, so that a copied disk on another board seals nothing."""

from pathlib import Path

from tillbell_protocol.hashing import sha256

_SOURCES = {
    "machine_id": Path("/etc/machine-id"),
    "board_serial": Path("/proc/device-tree/serial-number"),
}


def identify() -> dict[str, str]:
    """Whichever of machine-id and the board's serial number exist, hashed (they are nobody else's business)."""
    found: dict[str, str] = {}
    for name, path in _SOURCES.items():
        try:
            content = path.read_bytes().strip(b"\0\n ")
        except OSError:
            continue
        if content:
            found[name] = sha256(b"tillbell host" + content).hex()[:32]
    return found


def differs(then: dict[str, str], now: dict[str, str]) -> str | None:
    """The name of something that existed at pairing and is another one now, or gone; None: the same board."""
    return next((name for name, value in then.items() if now.get(name) != value), None)
