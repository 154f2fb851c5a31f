"""How fast each dialect reads what its simulated till says, both lines of it, in the pieces in which a port gives them."""

import time
from datetime import datetime

from figures import Row, Table

from tillbell_agent.pos.dialect import Line
from tillbell_agent.pos.registry import DIALECTS, make_dialect
from tillbell_agent.pos.settings import DialectSettings
from tillbell_agent.sim.tills import currency_of, exchanges_of

_SPEED, _TIMES, _BITS_PER_OCTET = 115_200, 50, 10
_READ_OCTETS = 4096
_SEED = 2025


def measure(octets: int) -> list[Table]:
    """``octets``: how many each dialect gets."""
    columns = ("octets a second", f"times a {_SPEED} baud line", "transactions told")
    rows = tuple(_row(name, columns, octets) for name in sorted(DIALECTS))
    note = "one core; a simulated till's day with its retransmissions, refused frames and reprints"
    return [Table("dialects", "Octets that a dialect reads in a second", columns, rows, (note,))]


def _row(name: str, columns: tuple[str, str, str], octets: int) -> Row:
    pieces = _pieces(name, octets)
    dialect = make_dialect(name, DialectSettings(currency=currency_of(name)))
    told, now = 0, 0.0
    began = time.perf_counter()
    for line, piece, after_s in pieces:
        now += after_s
        deadline = dialect.next_deadline()
        events = dialect.tick(now) if deadline is not None and deadline <= now else []
        events += dialect.receive_data(piece, now, line)
        told += sum(type(event).__name__ == "TransactionCompleted" for event in events)
    rate = sum(len(piece) for _, piece, _ in pieces) / (time.perf_counter() - began)
    times = rate / (_SPEED / _BITS_PER_OCTET)
    return Row(
        name, name, dict(zip(columns, (round(rate), round(times, 1), told), strict=True)), "", str(_TIMES)
    )


def _pieces(name: str, octets: int) -> list[tuple[Line, bytes, float]]:
    pieces, size = [], 0
    day = exchanges_of(name)(_SEED, datetime(2026, 11, 21, 9), currency_of(name), frozenset())
    for exchange in day:
        for spoken in exchange.spoken:
            for at in range(0, len(spoken.octets), _READ_OCTETS):
                pieces.append(
                    (spoken.line, spoken.octets[at : at + _READ_OCTETS], 0.0 if at else spoken.after_s)
                )
        size += sum(len(spoken.octets) for spoken in exchange.spoken)
        pieces.append((Line.TERMINAL, b"", 20.0))
        if size >= octets:
            return pieces
    return pieces
