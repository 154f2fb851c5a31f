"""What must hold in an installation whatever goes wrong: asked as things happen where that is cheap, and once at the end.

Each fault is a sentence with the shop's name and the moment. Nothing here looks into the agent but through its store.
"""

import random
import sqlite3
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import chain

from tillbell_agent.ledger import Entry
from tillbell_agent.outbox import State
from tillbell_agent.sim.installation.chapter import (
    Chapter,
    is_known_again,
    is_of,
    ledger_faults,
    message_faults,
    text_faults,
)
from tillbell_agent.sim.installation.collector import Collector
from tillbell_agent.sim.installation.patience import LOOK_S, Patience
from tillbell_agent.sim.installation.shop import Shop
from tillbell_agent.sim.installation.till import Job
from tillbell_agent.sim.installation.world import BEGAN, World
from tillbell_agent.store_health import quick_check
from tillbell_protocol.event import Transaction
from tillbell_protocol.pairing import SecretKey
from tillbell_protocol.receiver import Pairing
from tillbell_protocol.seal import PORT, Header
from tillbell_protocol.sms.segment import split_data
from tillbell_protocol.sms.tpdu import SmsDeliver

# Entries looked at for a sale of a moment ago; where it is not among the first so many, more than stand between a print
# and its judgement when a disk has refused meanwhile.
_RECENT = (6, 40)
_ALL = 1_000_000
# A month of a busy shop, its messages and its log.
_MOST_STORE_OCTETS = 20_000_000
_ERASURE_EVERY = 10


@dataclass(slots=True)
class Book:
    """What is known of one shop. ``replaced``: how often its store was put back or lost a page.

    ``unsent``: counters of messages that stood unsent in a store that is gone.
    """

    shop: Shop
    heard: int = 0
    replaced: int = 0
    chains: list[bytes] = field(default_factory=list)
    least_tries: int = 3
    texted: list[tuple[str, bool]] = field(default_factory=list)
    patience: Patience = field(default_factory=Patience)
    chapter: Chapter = field(default_factory=Chapter)
    unsent: set[int | None] = field(default_factory=set)
    rescued_by: int = 0  # the last start of the agent that found a damaged store


