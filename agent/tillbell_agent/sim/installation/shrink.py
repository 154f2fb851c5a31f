"""A run in which something did not hold → a shorter one with the same fault: fewer days, then fewer incidents."""

import re
from collections.abc import Callable

from tillbell_agent.sim.installation.run import Outcome, run_seed


def shrink(seed: int, days: float, shops: int, tell: Callable[[str], None]) -> Outcome | None:
    """The shortest run found, None where everything holds. Incidents are left out by halves, quarters, and so on."""
    found = run_seed(seed, days, shops=shops)
    if not found.faults:
        return None
    wanted = _shape(found.faults[0])
    found = _fewer_days(found, wanted, days, shops, tell)
    return _fewer_incidents(found, wanted, days, shops, tell)


def _fewer_days(
    found: Outcome, wanted: str, drawn: float, shops: int, tell: Callable[[str], None]
) -> Outcome:
    """Ends soon behind the moment that the first fault names, where it is still seen then."""
    moment = re.match(r"(\d+) s", found.faults[0])
    tries = [found.days / 8, found.days / 4, found.days / 2]
    if moment is not None:
        tries.insert(0, float(moment[1]) / 86_400 + 0.01)
    for days in sorted(each for each in tries if each < found.days):
        again = run_seed(found.seed, days, shops=shops, days_drawn=drawn)
        tell(f"{days:.2f} days: {len(again.faults)} faults")
        if _has(again, wanted):
            return again
    return found


def _fewer_incidents(
    found: Outcome, wanted: str, drawn: float, shops: int, tell: Callable[[str], None]
) -> Outcome:
    parts = 2
    while found.incidents:
        numbers = [incident.number for incident in found.incidents]
        size = -(-len(numbers) // parts)
        for start in range(0, len(numbers), size):
            kept = numbers[:start] + numbers[start + size :]
            again = run_seed(found.seed, found.days, shops=shops, only=kept, days_drawn=drawn)
            tell(f"{len(kept)} incidents: {len(again.faults)} faults")
            if _has(again, wanted):
                found, parts = again, max(2, parts - 1)
                break
        else:
            if size == 1:
                return found
            parts = min(len(numbers), 2 * parts)
    return found


def _has(outcome: Outcome, wanted: str) -> bool:
    return any(_shape(fault) == wanted for fault in outcome.faults)


def _shape(fault: str) -> str:
    """A fault's words without its moment, numbers and names."""
    return re.sub(r"[0-9]+", "#", fault.split(": ", 1)[-1])
