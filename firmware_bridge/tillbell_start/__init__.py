"""The loader: what stays on a board when the application in its two slots is exchanged."""
