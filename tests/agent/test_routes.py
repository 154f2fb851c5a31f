"""Which modem carries which phone: prefixes, modems that cannot send, and the time they are waited for."""

import sys
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from till import NOON

from tillbell_agent.database import open_database
from tillbell_agent.outbox import ANYBODY, Draft, Outbox
from tillbell_agent.routes import GRACE_S, Routes

PREFIXES = {"any": (), "china": ("+86",), "beijing": ("+8610", "+8613")}


@pytest.fixture
def routes() -> Routes:
    routes = Routes(PREFIXES)
    for name in PREFIXES:
        routes.told(name, 0.0, ready=True, held=False)
    return routes


def allows(routes: Routes, modem: str, phone: str, now: float = 0.0) -> bool:
    """As the outbox reads a route."""
    route = routes.of(modem, now)
    for prefix, allowed in route.prefixes:
        if phone.startswith(prefix):
            return allowed
    return route.otherwise


def carriers(routes: Routes, phone: str, now: float = 0.0) -> set[str]:
    return {modem for modem in PREFIXES if allows(routes, modem, phone, now)}


def test_without_prefixes_every_modem_takes_everything() -> None:
    routes = Routes({"a": (), "b": ()})
    for name in ("a", "b"):
        routes.told(name, 0.0, ready=True, held=False)
    assert routes.of("a", 0.0) == ANYBODY
    assert routes.next_change(0.0) is None


def test_the_longest_prefix_decides_and_what_fits_none_goes_by_a_modem_without(routes: Routes) -> None:
    assert carriers(routes, "+8613800138000") == {"beijing"}
    assert carriers(routes, "+8675512345678") == {"china"}
    assert carriers(routes, "+491700000001") == {"any"}


def test_a_modem_that_is_not_ready_is_waited_for_and_then_bypassed(routes: Routes) -> None:
    routes.told("beijing", 100.0, ready=False, held=False)
    assert carriers(routes, "+8613800138000", 100 + GRACE_S - 1) == {"beijing"}
    assert routes.next_change(100.0) == 100 + GRACE_S
    routes.told("beijing", 120.0, ready=False, held=False)
    # The dead one may still take it should it come back at that moment; the others do not wait for it.
    assert carriers(routes, "+8613800138000", 100 + GRACE_S) == {"china", "beijing"}
    routes.told("beijing", 500.0, ready=True, held=False)
    assert carriers(routes, "+8613800138000", 500.0) == {"beijing"}


def test_a_modem_that_holds_its_sim_is_bypassed_at_once(routes: Routes) -> None:
    routes.told("beijing", 1.0, ready=True, held=True)
    assert "china" in carriers(routes, "+8613800138000", 1.0)
    assert routes.others("beijing", 1.0)
    for name in ("china", "any"):
        routes.told(name, 1.0, ready=True, held=True)
    assert not routes.others("beijing", 1.0)


def test_a_modem_for_some_numbers_takes_all_where_no_other_can(routes: Routes) -> None:
    for name in ("any", "beijing"):
        routes.told(name, 1.0, ready=True, held=True)
    assert allows(routes, "china", "+491700000001", 1.0)


@given(
    st.dictionaries(st.sampled_from("abcd"), st.lists(st.sampled_from(["+8", "+86", "+4", "0"])), min_size=1),
    st.data(),
)
def test_every_phone_always_has_a_modem_and_the_outbox_reads_routes_the_same_way(
    tmp_path_factory: pytest.TempPathFactory, prefixes: dict[str, list[str]], data: st.DataObject
) -> None:
    routes = Routes({name: tuple(own) for name, own in prefixes.items()})
    for name in prefixes:
        routes.told(name, 0.0, ready=data.draw(st.booleans()), held=data.draw(st.booleans()))
    now = data.draw(st.sampled_from([0.0, GRACE_S + 1]))
    outbox = Outbox(open_database(tmp_path_factory.mktemp("routes")))
    for phone in ("+8613800138000", "+491700000001", "10086", "010"):
        message_id = outbox.put(Draft("x", phone, "text", "txn", 1, body=b""), NOON)
        takers = []
        for name in prefixes:
            taken = outbox.reserve(NOON, routes.of(name, now))
            assert (taken is not None) == allows(routes, name, phone, now)
            if taken is not None:
                takers.append(name)
                outbox.release(message_id)
        able = routes.able(now)
        assert takers
        assert not able or able & set(takers)
        outbox._connection.execute("DELETE FROM message")


def test_of_all_orders_in_which_modems_fail_the_last_one_left_carries_everything() -> None:
    for last, phone in product(PREFIXES, ("+8613800138000", "+491700000001")):
        routes = Routes(PREFIXES)
        for name in PREFIXES:
            routes.told(name, 0.0, ready=name == last, held=name != last)
        assert allows(routes, last, phone)