@dataclass(slots=True)
class Audit:
    """``faults``: what did not hold, in the order in which it was seen."""

    world: World
    secret: SecretKey
    faults: list[str] = field(default_factory=list)
    books: dict[str, Book] = field(default_factory=dict)
    planted: list[str] = field(default_factory=list)
    collector: Collector = field(init=False)

    def __post_init__(self) -> None:
        self.collector = Collector(
            self.secret, self._complain, lambda device: self.books[device].replaced > 0
        )
        self.world.at(LOOK_S, self._look)
        self.world.radio.on_segment = self._arrived

    def add(self, shop: Shop) -> None:
        """A shop, which pairs now."""
        self.books[shop.plan.name] = book = Book(shop)
        shop.on_start = lambda: self._started(book)
        self.pair(shop)

    def pair(self, shop: Shop) -> None:
        """With headquarters, while the shop's agent does not run; again where the keys were lost."""
        self.books[shop.plan.name].patience.forget()
        self.collector.receiver.import_bundle(shop.pair(self.secret.card("hq", None)), confirmed=True)

    def look_after(self, shop: Shop, after_s: float) -> None:
        """Somebody asks for its ``status`` then, and pairs it again where that says that the keys are gone."""
        self.world.at(after_s, partial(self._look_at, shop))

    def _look_at(self, shop: Shop) -> None:
        if shop.agent is None:
            self.look_after(shop, LOOK_S)  # it is back soon
            return
        with shop.disk.at_peace():
            is_paired = shop.agent.register.pairings.of("hq") is not None
        if not is_paired:
            shop.kill()
            self.pair(shop)

    # As it happens.

    def heard(self, shop: Shop, job: Job) -> None:
        """A sale was heard to its end: it is in the ledger, once."""
        book = self.books[shop.plan.name]
        book.heard += 1
        tries = [modem.machine.commands.sim.tries_left for modem in shop.modems]
        book.least_tries = min(book.least_tries, *tries)
        if shop.agent is None:
            return
        for expected in job.expected:
            self._look_for(book, expected, job.at)
        with shop.disk.at_peace():
            self._look_for_old_keys(book)

    def _look(self) -> None:
        """Nothing waits for nothing."""
        for book in self.books.values():
            words = book.patience.look(book.shop, self.world.now)
            if words is not None:
                self._fault(book.shop, words)
        self.world.at(LOOK_S, self._look)

    def _look_for(self, book: Book, expected: Transaction, at: float) -> None:
        times = 0
        for newest in _RECENT:
            entries = self._entries(book, newest)
            if entries is None:
                return
            times = sum(is_of(entry.transaction, expected) for entry in entries)
            if times:
                break
        if times == 0 or (times > 1 and is_known_again(expected)):
            words = f"{_words(expected)} said at {at:.0f} s stands {times} times in the ledger"
            self._fault(book.shop, words)

    def _look_for_old_keys(self, book: Book) -> None:
        """Chain values that were used stand in no file."""
        agent = book.shop.agent
        if agent is None or agent.register.wal_to_truncate:
            return
        pairing = agent.register.pairings.of("hq")
        if pairing is None:
            return
        if pairing.ratchet.chain not in book.chains:
            book.chains.append(pairing.ratchet.chain)
        if book.heard % _ERASURE_EVERY:
            return
        old, book.chains = book.chains[:-1], book.chains[-1:]
        for path in book.shop.config.state_dir.iterdir():
            if ".corrupt-" in path.name or not path.is_file():
                continue
            content = path.read_bytes()
            if any(chain in content for chain in old):
                self._fault(book.shop, f"a chain value that was used stands in {path.name}")

    def _arrived(self, phone: str, deliver: SmsDeliver) -> None:
        if any(book.shop.plan.hq == phone for book in self.books.values()):
            self.collector.receive(deliver, self.world.now)

    def forged(self, octets: bytes) -> None:
        """Somebody else sends this to headquarters."""
        if self.collector.opens(octets):
            self._complain("headquarters opened a forged message")

    def texted(self, shop: Shop, words: str, *, behind_forged: bool) -> None:
        """The network has this text for the shop's SIM."""
        self.books[shop.plan.name].texted.append((words, behind_forged))

    def plant(self, chance: random.Random) -> str:
        """A card number (of no bank) that must be found nowhere afterwards."""
        digits = [4, *(chance.randrange(10) for _ in range(14))]
        doubled = [
            sum(divmod(2 * digit, 10)) if place % 2 == 0 else digit for place, digit in enumerate(digits)
        ]
        pan = "".join(map(str, [*digits, -sum(doubled) % 10]))
        self.planted.append(pan)
        return pan

    def store_ends(self, shop: Shop, *, rescued: bool) -> None:
        """Its store is about to be put back, or to lose a page: what it has now must hold, and another chapter begins."""
        book = self.books[shop.plan.name]
        if shop.agent is not None and self._is_sound(book):
            self._close_chapter(book)
            book.unsent |= self._unsent_on_record(book)
        book.chains, book.texted = [], []
        book.patience.forget()
        book.replaced += 1
        book.chapter = Chapter(self.world.now, rescued or book.chapter.rescued)  # a copy may be a damaged one

    def _started(self, book: Book) -> None:
        """An agent has opened the store, and heard nothing yet."""
        if book.chapter.after_id is None:
            self._open_chapter(book)
        self._notice_rescue(book)

    def _notice_rescue(self, book: Book) -> None:
        """A page that was lost may come to light much later: what was not rescued then is nobody's fault."""
        agent = book.shop.agent
        assert agent is not None
        if book.chapter.rescued and agent.register.alarm is not None and book.rescued_by != book.shop.starts:
            book.rescued_by = book.shop.starts
            self._open_chapter(book)

    def _open_chapter(self, book: Book) -> None:
        entries = self._entries(book, _ALL)
        book.chapter = Chapter(self.world.now, book.chapter.rescued)
        if entries is not None:
            zone = book.shop.clock.zone
            true = BEGAN + timedelta(seconds=self.world.now)
            shown = book.shop.clock.moment().local
            book.chapter.open(
                entries, zone, max(each.astimezone(zone).date().isoformat() for each in (true, shown))
            )

    def _entries(self, book: Book, newest: int) -> list[Entry] | None:
        """The ledger; None where a lost page keeps it from being read, which an agent notices when it asks itself."""
        agent = book.shop.agent
        assert agent is not None
        with book.shop.disk.at_peace():
            try:
                return agent.register.ledger.recent(newest)
            except sqlite3.DatabaseError as error:
                if not book.chapter.rescued:
                    self._fault(book.shop, f"the ledger cannot be read: {error}")
                return None

    # At the end.

    def close(self) -> None:
        """All that can be asked only of the whole."""
        for shop in self.world.shops:
            self.faults += [
                f"{self.world.now:.0f} s: {shop.plan.name}: the agent ended: {why}" for why in shop.crashes
            ]
        for book in self.books.values():
            if book.shop.agent is None:
                self._fault(book.shop, "the agent does not run at the end")
                continue
            self._close_shop(book)
        self._check_counters()
        self._check_gaps()

    def _is_sound(self, book: Book) -> bool:
        """Whether the whole store can be read: an agent that starts on a damaged one rescues it first."""
        agent = book.shop.agent
        assert agent is not None
        with book.shop.disk.at_peace():
            try:
                problems = quick_check(agent.register.connection)
            except sqlite3.DatabaseError as error:
                problems = (str(error),)
        if problems:
            self._fault(book.shop, f"the store is damaged: {problems[0]}")
        return not problems

    def _close_shop(self, book: Book) -> None:
        assert book.shop.agent is not None
        if book.least_tries < 2:
            self._fault(book.shop, f"only {book.least_tries} tries of the PIN were left")
        self._check_secrets(book)
        if not self._is_sound(book):
            return
        register = book.shop.agent.register
        self._close_chapter(book)
        states = Counter(message.state for message in register.outbox.recent(_ALL))
        for state in (State.HELD, State.CLAIMED, State.QUEUED):
            if states[state]:
                self._fault(book.shop, f"{states[state]} messages are still {state.value}")
        read = [received.text or "" for received in register.inbox.recent(_ALL)]
        for words, behind_forged in book.texted:
            # A part that its modem hid for hours finds its partner gone with the forged one, and is shown by itself.
            shown = behind_forged and any(words[:20] in text for text in read)
            if words not in read and not shown:
                self._fault(book.shop, f"a text to the shop was never read whole: {words[:20]}")

    def _close_chapter(self, book: Book) -> None:
        """The ledger, the messages and the texts of one store agree with each other."""
        shop, agent = book.shop, book.shop.agent
        if agent is None or book.chapter.after_id is None:
            return
        self._notice_rescue(book)
        chapter, entries = book.chapter, self._entries(book, _ALL)
        if entries is None:
            self._fault(shop, "the ledger could not be judged")
            return
        messages = agent.register.outbox.recent(_ALL)
        shown = [  # a clone sends what was queued when its disk was copied, by its own SIMs
            each
            for each in self.world.radio.handed_in.shown(shop.plan.owner)
            if each.sender in shop.plan.sims
        ]
        for words in chain(
            ledger_faults(chapter, entries, shop.clock.zone),
            message_faults(chapter, entries, messages, book.patience.able_s),
            text_faults(chapter, entries, messages, shown),
        ):
            self._fault(shop, words)

    def _check_secrets(self, book: Book) -> None:
        texts = [shown.text or "" for shown in self.world.radio.handed_in.shown(book.shop.plan.owner)]
        said = "\n".join([*texts, book.shop.log.getvalue()])
        files = {
            path.name: path.read_bytes() for path in book.shop.config.state_dir.iterdir() if path.is_file()
        }
        for pan in self.planted:
            spaced = " ".join(pan[at : at + 4] for at in range(0, 16, 4))
            for digits in (pan, spaced):
                if digits in said:
                    self._fault(book.shop, "a whole card number stands in a text or in the log")
                for name, content in files.items():
                    if digits.encode() in content:
                        self._fault(book.shop, f"a whole card number stands in {name}")
        size = sum(map(len, files.values()))
        if size > _MOST_STORE_OCTETS:
            self._fault(book.shop, f"the state takes {size} octets")

    def _check_counters(self) -> None:
        """A counter was never used with different content.

        Told by the first segment: the phone joins it with whatever it has under the same reference.
        """
        used: dict[tuple[bytes, int], bytes] = {}
        for phone in {book.shop.plan.hq for book in self.books.values()}:
            for shown in self.world.radio.handed_in.shown(phone):
                if shown.data is None:
                    self.faults.append("something that is no sealed message was sent to headquarters")
                    continue
                first = split_data(bytes.fromhex(shown.data), 0, PORT)[0].ud
                header = Header.decode(first)
                if used.setdefault((header.kid, header.counter), first) != first:
                    self.faults.append(f"counter {header.counter} of {header.kid.hex()} was used twice")

    def _check_gaps(self) -> None:
        """What headquarters lacks the network lost, or the store lost what was to be sent."""
        handed_in: dict[bytes, set[int]] = {}
        for phone in {book.shop.plan.hq for book in self.books.values()}:
            for shown in self.world.radio.handed_in.shown(phone):
                if shown.data is not None:
                    header = Header.decode(bytes.fromhex(shown.data))
                    handed_in.setdefault(header.kid, set()).add(header.counter)
        for pairing in self.collector.receiver.pairings:
            self._check_pairing(pairing, handed_in.get(pairing.keys.kid, set()))

    def _check_pairing(self, pairing: Pairing, handed_in: set[int]) -> None:
        book, lost = self.books[pairing.device], len(self.world.radio.lost)
        heard = {
            counter for binding, counter in self.collector.contradicting if binding == pairing.keys.binding
        }
        unopened = {counter for counter in handed_in - heard if pairing.opened.digest(counter) is None}
        if len(unopened) > lost:
            words = (
                f"headquarters never opened {len(unopened)} messages that were sent; the network lost {lost}"
            )
            self._fault(book.shop, words)
        if not self._is_sound(book):
            return
        missing = {
            counter
            for first, last in self.collector.receiver.gaps(pairing.keys.binding)
            for counter in range(first, last + 1)
        }
        recorded, used = self._unsent_on_record(book) | book.unsent, sorted(handed_in)
        for counter in sorted(missing - handed_in):
            # Left out on purpose by a start, and the message that would say so was lost on its way.
            following = next(iter(used[bisect_right(used, counter) :]), None)
            if counter not in recorded and following not in missing:
                self._fault(book.shop, f"counter {counter} was never sent, and no record says so")

    def _unsent_on_record(self, book: Book) -> set[int | None]:
        if book.shop.agent is None:
            return set()
        unsent = {State.REFUSED, State.EXPIRED, State.UNKNOWN, State.QUEUED, State.CLAIMED}
        messages = book.shop.agent.register.outbox.recent(_ALL)
        return {message.counter for message in messages if message.state in unsent}

    def _fault(self, shop: Shop, words: str) -> None:
        self._complain(f"{shop.plan.name}: {words}")

    def _complain(self, words: str) -> None:
        self.faults.append(f"{self.world.now:.0f} s: {words}")


def _words(told: Transaction) -> str:
    return f"{told.kind.word} {told.reference} over {told.amount_minor}"
