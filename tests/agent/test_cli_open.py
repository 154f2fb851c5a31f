"""``open`` and ``expand``: one JSON object a message, the keys that others automate against, and each refusal's name."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from till import Till, moment

from tillbell_agent.cli import main
from tillbell_protocol.armor import armor
from tillbell_protocol.pairing import bundle_text

CONTRACT = {"kind", "amount_minor", "currency", "time", "reference", "card_last4", "terminal_id", "shop"}


class Hq:
    """Headquarters' files, and what the verbs say."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.till = Till(folder / "state", ("hq",))
        self.folder, self._capsys = folder, capsys
        (folder / "hq.key").write_text(self.till.secret.text())
        (folder / "hq.bundle").write_text(bundle_text(self.till.pair()))
        self.keys = ["--key", str(folder / "hq.key"), "--bundle", str(folder / "hq.bundle")]

    def messages(self) -> list[bytes]:
        return [bytes(body) for (body,) in self.till.rows("SELECT body FROM message ORDER BY id")]  # type: ignore[arg-type]

    def say(self, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
        code = main(list(arguments))
        said = self._capsys.readouterr()
        assert "Traceback" not in said.err
        return code, [json.loads(line) for line in said.out.splitlines()]

    def open(self, *messages: str) -> tuple[int, list[dict[str, Any]]]:
        return self.say("open", *self.keys, "--json", *messages)


@pytest.fixture
def hq(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Hq:
    hq = Hq(tmp_path, capsys)
    hq.till.hear(12650, "000012")
    hq.till.hear(None, "000013")
    return hq


def test_an_event_has_the_keys_of_the_contract(hq: Hq) -> None:
    code, told = hq.open(*(message.hex() for message in hq.messages()))
    assert code == 0
    first, second = told
    assert (first["counter"], first["device"], second["counter"]) == (0, "till-1", 1)
    event = first["event"]
    assert event.keys() >= CONTRACT
    assert (event["kind"], event["amount_minor"], event["currency"]) == ("sale", 12650, "CNY")
    assert event["time"] == moment().local.isoformat()
    assert (event["reference"], event["card_last4"]) == ("000012", "6691")
    assert (event["terminal_id"], event["merchant_id"]) == ("12345678", "898310148160001")
    assert (event["shop"], event["final"], event["auth_code"]) == ("老王面馆", True, "051833")
    assert second["event"]["amount_minor"] is None


def test_armor_hex_and_white_space_are_the_same_message(hq: Hq) -> None:
    octets = hq.messages()[0]
    spellings = [
        octets.hex(),
        octets.hex().upper(),
        armor(octets),
        "\n".join(armor(octets)[i : i + 40] for i in range(0, 999, 40)),
    ]
    for spelling in spellings:
        code, told = hq.open(spelling)
        assert (code, told[0]["event"]["amount_minor"]) == (0, 12650)


def test_refusals_have_names_of_their_own_and_the_others_are_opened(hq: Hq) -> None:
    first, second = (message.hex() for message in hq.messages())
    code, told = hq.open(first[:90], first[:-2] + "00", first, first, second, "5" * 3, "?")
    assert code == 4
    assert [one.get("error") for one in told][:5] == ["Length", "Tag", None, "Duplicate", None]
    assert all("error" in one and one["why"] for one in told[5:])


def test_what_was_opened_is_remembered_in_a_state_file_only(hq: Hq) -> None:
    message = hq.messages()[0].hex()
    state = ["--state", str(hq.folder / "hq.json")]
    assert hq.open(message)[0] == hq.open(message)[0] == 0
    assert hq.say("open", *hq.keys, *state, "--json", message)[0] == 0
    code, told = hq.say("open", *hq.keys, *state, "--json", message)
    assert (code, told[0]["error"]) == (4, "Duplicate")
    code, told = hq.say("open", *hq.keys[:2], *state, "--json", hq.messages()[1].hex())
    assert (code, told[0]["event"]["terminal_id"]) == (0, "12345678"), "the state holds pairing and names"


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"version": 9}', '{"version": 1, "pairings": 7}', "\x00"]
)
def test_a_damaged_state_file_is_refused_and_kept(hq: Hq, content: str) -> None:
    state = hq.folder / "hq.json"
    state.write_text(content)
    assert main(["open", *hq.keys, "--state", str(state), hq.messages()[0].hex()]) in (2, 4)
    assert state.read_text() == content


