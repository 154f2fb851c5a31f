"""The control socket ``<state_dir>/control`` (AF_UNIX, 0600): one JSON object a line and request, one back.

Who may open the state directory may ask. Nothing here decides; requests go to the handler that the runner gives.
"""

import contextlib
import json
import os
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tillbell_agent.shell.watching import Watched

SOCKET_NAME = "control"
# Longer than any request that a verb makes (a text of ten segments is 1.5 KiB); more is not a request of ours.
LONGEST_REQUEST = 16_384
_MOST_CLIENTS = 16
_CLIENT_TIMEOUT_S = 5.0

Handler = Callable[[dict[str, Any]], dict[str, Any]]


class ControlError(Exception):
    """The agent cannot be reached or did not answer; the message says which."""


class NoAgentError(ControlError):
    """Nobody listens: what was asked has certainly not been done."""


@contextlib.contextmanager
def _short_address(state_dir: Path) -> Iterator[str]:
    """A path to the socket that fits the 108 octets of a socket address however deep ``state_dir`` lies."""
    directory = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{SOCKET_NAME}"
    finally:
        os.close(directory)


class ControlServer:
    """Listens, and answers each line at once. The caller waits for what ``watched()`` names."""

    def __init__(self, state_dir: Path, handler: Handler) -> None:
        self._handler = handler
        self._path = state_dir / SOCKET_NAME
        self._clients: dict[socket.socket, bytes] = {}
        self._path.unlink(missing_ok=True)  # the lock file says that no other agent uses it
        self._listener = socket.socket(
            socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        )
        with _short_address(state_dir) as address:
            self._listener.bind(address)
        self._path.chmod(0o600)
        self._listener.listen(_MOST_CLIENTS)

    def watched(self) -> list[Watched]:
        """What to wait for, and what to call then."""
        clients = [Watched(client, partial(self._read, client)) for client in self._clients]
        return [Watched(self._listener, self._accept), *clients]

    def close(self) -> None:
        for client in self._clients:
            client.close()
        self._clients.clear()
        self._listener.close()
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            return  # it went away before we came
        if len(self._clients) >= _MOST_CLIENTS:
            client.close()
            return
        client.setblocking(False)
        self._clients[client] = b""

    def _read(self, client: socket.socket) -> None:
        try:
            data = client.recv(LONGEST_REQUEST)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        buffered = self._clients[client] + data
        if not data or (b"\n" not in buffered and len(buffered) > LONGEST_REQUEST):
            self._drop(client)
            return
        *lines, self._clients[client] = buffered.split(b"\n")
        for line in lines:
            self._answer(client, line)

    def _answer(self, client: socket.socket, line: bytes) -> None:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            request = None
        answer = self._handler(request) if isinstance(request, dict) else {"error": "not a JSON object"}
        encoded = json.dumps(answer, ensure_ascii=False).encode() + b"\n"
        try:
            client.setblocking(True)
            client.settimeout(1.0)  # a local reader takes its answer at once, or goes without
            client.sendall(encoded)
            client.setblocking(False)
        except OSError:
            self._drop(client)

    def _drop(self, client: socket.socket) -> None:
        self._clients.pop(client, None)
        client.close()


def ask(state_dir: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Send one request to a running agent and return its answer.

    Raises NoAgentError where none runs, and ControlError where one does but does not answer: it may have acted.
    """
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC))
        client.settimeout(_CLIENT_TIMEOUT_S)
        try:
            client.connect(stack.enter_context(_short_address(state_dir)))
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError) as error:
            raise NoAgentError(f"no agent runs on {state_dir}: start it with tillbell run") from error
        except OSError as error:
            why = error.strerror or str(error)
            raise ControlError(
                f"the agent on {state_dir} cannot be asked: {why}. Run this as the owner of {state_dir}, or as root"
            ) from error
        return _answer_of(client, state_dir, request)


def _answer_of(client: socket.socket, state_dir: Path, request: dict[str, Any]) -> dict[str, Any]:
    try:
        client.sendall(json.dumps(request).encode() + b"\n")
        answer = json.loads(_read_line(client))
    except TimeoutError as error:
        raise ControlError(
            f"the agent on {state_dir} did not answer within {_CLIENT_TIMEOUT_S:.0f} s"
        ) from error
    except OSError as error:
        raise ControlError(f"the agent on {state_dir} ended before it answered") from error
    except ValueError as error:
        raise ControlError(f"the agent on {state_dir} gave an answer that is not JSON") from error
    if not isinstance(answer, dict):
        raise ControlError(f"the agent on {state_dir} gave an answer that is not a JSON object")
    return answer


def _read_line(client: socket.socket) -> bytes:
    received = bytearray()
    while not received.endswith(b"\n"):
        data = client.recv(65_536)
        if not data:
            raise ControlError("the agent ended before it answered")
        received += data
    return bytes(received)
