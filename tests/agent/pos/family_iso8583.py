"""How the ``iso8583`` streams are fed: Chinese frames as they are, bare messages behind a length of two octets."""

from typing import Any

from streams import Family, Step, speaker, vector_steps

from tillbell_agent.pos.settings import DialectSettings


def _dialect(entry: dict[str, Any]) -> str:
    return "iso8583-cn" if entry["id"].startswith("iso8583/cn-") else "iso8583"


def _settings(entry: dict[str, Any]) -> DialectSettings:
    return DialectSettings(currency="CNY" if _dialect(entry) == "iso8583-cn" else "USD")


def _steps(entry: dict[str, Any]) -> list[Step]:
    if entry["layer"] != "message":
        return vector_steps(entry)
    octets = entry["path"].read_bytes()
    return [(0.0, speaker(entry["direction"]), len(octets).to_bytes(2, "big") + octets)]


FAMILY = Family(
    name="iso8583",
    dialect=_dialect,
    settings=_settings,
    steps=_steps,
    skip={"iso8583/moov-iso-reversal-message.expected": "no stream: what one of the messages says, in words"},
)
