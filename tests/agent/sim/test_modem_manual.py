"""``docs/simulated-modem.md`` has every flag, request, fault and kind of log record that there is, and none besides."""

import re
from dataclasses import asdict
from pathlib import Path

import pytest

from tillbell_agent.sim import modem, network
from tillbell_agent.sim.modem_control import REQUESTS
from tillbell_agent.sim.modem_faults import KINDS, make_fault, parse_fault
from tillbell_agent.sim.modem_manual import fault_example, manual

PAGE = Path(__file__).parents[3] / "docs" / "simulated-modem.md"


def test_the_tables_are_the_simulator_s_own() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert manual(page) == page, (
        "python -m tillbell_agent.sim.modem_manual docs/simulated-modem.md writes them anew"
    )
    first_cells = set(re.findall(r"^\| `([\w-]+)` \|", page, re.MULTILINE))
    assert set(KINDS) | set(REQUESTS) | {"--link", "--fault", "--warm-ms"} <= first_cells


def test_a_table_that_was_changed_by_hand_is_noticed() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert manual(page.replace("| `deaf` |", "| `dead` |")) == page


@pytest.mark.parametrize("kind", KINDS)
def test_each_example_of_a_fault_is_the_fault_with_its_defaults(kind: str) -> None:
    assert asdict(parse_fault(fault_example(kind, KINDS[kind]))) == asdict(make_fault(kind, {}))


def test_every_kind_of_log_record_is_explained() -> None:
    sources = [*Path(modem.__file__).parent.glob("modem*.py"), Path(network.__file__)]
    text = "".join(path.read_text(encoding="utf-8") for path in sources)
    written = set(re.findall(r'\brecord\(\s*"(\w+)"', text)) | set(re.findall(r'"ev": "(\w+)"', text))
    log = PAGE.read_text(encoding="utf-8").split("## The log")[1]
    explained = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| ([^|]+) \|", log, re.MULTILINE))))
    # "pdu" or "text", and "full" or "away", are chosen where they are written.
    assert explained - {"ev"} == written | {"pdu", "text", "full", "away"}
