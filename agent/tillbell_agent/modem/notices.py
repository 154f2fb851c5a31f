"""What a modem says of itself unasked: storage full, supply too weak, the answer to a credit request.

These codes are the modules' own; no standard has them. A code that is not known here changes nothing.
"""

from tillbell_agent.modem.chores import Chores
from tillbell_agent.modem.conditions import Condition
from tillbell_agent.modem.events import ModemAlarm, ModemEvent, Sampled
from tillbell_agent.modem.facts import Facts, ModemSettings
from tillbell_agent.modem.sampling import credit_of, is_nought

_STORAGE_FULL = ("^SMMEMFULL", '+CIEV: "SMSFULL"', "+CIEV: SMSFULL", '+QIND: "SMSFULL"', "*SMSFULL")
# The operator waits for a reply (TS 27.007, <m> of +CUSD).
_USSD_OPEN = ("+CUSD: 1", "+CUSD:1")
_SUPPLY = ("UNDER-VOLTAGE", "OVER-VOLTAGE")
# It is repeated with each burst; once an hour is enough for people.
_SUPPLY_AGAIN_S = 3600.0


class Notices:
    """Sans-IO; one per modem."""

    def __init__(self, facts: Facts, settings: ModemSettings, chores: Chores) -> None:
        self._facts, self._settings, self._chores = facts, settings, chores
        self._supply_told_at: float | None = None

    def take(self, text: str, now: float) -> list[ModemEvent]:
        """An unsolicited result code → what it means."""
        if text.startswith(_STORAGE_FULL):
            self._chores.storage_is_full(now)
        elif text.startswith(_SUPPLY):
            return self._supply(text, now)
        elif text.startswith("+CUSD:"):
            if text.startswith(_USSD_OPEN):
                self._chores.ussd_is_open()
            if self._facts.awaits_credit:
                return self._credit(text)
        return []

    def _supply(self, text: str, now: float) -> list[ModemEvent]:
        if self._supply_told_at is not None and now - self._supply_told_at < _SUPPLY_AGAIN_S:
            return []
        self._supply_told_at = now
        return [ModemAlarm(f"its supply is not as it should be: {text}")]

    def _credit(self, text: str) -> list[ModemEvent]:
        self._facts.awaits_credit = False
        amount = credit_of(text, self._settings.credit_pattern or self._facts.profile.credit_pattern)
        if amount is not None and is_nought(amount):
            self._facts.refusal = Condition.NO_CREDIT
        elif amount is not None and self._facts.refusal is Condition.NO_CREDIT:
            self._facts.refusal = None
        return [Sampled("credit", amount)]
