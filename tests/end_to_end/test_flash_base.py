"""MicroPython itself onto boards: esptool against a boot loader that is simulated by others, a UF2 file onto a folder."""

import hashlib
import importlib.util
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tillbell_agent.flash.identify import Volume
from tillbell_agent.shell.flash_tools import ToolError, write_esp_flash
from tillbell_agent.shell.uf2_volume import VolumeError, copy_uf2, uf2_volumes, volume_at, wait_for_volume

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "agent"))
from uf2_files import uf2

MOCK = Path(sys.executable).with_name("esp32-mock-bootloader")
IMAGE = b"\xe9\x03\x02\x20" + bytes(range(256)) * 800
OFFSET = 0x1000
INFO = "UF2 Bootloader v3.0\r\nModel: Raspberry Pi RP2\r\nBoard-ID: RPI-RP2\r\n"
esp = [
    pytest.mark.peer("esptool"),
    pytest.mark.peer("esp32-mock-bootloader"),
    pytest.mark.skipif(importlib.util.find_spec("esptool") is None, reason="absent peer: esptool"),
    pytest.mark.skipif(not MOCK.exists(), reason="absent peer: esp32-mock-bootloader"),
]


def mocked(function):
    for mark in esp:
        function = mark(function)
    return function


@pytest.fixture
def boot_loader() -> Iterator[str]:
    """Where a simulated ESP32 in its boot loader listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(MOCK), "run", "--chip", "esp32", "--port", str(port), "--timeout", "120"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        try:
            _wait_for(port)
            yield f"socket://127.0.0.1:{port}"
        finally:
            running.terminate()


def _wait_for(port: int) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert time.monotonic() < until, "esp32-mock-bootloader does not listen"
            time.sleep(0.1)


def verified(port: str, octets: bytes, folder: Path) -> int:
    """esptool's own comparison of the flash with ``octets``: its exit code."""
    file = folder / "compared.bin"
    file.write_bytes(octets)
    command = [sys.executable, "-m", "esptool", "--chip", "esp32", "--port", port, "--before", "no-reset"]
    return subprocess.run(
        [*command, "--after", "no-reset", "verify-flash", f"{OFFSET:#x}", str(file)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60, check=False,
    ).returncode  # fmt: skip


@mocked
def test_an_esp32_gets_micropython_by_esptool_and_has_it(boot_loader: str, tmp_path: Path) -> None:
    shown: list[str] = []
    write_esp_flash("esp32", boot_loader, OFFSET, IMAGE, shown.append)
    assert any("Hash of data verified" in line for line in shown)
    assert any("Writing at" in line for line in shown)
    assert verified(boot_loader, IMAGE, tmp_path) == 0
    assert verified(boot_loader, IMAGE[:-1] + b"\x00", tmp_path) != 0


@mocked
def test_another_chip_than_the_boards_is_told(boot_loader: str) -> None:
    with pytest.raises(ToolError, match="Hold BOOT"):
        write_esp_flash("esp32s3", boot_loader, 0, IMAGE, lambda _line: None)


@mocked
def test_a_boot_loader_that_does_not_answer_is_told() -> None:
    with pytest.raises(ToolError, match="exit code"):
        write_esp_flash("esp32", "socket://127.0.0.1:9", OFFSET, IMAGE, lambda _line: None)


def disk(folder: Path, info: str = INFO) -> Path:
    folder.mkdir(parents=True)
    (folder / "INFO_UF2.TXT").write_bytes(info.encode())
    return folder


def test_a_uf2_file_is_copied_whole_onto_the_boot_loaders_disk(tmp_path: Path) -> None:
    volume, done = volume_at(disk(tmp_path / "RPI-RP2")), []
    octets = uf2(700)
    copy_uf2(octets, volume, "micropython.uf2", done.append)
    copied = (tmp_path / "RPI-RP2/micropython.uf2").read_bytes()
    assert hashlib.sha256(copied).digest() == hashlib.sha256(octets).digest()
    assert len(done) > 1


def test_a_mounted_boot_loader_is_found_and_other_disks_are_not(tmp_path: Path) -> None:
    pico = disk(tmp_path / "media/shop/RPI-RP2")
    (tmp_path / "run/media/shop/STICK").mkdir(parents=True)
    assert uf2_volumes(tmp_path) == [Volume(str(pico), INFO)]
    assert wait_for_volume(lambda each: each.mcu == "rp2040", 0, tmp_path) == Volume(str(pico), INFO)
    assert wait_for_volume(lambda each: each.mcu == "rp2350", 0, tmp_path) is None


def test_a_folder_that_is_no_boot_loaders_disk_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match="BOOTSEL"):
        volume_at(tmp_path)


def test_a_disk_that_takes_nothing_is_told(tmp_path: Path) -> None:
    volume = volume_at(disk(tmp_path / "RPI-RP2"))
    (tmp_path / "RPI-RP2/micropython.uf2").mkdir()
    with pytest.raises(VolumeError, match="cannot be made"):
        copy_uf2(uf2(), volume, "micropython.uf2", lambda _octets: None)
