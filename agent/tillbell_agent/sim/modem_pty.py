"""The simulated modem on a pseudo-terminal: the machine's octets, clock, log and control socket, in one thread.

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
from typing import Any, TextIO

from tillbell_agent.sim.modem import ModemMachine
from tillbell_agent.sim.modem_control import MAX_REQUEST_OCTETS, respond
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
                connection.sendall(json.dumps(answer, ensure_ascii=False).encode() + b"\n")
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
    for record in records:
        log.write(json.dumps(record, ensure_ascii=False) + "\n")
    log.flush()


def serve(
    machine: ModemMachine,
    port: PseudoTerminal,
    log: TextIO,
    control: Path | None,
    wake: int,
    ready: Callable[[], None],
) -> None:
    """Run until ``wake`` becomes readable; ``ready`` is called once everything is open."""
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as stack:
        selector.register(port, selectors.EVENT_READ, "port")
        selector.register(wake, selectors.EVENT_READ, "stop")
        if control is not None:
            stack.callback(ControlSocket(control, selector).close)
        ready()
        while True:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if port.unwritten else 0)
            selector.modify(port, events, "port")
            for key, _ in selector.select(_wait(machine)):
                if key.data == "stop":
                    os.read(wake, 64)
                    return
                _attend(key.data, machine, port, log)
            write_log(log, machine.tick(time.monotonic()) + machine.take_records())
            _write(machine, port)


def _wait(machine: ModemMachine) -> float | None:
    deadline = machine.next_deadline()
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def _attend(who: Any, machine: ModemMachine, port: PseudoTerminal, log: TextIO) -> None:
    if who == "port":
        port.flush()
        # Logged before it is answered: what a program has been told stands in the log.
        write_log(log, machine.receive_data(port.read(), time.monotonic()))
        _write(machine, port)
    else:
        who(machine)


def _write(machine: ModemMachine, port: PseudoTerminal) -> None:
    data = machine.bytes_to_send()
    if data:
        port.write(data)
