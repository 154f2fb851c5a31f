"""A cursor over octets that knows where it is: what every decoder of this package reads through.

Each read names its field, so that too few octets become ``DecodeError(field, offset, …)`` with the offset counted
in the outermost input, and so that a tool can show afterwards which octets were which field.
"""

from dataclasses import dataclass, field

from tillbell_protocol.errors import DecodeError


@dataclass(frozen=True, slots=True)
class Span:
    """Where a field was read: ``octets`` from ``offset`` on."""

    field: str
    offset: int
    octets: bytes


@dataclass(slots=True)
class Reader:
    """Reads ``octets`` from ``offset`` on; ``spans`` lists what has been read, in order, also after an error."""

    octets: bytes
    offset: int = 0
    spans: list[Span] = field(default_factory=list)

    def take(self, name: str, count: int) -> bytes:
        """The next ``count`` octets as field ``name``. DecodeError if there are fewer."""
        left = len(self.octets) - self.offset
        if left < count:
            raise DecodeError(name, self.offset, f"{count} octet(s) wanted, {left} left")
        taken = self.octets[self.offset : self.offset + count]
        self.spans.append(Span(name, self.offset, taken))
        self.offset += count
        return taken

    def octet(self, name: str) -> int:
        return self.take(name, 1)[0]

    def rest(self, name: str) -> bytes:
        """Everything that is left; no span if that is nothing."""
        left = len(self.octets) - self.offset
        return self.take(name, left) if left else b""
