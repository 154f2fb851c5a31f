"""What an installer does to a board's files, and what the board's own loader then makes of them after a power cut."""

import json
import shutil
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillbell_agent.flash import slots as host
from tillbell_agent.flash import small_file
from tillbell_agent.flash.deploy import (
    Package,
    Target,
    choose_target,
    deploy,
    give_try_back,
    roll_back,
    write_slot,
    write_small,
)
from tillbell_agent.flash.examine import CONFIG, OLD_CONFIG, POINTER, examine
from tillbell_agent.flash.hardware import Board
from tillbell_agent.flash.link import BoardError
from tillbell_agent.flash.provision import Tap, config_octets, read_config
from tillbell_agent.flash.slots import GOOD, TRIAL, Pointer
from tillbell_agent.shell.boards import load_boards

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2] / "firmware_bridge"))
from model_board import ModelBoard, silent_step

from tillbell_bridge import config as board_config
from tillbell_start import slots as loader
from tillbell_start import small_file as board_small_file

KEY, OTHER_KEY = bytes(range(32)), bytes(32)


@cache
def pico() -> Board:
    return next(board for board in load_boards() if board.name == "pico")


def config(name: str = "till-1", key: bytes = KEY) -> bytes:
    return config_octets(pico(), name, key, (Tap(9600), Tap(19_200, 7, "E", 2, inverted=True)))


def package(version: str) -> Package:
    """Of three files, one of which takes several pieces."""
    application = {
        "tillbell_bridge/app.mpy": f"app {version}".encode() * 200,
        "tillbell_bridge/hal.mpy": b"the same in all versions",
        f"tillbell_protocol/link/only_in_{version}.mpy": b"frame",
    }
    files = {
        "/tillbell_start/slots.mpy": f"slots {version}".encode(),
        "/tillbell_start/start.mpy": b"start",
        "/main.py": b"run",
    }
    return Package(version, "abcdef0", application, files)


def nobody(_octets: int) -> None:
    """Nobody looks at how far it is."""


def fill(folder: Path, slot: str, version: str) -> None:
    board = ModelBoard(folder)
    write_slot(board, slot, examine(board, ()).slots[slot], package(version), nobody)


def point(folder: Path, pointer: Pointer) -> None:
    write_small(ModelBoard(folder), POINTER, pointer.encode())


def install(board: ModelBoard, version: str = "2", octets: bytes | None = None) -> Target:
    new = package(version)
    target, _, _ = deploy(board, examine(board, new.loader), new, octets or config(), silent_step)
    return target


def starts(folder: Path, aside: Path) -> str | None:
    """The version that the board's loader starts; on a copy, for a start takes a try."""
    shutil.rmtree(aside, ignore_errors=True)
    shutil.copytree(folder, aside)
    slot = loader.choose(str(aside))
    return loader.version(str(aside), slot) if slot is not None else None


def bare(folder: Path) -> None:
    """As it comes, with MicroPython on it."""


def first(folder: Path) -> None:
    install(ModelBoard(folder), "1", config("old", OTHER_KEY))
    point(folder, Pointer("a"))


def both(folder: Path) -> None:
    first(folder)
    fill(folder, "b", "0")


def second_runs(folder: Path) -> None:
    fill(folder, "a", "0")
    fill(folder, "b", "1")
    point(folder, Pointer("b", GOOD, 0, "a"))


def on_trial(folder: Path) -> None:
    """Version 3 was never proved; 1 was."""
    fill(folder, "a", "1")
    fill(folder, "b", "3")
    point(folder, Pointer("b", TRIAL, 2, "a"))


def first_trial(folder: Path) -> None:
    fill(folder, "a", "1")
    point(folder, Pointer("a", TRIAL, 1, None))


def without_pointer(folder: Path) -> None:
    fill(folder, "b", "1")


def half_written(folder: Path) -> None:
    first(folder)
    fill(folder, "b", "3")
    (folder / "b/tillbell_bridge/app.mpy").write_bytes(b"half")


