"""What goes wrong, of which kind, where and when: drawn by the seed before the first sale, so that a run can leave some out.

Each kind has its rate. ``strike`` does one; nothing here decides what must hold all the same.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from tillbell_agent.database import FILE_NAME
from tillbell_agent.sim.installation.audit import Audit
from tillbell_agent.sim.installation.radio import Weather
from tillbell_agent.sim.installation.shop import Shop
from tillbell_agent.sim.installation.surroundings import SimModemPort
from tillbell_agent.sim.installation.till import Till
from tillbell_agent.sim.installation.world import World
from tillbell_agent.sim.modem_faults import KINDS, make_fault
from tillbell_protocol.sms.address import Address
from tillbell_protocol.sms.segment import split_text
from tillbell_protocol.sms.tpdu import SmsDeliver

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
FULL, READ_ONLY = "database or disk is full", "attempt to write a readonly database"


@dataclass(frozen=True, slots=True)
class Incident:
    """The ``number``-th of a run: ``kind`` befalls shop ``shop`` at ``at`` seconds; ``seed`` decides its details."""

    number: int
    at: float
    shop: int
    kind: str
    seed: int


@dataclass(slots=True)
class Scene:
    """Whom an incident befalls. ``modem``: the shop's, or one of its two."""

    world: World
    shop: Shop
    till: Till
    audit: Audit
    chance: random.Random
    folder: Path
    modem: SimModemPort = field(init=False)

    def __post_init__(self) -> None:
        modems = self.shop.modems
        self.modem = modems[0] if len(modems) == 1 else self.chance.choice(modems)


# Kind → a day's number of them in one shop.
RATES: dict[str, float] = {}
_STRIKES: dict[str, Callable[[Scene], None]] = {}


def kind(name: str, per_day: float) -> Callable[[Callable[[Scene], None]], Callable[[Scene], None]]:
    """Register what ``name`` does, and how often it happens by itself."""

    def register(strike: Callable[[Scene], None]) -> Callable[[Scene], None]:
        RATES[name], _STRIKES[name] = per_day, strike
        return strike

    return register


def draw(chance: random.Random, shops: int, days: float) -> list[Incident]:
    """Every incident of a run, in the order of time."""
    found = [
        (at, shop, name, chance.randrange(2**32))
        for name, per_day in RATES.items()
        for shop in range(shops)
        for at in _moments(chance, per_day, days)
    ]
    return [Incident(number, *one) for number, one in enumerate(sorted(found))]


def strike(incident: Incident, scene: Scene) -> None:
    """Let it happen."""
    _STRIKES[incident.kind](scene)


def _moments(chance: random.Random, per_day: float, days: float) -> Iterator[float]:
    at = chance.expovariate(per_day / DAY)
    while at < days * DAY:
        yield at
        at += chance.expovariate(per_day / DAY)


# Power.


@kind("power_cut_at_a_statement", 1.0)
def _cut_at_a_statement(scene: Scene) -> None:
    scene.shop.disk.cut_after = scene.chance.randrange(400)


@kind("power_cut_at_an_octet", 1.0)
def _cut_at_an_octet(scene: Scene) -> None:
    scene.modem.cut_after = scene.chance.randrange(1, 1500)


@kind("power_cut", 0.5)
def _cut(scene: Scene) -> None:
    scene.shop.lose_power(off_s=scene.chance.choice((5.0, MINUTE, 10 * MINUTE, 2 * HOUR)))


@kind("kill", 0.5)
def _kill(scene: Scene) -> None:
    scene.shop.kill()


# The modem: the faults of the simulated one. Those that last until they are cleared, with what ends them, come below.

_MODEM_KINDS = (
    "deaf", "late", "error", "cme", "cms", "cut", "garbage", "urc_before", "urc_glued", "urc_inside", "refuse_prompt",
    "no_prompt", "late_prompt", "urc_prompt", "lost_ok", "late_ok", "lost_pdu", "refuse", "congestion", "hang", "reset",
    "unplug", "report_lost", "report_late", "report_failed", "endless_list", "ghost", "incoming_twice", "incoming_silent",
)  # fmt: skip
_OFTEN = frozenset({"lost_ok", "lost_pdu", "hang", "reset", "unplug", "congestion", "late_ok"})


def _modem_fault(name: str) -> Callable[[Scene], None]:
    def strike_modem(scene: Scene) -> None:
        takes = KINDS[name].takes
        values: dict[str, object] = {"after": scene.chance.randrange(4)}
        if "seconds" in takes:
            values["seconds"] = scene.chance.choice((0.3, 2.0, 8.0, 45.0, 5 * MINUTE))
        if "taken" in takes:
            values["taken"] = scene.chance.random() < 0.5
        if name in {"congestion", "refuse"}:
            values["count"] = scene.chance.randrange(1, 6)
        scene.modem.machine.faults.add(make_fault(name, values))

    return strike_modem


