"""Frames and sessions of Telium Manager's Protocol E."""

from streams import Family

from tillbell_agent.pos.settings import DialectSettings

FAMILY = Family(
    "telium",
    dialect=lambda entry: "telium",
    settings=lambda entry: DialectSettings(currency="EUR"),
)