SITUATIONS = [bare, first, both, second_runs, on_trial, first_trial, without_pointer, half_written]


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda each: each.__name__)
def test_the_power_may_go_in_any_operation_and_the_board_starts_the_old_slot_or_the_new_one(
    situation: Callable[[Path], None], tmp_path: Path, figure: Callable[[str], None]
) -> None:
    before = tmp_path / "before"
    before.mkdir()
    situation(before)
    old = {starts(before, tmp_path / "aside")} | ({"1"} if situation is on_trial else set())
    whole = ModelBoard(shutil.copytree(before, tmp_path / "whole"))
    install(whole)
    switched = whole.log.index("rename /slot", len(whole.log) - 1)
    for cut in range(whole.operations):
        for done in (False, True):
            folder = tmp_path / "cut"
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(before, folder)
            with pytest.raises(BoardError):
                install(ModelBoard(folder, cut, done=done))
            started = starts(folder, tmp_path / "aside")
            is_new = cut > switched or (cut == switched and done)
            # A board on which nothing ran may start the new one before it is told to.
            allowed = {"2"} if is_new else old | ({None, "2"} if old == {None} else set())
            assert started in allowed, f"{whole.log[cut]}, done: {done}"
            assert board_config.load(str(folder))[1] != "missing" or not (before / "config").exists()
            install(ModelBoard(folder))
            assert starts(folder, tmp_path / "aside") == "2"
    figure(
        f"flash: power cut in each of {2 * whole.operations} moments of an installation ({situation.__name__})"
    )


@pytest.mark.parametrize("situation", SITUATIONS[1:], ids=lambda each: each.__name__)
def test_what_fails_its_trial_gives_way_to_what_ran_before(
    situation: Callable[[Path], None], tmp_path: Path
) -> None:
    situation(tmp_path)
    target = install(ModelBoard(tmp_path))
    assert [loader.choose(str(tmp_path)) for _ in range(4)] == [target.slot] * 3 + [target.keep]
    assert loader.version(str(tmp_path), target.keep) == "1"


def test_a_first_installation_is_no_trial_for_there_is_nothing_to_go_back_to(tmp_path: Path) -> None:
    install(ModelBoard(tmp_path))
    assert [loader.choose(str(tmp_path)) for _ in range(6)] == ["a"] * 6


def test_a_slot_that_is_whole_already_is_not_written_again(tmp_path: Path) -> None:
    second_runs(tmp_path)
    fill(tmp_path, "a", "2")
    board = ModelBoard(tmp_path)
    install(board)
    assert not any("/a/" in what for what in board.log)


def test_only_files_that_differ_are_written(tmp_path: Path) -> None:
    both(tmp_path)
    board = ModelBoard(tmp_path)
    install(board)
    written = {what.removeprefix("make ") for what in board.log if what.startswith("make ")}
    assert "/b/tillbell_bridge/hal.mpy" not in written
    assert written & {"/tillbell_start/slots.mpy.new", "/tillbell_start/start.mpy.new"} == {
        "/tillbell_start/slots.mpy.new"
    }
    assert not (tmp_path / "b/tillbell_protocol/link/only_in_0.mpy").exists()


def test_a_source_left_in_the_loaders_folder_goes_for_it_would_be_preferred(tmp_path: Path) -> None:
    first(tmp_path)
    (tmp_path / "tillbell_start/slots.py").write_bytes(b"old")
    install(ModelBoard(tmp_path))
    assert sorted(each.name for each in (tmp_path / "tillbell_start").iterdir()) == ["slots.mpy", "start.mpy"]


def test_the_slot_that_was_proved_stays_though_another_is_on_trial(tmp_path: Path) -> None:
    on_trial(tmp_path)
    assert choose_target(examine(ModelBoard(tmp_path), ())) == Target("b", "a")


def test_a_file_that_comes_out_wrong_is_written_once_more(tmp_path: Path) -> None:
    board = ModelBoard(tmp_path)
    board.spoil = 1
    install(board)
    assert starts(tmp_path, tmp_path.with_name("aside")) == "2"


def test_flash_that_never_holds_what_is_written_is_told(tmp_path: Path) -> None:
    first(tmp_path)
    board = ModelBoard(tmp_path)
    board.spoil = 1000
    with pytest.raises(BoardError, match="worn"):
        install(board)
    assert starts(tmp_path, tmp_path.with_name("aside")) == "1"


def test_the_configuration_before_is_kept_as_a_copy(tmp_path: Path) -> None:
    first(tmp_path)
    install(ModelBoard(tmp_path))
    old = read_config(small_file.unseal((tmp_path / OLD_CONFIG.strip("/")).read_bytes()))
    assert old is not None
    assert (old.name, old.key) == ("old", OTHER_KEY)


def test_a_spoilt_configuration_is_not_kept_in_place_of_a_good_copy(tmp_path: Path) -> None:
    first(tmp_path)
    install(ModelBoard(tmp_path))
    (tmp_path / CONFIG.strip("/")).write_bytes(b"spoilt")
    install(ModelBoard(tmp_path), octets=config("third"))
    assert read_config(small_file.unseal((tmp_path / "config.old").read_bytes())).name == "old"


def test_an_update_leaves_the_configuration_alone(tmp_path: Path) -> None:
    first(tmp_path)
    board, new = ModelBoard(tmp_path), package("2")
    deploy(board, examine(board, new.loader), new, None, silent_step)
    assert not any("config" in what for what in board.log)