def test_the_wrong_files_are_usage_errors(hq: Hq) -> None:
    message = hq.messages()[0].hex()
    assert main(["open", "--key", str(hq.folder / "none"), *hq.keys[2:], message]) == 2
    assert main(["open", *hq.keys[:2], message]) == 2
    assert main(["open", *hq.keys[:2], "--bundle", str(hq.folder / "none"), message]) == 2
    other = Till(hq.folder / "other", ("hq",), seed=99)
    (hq.folder / "other.key").write_text(other.secret.text())
    assert main(["open", "--key", str(hq.folder / "other.key"), *hq.keys[2:], message]) == 4


def test_for_people_a_message_is_a_sentence_that_says_it_was_not_compared(
    hq: Hq, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["open", *hq.keys, hq.messages()[0].hex(), "zz"]) == 4
    sentence, refusal = capsys.readouterr().out.splitlines()[:2]
    assert "126" in sentence
    assert "not compared" in sentence
    assert "refused" in refusal


def test_expansion_needs_no_key_for_the_outer_object_and_both_for_the_rest(hq: Hq) -> None:
    message = hq.messages()[0].hex()
    code, told = hq.say("expand", "--json", message)
    assert (code, told[0]["external_aad"], told[0]["sign1"]) == (0, None, None)
    code, whole = hq.say("expand", "--json", message, *hq.keys)
    assert code == 0
    assert whole[0]["encrypt0"] == told[0]["encrypt0"]
    assert whole[0]["external_aad"].startswith(message[:12])
    assert whole[0]["sign1"].startswith("d2")
    assert main(["expand", "--json", message, *hq.keys[:2]]) == 2


def test_a_message_that_cannot_be_expanded_is_refused(hq: Hq) -> None:
    message = hq.messages()[0].hex()
    code, told = hq.say("expand", "--json", message[:40], message[:-2] + "00", *hq.keys)
    assert code == 4
    assert [one["error"] for one in told] == ["Length", "Tag"]


def test_armor_between_other_lines_is_found(hq: Hq) -> None:
    message = hq.messages()[0]
    code, told = hq.open(f"Fw: sms\n{armor(message)}\n-- \n")
    assert (code, told[0]["counter"]) == (0, 0)
    code, told = hq.open(f"{armor(message)}\n\n{armor(hq.messages()[1])}")
    assert code == 4
    assert "2 messages" in told[0]["why"]


def test_a_state_file_of_nonsense_is_named_however_deep(hq: Hq) -> None:
    state = hq.folder / "deep"
    state.write_text("[" * 200_000)
    assert hq.say("open", *hq.keys, "--state", str(state), "--json", hq.messages()[0].hex())[0] == 2


def test_messages_come_from_standard_input_line_by_line_and_a_bad_one_ends_nothing(
    hq: Hq, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = hq.messages()
    lines = f"{first.hex()}\n\n".encode() + b"\xff\xfe no message\n" + f"{armor(second)}\n".encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines), "utf-8"))
    code, told = hq.open("-")
    assert code == 4
    assert [one.get("counter") for one in told] == [0, None, 1]


