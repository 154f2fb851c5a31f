"""``tillbell pairings``: the devices a recipient can read, what is missing of each, and what was refused."""

import argparse
from pathlib import Path
from typing import Any

from tillbell_agent.cli.common import add_json, print_json, print_table
from tillbell_agent.cli.errors import OK, USAGE, CliError
from tillbell_agent.cli.messages import read_key
from tillbell_agent.cli.receiver_state import alone, read_receiver, save, with_fingerprint
from tillbell_protocol.receiver import Pairing, Quarantined, Receiver

HELP = """What a recipient's state holds: its pairings, the counters missing of each, and the quarantine.

--close ends a pairing at this end: messages that come later are refused as PairingClosed and kept in the quarantine.
The device's end is closed by: tillbell pair --recipient NAME --close"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--key", type=Path, required=True, metavar="FILE", help="the recipient's TBK1. file")
    parser.add_argument(
        "--state", type=Path, required=True, metavar="FILE", help="the file that tillbell open --state keeps"
    )
    parser.add_argument("--close", metavar="FINGERPRINT", help="close this pairing")
    parser.add_argument(
        "--quarantine", action="store_true", help="show the refused messages, newest first, instead"
    )
    add_json(parser)
    parser.epilog = "example:\n  tillbell pairings --key hq.key --state hq.state --close 1C1P-43RG-3GG1"


def run(args: argparse.Namespace) -> int:
    secret = read_key(args.key)
    with alone(args.state):
        if not args.state.exists():
            raise CliError(f"there is no state {args.state}: tillbell open --state makes it", USAGE)
        receiver = read_receiver(secret, args.state)
        if args.close:
            for pairing in with_fingerprint(receiver, args.close):
                receiver.close_pairing(pairing.keys.binding)
            save(receiver, args.state)
    if args.quarantine:
        _show_quarantine(receiver, as_json=args.json)
    else:
        _show_pairings(receiver, as_json=args.json)
    return OK


def _show_pairings(receiver: Receiver, *, as_json: bool) -> None:
    rows = [_row(receiver, pairing) for pairing in receiver.pairings]
    if as_json:
        print_json(rows)
        return
    print_table(
        ("device", "fingerprint", "compared", "closed", "opened", "duplicates", "not opened yet"),
        [
            (
                row["device"],
                row["fingerprint"],
                "yes" if row["compared"] else "no",
                "yes" if row["closed"] else "no",
                row["opened"],
                row["duplicates"],
                ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in row["gaps"]),
            )
            for row in rows
        ],
    )
    if receiver.quarantine:
        print(f"\n{len(receiver.quarantine)} messages are in the quarantine: --quarantine shows them")


def _row(receiver: Receiver, pairing: Pairing) -> dict[str, Any]:
    return {
        "device": pairing.device,
        "fingerprint": pairing.keys.fingerprint,
        "compared": pairing.compared,
        "closed": pairing.closed,
        "opened": pairing.opened.count(),
        "duplicates": pairing.duplicates,
        "gaps": receiver.gaps(pairing.keys.binding),
    }


def _show_quarantine(receiver: Receiver, *, as_json: bool) -> None:
    newest_first = receiver.quarantine[::-1]
    if as_json:
        print_json(
            {
                "dropped": receiver.quarantine_dropped,
                "messages": [
                    {"message": q.message.hex(), "refused": q.layer, "authentic": q.authentic, "why": q.why}
                    for q in newest_first
                ],
            }
        )
        return
    print_table(("refused", "authentic", "message", "why"), [_quarantined(q) for q in newest_first])
    if receiver.quarantine_dropped:
        print(f"\n{receiver.quarantine_dropped} older ones were dropped for want of room")


def _quarantined(entry: Quarantined) -> tuple[str, str, str, str]:
    start = entry.message[:8].hex()
    return entry.layer, "yes" if entry.authentic else "no", f"{start}…", entry.why
