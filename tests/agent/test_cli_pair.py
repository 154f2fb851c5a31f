"""``keys new``, ``keys show`` and ``pair``: secrets in files of 0600, cards and bundles alone on standard output."""

import sys
from contextlib import closing
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from till import configuration

from tillbell_agent.cli import main
from tillbell_agent.database import open_for_reading
from tillbell_protocol.pairing import Card, SecretKey, bundle_from_text, pair_as_recipient


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "config.toml"
    path.write_text(configuration(tmp_path / "state", ("owner", "hq", "books")), "utf-8")
    return str(path)


@pytest.fixture
def card(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["keys", "new", "--out", str(tmp_path / "hq.key")]) == 0
    return capsys.readouterr().out.strip()


def pair(config: str, card: str, *more: str, recipient: str = "hq") -> int:
    return main(["pair", "--config", config, "--recipient", recipient, "--card", card, *more])


def test_a_key_goes_to_a_private_file_and_its_card_alone_to_standard_output(
    tmp_path: Path, card: str
) -> None:
    path = tmp_path / "hq.key"
    assert path.stat().st_mode & 0o777 == 0o600
    key = SecretKey.from_text(path.read_text())
    assert card.startswith("TBC1.")
    assert Card.from_text(card).x25519 == key.x25519_public
    assert "TBK1." not in card


def test_a_key_is_never_overwritten(tmp_path: Path, card: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = (tmp_path / "hq.key").read_bytes()
    assert main(["keys", "new", "--out", str(tmp_path / "hq.key")]) == 2
    said = capsys.readouterr()
    assert (said.out, "never overwritten" in said.err) == ("", True)
    assert (tmp_path / "hq.key").read_bytes() == before


def test_a_key_that_cannot_be_written_is_an_error_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keys", "new", "--out", str(tmp_path / "none" / "hq.key")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_showing_a_key_shows_its_card_and_never_its_secret(
    tmp_path: Path, card: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keys", "show", str(tmp_path / "hq.key")]) == 0
    shown = capsys.readouterr().out
    assert card in shown
    assert "TBK1." not in shown
    assert main(["keys", "show", str(tmp_path / "none")]) == 2
    (tmp_path / "bad").write_text("TBK1.AAAA")
    assert main(["keys", "show", str(tmp_path / "bad")]) == 4


def test_pairing_prints_the_bundle_alone_and_makes_the_devices_key(
    tmp_path: Path, config: str, card: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pair(config, card) == 0
    said = capsys.readouterr()
    assert said.out.count("\n") == 1
    pairing = pair_as_recipient(
        SecretKey.from_text((tmp_path / "hq.key").read_text()), bundle_from_text(said.out.strip())
    )
    assert pairing.fingerprint in said.err
    assert pairing.defaults.device_name == "till-1"
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    for path in (tmp_path / "state").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600, path
    assert (
        SecretKey.from_text((tmp_path / "state" / "device.key").read_text()).ed25519_public
        == pairing.device_key
    )


def test_pairing_again_asks_or_takes_yes_and_without_either_changes_nothing(
    tmp_path: Path,
    config: str,
    card: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert pair(config, card) == 0
    first = capsys.readouterr().out
    before = (tmp_path / "state" / "tillbell.db").read_bytes()
    assert pair(config, card) == 2
    said = capsys.readouterr()
    assert (said.out, "--yes" in said.err) == ("", True)
    assert (tmp_path / "state" / "tillbell.db").read_bytes() == before
    monkeypatch.setattr("sys.stdin", Answer("n\n"))
    assert pair(config, card) == 4
    monkeypatch.setattr("sys.stdin", Answer("y\n"))
    assert pair(config, card) == 0
    assert pair(config, card, "--yes") == 0
    bundles = capsys.readouterr().out.split()
    assert len({first.strip(), *bundles}) == 3


class Answer:
    """A person at a terminal."""

    def __init__(self, words: str) -> None:
        self._words = words

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        return self._words


@pytest.mark.parametrize(
    ("wrong", "recipient", "code"),
    [
        ("TBC1.AAAA", "hq", 4),
        ("TBP1.AAAA", "hq", 4),
        ("nonsense", "hq", 2),
        ("", "hq", 2),
        (None, "owner", 2),
        (None, "nobody", 2),
    ],
)
def test_a_wrong_card_or_recipient_is_refused_and_nothing_is_paired(
    tmp_path: Path,
    config: str,
    card: str,
    capsys: pytest.CaptureFixture[str],
    wrong: str | None,
    recipient: str,
    code: int,
) -> None:
    assert pair(config, card if wrong is None else wrong, recipient=recipient) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("tillbell: ")
    assert not (tmp_path / "state" / "device.key").exists()


def test_a_card_that_would_share_its_secret_with_everybody_is_refused(
    config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    low_order = Card(bytes(32), None, "hq", None).text()
    assert pair(config, low_order) == 4
    assert "low order" in capsys.readouterr().err


def test_a_device_key_that_a_power_cut_left_empty_is_made_anew(
    tmp_path: Path, config: str, card: str
) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / "device.key").touch()
    assert pair(config, card) == 0
    SecretKey.from_text((tmp_path / "state" / "device.key").read_text())


def test_a_damaged_device_key_is_an_error_and_is_kept(
    tmp_path: Path, config: str, card: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / "device.key").write_text("damaged")
    assert pair(config, card) == 2
    assert "device's key" in capsys.readouterr().err
    assert (tmp_path / "state" / "device.key").read_text() == "damaged"


def test_without_a_card_the_bundle_of_the_present_pairing_is_printed_again(
    config: str, card: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pair", "--config", config, "--recipient", "hq"]) == 3
    capsys.readouterr()
    assert pair(config, card) == 0
    first = capsys.readouterr().out
    assert main(["pair", "--config", config, "--recipient", "hq"]) == 0
    assert capsys.readouterr().out == first
    assert main(["pair", "--config", config, "--recipient", "books"]) == 2
    assert "not paired" in capsys.readouterr().err


def test_a_second_place_that_cannot_be_written_is_told_when_pairing(
    config: str, card: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state.guard").mkdir()
    assert pair(config, card) == 0
    said = capsys.readouterr()
    assert said.out.startswith("TBP1.")
    assert "ALARM" in said.err
    assert "guard_file" in said.err


def test_closing_erases_the_keys_and_what_happens_later_is_held(
    tmp_path: Path, config: str, card: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pair(config, card) == 0
    capsys.readouterr()
    close = ["pair", "--config", config, "--recipient", "hq", "--close"]
    assert main(close) == 2, "nobody is asked without a terminal: --yes is wanted"
    assert "--yes" in capsys.readouterr().err
    assert main([*close, "--yes"]) == 0
    assert capsys.readouterr().out == ""
    with closing(open_for_reading(tmp_path / "state")) as connection:
        assert connection.execute("SELECT count(*) FROM pairing").fetchone() == (0,)
    assert main(["pair", "--config", config, "--recipient", "hq"]) == 2, "there is no bundle to show again"
    capsys.readouterr()
    assert main([*close, "--yes"]) == 2
    assert "not paired: nothing was changed" in capsys.readouterr().err


def test_closing_pairs_nobody(config: str, card: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert pair(config, card, "--close", "--yes") == 2
    assert "takes no --card" in capsys.readouterr().err
