"""What a bridge's flash goes through, and how much heap is left: the real application on littlefs, in virtual time.

Runs under MicroPython, with the firmware and the link on its path, as a board has them; prints one JSON object.

    bridge_runner.py wear SALES IMAGE STALLS AWAY   SALES: a file as ``bridge.py`` makes it; IMAGE: one to make; STALLS: 1
    bridge_runner.py heap FOLDER                    where flash stops the lines; AWAY: sales between two visits of the host,
                                                    0: it stays
"""

import gc
import json
import os
import sys

BEFORE = gc.mem_free()
# ruff: noqa: E402 - what these take is measured
from cryptolib import aes

from tillbell_bridge.app import Bridge
from tillbell_bridge.config import Config
from tillbell_protocol.link import messages as m
from tillbell_protocol.link.frame import SESSION, Frame, FrameReader, split
from tillbell_protocol.link.mac import Mac, session_key

gc.collect()
IMPORTED = gc.mem_free()
KEY = bytes(32)
BLOCKS, BLOCK, PROGRAM = 352, 4096, 256  # of a Pico's file system
ERASED = b"\xff" * BLOCK
PIECE = 38  # octets that 9,600 baud bring in …
STEP_US = 40_000  # … this
REST_US, REST_STEP_US = 12_000_000, 250_000  # between two sales: longer than anything the bridge waits for
VISIT_US = 120_000_000  # in which the host takes what was left


class Receiver:
    def __init__(self):
        self.waiting = b""

    def read(self):
        octets, self.waiting = self.waiting, b""
        return octets

    def take_errors(self):
        return 0, 0


class Board:
    unique_id, reset_cause = "e661", 1

    def __init__(self):
        self.now = 0
        self.taps = [Receiver(), Receiver()]
        self.host = None
        self._to_bridge = b""
        self._drawn = 0

    def link_read(self):
        octets, self._to_bridge = self._to_bridge, b""
        return octets

    def link_write(self, octets):
        """Where nobody listens the port takes nothing."""
        if self.host is None:
            return 0
        self._to_bridge += self.host.answer(octets)
        return len(octets)

    def random(self, count):
        self._drawn += 1
        return self._drawn.to_bytes(count, "little")

    def set_led(self, on):
        pass

    def feed(self):
        pass


class Host:
    """An agent that makes durable what it takes, at once."""

    def __init__(self):
        self.octets = self.gaps = 0
        self._link = Mac(KEY)
        self._reader = FrameReader()
        self._session = None
        self._taken = 0

    def answer(self, octets):
        said = b""
        for stuffed in self._reader.feed(octets):
            frame, _, _ = split(stuffed)
            if frame.kind == m.HELLO:
                said += self._greet(m.Hello.decode(frame.payload))
            elif frame.kind == m.DATA and frame.seq == self._taken + 1:
                said += self._take(frame)
        return said

    def _greet(self, hello):
        nonce = bytes(16)
        self._session = Mac(session_key(KEY, hello.nonce, nonce))
        self._taken = max(self._taken, hello.oldest - 1)
        ack = m.HelloAck(hello.nonce, nonce, self._taken, self._taken)
        return Frame(m.HELLO_ACK, ack.encode()).encode(self._link)

    def _take(self, frame):
        found = m.Data.decode(frame.payload)
        self._taken = frame.seq
        self.octets += len(found.octets)
        self.gaps += frame.seq > 2 and bool(found.flags & m.GAP)  # the first of each line has one
        return Frame(m.ACK, m.encode_ack(frame.seq, frame.seq), flags=SESSION).encode(self._session)


