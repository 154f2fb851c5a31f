"""Records of Chinese cashier libraries, as they hand them over."""

from streams import Family

from tillbell_agent.pos.settings import DialectSettings

FAMILY = Family("mispos", lambda entry: "mis-bankall", lambda entry: DialectSettings(currency="CNY"))
