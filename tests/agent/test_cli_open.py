"""Headquarters' verbs: keys, cards, bundles and messages as people hand them over, whole or not, right or wrong."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from till import Till, configuration

from tillbell_agent.cli import main
from tillbell_protocol.pairing import SecretKey, bundle_text


@dataclass(frozen=True, slots=True)
class Headquarters:
    """Files of one pairing, and three sealed sales in hex."""

    folder: Path
    sealed: list[str]
    fingerprint: str

    def open(self, *arguments: str) -> int:
        return main(["open", "--key", self.file("hq.key"), "--bundle", self.file("bundle.txt"), *arguments])

    def file(self, name: str) -> str:
        return str(self.folder / name)


@pytest.fixture
def hq(tmp_path: Path) -> Headquarters:
    till = Till(tmp_path / "state")
    bundle = till.pair()
    for number in range(3):
        till.hear(12650 + number, f"00001{number}", 60.0 * number)
    sealed = [bytes(row[0]).hex() for row in till.rows(SEALED)]  # type: ignore[arg-type]
    till.register.connection.close()
    (tmp_path / "hq.key").write_text(f"# a comment\n{till.secret.text()}\n")
    (tmp_path / "bundle.txt").write_text(bundle_text(bundle))
    (tmp_path / "hq.card").write_text(till.secret.card("hq", None).text())
    (tmp_path / "config.toml").write_text(configuration(tmp_path / "state"), encoding="utf-8")
    return Headquarters(tmp_path, sealed, till.receiver.pairings[0].keys.fingerprint)


SEALED = "SELECT body FROM message WHERE recipient = 'hq' ORDER BY id"


def test_a_sale_is_told_as_money_with_the_fingerprint_to_compare(
    hq: Headquarters, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hq.open(hq.sealed[0]) == 0
    told = capsys.readouterr().out
    assert told.startswith(
        f"till-1 #0 (fingerprint {hq.fingerprint} not compared): sale 126.50 CNY, time 2026-11-21T12"
    )
    assert "{" not in told
    assert "None" not in told


def test_a_compared_fingerprint_is_remembered(hq: Headquarters, capsys: pytest.CaptureFixture[str]) -> None:
    state = hq.file("hq.state")
    assert hq.open("--compared", hq.fingerprint.lower(), "--state", state, hq.sealed[0]) == 0
    assert capsys.readouterr().out.startswith("till-1 #0: sale 126.50 CNY")
    assert main(["open", "--key", hq.file("hq.key"), "--state", state, "--json", hq.sealed[1]]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["compared"], told["fingerprint"]) == (True, hq.fingerprint)


def test_another_fingerprint_opens_nothing(hq: Headquarters, capsys: pytest.CaptureFixture[str]) -> None:
    assert hq.open("--compared", "0000-0000-0000", hq.sealed[0]) == 4
    told = capsys.readouterr()
    assert told.out == ""
    assert f"no pairing has the fingerprint 0000-0000-0000; here: {hq.fingerprint} (till-1)" in told.err


def test_a_replay_across_calls_is_refused_and_says_which_message(
    hq: Headquarters, capsys: pytest.CaptureFixture[str]
) -> None:
    state = hq.file("hq.state")
    assert hq.open("--state", state, hq.sealed[0]) == 0
    capsys.readouterr()
    assert hq.open("--state", state, hq.sealed[1], hq.sealed[0]) == 4
    fresh, replayed = capsys.readouterr().out.splitlines()
    assert fresh.startswith("till-1 #1")
    assert replayed == (
        f"refused: message 2 ({hq.sealed[0][:16]}…): the same message of till-1 was opened before: counter 0"
    )


def test_what_has_not_come_is_named_until_it_comes(
    hq: Headquarters, capsys: pytest.CaptureFixture[str]
) -> None:
    state = hq.file("hq.state")
    assert hq.open("--state", state, hq.sealed[2]) == 0
    assert capsys.readouterr().err == "till-1: counters 0 to 1 not opened yet: late, lost or refused\n"
    assert hq.open("--state", state, hq.sealed[0]) == 0
    assert capsys.readouterr().err == "till-1: counter 1 not opened yet: late, lost or refused\n"
    assert hq.open("--state", state, hq.sealed[1]) == 0
    assert capsys.readouterr().err == ""


def test_calls_at_the_same_time_forget_nothing(hq: Headquarters, capsys: pytest.CaptureFixture[str]) -> None:
    keys = ["--key", hq.file("hq.key"), "--bundle", hq.file("bundle.txt"), "--state", hq.file("hq.state")]
    command = [sys.executable, "-m", "tillbell_agent.cli", "open", *keys]
    calls = [subprocess.Popen([*command, sealed], stdout=subprocess.DEVNULL) for sealed in hq.sealed]
    assert [call.wait(60) for call in calls] == [0, 0, 0]
    assert hq.open("--state", hq.file("hq.state"), "--json", *hq.sealed) == 4
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["error"] for each in told] == ["Duplicate"] * 3


def test_a_state_that_has_no_folder_opens_nothing(
    hq: Headquarters, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hq.open("--state", hq.file("absent/hq.state"), hq.sealed[0]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "absent/hq.state cannot be used: No such file or directory. Nothing was opened" in told.err


def test_a_copied_devices_sale_is_refused_and_yet_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    till = Till(tmp_path / "state")
    bundle = till.pair()
    shutil.copytree(tmp_path / "state", tmp_path / "copy")
    sealed = []
    for folder, amount in ((tmp_path / "state", 100), (tmp_path / "copy", 200)):
        (tmp_path / "state.guard").unlink(missing_ok=True)
        clone = Till(folder)
        clone.hear(amount)
        sealed.append(bytes(clone.rows(SEALED)[0][0]).hex())  # type: ignore[arg-type]
        clone.register.connection.close()
    (tmp_path / "hq.key").write_text(till.secret.text())
    assert main(["open", "--key", str(tmp_path / "hq.key"), "--bundle", bundle_text(bundle), *sealed]) == 4
    first, second = capsys.readouterr().out.splitlines()
    assert "sale 1.00 CNY" in first
    assert second.startswith("refused: message 2 (")
    assert "The device was cloned or restored from a copy: pair it again. It says: sale 2.00 CNY" in second


def test_a_typing_error_in_hex_is_found_and_not_taken_for_armor(
    hq: Headquarters, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = hq.sealed[0]
    assert hq.open(whole[:60] + "g" + whole[61:], whole[:-1], whole[:100], "") == 4
    typo, odd, cut, empty = capsys.readouterr().out.splitlines()
    assert typo.endswith(
        "message at octet 30: 'g' is no hex digit, and armor starts with U. Copy the message again"
    )
    assert odd.endswith(
        f"message at octet {len(whole) // 2 - 1}: one hex digit is missing or too many. Copy it again"
    )
    assert cut.endswith("50 octets; a sealed message has 87 to 1024. Is it whole?")
    assert empty.startswith("refused: message 4 (): ")


@pytest.mark.parametrize("altered", [0, 1, 20, -1])
def test_an_altered_message_is_refused_with_code_4(
    altered: int, hq: Headquarters, capsys: pytest.CaptureFixture[str]
) -> None:
    octets = bytearray.fromhex(hq.sealed[0])
    octets[altered] ^= 1
    assert hq.open("--json", octets.hex()) == 4
    assert set(json.loads(capsys.readouterr().out)) == {"error", "why"}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{", "is no state that tillbell open wrote"),
        (b"\xff\xd0", "is no state"),
        (b"{}", "cannot be used"),
        (None, "Is a directory"),
    ],
)
def test_a_wrong_state_file_is_named_and_left_alone(
    content: bytes | None, why: str, hq: Headquarters, capsys: pytest.CaptureFixture[str]
) -> None:
    path = hq.folder / "hq.state"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    assert hq.open("--state", str(path), hq.sealed[0]) == 2
    told = capsys.readouterr().err
    assert str(path) in told
    assert why in told
    assert content is None or path.read_bytes() == content


@pytest.mark.parametrize(
    ("key", "bundle", "says"),
    [
        ("hq.card", "bundle.txt", "hq.card is a recipient's public card"),
        ("bundle.txt", "bundle.txt", "bundle.txt is a pairing bundle"),
        ("config.toml", "bundle.txt", "config.toml cannot be read: TBK1. at octet 0"),
        ("nothing", "bundle.txt", "nothing cannot be read: No such file or directory"),
        ("hq.key", "hq.card", "the bundle is a recipient's public card"),
        ("hq.key", "hq.key", "the bundle is a secret key"),
        ("hq.key", "nothing", "nothing cannot be read: No such file or directory"),
    ],
)
def test_a_file_of_the_wrong_kind_is_called_what_it_is(
    key: str, bundle: str, says: str, hq: Headquarters, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["open", "--key", hq.file(key), "--bundle", hq.file(bundle), hq.sealed[0]])
    told = capsys.readouterr()
    assert code in (2, 4)
    assert told.out == ""
    assert told.err.startswith("tillbell: ")
    assert says in told.err


def test_no_error_repeats_a_secret(hq: Headquarters, capsys: pytest.CaptureFixture[str]) -> None:
    secret = (hq.folder / "hq.key").read_text().splitlines()[-1]
    assert main(["open", "--key", secret, hq.sealed[0]]) == 2
    assert main(["pair", "--config", hq.file("config.toml"), "--recipient", "hq", "--card", secret]) == 4
    assert (
        main(["pair", "--config", hq.file("config.toml"), "--recipient", "hq", "--card", hq.file("hq.key")])
        == 4
    )
    told = capsys.readouterr()
    assert secret[5:25] not in told.out + told.err
    assert told.err.count("is a secret key") == 2


def test_a_card_may_be_given_as_a_file(hq: Headquarters, capsys: pytest.CaptureFixture[str]) -> None:
    pair = ["pair", "--config", hq.file("config.toml"), "--recipient", "hq", "--yes", "--card"]
    assert main([*pair, hq.file("hq.card")]) == 0
    assert capsys.readouterr().out.startswith("TBP1.")


def test_the_devices_own_key_signs_and_has_no_card(
    hq: Headquarters, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(
            [
                "pair",
                "--config",
                hq.file("config.toml"),
                "--recipient",
                "hq",
                "--yes",
                "--card",
                hq.file("hq.card"),
            ]
        )
        == 0
    )
    device = hq.folder / "state" / "device.key"
    assert SecretKey.from_text(device.read_text()).x25519 is None
    assert main(["keys", "show", str(device)]) == 4
    assert "is a device's key" in capsys.readouterr().err


def test_keys_show_prints_the_card_that_keys_new_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "office.key")
    assert main(["keys", "new", "--out", path, "--name", "Kontor", "--phone", "+491701234567"]) == 0
    card = capsys.readouterr().out.strip()
    assert main(["keys", "show", path]) == 0
    assert capsys.readouterr().out.splitlines()[0] == card
    assert main(["keys", "show", path, "--name", "Büro", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["name"], shown["phone"]) == ("Büro", "+491701234567")


def test_a_card_noted_beside_another_key_is_not_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        assert main(["keys", "new", "--out", str(tmp_path / name), "--name", name]) == 0
    lines = {name: (tmp_path / name).read_text().splitlines() for name in ("a", "b")}
    (tmp_path / "mixed").write_text("\n".join([lines["a"][1], lines["b"][2]]))
    capsys.readouterr()
    assert main(["keys", "show", str(tmp_path / "mixed"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "headquarters"


def test_expand_shows_only_what_it_has_and_refuses_on_standard_error(
    hq: Headquarters, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["expand", hq.sealed[0], "5050"]) == 4
    told = capsys.readouterr()
    assert [line.split(":")[0] for line in told.out.splitlines()] == ["encrypt0"]
    assert told.err == "tillbell: 5050 is refused: 2 octets; a sealed message has 87 to 1024\n"
