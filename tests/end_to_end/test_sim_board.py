"""``tillbell sim board`` as a user starts it: in the background of a shell, whose terminal it may not read."""

import os
import pty
import signal
import sys
import time
from pathlib import Path

import pytest

from tillbell_agent.sim.board_pty import find_micropython

pytestmark = [
    pytest.mark.peer("micropython"),
    pytest.mark.skipif(find_micropython() is None, reason="absent peer: micropython"),
]
_SHELL = """
import os, subprocess, sys, time
board = subprocess.Popen(sys.argv[2:], process_group=0)
time.sleep(0.5)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.1)
time.sleep(1)
print("state", open(f"/proc/{board.pid}/stat").read().split(") ")[1][0])
board.terminate()
print("ended", board.wait(20))
"""


def test_it_runs_behind_an_ampersand(tmp_path: Path) -> None:
    link = tmp_path / "board"
    board = [sys.executable, "-m", "tillbell_agent.cli", "sim", "board"]
    board += ["--link", str(link), "--image", str(tmp_path / "flash")]
    child, terminal = (
        pty.fork()
    )  # a session with a terminal: its leader is in the foreground, the board is not
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-c", _SHELL, str(link), *board])
    said = b""
    until = time.monotonic() + 60
    try:
        while not (b"ended" in said and said.endswith(b"\n")) and time.monotonic() < until:
            said += os.read(terminal, 4096)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(terminal)
    assert b"state " in said
    assert b"state T" not in said
    assert b"ended 0" in said
