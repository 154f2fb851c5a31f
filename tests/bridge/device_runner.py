"""Plays what a bridge's session went through, and compares what it said; the same source on CPython and MicroPython.

``micropython device_runner.py FILE``: one JSON list a line; ends with 1 at the first difference.
"""

import binascii
import json
import sys

from tillbell_bridge.ring import Ring
from tillbell_bridge.session import DeviceSession, Who

NONCES = []


def nonce():
    return NONCES.pop(0)


class Player:
    def __init__(self):
        self.ring = None
        self.session = None

    def play(self, row):
        """None, or what the session said."""
        what = row[0]
        if what == "ring":
            self.ring = Ring(row[1], row[2], row[3])
        elif what == "start":
            self.ring._boot = row[2]
            who = Who("pico", row[3], "0.1.0", 1, row[2])
            held = lambda: {"held": self.ring.held}  # noqa: E731
            self.session = DeviceSession(binascii.unhexlify(row[1]), who, self.ring, nonce, held)
        elif what == "nonce":
            NONCES.append(binascii.unhexlify(row[1]))
        elif what == "add":
            self.ring.add(row[1], row[2], row[3], binascii.unhexlify(row[4]))
        elif what == "tick":
            self.session.tick(row[1])
        elif what == "receive":
            self.session.receive(binascii.unhexlify(row[1]), row[2])
        elif what == "said":
            return self.session.bytes_to_send()
        return None


def main(path):
    player, rows = Player(), 0
    with open(path) as file:
        for line in file:
            row = json.loads(line)
            said = player.play(row)
            if said is not None and said != binascii.unhexlify(row[1]):
                print("row", rows, "differs:", said, row[1])
                return 1
            rows += 1
    print(rows, "rows, all the same")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
