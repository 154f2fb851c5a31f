"""The file in which a recipient keeps what it has opened: held by one call at a time, read, and written whole."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tillbell_agent.cli.errors import REFUSED, USAGE, CliError
from tillbell_agent.shell.files import directory_held, write_whole
from tillbell_protocol.errors import ProtocolError
from tillbell_protocol.pairing import SecretKey
from tillbell_protocol.receiver import Pairing, Receiver


@contextmanager
def alone(state: Path) -> Iterator[None]:
    """Two calls at once would each forget what the other opened, and a replay would pass. Raises CliError."""
    with ExitStack() as stack:
        try:
            stack.enter_context(directory_held(state.parent))
        except OSError as error:
            why = f"the folder of the state {state} cannot be used: {error.strerror}"
            raise CliError(f"{why}. Nothing was opened; name another --state", USAGE) from error
        yield


def read_receiver(secret: SecretKey, state: Path | None) -> Receiver:
    """The receiver as it was saved, or a new one where there is no file yet. Raises CliError."""
    try:
        if state is None or not state.exists():
            return Receiver(secret)
        return Receiver.from_state(secret, json.loads(state.read_text(encoding="utf-8")))
    except OSError as error:
        raise CliError(
            f"the state {state} cannot be read: {error.strerror}. Name another --state", USAGE
        ) from error
    except ProtocolError as error:
        raise CliError(
            f"the state or the key cannot be used ({state or 'no state'}): {error}", USAGE
        ) from error
    except (ValueError, RecursionError) as error:
        raise CliError(
            f"{state} is no state that tillbell open wrote: {error}. Name another --state; a new file is made",
            USAGE,
        ) from error


def save(receiver: Receiver, path: Path) -> None:
    """Raises CliError."""
    try:
        write_whole(path, json.dumps(receiver.to_state()).encode())
    except OSError as error:
        raise CliError(
            f"cannot write {path}: {error.strerror}. What was done now is not remembered", USAGE
        ) from error


def with_fingerprint(receiver: Receiver, given: str) -> list[Pairing]:
    """The pairings that a fingerprint names; several only if two devices share it. Raises CliError where none does."""
    shown = given.strip().upper()
    found = [pairing for pairing in receiver.pairings if pairing.keys.fingerprint == shown]
    if not found:
        here = ", ".join(f"{pairing.keys.fingerprint} ({pairing.device})" for pairing in receiver.pairings)
        raise CliError(
            f"no pairing has the fingerprint {shown[:20]}; here: {here or 'none'}. If the device shows another one, "
            "somebody changed the card or the bundle on its way: pair again",
            REFUSED,
        )
    return found
