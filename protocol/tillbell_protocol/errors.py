"""The errors of the protocol package: one root, and each kind says what a technician can act on."""


class ProtocolError(Exception):
    """Root of every error that this package raises on bad input."""


class DecodeError(ProtocolError):
    """Octets do not follow a format. ``field`` is a dotted path, ``offset`` counts octets from the outermost input.

    An outer decoder that catches an inner one re-raises ``error.within(name, start)``, so the message names the
    whole path and an offset that can be read off a hex dump: ``ud.udh.ie at octet 17: element runs past the header``.
    """

    def __init__(self, field: str, offset: int, why: str) -> None:
        super().__init__(f"{field} at octet {offset}: {why}")
        self.field = field
        self.offset = offset
        self.why = why

    def within(self, outer: str, start: int) -> "DecodeError":
        """The same error seen from a decoder that found the inner octets at ``start`` of its own input."""
        return type(self)(f"{outer}.{self.field}" if self.field else outer, self.offset + start, self.why)


class EncodeError(ProtocolError):
    """A value cannot be written in the format. ``field`` names it."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field
        self.why = why
