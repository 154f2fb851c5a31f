"""Side by side: Tillbell, Debian's gammu-smsd and Debian's smstools3 on the same simulated modem, in the same run.

Each has a modem, a folder and a start of its own for every measurement. Tillbell's latency and rates are measured with
nothing else running, the others', who mostly sleep, beside each other; rest, faults and PIN, which are waiting, all at once.
A program that is not installed is named in the notes and its column left out.
"""

import contextlib
import random
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

from figures import Row, Table, Value, median, progress
from peer_daemons import ALL, Daemon, Tillbell
from peer_faults import FAULTS, Strike, after_fault, pin_tries
from peer_modem import SimModem, as_the_modem_allows, numbered
from shop import BenchError

MODEM = "the modem itself"
_POLL_S = 0.001
_FIRST_S = 30.0
# Between two texts: no multiple of anything that a program does once a second.
_PAUSE_S = (1.0, 2.2)
_COLD_MS, _WARM_MS = 200, 120


@dataclass(frozen=True, slots=True)
class Scale:
    """``singles``: texts into an idle program. ``backlog``: texts queued before it starts, ``rate_s`` at most for them.

    ``idle_s``: how long it is left at rest. ``faulty``: texts in a run with a fault, ``fault_s`` at most for it, without
    the time to start. ``pin_s``: how long each of three starts with a wrong PIN lasts. ``turns``: how
    often the modem's rates and Tillbell's are measured. ``faults``: which ones.
    """

    singles: int
    backlog: int
    rate_s: float
    idle_s: float
    faulty: int
    fault_s: float
    pin_s: float
    turns: int
    faults: tuple[Strike, ...] = FAULTS


FULL = Scale(singles=8, backlog=80, rate_s=25.0, idle_s=60.0, faulty=30, fault_s=150.0, pin_s=10.0, turns=3)
QUICK = Scale(singles=2, backlog=12, rate_s=9.0, idle_s=20.0, faulty=6, fault_s=25.0, pin_s=5.0, turns=1)

Column = Mapping[str, Value]
_ROWS = (
    ("first_byte", "queued to first octet of AT+CMGS, idle, median", "ms", "least"),
    ("first_byte_max", "  longest", "ms", ""),
    ("first_byte_command", "  from starting its command, median", "ms", "least"),
    ("rate_zero", "sent, the network takes no time", "messages/s", "most"),
    ("rate_warm", f"sent, {_COLD_MS} ms cold, {_WARM_MS} ms warm", "messages/s", "97 % of the modem"),
    ("rate_share", "  of what the modem allows", "%", "97"),
    ("cpu_idle", "at rest: processor time", "% of a core", "least"),
    ("rss", "at rest: resident memory (VmRSS)", "MiB", "30"),
    ("back", "port back to first AT+CMGS", "s", "least"),
    *(
        row
        for fault in FAULTS
        for row in (
            (f"{fault.key}_missing", f"{fault.words}: lost", "", "0"),
            (f"{fault.key}_waiting", "  not arrived and still queued", "", ""),
            (f"{fault.key}_told", "  reported as failed or unknown", "", ""),
            (f"{fault.key}_repeated", "  arrived more than once, nothing saying so", "", "0"),
            (f"{fault.key}_marked", "  repetitions that say so", "", ""),
            (f"{fault.key}_s", "  start to last arrival", "s", ""),
        )
    ),
    ("pin_tries", "PIN tries burnt by a wrong stored PIN, 3 starts", "of 3", "1"),
)


def measure(folder: Path, scale: Scale) -> list[Table]:
    """The whole comparison. ``folder`` is empty, on a real disk."""
    programs = [program for program in ALL if program.is_here()]
    places = _Places(folder)
    columns: dict[str, dict[str, Value]] = {MODEM: {}, **{program.name: {} for program in programs}}
    progress("peers: a backlog and single texts, Tillbell")
    for name, rates in zip((MODEM, Tillbell.name), _in_turn(places, scale), strict=True):
        columns[name] |= rates
    columns[Tillbell.name] |= _first_byte(places, Tillbell, scale.singles)
    progress("peers: a backlog and single texts, the others")
    others = [program for program in programs if program is not Tillbell]
    notes = _at_once(columns, [(program.name, partial(_timed, places, program, scale)) for program in others])
    progress(f"peers: rest, faults and a wrong PIN, up to {scale.fault_s:.0f} s")
    waiting = [partial(_rest, places, scale), partial(_pin, places, scale)]
    waiting += [partial(_fault, places, scale, strike) for strike in scale.faults]
    notes += _at_once(
        columns, [(program.name, partial(one, program)) for one in waiting for program in programs]
    )
    return [_table(columns, programs, notes)]


