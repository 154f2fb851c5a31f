"""A quarter of ``make kill-sending``, and proof by made-up logs that each thing it looks for would be found."""

import os
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from kill_sending import figures
from sending_judged import Verdict, judge_sealed, judge_shown, judge_texts
from sending_log import PHASES, Account, Life, account
from shop import HQ, OWNER

from tillbell_agent.sim.demo_check import REPEAT_MARK

# Two shops side by side, since most of the time is interpreters that start.
SHOPS, KILLS = 2, 25


def test_killed_while_sending_with_lost_answers_the_agent_loses_nothing_and_repeats_only_what_is_open(
    tmp_path: Path, figure: Callable[[str], None]
) -> None:
    seed = int(os.environ.get("TILLBELL_SEED", "20261121"))
    folders = [tmp_path / str(number) for number in range(SHOPS)]
    for folder in folders:
        folder.mkdir()
    seeds = range(seed, seed + SHOPS)
    with ProcessPoolExecutor(SHOPS) as shops:
        told = list(shops.map(figures, folders, [KILLS] * SHOPS, seeds))
    for one, (summary, faults) in zip(seeds, told, strict=True):
        figure(f"kill while sending: {'; '.join(' '.join(row.split()) for row in summary.splitlines())}")
        again = f"again with: python tests/end_to_end/kill_sending.py --kills {KILLS} --seed {one}"
        assert faults == [], again


@dataclass
class Log:
    """A log as the modem would write it, and the agents' lives; each begins at 10, 20, 30 …"""

    records: list[dict[str, Any]] = field(default_factory=list)
    lives: list[Life] = field(default_factory=list)
    at: float = 10.0

    def say(self, ev: str, **values: object) -> None:
        self.at += 0.01
        self.records.append({"ev": ev, "t": self.at, **values})

    def prompt(self) -> None:
        self.say("cmd", line="AT+CMGS=99")

    def pdu(
        self, words: str, part: int = 1, total: int = 1, *, to: str = OWNER, lost_ok: bool = False
    ) -> None:
        """From AT+CMGS to the network; ``words`` of a sealed message are its octets in hex."""
        if self.at == 10.0 * (len(self.lives) + 1):
            self.at += 0.5  # the modem's initialisation
        self.prompt()
        self.say("pdu", hex="")
        if lost_ok:
            self.say("fault", kind="lost_ok")
        text, octets = (words, "") if to == OWNER else (None, words)
        self.say("sms", to=to, parts=[part, total], text=text, ud=octets)

    def kill(self, *handed: str, after: float = 0.01) -> None:
        """``handed``: texts that the store has as handed over."""
        began = 10.0 * (len(self.lives) + 1)
        bodies = tuple((OWNER, words.encode()) for words in handed)
        self.lives.append(Life(began, self.at + after, bodies))
        self.at = began + 10.0

    def judged(self) -> tuple[Account, Verdict]:
        lives = [*self.lives, Life(10.0 * (len(self.lives) + 1), None)]
        found, verdict = account(self.records, lives), Verdict()
        judge_texts(found, lives, OWNER, name_of, verdict)
        judge_sealed(found, HQ, verdict)
        return found, verdict


def name_of(words: str) -> tuple[str, bool] | None:
    plain = words.removeprefix(REPEAT_MARK)
    return (plain[:6], plain != words) if plain[:4] == "text" else None


MARKED = REPEAT_MARK + "text A"


@pytest.fixture
def log() -> Log:
    return Log()


def test_a_marked_text_behind_a_lost_answer_is_in_order(log: Log) -> None:
    log.pdu("text A", lost_ok=True)
    log.kill("text A", after=2.0)
    log.pdu(MARKED)
    found, verdict = log.judged()
    assert (found.phases, found.faults) == ((PHASES[3],), ())
    assert (verdict.repeated, verdict.faults) == (1, [])


def test_a_marked_text_behind_an_answer_that_was_not_committed_is_in_order(log: Log) -> None:
    log.pdu("text A")
    log.kill()
    log.pdu(MARKED)
    found, verdict = log.judged()
    assert found.phases == (PHASES[4],)
    assert verdict.faults == []


def test_a_marked_text_whose_prompt_the_kill_met_is_in_order_if_the_store_had_it(log: Log) -> None:
    log.pdu("text B")
    log.prompt()
    log.kill("text A")
    log.pdu(MARKED)
    found, verdict = log.judged()
    assert (found.phases, found.nameless) == ((PHASES[1],), (0,))
    assert verdict.faults == []