for _name in _MODEM_KINDS:
    kind(f"modem_{_name}", 0.75 if _name in _OFTEN else 0.25)(_modem_fault(_name))


def _for_a_while(name: str) -> Callable[[Scene], None]:
    def strike_sim(scene: Scene) -> None:
        faults = scene.modem.machine.faults
        faults.add(make_fault(name, {}))
        scene.world.at(scene.chance.uniform(5, 90) * MINUTE, lambda: faults.clear(name))

    return strike_sim


for _name in ("barred", "no_credit"):
    kind(f"sim_{_name}", 0.1)(_for_a_while(_name))


@kind("sim_full", 0.1)
def _sim_full(scene: Scene) -> None:
    receiving = scene.modem.machine.receiving
    for number in range(40):
        receiving.deliver_text("+8613300133000", f"advertisement {number}", scene.world.now)


@kind("wrong_pin", 0.05)
def _wrong_pin(scene: Scene) -> None:
    """The SIM is changed for one that wants another PIN than the file holds; a person writes the right one later."""
    shop, modem = scene.shop, scene.modem
    sim = modem.machine.commands.sim
    sim.asks, sim.pin = True, "4711"
    shop.write_pin(modem, "1234")
    shop.lose_power(off_s=10.0)

    def put_right() -> None:
        shop.write_pin(modem, sim.pin)
        if shop.agent is not None:
            shop.kill()

    scene.world.at(scene.chance.uniform(10, 120) * MINUTE, put_right)


# The network.


@kind("network_gone", 0.4)
def _network_gone(scene: Scene) -> None:
    machine = scene.modem.machine
    machine.set_registration(2, scene.world.now)
    gone_s = scene.chance.choice((2 * MINUTE, 20 * MINUTE, 3 * HOUR, 1.5 * DAY))
    scene.world.at(gone_s, lambda: machine.set_registration(1, scene.world.now))


def _weather(scene: Scene) -> Weather:
    return scene.world.radio.weather.setdefault(scene.modem.machine.commands.sim.number, Weather())


@kind("sms_lost", 0.3)
def _sms_lost(scene: Scene) -> None:
    _weather(scene).lost += 1


@kind("sms_doubled", 1.0)
def _sms_doubled(scene: Scene) -> None:
    _weather(scene).doubled += scene.chance.randrange(1, 4)


@kind("sms_late_and_out_of_order", 1.0)
def _sms_delayed(scene: Scene) -> None:
    weather = _weather(scene)
    weather.delayed += scene.chance.randrange(2, 12)
    weather.delay_s = scene.chance.choice((MINUTE, HOUR, 10 * HOUR))


@kind("sms_injected", 1.0)
def _sms_injected(scene: Scene) -> None:
    """To the shop's SIM: words, or octets that are no TPDU at all."""
    receiving, now = scene.modem.machine.receiving, scene.world.now
    if scene.chance.random() < 0.5:
        receiving.deliver(scene.chance.randbytes(scene.chance.randrange(1, 160)), now)
    else:
        receiving.deliver_text(
            "+8613300133000", scene.chance.choice(("STOP", "中奖了" * 40, "OK\r\n+CMGS: 7")), now
        )


@kind("text_to_the_shop", 1.0)
def _text_to_the_shop(scene: Scene) -> None:
    """Two segments that must be read whole, now and then behind a forged first one under the same reference."""
    receiving, now = scene.modem.machine.receiving, scene.world.now
    reference = scene.chance.randrange(256)
    words = f"order {scene.chance.randrange(10**9)} " + "on its way " * 16
    parts = split_text(words, reference)
    behind_forged = scene.chance.random() < 0.5
    if behind_forged:
        parts = [split_text("x" * len(words), reference)[0], *parts]
    for part in parts:
        origin, scts = Address.from_text("+8613300133000"), scene.world.radio.timestamp(now)
        receiving.deliver(SmsDeliver(origin, 0, part.dcs, scts, part.udh, part.ud).encode(), now)
    scene.audit.texted(scene.shop, words, behind_forged=behind_forged)


@kind("sms_forged", 1.0)
def _sms_forged(scene: Scene) -> None:
    """To headquarters: a message that came before, changed in one octet, or sent once more."""
    arrived = scene.world.radio.shown(scene.shop.plan.hq)
    if not arrived:
        return
    octets = bytearray.fromhex(scene.chance.choice(arrived).data or "00")
    if scene.chance.random() < 0.7:
        octets[scene.chance.randrange(len(octets))] ^= 1 << scene.chance.randrange(8)
    scene.audit.forged(bytes(octets))


# Clocks.


