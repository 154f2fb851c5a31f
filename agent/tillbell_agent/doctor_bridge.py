"""What is known of one firmware bridge → its check."""

from collections.abc import Mapping
from typing import Any

from tillbell_agent.config import BridgeConfig
from tillbell_agent.doctor_modem import PortFinding
from tillbell_agent.finding import FAIL, OK, WARN, Check, span

_FLASH = "Run tillbell flash if the board, its key or its firmware is new; see that no other program holds the port"


def check_bridge(
    bridge: BridgeConfig, facts: Mapping[str, Any] | None, port: PortFinding, key_trouble: str | None
) -> Check:
    """``facts``: the running agent's, None where none answers; then only its port and key are known."""
    name = f"bridge {bridge.name}"
    if key_trouble is not None:
        return Check(name, FAIL, f"the next start fails: {key_trouble}", "Run tillbell flash")
    if facts is None:
        level, words, step = port
        return Check(name, level, f"{words}; it was not asked anything", step)
    if not facts["connected"]:
        words = f"away for {span(facts['since_s'])}: {facts['trouble']}"
        if port[0] != OK:
            return Check(name, FAIL, f"{words}; {port[1]}", port[2])
        return Check(name, FAIL, f"{words}. It keeps what it hears, as long as it has room", _FLASH)
    return _heard(name, facts)


def _heard(name: str, facts: Mapping[str, Any]) -> Check:
    about = f"{facts['board']} {facts['unique_id']}, firmware {facts['firmware']}, connected for {span(facts['since_s'])}"
    full = facts["counters"].get("lost", 0)
    if facts["lost"] or full:
        words = f"{facts['lost']} chunks are lost, for {full} it had no room since its start; {about}"
        step = "Compare tillbell txn with the terminal's own totals; keep the agent running and the bridge connected"
        return Check(name, FAIL, words, step)
    if facts["store_trouble"]:
        return Check(
            name, FAIL, f"the disk refuses: {facts['store_trouble']}; {about}", "See state directory"
        )
    if facts["overruns"]:
        words = f"its UART lost octets {facts['overruns']} times; {about}"
        return Check(
            name,
            WARN,
            words,
            "Lower the terminal's baudrate, or use a board that writes flash beside its UART",
        )
    return Check(name, OK, f"{about}, {facts['chunks']} chunks heard")
