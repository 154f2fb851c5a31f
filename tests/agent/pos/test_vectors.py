"""Streams of real terminals and test suites, kept outside the project: ``TILLBELL_VECTORS`` names their folder.

``pos/index.json`` in it says for each file which events must come out and which strings in none. A printer's stream
does not say how its till is configured, so the configuration that fits each file stands in a table here.
"""

import json
import os
import random
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tillbell_agent.pos.dialect import DialectEvent, SettlementHeard, TransactionCompleted
from tillbell_agent.pos.escpos_tokens import EscPosTokenizer, Token, TokenKind
from tillbell_agent.pos.registry import DialectSettings, make_dialect

SETTINGS = {
    "gen-de-": DialectSettings(encoding="cp858", currency="EUR"),
    "gen-fr-": DialectSettings(encoding="cp1252", currency="EUR"),
    "gen-kr-": DialectSettings(encoding="euc-kr", currency="KRW"),
    "gen-us-": DialectSettings(encoding="cp437", currency="USD"),
    "escpos-tools-": DialectSettings(encoding="cp437", currency="USD"),
}
CONTROLS = frozenset(range(32)) - frozenset(b"\t\n\f\r\x10\x1b\x1c\x1d")
FEEDS = ("whole", "byte by byte", "random chunks", "garbage before", "trailing octets")


@cache
def _entries() -> list[dict[str, Any]]:
    folder = os.environ.get("TILLBELL_VECTORS")
    if folder is None:
        return []
    index = Path(folder) / "pos" / "index.json"
    if not index.is_file():
        index = Path(folder) / "index.json"
    vectors = json.loads(index.read_text("utf-8"))["vectors"]
    return [
        {**entry, "path": index.parent / entry["file"]} for entry in vectors if entry["family"] == "escpos"
    ]


def _params(suffix: str) -> list[Any]:
    try:
        entries = _entries()
    except (OSError, ValueError, KeyError):
        entries = []  # test_the_vectors_are_there fails and says why
    return [pytest.param(entry, id=entry["id"]) for entry in entries if entry["file"].endswith(suffix)]


def test_the_vectors_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    if "TILLBELL_VECTORS" not in os.environ:
        pytest.skip("TILLBELL_VECTORS is not set: no vectors from outside were run")
    entries = _entries()
    assert entries, f"{os.environ['TILLBELL_VECTORS']} holds no vectors of the family escpos"
    assert all(entry["path"].is_file() for entry in entries)
    with capsys.disabled():
        print(f" [{len(entries)} escpos vectors, {len(FEEDS)} ways of feeding each stream] ", end="")


def _chunks(data: bytes, feed: str) -> Iterator[bytes]:
    if feed == "byte by byte":
        yield from (data[at : at + 1] for at in range(len(data)))
    elif feed == "random chunks":
        rng, at = random.Random(len(data)), 0
        while at < len(data):
            size = rng.randint(1, 40)
            yield data[at : at + size]
            at += size
    elif feed == "garbage before":
        yield b"\x00\xff\x7eTOTAL 77.77 \xc5\x1b\x1d\x1b"
        yield data
    elif feed == "trailing octets":
        yield data
        yield b"\x00\xff\x1d\x1bTHE END \xc5"
    else:
        yield data


def _heard(entry: dict[str, Any], feed: str) -> list[DialectEvent]:
    name = entry["path"].name
    settings = next(
        (found for prefix, found in SETTINGS.items() if name.startswith(prefix)), DialectSettings()
    )
    dialect = make_dialect("escpos", settings)
    events: list[DialectEvent] = []
    for chunk in _chunks(entry["path"].read_bytes(), feed):
        events += dialect.receive_data(chunk, 100.0)
    deadline = dialect.next_deadline()
    return events + (dialect.tick(deadline) if deadline is not None else [])


def _field(event: TransactionCompleted, key: str) -> object:
    transaction = event.transaction
    if key == "kind":
        return transaction.kind.word
    if key == "card_last4":
        return transaction.card.last4 if transaction.card else None
    value: object = getattr(transaction, "method" if key == "method_as_printed" else key)
    return value.isoformat() if isinstance(value, datetime) else value


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("entry", _params(".prn"))
def test_stream_gives_what_its_vector_wants(entry: dict[str, Any], feed: str) -> None:
    events = _heard(entry, feed)
    for secret in entry.get("must_not_emit", []):
        assert secret not in repr(events)
    if entry["want"] == "decode only":
        return
    completed = [event for event in events if isinstance(event, TransactionCompleted)]
    got = [
        {key: _field(event, key) for key in want}
        for event, want in zip(completed, entry["want"], strict=False)
    ]
    assert len(completed) == len(entry["want"])
    assert got == entry["want"]


@pytest.mark.parametrize("feed", ["whole", "byte by byte"])
@pytest.mark.parametrize("entry", _params(".prn"))
def test_stream_says_the_same_however_it_is_chunked(entry: dict[str, Any], feed: str) -> None:
    assert _heard(entry, feed) == _heard(entry, "random chunks")


def _tokens(data: bytes, size: int) -> list[Token]:
    tokenizer, joined = EscPosTokenizer(), []
    for at in range(0, len(data), size):
        for token in tokenizer.feed(data[at : at + size]):
            last = joined[-1] if joined else None
            if last and last.kind is token.kind and token.kind in (TokenKind.TEXT, TokenKind.CONTROL):
                joined[-1] = Token(last.kind, last.head + token.head, last.octets + token.octets)
            else:
                joined.append(token)
    assert not tokenizer.in_command
    return joined


def _controls_joined(rows: list[bytes]) -> list[bytes]:
    """The oracle tells CAN from the controls beside it; here all of them do nothing and are one run."""
    joined: list[bytes] = []
    for row in rows:
        if joined and not (set(row) | set(joined[-1])) - CONTROLS:
            joined[-1] += row
        else:
            joined.append(row)
    return joined


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize("entry", _params(".json"))
def test_stream_splits_into_exactly_the_oracles_tokens(entry: dict[str, Any], size: int) -> None:
    rows = [bytes.fromhex(row["hex"]) for row in json.loads(entry["path"].read_text("utf-8"))]
    if "cmd" in json.loads(entry["path"].read_text("utf-8"))[0]:
        tokens = _tokens(b"".join(rows), size)
        assert [token.octets for token in tokens] == [len(row) for row in _controls_joined(rows)]
        return
    for row in rows:  # an encoder's output, call by call: whole commands and lines, nothing unknown
        tokens = _tokens(row, size)
        assert sum(token.octets for token in tokens) == len(row)
        assert TokenKind.UNKNOWN not in {token.kind for token in tokens}


def test_settlement_of_the_vectors_never_rings() -> None:
    entries = [entry for entry in _entries() if "settlement" in entry["id"]]
    if not entries:
        pytest.skip("TILLBELL_VECTORS is not set: no vectors from outside were run")
    for entry in entries:
        assert any(isinstance(event, SettlementHeard) for event in _heard(entry, "whole"))
