"""Plays what a bridge's session went through, and compares what it said; the same source on CPython and MicroPython.

``micropython device_runner.py FILE FOLDER``: one JSON list a line; ends with 1 at the first difference. The journal is in
the folder.
"""

import binascii
import gc
import json
import os
import sys

from mirror import Mirror

from tillbell_bridge.journal import Journal
from tillbell_bridge.ring import Ring
from tillbell_bridge.session import DeviceSession, Who
from tillbell_bridge.store import Epochs, Store

JOURNAL_ROOM = 1 << 20


class Player:
    """One board. ``folder``: its flash; ``nonce``: gives 16 octets."""

    def __init__(self, folder, nonce):
        self.store = None  # None: it is switched off, and nothing is in its flash
        self.session = None
        self._folder, self._nonce = folder, nonce

    def start(self, key, log, boot, unique_id, room):
        self.store = self.session = None
        gc.collect()  # the room of the start before, in one piece
        journal = Journal(self._folder + "/journal", lambda iv: Mirror(b"k", iv), bytes, JOURNAL_ROOM)
        self.store = Store(Ring(bytearray(room)), log, boot, Epochs(self._folder + "/epochs"))
        self.store.keep_in(journal, boot)
        who = Who("pico", unique_id, "0.1.0", 1, boot)
        held = lambda: {"held": self.store.held}  # noqa: E731
        self.session = DeviceSession(binascii.unhexlify(key), who, self.store, self._nonce, held)

    def wipe(self):
        """All that it holds is gone, and it is switched off."""
        folder = self._folder + "/journal"
        for name in os.listdir(folder):
            os.remove(folder + "/" + name)
        self.store = None

    def spill(self):
        """All that it holds is in flash."""
        while self.store.spill():
            pass

    def keep(self):
        """What flash is written for from time to time."""
        if self.store.epochs.is_unwritten:
            self.store.epochs.write()
        self.store.tidy()

    def add(self, channel, flags, ticks, octets):
        """``octets`` in hexadecimal."""
        return self.store.add(channel, flags, ticks, binascii.unhexlify(octets))

    def play(self, what, how):
        """None, or what the session said."""
        if what == "tick":
            self.session.tick(how[0])
        elif what == "receive":
            self.session.receive(binascii.unhexlify(how[0]), how[1])
        elif what == "said":
            return self.session.bytes_to_send()
        else:
            getattr(self, what)(*how)
        return None


def main(path, folder):
    nonces, rows = [], 0
    player = Player(folder, lambda: nonces.pop(0))
    with open(path) as file:
        for line in file:
            row = json.loads(line)
            if row[0] == "nonce":
                nonces.append(binascii.unhexlify(row[1]))
            else:
                said = player.play(row[0], row[1:])
                if said is not None and said != binascii.unhexlify(row[1]):
                    print("row", rows, "differs:", said, row[1])
                    return 1
            rows += 1
    print(rows, "rows, all the same")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
