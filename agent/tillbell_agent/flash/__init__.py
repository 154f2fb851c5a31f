"""Setting a firmware bridge up: what goes where, in which order, and what must hold before the next step. No port, no disk."""
