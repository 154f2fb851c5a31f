"""Profiles: the schema that every file keeps, which one a model gets, and what none of them may do."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillbell_agent.modem.profile import GENERIC, Profile, choose, parse_profile
from tillbell_agent.shell.profiles import load_profiles
from tillbell_protocol.errors import DecodeError

FOLDER = Path(__file__).resolve().parents[3] / "hw" / "modems"
LEAST = 'name = "x"\ntitle = "X"\n'


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.toml")), ids=lambda file: file.stem)
def test_every_file_keeps_the_schema_and_bears_its_profiles_name(file: Path) -> None:
    profile = parse_profile(file.read_text(encoding="utf-8"))
    assert profile.name == file.stem
    assert profile.models
    # No module here has been on a bench: a start-up time is a claim until hardware confirms it.
    assert "boot_s" in profile.unconfirmed


def test_all_profiles_are_loaded_and_no_two_share_a_model() -> None:
    profiles = load_profiles()
    assert {profile.name for profile in profiles} == {file.stem for file in FOLDER.glob("*.toml")}
    models = [model for profile in profiles for model in profile.models]
    assert len(models) == len(set(models))


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("SIMCOM_SIM800L", "sim800"),
        ("SIMCOM_SIM7600G-H", "sim7600"),
        ("A7670E-FASE", "a7670"),
        ("SIMCOM_SIM7080", "sim7000"),
        ("EC25", "ec25"),
        ("BG95-M3", "bg96"),
        ("Air780E", "air780e"),
        ("SIM modem", "generic"),
        ("", "generic"),
    ],
)
def test_the_model_that_a_modem_tells_chooses_its_profile(model: str, name: str) -> None:
    assert choose(load_profiles(), model).name == name


def test_the_longest_name_wins() -> None:
    short, long = Profile("a", "A", models=("EC20",)), Profile("b", "B", models=("EC200",))
    assert choose((long, short), "EC200A") is long
    assert choose((short, long), "EC20F") is short
    assert choose((), "EC20F") is GENERIC


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("x = 1", "x"),
        ('boot_s = "ten"', "boot_s"),
        ("boot_s = true", "boot_s"),
        ("boot_s = 0", "boot_s"),
        ("boot_s = 600", "boot_s"),
        ("sweep_s = 5", "sweep_s"),
        ("answer_s = 5", "answer_s"),
        ("answer_s = 3600", "answer_s"),
        ('reset = ""', "reset"),
        ('reset = "reboot"', "reset"),
        ('init = ["AT+CMGD=1,4"]', "init"),
        ('init = ["AT+CPIN=\\"1234\\""]', "init"),
        ('init = ["AT+CFUN=1\\rAT+CMGD=1,4"]', "init"),
        ('init = ["ATD0800;"]', "init"),
        ("init = [7]", "init"),
        ('announcements = ["2,1;+CMGD=1"]', "announcements"),
        ('models = ["ec25"]', "models"),
        ('unconfirmed = ["init"]', "unconfirmed"),
        ("credit_pattern = '('", "credit_pattern"),
        ("credit_pattern = 'Balance'", "credit_pattern"),
        ('temperature = "AT+CMTE?"', "temperature"),
        ("temperature_pattern = '(.)'", "temperature"),
        ('temperature = "ATD1"\ntemperature_pattern = "(.)"', "temperature"),
        ("temperature_pattern = '(.)(.)'", "temperature_pattern"),
        ("= 7", "profile"),
    ],
)
def test_a_file_that_does_not_keep_the_schema_is_refused_with_the_key(line: str, key: str) -> None:
    with pytest.raises(DecodeError) as refused:
        parse_profile(LEAST + line)
    assert refused.value.field == key


def test_a_name_and_a_title_are_needed() -> None:
    with pytest.raises(DecodeError, match="title"):
        parse_profile('name = "x"')
    assert parse_profile(LEAST) == Profile("x", "X")


@given(st.text(max_size=200))
def test_any_text_is_a_profile_or_the_modules_own_error(text: str) -> None:
    with suppress(DecodeError):
        assert parse_profile(LEAST + text).reset
