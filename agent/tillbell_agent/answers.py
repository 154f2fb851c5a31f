"""A modem's answers on their way into the store: what they change, and what may be done only when that is durable."""

from collections.abc import Callable

from tillbell_agent.database import transaction
from tillbell_agent.modem.events import StoredAt
from tillbell_agent.modem.session import Session
from tillbell_agent.register import Register


class Answers:
    """Changes in the order in which they came. They stay until a commit of them succeeds."""

    def __init__(self, register: Register, session: Session) -> None:
        self._register = register
        self._session = session
        self._changes: list[Callable[[], None]] = []
        self._to_forget: list[StoredAt] = []
        self._to_release: list[int] = []
        self.may_wait_until: float | None = None  # None: what waits is committed at once

    def __bool__(self) -> bool:
        """Something waits to be committed."""
        return bool(self._changes)

    def add(
        self, change: Callable[[], None], *, forget: StoredAt | None = None, release: int | None = None
    ) -> None:
        """``forget``: of the modem's storage, once it is durable. ``release``: a message that is reserved until then."""
        self._changes.append(change)
        if forget is not None:
            self._to_forget.append(forget)
        if release is not None:
            self._to_release.append(release)

    def commit(self, now: float) -> None:
        """All of it, in a transaction of its own."""
        with transaction(self._register.connection):
            self.change()
        self.committed(now)

    def change(self) -> None:
        """All of it, inside the caller's transaction; ``committed`` is to be called behind it."""
        for change in self._changes:
            change()

    def committed(self, now: float) -> None:
        """It is durable: messages are free again, and the modem may forget what it holds a copy of."""
        self.may_wait_until = None
        self._changes.clear()
        for message_id in self._to_release:
            self._register.outbox.release(message_id)
        self._to_release.clear()
        for stored in self._to_forget:
            self._session.forget(stored, now)
        self._to_forget.clear()
