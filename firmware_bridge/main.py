"""What MicroPython starts: the loader, which chooses a slot. Where none is whole the REPL is left to the installer."""

import micropython

_CTRL_C = 3

# Frames hold Ctrl-C's octet, and an agent speaks as soon as the port is there: none of it may end this.
micropython.kbd_intr(-1)
try:
    from tillbell_start.start import run

    run("")
finally:
    micropython.kbd_intr(_CTRL_C)
