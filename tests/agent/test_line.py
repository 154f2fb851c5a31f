"""Ports that come and go, a modem's line as the agent has it, and the installer's power command."""

import io
import os
import pty
import sys
import termios
import time
from itertools import pairwise
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from till import OWNER, Till
from town import NoControl, Town

from tillbell_agent.assembly import _modem as build_modem
from tillbell_agent.cli.run import _RealWorld
from tillbell_agent.config import ModemConfig
from tillbell_agent.line import Line
from tillbell_agent.modem.facts import ModemSettings
from tillbell_agent.modem.profile import GENERIC, Profile
from tillbell_agent.modem.session import Session
from tillbell_agent.modem_line import ModemLine
from tillbell_agent.routes import Routes
from tillbell_agent.runner import Runner
from tillbell_agent.shell.log import Log
from tillbell_agent.shell.ports import LineSettings, PortError, TalkPort
from tillbell_agent.shell.power import PowerCommand
from tillbell_agent.sim.modem_faults import Fault
from tillbell_agent.world import Port


@pytest.fixture
def town(tmp_path: Path) -> Town:
    till = Till(tmp_path / "state")
    till.pair()
    return Town(till)


def up(town: Town) -> Town:
    assert town.live(30, lambda: town.modem.session.ready)
    return town


def write(town: Town, text: str) -> None:
    recipient = next(each for each in town.till.config.recipients if each.phone == OWNER)
    town.till.register.write_to(recipient, text, "service", town.clock.moment())


# A port that is not there.


@pytest.mark.parametrize(("missing", "longest"), [(True, 0.5), (False, 5.0)])
def test_a_missing_port_is_looked_for_every_half_second_and_a_busy_one_ever_more_rarely(
    missing: bool, longest: float
) -> None:
    looks: list[float] = []

    def refuse() -> Port:
        looks.append(now)
        raise PortError("/dev/nowhere: no such port", missing=missing)

    line, now = Line(refuse), 0.0
    line.open(now)
    while now < 60:
        assert line.reopen_at is not None
        now = line.reopen_at
        assert line.due(now)
        line.open(now)
    pauses = [later - sooner for sooner, later in pairwise(looks)]
    assert max(pauses) == pytest.approx(longest)
    assert line.since == 0.0, "since when it is gone, not since when it was last looked for"


def test_a_port_that_does_not_exist_is_told_from_one_that_is_busy(tmp_path: Path) -> None:
    with pytest.raises(PortError) as refused:
        TalkPort(LineSettings(str(tmp_path / "nothing")))
    assert refused.value.missing
    with pytest.raises(PortError) as refused:
        TalkPort(LineSettings(str(tmp_path)))
    assert not refused.value.missing


def test_the_speed_of_an_open_port_is_changed_and_a_read_of_nothing_is_still_no_end() -> None:
    near, far = pty.openpty()
    try:
        port = TalkPort(LineSettings(os.ttyname(far), 115200))
        port.set_speed(9600)
        assert termios.tcgetattr(far)[4] == termios.B9600
        assert port.read() == b""
        os.write(near, b"OK")
        deadline = time.monotonic() + 2
        while (data := port.read()) == b"" and time.monotonic() < deadline:
            time.sleep(0.01)
        assert data == b"OK"
        with pytest.raises(PortError, match="bit/s"):
            port.set_speed(-1)
        port.close()
    finally:
        os.close(near)
        os.close(far)


# The line of a modem, in a whole agent.


def test_a_replugged_modem_sends_again_within_three_seconds_of_its_own_start(town: Town) -> None:
    up(town)
    for boot_s in (0.0, 6.0):
        town.machine.life.boot_s = boot_s
        town.modem_port.gone, town.modem_there = True, False
        town.machine.life.power_off(town.clock.now)
        assert town.live(5, lambda: town.modem.line.port is None)
        write(town, f"while it was gone {boot_s:g}")
        town.live(300)
        town.modem_there = True
        town.modem_port.waiting.clear()
        town.machine.life.restart(town.clock.now)
        back = town.clock.now
        assert town.live(60, lambda b=boot_s: f"while it was gone {b:g}" in "".join(town.texts(OWNER)))
        # 0.5 s of these are the simulated network's.
        assert town.clock.now - back < 3 + boot_s
    assert len(town.texts(OWNER)) == 2


