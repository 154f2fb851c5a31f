"""``python -m tillbell_agent.sim.demo_terminal``: the demonstration's POS terminal at the end of its own cable.

For each line on standard input it prints the next receipt onto its serial line (a pseudo-terminal, linked as
``--link``) at the line's speed, then says on standard output what it printed. It listens to nothing.
"""

import argparse
import json
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from tillbell_agent.sim.demo_receipts import Printed, morning
from tillbell_agent.sim.pos import PtyCable, send

# Faster than the configured 9600, so that the showing stays short; a pseudo-terminal has no speed of its own.
_BAUDRATE = 38_400


def main() -> int:
    """Until standard input ends."""
    parser = argparse.ArgumentParser(description="The demonstration's POS terminal.")
    parser.add_argument("--link", type=Path, required=True, help="where the serial line appears")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument(
        "--now", type=datetime.fromisoformat, required=True, help="the till's local time, without zone"
    )
    args = parser.parse_args()
    receipts = iter(enumerate(morning(args.seed, args.now), 1))
    cable = PtyCable(args.link)
    try:
        print("ready", file=sys.stderr, flush=True)
        for _ in sys.stdin:
            n, printed = next(receipts, (0, None))
            if printed is None:
                tell({"ev": "done"})
                continue
            send(cable, printed.octets, _BAUDRATE)
            tell(said(n, printed))
    finally:
        cable.close()
    return 0


def said(n: int, printed: Printed) -> dict[str, Any]:
    """What was printed, and what everybody must be told of it (null: nothing)."""
    expected = None
    if printed.expected is not None:
        expected = {**asdict(printed.expected), "kind": printed.expected.kind.word}
    return {
        "ev": "printed",
        "n": n,
        "title": printed.title,
        "octets": len(printed.octets),
        "expected": expected,
        "kill": printed.kill,
    }


def tell(event: dict[str, Any]) -> None:
    """One JSON line on standard output."""
    print(json.dumps(event, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
