"""Which serial ports there are, with what USB says of the device behind each."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from serial.tools import list_ports

from tillbell_agent.flash.identify import UsbPort
from tillbell_agent.shell.serial_ports import serial_ports

_LOOK_S = 0.2


def usb_ports() -> list[UsbPort]:
    """By their stable names, where they have one."""
    names = {os.path.realpath(path): path for path in serial_ports()}
    return [
        UsbPort(
            names.get(os.path.realpath(each.device), each.device),
            f"{each.vid:04x}:{each.pid:04x}" if each.vid is not None and each.pid is not None else "",
            each.serial_number or "",
        )
        for each in list_ports.comports()
    ]


def wait_for_port(fits: Callable[[UsbPort], bool], named: str | None, seconds: float) -> UsbPort | None:
    """The first port that fits, or the named one as soon as it exists; None: not within so long."""
    until = time.monotonic() + seconds
    while True:
        if named is not None and ("://" in named or Path(named).exists()):
            return next((each for each in usb_ports() if each.path == named), UsbPort(named))
        found = [each for each in usb_ports() if fits(each)] if named is None else []
        if found:
            return found[0]
        if time.monotonic() >= until:
            return None
        time.sleep(_LOOK_S)
