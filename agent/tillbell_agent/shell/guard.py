"""The second place: the highest ratchet epoch begun per pairing, and how far sequence numbers may have been given.

Kept outside the state directory: one that was restored from an old copy would use counters again; this file, which no
backup of the state holds, tells the agent to jump ahead. Missing or unreadable is an alarm, never a reason to stop telling of sales.
"""

import json
from pathlib import Path

from tillbell_agent.shell.files import write_whole


class GuardFile:
    """Epochs by pairing. ``alarm`` says in words what is wrong with the file, or is None."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.alarm: str | None = None
        self._epochs: dict[str, int] = {}
        self._seq = 0
        self._read()

    def epoch(self, binding: bytes) -> int | None:
        """The highest epoch begun by this pairing, as far as this place knows; -1: paired, none begun."""
        return self._epochs.get(binding.hex())

    def expect(self, binding: bytes) -> None:
        """A pairing exists: its absence here is an alarm."""
        if self.alarm is None and binding.hex() not in self._epochs:
            self.alarm = (
                f"{self.path} does not know a pairing that the state directory holds: was one of them restored or "
                "removed, or could it not be written when they paired? Messages go on after a jump of the counter; pair again if this board is a copy"
            )

    def seq(self) -> int:
        """The highest sequence number that may have been given, as far as this place knows; 0: none."""
        return self._seq

    def reserve_seq(self, up_to: int) -> None:
        """Make durable here that numbers up to ``up_to`` may be given. A failure is an alarm, not an error."""
        self._read()
        before, self._seq = self._seq, max(self._seq, up_to)
        if not self._write():
            self._seq = before  # so that the next number tries again

    def begin(self, binding: bytes, epoch: int) -> None:
        """Make ``epoch`` durable here before its first counter is used. A failure is an alarm, not an error."""
        self._read()  # another process may have paired meanwhile
        name, before = binding.hex(), dict(self._epochs)
        self._epochs[name] = max(epoch, self._epochs.get(name, epoch))
        if not self._write():
            self._epochs = before  # so that the next message tries again

    def _write(self) -> bool:
        content = json.dumps({"version": 1, "epochs": self._epochs, "seq": self._seq}, indent=1)
        try:
            write_whole(self.path, content.encode())
        except OSError as error:
            self.alarm = (
                f"cannot write {self.path}: {error.strerror}. Check the disk and the directory's owner, or set "
                "guard_file to a place where this user may write"
            )
            return False
        return True

    def _read(self) -> None:
        try:
            content = json.loads(self.path.read_text())
            for binding, epoch in content["epochs"].items():
                self._epochs[str(binding)] = max(int(epoch), self._epochs.get(str(binding), -1))
            self._seq = max(self._seq, int(content.get("seq", 0)))
        except FileNotFoundError:
            return
        except (
            OSError,
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            ArithmeticError,
            RecursionError,
        ) as error:
            self.alarm = (
                f"cannot read {self.path}: {error}. It is written anew; pair again if this board is a copy"
            )