class _Places:
    """A new folder for each modem and program."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._numbers = folder, count()

    @contextlib.contextmanager
    def pair(
        self, program: type[Daemon], *more: str, pin: str | None = None
    ) -> Iterator[tuple[SimModem, Daemon]]:
        """A running modem and a program that has not been started; both are ended, whatever happens."""
        with self.modem(*more) as (modem, folder):
            daemon = program(folder, modem.port, pin)
            try:
                yield modem, daemon
            finally:
                daemon.stop()

    @contextlib.contextmanager
    def modem(self, *more: str) -> Iterator[tuple[SimModem, Path]]:
        folder = self._folder / f"{next(self._numbers)}"
        folder.mkdir()
        with SimModem(folder, *more) as modem:
            yield modem, folder


def _at_once(
    columns: dict[str, dict[str, Value]], jobs: Sequence[tuple[str, Callable[[], Column]]]
) -> list[str]:
    """Do all jobs at the same time, each in its thread; what each finds belongs to the named column.

    Another program's failing costs its figures and gives a note; Tillbell's own is a BenchError.
    """
    notes = []
    with ThreadPoolExecutor(max(1, len(jobs))) as threads:
        for name, job in [(name, threads.submit(one)) for name, one in jobs]:
            try:
                columns[name] |= job.result()
            except BenchError as error:
                if name == Tillbell.name:
                    raise
                notes.append(f"{name}: {error}")
    return notes


def _timed(places: _Places, program: type[Daemon], scale: Scale) -> Column:
    return {**_rates(places, program, scale), **_first_byte(places, program, scale.singles)}


def _in_turn(places: _Places, scale: Scale) -> list[dict[str, float]]:
    """The rates of the modem itself and of Tillbell, measured by turns: a busy machine slows both. The median of each."""
    measured: list[list[dict[str, float]]] = [[], []]
    for _ in range(scale.turns):
        for rates, program in zip(measured, (None, Tillbell), strict=True):
            rates.append(_rates(places, program, scale))
    return [{key: median([one[key] for one in rates]) for key in rates[0]} for rates in measured]


def _rates(places: _Places, program: type[Daemon] | None, scale: Scale) -> dict[str, float]:
    return {
        "rate_zero": _rate(places, program, (0, 0), scale),
        "rate_warm": _rate(places, program, (_COLD_MS, _WARM_MS), scale),
    }


def _first_byte(places: _Places, program: type[Daemon], singles: int) -> Column:
    """Milliseconds from a text's being queued, and from starting the command that queues it, to AT+CMGS."""
    handed, started, chance = [], [], random.Random(singles)
    with places.pair(program) as (modem, daemon):
        _start_and_settle(modem, daemon)
        for number in range(singles):
            handed.append(_until_command(modem, chance, partial(daemon.hand_over, numbered(number))))
        for number in range(singles):
            command = daemon.way_in(numbered(singles + number))
            if command is not None:
                started.append(_until_command(modem, chance, partial(_run, command)))
    return {
        "first_byte": median(handed),
        "first_byte_max": max(handed),
        "first_byte_command": median(started or handed),
    }


def _until_command(modem: SimModem, chance: random.Random, queue: Callable[[], float]) -> float:
    """``queue`` returns the moment from which to count."""
    time.sleep(chance.uniform(*_PAUSE_S))
    before = len(modem.commands("AT+CMGS"))
    began = queue()
    end = time.monotonic() + _FIRST_S
    while len(modem.commands("AT+CMGS")) == before:
        if time.monotonic() > end:
            raise BenchError(f"a queued text is not written to the modem within {_FIRST_S:.0f} s")
        time.sleep(_POLL_S)
    return 1000 * (modem.commands("AT+CMGS")[before] - began)