def test_what_was_shown_before_an_interruption_is_remembered(hq: Hq, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = hq.messages()

    class Interrupted(io.StringIO):
        def __next__(self) -> str:
            line = super().__next__()
            if not line.strip():
                raise KeyboardInterrupt
            return line

    state = ["--state", str(hq.folder / "hq.state")]
    monkeypatch.setattr(sys, "stdin", Interrupted(f"{first.hex()}\n \n"))
    code, told = hq.open(*state, "-")
    assert (code, [one["counter"] for one in told]) == (130, [0])
    code, told = hq.open(*state, first.hex())
    assert (code, told[0]["error"]) == (4, "Duplicate")


def test_a_second_bundle_of_a_device_is_taken_and_said(hq: Hq, capsys: pytest.CaptureFixture[str]) -> None:
    first = hq.messages()[0].hex()
    second = hq.folder / "second.bundle"
    second.write_text(bundle_text(hq.till.pair(seed=8)))
    assert main(["open", *hq.keys, "--bundle", str(second), "--json", first]) == 0
    said = capsys.readouterr().err
    assert "is paired already" in said
    assert "compare the fingerprints" in said


def test_a_name_that_contradicts_an_earlier_one_is_shown_beside_it(hq: Hq) -> None:
    first, second = (message.hex() for message in hq.messages())
    state = hq.folder / "hq.state"
    assert hq.open("--state", str(state), second)[0] == 0
    kept = json.loads(state.read_text())
    kept["pairings"][0]["terminals"] = [["OTHER", "898310148160001"]]
    state.write_text(json.dumps(kept))
    code, (told,) = hq.open("--state", str(state), first)
    assert code == 0
    assert "12345678" in json.dumps(told["contradicted"])


# The state of a recipient: tillbell pairings


@pytest.fixture
def state(hq: Hq) -> list[str]:
    """Of ``hq``, which has opened the second of two messages."""
    path = str(hq.folder / "hq.state")
    assert hq.open("--state", path, hq.messages()[1].hex())[0] == 0
    return ["--key", str(hq.folder / "hq.key"), "--state", path]


def pairings(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code = main(["pairings", *arguments, "--json"])
    said = capsys.readouterr().out
    return code, json.loads(said) if said else None


def test_a_pairing_is_listed_with_what_has_not_come(
    hq: Hq, state: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, (row,) = pairings(capsys, *state)
    assert code == 0
    expected = {"device": "till-1", "compared": False, "closed": False, "opened": 1, "duplicates": 0}
    assert row == expected | {"fingerprint": row["fingerprint"], "gaps": [[0, 0]]}
    assert main(["pairings", *state]) == 0
    assert row["fingerprint"] in capsys.readouterr().out


def test_messages_of_a_closed_pairing_are_refused_and_kept(
    hq: Hq, state: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    _, (row,) = pairings(capsys, *state)
    code, (closed,) = pairings(capsys, *state, "--close", row["fingerprint"].lower())
    assert (code, closed["closed"]) == (0, True)
    late = hq.messages()[0].hex()
    code, told = hq.open("--state", state[-1], late)
    assert (code, told[0]["error"]) == (4, "PairingClosed")
    code, quarantine = pairings(capsys, *state, "--quarantine")
    assert (code, quarantine["dropped"]) == (0, 0)
    (kept,) = quarantine["messages"]
    assert (kept["message"], kept["refused"], kept["authentic"]) == (late, "closed", True)
    assert main(["pairings", *state, "--quarantine"]) == 0
    assert late[:16] in capsys.readouterr().out


def test_a_fingerprint_of_nobody_closes_nothing(
    hq: Hq, state: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pairings", *state, "--close", "AAAA-BBBB-CCCC"]) == 4
    assert "no pairing has the fingerprint" in capsys.readouterr().err
    _, (row,) = pairings(capsys, *state)
    assert not row["closed"]


def test_a_state_that_does_not_exist_is_not_made(hq: Hq, capsys: pytest.CaptureFixture[str]) -> None:
    none = hq.folder / "none.state"
    assert main(["pairings", "--key", str(hq.folder / "hq.key"), "--state", str(none)]) == 2
    assert "there is no state" in capsys.readouterr().err
    assert not none.exists()
