"""A simulated modem's life: it hangs, resets, starts up in its time, is unplugged and plugged in again; its supply sags.

A restart loses modes, entry and open answers; storages and the card's tries stay.
"""

from collections.abc import Callable

from tillbell_agent.sim.modem_card import BUSY, READY, Sim
from tillbell_agent.sim.modem_core import Core, Power
from tillbell_agent.sim.modem_faults import Fault

# Below it modules of this kind complain.
LOW_SUPPLY_MV = 3400
UNDER_VOLTAGE = "UNDER-VOLTAGE WARNNING"  # spelled so by the modules that say it
_SEARCHING = 2


class Life:
    """``boot_s``: deaf for so long after power-on; ``sim_busy_s``, ``search_s``: then the SIM and the network take theirs.

    ``reenumerates``: with a reset the port goes away for ``boot_s``, as a USB modem's does. ``forget``: drop what was
    typed. ``resume``: go on with what waits in the network.
    """

    def __init__(self, core: Core, forget: Callable[[], None], resume: Callable[[float], None]) -> None:
        self.boot_s = self.sim_busy_s = self.search_s = 0.0
        self.reenumerates = False
        self._core, self._forget, self._resume = core, forget, resume

    def strike(self, fault: Fault, now: float) -> None:
        """Do a fault of the kinds hang, reset and unplug."""
        if fault.kind == "hang":
            self.hang(now, fault.seconds)
        elif fault.kind == "reset":
            self.restart(now)
        else:
            self.unplug(now, fault.seconds)

    def hang(self, now: float, seconds: float = 0.0) -> None:
        """No answer to anything; 0: until it is restarted or unplugged."""
        if self._core.power is Power.UNPLUGGED:
            return
        self._end(Power.HUNG)
        self._core.record("hang", now)
        if seconds > 0:
            self._core.after(seconds, now, self._wake)

    def power_off(self, now: float) -> None:
        """Off by command: the port stays, nothing answers until a restart."""
        self._end(Power.OFF)
        self._core.record("off", now)

    def unplug(self, now: float, seconds: float = 0.0) -> None:
        """The port goes away; 0: until ``plug``."""
        self._end(Power.UNPLUGGED)
        self._core.record("unplugged", now)
        if seconds > 0:
            self._core.after(seconds, now, self.plug)

    def plug(self, now: float) -> None:
        """The port is there again, and the modem starts."""
        if self._core.power is Power.UNPLUGGED:
            self._core.record("plugged", now)
            self.start(now, silent=False)

    def restart(self, now: float, *, silent: bool = False, locked: bool = False) -> None:
        """Lose power for a moment. ``locked``: the SIM wants its PIN now. ``silent``: no URC says so."""
        if self._core.power is Power.UNPLUGGED:
            return
        self._end(Power.OFF)
        self._core.record("restart", now)
        if locked:
            self._core.commands.sim.state = "SIM PIN"
        if self.reenumerates:
            self._core.power = Power.UNPLUGGED
            self._core.record("unplugged", now)
            self._core.after(self.boot_s, now, self._return)
        else:
            self.start(now, silent=silent)

    def sim_busy(self, now: float, seconds: float) -> None:
        """The card is there and answers nothing for so long."""
        sim = self._core.commands.sim
        if sim.state == BUSY:
            return
        before, sim.state = sim.state, BUSY

        def ready(at: float) -> None:
            if sim.state == BUSY:
                self._sim_ready(sim, before, at)

        self._core.outside_after(seconds, now, ready)

    def set_registration(self, stat: int, now: float) -> None:
        """Gain or lose the network; told where +CREG, +CGREG or +CEREG asked for it."""
        commands = self._core.commands
        commands.stat = stat
        for name in ("+CREG", "+CGREG", "+CEREG"):
            if commands.kept[name] != "0":
                self._core.urc(f"{name}: {stat}", now)
        self._resume(now)

    def set_supply(self, millivolts: int, now: float) -> None:
        """A supply that is too low is told."""
        self._core.commands.supply_mv = millivolts
        if millivolts < LOW_SUPPLY_MV:
            self._core.urc(UNDER_VOLTAGE, now)

    def _end(self, power: Power) -> None:
        self._core.end_life()
        self._core.power = power
        self._forget()

    def _wake(self, now: float) -> None:
        self._core.power = Power.ON
        self._core.record("awake", now)
        self._resume(now)

    def _return(self, now: float) -> None:
        """Back after a reset with a port that went away: it was starting meanwhile."""
        self._core.record("plugged", now)
        self._run(now, silent=False)

    def start(self, now: float, *, silent: bool = False) -> None:
        """Power comes."""
        self._core.power = Power.BOOTING
        if self.boot_s > 0:
            self._core.after(self.boot_s, now, lambda at: self._run(at, silent=silent))
        else:
            self._run(now, silent=silent)

    def _run(self, now: float, *, silent: bool) -> None:
        core = self._core
        core.commands.reset()
        core.commands.sim.power_on()
        core.power = Power.ON
        if not silent:
            core.urc("RDY", now)
        if self.sim_busy_s > 0:
            self.sim_busy(now, self.sim_busy_s)
        if self.search_s > 0:
            self._search(now)
        self._resume(now)

    def _sim_ready(self, sim: Sim, state: str, now: float) -> None:
        sim.state = state
        self._core.urc(f"+CPIN: {state}", now)
        if state == READY:
            self._core.urc("SMS Ready", now)
        self._resume(now)

    def _search(self, now: float) -> None:
        stat = self._core.commands.stat
        if stat != _SEARCHING:
            self._core.commands.stat = _SEARCHING
            self._core.outside_after(self.search_s, now, lambda at: self.set_registration(stat, at))
