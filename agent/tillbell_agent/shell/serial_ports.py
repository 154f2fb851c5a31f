"""Which serial ports there are on this machine, by the names that stay."""

from pathlib import Path

_FOLDERS = ("dev/serial/by-id/*", "dev/serial/by-path/*")
_DEVICES = ("ttyUSB*", "ttyACM*", "ttyAMA*", "ttyS*", "ttymxc*", "ttyO*", "ttySC*", "ttyXR*")


def serial_ports(root: Path = Path("/")) -> list[str]:
    """Those with stable names first; each stands once. Not the system's console, nor a UART that is not built in."""
    patterns = [*_FOLDERS, *(f"dev/{device}" for device in _DEVICES)]
    consoles = _words(root / "sys/class/tty/console/active")
    found: dict[str, str] = {}
    for path in (path for pattern in patterns for path in sorted(root.glob(pattern))):
        device = path.resolve()
        if device.name not in consoles and not _is_missing(root, device.name):
            found.setdefault(str(device), str(path))
    return list(found.values())


def _is_missing(root: Path, name: str) -> bool:
    """The kernel makes names for UARTs that a board might have; their type is 0."""
    return _words(root / "sys/class/tty" / name / "type") == ["0"]


def _words(path: Path) -> list[str]:
    try:
        return path.read_text("ascii").split()
    except (OSError, UnicodeDecodeError):
        return []
