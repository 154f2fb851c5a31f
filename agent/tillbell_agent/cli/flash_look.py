"""``tillbell flash --verify`` and ``--rollback``: what is on a board, and the slot before once more."""

import argparse
from dataclasses import asdict
from typing import Any

from tillbell_agent.cli.common import print_json
from tillbell_agent.cli.errors import NOT_WELL, OK, UNREACHABLE, USAGE, CliError
from tillbell_agent.cli.flash_board import await_port, baudrate_of, find_board, opened, restart
from tillbell_agent.cli.flash_screen import Screen
from tillbell_agent.cli.flash_settings import port_of, terminals_in
from tillbell_agent.flash.deploy import give_try_back, roll_back
from tillbell_agent.flash.examine import Installed, examine
from tillbell_agent.flash.identify import Found
from tillbell_agent.flash.provision import fingerprint
from tillbell_agent.flash.slots import GOOD, Pointer
from tillbell_agent.shell.boards import loader_sources, plain_files
from tillbell_agent.shell.bridge_port import wait_for_bridge
from tillbell_agent.shell.ports import PortError

_HELLO_S = 30.0


def verify(args: argparse.Namespace, screen: Screen) -> int:
    """Reads, and starts the bridge again: a start that is no trial's."""
    target = _target(args)
    with screen.step("look at the board"), opened(target) as board:
        found, unique = give_try_back(board.link, examine(board.link, _loader())), board.identity.unique_id
        restart(board.link)
    troubles = _troubles(found)
    if args.json:
        print_json({**_facts(found), "unique_id": unique, "troubles": troubles})
        return NOT_WELL if troubles else OK
    _print(found, unique)
    print("\n".join(f"  → {trouble}" for trouble in troubles) or "All is whole.")
    return NOT_WELL if troubles else OK


def go_back(args: argparse.Namespace, screen: Screen) -> int:
    """The other slot, if it is whole; and what speaks then."""
    target = _target(args)
    with screen.step("look at the board"), opened(target) as board:
        found = examine(board.link, _loader())
        slot = roll_back(board.link, found)
        restart(board.link)
    version = str(found.slots[slot])
    with screen.step("wait for its HELLO"):
        firmware = _hello(target, found)
    if firmware != version:
        raise CliError(f"flash: slot {slot} has {version}, and {firmware or 'nothing'} says HELLO", NOT_WELL)
    if args.json:
        print_json({"slot": slot, "firmware": firmware})
    else:
        print(f"slot {slot} runs: firmware {firmware}")
    return OK


def _target(args: argparse.Namespace) -> Found:
    target = find_board(args, port_of(args), terminals_in(args.config))
    if target.port is None:
        raise CliError("flash: the board is in its boot loader, where its files cannot be read", USAGE)
    await_port(target)
    return target


def _loader() -> list[str]:
    compiled = [f"/{name.removesuffix('.py')}.mpy" for name in loader_sources()]
    return [*compiled, *(f"/{name}" for name in plain_files())]


def _hello(target: Found, found: Installed) -> str | None:
    """The firmware that says HELLO; None: there is no configuration that it could do so with, or it does not."""
    assert target.port is not None
    if found.config is None:
        return None
    try:
        proof, _ = wait_for_bridge(target.port.path, baudrate_of(target), found.config.key, _HELLO_S)
    except PortError as error:
        raise CliError(f"flash: {error}", UNREACHABLE) from error
    return proof.hello.firmware if proof is not None else None


def _print(found: Installed, unique: str) -> None:
    print(f"board     {unique or 'without an id'}")
    print(f"boots     {f'slot {found.boots}' if found.boots else 'nothing'}{_pointer_words(found.pointer)}")
    for name, facts in found.slots.items():
        git = f" ({facts.manifest.git}, {len(facts.manifest.files)} files)" if facts.manifest else ""
        print(f"slot {name}    {facts}{git}")
    print(f"loader    {sum(text is not None for text in found.loader.values())} of {len(found.loader)} files")
    if found.config is not None:
        taps = ", ".join(f"tap {channel} {tap or 'off'}" for channel, tap in enumerate(found.config.taps, 1))
        print(
            f"config    {found.config.name}, {found.config.board}, {taps}, key {fingerprint(found.config.key)}"
        )


def _pointer_words(pointer: Pointer | None) -> str:
    if pointer is None:
        return ", for there is no pointer"
    behind = f", behind it {pointer.fallback}" if pointer.fallback else ""
    if pointer.state == GOOD:
        return f" (good{behind})"
    return f" (on trial, {pointer.tries} start{'' if pointer.tries == 1 else 's'} left{behind})"


def _facts(found: Installed) -> dict[str, Any]:
    config = found.config
    return {
        "boots": found.boots,
        "pointer": asdict(found.pointer) if found.pointer is not None else None,
        **{f"slot {name}": str(facts) for name, facts in found.slots.items()},
        "loader": {path: digest or "missing" for path, digest in found.loader.items()},
        "config": "missing"
        if config is None
        else {
            "name": config.name,
            "board": config.board,
            "taps": [str(tap) if tap is not None else None for tap in config.taps],
            "key_fingerprint": fingerprint(config.key),
            "copy": found.config_is_old,
        },
    }


def _troubles(found: Installed) -> list[str]:
    missing = [path for path, digest in found.loader.items() if digest is None]
    rows = [f"slot {name}: {', '.join(facts.wrong)}" for name, facts in found.slots.items() if facts.wrong]
    rows += [f"the loader lacks {', '.join(missing)}: tillbell flash --update"] if missing else []
    rows += ["no slot is whole: tillbell flash --update"] if found.boots is None else []
    if found.config is None:
        rows.append("there is no configuration: tillbell flash --name … --tap1 …")
    elif found.config_is_old:
        rows.append("the configuration is spoilt, and the copy before it is used: set it up again")
    return rows