def test_going_back_names_the_other_slot_and_keeps_this_one_behind_it(tmp_path: Path) -> None:
    both(tmp_path)
    board = ModelBoard(tmp_path)
    assert roll_back(board, examine(board, ())) == "b"
    assert starts(tmp_path, tmp_path.with_name("aside")) == "0"
    assert roll_back(board, examine(board, ())) == "a"


def test_going_back_in_a_trials_last_start_leads_to_the_slot_before(tmp_path: Path) -> None:
    both(tmp_path)
    board = ModelBoard(tmp_path)
    write_small(board, POINTER, Pointer("b", TRIAL, 0, "a").encode())
    assert roll_back(board, examine(board, ())) == "a"


def test_looking_at_a_trial_is_no_start_that_failed(tmp_path: Path) -> None:
    both(tmp_path)
    board = ModelBoard(tmp_path)
    for left, then in ((0, 1), (2, 3), (3, 3)):
        write_small(board, POINTER, Pointer("b", TRIAL, left, "a").encode())
        assert give_try_back(board, examine(board, ())) == examine(board, ())
        assert examine(board, ()).pointer == Pointer("b", TRIAL, then, "a")


def test_what_is_no_trial_is_left_as_it_is(tmp_path: Path) -> None:
    both(tmp_path)
    board = ModelBoard(tmp_path)
    write_small(board, POINTER, Pointer("b", GOOD, 0, "a").encode())
    before = board.operations
    give_try_back(board, examine(board, ()))
    assert board.operations == before


def test_there_is_no_going_back_to_a_slot_that_is_not_whole(tmp_path: Path) -> None:
    half_written(tmp_path)
    board = ModelBoard(tmp_path)
    with pytest.raises(BoardError, match="not whole"):
        roll_back(board, examine(board, ()))
    assert board.operations == 0


def test_looking_changes_nothing(tmp_path: Path) -> None:
    half_written(tmp_path)
    board = ModelBoard(tmp_path)
    found = examine(board, package("1").loader)
    assert (found.boots, found.slots["b"].wrong) == ("a", ("tillbell_bridge/app.mpy",))
    assert found.config is not None
    assert board.operations == 0


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda each: each.__name__)
def test_installer_and_loader_agree_on_what_starts(situation: Callable[[Path], None], tmp_path: Path) -> None:
    situation(tmp_path)
    assert examine(ModelBoard(tmp_path), ()).boots == loader.choose(str(tmp_path))


POINTERS = st.builds(
    Pointer, st.sampled_from("ab"), st.sampled_from([TRIAL, GOOD]), st.integers(0, 3), st.sampled_from(["a", "b", None])
)  # fmt: skip


@given(POINTERS)
def test_both_ends_write_and_read_the_same_pointer(pointer: Pointer) -> None:
    theirs = loader.decode(pointer.encode())
    assert theirs is not None
    assert host.decode_pointer(theirs.encode()) == pointer


@given(st.binary(max_size=40) | st.sampled_from([b"{}", b"[]", b'{"slot":"a"}', b'{"slot":[],"state":1}']))
def test_neither_end_takes_other_octets_for_a_pointer(octets: bytes) -> None:
    assert host.decode_pointer(octets) is None
    assert loader.decode(octets) is None


@given(st.binary(max_size=64))
def test_both_ends_seal_and_open_small_files_alike(octets: bytes) -> None:
    assert small_file.seal(octets) == board_small_file.sealed(octets)
    assert small_file.unseal(octets) == board_small_file.opened(octets)
    assert small_file.unseal(small_file.seal(octets)) == (octets or None)


def test_the_bridge_takes_the_configuration_that_the_installer_writes() -> None:
    for board in load_boards():
        taps = (Tap(9600), Tap(115_200, 7, "O", 2, inverted=True))
        theirs = board_config.parse(config_octets(board, "till-1", KEY, taps))
        assert (theirs.name, theirs.board, theirs.link_key) == ("till-1", board.name, KEY)
        assert [tap.rx for tap in theirs.taps] == [pins.rx for pins in board.taps]
        assert (theirs.taps[1].parity, theirs.taps[1].bits, theirs.taps[1].stop, theirs.taps[1].invert) == (
            "O",
            7,
            2,
            True,
        )


def test_a_manifest_names_every_file_with_its_hash(tmp_path: Path) -> None:
    fill(tmp_path, "a", "1")
    found = json.loads((tmp_path / "a/manifest.json").read_bytes())
    assert found["files"].keys() == package("1").application.keys()
    assert loader.is_whole(str(tmp_path), "a")
