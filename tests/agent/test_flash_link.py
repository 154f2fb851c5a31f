"""mpremote behind its one adapter, against MicroPython itself on a pseudo-terminal, with a file as its flash."""

import hashlib
import importlib.util
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tillbell_agent.flash.link import BoardError, identify
from tillbell_agent.shell.board_link import SerialBoard
from tillbell_agent.sim.board_pty import PtyBoard, find_micropython, new_image

pytestmark = [
    pytest.mark.peer("micropython"),
    pytest.mark.peer("mpremote"),
    pytest.mark.skipif(find_micropython() is None, reason="absent peer: micropython"),
    pytest.mark.skipif(importlib.util.find_spec("mpremote") is None, reason="absent peer: mpremote"),
]
EVERY_OCTET = bytes(range(256)) * 12


@pytest.fixture
def board(tmp_path: Path) -> Iterator[PtyBoard]:
    new_image(tmp_path / "flash")
    with PtyBoard(tmp_path / "flash") as running:
        yield running


def names(link: SerialBoard) -> list[str]:
    """Of what lies on the flash; ``/dev`` is the computer's."""
    return [name for name in link.list_folder("/") or () if name != "dev/"]


def nobody(_octets: int) -> None:
    """Nobody looks at how far it is."""


def test_a_board_says_who_it_is(board: PtyBoard) -> None:
    identity = identify(SerialBoard(board.port))
    assert (identity.platform, identity.mpy, identity.unique_id) == ("linux", 6, "e6614103e7174a22")
    assert identity.block == 4096
    assert 352 * 4096 > identity.free > 300 * 4096


def test_files_come_back_as_they_were_written_and_the_board_has_their_hash(board: PtyBoard) -> None:
    link, told = SerialBoard(board.port), []
    link.make_folder("/a")
    link.write_file("/a/every", EVERY_OCTET, told.append)
    assert link.read_file("/a/every") == EVERY_OCTET
    assert link.hash_file("/a/every") == hashlib.sha256(EVERY_OCTET).hexdigest()
    assert sum(told) == len(EVERY_OCTET)
    assert len(told) > 1
    assert (names(link), link.list_folder("/a")) == (["a/"], ["every"])


def test_what_is_not_there_is_none_and_no_error(board: PtyBoard) -> None:
    link = SerialBoard(board.port)
    assert (link.read_file("/x"), link.hash_file("/x"), link.list_folder("/x")) == (None, None, None)


def test_a_rename_replaces_and_a_removal_removes(board: PtyBoard) -> None:
    link = SerialBoard(board.port)
    link.write_file("/x", b"old", nobody)
    link.write_file("/x.new", b"new", nobody)
    link.rename("/x.new", "/x")
    assert (link.read_file("/x"), names(link)) == (b"new", ["x"])
    link.remove("/x")
    assert names(link) == []


def test_a_board_that_was_left_is_free_though_a_child_that_has_not_begun_its_program_has_it_still(
    board: PtyBoard,
) -> None:
    link = SerialBoard(board.port)
    of_the_child = os.dup(link._transport.serial.fileno())  # as a fork leaves it
    link.reset()
    assert SerialBoard(board.port).exec("print(2)") == "2\n"
    os.close(of_the_child)


def test_an_empty_file_is_a_file(board: PtyBoard) -> None:
    link = SerialBoard(board.port)
    link.write_file("/empty", b"", nobody)
    assert link.read_file("/empty") == b""


@pytest.mark.parametrize("act", ["remove('/x')", "rename('/x', '/y')", "make_folder('/x/y')", "exec('1/0')"])
def test_what_the_board_refuses_is_told_in_its_last_line_only(board: PtyBoard, act: str) -> None:
    link = SerialBoard(board.port)
    with pytest.raises(
        BoardError, match=r"the board says (No such file|OSError: .*ENOENT|ZeroDivisionError)"
    ) as refused:
        eval(f"link.{act}")
    assert "Traceback" not in str(refused.value)
    assert link.exec("print(1)") == "1\n"


def test_a_secret_that_cannot_be_written_is_not_told(board: PtyBoard) -> None:
    link = SerialBoard(board.port)
    with pytest.raises(BoardError) as refused:
        link.write_file("/no/such/folder", b"c0ffee" * 8, nobody)
    assert "c0ffee" not in str(refused.value)


def test_a_board_that_runs_something_is_interrupted(board: PtyBoard) -> None:
    link = SerialBoard(board.port)
    link.write_file("/main.py", b"import time\nwhile True:\n    time.sleep_ms(5)\n", nobody)
    link.reset()
    assert SerialBoard(board.port).exec("print(2)") == "2\n"


def test_a_board_left_in_the_middle_of_a_command_is_entered_again(board: PtyBoard) -> None:
    link = SerialBoard(board.port)
    link._transport.serial.write(b"\x05A\x01" + b"print('half of a comm")
    time.sleep(0.1)
    link.close()
    assert SerialBoard(board.port).exec("print(3)") == "3\n"


def test_a_reset_starts_main_py_and_keeps_the_files(board: PtyBoard) -> None:
    link = SerialBoard(board.port)
    link.write_file("/main.py", b"open('/ran', 'w').close()\n", nobody)
    starts = board.starts
    link.reset()
    again = SerialBoard(board.port)
    assert board.starts == starts + 1
    assert names(again) == ["main.py", "ran"]


def test_the_power_that_goes_is_an_error_and_files_that_were_whole_are_whole(board: PtyBoard) -> None:
    link = SerialBoard(board.port)
    link.write_file("/x", EVERY_OCTET, nobody)
    link.close()
    board.power_cut()
    board.start(cut_after=3)
    link = SerialBoard(board.port)
    with pytest.raises(BoardError, match=r"/y"):
        link.write_file("/y", EVERY_OCTET, nobody)
    link.close()
    assert board.wait_without_power(5)
    board.power_cut()
    board.start()
    assert SerialBoard(board.port).read_file("/x") == EVERY_OCTET


def test_a_port_that_is_no_board_is_told_within_the_time(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(BoardError, match="is the cable loose"):
        SerialBoard(str(tmp_path / "none"), seconds=0.5)
    assert time.monotonic() - began < 5
