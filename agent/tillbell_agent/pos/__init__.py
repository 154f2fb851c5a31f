"""POS dialects: bytes of a terminal's line become completed transactions. One sans-IO module each."""