def test_a_port_that_refuses_octets_is_closed_and_opened_again_without_a_spin(town: Town) -> None:
    up(town)
    port, takes = town.modem_port, town.modem_port.write

    def refuse(_data: bytes) -> int:
        raise PortError("/dev/nowhere: Input/output error")

    port.write = refuse  # type: ignore[method-assign]
    write(town, "once")
    assert town.live(5, lambda: town.modem.line.port is None)
    assert not town.modem.wants_to_write
    assert town.modem.facts(town.clock.now)["condition"] == "unplugged"
    assert "cannot be written to" in town.log_lines("modem_closed")[0]
    town.live(600)
    assert len(town.log_lines("modem_closed")) < 300
    port.write = takes  # type: ignore[method-assign]
    assert town.live(30, lambda: town.texts(OWNER) == ["once"])


def test_facts_tell_how_the_modem_is_and_nothing_that_names_the_sim(town: Town) -> None:
    up(town)
    town.live(10)
    facts = town.modem.facts(town.clock.now)
    assert {name: facts[name] for name in ("name", "open", "ready", "condition", "doing", "waits_for")} == {
        "name": "sim1", "open": True, "ready": True, "condition": "ready", "doing": "ready",
        "waits_for": "the next message",
    }  # fmt: skip
    assert (facts["signal_dbm"], facts["operator"], facts["voltage_mv"]) == (-73, "TILLBELL", 3950)
    assert facts["imsi_tail"] == "7890"
    assert facts["profile"] == "generic"
    assert "460001234567890" not in repr(facts) + town.said.getvalue()
    assert "356938035643809" not in repr(facts) + town.said.getvalue()


def test_an_unplugged_modem_says_so_since_when_and_what_to_do(town: Town) -> None:
    up(town)
    town.modem_port.gone, town.modem_there = True, False
    town.live(100)
    facts = town.modem.facts(town.clock.now)
    assert facts["condition"] == "unplugged"
    assert 98 < facts["since_s"] <= 100
    assert "plug the modem in" in facts["next_step"]
    assert len(town.log_lines("modem_closed")) == 2, "gone, and not there again: each once"


def test_a_hung_modem_is_closed_and_opened_and_the_ladder_is_shown(town: Town) -> None:
    up(town)
    town.machine.life.hang(town.clock.now)
    assert town.live(300, lambda: town.modem.alarm is not None)
    facts = town.modem.facts(town.clock.now)
    assert [each["step"] for each in facts["ladder"]][-3:] == [
        "reset by command", "close and open the port", "alarm",
    ]  # fmt: skip
    assert facts["condition"] == "deaf"
    assert len(town.log_lines("modem_open")) == 2
    town.live(600)
    assert len(town.log_lines("modem_not_ready")) < 5, "a deaf modem does not fill the log"
    town.machine.life.restart(town.clock.now)
    assert town.live(75, lambda: town.modem.session.ready)
    assert town.modem.facts(town.clock.now)["alarm"] is None


def test_a_modem_that_stays_away_is_an_alarm_until_it_works_again(town: Town) -> None:
    up(town)
    town.modem_port.gone, town.modem_there = True, False
    town.live(500)
    assert town.modem.facts(town.clock.now)["alarm"] is None
    town.live(200)
    assert str(town.modem.facts(town.clock.now)["alarm"]).startswith("its port does not come back")
    town.modem_there = True
    assert town.live(30, lambda: town.modem.session.ready)
    assert town.modem.facts(town.clock.now)["alarm"] is None


def test_a_changed_sim_is_an_alarm_that_stays(town: Town) -> None:
    up(town)
    town.machine.commands.sim.imsi = "460009999990001"
    town.machine.restart(town.clock.now)
    assert town.live(60, lambda: town.modem.session.ready and town.modem.alarm is not None)
    town.live(1000)
    alarm = town.modem.facts(town.clock.now)["alarm"]
    assert alarm == "the SIM was changed: its IMSI ends in 0001, it was 7890"


