"""The simulated modem on a pseudo-terminal: the machine's octets, wire, clock, log and control socket, in one thread.

No behaviour of a modem is in here.
"""

import contextlib
import json
import os
import selectors
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from tillbell_agent.sim.modem import ModemMachine
from tillbell_agent.sim.modem_control import MAX_REQUEST_OCTETS, respond
from tillbell_agent.sim.modem_wire import Wire
from tillbell_agent.sim.network import Record
from tillbell_agent.sim.pty import PseudoTerminal

# A harness and a person looking on; more are turned away.
MAX_CONTROL_CONNECTIONS = 16


class ControlSocket:
    """Listens at ``path``; one JSON line in, one out."""

    def __init__(self, path: Path, selector: selectors.BaseSelector) -> None:
        self._path = path
        self._selector = selector
        self._buffers: dict[socket.socket, bytearray] = {}
        if path.is_socket():
            path.unlink()  # left by a simulator that was killed
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._listener.bind(str(path))
        except OSError:
            self._listener.close()
            raise
        path.chmod(0o600)
        self._listener.listen()
        self._listener.setblocking(False)
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def close(self) -> None:
        for connection in list(self._buffers):
            self._drop(connection)
        self._selector.unregister(self._listener)
        self._listener.close()
        self._path.unlink(missing_ok=True)

    def _accept(self, _machine: ModemMachine) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            connection, _ = self._listener.accept()
            if len(self._buffers) >= MAX_CONTROL_CONNECTIONS:
                connection.close()
                return
            connection.settimeout(1.0)
            self._buffers[connection] = bytearray()
            self._selector.register(
                connection, selectors.EVENT_READ, lambda machine: self._read(connection, machine)
            )

    def _read(self, connection: socket.socket, machine: ModemMachine) -> None:
        buffer = self._buffers[connection]
        try:
            data = connection.recv(65_536)
            buffer += data
            while b"\n" in buffer:
                line, _, rest = bytes(buffer).partition(b"\n")
                buffer[:] = rest
                answer = respond(machine, line, time.monotonic())
                connection.sendall(_json(answer).encode("utf-8", "backslashreplace") + b"\n")
        except OSError:
            data = b""
        if not data or len(buffer) > MAX_REQUEST_OCTETS:
            self._drop(connection)

    def _drop(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        del self._buffers[connection]
        connection.close()


def write_log(log: TextIO, records: list[Record]) -> None:
    """One JSON object a line, flushed, so that a reader never sees half of one for long."""
    if records:
        log.write("".join(_json(record) + "\n" for record in records))
        log.flush()


def _json(value: Record) -> str:
    """Readable as it stands. A lone surrogate becomes JSON's own escape for it where it is encoded."""
    return json.dumps(value, ensure_ascii=False)


class Plug:
    """The modem's end of its port: a pseudo-terminal at ``link`` while the modem is plugged in, and the wire before it."""

    def __init__(self, link: Path, wire: Wire, selector: selectors.BaseSelector) -> None:
        self._link, self._wire, self._selector = link, wire, selector
        self._port: PseudoTerminal | None = None
        self._last = ""
        self._endings = 0

    def follow(self, plugged: bool) -> None:
        """Make the port be there, or not be there. It never comes back under its last name, as a real one may not."""
        if plugged and self._port is None:
            self._port = PseudoTerminal(self._link, self._last)
            self._last = self._port.path
            self._selector.register(self._port, selectors.EVENT_READ, "port")
        elif not plugged and self._port is not None:
            self._selector.unregister(self._port)
            self._port.close()
            self._port = None

    def watch(self) -> None:
        """Wait for writing only where something is left to write."""
        if self._port is not None:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._port.unwritten else 0)
            self._selector.modify(self._port, events, "port")

    def take_in(self, now: float) -> None:
        if self._port is not None:
            self._port.flush()
            data = self._port.read()
            if data:
                self._wire.from_computer(data, self._port.speed(), now)

    def exchange(self, machine: ModemMachine, log: TextIO, now: float) -> None:
        """What has arrived at either end. Logged before it is answered: what a program has been told stands in the log."""
        data = self._wire.to_modem(now)
        if data:
            write_log(log, machine.receive_data(data, now))
        write_log(log, machine.tick(now) + machine.take_records())
        if machine.endings != self._endings:
            self._endings = machine.endings
            self._wire.restart()
        self._wire.from_modem(machine.bytes_to_send(), now)
        if machine.commands.speed:  # +IPR holds from behind its own answer
            self._wire.speed, self._wire.autobaud = machine.commands.speed, False
        said = self._wire.to_computer(now)
        if self._port is not None:
            self._port.write(said)

    def close(self) -> None:
        self.follow(False)


def serve(
    machine: ModemMachine,
    wire: Wire,
    link: Path,
    log: TextIO,
    control: Path | None,
    wake: int,
    ready: Callable[[], None],
) -> None:
    """Run until ``wake`` becomes readable; ``ready`` is called once everything is open."""
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as stack:
        plug = Plug(link, wire, selector)
        stack.callback(plug.close)
        plug.follow(machine.plugged)
        selector.register(wake, selectors.EVENT_READ, "stop")
        if control is not None:
            stack.callback(ControlSocket(control, selector).close)
        ready()
        while True:
            plug.watch()
            for key, _ in selector.select(_wait(machine, wire)):
                if key.data == "stop":
                    os.read(wake, 64)
                    return
                if key.data == "port":
                    plug.take_in(time.monotonic())
                else:
                    key.data(machine)
            plug.exchange(machine, log, time.monotonic())
            plug.follow(machine.plugged)


def _wait(machine: ModemMachine, wire: Wire) -> float | None:
    deadlines = [at for at in (machine.next_deadline(), wire.next_deadline()) if at is not None]
    return None if not deadlines else max(0.0, min(deadlines) - time.monotonic())
