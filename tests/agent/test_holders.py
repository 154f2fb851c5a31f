"""Who holds a port: found in ``/proc`` without opening anything, named without arguments that may be secret."""

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tillbell_agent.shell.holders import Process, look_at_port, who_holds

# Opens what it is given, says so, and stays until its input ends.
_HOLD = "import os, sys; os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY); print('open', flush=True); sys.stdin.read()"


@pytest.fixture
def port() -> Iterator[str]:
    near, far = pty.openpty()
    yield os.ttyname(far)
    os.close(near)
    os.close(far)


@pytest.fixture
def rival(port: str, tmp_path: Path) -> Iterator[tuple[str, Process]]:
    """A program that holds the port, and was given a PIN."""
    program = tmp_path / "rival.py"
    program.write_text(_HOLD)
    with subprocess.Popen(
        [sys.executable, str(program), port, "--pin", "4711"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == b"open\n"
        name = Path(f"/proc/{child.pid}/comm").read_text().strip()
        yield port, Process(child.pid, f"{name} rival.py")
        child.stdin.close()


def test_the_program_that_holds_a_port_is_named_without_its_arguments(rival: tuple[str, Process]) -> None:
    port, process = rival
    assert who_holds([port]).of(port) == (process,)


def test_a_port_is_known_by_any_link_to_it(rival: tuple[str, Process], tmp_path: Path) -> None:
    port, process = rival
    (tmp_path / "by-id").symlink_to(port)
    asked = str(tmp_path / "by-id")
    assert who_holds([asked]).of(asked) == (process,)


def test_nobody_is_named_for_a_port_that_is_free_or_absent(port: str) -> None:
    holders = who_holds([port, "/dev/nowhere"])
    assert holders.of(port) == ()  # this process itself is not named
    assert holders.of("/dev/nowhere") == ()


def test_the_far_end_of_a_pseudo_terminal_is_no_rival(tmp_path: Path) -> None:
    program = tmp_path / "far.py"
    program.write_text(
        "import os, pty, sys; near, far = pty.openpty(); print(os.ttyname(far), flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        port = child.stdout.readline().strip()
        assert who_holds([port]).of(port) == ()
        child.stdin.close()


def test_a_file_held_open_is_found_as_well(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.touch()
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdout.readline()
        assert [process.pid for process in who_holds([str(lock)]).of(str(lock))] == [child.pid]
        child.stdin.close()


def test_a_port_is_looked_at_without_opening_it(port: str, tmp_path: Path) -> None:
    facts = look_at_port(port, who_holds([port]))
    assert (facts.trouble, facts.is_serial, facts.allowed, facts.holders) == (None, True, True, ())
    assert look_at_port("/dev/nowhere", who_holds([])).trouble == "No such file or directory"
    (tmp_path / "file").touch()
    assert not look_at_port(str(tmp_path / "file"), who_holds([])).is_serial
