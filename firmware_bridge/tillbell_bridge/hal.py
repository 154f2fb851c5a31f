"""The board: the only module, with those it chooses from, that touches hardware.

A board has ``unique_id``, ``reset_cause``, ``taps`` (receivers, or None), and the methods of ``hal_unix.Board``.
"""

import sys

from tillbell_bridge.config import Config


def open_board(config: Config):  # type: ignore[no-untyped-def]
    """Of the machine that this runs on. Taps listen from here on."""
    if sys.platform == "rp2":
        from tillbell_bridge.hal_rp2 import Board  # noqa: PLC0415 - one is here
    elif sys.platform == "esp32":
        from tillbell_bridge.hal_esp32 import Board  # noqa: PLC0415 - one is here
    else:
        from tillbell_bridge.hal_unix import Board  # noqa: PLC0415 - one is here
    return Board(config)
