"""Waits until a port has octets, a port takes octets, a signal came, or time is up: ``selectors`` behind one call."""

import selectors
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class HasDescriptor(Protocol):
    def fileno(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Watched:
    """Something to wait for: call ``act`` when it can be read, or also when it can be written."""

    owner: HasDescriptor
    act: Callable[[], object]
    for_writing: bool = False


class SelectorWatch:
    """The real waiter. A descriptor that was closed and opened again as another port is noticed by its owner."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._known: dict[int, Watched] = {}
        self._wake, self._woken = socket.socketpair()
        for end in (self._wake, self._woken):
            end.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ, None)

    def wake_on_signals(self) -> None:
        """Let any handled signal end a wait. Main thread only."""
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)

    def wait(self, wanted: Sequence[Watched], timeout_s: float | None) -> list[Watched]:
        """Those of ``wanted`` that are ready within ``timeout_s`` (None: for ever), in the order of ``wanted``."""
        self._synchronise(wanted)
        ready = {key.fd for key, _ in self._selector.select(timeout_s)}
        self._drain()
        return [each for each in wanted if each.owner.fileno() in ready]

    def close(self) -> None:
        signal.set_wakeup_fd(-1)
        self._selector.close()
        self._wake.close()
        self._woken.close()

    def _synchronise(self, wanted: Sequence[Watched]) -> None:
        by_descriptor = {each.owner.fileno(): each for each in wanted}
        for descriptor, known in list(self._known.items()):
            still = by_descriptor.get(descriptor)
            if still is None or still.owner is not known.owner:
                self._selector.unregister(descriptor)
                del self._known[descriptor]
        for descriptor, each in by_descriptor.items():
            self._watch(descriptor, each)
            self._known[descriptor] = each

    def _watch(self, descriptor: int, each: Watched) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if each.for_writing else 0)
        if descriptor not in self._known:
            self._selector.register(descriptor, events, each)
        else:
            self._selector.modify(descriptor, events, each)

    def _drain(self) -> None:
        signals: Any = b"x"
        while signals:
            try:
                signals = self._woken.recv(4096)
            except BlockingIOError:
                return
