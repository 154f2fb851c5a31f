"""The AT commands of a simulated generic modem: a command line → answer lines and a final result (TS 27.005, 27.007).

A table of names, each with what it reads, lists or sets. It holds the modem's modes and storage; it knows nothing of
octets, time or faults (``modem.py``) or of the network (``network.py``).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from tillbell_agent.sim.modem_store import MessageStore, Stored
from tillbell_protocol.errors import ProtocolError
from tillbell_protocol.sms.tpdu import SmsDeliver, at_pdu, decode_tpdu

_BASIC = re.compile(r"([EVQXZIHSF]|&[A-Z])(\d*)(?:=(\d*))?")
_EXTENDED = re.compile(r"(\+[A-Z]+)(=\?|\?|=(.*))?$")
_IDENTITY = {
    "+CGMI": "Tillbell",
    "+GMI": "Tillbell",
    "+CGMM": "SIM modem",
    "+GMM": "SIM modem",
    "+CGMR": "1.0",
    "+GMR": "1.0",
}
# Modes that are only kept: name → (value after a reset, what ``=?`` lists).
_KEPT = {
    "+CMEE": ("0", "(0-2)"), "+CREG": ("0", "(0-2)"), "+CGREG": ("0", "(0-2)"), "+CEREG": ("0", "(0-2)"),
    "+CMGF": ("0", "(0,1)"), "+CNMI": ("0,0,0,0,0", "(0-2),(0-3),(0-3),(0-2),(0,1)"), "+CMMS": ("0", "(0-2)"),
    "+CSDH": ("0", "(0,1)"), "+CRC": ("0", "(0,1)"), "+CLIP": ("0", "(0,1)"), "+CFUN": ("1", "(0,1,4)"),
    "+IPR": ("0", "(0,9600,19200,38400,57600,115200)"), "+CSMP": ("17,167,0,0", ""), "+CCWA": ("0", "(0,1)"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reply:
    """Information lines, then a final result. ``prompt``: instead of it, ``>`` for a message (None: not that)."""

    lines: tuple[str, ...] = ()
    final: str = "OK"
    prompt: str | None = None
    reset: bool = False


ERROR = Reply(final="ERROR")


@dataclass(slots=True)
class Sim:
    """The card: its number, its PIN state."""

    number: str = "+8613700137000"
    imsi: str = "460001234567890"
    state: str = "READY"
    pin: str = "1234"
    tries_left: int = 3
    service_centre: str = "+8613800100500"


@dataclass(slots=True)
class Commands:
    """One modem's modes and what it answers by itself. ``refused``: command lines it does not know, beside its own."""

    sim: Sim = field(default_factory=Sim)
    store: MessageStore = field(default_factory=MessageStore)
    stat: int = 1  # <stat> of the registration
    imei: str = "356938035643809"
    echo: bool = True
    echo_stays: bool = False  # ATE0 gets its OK, and nothing changes
    refused: set[str] = field(default_factory=set)
    charset: str = "GSM"
    kept: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """As after power-on: every mode at its default, the echo on."""
        self.echo, self.charset = True, "GSM"
        self.kept = {name: default for name, (default, _) in _KEPT.items()}

    def run(self, line: str) -> Reply:
        """A whole command line, ``AT`` included. Several commands are done in order until one fails."""
        body = line.strip()
        if body[:2].upper() != "AT" or body in self.refused:
            return ERROR
        lines: tuple[str, ...] = ()
        reply = Reply()
        for command in _split(body[2:].strip()):
            reply = self._one(command)
            lines += reply.lines
            if reply.final != "OK" or reply.prompt is not None:
                break
        return Reply(lines, reply.final, reply.prompt, reply.reset)

    def cms(self, code: int) -> Reply:
        """An error in the form that +CMEE asks for (+CMS errors have numbers in every mode)."""
        return Reply(final=f"+CMS ERROR: {code}")

    def cme(self, code: int) -> Reply:
        return ERROR if self.kept["+CMEE"] == "0" else Reply(final=f"+CME ERROR: {code}")

    def announce(self, position: int) -> int:
        """<mode>, <mt>, <bm>, <ds> or <bfr> of +CNMI."""
        values = self.kept["+CNMI"].split(",")
        return int(values[position]) if position < len(values) and values[position].isdigit() else 0

    def _one(self, command: str) -> Reply:
        if not command.startswith("+"):
            return self._basic(command)
        match = _EXTENDED.fullmatch(command)
        if match is None:
            return ERROR
        name, form, values = match[1], match[2] or "", match[3]
        if name in _NEED_SIM and self.sim.state != "READY":
            return self.cme(10 if self.sim.state == "NOT INSERTED" else 11)
        handler = _TABLE.get(name)
        if handler is not None:
            return handler(self, "=" if values is not None else form, values or "")
        if name in _KEPT:
            return self._kept(name, "=" if values is not None else form, values or "")
        return ERROR

    def _basic(self, command: str) -> Reply:
        if command in {"E0", "E1"}:
            self.echo = command == "E1" or self.echo_stays
        elif command.startswith(("Z", "&F")):
            self.reset()
        elif command.startswith("I"):
            return Reply((_IDENTITY["+CGMI"], _IDENTITY["+CGMM"], "Revision: " + _IDENTITY["+CGMR"]))
        return Reply()

    def _kept(self, name: str, form: str, values: str) -> Reply:
        default, listed = _KEPT[name]
        if form == "=?":
            return Reply((f"{name}: {listed}",))
        if form == "?":
            value = self.kept[name]
            registration = f",{self.stat}" if name in ("+CREG", "+CGREG", "+CEREG") else ""
            return Reply((f"{name}: {value}{registration}",))
        if form != "=" or not re.fullmatch(r"[0-9,]*", values):
            return ERROR
        # Values that are left out stay: AT+CNMI=2,1 leaves the last three.
        old, new = self.kept[name].split(","), values.split(",")
        if len(new) > len(default.split(",")):
            return ERROR
        self.kept[name] = ",".join([value or old[i] for i, value in enumerate(new)] + old[len(new) :])
        return Reply()

    def _pin(self, form: str, values: str) -> Reply:
        if self.sim.state == "NOT INSERTED":
            return self.cme(10)
        if form == "?":
            return Reply((f"+CPIN: {self.sim.state}",))
        if form != "=" or self.sim.state != "SIM PIN":
            return self.cme(3)
        if values.strip('"') == self.sim.pin:
            self.sim.state, self.sim.tries_left = "READY", 3
            return Reply()
        self.sim.tries_left -= 1
        if self.sim.tries_left <= 0:
            self.sim.state = "SIM PUK"
        return self.cme(16)

    def _pin_tries(self, form: str, _values: str) -> Reply:
        return Reply((f"+CPINR: SIM PIN,{self.sim.tries_left},3",)) if form in ("", "=") else ERROR

    def _identify(self, form: str, name: str) -> Reply:
        return Reply() if form == "=?" else Reply((_IDENTITY[name],)) if form == "" else ERROR

    def _only(self, form: str, line: str) -> Reply:
        """A command that is only asked, ``AT+CSQ`` or ``AT+CCLK?``."""
        return Reply() if form == "=?" else Reply((line,)) if form in ("", "?") else ERROR

    def _operators(self, form: str, _values: str) -> Reply:
        name = self.text("TILLBELL")
        if form == "=?":
            return Reply((f'+COPS: (2,"{name}","{name}","46000")',))
        if form == "=":
            return Reply()
        return Reply((f'+COPS: 0,0,"{name}"' if self.stat in (1, 5) else "+COPS: 0",))

    def _service_centre(self, form: str, values: str) -> Reply:
        if form == "=":
            self.sim.service_centre = values.split(",", maxsplit=1)[0].strip('"')
            return Reply()
        return Reply((f'+CSCA: "{self.text(self.sim.service_centre)}",145',)) if form == "?" else ERROR

    def _charset(self, form: str, values: str) -> Reply:
        if form == "=?":
            return Reply(('+CSCS: ("GSM","IRA","UCS2","HEX")',))
        if form == "?":
            return Reply((f'+CSCS: "{self.charset}"',))
        if values.strip('"') not in ("GSM", "IRA", "UCS2", "HEX"):
            return ERROR
        self.charset = values.strip('"')
        return Reply()

    def _service(self, form: str, _values: str) -> Reply:
        if form == "=?":
            return Reply(("+CSMS: (0,1)",))
        return Reply(("+CSMS: 0,1,1,1",)) if form == "?" else Reply(("+CSMS: 1,1,1",))

    def _storage(self, form: str, values: str) -> Reply:
        store = self.store
        if form == "=?":
            return Reply((f'+CPMS: ("{store.name}"),("{store.name}"),("{store.name}")',))
        if form == "?":
            return Reply(("+CPMS: " + ",".join([f'"{store.name}",{store.used},{store.places}'] * 3),))
        if any(name.strip('"') != store.name for name in values.split(",")):
            return self.cms(302)
        return Reply(("+CPMS: " + ",".join([f"{store.used},{store.places}"] * 3),))

    def _send(self, form: str, values: str) -> Reply:
        if form == "=?":
            return Reply()
        if self.kept["+CMGF"] == "0" and not (values.isdigit() and 7 <= int(values) <= 175):
            return self.cms(304)
        if not values:
            return self.cms(304)
        return Reply(prompt=values)

    def _read(self, form: str, values: str) -> Reply:
        if form == "=?":
            return Reply()
        if not values.isdigit() or int(values) > self.store.places:
            return self.cms(321)
        row = self.store.read(int(values))
        # An empty place is answered with OK alone, as most modems do.
        return Reply() if row is None else Reply(self._shown("+CMGR: ", row))

    def _list(self, form: str, values: str) -> Reply:
        if form == "=?":
            return Reply(("+CMGL: (0-4)",))
        names = {'"REC UNREAD"': 0, '"REC READ"': 1, '"ALL"': 4}
        stat = names.get(values, int(values) if values.isdigit() else 0)
        return Reply(
            tuple(line for i, row in self.store.listed(stat) for line in self._shown(f"+CMGL: {i},", row))
        )

    def _shown(self, head: str, row: Stored) -> tuple[str, str]:
        if self.kept["+CMGF"] == "1":
            return self._shown_as_text(head, row)
        pdu, octets = at_pdu(row.tpdu)
        return f"{head}{row.stat},,{octets}", pdu

    def _shown_as_text(self, head: str, row: Stored) -> tuple[str, str]:
        words = ("REC UNREAD", "REC READ")[row.stat]
        try:
            tpdu = decode_tpdu(row.tpdu, "from_sc")
            sender = tpdu.oa.text() if isinstance(tpdu, SmsDeliver) else ""
            text = tpdu.text()
        except ProtocolError:
            sender, text = "", row.tpdu.hex().upper()
        return f'{head}"{words}","{self.text(sender)}",,"26/01/01,00:00:00+00"', self.text(text)

    def _delete(self, form: str, values: str) -> Reply:
        if form == "=?":
            return Reply((f"+CMGD: (1-{self.store.places}),(0-4)",))
        index, _, flag = values.partition(",")
        if not index.isdigit() or int(index) > self.store.places or flag not in ("", "0", "1", "2", "3", "4"):
            return self.cms(321)
        if flag not in ("", "0"):
            self.store.delete_all(int(flag))
        else:
            self.store.delete(int(index))
        return Reply()

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

    def _function(self, form: str, values: str) -> Reply:
        if form == "=" and values.endswith(",1"):
            return Reply(reset=True)
        return self._kept("+CFUN", form, values)


