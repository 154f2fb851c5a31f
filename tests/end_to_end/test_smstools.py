"""Debian's ``smstools`` (smsd) sends fifty messages and receives ten through two simulated modems."""

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from simulated import INCOMING, PHONE, TEXTS, Simulated, daemon, simulated, wait

SMSD = shutil.which("smsd") or shutil.which("smsd", path="/usr/sbin")
pytestmark = [
    pytest.mark.peer("smstools"),
    pytest.mark.skipif(SMSD is None, reason="absent peer: smstools"),
]
PORT = 16001
DATA = tuple(bytes((number + octet) % 256 for octet in range(100 + number)) for number in range(4))


@pytest.fixture
def modems(tmp_path: Path) -> Iterator[list[Simulated]]:
    with simulated(tmp_path / "GSM1") as one, simulated(tmp_path / "GSM2") as other:
        yield [one, other]


def configure(folder: Path, modems: list[Simulated]) -> Path:
    """All paths in one folder, and no waiting that its documentation lets one turn off."""
    spools = ("outgoing", "checked", "incoming", "sent", "failed", "report")
    for name in spools:
        (folder / name).mkdir()
    conf = folder / "conf"
    conf.write_text(
        f"devices = {', '.join(modem.folder.name for modem in modems)}\n"
        f"logfile = {folder / 'smsd.log'}\nloglevel = 5\n"
        f"infofile = {folder / 'info'}\npidfile = {folder / 'pid'}\n"
        + "".join(f"{name} = {folder / name}\n" for name in spools)
        + "delaytime = 1\ndelaytime_mainprocess = 1\nerrorsleeptime = 1\nautosplit = 3\nincoming_utf8 = yes\n"
        "trust_outgoing = yes\n"
        + "".join(
            f"[{modem.folder.name}]\ndevice = {modem.port}\nbaudrate = 115200\nincoming = yes\nmode = new\n"
            "pre_init = no\ncheck_network = 0\n"
            for modem in modems
        ),
        encoding="utf-8",
    )
    return conf


def put(folder: Path, name: str, header: str, body: bytes) -> None:
    """A file in its outgoing folder, in one step, as its documentation asks for."""
    written = folder / name
    written.write_bytes(f"To: {PHONE.removeprefix('+')}\n{header}\n\n".encode() + body)
    written.rename(folder / "outgoing" / name)


def put_all(folder: Path) -> None:
    for number, text in enumerate(TEXTS):
        if text.startswith(("Sale", "Long")):
            put(folder, f"text{number:02}", "Alphabet: UTF-8", text.encode())
        else:
            put(folder, f"text{number:02}", "Alphabet: UCS", text.encode("utf-16-be"))
    for number, data in enumerate(DATA):
        header = "Alphabet: binary\nUDH: yes\nUDH-DATA: 06 05 04 3E 81 3E 81"
        put(folder, f"data{number}", header, data)


def received(folder: Path) -> dict[str, str]:
    """Sender → text: a file has headers, an empty line, and the text; a long text is put together by the daemon."""
    texts = {}
    for path in (folder / "incoming").iterdir():
        octets = path.read_bytes()
        header, _, body = octets.partition(b"\n\n")
        sender = re.search(rb"^From: (\d+)$", header, re.MULTILINE)
        alphabet = "utf-16-be" if re.search(rb"^Alphabet: UCS2", header, re.MULTILINE) else "utf-8"
        assert sender, header
        texts["+" + sender[1].decode()] = body.decode(alphabet)
    return texts


def test_smstools_sends_fifty_and_receives_ten(modems: list[Simulated], tmp_path: Path) -> None:
    conf = configure(tmp_path, modems)
    put_all(tmp_path)
    with daemon([str(SMSD), "-t", "-c", str(conf)], tmp_path):
        for number, (sender, text) in enumerate(INCOMING.items()):
            modems[number % 2].request(do="deliver", **{"from": sender}, text=text)
        wait("fifty messages", 60, lambda: sum(len(modem.shown()) for modem in modems) == 50)
        wait("the incoming texts to be taken", 30, lambda: sum(modem.used() for modem in modems) == 0)
        wait("all to be put away", 10, lambda: len(list((tmp_path / "sent").iterdir())) == 50)
    shown = [message for modem in modems for message in modem.shown()]
    assert sorted(message["text"] for message in shown if "text" in message) == sorted(TEXTS)
    data = sorted((message["port"], bytes.fromhex(message["data"])) for message in shown if "data" in message)
    assert data == sorted((PORT, octets) for octets in DATA)
    assert received(tmp_path) == INCOMING