def test_a_marked_text_whose_prompt_the_kill_met_is_a_fault_if_the_store_had_another(log: Log) -> None:
    log.prompt()
    log.kill("text B")
    log.pdu(MARKED)
    assert log.judged()[1].faults == ["text A was repeated, though its outcome was known"]


def test_a_marked_text_is_a_fault_where_another_segment_followed_the_first_copy(log: Log) -> None:
    log.pdu("text A")
    log.pdu("text B")
    log.kill("text B")
    log.pdu(MARKED)
    assert log.judged()[1].faults == ["text A was repeated, though its outcome was known"]


def test_a_marked_text_is_a_fault_where_the_answer_had_been_there_for_a_second(log: Log) -> None:
    log.pdu("text A")
    log.kill(after=1.0)
    log.pdu(MARKED)
    assert log.judged()[1].faults == ["text A was repeated, though its outcome was known"]


def test_a_repetition_without_a_mark_is_a_fault(log: Log) -> None:
    log.pdu("text A", lost_ok=True)
    log.kill("text A")
    log.pdu("text A")
    assert log.judged()[1].faults == ["text A went out twice without a mark"]


def test_a_second_repetition_is_a_fault(log: Log) -> None:
    log.pdu("text A", lost_ok=True)
    log.kill("text A")
    log.pdu(MARKED, lost_ok=True)
    log.kill(MARKED)
    log.pdu(MARKED)
    assert log.judged()[1].faults == ["text A went out twice with its mark"]


def test_a_text_that_goes_out_without_its_mark_behind_its_repetition_is_a_fault(log: Log) -> None:
    log.prompt()
    log.kill("text A")
    log.pdu(MARKED)
    log.pdu("text A")
    assert log.judged()[1].faults == ["text A was repeated, and then went out without a mark"]


def test_an_open_part_goes_again_before_the_last_one_and_not_behind_it(log: Log) -> None:
    log.pdu("text A/1", 1, 2, lost_ok=True)
    log.kill("text A/1", "text A/2")
    log.pdu("text A/1", 1, 2)
    log.pdu("text A/2", 2, 2)
    assert log.judged()[1].faults == []
    log.pdu("text A/1", 1, 2)
    assert log.judged()[1].faults == ["text A went out twice without a mark"]


def test_a_part_whose_answer_was_known_goes_again_by_fault(log: Log) -> None:
    log.pdu("text A/1", 1, 2)
    log.pdu("text B")
    log.kill("text B")
    log.pdu("text A/1", 1, 2)
    assert log.judged()[1].faults == ["text A went out twice without a mark"]


def test_a_lost_answer_to_a_first_part_is_no_reason_for_a_mark(log: Log) -> None:
    log.pdu("text A/1", 1, 2, lost_ok=True)
    log.kill("text A/1", "text A/2")
    log.pdu(REPEAT_MARK + "text A/1", 1, 2)
    assert log.judged()[1].faults == ["text A was repeated, though its outcome was known"]


def test_sealed_octets_go_again_behind_an_open_segment_only(log: Log) -> None:
    log.pdu("c0ffee", to=HQ, lost_ok=True)
    log.lives.append(Life(10.0, 12.0, ((HQ, b"\xc0\xff\xee"),)))
    log.at = 20.0
    log.pdu("c0ffee", to=HQ)
    log.pdu("facade", to=HQ)
    found, verdict = log.judged()
    assert (found.faults, verdict.again, verdict.faults) == ((), 1, [])
    log.pdu("c0ffee", to=HQ)
    assert len(log.judged()[1].faults) == 1


def test_a_pdu_that_had_left_unforeseen_is_a_fault(log: Log) -> None:
    log.pdu("text A", lost_ok=True)
    log.kill("text B")
    assert log.judged()[0].faults == ("kill 1: a PDU had left that the store did not have as handed over",)


@pytest.mark.parametrize(
    ("texts", "cut_off", "faults"),
    [
        (["text A", MARKED], 0, 0),
        ([MARKED], 0, 0),
        ([], 2, 0),
        ([], 1, 1),
        (["text A", "text A"], 0, 1),
        ([MARKED, MARKED], 0, 1),
        (["text A", "text B"], 0, 1),
        (["text A", "what"], 0, 1),
    ],
)
def test_a_phone_shows_each_text_once_or_once_more_marked(
    texts: list[str], cut_off: int, faults: int
) -> None:
    verdict = Verdict()
    judge_shown(texts, ["text A"], name_of, Counter({"text A": cut_off}), verdict)
    assert len(verdict.faults) == faults
    assert verdict.untold == (1 if cut_off == 2 else 0)
