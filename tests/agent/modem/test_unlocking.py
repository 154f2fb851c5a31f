"""A SIM's PIN: entered once, kept in mind over power cuts, and never the last try. Time is simulated."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tillbell_agent.database import open_database
from tillbell_agent.modem.conditions import Condition
from tillbell_agent.modem.events import NotReady, PinTried, PinWanted
from tillbell_agent.modem.facts import ModemSettings, PinRecord
from tillbell_agent.modem.session import Session
from tillbell_agent.pin_book import PinBook
from tillbell_agent.sim.modem import ModemMachine
from tillbell_agent.sim.modem_commands import Commands, Sim
from tillbell_agent.sim.modem_faults import Fault
from tillbell_agent.sim.modem_rig import Rig
from tillbell_agent.sim.network import Network

RIGHT, WRONG = ModemSettings(pin="1234"), ModemSettings(pin="9999")
ASKS_TRIES = 'AT+CPINR="SIM PIN"'


def rig(sim: Sim, setup: ModemSettings, *, tells_tries: bool = True) -> Rig:
    machine = ModemMachine(Network(datetime(2026, 1, 1, tzinfo=UTC)), commands=Commands(sim))
    if not tells_tries:
        machine.commands.refused = {ASKS_TRIES}
    return Rig(Session(0.0, settings=setup), machine)


def why_not(made: Rig) -> str:
    told = made.seen(NotReady)[-1]
    assert isinstance(told, NotReady)
    return told.why


def test_the_configured_pin_is_entered_once_and_accepted() -> None:
    made = rig(Sim(state="SIM PIN"), RIGHT)
    assert made.run_until_ready()
    assert made.seen(PinTried) == [PinTried(accepted=True)]
    made.machine.restart(made.now, locked=True)
    made.run(1)
    assert made.run_until_ready()
    assert made.seen(PinTried) == [PinTried(accepted=True)] * 2


def test_a_wrong_pin_costs_one_try_however_long_it_runs() -> None:
    sim = Sim(state="SIM PIN")
    made = rig(sim, WRONG)
    assert not made.run_until_ready(3600)
    assert made.seen(PinTried) == [PinTried(accepted=False)]
    assert sim.tries_left == 2
    assert "not tried again" in why_not(made)


def test_a_pin_that_was_put_right_after_a_refusal_is_entered() -> None:
    made = rig(Sim(state="SIM PIN", tries_left=2), RIGHT)
    assert made.run_until_ready()
    assert made.seen(PinTried) == [PinTried(accepted=True)]


@pytest.mark.parametrize(
    ("sim", "setup", "why"),
    [
        (Sim(state="SIM PIN", tries_left=1), RIGHT, "only the last PIN try"),
        (Sim(state="SIM PIN"), ModemSettings("1234", PinRecord(refused=True)), "not tried again"),
        (Sim(state="SIM PIN", tries_left=2), ModemSettings("1234", PinRecord(in_doubt=1)), "not tried again"),
        (Sim(state="SIM PIN"), ModemSettings("12a4"), "not four to eight digits"),
        (Sim(state="SIM PIN"), ModemSettings(), "none is configured"),
        (Sim(state="SIM PUK"), RIGHT, "SIM PUK"),
        (Sim(state="NOT INSERTED"), RIGHT, "cannot be used"),
    ],
)
def test_no_pin_is_entered_where_it_could_lock_the_sim(sim: Sim, setup: ModemSettings, why: str) -> None:
    tries = sim.tries_left
    made = rig(sim, setup)
    assert not made.run_until_ready(300)
    assert sim.tries_left == tries
    assert why in why_not(made)
    assert not made.seen(PinTried) or made.seen(PinTried) == [PinTried(accepted=False)]


@pytest.mark.parametrize("hung_over", ["+CPINR", "+CPIN", "+CMEE"])
@pytest.mark.parametrize("command_s", [0.25, 0.4, 0.6])
def test_a_late_answer_neither_accepts_a_wrong_pin_nor_spends_the_last_try(
    command_s: float, hung_over: str
) -> None:
    for tenths in range(45, 115, 5):
        for tells_tries in (True, False):
            sim = Sim(state="SIM PIN")
            made = rig(sim, WRONG, tells_tries=tells_tries)
            made.machine.command_s = command_s
            made.machine.faults.add(Fault("late", seconds=tenths / 10, command=hung_over))
            made.run(300)
            assert sim.tries_left >= (2 if tells_tries else 1), (tenths, tells_tries)
            assert PinTried(accepted=True) not in made.events, (tenths, tells_tries)


# In doubt: nothing told what came of an entry.


@pytest.mark.parametrize("tells_tries", [True, False])
def test_the_right_pin_goes_in_although_the_modem_restarted_over_its_first_entry(
    *, tells_tries: bool
) -> None:
    sim = Sim(state="SIM PIN")
    made = rig(sim, RIGHT, tells_tries=tells_tries)
    assert made.run(60, lambda: bool(made.seen(PinWanted)))
    made.machine.restart(made.now, locked=True)  # with the octets of the PIN on their way
    assert made.run_until_ready(600), made.session.doing
    assert sim.tries_left == 3


def test_a_modem_that_tells_no_tries_gets_a_pin_in_doubt_once_more_and_no_third_time() -> None:
    sim = Sim(state="SIM PIN")
    made = rig(sim, WRONG, tells_tries=False)
    made.machine.faults.add(Fault("deaf", seconds=8.0, command="+CPIN="))
    made.run(3600)
    setup = ModemSettings("9999", PinRecord(in_doubt=2))
    again = rig(sim, setup, tells_tries=False)
    tries = sim.tries_left
    assert not again.run_until_ready(3600)
    assert "a third try could be the last" in why_not(again)
    assert sim.tries_left == tries >= 1
    assert again.session.condition is Condition.PIN_NEEDED


def test_no_pin_is_written_before_its_try_is_noted() -> None:
    session = Session(0.0, settings=RIGHT)
    made = Rig(session, rig(Sim(state="SIM PIN"), RIGHT).machine)
    noted = session.pin_noted
    session.pin_noted = lambda now: None  # type: ignore[method-assign]  # the disk refuses
    made.run(300)
    assert len(made.seen(PinWanted)) > 100, "it is asked again"
    assert not any(line.startswith("AT+CPIN=") for line in made.lines())
    session.pin_noted = noted  # type: ignore[method-assign]
    assert made.run_until_ready(10)


@pytest.mark.parametrize("tells_tries", [True, False])
@pytest.mark.parametrize("pin", ["1234", "9999"])
def test_power_cuts_at_any_moment_of_the_entry_never_spend_the_last_try(
    tmp_path: Path, pin: str, *, tells_tries: bool
) -> None:
    connection = open_database(tmp_path)
    tried = 0
    for cut_ms in range(2000, 6000, 50):
        sim = Sim(state="SIM PIN")
        book = PinBook(lambda: connection, f"sim{cut_ms}", 7)
        for start in range(5):
            sim.state = "SIM PIN"
            made = rig(sim, ModemSettings(pin, book.read()), tells_tries=tells_tries)
            made.machine.command_s = 0.3
            _run_and_keep(made, book, cut_ms / 1000 if start < 4 else 60.0)
            tried += sum(line.startswith("AT+CPIN=") for line in made.lines())
        assert sim.tries_left >= (2 if tells_tries else 1), cut_ms
    connection.close()
    assert tried > 80


def _run_and_keep(made: Rig, book: PinBook, seconds: float) -> None:
    """Run as a shop does: what the session wants kept goes into the book before it goes on."""
    session, noted = made.session, made.session.pin_noted
    kept: list[object] = []

    def note(now: float) -> None:
        book.about_to_try(made.seen(PinWanted)[-1].left)  # type: ignore[attr-defined]
        noted(now)

    session.pin_noted = note  # type: ignore[method-assign]
    end = made.now + seconds
    while made.run(max(0.0, end - made.now), lambda: len(made.seen(PinTried)) > len(kept)):
        kept.append(made.seen(PinTried)[len(kept)])
        book.tried(accepted=kept[-1].accepted)  # type: ignore[attr-defined]


# The book.


def test_the_book_forgets_nothing_until_the_file_is_written_anew(tmp_path: Path) -> None:
    connection = open_database(tmp_path)
    book = PinBook(lambda: connection, "sim1", 7)
    assert book.read() == PinRecord()
    book.about_to_try(3)
    assert book.read() == PinRecord(in_doubt=1, left=3)
    book.about_to_try(None)
    assert book.read() == PinRecord(in_doubt=2, left=None)
    book.tried(accepted=False)
    assert book.read() == PinRecord(refused=True)
    assert PinBook(lambda: connection, "sim1", 8).read() == PinRecord()
    assert PinBook(lambda: connection, "sim2", 7).read() == PinRecord()


def test_a_pin_that_opened_the_sim_is_in_doubt_no_more(tmp_path: Path) -> None:
    connection = open_database(tmp_path)
    book = PinBook(lambda: connection, "sim1", 7)
    book.about_to_try(3)
    book.tried(accepted=True)
    assert book.read() == PinRecord(left=3)
