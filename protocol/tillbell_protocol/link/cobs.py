"""Consistent Overhead Byte Stuffing (Cheshire and Baker, 1999): octets without a zero, so that a zero ends a frame."""

_BLOCK = 254  # octets other than zero that one length octet counts


def encode(octets: bytes) -> bytes:
    """At most one octet more, and another for each 254; no zero at the end."""
    out = bytearray()
    start, end = 0, len(octets)
    while True:
        zero = octets.find(b"\x00", start)
        stop = end if zero < 0 else zero
        while stop - start >= _BLOCK:
            out.append(_BLOCK + 1)
            out += octets[start : start + _BLOCK]
            start += _BLOCK
            if start == end:  # nothing follows a full block at the very end
                return bytes(out)
        out.append(stop - start + 1)
        out += octets[start:stop]
        if zero < 0:
            return bytes(out)
        start = stop + 1


def decode(stuffed: bytes) -> bytes | None:
    """The octets, or None where this is no stuffing: a zero in it, or a count that points behind the end."""
    out = bytearray()
    at, end = 0, len(stuffed)
    if stuffed.find(b"\x00") >= 0:
        return None
    while at < end:
        count = stuffed[at]
        stop = at + count
        if stop > end:
            return None
        out += stuffed[at + 1 : stop]
        at = stop
        if count <= _BLOCK and at < end:
            out.append(0)
    return bytes(out)
