"""The bridge as a whole, a turn at a time: taps, link, console, flash, light. Nothing in a turn waits."""

import gc
import sys

from tillbell_bridge import console, hal, led
from tillbell_bridge.config import Config, load
from tillbell_bridge.health import Health
from tillbell_bridge.journal import Journal
from tillbell_bridge.ring import Ring
from tillbell_bridge.session import DeviceSession, Who
from tillbell_bridge.store import Epochs, Store
from tillbell_bridge.tap import Tap
from tillbell_protocol.link import messages as m
from tillbell_protocol.link.mac import Mac
from tillbell_start import repl, slots, small_file

# Where flash stalls the receivers, it is written only after all lines were silent for so long: the pause between two
# pieces of a receipt is shorter.
QUIET_US = 300_000
HALF = 50  # per cent of memory: what an agent keeps waiting goes to flash, too
CONFIRM_US, LATE_US = 60_000_000, 600_000_000
MOST_OUT = 4096
MOST_READS = 8  # in a turn, of what a receiver keeps
SHINE_US = 20_000
REFUSED_US = 1_000_000  # a flash that takes nothing is asked again
_AFTER_CRASH_US = 5_000_000
JOURNAL_ROOM = 512 * 1024
_PARTS = ("taps", "link", "flash", "light")


