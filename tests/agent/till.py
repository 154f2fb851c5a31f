"""A store with a simulated owner, for tests: configuration, register, recipient's keys, moments. No port, no process."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from tillbell_agent.config import Config, parse
from tillbell_agent.database import open_database, transaction
from tillbell_agent.moment import Moment
from tillbell_agent.pairings import Pairings
from tillbell_agent.pos.dialect import TransactionCompleted
from tillbell_agent.register import Register
from tillbell_agent.shell.guard import GuardFile
from tillbell_protocol.event import Kind, Transaction
from tillbell_protocol.pairing import Defaults, SecretKey, pair_as_device
from tillbell_protocol.pan import TruncatedPan
from tillbell_protocol.receiver import Receiver

ZONE = ZoneInfo("Asia/Shanghai")
NOON = 1_795_233_600  # 2026-11-21 12:00 in Shanghai
OWNER, HQ = "+8613800138000", "+8613900139000"
HOST = {"machine_id": "0" * 32}
FORMATS = {"owner": (OWNER, "text"), "hq": (HQ, "sealed"), "books": ("+8613600136000", "armored")}


def moment(after_s: float = 0.0) -> Moment:
    return Moment.at(NOON + after_s, ZONE)


def configuration(state_dir: Path, recipients: Sequence[str] = ("owner", "hq"), language: str = "zh") -> str:
    """The text of a whole configuration; ports are names that nothing opens."""
    tables = [
        f'schema = 1\nstate_dir = "{state_dir}"',
        '[device]\nname = "till-1"\nmerchant = "老王面馆"\ntimezone = "Asia/Shanghai"\ncurrency = "CNY"\n'
        f'language = "{language}"',
        '[[source]]\nname = "printer"\ndialect = "escpos"\nport = "/dev/nowhere-printer"',
        '[[modem]]\nname = "sim1"\nport = "/dev/nowhere-modem"',
    ]
    for name in recipients:
        phone, fmt = FORMATS[name]
        tables.append(f'[[recipient]]\nname = "{name}"\nphone = "{phone}"\nformat = "{fmt}"')
    return "\n".join(tables) + "\n"


def config(state_dir: Path, recipients: Sequence[str] = ("owner", "hq"), language: str = "zh") -> Config:
    return parse(configuration(state_dir, recipients, language), "config.toml", dialects=["escpos"])


def sale(
    amount_minor: int | None = 12650, reference: str = "000012", kind: Kind = Kind.SALE
) -> TransactionCompleted:
    """A card sale with a key of its own."""
    told = Transaction(
        kind, amount_minor, "CNY", TruncatedPan("6691"), receipt_no=reference, rrn=f"103015{reference}",
        terminal_id="12345678", merchant_id="898310148160001", batch="000003", auth_code="051833",
    )  # fmt: skip
    return TransactionCompleted(told, f"12345678/{reference}/{amount_minor}")


@dataclass(slots=True)
class Till:
    """One device's store in ``folder``, and the key of its sealed recipient. ``restart`` begins a new run."""

    folder: Path
    recipients: Sequence[str] = ("owner", "hq")
    language: str = "zh"
    seed: int = 1
    host: dict[str, str] = field(default_factory=lambda: dict(HOST))
    runs: int = 0
    register: Register = field(init=False)
    guard: GuardFile = field(init=False)
    device: SecretKey = field(init=False)
    secret: SecretKey = field(init=False)
    receiver: Receiver = field(init=False)
    config: Config = field(init=False)

    def __post_init__(self) -> None:
        chance = random.Random(self.seed)
        self.device = SecretKey.from_random(chance.randbytes(64))
        self.secret = SecretKey.from_random(chance.randbytes(64))
        self.receiver = Receiver(self.secret)
        self.folder.mkdir(exist_ok=True, parents=True)
        self.config = config(self.folder, self.recipients, self.language)
        self.restart()

    def restart(self) -> Register:
        """As ``tillbell run`` begins: the file opened anew, another run."""
        if self.runs:
            self.register.connection.close()
        self.runs += 1
        connection = open_database(self.folder)
        self.guard = GuardFile(self.config.guard_path)
        pairings = Pairings(connection, self.guard, run=f"run {self.runs} {self.folder}")
        random_octets = random.Random(self.seed + self.runs).randbytes
        self.register = Register(
            connection, self.config, pairings, self.device.ed25519_seed, self.host, random_octets
        )
        for pairing in pairings.all():
            self.guard.expect(pairing.binding)
        return self.register

    def pair(self, recipient: str = "hq", seed: int = 7) -> bytes:
        """Pair, and give the bundle to the receiver; the bundle."""
        defaults = Defaults(device_name="till-1", currency="CNY", utc_offset_min=480, shops=("老王面馆",))
        card = self.secret.card(recipient, None)
        made = pair_as_device(self.device, card, random.Random(seed).randbytes(32), defaults)
        with transaction(self.register.connection):
            self.register.pairings.add(recipient, made, card, defaults, self.host, NOON)
        self.register.erase()
        self.receiver.import_bundle(made.bundle, confirmed=True)
        return made.bundle

    def hear(self, amount_minor: int | None = 12650, reference: str = "000012", after_s: float = 0.0) -> None:
        """A sale, from the source ``printer``."""
        self.register.hear("printer", sale(amount_minor, reference), "CNY", moment(after_s))

    def rows(self, query: str) -> list[tuple[object, ...]]:
        return list(self.register.connection.execute(query))
