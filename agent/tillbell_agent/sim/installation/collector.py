"""Headquarters of an installation: joins segments and opens messages, on the public library alone."""

from collections.abc import Callable
from dataclasses import dataclass, field

from tillbell_protocol.pairing import SecretKey
from tillbell_protocol.receiver import CounterReusedError, Receiver
from tillbell_protocol.refusal import DuplicateError, Refusal, TagError
from tillbell_protocol.sms.reassembly import Assembled, Reassembler
from tillbell_protocol.sms.tpdu import SmsDeliver

_MOST_MESSAGES, _PARTS_WAIT_S = 1000, 3 * 86_400.0


@dataclass(slots=True)
class Collector:
    """``complain`` gets what should not have been refused; ``may_contradict`` says it of a device by its name.

    ``contradicting``: (binding, counter) of messages that were heard, and that a receiver does not count.
    """

    secret: SecretKey
    complain: Callable[[str], None]
    may_contradict: Callable[[str], bool]
    opened: int = 0
    contradicting: set[tuple[bytes, int]] = field(default_factory=set)
    receiver: Receiver = field(init=False)
    _reassembler: Reassembler = field(init=False)

    def __post_init__(self) -> None:
        self.receiver = Receiver(self.secret)
        self._reassembler = Reassembler(_MOST_MESSAGES, _PARTS_WAIT_S)

    def receive(self, deliver: SmsDeliver, now: float) -> None:
        """One segment."""
        for event in self._reassembler.receive(deliver.oa, deliver, now):
            if isinstance(event, Assembled) and self._is_genuine(event):
                self._reassembler.accept(event, now)

    def opens(self, message: bytes) -> bool:
        """Whether a message from anybody is taken for a device's."""
        try:
            self.receiver.open(message)
        except Refusal:
            return False
        return True

    def _is_genuine(self, message: Assembled) -> bool:
        try:
            self.receiver.open(message.data())
            self.opened += 1
        except DuplicateError:
            return True
        except CounterReusedError as error:
            # What a device sealed before its store was put back and after it contradicts itself: the alarm is right.
            opened = error.opened
            if opened is None or not self.may_contradict(opened.device):
                self._refused(error)
            else:
                self.contradicting.add((opened.binding, opened.counter))
        except Refusal as error:
            # Of parts that came twice some combinations belong to no message; the right one is tried as well.
            if not isinstance(error, TagError) or len(message.parts) == 1:
                self._refused(error)
            return False
        return True

    def _refused(self, error: Refusal) -> None:
        self.complain(f"headquarters refused a message: {error}")
