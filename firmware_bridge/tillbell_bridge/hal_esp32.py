"""ESP32 and ESP32-S3. The UART's interrupt runs from RAM there, so that flash may be written while a line is busy.

A classic ESP32 has no USB: the link is its UART 0, which the REPL has too.
"""

from tillbell_bridge.config import Config
from tillbell_bridge.hal_machine import MachineBoard, Receiver


class Board(MachineBoard):
    def __init__(self, config: Config) -> None:
        super().__init__(config, Receiver)
