"""The AT commands of a simulated generic modem: a command line → answer lines and a final result (TS 27.005, 27.007).

A table of names, each with what it reads, lists or sets. What is kept is in ``modem_state.py``, the message commands
in ``modem_messages.py``; nothing here knows of octets, time or faults (``modem.py``) or of the network (``network.py``).
"""

import re
from collections.abc import Callable

from tillbell_agent.sim import modem_messages as messages
from tillbell_agent.sim.modem_card import ABSENT, PIN, PIN_TRIES, PUK, PUK_TRIES, Sim
from tillbell_agent.sim.modem_state import ERROR, KEPT, Reply, State

__all__ = ["ERROR", "Commands", "Reply", "Sim"]

_BASIC = re.compile(r"([EVQXZIHSF]|&[A-Z])(\d*)(?:=(\d*))?")
_EXTENDED = re.compile(r"(\+[A-Z]+)(=\?|\?|=(.*))?$")
_SPEEDS = (9600, 19200, 38400, 57600, 115200)


class Commands(State):
    """One modem's modes and what it answers by itself."""

    __slots__ = ()

    def run(self, line: str) -> Reply:
        """A whole command line, ``AT`` included. Several commands are done in order until one fails."""
        body = line.strip()
        if body[:2].upper() != "AT" or body in self.refused:
            return ERROR
        lines: tuple[str, ...] = ()
        reply = Reply()
        for command in split_line(body[2:].strip()):
            reply = self._one(command)
            lines += reply.lines
            if reply.final != "OK" or reply.prompt is not None:
                break
        return Reply(lines, reply.final, reply.prompt, reply.reset, reply.power_off)

    def _one(self, command: str) -> Reply:
        if not command.startswith("+"):
            return self._basic(command)
        match = _EXTENDED.fullmatch(command)
        if match is None:
            return ERROR
        name, form, values = match[1], match[2] or "", match[3]
        refused = self.sim.cme() if name in _NEED_SIM else None
        if refused is not None:
            return self.cme(refused)
        handler = _TABLE.get(name)
        if handler is not None:
            return handler(self, "=" if values is not None else form, values or "")
        if name in KEPT:
            return self._kept(name, "=" if values is not None else form, values or "")
        return ERROR

    def _basic(self, command: str) -> Reply:
        if command in {"E0", "E1"}:
            self.echo = command == "E1" or self.echo_stays
        elif command.startswith(("Z", "&F")):
            self.reset()
        elif command.startswith("I"):
            return Reply((_MAKER, self.model, "Revision: " + _REVISION))
        return Reply()

    def _kept(self, name: str, form: str, values: str) -> Reply:
        default, listed = KEPT[name]
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
        if form == "?":
            refused = self.sim.cme() if not self.sim.state.startswith("SIM ") else None
            return Reply((f"+CPIN: {self.sim.state}",)) if refused is None else self.cme(refused)
        if form != "=":
            return self.cme(3)
        entered = [value.strip(' "') for value in values.split(",")]
        error = self.sim.enter(entered[0], entered[1] if len(entered) > 1 else None)
        return Reply() if error is None else self.cme(error)

    def _pin_tries(self, form: str, values: str) -> Reply:
        sim = self.sim
        if form not in ("", "="):
            return ERROR
        if sim.state == ABSENT:
            return self.cme(10)
        rows = {PIN: f"{sim.tries_left},{PIN_TRIES}", PUK: f"{sim.puk_tries_left},{PUK_TRIES}"}
        asked = values.strip('"')
        return Reply(tuple(f"+CPINR: {name},{tries}" for name, tries in rows.items() if asked in ("", name)))

    def _identify(self, form: str, words: str) -> Reply:
        return Reply() if form == "=?" else Reply((words,)) if form == "" else ERROR

    def _operators(self, form: str, _values: str) -> Reply:
        name = self.text(self.operator)
        if form == "=?":
            return Reply((f'+COPS: (2,"{name}","{name}","46000")',))
        if form == "=":
            return Reply()
        return Reply((f'+COPS: 0,0,"{name}"' if self.stat in (1, 5) else "+COPS: 0",))

    def _signal(self, form: str, _values: str) -> Reply:
        return self.only(form, f"+CSQ: {self.signal},0" if self.stat in (1, 5) else "+CSQ: 99,99")

    def _charset(self, form: str, values: str) -> Reply:
        if form == "=?":
            return Reply(('+CSCS: ("GSM","IRA","UCS2","HEX")',))
        if form == "?":
            return Reply((f'+CSCS: "{self.charset}"',))
        if values.strip('"') not in ("GSM", "IRA", "UCS2", "HEX"):
            return ERROR
        self.charset = values.strip('"')
        return Reply()

    def _speed(self, form: str, values: str) -> Reply:
        if form == "=?":
            return Reply((f"+IPR: (0,{','.join(map(str, _SPEEDS))})",))
        if form == "?":
            return Reply((f"+IPR: {self.speed}",))
        if form != "=" or values not in ("0", *map(str, _SPEEDS)):
            return ERROR
        self.speed = int(values)
        return Reply()

    def _ussd(self, form: str, values: str) -> Reply:
        if form != "=":
            return (
                Reply(("+CUSD: (0-2)",)) if form == "=?" else Reply(("+CUSD: 0",)) if form == "?" else ERROR
            )
        if "," in values:
            words = self.sim.credit
            self.later.append("+CUSD: 4" if words is None else f'+CUSD: 0,"{self.text(words)}",15')
        return Reply()

    def _function(self, form: str, values: str) -> Reply:
        if form == "=" and values.endswith(",1"):
            return Reply(reset=True)
        return self._kept("+CFUN", form, values)

    def _power_off(self, form: str, values: str) -> Reply:
        return Reply(power_off=True) if form == "=" and values in ("0", "1") else ERROR

    def _slot(self, form: str, values: str) -> Reply:
        if form == "=?":
            return Reply((f"+QUIMSLOT: (1-{len(self.cards)})",))
        if form == "?":
            return Reply((f"+QUIMSLOT: {self.slot}",))
        if form != "=" or not values.isdecimal() or not 1 <= int(values) <= len(self.cards):
            return ERROR
        self.sim = self.cards[int(values) - 1]
        return Reply()


