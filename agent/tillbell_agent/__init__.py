"""The agent: listens to a terminal's serial line and tells the right people by SMS."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("tillbell")
except PackageNotFoundError:  # run from a source tree that nobody installed
    __version__ = "0+source"
