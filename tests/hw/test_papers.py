"""The papers for people: sums that add up, commands that exist, and no result that nobody has seen."""

import argparse
import ast
import csv
import datetime
import importlib
import operator
import re
import sys
from collections import Counter
from pathlib import Path

import pytest

from tillbell_agent.cli import VERBS

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "hw" / "wiring"))
from circuits import KINDS
from make import circuits

HW = Path(__file__).resolve().parents[2] / "hw"
POWER = (HW / "power.md").read_text("utf-8")
CHECKLIST = (HW / "install-checklist.md").read_text("utf-8")
RESULTS = (HW / "hardware-results.md").read_text("utf-8")
PAPERS = {path.name: path.read_text("utf-8") for path in (*HW.glob("*.md"), *HW.glob("wiring/*.md"))}

# ------------------------------------------------------------------------------------------------ sums

_DO = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def value(text: str) -> float:
    """Of an expression of numbers, + - * / and brackets."""
    return _value(ast.parse(text, mode="eval").body)


def _value(node: ast.expr) -> float:
    if isinstance(node, ast.BinOp):
        return _DO[type(node.op)](_value(node.left), _value(node.right))
    assert isinstance(node, ast.Constant)
    return float(node.value)


def sums() -> list[tuple[str, str, str, str]]:
    """What it is, the expression, the number and the unit of every line in a block named ``arithmetic``."""
    blocks = re.findall(r"```arithmetic\n(.*?)```", POWER, re.S)
    lines = [line for block in blocks for line in block.splitlines()]
    found = [re.fullmatch(r"(.+): (.+) = (\S+) (A|V|C|F|ohm)", line) for line in lines]
    assert None not in found, lines
    return [match.groups() for match in found if match]  # type: ignore[misc]


@pytest.mark.parametrize(("what", "expression", "number", "unit"), sums())
def test_the_arithmetic_is_right(what: str, expression: str, number: str, unit: str) -> None:
    assert value(expression) == pytest.approx(float(number), rel=0.03), f"{what}, in {unit}"


def test_a_wrong_sum_would_be_noticed() -> None:
    assert value("2.0 * 577e-6 / 4.615e-3") != pytest.approx(0.29, rel=0.03)
    assert len(sums()) > 10


def test_what_the_sums_leave_is_above_the_modems_limit() -> None:
    left = next(float(number) for what, _, number, _ in sums() if what.startswith("what is left"))
    limit = float(re.search(r"lowest point of a burst \| ([\d.]+) V", POWER)[1])  # type: ignore[index]
    assert left > limit > 3.5


# ------------------------------------------------------------------------------------------------ commands


def commands(text: str) -> list[str]:
    """Every ``tillbell …`` between backticks."""
    return re.findall(r"`(tillbell [^`]+)`", text.replace("\n   ", " "))


def verb_of(command: str) -> str:
    words = command.split()[1:]
    two = " ".join(words[:2])
    return two if two in VERBS else words[0]


def test_the_checklist_names_the_steps_in_their_order() -> None:
    order = ["flash", "probe", "check", "run", "send-test"]
    site = CHECKLIST.partition("## On site")[2]
    firsts = [re.search(rf"^\d+\. \*\*.*\n?(?:   .*\n)*?.*`tillbell {verb}\b", site, re.M) for verb in order]
    assert all(firsts)
    begins = [
        site.index(
            f"`tillbell {verb} --base" if verb == "flash" else f"`tillbell {verb}", site.index("Flash it")
        )
        for verb in order
    ]
    assert begins == sorted(begins)
    assert site.index("Measure before wiring") < site.index("Wire the tap") < site.index("Power the bridge")


@pytest.mark.parametrize(
    ("paper", "command"), [(name, each) for name, text in PAPERS.items() for each in commands(text)]
)
def test_every_command_that_a_paper_names_exists_with_its_options(paper: str, command: str) -> None:
    verb = verb_of(command)
    assert verb in {*VERBS, "flash"}, f"{paper}: {command}"
    module = importlib.import_module(f"tillbell_agent.cli.{verb.replace(' ', '_').replace('-', '_')}")
    parser = argparse.ArgumentParser()
    module.configure(parser)
    known = {option for action in parser._actions for option in action.option_strings}
    assert set(re.findall(r"--[a-z][a-z0-9-]*", command)) <= known, f"{paper}: {command}"


def steps() -> list[str]:
    """The text of each numbered step."""
    return re.findall(r"^\d+\. (.*?)(?=^\d+\. |^## |\Z)", CHECKLIST, re.M | re.S)


def test_every_step_says_what_one_sees_and_what_to_do_when_not() -> None:
    assert len(steps()) > 20
    assert [step for step in steps() if step.count("**Expect") != 1 or step.count("**If not:**") != 1] == []


def test_steps_are_numbered_in_order_and_named_steps_exist() -> None:
    for part in re.split(r"^## ", CHECKLIST, flags=re.M):
        numbers = [int(number) for number in re.findall(r"^(\d+)\. ", part, re.M)]
        assert numbers == list(range(1, len(numbers) + 1))


def test_the_checklists_voltages_lead_to_the_wirings_circuits() -> None:
    table = dict(re.findall(r"^   \| (.+? V) \| .+? \| `([\w-]+)`", CHECKLIST, re.M))
    assert {words: name for words, name in table.items() if name != "opto"} == {
        row.idle_words: name for name, row in KINDS.items() if row.idle_v and row.lines == 1
    }


