"""What a bridge's terminal is told of follows from its chunks alone: link, agent and their troubles change nothing."""

import random
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from bridged import PRINTER, Bridged

from tillbell_agent.pos.dialect import Line
from tillbell_agent.pos.registry import DIALECTS
from tillbell_agent.sim.tills import TILLS, exchanges_of

# Equal amounts, and nothing else in them: only their place tells one sale from the next.
AMOUNTS = ("12.50", "12.50", "12.50", "8.00")
BOTH_LINES = 'port_terminal = "bridge:tap/1"\nport_till = "bridge:tap/2"'


@dataclass(frozen=True)
class Piece:
    """Octets that come so long after the ones before."""

    after_s: float
    octets: bytes
    flags: int = 0
    line: Line = Line.TERMINAL


@dataclass(frozen=True)
class Trouble:
    """What happens to link or agent, when, and for how long."""

    at_s: float
    what: str
    for_s: float


@st.composite
def receipts(draw: st.DrawFn) -> list[Piece]:
    """Receipts in pieces, ended by a cut or by silence, with pauses that are none, short, and longer than idle_s."""
    pieces = []
    for _ in range(draw(st.integers(1, 5))):
        begin = draw(st.sampled_from([b"\x1b@", b"\x1b@", b""]))
        end = draw(st.sampled_from([b"\x1dV\x00", b"\x1dV\x00", b""]))
        amount = draw(st.sampled_from(AMOUNTS))
        octets = begin + f"MARKET\nTOTAL {amount}\nThank you\n".encode() + end
        cuts = sorted(draw(st.sets(st.integers(1, len(octets) - 1), max_size=2)))
        for start, stop in zip([0, *cuts], [*cuts, len(octets)], strict=True):
            pause = draw(st.sampled_from([0.1, 0.5, 2.5, 2.95, 3.7, 9.0]))
            flags = draw(st.sampled_from([0] * 12 + [1, 2]))
            pieces.append(Piece(pause, octets[start:stop], flags))
    return pieces


TROUBLES = st.lists(
    st.builds(
        Trouble,
        st.floats(0.1, 40),
        st.sampled_from(["cut", "kill", "stop", "slow"]),
        st.sampled_from([0.0, 0.3, 4.0, 15.0]),
    ),
    max_size=4,
)


def told(
    folder: Path, pieces: list[Piece], troubles: list[Trouble], sources: dict[str, tuple[str, str]] = PRINTER
) -> list[tuple[object, ...]]:
    shop = Bridged(folder, sources, step_s=0.02 if sources is PRINTER else 0.1)
    at = 1.0
    for piece in pieces:
        at += piece.after_s
        shop.says(piece.octets, at, piece.line, piece.flags)
    began = shop.now
    for trouble in sorted(troubles, key=lambda each: each.at_s):
        shop.run(max(0.0, began + trouble.at_s - shop.now))
        happen(shop, trouble)
    shop.run(max(0.0, began + at - shop.now) + 40)
    return shop.rows("SELECT kind, amount_minor, event FROM ledger ORDER BY id")


def happen(shop: Bridged, trouble: Trouble) -> None:
    match trouble.what:
        case "cut":
            shop.pull()
            shop.run(trouble.for_s)
            shop.plug()
        case "kill" | "stop":
            getattr(shop, f"{trouble.what}_agent")()
            for _ in range(round(trouble.for_s / 0.5)):
                shop.now += 0.5
                shop.board_alone()
            shop.start_agent()
        case "slow":
            shop.way_s = min(trouble.for_s, 1.0)


@settings(max_examples=60, deadline=None)
@given(receipts(), TROUBLES)
def test_the_same_receipts_are_told_once_each_whatever_happens_to_link_and_agent(
    pieces: list[Piece], troubles: list[Trouble]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        undisturbed = told(Path(folder) / "a", pieces, [])
        assert told(Path(folder) / "b", pieces, troubles) == undisturbed


def dialogue(dialect: str, seed: int) -> Iterator[Piece]:
    chance = random.Random(seed)
    made = exchanges_of(dialect)(seed, datetime(2026, 11, 21, 12), "CNY", frozenset())
    for _ in range(3):
        pause = chance.choice((6.0, 20.0, 60.0))
        for spoken in next(made).spoken:
            pause += max(spoken.after_s, 0.25)
            for at in range(0, len(spoken.octets), 200):  # as a tap cuts it
                yield Piece(pause, spoken.octets[at : at + 200], line=spoken.line)
                pause = 0.3
            pause = 0.0


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("dialect", sorted(set(TILLS) - {"escpos"}))
def test_the_same_dialogue_is_told_once_whatever_happens_between_request_and_answer(
    dialect: str, seed: int, tmp_path: Path
) -> None:
    assert DIALECTS[dialect].two_lines
    chance = random.Random(f"{dialect} {seed}")
    pieces, sources = list(dialogue(dialect, seed)), {"terminal": (dialect, BOTH_LINES)}
    end = sum(piece.after_s for piece in pieces)
    undisturbed = told(tmp_path / "a", pieces, [], sources)
    assert undisturbed, "nothing is proven by silence"
    troubles = [
        Trouble(
            chance.uniform(0.5, end), chance.choice(("kill", "stop", "cut")), chance.choice((0.0, 2.0, 30.0))
        )
        for _ in range(6)
    ]
    assert told(tmp_path / "b", pieces, troubles, sources) == undisturbed
