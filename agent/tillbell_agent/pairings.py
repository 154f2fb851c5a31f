"""Pairings on the device: who may read, and the ratchet that makes each counter's key exist exactly once.

Nothing of a ratchet is kept in memory: it is read inside the caller's IMMEDIATE transaction, and the counter advances
in the same commit that stores the sealed message. The caller then truncates the WAL, or old keys stay on the disk.
"""

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from tillbell_protocol.defaults import NO_NAMES, Defaults, Naming
from tillbell_protocol.event import Transaction
from tillbell_protocol.pairing import Card, DevicePairing, fingerprint
from tillbell_protocol.payload import NO_GAP, Predecessor
from tillbell_protocol.ratchet import COUNTERS, CountersExhaustedError, Ratchet
from tillbell_protocol.seal import Direction, seal

_COLUMNS = (
    "recipient, binding, bundle, card, check_key, counter, next_era, next_epoch, chain, last_counter, defaults, host,"
    " run, paired_at"
)
# After every start the sender leaves two epochs out, so that a copy made while it ran cannot meet it.
_EPOCHS_SKIPPED = 2
_START_OCTETS = 8  # by so many octets of its binding another place knows a pairing
# A shop has a handful; the bound keeps line noise that looks like terminal numbers from growing the list for ever.
_MOST_TERMINALS = 256


