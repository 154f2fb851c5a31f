"""A till and its receipt printer: the print jobs of a made-up shop as they come over one serial line, piece by piece.

The jobs are those of ``sim.receipts``. Between them the till asks for the printer's status, as drivers do; what the
printer answers stands on the other line and says nothing. A printer's line knows no NAK and repeats no frame, so of the
troubles only ``reprint`` means something here: the same receipt once more, plain and as a slip that says DUPLICATE.
"""

import random
from collections.abc import Iterator
from datetime import datetime

from tillbell_agent.pos.dialect import Line
from tillbell_agent.sim.receipts import Receipt, receipts
from tillbell_agent.sim.tills import Exchange, Spoken

_INITIALIZE = b"\x1b@"
_STATUS_REQUESTS = (b"\x10\x04\x01", b"\x10\x04\x02", b"\x10\x04\x04", b"\x10\x04\x01\x10\x04\x04")
_DUPLICATE = b"*** DUPLICATE ***\n"
_OCTETS_A_SECOND = 960  # 9600 baud
_PIECES = (16, 64, 256, 1024)  # what drivers write at once


def exchanges(
    seed: int, start: datetime, currency: str, troubles: frozenset[str] = frozenset()
) -> Iterator[Exchange]:
    """Print jobs of one shop; see ``sim.tills``. The same arguments give the same octets."""
    chance = random.Random(f"escpos/{seed}")
    piece = chance.choice(_PIECES)
    for receipt in receipts(seed, start=start, currency=currency):
        yield _exchange(receipt, receipt.note, _spoken(chance, receipt.octets, piece))
        if "reprint" in troubles and receipt.expected is not None and chance.random() < 0.3:
            again = _again(chance, receipt.octets)
            yield Exchange(f"{receipt.note}, once more", _spoken(chance, again, piece), (), ())


def _exchange(receipt: Receipt, words: str, spoken: tuple[Spoken, ...]) -> Exchange:
    told = () if receipt.expected is None else (receipt.expected,)
    return Exchange(words, spoken, told, told)


def _again(chance: random.Random, octets: bytes) -> bytes:
    """The jobs as they were, or the first of them under a title that says so."""
    if chance.random() < 0.5:
        return octets
    return _INITIALIZE + _DUPLICATE + octets.removeprefix(_INITIALIZE)


def _spoken(chance: random.Random, octets: bytes, piece: int) -> tuple[Spoken, ...]:
    """The octets at the line's speed, after a customer's time, behind a request for the printer's status."""
    request = Spoken(Line.TERMINAL, chance.choice(_STATUS_REQUESTS), chance.uniform(8, 90))
    pieces = [octets[at : at + piece] for at in range(0, len(octets), piece)]
    return (request, *(Spoken(Line.TERMINAL, one, len(one) / _OCTETS_A_SECOND) for one in pieces))
