"""Streams of real terminals, published test suites and specifications, kept outside the project: ``TILLBELL_VECTORS``.

What must come of each stands in the index beside them. Each is fed whole, octet by octet, in pieces, behind noise, twice,
and cut at every octet with a good stream behind it. ``family_*.py`` says how the streams of a family are fed.
"""

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from streams import (
    FEEDS,
    QUIET_S,
    Family,
    as_wanted,
    cut_at,
    hear,
    say_everything,
    told,
    vectors,
)

from tillbell_agent.pos.dialect import TransactionCompleted

# Cut sessions are many: of a long stream every octet of its beginning and end, and some between.
_EVERY_OCTET = 400


def _families() -> list[Family]:
    found = []
    for path in sorted(Path(__file__).parent.glob("family_*.py")):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found.append(module.FAMILY)
    return found


FAMILIES = _families()


def _cases() -> list[Any]:
    return [
        pytest.param(family, entry, id=entry["id"])
        for family in FAMILIES
        for entry in vectors(family.name)
        if entry["id"] not in family.skip
    ]


CASES = _cases()


def _needs_vectors() -> None:
    if "TILLBELL_VECTORS" not in os.environ:
        pytest.skip("TILLBELL_VECTORS is not set: no vectors from outside were run")


def _is_right(entry: dict[str, Any], events: list[Any], times: int = 1) -> None:
    for secret in entry.get("must_not_emit", []):
        assert secret not in say_everything(events)
    if entry["want"] == "decode only":
        return
    wants = [want for want in entry["want"] if want["kind"] != "settlement"]
    got = told(events)
    if times > 1:  # what nothing tells from the next sale of the same amount is told again
        got = [each for each in got if each.key is not None]
        assert len(got) <= len(wants)
        return
    assert [as_wanted(each, want) for each, want in zip(got, wants, strict=False)] == wants
    assert len(got) == len(wants)


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize(("family", "entry"), CASES)
def test_a_stream_gives_what_its_vector_wants(family: Family, entry: dict[str, Any], feed: str) -> None:
    _is_right(entry, hear(family.make(entry), family.heard_of(entry), feed))


@pytest.mark.parametrize(("family", "entry"), CASES)
def test_a_stream_that_comes_twice_tells_nothing_twice(family: Family, entry: dict[str, Any]) -> None:
    dialect, steps = family.make(entry), family.heard_of(entry)
    events = hear(dialect, steps)
    events += hear(dialect, steps, start=1000.0)
    _is_right(entry, events, times=2)


@pytest.mark.parametrize(("family", "entry"), CASES)
def test_a_stream_cut_anywhere_keeps_no_good_one_from_being_heard(
    family: Family, entry: dict[str, Any]
) -> None:
    good = next(
        (
            each
            for each in vectors(family.name)
            if each["id"] not in family.skip and _tells_a_sale(family, each, entry)
        ),
        None,
    )
    if good is None:
        pytest.skip("no stream of this family has a sale that is known by itself")
    steps, behind = family.heard_of(entry), family.heard_of(good)
    length = sum(len(octets) for _, _, octets in steps)
    alone = told(hear(family.make(good), behind))
    cuts = (
        range(length)
        if length <= _EVERY_OCTET
        else {*range(100), *range(100, length, 7), *range(length - 50, length)}
    )
    for cut in cuts:
        dialect = family.make(entry)
        start = cut_at(steps, cut)
        after = (start[-1][0] if start else 0.0) + QUIET_S
        if _hold_a_key_of(told(hear(dialect, start)), alone):
            continue  # the same transaction, told already, and perhaps more was known of it
        heard = told(hear(dialect, behind, start=after))
        assert [each.transaction for each in heard[-len(alone) :]] == [each.transaction for each in alone], (
            cut
        )


def _hold_a_key_of(some: list[TransactionCompleted], others: list[TransactionCompleted]) -> bool:
    return bool({each.key for each in some} & {each.key for each in others} - {None})


def _tells_a_sale(family: Family, good: dict[str, Any], entry: dict[str, Any]) -> bool:
    if good["want"] == "decode only" or not good["want"] or good["want"][0]["kind"] != "sale":
        return False
    same = family.dialect(good) == family.dialect(entry) and family.settings(good) == family.settings(entry)
    return same and good["id"] != entry["id"]


def test_every_family_says_how_many_of_its_streams_were_fed(capsys: pytest.CaptureFixture[str]) -> None:
    _needs_vectors()
    with capsys.disabled():
        print()
        for family in FAMILIES:
            entries = vectors(family.name)
            fed = [entry for entry in entries if entry["id"] not in family.skip]
            rings = sum(isinstance(entry["want"], list) and bool(entry["want"]) for entry in fed)
            print(
                f"  {family.name:10} {len(fed):3} streams, {rings:3} of them with transactions, {len(family.skip)} left out"
            )
            assert entries, f"no vectors of the family {family.name}"
