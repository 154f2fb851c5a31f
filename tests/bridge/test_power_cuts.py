"""The power goes at every flash operation of journal, configuration and update, on littlefs under the real MicroPython."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]


def interpreter() -> str:
    found = shutil.which("micropython", path=str(Path(sys.executable).parent)) or shutil.which("micropython")
    if found is None:
        pytest.skip("absent peer: micropython")
    return found


def swept(work: str) -> subprocess.CompletedProcess[str]:
    paths = [REPO / "protocol", REPO / "firmware_bridge", REPO / "tests" / "bridge"]
    return subprocess.run(
        [interpreter(), "-X", "heapsize=8M", str(REPO / "tests" / "bridge" / "power_cut_runner.py"), work],
        capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, "MICROPYPATH": ":".join(map(str, paths))},
    )  # fmt: skip


@pytest.mark.peer("micropython")
@pytest.mark.parametrize(("work", "least"), [("journal", 40), ("config", 40), ("update", 100)])
def test_a_power_cut_at_any_flash_operation_leaves_a_board_that_starts_with_an_exact_prefix(
    work: str, least: int
) -> None:
    done = swept(work)
    assert done.returncode == 0, done.stdout + done.stderr
    cuts = re.findall(rf"^{work} (whole|half done) (\d+) cuts$", done.stdout, re.M)
    assert [how for how, _ in cuts] == ["whole", "half done"]
    assert all(int(count) > least for _, count in cuts)


@pytest.mark.peer("micropython")
@pytest.mark.parametrize("work", ["careless-journal", "careless-config", "careless-update"])
def test_what_is_written_carelessly_is_found_out(work: str) -> None:
    done = swept(work)
    assert done.returncode != 0
    assert "AssertionError" in done.stdout + done.stderr
