# ruff: noqa: S102, S605, BLE001, SIM115
# mypy: ignore-errors
"""The first thing that a simulated board's MicroPython runs: mounts the flash's image at ``/`` and starts what lies there.

Run by MicroPython for Unix (``micropython -i board_preload.py``), never imported by CPython. What a board's ROM and
``_boot.py`` do: format a flash that cannot be read, run ``boot.py``, and ``main.py`` unless the REPL is in raw mode.

``TILLBELL_IMAGE``: the file that is the flash. ``TILLBELL_RAW``: 1 after a soft reset from the raw REPL.
``TILLBELL_CAUSE``: of the reset, as ``machine.reset_cause()`` has it. ``TILLBELL_BOARD_ID``: what ``machine.unique_id`` gives, in hexadecimal. ``TILLBELL_CUT``: the power goes after so many
writes and erases of the flash. ``TILLBELL_LINK``: the terminal that this speaks on. ``TILLBELL_PRELOAD``: another file to run before, while the computer's files are still seen.
"""

import binascii
import os
import sys
import termios

import micropython

BLOCK = 4096
_ERASED = b"\xff" * BLOCK  # once: a board has its flash outside its heap
_ISIG, _CTRL_C = 1, 3
_BLOCKS, _BLOCK_OCTETS, _ERASE = 4, 5, 6  # of ``ioctl``


def die(how="TERM"):
    """Nothing more is run or written: a reset, or (``KILL``) the power's end."""
    os.system("kill -" + how + " $PPID")


class Flash:
    """A block device. ``cut``: writes and erases until the power goes; 0: it stays."""

    def __init__(self, path, cut):
        self._file = open(path, "r+b", 0)
        self._blocks = os.stat(path)[6] // BLOCK
        self._cut = cut

    def readblocks(self, block, buffer, offset=0):
        self._file.seek(block * BLOCK + offset)
        self._file.readinto(buffer)

    def writeblocks(self, block, buffer, offset=None):
        if offset is None:
            self.ioctl(_ERASE, block)
            offset = 0
        self._file.seek(block * BLOCK + offset)
        self._file.write(buffer)
        self._count()

    def ioctl(self, what, block):
        if what == _BLOCKS:
            return self._blocks
        if what == _BLOCK_OCTETS:
            return BLOCK
        if what == _ERASE:
            self._file.seek(block * BLOCK)
            self._file.write(_ERASED)
            self._count()
        return 0

    def _count(self):
        if self._cut:
            self._cut -= 1
            if not self._cut:
                die("KILL")


class Machine:
    """What of the module ``machine`` an installer uses."""

    @staticmethod
    def unique_id():
        return binascii.unhexlify(os.getenv("TILLBELL_BOARD_ID") or "00")

    PWRON_RESET, WDT_RESET = 1, 3

    @staticmethod
    def reset_cause():
        return int(os.getenv("TILLBELL_CAUSE") or "1")

    @staticmethod
    def reset():
        die()


class Micropython:
    """The module ``micropython``, whose ``kbd_intr`` here decides whether the terminal takes an octet for Ctrl-C."""

    @staticmethod
    def kbd_intr(octet):
        modes = termios.tcgetattr(0)
        modes[3] = modes[3] | _ISIG if octet == _CTRL_C else modes[3] & ~_ISIG
        termios.tcsetattr(0, termios.TCSANOW, modes)


for _name in dir(micropython):
    if not hasattr(Micropython, _name):
        setattr(Micropython, _name, getattr(micropython, _name))


def mount():
    flash = Flash(os.getenv("TILLBELL_IMAGE"), int(os.getenv("TILLBELL_CUT") or "0"))
    os.umount("/")
    try:
        files = os.VfsLfs2(flash, progsize=256, readsize=32, lookahead=32)
    except OSError:
        os.VfsLfs2.mkfs(flash, progsize=256, readsize=32, lookahead=32)
        files = os.VfsLfs2(flash, progsize=256, readsize=32, lookahead=32)
    os.mount(files, "/")
    os.mount(os.VfsPosix("/dev"), "/dev")  # the taps' and the link's terminals
    os.chdir("/")


def start(path):
    """A file of the board's, if it is there; what it raises is printed, and the REPL follows."""
    try:
        with open(path) as file:
            source = file.read()
    except OSError:
        return
    try:
        exec(compile(source, path, "exec"), {"__name__": "__main__"})
    except SystemExit:
        die()
    except (Exception, KeyboardInterrupt) as error:
        sys.print_exception(error)


def begin():
    # The first terminal that a session opens is its own: from here on Ctrl-C interrupts.
    globals()["terminal"] = open(os.getenv("TILLBELL_LINK"), "r+b", 0)
    sys.modules["machine"], sys.modules["micropython"] = Machine, Micropython
    before = os.getenv("TILLBELL_PRELOAD")
    if before:
        with open(before) as file:
            exec(compile(file.read(), before, "exec"), globals())
    mount()
    sys.path[:] = ["", "/lib"]
    start("boot.py")
    if os.getenv("TILLBELL_RAW") != "1":
        start("main.py")


begin()
