"""What a running agent answers on its control socket: one row a verb, handler and all."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from tillbell_agent import __version__, reports
from tillbell_agent.bridge_line import BridgeLine
from tillbell_agent.config import Config
from tillbell_agent.database import DamagedStoreError, StoreError, store_error
from tillbell_agent.listening import Listener
from tillbell_agent.modem_line import ModemLine
from tillbell_agent.register import Register
from tillbell_agent.shell.guard import GuardFile
from tillbell_agent.world import Clock


class Verbs:
    """Answers requests ``{"do": verb, …}``; an unknown verb or a bad argument is an answer with ``error``."""

    def __init__(
        self, config: Config, listeners: Sequence[Listener], bridges: Sequence[BridgeLine], modems: Sequence[ModemLine],
        register: Register, guard: GuardFile, clock: Clock,
    ) -> None:  # fmt: skip
        self._config = config
        self._listeners = listeners
        self._bridges = bridges
        self._modems = modems
        self._register = register
        self._guard = guard
        self._clock = clock
        self._started_at = clock.monotonic()
        self._table: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "status": self._status,
            "circumstances": self._circumstances,
            "send": self._send,
            "wake": self._wake,
        }

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """One request → its answer, and never a long one: everything waits for it, the lines too."""
        handler = self._table.get(str(request.get("do")))
        if handler is None:
            return {"error": f"unknown verb {request.get('do')!r}: one of {', '.join(self._table)}"}
        try:
            return handler(request)
        except sqlite3.Error as error:  # where something was only read
            return self._refused(store_error(error))
        except StoreError as error:
            return self._refused(error)
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            return {"error": str(error)}

    def _refused(self, error: StoreError) -> dict[str, Any]:
        """Told to the client; that the store is damaged also to whoever repairs it."""
        self._register.damaged |= isinstance(error, DamagedStoreError)
        return {"error": str(error)}

    def _status(self, _: dict[str, Any]) -> dict[str, Any]:
        now = self._clock.monotonic()
        return {
            "running": True,
            "version": __version__,
            "device": self._config.device.name,
            "uptime_s": round(now - self._started_at, 1),
            "sources": self._sources(),
            "bridges": [bridge.facts(now) for bridge in self._bridges],
            "modems": [_modem(modem, now) for modem in self._modems],
            "recipients": recipients(self._config, self._register),
            "alarms": [alarm for alarm in (self._guard.alarm, self._register.alarm) if alarm],
            "second_place_alarm": self._guard.alarm,
            "store_alarm": self._register.alarm,
            **reports.store(self._register.connection, self._clock.moment()),
        }

    def _sources(self) -> list[dict[str, Any]]:
        """In the configuration's order, whether they have ports of their own or a bridge's."""
        told = {listener.name: listener.facts() for listener in self._listeners}
        for bridge in self._bridges:
            told |= {source.name: source.facts(bridge.trouble) for source in bridge.sources}
        return [told[source.name] for source in self._config.sources if source.name in told]

    def _circumstances(self, _: dict[str, Any]) -> dict[str, Any]:
        """Why messages wait, as far as the store does not say it; who asks reads the messages there."""
        held = {each.name: self._register.why_held(each.name) for each in self._config.recipients}
        return {"modems_wait_for": self._modems_wait_for(), "held_because": held}

    def _modems_wait_for(self) -> str | None:
        """Why no modem can send, in words; None: one can, or is about to."""
        now = self._clock.monotonic()
        facts = [_modem(modem, now) for modem in self._modems]
        if any(each["condition"] == "ready" and each["held"] is None for each in facts):
            return None
        waits = [f"modem {each['name']}: {reports.modem_words(each)}" for each in facts]
        return "; ".join(waits) or "a [[modem]] in the configuration: there is none"

    def _send(self, request: dict[str, Any]) -> dict[str, Any]:
        recipient = next((each for each in self._config.recipients if each.name == request["to"]), None)
        if recipient is None:
            return {"error": f"no recipient {request['to']!r} in the configuration that the agent runs with"}
        text, message_class = str(request["text"]), str(request.get("class", "service"))
        return {"id": self._register.write_to(recipient, text, message_class, self._clock.moment())}

    def _wake(self, _: dict[str, Any]) -> dict[str, Any]:
        """Another process changed the store: a pairing, most likely."""
        self._register.more_held = True
        self._register.outbox.revision += 1
        return {"woken": True}


def recipients(config: Config, register: Register) -> list[dict[str, Any]]:
    """Each recipient: who it is, and for sealed ones the pairing or why their events are held."""
    listed = []
    for recipient in config.recipients:
        row: dict[str, Any] = {"name": recipient.name, "phone": recipient.phone, "format": recipient.format}
        if recipient.format != "text":
            pairing = register.pairings.of(recipient.name)
            row["fingerprint"] = pairing.fingerprint if pairing else None
            row["next_counter"] = pairing.ratchet.counter if pairing else None
            row["held_because"] = register.why_held(recipient.name)
        listed.append(row)
    return listed


def _modem(modem: ModemLine, now: float) -> dict[str, Any]:
    """``held``: why a modem that is well is left alone for a while; None: it is not."""
    return modem.facts(now) | {"held": modem.courier.trouble}
