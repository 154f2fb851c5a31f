"""The real ``gammu``, which knows nothing of this project, takes the simulated modem for a modem."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from simulated import INCOMING, PHONE, TEXTS, Simulated, simulated

GAMMU = shutil.which("gammu")
pytestmark = [
    pytest.mark.peer("gammu"),
    pytest.mark.skipif(GAMMU is None, reason="absent peer: gammu"),
]
# It sleeps 0.6 s at each prompt, whatever the modem does: several modems at once keep the test short.
MODEMS = 6
WAP_PUSH = 2948


@pytest.fixture
def modems(tmp_path: Path) -> Iterator[list[Simulated]]:
    with ExitStack() as stack:
        yield [stack.enter_context(simulated(tmp_path / str(number))) for number in range(MODEMS)]


@pytest.fixture
def modem(tmp_path: Path) -> Iterator[Simulated]:
    with simulated(tmp_path / "modem") as one:
        yield one


def gammu(modem: Simulated, *arguments: str) -> str:
    rc = modem.folder / "rc"
    rc.write_text(f"[gammu]\ndevice = {modem.port}\nconnection = at115200\n")
    done = subprocess.run(
        [str(GAMMU), "-c", str(rc), *arguments],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def command(text: str) -> str:
    """A line of a batch; one with a text of 8 bit where it is an address."""
    if text.startswith("http:"):
        return f"sendsms WAPINDICATOR {PHONE} {text} till\n"
    alphabet = "" if text.startswith(("Sale", "Long")) else "-unicode "
    return f'sendsms TEXT {PHONE} {alphabet}-autolen {len(text) * 2} -textutf8 "{text}"\n'


def send_all(modem: Simulated, texts: tuple[str, ...]) -> None:
    (modem.folder / "batch").write_text("".join(map(command, texts)), encoding="utf-8")
    gammu(modem, "batch", str(modem.folder / "batch"))


def test_gammu_sends_fifty_and_the_phone_shows_them(modems: list[Simulated]) -> None:
    everything = (*(f"http://example.com/{number}" for number in range(4)), *TEXTS)
    shares = [everything[number::MODEMS] for number in range(MODEMS)]
    with ThreadPoolExecutor(MODEMS) as pool:
        list(pool.map(send_all, modems, shares))
    told = [
        message.get("text") or (message["port"], address(message["data"]))
        for modem in modems for message in modem.shown()
    ]  # fmt: skip
    expected = [
        (WAP_PUSH, text) if text.startswith("http:") else text
        for share in shares for text in share
    ]  # fmt: skip
    assert told == expected
    assert len(told) == 50


def address(data: str) -> str:
    """The address in a WAP service indication: the first text, from its token (3) to a zero octet."""
    return bytes.fromhex(data).split(b"\x03")[1].split(b"\x00")[0].decode()


def test_gammu_identifies_the_modem_lists_ten_incoming_texts_and_deletes_them(modem: Simulated) -> None:
    for sender, text in INCOMING.items():
        modem.request(do="deliver", **{"from": sender}, text=text)
    (modem.folder / "batch").write_text("identify\ngeteachsms\ndeleteallsms 1\ndeleteallsms 3\n")
    said = gammu(modem, "batch", str(modem.folder / "batch"))
    for words in ("Tillbell", "SIM modem", "356938035643809", "460001234567890"):
        assert words in said
    assert [text for text in INCOMING.values() if text not in said] == []
    assert [sender for sender in INCOMING if sender not in said] == []
    assert modem.used() == 0
