"""The agent: listens to a terminal's serial line and tells the right people by SMS."""

# The build reads it from here. Asking importlib.metadata at run time instead costs the agent 3 MB and 30 ms.
__version__ = "0.1.0"
