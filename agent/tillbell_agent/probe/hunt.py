"""One port's search: which settings to listen with next, for how long, until what speaks there is known.

It begins at the highest speed, because a line that is heard too fast betrays its own (see ``speed``): one burst leads to
a tenth of the speed or to the speed itself, the next to that. Where the speed is right but nothing is understood, other
formats are tried. A dialect that is recognised is then listened to with a format that is one bit too long: characters
that follow each other without a pause are only understood if they have that bit. So one stop bit is told from two, and
from a parity that the port does not show. Never talks. Times are monotonic seconds.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from tillbell_agent.probe.evidence import ROWS, Row
from tillbell_agent.probe.hearing import UNKNOWN, Hearing
from tillbell_agent.probe.judging import judge, parity_by_errors
from tillbell_agent.probe.setting import SPEEDS, Errors, Setting
from tillbell_agent.probe.speed import ENOUGH, slower_speed
from tillbell_agent.probe.verdict import RECOGNISED, Verdict

_GAP_S = (
    0.06  # silence that ends a burst, beside three octets' time: adapters hand octets over in blocks of 16 ms
)
_ENOUGH_FOR_SPEED = 12  # octets
_SHORT_BURST = 4  # octets: an ACK, or a glitch
_HANDSHAKES = frozenset(b"\x04\x05\x06\x15")  # EOT, ENQ, ACK, NAK
_LONGEST_FRAME = 2048
_LONGEST_BURST = 12_288  # a line that never rests is looked at all the same; some receipts hold pictures
_NOT_UNDERSTOOD = 100  # octets without a sight at the end of a burst: other settings …
_NOT_UNDERSTOOD_CLEAN = 6000  # … though a picture may come without an error for long
_CLEAN_BURSTS = 5
_SPOTLESS = 0.005  # so few are missing at no wrong speed
_CLEAN = 0.03  # of the characters lack a stop bit: noise
_DIRTY = 0.12  # the format or the speed is wrong
_OPINIONS = 2
_STALE_S = 0.04  # what an adapter hands over so soon after a change it may have heard before
_PARITY_FROM, _PARITY_TO = 0.05, 0.6
_SEVEN, _ENOUGH_FOR_SEVEN = 0.55, 40  # of the octets with the highest bit; so many octets
_WRONG_PARITY, _HALF = 0.15, 0.5  # of the characters
_SILENCE_S = 8.0  # on a port that counts no errors, and may drop what came wrongly
_REST_TEST_S = 20.0  # for the format that is one bit too long
_REST_TEST_OCTETS = 60
_LONG_BURST = 10  # octets
_REST_TEST_BURSTS = 2  # long ones, heard from their beginning; noise may spoil some …
_REST_TEST_UNCOUNTED = 5  # … and where no errors are counted, that is all there is to see
_UNSETTLED_S = 3.0  # a line that talks without a pause after a change of settings is taken as it is
_FORMATS = ((8, "N"), (8, "E"), (8, "O"), (7, "N"))


class Hunt:
    """``setting``: what the port is to be set to now. ``refuse`` it where the port cannot.

    Some drivers have counters of errors that never count: a port is believed to count from its first error on.
    """

    def __init__(self, now: float, rows: Mapping[str, Row] = ROWS) -> None:
        self.setting = Setting(SPEEDS[0])
        self._rows = rows
        self._hearings = {self.setting: Hearing(self.setting, rows)}
        self._counts = self._has_counters = False
        self._left: dict[Setting, int] = {}  # how often it was given up
        self._refused: set[Setting] = set()
        self._believed: int | None = None  # the speed that octets heard too fast have told …
        self._opinions: Counter[int] = Counter()  # … and how often which
        self._handshakes: Counter[int] = Counter()  # by speed
        self._began = self._tuned_at = now
        self._heard_at: float | None = None  # in a burst that goes on
        self._burst_ended_at = self._octets_at = now
        self._settled = True  # the line has been silent since the last change of settings
        self._unexplained = bytearray()
        self._unexplained_errors = self._burst_from = self._bursts = 0
        self._glance_at = 256
        self._rest_bursts = 0
        self._base: Setting | None = None  # where a dialect was understood
        self._parity_known = self._stopbits_known = False
        self._parity_tested = False  # it is one of two, and the next burst that is understood says which
        self._sure_after: float | None = None

    def receive(self, octets: bytes, now: float, errors: Errors | None = None) -> None:
        """Octets as the port gave them, and how many errors it has counted since the last call; None: it counts none."""
        self.tick(now)
        wrong = errors is not None and (errors.framing > 0 or errors.parity > 0)
        self._counts = self._counts or wrong
        self._has_counters = errors is not None
        if not octets and not wrong:
            return
        silence, self._heard_at, self._octets_at = now - self._octets_at, now, now
        if now < self._tuned_at + _STALE_S:
            self._settled = False
            return
        self._settled = self._settled or silence > self._gap or now - self._tuned_at > _UNSETTLED_S
        self._hearing.receive(octets, errors if self._counts else None)
        if self._settled:
            self._unexplained += octets
            self._unexplained_errors += errors.framing if errors else 0
        if len(self._unexplained) >= 2 * _ENOUGH_FOR_SPEED and not self._understands_so_far():
            self._doubt(now, _LONGEST_FRAME)
        if self._hearing.unread >= _LONGEST_BURST:
            self._end_burst(now)

    def tick(self, now: float) -> None:
        """Let time pass: a silence ends a burst, patience ends."""
        if self._heard_at is not None and now >= self._heard_at + self._gap:
            self._end_burst(now)
        if self._silence_ends is not None and now >= self._silence_ends:
            self._tune(self._next_of_silence(), now)
        if self._rest_test_ends is not None and now >= self._rest_test_ends:
            self._tune_back(now)

    def next_deadline(self) -> float | None:
        burst = None if self._heard_at is None else self._heard_at + self._gap
        due = (burst, self._silence_ends, self._rest_test_ends)
        return min((each for each in due if each is not None), default=None)

    def refuse(self, now: float) -> None:
        """The port cannot do ``setting``: it is not asked for again."""
        self._refused.add(self.setting)
        if self._base is not None:
            self._tune_back(now)
        else:
            self._tune(self._next(), now)

    @property
    def done(self) -> bool:
        """Whether all is known that listening can show."""
        return self._base is not None and self.setting == self._base and not self._parity_tested

    def verdict(self, now: float) -> Verdict:
        """What is known by now. The port may be listened to further."""
        if self._heard_at is not None:
            self._hearing.end_burst(now)
        found = judge(self._hearings.values(), self._base)
        return replace(
            found,
            parity_known=self._parity_known,
            stopbits_known=self._stopbits_known,
            octets=sum(each.octets for each in self._hearings.values()),
            seconds=now - self._began,
            sure_after=self._sure_after,
        )

    # What was heard so far under the present settings.

    @property
    def _hearing(self) -> Hearing:
        return self._hearings[self.setting]

    @property
    def _gap(self) -> float:
        return _GAP_S + 3 * self.setting.seconds_per_octet

    def _understands_so_far(self) -> bool:
        """Looked into again whenever twice as much has come."""
        hearing = self._hearing
        if any(hearing.meets_need(name) for name in hearing.tallies):
            return True
        if hearing.unread < self._glance_at:
            return False
        self._glance_at *= 2
        return hearing.glance()

    def _end_burst(self, now: float) -> None:
        self._heard_at, self._glance_at, self._burst_ended_at = None, 256, now
        before = self._sights()
        self._rest_bursts += self._resting_tested and self._settled and self._hearing.unread >= _LONG_BURST
        self._hearing.end_burst(now)
        if self._sights() > before:
            self._forget_unexplained()
            self._take_parity(now) if self._parity_tested else self._understood(now)
        elif self._settled and self._base is None:
            self._forget_short_burst()
            self._bursts += len(self._unexplained) > self._burst_from
            self._doubt(now, _NOT_UNDERSTOOD if self._bursts >= 2 else _LONGEST_FRAME)
        self._settled = True
        self._burst_from = len(self._unexplained)
        if self._resting_tested:
            self._judge_rest(now)

    def _sights(self) -> int:
        return sum(tally.score for name, tally in self._hearing.tallies.items() if name != UNKNOWN)

    def _forget_unexplained(self) -> None:
        self._unexplained.clear()
        self._unexplained_errors = self._burst_from = self._bursts = 0

    def _forget_short_burst(self) -> None:
        """What is too short to tell a speed may be a handshake, which no wrong speed spells."""
        burst = self._unexplained[self._burst_from :]
        if len(burst) >= _SHORT_BURST:
            return
        del self._unexplained[self._burst_from :]
        self._handshakes[self.setting.baudrate] += bool(burst) and set(burst) <= _HANDSHAKES
        if self._handshakes[self.setting.baudrate] >= _OPINIONS:
            self._believed = self.setting.baudrate

    # Where it goes next.

    def _doubt(self, now: float, patience: int) -> None:
        """Nothing is recognised: does this sound like a slower line, or like no line at all?"""
        if self._base is not None or len(self._unexplained) < _ENOUGH_FOR_SPEED:
            return
        share = min(1.0, self._unexplained_errors / len(self._unexplained)) if self._counts_errors else None
        doubted = {
            each.baudrate: times
            for each, times in self._left.items()
            if (each.bytesize, each.parity) == (8, "N")
        }
        slower = slower_speed(self._unexplained[-ENOUGH:], self.setting.baudrate, share, doubted)
        if slower is not None and self.setting.bytesize == 8 and self.setting.parity == "N":
            self._believed = slower
            self._opinions[slower] += 1
            self._tune(self._best([Setting(slower)]) or self._next(), now)
            return
        clean = self._is_clean(share) or (share is None and self._has_counters)
        spotless = share is not None and share < _SPOTLESS
        if spotless or (clean and self._bursts < _CLEAN_BURSTS) or self._sights():
            patience = _NOT_UNDERSTOOD_CLEAN
        if len(self._unexplained) >= patience and not self._hearing.glance():
            self._left[self.setting] = self._left.get(self.setting, 0) + 1
            self._tune(self._next(), now)

    @property
    def _counts_errors(self) -> bool:
        return self._hearing.errors is not None

    @staticmethod
    def _is_clean(share: float | None) -> bool:
        return share is not None and share < _CLEAN

    def _next(self) -> Setting:
        """The least tried. First a second opinion on the speed, then its formats, then slower speeds."""
        believed = self._believed or SPEEDS[0]
        sure = max(self._opinions[believed], self._handshakes[believed]) >= _OPINIONS
        again = [] if sure or self._sounds_like_parity() else [Setting(SPEEDS[0])]
        slower = [Setting(speed) for speed in SPEEDS if self._believed and speed < believed]
        formats = [Setting(believed, *form) for form in _FORMATS]
        seven = [Setting(believed, 7)] if self._sounds_like_seven_bits(believed) else []
        options = [*seven, *again, *formats, *slower, *map(Setting, SPEEDS)]
        return self._best([each for each in options if each != self.setting]) or self.setting

    def _sounds_like_seven_bits(self, speed: int) -> bool:
        """Of seven bits without parity the stop bit is heard as an eighth, a 1, until the receiver has lost its place."""
        heard = self._hearings.get(Setting(speed))
        share = None if heard is None else heard.all
        return share is not None and share.octets >= _ENOUGH_FOR_SEVEN and share.high > _SEVEN * share.octets

    def _sounds_like_parity(self) -> bool:
        """Whether about every second stop bit was missing: at a wrong speed most are."""
        share = self._hearing.wrong_share
        return share is not None and _PARITY_FROM < share < _PARITY_TO

    def _best(self, options: list[Setting]) -> Setting | None:
        usable = [each for each in options if each not in self._refused]
        return min(usable, key=lambda each: self._left.get(each, 0), default=None)

    def _tune(self, setting: Setting, now: float) -> None:
        self._hearing.end_burst(now)
        self.setting = setting
        self._hearings.setdefault(setting, Hearing(setting, self._rows))
        self._settled = self._heard_at is None
        self._heard_at, self._tuned_at, self._glance_at = None, now, 256
        self._forget_unexplained()

    @property
    def _silence_ends(self) -> float | None:
        """Only where a port may drop what it hears wrongly; and not where the speed is known."""
        quiet = self._heard_at is None and self._base is None and not self._counts_errors
        patience = _SILENCE_S * (3 if self._believed == self.setting.baudrate else 1)
        return max(self._tuned_at, self._burst_ended_at) + patience if quiet else None

    def _next_of_silence(self) -> Setting:
        place = SPEEDS.index(self.setting.baudrate)
        return Setting(SPEEDS[(place + 1) % len(SPEEDS)])

    # A dialect is recognised: parity and stop bits.

    def _understood(self, now: float) -> None:
        found = judge([self._hearing], self.setting)
        if self._base is not None or found.finding not in RECOGNISED:
            return
        self._base = self.setting
        self._sure_after = now - self._began
        parity = parity_by_errors(self._hearing)
        if parity is not None:
            self._settle_parity(parity, now)
        elif self.setting.parity == "N" and self._hearing.parity is None:
            self._parity_known = self._is_clean(self._hearing.wrong_share)
            self._test_rest(now)
        else:
            self._take_parity(now)

    def _settle_parity(self, parity: str, now: float) -> None:
        """The characters have an eleventh bit, which is a parity: a second stop bit cannot be seen behind it."""
        assert self._base is not None
        self._parity_known = parity != "?"
        self._base = replace(self._base, parity="E" if parity == "?" else parity)
        self._parity_tested = parity == "?"
        self._tune(self._base, now)

    def _take_parity(self, now: float) -> None:
        """Heard with a parity, or with one as the highest bit: it stands where errors would show, and none do."""
        assert self._base is not None
        share, seven = self._hearing.understood, self._hearing.parity is not None
        self._parity_tested = False
        self._parity_known = seven
        if share.errors is None or seven:
            return
        if share.errors.framing > _DIRTY * share.octets:
            # Ten bits after all, by a receiver that takes a missing stop bit for the next start, and so loses nothing.
            self._base = None
            self._tune(Setting(self.setting.baudrate), now)
            return
        wrong = share.errors.parity / share.octets
        self._parity_known = not _WRONG_PARITY < wrong < 1 - _WRONG_PARITY
        if wrong > _HALF:
            self._base = replace(self._base, parity="O" if self._base.parity == "E" else "E")

    def _test_rest(self, now: float) -> None:
        test = Setting(self.setting.baudrate, 8, "M")
        if self.setting.bytesize == 8 and test not in self._refused:
            self._tune(test, now)

    @property
    def _resting_tested(self) -> bool:
        return self._base is not None and self.setting.parity == "M"

    @property
    def _rest_test_ends(self) -> float | None:
        return self._tuned_at + _REST_TEST_S if self._resting_tested else None

    def _judge_rest(self, now: float) -> None:
        """Characters of ten bits that follow each other closely cannot be heard with eleven."""
        hearing, share = self._hearing, self._hearing.wrong_share
        if hearing.octets < _REST_TEST_OCTETS or self._rest_bursts < _REST_TEST_BURSTS:
            return
        understood = [name for name in hearing.tallies if hearing.meets_need(name) and name != UNKNOWN]
        if (share is None or self._is_clean(share)) and understood:
            self._eleven_bits(now)
        elif (
            share > _DIRTY
            if share is not None
            else not self._sights() and self._rest_bursts >= _REST_TEST_UNCOUNTED
        ):
            self._parity_known = self._stopbits_known = True
            self._tune_back(now)

    def _eleven_bits(self, now: float) -> None:
        assert self._base is not None
        parity = parity_by_errors(self._hearing)
        if parity is not None:
            self._settle_parity(parity, now)
        elif self._counts_errors:
            self._base = replace(self._base, stopbits=2)
            self._parity_known = self._stopbits_known = True
            self._tune_back(now)
        else:
            self._parity_known = False  # a second stop bit, or a parity: this port does not show which
            self._tune_back(now)

    def _tune_back(self, now: float) -> None:
        assert self._base is not None
        self._tune(self._base, now)