class Bridge:
    """``board``: see ``hal``; ``cipher``: for the journal; ``root``: of the files; ``version``: of this firmware.

    ``starts``: how often this board has started, this start included; ``memory``: for what is heard.
    """

    def __init__(  # type: ignore[no-untyped-def]
        self,
        board,
        config: Config,
        config_word: str,
        cipher,
        root: str,
        slot: str,
        version: str,
        starts: int,
        memory: bytearray,
    ) -> None:
        self.wish = ""  # ``repl`` or ``reboot``, once somebody asked for it
        self._board, self._config, self._config_word = board, config, config_word
        self._root, self._slot, self._version = root, slot, version
        self._boot = starts
        self._epochs = Epochs(root + "/epochs")
        self._ring = Ring(memory)
        # Never that of an earlier start: neither where chance is poor, nor where flash refused to count.
        log = int.from_bytes(board.random(4), "little") ^ (starts & 0xFFFFFFFF)
        self.store = Store(self._ring, log, starts & 0xFFFF, self._epochs)
        self._taps = _taps(board, config, self.store.add)
        self.health = Health(_PARTS, board.feed)
        key = Mac(config.link_key).digest(b"tillbell journal")
        self._journal = Journal(
            root + "/journal", lambda iv: cipher(key, iv), board.random, JOURNAL_ROOM,
            self._hear_meanwhile,
        )  # fmt: skip
        while any(part.boot == self._boot & 0xFFFF for part in self._journal.old):
            self._boot += 1  # the flash refused to count
        self.store.keep_in(self._journal, self._boot & 0xFFFF)
        self.store.when_asked(self._flush)
        who = Who(config.board, board.unique_id, version, board.reset_cause, self._boot & 0xFFFF)
        nonce = lambda: board.random(16)  # noqa: E731
        self.session = DeviceSession(config.link_key, who, self.store, nonce, self.counters)
        self._console = console.Console()
        self._out = b""
        self._confirmed = False
        self._overruns_shown = self._shine_at = self._keep_at = 0
        self._now = 0

    def _hear_meanwhile(self) -> None:
        """A start looks into one file of its journal after the other: each is progress."""
        self.health.run("taps", self._hear, self._board.ticks_us())
        self._board.feed()

    def turn(self, now: int) -> None:
        """``now``: microseconds since the start."""
        self._now = now
        self.health.run("taps", self._hear, now)
        self.health.run("link", self._talk, now)
        self.health.run("flash", self._keep, now)
        self.health.run("light", self._shine, now)
        self.health.tick(now)

    def keep_all(self) -> None:
        """Into flash with what is in memory: this program ends."""
        self.health.run("flash", self._spill_all, self._now)

    def _spill_all(self, _: int) -> None:
        for _ in range(2):  # first what makes room for what the taps are collecting
            while self.store.spill():
                self._board.feed()
            self._flush()
        while self.store.spill():
            self._board.feed()
        if self._epochs.is_unwritten:
            self._epochs.write()

    def counters(self) -> "dict[str, int]":
        """STATUS's."""
        taps = [tap for tap, _ in self._taps]
        return {
            "octets": sum([tap.octets for tap in taps]),
            "overruns": sum([tap.overruns for tap in taps]),
            "framing_errors": sum([tap.framing_errors for tap in taps]),
            "held": self.store.held,
            "lost": self.store.chunks_lost,
            "free_heap": gc.mem_free() if hasattr(gc, "mem_free") else 0,
            "uptime_s": self._now // 1_000_000,
            "resets": self._boot,
            "flash_writes": self._journal.writes,
            "bad_frames": self.session.bad_frames,
        }

    def _hear(self, now: int) -> None:
        for tap, receiver in self._taps:
            overruns, framing_errors = receiver.take_errors()
            octets = receiver.read()
            tap.heard(octets, now, overruns, framing_errors)
            for _ in range(MOST_READS):
                if not octets:
                    break
                octets = receiver.read()
                tap.heard(octets, now)

    def _flush(self) -> None:
        """What the receivers have, too: the agent is told that nothing else was heard."""
        self._hear(self._now)
        for tap, _ in self._taps:
            tap.flush()

    def _talk(self, now: int) -> None:
        octets = self._board.link_read()
        if octets:
            self.session.receive(octets, now)
            for command in self._console.receive(octets):
                self._answer(command)
        self.session.tick(now)
        if not self._out:
            self._out = self.session.bytes_to_send(256)
        if self._out:
            self._out = self._out[self._board.link_write(self._out) :]

    def _answer(self, command: str) -> None:
        told = {"help": console.help_lines, "status": self._status, "selftest": self._selftest}.get(command)
        if told is None:
            self.wish = command
        if len(self._out) > MOST_OUT:
            return  # for a host that does not read
        self._out += b"\x00" + console.lines(told() if told is not None else [command]) + b"\x00"

    def _status(self) -> "list[str]":
        found = self.counters()
        pointer = slots.read(self._root)
        crash = small_file.read(self._root + "/crash")
        return [
            "name=" + self._config.name,
            "board=" + self._config.board,
            "unique_id=" + self._board.unique_id,
            "firmware=" + self._version,
            "slot=" + self._slot,
            "state=" + (pointer.state if pointer is not None else "unknown"),
            "config=" + self._config_word,
            "session=" + ("up" if self.session.connected else "waiting"),
            "taps=" + ",".join([str(tap.octets) for tap, _ in self._taps]),
            f"memory={self._ring.fill}% of {self._ring.room}",
            f"journal={self._journal.fill}% of {JOURNAL_ROOM}",
            "fault=" + self.health.last_fault,
            "crash=" + (crash or b"").decode(),
        ] + [name + "=" + str(found[name]) for name in found]

    def _selftest(self) -> "list[str]":
        """Flash is written here, whatever the lines do: an installer asked for it."""
        rows = []
        for channel in (1, 2):
            found = [tap for tap, _ in self._taps if tap.channel == channel - 1]
            word = "off" if not found else "ok" if found[0].octets else "no signal"
            rows.append(f"tap{channel}={word}")
        probe = self._board.random(64)
        path = self._root + "/selftest"
        try:
            small_file.write(path, probe)
            rows.append("flash=" + ("ok" if small_file.read(path) == probe else "spoilt"))
        except OSError as error:
            rows.append("flash=refused " + str(error))
        rows.append("key=ok" if self._config_word == "ok" else "key=" + self._config_word)
        return rows

    def _keep(self, now: int) -> None:
        """At most one thing is written in a turn."""
        if self._config.flash_stalls and not self._is_quiet(now):
            if now >= LATE_US and self._is_proven(now):
                self._confirm()  # a line that never rests keeps no version from being proven
            return
        if now < self._keep_at or (self._must_spill(now) and self.store.spill()) or self.store.tidy():
            return
        if self._epochs.is_unwritten:
            self._epochs.write()
        if self._epochs.is_unwritten or self._must_spill(now):
            self._keep_at = now + REFUSED_US
        elif self._is_proven(now):
            self._confirm()

    def _confirm(self) -> None:
        slots.confirm(self._root)
        self._confirmed = True

    def _is_quiet(self, now: int) -> bool:
        return all(now - tap.last_us >= QUIET_US for tap, _ in self._taps)

    def _must_spill(self, now: int) -> bool:
        """The agent is away, or memory runs short; and the lines are silent, or there is as much as one batch takes."""
        if not self._ring.held:
            return False
        first = self._ring.first
        untaken = first if self.store.is_over else max(first, self.session.taken + 1)
        untaken_us = self._heard_us(untaken) if untaken <= self._ring.newest else None
        is_away = self.session.is_agent_away(self._heard_us(first), untaken_us, now)
        return (is_away or self._ring.fill >= HALF) and (self._is_quiet(now) or self.store.ripe())

    def _heard_us(self, seq: int) -> int:
        return m.Data.decode(self._ring.read(seq)).ticks_us

    def _is_proven(self, now: int) -> bool:
        """A new version has done what it is for: a minute without a fault, and the agent understood it."""
        return not self._confirmed and self.session.connected and now >= CONFIRM_US and not self.health.faults

    def _shine(self, now: int) -> None:
        if now < self._shine_at:
            return
        self._shine_at = now + SHINE_US
        overruns = sum(tap.overruns for tap, _ in self._taps)
        if self.session.connected:
            self._overruns_shown = overruns  # the agent was told
        fill = max(self._journal.fill, self._ring.fill)
        new = overruns - self._overruns_shown
        blinks = led.code(self._config_word, new, fill, self.session.connected)
        self._board.set_led(led.is_on(blinks, now))


