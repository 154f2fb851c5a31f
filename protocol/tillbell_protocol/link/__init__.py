"""The link between the firmware bridge and the agent: framing and messages, the same source on CPython and MicroPython.

Written in what both understand: no dataclasses, no enum, no typing at run time, no keyword arguments of int.from_bytes. On
MicroPython ``struct`` packs numbers that are too large and ignores octets that are too many, so every range and every
length is looked at here. Wire format: SPEC.md, section 9.
"""
