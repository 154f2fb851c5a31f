"""The boards' own modules against ``stand_in/machine.py``, under the real interpreter; raises where one does otherwise.

``TILLBELL_CHIP=RP2040|RP2350|ESP32 micropython hal_runner.py``
"""

import os

import machine

from tillbell_bridge.config import Config
from tillbell_start import repl

if os.getenv("TILLBELL_CHIP") == "ESP32":
    from tillbell_bridge.hal_esp32 import Board
else:
    from tillbell_bridge.hal_rp2 import Board

TAP = {
    "baudrate": 9600, "bits": 7, "parity": "E", "stop": 1, "invert": True, "uart": 1, "rx": 5, "tx": 4, "rxbuf": 512,
}  # fmt: skip
CHIP = os.getenv("TILLBELL_CHIP")
RSR_OF_UART_1 = 0x40078004 if CHIP == "RP2350" else 0x40038004


def config():
    hardware = {"led": 25, "strap": 22, "link": "usb", "link_baudrate": 115200, "flash_stalls": True}
    found = {"schema": 1, "name": "till", "board": "pico", "link_key": "11" * 32, "taps": [TAP, None]}
    found["hardware"] = hardware
    return Config(found)


def board():
    machine.done[:] = []
    machine.mem32[RSR_OF_UART_1] = 0
    return Board(config())


def opens_the_receiver_as_it_was_set(it):
    assert ("uart", 1, 9600, 7, 0, 1, 5, 4, 512, machine.UART.INV_RX) in machine.done
    assert it.taps[1] is None


def leaves_the_transmitters_pin_an_input(it):
    opened = [each[0] for each in machine.done].index("uart")
    assert machine.done.index(("pin", 4, machine.Pin.IN, None)) > opened


def reads_what_was_heard(it):
    machine.waiting[1] = b"SALE"
    assert it.taps[0].read() == b"SALE"
    assert it.taps[0].read() == b""
    assert it.taps[0].take_errors() == (0, 0)


def tells_a_full_buffer_as_an_overrun(it):
    machine.waiting[1] = bytes(511)
    assert len(it.taps[0].read()) == 511
    assert it.taps[0].take_errors()[0] == 1
    assert it.taps[0].take_errors()[0] == 0


def knows_its_name_and_why_it_started(it):
    assert (it.unique_id, it.reset_cause) == ("e6610001", 1)


def asks_the_strap(it):
    assert not it.is_strapped()
    assert ("pin", 22, machine.Pin.IN, machine.Pin.PULL_UP) in machine.done


def shows_its_light(it):
    it.set_led(True)
    assert machine.levels[25]


def feeds_the_watchdog_only_once_it_runs(it):
    it.feed()
    assert ("fed",) not in machine.done
    it.start_watchdog()
    it.feed()
    watchdog = [each for each in machine.done if each[0] == "watchdog"]
    assert watchdog[0][1] <= 8388  # the RP2040's most
    assert ("fed",) in machine.done


def is_fed_for_ten_minutes_at_the_repl(_):
    repl.stay()
    ((_, _, period, _),) = [each for each in machine.done if each[0] == "timer"]
    for _ in range(700_000 // period):
        machine.Timer.callback(None)
    fed = machine.done.count(("fed",)) * period
    assert 590_000 <= fed <= 600_000, fed


def draws_other_octets_each_time(it):
    assert it.random(16) != it.random(16)


def counts_microseconds(it):
    first = it.ticks_us()
    assert 0 <= first <= it.ticks_us()


def writes_to_its_port_what_is_taken(it):
    assert it.link_write(b"") == 0
    assert it.link_read() == b"heard"


def reads_the_uarts_own_flags_and_clears_them(it):
    machine.mem32[RSR_OF_UART_1] = 0x8
    assert it.taps[0].take_errors() == (1, 0)
    assert machine.mem32[RSR_OF_UART_1] == 0
    machine.mem32[RSR_OF_UART_1] = 0x1
    assert it.taps[0].take_errors() == (0, 1)
    assert it.taps[0].take_errors() == (0, 0)


OF_ALL = (
    opens_the_receiver_as_it_was_set, leaves_the_transmitters_pin_an_input, reads_what_was_heard,
    tells_a_full_buffer_as_an_overrun, knows_its_name_and_why_it_started, asks_the_strap, shows_its_light,
    feeds_the_watchdog_only_once_it_runs, is_fed_for_ten_minutes_at_the_repl, draws_other_octets_each_time,
    counts_microseconds, writes_to_its_port_what_is_taken,
)  # fmt: skip


def main():
    checks = OF_ALL + ((reads_the_uarts_own_flags_and_clears_them,) if CHIP.startswith("RP") else ())
    for check in checks:
        check(board())
    print(len(checks), "checks")


if __name__ == "__main__":
    main()
