"""One seed, from the first sale to the verdict: its shops, its incidents in their order, a quiet end, and the audit."""

import json
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from tillbell_agent.sim.installation.audit import Audit
from tillbell_agent.sim.installation.incidents import Incident, Scene, draw, strike
from tillbell_agent.sim.installation.shop import Plan, Shop
from tillbell_agent.sim.installation.surroundings import SimModemPort
from tillbell_agent.sim.installation.till import Till
from tillbell_agent.sim.installation.world import BEGAN, World
from tillbell_agent.sim.modem_power import Life
from tillbell_agent.sim.network import Record
from tillbell_agent.sim.tills import TILLS
from tillbell_protocol.pairing import SecretKey

JOBS_A_DAY = 145.0  # of which some 120 are transactions
# One shop in twenty sells so many times as much: an outage of a day leaves more than a thousand messages behind.
_BUSY, _BUSIER = 0.05, 6.0
# After the last incident everything works: what is owed leaves, the longest pauses between tries pass, and what the network
# held back arrives, which it does for ten hours.
QUIET_S = 11 * 3600.0
_ZONES = ("Asia/Shanghai", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe")
_HQ = "+8613900139000"
_TWO_MODEMS = 1 / 3


@dataclass(slots=True)
class Outcome:
    """What a seed came to."""

    seed: int
    days: float
    faults: list[str]
    sales: int
    texts: int
    opened: int
    struck: "Counter[str]"
    took_s: float
    incidents: list[Incident] = field(default_factory=list)


def run_seed(
    seed: int,
    days: float,
    *,
    shops: int = 1,
    only: Iterable[int] | None = None,
    days_drawn: float | None = None,
    trace: Callable[[str], None] | None = None,
) -> Outcome:
    """Everything that ``seed`` decides. ``trace`` gets JSON lines.

    ``only``: the numbers of the incidents that happen. ``days_drawn``: for how many days they are drawn, where the run
    is shorter than the one that they were numbered in.
    """
    began = time.monotonic()

    def record(who: str, what: Record) -> None:
        if trace is not None:
            trace(json.dumps({"shop": who, **what}, ensure_ascii=False, sort_keys=True))

    folder = Path(tempfile.mkdtemp(prefix="tillbell-sim-", dir=_memory()))
    try:
        world = World(str(seed), record)
        audit, tills = _installation(world, folder, shops)
        incidents = draw(world.stream("incidents"), shops, days_drawn or days)
        chosen = set(range(len(incidents))) if only is None else set(only)
        struck: Counter[str] = Counter()
        for incident in incidents:
            if incident.number in chosen and incident.at < days * 86_400:
                scene = Scene(world, world.shops[incident.shop], tills[incident.shop], audit,
                              random.Random(incident.seed), folder)  # fmt: skip
                world.at(incident.at, _striking(incident, scene, record, struck))
        world.live_until(days * 86_400)
        _end_quietly(world, audit, tills)
        audit.close()
        return Outcome(
            seed=seed,
            days=days,
            faults=audit.faults,
            sales=sum(till.printed for till in tills),
            texts=sum(len(world.radio.shown(owner)) for owner in {shop.plan.owner for shop in world.shops}),
            opened=audit.collector.opened,
            struck=struck,
            took_s=time.monotonic() - began,
            incidents=[
                incident
                for incident in incidents
                if incident.number in chosen and incident.at < days * 86_400
            ],
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _striking(
    incident: Incident, scene: Scene, record: Callable[[str, Record], None], struck: "Counter[str]"
) -> Callable[[], None]:
    def act() -> None:
        struck[incident.kind] += 1
        record(
            scene.shop.plan.name,
            {"ev": "incident", "t": scene.world.now, "kind": incident.kind, "number": incident.number},
        )
        strike(incident, scene)

    return act


def _installation(world: World, folder: Path, shops: int) -> tuple[Audit, list[Till]]:
    chance, dialects, modems = world.stream("shops"), world.stream("dialects"), world.stream("modems")
    trade = world.stream("trade")
    secret = SecretKey.from_random(chance.randbytes(64))
    audit, tills = Audit(world, secret), []
    for number in range(shops):
        plan = Plan(
            name=f"till-{number}",
            merchant="老王面馆",
            zone=chance.choice(_ZONES),
            owner=f"+86138001380{number:02d}",
            hq=_HQ,
            sims=(f"+86137001370{number:02d}",),
            dialect=_dialect(dialects),
        )
        plan = _with_modems(plan, modems, f"+86137001371{number:02d}")
        shop = Shop(
            plan, folder / plan.name, world.radio, world.stream(plan.name), world.trace, BEGAN.timestamp()
        )
        for modem in shop.modems:
            _make_its_own(modem.machine.life, chance if modem is shop.modems[0] else modems)
        world.shops.append(shop)
        audit.add(shop)
        jobs_a_day = JOBS_A_DAY * (_BUSIER if trade.random() < _BUSY else 1.0)
        tills.append(Till(shop, world.stream(f"{plan.name} till"), jobs_a_day, world.at, audit.heard))
    return audit, tills


def _dialect(chance: random.Random) -> str:
    """Half of the shops have a printer's line, the others what else is spoken."""
    others = sorted(set(TILLS) - {"escpos"})
    return chance.choice(others) if others and chance.random() < 0.5 else "escpos"


def _with_modems(plan: Plan, chance: random.Random, number: str) -> Plan:
    """A third of the shops have a second modem; of these, every other one keeps it for headquarters."""
    if chance.random() >= _TWO_MODEMS:
        return plan
    prefixes = (plan.hq[:6],) if chance.random() < 0.5 else ()
    return replace(plan, sims=(*plan.sims, number), prefixes=prefixes)


def _make_its_own(life: Life, chance: random.Random) -> None:
    """Some modems start slowly, search long, or go away with their port when they are reset."""
    life.boot_s, life.search_s = chance.choice((0.0, 3.0, 12.0)), chance.choice((0.0, 25.0))
    life.reenumerates = chance.random() < 0.4


def _end_quietly(world: World, audit: Audit, tills: list[Till]) -> None:
    """Everything that can be put right is, and what is owed gets its time."""
    for till in tills:
        till.running = False
    world.radio.weather.clear()
    for shop in world.shops:
        shop.disk.refuses = None
        shop.uncut()
        shop.clock.ahead_s = shop.right_ahead_s
        for modem in shop.modems:
            _put_right(shop, modem, world.now)
        shop.source.plug()
        shop.till_source.plug()
        if shop.agent is not None:
            shop.kill()
    for book in audit.books.values():
        audit.look_after(book.shop, 0.0)
    world.live_until(world.now + QUIET_S)


def _put_right(shop: Shop, modem: SimModemPort, now: float) -> None:
    machine, in_file = modem.machine, shop.pins.get(modem.name)
    machine.faults.clear()
    machine.set_registration(1, now)
    machine.life.plug(now)
    sim = machine.commands.sim
    if sim.asks and (in_file is None or in_file.digits != sim.pin):
        shop.write_pin(modem, sim.pin)


def _memory() -> str | None:
    """Files in memory where the system has such a place: no fsync is waited for."""
    place = Path("/dev/shm")  # noqa: S108 - a folder of a name that nobody foresees is made in it
    return str(place) if place.is_dir() else None
