"""The udev rules: read as udev reads them, and run on boards, converters and modems that are plugged in here only on paper."""

import fnmatch
import re
import shutil
import subprocess
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import pytest

HW = Path(__file__).resolve().parents[2] / "hw"
FILE = HW / "udev" / "99-tillbell.rules"
TEXT = FILE.read_text("utf-8")
BOARDS = {path.stem: tomllib.loads(path.read_text("utf-8")) for path in (HW / "boards").glob("*.toml")}
MODEMS = {path.stem for path in (HW / "modems").glob("*.toml")}

_TERM = re.compile(r'([A-Z]+)(?:\{([\w/.]+)\})?(==|!=|\+=|=)"([^"]*)"')
_ASKED = {"ACTION", "SUBSYSTEM", "SUBSYSTEMS", "ATTR", "ATTRS", "ENV"}
_SET = {"ENV", "SYMLINK", "GROUP", "MODE"}
Term = tuple[str, str, str, str]  # key, its attribute, operator, value


def rules(text: str = TEXT) -> list[list[Term]]:
    """Every rule; AssertionError names the line that udev would not take."""
    found = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        terms = [term.strip() for term in re.split(r",(?=\s*[A-Z])", line)]
        matches = [_TERM.fullmatch(term) for term in terms]
        assert None not in matches, line
        row = [(m[1], m[2] or "", m[3], m[4]) for m in matches if m]
        for key, _, sign, _ in row:
            assert key in (_ASKED if sign in ("==", "!=") else _SET | {"GOTO", "LABEL"}), line
            assert (sign == "+=") == (key == "SYMLINK"), line
        found.append(row)
    return found


@dataclass
class Device:
    """What udev knows of it, and what the rules made of it."""

    subsystem: str
    usb_id: str
    env: dict[str, str] = field(default_factory=dict)
    action: str = "add"
    links: list[str] = field(default_factory=list)
    given: dict[str, str] = field(default_factory=dict)

    def fits(self, term: Term) -> bool:
        key, name, sign, pattern = term
        vendor, product = self.usb_id.split(":")
        attributes = {"idVendor": vendor, "idProduct": product}
        value = {
            "ACTION": self.action,
            "SUBSYSTEM": self.subsystem,
            "SUBSYSTEMS": "usb",
            "ATTR": attributes.get(name, "") if self.subsystem == "usb" else "",
            "ATTRS": attributes.get(name, ""),
            "ENV": self.env.get(name, ""),
        }[key]
        return fnmatch.fnmatchcase(value, pattern) == (sign == "==")

    def take(self, term: Term) -> None:
        key, name, _, value = term
        filled = re.sub(r"\$env\{(\w+)\}", lambda match: self.env.get(match[1], ""), value)
        if key == "SYMLINK":
            self.links.append(filled)
        elif key == "ENV":
            self.env[name] = filled
        else:
            self.given[key] = filled


def run(device: Device) -> Device:
    wanted = ""
    for row in rules():
        label = next((value for key, _, _, value in row if key == "LABEL"), "")
        if wanted and wanted != label:
            continue
        wanted = ""
        if all(device.fits(term) for term in row if term[2] in ("==", "!=")):
            for term in row:
                if term[0] == "GOTO":
                    wanted = term[3]
                elif term[2] in ("=", "+=") and term[0] != "LABEL":
                    device.take(term)
    assert not wanted, f"no label {wanted} further down"
    return device


def tty(usb_id: str, serial: str = "", path: str = "platform-usb-0_1_3_1_0") -> Device:
    return run(Device("tty", usb_id, {"ID_SERIAL_SHORT": serial, "ID_PATH_TAG": path}))


def usb(usb_id: str) -> Device:
    return run(Device("usb", usb_id, {"DEVTYPE": "usb_device"}))


def ids(board: str) -> set[str]:
    return {*BOARDS[board]["usb"]["app"], *BOARDS[board]["usb"]["bootloader"]}


def sections() -> dict[str, set[str]]:
    """Name of a board or modem → ids under the comments that name it."""
    found: dict[str, set[str]] = {}
    names: list[str] = []
    for line in TEXT.splitlines():
        heading = re.match(r"# (board|modem): ([\w, -]+)", line)
        if heading:
            names = [f"{heading[1]}: {name.strip()}" for name in heading[2].split(",")]
        match = re.search(r'idVendor\}=="(\w+)", ATTRS?\{idProduct\}=="(\w+)"', line)
        if match:
            for name in names:
                found.setdefault(name, set()).add(f"{match[1]}:{match[2]}")
    return found


