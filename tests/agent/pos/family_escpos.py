"""How the vectors of receipt printers are fed: the till's configuration, which no stream says, stands in a table."""

from typing import Any

from streams import Family, vectors

from tillbell_agent.pos.settings import DialectSettings

SETTINGS = {
    "gen-de-": DialectSettings(encoding="cp858", currency="EUR"),
    "gen-fr-": DialectSettings(encoding="cp1252", currency="EUR"),
    "gen-kr-": DialectSettings(encoding="euc-kr", currency="KRW"),
    "gen-us-": DialectSettings(encoding="cp437", currency="USD"),
    "escpos-tools-": DialectSettings(encoding="cp437", currency="USD"),
}


def _settings(entry: dict[str, Any]) -> DialectSettings:
    name = entry["path"].name
    return next((found for prefix, found in SETTINGS.items() if name.startswith(prefix)), DialectSettings())


FAMILY = Family(
    name="escpos",
    dialect=lambda _: "escpos",
    settings=_settings,
    skip={
        entry["id"]: "tokens, which test_vectors compares"
        for entry in vectors("escpos")
        if entry["path"].suffix == ".json"
    },
)
