"""``tillbell flash``: an installation and an update, step by step; each leaves a board that starts with something whole."""

import argparse
from dataclasses import dataclass

from tillbell_agent.cli.errors import NOT_WELL, REFUSED, UNREACHABLE, USAGE, CliError
from tillbell_agent.cli.flash_base import checked_base, lay_base
from tillbell_agent.cli.flash_board import Opened, baudrate_of, bridge_status, find_board, opened, restart
from tillbell_agent.cli.flash_package import build
from tillbell_agent.cli.flash_screen import Screen
from tillbell_agent.cli.flash_settings import (
    Settings,
    existing_key,
    port_of,
    ready_key,
    settings_of,
    terminals_in,
)
from tillbell_agent.flash.deploy import Package, choose_target, deploy, room_needed
from tillbell_agent.flash.examine import Installed, examine
from tillbell_agent.flash.hello import Proof
from tillbell_agent.flash.identify import Found
from tillbell_agent.flash.provision import ProvisionError, Tap, config_octets, fingerprint
from tillbell_agent.flash.record import Record
from tillbell_agent.shell.bridge_port import wait_for_bridge
from tillbell_agent.shell.ports import PortError

_HELLO_S = 30.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the bridge shall be told, or already is: its own words where this is an update."""

    name: str
    key: bytes
    taps: tuple[Tap | None, ...]
    config: bytes | None


class Installation:
    """``boots``: what the board starts with if everything ends now; for whoever ends it."""

    def __init__(self, args: argparse.Namespace, screen: Screen, record: Record) -> None:
        self._args, self._screen, self._record = args, screen, record
        self._settings = None if args.update else settings_of(args)
        self._port = self._settings.port if self._settings is not None else port_of(args)
        self.boots = "the board was not touched"

    def plan(self) -> list[str]:
        """What would be done. No port is opened, no file is made."""
        found = self._find()
        rows = [f"the board: {_where(found)}"]
        if self._args.base is not None:
            board, base = checked_base(self._args, found)
            rows.append(
                f"MicroPython {base.version or base.sha256[:12]}, {len(base.octets)} octets, onto {board.title}"
            )
        package = build(self._screen)
        rows.append(
            f"firmware {package.version} ({package.git}): {len(package.application)} files, {package.octets} octets, into "
            "the slot that does not run; each hash asked for on the board"
        )
        return [*rows, *self._plan_settings(), "a restart, HELLO under the key, and the self-test"]

    def run(self) -> None:
        if self._settings is not None:
            existing_key(self._settings.key_file)  # one that cannot be used is said before a board is touched
        found = self._find()
        if self._args.base is not None:
            board, base = checked_base(self._args, found)
            self._record.base, self._record.base_name = base, self._args.base.name
            self.boots = "its boot loader waits for MicroPython: run this again with --base"
            found = lay_base(found, board, base, self._screen, port=self._port, quiet=self._args.json)
            self.boots = "MicroPython as before, or new"
        if found.port is None:
            raise CliError(
                f"flash: {_where(found)} is the boot loader's: give MicroPython for it with --base FILE.uf2",
                USAGE,
            )
        self._record.port = found.port
        package = build(self._screen)
        with self._screen.step("ask the board"):
            status = bridge_status(found)
        self.boots = "what it ran before"
        with opened(found) as board_link:
            wanted = self._deploy(board_link, package, status)
            restart(board_link.link)
        self._greet(found, package, wanted)

    def _find(self) -> Found:
        settings, args = self._settings, self._args
        terminals = settings.terminals if settings is not None else terminals_in(args.config)
        return find_board(args, self._port, terminals)

    def _plan_settings(self) -> list[str]:
        settings = self._settings
        if settings is None:
            return ["the board's configuration and key stay"]
        key = existing_key(settings.key_file)
        made = (
            f"that of {settings.key_file} ({fingerprint(key)})"
            if key
            else f"a new one in {settings.key_file}"
        )
        taps = ", ".join(f"tap {channel} {tap or 'off'}" for channel, tap in enumerate(settings.taps, 1))
        return [f"the name {settings.name!r}, {taps}", f"the link key: {made}"]

    def _deploy(self, opened_board: Opened, package: Package, status: dict[str, str] | None) -> Wanted:
        link, record, screen = opened_board.link, self._record, self._screen
        record.board, record.identity, record.package = opened_board.board, opened_board.identity, package
        with screen.step("look at what is there"):
            before = examine(link, package.loader)
        record.before, record.target = before, (target := choose_target(before))
        self._check_room(opened_board, before, package)
        wanted = self._wanted(opened_board, before, status)
        self.boots = (
            f"slot {target.keep} ({before.slots[target.keep]})" if target.keep else "no application yet"
        )
        _, files, loader = deploy(link, before, package, wanted.config, screen.step)
        screen.note(
            f"{files} of {len(package.application)} files written, {loader} of the loader's; all hashes are right"
        )
        self.boots = f"slot {target.slot} ({package.version})"
        if target.keep is not None:
            self.boots += f", and slot {target.keep} after three starts that fail"
        return wanted

    def _check_room(self, opened_board: Opened, before: Installed, package: Package) -> None:
        """What is in the slot that is written anew counts as room."""
        block = opened_board.identity.block
        facts = before.slots[choose_target(before).slot]
        files = len(facts.manifest.files) if facts.manifest is not None else 0
        room, needed = opened_board.identity.free + files * block, room_needed(package, block)
        if room < needed:
            raise CliError(
                f"flash: the board's file system has {room // 1024} KiB left and needs {needed // 1024} KiB. Remove what "
                "is not the bridge's, or lay MicroPython anew", NOT_WELL,
            )  # fmt: skip

    def _wanted(self, opened_board: Opened, before: Installed, status: dict[str, str] | None) -> Wanted:
        told, settings = before.config, self._settings
        if settings is None:
            if told is None:
                raise CliError(
                    "flash: this board has no configuration that can be read, so --update is not enough: give --name and "
                    "--tap1, or --config",
                    USAGE,
                )
            wanted = Wanted(told.name, told.key, told.taps, None)
        else:
            wanted = self._asked_for(opened_board, before, settings, status)
        self._record.name, self._record.taps = wanted.name, wanted.taps
        self._record.key = fingerprint(wanted.key)
        return wanted

    def _asked_for(
        self, opened_board: Opened, before: Installed, settings: Settings, status: dict[str, str] | None
    ) -> Wanted:
        present = existing_key(settings.key_file)
        if before.config is not None and before.config.key != present and not self._args.forget_held:
            _refuse_held(opened_board, status, settings)
        try:
            octets = config_octets(opened_board.board, settings.name, present or bytes(32), settings.taps)
        except ProvisionError as error:
            raise CliError(f"flash: {error}", USAGE) from error
        key, made = ready_key(settings.key_file)
        if made:
            octets = config_octets(opened_board.board, settings.name, key, settings.taps)
            self._screen.say(f"  the link key is new: {settings.key_file} (0600). The agent needs this file")
        return Wanted(settings.name, key, settings.taps, octets)

    def _greet(self, found: Found, package: Package, wanted: Wanted) -> None:
        assert found.port is not None
        with self._screen.step("wait for its HELLO"):
            try:
                proof, others = wait_for_bridge(found.port.path, baudrate_of(found), wanted.key, _HELLO_S)
            except PortError as error:
                raise CliError(f"flash: {error}. It boots {self.boots}", UNREACHABLE) from error
        if proof is None:
            heard = f"{others} frames, none under this key" if others else "nothing that is a frame"
            raise CliError(
                f"flash: no HELLO within {_HELLO_S:.0f} s: {heard}. It boots {self.boots}. See what it holds: tillbell "
                "flash --verify; the slot before: tillbell flash --rollback",
                NOT_WELL,
            )
        self._record.proof = proof
        _check(proof, package, self._record)
        self.boots = f"slot {self._record.target.slot if self._record.target else ''} ({package.version})"
        self._screen.note(f"HELLO from {proof.hello.unique_id}, firmware {proof.hello.firmware}")


def _check(proof: Proof, package: Package, record: Record) -> None:
    """That it is this board, with this firmware, and sound. Raises CliError."""
    hello, unique = proof.hello, record.identity.unique_id if record.identity is not None else ""
    if unique and hello.unique_id.lower() != unique.lower():
        raise CliError(f"flash: the HELLO is of {hello.unique_id}, and {unique} was flashed: two boards on one line?", NOT_WELL)  # fmt: skip
    if hello.firmware != package.version:
        raise CliError(
            f"flash: it runs firmware {hello.firmware}, not {package.version}: the new slot did not start, and the one "
            "before does. See tillbell flash --verify",
            NOT_WELL,
        )
    selftest = proof.selftest
    if selftest is None:
        raise CliError(
            "flash: HELLO came, and no answer to the self-test. Run tillbell flash --verify", NOT_WELL
        )
    bad = {name: word for name, word in selftest.items() if name in ("flash", "key") and word != "ok"}
    if bad:
        words = ", ".join(f"{name} {word}" for name, word in bad.items())
        raise CliError(f"flash: the self-test says: {words}. Use another board", NOT_WELL)


def _refuse_held(opened_board: Opened, status: dict[str, str] | None, settings: Settings) -> None:
    """Another key makes what the bridge holds unreadable. Raises CliError where it holds something."""
    held = int(status.get("held", "0") or 0) if status is not None else 0
    kept = opened_board.link.list_folder("/journal") or [] if status is None else []
    if held or kept:
        what = f"{held} pieces" if held else "a journal"
        raise CliError(
            f"flash: this bridge holds {what} that no agent has taken, and with another key they cannot be read. "
            f"Let its agent run first, put its key into {settings.key_file}, or give --forget-held",
            REFUSED,
        )


def _where(found: Found) -> str:
    place = found.port.path if found.port is not None else found.volume.path if found.volume else "nowhere"
    return f"{place} ({' or '.join(board.title for board in found.boards)})"