def test_a_modem_that_talks_nonsense_does_not_fill_the_log(town: Town) -> None:
    up(town)
    for _ in range(1000):
        town.modem_port.waiting += b"\r\nnonsense\r\n"
        town.live(0.1)
    assert 20 <= len(town.log_lines("modem_unknown_line ")) <= 60
    assert "count=" in town.log_lines("modem_unknown_lines")[0]


class Switch:
    """A power command that works: the modem restarts."""

    def __init__(self, town: Town) -> None:
        self.town, self.starts = town, 0

    def start(self, _profile: Profile) -> str | None:
        self.starts += 1
        self.town.machine.life.restart(self.town.clock.now)
        return None

    def trouble(self) -> str | None:
        return None


def test_the_power_command_ends_a_hang_that_nothing_else_ends(tmp_path: Path) -> None:
    till = Till(tmp_path / "state")
    till.pair()
    town = Town(till)
    switch = Switch(town)
    settings = {"can_power": True}
    town.modem = _with_power(town, switch, settings)
    up(town)
    write(town, "before")
    assert town.live(30, lambda: len(town.texts(OWNER)) == 1)
    town.machine.faults.add(Fault("hang", seconds=0.0))
    write(town, "during")
    assert town.live(600, lambda: switch.starts == 1)
    write(town, "after")
    assert town.live(120, lambda: "after" in town.texts(OWNER))
    assert switch.starts == 1


def _with_power(town: Town, switch: Switch, settings: dict[str, bool]) -> ModemLine:
    """The town's modem, made anew with a power command."""
    town.courier.session = Session(town.clock.now, settings=ModemSettings(**settings))  # type: ignore[arg-type]
    log = Log(town.said)
    modem = ModemLine("sim1", "/dev/nowhere", town._open_modem, town.courier, log, lambda: None, power=switch)
    town.runner = Runner(
        [town.listener], [], [modem], town.till.register, NoControl(), town.clock, town, log, town._on_ready
    )
    town.runner.start()
    return modem


def test_a_configured_modem_gets_its_speed_its_profiles_and_its_power_command(tmp_path: Path) -> None:
    till = Till(tmp_path / "state")
    config = ModemConfig("sim1", "/dev/nowhere", 9600, power_command=("false",), credit_code="*100#")
    modem = build_modem(
        config, till.register, _RealWorld(till.config), Log(io.StringIO()), Routes({"sim1": ()})
    )
    assert modem.session.speed == 9600
    settings = modem.session._settings
    assert (settings.can_power, settings.credit_code) == (True, "*100#")
    assert {profile.name for profile in settings.profiles} >= {"sim800", "ec25"}
    assert isinstance(modem._power, PowerCommand)


# The power command itself.


def ended(command: PowerCommand) -> str | None:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        trouble = command.trouble()
        if trouble is not None or command._running is None:
            return trouble
        time.sleep(0.01)
    raise AssertionError("the command did not end")


def test_the_power_command_learns_the_modems_name_and_pulses(tmp_path: Path) -> None:
    out = tmp_path / "out"
    script = tmp_path / "power"
    script.write_text(
        f'#!/bin/sh\necho "$TILLBELL_MODEM $TILLBELL_POWER_OFF_MS $TILLBELL_POWER_ON_MS" >{out}\n'
    )
    script.chmod(0o755)
    command = PowerCommand("sim1", [str(script)])
    assert command.start(Profile("x", "X", power_on_ms=500, power_off_ms=3000)) is None
    assert ended(command) is None
    assert out.read_text() == "sim1 3000 500\n"


def test_a_power_command_that_fails_is_told_once_with_its_exit_code() -> None:
    command = PowerCommand("sim1", ["false"])
    assert command.start(GENERIC) is None
    assert ended(command) == "false ended with exit code 1"
    assert command.trouble() is None


def test_a_power_command_that_is_missing_or_still_runs_is_told() -> None:
    assert "Check power_command" in (PowerCommand("sim1", ["/nowhere/power"]).start(GENERIC) or "")
    command = PowerCommand("sim1", ["sleep", "60"])
    assert command.start(GENERIC) is None
    assert command.start(GENERIC) == "sleep still runs"
    command._ends_by = 0.0
    assert "took longer" in (command.trouble() or "")
