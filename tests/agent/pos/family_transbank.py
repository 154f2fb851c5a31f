"""Answers of Transbank's terminals in Chile, both column layouts, which the dialect tells apart itself."""

from streams import Family

from tillbell_agent.pos.settings import DialectSettings

FAMILY = Family(
    "transbank",
    dialect=lambda entry: "transbank",
    settings=lambda entry: DialectSettings(currency="CLP"),
)