@kind("clock_jumps", 0.2)
def _clock_jumps(scene: Scene) -> None:
    """Wrong for a while, then right again."""
    clock = scene.shop.clock
    by = scene.chance.choice((-3 * DAY, -2 * HOUR, -90.0, 90.0, 5 * HOUR, 3 * DAY, 400 * DAY))
    clock.ahead_s += by

    def set_right() -> None:
        clock.ahead_s = scene.shop.right_ahead_s

    scene.world.at(scene.chance.uniform(1, 120) * MINUTE, set_right)


@kind("boot_without_a_clock", 0.2)
def _no_clock(scene: Scene) -> None:
    shop = scene.shop
    shop.lose_power(off_s=20.0)
    shop.clock.ahead_s = -scene.world.now

    def set_right() -> None:
        shop.clock.ahead_s = shop.right_ahead_s

    scene.world.at(scene.chance.uniform(1, 240) * MINUTE, set_right)


# Disks.


def _disk_refuses(words: str) -> Callable[[Scene], None]:
    def strike_disk(scene: Scene) -> None:
        disk = scene.shop.disk
        disk.refuses = words

        def take_again() -> None:
            disk.refuses, disk.refused_until = None, scene.world.now

        scene.world.at(scene.chance.choice((3.0, MINUTE, 20 * MINUTE)), take_again)

    return strike_disk


kind("disk_full", 0.2)(_disk_refuses(FULL))
kind("disk_read_only", 0.1)(_disk_refuses(READ_ONLY))


@kind("page_corrupt", 0.05)
def _page_corrupt(scene: Scene) -> None:
    """The card spoils a page while the box is off."""
    shop = scene.shop
    scene.audit.store_ends(shop, rescued=True)
    shop.lose_power(off_s=15.0)
    path = shop.config.state_dir / FILE_NAME
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(scene.chance.randrange(max(1, size // 1024)) * 1024)
        file.write(scene.chance.randbytes(200))
    scene.audit.look_after(shop, scene.chance.uniform(1, 12) * HOUR)


@kind("backup_restored", 0.1)
def _backup_restored(scene: Scene) -> None:
    """A copy is made now, and put back hours later."""
    shop, copy = scene.shop, scene.folder / f"backup-{scene.shop.plan.name}"
    shop.copy_state(copy)

    def restore() -> None:
        scene.audit.store_ends(shop, rescued=False)
        shop.lose_power(off_s=60.0)
        shop.replace_state(copy)
        scene.audit.look_after(shop, scene.chance.uniform(1, 12) * HOUR)

    scene.world.at(scene.chance.uniform(0.2, 12) * HOUR, restore)


@kind("disk_cloned", 0.1)
def _disk_cloned(scene: Scene) -> None:
    """A copy of the card goes on in another board with another SIM for some hours: it may seal nothing."""
    shop, world = scene.shop, scene.world
    name = f"{shop.plan.name}-clone-{len(world.shops)}"
    numbers = [f"+8613900137{place}{len(world.shops) % 100:02d}" for place in range(len(shop.plan.sims))]
    plan = replace(shop.plan, name=name, sims=tuple(numbers))
    clone = Shop(plan, scene.folder / name, world.radio, world.stream(name), world.trace, shop.right_ahead_s)
    clone.device_key = shop.device_key
    clone.clock.now = world.now
    shop.copy_state(clone.config.state_dir)
    world.shops.append(clone)
    till = Till(clone, world.stream(f"{name} till"), 300.0, world.at, lambda *_: None)

    def end() -> None:
        clone.stay_off()
        till.running = False

    world.at(scene.chance.uniform(0.5, 6) * HOUR, end)


# Cables.


@kind("cable_pulled", 0.5)
def _cable_pulled(scene: Scene) -> None:
    source = scene.shop.source
    source.unplug()
    scene.world.at(scene.chance.choice((3.0, MINUTE, 30 * MINUTE)), source.plug)


@kind("noise_on_the_tills_line", 2.0)
def _noise(scene: Scene) -> None:
    scene.till.noise(scene.chance.randbytes(scene.chance.randrange(1, 300)))


@kind("card_number_on_the_tills_line", 1.0)
def _card_number(scene: Scene) -> None:
    """A till that prints what no till may print."""
    pan = scene.audit.plant(scene.chance)
    shown = scene.chance.choice((pan, " ".join(pan[at : at + 4] for at in range(0, 16, 4))))
    slip = f"消费(SALE)\n卡号(CARD NO):{shown}\n商户号(MID):{pan}\n凭证号(VOUCHER NO):{scene.chance.randrange(10**6):06d}\n交易金额(AMOUNT):\nRMB 1.00\n"
    scene.till.noise(b"\x1b@" + slip.encode("gb18030") + b"\n\n\x1dV\x42\x00")


@kind("noise_on_the_modems_line", 2.0)
def _modem_noise(scene: Scene) -> None:
    scene.modem.machine.raw(scene.chance.randbytes(scene.chance.randrange(1, 120)), scene.world.now)
