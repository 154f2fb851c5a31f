"""What one family of modems needs beyond the standards, as data: TOML text → ``Profile``, and the one that fits a model.

One state machine drives every modem; a profile only fills in its times, its reset, and commands of its own. It can name
no command that sends, dials, deletes, or touches a PIN: those are the session's alone.
"""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from tillbell_protocol.errors import DecodeError

# A line longer than this is refused by some modems (V.250 asks for 40 characters at least; all take 80).
MAX_COMMAND = 80
# The longest start of a module that is known (LTE-M with a slow SIM), doubled.
MAX_BOOT_S = 60.0
# A message's outcome is called unknown after the answer's time: too short makes repetitions, too long a queue that waits.
MIN_ANSWER_S, MAX_ANSWER_S = 20.0, 300.0
_COMMAND = re.compile(r'AT[+^*%&][A-Z0-9]+(?:[=?][-0-9A-Za-z",.?=]*)?$')
_FORBIDDEN = re.compile(r"AT\+(?:CMG[A-Z]|CMSS|CNMA|CPIN|CLCK|CPWD|CPMS|CUSD|COPS)\b")


@dataclass(frozen=True, slots=True)
class Profile:
    """One family. Pulses are for whoever switches its power; ``unconfirmed`` names what only hardware can confirm."""

    name: str
    title: str
    models: tuple[str, ...] = ()  # parts of the answer to +CGMM, upper case
    boot_s: float = 15.0  # from power or reset until it may be judged deaf
    answer_s: float = 60.0  # how long it may wait for the network's answer to a message
    init: tuple[str, ...] = ()  # after the SIM is unlocked; each may be refused
    announcements: tuple[str, ...] = ()  # values of +CNMI to try before the usual ones
    ready: tuple[str, ...] = ()  # unsolicited codes that end its start
    reset: str = "AT+CFUN=1,1"
    fix_speed: bool = False  # it finds its speed by listening: tell it to stay there
    sweep_s: float = 3600.0  # how often its storage is looked through though nothing was announced
    power_on_ms: int = 0
    power_off_ms: int = 0
    credit_pattern: str = ""  # in the answer to a credit request, the amount as group 1
    temperature: str = ""  # the command that asks for it; no standard has one
    temperature_pattern: str = ""  # in its answer, whole degrees Celsius as group 1
    notes: tuple[str, ...] = ()
    unconfirmed: tuple[str, ...] = ()


GENERIC = Profile("generic", "any modem that speaks the standards")


def parse_profile(text: str) -> Profile:
    """TOML → a checked profile. DecodeError names the key that does not fit."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DecodeError("profile", 0, f"no TOML: {error}") from error
    known = {field.name: field for field in fields(Profile)}
    for key in table:
        if key not in known:
            raise DecodeError(key, 0, "no such key")
    for key in ("name", "title"):
        if key not in table:
            raise DecodeError(key, 0, "is missing")
    values = {key: _value(key, value, getattr(GENERIC, key)) for key, value in table.items()}
    profile = Profile(**values)
    _check(profile)
    return profile


def choose(profiles: Iterable[Profile], model: str) -> Profile:
    """The profile whose longest model name is part of ``model`` (the answer to +CGMM); GENERIC where none is."""
    heard = model.upper()
    best, length = GENERIC, 0
    for profile in profiles:
        for name in profile.models:
            if name in heard and len(name) > length:
                best, length = profile, len(name)
    return best


def _value(key: str, value: Any, default: object) -> Any:
    """``value`` in the type of ``default``; a list of texts becomes a tuple."""
    match default, value:
        case (bool(), bool()) | (str(), str()):
            return value
        case (bool(), _) | (_, bool()):
            pass
        case float(), int() | float():
            return float(value)
        case int(), int():
            return value
        case tuple(), list() if all(isinstance(each, str) for each in value):
            return tuple(value)
    raise DecodeError(key, 0, f"{value!r} is not a value like {default!r}")


def _check(profile: Profile) -> None:
    _check_commands(profile)
    _check_pattern("credit_pattern", profile.credit_pattern)
    _check_pattern("temperature_pattern", profile.temperature_pattern)
    if bool(profile.temperature) != bool(profile.temperature_pattern):
        raise DecodeError("temperature", 0, "needs both its command and temperature_pattern")
    if not 0 < profile.boot_s <= MAX_BOOT_S:
        raise DecodeError("boot_s", 0, f"{profile.boot_s:g} s is not within 0 and {MAX_BOOT_S:g} s")
    if not MIN_ANSWER_S <= profile.answer_s <= MAX_ANSWER_S:
        raise DecodeError(
            "answer_s", 0, f"{profile.answer_s:g} s is not within {MIN_ANSWER_S:g} and {MAX_ANSWER_S:g} s"
        )
    if profile.sweep_s < 60:
        raise DecodeError("sweep_s", 0, "less than a minute would hold up sales")
    for name in profile.models:
        if name != name.upper() or len(name) < 4:
            raise DecodeError("models", 0, f"{name!r} must be upper case and have four characters")
    for key in profile.unconfirmed:
        if not getattr(profile, key, None):
            raise DecodeError("unconfirmed", 0, f"{key!r} is not given here")


def _check_commands(profile: Profile) -> None:
    for key in ("init", "reset", "temperature"):
        value = getattr(profile, key)
        for command in value if isinstance(value, tuple) else filter(None, [value]):
            if len(command) > MAX_COMMAND or not _COMMAND.match(command) or _FORBIDDEN.match(command):
                raise DecodeError(key, 0, f"{command!r} is no command for a profile")
    if not profile.reset:
        raise DecodeError("reset", 0, "is empty")
    for values in profile.announcements:
        if not re.fullmatch(r"\d(,\d){1,4}", values):
            raise DecodeError("announcements", 0, f"{values!r} are no values of +CNMI")


def _check_pattern(key: str, pattern: str) -> None:
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise DecodeError(key, 0, f"no pattern: {error}") from error
    if pattern and groups != 1:
        raise DecodeError(key, 0, "must have one group: what is looked for")
