"""Strict CBOR: octets become values only if they are exactly one item in deterministic encoding (RFC 8949 §4.2.1).

A general decoder accepts trailing octets, repeated keys and indefinite lengths, and may recurse without bound, so
``check_deterministic`` looks first and alone decides; cbor2 then only builds the values. Floats, simple values other
than false, true, null and undefined, tags (but one 18 around a whole bundle), keys that are not unsigned integers,
integers beyond ±(2^53 - 1) and nesting deeper than stated never reach it. Time and memory are linear in the octets.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import cbor2

from tillbell_protocol.errors import EncodeError
from tillbell_protocol.refusal import CborError

UNDEFINED: Final = cbor2.undefined
# JavaScript holds integers exactly only so far, and a reader in a browser shows the same amounts.
MAX_INTEGER: Final = 2**53 - 1
# An event is an array, its last map holds lists of arrays: four. Nothing in the format nests deeper.
MAX_DEPTH: Final = 4

_MAJOR_TYPES: Final = (
    "unsigned integer",
    "negative integer",
    "byte string",
    "text",
    "array",
    "map",
    "tag",
    "simple",
)


def encode(item: object) -> bytes:
    """One item in deterministic encoding. Map keys are unsigned integers and are put in order here.

    (cbor2's ``canonical=True`` would order by the older length-first rule.)
    """
    return bytes(cbor2.dumps(_ordered(item)))


def encode_tagged(tag: int, item: object) -> bytes:
    """The item inside one tag, as a COSE object stands."""
    return bytes(cbor2.dumps(cbor2.CBORTag(tag, _ordered(item))))


def decode(octets: bytes, *, max_depth: int = MAX_DEPTH) -> Any:
    """The value of strictly encoded octets: arrays as tuples, maps as dicts. Raises ``CborError``."""
    check_deterministic(octets, max_depth=max_depth)
    return _frozen(cbor2.loads(octets))


def decode_tagged(octets: bytes, tag: int) -> Any:
    """The value inside one tag 18, strictly encoded. Raises ``CborError``."""
    check_deterministic(octets, allow_tag18=True)
    value = cbor2.loads(octets)
    if not isinstance(value, cbor2.CBORTag) or value.tag != tag:
        raise CborError("tag", 0, f"tag {tag} expected")
    return _frozen(value.value)


def check_deterministic(octets: bytes, *, max_depth: int = MAX_DEPTH, allow_tag18: bool = False) -> None:
    """Raise ``CborError`` unless ``octets`` are exactly one item as the module says.

    Depth counts the arrays and maps around an item, itself included; the one permitted tag, outermost, does not count.
    """
    start = 1 if allow_tag18 and octets[:1] == b"\xd2" else 0
    end = _end_of_item(octets, start, max_depth)
    if end != len(octets):
        raise CborError("item", end, f"{len(octets) - end} octets after the end of the item")


def element_offsets(octets: bytes) -> tuple[int, ...]:
    """Where each element of a checked array starts, so that an error can name the octet. () if it is no array."""
    if not octets or octets[0] >> 5 != 4:
        return ()
    count, position = _head(octets, 0)
    offsets = []
    for _ in range(count):
        offsets.append(position)
        position = _end_of_item(octets, position, MAX_DEPTH)
    return tuple(offsets)


def _end_of_item(octets: bytes, start: int, depth_left: int) -> int:
    """The offset behind the item at ``start``; recursion ends with ``depth_left``."""
    argument, position = _head(octets, start)
    major = octets[start] >> 5
    if major in (0, 1):
        if argument + (major == 1) > MAX_INTEGER:
            raise CborError("integer", start, "beyond 2^53 - 1")
        return position
    if major in (2, 3):
        return _end_of_string(octets, start, position, argument)
    if major == 6:
        raise CborError("tag", start, "tags are not part of this format")
    if major == 7:
        return position
    if depth_left == 0:
        raise CborError(_MAJOR_TYPES[major], start, "nested too deeply")
    if major == 4:
        for _ in range(argument):
            position = _end_of_item(octets, position, depth_left - 1)
        return position
    return _end_of_map(octets, position, argument, depth_left - 1)


def _head(octets: bytes, start: int) -> tuple[int, int]:
    """The argument of the head at ``start`` and the offset behind it, in the shortest form only."""
    if start >= len(octets):
        raise CborError("item", start, "the octets end where an item should begin")
    major, info = octets[start] >> 5, octets[start] & 31
    if major == 7:
        if info not in (20, 21, 22, 23):
            raise CborError("simple", start, "only false, true, null and undefined are part of this format")
        return info, start + 1
    if info < 24:
        return info, start + 1
    if info > 27:
        raise CborError(_MAJOR_TYPES[major], start, "indefinite or reserved length")
    size = 1 << (info - 24)
    tail = octets[start + 1 : start + 1 + size]
    if len(tail) < size:
        raise CborError(_MAJOR_TYPES[major], start, "the octets end inside a head")
    argument = int.from_bytes(tail, "big")
    if argument < (24 if size == 1 else 1 << (4 * size)):
        raise CborError(_MAJOR_TYPES[major], start, "longer than needed")
    return argument, start + 1 + size


def _end_of_string(octets: bytes, start: int, position: int, length: int) -> int:
    end = position + length
    if end > len(octets):
        raise CborError(
            _MAJOR_TYPES[octets[start] >> 5],
            start,
            f"{length} octets announced, {len(octets) - position} left",
        )
    if octets[start] >> 5 == 3:
        try:
            octets[position:end].decode("utf-8")
        except UnicodeDecodeError as error:
            raise CborError("text", position + error.start, "not UTF-8") from error
    return end


def _end_of_map(octets: bytes, position: int, pairs: int, depth_left: int) -> int:
    previous = -1
    for _ in range(pairs):
        key_start = position
        key, position = _head(octets, position)
        if octets[key_start] >> 5 != 0:
            raise CborError("key", key_start, "keys are unsigned integers")
        if key > MAX_INTEGER:
            raise CborError("key", key_start, "beyond 2^53 - 1")
        if key <= previous:
            raise CborError("key", key_start, "repeated" if key == previous else "keys are not in order")
        previous = key
        position = _end_of_item(octets, position, depth_left)
    return position


def _ordered(item: object) -> object:
    if isinstance(item, Mapping):
        return {key: _ordered(item[key]) for key in sorted(item)}
    if isinstance(item, Sequence) and not isinstance(item, str | bytes):
        return [_ordered(element) for element in item]
    if isinstance(item, int) and abs(item) > MAX_INTEGER:
        raise EncodeError("integer", f"{item} is beyond 2^53 - 1")
    if isinstance(item, str):
        try:
            item.encode("utf-8")
        except UnicodeEncodeError as error:
            raise EncodeError("text", "holds a lone surrogate, which UTF-8 cannot carry") from error
    return item


def _frozen(item: Any) -> Any:
    if isinstance(item, Mapping):
        return {key: _frozen(value) for key, value in item.items()}
    if isinstance(item, list | tuple):
        return tuple(_frozen(element) for element in item)
    return item
