"""The SIM card of a simulated modem: its number, what it asks for, its tries, and what +CPIN makes of an attempt (TS 27.007).

A card that asks for its PIN asks again after every loss of power; its tries are the card's own and survive.
"""

from dataclasses import dataclass

READY, PIN, PUK, ABSENT, BUSY, BLOCKED = "READY", "SIM PIN", "SIM PUK", "NOT INSERTED", "BUSY", "BLOCKED"
PIN_TRIES, PUK_TRIES = 3, 10
# State → the +CME code of a command that needs the card.
_CODES = {ABSENT: 10, PIN: 11, PUK: 12, BLOCKED: 13, BUSY: 14}
_CMS_CODES = {ABSENT: 310, PIN: 311, PUK: 316, BLOCKED: 313, BUSY: 314}


@dataclass(slots=True)
class Sim:
    """``asks``: it wants its PIN after every start. ``credit``: what its operator answers to a code; None: nothing."""

    number: str = "+8613700137000"
    imsi: str = "460001234567890"
    state: str = READY
    pin: str = "1234"
    tries_left: int = PIN_TRIES
    service_centre: str = "+8613800100500"
    puk: str = "12345678"
    puk_tries_left: int = PUK_TRIES
    asks: bool = False
    credit: str | None = None

    def power_on(self) -> None:
        """A start: an open card that asks for its PIN is closed again."""
        if self.asks and self.state == READY:
            self.state = PIN

    def cme(self) -> int | None:
        """Why it cannot be used now; None: it can."""
        return _CODES.get(self.state)

    def cms(self) -> int | None:
        """The same in the codes of TS 27.005."""
        return _CMS_CODES.get(self.state)

    def enter(self, secret: str, new_pin: str | None) -> int | None:
        """+CPIN=: the PIN, or the PUK with a new PIN. None: accepted; else the +CME code."""
        if self.state == PIN:
            return self._enter_pin(secret)
        if self.state == PUK:
            return self._enter_puk(secret, new_pin)
        return self.cme() or 3

    def _enter_pin(self, secret: str) -> int | None:
        if secret == self.pin:
            self.state, self.tries_left = READY, PIN_TRIES
            return None
        self.tries_left = max(0, self.tries_left - 1)
        if self.tries_left == 0:
            self.state = PUK
        return 16

    def _enter_puk(self, secret: str, new_pin: str | None) -> int | None:
        if new_pin is None:
            return 12
        if secret == self.puk:
            self.state, self.pin = READY, new_pin
            self.tries_left, self.puk_tries_left = PIN_TRIES, PUK_TRIES
            return None
        self.puk_tries_left = max(0, self.puk_tries_left - 1)
        if self.puk_tries_left == 0:
            self.state = BLOCKED
        return 16
