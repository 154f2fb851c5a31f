"""What a pairing fixes so that no message repeats it: device, currency, UTC offset, and lists of shops and terminals.

The scalars never change within a pairing. The lists only grow: an event that uses a new place names it, and a place
keeps its meaning for ever. A place that is not named yet (its message is late or lost) reads as None, never as
another one's name.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from tillbell_protocol.errors import EncodeError
from tillbell_protocol.pan import scrub
from tillbell_protocol.scalars import (
    BadItemError,
    integer,
    pack_digits,
    pack_merchant_id,
    unpack_digits,
    unpack_text,
    unsigned,
)

# A device stands beside a handful of terminals; beyond this an index is a mistake, not a till.
MAX_PLACES: Final = 1024
MAX_NAME_CHARACTERS: Final = 64

Terminal = tuple[str | None, str | None]
NOT_NAMED: Final[Terminal] = (None, None)


@dataclass(frozen=True, slots=True)
class Naming:
    """Names that a message gives to places: ``(index, terminal_id, merchant_id)`` and ``(index, shop)``.

    Also the event that does nothing else.
    """

    terminals: tuple[tuple[int, str | None, str | None], ...] = ()
    shops: tuple[tuple[int, str], ...] = ()


NO_NAMES: Final = Naming()


@dataclass(frozen=True, slots=True)
class Defaults:
    """``terminals``: (terminal_id, merchant_id) by index, ``NOT_NAMED`` for a hole; ``shops``: "" for a hole.

    ``utc_offset_min`` is the local time of the shop, in minutes east of UTC. ``shops[0]`` is the device's own shop.
    """

    device_name: str
    currency: str
    utc_offset_min: int
    shops: tuple[str, ...] = ()
    terminals: tuple[Terminal, ...] = ()

    def terminal(self, index: int) -> Terminal:
        return self.terminals[index] if index < len(self.terminals) else NOT_NAMED

    def shop(self, index: int) -> str | None:
        return (self.shops[index] or None) if index < len(self.shops) else None

    def with_terminal(
        self, terminal_id: str | None, merchant_id: str | None
    ) -> tuple["Defaults", int | None]:
        """The lists with this terminal, and its index if it is new: then the next message has to name it."""
        entry = (terminal_id, merchant_id)
        if entry == NOT_NAMED or entry in self.terminals:
            return self, None
        _check_index(len(self.terminals), EncodeError("terminal", "the list is full"))
        return replace(self, terminals=(*self.terminals, entry)), len(self.terminals)

    def with_shop(self, shop: str) -> tuple["Defaults", int | None]:
        """As ``with_terminal``, for a shop's name."""
        if not shop or shop in self.shops:
            return self, None
        _check_index(len(self.shops), EncodeError("shop", "the list is full"))
        return replace(self, shops=(*self.shops, shop)), len(self.shops)

    def naming(self, terminals: Iterable[int] = (), shops: Iterable[int] = ()) -> Naming:
        """The names of these places, for a message to carry."""
        return Naming(
            tuple((index, *self.terminals[index]) for index in sorted(set(terminals))),
            tuple((index, self.shops[index]) for index in sorted(set(shops))),
        )

    def with_names(self, naming: Naming) -> tuple["Defaults", Naming]:
        """The lists grown by ``naming``, and those of its names that contradict one already known (which stays)."""
        terminals, shops = list(self.terminals), list(self.shops)
        odd_terminals = tuple(
            entry
            for entry in naming.terminals
            if not _put(terminals, entry[0], (entry[1], entry[2]), NOT_NAMED)
        )
        odd_shops = tuple(entry for entry in naming.shops if not _put(shops, entry[0], entry[1], ""))
        return replace(self, shops=tuple(shops), terminals=tuple(terminals)), Naming(odd_terminals, odd_shops)

    def to_item(self) -> dict[int, Any]:
        """The map of a pairing bundle. Raises ``EncodeError`` for a value that a pairing cannot hold."""
        if not re.fullmatch("[A-Z]{3}", self.currency):
            raise EncodeError("currency", f"{self.currency!r} is no ISO 4217 code")
        if not -1440 < self.utc_offset_min < 1440:
            raise EncodeError("utc_offset_min", "a zone lies within a day of UTC")
        names = (self.device_name, *self.shops)
        if NOT_NAMED in self.terminals or not all(0 < len(name) <= MAX_NAME_CHARACTERS for name in names):
            raise EncodeError(
                "defaults", f"each place needs a name, of at most {MAX_NAME_CHARACTERS} characters"
            )
        return {
            1: scrub(self.device_name),
            2: self.currency,
            3: self.utc_offset_min,
            4: [scrub(shop) for shop in self.shops],
            5: [terminal_item(*entry) for entry in self.terminals],
        }

    @classmethod
    def from_item(cls, item: Any) -> "Defaults":
        """The reverse. Raises ``BadItemError``; further keys are left alone."""
        if not isinstance(item, dict):
            raise BadItemError("map of defaults expected")
        name, currency = unpack_text(item.get(1)), unpack_text(item.get(2))
        if name is None or currency is None or not re.fullmatch("[A-Z]{3}", currency):
            raise BadItemError("a device name and a currency of three letters expected")
        offset = integer(item.get(3))
        if not -1440 < offset < 1440:
            raise BadItemError("a UTC offset lies within a day")
        shops = tuple(_name(shop) for shop in _list(item.get(4, ())))
        return cls(
            name, currency, offset, shops, tuple(terminal_value(entry) for entry in _list(item.get(5, ())))
        )


