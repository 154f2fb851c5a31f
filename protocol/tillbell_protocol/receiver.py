"""A recipient's memory: sealed messages become what they told, each once, or a refusal that says why.

Order of the questions: length, type and direction, kid, duplicate, tag, signature, payload, contradiction. A refused
message changes no key, no counter and no pairing; it is kept in the quarantine. A counter is noted as opened together
with the names that its message gave, after all questions are answered, so a caller that stores ``to_state`` in the
transaction that stores the event loses nothing. No secret is in that state: keys are computed anew from the
recipient's secret and the bundles.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from tillbell_protocol.counters import DIGEST_OCTETS, OpenedCounters
from tillbell_protocol.defaults import NO_NAMES, NOT_NAMED, Defaults, Naming
from tillbell_protocol.errors import ProtocolError
from tillbell_protocol.hashing import sha256
from tillbell_protocol.pairing import RecipientPairing, SecretKey, pair_as_recipient
from tillbell_protocol.payload import NO_GAP, Told, decode_payload
from tillbell_protocol.ratchet import message_key
from tillbell_protocol.refusal import (
    DuplicateError,
    PayloadError,
    Refusal,
    SignatureError,
    TagError,
    UnknownKidError,
    WrongDirectionError,
)
from tillbell_protocol.seal import MAX_MESSAGE, Direction, Header, open_sealed

STATE_VERSION: Final = 1
# Enough to show a technician a week of trouble; at the longest message it is one megabyte.
MAX_QUARANTINE: Final = 1000


class PairingClosedError(Refusal):
    """Genuine, but its pairing was closed before it came."""

    layer: ClassVar[str] = "closed"


class CounterReusedError(Refusal):
    """Genuine, and impossible for one device: its key exists twice, or it was restored from a copy. Critical.

    ``opened`` is what the message says, None where that cannot be read; its counter is not noted as opened.
    """

    layer: ClassVar[str] = "reused"

    def __init__(self, device: str, opened: "Opened | None", why: str) -> None:
        super().__init__(f"{device}: {why}. The device was cloned or restored from a copy: pair it again")
        self.opened = opened


class ConfirmationNeededError(ProtocolError):
    """A second bundle of a device that is paired already: somebody has to say that it is meant."""


class StateError(ProtocolError):
    """A stored receiver state cannot be read."""


@dataclass(slots=True)
class Pairing:
    """One pairing as its recipient keeps it. ``defaults`` are the bundle's, grown by the names heard since."""

    bundle: bytes
    keys: RecipientPairing
    defaults: Defaults
    opened: OpenedCounters = field(default_factory=OpenedCounters)
    closed: bool = False
    compared: bool = False
    duplicates: int = 0

    @property
    def device(self) -> str:
        return self.defaults.device_name


