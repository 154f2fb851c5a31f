"""What a simulated modem keeps between commands: its modes, cards, storages and readings, and the forms of its answers."""

from dataclasses import dataclass, field

from tillbell_agent.sim.modem_card import Sim
from tillbell_agent.sim.modem_store import MessageStore, Storages

# Modes that are only kept: name → (value after a reset, what ``=?`` lists).
KEPT = {
    "+CMEE": ("0", "(0-2)"), "+CREG": ("0", "(0-2)"), "+CGREG": ("0", "(0-2)"), "+CEREG": ("0", "(0-2)"),
    "+CMGF": ("0", "(0,1)"), "+CNMI": ("0,0,0,0,0", "(0-2),(0-3),(0-3),(0-2),(0,1)"), "+CMMS": ("0", "(0-2)"),
    "+CSDH": ("0", "(0,1)"), "+CRC": ("0", "(0,1)"), "+CLIP": ("0", "(0,1)"), "+CFUN": ("1", "(0,1,4)"),
    "+CSMP": ("17,167,0,0", ""), "+CCWA": ("0", "(0,1)"),
}  # fmt: skip
# <stat> of +CREG in which a text may be sent: home, roaming, and the two of "SMS only".
SENDS = frozenset({1, 5, 6, 7})


@dataclass(frozen=True, slots=True)
class Reply:
    """Information lines, then a final result. ``prompt``: instead of it, ``>`` for a message (None: not that)."""

    lines: tuple[str, ...] = ()
    final: str = "OK"
    prompt: str | None = None
    reset: bool = False
    power_off: bool = False


ERROR = Reply(final="ERROR")


@dataclass(slots=True)
class State:
    """``refused``: command lines it does not know, beside its own; ``later``: URCs that a command brings, soon after it."""

    sim: Sim = field(default_factory=Sim)
    cards: list[Sim] = field(default_factory=list)  # slot 1 first; filled with ``sim`` where empty
    storages: Storages = field(default_factory=Storages)
    stat: int = 1  # <stat> of the registration
    imei: str = "356938035643809"
    model: str = "SIM modem"
    operator: str = "TILLBELL"
    signal: int = 20  # <rssi> of +CSQ: -113 dBm + 2 x this; 99 not known
    supply_mv: int = 3950
    speed: int = 0  # +IPR: 0 finds the speed by itself
    service: int = 0  # +CSMS
    unacknowledged: int = 0  # messages that wait for +CNMA
    acknowledged: int = 0  # messages that +CNMA has confirmed since the last reset
    echo: bool = True
    echo_stays: bool = False  # ATE0 gets its OK, and nothing changes
    refused: set[str] = field(default_factory=set)
    charset: str = "GSM"
    kept: dict[str, str] = field(default_factory=dict)
    later: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cards = self.cards or [self.sim]
        self.reset()

    @property
    def store(self) -> MessageStore:
        """Where messages are received into."""
        return self.storages.receiving

    @property
    def slot(self) -> int:
        """The card slot in use, from 1."""
        return next(number for number, card in enumerate(self.cards, 1) if card is self.sim)

    def reset(self) -> None:
        """As after power-on: every mode at its default, the echo on."""
        self.echo, self.charset, self.service = True, "GSM", 0
        self.unacknowledged = self.acknowledged = 0
        self.storages.chosen = ["SM", "SM", "SM"]
        self.kept = {name: default for name, (default, _) in KEPT.items()}
        self.later = []

    @property
    def text_mode(self) -> bool:
        return self.kept["+CMGF"] == "1"

    @property
    def registered(self) -> bool:
        return self.stat in SENDS

    def cms(self, code: int) -> Reply:
        """+CMS errors have numbers in every mode."""
        return Reply(final=f"+CMS ERROR: {code}")

    def cme(self, code: int) -> Reply:
        """An error in the form that +CMEE asks for."""
        return ERROR if self.kept["+CMEE"] == "0" else Reply(final=f"+CME ERROR: {code}")

    def announce(self, position: int) -> int:
        """<mode>, <mt>, <bm>, <ds> or <bfr> of +CNMI."""
        values = self.kept["+CNMI"].split(",")
        return int(values[position]) if position < len(values) and values[position].isdigit() else 0

    def only(self, form: str, line: str) -> Reply:
        """A command that is only asked, ``AT+CSQ`` or ``AT+CCLK?``."""
        return Reply() if form == "=?" else Reply((line,)) if form in ("", "?") else ERROR

    def text(self, text: str) -> str:
        """A string as +CSCS says: hex of UTF-16 for UCS2 and of the octets for HEX, else as it is."""
        if self.charset == "UCS2":
            return text.encode("utf-16-be").hex().upper()
        return text.encode("latin-1", "replace").hex().upper() if self.charset == "HEX" else text

    def string(self, written: str) -> str:
        """The reverse of ``text``; what is not in that form is taken as it is."""
        try:
            octets = bytes.fromhex(written)
            if self.charset == "UCS2":
                return octets.decode("utf-16-be")
            return octets.decode("latin-1") if self.charset == "HEX" else written
        except ValueError:
            return written