def split_line(body: str) -> list[str]:
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


_MAKER, _REVISION = "Tillbell", "1.0"
_NEED_SIM = frozenset(
    {
        "+CIMI",
        "+CMGR",
        "+CMGL",
        "+CMGD",
        "+CPMS",
        "+CSCA",
        "+CNMI",
        "+CNUM",
        "+CMGF",
        "+CSMS",
        "+CNMA",
        "+CUSD",
    }
)
_Handler = Callable[[Commands, str, str], Reply]
_TABLE: dict[str, _Handler] = {
    "+CGMI": lambda modem, form, _: modem._identify(form, _MAKER),
    "+GMI": lambda modem, form, _: modem._identify(form, _MAKER),
    "+CGMM": lambda modem, form, _: modem._identify(form, modem.model),
    "+GMM": lambda modem, form, _: modem._identify(form, modem.model),
    "+CGMR": lambda modem, form, _: modem._identify(form, _REVISION),
    "+GMR": lambda modem, form, _: modem._identify(form, _REVISION),
    "+CGSN": lambda modem, form, _: modem.only(form, modem.imei),
    "+GSN": lambda modem, form, _: modem.only(form, modem.imei),
    "+CIMI": lambda modem, form, _: modem.only(form, modem.sim.imsi),
    "+CNUM": lambda modem, form, _: modem.only(form, f'+CNUM: "","{modem.text(modem.sim.number)}",145'),
    "+CBC": lambda modem, form, _: modem.only(form, f"+CBC: 0,80,{modem.supply_mv}"),
    "+CCLK": lambda modem, form, _: modem.only(form, '+CCLK: "26/01/01,00:00:00+00"'),
    "+GCAP": lambda modem, form, _: modem.only(form, "+GCAP: +CGSM"),
    "+CPAS": lambda modem, form, _: modem.only(form, "+CPAS: 0"),
    "+CSQ": Commands._signal,
    "+CPIN": Commands._pin,
    "+CPINR": Commands._pin_tries,
    "+COPS": Commands._operators,
    "+CSCS": Commands._charset,
    "+CUSD": Commands._ussd,
    "+IPR": Commands._speed,
    "+CFUN": Commands._function,
    "+CPOWD": Commands._power_off,
    "+QUIMSLOT": Commands._slot,
    "+CSCA": messages.service_centre,
    "+CSMS": messages.service,
    "+CNMA": messages.acknowledge,
    "+CPMS": messages.storages,
    "+CMGS": messages.send,
    "+CMGR": messages.read,
    "+CMGL": messages.list_all,
    "+CMGD": messages.delete,
}