@dataclass(frozen=True, slots=True)
class Opened:
    """A message that passed every question.

    ``defaults``: the lists as this message reads them, for ``to_json``. ``contradicted``: names that differ from those
    known for the same places (the first ones stay). ``compared``: whether the pairing's fingerprint was compared.
    """

    counter: int
    device: str
    binding: bytes
    told: Told
    payload: bytes
    defaults: Defaults
    compared: bool
    contradicted: Naming = NO_NAMES


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A refused message. ``authentic``: its tag and signature held."""

    message: bytes
    layer: str
    why: str
    authentic: bool


class Receiver:
    """Pairings, opened counters and quarantine of one recipient key."""

    def __init__(self, secret: SecretKey) -> None:
        secret.receiving_secret()
        self._secret = secret
        self._by_binding: dict[bytes, Pairing] = {}
        self._by_kid: dict[bytes, list[Pairing]] = {}
        self.quarantine: list[Quarantined] = []
        self.quarantine_dropped = 0

    @property
    def pairings(self) -> list[Pairing]:
        return list(self._by_binding.values())

    def import_bundle(self, bundle: bytes, confirmed: bool = False) -> Pairing:
        """Take a pairing bundle; a known one changes nothing, neither what was opened nor that it was closed.

        ``confirmed``: somebody said that a second pairing of a known device is meant; without it such a bundle raises
        ``ConfirmationNeededError``. Otherwise raises what ``pair_as_recipient`` does.
        """
        keys = pair_as_recipient(self._secret, bundle)
        known = self._by_binding.get(keys.binding)
        if known is not None:
            return known
        others = [other for other in self._by_binding.values() if other.keys.device_key == keys.device_key]
        if others and not confirmed:
            raise ConfirmationNeededError(
                f"{others[0].device} is paired already (fingerprint {others[0].keys.fingerprint}); "
                f"confirm the new pairing {keys.fingerprint}"
            )
        return self._add(Pairing(bundle, keys, keys.defaults))

    def mark_compared(self, binding: bytes) -> None:
        """Both ends' fingerprints were compared and are the same."""
        self._by_binding[binding].compared = True

    def close_pairing(self, binding: bytes) -> None:
        """Messages of this pairing that come from now on are refused as ``PairingClosedError``."""
        self._by_binding[binding].closed = True

    def open(self, message: bytes) -> Opened:
        """What the message tells, noted as opened. Raises a ``Refusal``; refused messages go to the quarantine.

        Duplicates are only counted: their octets are those of a message that was opened.
        """
        try:
            return self._open(message)
        except DuplicateError:
            raise
        except Refusal as refusal:
            authentic = isinstance(refusal, CounterReusedError | PairingClosedError | PayloadError)
            self._put_in_quarantine(
                Quarantined(message[: MAX_MESSAGE + 1], refusal.layer, str(refusal), authentic)
            )
            raise

    def gaps(self, binding: bytes) -> list[tuple[int, int]]:
        """Runs (first, last) of counters of a pairing that should have come and did not, or were refused."""
        return self._by_binding[binding].opened.missing()

    def _open(self, message: bytes) -> Opened:
        header = Header.decode(message)
        if header.direction is not Direction.DEVICE_TO_RECIPIENT:
            raise WrongDirectionError("a message from a recipient to a device; this is a recipient")
        candidates = self._by_kid.get(header.kid, [])
        if not candidates:
            raise UnknownKidError(f"no pairing has kid {header.kid.hex()}: import the device's bundle")
        digest = sha256(message)[:DIGEST_OCTETS]
        for pairing in candidates:
            if pairing.opened.digest(header.counter) == digest:
                pairing.duplicates += 1
                raise DuplicateError(pairing.device, header.counter)
        pairing, payload = _first_that_opens(candidates, message, header.counter)
        return _accept(pairing, header.counter, payload, digest)

    def _add(self, pairing: Pairing) -> Pairing:
        self._by_binding[pairing.keys.binding] = pairing
        self._by_kid.setdefault(pairing.keys.kid, []).append(pairing)
        return pairing

    def _put_in_quarantine(self, entry: Quarantined) -> None:
        """When it is full the oldest goes, and one that anybody could have sent before one that is authentic."""
        if len(self.quarantine) >= MAX_QUARANTINE:
            forged = (place for place, old in enumerate(self.quarantine) if not old.authentic)
            del self.quarantine[next(forged, 0)]
            self.quarantine_dropped += 1
        self.quarantine.append(entry)

    def to_state(self) -> dict[str, Any]:
        """Everything but the secret, as JSON takes it."""
        return {
            "version": STATE_VERSION,
            "pairings": [_pairing_to_state(pairing) for pairing in self._by_binding.values()],
            "quarantine": [[q.message.hex(), q.layer, q.why, q.authentic] for q in self.quarantine],
            "quarantine_dropped": self.quarantine_dropped,
        }

    @classmethod
    def from_state(cls, secret: SecretKey, state: Any) -> "Receiver":
        """The reverse. Raises ``StateError`` for anything that ``to_state`` with the same secret did not write."""
        receiver = cls(secret)
        try:
            if state["version"] != STATE_VERSION:
                raise StateError(f"version {state['version']!r}; this program reads {STATE_VERSION}")
            for entry in state["pairings"]:
                receiver._add(_pairing_from_state(secret, entry))
            for message, layer, why, authentic in state["quarantine"]:
                receiver.quarantine.append(
                    Quarantined(bytes.fromhex(message), str(layer), str(why), bool(authentic))
                )
            receiver.quarantine_dropped = int(state["quarantine_dropped"])
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise StateError(f"a receiver's state cannot be read: {type(error).__name__} {error}") from error
        return receiver


