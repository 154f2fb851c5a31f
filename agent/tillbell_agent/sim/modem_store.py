"""The message storages of a simulated modem: memories with numbered places, as +CPMS, +CMGR, +CMGL and +CMGD see them."""

from dataclasses import dataclass

UNREAD, READ = 0, 1


@dataclass(slots=True)
class Stored:
    """A TPDU in a place; ``stat`` as in TS 27.005: 0 received unread, 1 received read."""

    stat: int
    tpdu: bytes


class MessageStore:
    """``places`` numbered from 1, the lowest free one first, as SIMs do."""

    def __init__(self, name: str = "SM", places: int = 30) -> None:
        self.name = name
        self.places = places
        self._rows: dict[int, Stored] = {}

    @property
    def used(self) -> int:
        return len(self._rows)

    def put(self, tpdu: bytes) -> int | None:
        """The index that the TPDU got; None: full."""
        free = next((index for index in range(1, self.places + 1) if index not in self._rows), None)
        if free is not None:
            self._rows[free] = Stored(UNREAD, tpdu)
        return free

    def read(self, index: int) -> Stored | None:
        """What lies there, as it was before this reading marks it as read."""
        row = self._rows.get(index)
        if row is None:
            return None
        before = Stored(row.stat, row.tpdu)
        row.stat = READ
        return before

    def listed(self, stat: int) -> list[tuple[int, Stored]]:
        """Rows of this ``stat``; 4 is all."""
        found = [index for index, row in sorted(self._rows.items()) if stat in (4, row.stat)]
        return [(index, row) for index in found if (row := self.read(index)) is not None]

    def delete(self, index: int) -> bool:
        """False: nothing was there."""
        return self._rows.pop(index, None) is not None

    def delete_all(self, flag: int) -> None:
        """<delflag> of +CMGD: 1 what was read … 4 everything."""
        self._rows = {} if flag == 4 else {i: row for i, row in self._rows.items() if row.stat == UNREAD}


class Storages:
    """SM, ME and SR, and which of them is read (mem1), written (mem2) and received into (mem3)."""

    def __init__(self) -> None:
        self.stores = {
            name: MessageStore(name, places) for name, places in (("SM", 30), ("ME", 100), ("SR", 10))
        }
        self.chosen = ["SM", "SM", "SM"]

    @property
    def reading(self) -> MessageStore:
        return self.stores[self.chosen[0]]

    @property
    def receiving(self) -> MessageStore:
        return self.stores[self.chosen[2]]

    def choose(self, names: list[str]) -> bool:
        """One to three names, as +CPMS gives them; an empty one stays. False: nothing changed."""
        known = all(name in ("", *self.stores) for name in names)
        if not known or not 1 <= len(names) <= 3:
            return False
        self.chosen = [name or old for name, old in zip(names, self.chosen, strict=False)] + self.chosen[
            len(names) :
        ]
        return True
