"""Wires machines to ports: one thread, one waiter, one turn at a time.

The order within a turn: octets that came, time that passed, what is due for the modems, octets out, and then the
commits that may wait. No decision is made here.
"""

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from tillbell_agent.bridge_line import BridgeLine
from tillbell_agent.database import DamagedStoreError, StoreError, store_error
from tillbell_agent.line import Line
from tillbell_agent.listening import Listener
from tillbell_agent.modem_line import ModemLine
from tillbell_agent.register import Register
from tillbell_agent.shell.log import Log
from tillbell_agent.shell.watching import Watched
from tillbell_agent.world import Clock

_HOUSEKEEPING_S = 3600.0
# How often what a busy reader or a full disk held up is tried again.
_AGAIN_S = 1.0
# A clock that moves more than this between two turns was set; less is drift, and no timer minds it.
_CLOCK_SET_S = 30
# The same trouble is told again only after it was gone for so long.
_TELL_AGAIN_S = 60.0
# Octets of two lines that waited no longer than this are in the order in which a terminal is spoken to: request, answer.
_ORDER_LOST_S = 0.5
# After SIGTERM the open command of a modem is waited for, but no longer than a service manager has patience.
_STOP_WITHIN_S = 20.0


class Waiter(Protocol):
    """Waits until one of ``wanted`` is ready, or time is up."""

    def wait(self, wanted: Sequence[Watched], timeout_s: float | None) -> list[Watched]: ...


class Control(Protocol):
    """The control socket."""

    def watched(self) -> Sequence[Watched]: ...


Worker = Listener | BridgeLine | ModemLine


