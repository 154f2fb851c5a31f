"""The firmware bridge: what a microcontroller between a terminal's wires and the agent runs (MicroPython)."""
