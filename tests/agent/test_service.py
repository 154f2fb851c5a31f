"""Around the agent: service manager, lock, owner of the state, private files, the log, what this board is."""

import io
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillbell_agent.database import StoreError
from tillbell_agent.shell.files import write_new, write_whole
from tillbell_agent.shell.host import differs, identify
from tillbell_agent.shell.log import Log, short_number
from tillbell_agent.shell.service import become_owner, lock_state, notify, prepare_state

NOBODY = 65534
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def test_the_service_manager_is_told_by_datagram_also_by_an_abstract_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for address, given_name in (
        (str(tmp_path / "n"), str(tmp_path / "n")),
        (f"\0tillbell-{os.getpid()}", f"@tillbell-{os.getpid()}"),
    ):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(address)
            manager.settimeout(5)
            monkeypatch.setenv("NOTIFY_SOCKET", given_name)
            notify("READY=1")
            assert manager.recv(99) == b"READY=1"


def test_a_service_manager_that_is_not_there_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere/at/all")
    notify("READY=1")


def test_a_state_directory_is_made_private(tmp_path: Path) -> None:
    prepare_state(tmp_path / "a" / "state")
    assert (tmp_path / "a" / "state").stat().st_mode & 0o777 == 0o700
    prepare_state(tmp_path / "a" / "state")


def test_a_file_in_the_place_of_the_state_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    with pytest.raises(StoreError, match="cannot be made"):
        prepare_state(tmp_path / "state")


def test_one_agent_holds_the_state_and_a_second_is_refused_until_it_ends(tmp_path: Path) -> None:
    first = lock_state(tmp_path)
    with pytest.raises(StoreError, match="another tillbell runs on"):
        lock_state(tmp_path)
    os.close(first)
    os.close(lock_state(tmp_path))
    assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600


def test_a_lock_that_cannot_be_opened_is_an_error_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(StoreError, match="cannot open"):
        lock_state(tmp_path)


def test_the_owner_of_ones_own_directory_stays_who_one_is(tmp_path: Path) -> None:
    before = (os.geteuid(), os.getgroups())
    become_owner(tmp_path)
    become_owner(tmp_path / "missing")
    assert (os.geteuid(), os.getgroups()) == before


@root_only
def test_root_becomes_the_owner_with_its_groups_for_good(tmp_path: Path) -> None:
    os.chown(tmp_path, NOBODY, NOBODY)
    program = (
        "import os, sys; from pathlib import Path; from tillbell_agent.shell.service import become_owner\n"
        f"become_owner(Path({str(tmp_path)!r})); print(*os.getresuid(), *os.getresgid(), 0 in os.getgroups())"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said.split() == [str(NOBODY)] * 6 + ["False"]


@root_only
def test_another_user_gets_an_error_that_names_the_user(tmp_path: Path) -> None:
    for parent in [tmp_path, *tmp_path.parents]:
        if parent != Path("/") and parent.stat().st_uid == 0:
            parent.chmod(parent.stat().st_mode | 0o055)
    program = (
        "from pathlib import Path; from tillbell_agent.shell.service import prepare_state\n"
        f"prepare_state(Path({str(tmp_path)!r}))"
    )
    done = subprocess.run(
        ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", sys.executable, "-c", program],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "not writable for user nobody" in done.stderr


# Files


def test_a_file_is_replaced_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o644)
    write_whole(path, b"new")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_a_replacement_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"new")
    assert path.read_text() == "old"


def test_a_new_file_never_replaces_one(tmp_path: Path) -> None:
    write_new(tmp_path / "key", b"first")
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "key", b"second")
    assert (tmp_path / "key").read_bytes() == b"first"
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_of_a_new_file_that_the_disk_refuses_nothing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="No space"):
        write_new(tmp_path / "key", b"secret")
    assert list(tmp_path.iterdir()) == []


# The log


def said(level: str = "info", **values: object) -> str:
    stream = io.StringIO()
    getattr(Log(stream), level)("event", **values)
    return stream.getvalue()


def test_a_line_has_a_level_an_event_and_its_values() -> None:
    assert (
        said(source="printer", why="no such port", seq=None)
        == 'info event source=printer why="no such port"\n'
    )
    assert said("error", empty="") == 'error event empty=""\n'


def test_under_a_service_manager_lines_have_a_priority(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    assert said("error").startswith("<3>error")
    assert said("warning").startswith("<4>warning")
    assert said("info").startswith("<6>info")


@given(st.text(max_size=400))
def test_whatever_is_logged_is_one_short_printable_line(value: str) -> None:
    line = said(value=value)
    assert line.count("\n") == 1
    assert line.endswith("\n")
    assert line[:-1].isprintable()
    assert len(line) < 250


def test_no_card_number_is_in_the_log() -> None:
    assert "4111111111111111" not in said(text="card 4111111111111111 was charged")
    assert "4111 1111 1111 1111" not in said(text="card 4111 1111 1111 1111 was charged")


def test_a_log_that_cannot_be_written_ends_nothing() -> None:
    class Full(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError(28, "No space left on device")

    Log(Full()).error("event")
    Log(Full()).bare("ready")


def test_a_phone_number_is_shown_by_its_end() -> None:
    assert short_number("+8613800138000") == "…8000"


# The board


def test_a_board_is_the_same_while_nothing_that_it_had_changes() -> None:
    then = {"machine_id": "a", "board_serial": "b"}
    assert differs(then, then) is None
    assert differs({"machine_id": "a"}, then) is None
    assert differs({}, then) is None
    assert differs(then, {"machine_id": "a"}) == "board_serial"
    assert differs(then, then | {"machine_id": "x"}) == "machine_id"


def test_what_a_board_is_tells_nobody_its_numbers() -> None:
    found = identify()
    machine_id = Path("/etc/machine-id")
    assert found == identify()
    if machine_id.exists() and machine_id.read_text().strip():
        assert machine_id.read_text().strip() not in found.values()
        assert "machine_id" in found
