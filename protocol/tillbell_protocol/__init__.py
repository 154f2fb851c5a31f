"""Tillbell's formats: events, sealed messages, SMS TPDUs. Pure: bytes in, values out.

Nothing here opens a file, reads a clock or draws a random number; those are arguments.
"""
