"""What MicroPython starts: the loader, which chooses a slot. Where none is whole the REPL is left to the installer."""

from tillbell_start.start import run

run("")
