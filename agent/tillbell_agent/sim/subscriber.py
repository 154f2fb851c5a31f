"""A number on the simulated network: what the network took for it, as its handset puts it together.

Reads the network's log (``sim modem --log``), whose ``sms`` records hold one accepted segment each, and joins
segments by their own headers, as a handset does. Ends when standard input ends.
"""

import argparse
import json
import select
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tillbell_agent.sim.tail import Tail
from tillbell_protocol.pairing import RecipientPairing, SecretKey, bundle_from_text, pair_as_recipient
from tillbell_protocol.sms.address import Address
from tillbell_protocol.sms.dcs import Dcs
from tillbell_protocol.sms.gsm7 import to_septets
from tillbell_protocol.sms.reader import Reader
from tillbell_protocol.sms.reassembly import Assembled, Reassembler
from tillbell_protocol.sms.timestamp import Timestamp
from tillbell_protocol.sms.tpdu import SmsDeliver
from tillbell_protocol.sms.udh import read_udh

_LOOK_EVERY_S = 0.05
# A handset keeps an unfinished message for some hours; the simulated ones live for a minute.
_REASSEMBLY_S = 3600.0
_MESSAGES = 32
# When the network took a segment is in its log already; nobody here looks at the handset's stamp.
_NEVER = Timestamp.from_datetime(datetime(2025, 1, 1, tzinfo=UTC))


class Subscriber:
    """Joins what the network took for ``number``. Its segments all come from the shop's SIM, whose number is not shown."""

    def __init__(self, log: Path, number: str) -> None:
        self._network = Tail(log)
        self._number = number
        self._sender = Address.from_text("tillbell")
        self._reassembler = Reassembler(_MESSAGES, _REASSEMBLY_S)

    def messages(self, now: float) -> list[Assembled]:
        """The messages that have become complete since the last call; ``now`` in monotonic seconds."""
        events = [
            event
            for record in self._network.objects()
            if record["ev"] == "sms" and record["to"] == self._number
            for event in self._reassembler.receive(self._sender, self._deliver(record), now)
        ]
        return [event for event in events if isinstance(event, Assembled)]

    def _deliver(self, record: dict[str, Any]) -> SmsDeliver:
        """The segment as it reaches a handset, rebuilt from the network's record of it."""
        dcs, header, ud = Dcs(record["dcs"]), bytes.fromhex(record["udh"]), bytes.fromhex(record["ud"])
        udh = read_udh(Reader(header), len(header)) if header else ()
        if dcs.septets():
            ud = to_septets(record["text"])  # packed septets do not say how many they are
        return SmsDeliver(self._sender, 0, dcs, _NEVER, udh, ud)


def arguments(what: str, *, keys_required: bool) -> argparse.Namespace:
    """The command line that every simulated recipient has; one of texts may do without keys."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--log", type=Path, required=True, help="the simulated network's log")
    parser.add_argument("--number", required=True, help="this subscriber's number")
    parser.add_argument("--key", type=Path, required=keys_required, help="the recipient's key (TBK1.)")
    parser.add_argument("--bundle", type=Path, required=keys_required, help="the pairing bundle (TBP1.)")
    return parser.parse_args()


def keys(args: argparse.Namespace) -> tuple[SecretKey, bytes, RecipientPairing]:
    """The recipient's key, the bundle's octets, and the pairing that they make."""
    secret = SecretKey.from_text(args.key.read_text("utf-8"))
    bundle = bundle_from_text(args.bundle.read_text("utf-8").strip())
    return secret, bundle, pair_as_recipient(secret, bundle)


def follow(args: argparse.Namespace, handle: Callable[[Assembled], None]) -> None:
    """Hand every complete message to ``handle`` until standard input ends; what came by then is handed on too."""
    subscriber = Subscriber(args.log, args.number)
    print("ready", file=sys.stderr, flush=True)
    ended = False
    while not ended:
        readable, _, _ = select.select([sys.stdin], [], [], _LOOK_EVERY_S)
        ended = bool(readable) and not sys.stdin.readline()
        for message in subscriber.messages(time.monotonic()):
            handle(message)


def tell(ev: str, **fields: Any) -> None:
    """One JSON line on standard output."""
    print(json.dumps({"ev": ev, **fields}, ensure_ascii=False), flush=True)