class Runner:
    """``stop`` may be called from a signal handler; ``run`` then finishes the open command and returns.

    A receipt that is half heard is heard to its end as well: what the port has given nobody can ask for again. A bridge
    can be asked again, and holds nothing up.
    """

    def __init__(
        self, listeners: Sequence[Listener], bridges: Sequence[BridgeLine], modems: Sequence[ModemLine],
        register: Register, control: Control, clock: Clock, waiter: Waiter, log: Log, on_ready: Callable[[], None],
    ) -> None:  # fmt: skip
        self._listeners = listeners
        self._bridges = bridges
        self._modems = modems
        self._workers: list[Worker] = [*listeners, *bridges, *modems]
        self._register = register
        self._control = control
        self._clock = clock
        self._waiter = waiter
        self._log = log
        self._on_ready: Callable[[], None] | None = on_ready
        self._stop_by: float | None = None
        self._house_at = self._steady_since = self._woken_at = clock.monotonic()
        self._wall_ahead = clock.moment().unix - self._house_at
        self._store_trouble: str | None = None
        self._store_refused_at = 0.0
        self._store_at: float | None = None
        self._recovered = not modems

    def stop(self) -> None:
        """End soon: nothing new is begun, the open command is finished."""
        if self._stop_by is None:
            self._stop_by = self._clock.monotonic() + _STOP_WITHIN_S
            for modem in self._modems:
                modem.courier.stop()

    def run(self) -> None:
        """Turn until stopped."""
        self.start()
        while not self._finished():
            self.turn()
        self.close()

    def start(self) -> None:
        """Open what can be opened, and settle what the last run left open."""
        now = self._clock.monotonic()
        self._guarded(self._recover)
        for worker in self._workers:
            worker.open(now)
        self._announce()

    def turn(self) -> None:
        """Wait for octets or the nearest deadline, and act on it."""
        busy_s = self._clock.monotonic() - self._woken_at
        ready = self._waiter.wait(self._wanted(), self._timeout_s())
        self._woken_at = self._clock.monotonic()
        self._judge_order(ready, busy_s)
        self._guarded(self._watch_clock)
        for watched in ready:
            self._guarded(watched.act)
        now, moment = self._clock.monotonic(), self._clock.moment()
        for worker in self._workers:
            deadline = worker.next_deadline()
            if deadline is not None and now >= deadline:
                self._guarded(partial(worker.tick, now, moment))
        if self._store_at is None or now >= self._store_at:
            self._store_at = None
            if self._register.damaged:
                self._guarded(self._repair)
            self._guarded(self._recover)
            if self._recovered:
                self._serve_modems(now)
            self._guarded(self._keep_store)
        for bridge in self._bridges:
            bridge.flush()
        for modem in self._modems:
            modem.flush()
        self._announce()

    def close(self) -> None:
        """Store what was heard and answered, and let the ports go."""
        now, moment = self._clock.monotonic(), self._clock.moment()
        for listener in self._listeners:
            listener.close(now, moment)
        for bridge in self._bridges:
            bridge.close(now)
        for modem in self._modems:
            self._guarded(partial(modem.close, now))

    def _judge_order(self, ready: Sequence[Watched], busy_s: float) -> None:
        """After a long turn: of which terminals both lines have something, in an order that nobody knows."""
        ports = {id(watched.owner) for watched in ready} if busy_s > _ORDER_LOST_S else set()
        for listener in self._listeners:
            listener.order_unknown = len(listener.lines) > 1 and all(
                id(line.port) in ports for line in listener.lines
            )

    def _recover(self) -> None:
        """Before anything is sent: settle what the last run left open."""
        if not self._recovered:
            self._modems[0].courier.recover(self._clock.monotonic(), self._clock.moment())
            self._recovered = True

    def _serve_modems(self, now: float) -> None:
        """Write first, commit behind: the modem works while the disk does. The least loaded one chooses first."""
        moment = self._clock.moment()
        for modem in sorted(self._modems, key=lambda modem: modem.courier.sent):
            self._guarded(partial(modem.courier.pump, now, moment))
            modem.flush()
            self._guarded(partial(modem.courier.settle, now))
            modem.flush()

    def _watch_clock(self) -> None:
        """Timers are monotonic; what the store dates by the wall clock follows where that is set."""
        now = self._clock.monotonic()
        ahead = self._clock.moment().unix - now
        by = round(ahead - self._wall_ahead)
        if abs(by) > _CLOCK_SET_S:
            self._register.clock_set(by, self._clock.moment())
            self._log.warning("clock_set", by_s=by)
            self._steady_since = now
        self._wall_ahead = ahead

    def _keep_store(self) -> None:
        """Erase, release and tidy what an earlier turn could not, or what is due."""
        now = self._clock.monotonic()
        if self._register.wal_to_truncate:
            self._register.erase()
            if self._register.wal_to_truncate:
                self._store_at = now + _AGAIN_S
        if self._register.more_held:
            self._register.release_held(self._clock.moment())
        if now >= self._house_at:
            self._house_at = now + _HOUSEKEEPING_S
            self._register.keep_house(self._clock.moment(), now - self._steady_since)

    def _guarded(self, act: Callable[[], object]) -> None:
        """Run one step; a disk that refuses is told once and tried again, and stops nobody else."""
        try:
            act()
        except StoreError as error:
            self._refused(error)
        except sqlite3.Error as error:  # where something was only read
            self._refused(store_error(error))

    def _refused(self, error: StoreError) -> None:
        now = self._clock.monotonic()
        if str(error) != self._store_trouble or now - self._store_refused_at > _TELL_AGAIN_S:
            self._log.error("store_refused", why=error)
        self._store_trouble, self._store_refused_at = str(error), now
        self._store_at = now + _AGAIN_S
        self._register.damaged |= isinstance(error, DamagedStoreError)

    def _repair(self) -> None:
        """The store is damaged: another takes its place, with what could be saved. Tried again where that fails."""
        rescued = self._register.repair()
        self._log.error("store_set_aside", why=rescued.words())

    def _wanted(self) -> list[Watched]:
        wanted = list(self._control.watched())
        for worker in self._workers:
            for line in worker.lines:
                if line.port is not None:
                    act = partial(self._readable, worker, line)
                    wanted.append(Watched(line.port, act, worker.wants_to_write))
        return wanted

    def _readable(self, worker: Worker, line: Line[Any]) -> None:
        worker.readable(line, self._clock.monotonic(), self._clock.moment())

    def _timeout_s(self) -> float | None:
        due: list[float | None] = [worker.next_deadline() for worker in self._workers]
        due += [max(self._house_at, self._store_at or 0.0), self._store_at, self._stop_by]
        now = self._clock.monotonic()
        for modem in self._modems:
            look_at = modem.courier.next_deadline()
            if look_at is not None:  # a disk that refuses is left alone until it is asked again
                due.append(look_at if self._store_at is None else max(look_at, self._store_at))
        if self._register.more_held and self._store_at is None:
            return 0.0
        return max(0.0, min(each for each in due if each is not None) - now)

    def _finished(self) -> bool:
        if self._stop_by is None:
            return False
        if self._clock.monotonic() >= self._stop_by:
            return True
        open_commands = any(modem.courier.busy for modem in self._modems)
        return not open_commands and not any(listener.busy for listener in self._listeners)

    def _announce(self) -> None:
        """Tell the service manager once, when every source's port is open, or its bridge's."""
        heard: list[Worker] = [*self._listeners, *self._bridges]
        if self._on_ready is not None and all(
            line.port is not None for worker in heard for line in worker.lines
        ):
            self._on_ready()
            self._on_ready = None
