"""Runs the application of the slot that is chosen; of one that cannot even be imported, the other."""

import gc
import sys

from tillbell_start import repl, slots

_MOST, _LEAST = 128 * 1024, 16 * 1024
_PROGRAM = 96 * 1024  # what the application takes where all is large, and some air

_APPLICATION = ("tillbell_bridge", "tillbell_protocol")


def run(root: str) -> None:
    """Ends only where no slot can be run, or somebody asked for the REPL."""
    if repl.is_wanted(root):
        repl.stay()
        return
    memory = _memory()
    chosen = slots.choose(root)
    while chosen is not None:
        begin = _application(root, chosen)
        if begin is not None:
            try:
                begin(root, chosen, memory)
                return
            except Exception as error:  # noqa: BLE001 - as below
                print("tillbell:", type(error).__name__)
                _forget_application()
        chosen = slots.give_up(root, chosen)
        if chosen is None or _path(root, chosen) in sys.path:
            return


def _memory() -> bytearray:
    """For what is heard: half of what the program leaves free, in one piece, before that leaves the rest in many."""
    gc.collect()
    free = gc.mem_free() if hasattr(gc, "mem_free") else 0
    return bytearray(max(_LEAST, min(_MOST, (free - _PROGRAM) // 2)))


def _path(root: str, slot: str) -> str:
    return root + "/" + slot


def _application(root: str, slot: str):  # type: ignore[no-untyped-def]
    """Its ``main``; None: it cannot be imported."""
    sys.path.insert(0, _path(root, slot))
    try:
        from tillbell_bridge.app import main  # noqa: PLC0415 - only now it is known which one
    except Exception:  # noqa: BLE001 - whatever a broken application raises
        _forget_application()
        return None
    return main


def _forget_application() -> None:
    for name in list(sys.modules):
        if name.split(".")[0] in _APPLICATION:
            del sys.modules[name]
