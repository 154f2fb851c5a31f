"""What the firmware asks of a board's ``machine``, for an interpreter that has no board.

``done``: what it was told, in order. ``levels``: of the pins. ``waiting``: by UART, what was heard. Constants are the RP2's.
"""

done = []
mem32 = {}
levels = {}
waiting = {}

PWRON_RESET, WDT_RESET = 1, 3


class Pin:
    IN, OUT, PULL_UP = 0, 1, 1

    def __init__(self, number, mode=None, pull=None):
        self.number = number
        done.append(("pin", number, mode, pull))

    def value(self, level=None):
        if level is None:
            return levels.get(self.number, 1)
        levels[self.number] = level
        return None


class UART:
    INV_TX, INV_RX = 1, 2

    def __init__(self, number, baudrate, *, bits, parity, stop, rx, tx, rxbuf, invert):
        self.number = number
        done.append(("uart", number, baudrate, bits, parity, stop, rx.number, tx.number, rxbuf, invert))

    def any(self):
        return len(waiting.get(self.number, b""))

    def read(self, count):
        octets = waiting.get(self.number, b"")
        waiting[self.number] = octets[count:]
        return octets[:count] or None


class WDT:
    def __init__(self, *, timeout):
        done.append(("watchdog", timeout))

    def feed(self):
        done.append(("fed",))


class Timer:
    ONE_SHOT, PERIODIC = 0, 1
    callback = None

    def __init__(self, number, *, period, mode, callback):
        done.append(("timer", number, period, mode))
        Timer.callback = callback


def unique_id():
    return b"\xe6\x61\x00\x01"


def reset_cause():
    return PWRON_RESET


def reset():
    done.append(("reset",))


def idle():
    done.append(("idle",))
