import json
import stat
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillbell_agent.cli import init, main
from tillbell_agent.config import ConfigError, load, parse

FLAGS = {
    "--name": "till-7",
    "--merchant": "老王面馆",
    "--timezone": "Asia/Shanghai",
    "--language": "zh",
    "--currency": "CNY",
    "--port": "/dev/tillbell-a",
    "--baudrate": "19200",
    "--encoding": "gb18030",
    "--modem": "/dev/tillbell-b",
    "--phone": "+8613800138000",
}


def words(flags: dict[str, str]) -> list[str]:
    return [word for pair in flags.items() for word in pair]


def made(tmp_path: Path, **changes: str | None) -> tuple[int, Path]:
    path = tmp_path / "shop.toml"
    flags = {**FLAGS, "--state-dir": str(tmp_path / "state")}
    for name, value in changes.items():
        flag = f"--{name.replace('_', '-')}"
        if value is None:
            flags.pop(flag)
        else:
            flags[flag] = value
    return main(["init", "--yes", "--output", str(path), *words(flags)]), path


def test_flags_alone_make_a_configuration_that_passes_the_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, path = made(tmp_path, hq_phone="+8613900139000", short_name="老王")
    assert status == 0
    assert f"tillbell check --config {path}" in capsys.readouterr().out
    config = load(path)
    assert (config.device.name, config.device.merchant, config.device.short_name) == (
        "till-7",
        "老王面馆",
        "老王",
    )
    assert (config.sources[0].port, config.sources[0].baudrate) == ("/dev/tillbell-a", 19200)
    assert config.modems[0].port == "/dev/tillbell-b"
    assert [(r.name, r.phone, r.format) for r in config.recipients] == [
        ("owner", "+8613800138000", "text"),
        ("hq", "+8613900139000", "sealed"),
    ]
    assert main(["check", "--config", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True


def test_the_file_holds_no_secret_so_everybody_may_read_it_and_nothing_else_is_left(tmp_path: Path) -> None:
    _, path = made(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [p.name for p in tmp_path.iterdir()] == ["shop.toml"]


def test_a_bridge_is_a_table_of_its_own_and_the_terminals_port_a_channel_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, path = made(tmp_path, bridge="/dev/tillbell-c", port=None)
    assert status == 0
    assert (
        f"Next: tillbell flash --config {path} --bridge tap, then tillbell check" in capsys.readouterr().out
    )
    config = load(path)
    assert config.sources[0].port == "bridge:tap/1"
    (bridge,) = config.bridges
    assert (bridge.name, bridge.port, bridge.key_file) == ("tap", "/dev/tillbell-c", tmp_path / "tap.key")


def test_optional_values_stay_out_but_a_comment_shows_how(tmp_path: Path) -> None:
    _, path = made(tmp_path)
    text = path.read_text(encoding="utf-8")
    assert '# short_name = "' in text
    assert '# name = "hq"' in text
    assert [r.name for r in load(path).recipients] == ["owner"]


def test_the_second_place_is_commented_beside_the_state_directory_where_its_owner_can_have_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, path = made(tmp_path)
    text = path.read_text(encoding="utf-8")
    line = f'guard_file = "{tmp_path}/state-guard/counters"'
    assert f"# {line}\n" in text
    assert load(path).guard_file is None
    path.write_text(text.replace(f"# {line}", line), encoding="utf-8")
    assert load(path).guard_path == tmp_path / "state-guard" / "counters"
    assert main(["check", "--config", str(path)]) == 0
    assert f"guard_file: {tmp_path}/state-guard is not there. Make it" in capsys.readouterr().out
    (tmp_path / "state-guard").mkdir()
    assert main(["check", "--config", str(path)]) == 0
    assert f"ok    guard_file: {tmp_path}/state-guard/counters" in capsys.readouterr().out


def test_an_existing_file_is_kept_unless_forced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "shop.toml").write_text("mine")
    assert made(tmp_path)[0] == 2
    assert (tmp_path / "shop.toml").read_text() == "mine"
    assert "--force" in capsys.readouterr().err
    flags = words({**FLAGS, "--state-dir": "/s"})
    assert main(["init", "--yes", "--force", "--output", str(tmp_path / "shop.toml"), *flags]) == 0
    assert load(tmp_path / "shop.toml").device.name == "till-7"


def test_every_missing_flag_is_named_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert made(tmp_path, merchant=None, phone=None, port=None)[0] == 2
    error = capsys.readouterr().err
    assert all(flag in error for flag in ("--merchant", "--phone", "--port"))
    assert not (tmp_path / "shop.toml").exists()


@pytest.mark.parametrize(
    ("flag", "value"),
    [("phone", "12 34"), ("currency", "CNX"), ("timezone", "Mars"), ("baudrate", "fast"), ("merchant", "a\nb"),
     ("port", "/dev/tillbell-b"), ("merchant", 'x"\nname = "y')],
)  # fmt: skip
def test_a_bad_value_is_named_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flag: str, value: str
) -> None:
    assert made(tmp_path, **{flag: value})[0] == 2
    assert "tillbell: init: " in capsys.readouterr().err
    assert not (tmp_path / "shop.toml").exists()


def test_quotes_and_backslashes_in_a_name_survive(tmp_path: Path) -> None:
    _, path = made(tmp_path, merchant='Joe\'s "Best" \\ Café')
    assert load(path).device.merchant == 'Joe\'s "Best" \\ Café'


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    status = main(["init", "--yes", "--output", str(tmp_path / "file" / "c.toml"), *words(FLAGS)])
    assert status == 2
    assert "cannot be written" in capsys.readouterr().err


def test_the_dialogue_asks_again_after_a_bad_answer_and_offers_ports_by_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(
        [
            "",
            "老王面馆",
            "",
            "Asia/Shangai",
            "Asia/Shanghai",
            "",
            "",
            "",
            "2",
            "",
            "",
            "1",
            "123 456",
            "10086",
            "",
            str(tmp_path),
        ]
    )
    asked: list[str] = []

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return next(answers)

    monkeypatch.setattr("builtins.input", answer)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(init, "ports", lambda: ["/dev/tillbell-a", "/dev/tillbell-b"])
    path = tmp_path / "c.toml"
    assert main(["init", "--output", str(path)]) == 0
    config = load(path)
    assert (config.device.name, config.device.language, config.device.currency) == ("till-1", "zh", "CNY")
    assert (config.sources[0].port, config.modems[0].port) == ("/dev/tillbell-b", "/dev/tillbell-a")
    assert config.recipients[0].phone == "10086"
    assert config.state_dir == tmp_path
    out = capsys.readouterr().out
    assert 'Did you mean "Asia/Shanghai"?' in out
    assert "no phone number" in out
    assert list(answers) == []
    assert len(asked) == 16


def test_an_input_that_ends_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(_prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", ended)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    assert main(["init", "--output", str(tmp_path / "c.toml")]) == 2
    assert "Nothing was written" in capsys.readouterr().err
    assert not (tmp_path / "c.toml").exists()


@given(st.dictionaries(st.sampled_from([q.key for q in init.QUESTIONS]), st.text(max_size=30)))
def test_no_answer_can_add_a_key_or_break_the_file_unseen(changes: dict[str, str]) -> None:
    answers = {**init._STAND_INS, **changes}
    try:
        config = parse(init.configuration(answers), "c.toml")
    except ConfigError:
        return
    assert config.device.merchant == answers["merchant"]
    assert config.device.name == answers["name"]
    assert config.recipients[0].phone == answers["phone"]
    assert len(config.sources) == len(config.modems) == 1