class SecondPlace(Protocol):
    """Where the highest epoch begun is also kept (``shell.guard``; a bridge's flash)."""

    def epoch(self, binding: bytes) -> int | None: ...

    def begin(self, binding: bytes, epoch: int) -> None: ...

    def seq(self) -> int: ...

    def reserve_seq(self, up_to: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Pairing:
    """One row: everything that sealing the next message takes."""

    recipient: str
    binding: bytes
    bundle: bytes
    card: Card
    check_key: bytes
    ratchet: Ratchet
    last_counter: int | None
    defaults: Defaults
    host: dict[str, str]
    run: str
    paired_at: int

    @property
    def fingerprint(self) -> str:
        """Twelve characters in three groups, to be compared once with the recipient's."""
        return fingerprint(self.binding)


@dataclass(frozen=True, slots=True)
class Place:
    """A message's place in its pairing: the lists it is written with, what it names first, and a gap to be told."""

    defaults: Defaults
    naming: Naming
    predecessor: Predecessor


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed message with its counter, and the fields there was no room for."""

    counter: int
    octets: bytes
    left_out: tuple[str, ...]


# Encodes the event once its place in the ratchet is known: (payload, fields left out).
Encoder = Callable[[Place], tuple[bytes, tuple[str, ...]]]


class Pairings:
    """Reads and writes pairings on a connection that the caller commits. ``run`` names this start of the agent."""

    def __init__(self, connection: sqlite3.Connection, second_place: SecondPlace, run: str) -> None:
        self._connection = connection
        self.second_place = second_place
        self._run = run
        self._jumps: dict[bytes, int] = {}
        self._begun: dict[bytes, int] = {}
        self._afar: dict[bytes, int] = {}

    def on(self, connection: sqlite3.Connection) -> "Pairings":
        """The same run on another connection."""
        moved = Pairings(connection, self.second_place, self._run)
        moved._begun, moved._afar = self._begun, self._afar
        return moved

    def begun(self) -> Mapping[bytes, int]:
        """Binding → the highest epoch that this run has begun."""
        return self._begun

    def learn(self, afar: Mapping[bytes, int]) -> None:
        """Highest epochs begun as another place knows them, by the first eight octets of the binding.

        Where one is above all that is known here, this is an older copy: the next message jumps past it.
        """
        for start, epoch in afar.items():
            self._afar[start] = max(epoch, self._afar.get(start, epoch))

    def add(
        self,
        recipient: str,
        made: DevicePairing,
        card: Card,
        defaults: Defaults,
        host: dict[str, str],
        now: int,
    ) -> None:
        """Keep a pairing just made; an earlier one of the same recipient is overwritten, its keys erased."""
        ratchet = made.ratchet
        self.close(recipient)
        self._connection.execute(
            "INSERT INTO pairing (recipient, binding, bundle, card, check_key, back_root, counter, next_era, next_epoch,"
            " chain, defaults, host, run, paired_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                recipient, made.binding, made.bundle, card.encode(), made.check_key, made.back_root, ratchet.counter,
                ratchet.next_era, ratchet.next_epoch, ratchet.chain, _to_json(defaults), json.dumps(host), self._run, now,
            ),
        )  # fmt: skip
        self.second_place.begin(made.binding, -1)

    def close(self, recipient: str) -> bool:
        """Erase a recipient's keys; what is for it is held from now on. False: it was not paired."""
        return self._connection.execute("DELETE FROM pairing WHERE recipient = ?", (recipient,)).rowcount > 0

    def all(self) -> list[Pairing]:
        """Every pairing, by recipient's name."""
        return [
            _pairing(row)
            for row in self._connection.execute(f"SELECT {_COLUMNS} FROM pairing ORDER BY recipient")
        ]

    def of(self, recipient: str) -> Pairing | None:
        """The pairing of one recipient; None: not paired."""
        row = self._connection.execute(
            f"SELECT {_COLUMNS} FROM pairing WHERE recipient = ?", (recipient,)
        ).fetchone()
        return None if row is None else _pairing(row)

    def text_key(self, recipient: str, random: Callable[[int], bytes]) -> bytes:
        """The check key of a recipient that is not paired: random, made once, known to this device alone."""
        row = self._connection.execute(
            "SELECT key FROM text_key WHERE recipient = ?", (recipient,)
        ).fetchone()
        if row is not None:
            return bytes(row[0])
        key = random(32)
        self._connection.execute("INSERT INTO text_key VALUES (?, ?)", (recipient, key))
        return key

    def seal_next(
        self, pairing: Pairing, signing_seed: bytes, transaction: Transaction | None, encode: Encoder
    ) -> Sealed:
        """Seal one event under the next counter and advance, all in the caller's transaction.

        ``transaction``: its terminal joins the pairing's list, named in place. Raises CountersExhaustedError.
        """
        ratchet = self._ratchet_to_use(pairing)
        self._begin_epoch(pairing, ratchet.counter)
        place = _place(pairing, transaction, ratchet.counter)
        payload, left_out = encode(place)
        sealed = seal(
            direction=Direction.DEVICE_TO_RECIPIENT,
            binding=pairing.binding,
            counter=ratchet.counter,
            message_key=ratchet.message_key(),
            signing_seed=signing_seed,
            payload=payload,
        )
        self._advance(pairing.recipient, ratchet, place.defaults)
        return Sealed(ratchet.counter, sealed, left_out)

    def _ratchet_to_use(self, pairing: Pairing) -> Ratchet:
        """The first message of every start jumps two epochs past all that this board or its second places remember.

        So does one behind which it came out that another place remembers more.
        """
        jump = self._jumps.get(pairing.binding, 0)
        if pairing.ratchet.counter < jump:  # a commit of this start was refused: its jump is not made again
            return pairing.ratchet.jump(jump)
        known, afar = self._known_epoch(pairing), self._afar.get(pairing.binding[:_START_OCTETS], -1)
        if pairing.run == self._run and afar <= known:
            return pairing.ratchet
        if max(known, afar) < 0:
            return pairing.ratchet
        jumped = pairing.ratchet.jump((max(known, afar) + _EPOCHS_SKIPPED) << 8)
        self._jumps[pairing.binding] = jumped.counter
        return jumped

    def _known_epoch(self, pairing: Pairing) -> int:
        """The highest that this board, its second place or this run has begun; -1: none."""
        own = -1 if pairing.last_counter is None else pairing.last_counter >> 8
        elsewhere = self.second_place.epoch(pairing.binding)
        return max(own, -1 if elsewhere is None else elsewhere, self._begun.get(pairing.binding, -1))

    def is_exhausted(self, pairing: Pairing) -> bool:
        """Whether no counter is left, also where only the jump of this start passes the last one."""
        try:
            return self._ratchet_to_use(pairing).counter >= COUNTERS
        except CountersExhaustedError:
            return True

    def _begin_epoch(self, pairing: Pairing, counter: int) -> None:
        known = self.second_place.epoch(pairing.binding)
        if known is None or counter >> 8 > known:
            self.second_place.begin(pairing.binding, counter >> 8)
        self._begun[pairing.binding] = max(counter >> 8, self._begun.get(pairing.binding, -1))

    def _advance(self, recipient: str, used: Ratchet, defaults: Defaults) -> None:
        following = used.advance()
        self._connection.execute(
            "UPDATE pairing SET counter = ?, next_era = ?, next_epoch = ?, chain = ?, last_counter = ?, defaults = ?,"
            " run = ? WHERE recipient = ?",
            (
                following.counter, following.next_era, following.next_epoch, following.chain, used.counter,
                _to_json(defaults), self._run, recipient,
            ),
        )  # fmt: skip


def _place(pairing: Pairing, transaction: Transaction | None, counter: int) -> Place:
    defaults, naming = pairing.defaults, NO_NAMES
    if transaction is not None and len(defaults.terminals) < _MOST_TERMINALS:
        defaults, new = defaults.with_terminal(transaction.terminal_id, transaction.merchant_id)
        naming = NO_NAMES if new is None else defaults.naming(terminals=[new])
    in_order = counter == 0 if pairing.last_counter is None else counter == pairing.last_counter + 1
    return Place(defaults, naming, NO_GAP if in_order else pairing.last_counter)


def _to_json(defaults: Defaults) -> str:
    return json.dumps(asdict(defaults), ensure_ascii=False)


def _from_json(text: str) -> Defaults:
    values = json.loads(text)
    terminals = tuple((terminal_id, merchant_id) for terminal_id, merchant_id in values.pop("terminals"))
    return Defaults(**values | {"shops": tuple(values["shops"]), "terminals": terminals})


def _pairing(row: tuple[Any, ...]) -> Pairing:
    recipient, binding, bundle, card, check_key, *ratchet, last_counter, defaults, host, run, paired_at = row
    return Pairing(
        recipient=recipient,
        binding=binding,
        bundle=bundle,
        card=Card.decode(card),
        check_key=check_key,
        ratchet=Ratchet(*ratchet),
        last_counter=last_counter,
        defaults=_from_json(defaults),
        host=json.loads(host),
        run=run,
        paired_at=paired_at,
    )