def terminal_item(terminal_id: str | None, merchant_id: str | None) -> list[Any]:
    """``[terminal_id, merchant_id]``, trailing null cut."""
    entry = [pack_digits(terminal_id), pack_merchant_id(merchant_id)]
    return entry if merchant_id is not None else entry[:1]


def terminal_value(item: Any) -> Terminal:
    if not isinstance(item, tuple) or not item:
        raise BadItemError("[terminal_id, merchant_id] expected")
    entry = (unpack_digits(item[0]), unpack_digits(item[1]) if len(item) > 1 else None)
    if entry == NOT_NAMED:
        raise BadItemError("a terminal without any name")
    return entry


def naming_items(naming: Naming) -> dict[int, Any]:
    """Keys 1 (terminals) and 2 (shops) of a payload's map; none if nothing is named."""
    items: dict[int, Any] = {}
    if naming.terminals:
        items[1] = [[index, *terminal_item(tid, mid)] for index, tid, mid in naming.terminals]
    if naming.shops:
        items[2] = [[index, scrub(shop)] for index, shop in naming.shops]
    return items


def naming_value(terminals: Any, shops: Any) -> Naming:
    """The names in keys 1 and 2 of a payload's map. Raises ``BadItemError``."""
    return Naming(
        tuple((_index(entry), *terminal_value(entry[1:])) for entry in _list(terminals)),
        tuple((_index(entry), _name(entry[1] if len(entry) > 1 else None)) for entry in _list(shops)),
    )


def _put(places: list[Any], index: int, value: Any, hole: Any) -> bool:
    places.extend([hole] * (index + 1 - len(places)))
    if places[index] == hole:
        places[index] = value
    return bool(places[index] == value)


def _index(entry: Any) -> int:
    if not isinstance(entry, tuple) or not entry:
        raise BadItemError("an array led by an index expected")
    index = unsigned(entry[0])
    _check_index(index, BadItemError(f"index {index} is beyond {MAX_PLACES - 1}"))
    return index


def _check_index(index: int, error: Exception) -> None:
    if index >= MAX_PLACES:
        raise error


def _list(item: Any) -> tuple[Any, ...]:
    if not isinstance(item, tuple) or len(item) > MAX_PLACES:
        raise BadItemError(f"array of at most {MAX_PLACES} expected")
    return item


def _name(item: Any) -> str:
    text = unpack_text(item)
    if not text:
        raise BadItemError("a name expected")
    return text
