"""The network of an installation: what modems hand in reaches phones late, twice, in another order, or never."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from tillbell_agent.sim.network import Network, Record
from tillbell_protocol.sms.address import Address
from tillbell_protocol.sms.tpdu import SmsDeliver, SmsSubmit

_ORDINARY_S = 3.0


@dataclass(slots=True)
class Weather:
    """What befalls the next segments from one number: how many of each."""

    lost: int = 0
    doubled: int = 0
    delayed: int = 0
    delay_s: float = 0.0


class Radio(Network):
    """``at(seconds, action)`` plans what happens later. ``handed_in``: every message as it left the modem, whatever the
    weather did to it; ``lost_segments`` counts what it took away."""

    def __init__(
        self, began: datetime, chance: random.Random, at: Callable[[float, Callable[[], None]], None]
    ) -> None:
        super().__init__(began)
        self.handed_in = Network(began)
        self.weather: dict[str, Weather] = {}
        self.now = 0.0
        self.lost: list[SmsSubmit] = []
        self.on_segment: Callable[[str, SmsDeliver], None] = lambda *_: None
        self._chance, self._at = chance, at

    def submit(self, submit: SmsSubmit, mr: int, sender: str, now: float) -> list[Record]:
        """The segment's record at once; the message's when the weather lets it arrive."""
        segment, *_ = self.handed_in.submit(submit, mr, sender, now)
        weather = self.weather.setdefault(sender, Weather())
        if weather.lost:
            weather.lost -= 1
            self.lost.append(submit)
            return [segment | {"lost": True}]
        after = self._chance.uniform(0.5, _ORDINARY_S)
        if weather.delayed:
            weather.delayed -= 1
            after += self._chance.uniform(0.0, weather.delay_s)
        self._at(after, lambda: self._arrive(submit, mr, sender))
        if weather.doubled:
            weather.doubled -= 1
            self._at(after + self._chance.uniform(0.0, 60.0), lambda: self._arrive(submit, mr, sender))
        return [segment]

    def _arrive(self, submit: SmsSubmit, mr: int, sender: str) -> None:
        """On the phone, and for a receiver that joins the segments itself, with whom they are from."""
        super().submit(submit, mr, sender, self.now)
        deliver = replace(self.as_delivered(submit, self.now), oa=Address.from_text(sender))
        self.on_segment(submit.da.text(), deliver)
