"""What the two kill runs have in common: how headquarters reads what it got, and their command line."""

import argparse
import secrets
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shop import HQ, Shop

from tillbell_agent.sim.subscriber import Subscriber
from tillbell_protocol.errors import ProtocolError
from tillbell_protocol.pairing import SecretKey, bundle_from_text
from tillbell_protocol.receiver import DuplicateError, Receiver
from tillbell_protocol.refusal import TagError

# Folder, kills, seed, where progress is told, whether the whole minute before repetitions is waited out → summary, faults.
Run = Callable[[Path, int, int, Callable[[str], None], bool], tuple[str, Sequence[str]]]


@dataclass(slots=True)
class AtHeadquarters:
    """The events opened, each once; how many messages came again and were dropped; what is wrong, in words."""

    events: list[Any] = field(default_factory=list)
    duplicates: int = 0
    faults: list[str] = field(default_factory=list)


def open_sealed(shop: Shop) -> AtHeadquarters:
    """What headquarters makes of the segments that it got, in the order in which they came.

    It joins them by the library: parts that a kill sent twice stay behind, and a message 256 numbers later has the same
    reference. Then several combinations are tried, of which those that belong to no message are refused.
    """
    found = AtHeadquarters()
    receiver = Receiver(SecretKey.from_text(shop.key().read_text()))
    pairing = receiver.import_bundle(bundle_from_text(shop.bundle().read_text().strip()))
    for message in Subscriber(shop.log, HQ).messages(0.0):
        try:
            found.events.append(receiver.open(message.data()).told.event)
        except DuplicateError:
            found.duplicates += 1
        except TagError as error:
            if len(message.parts) == 1:
                found.faults.append(f"headquarters refused a message: {error}")
        except ProtocolError as error:
            found.faults.append(f"headquarters refused a message: {error}")
    if receiver.gaps(pairing.keys.binding):
        found.faults.append(f"headquarters misses counters {receiver.gaps(pairing.keys.binding)}")
    return found


def main(program: str, words: str, kills: int, run: Run) -> int:
    """One run by the command line's ``--kills`` and ``--seed``; 1 where it has faults, which are printed."""
    parser = argparse.ArgumentParser(description=words)
    parser.add_argument("--kills", type=int, default=kills)
    parser.add_argument("--seed", type=int, default=None, help="default: a new one, which is printed")
    args = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if args.seed is None else args.seed
    print(f"seed {seed}", flush=True)
    summary, faults = "", []
    with tempfile.TemporaryDirectory() as folder:
        try:
            summary, faults = run(Path(folder), args.kills, seed, lambda line: print(line, flush=True), True)
        except AssertionError as error:
            faults = [str(error)]
    print(summary or "the run did not come to its end")
    for fault in faults:
        print(f"FAULT {fault}")
    if faults:
        print(f"again with: python tests/end_to_end/{program} --kills {args.kills} --seed {seed}")
    return 1 if faults else 0
