"""A terminal's line as a file that may be sent home: card numbers are replaced before an octet is written.

``text_numbers``, ``packed_numbers``: where card numbers stand. ``frames``: what a check or a structure says about where
none can stand. ``standins``: what takes their place. ``scrubbing``: a stretch of a line, and a line as it comes.
``recording``: the file.
"""
