"""Debian's ``gammu-smsd`` sends fifty messages and receives ten through simulated modems."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from simulated import INCOMING, PHONE, TEXTS, Simulated, daemon, simulated, wait

SMSD, INJECT = shutil.which("gammu-smsd"), shutil.which("gammu-smsd-inject")
pytestmark = [
    pytest.mark.peer("gammu-smsd"),
    pytest.mark.skipif(SMSD is None or INJECT is None, reason="absent peer: gammu-smsd"),
]
# It sleeps 0.6 s at each prompt: several modems, each with its daemon, keep the test short.
MODEMS = 5
RINGTONE_PORT = 5505
TUNE = "till:d=4,o=5,b=120:c,e,g,c6"
# In the daemon's own files: what it sends as it is, a text as UTF-16.
_TEXT = re.compile(r"^Text\d\d = ([0-9A-F]+)$", re.MULTILINE)


@pytest.fixture
def modems(tmp_path: Path) -> Iterator[list[Simulated]]:
    with ExitStack() as stack:
        yield [stack.enter_context(simulated(tmp_path / str(number))) for number in range(MODEMS)]


def configure(modem: Simulated) -> Path:
    """All paths in the modem's folder, and no waiting that its documentation lets one turn off."""
    folder, rc = modem.folder, modem.folder / "rc"
    for name in ("inbox", "outbox", "sent", "error"):
        (folder / name).mkdir()
    rc.write_text(
        f"[gammu]\ndevice = {modem.port}\nconnection = at115200\n"
        f"[smsd]\nservice = files\nlogfile = {folder / 'smsd.log'}\n"
        f"inboxpath = {folder}/inbox/\noutboxpath = {folder}/outbox/\n"
        f"sentsmspath = {folder}/sent/\nerrorsmspath = {folder}/error/\n"
        "inboxformat = detail\noutboxformat = detail\nloopsleep = 0\ncommtimeout = 1\nreceivefrequency = 1\n"
        "statusfrequency = 0\nchecksecurity = 0\ncheckbattery = 0\nchecksignal = 0\nchecknetwork = 0\n",
        encoding="utf-8",
    )
    return rc


def inject(rc: Path, *arguments: str) -> None:
    done = subprocess.run(
        [str(INJECT), "-c", str(rc), *arguments],
        capture_output=True, text=True, timeout=30, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def inject_text(rc: Path, text: str) -> None:
    alphabet = [] if text.startswith(("Sale", "Long")) else ["-unicode"]
    inject(rc, "TEXT", PHONE, *alphabet, "-autolen", str(len(text) * 2), "-textutf8", text)


def received(folder: Path) -> dict[str, str]:
    """Sender → text. A file has a section for each part, and a part's text in lines of hex."""
    texts: dict[str, str] = {}
    for path in (folder / "inbox").iterdir():
        said = path.read_text("latin-1")
        (sender,) = set(re.findall(r'^Number = "([^"]+)"', said, re.MULTILINE))
        parts = ["".join(_TEXT.findall(section)) for section in said.split("[SMSBackup")[1:]]
        texts[sender] = "".join(_decoded(bytes.fromhex(part)) for part in parts)
    return texts


def _decoded(octets: bytes) -> str:
    """It writes as many characters as there were septets, so that zeros stand behind a text with escapes."""
    return octets.decode("utf-16-be").split("\0", maxsplit=1)[0]


def test_gammu_smsd_sends_fifty_and_receives_ten(modems: list[Simulated], tmp_path: Path) -> None:
    configurations = [configure(modem) for modem in modems]
    (tmp_path / "tune").write_text(TUNE)
    for number, text in enumerate(TEXTS):
        inject_text(configurations[number % MODEMS], text)
    for rc in configurations[1:]:
        inject(rc, "RINGTONE", PHONE, str(tmp_path / "tune"))
    with ExitStack() as stack:
        for modem, rc in zip(modems, configurations, strict=True):
            stack.enter_context(daemon([str(SMSD), "-c", str(rc)], modem.folder))
        for sender, text in INCOMING.items():
            modems[0].request(do="deliver", **{"from": sender}, text=text)
        wait("fifty messages", 60, lambda: sum(len(modem.shown()) for modem in modems) == 50)
        wait("the incoming texts to be taken", 30, lambda: modems[0].used() == 0)
        wait("all to be put away", 10, lambda: not any(any((m.folder / "outbox").iterdir()) for m in modems))
    for number, modem in enumerate(modems):
        texts = [message["text"] for message in modem.shown() if "text" in message]
        assert sorted(texts) == sorted(TEXTS[number::MODEMS])
    for modem in modems[1:]:
        (tune,) = [message for message in modem.shown() if "data" in message]
        sent = "".join(path.read_text("latin-1") for path in (modem.folder / "sent").iterdir())
        assert tune["port"] == RINGTONE_PORT
        assert tune["data"].upper() in _TEXT.findall(sent)
    assert received(modems[0].folder) == INCOMING
