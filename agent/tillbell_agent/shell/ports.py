"""Serial ports by pyserial, read and written without blocking; a pty is one too.

Opening raises DTR and RTS in the kernel and no program can prevent that: HUPCL is cleared so that closing does not drop
them, no flow control is set, and the wiring leaves those pins unconnected. A port that is gone stays "readable" for
ever, so an empty read is an end, not a pause.
"""

import contextlib
import errno
import fcntl
import os
import struct
import termios
from dataclasses import dataclass

import serial

_READ_OCTETS = 4096
_MISSING = frozenset({errno.ENOENT, errno.ENODEV, errno.ENXIO})
_TERMIOS_CFLAG, _TERMIOS_OSPEED, _TERMIOS_CC = 2, 5, 6
# struct serial_icounter_struct of <linux/serial.h>: twenty ints, of which the seventh, ninth and tenth are these.
_TIOCGICOUNT = 0x545D
_COUNTERS = struct.Struct("20i")
_FRAMING, _PARITY, _BREAKS = 6, 8, 9
_MARK = 0o10000000000  # CMSPAR, which the module termios does not name


class PortError(Exception):
    """A port cannot be opened, or it is gone; the message says which, why and what to look at.

    ``missing``: its name does not exist now, which is cheap to look at again.
    """

    def __init__(self, message: str, *, missing: bool = False) -> None:
        super().__init__(message)
        self.missing = missing


@dataclass(frozen=True, slots=True)
class LineSettings:
    """How a port is to be opened. ``parity`` is N, E, O, M or S."""

    path: str
    baudrate: int = 9600
    bytesize: int = 8
    parity: str = "N"
    stopbits: float = 1


class _Serial(serial.Serial):
    """pyserial throws away what waits in the port when it opens it: for a terminal's line that may be a sale."""

    def _reset_input_buffer(self) -> None:
        """Keep what is there."""


class ListenPort:
    """A terminal's line: there is no way to write to it."""

    def __init__(self, settings: LineSettings) -> None:
        self.path = settings.path
        self._serial = _open(settings)

    def fileno(self) -> int:
        return int(self._serial.fileno())

    def read(self) -> bytes:
        """What waits, at most 4 KiB; b"" where nothing does. Raises PortError where the port is gone."""
        try:
            data = os.read(self.fileno(), _READ_OCTETS)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise PortError(f"{self.path}: {error.strerror}: is it unplugged?") from error
        if not data:
            raise PortError(f"{self.path}: the other end is gone: is it unplugged?")
        return data

    def tune(self, baudrate: int, bytesize: int, parity: str, stopbits: float) -> bool:
        """Hear with these settings from now on; False where the port does not do so. What waits is dropped.

        A pseudo-terminal takes any speed and drops parity and seven bits. Raises PortError where the port is gone.
        """
        wanted = {"baudrate": baudrate, "bytesize": bytesize, "parity": parity}
        try:
            for name, value in wanted.items():
                # Set together with what is left of the settings before, which may be refused.
                with contextlib.suppress(serial.SerialException, OSError, termios.error):
                    setattr(self._serial, name, value)
            self._serial.stopbits = stopbits
            _set_modes(self.fileno())
            termios.tcflush(self.fileno(), termios.TCIFLUSH)
            return _has_format(self.fileno(), baudrate, bytesize, parity)
        except (serial.SerialException, OSError, ValueError, termios.error) as error:
            if _code(error) == errno.EINVAL or isinstance(error, ValueError):
                return False
            raise PortError(f"{self.path}: {_why(error)}") from error

    def error_counts(self) -> tuple[int, int] | None:
        """(framing errors and breaks, parity errors) since the driver started; None: it keeps no such counters.

        A pseudo-terminal keeps none, nor do some USB adapters; others have counters that never count.
        """
        try:
            counters = _COUNTERS.unpack(fcntl.ioctl(self.fileno(), _TIOCGICOUNT, bytes(_COUNTERS.size)))
        except OSError:
            return None
        return counters[_FRAMING] + counters[_BREAKS], counters[_PARITY]

    def close(self) -> None:
        unlock(self._serial)
        self._serial.close()