class Shop:
    """``host`` None: nobody is there."""

    def __init__(self, root, stalls, host):
        tap = {
            "baudrate": 9600,
            "bits": 8,
            "parity": "N",
            "stop": 1,
            "uart": 0,
            "rx": 1,
            "tx": 0,
            "rxbuf": 4096,
        }
        hardware = {"flash_stalls": stalls, "link": "usb", "link_baudrate": 115200}
        config = {"schema": 1, "name": "shop", "board": "pico", "link_key": "00" * 32, "taps": [tap, tap]}
        config["hardware"] = hardware
        self.board = Board()
        self.board.host = host
        cipher = lambda key, iv: aes(key, 2, iv)  # noqa: E731
        self.bridge = Bridge(
            self.board, Config(config), "ok", cipher, root, "a", "0.1.0", 1, bytearray(56 * 1024)
        )
        self.said = 0
        self._pass(REST_US, REST_STEP_US)

    def hear(self, row):
        """``row``: what one of them said: channel, milliseconds before it, octets in hexadecimal; empty: a sale is over."""
        if not row:
            self._pass(REST_US, REST_STEP_US)
            return
        channel, after_ms, octets = row.split()
        self._pass(int(after_ms) * 1000, REST_STEP_US)
        said = bytes.fromhex(octets)
        for at in range(0, len(said), PIECE):
            self.board.taps[int(channel)].waiting = said[at : at + PIECE]
            self._pass(STEP_US, STEP_US)
        self.said += len(said)

    def visit(self, host):
        self.board.host = host
        self._pass(VISIT_US, STEP_US)
        self.board.host = None

    def _pass(self, microseconds, step):
        end = self.board.now + microseconds
        while self.board.now < end:
            self.board.now += min(step, end - self.board.now)
            self.bridge.turn(self.board.now)
        assert not self.bridge.health.faults, self.bridge.health.last_fault


class Flash:
    """A Pico's, in a file; its erases and programs are counted."""

    def __init__(self, path):
        with open(path, "wb") as file:
            for _ in range(BLOCKS):
                file.write(ERASED)
        self._file = open(path, "r+b")  # noqa: SIM115 - as long as this runs
        self.programs = 0
        self.erases = [0] * BLOCKS

    def readblocks(self, block, buffer, offset=0):
        self._file.seek(block * BLOCK + offset)
        self._file.readinto(buffer)

    def writeblocks(self, block, buffer, offset=0):
        self.programs += 1
        self._file.seek(block * BLOCK + offset)
        self._file.write(buffer)

    def ioctl(self, operation, argument):
        if operation == 4:
            return BLOCKS
        if operation == 5:
            return BLOCK
        if operation == 6:
            self.erases[argument] += 1
            self._file.seek(argument * BLOCK)
            self._file.write(ERASED)
        return 0


def mounted(path):
    flash = Flash(path)
    os.VfsLfs2.mkfs(flash, progsize=PROGRAM)
    os.mount(os.VfsLfs2(flash, progsize=PROGRAM), "/flash")
    return flash


def wear(sales, image, stalls, away):
    flash, host, count, used = mounted(image), Host(), 0, 0
    shop = Shop("/flash", stalls, None if away else host)
    flash.programs, flash.erases = 0, [0] * BLOCKS
    with open(sales) as file:
        for line in file:
            shop.hear(line.strip())
            count += not line.strip()
            if away and not line.strip() and count % away == 0:
                used = shop.bridge._journal.used
                shop.visit(host)
    return {
        "sales": count, "erases": sum(flash.erases), "programs": flash.programs, "worst": max(flash.erases),
        "said": shop.said, "taken": host.octets, "gaps": host.gaps, "held": shop.bridge.store.held, "used": used,
    }  # fmt: skip


def heap(folder):
    shop = Shop(folder, 1, None)
    gc.collect()
    return {"start": BEFORE, "imported": IMPORTED, "running": gc.mem_free(), "ring": shop.bridge._ring.room}


def main(what, *more):
    arguments = [int(each) if each.isdigit() else each for each in more]
    print(json.dumps({"wear": wear, "heap": heap}[what](*arguments)))


if __name__ == "__main__":
    main(*sys.argv[1:])
