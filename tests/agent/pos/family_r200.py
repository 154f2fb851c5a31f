"""The vectors of the ``r200`` dialect."""

from streams import Family

from tillbell_agent.pos.settings import DialectSettings

FAMILY = Family("r200", lambda _: "r200", lambda _: DialectSettings(currency="MYR"))