class TalkPort(ListenPort):
    """A modem's line."""

    def set_speed(self, baudrate: int) -> None:
        """From the next octet on. Raises PortError where the port does not have that speed, or is gone."""
        try:
            self._serial.baudrate = baudrate
            _set_modes(self.fileno())
        except (serial.SerialException, OSError, ValueError, termios.error) as error:
            raise PortError(f"{self.path}: {baudrate} bit/s: {_why(error)}") from error

    def write(self, data: bytes) -> int:
        """Write what fits now, return how many octets did. Raises PortError where the port is gone."""
        try:
            return os.write(self.fileno(), data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise PortError(f"{self.path}: {error.strerror}: is it unplugged?") from error


def unlock(port: serial.Serial) -> None:
    """Let others open it, before it is closed: a child that has not begun its program yet holds the lock as well."""
    with contextlib.suppress(OSError):  # pyserial's errors are such: it is closed already
        fcntl.flock(port.fileno(), fcntl.LOCK_UN)


def _open(settings: LineSettings) -> _Serial:
    try:
        port = _Serial(
            settings.path,
            settings.baudrate,
            bytesize=settings.bytesize,
            parity=settings.parity,
            stopbits=settings.stopbits,
            timeout=0,
            exclusive=True,
        )
    except (serial.SerialException, OSError, ValueError, termios.error) as error:
        raise PortError(f"{settings.path}: {_why(error)}", missing=_code(error) in _MISSING) from error
    try:
        _set_modes(port.fileno())
    except termios.error as error:  # pulled out a moment after it was opened
        port.close()
        raise PortError(f"{settings.path}: {_why(error)}") from error
    return port


def _set_modes(descriptor: int) -> None:
    """HUPCL off; VMIN 1, so that a read with nothing to read (EAGAIN) is told from the end of the line (nothing)."""
    attributes = termios.tcgetattr(descriptor)
    attributes[_TERMIOS_CC][termios.VMIN] = 1
    attributes[_TERMIOS_CFLAG] &= ~termios.HUPCL
    termios.tcsetattr(descriptor, termios.TCSANOW, attributes)


def _has_format(descriptor: int, baudrate: int, bytesize: int, parity: str) -> bool:
    """Whether the driver kept what it was asked for; a receiver waits for one stop bit whatever is set."""
    attributes = termios.tcgetattr(descriptor)
    flags = attributes[_TERMIOS_CFLAG]
    size = termios.CS7 if bytesize == 7 else termios.CS8
    kept = flags & termios.CSIZE == size and bool(flags & termios.PARENB) == (parity != "N")
    marked = bool(flags & _MARK) == (parity in "MS")
    return kept and marked and attributes[_TERMIOS_OSPEED] == getattr(termios, f"B{baudrate}", None)


def _why(error: Exception) -> str:
    code = _code(error)
    if code in _MISSING:
        return "no such port: is the adapter plugged in?"
    if code in {errno.EACCES, errno.EPERM}:
        return "not allowed: put the user into the group dialout"
    if code in {errno.EAGAIN, errno.EBUSY}:
        return "another program holds it (ModemManager? another tillbell?)"
    if code in {errno.ENOTTY, errno.EISDIR}:
        return "this is no serial port: name a device below /dev"
    if code == errno.EIO:
        return "the other end is gone: is it unplugged?"
    return str(error)


def _code(error: BaseException | None) -> int | None:
    """The system's number: pyserial wraps termios' errors without it, and termios' have it as an argument."""
    while error is not None:
        if isinstance(error, termios.error):
            return int(error.args[0])
        code = getattr(error, "errno", None)
        if code is not None:
            return int(code)
        error = error.__context__
    return None
