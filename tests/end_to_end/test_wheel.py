"""What is released is what was tested: sdist → wheel from it → installed elsewhere → runs the main job from there."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the sdist, as an index's user gets it; the build tools come from this environment, not the network."""
    pytest.importorskip("build", reason="absent peer: build")
    pytest.importorskip("hatchling", reason="absent peer: hatchling")
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(REPO)],
        check=True,
        capture_output=True,
        timeout=120,
    )
    (path,) = out.glob("*.whl")
    return path


def test_wheel_holds_both_packages_typed_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"tillbell_agent", "tillbell_protocol"}
    assert {"tillbell_agent/py.typed", "tillbell_protocol/py.typed"} <= set(names)
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    profiles = {path.name for path in (REPO / "hw" / "modems").glob("*.toml")}
    assert profiles <= {
        name.rpartition("/")[2] for name in names if name.startswith("tillbell_agent/hw/modems/")
    }


def test_installed_wheel_runs_the_demo_from_another_place(wheel: Path, tmp_path: Path) -> None:
    place = tmp_path / "venv"
    venv.create(place, with_pip=False, symlinks=True)
    python = place / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    subprocess.run(
        [*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)], check=True, timeout=120
    )
    # The dependencies are borrowed from this environment: a folder named in a .pth file is searched, but its own .pth
    # files (the editable install of this checkout) are not followed.
    (site,) = place.glob("lib/python3*/site-packages")
    (site / "borrowed.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    where = subprocess.run(
        [python, "-c", "import tillbell_agent, tillbell_protocol; print(tillbell_agent.__file__, tillbell_protocol.__file__)"],
        cwd=elsewhere, env=clean, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert all(path.startswith(str(site)) for path in where.stdout.split())
    demo = subprocess.run(
        [place / "bin" / "tillbell", "demo", "--json"],
        cwd=elsewhere, env=clean, check=False, capture_output=True, text=True, timeout=110,
    )  # fmt: skip
    assert demo.returncode == 0, demo.stderr + demo.stdout
    assert json.loads(demo.stdout.splitlines()[-1])["faults"] == []
