"""The simulated phone and headquarters, as programs, against a network log with genuine, repeated and bad messages."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tillbell_agent.sim.network import Network
from tillbell_protocol.armor import armor
from tillbell_protocol.check import check_code
from tillbell_protocol.event import Kind, Transaction
from tillbell_protocol.pairing import Defaults, DevicePairing, SecretKey, bundle_text, pair_as_device
from tillbell_protocol.payload import encode_payload
from tillbell_protocol.ratchet import Ratchet
from tillbell_protocol.seal import PORT, Direction, seal
from tillbell_protocol.sms.address import Address
from tillbell_protocol.sms.segment import Segment, split_data, split_text
from tillbell_protocol.sms.tpdu import SmsSubmit

NUMBER = "+8613900139000"
DEFAULTS = Defaults("till-1", "CNY", 480, ("老王面馆",))
DEVICE = SecretKey.from_random(bytes(range(32)))


@dataclass
class Shop:
    """A paired device whose messages a test puts into the network's log by hand."""

    folder: Path
    pairing: DevicePairing
    ratchet: Ratchet
    network: Network
    arguments: list[str]

    def sealed(self, amount_minor: int, reference: str = "000012") -> bytes:
        event = Transaction(Kind.SALE, amount_minor, "CNY", receipt_no=reference)
        octets = seal(
            direction=Direction.DEVICE_TO_RECIPIENT,
            binding=self.pairing.binding,
            counter=self.ratchet.counter,
            message_key=self.ratchet.message_key(),
            signing_seed=DEVICE.ed25519_seed,
            payload=encode_payload(event, time=1_800_000_000, defaults=DEFAULTS),
        )
        self.ratchet = self.ratchet.advance()
        return octets

    def submit(self, segments: list[Segment], to: str = NUMBER) -> None:
        with (self.folder / "network.jsonl").open("a") as log:
            for segment in segments:
                submit = SmsSubmit(0, Address.from_text(to), 0, segment.dcs, None, segment.udh, segment.ud)
                for record in self.network.submit(submit, 1, "+8613000000000", 0.0):
                    log.write(json.dumps(record) + "\n")

    def run(self, program: str) -> list[dict[str, Any]]:
        """Everything that the program says of the log; its input ends at once."""
        done = subprocess.run(
            [sys.executable, "-m", f"tillbell_agent.sim.{program}", *self.arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=30,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        )
        assert done.returncode == 0, done.stderr.decode()
        assert done.stderr.split() == [b"ready"]
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    recipient = SecretKey.from_random(bytes(range(64, 128)))
    pairing = pair_as_device(DEVICE, recipient.card("hq", NUMBER), bytes(range(32)), DEFAULTS)
    key, bundle, log = tmp_path / "key", tmp_path / "bundle", tmp_path / "network.jsonl"
    key.write_text(f"# a comment\n{recipient.text()}\n")
    bundle.write_text(bundle_text(pairing.bundle) + "\n")
    log.touch()
    arguments = ["--log", str(log), "--number", NUMBER, "--key", str(key), "--bundle", str(bundle)]
    return Shop(tmp_path, pairing, pairing.ratchet, Network(datetime(2026, 11, 21, tzinfo=UTC)), arguments)


def test_headquarters_opens_binary_messages_of_one_and_of_several_segments(shop: Shop) -> None:
    shop.submit(split_data(shop.sealed(1880), 0, PORT))
    long = shop.sealed(500, "一个很长很长很长很长的单号")
    segments = split_data(long, 7, PORT)
    assert len(segments) == 2
    shop.submit(segments[::-1])
    first, second, closed = shop.run("headquarters")
    assert (first["ev"], first["event"]["amount_minor"], first["parts"], first["letters"]) == (
        "opened",
        1880,
        1,
        0,
    )
    assert (second["event"]["amount_minor"], second["parts"], second["octets"]) == (500, 2, len(long))
    assert closed == {"ev": "closed", "gaps": [], "duplicates": 0}


def test_headquarters_opens_armored_messages(shop: Shop) -> None:
    text = armor(shop.sealed(1880))
    shop.submit(split_text(text, 0))
    opened, _ = shop.run("headquarters")
    assert (opened["letters"], opened["parts"], opened["event"]["reference"]) == (len(text), 1, "000012")


def test_headquarters_names_a_repetition_a_forgery_and_a_gap(shop: Shop) -> None:
    first, lost, third = shop.sealed(100), shop.sealed(200), shop.sealed(300)
    assert lost
    forged = third[:-1] + bytes([third[-1] ^ 1])
    for octets in (first, first, forged, third):
        shop.submit(split_data(octets, 0, PORT))
    told = shop.run("headquarters")
    assert [event["ev"] for event in told] == ["opened", "duplicate", "refused", "opened", "closed"]
    assert told[2]["layer"] == "tag"
    assert told[-1]["gaps"] == [[1, 1]]


def test_headquarters_refuses_what_is_no_sealed_message_and_overlooks_other_numbers(shop: Shop) -> None:
    shop.submit(split_text("hello", 0))
    shop.submit(split_data(b"\x50" + bytes(100), 0, PORT + 1))
    shop.submit(split_data(shop.sealed(100), 0, PORT), to="+8613700137000")
    assert [event.get("layer") for event in shop.run("headquarters")] == ["sms", "sms", None]


def test_phone_shows_texts_whole_and_checks_their_codes(shop: Shop) -> None:
    before = "【老王面馆】收款到账18.80元,第1笔,今日累计18.80元,校验"
    text = before + check_code(shop.pairing.check_key, before)
    shop.submit(split_text(text, 0))
    shop.submit(split_text("[老王] " + "长" * 80 + "😀", 3))
    shop.submit(split_text("Lao Wang: {received} CNY 18.80. Check 000000", 0))
    genuine, long, plain = shop.run("phone")
    assert genuine == {
        "ev": "text", "text": text, "parts": 1, "alphabet": "UCS-2", "units": len(text), "check": True
    }  # fmt: skip
    assert (long["parts"], long["text"][-1], long["check"]) == (2, "😀", False)
    assert (plain["alphabet"], plain["text"][10:20], plain["check"]) == ("GSM 7-bit", "{received}", False)