def test_every_line_is_one_that_udev_takes() -> None:
    assert len(rules()) > 30
    for wrong in (
        'SUBSYSTEM="tty", SYMLINK="x"',
        'SUBSYSTEM=="tty" SYMLINK+="x"',
        'COLOUR=="red"',
        'MODE=="0660"',
    ):
        with pytest.raises(AssertionError):
            rules(wrong)


@pytest.mark.parametrize("board", BOARDS)
def test_the_ids_of_a_board_are_exactly_those_of_its_file(board: str) -> None:
    assert sections()[f"board: {board}"] == ids(board)


def test_modems_are_named_as_their_profiles_and_no_id_stands_under_no_name() -> None:
    named = sections()
    assert {name.removeprefix("modem: ") for name in named if name.startswith("modem: ")} <= MODEMS
    assert {name.removeprefix("board: ") for name in named if name.startswith("board: ")} == set(BOARDS)
    listed = {f"{a}:{b}" for a, b in re.findall(r'idVendor\}=="(\w+)", ATTRS?\{idProduct\}=="(\w+)"', TEXT)}
    assert set().union(*named.values()) == listed


@pytest.mark.parametrize("usb_id", ["2e8a:0005", "303a:4001", "303a:1001"])
def test_a_board_is_named_by_its_own_number(usb_id: str) -> None:
    device = tty(usb_id, "E6614C311B7E6F35")
    assert device.links == ["tillbell-bridge-E6614C311B7E6F35"]


def test_two_boards_have_two_names() -> None:
    assert tty("2e8a:0005", "E661").links != tty("2e8a:0005", "E662").links


@pytest.mark.parametrize("usb_id", ["10c4:ea60", "1a86:7523", "1a86:55d4"])
def test_a_converter_without_a_number_is_named_by_its_socket(usb_id: str) -> None:
    assert tty(usb_id, "0001").links == ["tillbell-serial-0001"]
    assert tty(usb_id, "", "usb-0_1_2").links == ["tillbell-serial-usb-0_1_2"]


def test_a_modem_is_named_by_its_socket_since_many_bear_the_same_number() -> None:
    first, second = (
        tty("1e0e:9001", "0123456789ABCDEF", path) for path in ("usb-0_1_2_1_2", "usb-0_1_3_1_2")
    )
    assert (first.links, second.links) == (["tillbell-modem-usb-0_1_2_1_2"], ["tillbell-modem-usb-0_1_3_1_2"])


@pytest.mark.parametrize("usb_id", sorted(set().union(*sections().values())))
def test_modemmanager_keeps_off_and_only_the_group_may_open(usb_id: str) -> None:
    whole = usb(usb_id)
    assert whole.env["ID_MM_DEVICE_IGNORE"] == "1"
    if usb_id in ("2e8a:0003", "2e8a:000f"):  # a disk, no serial port
        assert whole.given == {"GROUP": "dialout", "MODE": "0660"}
        return
    port = tty(usb_id, "7")
    assert port.env["ID_MM_DEVICE_IGNORE"] == "1"
    assert port.given == {"GROUP": "dialout", "MODE": "0660"}
    assert port.links


@pytest.mark.parametrize(
    "device", [Device("tty", "0403:6001"), Device("usb", "046d:c52b", {"DEVTYPE": "usb_device"})]
)
def test_other_devices_are_left_as_they_are(device: Device) -> None:
    before = dict(device.env)
    run(device)
    assert (device.links, device.given, device.env) == ([], {}, before)


def test_nothing_happens_when_a_device_goes() -> None:
    assert run(Device("tty", "2e8a:0005", {"ID_SERIAL_SHORT": "7"}, action="remove")).links == []


def test_nothing_is_open_to_everybody() -> None:
    modes = {value for row in rules() for key, _, _, value in row if key == "MODE"}
    assert modes == {"0660"}
    assert "0666" not in TEXT


def test_udev_itself_finds_no_fault() -> None:
    if shutil.which("udevadm") is None:
        pytest.skip("udevadm is not here")
    known = subprocess.run(["udevadm", "--help"], capture_output=True, text=True, check=False).stdout
    if not re.search(r"^\s+verify\b", known, re.M):
        pytest.skip("this udevadm has no verify (systemd 254 has)")
    done = subprocess.run(["udevadm", "verify", str(FILE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
