"""Which setting to listen with next, from all that was heard so far: nothing that was heard is forgotten.

A setting's score, in nats, is what the ear says of its speed, less what was heard with it in vain, with what the octets
themselves say of their format. A burst or two are enough to leave a setting, since it comes again when the others have
been tried. Scores only say where to listen: a verdict needs whole frames.
"""

from collections import Counter
from collections.abc import Mapping
from math import log1p

from tillbell_agent.probe.hearing import Hearing
from tillbell_agent.probe.setting import SPEEDS, Setting
from tillbell_agent.probe.speed import Ear

# How likely each is before anything is heard. What is sent with an odd parity is heard whole with an even one, and seldom
# needs a setting of its own; what is sent with seven bits and a parity is heard whole with eight bits.
_FORMATS = {(8, "N"): 0.0, (8, "E"): -1.0, (7, "N"): -2.0, (8, "O"): -10.0}
_FASTER_FIRST = 0.01  # of speeds that sound alike: a line that is heard too fast tells more
_BELIEVED = 6.0  # what the ear says beyond counts little: a text of zeros, or noise, may deceive it
_IN_VAIN = 4.0  # for a burst in which nothing was understood …
_IN_VAIN_CLEAN = 1.0  # … though every character had its stop bit, and its parity
_WHOLE_BURST = 8  # octets: fewer say less
_RECOGNISED = 8.0  # something was
# Of seven bits without parity the stop bit is heard as an eighth, a 1, until the receiver has lost its place.
_SEVEN, _ENOUGH_FOR_SEVEN, _SOUNDS_LIKE_SEVEN = 0.55, 20, 4.0
_ENOUGH_FOR_CLEAN, _CLEAN, _SOUNDS_LIKE_EIGHT = 48, 0.02, 6.0
_PATIENCE = 0.5  # so much better another setting must be


class Choice:
    """``hearings``: what was heard under each setting, kept by the caller."""

    def __init__(self, hearings: Mapping[Setting, Hearing]) -> None:
        self.ear = Ear()
        self._hearings = hearings
        self._vain: Counter[Setting] = Counter()  # in thousandths of a burst
        self._refused: set[Setting] = set()

    def refuse(self, setting: Setting) -> None:
        """The port cannot do it."""
        self._refused.add(setting)

    def is_refused(self, setting: Setting) -> bool:
        return setting in self._refused

    def heard_in_vain(self, setting: Setting, octets: int, *, clean: bool) -> None:
        """A burst of so many octets, in which nothing was understood."""
        weight = _IN_VAIN_CLEAN if clean else _IN_VAIN
        self._vain[setting] += round(1000 * weight * min(1.0, octets / _WHOLE_BURST))

    def best(self, now: Setting, margin: float = _PATIENCE) -> Setting:
        """``now`` where no other is better by ``margin``; one that is refused is left for any other."""
        scores = self._scores()
        best = max(scores, key=lambda each: scores[each], default=now)
        return now if now in scores and scores[best] < scores[now] + margin else best

    def _scores(self) -> dict[Setting, float]:
        return {
            setting: _believed(score) + self._form_score(setting) - self._vain[setting] / 1000
            for speed, score in self.ear.scores().items()
            for setting in (Setting(speed, *form) for form in _FORMATS)
            if setting not in self._refused
        }

    def _form_score(self, setting: Setting) -> float:
        score = _FORMATS[setting.bytesize, setting.parity] - _FASTER_FIRST * SPEEDS.index(setting.baudrate)
        if (heard := self._hearings.get(setting)) is not None and heard.recognises:
            score += _RECOGNISED
        plain = self._hearings.get(Setting(setting.baudrate))
        return score if plain is None else score + _form_by_ear(setting, plain)


def _believed(score: float) -> float:
    """In the order of the ear's scores, though the unlikeliest is not far below."""
    return max(score, -_BELIEVED) - log1p(max(0.0, -_BELIEVED - score))


def _form_by_ear(setting: Setting, plain: Hearing) -> float:
    """What octets heard as 8N1 say of this format at the same speed."""
    share = plain.all
    if setting == plain.setting:
        return 0.0
    clean = plain.wrong_share is not None and plain.wrong_share < _CLEAN
    if clean and share.octets >= _ENOUGH_FOR_CLEAN:
        return -_SOUNDS_LIKE_EIGHT
    seven = share.octets >= _ENOUGH_FOR_SEVEN and share.high > _SEVEN * share.octets
    return _SOUNDS_LIKE_SEVEN if seven and setting.bytesize == 7 else 0.0
