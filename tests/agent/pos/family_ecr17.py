"""Streams of Italian terminals: the way of the check octet is learned, as an installer leaves it."""

from streams import Family

from tillbell_agent.pos.settings import DialectSettings

FAMILY = Family("ecr17", lambda entry: "ecr17", lambda entry: DialectSettings(currency="EUR"))
