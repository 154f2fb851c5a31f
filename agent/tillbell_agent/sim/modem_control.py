"""A harness's requests to a simulated modem: one JSON object a line → one JSON object a line.

``{"do": "deliver", "from": "+86…", "text": "…"}`` and so on; the table below is the whole of it. An answer has
``"ok": true`` and what was asked for, or ``"ok": false`` and ``"error"``.
"""

import json
from collections.abc import Callable
from typing import Any

from tillbell_agent.sim.modem import ModemMachine
from tillbell_agent.sim.modem_faults import Fault
from tillbell_protocol.errors import ProtocolError

# A request with a whole TPDU or a long text is far shorter.
MAX_REQUEST_OCTETS = 65_536

Request = dict[str, Any]
_Action = Callable[[ModemMachine, Request, float], dict[str, Any]]


def respond(machine: ModemMachine, line: bytes, now: float) -> dict[str, Any]:
    """Do what a line asks for. Any line gives an answer."""
    try:
        request = json.loads(line)
        if not isinstance(request, dict):
            raise ValueError("a request is a JSON object")
        action = _ACTIONS.get(str(request.get("do")))
        if action is None:
            raise ValueError(f"no request {request.get('do')!r}; there are {', '.join(_ACTIONS)}")
        return {"ok": True, **action(machine, request, now)}
    except RecursionError:
        return {"ok": False, "error": "the request is nested too deeply"}
    except (ValueError, KeyError, TypeError, ProtocolError) as error:
        return {"ok": False, "error": f"{type(error).__name__}: {error}"}


def _deliver(machine: ModemMachine, request: Request, now: float) -> dict[str, Any]:
    if "tpdu" in request:
        machine.deliver(bytes.fromhex(request["tpdu"]), now)
        return {"segments": 1}
    return {"segments": machine.deliver_text(str(request["from"]), str(request["text"]), now)}


def _fault(machine: ModemMachine, request: Request, _now: float) -> dict[str, Any]:
    if request["kind"] == "none":
        machine.faults.clear()
        return {}
    count, code = int(request.get("count", 1)), int(request.get("code", 500))
    machine.faults.add(Fault(str(request["kind"]), count, code, float(request.get("seconds", 10))))
    return {}


def _urc(machine: ModemMachine, request: Request, now: float) -> dict[str, Any]:
    machine.urc(str(request["line"]), now)
    return {}


def _latency(machine: ModemMachine, request: Request, _now: float) -> dict[str, Any]:
    machine.latency_s = max(0.0, float(request["ms"]) / 1000)
    return {}


def _phone(machine: ModemMachine, request: Request, _now: float) -> dict[str, Any]:
    number = str(request["number"])
    return {"messages": [shown.record(number) for shown in machine.network.shown(number)]}


def _registration(machine: ModemMachine, request: Request, now: float) -> dict[str, Any]:
    machine.set_registration(int(request["stat"]), now)
    return {}


def _restart(machine: ModemMachine, request: Request, now: float) -> dict[str, Any]:
    machine.restart(now, silent=bool(request.get("silent")), locked=bool(request.get("locked")))
    return {}


def _sim(machine: ModemMachine, request: Request, _now: float) -> dict[str, Any]:
    """``state`` as +CPIN? gives it, or NOT INSERTED; ``pin``, ``tries_left``."""
    sim = machine.commands.sim
    sim.state, sim.pin = str(request.get("state", sim.state)), str(request.get("pin", sim.pin))
    sim.tries_left = int(request.get("tries_left", sim.tries_left))
    return {"state": sim.state, "tries_left": sim.tries_left}


def _storage(machine: ModemMachine, request: Request, _now: float) -> dict[str, Any]:
    store = machine.commands.store
    store.places = int(request.get("places", store.places))
    return {"used": store.used, "places": store.places}


_ACTIONS: dict[str, _Action] = {
    "deliver": _deliver,
    "fault": _fault,
    "urc": _urc,
    "latency": _latency,
    "phone": _phone,
    "registration": _registration,
    "restart": _restart,
    "sim": _sim,
    "storage": _storage,
}