def _split(body: str) -> list[str]:
    """The commands of a line: basic ones one after another, extended ones to the next ``;`` outside quotes."""
    found = []
    while body:
        if body.startswith(";"):
            body = body[1:]
            continue
        if body.startswith("+"):
            parts = re.match(r'(?:[^;"]|"[^"]*")*', body)
            end = parts.end() if parts and parts.end() else len(body)
            # Names are case-insensitive, what stands in quotes is not.
            name, sign, values = body[:end].partition("=")
            found.append(name.upper() + sign + values)
        else:
            match = _BASIC.match(body.upper())
            end = match.end() if match else len(body)
            found.append(match[0] if match else "+?")
        body = body[end:]
    return found


_NEED_SIM = frozenset(
    {"+CIMI", "+CMGS", "+CMGR", "+CMGL", "+CMGD", "+CPMS", "+CSCA", "+CNMI", "+CNUM", "+CMGF", "+CSMS"}
)
_Handler = Callable[[Commands, str, str], Reply]
_TABLE: dict[str, _Handler] = {
    **{name: lambda modem, form, _, name=name: modem._identify(form, name) for name in _IDENTITY},  # type: ignore[misc]
    "+CGSN": lambda modem, form, _: modem._only(form, modem.imei),
    "+GSN": lambda modem, form, _: modem._only(form, modem.imei),
    "+CIMI": lambda modem, form, _: modem._only(form, modem.sim.imsi),
    "+CNUM": lambda modem, form, _: modem._only(form, f'+CNUM: "","{modem.text(modem.sim.number)}",145'),
    "+CSQ": lambda modem, form, _: modem._only(form, "+CSQ: 20,0" if modem.stat in (1, 5) else "+CSQ: 99,99"),
    "+CBC": lambda modem, form, _: modem._only(form, "+CBC: 0,80,3950"),
    "+CCLK": lambda modem, form, _: modem._only(form, '+CCLK: "26/01/01,00:00:00+00"'),
    "+GCAP": lambda modem, form, _: modem._only(form, "+GCAP: +CGSM"),
    "+CPAS": lambda modem, form, _: modem._only(form, "+CPAS: 0"),
    "+CPIN": Commands._pin,
    "+CPINR": Commands._pin_tries,
    "+COPS": Commands._operators,
    "+CSCA": Commands._service_centre,
    "+CSCS": Commands._charset,
    "+CSMS": Commands._service,
    "+CPMS": Commands._storage,
    "+CMGS": Commands._send,
    "+CMGR": Commands._read,
    "+CMGL": Commands._list,
    "+CMGD": Commands._delete,
    "+CFUN": Commands._function,
}
