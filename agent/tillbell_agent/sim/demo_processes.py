"""The demonstration's programs: each a process of its own, its output in files, always ended and reaped.

A child is started with the interpreter that runs the demonstration, so an installed wheel shows itself. Standard
output and standard error go to ``<folder>/<name>.out`` and ``.err``; standard input is a pipe whose end tells the
simulated parts that the demonstration is over, even one that was killed.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tillbell_agent.sim.tail import Tail

# A loaded machine of two cores starts an interpreter in about a second.
START_S = 20.0
STOP_S = 5.0
POLL_S = 0.02
_TAIL_LINES = 12


class DemoError(Exception):
    """A step of the demonstration did not do what it must; the message names the step."""


class Child:
    """One running program."""

    def __init__(self, name: str, arguments: Sequence[str], folder: Path) -> None:
        self.name = name
        self.stderr_path = folder / f"{name}.err"
        out_path = folder / f"{name}.out"
        self.output = Tail(out_path)
        with out_path.open("ab") as out, self.stderr_path.open("ab") as err:
            self._stderr_start = err.tell()
            self.process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                env=environment(),
                process_group=0,  # Ctrl-C is for the demonstration, which ends its children in order
            )

    def wait_ready(self) -> None:
        """Until it has said ``ready`` on standard error. Raises DemoError."""
        deadline = time.monotonic() + START_S
        while b"ready" not in self._stderr().split():
            if self.process.poll() is not None:
                raise DemoError(
                    f"{self.name} ended with exit code {self.process.returncode} before it was ready"
                )
            if time.monotonic() > deadline:
                raise DemoError(f"{self.name} was not ready within {START_S:.0f} s")
            time.sleep(POLL_S)

    def say(self, line: str) -> None:
        """Write one line to its standard input. Raises DemoError if it has ended."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError as error:
            raise DemoError(f"{self.name} has ended") from error

    def objects(self) -> list[dict[str, Any]]:
        """The JSON lines on its standard output since the last call. Raises DemoError if it has ended badly."""
        if self.process.poll() not in (None, 0):
            raise DemoError(f"{self.name} ended with exit code {self.process.returncode}")
        return self.output.objects()

    def kill(self) -> None:
        """SIGKILL: nothing it would still have done happens."""
        self.process.kill()
        self._reap()

    def stop(self) -> int:
        """End it in order: its input ends, then SIGTERM, then, if it hangs, SIGKILL. Returns its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        return self._reap()

    def finish(self) -> int:
        """End of its input, and the time to say its last lines. Returns its exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            return self.stop()

    def last_words(self) -> list[str]:
        """The last lines of its standard error."""
        return self.stderr_path.read_text("utf-8", "replace").splitlines()[-_TAIL_LINES:]

    def _stderr(self) -> bytes:
        """What this start has written to standard error; an earlier start of the same name wrote before it."""
        with self.stderr_path.open("rb") as file:
            file.seek(self._stderr_start)
            return file.read()

    def _reap(self) -> int:
        if self.process.stdin is not None and not self.process.stdin.closed:
            try:
                self.process.stdin.close()
            except BrokenPipeError:
                self.process.stdin = None  # it ended with a line of ours unread
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


class Children:
    """All of them, in the order of starting; ended the other way round."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: list[Child] = []

    def start(self, name: str, *arguments: str) -> Child:
        """Start ``python -m ARGUMENTS…`` and wait until it says ``ready``."""
        child = Child(name, arguments, self._folder)
        self._running.append(child)
        child.wait_ready()
        return child

    def forget(self, child: Child) -> None:
        """A child that has ended as it should."""
        self._running.remove(child)

    def stop_all(self) -> None:
        """End and reap every child, whatever state it is in."""
        while self._running:
            self._running.pop().stop()

    def last_words(self) -> dict[str, list[str]]:
        """Name → the last lines of standard error, of every child that wrote any."""
        said = {path.stem: path for path in sorted(self._folder.glob("*.err"))}
        lines = {
            name: path.read_text("utf-8", "replace").splitlines()[-_TAIL_LINES:]
            for name, path in said.items()
        }
        return {name: tail for name, tail in lines.items() if tail}


def environment() -> dict[str, str]:
    """This process's own, but children talk to it in UTF-8 whatever the terminal's encoding is."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONIOENCODING"}
    return {**inherited, "PYTHONUTF8": "1"}


def command(step: str, *arguments: str) -> str:
    """Run ``tillbell ARGUMENTS…`` to its end; its standard output. Raises DemoError naming ``step``."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "tillbell_agent.cli", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=START_S,
            check=False,
            env=environment(),
            process_group=0,
        )
    except subprocess.TimeoutExpired as error:
        raise DemoError(f"{step}: no answer within {START_S:.0f} s") from error
    if done.returncode:
        why = done.stderr.decode("utf-8", "replace").strip()
        raise DemoError(f"{step}: `tillbell {' '.join(arguments[:2])}` ended with {done.returncode}: {why}")
    return done.stdout.decode()
