"""One port's search: which settings to listen with next, for how long, until what speaks there is known.

It begins at the highest speed, because a line that is heard too fast betrays its own (see ``speed``): one burst leads to
a tenth of the speed or to the speed itself, the next to that. Where the speed is right but nothing is understood, other
formats are tried, a burst each (see ``choice``). A dialect that is recognised is then listened to with a format that is
one bit too long: characters that follow each other without a pause are only understood if they have that bit. So one
stop bit is told from two, and from a parity that the port does not show. Never talks. Times are monotonic seconds.
"""

from collections.abc import Mapping
from dataclasses import replace

from tillbell_agent.probe.choice import Choice
from tillbell_agent.probe.evidence import ROWS, Row
from tillbell_agent.probe.hearing import UNKNOWN, Hearing, Share
from tillbell_agent.probe.judging import judge, parity_by_errors
from tillbell_agent.probe.setting import SPEEDS, Errors, Setting
from tillbell_agent.probe.verdict import RECOGNISED, Verdict

_GAP_S = (
    0.06  # silence that ends a burst, beside three octets' time: adapters hand octets over in blocks of 16 ms
)
_SHORT_BURST = 4  # octets: fewer are an ACK, or a glitch
_ENOUGH_TO_DOUBT = 24  # octets of a burst that goes on
_SURELY = 6.0  # in nats: so much likelier a slower line must be, before the burst is over
_LONGEST_FRAME = 2048
_LONGEST_CLEAN = 6000  # a picture may come without an error for long
_LONGEST_BURST = 12_288  # a line that never rests is looked at all the same; some receipts hold pictures
_CLEAN = 0.03  # of the characters lack a stop bit: noise
_ENOUGH_FOR_CLEAN = 30  # octets
_DIRTY = 0.12  # the format or the speed is wrong
_STALE_S = 0.04  # what an adapter hands over so soon after a change it may have heard before
_WRONG_PARITY, _HALF = 0.15, 0.5  # of the characters
_SILENCE_S = 8.0  # on a port that counts no errors, and may drop what came wrongly …
_SILENCE_HEARD_S = 24.0  # … though of some it did not
_TEST_S = 20.0  # for another format than that in which a dialect was understood
_REST_TEST_OCTETS = 60
_LONG_BURST = 10  # octets
_REST_TEST_BURSTS = 2  # long ones, heard from their beginning; noise may spoil some …
_REST_TEST_UNCOUNTED = 5  # … and where no errors are counted, that is all there is to see
_PLAIN_TEST_BURSTS = 3
_UNSETTLED_S = 3.0  # a line that talks without a pause after a change of settings is taken as it is


