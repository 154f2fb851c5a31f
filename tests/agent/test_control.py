"""The control socket: requests and answers, and everything that a client may do wrong."""

import json
import os
import socket
import sqlite3
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from till import Till
from town import SimClock, Town

from tillbell_agent.control_verbs import Verbs
from tillbell_agent.shell.control import LONGEST_REQUEST, ControlError, ControlServer, ask
from tillbell_agent.shell.watching import SelectorWatch


class Served:
    """A control server that runs in a thread until the test ends."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self.server = ControlServer(state_dir, self.answer)
        self.watch = SelectorWatch()
        self._stopping = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"echo": request, "pad": "x" * int(request.get("pad", 0))}

    def _run(self) -> None:
        while not self._stopping:
            for watched in self.watch.wait(self.server.watched(), 0.02):
                watched.act()

    def stop(self) -> None:
        self._stopping = True
        self._thread.join(10)
        self.server.close()
        self.watch.close()

    def client(self) -> socket.socket:
        """A connection by the short way in, as ``ask`` has it."""
        directory = os.open(self.state_dir, os.O_RDONLY)
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.setblocking(True)  # where the queue of callers is full, wait
        client.connect(f"/proc/self/fd/{directory}/control")
        client.settimeout(10)
        os.close(directory)
        return client


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    yield served
    served.stop()


def test_a_request_is_answered(served: Served) -> None:
    assert ask(served.state_dir, {"do": "status"})["echo"] == {"do": "status"}


def test_only_its_owner_may_ask(served: Served) -> None:
    assert (served.state_dir / "control").stat().st_mode & 0o777 == 0o600


def test_a_state_directory_however_deep_has_its_socket(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a-folder-with-a-long-name"] * 8)
    deep.mkdir(parents=True)
    assert len(str(deep)) > 200
    served = Served(deep)
    try:
        assert ask(deep, {"do": "x"})["echo"] == {"do": "x"}
    finally:
        served.stop()
    assert not (deep / "control").exists()


def test_a_socket_that_a_killed_agent_left_is_replaced(tmp_path: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / "control"))
    left.close()
    with pytest.raises(ControlError, match="no agent runs"):
        ask(tmp_path, {"do": "x"})
    served = Served(tmp_path)
    assert ask(tmp_path, {"do": "x"})["echo"] == {"do": "x"}
    served.stop()


def test_no_agent_is_said_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="start it with tillbell run"):
        ask(tmp_path, {"do": "status"})
    with pytest.raises(ControlError, match="no agent runs"):
        ask(tmp_path / "missing", {"do": "status"})


def test_a_large_answer_comes_whole(served: Served) -> None:
    assert len(ask(served.state_dir, {"pad": 3_000_000})["pad"]) == 3_000_000


@pytest.mark.parametrize(
    "line", [b"", b"{", b"[]", b"7", b"\xff\xfe", b"null", b"[" * 10_000, b'{"do": \x00}']
)
def test_a_line_that_is_no_request_gets_an_error_and_the_connection_stays(
    served: Served, line: bytes
) -> None:
    with served.client() as client, client.makefile("rb") as answers:
        client.sendall(line + b"\n" + b'{"do": "after"}\n')
        assert json.loads(answers.readline()) == {"error": "not a JSON object"}
        assert json.loads(answers.readline())["echo"] == {"do": "after"}


def test_pieces_of_a_request_are_put_together(served: Served) -> None:
    with served.client() as client, client.makefile("rb") as answers:
        for octet in b'{"do": "slow"}\n':
            client.sendall(bytes([octet]))
        assert json.loads(answers.readline())["echo"] == {"do": "slow"}


def test_a_line_without_an_end_is_cut_off(served: Served) -> None:
    with served.client() as client, pytest.raises(OSError, match=r"reset|Broken pipe"):  # noqa: PT012
        for _ in range(1000):
            client.sendall(b"x" * LONGEST_REQUEST)
    assert ask(served.state_dir, {"do": "x"})["echo"] == {"do": "x"}


def test_clients_beyond_the_bound_are_turned_away_and_the_others_served(served: Served) -> None:
    clients = [served.client() for _ in range(40)]
    answered = 0
    for client in clients:
        try:
            client.sendall(b'{"do": "x"}\n')
            answered += client.recv(100).startswith(b'{"echo"')
        except OSError:
            continue
        finally:
            client.close()
    assert answered >= 16
    assert ask(served.state_dir, {"do": "x"})["echo"] == {"do": "x"}


def test_a_client_that_does_not_read_its_answers_stops_nobody_for_long(served: Served) -> None:
    with served.client() as deaf:
        deaf.sendall(b'{"pad": 5000000}\n' * 3)
        assert ask(served.state_dir, {"do": "x"})["echo"] == {"do": "x"}


def test_a_client_that_goes_away_leaves_nothing_behind(served: Served) -> None:
    for _ in range(50):
        served.client().close()
    with served.client() as client, client.makefile("rb") as answers:
        client.sendall(b'{"do": "x"}\n')
        assert json.loads(answers.readline())["echo"] == {"do": "x"}


# The verbs


@pytest.fixture(scope="module")
def verbs(tmp_path_factory: pytest.TempPathFactory) -> Verbs:
    till = Till(tmp_path_factory.mktemp("verbs") / "state", ("owner", "hq"))
    till.hear()
    town = Town(till)
    return Verbs(till.config, [town.listener], [], [town.modem], till.register, till.guard, SimClock())


def test_status_tells_of_lines_modems_recipients_and_store(verbs: Verbs) -> None:
    status = verbs.answer({"do": "status"})
    assert (status["running"], status["device"]) == (True, "till-1")
    assert status["sources"][0].items() >= {"name": "printer", "open": True, "told": 0, "lost": 0}.items()
    assert status["modems"][0]["ready"] is False
    assert status["modems"][0]["doing"]
    hq = status["recipients"][1]
    assert (hq["fingerprint"], "not paired" in hq["held_because"]) == (None, True)
    assert status["today"] == [{"currency": "CNY", "count": 1, "net_minor": 12650, "unknown_count": 0}]
    assert status["messages"]["hq"] == {"held": 1}


def test_circumstances_say_why_messages_wait(verbs: Verbs) -> None:
    told = verbs.answer({"do": "circumstances"})
    assert told["modems_wait_for"].startswith("modem sim1:")
    assert told["held_because"]["owner"] is None or "not paired" in told["held_because"]["owner"]
    assert "not paired" in told["held_because"]["hq"]


def test_no_answer_grows_with_what_is_stored(tmp_path: Path) -> None:
    """A long listing would hold up the lines: who wants one reads the store."""
    till = Till(tmp_path / "state", ("owner", "hq"))
    town = Town(till)
    verbs = Verbs(till.config, [town.listener], [], [town.modem], till.register, till.guard, SimClock())
    lengths = []
    for reference in ("000001", "000002"):
        till.hear(reference=reference)
        lengths.append([len(json.dumps(verbs.answer({"do": verb}))) for verb in ("status", "circumstances")])
    assert [abs(after - before) < 20 for before, after in zip(*lengths, strict=True)] == [True, True]


@pytest.mark.parametrize(("code", "damaged"), [(sqlite3.SQLITE_CORRUPT, True), (sqlite3.SQLITE_FULL, False)])
def test_a_store_that_cannot_be_read_is_an_answer_and_its_damage_is_known_to_the_register(
    tmp_path: Path, code: int, damaged: bool
) -> None:
    till = Till(tmp_path / "state", ("owner",))
    town = Town(till)
    verbs = Verbs(till.config, [town.listener], [], [town.modem], till.register, till.guard, SimClock())

    class Broken:
        def execute(self, *_: object) -> None:
            error = sqlite3.DatabaseError("database disk image is malformed")
            error.sqlite_errorcode = code
            raise error

    whole, till.register.connection = till.register.connection, Broken()  # type: ignore[assignment]
    assert "malformed" in verbs.answer({"do": "status"})["error"]
    assert till.register.damaged is damaged
    whole.close()


@pytest.mark.parametrize(
    "request_",
    [
        {}, {"do": 7}, {"do": None}, {"do": ["status"]}, {"do": "send"}, {"do": "send", "to": None, "text": "x"},
        {"do": "send", "to": "nobody", "text": "x"}, {"do": "send", "to": "owner"},
        {"do": "send", "to": "owner", "text": "x", "class": "urgent"}, {"do": "send", "to": "owner", "text": "\ud800"},
        {"do": "send", "to": ["owner"], "text": "x"},
    ],
)  # fmt: skip
def test_a_wrong_request_is_an_answer_with_an_error(verbs: Verbs, request_: dict[str, Any]) -> None:
    answer = verbs.answer(request_)
    assert answer.keys() == {"error"}
    assert answer["error"]
    json.dumps(answer).encode()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
requests = st.fixed_dictionaries(
    {"do": st.sampled_from(["status", "circumstances", "send", "wake", "x"])},
    optional={
        "to": values | st.just("owner"),
        "text": values,
        "class": values,
    },
)


@given(requests)
@settings(max_examples=150)
def test_any_request_gets_an_answer_that_json_can_carry(verbs: Verbs, request_: dict[str, Any]) -> None:
    json.dumps(verbs.answer(request_), ensure_ascii=False).encode()
