"""A flash of NOR blocks for MicroPython's littlefs, on which the power goes at a chosen operation. Runs under MicroPython."""

import os

BLOCK = 4096
PROGRAM = 256


class PowerCutError(OSError):
    """From now on the flash does nothing."""


class Flash:
    """``cut_at``: the operation (1, 2, …) with which the power goes; ``torn``: that one is half done, else whole."""

    def __init__(self, blocks=64, octets=None):
        self.octets = octets if octets is not None else bytearray(b"\xff" * (blocks * BLOCK))
        self.erases = self.programs = 0
        self.cut_at, self.torn = None, False
        self._blocks = len(self.octets) // BLOCK

    @property
    def operations(self):
        return self.erases + self.programs

    @property
    def is_dead(self):
        return self.cut_at is not None and self.operations >= self.cut_at

    def readblocks(self, block, buffer, offset=0):
        at = block * BLOCK + offset
        buffer[:] = self.octets[at : at + len(buffer)]

    def writeblocks(self, block, buffer, offset=0):
        at = block * BLOCK + offset
        self.programs += 1
        count = self._done(len(buffer))
        for index in range(count):
            self.octets[at + index] &= buffer[index]
        self._after()

    def ioctl(self, operation, argument):
        if operation == 4:
            return self._blocks
        if operation == 5:
            return BLOCK
        if operation == 6:
            self.erases += 1
            at = argument * BLOCK
            count = self._done(BLOCK)
            self.octets[at : at + count] = b"\xff" * count
            self._after()
        return 0

    def _done(self, whole):
        """How much of this operation happens."""
        if not self.is_dead:
            return whole
        if self.operations > self.cut_at:
            return 0
        return whole // 2 if self.torn else whole

    def _after(self):
        """Once: what runs on without power changes nothing, and can close its files."""
        if self.operations == self.cut_at:
            raise PowerCutError(5)


def formatted(blocks=64):
    flash = Flash(blocks)
    os.VfsLfs2.mkfs(flash, progsize=PROGRAM)
    flash.erases = flash.programs = 0
    return flash


def mounted(flash):
    os.mount(os.VfsLfs2(flash, progsize=PROGRAM), "/flash")


def unmount():
    os.umount("/flash")
