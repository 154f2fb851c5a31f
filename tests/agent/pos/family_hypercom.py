"""The vectors of the ``hypercom`` dialect."""

from streams import Family

from tillbell_agent.pos.settings import DialectSettings

FAMILY = Family("hypercom", lambda _: "hypercom", lambda _: DialectSettings(currency="PHP"))