def _first_that_opens(candidates: list[Pairing], message: bytes, counter: int) -> tuple[Pairing, bytes]:
    """The pairing whose tag holds, and the payload; its signature then decides."""
    for pairing in candidates:
        keys = pairing.keys
        try:
            payload = open_sealed(
                message,
                binding=keys.binding,
                message_key=message_key(keys.root0, counter),
                verify_key=keys.device_key,
            )
        except TagError:
            continue
        except SignatureError as error:
            raise SignatureError(f"{pairing.device}: {error}") from error
        if pairing.closed:
            raise PairingClosedError(f"{pairing.device}: the pairing {keys.fingerprint} was closed")
        return pairing, payload
    raise TagError(
        "the tag holds for no pairing with this kid: altered on the way, or sealed for somebody else"
    )


def _accept(pairing: Pairing, counter: int, payload: bytes, digest: bytes) -> Opened:
    """Read the payload, look for contradictions, and only then note the counter and the new names."""
    used = pairing.opened.digest(counter) is not None
    try:
        told = decode_payload(payload, pairing.defaults)
    except PayloadError as error:
        if used:  # a clone is a clone, whatever it says
            raise CounterReusedError(
                pairing.device, None, f"counter {counter} was used twice; {error}"
            ) from error
        raise
    if isinstance(told.predecessor, int) and told.predecessor >= counter:
        raise PayloadError("predecessor", 0, f"{told.predecessor} is not before counter {counter}")
    grown, contradicted = pairing.defaults.with_names(told.named)
    opened = Opened(
        counter, pairing.device, pairing.keys.binding, told, payload, grown, pairing.compared, contradicted
    )
    after = None if told.predecessor is NO_GAP else -1 if told.predecessor is None else told.predecessor
    if used:
        raise CounterReusedError(pairing.device, opened, f"counter {counter} was used twice")
    if pairing.opened.contradicts(counter, after):
        raise CounterReusedError(
            pairing.device, opened, f"counter {counter} contradicts what was opened before"
        )
    pairing.opened.mark(counter, digest)
    if after is not None and after < counter - 1:
        pairing.opened.skips.add((after, counter))
    pairing.defaults = grown
    return opened


def _pairing_to_state(pairing: Pairing) -> dict[str, Any]:
    return {
        "bundle": pairing.bundle.hex(),
        "shops": list(pairing.defaults.shops),
        "terminals": [list(entry) for entry in pairing.defaults.terminals],
        "opened": pairing.opened.to_state(),
        "closed": pairing.closed,
        "compared": pairing.compared,
        "duplicates": pairing.duplicates,
    }


def _pairing_from_state(secret: SecretKey, state: Any) -> Pairing:
    bundle = bytes.fromhex(state["bundle"])
    try:
        keys = pair_as_recipient(secret, bundle)
    except ProtocolError as error:
        raise StateError(f"a stored bundle does not fit this key: {error}") from error
    heard = Naming(
        tuple(
            (index, *_terminal(entry))
            for index, entry in enumerate(state["terminals"])
            if _terminal(entry) != NOT_NAMED
        ),
        tuple((index, str(shop)) for index, shop in enumerate(state["shops"]) if shop),
    )
    defaults, contradicted = keys.defaults.with_names(heard)
    if contradicted != NO_NAMES:
        raise StateError("stored names contradict the bundle")
    opened = OpenedCounters.from_state(state["opened"])
    closed, compared = bool(state["closed"]), bool(state["compared"])
    return Pairing(bundle, keys, defaults, opened, closed, compared, int(state["duplicates"]))


def _terminal(entry: Any) -> tuple[str | None, str | None]:
    terminal_id, merchant_id = entry
    if not isinstance(terminal_id, str | None) or not isinstance(merchant_id, str | None):
        raise TypeError("a terminal's names are text or null")
    return terminal_id, merchant_id
