"""One seed, from the first sale to the verdict: its shops, its incidents in their order, a quiet end, and the audit."""

import hashlib
import json
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tillbell_agent.sim.installation.audit import Audit
from tillbell_agent.sim.installation.incidents import Incident, Scene, draw, strike
from tillbell_agent.sim.installation.shop import Plan, Shop
from tillbell_agent.sim.installation.till import Till
from tillbell_agent.sim.installation.world import BEGAN, World
from tillbell_agent.sim.network import Record
from tillbell_agent.sim.tills import TILLS
from tillbell_protocol.pairing import SecretKey

JOBS_A_DAY = 145.0  # of which some 120 are transactions
# After the last incident everything works: what is owed leaves, the longest pauses between tries pass, and what the network
# held back arrives, which it does for ten hours.
QUIET_S = 11 * 3600.0
_ZONES = ("Asia/Shanghai", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe")
_HQ = "+8613900139000"


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
    trace_digest: str
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
    digest = hashlib.sha256()

    def record(who: str, what: Record) -> None:
        line = json.dumps({"shop": who, **what}, ensure_ascii=False, sort_keys=True)
        digest.update(line.encode() + b"\n")
        if trace is not None:
            trace(line)

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
        _end_quietly(world, tills)
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
            trace_digest=digest.hexdigest(),
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
    chance, dialects = world.stream("shops"), world.stream("dialects")
    secret = SecretKey.from_random(chance.randbytes(64))
    audit, tills = Audit(world, secret), []
    for number in range(shops):
        plan = Plan(
            name=f"till-{number}",
            merchant="老王面馆",
            zone=chance.choice(_ZONES),
            owner=f"+86138001380{number:02d}",
            hq=_HQ,
            sim_number=f"+86137001370{number:02d}",
            dialect=_dialect(dialects),
        )
        shop = Shop(
            plan, folder / plan.name, world.radio, world.stream(plan.name), world.trace, BEGAN.timestamp()
        )
        # Some start slowly, search long, or go away with their port when they are reset.
        life = shop.machine.life
        life.boot_s, life.search_s = chance.choice((0.0, 3.0, 12.0)), chance.choice((0.0, 25.0))
        life.reenumerates = chance.random() < 0.4
        world.shops.append(shop)
        audit.add(shop)
        tills.append(Till(shop, world.stream(f"{plan.name} till"), JOBS_A_DAY, world.at, audit.heard))
    return audit, tills


def _dialect(chance: random.Random) -> str:
    """Half of the shops have a printer's line, the others what else is spoken."""
    others = sorted(set(TILLS) - {"escpos"})
    return chance.choice(others) if others and chance.random() < 0.5 else "escpos"


def _end_quietly(world: World, tills: list[Till]) -> None:
    """Everything that can be put right is, and what is owed gets its time."""
    for till in tills:
        till.running = False
    world.radio.weather.clear()
    for shop in world.shops:
        shop.disk.refuses, shop.disk.cut_after, shop.modem.cut_after = None, None, None
        shop.clock.ahead_s = shop.right_ahead_s
        shop.machine.faults.clear()
        shop.machine.set_registration(1, world.now)
        shop.machine.life.plug(world.now)
        shop.source.plug()
        shop.till_source.plug()
        sim = shop.machine.commands.sim
        if sim.asks and shop.pin_in_file != sim.pin:
            shop.pin_in_file, shop.pin_written_at = sim.pin, shop.pin_written_at + 1
        if shop.agent is not None:
            shop.kill()
    world.live_until(world.now + QUIET_S)


def _memory() -> str | None:
    """Files in memory where the system has such a place: no fsync is waited for."""
    place = Path("/dev/shm")  # noqa: S108 - a folder of a name that nobody foresees is made in it
    return str(place) if place.is_dir() else None