class Hunt:
    """``setting``: what the port is to be set to now. ``refuse`` it where the port cannot.

    Some drivers have counters of errors that never count: a port is believed to count from its first error on.
    """

    def __init__(self, now: float, rows: Mapping[str, Row] = ROWS) -> None:
        self.setting = Setting(SPEEDS[0])
        self._rows = rows
        self._hearings = {self.setting: Hearing(self.setting, rows)}
        self._choice = Choice(self._hearings)
        self._counts = self._has_counters = False
        self._began = self._tuned_at = now
        self._heard_at: float | None = None  # in a burst that goes on
        self._burst_ended_at = self._octets_at = now
        self._settled = True  # the line has been silent since the last change of settings
        self._burst, self._untold = Share(), bytearray()  # of it, what the ear was not told yet …
        self._told_framing = 0  # … and was
        self._glance_at = 256
        self._test_bursts = 0
        self._plainly_tested = False
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
        self._hear(octets, errors if self._counts else None)
        if self._base is None and self._burst.octets >= _ENOUGH_TO_DOUBT and not self._understands_so_far():
            self._doubt(now)
        if self._hearing.unread >= _LONGEST_BURST:
            self._end_burst(now)

    def tick(self, now: float) -> None:
        """Let time pass: a silence ends a burst, patience ends."""
        if self._heard_at is not None and now >= self._heard_at + self._gap:
            self._end_burst(now)
        if self._silence_ends is not None and now >= self._silence_ends:
            self._bear_silence(now)
        if self._test_ends is not None and now >= self._test_ends:
            self._tune_back(now)

    def next_deadline(self) -> float | None:
        burst = None if self._heard_at is None else self._heard_at + self._gap
        due = (burst, self._silence_ends, self._test_ends)
        return min((each for each in due if each is not None), default=None)

    def refuse(self, now: float) -> None:
        """The port cannot do ``setting``: it is not asked for again."""
        self._choice.refuse(self.setting)
        if self._base is not None:
            self._tune_back(now)
        else:
            self._tune(self._choice.best(self.setting), now)

    @property
    def done(self) -> bool:
        """Whether all is known that listening can show."""
        return self._base is not None and self.setting == self._base and not self._parity_tested

    def verdict(self, now: float) -> Verdict:
        """What is known by now. The port may be listened to further."""
        if self._heard_at is not None:
            self._hearing.end_burst(now, whole=self._settled)
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

    def _hear(self, octets: bytes, errors: Errors | None) -> None:
        """What is too short for a burst is a handshake, or a glitch, and tells no speed."""
        self._hearing.receive(octets, errors)
        self._burst.add(octets, errors)
        self._untold += octets
        if self._burst.octets >= _SHORT_BURST and self.setting.bytesize == 8:
            framing = None if self._burst.errors is None else self._burst.errors.framing - self._told_framing
            self._choice.ear.hear(self.setting.baudrate, bytes(self._untold), framing)
            self._told_framing += framing or 0
            self._untold.clear()

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
        before, octets, settled = self._sights(), self._burst.octets, self._settled
        self._test_bursts += settled and self._hearing.unread >= _LONG_BURST
        self._hearing.end_burst(now, whole=settled)
        self._forget_burst()
        self._burst_ended_at = now
        seen = self._sights() > before
        if seen and self._parity_tested:
            self._take_parity(now)
        elif seen and self._hearing.recognises:
            self._understood(now)
        elif self._base is None and octets >= _SHORT_BURST:
            self._go_on(octets if settled else 0, now, text=seen)
        elif self._plain_tested and self._test_bursts >= _PLAIN_TEST_BURSTS:
            self._tune_back(now)
        if self._resting_tested:
            self._judge_rest(now)

    def _forget_burst(self) -> None:
        self._heard_at, self._glance_at, self._settled = None, 256, True
        self._burst, self._told_framing = Share(), 0
        self._untold.clear()

    def _sights(self) -> int:
        return sum(tally.score for name, tally in self._hearing.tallies.items() if name != UNKNOWN)

    # Where it goes next.

    def _doubt(self, now: float) -> None:
        """Within a burst: does this sound like a slower line, or like no line at all?"""
        slower = self._choice.best(self.setting, _SURELY)
        if slower.baudrate < self.setting.baudrate:
            self._tune(slower, now)
            return
        clean = self._is_spotless or (self._has_counters and not self._counts)
        patience = _LONGEST_CLEAN if clean else _LONGEST_FRAME
        if self._burst.octets >= patience and not self._hearing.glance():
            self._go_on(self._burst.octets, now, text=False)

    def _go_on(self, octets: int, now: float, *, text: bool) -> None:
        """So many octets were heard from their beginning, and nothing was understood. ``text``: though it can be read."""
        no_error = self._has_counters and not self._counts
        self._choice.heard_in_vain(self.setting, octets, clean=self._is_spotless or (text and no_error))
        best = self._choice.best(self.setting)
        if best != self.setting:
            self._tune(best, now)

    @property
    def _is_spotless(self) -> bool:
        """No character lacks its stop bit, and if there is a parity, either all have it or none has."""
        share = self._hearing.all
        if share.errors is None or share.octets < _ENOUGH_FOR_CLEAN:
            return False
        parity = min(share.errors.parity, share.octets - share.errors.parity)
        return share.errors.framing + parity < _CLEAN * share.octets

    @staticmethod
    def _is_clean(share: float | None) -> bool:
        return share is not None and share < _CLEAN

    @property
    def _counts_errors(self) -> bool:
        return self._hearing.errors is not None

    def _tune(self, setting: Setting, now: float) -> None:
        self._hearing.end_burst(now, whole=self._settled)
        self.setting, self._test_bursts = setting, 0
        self._hearings.setdefault(setting, Hearing(setting, self._rows))
        silent = self._heard_at is None
        self._forget_burst()
        self._settled, self._tuned_at = silent, now

    @property
    def _silence_ends(self) -> float | None:
        """Only where a port may drop what it hears wrongly; and not where the speed is known."""
        quiet = self._heard_at is None and self._base is None and not self._counts_errors
        patience = _SILENCE_HEARD_S if self._choice.ear.has_heard else _SILENCE_S
        return max(self._tuned_at, self._burst_ended_at) + patience if quiet else None

    def _bear_silence(self, now: float) -> None:
        if self._choice.ear.has_heard:
            self._choice.heard_in_vain(self.setting, _SHORT_BURST, clean=False)
            self._tune(self._choice.best(self.setting), now)
            return
        place = SPEEDS.index(self.setting.baudrate)
        self._tune(Setting(SPEEDS[(place + 1) % len(SPEEDS)]), now)

    # A dialect is recognised: parity and stop bits.

    def _understood(self, now: float) -> None:
        found = judge([self._hearing], self.setting)
        if found.finding in RECOGNISED and (self._base is None or self._plain_tested):
            self._sure_after = now - self._began if self._base is None else self._sure_after
            self._base = self.setting
            self._settle_format(now)

    def _settle_format(self, now: float) -> None:
        parity = parity_by_errors(self._hearing)
        if parity is not None:
            self._settle_parity(parity, now)
        elif self.setting.bytesize == 7:
            self._take_seven(now)
        elif self.setting.parity == "N" and self._hearing.parity is None:
            self._parity_known = self._is_clean(self._hearing.wrong_share)
            self._test_rest(now)
        else:
            self._take_parity(now)

    def _take_seven(self, now: float) -> None:
        """An eighth bit of which nothing is heard shows by its 0, as a missing stop bit."""
        share = self._hearing.understood
        self._parity_known = share.errors is not None and share.errors.framing < _DIRTY * share.octets
        if not self._parity_known:
            self._test_plain(now)

    def _settle_parity(self, parity: str, now: float) -> None:
        """The characters have an eleventh bit, which is a parity: a second stop bit cannot be seen behind it."""
        assert self._base is not None
        self._parity_known = parity != "?"
        self._base = replace(self._base, parity="E" if parity == "?" else parity)
        self._parity_tested, self._plainly_tested = parity == "?", True
        self._tune(self._base, now)

    def _take_parity(self, now: float) -> None:
        """Heard with a parity, or with one as the highest bit: it stands where errors would show, and none do."""
        assert self._base is not None
        share, seven = self._hearing.understood, self._hearing.parity is not None
        self._parity_tested, self._parity_known = False, seven
        if seven:
            return
        wrong = _HALF if share.errors is None else share.errors.parity / share.octets
        if share.errors is not None and share.errors.framing > _DIRTY * share.octets:
            wrong = _HALF  # ten bits, by a receiver that takes a missing stop bit for the next start, and loses nothing
        self._parity_known = not _WRONG_PARITY < wrong < 1 - _WRONG_PARITY
        if not self._parity_known:
            self._test_plain(now)
        elif wrong > _HALF:
            self._base = replace(self._base, parity="O" if self._base.parity == "E" else "E")
            self._tune_back(now)

    def _test_plain(self, now: float) -> None:
        """Whether eight bits without parity are understood too: then there are no others."""
        plain = Setting(self.setting.baudrate)
        if not self._plainly_tested and self.setting != plain:
            self._plainly_tested = True
            self._tune(plain, now)

    @property
    def _plain_tested(self) -> bool:
        return self._base not in (None, self.setting) and self.setting.parity == "N"

    def _test_rest(self, now: float) -> None:
        test = Setting(self.setting.baudrate, 8, "M")
        if self.setting.bytesize == 8 and not self._choice.is_refused(test):
            self._tune(test, now)

    @property
    def _resting_tested(self) -> bool:
        return self._base is not None and self.setting.parity == "M"

    @property
    def _test_ends(self) -> float | None:
        return self._tuned_at + _TEST_S if self._resting_tested or self._plain_tested else None

    def _judge_rest(self, now: float) -> None:
        """Characters of ten bits that follow each other closely cannot be heard with eleven."""
        hearing, share = self._hearing, self._hearing.wrong_share
        if hearing.octets < _REST_TEST_OCTETS or self._test_bursts < _REST_TEST_BURSTS:
            return
        understood = [name for name in hearing.tallies if hearing.meets_need(name) and name != UNKNOWN]
        if (share is None or self._is_clean(share)) and understood:
            self._eleven_bits(now)
        elif (
            share > _DIRTY
            if share is not None
            else not self._sights() and self._test_bursts >= _REST_TEST_UNCOUNTED
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