def main(root: str, slot: str, memory: bytearray) -> None:
    """Returns where the REPL is more use than starting for ever; else the board starts again."""
    config, word = load(root)
    if config is None:
        print("tillbell: no configuration; run tillbell flash")
        return
    starts = next_start(root)  # written before the taps listen
    try:
        board = hal.open_board(config)
    except Exception as error:  # noqa: BLE001 - a pin that is none, say: the REPL is more use than starting for ever
        _note(root, error)
        print("tillbell: this board cannot be opened as configured:", error)
        return
    if board.is_strapped():
        board.set_led(True)
        return
    try:
        wish = run(board, config, word, root, slot, starts, memory)
    except Exception as error:  # noqa: BLE001 - whatever it is: it is kept, and the board starts again
        _note(root, error)
        wish = _wait_for_somebody(board)
    if wish == "repl":
        try:
            repl.ask(root)
        except OSError as error:
            print("tillbell: the flash refuses; use the strap or the boot loader:", error)
    board.reset()


def run(  # type: ignore[no-untyped-def]
    board, config: Config, word: str, root: str, slot: str, starts: int, memory: bytearray
) -> str:
    """The wish with which somebody ended it."""
    from cryptolib import aes  # noqa: PLC0415 - CPython has none, and tests bring their own

    version = slots.version(root, slot)
    cipher = lambda key, iv: aes(key, 2, iv)  # noqa: E731
    board.start_watchdog()  # first, so that no version and no flash can hang in what begins
    bridge = Bridge(board, config, word, cipher, root, slot, version, starts, memory)
    while not bridge.wish:
        bridge.turn(board.ticks_us())
        board.pause()
    for _ in range(20):  # what the console said last
        bridge.turn(board.ticks_us())
        board.pause()
    bridge.keep_all()
    return bridge.wish


def _taps(board, config: Config, add):  # type: ignore[no-untyped-def]
    return [
        (Tap(channel, tap.octet_us, add), board.taps[channel])
        for channel, tap in enumerate(config.taps)
        if tap is not None and board.taps[channel] is not None
    ]


def next_start(root: str) -> int:
    """How often this board has started, this start included."""
    path = root + "/starts"
    found = int.from_bytes(small_file.read(path) or b"\x00", "little") + 1
    try:
        small_file.write(path, found.to_bytes(4, "little"))
    except OSError:
        pass  # a number twice confuses nobody: logs are told apart by chance
    return found


def _wait_for_somebody(board) -> str:  # type: ignore[no-untyped-def]
    """Who wants the REPL says so as to a bridge that works; and a program that fails at once does not wear the flash out.

    Never by Ctrl-C: an agent's frames hold it, and a board that is left at the REPL hears nothing any more.
    """
    said, until = console.Console(), board.ticks_us() + _AFTER_CRASH_US
    while board.ticks_us() < until:
        if "repl" in said.receive(board.link_read()):
            return "repl"
        board.feed()
        board.pause()
    return "reboot"


def _note(root: str, error: Exception) -> None:
    """What kind of error, and where; never what it says, which may be of what was heard."""
    where = ""
    if hasattr(sys, "print_exception"):
        import io  # noqa: PLC0415

        text = io.StringIO()
        sys.print_exception(error, text)
        where = " ".join([line.strip() for line in text.getvalue().split("\n")[1:-2]])
    print("tillbell:", type(error).__name__, where)
    try:
        small_file.write(root + "/crash", (type(error).__name__ + " " + where)[:400].encode())
    except (OSError, MemoryError):
        pass
