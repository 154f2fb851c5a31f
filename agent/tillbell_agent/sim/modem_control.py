"""A harness's requests to a simulated modem: one JSON object a line → one JSON object a line.

``{"do": "deliver", "from": "+86…", "text": "…"}`` and so on; the table below is the whole of it, and
``docs/simulated-modem.md`` shows each. An answer has ``"ok": true`` and what was asked for, or ``"ok": false`` and
``"error"``.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tillbell_agent.sim.modem import ModemMachine
from tillbell_agent.sim.modem_card import ABSENT, BLOCKED, BUSY, PIN, PUK, READY, Sim
from tillbell_agent.sim.modem_faults import make_fault
from tillbell_protocol.errors import ProtocolError

# A request with a whole TPDU or a long text is far shorter.
MAX_REQUEST_OCTETS = 65_536
# As many as any modem has, and more.
MAX_SLOTS, MAX_PLACES = 8, 10_000
# <stat> of +CREG in words.
REGISTRATIONS = {"none": 0, "home": 1, "searching": 2, "denied": 3, "unknown": 4, "roaming": 5, "sms_only": 6}

Request = dict[str, Any]
_Action = Callable[[ModemMachine, Request, float], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Asked:
    """One kind of request. ``example``: all that it takes, with sensible values."""

    action: _Action
    words: str
    example: Request


def respond(machine: ModemMachine, line: bytes, now: float) -> dict[str, Any]:
    """Do what a line asks for. Any line gives an answer."""
    try:
        request = json.loads(line)
        if not isinstance(request, dict):
            raise ValueError("a request is a JSON object")
        asked = REQUESTS.get(str(request.get("do")))
        if asked is None:
            raise ValueError(f"no request {request.get('do')!r}; there are {', '.join(REQUESTS)}")
        return {"ok": True, **asked.action(machine, request, now)}
    except RecursionError:
        return {"ok": False, "error": "the request is nested too deeply"}
    except (ValueError, KeyError, TypeError, OverflowError, ProtocolError) as error:
        return {"ok": False, "error": f"{type(error).__name__}: {error}"}


def _deliver(machine: ModemMachine, request: Request, now: float) -> dict[str, Any]:
    if "tpdu" in request:
        machine.deliver(bytes.fromhex(request["tpdu"]), now)
        return {"segments": 1}
    return {"segments": machine.deliver_text(str(request["from"]), str(request["text"]), now)}


def _fault(machine: ModemMachine, request: Request, _now: float) -> dict[str, Any]:
    values = {name: value for name, value in request.items() if name not in ("do", "kind")}
    if request["kind"] == "none":
        machine.faults.clear(str(request.get("only", "")))
    else:
        machine.faults.add(make_fault(str(request["kind"]), values))
    return {}


def _faults(machine: ModemMachine, _request: Request, _now: float) -> dict[str, Any]:
    return {"waiting": [{"kind": fault.kind, "count": fault.count} for fault in machine.faults.waiting]}


def _urc(machine: ModemMachine, request: Request, now: float) -> dict[str, Any]:
    machine.urc(str(request["line"]), now)
    return {}


def _raw(machine: ModemMachine, request: Request, now: float) -> dict[str, Any]:
    machine.raw(bytes.fromhex(request["hex"]), now)
    return {}


def _latency(machine: ModemMachine, request: Request, _now: float) -> dict[str, Any]:
    machine.latency_s = _seconds(request["ms"]) / 1000
    if "warm_ms" in request:
        machine.sending.warm_latency_s = _seconds(request["warm_ms"]) / 1000
    if "report_ms" in request:
        machine.report_after_s = _seconds(request["report_ms"]) / 1000
    if "command_ms" in request:
        machine.command_s = _seconds(request["command_ms"]) / 1000
    return {}


def _phone(machine: ModemMachine, request: Request, _now: float) -> dict[str, Any]:
    number = str(request["number"])
    return {"messages": [shown.record(number) for shown in machine.network.shown(number)]}


def _registration(machine: ModemMachine, request: Request, now: float) -> dict[str, Any]:
    stat = request["stat"]
    machine.set_registration(REGISTRATIONS[stat] if isinstance(stat, str) else int(stat), now)
    return {}


def _restart(machine: ModemMachine, request: Request, now: float) -> dict[str, Any]:
    machine.restart(now, silent=bool(request.get("silent")), locked=bool(request.get("locked")))
    return {}


def _hang(machine: ModemMachine, request: Request, now: float) -> dict[str, Any]:
    machine.life.hang(now, _seconds(request.get("seconds", 0)))
    return {"power": machine.power.value}


def _unplug(machine: ModemMachine, request: Request, now: float) -> dict[str, Any]:
    machine.life.unplug(now, _seconds(request.get("seconds", 0)))
    return {"power": machine.power.value}


def _plug(machine: ModemMachine, _request: Request, now: float) -> dict[str, Any]:
    machine.life.plug(now)
    return {"power": machine.power.value}


def _boot(machine: ModemMachine, request: Request, _now: float) -> dict[str, Any]:
    life = machine.life
    life.boot_s = _seconds(request.get("boot_s", life.boot_s))
    life.sim_busy_s = _seconds(request.get("sim_busy_s", life.sim_busy_s))
    life.search_s = _seconds(request.get("search_s", life.search_s))
    life.reenumerates = bool(request.get("reenumerates", life.reenumerates))
    return {}


def _sim(machine: ModemMachine, request: Request, now: float) -> dict[str, Any]:
    """``state`` as +CPIN? gives it, NOT INSERTED, BUSY or BLOCKED."""
    commands = machine.commands
    sim = commands.cards[_slot(request, len(commands.cards))] if "slot" in request else commands.sim
    state = str(request.get("state", sim.state))
    if state not in (READY, PIN, PUK, ABSENT, BUSY, BLOCKED):
        raise ValueError(
            f"no state {state!r}; there are READY, SIM PIN, SIM PUK, NOT INSERTED, BUSY, BLOCKED"
        )
    for name in ("pin", "puk", "imsi", "number", "service_centre"):
        setattr(sim, name, str(request.get(name, getattr(sim, name))))
    sim.tries_left = max(0, int(request.get("tries_left", sim.tries_left)))
    sim.asks = bool(request.get("asks", sim.asks))
    if "credit" in request:
        sim.credit = None if request["credit"] is None else str(request["credit"])
    if "busy_s" in request:
        machine.life.sim_busy(now, _seconds(request["busy_s"]))
    else:
        sim.state = state
    return {"state": sim.state, "tries_left": sim.tries_left}


def _slots(machine: ModemMachine, request: Request, _now: float) -> dict[str, Any]:
    cards, wanted = machine.commands.cards, int(request.get("count", len(machine.commands.cards)))
    if not len(cards) <= wanted <= MAX_SLOTS:
        raise ValueError(f"slots can grow up to {MAX_SLOTS}, there are {len(cards)}")
    for number in range(len(cards) + 1, wanted + 1):
        cards.append(Sim(number=f"+861370013{7000 + number}", imsi=f"46000{number:010d}"))
    return {"count": len(cards), "slot": machine.commands.slot}


def _storage(machine: ModemMachine, request: Request, now: float) -> dict[str, Any]:
    storages = machine.commands.storages
    store = storages.stores[str(request["name"])] if "name" in request else storages.receiving
    places = int(request.get("places", store.places))
    if not 0 <= places <= MAX_PLACES:
        raise ValueError(f"places are 0 to {MAX_PLACES}")
    store.places = places
    if "receive_into" in request:
        storages.choose(["", "", str(request["receive_into"])])
    if "reports_to" in request:
        machine.receiving.reports_to = (
            str(request["reports_to"]) and storages.stores[str(request["reports_to"])].name
        )
    machine.receiving.resume(now)
    return {"used": store.used, "places": store.places}


def _supply(machine: ModemMachine, request: Request, now: float) -> dict[str, Any]:
    machine.life.set_supply(int(request["mv"]), now)
    return {}


def _signal(machine: ModemMachine, request: Request, _now: float) -> dict[str, Any]:
    machine.commands.signal = int(request["rssi"])
    machine.commands.operator = str(request.get("operator", machine.commands.operator))
    return {}


def _state(machine: ModemMachine, _request: Request, _now: float) -> dict[str, Any]:
    commands = machine.commands
    return {
        "power": machine.power.value,
        "sim": commands.sim.state,
        "tries_left": commands.sim.tries_left,
        "slot": commands.slot,
        "registration": commands.stat,
        "used": {name: store.used for name, store in commands.storages.stores.items()},
    }


def _seconds(value: Any) -> float:
    seconds = float(value)
    if not 0 <= seconds < 1e9:
        raise ValueError(f"a time is a number from 0, not {value!r}")
    return seconds


def _slot(request: Request, slots: int) -> int:
    slot = int(request["slot"])
    if not 1 <= slot <= slots:
        raise ValueError(f"no slot {slot}; there are {slots}")
    return slot - 1


# fmt: off
REQUESTS: dict[str, Asked] = {
    "phone": Asked(_phone, "what the phone of this number shows, oldest first", {"number": "+8613800138000"}),
    "deliver": Asked(_deliver, "a text to the modem's SIM; or `tpdu`, an SMS-DELIVER in hex", {"from": "+8613800138000", "text": "TOTAL?"}),
    "latency": Asked(_latency, "what the network takes for a message; `warm_ms` with the link kept up by +CMMS; `report_ms` for a status report; `command_ms`: what the modem takes for any command line", {"ms": 200, "warm_ms": 120, "report_ms": 50, "command_ms": 0}),
    "fault": Asked(_fault, "add a fault of the table below; `kind` \"none\" takes all back, or those of the kind `only`", {"kind": "lost_ok", "count": 5, "after": 2}),
    "faults": Asked(_faults, "which faults wait", {}),
    "urc": Asked(_urc, "say this unasked, at once", {"line": "RING"}),
    "raw": Asked(_raw, "say exactly these octets, in hex: half a line, two glued together, noise", {"hex": "0d0a2b434d54"}),
    "registration": Asked(_registration, "the network, as +CREG counts or in a word: " + ", ".join(REGISTRATIONS), {"stat": "searching"}),
    "sim": Asked(_sim, "the card in use, or in `slot`: `state` (READY, SIM PIN, SIM PUK, NOT INSERTED, BUSY, BLOCKED), `pin`, `puk`, `tries_left`, `asks` (for its PIN after each start), `imsi`, `number`, `service_centre` (\"\" loses it), `credit` (its operator's answer to a code), `busy_s`", {"state": "SIM PIN", "pin": "1234", "tries_left": 3}),
    "slots": Asked(_slots, "how many card slots there are; AT+QUIMSLOT=2 takes the second one", {"count": 2}),
    "storage": Asked(_storage, "the places of the storage in use, or of `name` (SM, ME, SR); `receive_into` and `reports_to` choose one", {"name": "ME", "places": 5}),
    "supply": Asked(_supply, "the supply voltage; a low one is told", {"mv": 3300}),
    "signal": Asked(_signal, "the signal, `rssi` as +CSQ counts it, and the operator's name", {"rssi": 5, "operator": "CMCC"}),
    "boot": Asked(_boot, "how long a start takes, the SIM and the search behind it, and whether the port goes away with a reset", {"boot_s": 5, "sim_busy_s": 10, "search_s": 2, "reenumerates": True}),
    "restart": Asked(_restart, "lose power for a moment; `silent`: no RDY, `locked`: the SIM wants its PIN", {"silent": False, "locked": False}),
    "hang": Asked(_hang, "no answer to anything, so long (0: until restarted or unplugged)", {"seconds": 30}),
    "unplug": Asked(_unplug, "the port and its link go away, so long (0: until plugged)", {"seconds": 5}),
    "plug": Asked(_plug, "plug it in again; it comes back as another pseudo-terminal behind the same link", {}),
    "state": Asked(_state, "power, SIM, registration and storages", {}),
}
# fmt: on