def test_files_that_papers_name_exist() -> None:
    for name, text in PAPERS.items():
        for path in re.findall(r"`((?:hw|docs)/[\w./-]+\.\w+)`", text):
            if not re.search(r"[A-Z]{4}\.toml", path):
                assert (HW.parent / path).exists(), f"{name}: {path}"


# ------------------------------------------------------------------------------------------------ results

COLUMNS = ["id", "what", "how", "passes if", "result", "date", "board", "who"]


def table(text: str) -> list[dict[str, str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert rows[0] == COLUMNS
    assert all(len(row) == len(COLUMNS) for row in rows), "a row has another number of cells"
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows[2:]]


def faults(row: dict[str, str]) -> list[str]:
    """What is wrong with one result. Unproven rows bear nothing; others need all three, and a day that was."""
    filled = [name for name in ("date", "board", "who") if row[name]]
    found = [f"{name} is empty" for name in ("what", "how", "passes if") if not row[name]]
    if row["result"] == "unproven":
        return found + [f"{name} of something unproven" for name in filled]
    if not re.match(r"(passed|failed)\b", row["result"]):
        found.append(f"result {row['result']!r}")
    found += [f"{name} is missing" for name in ("date", "board", "who") if name not in filled]
    try:
        if datetime.date.fromisoformat(row["date"] or "2000-01-01") > datetime.date.today():
            found.append("date is to come")
    except ValueError:
        found.append("date is no date")
    return found


def test_nothing_is_claimed_without_a_date_a_board_and_a_name() -> None:
    assert {row["id"]: faults(row) for row in table(RESULTS) if faults(row)} == {}


@pytest.mark.parametrize(
    ("cells", "fault"),
    [
        ({"result": "passed"}, "date is missing"),
        ({"result": "passed, 0 lost", "date": "2025-03-01", "board": "Pico rev 1"}, "who is missing"),
        ({"result": "passed", "date": "2025-03-01", "who": "A. N."}, "board is missing"),
        ({"result": "passed", "date": "last week", "board": "Pico", "who": "A. N."}, "date is no date"),
        ({"result": "passed", "date": "2999-01-01", "board": "Pico", "who": "A. N."}, "date is to come"),
        ({"result": "should work", "date": "2025-03-01", "board": "Pico", "who": "A. N."}, "result 'should work'"),
        ({"result": ""}, "result ''"),
        ({"board": "Pico"}, "board of something unproven"),
        ({"passes if": ""}, "passes if is empty"),
    ],
)  # fmt: skip
def test_a_result_that_nobody_has_seen_is_refused(cells: dict[str, str], fault: str) -> None:
    row = {**dict.fromkeys(COLUMNS, ""), "what": "w", "how": "h", "passes if": "p", "result": "unproven"}
    assert faults(row) == []
    assert fault in faults({**row, **cells})


def test_a_result_with_all_three_is_taken() -> None:
    row = dict(
        zip(COLUMNS, ["HW-01", "w", "h", "p", "passed, 0 lost", "2025-03-01", "Pico", "A. N."], strict=True)
    )
    assert faults(row) == []


def test_results_are_numbered_in_order_and_every_mention_has_a_row() -> None:
    ids = [row["id"] for row in table(RESULTS)]
    assert ids == [f"HW-{number:02}" for number in range(1, len(ids) + 1)]
    texts = (*PAPERS.values(), (HW / "bom.csv").read_text("utf-8"))
    assert {each for text in texts for each in re.findall(r"\bHW-\d\d\b", text)} <= set(ids)


@pytest.mark.parametrize(
    "topic",
    ["erased", "DMA", "PIO", "brown-out", "pulled", "without a host", "IRAM", "45 ms", "15 m", "burst", "PoE", "FTDI", "temperature"],
)  # fmt: skip
def test_what_the_simulations_cannot_show_is_on_the_list(topic: str) -> None:
    assert any(topic in f"{row['what']} {row['how']} {row['passes if']}" for row in table(RESULTS))


# ------------------------------------------------------------------------------------------------ parts

BOM_COLUMNS = ["part", "quantity", "for", "requirement", "examples", "notes"]


def bom() -> list[dict[str, str]]:
    with (HW / "bom.csv").open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        rows = list(reader)
    assert reader.fieldnames == BOM_COLUMNS
    return rows


def test_the_list_of_parts_is_whole_and_names_each_once() -> None:
    rows = bom()
    assert all(None not in row and None not in row.values() for row in rows), (
        "a row has another number of cells"
    )
    assert [row["part"] for row in rows if not (row["for"] and row["requirement"])] == []
    assert [name for name, count in Counter(row["part"] for row in rows).items() if count > 1] == []


def test_the_list_of_parts_names_no_price_and_no_shop() -> None:
    text = (HW / "bom.csv").read_text("utf-8")
    assert re.findall(r"[€$£¥]|\bEUR\b|\bUSD\b|https?:|www\.", text) == []


def test_every_part_of_every_drawing_is_listed_in_the_number_that_it_takes() -> None:
    listed = {row["part"]: int(row["quantity"]) for row in bom()}
    for name, circuit in circuits().items():
        needed = Counter(part.material for part in circuit.parts)
        assert {part: count for part, count in needed.items() if listed.get(part, 0) < count} == {}, name


def test_no_part_is_listed_as_one_of_a_drawing_that_no_drawing_has() -> None:
    used = {part.material for circuit in circuits().values() for part in circuit.parts}
    kinds = (
        "board",
        "receiver",
        "resistor",
        "clamp",
        "diode",
        "optocoupler",
        "digital",
        "isolated",
        "jumper",
        "lamp",
    )
    assert [row["part"] for row in bom() if row["part"].split()[0] in kinds and row["part"] not in used] == []