def _run(command: list[str]) -> float:
    began = time.monotonic()
    subprocess.run(command, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, timeout=30, check=True)
    return began


def _rate(places: _Places, program: type[Daemon] | None, latency_ms: tuple[int, int], scale: Scale) -> float:
    """Texts a second from the first's being accepted to the last's; None: the barest loop there is."""
    with contextlib.ExitStack() as stack:
        if program is None:
            modem, _ = stack.enter_context(places.modem(*_latency(latency_ms)))
            as_the_modem_allows(modem, scale.backlog, time.monotonic() + scale.rate_s)
        else:
            modem, daemon = stack.enter_context(places.pair(program, *_latency(latency_ms)))
            daemon.put([numbered(number) for number in range(scale.backlog)])
            daemon.start()
            end = time.monotonic() + scale.rate_s
            while len(modem.accepted()) < scale.backlog and time.monotonic() < end:
                time.sleep(0.02)
                daemon.mind(time.monotonic())
        accepted = modem.accepted()
    if len(accepted) < 2:
        raise BenchError("fewer than two texts of a backlog were sent: no rate")
    return (len(accepted) - 1) / (accepted[-1] - accepted[0])


def _latency(latency_ms: tuple[int, int]) -> tuple[str, ...]:
    return ("--latency-ms", str(latency_ms[0]), "--warm-ms", str(latency_ms[1]))


def _start_and_settle(modem: SimModem, daemon: Daemon) -> None:
    """Start it, let one text through, and wait a moment."""
    daemon.start()
    daemon.put([numbered(999)])
    end = time.monotonic() + _FIRST_S
    while not modem.shown():
        if time.monotonic() > end:
            raise BenchError(f"{daemon.name} sends nothing within {_FIRST_S:.0f} s")
        time.sleep(0.02)
    time.sleep(2.0)


def _rest(places: _Places, scale: Scale, program: type[Daemon]) -> Column:
    with places.pair(program) as (modem, daemon):
        _start_and_settle(modem, daemon)
        before = daemon.cpu_s()
        time.sleep(scale.idle_s)
        used = daemon.cpu_s() - before
        return {"cpu_idle": 100 * used / scale.idle_s, "rss": daemon.resident_mib()}


def _fault(places: _Places, scale: Scale, strike: Strike, program: type[Daemon]) -> Column:
    with places.pair(program, *_latency((_COLD_MS, _WARM_MS))) as (modem, daemon):
        return after_fault(modem, daemon, strike, scale.faulty, scale.fault_s)


def _pin(places: _Places, scale: Scale, program: type[Daemon]) -> Column:
    with places.pair(program, "--pin", "4711", pin="1234") as (modem, daemon):
        return {"pin_tries": pin_tries(modem, daemon, scale.pin_s)}


def _table(columns: Mapping[str, dict[str, Value]], programs: list[type[Daemon]], said: list[str]) -> Table:
    modem = columns[MODEM]["rate_warm"]
    for name in columns:
        rate = columns[name]["rate_warm"]
        if isinstance(rate, float) and isinstance(modem, float):
            columns[name]["rate_share"] = 100 * rate / modem
    rows = tuple(
        Row(key, what, {name: found.get(key) for name, found in columns.items()}, unit, wanted)
        for key, what, unit, wanted in _ROWS
    )
    absent = [
        f"{program.name} is not installed on this machine"
        for program in ALL
        if program not in programs and program is not Tillbell
    ]
    notes = ("; ".join(program.version() for program in programs), *_NOTES, *absent, *said)
    return Table("peers", "Side by side, on the same simulated modem", tuple(columns), rows, notes)


_NOTES = (
    "the modem itself: command, prompt, PDU, answer in a bare loop that stores nothing",
    "its rates and Tillbell's: the median of runs by turns",
    "a text of unknown outcome is repeated once, marked, after a minute without a report; the others repeat unmarked",
    "gammu-smsd with LoopSleep 1: at 0 it is a busy loop, as its manual says, and little faster",
    "smstools3 is woken by SIGCONT for each file, as its manual proposes with inotifywait",
)
