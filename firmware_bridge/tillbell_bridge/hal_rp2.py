"""RP2040 and RP2350. The UART's own overrun flag is read, since the driver does not look at it."""

import machine

from tillbell_bridge.config import Config, TapConfig
from tillbell_bridge.hal_machine import MachineBoard, Receiver

# UARTRSR/UARTECR of the PL011 (RP2040 datasheet, 4.2.8; RP2350 datasheet, 12.1.8): a write clears it.
_BASES = {"RP2040": (0x40034000, 0x40038000), "RP2350": (0x40070000, 0x40078000)}
_RSR = 0x04
_FRAMING, _PARITY, _OVERRUN = 0x1, 0x2, 0x8


class Rp2Receiver(Receiver):
    def __init__(self, tap: TapConfig) -> None:
        super().__init__(tap)
        chip = "RP2350" if "RP2350" in _machine_name() else "RP2040"
        self._status = _BASES[chip][tap.uart] + _RSR

    def take_errors(self) -> "tuple[int, int]":
        lost, _ = super().take_errors()
        found = machine.mem32[self._status]
        if found:
            machine.mem32[self._status] = 0
        return lost + bool(found & _OVERRUN), int(bool(found & (_FRAMING | _PARITY)))


class Board(MachineBoard):
    def __init__(self, config: Config) -> None:
        super().__init__(config, Rp2Receiver)


def _machine_name() -> str:
    import os  # noqa: PLC0415

    return os.uname().machine
