"""``queue``: for each message what it waits for and until when, with an agent and without one."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from till import NOON, Till, configuration

from tillbell_agent.cli import main
from tillbell_agent.database import transaction
from tillbell_agent.outbox import LONGEST_PAUSE_S, Message, State
from tillbell_agent.reports import Circumstances, waiting

Say = pytest.CaptureFixture[str]
READY = Circumstances(running=True)
STOPPED = Circumstances(running=False)
SEARCHING = Circumstances(
    running=True, modems_wait_for="modem sim1: searching for 3 min (…), waits for a network"
)


def message(state: State, not_before: int = 0, last_answer: str | None = None) -> Message:
    return Message(
        id=1, recipient="hq", phone="+8613900139000", format="sealed", message_class="txn", state=state, ledger_id=1,
        counter=None, body=None, left_out=None, created_at=NOON, expires_at=NOON + 9, not_before=not_before, attempts=2,
        unknowns=0, refusals=0, repeated=False, modem=None, last_answer=last_answer, updated_at=NOON,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("of", "circumstances", "words", "until"),
    [
        (
            message(State.HELD),
            Circumstances(True, held_because={"hq": "not paired: run …"}),
            "not paired: run",
            None,
        ),
        (message(State.HELD), STOPPED, "tillbell pair", None),
        (message(State.QUEUED), STOPPED, "tillbell run: no agent is running", None),
        (message(State.QUEUED, NOON), READY, "its turn: a modem is ready", None),
        (message(State.QUEUED, NOON), SEARCHING, "modem sim1: searching for 3 min", None),
        (message(State.QUEUED, NOON + 240, "CMS 38"), READY, "its next try: CMS 38", NOON + 240),
        (message(State.QUEUED, NOON + 240, "CMS 38"), SEARCHING, "searching", NOON + 240),
        (
            message(State.QUEUED, NOON + LONGEST_PAUSE_S + 1),
            READY,
            "its turn",
            None,
        ),  # the clock jumped back: due
        (message(State.CLAIMED), READY, "the modem's answer", None),
        (message(State.CLAIMED), STOPPED, "the last one ended while the modem had it", None),
        (message(State.UNKNOWN, NOON + 60), READY, "repeated, marked", NOON + 60),
        (message(State.UNKNOWN), READY, "not repeated", None),
        (message(State.SENT), READY, "a status report: the network has taken it", None),
    ],
)
def test_each_state_says_what_it_waits_for_and_until_when(
    of: Message, circumstances: Circumstances, words: str, until: int | None
) -> None:
    said, when = waiting(of, NOON, circumstances)
    assert said is not None
    assert words in said
    assert when == until


@pytest.mark.parametrize("state", [State.DELIVERED, State.REFUSED, State.EXPIRED])
def test_what_is_final_waits_for_nothing(state: State) -> None:
    assert waiting(message(state), NOON, READY) == (None, None)


@pytest.fixture
def stored(tmp_path: Path) -> str:
    """Headquarters not paired; the owner's second text waits for a further try."""
    till = Till(tmp_path / "state")
    till.hear(100, "000001")
    till.hear(250, "000002")
    newest = till.register.outbox.recent(1, State.QUEUED)[0]
    now = int(time.time())
    with transaction(till.register.connection):
        till.register.outbox.requeue(newest.id, now + 250, "CMS 38", now)
    till.register.connection.close()
    path = tmp_path / "config.toml"
    path.write_text(configuration(tmp_path / "state"), "utf-8")
    return str(path)


def asked(capsys: Say, *arguments: str) -> Any:
    assert main(["queue", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_json_has_what_each_waits_for_and_until_when_in_unix_seconds(stored: str, capsys: Say) -> None:
    rows = asked(capsys, "--config", stored, "--state", "queued")
    newest, oldest = rows
    assert newest["waits_for"] == oldest["waits_for"] == "tillbell run: no agent is running"
    assert 240 < newest["until"] - time.time() <= 250
    assert oldest["until"] is None
    assert (newest["last_answer"], newest["attempts"]) == ("CMS 38", 0)
    assert [row["state"] for row in asked(capsys, "--config", stored, "--state", "held")] == ["held", "held"]


def test_the_table_says_until_when_in_words(stored: str, capsys: Say) -> None:
    assert main(["queue", "--config", stored]) == 0
    said = capsys.readouterr().out
    assert "tillbell run: no agent is running, in 4 min" in said
    assert "its recipient to be paired: tillbell pair" in said
    assert "tries" in said.splitlines()[0]


def test_a_running_agent_says_it_with_what_its_modem_waits_for(
    stored: str, capsys: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = {"modems_wait_for": "modem sim1: denied for 3 min", "held_because": {"hq": "not paired: run …"}}
    monkeypatch.setattr("tillbell_agent.cli.queue.ask", lambda *_: answer)
    assert main(["queue", "--config", stored]) == 0
    said = capsys.readouterr().out
    assert said.count("modem sim1: denied for 3 min") == 2
    assert "modem sim1: denied for 3 min, in 4 min" in said
    assert said.count("not paired: run …") == 2


def test_a_listing_of_thousands_asks_nothing_long_of_the_running_agent(
    stored: str, capsys: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[dict[str, Any]] = []

    def answer(_: Path, request: dict[str, Any]) -> dict[str, Any]:
        requests.append(request)
        return {"modems_wait_for": None, "held_because": {}}

    for module in ("common", "queue"):
        monkeypatch.setattr(f"tillbell_agent.cli.{module}.ask", answer)
    assert len(asked(capsys, "--config", stored, "--limit", "10000")) == 4
    for verb in ("txn", "inbox"):
        assert main([verb, "--config", stored, "--limit", "10000", "--json"]) == 0
    assert requests == [{"do": "circumstances"}]
